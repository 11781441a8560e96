"""One export job."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

State = Literal["enqueued", "running", "completed", "failed", "cancelling", "cancelled"]
STATES = ("enqueued", "running", "completed", "failed", "cancelling", "cancelled")
ENDED = ("completed", "failed", "cancelled")


@dataclass(eq=False)
class Job:
    """One export job."""

    id: int
    data_type: str
    window: tuple[str, str]
    """The two bounds as they were requested."""
    started_by: str
    """The ``User-Agent`` of who started it, or `ANOTHER_TOOL`."""
    scheduled: datetime
    """The sandbox's clock when it was started."""
    beside: int = 0
    """How many jobs of the same starter had not ended when it was started."""
    state: State = "enqueued"
    cancelled: bool = False
    """Whether somebody requested its cancellation."""
    truncated: bool = False
    """Whether rows are missing because the job was larger than may be."""
    rows: int = 0
    files: list[str] = field(default_factory=list)
    """The names of all its files, in their order."""
    shown: int = 0
    """How many of them are there for those who look."""
    bytes: int = 0
    started: float = 0.0
    """Seconds of the machine's monotonic clock."""
    ended: datetime | None = None
    looks: int = 0
    late: int = 0
    """How many looks found it completed without its files."""
    faults: list[str] = field(default_factory=list)
    delimiter: str | None = None
    """What separates the cells of files of CSV; None for files of JSON lines."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will become of it."""
        return self.state in ENDED
