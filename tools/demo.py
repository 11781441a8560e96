"""`make demo`: a fictional Iterable project, replicated twice into a local database that one can look into.

The sandbox stands in for Iterable; the connector runs as Airbyte runs it, as a process that writes messages;
the part of the destination is played here, by a DuckDB file whose rows are merged on their primary keys.
"""

# ruff: noqa: S608 - names in queries come from the catalog, and are quoted

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
from rich import box
from rich.console import Console
from rich.table import Table

from integration_tests.sandbox import Sandbox, Size
from tools.example.answers import QUERIES
from tools.example.plots import draw

ROOT = Path(__file__).resolve().parent.parent
DATABASE = ROOT / "demo" / "iterable.duckdb"

SIZE = Size(events=600, users=400, lists=8, users_per_list=60, campaigns=40, templates=60)
SPAN = timedelta(days=365)
RATE_SCALE = 1000  # the documented limits would make two syncs of these tables take a quarter of an hour
WIRE_TIME = "%Y-%m-%d %H:%M:%S +00:00"

EVENT = ("email", "campaignId", "createdAt")
# The tables that are read, with their names in the sandbox and the columns that are compared with it.
TABLES: Mapping[str, tuple[str, Sequence[str]]] = {
    "campaigns": ("campaigns", ("id", "name", "campaignState")),
    "channels": ("channels", ("id", "name")),
    "custom_event": ("customEvent", (*EVENT, "eventName")),
    "email_bounce": ("emailBounce", EVENT),
    "email_click": ("emailClick", EVENT),
    "email_complaint": ("emailComplaint", EVENT),
    "email_open": ("emailOpen", EVENT),
    "email_send": ("emailSend", EVENT),
    "email_send_skip": ("emailSendSkip", EVENT),
    "email_subscribe": ("emailSubscribe", EVENT),
    "email_unsubscribe": ("emailUnSubscribe", EVENT),
    "list_users": ("list_users", ("email", "listId")),
    "lists": ("lists", ("id", "name")),
    "message_types": ("messageTypes", ("id", "name")),
    "metadata": ("metadata", ("table", "key")),
    "purchase": ("purchase", EVENT),
    "templates": ("templates", ("templateId", "name")),
    "users": ("user", ("email", "profileUpdatedAt")),
}

QUERY = """\
SELECT name AS campaign,
       (SELECT count(*) FROM email_send WHERE campaignId = campaigns.id) AS sends,
       (SELECT count(*) FROM email_open WHERE campaignId = campaigns.id) AS opens,
       (SELECT count(*) FROM email_click WHERE campaignId = campaigns.id) AS clicks
FROM campaigns ORDER BY opens DESC, campaign LIMIT 5"""

# What is shown of the connector's log: one table window by window, and how two others ended.
SHOWN = re.compile("email_open: |(list_users|users): complete")

Message = dict[str, Any]

console = Console(highlight=False, soft_wrap=True)


class Connector:
    """The connector as a process, its files in ``folder``, talking to ``url`` in place of Iterable."""

    def __init__(self, folder: Path, url: str, settings: Message) -> None:
        self._folder = folder
        self._settings = self._file("config", settings)
        # A proxy of this machine has no business between the connector and the sandbox.
        self._environment = {
            **os.environ, "ITERABLE_API_URL": url, "ITERABLE_RATE_SCALE": str(RATE_SCALE), "no_proxy": "127.0.0.1"
        }  # fmt: skip

    def check(self) -> str:
        """What `check` answers."""
        statuses = [message["connectionStatus"] for message in self._run("check") if "connectionStatus" in message]
        return " ".join(filter(None, (statuses[-1]["status"], statuses[-1].get("message"))))

    def discover(self) -> list[Message]:
        """The tables on offer."""
        streams: list[Message] = []
        for message in self._run("discover"):
            streams += message.get("catalog", {}).get("streams", [])
        return streams

    def read(self, catalog: Message, state: Sequence[Message]) -> Iterator[Message]:
        """The messages of a sync that resumes from ``state``."""
        yield from self._run("read", catalog=catalog, **({"state": state} if state else {}))

    def _run(self, command: str, **inputs: Any) -> Iterator[Message]:
        files = {"config": self._settings} | {name: self._file(name, value) for name, value in inputs.items()}
        words = [word for name, path in files.items() for word in (f"--{name}", str(path))]
        console.print(f"\n[bold]$ source-iterable {command} {' '.join(f'--{name} {name}.json' for name in files)}[/]")
        process = subprocess.Popen(
            [sys.executable, "main.py", command, *words], cwd=ROOT, env=self._environment, stdout=subprocess.PIPE
        )
        with process:
            for line in process.stdout or ():
                message = json.loads(line)
                if error := message.get("trace", {}).get("error"):
                    console.print(f"  {error['message']}", style="red", markup=False)
                yield message
        if process.returncode:
            sys.exit(f"The connector's {command} ended with exit code {process.returncode}.")

    def _file(self, name: str, content: Any) -> Path:
        path = self._folder / f"{name}.json"
        path.write_text(json.dumps(content))
        return path


class Database:
    """A DuckDB file that holds the tables of a catalog, one row for each primary key."""

    def __init__(self, path: Path, streams: Iterable[Message]) -> None:
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        self._connection = duckdb.connect(str(path))
        self._connection.execute("SET TimeZone = 'UTC'")
        self._types = {stream["name"]: _column_types(stream["json_schema"]["properties"]) for stream in streams}
        for stream in streams:
            columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in self._types[stream["name"]].items())
            key = ", ".join(quoted(name) for name in primary_key(stream))
            self._connection.execute(f"CREATE TABLE {quoted(stream['name'])} ({columns}, PRIMARY KEY ({key}))")

    def merge(self, table: str, rows: Iterable[Message], folder: Path) -> None:
        """Put ``rows`` into ``table``; one whose key is there already replaces the older."""
        path = folder / f"{table}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self._connection.execute(
            f"INSERT OR REPLACE INTO {quoted(table)} BY NAME "
            "SELECT * FROM read_json($path, format = 'newline_delimited', columns = $columns)",
            {"path": str(path), "columns": self._types[table]},
        )

    def clear(self, table: str) -> None:
        """Forget the rows of ``table``."""
        self._connection.execute(f"DELETE FROM {quoted(table)}")

    def rows(self, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """The values of ``columns`` in all rows of ``table``, times as Iterable writes them."""
        moments = {name for name, kind in self._types[table].items() if kind == "TIMESTAMPTZ"}
        wanted = (f"strftime({quoted(name)}, '{WIRE_TIME}')" if name in moments else quoted(name) for name in columns)
        return self._connection.execute(f"SELECT {', '.join(wanted)} FROM {quoted(table)}").fetchall()

    def answer(self, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """What ``query`` gives: the names of its columns, and its rows."""
        result = self._connection.execute(query)
        return [column[0] for column in result.description or ()], result.fetchall()

    def close(self) -> None:
        """Let others open the file."""
        self._connection.close()


@dataclass
class Sync:
    """What came of one sync.

    Attributes:
        rows: How many rows of each table were emitted.
        state: The last state of each table, as the next sync takes it.
        seconds: How long each table took, and under "" all of it.
    """

    rows: Counter[str] = field(default_factory=Counter)
    state: dict[str, Message] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def sync(
    connector: Connector, database: Database, streams: Sequence[Message], before: Sync | None, folder: Path
) -> Sync:
    """Read all tables from where ``before`` ended, and merge what comes into the database."""
    began = time.monotonic()
    catalog = {"streams": [configured(stream) for stream in streams]}
    done = Sync()
    rows: dict[str, dict[tuple[Any, ...], Message]] = {stream["name"]: {} for stream in streams}
    keys = {stream["name"]: primary_key(stream) for stream in streams}
    for message in connector.read(catalog, list(before.state.values()) if before else []):
        if message["type"] == "RECORD":
            table, row = message["record"]["stream"], message["record"]["data"]
            rows[table][tuple(row[name] for name in keys[table])] = row  # of two versions the later one counts
            done.rows[table] += 1
        elif message["type"] == "STATE":
            done.state[message["state"]["stream"]["stream_descriptor"]["name"]] = message["state"]
        elif status := message.get("trace", {}).get("stream_status"):
            table, at = status["stream_descriptor"]["name"], message["trace"]["emitted_at"] / 1000
            done.seconds[table] = at - done.seconds.get(table, at) if status["status"] == "COMPLETE" else at
        elif message["type"] == "LOG":
            show(message["log"])
    for stream in catalog["streams"]:
        name = stream["stream"]["name"]
        if stream["destination_sync_mode"] == "overwrite":
            database.clear(name)
        if rows[name]:
            database.merge(name, rows[name].values(), folder)
    done.seconds[""] = time.monotonic() - began
    return done


def configured(stream: Message) -> Message:
    """``stream`` as a user selects it: Incremental | Append + Deduped where it can, else Full refresh | Overwrite."""
    incremental = "incremental" in stream["supported_sync_modes"]
    return {
        "stream": stream,
        "sync_mode": "incremental" if incremental else "full_refresh",
        "destination_sync_mode": "append_dedup" if incremental else "overwrite",
        "cursor_field": stream.get("default_cursor_field") or [],
        "primary_key": stream["source_defined_primary_key"],
    }


def show(log: Message) -> None:
    """Print what the connector logs about some tables, and whatever it warns of."""
    if log["level"] != "INFO":
        console.print(f"  {log['level']} {log['message']}", style="yellow", markup=False)
    elif SHOWN.match(log["message"]):
        console.print(f"  {log['message']}", style="dim", markup=False)


def live_on(sandbox: Sandbox) -> None:
    """Let the project change as projects do, an open that becomes exportable 20 minutes late among it."""
    sandbox.grow(events=25, users=20)
    happened = sandbox.now - timedelta(minutes=20)
    sandbox.add_event("emailOpen", sandbox.truth("emailOpen")[0] | {"createdAt": happened.strftime(WIRE_TIME)})
    running = [row["id"] for row in sandbox.truth("campaigns") if row["campaignState"] == "Running"]
    sandbox.finish_campaign(running[0])
    sandbox.edit_campaign(running[1])
    sandbox.edit_template(sandbox.truth("templates")[0]["templateId"])
    sandbox.delete_list(sandbox.truth("lists")[-1]["id"])
    time.sleep(1)  # a sync reads up to the second that it begins in
    console.print(
        "\n[bold]Meanwhile in Iterable[/]: 25 new events of each kind, and an open that took 20 minutes to become\n"
        "exportable; 20 profiles and a template changed; a campaign ended, another was renamed; a list was deleted."
    )


def truth(sandbox: Sandbox, table: str) -> list[tuple[Any, ...]]:
    """The rows that ``table`` should hold, as the values that are compared; identical events are one event."""
    name, columns = TABLES[table]
    rows = {json.dumps(row, sort_keys=True): row for row in sandbox.rows(name)}.values()
    if table == "list_users":
        return [(row["line"], row["listId"]) for row in rows]
    return [tuple(row.get(column) for column in columns) for row in rows]


def report(first: Sync, second: Sync, database: Database, sandbox: Sandbox) -> list[str]:
    """Print how many rows each table has, here and there; give a sentence for each table that differs."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
    table.add_column("Rows of", no_wrap=True)
    for heading in ("1st sync", "2nd sync", "Database", "Iterable", "", "Seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    totals = Counter[str]()
    differences: list[str] = []
    for name, (_, columns) in TABLES.items():
        here, there = Counter(database.rows(name, columns)), Counter(truth(sandbox, name))
        missing, surplus = (there - here).total(), (here - there).total()
        if here != there:
            differences.append(f"{name}: {missing:,} of Iterable's rows are missing, {surplus:,} are not Iterable's.")
        counts = {"first": first.rows[name], "second": second.rows[name], "here": here.total(), "there": there.total()}
        totals.update(counts)
        same = "same" if here == there else "[red]differs[/]"
        table.add_row(name, *(f"{count:,}" for count in counts.values()), same, seconds(first, second, name))
    table.add_section()
    table.add_row("all", *(f"{count:,}" for count in totals.values()), "", seconds(first, second, ""))
    console.print(table)
    console.print("The 2nd sync reads the last hour before the 1st once more: rows that were there replace themselves.")
    console.print("Two email opens are identical in everything that Iterable sends: they count as one event.")
    return differences


def seconds(first: Sync, second: Sync, table: str) -> str:
    """How long the two syncs took."""
    return f"{first.seconds.get(table, 0):.2f}, {second.seconds.get(table, 0):.2f}"


def invite(database: Database) -> None:
    """Print where the rows are, and a query with what it answers."""
    names, rows = database.answer(QUERY)
    table = Table(*names, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*map(str, row))
    path, python = DATABASE.relative_to(ROOT), Path(sys.executable)
    python = python.relative_to(ROOT) if python.is_relative_to(ROOT) else python
    console.print(f"\nThe rows are in [bold]{path}[/], a DuckDB file. A query to try, and what it answers:\n")
    console.print(QUERY, style="cyan", markup=False)
    console.print(table)
    console.print(f"""{python} -c "import duckdb; duckdb.connect('{path}').sql('FROM users').show()"\n""", markup=False)


def show_dashboard() -> None:
    """Draw the example dashboard from the database, and print where it and its queries are."""
    pictures = [path.relative_to(ROOT) for path in draw(DATABASE, DATABASE.parent) if path.suffix == ".png"]
    folder = next(iter(QUERIES.values())).parent.relative_to(ROOT)
    console.print(f"More queries are in [bold]{folder}[/]: {', '.join(path.name for path in QUERIES.values())}.")
    console.print(f"Some of what they answer, drawn: {', '.join(map(str, pictures))}.")


def primary_key(stream: Message) -> list[str]:
    """The columns of a table's key."""
    return [path[0] for path in stream["source_defined_primary_key"]]


def quoted(name: str) -> str:
    """``name`` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _column_types(properties: Mapping[str, Message]) -> dict[str, str]:
    return {name: _column_type(column) for name, column in properties.items()}


def _column_type(column: Message) -> str:
    kind = next(kind for kind in column["type"] if kind != "null")
    formats = {"date-time": "TIMESTAMPTZ", "date": "DATE"}
    types = {"string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}
    return formats.get(column.get("format", "")) or types.get(kind, "JSON")


def main() -> int:
    """Run the demo; 1 if the database differs from what the sandbox holds."""
    start = (datetime.now(timezone.utc) - SPAN).replace(hour=0, minute=0, second=0, microsecond=0)
    with Sandbox(size=SIZE, start=start, rate_scale=RATE_SCALE) as sandbox, TemporaryDirectory() as name:
        folder = Path(name)
        console.print(
            f"[bold]A stand-in for Iterable[/] serves a fictional project at {sandbox.url}\n"
            f"with {RATE_SCALE} times Iterable's requests a minute, so that nobody has to wait."
        )
        connector = Connector(folder, sandbox.url, {"api_key": sandbox.api_key, "start_date": f"{start:%Y-%m-%d}"})
        console.print(f"  {connector.check()}", style="dim", markup=False)
        streams = connector.discover()
        columns = sum(len(stream["json_schema"]["properties"]) for stream in streams)
        console.print(f"  {len(streams)} tables with {columns} columns; {len(TABLES)} are read", style="dim")
        streams = [stream for stream in streams if stream["name"] in TABLES]
        database = Database(DATABASE, streams)
        first = sync(connector, database, streams, None, folder)
        live_on(sandbox)
        second = sync(connector, database, streams, first, folder)
        differences = report(first, second, database, sandbox)
        invite(database)
        database.close()
        show_dashboard()
    for difference in differences:
        console.print(difference, style="red", markup=False)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
