"""The progress that a sync logs: a line for each window or list, and a summary for each stream."""

from __future__ import annotations

import logging
import time
from collections import Counter
from datetime import timedelta
from threading import Lock

from source_iterable.masking import MAX_NAME, is_name
from source_iterable.messages import Message
from source_iterable.windows import Window

MAX_COUNTED_NAMES = 1000  # bounds the memory; further names are counted together
MAX_LOGGED_NAMES = 30

logger = logging.getLogger("airbyte")


class Progress:
    """How far the read of one stream has come.

    Attributes:
        span: The time range that is read; None for a stream without windows.
        records: How many records were emitted.
        bytes: How many bytes were downloaded for them.
        remarks: What the summary must mention.
        names: How many records have each name, in a stream whose records have names (custom events).
    """

    span: Window | None = None

    def __init__(self, stream: str, seconds_a_request: float = 0.0) -> None:
        """Start with nothing counted; the rate limit allows ``stream`` a request every ``seconds_a_request``."""
        self._stream = stream
        self._seconds_a_request = seconds_a_request
        self._started = time.monotonic()
        self.records = 0
        self.bytes = 0
        self._requests = 0
        self._lock = Lock()
        self.remarks: list[str] = []
        self.names: Counter[str] = Counter()
        self._other_names = 0

    def answered(self) -> None:
        """Count a request. May be called from any thread."""
        with self._lock:
            self._requests += 1

    def begin(self) -> None:
        """Measure the duration from now on, not from when the stream was created."""
        self._started = time.monotonic()

    def window_done(self, window: Window, records: int, size: int, seconds: float) -> None:
        """Log a window whose records were all emitted.

        Args:
            window: The window.
            records: How many records it contained.
            size: How many bytes were downloaded.
            seconds: How long the download took.
        """
        self.bytes += size
        logger.info(
            "%s: %s: %s, %s in %.1f s%s",
            self._stream, window, record_count(records), volume(size), seconds, self._span_done(window),
        )  # fmt: skip

    def part_done(self, part: str, records: int, size: int, seconds: float, done: int, total: int) -> None:
        """Log a part of the stream (a list, a batch of ids) whose records were all emitted: ``done`` of ``total``."""
        self.bytes += size
        share = done / total if total else 1.0
        logger.info(
            "%s: %s: %s, %s in %.1f s; %d of %d%s",
            self._stream, part, record_count(records), volume(size), seconds, done, total,
            self._time_left(share, total - done),
        )  # fmt: skip

    def named(self, name: object) -> None:
        """Count a record by its name. Text that does not look like a name may be personal data: it is not logged."""
        if isinstance(name, str) and (
            name in self.names or (len(name) <= MAX_NAME and len(self.names) < MAX_COUNTED_NAMES and is_name(name))
        ):
            self.names[name] += 1
        else:
            self._other_names += 1

    def remark(self, message: Message, *, once: bool = False, **values: object) -> None:
        """Log a warning now, and repeat it in the summary. May be called from any thread."""
        text = message.format(**values)
        with self._lock:
            if once and text in self.remarks:
                return
            self.remarks.append(text)
        logger.warning("%s: %s", self._stream, text)

    def summary(self, resumption: str = "") -> None:
        """Log the result of the stream; if it stopped early, ``resumption`` is where the next attempt resumes from."""
        logger.log(
            logging.WARNING if resumption else logging.INFO,
            "%s: %s: %s%s in %d request%s, %s%s%s",
            self._stream,
            "STOPPED before its end" if resumption else "complete",
            record_count(self.records),
            f", {volume(self.bytes)}" if self.bytes else "",
            self._requests,
            "" if self._requests == 1 else "s",
            duration(time.monotonic() - self._started),
            f"; the next attempt resumes from {resumption}" if resumption else "",
            "".join(f"; {remark.removesuffix('.')}" for remark in self.remarks),
        )
        logged = self.names.most_common(MAX_LOGGED_NAMES)
        others = self.names.total() + self._other_names - sum(count for _, count in logged)
        if others:
            logged.append(("others", others))
        if logged:
            logger.info("%s: by name: %s", self._stream, ", ".join(f"{name} {count:,}" for name, count in logged))

    def _span_done(self, window: Window) -> str:
        if self.span is None or self.span.width <= timedelta():
            return ""
        share = min(1.0, (window.end - self.span.start) / self.span.width)
        requests_left = max(timedelta(), self.span.end - window.end) / window.width
        return f"; {share:.0%} of the span done{self._time_left(share, requests_left)}"

    def _time_left(self, share: float, requests_left: float) -> str:
        if not 0 < share < 1:
            return ""
        at_this_pace = (time.monotonic() - self._started) * (1 - share) / share
        at_the_limit = requests_left * self._seconds_a_request  # the first requests come faster than that
        return f", about {duration(max(at_this_pace, at_the_limit))} left at this pace"


def record_count(records: int) -> str:
    """A number of records as text: `1 record`, `12,000 records`."""
    return f"{records:,} record" + ("" if records == 1 else "s")


def volume(size: int) -> str:
    """A number of bytes as text: `12 kB`, `1.4 MB`."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"  # noqa: PLR2004 - a megabyte


def duration(seconds: float) -> str:
    """A duration as text: `42 s`, `7 min`, `3 h 05 min`."""
    if seconds < 100:  # noqa: PLR2004 - short durations are clearer in seconds
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"  # noqa: PLR2004
