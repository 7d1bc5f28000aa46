"""What is wrong with a request, in this service's own words: what, and what to send instead. What was sent is never
quoted: it may be a secret.
"""

from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic_core.core_schema import ErrorType

from sipcore.value import value

BODY = "body"
JSON = "application/json"
AS_JSON = f"send a JSON object, with the header field Content-Type: {JSON}"
MALFORMED = "json_invalid"
"""The kind of the flaw of a body that is no JSON."""
Told = Mapping[str, Any]
"""One error as pydantic has it: `type`, `loc`, `msg`, `ctx` and `input`."""


@value
class Flaw:
    """One thing that is wrong with what was sent: where, in words, and in one word for programs."""

    place: tuple[str | int, ...]
    """As FastAPI has it: `("body", "gateways", 0, "host")`; with an offset where the body is no JSON."""
    message: str
    kind: str = "value_error"

    @property
    def pointer(self) -> str:
        """The place as a JSON pointer into the body, or the query (RFC 6901); of a body that is no JSON, all of it."""
        if self.kind == MALFORMED:
            return ""
        return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in self.place[1:])

    @property
    def sentence(self) -> str:
        """Where, and what."""
        where, name = str(self.place[0]) if self.place else BODY, self.pointer
        if where == BODY:
            return f"{name}: {self.message}" if name else self.message
        return f"{_NAMES.get(where, where)} {name.removeprefix('/')}: {self.message}"


_NAMES = {"query": "the parameter", "header": "the header field", "path": "the part of the path"}


def flaw_of(told: Told, body: object, content_type: str | None) -> Flaw:
    """One flaw of a request with this body, and this Content-Type, or none."""
    place, kind = tuple(told["loc"]), str(told["type"])
    if kind == MALFORMED:
        return Flaw(place, _no_json(told, body), kind)
    if place == (BODY,) and kind in _OF_BODY:
        return Flaw(place, _no_object(told.get("input"), body, content_type), kind)
    context: Mapping[str, Any] = told.get("ctx") or {}
    if kind in _WORDS:
        message = _WORDS[kind](context)
    elif kind in _OF_LIBRARY:
        message = "this cannot be read: see what is described of it"
    else:
        message = str(told["msg"]).removeprefix("Value error, ")
    return Flaw(place, message, kind)


def _no_json(told: Told, body: object) -> str:
    """What is said of a body that cannot be read, with the line and the column at which reading ended, from 1."""
    text, at = body if isinstance(body, str) else "", int(told["loc"][-1])
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    reason = str((told.get("ctx") or {}).get("error", ""))
    return f"the body is no JSON: line {line}, column {column}: {_JSON.get(reason, 'this cannot be read')}"


def _no_object(given: object, body: object, content_type: str | None) -> str:
    """What is said of a body that is no object."""
    if body is None or body == b"":  # as null is, too
        return f"the body is empty: {AS_JSON}"
    if isinstance(body, bytes):  # it was not read as JSON, whatever is in it
        if not content_type:
            return f"the body has no Content-Type: {AS_JSON}"
        return f"the Content-Type is not {JSON}: {AS_JSON}"
    return f"the body is {_kind_of(given)}: send a JSON object, as {{}}"


def _kind_of(given: object) -> str:
    match given:
        case list():
            return "a JSON array"
        case str():
            return "a text"
        case bool():
            return "true or false"
    return "a number"


def _counted(count: object, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _too_short(context: Mapping[str, Any]) -> str:
    least = context["min_length"]
    if _is_text(context):
        return f"it is too short: give {_counted(least, 'character')} at least"
    return f"there are too few: give {least} at least"


def _too_long(context: Mapping[str, Any]) -> str:
    most = context["max_length"]
    if _is_text(context):
        return f"it is too long: give {_counted(most, 'character')} at most"
    return f"there are too many: give {most} at most"


def _is_text(context: Mapping[str, Any]) -> bool:
    """Whether it is a text of which the length is told, and no array: pydantic calls a secret one a value."""
    return "field_type" not in context or context["field_type"] == "Value"


def _time(_: Mapping[str, Any]) -> str:
    return "a time is wanted: write it as 2026-11-01T08:00:00Z"


def _id(_: Mapping[str, Any]) -> str:
    return "an id is wanted: write it as it was told, as 6f0c1a52-0000-4000-8000-000000000001"


_OF_LIBRARY = frozenset(get_args(ErrorType)) - {"value_error"}
"""The kinds of which the message is the library's own, which may quote what was sent."""
_OF_BODY = frozenset({"missing", "model_attributes_type", "model_type", "dict_type"})
_JSON = {
    "Expecting value": "a value is missing here",
    "Expecting property name enclosed in double quotes": "a name in double quotes is wanted here",
    "Expecting ',' delimiter": "a comma is missing here, or what stands here ends too late",
    "Expecting ':' delimiter": "a colon is missing here",
    "Extra data": "the JSON is over here, and something follows",
    "Unterminated string starting at": "the text that begins here has no end",
    "Invalid control character at": "a control character in a text is written as \\n, \\t or \\u001b",
    "Invalid \\escape": "a backslash in a text is written as \\\\",
    "Invalid \\uXXXX escape": "\\u is followed by four hexadecimal digits",
    "Illegal trailing comma before end of object": "no comma stands before the end of an object",
    "Illegal trailing comma before end of array": "no comma stands before the end of an array",
}
"""By what the reader of JSON says."""
_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "this field is missing: give it",
    "extra_forbidden": lambda ctx: f"there is no field of this name{ctx.get('meant') or ': leave it out'}",
    "string_type": lambda _: "a text is wanted: write it in double quotes",
    "string_too_short": _too_short,
    "string_too_long": _too_long,
    "string_unicode": lambda _: "the text is no Unicode: leave out lone surrogates",
    "int_type": lambda _: "a whole number is wanted: write it without quotes",
    "int_parsing": lambda _: "a whole number is wanted: write it in digits",
    "int_parsing_size": lambda _: "the number is too large: give a smaller one",
    "int_from_float": lambda _: "a whole number is wanted: leave out what is behind the point",
    "float_type": lambda _: "a number is wanted: write it without quotes, and no longer than others",
    "float_parsing": lambda _: "a number is wanted: write it in digits",
    "finite_number": lambda _: "a finite number is wanted",
    "bool_type": lambda _: "true or false is wanted, without quotes",
    "bool_parsing": lambda _: "true or false is wanted, without quotes",
    "list_type": lambda _: "a JSON array is wanted: write it in brackets, as []",
    "dict_type": lambda _: "a JSON object is wanted: write it in braces, as {}",
    "model_type": lambda _: "a JSON object is wanted: write it in braces, as {}",
    "model_attributes_type": lambda _: "a JSON object is wanted: write it in braces, as {}",
    "datetime_type": _time,
    "datetime_parsing": _time,
    "datetime_from_date_parsing": _time,
    "uuid_type": _id,
    "uuid_parsing": _id,
    "literal_error": lambda ctx: f"it is none of those that there are: give {ctx['expected']}",
    "enum": lambda ctx: f"it is none of those that there are: give {ctx['expected']}",
    "greater_than_equal": lambda ctx: f"it is too small: give {ctx['ge']:.15g} or more",
    "greater_than": lambda ctx: f"it is too small: give more than {ctx['gt']:.15g}",
    "less_than_equal": lambda ctx: f"it is too large: give {ctx['le']:.15g} or less",
    "less_than": lambda ctx: f"it is too large: give less than {ctx['lt']:.15g}",
    "union_tag_not_found": lambda ctx: f"this needs {ctx['discriminator']}, which says what it is",
    "union_tag_invalid": lambda ctx: (
        f"{ctx['discriminator']} is none of those that there are: give {ctx['expected_tags']}"
    ),
    "too_short": _too_short,
    "too_long": _too_long,
}
"""By the kind of an error. What this service found itself is told in its own words already."""
