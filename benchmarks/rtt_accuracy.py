"""How far off are the round-trip times that are reported for UDP?

The truth is the kernel's: a C program takes the stamps at which the network device saw each request leave and its
answer arrive. The figure is the 99th percentile of the difference. `idle` asks one after the other, `loaded` as many at
once as keep a processor busy; the peer is a C client that asks one after the other.
"""

import socket
import subprocess
from collections.abc import Callable, Iterator
from functools import partial

import trio

from benchmarks.harness.measure import Benchmark, Excluded, Sampled
from benchmarks.harness.program import lacking, program, responder
from benchmarks.options_udp import HOST, WINDOW
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.message.uri import parse_uri
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.base import TransportConfig

COUNT = 2000
LOADS = {"idle": 1, "loaded": WINDOW}
"""How many requests are outstanding at once."""
Times = dict[str, float]
"""Microseconds, by branch."""


def difference(port: int, ask: Callable[[int], Times]) -> float:
    """How far what `ask` measures is off from what the kernel saw, in microseconds."""
    command = [str(program("rtt")), "watch", str(port), str(COUNT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout
        if not watching.stdout.readline():
            raise PermissionError("packet sockets need CAP_NET_RAW")
        reported = ask(port)
        seen = _read(watching.stdout)
    off = sorted(abs(reported[branch] - true) for branch, true in seen.items() if branch in reported)
    assert len(off) > COUNT // 2, "what was measured and what was seen do not belong together"
    return off[len(off) * 99 // 100]


def _read(lines: Iterator[str]) -> Times:
    return {branch: float(time) for branch, time in (line.split() for line in lines)}


def by_peer(port: int) -> Times:
    """The C client's."""
    command = [str(program("rtt")), "ask", str(port), str(COUNT)]
    return _read(iter(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()))


def by_ours(port: int, at_once: int) -> Times:
    """Ours, with so many requests outstanding."""
    uri = parse_uri(f"sip:{HOST}:{port}")
    hop = Hop(Transport.UDP, SocketAddress(HOST, port))
    bind = ((Transport.UDP, SocketAddress(HOST, 0)),)
    found: Times = {}

    async def run() -> None:
        left = COUNT
        async with Endpoint(EndpointConfig(TransportConfig(bind=bind))) as endpoint:

            async def worker() -> None:
                nonlocal left
                while left > 0:
                    left -= 1
                    exchange = await endpoint.options(uri, hop=hop)
                    found[exchange.request.branch] = exchange.rtt * 1e6

            async with trio.open_nursery() as nursery:
                for _ in range(at_once):
                    nursery.start_soon(worker)

    trio.run(run)
    return found


def _without_packets() -> Excluded | None:
    """Why the kernel's stamps cannot be had, None where they can."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM).close()
    except (AttributeError, OSError):
        return Excluded("sipcore", "packet sockets need Linux and CAP_NET_RAW", lacking=True)
    return None


def benchmarks() -> Iterator[Benchmark]:
    """One without load and one with."""
    lack = lacking("rtt") or lacking("udp") or _without_packets()
    if lack is not None:
        yield from (Benchmark(f"rtt.accuracy.{name}", lack, ()) for name in LOADS)
        return
    with responder("udp") as port:
        for name, at_once in LOADS.items():
            yield Benchmark(
                f"rtt.accuracy.{name}",
                Sampled("sipcore", partial(difference, port, partial(by_ours, at_once=at_once))),
                (Sampled("C client", lambda: difference(port, by_peer)),),
                turns=5,
            )
