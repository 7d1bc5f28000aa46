"""What does a call of seven messages cost (INVITE, 100, 180, 200, ACK, BYE, 200), as caller and as callee?

CPU time of the process, of the kernel too, for one call. `caller` drives calls by commands and events on the endpoint's
loop, `awaited` through an awaited `Call` each; SIPp's caller is the peer, with its own scenario, and all of them call
the same C program. `callee` answers calls that SIPp places; its peer is SIPp's callee, called by SIPp as well. `held`
is the memory of one call that is up, in bytes, besides what is kept of its messages: the two session descriptions.
"""

import gc
import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from functools import partial

import trio

from benchmarks.harness.measure import Benchmark, Excluded, Sampled
from benchmarks.harness.program import lacking, responder
from sipcore.endpoint.call import IncomingCall
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.loop import Loop
from sipcore.events import CallAnswered, CallEnded, CallFailed, CallReceived, Event, Prepare, Resolve
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
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
from sipcore.transports.base import TransportConfig
from sipcore.transports.connections import open_transports
from sipcore.transports.lookup import Lookup, LookupConfig

HOST = "127.0.0.1"
WINDOW = 64
"""Calls that are up at once."""
WARM_UP, COUNT = 200, 1500
PEER_COUNT, PEER_RATE = 3000, 1500
"""What SIPp places, and how many a second: fast, but so that it never has to repeat itself."""
HELD = 2000
LOCAL, REMOTE = SocketAddress("192.0.2.1", 5060), SocketAddress("192.0.2.2", 5060)
DESCRIPTION = bytes(
    audio_description(address=HOST, port=40000, session_id=1, session_version=1, codecs=[PCMU], telephone_event=None)
)


def bound() -> TransportConfig:
    """UDP on a free port of loopback."""
    return TransportConfig(bind=((Transport.UDP, SocketAddress(HOST, 0)),))


# As caller


class Caller:
    """Places one call after the other, WINDOW at a time, by commands and events."""

    def __init__(self, endpoint: Endpoint, hop: Hop) -> None:
        self._endpoint = endpoint
        self._uri = SipUri(hop.remote.host, "bob", hop.remote.port)
        self._hop = hop
        stack, lookup = Stack(StackConfig(), endpoint.tokens), Lookup(LookupConfig())
        self.loop = Loop(stack, lookup, self._take, lambda _: None, tracing=False)
        self._left = self._up = 0
        self._done = trio.Event()

    async def place(self, count: int) -> None:
        """Place that many."""
        self._left, self._done = count, trio.Event()
        for _ in range(WINDOW):
            self._next()
        await self._done.wait()

    def _next(self) -> None:
        if self._left:
            self._left -= 1
            self._up += 1
            request = self._endpoint.new_request("INVITE", self._uri, body=DESCRIPTION, content_type=SDP)
            self.loop.act(lambda stack, now: stack.call(Order(request, self._hop, "alice"), now))

    def _take(self, event: Event, now: float) -> None:
        match event:
            case CallAnswered(call):
                self.loop.stack.hang_up(call, now)
            case CallEnded():
                self._up -= 1
                self._next()
                if not self._up:
                    self._done.set()
            case CallFailed(_, response, failure):
                raise AssertionError(response or failure)


def called(port: int) -> float:
    """Microseconds of CPU time for one call that is placed by commands and events."""

    async def measured() -> float:
        async with Endpoint() as endpoint:
            caller = Caller(endpoint, Hop(Transport.UDP, SocketAddress(HOST, port)))
            async with open_transports(bound(), caller.loop) as transports, trio.open_nursery() as nursery:
                caller.loop.start(transports, nursery, nursery.cancel_scope)
                await caller.place(WARM_UP)
                begin = time.process_time()
                await caller.place(COUNT)
                taken = time.process_time() - begin
                nursery.cancel_scope.cancel()
        return taken / COUNT * 1e6

    return trio.run(measured)


def awaited(port: int) -> float:
    """Microseconds of CPU time for one call that is awaited."""
    hop = Hop(Transport.UDP, SocketAddress(HOST, port))
    uri = SipUri(HOST, "bob", port)

    async def measured() -> float:
        async with Endpoint(EndpointConfig(bound())) as endpoint:
            left = 0

            async def worker() -> None:
                nonlocal left
                while left > 0:
                    left -= 1
                    request = endpoint.new_request("INVITE", uri, body=DESCRIPTION, content_type=SDP)
                    async with endpoint.call(Order(request, hop, "alice")) as call:
                        await call.answered()

            taken = 0.0
            for count in (WARM_UP, COUNT):
                left, begin = count, time.process_time()
                async with trio.open_nursery() as nursery:
                    for _ in range(WINDOW):
                        nursery.start_soon(worker)
                taken = (time.process_time() - begin) / count
            return taken * 1e6

    return trio.run(measured)


def sipp_calls(port: int) -> float:
    """Microseconds of CPU time for one call that SIPp places."""
    command = ["sipp", "-sn", "uac", f"{HOST}:{port}", "-m", str(PEER_COUNT), "-r", str(PEER_RATE), "-d", "0"]
    return cpu_of(command)


def cpu_of(command: list[str]) -> float:
    """Microseconds of CPU time for each of PEER_COUNT calls of a command, which must end well."""
    with subprocess.Popen(
        [*command, "-i", HOST, "-nostdin"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == 0, command
    return (used.ru_utime + used.ru_stime) / PEER_COUNT * 1e6


# As callee


async def answer_all() -> None:
    """Answer calls on a free port, which is printed, until PEER_COUNT are over; then print what one has cost."""
    async with Endpoint(EndpointConfig(bound(), takes_incoming=True, incoming_backlog=4096)) as endpoint:
        address = endpoint.transports.local_address(Transport.UDP)
        assert address
        sys.stdout.write(f"{address.port}\n")
        sys.stdout.flush()
        over, begin = 0, time.process_time()
        async for incoming in endpoint.incoming():
            if isinstance(incoming, IncomingCall):
                incoming.ring()
                incoming.accept(body=DESCRIPTION, content_type=SDP)
                over += 1
            if over == PEER_COUNT:
                await incoming.over()  # type: ignore[union-attr]  # it is a call, since it was counted
                break
        sys.stdout.write(f"{(time.process_time() - begin) / PEER_COUNT * 1e6}\n")


def answered() -> float:
    """Microseconds of CPU time for one call that is answered here."""
    command = [sys.executable, "-c", "import trio; from benchmarks.calls import answer_all; trio.run(answer_all)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        sipp_calls(int(running.stdout.readline()))
        return float(running.stdout.readline())


def sipp_answers(port: int) -> float:
    """Microseconds of CPU time for one call that SIPp answers, when SIPp places it."""
    command = ["sipp", "-sn", "uas", "-m", str(PEER_COUNT), "-p", str(port), "-i", HOST, "-nostdin"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        time.sleep(0.3)
        sipp_calls(port)
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    return (used.ru_utime + used.ru_stime) / PEER_COUNT * 1e6


# Memory


def held() -> float:
    """Bytes of one call that is up."""
    numbers = iter(range(10**9))
    stack = Stack(StackConfig(tracing=False), Tokens(lambda count: next(numbers).to_bytes(count, "big")))
    hop, flow = Hop(Transport.UDP, REMOTE, LOCAL), Flow(Transport.UDP, LOCAL, REMOTE)
    uri = SipUri(REMOTE.host, "bob")
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(HELD):
        stack.call(Order(_invite(uri, number), hop, "alice"), 0.0)
        sent = _sent(stack, hop)
        answer = bytes(
            build_response(
                sent, 200, tag="b", fields=[("Contact", f"<sip:bob@{REMOTE}>")], body=DESCRIPTION, content_type=SDP
            )
        )
        stack.receive(answer, flow, Stamp(0.0), 0.0)
        _sent(stack, hop)
    for step in range(1, 40):  # what belongs to the transactions goes with them
        stack.handle_timeout(step * 1.0)
        stack.drain()
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(stack) == HELD
    return taken / HELD - 2 * sys.getsizeof(DESCRIPTION)


def _invite(uri: SipUri, number: int) -> Request:
    request = parse_message(
        f"INVITE {uri} SIP/2.0\r\nMax-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag={number}\r\n"
        f"To: <{uri}>\r\nCall-ID: {number}\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(DESCRIPTION)}\r\n\r\n".encode()
        + DESCRIPTION
    )
    assert isinstance(request, Request)
    return request


def _sent(stack: Stack, hop: Hop) -> Request:
    """Let the stack send, and give the request that it sent last."""
    last = None
    while outputs := stack.drain():
        for output in outputs:
            match output:
                case Resolve(ticket, Prepare()):
                    stack.resolved(ticket, hop, 0.0)
                case Transmit():
                    last = parse_message(output.data)
                case CallReceived():
                    raise AssertionError(output)
    assert isinstance(last, Request)
    return last


def benchmarks() -> Iterator[Benchmark]:
    """As caller and as callee against SIPp, and the memory of a held call."""
    sipp = shutil.which("sipp")
    lack = lacking("callee") or (None if sipp else Excluded("sipcore", "no SIPp (Debian: sip-tester)", lacking=True))
    if lack is not None:
        for name in ("caller", "awaited", "callee"):
            yield Benchmark(f"calls.{name}", lack, ())
    else:
        with responder("callee") as port:
            peer = Sampled("SIPp", partial(sipp_calls, port))
            yield Benchmark("calls.caller", Sampled("sipcore", partial(called, port)), (peer,), turns=5)
            yield Benchmark("calls.awaited", Sampled("sipcore", partial(awaited, port)), (peer,), turns=5)
        callee = Sampled("SIPp", partial(sipp_answers, 20_000 + os.getpid() % 10_000))
        yield Benchmark("calls.callee", Sampled("sipcore", answered), (callee,), turns=5)
    yield Benchmark("calls.held", Sampled("sipcore", held), (), unit="B", turns=3)
