"""A body on its way to the wire: lines joined, compressed, measured."""

import csv
import io
import json
import zlib
from collections.abc import Iterable, Iterator

from integration_tests.sandbox.faults.broken_bodies import CutError


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
