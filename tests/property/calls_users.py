"""The two users of whole calls, who do what they are told as far as their stacks let them, and the wire between."""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from sipcore.auth.choice import Account
from sipcore.auth.session import AuthSession
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.events import (
    CallAnswered,
    CallChanged,
    CallConfirmed,
    CallEnded,
    CallEvent,
    CallFailed,
    CallOffered,
    CallProgress,
    CallReceived,
    CallRequested,
    CallUnchanged,
    Output,
    Prepare,
    RequestReceived,
    RequestSent,
    Resolve,
)
from sipcore.message.address import Address
from sipcore.message.build import Identity
from sipcore.message.build import request as build_request
from sipcore.message.build import response as build_response
from sipcore.message.uri import SipUri, parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.terms import Direction
from sipcore.stack import Stack
from sipcore.transactions.effects import Transmit
from tests.property.calls_rules import Referee
from tests.sipcore.wire import ALICE, BOB, DELAY, SDP, Side, Wire, description

Told = CallReceived | CallEvent


@dataclass(frozen=True)
class Weather:
    """How bad the network is."""

    seed: int
    loss: float
    duplication: float
    late: float
    """Share of the messages that are held back for up to 2 s."""


GOOD = Weather(0, 0, 0, 0)
MOST_STREAMS = 4
"""In a description of one of the two, unless the other one adds some."""
PORT = 40000
METHODS = ("", "INVITE", "UPDATE", "PRACK", "INVITE", "UPDATE", "", "INVITE")
"""How a change goes out; by what suits the call, if empty."""


@dataclass(frozen=True)
class Action:
    """What one side does, and for how many seconds it waits afterwards."""

    at_bob: bool
    fitting: bool
    """Whether the command is one of those that make sense, or just any."""
    command: int
    which: int
    how: int
    pause: float


@dataclass
class RoughWire(Wire):
    """A wire with weather, and with a referee for each side, unless there is to be none."""

    weather: Weather = GOOD
    chance: random.Random = field(default_factory=random.Random)
    referees: tuple[Referee, ...] = ()

    def deliver(self, side: Side, data: bytes) -> None:
        if self.referees:
            self.referees[side is self.bob].received(data)
        Wire.deliver(self, side, data)

    def carry_out(self, side: Side, output: Output) -> None:
        match output:
            case Transmit():
                side.sent.append((self.now, output.data))
                if self.referees:
                    self.referees[side is self.bob].sent(output.data, self.now)
                other = self.bob if side is self.alice else self.alice
                for _ in range(1 + (self.chance.random() < self.weather.duplication)):
                    self.count += 1
                    if self.chance.random() >= self.weather.loss:
                        late = 2 * self.chance.random() if self.chance.random() < self.weather.late else 0.0
                        self.flying.append((self.now + DELAY + late, self.count, other, self.alter(output.data)))
            case Resolve(ticket, question) if not isinstance(question, Prepare):
                nowhere = TransportFailure(FailureReason.UNRESOLVABLE, "no such name", section="RFC 3263 §4")
                side.stack.resolved(ticket, nowhere, self.now)
            case _:
                Wire.carry_out(self, side, output)


@dataclass
class User:
    """Who owns one of the stacks, and does what `do` says as far as the stack lets it."""

    wire: RoughWire
    side: Side
    placed: list[int] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)
    seen: int = 0
    waiting: list[CallRequested | RequestReceived] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    """The tickets of the requests that were sent inside calls."""
    changes: list[tuple[int, int, Direction | None]] = field(default_factory=list)
    """Those that were sent: after how many events, in which call, and in which direction; None for none."""

    @property
    def stack(self) -> Stack:
        return self.side.stack

    @property
    def calls(self) -> list[int]:
        """Those that were placed or came in, the last one first."""
        return sorted([*self.placed, *(event.call for event in self.side.told(CallReceived))], reverse=True)

    @property
    def live(self) -> list[int]:
        """Those that had no last event yet."""
        over = {event.call for event in self.side.told(CallEnded) + self.side.told(CallFailed)}
        return [call for call in self.calls if call not in over]

    def do(self, action: Action) -> None:
        """Carry out a command on one of the calls, in one of its ways. Only LocalError may come of it."""
        calls = self.live if action.which < 6 else self.calls
        call = calls[action.which % len(calls)] if calls else 0
        names = self.fitting(call) if action.fitting else list(COMMANDS)
        with suppress(LocalError):
            COMMANDS[names[action.command % len(names)]](self, call, action.how)
        self.wire.pump()

    def fitting(self, call: int) -> list[str]:
        """The commands that may make sense for a call, those that often do more than once."""
        told = [event for event in self.side.events if isinstance(event, Told) and event.call == call]
        kinds = {type(event) for event in told}
        if CallReceived in kinds and CallConfirmed not in kinds and call not in self.answered:
            names = ["ring", "ring", "accept", "change", "reject", "hang up"]
        elif kinds & {CallAnswered, CallConfirmed, CallProgress}:
            names = ["change", "change", "withdraw", "add stream", "request", "abandon", "respond", "hang up"]
        else:
            names = ["call", "call", "hang up"]
        offered = any(isinstance(event, CallOffered) for event in told[-2:])
        waits = any(isinstance(event, CallProgress) and event.waits for event in told[-2:])
        decisions = [
            *(["answer", "answer", "decline"] if offered else []),
            *(["acknowledge", "change"] if waits else []),
        ]
        return ["wait", *decisions, *names]

    def wait(self, call: int, how: int) -> None:
        """Do nothing."""

    def call(self, _: int, how: int) -> None:
        here, there = (ALICE, BOB) if self.side.address == ALICE else (BOB, ALICE)
        name = f"{here.host}-{len(self.calls)}"
        identity = Identity(Address(SipUri(here.host)).with_tag(name), Address(SipUri(there.host)), name)
        body = description(here) if how % 4 else b""
        fields = [("Replaces", self.stack.replaces(self.live[-1]))] if how == 5 and self.live else []
        fields += [("Expires", str(how % 2))] if how > 5 else []
        uri = parse_uri(f"sip:bob@{there}")
        invite = build_request("INVITE", uri, identity, fields=fields, body=body, content_type=SDP if body else "")
        auth = AuthSession(Account("user", "secret", hosts=[there.host]))
        order = Order(invite, Hop(self.wire.transport, there), "user", auth)
        self.placed.append(self.stack.call(order, self.wire.now, redirects=how % 3))

    def ring(self, call: int, how: int) -> None:
        body = description(self.side.address) if how % 2 else b""
        reliably = (None, True, False, None)[how // 2]
        self.stack.ring(call, 183 if body else 180, self.wire.now, reliably=reliably, body=body, content_type=SDP)

    def accept(self, call: int, how: int) -> None:
        body = description(self.side.address) if how else b""
        self.stack.accept(call, self.wire.now, body=body, content_type=SDP if body else "")
        self.answered.add(call)

    def reject(self, call: int, how: int) -> None:
        other = [("Contact", f"<sip:else@{self.side.address}>")]
        status, fields = ((302, other), (302, ()), (422, [("Min-SE", 300)]), (486, ()), (603, ()))[how % 5]
        self.stack.reject(call, status, self.wire.now, fields=fields)

    def hang_up(self, call: int, how: int) -> None:
        self.stack.hang_up(call, self.wire.now, fields=[("Reason", "SIP;cause=200")] if how % 2 else ())

    def change(self, call: int, how: int) -> None:
        session = self.stack.session(call)
        body, direction = b"", None
        if how % 4:
            direction = (Direction.SENDRECV, Direction.SENDONLY, Direction.INACTIVE)[how % 3]
            body = session.renewed(direction)
        if how == 7:
            body, direction = b"v=0\r\nnothing that can be read\r\n", Direction.SENDRECV
        elif body and all(stream.is_rejected for stream in SessionDescription.parse(body).media):
            direction = Direction.SENDRECV  # of streams that are all refused by now, nothing says the direction
        self.stack.change(call, body, self.wire.now, method=METHODS[how])
        if body or direction is None:
            self.changes.append((len(self.side.events), call, direction))

    def withdraw(self, call: int, how: int) -> None:
        """Take a change back, whether there is one or not."""
        self.stack.withdraw(call, self.wire.now, remote_tag="nobody" if how == 7 else None)

    def add_stream(self, call: int, how: int) -> None:
        """Offer one more stream, or, where there are many, those that there are."""
        session = self.stack.session(call)
        body = session.renewed()
        if not body:
            return
        offer = SessionDescription.parse(body)
        count = len(offer.media)
        if count < MOST_STREAMS:
            stream = replace(offer.media[0], port=PORT + 2 * count).with_direction(session.wanted)
            offer = offer.with_media(count, stream)
        self.stack.change(call, session.next_offer(offer), self.wire.now, method=METHODS[how])
        self.changes.append((len(self.side.events), call, None))

    def answer(self, call: int, how: int) -> None:
        body = description(self.side.address)
        if how % 2:  # every stream of the offer is taken, else the first one alone
            offered = self.stack.session(call).offer.count(b"\r\nm=")
            media = body.index(b"m=")
            body = body[:media] + body[media:] * max(1, offered)
        self.stack.answer(call, body if how else b"", self.wire.now)

    def decline(self, call: int, how: int) -> None:
        self.stack.decline(call, self.wire.now, status=(488, 603, 481, 500, 491, 491)[how % 6])

    def acknowledge(self, call: int, how: int) -> None:
        self.stack.acknowledge(call, self.wire.now)

    def request(self, call: int, how: int) -> None:
        method = ("INFO", "REFER", "OPTIONS", "NOTIFY")[how % 4]
        fields = {"REFER": [("Refer-To", "<sip:carol@192.0.2.3>")], "NOTIFY": [("Event", "refer")]}.get(method, [])
        self.asked.append(self.stack.request_within(call, method, self.wire.now, fields=fields))

    def abandon(self, which: int, how: int) -> None:
        """Give up on a request: on one of the last ones, or on what was sent for whatever else."""
        tickets = self.asked if how else [event.ticket for event in self.side.told(RequestSent)]
        if tickets:
            self.stack.abandon(tickets[-1 - which % len(tickets)] if how < 4 else tickets[-1], self.wire.now)

    def respond(self, which: int, how: int) -> None:
        """Answer one of the requests that wait for an answer."""
        self.hear()
        if self.waiting:
            event = self.waiting.pop(which % len(self.waiting))
            status = (200, 202, 200, 603, 487, 481, 500, 200)[how]
            self.stack.respond(event.key, build_response(event.request, status, tag="owner"), self.wire.now)

    def hear(self) -> None:
        """Learn which requests wait for an answer by now."""
        new, self.seen = self.side.events[self.seen :], len(self.side.events)
        self.waiting += [event for event in new if isinstance(event, CallRequested | RequestReceived)]

    def settle(self, *, answering: bool = True) -> None:
        """Decide everything that waits for a decision; without `answering` nobody cares for requests inside calls."""
        for call in self.live:
            for command in ("acknowledge", "answer", "accept"):
                with suppress(LocalError):
                    COMMANDS[command](self, call, 1)
        self.hear()
        if not answering:
            self.waiting = [event for event in self.waiting if isinstance(event, RequestReceived)]
        while self.waiting:
            self.respond(0, 0)

    def give_up(self) -> bool:
        """Let go of the calls that got a 1xx, and then never a final response; gives whether there were any.

        Their transactions wait for as long as their owner does (RFC 3261 §17.1.1.2).
        """
        answered = {event.call for event in self.side.told(CallAnswered)}
        waiting = [call for call in self.placed if call in self.live and call not in answered]
        for call in waiting:
            self.hang_up(call, 0)
        return bool(waiting)

    def wanted(self, call: int) -> Direction:
        """Which way its media is to go: as the last change of that says which went through."""
        wanted = Direction.SENDRECV
        for since, changed, direction in self.changes:
            later = [event for event in self.side.events[since:] if isinstance(event, CallChanged | CallUnchanged)]
            outcomes = (event for event in later if event.call == call and getattr(event, "local", True))
            if changed == call and direction is not None and isinstance(next(outcomes, None), CallChanged):
                wanted = direction
        return wanted

    def up(self) -> dict[tuple[str, frozenset[str]], tuple[bytes, bytes]]:
        """The calls that are up: what both sides call them, and the two session descriptions, that of here first."""
        confirmed = {event.call for event in self.side.told(CallAnswered) + self.side.told(CallConfirmed)}
        assert confirmed >= set(self.live), "a call hangs"
        found = {}
        for call in self.live:
            call_id, *tags = self.stack.replaces(call).split(";")
            session = self.stack.session(call)
            assert session.wanted is self.wanted(call), "§14.1: a change that was refused has changed something"
            assert session.exchange.may_invite, "an exchange of offer and answer hangs"
            found[call_id, frozenset(tag.partition("=")[2] for tag in tags)] = (session.local, session.remote)
        return found


COMMANDS: dict[str, Callable[[User, int, int], None]] = {
    "wait": User.wait,
    "call": User.call,
    "ring": User.ring,
    "accept": User.accept,
    "reject": User.reject,
    "hang up": User.hang_up,
    "change": User.change,
    "withdraw": User.withdraw,
    "add stream": User.add_stream,
    "answer": User.answer,
    "decline": User.decline,
    "acknowledge": User.acknowledge,
    "request": User.request,
    "abandon": User.abandon,
    "respond": User.respond,
}
