"""The files of an export job."""

from collections.abc import Iterable, Iterator

from integration_tests.sandbox.http import bodies
from integration_tests.sandbox.http.job import Job
from integration_tests.sandbox.http.storage import Storage
from integration_tests.sandbox.project.options import Options

BLANK_LINE_EVERY = 7


def write(job: Job, batches: Iterable[list[bytes]], options: Options, storage: Storage) -> None:
    """Put the rows of a job into files."""
    first = int(job.scheduled.timestamp() * 1000)
    for number, lines in enumerate(_parts(job, batches, options)):
        name = f"file-{first + number * 37}.{'csv' if job.delimiter else 'json'}"
        if job.delimiter:
            lines = bodies.as_csv(lines, job.delimiter)  # noqa: PLW2901
        elif options.blank_lines:
            lines = _with_blank_lines(lines)  # noqa: PLW2901
        body = b"\n".join(lines) + (b"\n" if number % 2 else b"")
        storage.put(f"{job.id}/{name}", body, {"dataTypeName": job.data_type})
        job.files.append(name)
        job.bytes += len(body)


def _parts(job: Job, batches: Iterable[list[bytes]], options: Options) -> Iterator[list[bytes]]:
    """The lines of each file."""
    lines: list[bytes] = []
    size = total = 0
    for line in (line for batch in batches for line in batch):
        needed = len(line) + 1
        if total + needed > options.job_bytes:
            job.truncated = True
            break
        room = options.job_file_bytes - (len(lines) // BLANK_LINE_EVERY + 1) * 2
        if lines and size + needed > room:
            yield lines
            lines, size = [], 0
        lines.append(line)
        size += needed
        total += needed
        job.rows += 1
    if lines or (not job.rows and options.job_empty_file):
        yield lines


def _with_blank_lines(lines: list[bytes]) -> list[bytes]:
    """The same lines, with one of nothing or of spaces after every few."""
    mixed = []
    for number, line in enumerate(lines, start=1):
        mixed.append(line)
        if number % BLANK_LINE_EVERY == 0:
            mixed.append(b"" if number % 2 else b" ")
    return mixed
