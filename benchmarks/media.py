"""Do two hundred calls at once keep their time? Media both ways, 50 packets a second each way for each call.

Another process sends back what comes, and does nothing else. `media.pacing` is how late packets left, the 99th
percentile of each call, averaged; `media.packet` is the processor's time for one packet, sent or received, measured
and listened to; `media.packet.srtp` is the same with AES_CM_128_HMAC_SHA1_80. There is no peer: what a softphone does
for a call is not to be had in figures like these.
"""

import gc
import os
import secrets
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from statistics import mean

import trio

from benchmarks.harness.measure import Benchmark, Sampled
from benchmarks.harness.program import PROCESSOR
from sipcore.endpoint.media.media import Line, open_media
from sipcore.media.keys import AES_CM_128_HMAC_SHA1_80, SrtpKeys, keys_of, new_crypto
from sipcore.media.session import MediaPlan
from sipcore.resolve.target import SocketAddress
from sipcore.sdp.attributes import PCMU

HOST = "127.0.0.1"
CALLS = 200
SECONDS = 4.0
PTIME = 0.02
TURNS = 3
_ECHO = "from benchmarks.media import send_back; send_back()"


def send_back() -> None:
    """Bind CALLS ports, tell them, and send back what comes until killed."""
    poll = select.epoll()
    sockets = {}
    for _ in range(CALLS):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((HOST, 0))
        sockets[sock.fileno()] = sock
        poll.register(sock, select.EPOLLIN)
    print(*(sock.getsockname()[1] for sock in sockets.values()), flush=True)
    while True:
        for number, _ in poll.poll():
            data, sender = sockets[number].recvfrom(2048)
            sockets[number].sendto(data, sender)


def run(keys: tuple[SrtpKeys, SrtpKeys] | None, figure: Callable[[list[Line], float], float]) -> float:
    """Have all calls up for SECONDS; gives the figure of the lines and the processor's time, in microseconds."""
    with subprocess.Popen([sys.executable, "-c", _ECHO], stdout=subprocess.PIPE, text=True) as echoing:
        os.sched_setaffinity(echoing.pid, {PROCESSOR})
        assert echoing.stdout
        try:
            ports = [int(port) for port in echoing.stdout.readline().split()]
            return 1e6 * trio.run(call, ports, keys, figure)
        finally:
            echoing.kill()


async def call(
    ports: list[int], keys: tuple[SrtpKeys, SrtpKeys] | None, figure: Callable[[list[Line], float], float]
) -> float:
    """One call to each port."""
    async with open_media() as media:
        lines = [media.open(HOST) for _ in ports]
        gc.collect()
        gc.freeze()
        used = time.process_time()
        for line, port in zip(lines, ports, strict=True):
            line.start(MediaPlan(SocketAddress(HOST, port), PCMU, ptime=PTIME, keys=keys))
            await trio.sleep(PTIME / 7)  # so that their packets do not fall together
        await trio.sleep(SECONDS)
        found = figure(lines, time.process_time() - used)
        gc.unfreeze()
        return found


def lateness(lines: list[Line], _: float) -> float:
    """Seconds, as `media.pacing` has it."""
    return mean(line.result().sent.lateness for line in lines)


def for_one_packet(lines: list[Line], used: float) -> float:
    """Seconds of the processor for one packet."""
    results = [line.result() for line in lines]
    return used / sum(each.sent.packets + (each.received.packets if each.received else 0) for each in results)


def benchmarks() -> Iterator[Benchmark]:
    """Pacing, and what a packet costs."""
    one = keys_of(new_crypto(AES_CM_128_HMAC_SHA1_80, 1, secrets.token_bytes))
    yield Benchmark("media.pacing", Sampled("sipcore", lambda: run(None, lateness)), (), turns=TURNS)
    yield Benchmark("media.packet", Sampled("sipcore", lambda: run(None, for_one_packet)), (), turns=TURNS)
    yield Benchmark("media.packet.srtp", Sampled("sipcore", lambda: run((one, one), for_one_packet)), (), turns=TURNS)
