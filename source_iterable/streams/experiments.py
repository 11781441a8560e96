"""Streams of experiments: what they test (JSON) and how they went (CSV)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from source_iterable import messages
from source_iterable.api.errors import RequestRejected
from source_iterable.prefetch.activity import Batch
from source_iterable.records.json_lines import Row
from source_iterable.streams.columns.common import DATA_FIELDS
from source_iterable.streams.columns.experiment_metrics import EXPERIMENT_METRICS
from source_iterable.streams.details import DetailStream
from source_iterable.streams.metrics import LifetimeMetrics, batches
from source_iterable.streams.paging import OffsetPaging
from source_iterable.streams.schema import OBJECT, array, integer, json_object, text, timestamp

EMAIL = "email"


class Experiments(DetailStream):
    """One experiment, in its current state.

    It holds what the list endpoint returns and what Iterable returns of the experiment by itself, which wins.
    """

    endpoint = "experiments"
    records_key = "experiments"
    primary_key = "id"
    columns = {
        "id": integer("Id of the experiment."),
        "name": text("Name of the experiment."),
        "campaignId": integer(
            "Id of the campaign, from `meta` where it stands only there; points to `id` in `campaigns`."
        ),
        "status": text("Where it stands: draft, ready, running, finished or winner_found."),
        "channelType": text("Channel of its messages: email, push, sms, in_app or web_push."),
        "experimentType": text("What it varies, such as SubjectLine or WholeEmail."),
        "allocationMode": text("How users are distributed over the variants, such as even_split."),
        "author": text("Member of the project who made it."),
        "creationDate": timestamp("When it was created."),
        "startDate": timestamp("When it began."),
        "finishDate": timestamp("When it ended."),
        "sizing": json_object("Sizes of the groups, in per cent, and lengths of the test."),
        "meta": json_object("Its name, campaign, project, organization and conversion metrics."),
        "variants": array(OBJECT, "The variants, each with its template and share, and whether it won."),
        "constraints": json_object("Whom it is limited to, and the lists that it leaves out."),
    } | DATA_FIELDS
    first_page: ClassVar = {"limit": 100, "offset": 0}
    paging = OffsetPaging

    def derived(self, row: Row, added: Row) -> Iterator[tuple[Row, Row]]:
        """The whole experiment."""
        policy = self.retry_policy("an experiment", rejects={400, 404})
        try:
            whole = self.detail(f"experiments/{row['id']}", {}, policy)
        except RequestRejected as rejected:
            self.progress.remark(messages.EXPERIMENT_INCOMPLETE, experiment=row["id"], answer=rejected.answer)
            whole = {}
        yield _with_campaign(row | whole), added


def _with_campaign(row: Row) -> Row:
    """``row`` with its campaign at the top, where only `meta` has it."""
    meta = row.get("meta")
    campaign = meta.get("campaignId") if isinstance(meta, dict) else None
    return row if row.get("campaignId") is not None or not _is_id(campaign) else row | {"campaignId": campaign}


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


class ExperimentMetrics(LifetimeMetrics):
    """How one variant (template) of an email experiment went, over the experiment's life."""

    endpoint = "experiments/metrics"
    primary_key = ["experiment_id", "template_id"]  # noqa: RUF012 - the CDK's property is replaced
    columns = EXPERIMENT_METRICS | DATA_FIELDS
    id_parameter = "experimentId"
    of_what = "experiments"
    may_be_blank = True

    def all_batches(self) -> Sequence[Batch]:
        """The email experiments: Iterable has metrics of no others."""
        rows = Experiments(self.sync, parent=self).distinct_rows()
        ids = [int(row["id"]) for row, _ in rows if str(row.get("channelType") or EMAIL).lower() == EMAIL]
        return [Batch(batch) for batch in batches(ids, self.length_of_request(), self.id_parameter)]
