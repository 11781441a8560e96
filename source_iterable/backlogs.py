"""What a table wants downloaded, piece by piece: windows of time, or what a listing tells.

A backlog says what to ask for next, and learns what came of it; when to ask is the look-ahead's business
(downloads.py). Its methods are called by one thread at a time, but for `fetch`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Generic, Protocol, TypeVar

from source_iterable.windows import Width, Window

Grow = Callable[[int], None]


class Body(Protocol):
    """What a download yields."""

    @property
    def size(self) -> int:
        """Bytes on disk."""

    def close(self) -> None:
        """Give the disk back."""


class State(Enum):
    """Where a piece stands."""

    WAITING = auto()
    RUNNING = auto()
    DONE = auto()
    FAILED = auto()


What = TypeVar("What")


@dataclass(eq=False)
class Piece(Generic[What]):
    """One thing to ask for, and what came of it.

    Attributes:
        what: The window, or the list.
        body: What came, once it came.
        seconds: How long that took, waiting for the budget included.
        state: Whether it is still to be asked for, under way, here, or given up.
        error: Why it was given up.
        claimed: Bytes of room on disk that it holds.
        crowded: Whether it gave way to bodies that are needed sooner.
        discarded: Whether what is under way is not wanted any more.
        disk_full: How often the disk was full when it came.
    """

    what: What
    body: Any = None
    seconds: float = 0.0
    state: State = State.WAITING
    error: Exception | None = None
    claimed: int = 0
    crowded: bool = False
    discarded: bool = False
    disk_full: int = 0

    @property
    def waits(self) -> bool:
        """Whether it is still to be asked for."""
        return self.state is State.WAITING


@dataclass
class Backlog(ABC, Generic[What]):
    """What a table still wants, in the order in which it is read.

    Attributes:
        table: The table's name.
        limit: The endpoint whose limit its requests fall under.
        pieces: What is wanted, next first.
    """

    table: str
    limit: str
    pieces: deque[Piece[What]] = field(default_factory=deque, init=False)

    @abstractmethod
    def next(self) -> Piece[What] | None:
        """The next piece to ask for; None if there is nothing to ask for now."""

    @abstractmethod
    def fetch(self, piece: Piece[What], grow: Grow) -> Body:
        """Ask for ``piece``; called on a thread of the look-ahead.

        Raises:
            TooMuchError: If the server could not deliver it at once.
        """

    @abstractmethod
    def arrived(self, piece: Piece[What]) -> None:
        """Learn that ``piece`` came whole."""

    @abstractmethod
    def narrow(self, piece: Piece[What]) -> None:
        """Learn that ``piece`` is too much, and plan to ask for less."""

    def extend(self) -> bool:
        """Called when everything was taken: add what can be asked for only now, and tell whether there is any."""
        return False

    def _waiting(self) -> Piece[What] | None:
        for piece in self.pieces:
            if piece.state is State.FAILED:
                return None  # the table ends there: what follows is not needed any more
            if piece.waits:
                return piece
        return None

    def _running(self) -> bool:
        return any(piece.state is State.RUNNING for piece in self.pieces)


FetchWindow = Callable[[Window, int, Grow], Body]


class Windows(Backlog[Window]):
    """The windows of an export table, cut from its span as wide as the server is known to deliver.

    Until one window came whole, a single one is asked for: a table that the key may not export costs one
    request, and a width that is too much is not tried several times at once.

    Args:
        table: The table's name.
        limit: The endpoint.
        span: From where to where to read; None for nothing.
        width: The width to begin with, and its rules.
        fetch: Asks for a window, meeting failures so many times.
        last: Gives a window to ask for when all others were taken, if there is to be one.
    """

    def __init__(
        self,
        table: str,
        limit: str,
        span: Window | None,
        width: Width,
        fetch: FetchWindow,
        last: Callable[[], Window] | None = None,
    ) -> None:
        super().__init__(table, limit)
        self._width = width
        self._fetch = fetch
        self._last = last
        self._proven = False
        self._narrowing = False
        self._one_by_one = False
        self._trial: Piece[Window] | None = None
        if span is not None:
            self.pieces.append(Piece(span))

    def next(self) -> Piece[Window] | None:
        """The next window, cut to the present width, or to one that is worth a try."""
        piece = self._waiting()
        if piece is None or ((self._one_by_one or not self._proven) and self._running()):
            return None
        self._join(piece)
        if self._trial is piece:  # it was put off, and is asked for anew
            self._trial = None
        width = self._width.current
        if self._trial is None and (trial := self._width.trial) is not None and piece.what.width > width:
            self._trial, width = piece, trial
        head, rest = piece.what.cut(width)
        if rest is not None:
            piece.what = head
            self.pieces.insert(self.pieces.index(piece) + 1, Piece(rest))
        return piece

    def fetch(self, piece: Piece[Window], grow: Grow) -> Body:
        """Ask for the window: twice where its width is thought to work, once where it is a guess."""
        return self._fetch(piece.what, 1 if self._narrowing or piece is self._trial else 2, grow)

    def arrived(self, piece: Piece[Window]) -> None:
        """Remember that this width works."""
        self._proven, self._narrowing = True, False
        if piece is self._trial:
            self._trial = None
        self._width.delivered(piece.what, piece.body.size)

    def narrow(self, piece: Piece[Window]) -> None:
        """Ask for less from where ``piece`` begins."""
        if piece is self._trial:
            self._trial = None
            self._width.trial_failed()
            return
        self._proven, self._narrowing = False, True
        self._width.refused(piece.what)

    def _join(self, piece: Piece[Window]) -> None:
        """Add the windows that wait behind ``piece``, which were cut to another width."""
        following = self.pieces.index(piece) + 1
        while following < len(self.pieces) and self.pieces[following].waits:
            piece.what = Window(piece.what.start, self.pieces[following].what.end)
            if self._trial is self.pieces[following]:
                self._trial = None
            del self.pieces[following]

    def extend(self) -> bool:
        """Add the window that is asked for last."""
        if self._last is None:
            return False
        self.pieces.append(Piece(self._last()))
        self._last = None
        self._one_by_one = True  # what changes meanwhile moves towards its end
        return True


class Listed(Backlog[What | None]):
    """What a listing tells, each a piece; first of all, the piece None that makes the listing.

    Args:
        table: The table's name.
        limit: The endpoint.
        listing: Makes the listing; called on a thread of the look-ahead.
        fetch: Asks for one thing of it.
    """

    def __init__(
        self, table: str, limit: str, listing: Callable[[], Sequence[What]], fetch: Callable[[What, Grow], Body]
    ) -> None:
        super().__init__(table, limit)
        self._listing = listing
        self._fetch = fetch
        self.pieces.append(Piece(None))

    def next(self) -> Piece[What | None] | None:
        """The next thing that was listed."""
        return self._waiting()

    def fetch(self, piece: Piece[What | None], grow: Grow) -> Body:
        """Ask for the piece, or for what there is."""
        return _Found(self._listing()) if piece.what is None else self._fetch(piece.what, grow)

    def arrived(self, piece: Piece[What | None]) -> None:
        """Put what was found in the place of the piece that asked for it."""
        if isinstance(piece.body, _Found):
            self.pieces.remove(piece)
            self.pieces.extend(Piece(found) for found in piece.body.found)

    def narrow(self, piece: Piece[What | None]) -> None:
        """What was listed cannot be asked for in parts: its `fetch` does not raise TooMuchError."""
        raise NotImplementedError


@dataclass
class _Found:
    found: Sequence[Any]
    size: int = 0

    def close(self) -> None:
        """Nothing lies on disk."""


class Unreadable(Backlog[None]):
    """The backlog of a table that cannot even be begun: its reader meets ``error``."""

    def __init__(self, table: str, limit: str, error: Exception) -> None:
        super().__init__(table, limit)
        self.pieces.append(Piece(None, state=State.FAILED, error=error))

    def next(self) -> None:
        """Nothing is asked for."""

    def fetch(self, piece: Piece[None], grow: Grow) -> Body:
        """Never called."""
        raise NotImplementedError

    def arrived(self, piece: Piece[None]) -> None:
        """Never called."""

    def narrow(self, piece: Piece[None]) -> None:
        """Never called."""
