"""The oracle of what Iterable lists and reports: from what the sandbox holds, the records that must arrive.

It is written from the documentation of the API and the schemas alone and shares no code with the connector.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from integration_tests.sandbox import Sandbox
from integration_tests.support.expected import Record, Row, record

KEYS = {
    "campaign_labels": ["campaignId", "label"],
    "campaign_metrics": ["id"],
    "campaign_metrics_daily": ["id", "date"],
    "catalog_items": ["catalogName", "itemId"],
    "catalogs": ["name"],
    "experiment_metrics": ["experiment_id", "template_id"],
    "experiments": ["id"],
    "forgotten_users": ["identifier", "hash"],
    "journeys": ["id"],
    "snippets": ["id"],
    "template_content": ["templateId"],
    "user_fields": ["name"],
}
CURSORS = {
    "campaign_metrics_daily": "date",
    "journeys": "updatedAt",
    "snippets": "updatedAt",
    "template_content": "updatedAt",
}
TABLES = tuple(KEYS)
FULL = tuple(table for table in TABLES if table not in CURSORS)
"""Streams that every sync reads whole."""

BEYOND = "beyond_the_header"
"""Under this name `dataFields` keeps the cells of a row that is longer than its header."""


def expected(sandbox: Sandbox, table: str, schema: Mapping[str, Any]) -> list[Record]:
    """The records of a stream, with the columns of a (configured) schema."""
    return [fitted(table, row, schema) for row in rows(sandbox, table)]


def rows(sandbox: Sandbox, table: str) -> Iterator[Row]:
    """The rows of a stream, as Iterable tells them."""
    return _ROWS[table](sandbox) if table in _ROWS else sandbox.rows(table)


def fitted(table: str, row: Row, schema: Mapping[str, Any]) -> Record:
    """The record that a row must become."""
    if table.endswith(("_metrics", "_metrics_daily")):
        return _measured(row, schema)
    return record("", row, schema)


def _labels(sandbox: Sandbox) -> Iterator[Record]:
    for campaign in sandbox.rows("campaigns"):
        for label in sorted(set(campaign.get("labels", []))):
            yield {"campaignId": campaign["id"], "label": label}


def _put_together(table: str) -> Callable[[Sandbox], Iterator[Record]]:
    def made(sandbox: Sandbox) -> Iterator[Record]:
        listed, details = parts(sandbox, table)
        return (joined(table, listed[key], row) for key, row in details.items())

    return made


PARTS = {
    "experiments": ("experiments", "experiment_details", "id"),
    "template_content": ("templates", "template_contents", "templateId"),
}
"""Streams that are put together from a listing and its rows' details: what the sandbox calls both, and their key."""


def parts(sandbox: Sandbox, table: str) -> tuple[dict[Any, Row], dict[Any, Row]]:
    """What the listing and the details show of one of `PARTS`, by key."""
    *names, key = PARTS[table]
    listed, details = ({row[key]: row for row in sandbox.rows(name)} for name in names)
    return listed, details


def joined(table: str, listed: Row, detail: Row) -> Record:
    """The row of one of `PARTS`: of templates the listing comes first, of experiments the detail."""
    if table == "template_content":
        return {**detail, **listed}
    campaign = detail.get("campaignId") or detail["meta"]["campaignId"]
    return {**listed, **detail, **({"campaignId": campaign} if campaign else {})}


def _daily(sandbox: Sandbox) -> Iterator[Record]:
    """The rows of days with any metric that is not zero."""
    for cells in sandbox.rows("campaign_metrics_daily"):
        counts = (cell for title, cell in cells.items() if title not in {"", "id", "date"} and cell[-1:].isdigit())
        if any(float(cell) for cell in counts):
            yield cells


_ROWS: dict[str, Callable[[Sandbox], Iterator[Record]]] = {
    "campaign_labels": _labels,
    "campaign_metrics_daily": _daily,
    "experiments": _put_together("experiments"),
    "forgotten_users": lambda sandbox: sandbox.rows("forgotten"),
    "template_content": _put_together("template_content"),
}


# Numbers


def column(title: str) -> str:
    """The column of a title in a CSV's header."""
    words = re.findall("[a-z0-9]+", title.lower().replace(" / ", " per "))
    return "_".join(words)


def _measured(cells: Mapping[str, Any], schema: Mapping[str, Any]) -> Record:
    """The record of a row of CSV: numbers where the column is for numbers, or unknown, and the cell is one."""
    columns = schema["properties"]
    row: Record = {}
    for title, cell in cells.items():
        if title and cell:
            name = column(title)
            row[name] = _number(cell, columns[name]["type"] if name in columns else _spelled(cell))
    surplus = [cell for cell in cells.get("", []) if cell]
    return record("", row | ({BEYOND: surplus} if surplus else {}), schema)


def _spelled(cell: str) -> list[str]:
    """The type of a number that a column of its own would have; that of any other is text."""
    if str(int(cell) if cell.lstrip("-").isdecimal() else "") == cell:
        return ["integer"]
    return ["number"] if re.fullmatch(r"-?(0|[1-9]\d*)\.\d+", cell) else ["string"]


def _number(cell: str, types: list[str]) -> Any:
    """``cell`` as a number, if it is one and such a column's; a word like `NaN` is none."""
    if not cell[-1].isdigit() or not {"integer", "number"} & set(types):
        return cell
    value = float(cell)
    return int(value) if "integer" in types and value == int(value) else value
