"""The description of the native interface (OpenAPI 3.1), with the schemas that the command line's JSON has."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi

from probes.web.native.shown import PROBLEM

Data = dict[str, Any]
REPORTS = ("call", "discovery", "dns", "finding", "tls", "uptime", "watch")
"""The schemas of `probes/report` that answers have, or refer to."""
RESULT = "x-result"
"""In a field, or an operation: which of them it is."""
STATES = "states"
"""How everything is: the last line of a watch."""
DOCUMENTED = {
    "400": "the body cannot be read",
    "401": "no API key, or one that does not hold",
    "403": "the key only reads",
    "404": "there is none, or it is another tenant's",
    "409": "something else excludes it: a number that is taken, a discovery that is under way",
    "412": "it was changed meanwhile",
    "422": "what was sent cannot be: `errors` says where, and what to change",
    "429": "too many of late: see Retry-After",
    "503": "nothing is begun, or written, at the moment: see Retry-After",
}
TITLE = "sipprobe"
SECURITY = "key"


def described(routes: APIRouter, prefix: str) -> Data:
    """What the routes take and give, below `prefix`."""
    told = get_openapi(title=TITLE, version="1", routes=routes.routes, servers=[{"url": prefix}])
    schemas: Data = told.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= {**_reports(), "Problem": _PROBLEM}
    told["components"]["securitySchemes"] = {SECURITY: {"type": "http", "scheme": "bearer"}}
    told["security"] = [{SECURITY: []}]
    for path in told["paths"].values():
        for operation in path.values():
            _complete(operation)
    resolved = _with_results(told)
    return resolved if isinstance(resolved, dict) else told


def _complete(operation: Data) -> None:
    """Say what is common to all operations."""
    responses: Data = operation["responses"]
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, text in DOCUMENTED.items():
        responses[status] = {"description": text, "content": content}
    report = operation.pop(RESULT, "")
    if report:
        responses["200"]["content"] = {"application/json": {"schema": _ref(report)}}


def _ref(report: str) -> Data:
    return {"$ref": f"#/components/schemas/{'watch.states' if report == STATES else report}"}


def _with_results(told: object) -> object:
    """The same, where a field is what the command line prints, with the schema of that."""
    if isinstance(told, list):
        return [_with_results(each) for each in told]
    if not isinstance(told, dict):
        return told
    if RESULT in told:
        return {"description": told.get("description", ""), "oneOf": [{"type": "null"}, _ref(told[RESULT])]}
    return {name: _with_results(each) for name, each in told.items()}


@cache
def _reports() -> Data:
    """The schemas of results, and each of their definitions beside them, under names that none of ours has."""
    found: Data = {}
    for name in REPORTS:
        schema = json.loads(files("probes.report").joinpath(f"{name}.schema.json").read_text(encoding="utf-8"))
        schema.pop("$schema", None)
        schema.pop("$id", None)
        parts = schema.pop("$defs", {})
        found[name] = _renamed(schema, name)
        found |= {f"{name}.{part}": _renamed(each, name) for part, each in parts.items()}
    return found


def _renamed(told: object, name: str) -> object:
    """A schema whose references lead to where its parts are now."""
    if isinstance(told, list):
        return [_renamed(each, name) for each in told]
    if not isinstance(told, dict):
        return told
    return {key: _target(each, name) if key == "$ref" else _renamed(each, name) for key, each in told.items()}


def _target(reference: str, name: str) -> str:
    file, _, part = reference.partition("#/$defs/")
    owner = file.rstrip("#").removesuffix(".schema.json") or name
    return f"#/components/schemas/{owner}.{part}" if part else f"#/components/schemas/{owner}"


_PROBLEM: Data = {
    "description": "problem details (RFC 9457)",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "urn:sipprobe: and a word for programs"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what is wrong, and what to change"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "in", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "a JSON pointer (RFC 6901)"},
                    "in": {"type": "string", "description": "body, query, path or header"},
                    "detail": {"type": "string"},
                },
            },
        },
        "running": {"type": "string", "description": "the id of the job that is in the way"},
    },
}
