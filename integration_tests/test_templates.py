"""A template that is created while templates are listed comes with the next sync, with its type, medium and content."""

from collections.abc import Callable

import pytest

from integration_tests.sandbox import Sandbox
from integration_tests.support.listings import sync
from integration_tests.support.observed import remarks
from integration_tests.support.sync import Output, running_with
from source_iterable.streams.templates import Templates

MODES = ["incremental", "full_refresh"]
TABLES = ["templates", "template_content"]
ALREADY_LISTED, LISTED_LATER = ("Base", "Email"), ("Workflow", "SMS")
"""Combinations of type and medium before and after the one that has several pages."""


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that email templates for blasts, and all templates together, come in several pages."""
    monkeypatch.setattr(Templates, "first_page", Templates.first_page | {"pageSize": 20})


def kinds(output: Output, table: str) -> dict[int, tuple[str | None, str | None]]:
    """The type and the medium of each template that arrived, by its id; each comes once."""
    records = output.records(table)
    found = {row["templateId"]: (row.get("templateType"), row.get("messageMedium")) for row in records}
    assert len(found) == len(records)
    return found


def while_listed(sandbox: Sandbox, action: Callable[[], dict[str, int]]) -> list[int]:
    """Have templates added in the midst of the next listing; the ids are there afterwards."""
    added: list[int] = []
    sandbox.between_pages("templates", lambda: added.append(action()["templateId"]))
    return added


@pytest.mark.parametrize("kind", [ALREADY_LISTED, ("Triggered", "WebPush"), ("Blast", "Embedded")], ids=" ".join)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("table", TABLES)
def test_given_a_template_that_no_combination_shows_yet_when_synced_then_the_next_sync_brings_it_whole(
    table: str, mode: str, kind: tuple[str, str]
) -> None:
    with running_with() as sandbox:
        there = kinds(sync(sandbox, table, mode=mode), table)
        sandbox.advance(minutes=1)
        added = while_listed(sandbox, lambda: sandbox.add_template(*kind))

        first = sync(sandbox, table, mode=mode)
        sandbox.advance(minutes=1)
        second = sync(sandbox, table, mode=mode, state=first.state if mode == "incremental" else None)

    (new,) = added
    assert kinds(first, table) == there
    assert any("1 created while templates were listed: left to the next sync" in line for line in remarks(first, table))
    shown = {new: kind if kind == ALREADY_LISTED else (None, None)}
    expected = {} if (table, kind[1]) == ("template_content", "WebPush") else shown
    assert kinds(second, table) == (expected if mode == "incremental" else there | expected)
    assert not remarks(second, table)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("table", TABLES)
def test_given_a_template_of_a_combination_that_is_listed_later_when_synced_then_it_comes_once_with_both(
    table: str, mode: str
) -> None:
    with running_with() as sandbox:
        added = while_listed(sandbox, lambda: sandbox.add_template(*LISTED_LATER))

        first = sync(sandbox, table, mode=mode)
        sandbox.advance(minutes=1)
        second = sync(sandbox, table, mode=mode, state=first.state if mode == "incremental" else None)

    (new,) = added
    if mode == "incremental":
        assert new not in kinds(first, table), "it changed since the listing began"
        assert kinds(second, table) == {new: LISTED_LATER}
    else:
        assert kinds(first, table)[new] == kinds(second, table)[new] == LISTED_LATER
    assert not remarks(first, table)


@pytest.mark.parametrize("mode", MODES)
def test_given_older_templates_that_no_combination_shows_when_synced_then_they_come_without_type_and_medium(
    mode: str,
) -> None:
    with running_with() as sandbox:
        output = sync(sandbox, "templates", mode=mode)
        hidden = {
            row["templateId"] for row, _, medium in sandbox.project.templates if medium in {"WebPush", "Embedded"}
        }

    arrived = kinds(output, "templates")
    assert len(hidden) == 4
    assert {one for one, kind in arrived.items() if kind == (None, None)} == hidden
