"""A fault: which calls it strikes, and what it does to them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any, Literal, Self, get_args

FaultKind = Literal[
    "status", "cut", "reset", "hang", "slow", "unframed", "malformed", "blank_lines", "long_line", "redirect",
    "next_page", "empty_page", "total", "job_failed", "job_cancelled", "job_restarted", "job_stuck", "job_late",
]  # fmt: skip
CutAt = Literal["wire", "plain", "line", "character", "last_line", "end"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Fault:
    """One thing that goes wrong, in calls that match.

    Kinds, and the fields that each reads:

    - ``status``: answers ``status`` with the body that Iterable gives (``body`` replaces it,
      ``body_bytes`` makes it that large); ``retry_after`` adds the header, seconds or any text as it is.
    - ``cut``: the body stops after ``after_bytes`` and the connection closes; with ``clean`` the chunked
      encoding is ended properly nevertheless, and so is the compression of what was cut before it.
      ``cut_at`` tells what is counted and where it stops: ``wire`` bytes as sent, ``plain`` bytes before
      compression, ``line`` at the first end of a line after so many plain bytes (before the newline, so that
      it looks whole), ``character`` inside the first one of several bytes after them, ``last_line`` before the
      last line, ``end`` after all of it.
      Smaller bodies pass: with ``times=None`` this is a server that cannot deliver more than so much.
    - ``reset``: resets the connection before the headers, or after ``after_bytes`` of the body on the wire.
    - ``hang``: silent for ``seconds`` before the headers, or after ``after_bytes`` of the body, then continues.
    - ``slow``: the answer begins ``seconds`` late, or trickles for so long after ``after_bytes`` of the body.
    - ``unframed``: the body comes without length, chunked encoding and compression, as through a proxy that speaks
      HTTP/1.0; its end is that of the connection, so that one that is also ``cut`` at a line's end looks whole.
    - ``malformed``: ``line`` stands between the rows, after the first ``after_rows`` of them; of fewer rows, at the
      end, where no newline follows it.
    - ``blank_lines``: an empty line or spaces after every row.
    - ``long_line``: a line of ``body_bytes`` bytes before the rows, easily compressed.
    - ``redirect``: to ``location`` with ``status`` (302 if not given).
    - ``next_page``: ``nextPageUrl`` becomes ``location``, also on the last page.
    - ``empty_page``: a page of a list endpoint has no rows; its total and its next page stay.
    - ``total``: the total of a list endpoint becomes ``total``.
    - ``job_failed``, ``job_cancelled``: the export job that is started ends so after it ran, ``job_restarted``:
      goes back from running to enqueued once, ``job_stuck``: stays enqueued for ever, ``job_late``: shows
      none of its files while it runs. These strike calls of ``export/start`` only.

    A call matches if its endpoint (``export/data.json``; ``*`` is any text) and all given parameters match; calls
    about an export job (``export/<id>/files``) and for its files (``storage/<id>/<file>``) have its data type.
    Of the matching calls, those from number ``nth`` on are struck, ``times`` of them or, with None, all. With
    ``from_second`` and ``to_second`` it is a timed outage: only calls so many seconds (of `Faults.time`) after the
    fault was put in force are struck, and only these are counted. With ``lasting`` it is one that begins with the first
    call that it strikes, and is over so many seconds later.
    """

    kind: FaultKind
    endpoint: str = "*"
    data_type: str | None = None
    list_id: int | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    nth: int = 1
    times: int | None = 1
    from_second: float = 0.0
    to_second: float | None = None
    lasting: float | None = None
    status: int | None = None
    body: str | None = None
    body_bytes: int = 0
    retry_after: int | str | None = None
    after_bytes: int | None = None
    cut_at: CutAt = "wire"
    clean: bool = False
    seconds: float = 0.0
    line: str = '{"email":"broken@example.com","createdAt":"2024-01-'
    after_rows: int = 1
    location: str = ""
    total: int = 0

    def __post_init__(self) -> None:
        """Refuse what could never strike."""
        if self.kind not in get_args(FaultKind):
            message = f"There is no fault {self.kind!r}; there are {', '.join(get_args(FaultKind))}."
            raise ValueError(message)
        if self.cut_at not in get_args(CutAt):
            message = f"A body cannot be cut at {self.cut_at!r}, but at {', '.join(get_args(CutAt))}."
            raise ValueError(message)
        if self.kind == "status" and self.status is None:
            message = "A fault of kind 'status' needs a status."
            raise ValueError(message)
        if self.kind in {"redirect", "next_page"} and not self.location:
            message = f"A fault of kind {self.kind!r} needs a location."
            raise ValueError(message)
        if self.nth < 1:
            message = "Calls are counted from 1."
            raise ValueError(message)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The fault that a JSON object describes.

        Raises:
            ValueError: If it has a field that faults do not have, or an impossible value.
        """
        unknown = value.keys() - {one.name for one in fields(cls)}
        if unknown or "kind" not in value:
            message = f"A fault has a kind, and no fields {sorted(unknown)}." if unknown else "A fault needs a kind."
            raise ValueError(message)
        return cls(**value)

    def to_json(self) -> dict[str, Any]:
        """The fault as a JSON object."""
        return asdict(self)

    def matches(self, endpoint: str, params: Mapping[str, str]) -> bool:
        """Whether a call is one of those that the fault may strike."""
        if self.kind.startswith("job_") and endpoint != "export/start":
            return False
        wanted = dict(self.params)
        if self.data_type is not None:
            wanted["dataTypeName"] = self.data_type
        if self.list_id is not None:
            wanted["listId"] = str(self.list_id)
        return fnmatchcase(endpoint, self.endpoint) and all(params.get(k) == v for k, v in wanted.items())
