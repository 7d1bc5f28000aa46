"""aiosipua: splits by hand, character by character for lists; typed views are made anew at each access."""

import operator
from collections.abc import Callable
from importlib.metadata import version

import aiosipua

from benchmarks.peers.messages import Plain, Route
from benchmarks.peers.peer import Full, Peer

TYPED: dict[str, Callable[[aiosipua.SipMessage], object]] = {
    "call-id": operator.attrgetter("call_id"),
    "contact": operator.attrgetter("contact"),
    "content-length": operator.attrgetter("content_length"),
    "cseq": operator.attrgetter("cseq"),
    "from": operator.attrgetter("from_addr"),
    "p-asserted-identity": lambda message: aiosipua.parse_address(message.get_header("P-Asserted-Identity")),
    "proxy-authenticate": lambda message: aiosipua.parse_auth(message.get_header("Proxy-Authenticate")),
    "record-route": lambda message: [
        aiosipua.parse_address(each) for each in message.get_header_values("Record-Route")
    ],
    "to": operator.attrgetter("to_addr"),
    "via": operator.attrgetter("via"),
}
"""The library's view of each header field, or its parser where it has no view; the others it leaves as text."""


def read_route(data: bytes) -> Route:
    """The route of the message in `data`."""
    message = aiosipua.SipMessage.parse(data)
    is_request = isinstance(message, aiosipua.SipRequest)
    start = (message.method, message.uri) if is_request else (message.status_code, message.reason_phrase)
    cseq = message.cseq
    return (
        *start,
        message.via[0].branch,
        message.from_addr.tag,
        message.to_addr.tag,
        message.call_id,
        cseq.seq,
        cseq.method,
    )


def read_full(data: bytes) -> Full:
    """Every header field that the library has a type for, and the message written again."""
    message = aiosipua.SipMessage.parse(data)
    typed: dict[str, object] = {}
    for name, values in message.headers.items():
        view = TYPED.get(name.lower())
        typed[name] = view(message) if view else values
    return typed, bytes(message)


def plain(value: object) -> Plain:
    """The plain form of one of the library's values."""
    match value:
        case None | int() | str():
            return value
        case list():
            return [plain(each) for each in value]
        case dict():
            return {name: plain(each) for name, each in value.items()}
        case aiosipua.Via():
            return {"transport": value.transport, "host": value.host, "port": value.port, "params": plain(value.params)}
        case aiosipua.Address():
            return {
                "display": value.display_name,
                "uri": aiosipua.stringify_uri(value.uri),
                "params": plain(value.params),
            }
        case aiosipua.CSeq():
            return {"number": value.seq, "method": value.method}
        case aiosipua.AuthChallenge():
            return {"value": value.scheme, "params": plain(value.params)}
        case _:
            raise TypeError(f"no plain form for {value!r}")


PEER = Peer("aiosipua", version("aiosipua"), read_route, read_full, plain)
