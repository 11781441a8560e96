"""What tests of export jobs share."""

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

from integration_tests.sandbox import Job, Request, Sandbox, Size
from integration_tests.support.expected import assert_exact
from integration_tests.support.observed import truth_with
from integration_tests.support.sync import (
    Output,
    State,
    catalog_here,
    configured,
    read_here,
    running_with,
)

BEGIN = "export/start"
FILES = "export/*/files"
STORAGE = "storage/*"
MANY_FILES: dict[str, Any] = {"job_file_bytes": 3000}
SLOW = 600
"""A scale of the limits at which jobs are worth while: a direct request each 26 ms."""
Serve = Callable[..., Sandbox]


@cache
def catalog() -> dict[str, Any]:
    """What `discover` shows of any of these sandboxes."""
    with running_with(size=Size.smallest()) as sandbox:
        return catalog_here(sandbox)


def by(
    method: str,
    sandbox: Sandbox,
    *tables: str,
    state: State | None = None,
    mode: str = "incremental",
    to: str = "append_dedup",
    days: int = 10,
) -> Output:
    """A sync whose exports are made in that manner, in windows of so many days to begin with."""
    sandbox.forget_requests()
    selected = configured(catalog(), tables, mode, to)
    return read_here(sandbox, selected, state, export_method=method, window_in_days=days)


def truth(sandbox: Sandbox, table: str, **bounds: Any) -> list[dict[str, Any]]:
    """The records of a stream that the sandbox's rows, within bounds, must become."""
    return truth_with(sandbox, catalog(), table, **bounds)


def asked(sandbox: Sandbox, endpoint: str, data_type: str | None = None) -> list[Request]:
    """The requests to an endpoint."""
    return [
        request
        for request in sandbox.requests
        if request.endpoint == endpoint and data_type in (None, request.params["dataTypeName"])
    ]


def fetched(sandbox: Sandbox) -> Counter[str]:
    """How often each file was requested."""
    return Counter(request.path for request in sandbox.storage_requests)


def assert_synced(sandbox: Sandbox, output: Output, *tables: str) -> None:
    """The streams came whole, each row once."""
    assert not output.errors
    for table in tables:
        assert output.statuses(table)[-1] == "COMPLETE"
        assert_exact(output.records(table), truth(sandbox, table), table)


def looked_at(sandbox: Sandbox, job: Job) -> int:
    """How often a job was looked at."""
    return sum(request.endpoint == f"export/{job.id}/files" for request in sandbox.requests)


def own(sandbox: Sandbox) -> list[Job]:
    """The jobs that the connector started."""
    return [job for job in sandbox.jobs if job.started_by != "another tool"]
