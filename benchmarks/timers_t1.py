"""How late is the first retransmission of a request (RFC 3261 §17.1.2.2, T1 = 500 ms), with ten thousand outstanding?

A C program that never answers takes the kernel's stamps of each request and its repetition; the figure is the 99th
percentile of how much later than T1 the repetition came. `lateness` drives the layer of transactions from one task;
`awaited` has a task for each request, where the garbage collector, which now and then looks at the objects of all of
them, shows: `frozen` is the same in a program that has switched it off. The peer is a C client that does nothing else.
"""

import gc
import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial

import trio

from benchmarks.harness.measure import Benchmark, Sampled
from benchmarks.harness.program import PROCESSOR, lacking, program
from benchmarks.options_tcp import Client
from benchmarks.options_udp import HOST
from benchmarks.transaction_client import requests
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.message.uri import parse_uri
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transactions.effects import Transmit
from sipcore.transactions.layer import TransactionLayer
from sipcore.transports.base import TransportConfig
from sipcore.transports.connections import open_transports

Send = Callable[[int], None]
"""What sends to a port."""
COUNT, RATE, TURNS = 10_000, 1000, 3
"""Requests, and how many are begun in a second: all are outstanding at the end, since Timer F takes 32 s."""


def watched(send: Send) -> float:
    """Have `send` talk to the port that is watched; gives the lateness in microseconds."""
    command = [str(program("timers")), "watch", str(COUNT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        os.sched_setaffinity(watching.pid, {PROCESSOR})
        assert watching.stdout
        try:
            send(int(watching.stdout.readline()))
            return float(watching.stdout.readline())
        finally:
            watching.kill()


def send_by_layer(port: int) -> None:
    """Begin COUNT requests at RATE, and stay until the last was repeated: one task and a layer of transactions."""
    hop = Hop(Transport.UDP, SocketAddress(HOST, port))
    made = requests(COUNT)

    async def run() -> None:
        layer = TransactionLayer()
        async with open_transports(TransportConfig(), Client()) as transports:
            prepared = await transports.prepare(hop)
            begin = trio.current_time()
            number = 0
            while (now := trio.current_time()) < begin + COUNT / RATE + 1.0:
                while number < COUNT and now >= begin + number / RATE:
                    layer.send_request(made[number], prepared, now)
                    number += 1
                layer.handle_timeout(now)
                for effect in layer.drain():
                    if isinstance(effect, Transmit):
                        transports.send(effect.to, effect.data)
                await trio.sleep_until(min(layer.next_timeout() or now, begin + number / RATE))

    trio.run(run)


def send_awaited(port: int) -> None:
    """The same with a task for each request."""
    uri = parse_uri(f"sip:{HOST}:{port}")
    hop = Hop(Transport.UDP, SocketAddress(HOST, port))
    bind = ((Transport.UDP, SocketAddress(HOST, 0)),)

    async def run() -> None:
        config = EndpointConfig(TransportConfig(bind=bind))
        async with Endpoint(config) as endpoint, trio.open_nursery() as nursery:
            begin = trio.current_time()
            for number in range(COUNT):
                nursery.start_soon(lambda: endpoint.options(uri, hop=hop))
                await trio.sleep_until(begin + number / RATE)
            await trio.sleep(1.0)
            nursery.cancel_scope.cancel()

    trio.run(run)


def send_frozen(port: int) -> None:
    """The same without the garbage collector."""
    gc.disable()
    try:
        send_awaited(port)
    finally:
        gc.enable()


def send_peers(port: int) -> None:
    """The same by the C client."""
    subprocess.run([str(program("timers")), "send", str(port), str(COUNT), str(RATE)], check=True)


def benchmarks() -> Iterator[Benchmark]:
    """Each way of waiting, against the C client."""
    lack = lacking("timers")
    for name, send in (("lateness", send_by_layer), ("awaited", send_awaited), ("frozen", send_frozen)):
        subject, peer = Sampled("sipcore", partial(watched, send)), Sampled("C client", partial(watched, send_peers))
        yield Benchmark(f"timers.t1.{name}", lack or subject, () if lack else (peer,), turns=TURNS)
