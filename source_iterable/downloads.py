"""Downloads ahead: the coming bodies, of this and of the next tables, on a few threads for each limit.

The reader takes the bodies of a table one by one and in order; meanwhile threads fetch what comes next,
so that waiting for Iterable and emitting records overlap. Bodies lie on disk until they are taken: a slow
destination stalls no download, and all bodies together stay below a limit.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from source_iterable.errors import DiskError, TooMuchError
from source_iterable.windows import Width, Window

THREADS_PER_LIMIT = 4
NOTICE_SECONDS = 60.0  # of waiting for the next body, after which the log says that nothing is amiss
DISK_TRIES = 3  # of the body whose turn it is, on a disk that is full
AHEAD = 32  # bodies of one limit that may wait for their reader; each is an open file

logger = logging.getLogger("airbyte")

Grow = Callable[[int], None]


class Body(Protocol):
    """What a download yields."""

    @property
    def size(self) -> int:
        """Bytes on disk."""

    def close(self) -> None:
        """Give the disk back."""


class _State(Enum):
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
    """

    what: What
    body: Any = None
    seconds: float = 0.0
    _state: _State = _State.WAITING
    _error: Exception | None = None
    _claimed: int = 0
    _crowded: bool = False
    _discarded: bool = False
    _disk_full: int = 0

    @property
    def waits(self) -> bool:
        """Whether it is still to be asked for."""
        return self._state is _State.WAITING


class _NoRoomError(Exception):
    """Bodies that are needed sooner fill the spool."""


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
            if piece._state is _State.FAILED:
                return None  # the table ends there: what follows is not needed any more
            if piece.waits:
                return piece
        return None

    def _running(self) -> bool:
        return any(piece._state is _State.RUNNING for piece in self.pieces)


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
            del self.pieces[following]

    def extend(self) -> bool:
        """Add the window that is asked for last."""
        if self._last is None:
            return False
        self.pieces.append(Piece(self._last()))
        self._last = None
        self._one_by_one = True  # what changes meanwhile moves towards its end
        return True


class Lists(Backlog[int | None]):
    """The lists of a project, each a piece; first of all, the piece None that tells which lists there are."""

    def __init__(
        self, table: str, limit: str, listing: Callable[[], Sequence[int]], fetch: Callable[[int, Grow], Body]
    ) -> None:
        super().__init__(table, limit)
        self._listing = listing
        self._fetch = fetch
        self.pieces.append(Piece(None))

    def next(self) -> Piece[int | None] | None:
        """The next list."""
        return self._waiting()

    def fetch(self, piece: Piece[int | None], grow: Grow) -> Body:
        """Ask for the list, or for which lists there are."""
        return _Found(self._listing()) if piece.what is None else self._fetch(piece.what, grow)

    def arrived(self, piece: Piece[int | None]) -> None:
        """Put the lists that were found in the place of the piece that asked for them."""
        if isinstance(piece.body, _Found):
            self.pieces.remove(piece)
            self.pieces.extend(Piece(found) for found in piece.body.lists)

    def narrow(self, piece: Piece[int | None]) -> None:
        """A list cannot be asked for in parts: its `fetch` does not raise TooMuchError."""
        raise NotImplementedError


@dataclass
class _Found:
    lists: Sequence[int]
    size: int = 0

    def close(self) -> None:
        """Nothing lies on disk."""


class Unreadable(Backlog[None]):
    """The backlog of a table that cannot even be begun: its reader meets ``error``."""

    def __init__(self, table: str, limit: str, error: Exception) -> None:
        super().__init__(table, limit)
        self.pieces.append(Piece(None, _state=_State.FAILED, _error=error))

    def next(self) -> None:
        """Nothing is asked for."""

    def fetch(self, piece: Piece[None], grow: Grow) -> Body:
        """Never called."""
        raise NotImplementedError

    def arrived(self, piece: Piece[None]) -> None:
        """Never called."""

    def narrow(self, piece: Piece[None]) -> None:
        """Never called."""


class Downloads:
    """Fetches the pieces of all backlogs ahead of their reader.

    Args:
        backlogs: One for each table, in the order in which the tables are read.
        room: How many bytes of bodies may lie on disk at once.
    """

    def __init__(self, backlogs: Sequence[Backlog[Any]], room: int) -> None:
        self._backlogs = list(backlogs)
        self._room = room
        self._used = 0
        self._reading: Piece[Any] | None = None
        self._stopped = False
        self._defect: Exception | None = None
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to fetch."""
        for limit in dict.fromkeys(backlog.limit for backlog in self._backlogs):
            for number in range(THREADS_PER_LIMIT):
                # Daemons: a thread that waits for an answer keeps no ended process alive.
                thread = threading.Thread(
                    target=self._work, args=(limit,), name=f"download {limit} {number + 1}", daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def stop(self) -> None:
        """Begin nothing more, and give all disk back; a request under way ends by itself."""
        with self._changed:
            self._stopped = True
            for backlog in self._backlogs:
                self._abandon(backlog)
            self._release_reading()
            self._changed.notify_all()

    def take(self, table: str) -> Iterator[Piece[Any]]:
        """The pieces of ``table``, each when it is here, in order; a piece is closed when the next is taken.

        Raises:
            Exception: What a piece failed with, when it is its turn.
        """
        with self._changed:
            at = next(at for at, backlog in enumerate(self._backlogs) if backlog.table == table)
            for passed in self._backlogs[:at]:  # tables that failed before they were read to their end
                self._abandon(passed)
            self._backlogs = self._backlogs[at:]
            self._changed.notify_all()
        backlog = self._backlogs[0]
        while (piece := self._head(backlog)) is not None:
            yield piece

    def _head(self, backlog: Backlog[Any]) -> Piece[Any] | None:
        with self._changed:
            self._release_reading()
            self._changed.notify_all()
            while True:
                if self._defect is not None:
                    raise self._defect
                if self._stopped:
                    raise RuntimeError("the downloads were stopped")
                if not backlog.pieces and not backlog.extend():
                    return None
                head = backlog.pieces[0]
                if head._state is _State.FAILED and head._error is not None:
                    raise head._error
                if head._state is _State.DONE:
                    self._reading = backlog.pieces.popleft()
                    return self._reading
                self._changed.notify_all()
                if not self._changed.wait(NOTICE_SECONDS):
                    logger.info(
                        "%s: still waiting for what comes next (%s).", backlog.table, head.what or "the listing"
                    )

    def _release_reading(self) -> None:
        if self._reading is not None:
            self._drop(self._reading)
            self._reading = None

    def _work(self, limit: str) -> None:
        try:
            self._fetch_all(limit)
        except Exception as defect:
            with self._changed:
                self._defect = defect
                self._changed.notify_all()

    def _fetch_all(self, limit: str) -> None:
        while True:
            with self._changed:
                while (job := self._job(limit)) is None:
                    if self._stopped:
                        return
                    self._changed.wait()
                backlog, piece = job
                piece._state = _State.RUNNING
                piece._discarded = False
            began = time.monotonic()
            body: Body | None = None
            error: Exception | None = None
            try:
                body = backlog.fetch(piece, partial(self._grow, piece))
            except Exception as raised:
                error = raised
            piece.seconds += time.monotonic() - began
            with self._changed:
                self._settle(backlog, piece, body, error)
                self._changed.notify_all()

    def _job(self, limit: str) -> tuple[Backlog[Any], Piece[Any]] | None:
        """What a thread of ``limit`` should fetch now: the soonest needed first."""
        if self._stopped:
            return None
        ahead = 0
        for backlog in self._backlogs:
            if backlog.limit != limit:
                continue
            ahead += sum(piece._state is _State.DONE for piece in backlog.pieces)
            piece = backlog.next()
            if piece is None:
                continue
            if self._is_head(piece):
                if self._reading is None or not piece._crowded:
                    return backlog, piece
            elif ahead < AHEAD and not piece._disk_full and not (piece._crowded and self._used > self._room / 2):
                return backlog, piece
        return None

    def _settle(self, backlog: Backlog[Any], piece: Piece[Any], body: Body | None, error: Exception | None) -> None:
        if piece not in backlog.pieces or self._stopped or (piece._discarded and body is not None):
            if body is not None:
                body.close()
            self._drop(piece)
            piece._state = _State.WAITING
        elif body is not None:
            piece.body = body
            piece._state = _State.DONE
            piece._crowded = False
            backlog.arrived(piece)
        elif isinstance(error, _NoRoomError):
            self._drop(piece)
            piece._state, piece._crowded = _State.WAITING, True
        elif isinstance(error, DiskError) and self._may_wait_for_disk(piece):
            self._drop(piece)
            piece._state = _State.WAITING
        elif isinstance(error, TooMuchError):
            self._drop(piece)
            piece._state = _State.WAITING
            backlog.narrow(piece)
        else:
            self._drop(piece)
            piece._state, piece._error = _State.FAILED, error

    def _grow(self, piece: Piece[Any], size: int) -> None:
        """Take room for ``size`` more bytes of ``piece``, from bodies that are needed later if need be.

        A negative ``size`` gives room back.

        Raises:
            _NoRoomError: If bodies that are needed sooner fill the room, or nobody wants this one any more.
            TooMuchError: If ``piece`` alone is larger than the room.
        """
        with self._changed:
            if size < 0:
                given = min(-size, piece._claimed)
                piece._claimed -= given
                self._used -= given
                return
            if piece._discarded or self._stopped:
                raise _NoRoomError
            piece._claimed += size
            self._used += size
            if self._used <= self._room:
                return
            if piece._claimed > self._room:
                raise TooMuchError("it is larger than the room on disk")
            if self._is_head(piece):
                self._drop_later(piece, until=self._room)
            if self._used > self._room:
                raise _NoRoomError

    def _may_wait_for_disk(self, piece: Piece[Any]) -> bool:
        """After a full disk: whether ``piece`` should be asked for again in its turn.

        Bodies that are needed later make room for the one whose turn it is; that one gives up when it was
        refused so often.
        """
        if self._is_head(piece):
            piece._disk_full += 1
            self._drop_later(piece, until=0)
            return piece._disk_full < DISK_TRIES
        piece._disk_full = max(1, piece._disk_full)
        return True

    def _drop_later(self, head: Piece[Any], until: int) -> None:
        """Discard bodies, those needed last first, until no more than so many bytes lie on disk."""
        for backlog in reversed(self._backlogs):
            for piece in reversed(backlog.pieces):
                if self._used <= until:
                    return
                if piece is head:
                    continue
                if piece._state is _State.DONE:
                    self._drop(piece)
                    piece._state, piece._crowded = _State.WAITING, True
                elif piece._state is _State.RUNNING and piece._claimed:
                    piece._discarded, piece._crowded = True, True
                    self._used -= piece._claimed  # its thread lets go at its next piece of body
                    piece._claimed = 0

    def _drop(self, piece: Piece[Any]) -> None:
        if piece.body is not None:
            piece.body.close()
            piece.body = None
        self._used -= piece._claimed
        piece._claimed = 0

    def _abandon(self, backlog: Backlog[Any]) -> None:
        for piece in backlog.pieces:
            if piece._state is _State.RUNNING:
                piece._discarded = True
            else:
                self._drop(piece)
        backlog.pieces.clear()

    def _is_head(self, piece: Piece[Any]) -> bool:
        if not self._backlogs or not self._backlogs[0].pieces:
            return False
        return self._backlogs[0].pieces[0] is piece
