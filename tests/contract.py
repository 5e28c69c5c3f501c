"""Hold a value against a JSON Schema of docs/schemas/: the part of the standard that those use, and nothing passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).resolve().parent.parent / "docs" / "schemas"
_TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
    "null": type(None),
}  # fmt: skip
_KNOWN = {
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "anyOf",
    "$ref",
    "$defs",
    "format",
    "$schema",
}


def faults_of(answer: dict[str, Any]) -> list[str]:
    """Where the answer is not as the schema says that it names; nothing where it is."""
    name = answer["schema"].removeprefix("mlcli.").replace("/", "-")
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    return _faults(answer, schema, schema, "$")


def _faults(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str) -> list[str]:
    assert set(schema) <= _KNOWN, f"the schema says more than is held against: {set(schema) - _KNOWN}"
    if "$ref" in schema:
        return _faults(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root, at)
    if "anyOf" in schema:
        each = [_faults(value, one, root, at) for one in schema["anyOf"]]
        return [] if [] in each else [f"{at}: {value!r} is none of what is allowed", *each[0]]
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{at}: {value!r} is not one of {schema['enum']}"]
    kind = schema.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind in {"integer", "number"})):
        return [f"{at}: {value!r} is no {kind}"]
    found: list[str] = []
    if isinstance(value, dict):
        properties, other = schema.get("properties", {}), schema.get("additionalProperties", True)
        found += [f"{at}: {key} is missing" for key in schema.get("required", ()) if key not in value]
        for key, inner in value.items():
            if key in properties:
                found += _faults(inner, properties[key], root, f"{at}.{key}")
            elif other is False:
                found += [f"{at}: {key} is not in the schema"]
            elif isinstance(other, dict):
                found += _faults(inner, other, root, f"{at}.{key}")
    if isinstance(value, list) and "items" in schema:
        for number, inner in enumerate(value):
            found += _faults(inner, schema["items"], root, f"{at}[{number}]")
    return found
