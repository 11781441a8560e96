"""A body on its way to the wire: lines joined, faults worked in, cut where they say."""

import csv
import io
import json
import zlib
from collections.abc import Iterable, Iterator

from integration_tests.sandbox.faults.faults import Fault

PIECE = 65536


class CutError(Exception):
    """The body ends here, although it is not complete."""


def joined(batches: Iterable[list[bytes]], *, newline_at_end: bool = False) -> Iterator[bytes]:
    """Lines with newlines between them."""
    first = True
    for batch in batches:
        if batch:
            text = b"\n".join(batch)
            yield text if first else b"\n" + text
            first = False
    if newline_at_end and not first:
        yield b"\n"


def with_blank_lines(batches: Iterable[list[bytes]], every: int) -> Iterator[list[bytes]]:
    """The same lines, with an empty one after every so many."""
    count = 0
    for batch in batches:
        lines = []
        for line in batch:
            lines.append(line)
            count += 1
            if count % every == 0:
                lines.append(b"" if count % 2 else b"  ")
        yield lines


def as_csv(lines: Iterable[bytes], delimiter: str) -> list[bytes]:
    """The rows of JSON lines as lines of CSV with a header; what is not a text or a number stands there as JSON."""
    rows = [json.loads(line) for line in lines]
    header = list(dict.fromkeys(name for row in rows for name in row))
    written = io.StringIO()
    writer = csv.DictWriter(written, header, delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        cells = {name: value for name, value in row.items() if value is not None}
        writer.writerow({name: v if isinstance(v, str) else json.dumps(v) for name, v in cells.items()})
    return written.getvalue().removesuffix("\n").encode().split(b"\n")


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


def zipped(pieces: Iterable[bytes], *, ends: bool = False) -> Iterator[bytes]:
    """The pieces compressed; where they break off, all that came before can still be read.

    With ``ends`` the compression is ended properly there, as if that were all.
    """
    compressor = zlib.compressobj(1, wbits=31)
    try:
        for piece in pieces:
            compressed = compressor.compress(piece)
            if compressed:
                yield compressed
    except CutError:
        yield compressor.flush(zlib.Z_FINISH if ends else zlib.Z_SYNC_FLUSH)
        raise
    yield compressor.flush()


def measured(pieces: Iterable[bytes]) -> tuple[Iterator[bytes], int]:
    """The pieces, and the length that their answer announces: more than there is if they are cut."""
    kept: list[bytes] = []
    missing = 0
    try:
        kept.extend(pieces)
    except CutError:
        missing = 1

    def again() -> Iterator[bytes]:
        yield from kept
        if missing:
            raise CutError

    return again(), sum(len(piece) for piece in kept) + missing
