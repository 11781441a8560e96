"""The bare loop: what copying a table costs without a framework, in straightforward code.

It requests, gunzips, parses with orjson, gives an event its `event_id`, fits the row to its columns, and
writes the RECORD line, all as the connector does and with the connector's own functions, one request after
the other. It retries nothing, proves nothing whole, keeps no state and paces nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import requests

from source_iterable.records.columns import OFFERED_COLUMNS, OVERFLOW, Columns
from source_iterable.records.event_id import event_id
from source_iterable.streams import STREAMS

CHUNK = 1 << 18
URL = "https://api.iterable.com/api/"
DATA_TYPES = {
    "email_bounce": "emailBounce",
    "email_click": "emailClick",
    "email_complaint": "emailComplaint",
    "email_open": "emailOpen",
    "email_send": "emailSend",
    "email_send_skip": "emailSendSkip",
    "email_subscribe": "emailSubscribe",
    "email_unsubscribe": "emailUnSubscribe",
    "users": "user",
}

Make = Callable[[bytes], dict[str, Any]]


def lines(response: requests.Response) -> Iterator[list[bytes]]:
    """The lines of a gzip body, as many at a time as came."""
    gunzip = zlib.decompressobj(31)
    begun = b""
    for piece in response.raw.stream(CHUNK, decode_content=False):
        *whole, begun = (begun + gunzip.decompress(piece)).split(b"\n")
        yield whole
    if begun:
        yield [begun]


def copy(response: requests.Response, table: str, make: Make) -> None:
    """Write a record for each line of ``response``."""
    out = sys.stdout.buffer
    for some in lines(response):
        emitted_at = int(time.time() * 1000)
        out.write(
            b"".join(
                orjson.dumps(
                    {
                        "type": "RECORD",
                        "record": {"stream": table, "data": make(line), "emitted_at": emitted_at},
                    }
                )
                + b"\n"
                for line in some
                if line
            )
        )


def fitted(schema: dict[str, Any], table: str) -> Columns:
    """The columns of ``table`` as the catalog has them, and as the connector makes them."""
    own, selected = STREAMS[table].columns, schema["properties"]
    known = selected.get(OVERFLOW, {}).get(OFFERED_COLUMNS, ())
    return Columns(selected, known, own, lists_as_text=table == "users")


def export(
    session: requests.Session, table: str, coercion_of: Columns, start: datetime, end: datetime, window: timedelta
) -> None:
    """Copy an export table, window by window."""
    data_type = DATA_TYPES[table]

    def event(line: bytes) -> dict[str, Any]:
        row = orjson.loads(line)
        return coercion_of.record(row, {"event_id": event_id(data_type, row)})

    def profile(line: bytes) -> dict[str, Any]:
        return coercion_of.record(orjson.loads(line))

    while start < end:
        until = min(start + window, end)
        bounds = {"startDateTime": f"{start:%Y-%m-%d %H:%M:%S}", "endDateTime": f"{until:%Y-%m-%d %H:%M:%S}"}
        params = {"dataTypeName": data_type, **bounds}
        with session.get(f"{URL}export/data.json", params=params, stream=True) as response:
            response.raise_for_status()
            copy(response, table, profile if table == "users" else event)
        start = until


def list_users(session: requests.Session, coercion_of: Columns) -> None:
    """Copy the members of all lists."""
    for entry in session.get(f"{URL}lists").json()["lists"]:
        list_id = entry["id"]

        def member(line: bytes, list_id: int = list_id) -> dict[str, Any]:
            text = line.decode()
            return coercion_of.record({}, {"email": text, "userId": None if "@" in text else text, "listId": list_id})

        with session.get(f"{URL}lists/getUsers", params={"listId": list_id}, stream=True) as response:
            response.raise_for_status()
            copy(response, "list_users", member)


def main(arguments: Sequence[str] | None = None) -> None:
    """Copy the tables of a catalog to standard output."""
    parser = argparse.ArgumentParser(prog="python -m tools.benchmarks.bare", description=main.__doc__)
    parser.add_argument("--config", type=Path, required=True, help="settings, as the connector's")
    parser.add_argument("--catalog", type=Path, required=True, help="configured catalog, as the connector's")
    options = parser.parse_args(arguments)
    config = json.loads(options.config.read_text("utf-8"))
    start, end = (
        datetime.fromisoformat(config[name][:10]).replace(tzinfo=timezone.utc) for name in ("start_date", "end_date")
    )
    window = timedelta(days=config["window_in_days"])
    with requests.Session() as session:
        session.headers.update({"Api-Key": config["api_key"], "Accept-Encoding": "gzip"})
        for configured in json.loads(options.catalog.read_text("utf-8"))["streams"]:
            stream = configured["stream"]
            coercion_of = fitted(stream["json_schema"], stream["name"])
            if stream["name"] == "list_users":
                list_users(session, coercion_of)
            else:
                export(session, stream["name"], coercion_of, start, end, window)


if __name__ == "__main__":
    main()
