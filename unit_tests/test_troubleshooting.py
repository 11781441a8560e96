"""What the connector says to people stands on its page, with a remedy, and nothing else stands there."""

import ast
import re

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

    assert [words for words, _ in rows() if words not in said] == []


def test_every_row_says_what_to_do_and_comes_once() -> None:
    words = [words for words, _ in rows()]

    assert len(words) > 40
    assert sorted(set(words)) == sorted(words)
    assert [words for words, remedy in rows() if not remedy.endswith((".", "date"))] == []


def test_no_error_hides_its_sentence_from_this_test() -> None:
    """An error whose text is not written where it is raised cannot be compared: only these envelopes may do that."""
    assert sorted(sentences.untold_errors()) == [
        "source_iterable/api/errors.py:failure",
        "source_iterable/api/retry.py:_system_error",
        "source_iterable/api/retry.py:_transient_error",
        "source_iterable/config.py:refusal",
        "source_iterable/streams/base.py:_stop",
    ]


def test_sentences_are_read_as_they_are_said() -> None:
    source = 'failure(self.name, f"list {number} is " "too large. Request less.", "detail", kind)'
    call = ast.parse(source, mode="eval").body
    assert isinstance(call, ast.Call)

    text = sentences.template(call.args[1])

    assert text == "list … is too large. Request less."
    assert sentences.first_sentence(text) == "list … is too large"
    assert sentences.first_sentence("%s: %d lists of %.1f MB. More.") == "… lists of … MB"
    assert re.fullmatch(r"[\w ]+", sentences.first_sentence("It ends here.")) is not None
