"""Iterable's definitions, from contract.json, as JSON schemas; and where an answer does not fit them.

`python -m tools.contract` writes the file. Swagger 2.0 writes definitions in JSON Schema, draft 4, so jsonschema
validates with them as they are. Here each part is marked with its name (`CampaignDetails.labels[]`), and properties
that a definition does not name are not allowed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft4Validator

from tools.contract import load

CONTRACT = load()
ENDPOINTS: dict[str, dict[str, Any]] = CONTRACT["endpoints"]
DEFINITIONS: dict[str, dict[str, Any]] = CONTRACT["definitions"]
NAME = "title"
"""The keyword that holds the name of a part: no definition uses it, and it does not take part in validation."""


@dataclass(frozen=True)
class Known:
    """What is known to differ from a definition, and why that is right.

    Attributes:
        reason: A sentence.
        instead: The JSON schema that the value has instead; None where a property is missing, or added.
    """

    reason: str
    instead: Mapping[str, Any] | None = None

    def allows(self, value: object) -> bool:
        """Whether ``value`` is what is known."""
        return self.instead is None or Draft4Validator(self.instead).is_valid(value)


@dataclass(frozen=True)
class Misfit:
    """A part of an answer that does not fit its definition.

    Attributes:
        part: The name of the part; what is missing or added is `Definition.property`.
        within: The name of what holds it, where something is missing or added.
        value: The value, or what should hold it.
    """

    part: str
    within: str
    value: object

    def exception(self, known: Mapping[str, Known]) -> str | None:
        """The name of the one of ``known`` exceptions that allows it."""
        return next(
            (name for name in (self.part, self.within) if name in known and known[name].allows(self.value)), None
        )


def endpoint_of(method: str, path: str) -> str | None:
    """The endpoint that a request is for, as the contract names it: `GET metadata/{table}`; None if there is none."""
    parts = path.split("/")
    fitting = [name for name in ENDPOINTS if name.partition(" ")[0] == method and _fits(name.partition(" ")[2], parts)]
    return min(fitting, key=lambda name: name.count("{"), default=None)


def _fits(template: str, parts: list[str]) -> bool:
    wanted = template.split("/")
    return len(wanted) == len(parts) and all(
        one.startswith("{") or one == part for one, part in zip(wanted, parts, strict=True)
    )


def misfits(schema: Mapping[str, Any], value: object) -> Iterator[Misfit]:
    """Whatever of ``value`` does not fit ``schema``, which may refer to definitions."""
    for error in Draft4Validator({**schema, "definitions": _MARKED}).iter_errors(value):
        within = error.schema.get(NAME, "the answer")
        if error.validator == "required":
            lacking = [name for name in error.validator_value if name not in error.instance]
        elif error.validator == "additionalProperties":
            lacking = [name for name in error.instance if name not in error.schema["properties"]]
        else:
            yield Misfit(within, within, error.instance)
            continue
        for name in lacking:
            yield Misfit(f"{within}.{name}", within, error.instance)


def _marked(schema: Mapping[str, Any], name: str) -> dict[str, Any]:
    made = {**schema, NAME: name}
    if "items" in made:
        made["items"] = _marked(made["items"], f"{name}[]")
    if "properties" in made:
        made["properties"] = {key: _marked(inner, f"{name}.{key}") for key, inner in made["properties"].items()}
        made.setdefault("additionalProperties", False)
    return made


def referred(schema: Mapping[str, Any]) -> str | None:
    """The definition that a property, or each item of it, has; None if it has none."""
    reference = schema.get("items", schema).get("$ref")
    return None if reference is None else str(reference).rpartition("/")[2]


_MARKED = {name: _marked(definition, name) for name, definition in DEFINITIONS.items()}
