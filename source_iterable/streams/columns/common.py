"""Columns that streams of all kinds share."""

from __future__ import annotations

from source_iterable.streams.schema import Column, ColumnSet, array, generated, json_object, timestamp

DATA_FIELDS = ColumnSet(
    {"dataFields": generated(json_object("Everything Iterable sent that has no column of its own."))}
)

RECORD_TIMES = ColumnSet(
    {
        "createdAt": timestamp("When this was created in Iterable."),
        "updatedAt": timestamp("When this was last edited in Iterable."),
    }
)


def of_each(items: Column, what: str) -> Column:
    """A column of what Iterable may send as a list of one field (`devices.token`), in place of whole objects."""
    return array(items, f"{what}, where Iterable sends each field of them as a list.")
