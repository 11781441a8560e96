"""What Iterable's Swagger says about the endpoints that this connector reads, as a compact file of names and types.

``python -m tools.contract api-docs.json`` prints what this Swagger adds to integration_tests/contract.json, what it
changes and what it removes, and writes the file. `integration_tests/test_contract.py` then names what the sandbox and
the streams make of it. ``--dry-run`` writes nothing.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

CONTRACT = Path(__file__).resolve().parent.parent / "integration_tests" / "contract.json"
API = "/api/"

READ = (
    "DELETE export/{jobId}",
    "GET campaigns",
    "GET campaigns/metrics",
    "GET catalogs",
    "GET catalogs/{catalogName}/items",
    "GET channels",
    "GET experiments",
    "GET experiments/metrics",
    "GET experiments/{experimentId}",
    "GET export/data.json",
    "GET export/jobs",
    "GET export/{jobId}/files",
    "GET journeys",
    "GET lists",
    "GET lists/getUsers",
    "GET messageTypes",
    "GET metadata",
    "GET metadata/{table}",
    "GET metadata/{table}/{key}",
    "GET snippets",
    "GET templates",
    "GET templates/email/get",
    "GET templates/embedded/get",
    "GET templates/inapp/get",
    "GET templates/push/get",
    "GET templates/sms/get",
    "GET users/forgotten",
    "GET users/forgottenUserIds",
    "GET users/getFields",
    "POST export/start",
)
"""The endpoints that the connector reads; a test compares them with the requests that it makes."""

KEPT = ("$ref", "type", "format", "enum", "items", "additionalProperties", "properties", "required")
"""The keywords of a schema that tell names and types."""
WIDTH = 118

Json = dict[str, Any]


def contract_of(swagger: Mapping[str, Any]) -> Json:
    """The endpoints of `READ`, every definition that these refer to, and the names of all other GET endpoints."""
    operations = {
        f"{method.upper()} {path.removeprefix(API)}": operation
        for path, methods in swagger["paths"].items()
        for method, operation in methods.items()
    }
    endpoints = {name: _endpoint(operations[name]) for name in READ if name in operations}
    definitions: Json = {}
    wanted = list(_references(endpoints))
    while wanted:
        name = wanted.pop()
        if name not in definitions:
            definitions[name] = _schema(swagger["definitions"][name])
            wanted += _references(definitions[name])
    return {
        "version": str(swagger["info"]["version"]),
        "endpoints": endpoints,
        "not_read": sorted(name for name in operations if name.startswith("GET ") and name not in READ),
        "definitions": dict(sorted(definitions.items())),
    }


def _endpoint(operation: Mapping[str, Any]) -> Json:
    given = operation.get("parameters", ())
    made: Json = {"parameters": {one["name"]: _parameter(one) for one in given if one["in"] == "query"}}
    body = next((one["schema"] for one in given if one["in"] == "body"), None)
    answer = operation["responses"].get("200", {}).get("schema")
    return made | {part: _schema(schema) for part, schema in (("body", body), ("answer", answer)) if schema}


def _parameter(node: Mapping[str, Any]) -> Json:
    return _schema(node) | ({"required": True} if node.get("required") else {})


def _schema(node: Mapping[str, Any]) -> Json:
    """The names and types of a schema."""
    made = {keyword: node[keyword] for keyword in KEPT if keyword in node and not isinstance(node[keyword], bool)}
    for keyword in ("items", "additionalProperties"):
        if keyword in made:
            made[keyword] = _schema(made[keyword])
    if "properties" in made:
        made["properties"] = {name: _schema(inner) for name, inner in sorted(made["properties"].items())}
    return made


def _references(node: Any) -> Iterator[str]:
    """The names of the definitions that ``node`` refers to."""
    if isinstance(node, Mapping):
        for keyword, inner in node.items():
            if keyword == "$ref" and isinstance(inner, str):
                yield inner.rpartition("/")[2]
            else:
                yield from _references(inner)
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for inner in node:
            yield from _references(inner)


# What changed


def facts(contract: Mapping[str, Any]) -> dict[str, str]:
    """Everything that ``contract`` says, each fact with what may change about it: mostly a type."""
    found = dict.fromkeys(contract.get("not_read", ()), "not read")
    for name, endpoint in contract.get("endpoints", {}).items():
        found[name] = "read"
        for parameter, schema in endpoint["parameters"].items():
            found |= _facts_of(f"{name}, parameter {parameter}", schema, required="required" in schema)
        for part in ("body", "answer"):
            if part in endpoint:
                found |= _facts_of(f"{name}, {part}", endpoint[part])
    for name, definition in contract.get("definitions", {}).items():
        found |= _facts_of(name, {keyword: inner for keyword, inner in definition.items() if keyword != "properties"})
        for inner, schema in definition.get("properties", {}).items():
            found |= _facts_of(f"{name}.{inner}", schema, required=inner in definition.get("required", ()))
    return found


def _facts_of(name: str, schema: Mapping[str, Any], *, required: bool = False) -> dict[str, str]:
    values = schema.get("enum", schema.get("items", {}).get("enum", ()))
    return {name: _type(schema) + (", required" if required else "")} | {f"{name}: {value}": "" for value in values}


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    return " ".join(schema[keyword] for keyword in ("type", "format") if keyword in schema)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """A line for each fact that ``after`` adds, changes or removes, in the order of their names."""
    old, new = facts(before), facts(after)
    lines = []
    for name in sorted(old.keys() | new.keys()):
        was, is_now = old.get(name), new.get(name)
        if was is None:
            lines.append(f"added    {name}{f' ({is_now})' if is_now else ''}")
        elif is_now is None:
            lines.append(f"removed  {name}{f' ({was})' if was else ''}")
        elif was != is_now:
            lines.append(f"changed  {name} ({was} -> {is_now})")
    return lines


# The file


def dumped(value: Any, indent: str = "", before: str = "") -> str:
    """``value`` as JSON that follows ``before`` on its line, each part of it on one line where it fits."""
    line = indent + before + json.dumps(value, ensure_ascii=False)
    if len(line) <= WIDTH or not value or not isinstance(value, dict | list):
        return line
    inner = indent + "  "
    if isinstance(value, list):
        start, end, parts = "[", "]", [dumped(one, inner) for one in value]
    else:
        start, end = "{", "}"
        parts = [dumped(one, inner, f"{json.dumps(name)}: ") for name, one in value.items()]
    return f"{indent}{before}{start}\n" + ",\n".join(parts) + f"\n{indent}{end}"


def load(path: Path = CONTRACT) -> Json:
    """The contract in a file; empty if there is no such file."""
    contract: Json = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return contract


def main(arguments: Sequence[str] | None = None, path: Path = CONTRACT) -> int:
    """Print what a Swagger changes, and write the file; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.contract", description=__doc__.partition("\n")[0])
    parser.add_argument("swagger", type=Path, help="Iterable's api-docs.json, Swagger 2.0")
    parser.add_argument("--dry-run", action="store_true", help="print what it changes, and write nothing")
    given = parser.parse_args(arguments)
    try:
        contract = contract_of(json.loads(given.swagger.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        parser.error(f"{given.swagger} is no Swagger 2.0 that can be read ({type(error).__name__}: {error})")
    changes = differences(load(path), contract)
    unknown = [f"missing  {name}, which the connector reads" for name in READ if name not in contract["endpoints"]]
    sys.stdout.write("".join(f"{line}\n" for line in [*changes, *unknown]) or "Nothing changes.\n")
    if not given.dry_run:
        path.write_text(dumped(contract) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
