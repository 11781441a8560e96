"""Streams of templates and their content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import product
from typing import ClassVar

from source_iterable import messages, timestamps
from source_iterable.api.errors import MissingEndpointError, RequestRejected
from source_iterable.records.json_lines import Row
from source_iterable.streams.changing import ChangingStream
from source_iterable.streams.columns.common import DATA_FIELDS, RECORD_TIMES
from source_iterable.streams.columns.template_content import TEMPLATE_CONTENT
from source_iterable.streams.details import DetailStream
from source_iterable.streams.schema import (
    generated,
    integer,
    text,
)
from source_iterable.streams.totals import Tally


class Templates(ChangingStream):
    """One message template of the project, in its current state.

    A row has no type and medium, so each combination is requested by itself; media that no combination covers
    (web push, embedded, WhatsApp) come with a last request for all templates.
    """

    endpoint = "templates"
    records_key = "templates"
    primary_key = "templateId"
    columns = (
        {
            "templateId": integer("Id of the template."),
            "name": text("Name of the template; several may share one."),
            "templateType": generated(
                text("Kind of template: Base, Blast, Triggered or Workflow; empty where Iterable lists it under none.")
            ),
            "messageMedium": generated(
                text("Medium of its messages: Email, Push, InApp or SMS; empty where Iterable lists it under none.")
            ),
            "messageTypeId": integer("Id of its message type; points to `id` in `message_types`."),
            "campaignId": integer("Id of the campaign that uses it; points to `id` in `campaigns`."),
            "clientTemplateId": text("Id that your own systems gave the template."),
            "creatorUserId": text("Email address of the project member who created it."),
        }
        | RECORD_TIMES
        | DATA_FIELDS
    )

    TYPES: ClassVar = ("Base", "Blast", "Triggered", "Workflow")
    MEDIA: ClassVar = ("Email", "Push", "InApp", "SMS")

    def distinct_rows(self) -> Iterator[tuple[Row, Row]]:
        """Every template once, with its type and medium; null where no combination returns it.

        One that was created meanwhile may belong to a combination that was read before: it is left to the next sync.
        """
        began = self.api.clock.now()
        tally = Tally()
        for template_type, medium in product(self.TYPES, self.MEDIA):
            filters = {"templateType": template_type, "messageMedium": medium}
            for row in self.distinct_rows_of(tally, filters):
                yield row, dict(filters)
        postponed = 0
        for row in self.distinct_rows_of(tally, {}):
            created = timestamps.parse_or_none(row.get("createdAt"))
            if created is not None and created >= began:
                postponed += 1
            else:
                yield row, {"templateType": None, "messageMedium": None}
        if postponed:
            self.progress.remark(messages.TEMPLATES_POSTPONED, number=postponed)
        self.compare_totals(tally.result())

    def changed(self, row: Row, before: datetime) -> datetime | None:
        """The later of updatedAt and createdAt: what was left to the next sync is emitted by it in any case."""
        updated, created = super().changed(row, before), timestamps.parse_or_none(row.get("createdAt"))
        return updated if updated is None or created is None else max(updated, created)


class TemplateContent(DetailStream, Templates):
    """What one template says, in its default language.

    It is requested template by template, where a template changed.
    """

    columns = TEMPLATE_CONTENT | RECORD_TIMES | DATA_FIELDS

    # The endpoint of each medium's content; a template of no medium may be an embedded one.
    PATHS: ClassVar[Mapping[str | None, str]] = {
        "Email": "templates/email/get",
        "Push": "templates/push/get",
        "InApp": "templates/inapp/get",
        "SMS": "templates/sms/get",
        None: "templates/embedded/get",
    }

    _has_embedded = True

    def derived(self, row: Row, added: Row) -> Iterator[tuple[Row, Row]]:
        """The content of a template in its default language; the values of the list take precedence."""
        medium = added["messageMedium"]
        if medium is None and not self._has_embedded:
            return
        path = self.PATHS[medium]
        # A template of no medium is requested as an embedded one: any refusal means that it is none.
        rejects = (400, 404) if medium is not None else {400: 1, 403: 1, 404: 1}
        policy = self.retry_policy("the content of a template", rejects=rejects)
        try:
            content = self.detail(path, {"templateId": row["templateId"]}, policy)
        except MissingEndpointError:
            if medium is not None:
                raise
            self._has_embedded = False
            self.progress.remark(
                messages.NO_EMBEDDED_TEMPLATES, once=True, data_center=self.api.data_center, endpoint=path
            )
            return
        except RequestRejected as rejected:
            if medium is not None:
                self.progress.remark(messages.TEMPLATE_SKIPPED, template=row["templateId"], answer=rejected.answer)
            return
        yield content | row, added
