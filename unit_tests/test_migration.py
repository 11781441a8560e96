"""What docs/migration.md tells of states holds: those of other connectors are understood."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from source_iterable.api.client import Api
from source_iterable.api.clock import Clock
from source_iterable.config import Config
from source_iterable.streams.events.email import EmailOpen
from source_iterable.streams.export import ExportStream
from source_iterable.streams.users import Users
from source_iterable.sync import Sync
from source_iterable.timestamps import parse

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "migration.md").read_text("utf-8")
STATES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
TOLD = parse("2026-01-31T16:41:09Z")


def test_page_shows_a_state_of_each_connector() -> None:
    assert [list(state) for state in STATES] == [["createdAt"], ["profileUpdatedAt"], ["createdAt"]]


@pytest.mark.parametrize("state", STATES, ids=["published, events", "published, users", "stitch"])
def test_state_of_another_connector_is_gone_on_from_less_the_lookback(
    state: dict[str, str], api: Api, config: Config
) -> None:
    kind: type[ExportStream] = Users if "profileUpdatedAt" in state else EmailOpen
    api.clock = Clock(lambda: TOLD + timedelta(days=1))

    span = kind(Sync(config, api)).span(state)

    assert span is not None
    assert span.start == TOLD - timedelta(hours=1)
