"""Plans the requests for metrics by day, so that days without metrics cost next to nothing.

Metrics are filtered by the time of the event and add up over a span. So one request for each batch of
subjects (campaigns) settles a span whose metrics are all zero. Any other span is split, for the subjects that
have metrics in it, down to the day. Nobody has to know when a subject was active: a campaign that tells no
end may have metrics on any day up to the present, and one that ended may be opened a year later.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from source_iterable.prefetch.plans import Body, ListPlan, Reserve, Slice

DAY = timedelta(days=1)
# A span is cut into so many parts: fewer requests than by halves, where many days have metrics, and no more
# where few do.
PARTS = 4
# A span of so many days is requested day by day if its active subjects fit into one request: what is active on one
# day is as a rule active on its neighbors. A longer one is if nearly all subjects are active in it.
DAILY_BELOW = 16
DAILY_BELOW_IF_BUSY = 32
BUSY = 0.9


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
        ids: Whose metrics.
        days: Of which days; None for all of them.
        ends: Whether no other request for the same days follows.
    """

    ids: Sequence[int] = field(repr=False)
    days: Days | None = None
    ends: bool = True
    span: _Span | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        """`50 ids, 2024-05-01`."""
        return f"{len(self.ids)} ids, {self.days or 'all days'}"


@dataclass(frozen=True)
class Activity:
    """What is kept of an answer for several days: the ids that have metrics."""

    ids: Sequence[int] = field(repr=False)
    size: int = 0

    def close(self) -> None:
        """Nothing lies on disk."""


class Subjects:
    """The ids whose metrics are wanted, ascending, each with the first day on which it may have any."""

    def __init__(self, first_days: Mapping[int, date]) -> None:
        ordered = sorted(first_days)
        self._ids = array("q", ordered)
        self._first = array("l", (first_days[one].toordinal() for one in ordered))

    def __len__(self) -> int:
        """How many ids there are."""
        return len(self._ids)

    @property
    def first(self) -> date | None:
        """The first day on which any may have metrics; None without ids."""
        return date.fromordinal(min(self._first)) if self._first else None

    def every(self) -> array[int]:
        """All ids."""
        return self._ids

    def begun(self, ids: Iterable[int], last: date) -> Iterator[int]:
        """Those of ``ids`` that may have metrics by the day ``last``."""
        ordinal = last.toordinal()
        return (one for one in ids if self._first[bisect_left(self._ids, one)] <= ordinal)


Batches = Callable[[Iterable[int]], Iterator[Sequence[int]]]


class _Span:
    """Days that are requested together, batch by batch, and what the answers have told so far."""

    def __init__(self, days: Days, batches: Iterator[Sequence[int]]) -> None:
        self.days = days
        self._batches = batches
        self._following = next(batches, None)
        self._outstanding = 0
        self.asked = 0
        self.active = array("q")

    @property
    def is_asked_for(self) -> bool:
        """Whether no batch is left to request."""
        return self._following is None

    @property
    def is_answered(self) -> bool:
        """Whether every batch was answered."""
        return self.is_asked_for and not self._outstanding

    def next_batch(self) -> Batch:
        """The next batch to request; only while not `is_asked_for`."""
        ids, self._following = self._following or (), next(self._batches, None)
        self._outstanding += 1
        self.asked += len(ids)
        return Batch(ids, self.days, ends=self.is_asked_for, span=self)

    def answered(self, active: Sequence[int] = ()) -> None:
        """Learn that one batch was answered, and which of its ids have metrics in a span of several days."""
        self._outstanding -= 1
        self.active.extend(active)

    def __str__(self) -> str:
        """`2024-05-01 to 2024-05-31`."""
        return str(self.days)


Fetch = Callable[[Batch, Reserve], Body]


class ActivityPlan(ListPlan[Any]):
    """The days of a span, in order, each requested where something happened on it.

    A day, and a span without metrics, stays in the plan for its reader; any other span gives way to its
    parts. Batches are cut when they are requested, so the plan holds one path from the whole span to a day.

    Args:
        stream: The stream's name.
        limit: The endpoint.
        listing: Lists the subjects and tells the days that are wanted; called on a thread of the prefetcher.
        batches: Cuts ids into what fits into one request.
        fetch: Asks for a batch. The body for several days is an `Activity`.
    """

    def __init__(
        self,
        stream: str,
        limit: str,
        listing: Callable[[], tuple[Subjects, Days | None]],
        batches: Batches,
        fetch: Fetch,
    ) -> None:
        super().__init__(stream, limit, self._whole, fetch)
        self._subjects = Subjects({})
        self._list_subjects = listing
        self._batches = batches

    def next(self, now: float) -> Slice[Any] | None:
        """The next batch, cut from the first span that has any left."""
        piece = self._waiting(now)
        if piece is not None and isinstance(piece.what, _Span):
            span = piece.what
            piece.what = span.next_batch()
            if not span.is_asked_for:
                self.slices.insert(self.slices.index(piece) + 1, Slice(span))
        return piece

    def succeeded(self, piece: Slice[Any]) -> None:
        """Put the parts of a span that has metrics in its place; keep what its reader needs."""
        batch: Batch | None = piece.what
        if batch is None or batch.span is None:
            super().succeeded(piece)
            return
        span = batch.span
        if not isinstance(piece.body, Activity):
            self._sizes.append(piece.body.size)
            span.answered()
            return
        span.answered(piece.body.ids)
        if span.is_answered and not span.active:
            piece.what = replace(batch, ends=True)
            return
        at = self.slices.index(piece)
        del self.slices[at]
        if span.is_answered:
            span.active = array("q", sorted(span.active))  # answers come in any order
            for offset, part in enumerate(self._parts(span)):
                self.slices.insert(at + offset, Slice(part))

    def _whole(self) -> Sequence[_Span]:
        self._subjects, days = self._list_subjects()
        return [] if days is None else list(self._spans([days], self._subjects.every()))

    def _parts(self, span: _Span) -> Iterator[_Span]:
        days, active = len(span.days), len(span.active)
        is_one_request = len(next(self._batches(span.active))) == active
        is_busy = active >= BUSY * span.asked
        is_daily = (is_one_request and days <= DAILY_BELOW) or (is_busy and days <= DAILY_BELOW_IF_BUSY)
        return self._spans(span.days.split(days if is_daily else PARTS), span.active)

    def _spans(self, days: Iterable[Days], ids: array[int]) -> Iterator[_Span]:
        for some in days:
            span = _Span(some, self._batches(self._subjects.begun(ids, some.last)))
            if not span.is_asked_for:
                yield span
