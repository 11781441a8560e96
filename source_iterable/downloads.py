"""Downloads ahead: the coming bodies, of this and of the next tables, on a few threads for each limit.

The reader takes the bodies of a table one by one and in order; meanwhile threads fetch what comes next,
so that waiting for Iterable and emitting records overlap. Bodies lie on disk until they are taken: a slow
destination stalls no download, and all bodies together stay below a limit.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from source_iterable.backlogs import Backlog, Body, Piece, State
from source_iterable.errors import DiskError, TooMuchError

THREADS_PER_LIMIT = 4
NOTICE_SECONDS = 60.0  # of waiting for the next body, after which the log says that nothing is amiss
DISK_TRIES = 3  # of the body whose turn it is, on a disk that is full
AHEAD = 32  # bodies of one limit that may wait for their reader; each is an open file

logger = logging.getLogger("airbyte")


class _NoRoomError(Exception):
    """Bodies that are needed sooner fill the spool."""


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
                if head.state is State.FAILED and head.error is not None:
                    raise head.error
                if head.state is State.DONE:
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
                piece.state = State.RUNNING
                piece.discarded = False
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
            ahead += sum(piece.state is State.DONE for piece in backlog.pieces)
            piece = backlog.next()
            if piece is None:
                continue
            if self._is_head(piece):
                if self._reading is None or not piece.crowded:
                    return backlog, piece
            elif ahead < AHEAD and not piece.disk_full and not (piece.crowded and self._used > self._room / 2):
                return backlog, piece
        return None

    def _settle(self, backlog: Backlog[Any], piece: Piece[Any], body: Body | None, error: Exception | None) -> None:
        if piece not in backlog.pieces or self._stopped or (piece.discarded and body is not None):
            if body is not None:
                body.close()
            self._drop(piece)
            piece.state = State.WAITING
        elif body is not None:
            piece.body = body
            piece.state = State.DONE
            piece.crowded = False
            backlog.arrived(piece)
        elif isinstance(error, _NoRoomError):
            self._drop(piece)
            piece.state, piece.crowded = State.WAITING, True
        elif isinstance(error, DiskError) and self._may_wait_for_disk(piece):
            self._drop(piece)
            piece.state = State.WAITING
        elif isinstance(error, TooMuchError):
            self._drop(piece)
            piece.state = State.WAITING
            backlog.narrow(piece)
        else:
            self._drop(piece)
            piece.state, piece.error = State.FAILED, error

    def _grow(self, piece: Piece[Any], size: int) -> None:
        """Take room for ``size`` more bytes of ``piece``, from bodies that are needed later if need be.

        A negative ``size`` gives room back.

        Raises:
            _NoRoomError: If bodies that are needed sooner fill the room, or nobody wants this one any more.
            TooMuchError: If ``piece`` alone is larger than the room.
        """
        with self._changed:
            if size < 0:
                given = min(-size, piece.claimed)
                piece.claimed -= given
                self._used -= given
                return
            if piece.discarded or self._stopped:
                raise _NoRoomError
            piece.claimed += size
            self._used += size
            if not size or self._used <= self._room:
                return
            if piece.claimed > self._room:
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
            piece.disk_full += 1
            self._drop_later(piece, until=0)
            return piece.disk_full < DISK_TRIES
        piece.disk_full = max(1, piece.disk_full)
        return True

    def _drop_later(self, head: Piece[Any] | None, until: int) -> None:
        """Discard bodies, those needed last first, until no more than so many bytes lie on disk."""
        for backlog in reversed(self._backlogs):
            for piece in reversed(backlog.pieces):
                if self._used <= until:
                    return
                if piece is head:
                    continue
                if piece.state is State.DONE:
                    self._drop(piece)
                    piece.state, piece.crowded = State.WAITING, True
                elif piece.state is State.RUNNING and piece.claimed:
                    piece.discarded, piece.crowded = True, True
                    self._used -= piece.claimed  # its thread lets go at its next piece of body
                    piece.claimed = 0

    def make_room(self) -> None:
        """Give back the disk of all bodies that wait for a reader who meets a full disk; each comes in its turn."""
        with self._changed:
            self._drop_later(None, until=0)
            for backlog in self._backlogs:
                for piece in backlog.pieces:
                    if piece.crowded:
                        piece.disk_full = max(1, piece.disk_full)

    def _drop(self, piece: Piece[Any]) -> None:
        if piece.body is not None:
            piece.body.close()
            piece.body = None
        self._used -= piece.claimed
        piece.claimed = 0

    def _abandon(self, backlog: Backlog[Any]) -> None:
        for piece in backlog.pieces:
            if piece.state is State.RUNNING:
                piece.discarded = True
            else:
                self._drop(piece)
        backlog.pieces.clear()

    def _is_head(self, piece: Piece[Any]) -> bool:
        if not self._backlogs or not self._backlogs[0].pieces:
            return False
        return self._backlogs[0].pieces[0] is piece
