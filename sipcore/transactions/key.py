"""Which transaction a message belongs to: RFC 3261 §17.1.3 (responses), §17.2.3 (requests), §9.2 (CANCEL).

Branches and hosts compare without case, as all tokens do (§7.3.1); methods compare with it (§7.1). The kinds of keys
are tuples of different lengths, so they never equal one another and share one dictionary.
"""

from typing import NamedTuple

from sipcore.errors import ParseError
from sipcore.message.fields.via import Via
from sipcore.message.message import Request, Response
from sipcore.message.method import ACK, CANCEL, INVITE, KNOWN
from sipcore.resolve.target import DEFAULT_PORT, SocketAddress, Transport
from sipcore.tokens import MAGIC_COOKIE

_COOKIE = MAGIC_COOKIE.lower()
_new = tuple.__new__  # half the time of calling the class
_DEFAULT_PORTS = {transport.value: transport.default_port for transport in Transport}


class ClientKey(NamedTuple):
    """A client transaction: the branch in lower case, and the method (RFC 3261 §17.1.3)."""

    branch: str
    method: str

    def __str__(self) -> str:
        return " ".join(self)


class ServerKey(NamedTuple):
    """A server transaction: branch and sent-by in lower case, and the method (RFC 3261 §17.2.3)."""

    branch: str
    sent_by: str
    method: str

    def __str__(self) -> str:
        return " ".join(self)


class LegacyKey(NamedTuple):
    """A server transaction whose client is of RFC 2543, without a branch to go by (RFC 3261 §17.2.3).

    The To tag is left out: an ACK has that of the response, not of the INVITE. The layer looks at it.
    """

    via: str
    uri: str
    from_tag: str
    call_id: str
    cseq: int
    method: str

    def __str__(self) -> str:
        return " ".join(map(str, self))


class MergeKey(NamedTuple):
    """What two requests share that are one, come by two ways (RFC 3261 §8.2.2.2)."""

    from_tag: str
    call_id: str
    cseq: int
    method: str


AnyServerKey = ServerKey | LegacyKey
Key = ClientKey | ServerKey | LegacyKey


def client_key(message: Request | Response) -> ClientKey:
    """The key of the client transaction that a request begins, or a response belongs to (RFC 3261 §17.1.3).

    Raises ParseError where the topmost Via or CSeq cannot be read.
    """
    top = message.top
    return _new(ClientKey, (top[0].lower(), top[1].method))


def is_sent_by(response: Response, sent_by: str) -> bool:
    """Whether a response is to a request that was sent with `sent_by`, which is in lower case (RFC 3261 §18.1.2).

    A port that is not written is the transport's own (§18.1.1), and IPv6 has several spellings (RFC 5954 §4.2). With an
    empty `sent_by` nothing is known, nor asked. A Via that cannot be read is not the one that was sent.
    """
    if not sent_by:
        return True
    found = response.sent_by.lower()
    try:
        default = f":{_DEFAULT_PORTS.get(response.via.transport.upper(), DEFAULT_PORT)}"
    except ParseError:
        return False
    return _respelled(found.removesuffix(default)) == _respelled(sent_by.removesuffix(default))


def server_key(request: Request) -> AnyServerKey:
    """The key of the server transaction that a request begins or belongs to (RFC 3261 §17.2.3).

    An ACK has the key of its INVITE. A branch that is nothing but the magic cookie is unique to nothing, so it is
    treated as none (RFC 4475 §3.2.1). Raises ParseError where what the key is made of cannot be read.
    """
    method = INVITE if request.method == ACK else request.method
    branch = request.branch.lower()
    if branch.startswith(_COOKIE) and branch != _COOKIE:
        return ServerKey(branch, request.sent_by.lower(), method)
    from_tag = request.from_tag or ""
    return LegacyKey(_comparable(request.via), request.uri_text, from_tag, request.call_id, request.cseq.number, method)


def cancelled_keys(cancel: AnyServerKey) -> tuple[AnyServerKey, ...]:
    """The keys that the request which a CANCEL cancels may have, the likeliest first.

    RFC 3261 §9.2 takes any method but CANCEL and ACK; methods that nobody registered are not looked for.
    """
    return tuple(cancel._replace(method=method) for method in KNOWN if method not in (CANCEL, ACK))


def merge_key(request: Request) -> MergeKey | None:
    """What tells that a request is merged with another, or None when it cannot be (RFC 3261 §8.2.2.2).

    That is one within a dialog. A CANCEL is none either: it goes along with each copy of what it cancels.
    """
    if request.method == CANCEL or request.to_tag is not None:
        return None
    return MergeKey(request.from_tag or "", request.call_id, request.cseq.number, request.method)


def _respelled(sent_by: str) -> str:
    """A sent-by with an IPv6 address in its one spelling (RFC 5952 §4)."""
    host, bracket, port = sent_by.partition("]")
    return SocketAddress(host[1:], 0).host + port if bracket else sent_by


def _comparable(via: Via) -> str:
    """The Via in a form that is equal for equal ones (RFC 3261 §20.42)."""
    params = sorted((name.lower(), (content or "").lower()) for name, content in via.params)
    return f"{via.name}/{via.version}/{via.transport} {via.sent_by} {params}".lower()
