"""What does a client transaction cost (RFC 3261 §17.1.2): begun, sent, its response matched, over?

Messages are made and parsed before: this is the layer of transactions alone. `udp` lives on in Timer K, which has to be
waited for too; `tcp` is over with its response. `memory` is what ten thousand outstanding ones hold each, in bytes,
their messages not counted.
"""

import gc
import time
import tracemalloc
from collections.abc import Iterator
from functools import partial

from benchmarks.harness.measure import Benchmark, Sampled
from benchmarks.harness.program import asked as asked_in_c
from benchmarks.harness.program import lacking
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.transactions.layer import TransactionLayer

COUNT, ROUNDS = 64, 40
"""Different requests, and how often they are sent: the messages stay as warm as those just parsed are."""
OUTSTANDING, PEER_COUNT = 10_000, 100_000
LOCAL, REMOTE = SocketAddress("192.0.2.1", 5060), SocketAddress("192.0.2.2", 5060)
PAUSE = 60.0
"""Seconds that pass between two rounds, so that every timer is over."""


def requests(count: int) -> list[Request]:
    """OPTIONS with branches of their own, as a stack sends them."""
    made = []
    for number in range(count):
        data = (
            "OPTIONS sip:bob@192.0.2.2 SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-{number:024x};rport\r\nMax-Forwards: 70\r\n"
            f"From: <sip:a@192.0.2.1>;tag={number:016x}\r\nTo: <sip:bob@192.0.2.2>\r\n"
            f"Call-ID: {number:032x}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
        request = parse_message(data.encode())
        assert isinstance(request, Request)
        made.append(request)
    return made


def answered(request: Request) -> Response:
    """The 200 for it, as it was parsed."""
    response = parse_message(bytes(build_response(request, 200, tag="t")))
    assert isinstance(response, Response)
    return response


def spent(transport: Transport, asked: list[Request], answers: list[Response]) -> float:
    """Microseconds of CPU time for one transaction."""
    layer = TransactionLayer()
    effects = layer.effects  # taken one by one, as a stack does
    hop, flow = Hop(transport, REMOTE, LOCAL), Flow(transport, LOCAL, REMOTE)
    now = 0.0
    gc.disable()
    begin = time.thread_time()
    for _ in range(ROUNDS):
        for request in asked:
            layer.send_request(request, hop, now)
            while effects:
                effects.popleft()
        for response in answers:
            layer.receive(response, flow, now)
            while effects:
                effects.popleft()
        now += PAUSE
        layer.handle_timeout(now)
        while effects:
            effects.popleft()
        assert not len(layer)
    taken = time.thread_time() - begin
    gc.enable()
    return taken / (ROUNDS * len(asked)) * 1e6


def held() -> float:
    """Bytes for one outstanding transaction."""
    layer = TransactionLayer()
    hop = Hop(Transport.UDP, REMOTE, LOCAL)
    asked = requests(OUTSTANDING)
    for request in asked:
        bytes(request), request.top  # what is remembered belongs to the message
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for request in asked:
        layer.send_request(request, hop, 0.0)
        layer.drain()
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return taken / OUTSTANDING


def benchmarks() -> Iterator[Benchmark]:
    """Time over both kinds of transport, and memory."""
    asked = requests(COUNT)
    answers = [answered(request) for request in asked]
    for transport in (Transport.UDP, Transport.TCP):
        name = f"transaction.client.{transport.value.lower()}"
        linger = int(not transport.reliable)
        peer = Sampled("C client", partial(asked_in_c, "transactions", PEER_COUNT, linger))
        lack = lacking("transactions", peer.name)
        yield Benchmark(name, Sampled("sipcore", partial(spent, transport, asked, answers)), (lack or peer,))
    yield Benchmark("transaction.client.memory", Sampled("sipcore", held), (), unit="B", turns=3)
