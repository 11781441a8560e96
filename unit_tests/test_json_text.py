import json
import sys
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_iterable.records.json_text import dumps

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(), max_size=4)
"""Texts with lone surrogates too, which orjson refuses."""
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


@given(VALUES)
def test_any_value_survives_serialization_and_parsing(value: Any) -> None:
    assert json.loads(dumps(value)) == value


@given(VALUES, st.booleans())
def test_a_value_that_orjson_refuses_is_serialized_like_the_standard_library_does(value: Any, sort_keys: bool) -> None:
    refused = {"\ud83d": value}

    text = dumps(refused, sort_keys=sort_keys).decode()

    assert text == json.dumps(refused, sort_keys=sort_keys, separators=(",", ":"))


def test_keys_are_sorted_on_request() -> None:
    assert dumps({"b": 1, "a": 2}, sort_keys=True) == b'{"a":2,"b":1}'
    assert dumps({"b": 1, "a": 2}) == b'{"b":1,"a":2}'


@pytest.mark.parametrize("levels", [500, 20 * sys.getrecursionlimit()])
def test_nesting_is_not_limited(levels: int) -> None:
    value: Any = {"x": "\ud83d"}
    for _ in range(levels):
        value = {"x": [value]}

    assert dumps(value) == b'{"x":[' * levels + b'{"x":"\\ud83d"}' + b"]}" * levels
    with pytest.raises(TypeError):
        orjson.dumps(value)
