"""Make test data of a recording: ``python -m tools.invent RECORDED OUT``.

Names of Iterable's fields, types, notations, lengths, nulls, what is missing and which values are the same stay. Every
value is another one, and so is the name of a field that a project chose. Of events that have the same names and types
only the first few are kept, with a repeat of each.
"""

import argparse
import csv
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

SHIFT = timedelta(days=47, hours=5, minutes=13, seconds=29, milliseconds=411)
"""By how much every timestamp is later."""
ALIKE = 5
"""How many rows of the same names and types are kept."""
ROWS_OF_KEYS = {"metadata_values", "metadata_keys", "content", "metrics", "members", "members_body"}
"""Keys of a file whose objects are named by values: ids, or names that somebody gave."""
VOCABULARY = {
    *("_type", "campaignState", "channelType", "espName", "listType", "messageMedium", "proxySource"),
    *("recipientState", "signupSource", "status", "subscriptionPolicy", "type", "unsubSource", "Type"),
    *("Improvement", "Confidence"),
}
"""Fields whose texts are Iterable's words, not somebody's."""
LONG = 4
"""Texts of so many characters say something: none of a recording may be in what is invented."""
CSV = {"metrics_csv", "experiments_csv", "empty_metrics"}

STAMP = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d:\d\d)?(?:\.\d+)?(?: ?[+-]\d\d:\d\d|Z)?")
ADDRESS = re.compile(r"[^\s@]+@[^\s@]+\.[a-z]+")
IP = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
HEX = re.compile(r"[0-9a-f]{8,}(?:-[0-9a-f]{4,}|-0+)*|[0-9a-f]{12,}")
SITE = re.compile(r"(https?://)([^/?#\s\"]+)")
RUN = re.compile(r"[^\W\d_]+|\d+")
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?')
MILLISECONDS = range(10**12, 10**13)
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"


class Inventor:
    """Invents a value for each value that it is shown: the same one for the same."""

    def __init__(self, recorded: Mapping[str, Any]) -> None:
        """Use nothing that is a value of ``recorded``."""
        self._invented: dict[str, str] = {}
        self._taken = {one for one in _found(recorded) if len(one) >= LONG}

    # Values

    def value(self, value: Any, name: str = "") -> Any:
        """Another value like ``value``, which stands under ``name``."""
        if isinstance(value, dict):
            return {self.name(key): self.value(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.value(inner, name) for inner in value]
        if isinstance(value, str):
            return value if name in VOCABULARY and not re.search(r"[a-z] |@", value) else self.text(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return self.integer(value)
        return float(self._digits(repr(value))) if isinstance(value, float) else value

    def integer(self, value: int) -> int:
        """A number of as many digits; a timestamp for a timestamp in milliseconds, and zero for zero."""
        if value in MILLISECONDS:
            return value + int(SHIFT.total_seconds() * 1000)
        return int(self._digits(str(value)))

    def text(self, text: str) -> str:
        """A text in the same notation."""
        if STAMP.fullmatch(text):
            return _later(text)
        if ADDRESS.fullmatch(text):
            local, _, host = text.partition("@")
            return f"{self._words(local)}@{self._host(host)}"
        if IP.fullmatch(text):
            return f"192.0.2.{int(self._new(text, lambda salt: _number(text, 2, salt)))}"
        if HEX.fullmatch(text):
            return self._new(text, lambda salt: _hex(text, salt))
        if text[:1] in "{[" and text[-1:] in "}]" and '"' in text:
            return self.line(text)
        return self._words(SITE.sub(lambda found: f"\0{found[1]}{self._host(found[2])}\0", text))

    def line(self, text: str) -> str:
        """A line of JSON, or of something like it, whose tokens alone are other ones."""
        name = ""

        def other(found: re.Match[str]) -> str:
            nonlocal name
            value = json.loads(found[0], strict=False)
            if text[found.end() :].lstrip().startswith(":"):
                name = value
                return json.dumps(self.name(name), ensure_ascii=found[0].isascii())
            return json.dumps(self.value(value, name), ensure_ascii=found[0].isascii())

        return TOKEN.sub(other, text)

    def table(self, text: str) -> str:
        """CSV with the same titles."""
        titles, *rows = csv.reader(io.StringIO(text, newline=""))
        written = io.StringIO()
        writer = csv.writer(written, lineterminator="\r\n" if "\r\n" in text else "\n")
        writer.writerow(titles)
        for row in rows:
            writer.writerow([self.value(cell, title) if cell else "" for title, cell in zip(titles, row, strict=False)])
        return written.getvalue() if text.endswith("\n") else written.getvalue().rstrip("\r\n")

    def lines(self, body: str) -> str:
        """Lines, each another one."""
        return "\n".join(map(self.text, body.split("\n")))

    def key(self, text: str) -> str:
        """The name of an object that is named by a value."""
        return self._words(text)

    def name(self, text: str) -> str:
        """The name of a field; with an underscore inside it is a project's own, since Iterable's have none there."""
        return self._words(text) if "_" in text[1:] else text

    # Parts of texts

    def _words(self, text: str) -> str:
        """The same text with other words and numbers; what lies between NULs stays."""
        parts = text.split("\0")
        return "".join(part if at % 2 else RUN.sub(self._run, part) for at, part in enumerate(parts))

    def _run(self, found: re.Match[str]) -> str:
        run = found[0]
        if run.isdigit():
            return self._digits(run)
        word = self._new(run.lower(), lambda salt: _word(run.lower(), salt))
        return word.upper() if run.isupper() else word.title() if run[0].isupper() else word

    def _host(self, host: str) -> str:
        """A host that nobody can have."""
        return f"{self._words(host.rpartition('.')[0]) or 'local'}.test"

    def _digits(self, text: str) -> str:
        """The same number of digits, and none but zeros for zeros."""

        def other(found: re.Match[str]) -> str:
            digits = found[0]
            if len(digits) == 1 or not digits.strip("0"):
                return str(1 + (int(digits) + 3) % 9) if digits.strip("0") else digits
            return self._new(digits, lambda salt: _number(digits, len(digits), salt))

        return re.sub(r"\d+", other, text)

    def _new(self, known: str, make: Callable[[int], str]) -> str:
        """What was invented for ``known``, or something new that stands for nothing else, if there is any."""
        if known not in self._invented:
            for salt in range(200):
                made = make(salt)
                if made != known and made not in self._taken:
                    break
            self._taken.add(made)
            self._invented[known] = made
        return self._invented[known]


def _dice(text: str, salt: int) -> Iterator[int]:
    yield from blake2b(f"{salt}:{text}".encode(), digest_size=64).digest() * (1 + len(text) // 64)


def _word(known: str, salt: int) -> str:
    return "".join((VOWELS if at % 2 else CONSONANTS)[die % (5 if at % 2 else 14)] for at, die in _counted(known, salt))


def _counted(known: str, salt: int) -> Iterable[tuple[int, int]]:
    return zip(range(len(known)), _dice(known, salt), strict=False)


def _number(known: str, size: int, salt: int) -> str:
    digits = [str(die % 10) for _, die in zip(range(size), _dice(known, salt), strict=False)]
    return str(1 + int(digits[0]) % 9) + "".join(digits[1:])


def _hex(known: str, salt: int) -> str:
    return "".join(
        character if character in "-0" else "123456789abcdef"[die % 15]
        for character, die in zip(known, _dice(known, salt), strict=False)
    )


def _later(text: str) -> str:
    """A timestamp or a day in the same notation."""
    day, rest = text[:10], text[10:]
    if not rest:
        return str((datetime.fromisoformat(day) + SHIFT).date())
    told = datetime.fromisoformat(f"{day}T{rest[1:9]}") + SHIFT
    return f"{told:%Y-%m-%d}{rest[0]}{told:%H:%M:%S}{rest[9:]}"


# Whole recordings


def invent(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The same recording with invented values, and fewer rows."""
    inventor = Inventor(recorded)
    return {name: _part(inventor, name, content) for name, content in recorded.items()}


def _part(inventor: Inventor, name: str, content: Any) -> Any:
    if name in CSV:
        return inventor.table(content)
    if not isinstance(content, dict):
        return inventor.value(content)
    of_key: Callable[[str], str] = inventor.key if name in ROWS_OF_KEYS else str
    other: Callable[[Any], Any] = inventor.value
    if name == "fields":
        of_key, other = inventor.name, str
    elif name == "members_body":
        other = inventor.lines
    elif name == "events_raw":
        other = lambda rows: [inventor.line(line) for line in few(rows)]  # noqa: E731
    elif name == "events":
        content = {kind: few(rows) for kind, rows in content.items() if kind != "user"}
    return {of_key(key): other(inner) for key, inner in content.items()}


def few(rows: Sequence[Any]) -> list[Any]:
    """The first rows of each shape, those that come twice only twice."""
    kept: list[Any] = []
    shapes: Counter[str] = Counter()
    for row in rows:
        known = sum(row == other for other in kept)
        if known == 1 or (not known and shapes[shape_of(row)] < ALIKE):
            shapes[shape_of(row)] += not known
            kept.append(row)
    return kept


def shape_of(value: Any) -> str:
    """The names and types of a value; of a malformed line, all but its letters and digits."""
    if isinstance(value, str) and value[:1] == "{":
        try:
            return shape_of(json.loads(value))
        except ValueError:
            return re.sub(r"\w+", "w", value)
    if isinstance(value, dict):
        return json.dumps({key: shape_of(inner) for key, inner in sorted(value.items())})
    return f"[{shape_of(value[0]) if value else ''}]" if isinstance(value, list) else type(value).__name__


# What may not remain


def remains(recorded: Mapping[str, Any], invented: Mapping[str, Any]) -> set[str]:
    """The words and numbers, but for short ones, that are values of both, but for Iterable's own words."""
    return {one for one in _found(recorded) & _found(invented) if len(one) >= LONG and one not in KEPT}


def _found(recording: Mapping[str, Any]) -> set[str]:
    return {one for name, content in recording.items() for one in _values(content, name)}


def _values(value: Any, name: str = "") -> set[str]:
    if isinstance(value, dict):
        found = {one for key, inner in value.items() for one in _values(inner, key)}
        return found | {one for key in value if key.isdigit() or "_" in key[1:] for one in _runs(key)}
    if isinstance(value, list):
        return {one for inner in value for one in _values(inner, name)}
    if isinstance(value, str) and value[:1] in {"{", "["}:
        return {one for token in _tokens(value) for one in _values(token)}
    if isinstance(value, str) and name in CSV:
        return _runs(value.partition("\n")[2])
    if name in VOCABULARY or value is None or isinstance(value, bool):
        return set()
    return _runs(str(value))


def _runs(text: str) -> set[str]:
    words = re.findall(r"[0-9a-f]{32}|[^\W\d_]+|\d+", STAMP.sub("", text).lower())
    return {*words, *STAMP.findall(text)}


def _tokens(line: str) -> Iterator[Any]:
    for found in TOKEN.finditer(line):
        if not line[found.end() :].lstrip().startswith(":"):
            yield json.loads(found[0], strict=False)


KEPT = {"https", "http", "0000", "000000", "test", "control", "boolean", "string", "long", "date"}


def text_of(recording: Mapping[str, Any]) -> str:
    """A recording as JSON with a row a line."""
    parts = []
    for name, content in recording.items():
        if isinstance(content, list):
            text = "[\n" + ",\n".join(f"  {_compact(row)}" for row in content) + "\n ]"
        elif isinstance(content, dict) and name != "fields":
            text = "{\n" + ",\n".join(_named(key, inner) for key, inner in content.items()) + "\n }"
        else:
            text = _compact(content)
        parts.append(f" {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _named(key: str, inner: Any) -> str:
    if isinstance(inner, list) and inner:
        return f"  {json.dumps(key)}: [\n" + ",\n".join(f"   {_compact(row)}" for row in inner) + "\n  ]"
    return f"  {json.dumps(key)}: {_compact(inner)}"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the test data, unless something of the recording remains; gives the exit code."""
    made = argparse.ArgumentParser(prog="python -m tools.invent", description=__doc__)
    made.add_argument("recorded", type=Path)
    made.add_argument("out", type=Path)
    given = made.parse_args(arguments)
    recorded = json.loads(given.recorded.read_text())
    invented = invent(recorded)
    left = remains(recorded, invented)
    if left:
        sys.stderr.write(f"Nothing is written. These values remain: {', '.join(sorted(left))}\n")
        return 1
    given.out.write_text(text_of(invented))
    return 0


if __name__ == "__main__":
    sys.exit(main())
