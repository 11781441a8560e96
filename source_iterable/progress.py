"""What a person reads in the log while a sync runs: a line for each window, a summary for each stream."""

from __future__ import annotations

import logging
import time
from collections import Counter
from datetime import timedelta
from threading import Lock

from source_iterable.masking import MAX_NAME, is_name
from source_iterable.windows import Window

MOST_NAMES = 1000  # that are counted one by one
NAMES_TOLD = 30

logger = logging.getLogger("airbyte")


class Progress:
    """How far the read of one stream has come.

    Attributes:
        span: From where to where it is read; None for a stream without windows.
        rows: How many records left.
        names: How many of them bear each name, where the rows of a stream have names that look like names.
    """

    span: Window | None = None

    def __init__(self, stream: str, seconds_a_request: float = 0.0) -> None:
        """Watch ``stream``, whose requests the limit holds so many seconds apart on the average."""
        self._stream = stream
        self._seconds_a_request = seconds_a_request
        self._began = time.monotonic()
        self.rows = 0
        self.bytes = 0
        self._requests = 0
        self._counting = Lock()
        self.remarks: list[str] = []
        self.names: Counter[str] = Counter()
        self._unnamed = 0

    def answered(self) -> None:
        """Count a request; called from any thread."""
        with self._counting:
            self._requests += 1

    def begin(self) -> None:
        """Start the watch: the stream's turn has come."""
        self._began = time.monotonic()

    def window_done(self, window: Window, rows: int, size: int, seconds: float) -> None:
        """Log a window whose ``rows`` left, each of them counted; ``seconds`` is how long its download took."""
        self.bytes += size
        logger.info(
            "%s: %s: %s, %s in %.1f s%s",
            self._stream, window, counted(rows), volume(size), seconds, self._outlook(window),
        )  # fmt: skip

    def part_done(self, what: str, rows: int, size: int, seconds: float, done: int, of: int) -> None:
        """Log one of ``of`` parts (a list) whose ``rows`` left, each of them counted."""
        self.bytes += size
        share = done / of if of else 1.0
        logger.info(
            "%s: %s: %s, %s in %.1f s; %d of %d%s",
            self._stream, what, counted(rows), volume(size), seconds, done, of, self._left(share, of - done),
        )  # fmt: skip

    def named(self, name: object) -> None:
        """Count a row by its name; one that does not look like a name, and may hold a person's data, among others."""
        if isinstance(name, str) and (
            name in self.names or (len(name) <= MAX_NAME and len(self.names) < MOST_NAMES and is_name(name))
        ):
            self.names[name] += 1
        else:
            self._unnamed += 1

    def remark(self, text: str, *, once: bool = False) -> None:
        """Keep something that the summary must tell, and warn of it now; called from any thread."""
        with self._counting:
            if once and text in self.remarks:
                return
            self.remarks.append(text)
        logger.warning("%s: %s", self._stream, text)

    def summary(self, resumption: str = "") -> None:
        """Log what became of the stream; of one that stopped, ``resumption`` tells where the next attempt resumes."""
        logger.log(
            logging.WARNING if resumption else logging.INFO,
            "%s: %s: %s%s in %d request%s, %s%s%s",
            self._stream,
            "STOPPED before its end" if resumption else "complete",
            counted(self.rows),
            f", {volume(self.bytes)}" if self.bytes else "",
            self._requests,
            "" if self._requests == 1 else "s",
            duration(time.monotonic() - self._began),
            f"; the next attempt resumes from {resumption}" if resumption else "",
            "".join(f"; {remark}" for remark in self.remarks),
        )
        told = self.names.most_common(NAMES_TOLD)
        others = self.names.total() + self._unnamed - sum(count for _, count in told)
        if told or others:
            named = [*told, ("others", others)] if others else told
            logger.info("%s: by name: %s", self._stream, ", ".join(f"{name} {count:,}" for name, count in named))

    def _outlook(self, window: Window) -> str:
        if self.span is None or self.span.width <= timedelta():
            return ""
        share = min(1.0, (window.end - self.span.start) / self.span.width)
        still_to_ask = max(timedelta(), self.span.end - window.end) / window.width
        return f"; {share:.0%} of the span done{self._left(share, still_to_ask)}"

    def _left(self, share: float, still_to_ask: float) -> str:
        if not 0 < share < 1:
            return ""
        at_this_pace = (time.monotonic() - self._began) * (1 - share) / share
        return f", about {duration(max(at_this_pace, still_to_ask * self._seconds_a_request))} left at this pace"


def counted(rows: int) -> str:
    """``rows`` for people: `1 row`, `12,000 rows`."""
    return f"{rows:,} row" + ("" if rows == 1 else "s")


def volume(size: int) -> str:
    """``size`` in bytes for people: `12 kB`, `1.4 MB`."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"  # noqa: PLR2004 - a megabyte


def duration(seconds: float) -> str:
    """``seconds`` for people: `42 s`, `7 min`, `3 h 05 min`."""
    if seconds < 100:  # noqa: PLR2004 - under two minutes seconds read better
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"  # noqa: PLR2004
