"""Plans the requests for metrics by day, so that days without metrics cost few requests.

Metrics are filtered by the time of the event and add up over a span of days. So one request for each batch of subjects
(campaigns) covers a span whose metrics are all zero. Any other span is split, for the subjects that have metrics in
it, down to single days. The API does not return when a subject was active: a campaign without an end may have metrics
on any day up to the present, and an email of one that ended may be opened a year later.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from source_iterable.prefetch.list_plan import ListPlan
from source_iterable.prefetch.plans import Body, Slice
from source_iterable.reservation import Reservation

DAY = timedelta(days=1)
# How many parts a span is split into: fewer requests than halves where many days have metrics, and no more where few
# have.
PARTS = 4
# A span of at most this many days is requested day by day if its active subjects fit into one request: subjects that
# are active on one day are usually active on its neighbors.
MAX_DAILY = 16
# A span of at most this many days is requested day by day if nearly all of its subjects are active.
MAX_DAILY_IF_BUSY = 32
BUSY_SHARE = 0.9


@dataclass(frozen=True, order=True)
class Days:
    """Calendar days from ``first`` to ``last``, both inclusive, UTC."""

    first: date
    last: date

    def __len__(self) -> int:
        """How many days these are."""
        return (self.last - self.first).days + 1

    def split(self, parts: int) -> Iterator[Days]:
        """``parts`` adjacent spans of nearly the same length; one for each day if there are fewer days."""
        days, parts = len(self), min(parts, len(self))
        for part in range(parts):
            begin, end = part * days // parts, (part + 1) * days // parts
            yield Days(self.first + begin * DAY, self.first + (end - 1) * DAY)

    def __str__(self) -> str:
        """`2024-05-01`, or `2024-05-01 to 2024-05-31`."""
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


@dataclass(frozen=True)
class Batch:
    """What one request for metrics covers.

    Attributes:
        ids: The ids of the subjects.
        days: The days; None for all time.
        is_last: Whether it is the last batch of these days.
    """

    ids: Sequence[int] = field(repr=False)
    days: Days | None = None
    is_last: bool = True
    span: _Span | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        """`50 ids, 2024-05-01`."""
        return f"{len(self.ids)} ids, {self.days or 'all days'}"


@dataclass(frozen=True)
class Activity:
    """The result of a request for several days: the ids that have metrics in them."""

    ids: Sequence[int] = field(repr=False)
    size: int = 0

    def close(self) -> None:
        """Nothing to free."""


class Subjects:
    """Ids in ascending order, each with the first day on which it may have metrics."""

    def __init__(self, first_days: Mapping[int, date]) -> None:
        ordered = sorted(first_days)
        self.ids = array("q", ordered)
        self._first = array("l", (first_days[one].toordinal() for one in ordered))

    def __len__(self) -> int:
        """How many ids there are."""
        return len(self.ids)

    @property
    def first(self) -> date | None:
        """The first day on which any id may have metrics; None without ids."""
        return date.fromordinal(min(self._first)) if self._first else None

    def begun(self, ids: Iterable[int], last: date) -> Iterator[int]:
        """Those of ``ids`` that may have metrics by the day ``last``."""
        ordinal = last.toordinal()
        return (one for one in ids if self._first[bisect_left(self.ids, one)] <= ordinal)


Batches = Callable[[Iterable[int]], Iterator[Sequence[int]]]


class _Span:
    """Days that are requested together, batch by batch, and the ids that have metrics in them."""

    def __init__(self, days: Days, batches: Iterator[Sequence[int]]) -> None:
        self.days = days
        self._batches = batches
        self._following = next(batches, None)
        self._running = 0
        self.requested_ids = 0
        self.active = array("q")

    @property
    def is_requested(self) -> bool:
        """Whether every batch was requested."""
        return self._following is None

    @property
    def is_complete(self) -> bool:
        """Whether every batch was downloaded."""
        return self.is_requested and not self._running

    def next_batch(self) -> Batch:
        """The next batch to request; only while not `is_requested`."""
        ids, self._following = self._following or (), next(self._batches, None)
        self._running += 1
        self.requested_ids += len(ids)
        return Batch(ids, self.days, is_last=self.is_requested, span=self)

    def succeeded(self, active: Sequence[int] = ()) -> None:
        """Note that a batch was downloaded, and which of its ids have metrics."""
        self._running -= 1
        self.active.extend(active)

    def __str__(self) -> str:
        """`2024-05-01 to 2024-05-31`."""
        return str(self.days)


Fetch = Callable[[Batch, Reservation], Body]


class ActivityPlan(ListPlan[Any]):
    """The days that have metrics, in order, each with the batches of the ids that have any.

    The body of a single day is read as it is, and so is a span without metrics. Any other span is replaced by its
    parts. A batch is cut when it is requested, so the plan holds only one path from the whole span to a day.

    Args:
        stream: The stream's name.
        endpoint: The endpoint.
        list_subjects: Returns the subjects and the days to read; called on a thread of the prefetcher.
        batches: Splits ids into batches that fit into one request.
        fetch: Requests a batch. The body for several days is an `Activity`.
    """

    def __init__(
        self,
        stream: str,
        endpoint: str,
        list_subjects: Callable[[], tuple[Subjects, Days | None]],
        batches: Batches,
        fetch: Fetch,
    ) -> None:
        super().__init__(stream, endpoint, self._whole_span, fetch)
        self._subjects = Subjects({})
        self._list_subjects = list_subjects
        self._batches = batches

    def next(self, now: float) -> Slice[Any] | None:
        """The next batch, cut from the first span that has any left."""
        slice_ = self._first_startable(now)
        if slice_ is not None and isinstance(slice_.partition, _Span):
            span = slice_.partition
            slice_.partition = span.next_batch()
            if not span.is_requested:
                self.slices.insert(self.slices.index(slice_) + 1, Slice(span))
        return slice_

    def succeeded(self, slice_: Slice[Any]) -> None:
        """Replace a span that has metrics by its parts; keep a day, and a span without metrics, for the reader."""
        batch: Batch | None = slice_.partition
        if batch is None or batch.span is None:
            super().succeeded(slice_)
            return
        span = batch.span
        if not isinstance(slice_.body, Activity):
            self._sizes.append(slice_.body.size)
            span.succeeded()
            return
        span.succeeded(slice_.body.ids)
        if span.is_complete and not span.active:
            slice_.partition = replace(batch, is_last=True)
            return
        index = self.slices.index(slice_)
        del self.slices[index]
        if span.is_complete:
            span.active = array("q", sorted(span.active))  # batches complete in any order
            for offset, part in enumerate(self._parts(span)):
                self.slices.insert(index + offset, Slice(part))

    def _whole_span(self) -> Sequence[_Span]:
        self._subjects, days = self._list_subjects()
        return [] if days is None else list(self._spans([days], self._subjects.ids))

    def _parts(self, span: _Span) -> Iterator[_Span]:
        days, active = len(span.days), len(span.active)
        is_one_request = len(next(self._batches(span.active))) == active
        is_busy = active >= BUSY_SHARE * span.requested_ids
        is_daily = (is_one_request and days <= MAX_DAILY) or (is_busy and days <= MAX_DAILY_IF_BUSY)
        return self._spans(span.days.split(days if is_daily else PARTS), span.active)

    def _spans(self, parts: Iterable[Days], ids: array[int]) -> Iterator[_Span]:
        for days in parts:
            span = _Span(days, self._batches(self._subjects.begun(ids, days.last)))
            if not span.is_requested:
                yield span
