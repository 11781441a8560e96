"""Tables of campaigns' figures: `GET campaigns/metrics`, CSV, ten requests a minute, so many campaigns in each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any, ClassVar

from airbyte_cdk.models import FailureType, SyncMode
from airbyte_cdk.sources.streams.core import StreamData

from source_iterable import columns
from source_iterable.api import METRICS_PATH
from source_iterable.backlogs import Grow, Listed, Piece
from source_iterable.errors import TooMuchError, failure
from source_iterable.progress import duration
from source_iterable.rows import Row
from source_iterable.spool import Spool, UnusableBodyError
from source_iterable.streams.base import AheadStream, BeginsAnew, Slice
from source_iterable.streams.listings import Campaigns
from source_iterable.streams.paged import moment
from source_iterable.tabular import header, table

# Since 2026 Iterable answers HTTP 414 to addresses of more characters.
LONGEST_ADDRESS = 2048
MOST_IDS = 50
EPOCH_DAY = date(1970, 1, 1)
DAY = timedelta(days=1)
# How long after a campaign's end, and after a day, its figures may still change: conversions come late.
REVISED = timedelta(days=15)
# What was never sent has no figures, unless it tells that it started.
UNSENT = frozenset({"draft", "ready", "scheduled"})
# What is over, and changes no more: its last change counts as its end where it does not tell that.
OVER = frozenset({"finished", "aborted", "recalled", "archived"})


@dataclass(frozen=True)
class Batch:
    """Whose figures one request asks for, and of which days, the end exclusive; None for all days."""

    ids: Sequence[int] = field(repr=False)
    day: date | None = None
    ends_day: bool = True

    def __str__(self) -> str:
        """`50 ids, 2024-05-01`."""
        return f"{len(self.ids)} ids, {self.day or 'all days'}"


@dataclass(frozen=True)
class _Answer:
    """What a batch was answered: its text, its bytes on the wire, and how many seconds it took."""

    batch: Batch
    text: str = field(repr=False)
    size: int
    seconds: float


def batches(ids: Sequence[int], length: int, parameter: str = "campaignId") -> Iterator[Sequence[int]]:
    """Cut ``ids`` into batches of at most 50 whose addresses, ``length`` characters without them, Iterable takes."""
    batch: list[int] = []
    room = LONGEST_ADDRESS - length
    for one in ids:
        size = len(f"&{parameter}={one}")
        if batch and (len(batch) >= MOST_IDS or size > room):
            yield batch
            batch, room = [], LONGEST_ADDRESS - length
        batch.append(one)
        room -= size
    if batch:
        yield batch


class MetricsStream(AheadStream, ABC):
    """Figures in CSV, asked for in batches of ids.

    Attributes:
        id_parameter: The parameter that names whose figures are asked for, once for each.
        of_what: What these are, for messages.
        may_be_blank: Whether an answer without even a header is known to mean that there are no figures.
    """

    id_parameter: ClassVar[str] = "campaignId"
    of_what: ClassVar[str] = "campaigns"
    may_be_blank: ClassVar[bool] = False

    @abstractmethod
    def listing(self) -> Sequence[Batch]:
        """What to ask for; called on a thread of the look-ahead."""

    def backlog(self, state: Mapping[str, Any]) -> Listed[Batch]:
        """All batches."""
        return Listed(self.name, self.endpoint, self._listing, self.download)

    def _listing(self) -> Sequence[Batch]:
        self._listed = self.listing()
        return self._listed

    def bounds(self, batch: Batch) -> Mapping[str, str]:
        """The days that ``batch`` asks for: without any, some readings of the API give a month."""
        first = batch.day or EPOCH_DAY
        until = (batch.day or self.today()) + DAY
        return {"startDateTime": first.isoformat(), "endDateTime": until.isoformat()}

    def today(self) -> date:
        """The day of the sync, UTC."""
        return self.api.clock.fixed().astimezone(timezone.utc).date()

    def length_of_request(self) -> int:
        """The characters of a request's address without its ids."""
        return len(self.api.url + self.endpoint) + len("?startDateTime=1970-01-01&endDateTime=2026-01-01")

    def download(self, batch: Batch, grow: Grow) -> Spool:
        """The figures of ``batch``, whole; called on a thread of the look-ahead."""
        of_day = f" on {batch.day}" if batch.day else ""
        attempts = self.attempts(
            f"the request for the figures of {len(batch.ids)} {self.of_what}{of_day}",
            receive=lambda response: Spool.receive(response, grow=grow),
        )
        params = {**self.bounds(batch), self.id_parameter: list(batch.ids)}
        try:
            spool: Spool = self.api.get(self.endpoint, params, attempts, self.name).raw  # type: ignore[assignment]
        except TooMuchError as error:
            raise failure(
                self.name,
                "an answer is larger than the room for spooled bodies. Raise ITERABLE_SPOOL_MEGABYTES.",
                str(error),
                FailureType.config_error,
            ) from error
        return spool

    def stream_slices(
        self,
        *,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterator[Slice]:
        """The batches, each when it was downloaded whole; those of one day together."""
        answers: list[_Answer] = []
        for number, piece in enumerate(self.taken(), start=1):
            answers.append(self._answer(piece))
            if piece.what.ends_day:
                yield {"batches": number, "answers": answers}
                answers = []

    def _answer(self, piece: Piece[Batch]) -> _Answer:
        spool: Spool = piece.body
        size = spool.size
        try:
            text = spool.read().decode("utf-8-sig", "replace")
        except UnusableBodyError as error:
            raise self.unexpected(f"too much ({error})") from error
        return _Answer(piece.what, text, size, piece.seconds)

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Slice | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[StreamData]:
        """The records of downloaded batches."""
        if stream_slice is None:
            return
        answers: Sequence[_Answer] = stream_slice["answers"]
        before = self.progress.rows
        rows = [row for answer in answers for row in self._rows(answer)]
        yield from self.emitted(self.counted(rows))
        day = answers[0].batch.day
        ids = sum(len(answer.batch.ids) for answer in answers)
        self.progress.part_done(
            f"{day}, {ids} {self.of_what}" if day else f"{ids} {self.of_what}",
            self.progress.rows - before,
            sum(answer.size for answer in answers),
            max(answer.seconds for answer in answers),
            stream_slice["batches"],
            len(self._listed),
        )

    def _rows(self, answer: _Answer) -> Iterator[Row]:
        added = self.added(answer.batch)
        key = [name for name in self.key_names if name not in added]
        if not set(key) <= set(header(answer.text)) and (answer.text.strip() or not self.may_be_blank):
            raise self.unexpected(f"no header with {' and '.join(key)}")
        for row in table(answer.text, columns.properties(self.name)):
            if any(not isinstance(row.get(name), int) for name in key):
                raise self.unexpected(f"a row without {' and '.join(key)}")
            yield self.columns.record(row, added)

    def added(self, batch: Batch) -> Row:
        """The columns that the connector adds to the rows of ``batch``."""
        return {}


class CampaignFigures(MetricsStream, ABC):
    """The figures of campaigns."""

    endpoint = METRICS_PATH

    def campaigns(self) -> Sequence[_Campaign]:
        """Those that may have figures, in the order of their ids."""
        listed = Campaigns(self.config, self.api, behalf=self).listed()
        campaigns = [_Campaign.of(row, self.today()) for row, _ in listed]
        return sorted((one for one in campaigns if one is not None), key=lambda one: one.id)

    def tell(self, found: Sequence[Batch], campaigns: int) -> None:
        """Log how long it will take."""
        seconds = self.api.seconds_a_request(self.endpoint)
        self.logger.info(
            "%s: %d campaigns, %d requests; at %.3g s a request that takes %s at the least.",
            self.name, campaigns, len(found), seconds, duration(seconds * len(found)),
        )  # fmt: skip


class CampaignMetrics(CampaignFigures):
    """The figures of each campaign over its whole life."""

    primary_key = "id"

    def listing(self) -> Sequence[Batch]:
        """All campaigns that may have figures."""
        ids = [campaign.id for campaign in self.campaigns()]
        found = [Batch(some) for some in batches(ids, self.length_of_request())]
        self.tell(found, len(ids))
        return found


class CampaignMetricsDaily(BeginsAnew, CampaignFigures):
    """The figures of each campaign for each day, from its start to fifteen days after its end.

    A day is read again until it is fifteen days old. In plain append, only days of that age are read.
    """

    cursor_field = "date"
    primary_key = ["id", "date"]  # noqa: RUF012 - the CDK's property is replaced

    @property
    def state(self) -> MutableMapping[str, Any]:
        """`{"date": the last day that was read, "settled": the day to go on from}`."""
        return self._state

    @state.setter
    def state(self, value: MutableMapping[str, Any]) -> None:
        self._state = value

    def backlog(self, state: Mapping[str, Any]) -> Listed[Batch]:
        """The days from ``state`` to the present.

        Raises:
            AirbyteTracedException: A config_error if ``state`` cannot be read.
        """
        self._from = self._settled(state) if self.is_resumable else None
        if self._from is not None and self._from > self.today():
            self.warn_of_future(self._from)
        return super().backlog(state)

    def listing(self) -> Sequence[Batch]:
        """For each day, the campaigns that can have figures of it."""
        campaigns = self.campaigns()
        first = max(self._from or EPOCH_DAY, self.config.start_date.date())
        last = self.today() - (REVISED if self.appends else timedelta())
        if self.config.end_date is not None:
            last = min(last, (self.config.end_date - timedelta(seconds=1)).date())
        found: list[Batch] = []
        day = max(first, min((one.first for one in campaigns), default=last + DAY))
        while day <= last:
            ids = [one.id for one in campaigns if one.first <= day <= one.last]
            parts = list(batches(ids, self.length_of_request()))
            found += [Batch(part, day, part is parts[-1]) for part in parts]
            day += DAY
        self.tell(found, len(campaigns))
        return found

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Slice | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[StreamData]:
        """The records of one day; the state moves when the last one has left."""
        yield from super().read_records(sync_mode, cursor_field, stream_slice, stream_state)
        if stream_slice is not None:
            self._state = self._state_after(stream_slice["answers"][0].batch.day)

    def added(self, batch: Batch) -> Row:
        """The day."""
        return {"date": str(batch.day)}

    def _state_after(self, day: date) -> MutableMapping[str, Any]:
        settled = min(day + DAY, self.today() - REVISED + DAY)
        return {"date": day.isoformat(), "settled": max(settled, self._settled(self._state) or settled).isoformat()}

    def _settled(self, state: Mapping[str, Any]) -> date | None:
        try:
            if state.get("settled") is not None:
                return date.fromisoformat(state["settled"])
            return None if state.get("date") is None else date.fromisoformat(state["date"]) - REVISED
        except (TypeError, ValueError, OverflowError):
            raise self.unreadable_state("no day under 'date' or 'settled'") from None


@dataclass(frozen=True)
class _Campaign:
    """A campaign that may have figures, and of which days, both inclusive."""

    id: int
    first: date
    last: date

    @classmethod
    def of(cls, row: Row, today: date) -> _Campaign | None:
        """The campaign of a listed ``row``; None if nothing can have been sent yet."""
        state = str(row.get("campaignState", "")).lower()
        started = moment(row.get("startAt"))
        if started is None and state in UNSENT:
            return None
        ended = (moment(row.get("endedAt")) or moment(row.get("updatedAt"))) if state in OVER else None
        first = started or moment(row.get("createdAt"))
        return cls(int(row["id"]), _day(first) or EPOCH_DAY, (_day(ended) or today) + REVISED)


def _day(when: datetime | None) -> date | None:
    return None if when is None else when.astimezone(timezone.utc).date()
