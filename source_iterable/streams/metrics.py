"""Streams of campaign metrics: `GET campaigns/metrics`, CSV, ten requests a minute, up to 50 campaigns in each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timezone
from typing import Any, ClassVar

from source_iterable import messages, timestamps
from source_iterable.api.body import Body
from source_iterable.api.body_scan import UnusableBodyError
from source_iterable.api.csv import header, table
from source_iterable.api.rate_limits import METRICS_PATH
from source_iterable.exceptions import TooLargeError
from source_iterable.prefetch import plans
from source_iterable.prefetch.activity import DAY, Activity, Batch
from source_iterable.prefetch.list_plan import ListPlan
from source_iterable.progress import duration
from source_iterable.records.json_lines import Row
from source_iterable.reservation import Reservation
from source_iterable.streams.base import HEARTBEAT, Slice, Turn
from source_iterable.streams.campaigns import Campaigns
from source_iterable.streams.columns.campaign_metrics import CAMPAIGN_METRICS
from source_iterable.streams.columns.common import DATA_FIELDS
from source_iterable.streams.prefetched import PrefetchedStream

# Since 2026 Iterable answers HTTP 414 to addresses of more characters.
LONGEST_ADDRESS = 2048
MOST_IDS = 50
EPOCH_DAY = date(1970, 1, 1)
# A campaign in one of these states has no metrics, unless it has a start.
UNSENT = frozenset({"draft", "ready", "scheduled"})


@dataclass(frozen=True)
class _Answer:
    """The answer to a batch: its text, its bytes on the wire, and the seconds that it took.

    The text is None where an earlier read of it found no metrics.
    """

    batch: Batch
    text: str | None = field(repr=False)
    size: int
    seconds: float


def batches(ids: Iterable[int], length: int, parameter: str = "campaignId") -> Iterator[Sequence[int]]:
    """Cut ``ids`` into batches of at most 50 whose addresses, ``length`` characters without them, Iterable takes."""
    batch: list[int] = []
    left = LONGEST_ADDRESS - length
    for subject in ids:
        size = len(f"&{parameter}={subject}")
        if batch and (len(batch) >= MOST_IDS or size > left):
            yield batch
            batch, left = [], LONGEST_ADDRESS - length
        batch.append(subject)
        left -= size
    if batch:
        yield batch


class MetricsStream(PrefetchedStream, ABC):
    """Metrics in CSV, requested in batches of ids.

    Attributes:
        id_parameter: The parameter that names whose metrics are requested, once for each id.
        of_what: What the ids are of, for messages.
        may_be_blank: Whether an answer without even a header is known to mean that there are no metrics.
        GENERATED: The columns that the connector adds.
    """

    id_parameter: ClassVar[str] = "campaignId"
    of_what: ClassVar[str] = "campaigns"
    may_be_blank: ClassVar[bool] = False
    GENERATED: ClassVar[Collection[str]] = ()

    def bounds(self, batch: Batch) -> Mapping[str, str]:
        """The days that ``batch`` covers: without any, some readings of the API give a month."""
        first, last = (batch.days.first, batch.days.last) if batch.days else (EPOCH_DAY, self.today())
        return {"startDateTime": first.isoformat(), "endDateTime": (last + DAY).isoformat()}

    def today(self) -> date:
        """The day of the sync, UTC."""
        return self.api.clock.fixed().astimezone(timezone.utc).date()

    def length_of_request(self) -> int:
        """The characters of a request's address without its ids."""
        return len(self.api.url + self.endpoint) + len("?startDateTime=1970-01-01&endDateTime=2026-01-01")

    def download(self, batch: Batch, reservation: Reservation) -> Body:
        """The metrics of ``batch``, whole; called on a thread of the prefetcher."""
        of_days = f" on {batch.days}" if batch.days else ""
        policy = self.retry_policy(
            f"the request for the metrics of {len(batch.ids)} {self.of_what}{of_days}",
            receive=lambda response: Body.receive(response, reservation=reservation),
        )
        params = {**self.bounds(batch), self.id_parameter: list(batch.ids)}
        try:
            return self.api.get(self.endpoint, params, policy, self.name)
        except TooLargeError as error:
            raise messages.ANSWER_OVER_LIMIT.error(self.name, str(error)) from error

    def slices(self) -> Iterator[Slice]:
        """The batches, each when it was downloaded whole; those of one day together."""
        answers: list[_Answer] = []
        for number, slice_ in enumerate(self.prefetched(), start=1):
            if slice_ is None:
                yield HEARTBEAT
                continue
            answers.append(self._answer(slice_))
            if slice_.partition.is_last:
                yield {"batches": number, "answers": answers}
                answers = []

    def _answer(self, slice_: plans.Slice[Batch]) -> _Answer:
        body: Body | Activity = slice_.body
        size = body.size
        text = None if isinstance(body, Activity) else self.text(body)
        return _Answer(slice_.partition, text, size, slice_.seconds)

    def text(self, body: Body) -> str:
        """The text of an answer; its body is closed."""
        try:
            return body.read().decode("utf-8-sig", "replace")
        except UnusableBodyError as error:
            raise self.unexpected(f"too much ({error})") from error

    def records(self, stream_slice: Slice) -> Iterable[Row]:
        """The records of downloaded batches, none before all of them are parsed."""
        return [record for answer in stream_slice["answers"] for record in self._records(answer)]

    def delivered(self, stream_slice: Slice, count: int) -> None:
        """Log what was delivered."""
        answers: Sequence[_Answer] = stream_slice["answers"]
        self.progress.part_done(
            self._description(answers),
            count,
            sum(answer.size for answer in answers),
            max(answer.seconds for answer in answers),
            *self.share_done(stream_slice),
        )

    def _description(self, answers: Sequence[_Answer]) -> str:
        days = answers[0].batch.days
        ids = f"{sum(len(answer.batch.ids) for answer in answers)} {self.of_what}"
        if days is None:
            return ids
        return f"{days}, no metrics" if answers[0].text is None else f"{days}, {ids}"

    @abstractmethod
    def share_done(self, stream_slice: Slice) -> tuple[int, int]:
        """How many parts of how many are done with ``stream_slice``."""

    def _records(self, answer: _Answer) -> Iterator[Row]:
        added = self.added(answer.batch)
        for row in self.rows_of(answer.text) if answer.text is not None else ():
            if self.is_reported(row):
                yield self.selected_columns.record(row, added)

    def rows_of(self, text: str) -> Iterator[Row]:
        """The rows of an answer, each with its key.

        Raises:
            AirbyteTracedException: A system_error if ``text`` is not such an answer.
        """
        key = [name for name in self.key_names if name not in self.GENERATED]
        if not set(key) <= set(header(text)) and (text.strip() or not self.may_be_blank):
            raise self.unexpected(f"no header with {' and '.join(key)}")
        for row in table(text, self.columns):
            if any(not isinstance(row.get(name), int) for name in key):
                raise self.unexpected(f"a row without {' and '.join(key)}")
            yield row

    def is_reported(self, row: Row) -> bool:
        """Whether ``row`` becomes a record."""
        return True

    def added(self, batch: Batch) -> Row:
        """The columns that the connector adds to the rows of ``batch``, called as `GENERATED` lists them."""
        return {}


class LifetimeMetrics(MetricsStream, ABC):
    """Lifetime metrics: every batch is known once the ids are."""

    def turn(self, *, is_first_sync: bool) -> Turn:
        """Late: an attempt that is cut short starts over."""
        return Turn.NOT_RESUMABLE

    @abstractmethod
    def all_batches(self) -> Sequence[Batch]:
        """The batches to request; called on a thread of the prefetcher."""

    def plan(self, state: Mapping[str, Any]) -> ListPlan[Batch]:
        """All batches."""
        return ListPlan(self.name, self.endpoint, self._planned_batches, self.download)

    def _planned_batches(self) -> Sequence[Batch]:
        self._batches = self.all_batches()
        return self._batches

    def share_done(self, stream_slice: Slice) -> tuple[int, int]:
        """How many batches of how many are done with ``stream_slice``."""
        return stream_slice["batches"], len(self._batches)


class CampaignMetrics(LifetimeMetrics):
    """The metrics of one campaign over its whole life, as they are now."""

    endpoint = METRICS_PATH
    primary_key = "id"
    columns = CAMPAIGN_METRICS | DATA_FIELDS

    def all_batches(self) -> Sequence[Batch]:
        """All campaigns that may have metrics."""
        ids = sorted(int(row["id"]) for row in campaign_rows(self) if _may_have_sent(row))
        found = [Batch(batch) for batch in batches(ids, self.length_of_request())]
        seconds = self.api.seconds_a_request(self.endpoint)
        self.logger.info(
            "%s: %d campaigns, %d requests; at %.3g s a request that takes %s at the least.",
            self.name, len(ids), len(found), seconds, duration(seconds * len(found)),
        )  # fmt: skip
        return found


def campaign_rows(stream: MetricsStream) -> Iterator[Row]:
    """The campaigns of the project, requested on behalf of ``stream``."""
    return (row for row, _ in Campaigns(stream.sync, parent=stream).distinct_rows())


def _may_have_sent(campaign: Row) -> bool:
    is_sent = str(campaign.get("campaignState", "")).lower() not in UNSENT
    return is_sent or timestamps.parse_or_none(campaign.get("startAt")) is not None
