"""What does a response cost that arrives among others on a TCP connection?

`coalesced`: read, framed, parsed and matched. As many transactions as fill one read wait for their answers, which come
in one write; what counts is from their first byte to the end of the last transaction, on both sides. The message is
left as a value that outlives the buffer, all of its header fields known to be well formed.

`asked`: the same with all that comes before. The requests are begun and sent, on both sides, and the responder answers
what it reads at once in one write.
"""

import gc
import socket
import time
from collections.abc import Iterator

import trio

from benchmarks.harness.measure import Benchmark, Sampled
from benchmarks.harness.program import asked, lacking, responder
from benchmarks.options_udp import HOST, PEER_COUNT, WINDOW
from sipcore.deviation import Deviation
from sipcore.errors import TransportFailure
from sipcore.message.address import Address
from sipcore.message.build import Identity
from sipcore.message.build import request as build_request
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.message.require import require
from sipcore.message.uri import parse_uri
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.trace import Stamp, TraceRecord
from sipcore.transactions.layer import TransactionLayer
from sipcore.transports.base import TransportConfig
from sipcore.transports.connections import open_transports

ROUNDS, WARM_UP = 80, 8
"""Batches that are measured, and that are not."""
BATCH = 128
"""Responses in one write: 40 kB, which is less than loopback carries in one segment, and a read takes."""


class Client:
    """A sink that gives responses to transactions, and tells when none is left, and what processor time it was then."""

    def __init__(self) -> None:
        self.layer = TransactionLayer()
        self.answered = trio.Event()
        self.left = 0
        """Responses that have not come yet."""
        self.at = 0.0

    def expect(self, count: int) -> None:
        """Tell by `answered` when so many responses have come, and ended their transactions."""
        self.left, self.answered = count, trio.Event()

    def received(
        self,
        data: bytes,
        flow: Flow,
        stamp: Stamp,
        notes: tuple[Deviation, ...],  # noqa: ARG002
        message: Request | Response | None = None,
    ) -> None:
        if message is None:
            message = parse_message(data)
        require(message)
        self.layer.receive(message, flow, stamp.at)
        effects = self.layer.effects
        while effects:  # as a stack takes them
            effects.popleft()
        self.left -= 1
        if not self.left:
            assert not len(self.layer)
            self.at = time.process_time()
            self.answered.set()

    def flow_failed(self, flow: Flow, failure: TransportFailure) -> None:  # noqa: ARG002
        raise failure

    def listening(self, transport: Transport, at: SocketAddress) -> None:
        pass

    def is_awaited(self, flow: Flow) -> bool:
        return self.layer.is_awaited(flow)

    def unreachable(self, remote: SocketAddress, failure: TransportFailure) -> None:  # noqa: ARG002
        raise failure

    def fault(self, error: Exception, what: str) -> None:  # noqa: ARG002  # a Sink
        raise error

    def trace(self, record: TraceRecord) -> None:
        pass


def _requests(port: int, count: int) -> list[Request]:
    """Different requests; once answered they are over, and their branches can be used again."""
    uri = parse_uri(f"sip:{HOST}:{port};transport=tcp")
    sender = parse_uri(f"sip:sipcore@{HOST}")
    made = []
    for number in range(count):
        identity = Identity(Address(sender).with_tag(f"t{number}"), Address(uri), f"{number}@{HOST}")
        request = build_request("OPTIONS", uri, identity, fields=[("Accept", "application/sdp")])
        made.append(request.with_first("Via", f"SIP/2.0/TCP {HOST}:40000;branch=z9hG4bK{number:08x};rport"))
    return made


def coalesced(port: int) -> float:
    """Microseconds of CPU time for one response, from its first byte to the end of its transaction."""
    requests = _requests(port, BATCH)

    async def measured() -> float:
        client = Client()
        async with open_transports(TransportConfig(), client) as transports:
            hop = await transports.prepare(Hop(Transport.TCP, SocketAddress(HOST, port)))
            taken = 0.0
            with socket.create_connection((HOST, port)) as asking:
                for number in range(WARM_UP + ROUNDS):
                    client.expect(BATCH)
                    for request in requests:
                        client.layer.send_request(request, hop, trio.current_time())
                    client.layer.drain()
                    asking.send(b"\n")
                    begin = time.process_time()
                    await client.answered.wait()
                    if number >= WARM_UP:
                        taken += client.at - begin
            return taken / (ROUNDS * BATCH) * 1e6

    gc.disable()
    try:
        return trio.run(measured)
    finally:
        gc.enable()


def end_to_end(port: int) -> float:
    """Microseconds of CPU time for one OPTIONS and its response."""
    requests = _requests(port, WINDOW)

    async def measured() -> float:
        client = Client()
        async with open_transports(TransportConfig(), client) as transports:
            hop = await transports.prepare(Hop(Transport.TCP, SocketAddress(HOST, port)))
            begin = 0.0
            for number in range(WARM_UP + ROUNDS):
                if number == WARM_UP:
                    begin = time.process_time()
                client.expect(WINDOW)
                now = trio.current_time()
                for request in requests:
                    client.layer.send_request(request, hop, now)
                    transports.send(hop, bytes(request))
                client.layer.drain()
                await client.answered.wait()
            return (time.process_time() - begin) / (ROUNDS * WINDOW) * 1e6

    return trio.run(measured)


def benchmarks() -> Iterator[Benchmark]:
    """Responses alone, and requests with them, against the C clients."""
    lack = lacking("coalesced") or lacking("tcp")
    if lack is not None:
        yield Benchmark("options.tcp.coalesced", lack, ())
        yield Benchmark("options.tcp.asked", lack, ())
        return
    with responder("coalesced", str(BATCH)) as port:
        yield Benchmark(
            "options.tcp.coalesced",
            Sampled("sipcore", lambda: coalesced(port)),
            (Sampled("C client", lambda: asked("coalesced", port, PEER_COUNT, BATCH)),),
        )
    with responder("tcp") as port:
        yield Benchmark(
            "options.tcp.asked",
            Sampled("sipcore", lambda: end_to_end(port)),
            (Sampled("C client", lambda: asked("tcp", port, PEER_COUNT, WINDOW)),),
        )
