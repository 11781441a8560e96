"""The form that people fill: drawn whole, in few words first, and its picture is of today's form."""

import copy
import html
import json
import re
from typing import Any

import pytest

from tools.docs import form

SPEC = form.specification()
LONGEST_FIRST_SENTENCE = 90


@pytest.mark.parametrize("name", SPEC["properties"])
def test_form_shows_every_setting(name: str) -> None:
    setting = SPEC["properties"][name]
    text = html.unescape(form.page(SPEC))

    assert text.count(f'<label for="{name}">{setting["title"]}<i>') == 1
    assert re.sub(r"</?span>", "", text).count(f"<p>{setting['description']}</p>") == 1
    assert len(re.findall(rf'<(?:input|select) id="{name}"', text)) == 1
    for value in setting.get("enum", []):
        assert f">{value}</option>" in text


def test_form_follows_groups_and_order() -> None:
    drawn = re.findall(r'<label for="(\w+)">', form.page(SPEC))

    assert drawn == sorted(SPEC["properties"], key=lambda name: SPEC["properties"][name]["order"])


def test_a_secret_is_not_shown() -> None:
    assert '<input id="api_key" type="password" value=""' in form.page(SPEC)


@pytest.mark.parametrize("name", SPEC["properties"])
def test_a_description_begins_with_a_short_sentence(name: str) -> None:
    first = form.first_sentence(SPEC["properties"][name]["description"])

    assert first.endswith(".")
    assert len(first) <= LONGEST_FIRST_SENTENCE


def test_the_picture_is_of_this_form() -> None:
    shown = form.taken_of(form.PICTURE)

    assert shown == form.digest(form.page(SPEC)), "docs/form.png shows another form: `make docs`, with Chromium"


def test_another_word_is_another_form() -> None:
    changed: Any = copy.deepcopy(json.loads(json.dumps(SPEC)))
    changed["properties"]["region"]["description"] += " Indeed."

    assert form.digest(form.page(changed)) != form.digest(form.page(SPEC))
