"""sipmessage: regular expressions throughout; typed views are made anew at each access."""

import datetime
import operator
from collections.abc import Callable, Mapping
from importlib.metadata import version

import sipmessage

from benchmarks.peers.messages import Plain, Route
from benchmarks.peers.peer import Full, Peer

TYPED: dict[str, Callable[[sipmessage.Message], object]] = {
    "accept": operator.attrgetter("accept"),
    "call-id": operator.attrgetter("call_id"),
    "contact": operator.attrgetter("contact"),
    "content-length": operator.attrgetter("content_length"),
    "content-type": operator.attrgetter("content_type"),
    "cseq": operator.attrgetter("cseq"),
    "date": operator.attrgetter("date"),
    "from": operator.attrgetter("from_address"),
    "max-forwards": operator.attrgetter("max_forwards"),
    "p-asserted-identity": lambda message: sipmessage.Address.parse_many(message.headers["P-Asserted-Identity"]),
    "proxy-authenticate": operator.attrgetter("proxy_authenticate"),
    "record-route": operator.attrgetter("record_route"),
    "server": operator.attrgetter("server"),
    "supported": operator.attrgetter("supported"),
    "to": operator.attrgetter("to_address"),
    "user-agent": operator.attrgetter("user_agent"),
    "via": operator.attrgetter("via"),
}
"""The library's own view of each header field; the others it leaves as text."""


def read_route(data: bytes) -> Route:
    """The route of the message in `data`."""
    message = sipmessage.Message.parse(data)
    start = (message.method, message.uri) if isinstance(message, sipmessage.Request) else (message.code, message.phrase)
    cseq = message.cseq
    return (
        *start,
        message.via[0].parameters.get("branch"),
        message.from_address.parameters.get("tag"),
        message.to_address.parameters.get("tag"),
        message.call_id,
        cseq.sequence,
        cseq.method,
    )


def read_full(data: bytes) -> Full:
    """Every header field that the library has a type for, and the message written again."""
    message = sipmessage.Message.parse(data)
    names = message.headers.keys()
    typed: dict[str, object] = {}
    for name in names:
        view = TYPED.get(name.lower())
        typed[name] = view(message) if view else message.headers.getlist(name)
    return typed, bytes(message)


def plain(value: object) -> Plain:
    """The plain form of one of the library's values."""
    match value:
        case None | int() | str():
            return value
        case list():
            return [plain(each) for each in value]
        case Mapping():
            return {name: plain(each) for name, each in value.items()}
        case datetime.datetime():
            return value.isoformat()
        case sipmessage.Via():
            return {
                "transport": value.transport,
                "host": value.host,
                "port": value.port,
                "params": plain(value.parameters),
            }
        case sipmessage.Address():
            return {"display": value.name or None, "uri": str(value.uri), "params": plain(value.parameters)}
        case sipmessage.CSeq():
            return {"number": value.sequence, "method": value.method}
        case sipmessage.MediaType():
            return {"value": value.mime_type, "params": plain(value.parameters)}
        case sipmessage.AuthChallenge():
            return {"value": value.scheme, "params": plain(value.parameters)}
        case _:
            raise TypeError(f"no plain form for {value!r}")


PEER = Peer("sipmessage", version("sipmessage"), read_route, read_full, plain)
