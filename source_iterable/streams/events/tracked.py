"""Streams of purchases, custom events, journeys and visits: https://api.iterable.com/api/docs#export_exportDataJson."""

from __future__ import annotations

from source_iterable.records.json_lines import Row
from source_iterable.streams.columns.common import of_each
from source_iterable.streams.columns.events import EVENT
from source_iterable.streams.events.base import EventStream
from source_iterable.streams.schema import INTEGER, NUMBER, OBJECT, STRING, ColumnSet, array, number, text, timestamp

TRACKED_ID = ColumnSet(
    {
        "_id": text(
            "Id of the event, where your own system gave it one; an event sent again under the same id replaces "
            "the former."
        )
    }
)


class Purchase(EventStream):
    """One purchase by a person."""

    data_type = "purchase"
    columns = (
        {
            "total": number("Sum of the purchase, in the currency that your own system uses."),
            "shoppingCartItems": array(
                OBJECT,
                "What was bought: for each item its id, name, price, quantity and further fields; null where they "
                "are sent field by field.",
            ),
            "shoppingCartItems.id": of_each(STRING, "Ids of the items"),
            "shoppingCartItems.sku": of_each(STRING, "Stock numbers of the items"),
            "shoppingCartItems.name": of_each(STRING, "Names of the items"),
            "shoppingCartItems.description": of_each(STRING, "Descriptions of the items"),
            "shoppingCartItems.categories": of_each(STRING, "Categories of the items"),
            "shoppingCartItems.price": of_each(NUMBER, "Prices of the items"),
            "shoppingCartItems.quantity": of_each(INTEGER, "How many of each item were bought"),
            "shoppingCartItems.imageUrl": of_each(STRING, "Addresses of pictures of the items"),
            "shoppingCartItems.url": of_each(STRING, "Addresses of the items"),
        }
        | TRACKED_ID
        | EVENT
    )


class CustomEvent(EventStream):
    """One event that your own systems sent to Iterable."""

    data_type = "customEvent"
    columns = (
        {"eventUpdatedAt": timestamp("When the event was last sent again under the same id.")} | TRACKED_ID | EVENT
    )

    def added(self, row: Row) -> Row:
        """The event's identity; its name is counted, since the API cannot be asked for some names only."""
        self.progress.named(row.get("eventName"))
        return super().added(row)


class JourneyExit(EventStream):
    """One leaving of a journey by a person."""

    data_type = "journeyExit"
    columns = EVENT


class UnknownSession(EventStream):
    """One visit of a person who is not identified yet."""

    data_type = "unknownSession"
    columns = EVENT
