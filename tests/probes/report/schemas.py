"""Holding data to a JSON Schema: the few keywords that our schemas use, and no others."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[3] / "probes" / "report"
KEYWORDS = {
    *("$schema", "$defs", "$ref", "title", "description"),
    *("type", "enum", "oneOf", "items", "properties", "required", "additionalProperties"),
}
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def load(name: str) -> dict[str, Any]:
    """The schema in `name`.schema.json."""
    schema: dict[str, Any] = json.loads((FOLDER / f"{name}.schema.json").read_text())
    return schema


def violations(data: object, schema: dict[str, Any], root: dict[str, Any] | None = None, at: str = "$") -> list[str]:
    """Where `data` is not what `schema` says. A keyword that is not known here is one, too."""
    root = root or schema
    if "$ref" in schema:
        return violations(data, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, at)
    found = [f"{at}: keyword {name}" for name in schema.keys() - KEYWORDS]
    if "enum" in schema and data not in schema["enum"]:
        found.append(f"{at}: {data!r} is none of {schema['enum']}")
    if "type" in schema and not _is_of(data, schema["type"]):
        return [*found, f"{at}: {data!r} is no {schema['type']}"]
    if "oneOf" in schema:
        matching = [choice for choice in schema["oneOf"] if not violations(data, choice, root, at)]
        found += [] if len(matching) == 1 else [f"{at}: {len(matching)} choices fit {data!r}"]
    if isinstance(data, list) and "items" in schema:
        found += [
            text
            for place, item in enumerate(data)
            for text in violations(item, schema["items"], root, f"{at}[{place}]")
        ]
    if isinstance(data, dict):
        found += _of_object(data, schema, root, at)
    return found


def _is_of(data: object, types: str | list[str]) -> bool:
    named = [types] if isinstance(types, str) else types
    return any(isinstance(data, TYPES[name]) and (name == "boolean" or not isinstance(data, bool)) for name in named)


def _of_object(data: dict[str, object], schema: dict[str, Any], root: dict[str, Any], at: str) -> list[str]:
    known = schema.get("properties", {})
    found = [f"{at}: no {name}" for name in schema.get("required", []) if name not in data]
    if schema.get("additionalProperties", True) is False:
        found += [f"{at}: unknown {name}" for name in data if name not in known]
    for name in data.keys() & known.keys():
        found += violations(data[name], known[name], root, f"{at}.{name}")
    return found
