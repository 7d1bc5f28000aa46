"""A trunk or a number as JSON, its secrets apart, and back: what a store keeps of it.

A document is read by the version that it was written as. A field that it lacks has its default, so that fields can be
added without another version.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, TypeVar, cast

from probes.trunks.model import (
    AlertTerms,
    Authentication,
    Credentials,
    Encryption,
    Failover,
    Gateway,
    HeaderKind,
    HeaderRule,
    Inbound,
    Json,
    Number,
    Outbound,
    Secret,
    Trigger,
    Trunk,
    UuiEncoding,
)
from sipcore.errors import LocalError
from sipcore.resolve.target import Transport
from sipcore.value import value

VERSION = 1
"""Of the documents that are written. What changes the meaning of a field, or takes one away, makes a new one."""
MAX_DEPTH = 32
"""Lists and objects in each other."""
_OWN_COLUMNS = ("id", "tenant", "identity", "trunk_id", "created_at", "updated_at", "revision")
"""What is no part of a document, since rows are found by it."""
T = TypeVar("T")
Read = Callable[[Any], Any]


@value
class Document:
    """What is stored of a trunk or number. `secrets` are texts by their places, as JSON Pointer has them (RFC 6901);
    `data` has None there.
    """

    data: dict[str, Any]
    secrets: dict[str, str] = dataclasses.field(repr=False)


def document_of(told: Trunk | Number) -> Document:
    """A trunk or number, but for what rows are found by. Raises LocalError for what is no JSON."""
    secrets: dict[str, str] = {}
    given = {name: getattr(told, name) for name in _names(told) if name not in _OWN_COLUMNS}
    return Document({name: _packed(each, f"/{name}", secrets, MAX_DEPTH) for name, each in given.items()}, secrets)


def trunk_of(document: Document) -> Trunk:
    """A trunk without what rows are found by."""
    return _made(Trunk, _whole(document), name=str, description=str, provider=str, **_BOTH)


def number_of(document: Document) -> Number:
    """A number, likewise."""
    return _made(Number, _whole(document), label=str, **_BOTH)


def _names(told: object) -> list[str]:
    return [each.name for each in dataclasses.fields(cast(Any, told))]


def _packed(told: Any, place: str, secrets: dict[str, str], depth: int) -> Any:  # noqa: ANN401  # any JSON
    """Something as JSON. `place` is where it stands, and where its secrets go into `secrets` by."""
    if told is None or (isinstance(told, str | int | float) and not isinstance(told, Enum)):
        return told
    if isinstance(told, Secret):
        secrets[place] = told.reveal()
        return None
    if isinstance(told, Enum):
        return told.value
    if not depth:
        raise LocalError(f"lists and objects more than {MAX_DEPTH} deep in each other", section="RFC 8259 §9")
    if isinstance(told, frozenset):
        return sorted(_packed(each, place, secrets, depth - 1) for each in told)
    if isinstance(told, list | tuple):
        return [_packed(each, f"{place}/{number}", secrets, depth - 1) for number, each in enumerate(told)]
    if isinstance(told, AlertTerms) and told.webhook:
        secrets[f"{place}/webhook"] = told.webhook
        told = dataclasses.replace(told, webhook="")
    if dataclasses.is_dataclass(told):
        told = {name: getattr(told, name) for name in _names(told)}
    if isinstance(told, Mapping) and all(isinstance(key, str) for key in told):
        return {key: _packed(each, f"{place}/{_escaped(key)}", secrets, depth - 1) for key, each in told.items()}
    raise LocalError(f"JSON has nothing for a {type(told).__name__}", section="RFC 8259 §3")


def _whole(document: Document) -> dict[str, Any]:
    """The data of a document with its secrets put back."""
    whole: dict[str, Any] = _copied(document.data)
    for place, text in document.secrets.items():
        *before, last = (_unescaped(key) for key in place.split("/")[1:])
        at: Any = whole
        for key in before:
            at = at[int(key)] if isinstance(at, list) else at[key]
        at[int(last) if isinstance(at, list) else last] = Secret(text, is_stored=True)
    return whole


def _copied(data: Any) -> Any:  # noqa: ANN401  # any JSON
    if isinstance(data, dict):
        return {key: _copied(each) for key, each in data.items()}
    return [_copied(each) for each in data] if isinstance(data, list) else data


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _unescaped(key: str) -> str:
    return key.replace("~1", "/").replace("~0", "~")


def _made(kind: Callable[..., T], given: Mapping[str, Any], /, **fields: Read) -> T:
    """A value out of an object, each field by what reads it."""
    return kind(**{name: read(given[name]) for name, read in fields.items() if name in given})


def _maybe(read: Read) -> Read:
    return lambda given: None if given is None else read(given)


def _several(read: Read) -> Read:
    def all_of(given: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(map(read, given))

    return all_of


def _object(kind: Callable[..., T], /, **fields: Read) -> Read:
    return lambda given: _made(kind, given, **fields)


def _text(given: str | Secret) -> str:
    return given.reveal() if isinstance(given, Secret) else given


def _extras(given: dict[str, Json]) -> dict[str, Json]:
    return given


_CREDENTIALS = _object(Credentials, username=str, password=lambda given: given, realm=str)
_GATEWAY = _object(Gateway, host=str, port=_maybe(int), transport=_maybe(Transport), priority=int)
_FAILOVER = _object(Failover, is_enabled=bool, triggers=lambda given: frozenset(map(Trigger, given)), fails_back=bool)
_RULE = _object(
    HeaderRule,
    kind=HeaderKind,
    key=str,
    value=str,
    passthrough=bool,
    target=str,
    purpose=str,
    content=str,
    encoding=UuiEncoding,
)
_ALERTS = _object(
    AlertTerms,
    is_enabled=bool,
    unreachable_minutes=_maybe(float),
    failure_rate_percent=_maybe(float),
    failure_rate_window_minutes=_maybe(float),
    response_time_ms=_maybe(float),
    email=bool,
    sms=bool,
    webhook=_text,
)
_COMMON: dict[str, Read] = {
    "credentials": _maybe(_CREDENTIALS),
    "encryption": Encryption,
    "headers": _several(_RULE),
    "codecs": _several(str),
    "transcodes": bool,
    "alerts": _maybe(_ALERTS),
}
_INBOUND = _object(Inbound, authentication=Authentication, allowed_addresses=_several(str), forward_to=str, **_COMMON)
_OUTBOUND = _object(Outbound, gateways=_several(_GATEWAY), failover=_FAILOVER, **_COMMON)
_BOTH: dict[str, Read] = {"inbound": _maybe(_INBOUND), "outbound": _maybe(_OUTBOUND), "extras": _extras}
