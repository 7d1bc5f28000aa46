"""sippy: reads text, so decoding is part of its work; parses header fields on first use, writes them anew."""

from importlib.metadata import version

from sippy.SipAddressHF import SipAddressHF
from sippy.SipAllow import SipAllow
from sippy.SipContentType import SipContentType
from sippy.SipCSeq import SipCSeq
from sippy.SipNumericHF import SipNumericHF
from sippy.SipRequest import SipRequest
from sippy.SipResponse import SipResponse
from sippy.SipSupported import SipSupported
from sippy.SipVia import SipVia
from sippy.SipWWWAuthenticate import SipWWWAuthenticate

from benchmarks.peers.messages import Plain, Route
from benchmarks.peers.peer import Full, Peer

NAMES = {"call-id": "Call-ID", "cseq": "CSeq", "min-se": "Min-SE"}
"""How the names that the library keeps in lower case are spelled, where capitals at each hyphen would be wrong."""


def parse(data: bytes) -> SipRequest | SipResponse:
    """The message in `data`; the library wants to be told whether it is a request or a response."""
    text = data.decode()
    return SipResponse(text) if text.startswith("SIP/2.0") else SipRequest(text)


def read_route(data: bytes) -> Route:
    """The route of the message in `data`."""
    message = parse(data)
    start = (message.scode, message.reason) if isinstance(message, SipResponse) else (message.method, message.ruri)
    return (
        *start,
        message.getHFBody("via").getBranch(),
        message.getHFBody("from").getTag(),
        message.getHFBody("to").getTag(),
        message.getHFBody("call-id").body,
        *message.getHFBody("cseq").getCSeq(),
    )


def read_full(data: bytes) -> Full:
    """Every header field but Content-Length, which is private, parsed, and the message written again."""
    message = parse(data)
    typed: dict[str, list[object]] = {}
    for header in message.headers:
        typed.setdefault(header.name, []).append(header.getBody())
    if message.body is not None:
        typed["content-type"] = [message.body.mtype]
    return {NAMES.get(name, name.title()): values for name, values in typed.items()}, str(message).encode()


def plain(value: object) -> Plain:
    """The plain form of the library's values for one header field; a field that it does not know is its text."""
    assert isinstance(value, list)
    parts = [_plain(each) for each in value]
    return parts[0] if len(parts) == 1 and isinstance(parts[0], list) else parts


def _plain(value: object) -> Plain:
    match value:
        case SipVia():
            return {"transport": value.transport, "host": value.hostname, "port": value.port, "params": value.params}
        case SipAddressHF():
            address = value.address
            return {"display": address.name or None, "uri": str(address.url), "params": address.params}
        case SipCSeq():
            return {"number": value.cseq, "method": value.method}
        case SipNumericHF():
            return int(value.number)
        case SipAllow():
            return [str(each) for each in value.methods]
        case SipSupported():
            return [str(each) for each in value.caps]
        case SipContentType():
            return {"value": value.name, "params": value.params}
        case SipWWWAuthenticate():
            params = {"realm": value.realm, "nonce": value.nonce, "opaque": value.opaque, "algorithm": value.algorithm}
            return {"value": "Digest", "params": params | {"qop": ",".join(value.qop)} | dict(value.otherparams)}
        case _:
            return str(value)


PEER = Peer("sippy", version("sippy"), read_route, read_full, plain)
