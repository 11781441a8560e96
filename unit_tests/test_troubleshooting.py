"""What the connector says to people stands on its page, with a remedy, and nothing else stands there."""

import ast
import inspect
import re
from textwrap import dedent

from airbyte_cdk.sources.streams.http.rate_limiting import http_client_default_backoff_handler

from unit_tests import sentences
from unit_tests.test_readme import PAGE, section


def rows() -> list[tuple[str, str]]:
    """What is told under Troubleshooting: the words, and what to do about them."""
    lines = [line for line in section(PAGE, "### Troubleshooting").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [(row[0], row[1]) for row in cells if row[0] not in {"What you see", "---"}]


def test_every_error_and_warning_is_on_the_page() -> None:
    told = {words for words, _ in rows()}

    assert [f"{one.place}: {one.text}" for one in sentences.errors_and_warnings() if one.text not in told] == []


def test_the_page_tells_of_nothing_that_is_never_said() -> None:
    said = {one.text for one in (*sentences.errors_and_warnings(), *sentences.notes())}

    assert [words for words, _ in rows() if words not in said | said_by_the_cdk()] == []


def said_by_the_cdk() -> set[str]:
    """What the CDK logs with each request that is made again, read out of the function that all requests go through."""
    source = ast.parse(dedent(inspect.getsource(http_client_default_backoff_handler)))
    lines = [sentences.template(call.args[0]) for call in ast.walk(source) if isinstance(call, ast.Call) and call.args]
    return {line for line in lines if line is not None and line.startswith("Caught retryable error")}


def test_the_page_explains_the_line_of_the_cdk() -> None:
    assert len(said_by_the_cdk()) == 1
    assert said_by_the_cdk() <= {words for words, _ in rows()}


def test_every_row_says_what_to_do_and_comes_once() -> None:
    words = [words for words, _ in rows()]

    assert len(words) > 40
    assert sorted(set(words)) == sorted(words)
    assert [words for words, remedy in rows() if not remedy.endswith((".", "date"))] == []


def test_no_error_hides_its_sentence_from_this_test() -> None:
    """An error whose text is not written where it is raised cannot be compared: only these envelopes may do that."""
    assert sorted(sentences.untold_errors()) == [
        "source_iterable/config.py:refusal",
        "source_iterable/errors.py:_system_error",
        "source_iterable/errors.py:_transient_error",
        "source_iterable/errors.py:failure",
        "source_iterable/streams/base.py:_stop",
    ]


def test_sentences_are_read_as_they_are_said() -> None:
    source = 'failure(self.name, f"list {number} is " "too large. Ask for less.", "detail", kind)'
    call = ast.parse(source, mode="eval").body
    assert isinstance(call, ast.Call)

    text = sentences.template(call.args[1])

    assert text == "list … is too large. Ask for less."
    assert sentences.first_sentence(text) == "list … is too large"
    assert sentences.first_sentence("%s: %d lists of %.1f MB. More.") == "… lists of … MB"
    assert re.fullmatch(r"[\w ]+", sentences.first_sentence("It ends here.")) is not None
