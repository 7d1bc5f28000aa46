"""Two stacks joined by a list and a float: whole calls without a socket, a clock or chance."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from sipcore.events import CallReceived, Output, Prepare, Resolve
from sipcore.message.address import Address
from sipcore.message.build import Identity
from sipcore.message.build import request as build_request
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.message.uri import SipUri, parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.sdp.attributes import PCMU
from sipcore.sdp.build import audio_description
from sipcore.stack import Stack
from sipcore.stack_config import StackConfig
from sipcore.tokens import Tokens
from sipcore.trace import Stamp
from sipcore.transactions.effects import Transmit

ALICE = SocketAddress("192.0.2.1", 5060)
BOB = SocketAddress("192.0.2.2", 5060)
SDP = "application/sdp"
DELAY = 0.01
T = TypeVar("T")
"""Seconds from one side to the other."""


@lru_cache
def description(address: SocketAddress) -> bytes:
    """What one side offers or answers: one stream of PCMU."""
    return bytes(audio_description(address=address.host, port=40000, session_id=1, session_version=1, codecs=[PCMU]))


def seeded(seed: int) -> Tokens:
    return Tokens(random.Random(seed).randbytes)


@dataclass(slots=True)
class Side:
    """One end: its stack, where it lives, what it learned, and what it sent."""

    stack: Stack
    address: SocketAddress
    events: list[Output] = field(default_factory=list)
    sent: list[tuple[float, bytes]] = field(default_factory=list)

    def told(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    def messages(self) -> list[Request | Response]:
        """What it sent, read."""
        return [parse_message(data) for _, data in self.sent]

    def starts(self) -> list[str]:
        """What it sent, in short: the method of each request, the status of each response with its method."""
        return [
            message.method if isinstance(message, Request) else f"{message.status} {message.cseq.method}"
            for message in self.messages()
        ]


@dataclass(slots=True)
class Wire:
    """Carries what either side sends to the other, DELAY later, save what `lose` says is lost (ordinal, bytes)."""

    transport: Transport = Transport.UDP
    seed: int = 1
    lose: Callable[[int, bytes], bool] = lambda ordinal, data: False
    alter: Callable[[bytes], bytes] = lambda data: data
    """What becomes of the bytes on their way."""
    now: float = 0.0
    config: StackConfig = field(default_factory=StackConfig)
    bobs_config: StackConfig | None = None
    alice: Side = field(init=False)
    bob: Side = field(init=False)
    flying: list[tuple[float, int, Side, bytes]] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        self.alice = Side(Stack(self.config, seeded(self.seed)), ALICE)
        self.bob = Side(Stack(self.bobs_config or self.config, seeded(self.seed + 1)), BOB)

    def run(self, seconds: float) -> None:
        """Let time pass: deliver what flies, fire what is due, in order."""
        end = self.now + seconds
        while True:
            self.pump()
            moments = [when for when, *_ in self.flying]
            moments += [due for side in (self.alice, self.bob) if (due := side.stack.next_timeout()) is not None]
            if not moments or min(moments) > end:
                break
            self.now = max(self.now, min(moments))
            for item in sorted(self.flying, key=lambda item: item[:2]):
                if item[0] <= self.now:
                    self.flying.remove(item)
                    self.deliver(item[2], item[3])
            for side in (self.alice, self.bob):
                side.stack.handle_timeout(self.now)
        self.now = end

    def deliver(self, side: Side, data: bytes) -> None:
        remote = BOB if side is self.alice else ALICE
        flow = Flow(self.transport, side.address, remote, accepted=side is self.bob)
        side.stack.receive(data, flow, Stamp(self.now), self.now)
        self.pump()

    def pump(self) -> None:
        """Carry out what the stacks ask for, until they ask for nothing more."""
        busy = True
        while busy:
            busy = False
            for side in (self.alice, self.bob):
                for output in side.stack.drain():
                    busy = True
                    self.carry_out(side, output)

    def carry_out(self, side: Side, output: Output) -> None:
        match output:
            case Resolve(ticket, Prepare(hop)):
                prepared = Hop(hop.transport, hop.remote, side.address, hop.tls_name, hop.why)
                side.stack.resolved(ticket, prepared, self.now)
            case Transmit():
                side.sent.append((self.now, output.data))
                self.count += 1
                if not self.lose(self.count, output.data):
                    other = self.bob if side is self.alice else self.alice
                    self.flying.append((self.now + DELAY, self.count, other, self.alter(output.data)))
            case _:
                side.events.append(output)

    def call(self, *, offer: bytes = description(ALICE), redirects: int = 0) -> int:
        """Alice calls Bob."""
        invite = self.request("INVITE", offer, SDP if offer else "")
        return self.alice.stack.call(Order(invite, Hop(self.transport, BOB), "alice"), self.now, redirects=redirects)

    def up(self, *, offer: bytes = description(ALICE), answer: bytes = description(BOB)) -> tuple[int, int]:
        """A call that is up: its numbers at Alice's and at Bob's."""
        number = self.call(offer=offer)
        self.run(0.1)
        received = self.bob.told(CallReceived)[-1]
        self.accept(received.call, answer=answer)
        self.run(0.1)
        return number, received.call

    def accept(self, call: int, *, answer: bytes = description(BOB)) -> None:
        """Bob picks up."""
        self.bob.stack.accept(call, self.now, body=answer, content_type=SDP if answer else "")

    def request(self, method: str, body: bytes = b"", content_type: str = "") -> Request:
        sender = Address(SipUri("atlanta.example", "alice")).with_tag("a1")
        identity = Identity(sender, Address(SipUri("biloxi.example", "bob")), "call-1")
        uri = parse_uri(f"sip:bob@{BOB}")
        return build_request(method, uri, identity, body=body, content_type=content_type)

    def ladder(self) -> str:
        """What crossed the wire, as one text: the time, who sent it, and the message's exact bytes."""
        rows = [(when, "alice", data) for when, data in self.alice.sent]
        rows += [(when, "bob", data) for when, data in self.bob.sent]
        return "\n".join(
            f"{when:.3f} {who}\n{data.decode()}" for when, who, data in sorted(rows, key=lambda row: row[0])
        )
