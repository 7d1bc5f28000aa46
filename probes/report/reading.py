"""What header fields say, as trees of plain data: one shape for people, for JSON, and for telling differences.

A typed value becomes a dictionary of its parts under their names in `sipcore.message.fields`, without those that are
empty. Parameters become a dictionary by name in lower case, None standing for a bare name.
"""

import dataclasses
from enum import Enum
from typing import TypeAlias

from sipcore.covering import PROOFS, cover_uris
from sipcore.errors import encodable
from sipcore.grammar import unquote
from sipcore.message.address import Address
from sipcore.message.fields.auth_params import AuthParams
from sipcore.message.fields.challenge import AuthenticationInfo, Credentials
from sipcore.message.fields.date import Date
from sipcore.message.fields.media_type import MediaType
from sipcore.message.fields.via import Via
from sipcore.message.params import Params
from sipcore.message.uri import OtherUri, SipUri, TelUri, Uri
from sipcore.sdp.fields import HIDDEN

Tree: TypeAlias = "bool | int | float | str | list[Tree] | dict[str, Tree] | None"
Pair = tuple[str, str]
"""A label and what it stands for; "" for a bare parameter."""


def tree_of(found: object) -> Tree:
    """A typed value of a header field as plain data, without what a password could be guessed from."""
    match found:
        case None | bool() | int() | float():
            return found
        case str():
            return encodable(unquote(found))
        case Enum():
            return str(found)
        case tuple() | list():
            return [tree_of(item) for item in found]
        case Params() | AuthParams():
            return _params(tuple(found))
        case SipUri() | TelUri() | OtherUri():
            return _uri(found)
    return _value(found)


def pairs_of(tree: Tree, label: str = "", within: str = "") -> list[Pair]:
    """A tree for people: its leaves in order, each with a label. Parameters of a URI are told from those beside it."""
    if isinstance(tree, dict):
        found: list[Pair] = []
        for name, part in tree.items():
            if within == "params":
                found.append((f"{label} {name}".strip(), "" if part is None else _leaf(part)))
            elif name in ("params", "headers"):
                found += pairs_of(part, "URI" if label == "uri" else "", "params")
            else:
                found += pairs_of(part, name)
        return found
    if isinstance(tree, list):
        return [pair for item in tree for pair in pairs_of(item, label)]
    return [(label.replace("_", " "), _leaf(tree))]


def _leaf(tree: Tree) -> str:
    return str(tree).lower() if isinstance(tree, bool) else str(tree)


def _value(found: object) -> Tree:
    """One of the classes in `sipcore.message.fields`: those whose parts go by better names, then all others."""
    match found:
        case Address(uri=uri, params=params):
            return _filled({"display_name": found.display_name, "uri": uri, "params": params})
        case Via(name="SIP", version="2.0"):
            return _parts(found, "name", "version")
        case MediaType(params=params):
            return _filled({"type": found.essence, "params": params})
        case Date(when=when):
            return when.isoformat()
        case Credentials() | AuthenticationInfo():
            return _proof(found)
    return _parts(found)


def _uri(uri: Uri) -> Tree:
    if not isinstance(uri, SipUri):
        return {"scheme": uri.scheme, **_parts(uri, "text", "rest"), "text": cover_uris(encodable(str(uri)))}
    return _filled(
        {
            "scheme": uri.scheme,
            "user": uri.user,
            "password": None if uri.password is None else HIDDEN,
            "host": uri.host,
            "port": uri.port,
            "params": uri.params,
            "headers": Params(tuple((n, _hidden(n.lower(), c)) for n, c in uri.header_items())),
        }
    )


def _hidden(name: str, content: str) -> str:
    return HIDDEN if name.endswith("authorization") else content


def _proof(found: Credentials | AuthenticationInfo) -> Tree:
    """Of Digest all but the proofs, of any other scheme nothing but its name."""
    if isinstance(found, Credentials) and not found.is_digest:
        return {"scheme": found.scheme, "params": {name.lower(): HIDDEN for name, _ in found.params}}
    shown = tuple((name, HIDDEN if name.lower() in PROOFS else content) for name, content in found.params)
    return _filled({"scheme": found.scheme, "params": AuthParams(shown)})


def _params(items: tuple[tuple[str, str | None], ...]) -> Tree:
    """Of parameters that stand twice the first counts, as it does where they are read (`Params.get`)."""
    read: dict[str, Tree] = {}
    for name, content in items:
        read.setdefault(encodable(name.lower()), tree_of(content))
    return read


def _parts(found: object, *left_out: str) -> dict[str, Tree]:
    """The fields of any other value, by their own names."""
    if not dataclasses.is_dataclass(found) or isinstance(found, type):
        return {"text": encodable(str(found))}
    names = [field.name for field in dataclasses.fields(found) if field.name not in left_out]
    return _filled({name: getattr(found, name) for name in names})


def _filled(parts: dict[str, object]) -> dict[str, Tree]:
    read = {name: tree_of(part) for name, part in parts.items()}
    return {name: tree for name, tree in read.items() if tree not in (None, "", {}, [])}
