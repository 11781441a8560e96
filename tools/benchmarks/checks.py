"""Whether a copy is whole: rows counted, repeated ones found, the rows of two copies compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

RECORD = re.compile(rb'\{"type": ?"RECORD"')
IDENTITIES = {
    "email_send": re.compile(rb'"messageId": ?"([^"]+)"'),
    "users": re.compile(rb'"email": ?"([^"]+)"'),
    "list_users": re.compile(rb'"email": ?"([^"]+)"'),
}


@dataclass(frozen=True)
class Delivery:
    """What a copy holds.

    Attributes:
        expected: Rows that the server has.
        rows: Records written.
        distinct: How many different rows they are.
    """

    expected: int
    rows: int
    distinct: int

    @property
    def whole(self) -> bool:
        """Whether each row is there once."""
        return self.expected == self.rows == self.distinct

    def __str__(self) -> str:
        """What is wrong, with counts."""
        if self.whole:
            return "each row once"
        wrongs = []
        if self.distinct < self.expected:
            wrongs.append(f"{self.expected - self.distinct:,} of {self.expected:,} rows lost")
        if self.rows > self.distinct:
            wrongs.append(f"{self.rows - self.distinct:,} repeated")
        if self.distinct > self.expected:
            wrongs.append(f"{self.distinct - self.expected:,} rows that the server does not have")
        return ", ".join(wrongs)


def delivered(out: Path, table: str, expected: int) -> Delivery:
    """Count the records of ``table`` in the output ``out``."""
    identity = IDENTITIES[table]
    seen: set[bytes] = set()
    rows = 0
    for line in _records(out):
        rows += 1
        found = identity.search(line)
        if found:
            seen.add(found[1])
    return Delivery(expected, rows, len(seen))


def missing_fields(out: Path, names: Iterable[str]) -> list[str]:
    """Which of ``names`` the first record of ``out`` does not hold, at whatever depth."""
    first = next(_records(out), None)
    if first is None:
        return []
    return [name for name in names if f'"{name}"'.encode() not in first]


def fingerprint(out: Path) -> int:
    """A number that two outputs share if their records hold the same data, in whatever order."""
    total = 0
    for line in _records(out):
        data: dict[str, Any] = orjson.loads(line)["record"]["data"]
        text = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
        total += int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
    return total % (1 << 64)


def count(out: Path) -> int:
    """How many records the output ``out`` holds."""
    return sum(1 for _ in _records(out))


def _records(out: Path) -> Iterator[bytes]:
    with out.open("rb") as lines:
        for line in lines:
            if RECORD.match(line):
                yield line
