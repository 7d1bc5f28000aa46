"""Header fields as this interface writes them: a map for one direction, or, of trunks, an object of literal ones."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from probes.trunks.model import HeaderKind, HeaderRule, UuiEncoding

MAX_HEADERS = 50
"""Header fields of one direction."""
Direction = Literal["inbound", "outbound"]
Key = Annotated[str, Field(min_length=1, max_length=255)]
Text = Annotated[str, Field(max_length=1024)]


class Body(BaseModel):
    """What a client sends: nothing in it is ignored, since what is misspelt would be lost without a word."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _written(cls, given: Any) -> Any:  # noqa: ANN401  # whatever a client sends
        """JSON may escape half a character (RFC 8259 §8.2), which can be neither kept nor shown."""
        try:
            json.dumps(given, ensure_ascii=False, default=str).encode()
        except UnicodeEncodeError:
            raise ValueError(r"half a character is escaped (\ud800 to \udfff): write both halves, or neither") from None
        return given


class CustomHeader(Body):
    """A header field that becomes a variable or is made from one; with `passthrough`, a literal one."""

    type: Literal["custom"]
    key: Key
    value: Text
    passthrough: bool = False


class UuiHeader(Body):
    """A variable that goes by User-to-User (RFC 7433)."""

    type: Literal["uui"]
    target: Key
    purpose: Text = ""
    content: Text = ""
    encoding: Literal["hex", "ascii"] = "hex"


class HeaderMap(Body):
    """The header fields of one direction."""

    direction: Direction
    headers: Annotated[
        list[Annotated[CustomHeader | UuiHeader, Field(discriminator="type")]], Field(max_length=MAX_HEADERS)
    ]


Flat = Annotated[dict[Key, Text], Field(max_length=MAX_HEADERS)]
"""Literal header fields by their names."""


def _form(given: Any) -> str:  # noqa: ANN401  # whatever a client sends
    if isinstance(given, list):
        return "maps"
    is_map = isinstance(given, HeaderMap) or (isinstance(given, dict) and isinstance(given.get("headers"), list))
    return "map" if is_map else "flat"


AnyHeaders = Annotated[
    Annotated[HeaderMap, Tag("map")]
    | Annotated[Flat, Tag("flat")]
    | Annotated[list[HeaderMap], Field(max_length=2), Tag("maps")],
    Discriminator(_form),
]
"""Of a trunk: a plain object, a map, or the maps of both directions."""


def rules_of(given: HeaderMap | None) -> tuple[HeaderRule, ...]:
    """A map as rules."""
    return tuple(_rule(each) for each in given.headers) if given is not None else ()


def _rule(given: CustomHeader | UuiHeader) -> HeaderRule:
    if isinstance(given, CustomHeader):
        return HeaderRule(HeaderKind.CUSTOM, given.key, given.value, given.passthrough)
    encoding = UuiEncoding(given.encoding)
    parts = given.target, given.purpose, given.content
    return HeaderRule(HeaderKind.UUI, target=parts[0], purpose=parts[1], content=parts[2], encoding=encoding)


def trunk_rules(
    given: HeaderMap | dict[str, str] | list[HeaderMap] | None, direction: Direction
) -> tuple[HeaderRule, ...] | None:
    """A trunk's header fields for one of its directions; None where nothing is said about that one."""
    if isinstance(given, dict):
        return tuple(HeaderRule(key=key, value=text, passthrough=True) for key, text in given.items())
    maps = [given] if isinstance(given, HeaderMap) else given or []
    return next((rules_of(each) for each in maps if each.direction == direction), None)


def map_of(rules: Sequence[HeaderRule], direction: Direction) -> dict[str, Any] | None:
    """Rules as a map; None where there are none."""
    return {"direction": direction, "headers": [_entry(rule) for rule in rules]} if rules else None


def _entry(rule: HeaderRule) -> dict[str, Any]:
    if rule.kind is HeaderKind.UUI:
        parts = {"purpose": rule.purpose, "content": rule.content, "encoding": rule.encoding.value}
        return {"type": "uui", "target": rule.target} | parts
    entry: dict[str, Any] = {"type": "custom", "key": rule.key, "value": rule.value}
    return entry | {"passthrough": True} if rule.passthrough else entry


def trunk_headers(inbound: Sequence[HeaderRule] | None, outbound: Sequence[HeaderRule] | None) -> Any:  # noqa: ANN401  # JSON
    """A trunk's header fields in the plainest form that holds them: null, a plain object, a map, or both maps. None is
    for a direction that it has not.
    """
    there = [tuple(rules) for rules in (inbound, outbound) if rules is not None]
    first = there[0] if there else ()
    flat = {rule.key: rule.value for rule in first}
    literal = all(rule.kind is HeaderKind.CUSTOM and rule.passthrough for rule in first) and len(flat) == len(first)
    if literal and len(set(there)) <= 1:
        return flat or None
    maps = [map_of(inbound or (), "inbound"), map_of(outbound or (), "outbound")]
    shown = [each for each in maps if each is not None]
    return shown if len(shown) > 1 else shown[0]
