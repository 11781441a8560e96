"""The rules that every message of the catalogue obeys; test_docs.py compares the page that is made from it."""

import string
from collections import Counter

import pytest
from airbyte_cdk.models import FailureType, StreamDescriptor

from source_iterable import messages
from source_iterable.messages import CATALOGUE, Message
from unit_tests.test_readme import PACKAGE

ALL = [message for group in CATALOGUE.values() for message in group]
SOURCE = "".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py") if path.parent.name != "messages")


def test_codes_are_the_names_of_the_messages() -> None:
    assert [message.code for message in ALL if getattr(messages, message.code.upper(), None) is not message] == []


def test_no_two_messages_read_alike() -> None:
    assert [words for words, times in Counter(message.row[0] for message in ALL).items() if times > 1] == []


def test_every_message_has_a_next_step() -> None:
    errors = [message for message in ALL if message.failure_type is not None]

    assert [message.code for message in errors if not message.advice] == []
    assert [message.code for message in ALL if not message.row[1].endswith(".")] == []
    assert [
        message.code for message in ALL if message.text.endswith(".") or message.advice[-1:] not in {"", ".", "}"}
    ] == []


def test_the_page_shows_no_placeholder() -> None:
    assert [message.code for message in ALL if {"{", "}"} & set("".join(message.row))] == []


@pytest.mark.parametrize("message", ALL, ids=lambda message: message.code)
def test_placeholders_have_names(message: Message) -> None:
    names = [name for _, name, _, _ in string.Formatter().parse(message.text + message.advice) if name is not None]

    assert all(name.isidentifier() for name in names)


def test_every_message_is_used() -> None:
    assert [message.code for message in ALL if f"messages.{message.code.upper()}" not in SOURCE] == []


def test_errors_come_from_the_catalogue() -> None:
    assert "AirbyteTracedException(\n" not in SOURCE
    assert "AirbyteTracedException(m" not in SOURCE


def test_an_error_says_what_happened_and_then_what_to_do() -> None:
    error = messages.EMPTY_PAGES.error("lists", "page 7", pages=3)

    assert error.message == f"lists: 3 pages in a row have no rows, and yet Iterable names another one. {error.advice}"
    assert error.internal_message == "empty_pages: page 7"
    assert error.failure_type is FailureType.system_error
    assert error.as_airbyte_message().trace.error.stream_descriptor == StreamDescriptor(name="lists")


def test_an_error_of_no_stream_names_none() -> None:
    error = messages.OUT_OF_BOUNDS.error(setting="window_in_days", least=1, most=365, value=0)

    assert error.message == f"The setting 'window_in_days' must lie between 1 and 365, not 0. {error.advice}"
    assert error.internal_message == "out_of_bounds"
    assert error.as_airbyte_message().trace.error.stream_descriptor is None


def test_the_page_shows_what_differs_each_time_as_dots() -> None:
    message = Message("x", "{number:,} of {all} lists are missing. {more}", "Try {how} again.", remedy="Wait.")

    assert message.row == ("… of … lists are missing", "Wait.")
    assert message.format(number=1000, all=9, more="M", how="it") == "1,000 of 9 lists are missing. M. Try it again."
