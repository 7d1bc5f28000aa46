"""How many OPTIONS does a program get answered in a second over UDP, awaiting each of them?

Ours goes through the awaited API of an endpoint, with tasks that ask one after the other; the peer is a C client with
as many outstanding. A C responder answers both, on another processor. What counts is CPU time, of the kernel too, for
one OPTIONS: a second divided by it is the rate that one processor sustains.
"""

import time
from collections.abc import Iterator

import trio

from benchmarks.harness.measure import Benchmark, Sampled
from benchmarks.harness.program import asked, lacking, responder
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.message.uri import parse_uri
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.base import TransportConfig

WINDOW = 64
"""OPTIONS that are outstanding at once."""
WARM_UP, COUNT, PEER_COUNT = 1000, 5000, 100_000
HOST = "127.0.0.1"


def awaited(port: int, transport: Transport) -> float:
    """Microseconds of CPU time for one OPTIONS that is awaited."""
    uri = parse_uri(f"sip:{HOST}:{port};transport={transport.value.lower()}")
    hop = Hop(transport, SocketAddress(HOST, port))
    bind = ((Transport.UDP, SocketAddress(HOST, 0)),)

    async def measured() -> float:
        async with Endpoint(EndpointConfig(TransportConfig(bind=bind))) as endpoint:
            left = 0

            async def worker() -> None:
                nonlocal left
                while left > 0:
                    left -= 1
                    exchange = await endpoint.options(uri, hop=hop)
                    assert exchange.response.is_success

            taken = 0.0
            for count in (WARM_UP, COUNT):
                left, begin = count, time.process_time()
                async with trio.open_nursery() as nursery:
                    for _ in range(WINDOW):
                        nursery.start_soon(worker)
                taken = (time.process_time() - begin) / count
            return taken * 1e6

    return trio.run(measured)


def benchmarks() -> Iterator[Benchmark]:
    """One: awaited, against the C client."""
    name = "options.udp.awaited"
    lack = lacking("udp")
    if lack is not None:
        yield Benchmark(name, lack, ())
        return
    with responder("udp") as port:
        yield Benchmark(
            name,
            Sampled("sipcore", lambda: awaited(port, Transport.UDP)),
            (Sampled("C client", lambda: asked("udp", port, PEER_COUNT, WINDOW)),),
        )
