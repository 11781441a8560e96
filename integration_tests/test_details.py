"""Details that are requested one by one leave in chunks, and what was cut short resumes from there."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer, Type

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.expected import assert_exact
from integration_tests.support.listings import failure, sync, truth
from integration_tests.support.observed import EVER, requests_to
from integration_tests.support.processes import Reading
from integration_tests.support.sync import catalog_here, configured, environment, running_with, settings
from integration_tests.support.sync import sync as sync_tables
from source_iterable import SourceIterable
from source_iterable.streams.chunks import ChunkedStream
from source_iterable.streams.details import THREADS

CONTENT = "templates/*/get"
LIMIT = "ITERABLE_SPOOL_MEGABYTES"


def requested(sandbox: Sandbox) -> list[str]:
    """The ids of the templates whose content was requested."""
    paths = [one for one in sandbox.requests if one.endpoint.startswith("templates/")]
    return [one.params["templateId"] for one in paths]


def read_lazily(sandbox: Sandbox, stream: str, mode: str) -> Iterator[Any]:
    """The messages of a read, each when it leaves."""
    catalog = ConfiguredAirbyteCatalogSerializer.load(configured(catalog_here(sandbox), [stream], mode))
    return SourceIterable().read(logging.getLogger("airbyte"), settings(sandbox), catalog)


# What was cut short goes on


def test_given_a_failure_late_in_the_contents_when_synced_again_then_only_the_rest_is_requested(
    waits: list[float],
) -> None:
    with running_with(size=Size(templates=583)) as sandbox:
        everything = truth(sandbox, "template_content")
        fault = Fault(kind="status", status=503, endpoint=CONTENT, nth=520, **EVER)
        sandbox.faults.add(fault)
        cut = sync_tables(sandbox, "template_content", to="append")
        sandbox.faults.clear()
        sandbox.forget_requests()
        rest = sync(sandbox, "template_content", state=cut.state, to="append")
        again = requested(sandbox)
        sandbox.forget_requests()
        nothing = sync(sandbox, "template_content", state=rest.state, to="append")

    assert "resumes from 20" in failure(cut, "template_content")["message"]
    assert len(cut.records("template_content")) >= 500
    assert len(cut.states("template_content")) == 3
    assert_exact([*cut.records("template_content"), *rest.records("template_content")], everything)
    assert len(set(again)) < 583 - 500
    assert len(again) <= len(set(again)) + THREADS, "a thread of the first sync may still have sent its request again"
    assert nothing.records("template_content") == []


@pytest.mark.parametrize(
    ("nth", "to"), [*((nth, "append") for nth in range(2, 62, 8)), *((nth, "append_dedup") for nth in range(6, 62, 8))]
)
def test_given_templates_that_changed_at_the_same_time_when_cut_short_then_none_is_lost_or_repeated(
    waits: list[float], monkeypatch: pytest.MonkeyPatch, nth: int, to: str
) -> None:
    monkeypatch.setattr(ChunkedStream, "chunk_rows", 7)
    with running_with() as sandbox:
        for number, (row, _, _) in enumerate(sandbox.project.templates):
            row["updatedAt"] = 1_706_000_000_000 + number // 5 * 1000
            row["createdAt"] = 1_700_000_000_000
        everything = truth(sandbox, "template_content")
        sandbox.faults.add(Fault(kind="status", status=503, endpoint=CONTENT, nth=nth, **EVER))
        cut = sync_tables(sandbox, "template_content", to=to)
        sandbox.faults.clear()
        changed = sandbox.edit_template(cut.records("template_content")[0]["templateId"]) if nth > 10 else None
        sandbox.advance(minutes=1)
        rest = sync(sandbox, "template_content", state=cut.state, to=to)
        now = truth(sandbox, "template_content")

    failure(cut, "template_content")
    records = rest.records("template_content")
    if changed is None:
        assert_exact([*cut.records("template_content"), *records], everything)
    else:
        arrived = [row["templateId"] for row in (*cut.records("template_content"), *records)]
        assert len(arrived) == len(everything) + 1
        assert_exact(records, [row for row in now if row["templateId"] in {one["templateId"] for one in records}])


def test_given_templates_without_a_time_when_cut_short_then_none_is_lost(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ChunkedStream, "chunk_rows", 7)
    with running_with() as sandbox:
        for row, _, _ in sandbox.project.templates[::4]:
            del row["updatedAt"]
        everything = truth(sandbox, "template_content")
        sandbox.faults.add(Fault(kind="status", status=503, endpoint=CONTENT, nth=50, **EVER))
        cut = sync_tables(sandbox, "template_content", to="append")
        sandbox.faults.clear()
        rest = sync(sandbox, "template_content", state=cut.state, to="append")

    assert_exact([*cut.records("template_content"), *rest.records("template_content")], everything)


def test_given_the_first_content_refused_when_synced_then_no_state_and_few_requests(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="status", status=403, endpoint=CONTENT, **EVER))

    output = sync_tables(sandbox, "template_content")

    failure(output, "template_content")
    assert output.records("template_content") == []
    assert output.states("template_content") == []
    assert len(requested(sandbox)) <= 8


# Records leave before the last request


@pytest.mark.parametrize("mode", ["incremental", "full_refresh"])
@pytest.mark.parametrize(("stream", "endpoint"), [("template_content", CONTENT), ("experiments", "experiments/")])
def test_given_many_details_when_synced_then_the_first_record_leaves_after_a_chunk(
    monkeypatch: pytest.MonkeyPatch, stream: str, endpoint: str, mode: str
) -> None:
    monkeypatch.setattr(ChunkedStream, "chunk_rows", 40)
    with running_with(size=Size(templates=120, experiments=120)) as sandbox:
        messages = read_lazily(sandbox, stream, mode)
        next(message for message in messages if message.type is Type.RECORD)
        begun = sum(one.endpoint.startswith(endpoint.partition("*")[0]) for one in sandbox.requests)
        rest = sum(message.type is Type.RECORD for message in messages)

    assert begun <= ChunkedStream.chunk_rows + 3 * THREADS
    assert rest > 100


def test_given_catalogs_when_one_fails_then_the_items_of_those_before_have_left(
    sandbox: Sandbox, waits: list[float]
) -> None:
    second = [row["name"] for row in sandbox.truth("catalogs")][1]
    sandbox.faults.add(Fault(kind="status", status=503, endpoint=f"catalogs/{second}/items", **EVER))

    output = sync_tables(sandbox, "catalog_items")

    failure(output, "catalog_items")
    first = [row for row in truth(sandbox, "catalog_items") if row["catalogName"] != second]
    assert first
    assert_exact(output.records("catalog_items"), first)


# What waits on disk


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[Callable[..., Reading]]:
    """Starts processes that read a sandbox within a limit on disk, and ends them."""
    begun: list[Reading] = []

    def start(sandbox: Sandbox, *streams: str, megabytes: float) -> Reading:
        catalog = configured(catalog_here(sandbox), streams)
        limited = environment(sandbox) | {LIMIT: str(megabytes)}
        begun.append(Reading(tmp_path / str(len(begun)), limited, config=settings(sandbox), catalog=catalog))
        return begun[-1].__enter__()

    yield start
    for one in begun:
        one.__exit__(None, None, None)


def on_disk(process: int) -> int:
    """Bytes of the temporary files that a process has open."""
    total = 0
    for descriptor in Path(f"/proc/{process}/fd").glob("*"):
        with suppress(OSError):  # closed meanwhile
            if str(descriptor.readlink()).endswith("(deleted)"):
                total += descriptor.stat().st_size
    return total


def test_given_large_listings_when_synced_then_what_waits_on_disk_stays_within_the_limit(
    reading: Callable[..., Reading],
) -> None:
    streams = ("campaigns", "template_content", "catalog_items", "experiments", "email_send", "email_open")
    size = Size(campaigns=2000, templates=500, catalog_items=2000, experiments=250, bulk={"emailSend": 4000})
    megabytes = 0.5
    with running_with(size=size) as sandbox:
        process = reading(sandbox, *streams, megabytes=megabytes)
        peak = 0

        def measure() -> bool:
            nonlocal peak
            if process.process.poll() is None:
                peak = max(peak, on_disk(process.process.pid))
            return False

        process.read_until(measure)
        output = process.read_all()

    assert {stream: output.statuses(stream)[-1] for stream in streams} == dict.fromkeys(streams, "COMPLETE")
    assert 100_000 < peak <= megabytes * 1_000_000, json.dumps({"peak": peak})


@pytest.mark.parametrize("stream", ["campaigns", "catalog_items", "template_content", "experiments"])
def test_given_more_than_the_limit_when_synced_then_the_stream_says_what_to_raise(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    monkeypatch.setenv(LIMIT, "0.0005")

    output = sync_tables(sandbox, stream, "channels")

    error = failure(output, stream)
    assert error["failure_type"] == "config_error"
    assert LIMIT in error["message"]
    assert len(requests_to(sandbox, stream)) < 10
