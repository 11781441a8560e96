"""Answers in CSV, as the metrics endpoints send them: ragged, with headers that differ from one to the next."""

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
"""The name under which the cells of a row that have no title are kept, an array of texts."""

_OTHER = re.compile("[^a-z0-9]+")
_WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# Numbers as a program spells them; what is spelled otherwise (`007`, `+1`, `1e5`, `1.`) may be not a number.
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
    """``names`` with those of declared columns in the place of other spellings of them.

    How some titles join their words is not known for sure: `Conversions / Email Hold Outs`, `Conversions/Email
    Holdouts`. Where two titles of one header would be one column, the second keeps its own name.
    """
    columns = {_joined(column): column for column in schemas if column not in names}
    return [name if name in schemas else columns.pop(_joined(name), name) for name in names]


def _joined(name: str) -> str:
    return name.replace("_per_", "_").replace("_", "")


def table(text: str, schemas: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """The rows of ``text``, CSV with a header, cells in the types of the columns that ``schemas`` declares.

    An empty cell is null, and in a column that is not declared nothing: which columns an answer has depends
    on what else was requested. A cell that is not a number in a column of numbers (`N/A`, `NaN`) stays text; in a
    column that is not declared, a number is one. Where a title comes twice, the first of its cells that is not
    empty counts. Blank rows are left out.
    """
    names = _declared(header(text), schemas)
    for sent in islice(csv.reader(io.StringIO(text, newline="")), 1, None):
        cells = [cell.strip() for cell in sent]
        if not any(cells):
            continue
        row: Row = {}
        for name, cell in zip(names, cells, strict=False):
            if name and row.get(name) is None and (cell or name in schemas):
                row[name] = _typed(cell, schemas[name]) if name in schemas else _told(cell)
        titled = [*names, *[""] * (len(cells) - len(names))]
        beyond = [cell for name, cell in zip(titled, cells, strict=False) if cell and not name]
        if beyond:
            row[BEYOND] = beyond
        yield row


def _told(cell: str) -> Any:
    """``cell`` as the number that it spells, exactly; any other as text."""
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
