"""Calls that a proxy forks to several callees, each a stack of its own that does whatever its owner thinks of.

Each branch has a dialog with offers and answers of its own (RFC 3261 §12.1.2, RFC 3262 §5). Whatever happens, what is
said to one callee is never said to another one, both ends of the call that is left agree, and once all have hung up
nothing is left of any branch.
"""

from contextlib import suppress
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import LocalError
from sipcore.events import CallAnswered, CallConfirmed, CallEnded, CallFailed, CallOffered, CallProgress, Output
from sipcore.message.build import ack_for_failure, cancel_for
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.message.method import ACK, CANCEL, INVITE
from sipcore.message.parser import parse_message
from sipcore.message.status import TRYING
from sipcore.resolve.target import Flow, SocketAddress
from sipcore.sdp.description import SessionDescription
from sipcore.stack import Stack
from sipcore.stack_config import StackConfig
from sipcore.trace import Stamp
from sipcore.transactions.effects import Transmit
from tests.property.calls_rules import assert_told_whole
from tests.property.calls_strategies import SESSION, configs
from tests.property.calls_users import COMMANDS, RoughWire, User
from tests.sipcore.wire import ALICE, BOB, DELAY, Side, Wire, description, seeded

CALLEES = 3
NAME = b"s=-"
"""How a description calls its session; what Alice says to one callee has the callee's tag there."""
SETTLED = 40.0
GRACE = 600.0
"""Seconds after which no timer of a call that is over is left."""
BY_CALLER = ("answer", "answer", "answer", "decline", "acknowledge", "change", "change", "request")
BY_CALLEES = ("answer", "answer", "decline", "change", "change", "request", "ring", "ring", "accept", "reject")
RELIABLY = 3
"""How a user rings with a session description in a reliable 1xx."""


@dataclass(slots=True)
class ForkingWire(RoughWire):
    """Alice, several callees, and at Bob's address a proxy that forks her INVITE to all of them."""

    callees: list[Side] = field(default_factory=list)
    invite: Request | None = None
    pending: set[int] = field(default_factory=set)
    """The branches without a final response."""
    origins: dict[bytes, SocketAddress] = field(default_factory=dict)
    """Where the requests of callees come from, since those do not come by the proxy."""

    def run(self, seconds: float) -> None:
        """Let time pass: deliver what flies, fire what is due, in order."""
        end = self.now + seconds
        while True:
            self.pump()
            moments = [when for when, *_ in self.flying]
            moments += [due for side in self.sides if (due := side.stack.next_timeout()) is not None]
            if not moments or min(moments) > end:
                break
            self.now = max(self.now, min(moments))
            for item in sorted(self.flying, key=lambda item: item[:2]):
                if item[0] <= self.now:
                    self.flying.remove(item)
                    self.deliver(item[2], item[3])
            for side in self.sides:
                side.stack.handle_timeout(self.now)
        self.now = end

    @property
    def sides(self) -> list[Side]:
        return [self.alice, *self.callees]

    def pump(self) -> None:
        busy = True
        while busy:
            busy = False
            for side in self.sides:
                for output in side.stack.drain():
                    busy = True
                    self.carry_out(side, output)

    def deliver(self, side: Side, data: bytes) -> None:
        remote = self.origins.get(data, BOB) if side is self.alice else ALICE
        side.stack.receive(data, Flow(self.transport, side.address, remote), Stamp(self.now), self.now)
        self.pump()

    def carry_out(self, side: Side, output: Output) -> None:
        if not isinstance(output, Transmit):
            Wire.carry_out(self, side, output)
            return
        message = parse_message(output.data)
        side.sent.append((self.now, output.data))
        if side is not self.alice:
            self.from_callee(side, message)
            return
        remote_tag = message.to_tag if isinstance(message, Request) else message.from_tag
        name = next((line[2:] for line in message.body.splitlines() if line.startswith(b"s=")), b"-")
        assert name in (b"-", (remote_tag or "").encode()), "what is meant for another callee"
        if output.to.remote == BOB:
            self.from_caller(message)
        for callee in self.callees:
            if callee.address == output.to.remote:
                self.fly(callee, message)

    def fly(self, side: Side, message: Request | Response) -> None:
        self.count += 1
        self.flying.append((self.now + DELAY, self.count, side, bytes(message)))

    # The proxy

    def from_caller(self, message: Request | Response) -> None:
        """Fork the INVITE, and its CANCEL; the ACK of a failure ends here (RFC 3261 §16.10, §17.1.1.3)."""
        assert isinstance(message, Request)
        if message.method == INVITE and (self.invite is None or message.branch != self.invite.branch):
            self.fly(self.alice, build_response(message, TRYING))
            self.invite, self.pending = message, set(range(len(self.callees)))
            for callee in self.callees:
                self.fly(callee, message)
        elif message.method == CANCEL:
            self.fly(self.alice, build_response(message, 200, tag="proxy"))
            self.cancel()
        else:
            assert message.method in (INVITE, ACK)

    def from_callee(self, side: Side, message: Request | Response) -> None:
        """Pass on what a branch says, but for failures: of those the last one alone (RFC 3261 §16.7)."""
        assert self.invite is not None
        if isinstance(message, Request) or message.branch != self.invite.branch or message.cseq.method == CANCEL:
            if message.cseq.method != CANCEL:  # whose answer is for the proxy
                self.origins[bytes(message)] = side.address
                self.fly(self.alice, message)
        elif message.status > TRYING:
            branch = self.callees.index(side)
            was_pending = branch in self.pending
            if message.is_success:
                self.pending.discard(branch)
                self.cancel()
            elif not message.is_provisional:
                self.fly(side, ack_for_failure(self.invite, message))
                self.pending.discard(branch)
                if self.pending or not was_pending or self.alice.told(CallAnswered):
                    return
            self.fly(self.alice, message)

    def cancel(self) -> None:
        assert self.invite is not None
        for branch in self.pending:
            self.fly(self.callees[branch], cancel_for(self.invite))


@dataclass
class Caller(User):
    """Alice, who says to each callee what is for that one."""

    @property
    def tags(self) -> list[str]:
        """The callees that have rung, and then some tag that nobody has."""
        return [*dict.fromkeys(event.response.to_tag or "" for event in self.side.told(CallProgress)), "nobody"]

    def answer(self, call: int, how: int) -> None:
        offers = self.side.told(CallOffered)
        tag = offers[how % len(offers)].remote_tag if offers else "nobody"
        self.stack.answer(call, description(ALICE).replace(NAME, b"s=" + tag.encode()), self.wire.now, remote_tag=tag)

    def decline(self, call: int, how: int) -> None:
        tag = self.tags[how % len(self.tags)] if how else None
        self.stack.decline(call, self.wire.now, remote_tag=tag)

    def acknowledge(self, call: int, how: int) -> None:
        self.stack.acknowledge(call, self.wire.now, remote_tag=self.tags[how % len(self.tags)] if how else None)

    def change(self, call: int, how: int) -> None:
        tag = self.tags[how % len(self.tags)]
        session = self.stack.session(call, remote_tag=tag)
        offer = SessionDescription.parse(description(ALICE).replace(NAME, b"s=" + tag.encode()))
        self.stack.change(call, session.next_offer(offer), self.wire.now, remote_tag=tag)

    def request(self, call: int, how: int) -> None:
        self.stack.request_within(call, "INFO", self.wire.now, remote_tag=self.tags[how % len(self.tags)])

    def settle(self, *, answering: bool = True) -> None:
        for call in self.live:
            for how in range(len(self.side.told(CallOffered))):
                with suppress(LocalError):
                    self.answer(call, how)
            for how in range(1, 1 + len(self.tags)):
                with suppress(LocalError):
                    self.acknowledge(call, how)


@dataclass(frozen=True)
class Step:
    """What one of them does, and for how many seconds all wait afterwards."""

    who: int
    """Which callee; below 0 for the caller."""
    command: int
    how: int
    pause: float


able = configs.map(lambda config: replace(config, min_session_interval=SESSION, extensions=("100rel", "timer")))
"""Those of stacks that know reliable 1xx, and refuse no call for its session interval."""
steps = st.builds(
    Step,
    st.integers(-CALLEES, CALLEES - 1),
    st.integers(0, 79),
    st.integers(0, 7),
    st.sampled_from([0.0, 0.011, 0.021, 0.05, 0.05, 0.6, 3.0]),
)


@given(
    able,
    st.lists(st.tuples(able, st.sampled_from([True, True, False])), min_size=2, max_size=CALLEES),
    st.booleans(),
    st.lists(steps, min_size=5, max_size=30),
)
def test_each_branch_of_a_forked_call_is_its_own(
    here: StackConfig, there: list[tuple[StackConfig, bool]], offers: bool, plan: list[Step]
) -> None:
    wire = ForkingWire(config=here)
    wire.callees = [
        Side(Stack(config, seeded(10 + number)), SocketAddress(f"192.0.2.{10 + number}", 5060))
        for number, (config, _) in enumerate(there)
    ]
    alice, callees = Caller(wire, wire.alice), [User(wire, side) for side in wire.callees]
    alice.placed.append(wire.call(offer=description(ALICE) if offers else b""))
    wire.run(0.1)
    for user, (_, rings) in zip(callees, there, strict=True):
        if rings:
            user.ring(user.live[0], RELIABLY)
    wire.run(0.1)
    for step in plan:
        user, names = (callees[step.who % len(callees)], BY_CALLEES) if step.who >= 0 else (alice, BY_CALLER)
        for call in user.live:
            with suppress(LocalError):
                getattr(user, names[step.command % len(names)])(call, step.how)
            wire.pump()
        wire.run(step.pause)
    settle(wire, alice, callees, SETTLED)
    assert_agreed(alice, callees)
    for user in (alice, *callees):
        for call in user.live:
            user.hang_up(call, 0)
    settle(wire, alice, callees, GRACE)
    for user in (alice, *callees):
        last = [event.call for event in user.side.told(CallEnded) + user.side.told(CallFailed)]
        assert sorted(last) == sorted(user.calls)
        assert_told_whole(user.side.events)
        assert len(user.stack) == 0
        assert user.stack.next_timeout() is None


def settle(wire: ForkingWire, alice: Caller, callees: list[User], seconds: float) -> None:
    """Let time pass while all decide what waits for a decision; nobody picks up by that."""
    end = wire.now + seconds
    while wire.now < end or wire.flying:
        alice.settle()
        for user in callees:
            for call in user.live:
                with suppress(LocalError):
                    COMMANDS["answer"](user, call, 1)
        for user in (alice, *callees):
            user.respond(0, 0)
            while user.waiting:
                user.respond(0, 0)
        wire.run(seconds / 40 if wire.now < end else DELAY)


def assert_agreed(alice: Caller, callees: list[User]) -> None:
    """The call that is up, if any, is the same at both ends."""
    if not alice.live or not alice.side.told(CallAnswered):
        return
    (up,) = [user for user in callees if user.live if user.side.told(CallConfirmed)]
    one, other = alice.stack.session(alice.live[0]), up.stack.session(up.live[0])
    assert one.exchange.may_invite
    assert (one.local, one.remote) == (other.remote, other.local)
