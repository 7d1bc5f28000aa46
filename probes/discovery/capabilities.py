"""What an endpoint can do: what its answers to OPTIONS say (RFC 3261 §11.2), and what it was seen to do."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from sipcore.errors import ParseError
from sipcore.message.message import Response
from sipcore.message.registry import (
    ALLOW,
    ALLOW_EVENTS,
    CONTENT_TYPE,
    PROXY_AUTHENTICATE,
    REQUIRE,
    SUPPORTED,
    WWW_AUTHENTICATE,
    Listed,
)
from sipcore.sdp.attributes import Codec
from sipcore.sdp.description import SessionDescription
from sipcore.value import value

T = TypeVar("T")

MAX_NAMED = 64
"""Methods or codecs that are told: all that are registered fit, what a hostile peer makes up does not."""


@value
class Authentication:
    """What a challenge asks for: who asked for it (the method and the status), the scheme, and whose passwords."""

    method: str
    status: int
    scheme: str
    realm: str
    algorithm: str = ""
    qop: str = ""


@value
class Capabilities:
    """What an endpoint can do. None stands for what was not tried, or did not come out.

    `received` and `rport` tell whether it says where a request came from, and obeys rport (RFC 3581 §4).
    `largest_datagram` is the largest request over UDP, in bytes, that was answered. `keep_alive_udp` tells whether it
    answers STUN on its SIP port, `keep_alive_stream` whether it answers CRLFCRLF over a connection (RFC 5626 §4.4).
    """

    methods: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()
    authentication: tuple[Authentication, ...] = ()
    received: bool | None = None
    rport: bool | None = None
    largest_datagram: int | None = None
    keep_alive_udp: bool | None = None
    keep_alive_stream: bool | None = None


def told_by(responses: Sequence[Response]) -> Capabilities:
    """What answers to OPTIONS tell; each thing by the first of them that tells anything about it."""
    return Capabilities(
        _first(methods_of, responses),
        _first(lambda response: _listed(response, SUPPORTED), responses),
        _first(lambda response: _listed(response, REQUIRE), responses),
        _first(lambda response: _listed(response, ALLOW_EVENTS), responses),
        _first(codecs_of, responses),
        _first(lambda response: challenges_of(response, "OPTIONS"), responses),
    )


def challenges_of(response: Response, method: str) -> tuple[Authentication, ...]:
    """What a 401 or 407 to a request of some method asks for (RFC 3261 §22)."""
    if response.status not in (401, 407):
        return ()
    try:
        found = [*response[WWW_AUTHENTICATE], *response[PROXY_AUTHENTICATE]]
    except ParseError:
        return ()
    return tuple(
        Authentication(
            method,
            response.status,
            one.scheme,
            one.realm or "",
            one.algorithm if one.is_digest else "",
            ", ".join(one.qop_options),
        )
        for one in found[:MAX_NAMED]
    )


def _first(read: Callable[[Response], tuple[T, ...]], responses: Iterable[Response]) -> tuple[T, ...]:
    return next((found for found in map(read, responses) if found), ())


def _listed(response: Response, row: Listed[T]) -> tuple[str, ...]:
    """A list of names, in its order, without what comes twice; none where it cannot be read."""
    try:
        return tuple(dict.fromkeys(map(str, response[row])))[:MAX_NAMED]
    except ParseError:
        return ()


def methods_of(response: Response) -> tuple[str, ...]:
    """The methods of Allow, in its order; none where it is missing or cannot be read."""
    try:
        return tuple(dict.fromkeys(response[ALLOW]))[:MAX_NAMED]
    except ParseError:
        return ()


def codecs_of(response: Response) -> tuple[str, ...]:
    """The codecs of the session description that came with it, as `PCMU/8000`; none without one that can be read."""
    try:
        kind = response[CONTENT_TYPE]
        if kind is None or kind.essence != "application/sdp":
            return ()
        description = SessionDescription.parse(response.body, [])
        # RFC 3261 §11.2 has the peer describe what it can do, so that a port of 0 refuses nothing here.
        named = [_name(codec) for media in description.media for codec in media.codecs]
    except ParseError:
        return ()
    return tuple(dict.fromkeys(named))[:MAX_NAMED]


def _name(codec: Codec) -> str:
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    return f"{codec.encoding}/{codec.clock_rate}{channels}"
