"""Answers in CSV, as the metrics endpoints send them: ragged, with headers that differ from one to the next."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from math import isfinite
from typing import Any

from source_iterable.rows import Row

csv.field_size_limit(256_000_000)

BEYOND = "beyond_the_header"
"""The name under which the cells of a row that have no title are kept, an array of texts."""

_OTHER = re.compile("[^a-z0-9]+")
_WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def column_name(title: str) -> str:
    """`Purchases / M (Email)` as `purchases_per_m_email`."""
    return _OTHER.sub("_", title.lower().replace(" / ", " per ")).strip("_")


def header(text: str) -> list[str]:
    """The names of the columns of ``text``, CSV."""
    return [column_name(title) for title in next(csv.reader(io.StringIO(text, newline="")), [])]


def table(text: str, schemas: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """The rows of ``text``, CSV with a header, cells in the types of the columns that ``schemas`` declares.

    An empty cell is null, and in a column that is not declared nothing: which columns an answer has depends
    on what else was asked for. A cell that is no number in a column of numbers (`N/A`, `NaN`) stays text. Where
    a title comes twice, the first of its cells that is not empty counts. Blank rows are left out.
    """
    names = header(text)
    for sent in islice(csv.reader(io.StringIO(text, newline="")), 1, None):
        cells = [cell.strip() for cell in sent]
        if not any(cells):
            continue
        row: Row = {}
        for name, cell in zip(names, cells, strict=False):
            if name and row.get(name) is None and (cell or name in schemas):
                row[name] = _typed(cell, schemas.get(name, {}))
        titled = [*names, *[""] * (len(cells) - len(names))]
        beyond = [cell for name, cell in zip(titled, cells, strict=False) if cell and not name]
        if beyond:
            row[BEYOND] = beyond
        yield row


def _typed(cell: str, schema: Mapping[str, Any]) -> Any:
    if not cell:
        return None
    kinds = schema.get("type", ())
    if "integer" in kinds and _WHOLE.fullmatch(cell):
        return int(cell.partition(".")[0])
    if "number" in kinds and _NUMBER.fullmatch(cell) and isfinite(float(cell)):
        return float(cell)
    return cell
