"""How many bytecodes of CPython does the engine take for an OPTIONS, and for a call of seven messages at either side?

Times differ by half from hour to hour on a machine that others use as well; this figure is the same wherever the same
Python runs. What a bytecode takes differs, but what takes fewer of them has been faster so far. Two stacks are joined
in memory, without loop, sockets or tasks, and their timers run out at the end of each exchange.

`python -m benchmarks.bytecodes placed` lists the functions that they are spent in; so do `answered` and `asked`.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from benchmarks.harness.measure import Benchmark, Sampled
from sipcore.events import CallAnswered, CallReceived, Prepare, RequestReceived, Resolve
from sipcore.message.build import Identity, request
from sipcore.message.build import response as build_response
from sipcore.message.given import address_given
from sipcore.message.message import Request
from sipcore.message.uri import SipUri
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.sdp.attributes import PCMU
from sipcore.sdp.build import audio_description
from sipcore.sdp.terms import SDP
from sipcore.stack import Stack
from sipcore.stack_config import StackConfig
from sipcore.tokens import Tokens
from sipcore.trace import Stamp
from sipcore.transactions.effects import Transmit
from sipcore.transactions.key import AnyServerKey

ALICE, BOB = SocketAddress("192.0.2.1", 5060), SocketAddress("192.0.2.2", 5060)
WARM_UP, COUNT = 20, 100
"""Exchanges: the first ones make what is remembered."""
PAUSE = 100.0
"""Seconds between two exchanges: all timers of the one before have run out."""
DESCRIPTION = bytes(audio_description(address="192.0.2.1", port=40000, session_id=1, session_version=1, codecs=[PCMU]))


class Side:
    """One of two stacks, and the bytecodes that it has taken, by function."""

    def __init__(self, local: SocketAddress, remote: SocketAddress) -> None:
        numbers = iter(range(2**40, 2**41))  # of one size each, as what they stand for is
        self.tokens = Tokens(lambda count: next(numbers).to_bytes(count, "big"))
        self.stack = Stack(StackConfig(tracing=False), self.tokens)
        self.hop, self.flow = Hop(Transport.UDP, remote, local), Flow(Transport.UDP, local, remote)
        self.taken: Counter[CodeType] = Counter()

    def do(self, action: Callable[[], object]) -> None:
        """Count what `action` takes, and all that it calls."""
        sys.settrace(self._trace)
        action()
        sys.settrace(None)

    def _trace(self, frame: FrameType, happening: str, _: object) -> Callable[[FrameType, str, Any], Any]:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if happening == "opcode":
            self.taken[frame.f_code] += 1
        return self._trace


class Pair:
    """Alice, who asks and calls, and Bob, who answers; each is told at once what the other one has sent."""

    def __init__(self) -> None:
        self.alice, self.bob = Side(ALICE, BOB), Side(BOB, ALICE)
        self.now = 0.0

    def exchange(self, method: str) -> None:
        """One OPTIONS, or one call by INVITE."""
        stack, uri = self.alice.stack, SipUri(BOB.host, "bob", BOB.port)
        sender = address_given("sip:alice@192.0.2.1").with_tag(self.alice.tokens.tag())
        identity = Identity(sender, address_given(uri), self.alice.tokens.call_id())
        if method == "INVITE":
            invite = request(method, uri, identity, body=DESCRIPTION, content_type=SDP)
            self.alice.do(lambda: stack.call(Order(invite, self.alice.hop, "alice"), self.now))
        else:
            asking = request(method, uri, identity)
            self.alice.do(lambda: stack.request(Order(asking, self.alice.hop, "alice"), self.now))
        self._carry_out()
        for late in (5.5, 40.0, PAUSE):
            for side in (self.alice, self.bob):
                side.do(partial(side.stack.handle_timeout, self.now + late))
            self._carry_out()
        self.now += PAUSE
        assert not len(self.alice.stack)
        assert not len(self.bob.stack)

    def _carry_out(self) -> None:
        """Do what the stacks ask for, until neither asks for anything."""
        sides = ((self.alice, self.bob), (self.bob, self.alice))
        while any(self._carry_out_one(*each) for each in sides):
            pass

    def _carry_out_one(self, side: Side, other: Side) -> bool:
        outputs, stack, now = side.stack.outputs, side.stack, self.now
        if not outputs:
            return False
        match outputs.popleft():
            case Transmit(_, _, data):
                other.do(lambda: other.stack.receive(data, other.flow, Stamp(now), now))
            case Resolve(ticket, Prepare()):
                side.do(lambda: stack.resolved(ticket, side.hop, now))
            case CallReceived(call):
                side.do(lambda: stack.ring(call, 100, now))
                side.do(lambda: stack.ring(call, 180, now))
                side.do(lambda: stack.accept(call, now, body=DESCRIPTION, content_type=SDP))
            case CallAnswered(call):
                side.do(lambda: stack.hang_up(call, now))
            case RequestReceived(key, asked):
                side.do(partial(answer, side, key, asked, now))
        return True


def answer(side: Side, key: AnyServerKey, asked: Request, now: float) -> None:
    """Answer a request that is no call's with a 200."""
    side.stack.respond(key, build_response(asked, 200, tag=side.tokens.tag()), now)


def counted(method: str) -> tuple[Counter[CodeType], Counter[CodeType]]:
    """The bytecodes that both sides take for COUNT exchanges, by function: who asks or calls, and who answers."""
    pair = Pair()
    for _ in range(WARM_UP):
        pair.exchange(method)
    pair.alice.taken.clear()
    pair.bob.taken.clear()
    for _ in range(COUNT):
        pair.exchange(method)
    return pair.alice.taken, pair.bob.taken


EXCHANGES = {"asked": ("OPTIONS", 0), "placed": ("INVITE", 0), "answered": ("INVITE", 1)}
"""What is counted: the method that is sent, and at whose side."""


def figure(name: str) -> float:
    """Bytecodes for one exchange."""
    method, side = EXCHANGES[name]
    return counted(method)[side].total() / COUNT


def listing(name: str) -> Iterator[str]:
    """A line for each function that takes part, those that take most first."""
    method, side = EXCHANGES[name]
    for code, taken in counted(method)[side].most_common():
        yield f"{taken / COUNT:8.1f}  {Path(code.co_filename).name}:{code.co_firstlineno} {code.co_qualname}"


def benchmarks() -> Iterator[Benchmark]:
    """An OPTIONS as client, and a call as caller and as callee."""
    for name in EXCHANGES:
        yield Benchmark(f"bytecodes.{name}", Sampled("sipcore", partial(figure, name)), (), unit="bytecodes", turns=2)


if __name__ == "__main__":
    print("\n".join(listing(sys.argv[1])))
