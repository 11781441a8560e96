"""The tool that keeps names and types of Iterable's Swagger, and says what a newer one changes."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tools.contract import CONTRACT, READ, contract_of, differences, dumped, load, main

SWAGGER: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"version": "1.8"},
    "paths": {
        "/api/lists": {
            "get": {
                "summary": "Get lists",
                "parameters": [{"name": "page", "in": "query", "type": "integer", "description": "Page"}],
                "responses": {"200": {"description": "ok", "schema": {"$ref": "#/definitions/Lists"}}},
            },
            "post": {"parameters": [], "responses": {}},
        },
        "/api/export/start": {
            "post": {
                "parameters": [{"name": "body", "in": "body", "schema": {"$ref": "#/definitions/Start"}}],
                "responses": {"200": {"description": "ok", "schema": {"type": "string"}}},
            }
        },
        "/api/webhooks": {"get": {"responses": {"200": {"schema": {"$ref": "#/definitions/Unused"}}}}},
    },
    "definitions": {
        "Lists": {
            "type": "object",
            "description": "All of them",
            "required": ["lists"],
            "properties": {"lists": {"type": "array", "items": {"$ref": "#/definitions/List"}}},
        },
        "List": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": {"type": "integer", "format": "int64", "description": "Id", "example": 5},
                "listType": {"type": "string", "enum": ["Standard", "Dynamic"]},
                "description": {"type": "string", "description": "What it is for"},
            },
        },
        "Start": {"type": "object", "properties": {"type": {"type": "string"}, "items": {"type": "object"}}},
        "Unused": {"type": "object", "properties": {"url": {"type": "string"}}},
    },
}


@pytest.fixture
def newer() -> dict[str, Any]:
    """A copy of the Swagger, to be changed."""
    return deepcopy(SWAGGER)


def changes(newer: dict[str, Any]) -> list[str]:
    return differences(contract_of(SWAGGER), contract_of(newer))


def test_names_and_types_are_kept_and_sentences_are_not() -> None:
    assert contract_of(SWAGGER) == {
        "version": "1.8",
        "endpoints": {
            "GET lists": {
                "parameters": {"page": {"type": "integer"}},
                "answer": {"$ref": "#/definitions/Lists"},
            },
            "POST export/start": {
                "parameters": {},
                "body": {"$ref": "#/definitions/Start"},
                "answer": {"type": "string"},
            },
        },
        "not_read": ["GET webhooks"],
        "definitions": {
            "List": {
                "type": "object",
                "properties": {
                    "description": {"type": "string"},
                    "id": {"type": "integer", "format": "int64"},
                    "listType": {"type": "string", "enum": ["Standard", "Dynamic"]},
                },
                "required": ["id"],
            },
            "Lists": {
                "type": "object",
                "properties": {"lists": {"type": "array", "items": {"$ref": "#/definitions/List"}}},
                "required": ["lists"],
            },
            "Start": {"type": "object", "properties": {"items": {"type": "object"}, "type": {"type": "string"}}},
        },
    }


def test_nothing_changes_where_only_sentences_do(newer: dict[str, Any]) -> None:
    newer["definitions"]["List"]["properties"]["id"]["description"] = "Another sentence"
    newer["definitions"]["Unused"]["properties"]["other"] = {"type": "string"}

    assert changes(newer) == []


def test_what_is_added_is_told(newer: dict[str, Any]) -> None:
    newer["paths"]["/api/placements"] = {"get": {"responses": {}}, "post": {"responses": {}}}
    newer["paths"]["/api/lists"]["get"]["parameters"].append(
        {"name": "sort", "in": "query", "type": "array", "items": {"type": "string", "enum": ["id"]}, "required": True}
    )
    newer["definitions"]["List"]["properties"] |= {"owner": {"$ref": "#/definitions/Owner"}}
    newer["definitions"]["List"]["properties"]["listType"]["enum"].append("Internal")
    newer["definitions"]["Owner"] = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}

    assert changes(newer) == [
        "added    GET lists, parameter sort (list of string, required)",
        "added    GET lists, parameter sort: id",
        "added    GET placements (not read)",
        "added    List.listType: Internal",
        "added    List.owner (Owner)",
        "added    Owner (object)",
        "added    Owner.name (string, required)",
    ]


def test_what_is_changed_is_told(newer: dict[str, Any]) -> None:
    newer["definitions"]["List"]["properties"]["id"] = {"type": "string"}
    newer["definitions"]["List"]["required"] = ["id", "listType"]
    newer["paths"]["/api/lists"]["get"]["responses"]["200"]["schema"] = {"type": "string"}

    assert changes(newer) == [
        "changed  GET lists, answer (Lists -> string)",
        "removed  List (object)",
        "removed  List.description (string)",
        "removed  List.id (integer int64, required)",
        "removed  List.listType (string)",
        "removed  List.listType: Dynamic",
        "removed  List.listType: Standard",
        "removed  Lists (object)",
        "removed  Lists.lists (list of List, required)",
    ]


def test_a_property_of_another_type_is_told(newer: dict[str, Any]) -> None:
    newer["definitions"]["List"]["properties"]["id"] = {"type": "string"}
    newer["definitions"]["List"]["required"] = ["id", "listType"]

    assert changes(newer) == [
        "changed  List.id (integer int64, required -> string, required)",
        "changed  List.listType (string -> string, required)",
    ]


def test_what_is_removed_is_told(newer: dict[str, Any]) -> None:
    del newer["paths"]["/api/webhooks"]
    newer["paths"]["/api/lists"]["get"]["parameters"] = []
    newer["definitions"]["List"]["properties"]["listType"]["enum"].remove("Dynamic")
    del newer["definitions"]["Start"]["properties"]["items"]

    assert changes(newer) == [
        "removed  GET lists, parameter page (integer)",
        "removed  GET webhooks (not read)",
        "removed  List.listType: Dynamic",
        "removed  Start.items (object)",
    ]


def test_the_tool_tells_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str], newer: dict[str, Any]) -> None:
    swagger, kept = tmp_path / "api-docs.json", tmp_path / "contract.json"
    swagger.write_text(json.dumps(SWAGGER))

    assert main([str(swagger)], kept) == 0
    first = capsys.readouterr().out
    newer["definitions"]["List"]["properties"]["size"] = {"type": "integer"}
    swagger.write_text(json.dumps(newer))
    assert main([str(swagger), "--dry-run"], kept) == 0
    second = capsys.readouterr().out

    assert "added    List.id (integer int64, required)\n" in first
    assert "missing  GET campaigns, which the connector reads\n" in first
    assert "missing  GET lists," not in first
    assert [line for line in second.splitlines() if not line.startswith("missing")] == ["added    List.size (integer)"]
    assert load(kept) == contract_of(SWAGGER)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"openapi": "3.0.0", "paths": {}}'])
def test_what_is_no_swagger_is_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    swagger, kept = tmp_path / "api-docs.json", tmp_path / "contract.json"
    swagger.write_text(text)

    with pytest.raises(SystemExit):
        main([str(swagger)], kept)

    assert "is no Swagger 2.0 that can be read" in capsys.readouterr().err
    assert not kept.exists()


def test_the_file_is_as_the_tool_writes_it() -> None:
    assert dumped(load()) + "\n" == CONTRACT.read_text("utf-8")


def test_the_file_holds_no_sentences() -> None:
    assert max(len(line) for line in CONTRACT.read_text("utf-8").splitlines()) <= 120
    assert not any(word in CONTRACT.read_text("utf-8") for word in ('"description": "', '"summary"', '"example"'))


def test_endpoints_are_named_once() -> None:
    assert sorted(set(READ)) == sorted(READ)
