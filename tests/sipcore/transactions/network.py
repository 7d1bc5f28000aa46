"""Two transaction layers and their users, joined by a list and a float instead of a network and a clock."""

import random
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from sipcore.message import build
from sipcore.message.address import Address
from sipcore.message.fields.via import via_for
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.message.uri import parse_uri
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.tokens import Tokens
from sipcore.transactions.effects import (
    AckReceived,
    CancelReceived,
    Effect,
    RequestReceived,
    ResponseReceived,
    TransactionFailed,
    Transmit,
)
from sipcore.transactions.key import AnyServerKey, ClientKey
from sipcore.transactions.layer import TransactionLayer
from sipcore.transactions.timers import DEFAULT_TIMERS, NEVER
from tests.sipcore.transactions.rig import start_word

CALLER = SocketAddress("192.0.2.1", 5060)
CALLEE = SocketAddress("192.0.2.2", 5060)
RING_AFTER, ANSWER_AFTER = 0.25, 1.5
"""Seconds after which the callee rings, and answers."""


class Network:
    """Carries bytes between two layers, late, twice, out of order or not at all, as a seeded random source has it."""

    def __init__(
        self,
        *,
        seed: int = 1,
        transport: Transport = Transport.UDP,
        loss: float = 0.0,
        duplication: float = 0.0,
        delay: tuple[float, float] = (0.06, 0.06),
        lost: tuple[str, ...] = (),
        tracing: bool = False,
    ) -> None:
        """`lost` are methods and status codes of messages that do not arrive, each entry for one."""
        self.now = 0.0
        self.random = random.Random(seed)
        self.tokens = Tokens(self.random.randbytes)
        self.loss = loss
        self.duplication = duplication
        self.delay = delay
        self.lost = list(lost)
        self.log: list[tuple[float, str, Effect]] = []
        self.caller = Caller(self, "caller", Flow(transport, CALLER, CALLEE), tracing=tracing)
        self.callee = Callee(self, "callee", Flow(transport, CALLEE, CALLER), tracing=tracing)
        self._serial = count()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Do something later; what is due at the same time happens in the order in which it was asked for."""
        heappush(self._agenda, (when, next(self._serial), act))

    def carry(self, source: "User", data: bytes) -> None:
        """Take a message from one user to the other."""
        target = self.callee if source is self.caller else self.caller
        if (word := start_word(data)) in self.lost:
            self.lost.remove(word)
            return
        for _ in range(2 if self.random.random() < self.duplication else 1):
            if self.random.random() >= self.loss:
                self.at(self.now + self.random.uniform(*self.delay), lambda: target.arrive(data))

    def run(self, until: float) -> None:
        """Let everything happen up to a time, in order."""
        while True:
            agenda = self._agenda[0][0] if self._agenda else NEVER
            wakes = [(user.layer.next_timeout() or NEVER, user) for user in (self.caller, self.callee)]
            wake, sleeper = min(wakes, key=lambda pair: pair[0])
            if min(agenda, wake) > until:
                break
            self.now = min(agenda, wake)
            if agenda <= wake:
                heappop(self._agenda)[2]()
            else:
                sleeper.layer.handle_timeout(self.now)
                sleeper.settle()
        self.now = until


class User:
    """A transaction user with its layer, at one end of the network."""

    def __init__(self, network: Network, name: str, flow: Flow, *, tracing: bool) -> None:
        self.network = network
        self.name = name
        self.flow = flow
        self.layer = TransactionLayer(DEFAULT_TIMERS, tracing=tracing)
        self._settling = False

    def arrive(self, data: bytes) -> None:
        """Bytes come in."""
        self.layer.receive(parse_message(data), self.flow, self.network.now)
        self.settle()

    def settle(self) -> None:
        """Do what the layer wants done, until it wants nothing more; what comes of that is done after the rest."""
        if self._settling:
            return
        self._settling = True
        while effects := self.layer.drain():
            for effect in effects:
                self.network.log.append((self.network.now, self.name, effect))
                if isinstance(effect, Transmit):
                    self.network.carry(self, effect.data)
                else:
                    self.take(effect)
        self._settling = False

    def take(self, effect: Effect) -> None:
        """Something for the transaction user."""


class Caller(User):
    """Sends requests, acknowledges 2xx, and remembers what became of each request."""

    def __init__(self, network: Network, name: str, flow: Flow, *, tracing: bool) -> None:
        super().__init__(network, name, flow, tracing=tracing)
        self.sent: dict[ClientKey, Request] = {}
        self.finals: dict[ClientKey, list[int]] = {}
        self.failed: dict[ClientKey, TransactionFailed] = {}

    def send(self, method: str, user: str = "bob") -> ClientKey:
        """Begin a transaction. The callee answers by the user's name: a number is a final status."""
        tokens, local = self.network.tokens, self.flow.local
        uri = parse_uri(f"sip:{user}@{CALLEE.host}")
        alice = Address.parse(f"<sip:alice@{CALLER.host}>").with_tag(tokens.tag())
        identity = build.Identity(alice, Address.parse(f"<{uri}>"), tokens.call_id())
        via = via_for(self.flow.transport.value, local.host, local.port, tokens.branch())
        message = build.request(method, uri, identity, via=via)
        key = self.layer.send_request(message, self.hop(), self.network.now)
        self.sent[key] = message
        self.settle()
        return key

    def cancel(self, key: ClientKey) -> None:
        """Give an INVITE up."""
        self.layer.cancel(key, self.network.now)
        self.settle()

    def hop(self) -> Hop:
        """Where everything is sent."""
        return self.flow.hop

    def take(self, effect: Effect) -> None:
        """Count final responses; acknowledge every 2xx to an INVITE (RFC 3261 §13.2.2.4)."""
        if isinstance(effect, ResponseReceived) and not effect.response.is_provisional:
            self.finals.setdefault(effect.key, []).append(effect.response.status)
            if effect.key.method == "INVITE" and effect.response.is_success:
                self.acknowledge(self.sent[effect.key], effect.response)
        elif isinstance(effect, TransactionFailed) and isinstance(effect.key, ClientKey):
            self.failed[effect.key] = effect

    def acknowledge(self, invite: Request, response: Response) -> None:
        """The ACK of a 2xx is no transaction: it goes straight to the transport (RFC 3261 §17.1)."""
        via = invite.via.with_param("branch", f"{invite.branch}-ack")
        self.network.carry(self, bytes(build.ack_for_failure(invite, response).with_header("Via", via)))


class Callee(User):
    """Answers OPTIONS at once and calls after ringing, and repeats a 2xx to an INVITE until its ACK comes."""

    def __init__(self, network: Network, name: str, flow: Flow, *, tracing: bool) -> None:
        super().__init__(network, name, flow, tracing=tracing)
        self.delivered: list[AnyServerKey] = []
        self.waiting: dict[str, AnyServerKey] = {}
        """Accepted INVITEs without an ACK, by Call-ID."""
        self.ringing: dict[AnyServerKey, Request] = {}

    def take(self, effect: Effect) -> None:
        """Answer requests, and stop repeating when an ACK comes."""
        if isinstance(effect, RequestReceived):
            self.delivered.append(effect.key)
            self.answer(effect.key, effect.request)
        elif isinstance(effect, CancelReceived):
            self.respond(effect.key, effect.request, 200 if effect.cancelled else 481)
            if effect.cancelled in self.ringing:
                self.respond(effect.cancelled, self.ringing.pop(effect.cancelled), 487)
        elif isinstance(effect, AckReceived):
            self.waiting.pop(effect.request.call_id, None)

    def answer(self, key: AnyServerKey, request: Request) -> None:
        """The user part of the Request-URI is the status of the answer; a name is answered with 200."""
        name = request.uri_text.partition(":")[2].partition("@")[0]
        status = int(name) if name.isdecimal() else 200
        if request.method != "INVITE":
            self.respond(key, request, status)
            return
        self.ringing[key] = request
        self.network.at(self.network.now + RING_AFTER, lambda: self.ring(key))
        if name != "nobody":
            self.network.at(self.network.now + ANSWER_AFTER, lambda: self.pick_up(key, status))

    def ring(self, key: AnyServerKey) -> None:
        """180."""
        if key in self.ringing:
            self.respond(key, self.ringing[key], 180)

    def pick_up(self, key: AnyServerKey, status: int) -> None:
        """The final response."""
        if key in self.ringing:
            request = self.ringing.pop(key)
            self.respond(key, request, status)
            if status < 300:
                self.waiting[request.call_id] = key
                self.network.at(self.network.now + 0.5, lambda: self.repeat(key, request, 0.5))

    def repeat(self, key: AnyServerKey, request: Request, interval: float) -> None:
        """The 2xx again, at doubling intervals up to T2 (RFC 3261 §13.3.1.4)."""
        if request.call_id in self.waiting:
            self.respond(key, request, 200)
            interval = min(2 * interval, 4.0)
            self.network.at(self.network.now + interval, lambda: self.repeat(key, request, interval))

    def respond(self, key: AnyServerKey, request: Request, status: int) -> None:
        """Hand a response to the layer."""
        response = build.response(request, status, tag=f"callee-{request.call_id[:8]}")
        self.layer.respond(key, response, self.network.now)
        self.settle()
