"""CSV responses of the metrics endpoints, whose headers and row lengths differ."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from math import isfinite
from typing import Any

from source_iterable.records.json_lines import Row

csv.field_size_limit(256_000_000)

BEYOND = "beyond_the_header"
"""The field with the cells of a row that have no title, an array of texts."""

_OTHER = re.compile("[^a-z0-9]+")
_WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# Numbers as programs write them; anything else (`007`, `+1`, `1e5`, `1.`) may be an identifier.
_CANONICAL_WHOLE = re.compile(r"0|-?[1-9]\d*", re.ASCII)
_CANONICAL_DECIMAL = re.compile(r"-?(0|[1-9]\d*)\.\d+(E-?\d+)?", re.ASCII)
_DIGITS_OF_A_FLOAT = 17
_LEAST, _MOST = -(2**63), 2**63 - 1


def column_name(title: str) -> str:
    """`Purchases / M (Email)` as `purchases_per_m_email`."""
    return _OTHER.sub("_", title.lower().replace(" / ", " per ")).strip("_")


def header(text: str) -> list[str]:
    """The names of the columns of ``text``, CSV."""
    return [column_name(title) for title in next(csv.reader(io.StringIO(text, newline="")), [])]


def _declared(names: list[str], schemas: Mapping[str, Any]) -> list[str]:
    """``names``, where other spellings of declared columns are replaced by the declared names.

    The documentation does not fix how titles join their words: `Conversions / Email Hold Outs`, `Conversions/Email
    Holdouts`. If two titles match one column, the second keeps its own name.
    """
    columns = {_joined(column): column for column in schemas if column not in names}
    return [name if name in schemas else columns.pop(_joined(name), name) for name in names]


def _joined(name: str) -> str:
    return name.replace("_per_", "_").replace("_", "")


def table(text: str, schemas: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """The rows of ``text``, CSV with a header; ``schemas`` declares the types of columns.

    An empty cell is null. In a column that is not declared it is left out, as the columns of a response depend on what
    else was requested; the other cells of such a column are numbers if they look like numbers. A cell of a number
    column that is not a number (`N/A`, `NaN`) stays text. If a title appears twice, its first non-empty cell is used.
    Blank rows are skipped.
    """
    names = _declared(header(text), schemas)
    for values in islice(csv.reader(io.StringIO(text, newline="")), 1, None):
        cells = [cell.strip() for cell in values]
        if not any(cells):
            continue
        row: Row = {}
        for name, cell in zip(names, cells, strict=False):
            if name and row.get(name) is None and (cell or name in schemas):
                row[name] = _typed(cell, schemas[name]) if name in schemas else _inferred(cell)
        titled = [*names, *[""] * (len(cells) - len(names))]
        beyond = [cell for name, cell in zip(titled, cells, strict=False) if cell and not name]
        if beyond:
            row[BEYOND] = beyond
        yield row


def _inferred(cell: str) -> Any:
    """``cell`` as a number if that loses nothing, otherwise as text."""
    if _CANONICAL_WHOLE.fullmatch(cell) and len(cell) <= len(str(_LEAST)) and _LEAST <= int(cell) <= _MOST:
        return int(cell)
    if _CANONICAL_DECIMAL.fullmatch(cell) and isfinite(float(cell)):
        digits = cell.partition("E")[0].replace(".", "").lstrip("-0")
        return float(cell) if len(digits) <= _DIGITS_OF_A_FLOAT else cell
    return cell


def _typed(cell: str, schema: Mapping[str, Any]) -> Any:
    if not cell:
        return None
    kinds = schema.get("type", ())
    if "integer" in kinds and _WHOLE.fullmatch(cell):
        return int(cell.partition(".")[0])
    if "number" in kinds and _NUMBER.fullmatch(cell) and isfinite(float(cell)):
        return float(cell)
    return cell
