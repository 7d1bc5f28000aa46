"""sipcore: ours, the subject."""

from importlib.metadata import PackageNotFoundError, version

from benchmarks.peers.messages import Plain, Route
from benchmarks.peers.peer import Full, Peer
from sipcore.message.address import Address
from sipcore.message.fields.auth_params import AuthParams
from sipcore.message.fields.challenge import Challenge
from sipcore.message.fields.date import Date
from sipcore.message.fields.media_type import MediaType
from sipcore.message.fields.preference import Preference
from sipcore.message.fields.simple import CSeq
from sipcore.message.fields.timing import MinSE, SessionExpires
from sipcore.message.fields.via import Via
from sipcore.message.message import Request
from sipcore.message.params import Params
from sipcore.message.parser import parse_message


def read_route(data: bytes) -> Route:
    """The route of the message in `data`."""
    message = parse_message(data)
    start = (message.method, message.uri_text) if isinstance(message, Request) else (message.status, message.reason)
    branch, cseq, _, _ = message.top
    return (*start, branch, message.from_tag, message.to_tag, message.call_id, cseq.number, cseq.method)


def read_full(data: bytes) -> Full:
    """Every header field typed, and the message written again."""
    message = parse_message(data)
    typed = {row.name: value for row, value in message.headers.typed().items()}
    return typed, bytes(message)


def plain(value: object) -> Plain:
    """The plain form of one of our values."""
    match value:
        case None | int() | str():
            return value
        case tuple():
            return [plain(each) for each in value]
        case Params() | AuthParams():
            return {name: None if content is None else value.text(name) for name, content in value}
        case Via():
            return {"transport": value.transport, "host": value.host, "port": value.port, "params": plain(value.params)}
        case Address():
            return {"display": value.display_name or None, "uri": str(value.uri), "params": plain(value.params)}
        case CSeq():
            return {"number": value.number, "method": value.method}
        case Date():
            return value.when.isoformat()
        case MediaType():
            return {"value": value.essence, "params": plain(value.params)}
        case Preference():
            return {"value": value.name, "params": plain(value.params)}
        case SessionExpires() | MinSE():
            return {"value": value.seconds, "params": plain(value.params)}
        case Challenge():
            return {"value": value.scheme, "params": plain(value.params)}
        case _:
            raise TypeError(f"no plain form for {value!r}")


def _version() -> str:
    try:
        return version("sipcore")
    except PackageNotFoundError:
        return "from source"


PEER = Peer("sipcore", _version(), read_route, read_full, plain)
