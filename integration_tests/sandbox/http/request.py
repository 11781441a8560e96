"""One call, as the sandbox's log keeps it."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass
class Request:
    """One call, as the sandbox's log keeps it."""

    method: str
    path: str
    target: str
    """Path and query as they were sent, still escaped."""
    params: dict[str, str]
    """Those of the query, and of a JSON body its fields, as text."""
    query: str
    headers: dict[str, str]
    arrived_order: int
    started: float
    """Seconds of the machine's monotonic clock."""
    clock: datetime
    """The sandbox's clock when the call arrived."""
    body: str = ""
    status: int = 0
    """0 as long as no headers were sent."""
    bytes_sent: int = 0
    """Bytes of the body on the wire."""
    complete: bool = False
    """Whether the whole answer was sent."""
    faults: list[str] = field(default_factory=list)
    """The kinds of the faults that struck."""
    ended: float | None = None

    @property
    def endpoint(self) -> str:
        """The path below ``/api/``; of other paths all of it, without the first slash."""
        return self.path.removeprefix("/api/").lstrip("/")
