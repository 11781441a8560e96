"""Bodies and transports of the tests of the prefetcher: no HTTP."""

from collections.abc import Callable
from dataclasses import dataclass, field

from source_iterable.prefetch import plans
from source_iterable.reservation import Reservation
from source_iterable.windows import Window

Fetch = Callable[[Window, int, Reservation], plans.Body]
FetchByJob = Callable[[Window, Reservation], plans.Body]


@dataclass
class Body:
    """A body of ``size`` bytes that notes when it is closed, which it is once."""

    size: int = 1
    window: Window | None = None
    reservation: Reservation = field(default_factory=Reservation)
    closed: bool = False

    def close(self) -> None:
        """Note it."""
        assert not self.closed, "closed twice"
        self.closed = True
        self.reservation.close()


class Transport:
    """Downloads windows by the functions of a test."""

    def __init__(self, fetch: Fetch, fetch_by_job: FetchByJob | None = None) -> None:
        self.allows_direct = True
        self.allows_jobs = fetch_by_job is not None
        self.fetch = fetch
        if fetch_by_job is not None:
            self.fetch_by_job = fetch_by_job

    def fetch_by_job(self, window: Window, reservation: Reservation) -> plans.Body:
        """Never called."""
        raise NotImplementedError
