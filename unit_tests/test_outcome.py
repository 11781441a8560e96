from typing import Any

import pytest
from airbyte_cdk.models import FailureType

from source_iterable.api.client import Api
from source_iterable.api.errors import StreamFailure
from source_iterable.config import Config
from source_iterable.failures import summary_of
from source_iterable.streams.project import Channels, Lists, MessageTypes
from source_iterable.sync import Sync


@pytest.fixture
def tables(config: Config, api: Api) -> list[Any]:
    """Three streams that came to their end."""
    made = [table(Sync(config, api)) for table in (Channels, Lists, MessageTypes)]
    for table in made:
        table.complete = True
    return made


def test_streams_that_came_to_their_end_are_no_error(tables: list[Any]) -> None:
    assert summary_of(tables) is None


def test_a_cause_that_several_share_is_told_once(tables: list[Any]) -> None:
    for table in tables[:2]:
        table.stopped = StreamFailure("no room.", FailureType.transient_error, "its beginning")

    error = summary_of(tables)

    assert error is not None
    assert error.message == (
        "2 of 3 streams stopped before the end; all others are complete. "
        "In parentheses: where the next attempt resumes.\n"
        "channels (its beginning), lists (its beginning): no room."
    )
    assert error.failure_type is FailureType.transient_error


def test_a_stream_that_was_never_begun_is_not_called_complete(tables: list[Any]) -> None:
    tables[1].complete = False
    tables[2].stopped = StreamFailure("refused.", FailureType.config_error, "its beginning")

    error = summary_of(tables)

    assert error is not None
    assert str(error.message).splitlines()[1:] == [
        "lists (the same state): could not be started. Report this with the log of the sync.",
        "message_types (its beginning): refused.",
    ]
    assert error.failure_type is FailureType.system_error


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (["config_error", "transient_error", "system_error"], "transient_error"),
        (["config_error", "system_error"], "system_error"),
        (["config_error", "config_error"], "config_error"),
    ],
)
def test_one_cause_that_another_try_can_help_is_enough(tables: list[Any], kinds: list[str], told: str) -> None:
    for table, kind in zip(tables, kinds, strict=False):
        table.stopped = StreamFailure(f"{table.name}.", FailureType(kind), "its beginning")

    error = summary_of(tables)

    assert error is not None
    assert error.failure_type is FailureType(told)
