"""Full refreshes that take long continue where an attempt was cut short, in whatever way it was."""

import json
import logging
import signal
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import (
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalogSerializer,
    Type,
)

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.expected import assert_exact
from integration_tests.support.listings import truth
from integration_tests.support.observed import EVER
from integration_tests.support.processes import Reading
from integration_tests.support.sync import (
    NEXT_SYNC,
    PLATFORM,
    Output,
    State,
    _plain,
    catalog_here,
    configured,
    environment,
    read_here,
    running_with,
    settings,
)
from source_iterable import SourceIterable
from source_iterable.api import sorted_body
from source_iterable.streams.catalogs import CatalogItems
from source_iterable.streams.chunks import ChunkedStream

DETAILS = {"experiments": "experiments/", "template_content": "templates/"}
STREAMS = [*DETAILS, "catalog_items"]
# A destination, and the numbers with which the platform tells syncs apart, where what was delivered stays.
KEPT = [("append", {}), ("append_dedup", {}), ("append", PLATFORM), ("overwrite", PLATFORM)]
SIZE = Size(templates=40, experiments=30, catalogs=3, catalog_items=30)


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A project of which a chunk is a small part."""
    monkeypatch.setattr(ChunkedStream, "chunk_rows", 7)
    monkeypatch.setattr(CatalogItems, "chunk_rows", 7)
    with running_with(size=SIZE) as sandbox:
        yield sandbox


def catalog_of(sandbox: Sandbox, stream: str, to: str, numbers: dict[str, int]) -> dict[str, Any]:
    catalog = configured(catalog_here(sandbox), [stream], "full_refresh", to)
    for one in catalog["streams"]:
        one.update(numbers)
    return catalog


def cut_short(sandbox: Sandbox, catalog: dict[str, Any], states: int, state: State | None = None) -> Output:
    """What an attempt writes that ends right after so many states."""
    known = [AirbyteStateMessageSerializer.load(one) for one in state or []]
    source, parsed = SourceIterable(), ConfiguredAirbyteCatalogSerializer.load(catalog)
    messages = source.read(logging.getLogger("airbyte"), settings(sandbox), parsed, known)
    written = []
    for message in messages:
        written.append(_plain(message))
        states -= message.type is Type.STATE
        if not states:
            break
    messages.close()
    return Output(written)


def details_of(sandbox: Sandbox, stream: str) -> Counter[str]:
    """How often each path, with its parameters, was requested that is about one row."""
    begin = DETAILS.get(stream, "nothing")
    asked = [one for one in sandbox.requests if one.endpoint.startswith(begin)]
    return Counter(f"{one.endpoint} {json.dumps(one.params, sort_keys=True)}" for one in asked)


@pytest.mark.parametrize(("to", "numbers"), KEPT, ids=str)
@pytest.mark.parametrize("states", [1, 3])
@pytest.mark.parametrize("stream", STREAMS)
def test_given_an_attempt_that_was_cut_short_when_the_next_has_its_state_then_each_row_comes_once(
    project: Sandbox, stream: str, states: int, to: str, numbers: dict[str, int]
) -> None:
    catalog = catalog_of(project, stream, to, numbers)
    first = cut_short(project, catalog, states)
    project.forget_requests()

    second = read_here(project, catalog, first.state)

    everything = truth(project, stream)
    assert 0 < len(first.records(stream)) < len(everything)
    assert second.statuses(stream)[-1] == "COMPLETE"
    assert_exact([*first.records(stream), *second.records(stream)], everything)
    if stream == "experiments":
        assert len(details_of(project, stream)) == len(second.records(stream))


@pytest.mark.parametrize("stream", STREAMS)
def test_given_every_attempt_cut_short_after_a_chunk_when_repeated_then_the_end_is_reached(
    project: Sandbox, stream: str
) -> None:
    catalog = catalog_of(project, stream, "overwrite", PLATFORM)
    state: State | None = None
    records: list[dict[str, Any]] = []
    for _ in range(60):
        attempt = cut_short(project, catalog, 1, state)
        records += attempt.records(stream)
        state = attempt.state
        if attempt.states(stream)[-1].get("finished"):
            break

    assert_exact(records, truth(project, stream))


@pytest.mark.parametrize("nth", [2, 9, 20])
@pytest.mark.parametrize(
    ("stream", "endpoint"), [("experiments", "experiments/*"), ("template_content", "templates/*/get")]
)
def test_given_a_failing_detail_when_synced_again_then_only_the_rest_is_requested(
    project: Sandbox, waits: list[float], stream: str, endpoint: str, nth: int
) -> None:
    catalog = catalog_of(project, stream, "append", {})
    everything = truth(project, stream)
    project.faults.add(Fault(kind="status", status=503, endpoint=endpoint, nth=nth, **EVER))
    first = read_here(project, catalog)
    project.faults.clear()
    project.forget_requests()

    second = read_here(project, catalog, first.state or None)

    resumption = "the first row that is missing" if first.records(stream) else "its beginning"
    assert f"resumes from {resumption}" in first.errors[0]["message"]
    assert_exact([*first.records(stream), *second.records(stream)], everything)
    if stream == "experiments":
        assert len(details_of(project, stream)) == len(second.records(stream))


@pytest.mark.parametrize("number", [1, 2])
def test_given_a_catalog_that_fails_when_synced_again_then_the_catalogs_before_are_not_listed_again(
    project: Sandbox, waits: list[float], number: int
) -> None:
    names = sorted(row["name"] for row in project.truth("catalogs"))
    catalog = catalog_of(project, "catalog_items", "append", {})
    project.faults.add(Fault(kind="status", status=503, endpoint=f"catalogs/{names[number]}/items", **EVER))
    first = read_here(project, catalog)
    project.faults.clear()
    project.forget_requests()

    second = read_here(project, catalog, first.state)

    assert_exact([*first.records("catalog_items"), *second.records("catalog_items")], truth(project, "catalog_items"))
    listed = {one.endpoint.split("/")[1] for one in project.requests if one.endpoint.startswith("catalogs/")}
    assert listed == set(names[number:])


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL], ids=str)
def test_given_a_process_that_was_ended_when_the_next_has_its_state_then_each_experiment_comes_once(
    tmp_path: Path, sign: signal.Signals
) -> None:
    with running_with(size=Size(experiments=230)) as sandbox:
        catalog = catalog_of(sandbox, "experiments", "overwrite", PLATFORM)
        hang = sandbox.faults.add(Fault(kind="hang", endpoint="experiments/*", nth=210, seconds=30, **EVER))
        with Reading(tmp_path / "first", environment(sandbox), config=settings(sandbox), catalog=catalog) as reading:
            assert reading.read_until(lambda: reading.text.count(b'"type":"STATE"') >= 1)
            if sign == signal.SIGTERM:
                reading.terminate()
            else:
                reading.kill()
            first = reading.read_all()
        sandbox.faults.remove(hang)
        sandbox.forget_requests()

        second = read_here(sandbox, catalog, first.state)
        everything = truth(sandbox, "experiments")
        again = details_of(sandbox, "experiments")

    assert_exact([*first.records("experiments"), *second.records("experiments")], everything)
    assert len(again) == 30


def test_given_items_that_come_and_go_between_attempts_then_no_other_is_lost_or_twice(project: Sandbox) -> None:
    """What is deleted from a page that was read shifts all pages behind it."""
    catalog = catalog_of(project, "catalog_items", "append", {})
    name = min(row["name"] for row in project.truth("catalogs") if row["name"] != "Empty")
    everything = truth(project, "catalog_items")
    first = cut_short(project, catalog, 2)
    gone = first.records("catalog_items")[0]
    assert gone["catalogName"] == name
    project.delete_catalog_item(name, gone["itemId"])
    added = project.add_catalog_item(name)["itemId"]

    second = read_here(project, catalog, first.state)

    arrived = [*first.records("catalog_items"), *second.records("catalog_items")]
    assert_exact([row for row in arrived if row["itemId"] != added or row["catalogName"] != name], everything)
    assert max(Counter((row["catalogName"], row["itemId"]) for row in arrived).values()) == 1


@pytest.mark.parametrize(
    ("to", "before", "after"),
    [("overwrite", {}, {}), ("overwrite", PLATFORM, NEXT_SYNC), ("append", PLATFORM, NEXT_SYNC),
     ("append", {}, PLATFORM), ("overwrite", PLATFORM, {})],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("stream", STREAMS)
def test_given_the_state_of_another_sync_when_synced_then_everything_is_read(
    project: Sandbox, stream: str, to: str, before: dict[str, int], after: dict[str, int]
) -> None:
    first = cut_short(project, catalog_of(project, stream, to, before), 2)

    output = read_here(project, catalog_of(project, stream, to, after), first.state)

    assert_exact(output.records(stream), truth(project, stream))
    assert any(line.startswith(f"INFO {stream}: the saved state is not used: ") for line in output.logs)


@pytest.mark.parametrize("to", ["append", "append_dedup", "overwrite"])
@pytest.mark.parametrize("stream", STREAMS)
def test_given_a_finished_full_refresh_when_synced_with_its_state_then_everything_is_read(
    project: Sandbox, stream: str, to: str
) -> None:
    catalog = catalog_of(project, stream, to, {})
    first = read_here(project, catalog)

    second = read_here(project, catalog, first.state)

    for output in first, second:
        assert_exact(output.records(stream), truth(project, stream))


@pytest.mark.parametrize("stream", STREAMS)
def test_given_a_finished_stream_when_the_same_sync_is_tried_again_then_nothing_comes_twice(
    project: Sandbox, stream: str
) -> None:
    catalog = catalog_of(project, stream, "overwrite", PLATFORM)
    first = read_here(project, catalog)
    project.forget_requests()

    second = read_here(project, catalog, first.state)

    assert second.statuses(stream)[-1] == "COMPLETE"
    assert not second.records(stream)
    assert not [one for one in project.requests if one.endpoint.startswith(("experiments", "templates", "catalogs"))]


@pytest.mark.parametrize("saved", [None, "all", [], [1.5], ["a"], [1, 2], {"id": 1}], ids=str)
@pytest.mark.parametrize("stream", STREAMS)
def test_given_a_position_of_another_form_when_synced_then_everything_is_read(
    project: Sandbox, stream: str, saved: Any
) -> None:
    catalog = catalog_of(project, stream, "append", {})
    first = cut_short(project, catalog, 2)
    first.state[0]["stream"]["stream_state"]["from"] = saved

    output = read_here(project, catalog, first.state)

    assert_exact(output.records(stream), truth(project, stream))


def test_given_states_of_the_other_mode_when_synced_then_everything_is_read(project: Sandbox) -> None:
    full = catalog_of(project, "template_content", "append", {})
    incremental = configured(catalog_here(project), ["template_content"], to="append")
    cut = cut_short(project, full, 2), cut_short(project, incremental, 2)

    for catalog, first in zip((incremental, full), cut, strict=True):
        output = read_here(project, catalog, first.state)
        assert_exact(output.records("template_content"), truth(project, "template_content"))


def test_given_more_items_than_are_sorted_at_once_when_cut_short_then_each_comes_once(
    project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorted_body, "RUN_BYTES", 2000)
    catalog = catalog_of(project, "catalog_items", "append", {})
    first = cut_short(project, catalog, 2)

    second = read_here(project, catalog, first.state)

    assert_exact([*first.records("catalog_items"), *second.records("catalog_items")], truth(project, "catalog_items"))


def test_given_items_when_synced_then_their_ids_are_in_no_state(project: Sandbox) -> None:
    """The CDK logs the state with which it begins."""
    output = read_here(project, catalog_of(project, "catalog_items", "append", {}))

    ids = {row["itemId"] for row in output.records("catalog_items") if len(row["itemId"]) > 3}
    saved = json.dumps(output.states("catalog_items"))
    assert ids
    assert not [one for one in ids if f'"{one}"' in saved]
    froms = [state["from"] for state in output.states("catalog_items") if "from" in state]
    assert all(one < other for one, other in pairwise(froms))
