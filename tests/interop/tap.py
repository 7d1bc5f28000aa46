"""What crosses an endpoint's wires, kept to be looked at."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sipcore.auth.session import AuthSession
from sipcore.endpoint.call import Call, CallFailure
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.errors import SipError
from sipcore.message.message import Message, Request, Response
from sipcore.message.method import INVITE
from sipcore.message.parser import parse_message
from sipcore.message.uri import parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow
from sipcore.sdp.attributes import PCMU
from sipcore.sdp.build import audio_description
from sipcore.trace import Direction, MessageTrace, TraceRecord
from tests.interop.lab import HOST

MEDIA_PORT = 9
"""Where offers ask for media: the port of `discard`, on which nothing listens."""


class Tap:
    """The messages of one endpoint in their order, retransmissions left out, each with the flow that it took."""

    def __init__(self) -> None:
        self.log: list[tuple[Direction, Flow, Message]] = []
        self._received: set[tuple[Flow, bytes]] = set()

    def take(self, record: TraceRecord) -> None:
        """Keep a message; the other records pass."""
        if isinstance(record, MessageTrace) and record.attempt == 0:
            if record.direction is Direction.RECEIVED:
                if (record.flow, record.data) in self._received:  # a machine that stalls makes the peer repeat itself
                    return
                self._received.add((record.flow, record.data))
            self.log.append((record.direction, record.flow, parse_message(record.data)))

    def sent(self, *methods: str) -> list[Request]:
        """The requests that were sent, or those of some methods."""
        requests = [message for way, _, message in self.log if way is Direction.SENT and isinstance(message, Request)]
        return [request for request in requests if not methods or request.method in methods]

    def statuses(self) -> list[int]:
        """The status of each response that was received."""
        received = [message for way, _, message in self.log if way is Direction.RECEIVED]
        return [message.status for message in received if isinstance(message, Response)]

    def ports(self, method: str) -> list[int]:
        """The remote port that each request of a method was sent to."""
        sent = [(flow, message) for way, flow, message in self.log if way is Direction.SENT]
        return [flow.remote.port for flow, message in sent if isinstance(message, Request) and message.method == method]


@asynccontextmanager
async def tapped(config: EndpointConfig | None = None) -> AsyncIterator[tuple[Endpoint, Tap]]:
    """An endpoint, and what crosses its wires."""
    async with Endpoint(config) as endpoint:
        tap = Tap()
        endpoint.subscribe(tap.take)
        yield endpoint, tap


def invitation(endpoint: Endpoint, uri: str, auth: AuthSession | None = None) -> Order:
    """A call to `uri`, with an offer of plain audio."""
    offer = audio_description(address=HOST, port=MEDIA_PORT, session_id=1, session_version=1, codecs=[PCMU])
    target = parse_uri(uri)
    request = endpoint.new_request(INVITE, target, body=bytes(offer), content_type="application/sdp")
    return Order(request, target, "lab", auth)


async def outcome_of(call: Call) -> tuple[Response | None, SipError | None]:
    """The final response to a call, and what went wrong where it was not that alone."""
    try:
        return await call.answered(), None
    except CallFailure as failure:
        return failure.response, failure.cause
