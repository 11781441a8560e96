"""Plans the items that a list endpoint names, one request each, so that none of them holds up or loses another.

Items come in any order. One that fails is requested again after all others. A failure counts as the item's own
fault only once something that was requested after it came: otherwise it may be an outage, which is waited out.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, TypeVar

from source_iterable.prefetch.plans import MARGIN, Body, Reserve, Slice, SlicePlan, State

# So many items that fail one after the other call for a look whether any other can be had.
SUSPICIOUS = 3
REMEMBERED = 10  # items that came, to look with

logger = logging.getLogger("airbyte")

What = TypeVar("What")


@dataclass(frozen=True)
class Patience:
    """How long failures are put up with, in seconds.

    Attributes:
        again: Before an item that failed is requested again.
        looks: Between looks whether an outage is over, the last one repeated.
        outage: How long one kind of failure may last before the stream fails.
        rejections: How often an item may be rejected, in rounds.
        failures: In how many rounds it may fail otherwise.
    """

    again: float = 15 * 60.0
    looks: Sequence[float] = (60.0, 120.0, 300.0, 600.0)
    outage: float = 30 * 60.0
    rejections: int = 2
    failures: int = 3

    def scaled(self, scale: Callable[[float], float]) -> Patience:
        """The same with all times as ``scale`` has them."""
        return Patience(
            scale(self.again), [scale(look) for look in self.looks], scale(self.outage), self.rejections, self.failures
        )


@dataclass(frozen=True)
class Trouble:
    """Why an item could not be had.

    Attributes:
        reason: A clause for people: "Iterable answers HTTP 404 NotFound".
        kind: The same for all failures of one kind, for which patience is counted.
        is_rejection: Whether the server answered, about this item, that it cannot give it.
        is_certain: Whether another request would not help.
        is_lasting: Whether time does not help: the item is at fault, or there is no use in waiting.
        error: The error to report, where it tells more than the reason.
    """

    reason: str
    kind: str
    is_rejection: bool = False
    is_certain: bool = False
    is_lasting: bool = False
    error: Exception | None = field(default=None, compare=False)


class UnavailableError(Exception):
    """An item could not be had."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.reason)
        self.trouble = trouble


@dataclass(frozen=True)
class Listing:
    """What a list endpoint names.

    Attributes:
        items: What is to be requested.
        known_good: Other items, which could be had before.
    """

    items: Sequence[Any]
    known_good: Sequence[Any] = ()


@dataclass(frozen=True)
class Look:
    """A look whether an item that came before can be had now; what comes is thrown away."""

    item: Any

    def __str__(self) -> str:
        """What is looked at."""
        return f"a look at {self.item}"


@dataclass
class _Nothing:
    """What comes of a request that brings no body to read."""

    listing: Listing | None = None
    size: int = 0

    def close(self) -> None:
        """Nothing lies on disk."""


class ItemPlan(SlicePlan[Any]):
    """The items that a list endpoint names, in any order; first of all, the slice None that requests the list.

    Args:
        stream: The stream's name.
        limit: The endpoint.
        noun: What an item is, for the log.
        listing: Requests the list; called on a thread of the prefetcher.
        fetch: Requests an item; told whether it does so for the first time. Raises UnavailableError.
        look: Requests an item to see whether it can be had. Raises UnavailableError.
        patience: How long failures are put up with.

    Attributes:
        passed_over: The items that cannot be had although others can, and why.
        missing: The items that were abandoned in an outage.
        outage: What the outage was that lasted too long; None if there was none.
    """

    def __init__(
        self,
        stream: str,
        limit: str,
        noun: str,
        listing: Callable[[], Listing],
        fetch: Callable[[Any, Reserve, bool], Body],
        look: Callable[[Any], None],
        patience: Patience,
    ) -> None:
        super().__init__(stream, limit)
        self.is_ordered = False
        self.passed_over: dict[Any, Trouble] = {}
        self.missing: list[Any] = []
        self.outage: Trouble | None = None
        self._noun = noun
        self._listing = listing
        self._fetch = fetch
        self._look = look
        self._patience = patience
        self._sizes: deque[int] = deque(maxlen=20)
        self._good: deque[Any] = deque(maxlen=REMEMBERED)
        self._requests = 0
        self._numbers: dict[Slice[Any], int] = {}  # of the requests under way, in the order in which they began
        self._failed: set[Any] = set()  # the items that failed, whoever was at fault
        self._faults: dict[Any, int] = {}  # how many failures of an item were proved to be its own
        # Failures that are not proved yet, and how many requests had begun when they came.
        self._suspects: dict[Slice[Any], tuple[Trouble, int]] = {}
        self._probe: Slice[Any] | None = None  # while it is to be seen whether there is an outage
        self._is_out = False
        self._is_current = False
        self._looks = 0
        self._since: dict[str, float] = {}  # when each kind of failure was first met in this outage
        self.slices.append(Slice(None))

    def next(self, now: float) -> Slice[Any] | None:
        """An item that was not requested yet, or one that failed long enough ago; in an outage the one to look at."""
        if self.outage is not None or any(map(_is_blocking, self.slices)):
            return None
        if self._probe is None and len(self._suspects) >= SUSPICIOUS:
            self._look_around(now)
        piece = self._probe or self._waiting(now)
        if piece is None and self._is_undecided():
            self._look_around(now)
            piece = self._probe
        if piece is None or piece.state is not State.WAITING or piece.not_before > now:
            return None
        self._requests += 1
        self._numbers[piece] = self._requests
        return piece

    def fetch(self, piece: Slice[Any], reserve: Reserve) -> Body:
        """Request the item, or the list, or have a look."""
        if piece.what is None:
            return _Nothing(self._listing())
        if isinstance(piece.what, Look):
            self._look(piece.what.item)
            return _Nothing()
        return self._fetch(piece.what, reserve, piece.what not in self._failed)

    def succeeded(self, piece: Slice[Any]) -> None:
        """Put what was listed in the place of the list; learn from anything else who is at fault for failures."""
        if isinstance(piece.body, _Nothing):
            self.slices.remove(piece)
        if isinstance(piece.body, _Nothing) and piece.body.listing is not None:
            self.slices.extend(map(Slice, piece.body.listing.items))
            self._good.extend(piece.body.listing.known_good)
        elif not isinstance(piece.what, Look):
            self._sizes.append(piece.body.size)
            self._good.append(piece.what)
            self._suspects.pop(piece, None)
        self._believe(piece)

    def failed(self, piece: Slice[Any], error: Exception, now: float, *, is_current: bool) -> bool:
        """Put the item off; find out whether it is at fault, or there is an outage."""
        if not isinstance(error, UnavailableError):
            return False
        trouble = error.trouble
        if trouble.is_lasting and not self._good:
            return False  # nothing shows that it is about this item
        self._numbers.pop(piece, None)
        self._is_current = is_current
        if not isinstance(piece.what, Look) and piece.what is not None:
            self._put_off(piece, trouble, now)
        if self.outage is not None:
            self._on_exhausted(trouble)
        elif piece is self._probe or piece.what is None:
            self._wait_out(piece, trouble, now)
        return True

    def split(self, piece: Slice[Any]) -> None:
        """An item cannot be requested in parts: `fetch` does not raise TooLargeError."""
        raise NotImplementedError

    def expected_size(self, piece: Slice[Any]) -> int | None:
        """As much as the largest of the last ones; nothing for the list itself, or a look."""
        if piece.what is None or isinstance(piece.what, Look):
            return 0
        return int(MARGIN * max(self._sizes)) if self._sizes else None

    # Whose fault it is

    def _put_off(self, piece: Slice[Any], trouble: Trouble, now: float) -> None:
        """Request ``piece`` again after all others, if that may help."""
        self.slices.remove(piece)
        if trouble.is_certain:
            self.passed_over[piece.what] = trouble
            return
        self.slices.append(piece)
        piece.not_before = now + self._patience.again
        self._failed.add(piece.what)
        if not self._is_out:
            self._suspects[piece] = trouble, self._requests
            if self._faults.get(piece.what, 0) + 1 < self._allowed(trouble):
                logger.info(
                    "%s: %s %s: %s. It is requested again after all others, %.0f s from now at the earliest.",
                    self.stream, self._noun, piece.what, trouble.reason, self._patience.again,
                )  # fmt: skip

    def _allowed(self, trouble: Trouble) -> int:
        """How many failures of its own, the last one ``trouble``, have an item passed over."""
        return self._patience.rejections if trouble.is_rejection else self._patience.failures

    def _is_undecided(self) -> bool:
        """Whether some item failed, and nothing that is under way can show that others can be had."""
        failed = [number for _, number in self._suspects.values()]
        running = [self._numbers.get(piece, 0) for piece in self.slices if piece.state is State.RUNNING]
        return bool(failed) and max(running, default=0) <= max(failed)

    def _look_around(self, now: float) -> None:
        """See whether anything else can be had; where nothing ever could, that is an outage."""
        if self._good:
            self._probe = Slice(Look(self._good[0]), not_before=now)
            self._good.rotate(-1)
            self.slices.append(self._probe)
            return
        latest, _ = list(self._suspects.values())[-1]
        self._wait_out(None, latest, now)

    def _believe(self, piece: Slice[Any]) -> None:
        """Something can be had: whatever failed before this was requested is at fault itself."""
        number = self._numbers.pop(piece, 0)
        if piece is self._probe:
            self._probe = None
        elif self._is_out:
            return  # requested before the outage: a long download says nothing about new requests
        if self._is_out:
            logger.info("%s: Iterable answers again.", self.stream)
        self._is_out, self._looks = False, 0
        for suspect in [one for one, (_, failed_at) in self._suspects.items() if number > failed_at]:
            trouble, _ = self._suspects.pop(suspect)
            faults = self._faults[suspect.what] = self._faults.get(suspect.what, 0) + 1
            if faults >= self._allowed(trouble) and suspect.state is State.WAITING and suspect in self.slices:
                self.slices.remove(suspect)
                self.passed_over[suspect.what] = trouble

    # Outages

    def _wait_out(self, probe: Slice[Any] | None, trouble: Trouble, now: float) -> None:
        """Request nothing for a while, then one thing, to see whether the outage is over."""
        if not self._is_out or not self._is_current:  # patience begins when the stream's turn comes
            self._since.clear()
        since = self._since.setdefault(trouble.kind, now)
        if not self._is_out:
            logger.warning(
                "%s: nothing can be had from Iterable for the moment (%s). Waiting for it, %.0f s of the same at most; "
                "what is being downloaded continues.",
                self.stream, trouble.reason, self._patience.outage,
            )  # fmt: skip
        self._is_out = True
        self._suspects.clear()  # no fault of theirs
        self._drop_look()
        left = since + self._patience.outage - now
        if left <= 0:
            self._on_exhausted(trouble)
            return
        wait = self._patience.looks[min(self._looks, len(self._patience.looks) - 1)]
        self._looks += 1
        self._probe = self._next_probe(probe)
        if self._probe is not None:
            self._probe.not_before = max(self._probe.not_before, now + min(wait, left))

    def _next_probe(self, failed: Slice[Any] | None) -> Slice[Any] | None:
        """What to look at: what came before, or else what failed longest ago or was not requested yet."""
        if failed is not None and failed.what is None:
            return failed
        if self._good:
            self._good.rotate(-1)
            look: Slice[Any] = Slice(Look(self._good[0]))
            self.slices.append(look)
            return look
        return min(
            (piece for piece in self.slices if piece.state is State.WAITING),
            key=lambda piece: piece.not_before,
            default=None,
        )

    def _drop_look(self) -> None:
        if self._probe is not None and isinstance(self._probe.what, Look):
            self.slices.remove(self._probe)
        self._probe = None

    def _on_exhausted(self, trouble: Trouble) -> None:
        """End with what came, and what is under way: the rest is missing."""
        self.outage = trouble
        self._drop_look()
        for piece in [one for one in self.slices if one.state is State.WAITING]:
            self.slices.remove(piece)
            if piece.what is not None:
                self.missing.append(piece.what)


def _is_blocking(piece: Slice[Any]) -> bool:
    """Whether ``piece`` failed by what is not about one item: until its turn comes, nothing is requested."""
    return piece.state is State.FAILED or (piece.failures > 0 and piece.not_before == inf)


def spans(numbers: Iterable[int]) -> list[int | list[int]]:
    """``numbers`` in order, those that follow each other as `[first, last]`."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return [first if first == last else [first, last] for first, last in found]
