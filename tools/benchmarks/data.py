"""The rows that are copied: made from a seed, compressed once, kept on disk between runs.

A table lies in pieces, one for each day. A piece is a run of deflate blocks that ends on a byte and refers
to nothing before it, so that the pieces of any days, one after the other, are the body of one gzip file:
the server compresses nothing while it is measured against.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

FIRST_DAY = datetime(2025, 1, 1, tzinfo=timezone.utc)
DAYS = 90
DAY_SECONDS = 86_400
LISTS = 50
FORM = 3  # counted up when rows are made otherwise, so that none made before are used

GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
LAST_BLOCK = b"\x03\x00"

# The 60 custom fields of a profile: one for each topic and aspect.
TOPICS = ("order", "loyalty", "cart", "visit", "plan", "app", "survey", "referral", "wishlist", "support")
ASPECTS = {"Name": "string", "Count": "long", "Amount": "double", "IsActive": "boolean", "At": "date", "Code": "string"}
CUSTOM_FIELDS = {f"{topic}{aspect}": kind for topic in TOPICS for aspect, kind in ASPECTS.items()}
FIELDS = {
    "email": "string",
    "userId": "string",
    "itblUserId": "string",
    "profileUpdatedAt": "date",
    "signupDate": "date",
    "signupSource": "string",
    "emailListIds": "long",
    "phoneNumber": "string",
    "locale": "string",
    "timeZone": "string",
    **CUSTOM_FIELDS,
}

WORDS = (
    "autumn", "basket", "cedar", "delta", "ember", "fjord", "garden", "harbour", "island", "juniper", "kettle",
    "lantern", "meadow", "north", "orchard", "pepper", "quartz", "river", "saffron", "timber", "umbra", "velvet",
)  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """How many rows there are."""

    events: int = 500_000
    users: int = 300_000
    members: int = 3_000_000

    def scaled(self, factor: float) -> Sizes:
        """As many, times ``factor``."""
        return Sizes(*(max(DAYS, int(rows * factor)) for rows in (self.events, self.users, self.members)))


@dataclass(frozen=True)
class Piece:
    """A run of lines, compressed.

    Attributes:
        rows: How many lines it holds.
        plain: Their length in bytes.
        crc: Their checksum.
        deflated: The lines as raw deflate blocks, none of them the last.
    """

    rows: int
    plain: int
    crc: int
    deflated: bytes

    @classmethod
    def of(cls, lines: Sequence[str]) -> Piece:
        """The piece that holds ``lines``."""
        text = "".join(f"{line}\n" for line in lines).encode()
        squeeze = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        deflated = squeeze.compress(text) + squeeze.flush(zlib.Z_FULL_FLUSH)
        return cls(len(lines), len(text), zlib.crc32(text), deflated)


def trailer(pieces: Sequence[Piece]) -> bytes:
    """What ends the gzip file of ``pieces``."""
    crc = 0
    for piece in pieces:
        crc = _joined(crc, piece.crc, piece.plain)
    length = sum(piece.plain for piece in pieces)
    return LAST_BLOCK + crc.to_bytes(4, "little") + (length & 0xFFFFFFFF).to_bytes(4, "little")


def _joined(first: int, second: int, second_length: int) -> int:
    """The checksum of two runs of bytes from the checksums of each (zlib's crc32_combine)."""
    return _times(_zeros(second_length), first) ^ second


def _times(matrix: Sequence[int], vector: int) -> int:
    result = 0
    for row in matrix:
        if vector & 1:
            result ^= row
        vector >>= 1
    return result


@lru_cache(maxsize=4096)
def _zeros(length: int) -> tuple[int, ...]:
    """The matrix over GF(2) that has a checksum take in ``length`` bytes of zero."""
    power = (0xEDB88320, *(1 << bit for bit in range(31)))  # one bit of zero
    for _ in range(3):  # one byte
        power = tuple(_times(power, row) for row in power)
    result = tuple(1 << bit for bit in range(32))
    while length:
        if length & 1:
            result = tuple(_times(power, row) for row in result)
        power = tuple(_times(power, row) for row in power)
        length >>= 1
    return result


@dataclass(frozen=True)
class Data:
    """The whole project: pieces of events and of profiles by day, and a piece for each list."""

    events: Sequence[Piece]
    users: Sequence[Piece]
    lists: Sequence[Piece]

    @classmethod
    def kept(cls, folder: Path, seed: int, sizes: Sizes, tell: Callable[[str], object]) -> Data:
        """The data of ``seed``, from ``folder`` where they were made before."""
        kept = folder / f"form-{FORM}-seed-{seed}-{sizes.events}-{sizes.users}-{sizes.members}"
        if not (kept / "done").exists():
            kept.mkdir(parents=True, exist_ok=True)
            makers: dict[str, Iterator[list[str]]] = {
                "events": _by_day(sizes.events, seed, _event),
                "users": _by_day(sizes.users, seed, _user),
                "lists": _lists(sizes.members, seed),
            }
            for name, parts in makers.items():
                tell(f"Making {name} from seed {seed} ...")
                _write(kept / name, parts)
            (kept / "done").touch()
        return cls(*(_load(kept / name) for name in ("events", "users", "lists")))


def _write(path: Path, parts: Iterator[list[str]]) -> None:
    index = []
    with path.with_suffix(".bin").open("wb") as file:
        for part in parts:
            piece = Piece.of(part)
            file.write(piece.deflated)
            index.append({**asdict(piece), "deflated": len(piece.deflated)})
    path.with_suffix(".json").write_text(json.dumps(index), "utf-8")


def _load(path: Path) -> list[Piece]:
    index = json.loads(path.with_suffix(".json").read_text("utf-8"))
    with path.with_suffix(".bin").open("rb") as file:
        return [Piece(**{**entry, "deflated": file.read(entry["deflated"])}) for entry in index]


def _by_day(rows: int, seed: int, make: Callable[[Random, int, datetime], dict[str, Any]]) -> Iterator[list[str]]:
    for day in range(DAYS):
        rng = Random(f"{seed}:{make.__name__}:{day}")
        midnight = FIRST_DAY + timedelta(days=day)
        numbers = range(rows * day // DAYS, rows * (day + 1) // DAYS)
        yield [
            json.dumps(make(rng, number, midnight + timedelta(seconds=rng.randrange(DAY_SECONDS))))
            for number in numbers
        ]


def _lists(members: int, seed: int) -> Iterator[list[str]]:
    """The members of each list; no address is on two lists, so that rows lost or repeated show."""
    rng = Random(f"{seed}:members")
    for number in range(LISTS):
        yield [
            f"{rng.choice(WORDS)}.{rng.choice(WORDS)}.{member}@example.com"
            for member in range(members * number // LISTS, members * (number + 1) // LISTS)
        ]


def sent_fields(table: str) -> list[str]:
    """The names of the fields that a row of ``table`` is sent with; none for lines that are no objects."""
    makers = {"email_send": _event, "users": _user}
    return [*makers[table](Random(0), 0, FIRST_DAY)] if table in makers else []


def _wire(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S +00:00")


def _hex(rng: Random) -> str:
    return f"{rng.getrandbits(128):032x}"


def _event(rng: Random, number: int, moment: datetime) -> dict[str, Any]:
    """A row of emailSend; its messageId is its own."""
    wire = _wire(moment)
    return {
        "email": f"{rng.choice(WORDS)}.{rng.choice(WORDS)}.{rng.randrange(100_000)}@example.com",
        "userId": f"u-{rng.randrange(100_000)}",
        "itblUserId": _hex(rng),
        "messageId": _hex(rng),
        "messageBusId": f"0100018d-{rng.getrandbits(32):08x}-000000",
        "campaignId": 2_220_229 + number % 50,
        "templateId": 3_043_605 + number % 50,
        "channelId": 39_582,
        "messageTypeId": 47_258,
        "contentId": 12_029_221 + number % 3,
        "catalogLookupCount": 0,
        "catalogCollectionCount": number % 2,
        "productRecommendationCount": 0,
        "transactionalData": json.dumps({"sku": rng.choice(WORDS), "price": rng.randrange(9_900) / 100}),
        "createdAt": wire,
        "itblInternal.documentCreatedAt": wire,
        "itblInternal.documentUpdatedAt": wire,
    }


def _user(rng: Random, number: int, moment: datetime) -> dict[str, Any]:
    """A profile; its email address is its own."""
    wire = _wire(moment)
    values: dict[str, Callable[[], Any]] = {
        "Name": lambda: f"{rng.choice(WORDS)} {rng.choice(WORDS)}",
        "Count": lambda: rng.randrange(1_000),
        "Amount": lambda: rng.randrange(1, 1_000_000) / 100,
        "IsActive": lambda: rng.random() < 0.5,  # noqa: PLR2004 - a coin
        "At": lambda: _wire(moment - timedelta(seconds=rng.randrange(10_000_000))),
        "Code": lambda: f"{rng.getrandbits(40):010x}",
    }
    return {
        "email": f"{rng.choice(WORDS)}.{rng.choice(WORDS)}.{number}@example.com",
        "userId": f"u-{number}",
        "itblUserId": _hex(rng),
        "signupDate": _wire(moment - timedelta(days=400)),
        "signupSource": "ListAPI",
        "emailListIds": [949_810 + number % LISTS, 949_811 + number % LISTS],
        "phoneNumber": f"+1555{number:07d}",
        "locale": "en-US",
        "timeZone": "Europe/Berlin",
        **{f"{topic}{aspect}": values[aspect]() for topic in TOPICS for aspect in ASPECTS},
        "profileUpdatedAt": wire,
        "itblInternal.documentCreatedAt": wire,
        "itblInternal.documentUpdatedAt": wire,
    }
