"""A response body on disk: written as it arrives, and proved complete before its first line is read.

A length, chunked encoding or the trailer of compression proves that a body is complete. A body without any of these, or
with a line that is not JSON, is requested again until the responses agree (repeated_responses.py).

A body is an unlinked temporary file in `$TMPDIR`, readable by its owner alone: it disappears with the process.
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
from source_iterable.api.repeated_responses import BodyDigest, BodyEnd
from source_iterable.reservation import Reservation

CHUNK = 1 << 18
LARGEST_ANSWER = 256_000_000
# Between parts, of which the last line may lack its end.
_LINE_END = gzip.compress(b"\n", 1, mtime=0)


class Body:
    """A body that was received to its end, in one response or in parts.

    Attributes:
        size: Bytes on disk, usually as many as were received.
        malformed: The number, from 1, of the first line that ``check`` rejected; None if it accepted all.
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
        self.latest_end = BodyEnd()

    @classmethod
    def receive(
        cls,
        response: requests.Response,
        check: Check | None = None,
        reservation: Reservation | None = None,
        largest: int | None = None,
    ) -> Body:
        """Copy the body of ``response`` to disk and prove that it is complete.

        Args:
            response: A response that was requested with `stream=True`.
            check: Called with each line that is not blank; a MalformedLineError is noted in ``malformed``.
            reservation: The disk space of the body, released when it is closed; None without a limit.
            largest: The maximum size of a body with lines of any length; None if each line is limited instead.

        Raises:
            BrokenBodyError: If the body or its compression ends early, or if its last line is cut and nothing proves
                that the body is complete.
            UnusableBodyError: If a line or the body is too large, or inflates to over 1 GB and 200 times its size.
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
        """Like `receive`, for a body that `read` returns at once, such as JSON: up to 256 MB, lines of any length."""
        return cls.receive(response, largest=LARGEST_ANSWER)

    @classmethod
    def multipart(cls, reservation: Reservation | None = None) -> Body:
        """An empty body, to which `add` appends parts; parts that are not compressed are compressed on disk."""
        return cls(tempfile.TemporaryFile(), reservation, compressed=True, parts=True)

    def add(self, response: requests.Response, check: Check | None = None) -> Body:
        """Append the body of ``response``, the next part, and prove that it is complete.

        Arguments and errors are those of `receive`; a part that fails leaves the earlier ones unchanged.
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
            # A compressed body is never empty: no bytes at all prove nothing.
            is_proven = is_framed if inflated is None else inflated.has_begun
            is_truncated = lines.end(is_proven=is_proven)
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
        self.latest_end = BodyEnd(is_framed or is_proven, is_proven, lines.malformed is not None, is_truncated)
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
        """Remove the latest part, or the whole body if it has no parts, and release its disk space."""
        size, self._lines, self.malformed = self._before
        self._reservation.shrink(self.size - size)
        self.size = size
        if not self._parts:
            self.close()

    def digest(self) -> BodyDigest:
        """The digest of the latest part; the body does not change."""
        if self._largest is None:
            return BodyDigest.of(self.preview(self._before[0]))
        with self.opened() as body:
            return BodyDigest.of(iter(lambda: body.read(CHUNK), b""))

    def is_object(self) -> bool:
        """Whether the latest part is a JSON object, which proves that it is complete."""
        try:
            return isinstance(orjson.loads(b"\n".join(self.preview(self._before[0]))), dict)
        except orjson.JSONDecodeError:
            return False

    def whole(self) -> Body:
        """The body, ready to be read, after the last part."""
        self._file.seek(0)
        return self

    @classmethod
    def from_lines(cls, lines: Iterable[bytes], reservation: Reservation | None = None) -> Body:
        """Write all ``lines`` to disk, compressed."""
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
        """The lines that are not blank, without line ends; the body is closed after the last one."""
        try:
            with self._reader() as reader:
                yield from _lines_of(reader)
        finally:
            self.close()

    def preview(self, begin: int = 0) -> Generator[bytes]:
        """Like `lines`, from the byte ``begin`` on disk, but the body stays open and can be read again."""
        try:
            self._file.seek(begin)
            yield from _lines_of(gzip.GzipFile(fileobj=self._file) if self._compressed else self._file)
        finally:
            self._file.seek(0)

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The decompressed body as a file; the body stays open and can be read again."""
        self._file.seek(0)
        yield cast("IO[bytes]", gzip.GzipFile(fileobj=self._file)) if self._compressed else self._file
        self._file.seek(0)

    def read(self) -> bytes:
        """The whole body, for small responses; the body is closed.

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
        """Close the file and release its disk space."""
        with suppress(OSError):  # a full disk did not take the last bytes; the file is closed all the same
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
    """Whether a length or chunked encoding marks the end of the body, and not just the end of the connection.

    A response without an HTTP version is a mock: it has no connection that could be lost.
    """
    return bool(response.raw.chunked) or response.raw.length_remaining is not None or not response.raw.version


def _lines_of(file: Iterable[bytes]) -> Iterator[bytes]:
    return (line.rstrip(b"\r\n") for line in file if not line.isspace())


class _Owning(io.BufferedReader):
    """A buffered reader of a decompressor that also closes the compressed file."""

    def __init__(self, raw: gzip.GzipFile, file: IO[bytes]) -> None:
        super().__init__(raw, 1 << 20)
        self._compressed_file = file

    def close(self) -> None:
        super().close()
        self._compressed_file.close()


def _reason(error: Exception) -> str:
    if isinstance(error, urllib3.exceptions.ReadTimeoutError):
        return "no data arrived in time"
    if isinstance(error, BrokenBodyError):
        return str(error)
    if isinstance(error, zlib.error):
        return "the compressed body is damaged"
    return "the connection was lost"
