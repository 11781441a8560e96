import csv
import io
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_iterable.api.csv import BEYOND, column_name, table
from source_iterable.records.columns import GENERATED
from source_iterable.streams import STREAMS

SCHEMAS: dict[str, dict[str, Any]] = {
    "id": {"type": ["null", "integer"]},
    "revenue": {"type": ["null", "number"]},
    "subject": {"type": ["null", "string"]},
}
CELLS = st.text(max_size=12)
NOT_NUMBERS = (
    *("007", "00", "-0", "+7", "1e5", "1 000", ".5", "5.", "1_0", "٣", "0x1F", "-", "1.2.3"),
    *("NaN", "Infinity", "N/A", "true", "2024-01-31", "12 %"),
)
"""Cells that stay text: no program writes a number like that."""


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("id", "id"),
        ("Total Email Opens (filtered)", "total_email_opens_filtered"),
        ("Purchases / M (Email)", "purchases_per_m_email"),
        ("Revenue / M", "revenue_per_m"),
        ("  Created by ", "created_by"),
        ("", ""),
    ],
)
def test_titles_become_column_names(title: str, name: str) -> None:
    assert column_name(title) == name


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        ("id", "42", 42),
        ("id", "42.0", 42),
        ("id", "-1", -1),
        ("id", "42.5", "42.5"),
        ("id", "9" * 19, "9" * 19),
        ("id", "", None),
        ("revenue", "12.5", 12.5),
        ("revenue", "1e3", 1000.0),
        ("revenue", ".5", 0.5),
        ("revenue", "7", 7.0),
        ("revenue", "N/A", "N/A"),
        ("revenue", "NaN", "NaN"),
        ("revenue", "Infinity", "Infinity"),
        ("revenue", "1_000", "1_000"),
        ("revenue", "٣", "٣"),
        ("subject", "007", "007"),
        ("undeclared", "7", 7),
        ("undeclared", "-7", -7),
        ("undeclared", "0", 0),
        ("undeclared", "0.25", 0.25),
        ("undeclared", "-12.50", -12.5),
        ("undeclared", "30.0", 30.0),
        ("undeclared", "1.0E-4", 0.0001),
        ("undeclared", str(2**63 - 1), 2**63 - 1),
        ("undeclared", str(-(2**63)), -(2**63)),
        ("undeclared", str(2**63), str(2**63)),
        ("undeclared", "9" * 5000, "9" * 5000),
        ("undeclared", "0.12345678901234567", 0.12345678901234567),
        ("undeclared", "0.123456789012345678", "0.123456789012345678"),
        ("undeclared", "1.0E999", "1.0E999"),
        *(("undeclared", text, text) for text in NOT_NUMBERS),
    ],
)
def test_a_cell_has_the_type_of_its_column_or_of_the_number_that_it_contains(
    column: str, cell: str, value: Any
) -> None:
    (row,) = table(f"name,{column}\nx,{cell}\n", SCHEMAS)

    assert row[column] == value
    assert type(row[column]) is type(value)


@pytest.mark.parametrize(
    "title",
    [
        "Conversions / Email Hold Outs",
        "Conversions/Email Hold Outs",
        "Conversions per Email Hold Outs",
        "Conversions Email Hold Outs",
        "Conversions / Email Holdouts",
        "conversions_per_email_hold_outs",
    ],
)
def test_a_title_in_any_spelling_is_the_declared_column(title: str) -> None:
    schemas = {"conversions_per_email_hold_outs": {"type": ["null", "number"]}}

    assert list(table(f"{title}\n2\n", schemas)) == [{"conversions_per_email_hold_outs": 2.0}]


def test_two_spellings_in_one_header_are_two_columns() -> None:
    schemas = {"clicks_per_opens": {"type": ["null", "number"]}}

    assert list(table("Clicks Opens,Clicks / Opens\n1,2\n", schemas)) == [{"clicks_opens": 1, "clicks_per_opens": 2.0}]
    assert list(table("Clicks Opens,ClicksOpens\n1,2\n", schemas)) == [{"clicks_per_opens": 1.0, "clicksopens": 2}]


@pytest.mark.parametrize("name", ["experiment_metrics", "campaign_metrics"])
def test_no_two_declared_metrics_differ_only_in_spelling(name: str) -> None:
    declared = {name: column for name, column in STREAMS[name].columns.items() if not column.get(GENERATED)}

    for column in declared:
        title = column.replace("_per_", "_").replace("_", " ")
        (row,) = table(f"{title}\n5\n", declared)
        assert list(row) == [column]


def test_a_header_without_rows_has_no_records() -> None:
    assert list(table("id,\n", SCHEMAS)) == []
    assert list(table("", SCHEMAS)) == []


def test_of_two_columns_with_the_same_title_the_first_is_used() -> None:
    text = "id,revenue,revenue,id\n1,2.5,2.5,1\n2,,3.5,9\n"

    assert list(table(text, SCHEMAS)) == [{"id": 1, "revenue": 2.5}, {"id": 2, "revenue": 3.5}]


def test_rows_may_be_longer_or_shorter_than_the_header_or_blank() -> None:
    text = "id,revenue\n1,2.5,more,,even more\n\n,\n3\n"

    assert list(table(text, SCHEMAS)) == [{"id": 1, "revenue": 2.5, BEYOND: ["more", "even more"]}, {"id": 3}]


@given(st.lists(st.tuples(st.integers(-(10**17), 10**17), st.floats(allow_nan=False, allow_infinity=False), CELLS)))
def test_written_values_are_read_unchanged(rows: list[tuple[int, float, str]]) -> None:
    """Line breaks, quotes and commas inside quoted cells do not end them."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["ID", "Revenue", "Subject"])
    writer.writerows(rows)

    read = list(table(out.getvalue(), SCHEMAS))

    assert [row["id"] for row in read] == [number for number, _, _ in rows]
    assert all(math.isclose(row["revenue"], real) for row, (_, real, _) in zip(read, rows, strict=True))
    assert [row["subject"] or "" for row in read] == [text.strip() for _, _, text in rows]


def test_a_cell_without_a_title_is_kept() -> None:
    assert list(table("id,\n1,77\n2,\n", SCHEMAS)) == [{"id": 1, BEYOND: ["77"]}, {"id": 2}]


def test_a_number_out_of_range_stays_text() -> None:
    assert list(table("id,revenue\n1,1e400\n", SCHEMAS)) == [{"id": 1, "revenue": "1e400"}]
