"""A body on disk: copied as it comes off the wire, and proved whole before anybody reads a row of it.

What its transport says of its end is proof: a length, chunked encoding, the trailer of compression. A body without
any of these is doubtful, and so is one with a line that is not JSON: another reading may show more (readings.py).

A body is an unlinked temporary file in `$TMPDIR`, readable by its owner alone: whatever ends the process, nothing
stays behind.
"""

from __future__ import annotations

import gzip
import io
import tempfile
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, cast

import orjson
import requests
import urllib3

from source_iterable.api.body_scan import BrokenBodyError, Check, Inflation, Lines, UnusableBodyError, Whole
from source_iterable.api.readings import Digest, Ending
from source_iterable.reservation import Reservation

CHUNK = 1 << 18
LARGEST_ANSWER = 256_000_000
# Between parts, of which the last line may lack its end.
_LINE_END = gzip.compress(b"\n", 1, mtime=0)


class Body:
    """A body that came to its end, in one piece or in parts.

    Attributes:
        size: Bytes on disk, as a rule those on the wire.
        malformed: The number, from 1, of the first line that ``check`` refused; None where all are well.
        latest: How the body, or the latest of its parts, ended.
    """

    def __init__(
        self, file: IO[bytes], reservation: Reservation | None = None, *, compressed: bool, parts: bool = False
    ) -> None:
        self._file = file
        self._compressed = compressed
        self._parts = parts
        self._largest: int | None = None
        self._reservation = reservation or Reservation()
        self._lines = 0
        self._before: tuple[int, int, int | None] = (0, 0, None)
        self.size = 0
        self.malformed: int | None = None
        self.latest = Ending()

    @classmethod
    def receive(
        cls,
        response: requests.Response,
        check: Check | None = None,
        reservation: Reservation | None = None,
        largest: int | None = None,
    ) -> Body:
        """Copy the body of ``response`` to disk and prove it whole.

        Args:
            response: An answer that was requested with `stream=True`.
            check: Called with each line that is not blank; a MalformedLineError is noted in ``malformed``.
            reservation: The disk that the body takes, which is given back when it is closed; None without a limit.
            largest: The most bytes of a body whose lines may be of any length; None where each line is bounded.

        Raises:
            BrokenBodyError: If the body breaks off, or its compression does, or if it ends within a row and its
                transport does not prove that it ends there.
            UnusableBodyError: If a line or the body is too large, or it inflates over 200 to 1 beyond 1 GB.
            OSError: If the disk is full.
        """
        try:
            compressed = _is_compressed(response)
            # The file is closed on any error below, and by its reader otherwise.
            body = cls(tempfile.TemporaryFile(), reservation, compressed=compressed)  # noqa: SIM115
            body._largest = largest
        except BaseException:
            response.close()
            raise
        try:
            body._copy(response, check)
            body._file.seek(0)
        except BaseException:
            body.close()
            raise
        return body

    @classmethod
    def receive_answer(cls, response: requests.Response) -> Body:
        """As `receive`, for a body that `read` takes whole, such as JSON: up to 256 MB, in lines of any length."""
        return cls.receive(response, largest=LARGEST_ANSWER)

    @classmethod
    def multipart(cls, reservation: Reservation | None = None) -> Body:
        """An empty body for the parts that a body comes in; what was not compressed is compressed on its way in."""
        return cls(tempfile.TemporaryFile(), reservation, compressed=True, parts=True)

    def add(self, response: requests.Response, check: Check | None = None) -> Body:
        """Copy the body of ``response``, the next part, behind the parts before, and prove it whole.

        Args and errors are those of `receive`; a part that broke off leaves those before as they were.
        """
        try:
            self._file.seek(self.size)
            self._file.truncate()
        except BaseException:
            response.close()
            raise
        self._copy(response, check)
        return self

    def _copy(self, response: requests.Response, check: Check | None) -> None:
        lines = Lines(check) if self._largest is None else Whole(self._largest)
        size = self.size
        is_framed = _is_framed(response)
        try:
            inflated = Inflation() if _is_compressed(response) else None
            deflate = zlib.compressobj(1, wbits=31) if inflated is None and self._compressed else None
            for piece in response.raw.stream(CHUNK, decode_content=False):
                if inflated is None:
                    lines.feed(piece)
                else:
                    for plain in inflated.feed(piece):
                        lines.feed(plain)
                size += self._write(piece if deflate is None else deflate.compress(piece))
            if inflated is not None:
                inflated.end()
            # Compression has a beginning even where the body is empty: nothing at all proves nothing.
            is_proven = is_framed if inflated is None else inflated.has_begun
            is_cut = lines.end(is_proven=is_proven)
            if deflate is not None:
                size += self._write(deflate.flush())
            if self._parts:
                size += self._write(_LINE_END)
            self._file.flush()
        except BaseException as error:
            self._reservation.shrink(size - self.size)
            if isinstance(error, urllib3.exceptions.HTTPError | zlib.error | BrokenBodyError):
                raise BrokenBodyError(_reason(error)) from error
            raise
        finally:
            response.close()
        self._before = self.size, self._lines, self.malformed
        self.latest = Ending(is_framed or is_proven, is_proven, lines.malformed is not None, is_cut)
        self.size = size
        if self.malformed is None and lines.malformed is not None:
            self.malformed = self._lines + lines.malformed
        self._lines += lines.count

    def _write(self, piece: bytes) -> int:
        if piece:
            self._reservation.grow(len(piece))
            self._file.write(piece)
        return len(piece)

    def reject(self) -> None:
        """Take back what came latest, all or one part; the disk that it took is given back."""
        size, self._lines, self.malformed = self._before
        self._reservation.shrink(self.size - size)
        self.size = size
        if not self._parts:
            self.close()

    def digest(self) -> Digest:
        """The digest of what came latest; the body stays as it is."""
        if self._largest is None:
            return Digest.of(self.preview(self._before[0]))
        with self.opened() as body:
            return Digest.of(iter(lambda: body.read(CHUNK), b""))

    def is_object(self) -> bool:
        """Whether what came latest is a JSON object, whose end proves that it is whole."""
        try:
            return isinstance(orjson.loads(b"\n".join(self.preview(self._before[0]))), dict)
        except orjson.JSONDecodeError:
            return False

    def whole(self) -> Body:
        """The body, ready to be read: no more parts will come."""
        self._file.seek(0)
        return self

    @classmethod
    def from_lines(cls, lines: Iterable[bytes], reservation: Reservation | None = None) -> Body:
        """Put ``lines`` on disk, compressed, all of them before anybody reads one."""
        body = cls(tempfile.TemporaryFile(), reservation, compressed=True)  # noqa: SIM115
        try:
            deflate = zlib.compressobj(1, wbits=31)
            for line in lines:
                body.size += body._write(deflate.compress(line + b"\n"))
            body.size += body._write(deflate.flush())
            body._file.seek(0)
        except BaseException:
            body.close()
            raise
        return body

    def lines(self) -> Iterator[bytes]:
        """The lines that are not blank, without their ends; the body is closed after the last."""
        try:
            with self._reader() as reader:
                yield from _lines_of(reader)
        finally:
            self.close()

    def preview(self, begin: int = 0) -> Generator[bytes]:
        """As `lines`, from the byte ``begin`` on disk, but the body can be read from its beginning afterwards."""
        try:
            self._file.seek(begin)
            yield from _lines_of(gzip.GzipFile(fileobj=self._file) if self._compressed else self._file)
        finally:
            self._file.seek(0)

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The body, decompressed, to be read piece by piece; the body can be read again afterwards."""
        self._file.seek(0)
        yield cast("IO[bytes]", gzip.GzipFile(fileobj=self._file)) if self._compressed else self._file
        self._file.seek(0)

    def read(self) -> bytes:
        """The whole body, for answers that are small by nature; the body is closed after it.

        Raises:
            UnusableBodyError: If it is larger than 256 MB.
        """
        try:
            with self._reader() as reader:
                body = reader.read(LARGEST_ANSWER + 1)
        finally:
            self.close()
        if len(body) > LARGEST_ANSWER:
            raise UnusableBodyError(f"the body is larger than {LARGEST_ANSWER // 1_000_000} MB")
        return body

    def close(self) -> None:
        """Give the disk back."""
        with suppress(OSError):  # of what a full disk did not take; the file is closed all the same
            self._file.close()
        self._reservation.close()

    def _reader(self) -> io.BufferedReader:
        if not self._compressed:
            return io.BufferedReader(self._file, 1 << 20)  # type: ignore[arg-type] # it can readinto
        return _Owning(gzip.GzipFile(fileobj=self._file), self._file)


def _is_compressed(response: requests.Response) -> bool:
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding not in {"gzip", "identity"}:
        raise UnusableBodyError(f"the body has the unknown encoding {encoding}")
    return encoding == "gzip"


def _is_framed(response: requests.Response) -> bool:
    """Whether a length or chunked encoding tells where the body ends, and not just the end of the connection.

    An answer of no version of HTTP, such as those of mocks, came over no connection that could be lost.
    """
    return bool(response.raw.chunked) or response.raw.length_remaining is not None or not response.raw.version


def _lines_of(file: Iterable[bytes]) -> Iterator[bytes]:
    return (line.rstrip(b"\r\n") for line in file if not line.isspace())


class _Owning(io.BufferedReader):
    """A buffered reader of a decompressor that closes the file beneath it too."""

    def __init__(self, raw: gzip.GzipFile, file: IO[bytes]) -> None:
        super().__init__(raw, 1 << 20)
        self._beneath = file

    def close(self) -> None:
        super().close()
        self._beneath.close()


def _reason(error: Exception) -> str:
    if isinstance(error, urllib3.exceptions.ReadTimeoutError):
        return "nothing came for too long"
    if isinstance(error, BrokenBodyError):
        return str(error)
    if isinstance(error, zlib.error):
        return "the compressed body is damaged"
    return "the connection was lost"
