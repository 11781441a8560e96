import errno
import gzip
import io
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

from source_iterable.api import body as spool_module
from source_iterable.api import body_scan
from source_iterable.api.body import Body
from source_iterable.api.body_scan import BrokenBodyError, UnusableBodyError
from source_iterable.api.repeated_responses import BodyDigest, BodyEnd
from source_iterable.records.json_lines import parse
from source_iterable.reservation import Reservation


class Limited(Reservation):
    """Raises ``error`` beyond ``limit`` bytes; ``peak`` is the most that was reserved."""

    def __init__(self, limit: int, error: Exception) -> None:
        super().__init__()
        self.peak = 0
        self._limit = limit
        self._error = error

    def grow(self, size: int) -> None:
        if self.size + size > self._limit:
            raise self._error
        super().grow(size)
        self.peak = max(self.peak, self.size)


def answer(body: bytes, encoding: str | None = None, length: int | None = None) -> requests.Response:
    """A response whose body is still to be read; ``length`` is what its header promises."""
    response = requests.Response()
    response.status_code = 200
    headers = {"Content-Length": str(len(body) if length is None else length)}
    if encoding:
        headers["Content-Encoding"] = encoding
    response.headers.update(headers)
    response.raw = urllib3.HTTPResponse(io.BytesIO(body), headers=headers, preload_content=False, decode_content=False)
    return response


def unframed(body: bytes, encoding: str | None = None) -> requests.Response:
    """A response of which only the end of the connection tells the end."""
    response = answer(b"", encoding)
    headers = {"Content-Encoding": encoding} if encoding else {}
    response.raw = urllib3.HTTPResponse(
        io.BytesIO(body), headers=headers, version=10, preload_content=False, decode_content=False
    )
    return response


LINES = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"?").replace(b"\r", b"?")), max_size=20)


@given(LINES, st.booleans(), st.booleans())
def test_lines_come_as_they_were_sent_but_blank_ones(lines: list[bytes], zipped: bool, ends: bool) -> None:
    body = b"\r\n".join(lines) + (b"\n" if ends else b"")
    seen: list[bytes] = []

    spool = Body.receive(answer(gzip.compress(body), "gzip") if zipped else answer(body), check=seen.append)

    wanted = [line for line in lines if line.strip()]
    assert next(spool.preview(), None) == next(iter(wanted), None)
    assert list(spool.preview()) == wanted
    assert list(spool.lines()) == seen == wanted


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_lines_are_cut_right_wherever_pieces_end(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(spool_module, "CHUNK", chunk)
    rows = [{"name": "Zoë \u2028 \U0001f600", "number": number} for number in range(50)]
    body = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()

    for response in (answer(body), answer(gzip.compress(body), "gzip")):
        spool = Body.receive(response, check=parse)

        assert spool.malformed is None
        assert [json.loads(line) for line in spool.lines()] == rows


def test_several_gzip_members_are_one_body() -> None:
    body = gzip.compress(b"one\n") + gzip.compress(b"two")

    assert list(Body.receive(answer(body, "gzip"), check=len).lines()) == [b"one", b"two"]


def test_an_empty_body_is_whole() -> None:
    assert list(Body.receive(answer(b""), check=parse).lines()) == []
    assert list(Body.receive(answer(b"", "gzip"), check=parse).lines()) == []


@settings(max_examples=60)
@given(st.data())
def test_a_cut_body_is_broken_wherever_it_is_cut(data: Any) -> None:
    body = "\n".join(json.dumps({"row": number, "text": "é" * number}) for number in range(30)).encode()
    zipped = data.draw(st.booleans(), "zipped")
    whole = gzip.compress(body) if zipped else body
    cut = data.draw(st.integers(1 if zipped else 0, len(whole) - 1), "cut")
    reservation = Reservation()

    with pytest.raises(BrokenBodyError):
        # a compressed body betrays its cut by itself, a plain one by the promised length
        Body.receive(
            answer(whole[:cut], "gzip" if zipped else None, None if zipped else len(whole)), parse, reservation
        )

    assert reservation.size == 0


def test_a_damaged_gzip_body_is_broken() -> None:
    body = bytearray(gzip.compress(os.urandom(2000)))
    body[1000] ^= 0xFF

    with pytest.raises(BrokenBodyError, match="damaged"):
        Body.receive(answer(bytes(body), "gzip"), check=len)


def test_the_first_malformed_line_is_told() -> None:
    spool = Body.receive(answer(b'{"a": 1}\n\n{"a": \n{"a": 3}\nnull\n'), check=parse)

    assert spool.malformed == 2
    assert len(list(spool.lines())) == 4


def test_an_endless_line_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_scan, "LONGEST_LINE", 1000)
    monkeypatch.setattr(spool_module, "CHUNK", 100)

    for check in (parse, None):
        with pytest.raises(UnusableBodyError, match="line"):
            Body.receive(answer(b"row\n" + b"x" * 2000), check=check)


def test_a_gzip_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_scan, "MOST_INFLATED", 1_000_000)
    bomb = gzip.compress(b"\n" * 50_000_000)

    with pytest.raises(UnusableBodyError, match="200 times"):
        Body.receive(answer(bomb, "gzip"), check=parse)


def test_a_gzip_bomb_of_whole_rows_is_refused_at_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """750 to 1, beyond a tenth of the real bound; what lies on disk by then is little."""
    monkeypatch.setattr(body_scan, "MOST_INFLATED", 100_000_000)
    compress = zlib.compressobj(9, wbits=31)
    row = b'{"a":"' + b" " * 4000 + b'"}\n'
    bomb = b"".join(compress.compress(row * 256) for _ in range(120)) + compress.flush()
    reservation = Limited(10**12, MemoryError())

    with pytest.raises(UnusableBodyError, match="inflates to more than 200 times"):
        Body.receive(answer(bomb, "gzip"), check=parse, reservation=reservation)

    assert reservation.peak < len(bomb)
    assert reservation.size == 0


def test_well_compressed_rows_are_no_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_scan, "MOST_INFLATED", 1_000_000)
    body = b"".join(json.dumps({"row": zlib.crc32(bytes([n % 256]))}).encode() + b"\n" for n in range(100_000))

    spool = Body.receive(answer(gzip.compress(body), "gzip"), check=parse)

    assert len(list(spool.lines())) == 100_000


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(UnusableBodyError, match="br"):
        Body.receive(answer(b"x", "br"))


def test_nothing_is_left_in_the_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    spool = Body.receive(answer(b"row\n"), check=len)

    assert list(tmp_path.iterdir()) == []  # unlinked while it is still read
    assert list(spool.lines()) == [b"row"]


def test_kept_lines_are_read_when_all_are_there() -> None:
    spool = Body.from_lines(str(number).encode() for number in range(3))

    assert list(spool.lines()) == [b"0", b"1", b"2"]


@pytest.mark.parametrize("number", [0, 1, 50_000])
def test_kept_lines_are_compressed_and_counted_until_they_are_closed(number: int) -> None:
    reservation = Reservation()

    spool = Body.from_lines([b"the same line over and over again"] * number, reservation)

    assert reservation.size == spool.size
    assert spool.size < 50 + 34 * number / 10
    assert len(list(spool.lines())) == number
    spool.close()
    assert reservation.size == 0


def test_kept_lines_that_are_too_many_give_back_what_they_took() -> None:
    reservation = Limited(100_000, MemoryError())

    with pytest.raises(MemoryError):
        Body.from_lines((os.urandom(1000).hex().encode() for _ in range(1000)), reservation)

    assert reservation.peak > 0
    assert reservation.size == 0


@pytest.mark.parametrize("read", [Body.read, Body.close, lambda spool: list(spool.lines())])
def test_a_body_gives_its_disk_back_once_it_is_read(read: Callable[[Body], object]) -> None:
    reservation = Reservation()
    spool = Body.receive(answer(b"row\n"), reservation=reservation)
    assert reservation.size == 4

    read(spool)
    spool.close()

    assert reservation.size == 0


# A body in parts


@given(st.lists(st.tuples(LINES, st.booleans(), st.booleans()), max_size=5))
def test_parts_are_read_one_behind_the_other(parts: list[tuple[list[bytes], bool, bool]]) -> None:
    reservation = Reservation()
    spool = Body.multipart(reservation)
    for lines, zipped, ends in parts:
        body = b"\n".join(lines) + (b"\n" if ends else b"")
        spool.add(answer(gzip.compress(body), "gzip") if zipped else answer(body))

    assert reservation.size == spool.size
    assert list(spool.whole().lines()) == [line for lines, _, _ in parts for line in lines if line.strip()]


@pytest.mark.parametrize("zipped", [True, False])
def test_a_part_that_breaks_off_leaves_those_before_it(zipped: bool) -> None:
    reservation = Reservation()
    spool = Body.multipart(reservation)
    spool.add(answer(b"one"))
    body = gzip.compress(os.urandom(90_000)) if zipped else os.urandom(90_000)
    broken = answer(body[:50_000], "gzip" if zipped else None, length=len(body))

    with pytest.raises(BrokenBodyError):
        spool.add(broken)
    spool.add(answer(gzip.compress(b"two\n"), "gzip"))

    assert reservation.size == spool.size
    assert list(spool.whole().lines()) == [b"one", b"two"]


def test_a_part_that_met_a_full_disk_leaves_those_before_it() -> None:
    reservation = Limited(400_000, OSError(errno.ENOSPC, "No space left on device"))
    spool = Body.multipart(reservation)
    spool.add(answer(b"one"))

    with pytest.raises(OSError, match="No space left"):
        spool.add(answer(os.urandom(900_000)))
    spool.add(answer(b"two"))

    assert list(spool.whole().lines()) == [b"one", b"two"]


def test_a_malformed_line_is_counted_over_all_parts() -> None:
    spool = Body.multipart()

    spool.add(answer(b"{}\n{}\n"), check=parse)
    spool.add(answer(b"{}\nno json\n"), check=parse)

    assert spool.malformed == 4
    spool.close()


def test_no_parts_are_no_lines_and_no_doubt() -> None:
    spool = Body.multipart()

    assert not spool.latest_end.needs_confirmation
    assert list(spool.whole().lines()) == []


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_a_body_that_ends_within_a_row_may_be_cut(encoding: str | None) -> None:
    """Although its transport ends properly; a row that lacks nothing but its line's end is whole."""
    body = b'{"a":1}\n{"a":2}'

    whole = Body.receive(answer(_sent(body, encoding), encoding), check=parse)
    cut = Body.receive(answer(_sent(body[:-3], encoding), encoding), check=parse)

    assert list(whole.lines()) == body.split(b"\n")
    assert (whole.latest_end, whole.malformed) == (BodyEnd(), None)
    assert (cut.latest_end, cut.malformed) == (BodyEnd(is_malformed=True, is_truncated=True), 2)
    cut.close()


def test_a_body_without_an_end_that_ends_within_a_row_is_broken() -> None:
    with pytest.raises(BrokenBodyError, match="the last line is cut"):
        Body.receive(unframed(b'{"a":1}\n{"a":'), check=parse)


@pytest.mark.parametrize(
    ("response", "ending"),
    [
        (lambda: answer(b"one"), BodyEnd()),
        (lambda: answer(b""), BodyEnd()),
        (lambda: answer(gzip.compress(b"one"), "gzip"), BodyEnd()),
        (lambda: answer(b"", "gzip"), BodyEnd(is_proven=False)),
        (lambda: unframed(b"one"), BodyEnd(is_framed=False, is_proven=False)),
        (lambda: unframed(b""), BodyEnd(is_framed=False, is_proven=False)),
        (lambda: unframed(gzip.compress(b"one"), "gzip"), BodyEnd()),
        (lambda: unframed(b"", "gzip"), BodyEnd(is_framed=False, is_proven=False)),
    ],
)
def test_a_length_or_compression_proves_the_end(response: Callable[[], requests.Response], ending: BodyEnd) -> None:
    spool = Body.receive(response())

    assert spool.latest_end == ending
    assert spool.latest_end.needs_confirmation is not ending.is_proven
    spool.close()


def test_a_part_that_is_rejected_leaves_those_before_it() -> None:
    reservation = Reservation()
    spool = Body.multipart(reservation)
    spool.add(answer(b"{}"), check=parse)
    digests = []
    for body in (b"{}\nno", b"no\n\n{}"):
        spool.add(unframed(body + b"\n"), check=parse)
        digests.append(spool.digest())
        assert spool.malformed is not None
        spool.reject()
    spool.add(answer(b'{"a":1}'), check=parse)

    assert digests[0] == digests[1] == BodyDigest.of([b"{}", b"no"])
    assert reservation.size == spool.size
    assert spool.malformed is None
    assert list(spool.whole().lines()) == [b"{}", b'{"a":1}']


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_a_body_that_is_rejected_gives_its_disk_back(encoding: str | None) -> None:
    reservation = Reservation()
    spool = Body.receive(answer(_sent(b"one\ntwo", encoding), encoding), reservation=reservation)

    assert spool.digest() == BodyDigest.of([b"two", b"one"])
    assert spool.digest() != BodyDigest.of([b"two", b"eno"])
    spool.reject()

    assert reservation.size == 0


def _sent(body: bytes, encoding: str | None) -> bytes:
    return gzip.compress(body) if encoding else body


def test_closing_a_spool_that_the_disk_did_not_take_is_no_second_error() -> None:
    class Full(io.BytesIO):
        def close(self) -> None:
            super().close()
            raise OSError(errno.ENOSPC, "No space left on device")

    file = Full()

    Body(file, compressed=False).close()

    assert file.closed
