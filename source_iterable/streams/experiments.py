"""Streams of experiments: what they test (JSON) and how they went (CSV)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any, ClassVar

import requests

from source_iterable.api.errors import RequestRejected
from source_iterable.prefetch.activity import Batch
from source_iterable.records.json_lines import Row
from source_iterable.streams.base import Slice
from source_iterable.streams.columns.common import DATA_FIELDS
from source_iterable.streams.columns.experiment_metrics import EXPERIMENT_METRICS
from source_iterable.streams.details import DetailedListing
from source_iterable.streams.metrics import LifetimeMetrics, batches
from source_iterable.streams.schema import OBJECT, array, integer, json_object, text, timestamp
from source_iterable.streams.totals import total_of

EMAIL = "email"


class Experiments(DetailedListing):
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
            "Id of the campaign, from `meta` where Iterable tells it there; points to `id` in `campaigns`."
        ),
        "status": text("Where it stands: draft, ready, running, finished or winner_found."),
        "channelType": text("Channel of its messages: email, push, sms, in_app or web_push."),
        "experimentType": text("What it varies, such as SubjectLine or WholeEmail."),
        "allocationMode": text("How people are spread over the variants, such as even_split."),
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

    def next_page_token(self, response: requests.Response) -> Mapping[str, Any] | None:
        """Where the next page begins: after a full page always, after another one while the total tells of more."""
        rows = self.objects(self.body(response), self.records_key, self.row_key)
        total = total_of(self.body(response))
        if rows:
            self.require_new_page(str([row[self.row_key] for row in rows]))
        limit = self.first_page["limit"]
        self._offset += len(rows) or limit
        if (not rows and total is None) or (len(rows) < limit and total is not None and self._offset >= total):
            return None
        self.require_end_of_empty_pages()
        return {"offset": self._offset}

    def request_params(
        self,
        stream_state: Mapping[str, Any] | None,
        stream_slice: Slice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> MutableMapping[str, Any]:
        """Those of the page."""
        if not next_page_token:
            self._offset = 0
        return super().request_params(stream_state, stream_slice, next_page_token)

    def derived(self, row: Row, added: Row) -> Iterator[tuple[Row, Row]]:
        """The whole experiment."""
        attempts = self.attempts("an experiment", rejects={400, 404})
        try:
            whole = self.get(f"experiments/{row['id']}", {}, attempts)
        except RequestRejected as rejected:
            self.progress.remark(
                f"experiment {row['id']}: only what the listing tells, Iterable answers {rejected.answer}"
            )
            whole = {}
        yield _with_campaign(row | whole), added


def _with_campaign(row: Row) -> Row:
    """``row`` with its campaign at the top, where Iterable tells it in `meta` alone."""
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

    def listing(self) -> Sequence[Batch]:
        """The experiments of emails: Iterable has figures of no others."""
        listed = Experiments(self.sync, parent=self).listed()
        ids = [int(row["id"]) for row, _ in listed if str(row.get("channelType") or EMAIL).lower() == EMAIL]
        return [Batch(some) for some in batches(ids, self.length_of_request(), self.id_parameter)]
