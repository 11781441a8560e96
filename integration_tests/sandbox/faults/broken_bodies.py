"""Faults worked into a body: lines put between its own, and where it is cut."""

from collections.abc import Iterable, Iterator

from integration_tests.sandbox.faults.fault import Fault

PIECE = 65536


class CutError(Exception):
    """The body ends here, although it is not complete."""


def with_line(batches: Iterable[list[bytes]], line: bytes, after: int) -> Iterator[list[bytes]]:
    """The same lines, with one more after the first ``after``, or at the end of fewer."""
    count, done = 0, False
    for batch in batches:
        if not done and count + len(batch) >= after:
            yield [*batch[: after - count], line, *batch[after - count :]]
            done = True
        else:
            yield batch
        count += len(batch)
    if not done:
        yield [line]


def with_long_line(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """A JSON line of about ``size`` bytes in front of the body."""
    yield b'{"email":"long.line@example.com","padding":"'
    for begin in range(0, size, PIECE):
        yield b"x" * min(PIECE, size - begin)
    yield b'"}\n'
    yield from pieces


def cut(pieces: Iterable[bytes], fault: Fault) -> Iterator[bytes]:
    """The body up to where the fault stops it.

    Raises:
        CutError: There; unless the body is too small to be cut.
    """
    after = fault.after_bytes or 0
    if fault.cut_at == "last_line":
        yield from _without_last_line(pieces)
        raise CutError
    if fault.cut_at == "end":
        yield from pieces
        raise CutError
    sent = 0
    for piece in pieces:
        stop = _stop(piece, max(0, after - sent), fault.cut_at)
        if stop is not None:
            yield piece[:stop]
            raise CutError
        yield piece
        sent += len(piece)


def _stop(piece: bytes, after: int, cut_at: str) -> int | None:
    """Where a piece is cut that may be cut from its byte ``after`` on."""
    if after >= len(piece):
        return None
    if cut_at == "plain":
        return after
    if cut_at == "line":
        found = piece.find(b"\n", after)
        return found if found > 0 or (found == 0 and after == 0) else None
    continued = (at for at in range(after, len(piece)) if piece[at] & 0xC0 == 0x80)
    return next(continued, None)


def _without_last_line(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held = b""
    for piece in pieces:
        held += piece
        end = held.rstrip().rfind(b"\n")
        if end >= 0:
            yield held[:end]
            held = held[end:]


def wire_size(fault: Fault | None) -> int | None:
    """After how many bytes on the wire a fault strikes; None if it does not count those."""
    if fault is None or (fault.kind == "cut" and fault.cut_at != "wire"):
        return None
    return fault.after_bytes
