"""A user agent of this project among real ones: it listens on every transport, and keeps what crosses its wires."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from sipcore.auth.session import AuthSession
from sipcore.endpoint.call import Call, IncomingCall
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.events import CallChanged, CallConfirmed, CallEnded
from sipcore.message.address import Address
from sipcore.message.build import Fields
from sipcore.message.message import Message, Request, Response
from sipcore.message.method import INVITE
from sipcore.message.parser import parse_message
from sipcore.message.uri import SipUri, parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.sdp.attributes import PCMA, PCMU
from sipcore.sdp.build import audio_description
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.terms import SDP, Direction
from sipcore.stack_config import StackConfig
from sipcore.trace import Direction as Way
from sipcore.trace import MessageTrace, TraceRecord
from sipcore.transports.base import TlsConfig, TransportConfig
from tests.interop.certificates import Certificates
from tests.interop.lab import HOST, Lab, Server
from tests.interop.tap import MEDIA_PORT, Tap, tapped

UDP, TCP, TLS = TRANSPORTS = (Transport.UDP, Transport.TCP, Transport.TLS)
OWN_METHODS = ("INFO", "REFER", "NOTIFY", "MESSAGE")
"""What the tests answer themselves."""
PATIENCE = 30.0
"""Seconds for a whole test: ten times what the slowest one here needs."""

E = TypeVar("E")


def audio(direction: Direction = Direction.SENDRECV, version: int = 1) -> SessionDescription:
    """One stream of G.711, to where nobody listens."""
    return audio_description(
        address=HOST,
        port=MEDIA_PORT,
        session_id=1,
        session_version=version,
        codecs=[PCMU, PCMA],
        direction=direction,
    )


AUDIO = bytes(audio())


@dataclass(slots=True)
class Phone:
    """One endpoint, and its wires."""

    endpoint: Endpoint
    tap: Tap
    repeated: list[str] = field(default_factory=list)
    """What crossed the wires again, in short, as `story` tells what did so for the first time."""

    def port(self, transport: Transport) -> int:
        """Where it listens."""
        address = self.endpoint.transports.local_address(transport)
        assert address is not None
        return address.port

    def uri(self, user: str = "bob", transport: Transport = UDP) -> str:
        """What to call it by."""
        return uri(user, self.port(transport), transport)

    def call(
        self,
        uri: str,
        *,
        offer: bytes = AUDIO,
        caller: str = "",
        auth: AuthSession | None = None,
        fields: Fields = (),
        redirects: int = 0,
    ) -> AbstractAsyncContextManager[Call]:
        """Call somebody, as the user `caller` of the host that is called."""
        target = parse_uri(uri)
        assert isinstance(target, SipUri)
        sender = Address(SipUri(target.host, caller)) if caller else None
        kind = SDP if offer else ""
        request = self.endpoint.new_request(INVITE, target, from_=sender, fields=fields, body=offer, content_type=kind)
        return self.endpoint.call(Order(request, target, "lab", auth), redirects=redirects)

    async def rings(self) -> IncomingCall:
        """Wait for a call."""
        incoming = await self.endpoint.incoming().receive()
        assert isinstance(incoming, IncomingCall)
        return incoming

    async def picks_up(self, answer: bytes = AUDIO) -> IncomingCall:
        """Wait for a call, and answer it."""
        call = await self.rings()
        call.accept(body=answer, content_type=SDP)
        await told(call, CallConfirmed)
        return call

    def story(self, *methods: str) -> list[str]:
        """What crossed the wires, in short: → for what was sent; of some methods only, where they are given."""
        return [
            _label(way, message) for way, _, message in self.tap.log if not methods or message.cseq.method in methods
        ]

    def received(self, method: str) -> list[Request]:
        """The requests of a method that came."""
        heard = [message for way, _, message in self.tap.log if way is Way.RECEIVED]
        return [message for message in heard if isinstance(message, Request) and message.method == method]

    def answers(self, status: int) -> list[Response]:
        """The responses of a status that were sent."""
        said = [message for way, _, message in self.tap.log if way is Way.SENT]
        return [message for message in said if isinstance(message, Response) and message.status == status]

    def last(self, method: str) -> Request:
        """The last request of a method that was sent."""
        return self.tap.sent(method)[-1]

    def pass_time(self, seconds: float) -> None:
        """Have the timers of calls believe that so much time has passed."""
        self.endpoint.act(lambda stack, now: stack.handle_timeout(now + seconds))

    async def sees(self, label: str, count: int = 1) -> None:
        """Wait until a message has crossed the wires."""
        while self.story().count(label) < count:  # noqa: ASYNC110  # a trace has no end to wait for
            await trio.sleep(0.01)

    def take(self, record: TraceRecord) -> None:
        """Keep what crossed the wires again; the tap has the rest."""
        if isinstance(record, MessageTrace) and record.attempt:
            self.repeated.append(_label(record.direction, parse_message(record.data)))


def _label(way: Way, message: Message) -> str:
    status = f"{message.status} " if isinstance(message, Response) else ""
    return f"{'→' if way is Way.SENT else '←'}{status}{message.cseq.method}"


@asynccontextmanager
async def phone(lab: Lab, **stack: object) -> AsyncIterator[Phone]:
    """A phone that listens for UDP, TCP and TLS. Whatever fails tells what had crossed its wires by then."""
    async with tapped(_config(lab.certificates, StackConfig(methods=OWN_METHODS, **stack))) as (endpoint, tap):  # type: ignore[arg-type]
        opened = Phone(endpoint, tap)
        endpoint.subscribe(opened.take)
        try:
            yield opened
        except BaseException as error:
            error.add_note(f"what crossed the wires: {opened.story()}")
            raise


def _config(certificates: Certificates, stack: StackConfig) -> EndpointConfig:
    tls = TlsConfig(
        ca_file=str(certificates.ca),
        certificate=certificates.certificate.read_bytes(),
        key=certificates.key.read_bytes(),
    )
    bind = tuple((transport, SocketAddress(HOST, 0)) for transport in TRANSPORTS)
    return EndpointConfig(TransportConfig(bind=bind, tls=tls), stack=stack, takes_incoming=True)


def at(server: Server, user: str, transport: Transport = UDP) -> str:
    """The URI of a user of a server."""
    port = server.tls_port if transport is TLS else server.udp_port
    assert port is not None
    return uri(user, port, transport)


def uri(user: str, port: int, transport: Transport) -> str:
    """The URI of a user, or of nobody in particular, at a port of this machine."""
    where = f"{user}@{HOST}:{port}" if user else f"{HOST}:{port}"
    return f"sip:{where}" if transport is UDP else f"sip:{where};transport={transport.value.lower()}"


async def told(call: Call | IncomingCall, kind: type[E]) -> E:
    """Wait for an event of a call; what comes before it is passed over."""
    async for event in call:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"the call is over without {kind.__name__}: {call.end_reason}")


async def changed_remotely(call: Call | IncomingCall) -> CallChanged:
    """Wait for the next change that the other side has asked for."""
    while (changed := await told(call, CallChanged)).local:
        pass
    return changed


def direction(message: Message) -> Direction:
    """Which way the audio of a message goes."""
    session = SessionDescription.parse(message.body)
    return session.direction_of(session.media[0])


async def end_of(call: Call | IncomingCall) -> CallEnded:
    """Wait until a call has ended."""
    return await told(call, CallEnded)
