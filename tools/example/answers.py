"""The queries, and what they answer on a DuckDB file of replicated tables."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "example"
QUERIES = {path.stem: path for path in sorted(FOLDER.glob("*.sql"))}


def answer(database: duckdb.DuckDBPyConnection, query: str) -> duckdb.DuckDBPyRelation:
    """What ``query``, one of `QUERIES`, answers."""
    database.execute("SET TimeZone = 'UTC'")
    return database.sql(QUERIES[query].read_text("utf-8"))


def main(path: str, query: str) -> None:
    """Print what a query answers on the database at ``path``."""
    with duckdb.connect(path, read_only=True) as database:
        sys.stdout.write(f"{answer(database, query)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
