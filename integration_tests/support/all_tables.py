"""Every stream of the connector: what both oracles know, together."""

from datetime import timedelta

from integration_tests.support import expected, expected_listings

KEYS = {**expected.KEYS, **expected_listings.KEYS}
CURSORS = {**expected.CURSORS, **expected_listings.CURSORS}
TABLES = tuple(sorted(KEYS))
INCREMENTAL = tuple(table for table in TABLES if table in CURSORS)
WHOLE = tuple(table for table in TABLES if table not in CURSORS)
"""Streams without a cursor: every sync reads them whole."""

DAILY = {"campaign_metrics_daily"}
"""Streams whose cursor is a day, which is read whole."""
LOOKBACKS = {**dict.fromkeys(expected.ALL_EXPORTS, timedelta(hours=1)), **dict.fromkeys(DAILY, timedelta(days=14))}
"""How long before the cursor of its state a sync begins, by default; streams that are not named begin at it."""
