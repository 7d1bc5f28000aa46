"""What does a response cost that arrives among others on a TCP connection: read, framed, parsed and matched?

The responder answers all that came at once in one write. Ours takes what the transports frame, parses it and gives it
to the transaction layer; sending counts as well, on both sides.
"""

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
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.message.uri import parse_uri
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.trace import Stamp, TraceRecord
from sipcore.transactions.layer import TransactionLayer
from sipcore.transports.base import TransportConfig
from sipcore.transports.connections import open_transports

ROUNDS, WARM_UP = 80, 8
"""Batches of WINDOW requests that are measured, and that are not."""


class Client:
    """A sink that gives responses to transactions, and tells when none is left."""

    def __init__(self) -> None:
        self.layer = TransactionLayer()
        self.answered = trio.Event()

    def received(self, data: bytes, flow: Flow, stamp: Stamp, notes: tuple[Deviation, ...]) -> None:  # noqa: ARG002
        self.layer.receive(parse_message(data), flow, stamp.at)
        self.layer.drain()
        if not len(self.layer):
            self.answered.set()

    def flow_failed(self, flow: Flow, failure: TransportFailure) -> None:  # noqa: ARG002
        raise failure

    def unreachable(self, remote: SocketAddress, failure: TransportFailure) -> None:  # noqa: ARG002
        raise failure

    def trace(self, record: TraceRecord) -> None:
        pass


def _requests(port: int) -> list[Request]:
    """WINDOW different requests; once answered they are over, and their branches can be used again."""
    uri = parse_uri(f"sip:{HOST}:{port};transport=tcp")
    sender = parse_uri(f"sip:sipcore@{HOST}")
    made = []
    for number in range(WINDOW):
        identity = Identity(Address(sender).with_tag(f"t{number}"), Address(uri), f"{number}@{HOST}")
        request = build_request("OPTIONS", uri, identity, fields=[("Accept", "application/sdp")])
        made.append(request.with_first("Via", f"SIP/2.0/TCP {HOST}:40000;branch=z9hG4bK{number:08x};rport"))
    return made


def coalesced(port: int) -> float:
    """Microseconds of CPU time for one OPTIONS and its response."""
    requests = _requests(port)

    async def measured() -> float:
        client = Client()
        async with open_transports(TransportConfig(), client) as transports:
            hop = await transports.prepare(Hop(Transport.TCP, SocketAddress(HOST, port)))
            begin = 0.0
            for number in range(WARM_UP + ROUNDS):
                if number == WARM_UP:
                    begin = time.process_time()
                client.answered = trio.Event()
                now = trio.current_time()
                for request in requests:
                    client.layer.send_request(request, hop, now)
                    transports.send(hop, bytes(request))
                client.layer.drain()
                await client.answered.wait()
            return (time.process_time() - begin) / (ROUNDS * WINDOW) * 1e6

    return trio.run(measured)


def benchmarks() -> Iterator[Benchmark]:
    """One, against the C client."""
    name = "options.tcp.coalesced"
    lack = lacking("tcp")
    if lack is not None:
        yield Benchmark(name, lack, ())
        return
    with responder("tcp") as port:
        yield Benchmark(
            name,
            Sampled("sipcore", lambda: coalesced(port)),
            (Sampled("C client", lambda: asked("tcp", port, PEER_COUNT, WINDOW)),),
        )
