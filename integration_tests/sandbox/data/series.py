"""Numbers that gather day by day, so that those of any two spans add up to those of both together."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from integration_tests.sandbox.data.rows import DAY

ECHO = 20
"""Of so many days one still has something to report of what is over."""


@dataclass(frozen=True)
class Span:
    """What is requested: ``start <= timestamp < end``, as far as it is known at ``now``; all are Unix times.

    A day's second half of the numbers is known only ``late`` seconds after the first.
    """

    start: float
    end: float
    now: float
    late: float = 0.0


@dataclass(frozen=True)
class Series:
    """Messages that one campaign or variant sent: each day some, at one timestamp of it, from ``first`` to ``last``.

    With ``echoes``, something still happens on one day in ``ECHO`` after that: a message that is opened months
    later, a journey that continues although its campaign tells no end.
    """

    seed: str
    first: float
    last: float
    echoes: bool = False

    def days(self, span: Span) -> range:
        """The days, counted from 1970, on which something may lie in ``span``."""
        begin, end = max(self.first, span.start), min(span.now, span.end)
        end = end if self.echoes else min(end, self.last)
        return range(int(begin // DAY), int(end // DAY) + 1)

    def counts(self, shares: Mapping[str, float], span: Span) -> dict[str, int] | None:
        """How often each thing happened, given how often it does for a message; None if nothing did."""
        totals: dict[str, int] = {}
        for day in self.days(span):
            rng = Random(f"{self.seed}:{day}")
            at = max(int(self.first), day * DAY + rng.randrange(DAY))
            messages = rng.randrange(20, 900)
            if not span.start <= at < span.end or at > span.now:
                continue
            if at > self.last:
                if not self.echoes or rng.randrange(ECHO):
                    continue
                messages = rng.randrange(3, 30)
            whole = span.now >= at + span.late
            for name, share in shares.items():
                count = int(messages * share)
                totals[name] = totals.get(name, 0) + (count if whole else count - count // 2)
        return totals or None
