"""The sandbox answers as Iterable's definitions say, and every property that they name has a column.

What differs, and why that is right, stands in the lists of this module. An entry that nothing needs any more fails a
test too, so that the lists stay short.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests

from integration_tests.contract import DEFINITIONS, ENDPOINTS, Known, Misfit, endpoint_of, misfits, referred
from integration_tests.sandbox import PROJECT_TYPES, Request, Sandbox, Size
from integration_tests.support import all_tables
from integration_tests.support.sync import NOW, START, catalog_here, configured, connect, read_here
from source_iterable.streams import STREAMS
from source_iterable.streams.export import ExportStream

EPOCH = {"type": "integer", "minimum": 10**12}
TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
NULL = {"type": "null"}

RECORDED_EPOCH = "epoch milliseconds in every recorded answer"
OPTIONAL_NUMBER = "the Swagger's generator writes an optional number as an object"
ENUMERATION = "the Swagger's generator writes this enumeration as an object"
ON_PURPOSE = "a field that no documentation knows, so that tests show what becomes of one"
ABSENT = "absent values may come as null"

NOT_IN_THE_SWAGGER = {
    "GET experiments": "newer than the Swagger; the official client has it",
    "GET experiments/{}": "newer than the Swagger; the official client has it",
}

ANSWERS = {
    "ApiEmailTemplateModel.cacheDataFeed": Known("a boolean in recorded answers", {"type": "boolean"}),
    "ApiEmailTemplateModel.mergeDataFeedContext": Known("a boolean in recorded answers", {"type": "boolean"}),
    "ApiEmbeddedTemplateModel.placementId": Known(OPTIONAL_NUMBER, NUMBER),
    "ApiPushTemplateModel.createdAt": Known(RECORDED_EPOCH, EPOCH),
    "ApiPushTemplateModel.updatedAt": Known(RECORDED_EPOCH, EPOCH),
    "ApiSMSTemplateModel.createdAt": Known(RECORDED_EPOCH, EPOCH),
    "ApiSMSTemplateModel.updatedAt": Known(RECORDED_EPOCH, EPOCH),
    "ApiTemplateResponse.createdAt": Known(RECORDED_EPOCH, EPOCH),
    "ApiTemplateResponse.folderId": Known(ON_PURPOSE),
    "ApiTemplateResponse.updatedAt": Known(RECORDED_EPOCH, EPOCH),
    "CampaignDetails.campaignGoal": Known(ON_PURPOSE),
    "CampaignDetails.campaignState": Known("a state that another connector meets", {"enum": ["Recalled"]}),
    "CampaignDetails.labelIds": Known("sent beside `labels` by newer projects, as the help pages show"),
    "CampaignsResponse.totalCampaignsCount": Known(OPTIONAL_NUMBER, NUMBER),
    "CatalogItemWithProperties.lastModified": Known("epoch milliseconds, as the official client reads it", EPOCH),
    "CatalogItemWithProperties.revision": Known(ON_PURPOSE),
    "CatalogName.isSystem": Known(ON_PURPOSE),
    "ChannelDetails.isDefault": Known(ON_PURPOSE),
    "ChannelDetails.messageMedium": Known("WebPush is recorded; in-app alike", {"enum": ["InApp", "WebPush"]}),
    "ClientDataType": Known(ENUMERATION, TEXT),
    "ExperimentMetricsResponse": Known("CSV in every recorded answer", TEXT),
    "ExportJobStatusAndFiles.jobState": Known(
        "lower-case, as the official client reads it", {"enum": ["enqueued", "running", "completed", "failed"]}
    ),
    "GetTemplatesResponse.totalTemplatesCount": Known(OPTIONAL_NUMBER, NUMBER),
    "JobState": Known(ENUMERATION, TEXT),
    "JourneyDetails.timezone": Known(ON_PURPOSE),
    "JourneyDraftDetails": Known(ABSENT, NULL),
    "JsObject": Known("any JSON object: the Swagger shows what a Scala library has inside", {"type": "object"}),
    "ListDetails.folderId": Known(ON_PURPOSE),
    "MessageTypeDetails.isHidden": Known(ON_PURPOSE),
    "MetadataProperties.revision": Known(ON_PURPOSE),
    "MetadataWithProperties.revision": Known(ON_PURPOSE),
    "PositionOption": Known(ENUMERATION, TEXT),
    "SnippetResponse.folderId": Known(ON_PURPOSE),
    "SnippetResponse.id": Known(OPTIONAL_NUMBER, NUMBER),
}
"""Where the sandbox differs from the Swagger, since recorded answers and the official client do."""

RECORDS_OF = {
    "ApiEmailTemplateModel": "template_content",
    "ApiEmbeddedTemplateModel": "template_content",
    "ApiInAppTemplateModel": "template_content",
    "ApiPushTemplateModel": "template_content",
    "ApiSMSTemplateModel": "template_content",
    "ApiTemplateResponse": "templates",
    "CampaignDetails": "campaigns",
    "CatalogItemWithProperties": "catalog_items",
    "CatalogName": "catalogs",
    "ChannelDetails": "channels",
    "JourneyDetails": "journeys",
    "ListDetails": "lists",
    "MessageTypeDetails": "message_types",
    "MetadataProperties": "metadata",
    "MetadataWithProperties": "metadata",
    "SnippetResponse": "snippets",
}
"""The definitions of records, and the streams that they become."""

FOLLOWED = "paging: the connector follows it"
COUNTED = "paging: a total, no part of a record"
HASHES = "a list of hashes: each is the `hash` of a record of forgotten_users"
OF_A_JOB = "how an export is made: no part of a record"
NO_COLUMN = {
    "ClientDataType": OF_A_JOB,
    "ExportFileAndUrl": OF_A_JOB,
    "ExportJobStatusAndFiles": OF_A_JOB,
    "JobModel": OF_A_JOB,
    "JobState": OF_A_JOB,
    "JobsResponse": OF_A_JOB,
    "StartExportRequest": OF_A_JOB,
    "StartExportResponse": OF_A_JOB,
    "CampaignsResponse.nextPageUrl": FOLLOWED,
    "CampaignsResponse.previousPageUrl": FOLLOWED,
    "CampaignsResponse.totalCampaignsCount": COUNTED,
    "ExperimentMetricsResponse": "the answer is CSV, whose titles are the columns of experiment_metrics",
    "GetCatalogItemsResponse.nextPageUrl": FOLLOWED,
    "GetCatalogItemsResponse.previousPageUrl": FOLLOWED,
    "GetCatalogItemsResponse.totalItemsCount": COUNTED,
    "GetCatalogsResponse.nextPageUrl": FOLLOWED,
    "GetCatalogsResponse.previousPageUrl": FOLLOWED,
    "GetCatalogsResponse.totalCatalogsCount": COUNTED,
    "GetForgottenUserEmailsResponse.hashedEmails": HASHES,
    "GetForgottenUserIdsResponse.hashedUserIds": HASHES,
    "GetJourneysResponse.nextPageUrl": FOLLOWED,
    "GetJourneysResponse.previousPageUrl": FOLLOWED,
    "GetJourneysResponse.totalJourneysCount": COUNTED,
    "GetTemplatesResponse.nextPageUrl": FOLLOWED,
    "GetTemplatesResponse.previousPageUrl": FOLLOWED,
    "GetTemplatesResponse.totalTemplatesCount": COUNTED,
    "GetUserFieldsResponse.fields": "names and types: each is a record of user_fields",
    "Listing.nextMarker": FOLLOWED,
    "Table.name": "the `stream` of the records of metadata",
}
"""Properties without a column, or definitions none of whose properties have one, and why."""


def require_none(offenders: Iterable[str]) -> None:
    """Fail with all ``offenders``, a line each."""
    found = sorted(offenders)
    assert not found, "\n".join(found)


class Recording:
    """What one sync of all streams asked of a sandbox, and what the sandbox answers to that."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Sync, then ask each thing once more, by hand."""
        output = read_here(sandbox, configured(catalog_here(sandbox), all_tables.TABLES), export_method="automatic")
        assert not output.errors
        self.requests = sandbox.requests
        self.answers: list[tuple[str, Any]] = []
        self._sandbox = sandbox
        for method, target in dict.fromkeys((one.method, one.target) for one in self.requests):
            if method == "GET" and "/export/" not in target:
                self._ask(method, target)
        self._ask_about_a_job()

    def _ask(self, method: str, address: str, body: dict[str, str] | None = None) -> Any:
        response = requests.request(
            method, self._sandbox.url + address, json=body, headers={"Api-Key": self._sandbox.api_key}, timeout=60
        )
        endpoint = endpoint_of(method, _path(address))
        is_json = "json" in response.headers["Content-Type"] and not address.startswith("/api/export/data")
        answer = response.json() if is_json else response.text
        if endpoint is not None and response.ok:
            self.answers.append((endpoint, _unwrapped(answer)))
        return answer

    def _ask_about_a_job(self) -> None:
        wanted = {
            "dataTypeName": "emailOpen",
            "startDateTime": "2024-01-01 00:00:00",
            "endDateTime": "2024-03-01 00:00:00",
        }
        self._ask("GET", "/api/export/data.json?dataTypeName=emailOpen&range=All")
        job = self._ask("POST", "/api/export/start", {**wanted, "outputFormat": "application/x-json-stream"})["jobId"]
        for _ in range(self._sandbox.options.job_polls + 1):
            self._ask("GET", f"/api/export/{job}/files")
        self._ask("GET", "/api/export/jobs")
        job = self._ask("POST", "/api/export/start", {**wanted, "outputFormat": "application/x-json-stream"})["jobId"]
        self._ask("DELETE", f"/api/export/{job}")


def _path(target: str) -> str:
    """The path below `/api/` of what was requested."""
    return target.partition("?")[0].removeprefix("/api/")


def _unwrapped(answer: Any) -> Any:
    """What an answer about catalogs holds, which may be wrapped as the answers to changes are: recorded so."""
    if isinstance(answer, dict) and answer.keys() == {"msg", "code", "params"} and isinstance(answer["params"], dict):
        return answer["params"]
    return answer


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    """One of a project of each type; catalogs are wrapped in the first."""
    made = []
    for kind in PROJECT_TYPES:
        size = replace(Size(), events=4, users=12)
        options = {"project_type": kind, "wrapped_catalogs": kind == "email"}
        with (
            Sandbox(size=size, start=START, now=NOW, rate_scale=10_000, **options) as sandbox,
            pytest.MonkeyPatch.context() as patch,
        ):
            connect(sandbox, patch)
            made.append(Recording(sandbox))
    return made


# What the sandbox answers


@pytest.fixture(scope="module")
def misfitting(recordings: list[Recording]) -> list[Misfit]:
    """Whatever does not fit in any answer."""
    return [
        misfit
        for recording in recordings
        for endpoint, answer in recording.answers
        for misfit in misfits(ENDPOINTS[endpoint].get("answer", {}), answer)
    ]


def test_the_answers_fit_the_definitions(misfitting: list[Misfit]) -> None:
    unknown = [misfit for misfit in misfitting if misfit.exception(ANSWERS) is None]

    require_none({misfit.part: f"{misfit.part}: {json.dumps(misfit.value)[:100]}" for misfit in unknown}.values())


def test_every_exception_for_an_answer_is_needed(misfitting: list[Misfit]) -> None:
    require_none(ANSWERS.keys() - {misfit.exception(ANSWERS) for misfit in misfitting})


def test_every_endpoint_was_asked(recordings: list[Recording]) -> None:
    asked = {endpoint for recording in recordings for endpoint, _ in recording.answers}

    require_none(ENDPOINTS.keys() - asked)


def test_times_of_snippets_are_written_as_the_official_client_reads_them(recordings: list[Recording]) -> None:
    """A string is all that the Swagger says of them; the client takes no offset in the place of `Z`."""
    answers = [
        answer for recording in recordings for endpoint, answer in recording.answers if endpoint == "GET snippets"
    ]
    times = [row[name] for answer in answers for row in answer["snippets"] for name in ("createdAt", "updatedAt")]

    assert times
    require_none(time for time in times if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time))


def test_a_misfit_is_found_wherever_it_is() -> None:
    list_of = {"id": 1, "name": "A", "createdAt": 1, "listType": "Standard"}
    schema = {"$ref": "#/definitions/GetListsResponse"}

    def parts(**changes: Any) -> set[str]:
        return {misfit.part for misfit in misfits(schema, {"lists": [list_of | changes]})}

    assert parts() == set()
    assert parts(id="1") == {"ListDetails.id"}
    assert parts(listType="Other") == {"ListDetails.listType"}
    assert parts(surprise=1) == {"ListDetails.surprise"}
    assert {misfit.part for misfit in misfits(schema, {"lists": [{}]})} >= {"ListDetails.id", "ListDetails.name"}
    assert {misfit.part for misfit in misfits(schema, {})} == {"GetListsResponse.lists"}


def test_an_exception_allows_what_it_says_and_nothing_else() -> None:
    known = {"ApiTemplateResponse.createdAt": ANSWERS["ApiTemplateResponse.createdAt"], "JsObject": ANSWERS["JsObject"]}

    def allowing(part: str, value: object, within: str = "") -> str | None:
        return Misfit(part, within or part, value).exception(known)

    assert allowing("ApiTemplateResponse.createdAt", 1_700_000_000_000) == "ApiTemplateResponse.createdAt"
    assert allowing("ApiTemplateResponse.createdAt", 1_700_000_000) is None
    assert allowing("ApiTemplateResponse.updatedAt", 1_700_000_000_000) is None
    assert allowing("JsObject.price", {"price": 5}, "JsObject") == "JsObject"


# What the connector asks


def asked(recordings: list[Recording]) -> Iterator[tuple[str, Request]]:
    """The endpoint of each request; for those that the Swagger does not have, with `{}` for numbers."""
    for recording in recordings:
        for one in recording.requests:
            path = _path(one.target)
            generic = "/".join("{}" if part.isdecimal() else part for part in path.split("/"))
            yield endpoint_of(one.method, path) or f"{one.method} {generic}", one


def test_the_endpoints_that_are_read_are_in_the_swagger(recordings: list[Recording]) -> None:
    unknown = {endpoint for endpoint, _ in asked(recordings) if endpoint not in ENDPOINTS}

    require_none(unknown ^ NOT_IN_THE_SWAGGER.keys())


def test_the_parameters_that_are_sent_exist_and_those_that_must_be_sent_are(recordings: list[Recording]) -> None:
    offenders: set[str] = set()
    for endpoint, request in asked(recordings):
        parameters = ENDPOINTS.get(endpoint, {}).get("parameters")
        if parameters is None:
            continue
        sent = parse_qsl(request.query, keep_blank_values=True)
        offenders |= {f"{endpoint}: {name} does not exist" for name, _ in sent if name not in parameters}
        offenders |= {
            f"{endpoint}: {name} is never {value}"
            for name, value in sent
            if value not in parameters.get(name, {}).get("enum", [value])
        }
        required = {name for name, schema in parameters.items() if schema.get("required")}
        offenders |= {f"{endpoint}: {name} is required" for name in required - {name for name, _ in sent}}

    require_none(offenders)


def test_the_bodies_that_are_sent_fit_the_definitions(recordings: list[Recording]) -> None:
    sent = [(ENDPOINTS[endpoint]["body"], json.loads(one.body)) for endpoint, one in asked(recordings) if one.body]

    assert sent
    require_none(misfit.part for schema, body in sent for misfit in misfits(schema, body))


# What the streams have


def test_every_data_type_is_a_stream() -> None:
    offered = {
        "export/data.json": ENDPOINTS["GET export/data.json"]["parameters"]["dataTypeName"]["enum"],
        "export/start": DEFINITIONS["StartExportRequest"]["properties"]["dataTypeName"]["enum"],
    }
    read = {stream.data_type for stream in STREAMS.values() if issubclass(stream, ExportStream)}

    require_none(f"{endpoint}: {name}" for endpoint, names in offered.items() for name in read ^ set(names))


def within_a_column() -> set[str]:
    """The definitions that are met below a property of a record only: their properties are in its column."""
    inside: set[str] = set()
    wanted = list(RECORDS_OF)
    while wanted:
        for schema in DEFINITIONS[wanted.pop()].get("properties", {}).values():
            name = referred(schema)
            if name and name not in inside and name not in RECORDS_OF:
                inside.add(name)
                wanted.append(name)
    return inside


def without_a_column() -> set[str]:
    """The properties that are neither a column of their stream, nor within one, nor lead to records."""
    inside = within_a_column()
    found = set()
    for name, definition in DEFINITIONS.items():
        if name in inside:
            continue
        declared = STREAMS[RECORDS_OF[name]].columns if name in RECORDS_OF else {}
        for key, schema in definition.get("properties", {}).items():
            leads_to_records = name not in RECORDS_OF and (referred(schema) in {*RECORDS_OF, "Table"})
            if key not in declared and not leads_to_records:
                found.add(f"{name}.{key}")
    return found


def test_every_property_is_a_column_or_there_is_a_reason() -> None:
    known = {name for name in without_a_column() if name in NO_COLUMN or name.partition(".")[0] in NO_COLUMN}

    require_none(without_a_column() - known)


def test_every_exception_for_a_property_is_needed() -> None:
    needed = without_a_column()

    require_none(name for name in NO_COLUMN if not any(f"{one}.".startswith(f"{name}.") for one in needed))


def test_every_definition_of_records_exists_and_every_exception_has_a_reason() -> None:
    require_none(RECORDS_OF.keys() - DEFINITIONS.keys())
    assert all([*NO_COLUMN.values(), *NOT_IN_THE_SWAGGER.values(), *(known.reason for known in ANSWERS.values())])
