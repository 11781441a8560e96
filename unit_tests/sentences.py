"""The sentences that the package can say to a person, read out of its source.

A sentence is what stands up to the first full stop, with `…` for what is only known when it is said:
f"list {list_id} is too large. Request less." reads `list … is too large`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "source_iterable"

# What is called to say something: the place of its text among the arguments, or its name, and what it is put after.
ERRORS: Mapping[str, tuple[int | str, str]] = {
    "failure": (1, ""),
    "refusal": (1, "The setting '…' "),
    "_system_error": (0, "… "),
    "_transient_error": (0, "… "),
    "AirbyteTracedException": ("message", ""),
    "DiskFullError": ("message", ""),
    "MissingEndpointError": ("message", ""),
    "StreamFailure": (0, ""),
}
WARNINGS: Mapping[str, tuple[int | str, str]] = {"remark": (0, ""), "warning": (0, "")}
NOTES: Mapping[str, tuple[int | str, str]] = {"info": (0, "")}
# Functions that return what `check` says.
ANSWERS = ("check_connection", "_prove_export")

_NAMED = re.compile(r"%\(?\w*\)?[.,\d]*[sdgrf]")
_END = re.compile(r"[.!?](?=\s|$)")


@dataclass(frozen=True)
class Sentence:
    """A sentence, and where the source says it."""

    text: str
    place: str


def errors_and_warnings() -> list[Sentence]:
    """What ends a sync, a stream or a `check`, and what is warned of."""
    return [*_said(ERRORS), *_said(WARNINGS), *_answers()]


def notes() -> list[Sentence]:
    """What is logged for information."""
    return list(_said(NOTES))


def untold_errors() -> list[str]:
    """The functions that raise an error whose text says nothing by itself: it is put together elsewhere."""
    found = []
    for path, tree in _trees():
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Call) and (how := ERRORS.get(_name(node.func))):
                        where = f"{path.relative_to(PACKAGE.parent)}:{function.name}"
                        if not list(_sentences(_argument(node, how[0]), how[1], path, node.lineno)):
                            found.append(where)
    return found


def template(node: ast.expr) -> str | None:
    """The text that an expression gives, with `…` for each part that is not constant; None if it is not a text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        parts = [str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values]
        return "".join(parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = template(node.left), template(node.right)
        return None if left is None and right is None else f"{left or '…'}{right or '…'}"
    return None


def first_sentence(text: str) -> str:
    """``text`` up to the first full stop, without a stream's name before it."""
    text = _NAMED.sub("…", text).removeprefix("…: ")
    return _END.split(text)[0].strip()


def _trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text("utf-8"))


def _said(callables: Mapping[str, tuple[int | str, str]]) -> Iterator[Sentence]:
    for path, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (how := callables.get(_name(node.func))):
                yield from _sentences(_argument(node, how[0]), how[1], path, node.lineno)


def _answers() -> Iterator[Sentence]:
    for path, tree in _trees():
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef) and function.name in ANSWERS:
                for node in ast.walk(function):
                    if isinstance(node, ast.Return) and node.value is not None:
                        parts = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
                        for part in parts:
                            yield from _sentences(part, "", path, node.lineno)


def _sentences(node: ast.expr | None, before: str, path: Path, line: int) -> Iterator[Sentence]:
    """The sentences of an expression; of a choice between two, both."""
    if isinstance(node, ast.IfExp):
        yield from _sentences(node.body, before, path, line)
        yield from _sentences(node.orelse, before, path, line)
        return
    text = template(node) if node is not None else None
    if text is None:
        return
    sentence = first_sentence(before + text)
    if re.search(r"\w", sentence.replace("The setting", "")):  # an envelope is no sentence of its own
        yield Sentence(sentence, f"{path.relative_to(PACKAGE.parent)}:{line}")


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _argument(call: ast.Call, which: int | str) -> ast.expr | None:
    if isinstance(which, int):
        return call.args[which] if which < len(call.args) else None
    return next((keyword.value for keyword in call.keywords if keyword.arg == which), None)
