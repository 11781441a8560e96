"""What tests look at after a sync: requests and windows, what must have come, how a stream failed."""

from datetime import UTC, datetime
from typing import Any

from integration_tests.sandbox import Sandbox
from integration_tests.support.expected import TRUTH_OF, Record, expected
from integration_tests.support.sync import Output, catalog_here

EXPORT = "export/data.json"
LISTS = "lists/getUsers"
EVER: dict[str, Any] = {"times": None}
"""For a fault that strikes every call."""

Catalog = dict[str, Any]


def schema_of(catalog: Catalog, table: str) -> dict[str, Any]:
    """The schema of a stream in a catalog, discovered or configured."""
    streams = [entry.get("stream", entry) for entry in catalog["streams"]]
    return next(stream["json_schema"] for stream in streams if stream["name"] == table)


def truth_with(sandbox: Sandbox, catalog: Catalog, table: str, **bounds: Any) -> list[Record]:
    """The records with the columns of ``catalog`` that the sandbox's rows of a stream, within bounds, must become."""
    return expected(table, sandbox.truth(TRUTH_OF[table], **bounds), schema_of(catalog, table))


def truth(sandbox: Sandbox, table: str, **bounds: Any) -> list[Record]:
    """The same with the columns that are discovered now, whatever faults are in force."""
    faults = [fault for fault, _ in sandbox.faults.all()]
    sandbox.faults.clear()
    catalog = catalog_here(sandbox)
    for fault in faults:
        sandbox.faults.add(fault)
    return truth_with(sandbox, catalog, table, **bounds)


def requests_to(sandbox: Sandbox, endpoint: str) -> list[dict[str, str]]:
    """The parameters of the requests to an endpoint."""
    return [one.params for one in sandbox.requests if one.endpoint == endpoint]


def windows(sandbox: Sandbox, data_type: str = "emailSend") -> list[tuple[datetime, datetime]]:
    """The windows that were requested, in their order."""
    asked = [one.params for one in sandbox.requests if one.params.get("dataTypeName") == data_type]
    return [(timestamp(one["startDateTime"]), timestamp(one["endDateTime"])) for one in asked]


def timestamp(text: str) -> datetime:
    """A timestamp as requests or states spell it."""
    return datetime.fromisoformat(text.replace(" +", "+").replace("Z", "+00:00")).replace(tzinfo=UTC)


def failure_of(output: Output, table: str) -> dict[str, Any]:
    """The one error of a stream that did not come to its end; it is a sentence that names the stream."""
    assert output.statuses(table)[-1] == "INCOMPLETE"
    (error,) = [error for error in output.errors if error["stream_descriptor"]["name"] == table]
    assert error["message"].startswith(f"{table}: ")
    assert error["message"].endswith(".")
    assert "Traceback" not in error["message"]
    return error


def remarks(output: Output, table: str) -> list[str]:
    """The warnings of a stream."""
    return [line for line in output.logs if line.startswith(f"WARN {table}: ")]
