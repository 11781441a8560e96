"""The stream of campaign metrics by day: `GET campaigns/metrics` for spans of days, split where something happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta, timezone
from typing import Any

from source_iterable import timestamps
from source_iterable.api.rate_limits import METRICS_PATH
from source_iterable.prefetch import plans
from source_iterable.prefetch.activity import DAY, Activity, ActivityPlan, Batch, Days, Subjects
from source_iterable.progress import duration
from source_iterable.records.json_lines import Row
from source_iterable.reservation import Reservation
from source_iterable.streams.base import Slice, Turn
from source_iterable.streams.checkpoint import SETTLED, Checkpoint, UnreadableCheckpointError
from source_iterable.streams.columns.campaign_metrics import CAMPAIGN_METRICS
from source_iterable.streams.columns.common import DATA_FIELDS
from source_iterable.streams.metrics import EPOCH_DAY, MOST_IDS, MetricsStream, batches, campaign_rows
from source_iterable.streams.schema import day, generated
from source_iterable.streams.state import NonResumableFullRefresh

# How long the metrics of a day may still change: conversions come late.
REVISED = timedelta(days=15)
# Cells that stand for no value: Iterable writes them where it would divide by zero.
NOTHING = frozenset({"", "-", "n/a", "na", "nan", "null", "none"})


class CampaignMetricsDaily(NonResumableFullRefresh, MetricsStream):
    """The metrics of one campaign for one day.

    A day on which it has none has no record. A day is read again until it is fifteen days old. In plain append, only
    days of that age are read.
    """

    endpoint = METRICS_PATH
    cursor_field = "date"
    primary_key = ["id", "date"]  # noqa: RUF012 - the CDK's property is replaced
    columns = {"date": generated(day("The day, in UTC."))} | CAMPAIGN_METRICS | DATA_FIELDS
    GENERATED = ("date",)

    @property
    def state_keys(self) -> Sequence[str]:
        """`{"date": the last day that was read, "settled": the day to resume from}`."""
        return [*super().state_keys, SETTLED]

    def turn(self, *, is_first_sync: bool) -> Turn:
        """Behind the events: a first sync may take hours, and can be resumed."""
        return Turn.METRICS

    def plan(self, state: Mapping[str, Any]) -> ActivityPlan:
        """The days from ``state`` to the present.

        Raises:
            AirbyteTracedException: A config_error if ``state`` cannot be read.
        """
        self._from = self._checkpoint(state).settled if self.is_resumable else None
        if self._from is not None and self._from > self.today():
            self.warn_of_future(self._from)
        return ActivityPlan(
            self.name,
            self.endpoint,
            self.subjects,
            lambda ids: batches(ids, self.length_of_request()),
            self.download_activity,
        )

    def subjects(self) -> tuple[Subjects, Days | None]:
        """All campaigns, and the days that this sync reads; None for no day."""
        campaigns = Subjects({int(row["id"]): _first_day(row) for row in campaign_rows(self)})
        last = self.today() - (REVISED if self.appends else timedelta())
        if self.config.end_date is not None:
            last = min(last, (self.config.end_date - timedelta(seconds=1)).date())
        first = max(self._from or EPOCH_DAY, self.config.start_date.date(), campaigns.first or EPOCH_DAY)
        self._days = Days(first, last) if campaigns and first <= last else None
        if self._days is not None:
            requests = -(-len(campaigns) // MOST_IDS)
            seconds = self.api.seconds_a_request(self.endpoint)
            self.logger.info(
                "%s: %d campaigns, %s: %d requests, and more for each day that has metrics; at %.3g s a request "
                "that takes %s at the least.",
                self.name, len(campaigns), self._days, requests, seconds, duration(seconds * requests),
            )  # fmt: skip
        return campaigns, self._days

    def download_activity(self, batch: Batch, reservation: Reservation) -> plans.Body:
        """The metrics of one day, or which campaigns have any in a span of several days."""
        body = self.download(batch, reservation)
        if batch.days is None or len(batch.days) == 1:
            return body
        requested = set(batch.ids)
        try:
            return Activity(
                sorted({row["id"] for row in self.rows_of(self.text(body)) if self.is_reported(row)} & requested)
            )
        finally:
            body.close()

    def is_reported(self, row: Row) -> bool:
        """Whether ``row`` has a metric that is not zero: a day without any has no record."""
        return any(_is_something(value) for name, value in row.items() if name != "id")

    def delivered(self, stream_slice: Slice, count: int) -> None:
        """Move the state to the day, or to the last one of a span without metrics."""
        super().delivered(stream_slice, count)
        day: date = stream_slice["answers"][0].batch.days.last
        settled = min(day + DAY, self.today() - REVISED + DAY)
        self._state = self._checkpoint(self._state).advanced(day, settled).state(self.cursor_field, date.isoformat)

    def share_done(self, stream_slice: Slice) -> tuple[int, int]:
        """How many days of how many are done."""
        days: Days = stream_slice["answers"][0].batch.days
        return (days.last - self._days.first).days + 1 if self._days else 0, len(self._days or ())

    def added(self, batch: Batch) -> Row:
        """The day."""
        return {"date": str(batch.days)}

    def _checkpoint(self, state: Mapping[str, Any]) -> Checkpoint[date]:
        try:
            return Checkpoint.parse(state, self.cursor_field, date.fromisoformat, lambda day: day - REVISED)
        except UnreadableCheckpointError as error:
            raise self.unreadable_state(f"no day under '{error.key}'") from None


def _first_day(campaign: Row) -> date:
    """The day before anything can have happened to ``campaign``: in whatever time zone Iterable counts its days."""
    known = (timestamps.parse_or_none(campaign.get(name)) for name in ("createdAt", "startAt"))
    days = [time.astimezone(timezone.utc).date() for time in known if time is not None]
    return max(min(days, default=EPOCH_DAY), EPOCH_DAY + DAY) - DAY


def _is_something(value: object) -> bool:
    """Whether a cell has a value other than zero."""
    if isinstance(value, str):
        text = value.strip().lower()
        try:
            return text not in NOTHING and float(text) != 0
        except ValueError:
            return True
    if isinstance(value, list):  # cells without a title
        return any(_is_something(cell) for cell in value)
    return bool(value)
