"""Do two hundred calls at once keep their time, and what do they cost? Media both ways, a packet in 20 ms each way.

A C program takes all packets, sends them back, and tells by the kernel's stamps how late each one left: the loopback
hands it over within the system call that sends it. `media.pacing` are the percentiles of that over all packets; the
peer is a C program that paces the same streams, and does nothing else with them. `media.packet` is the processor's time
for one packet, sent or received, measured and kept to be listened to, and `media.packet.srtp` the same with
AES_CM_128_HMAC_SHA1_80; C's packets are nothing but bytes. SRTP has half as many calls: for more, a processor is not
enough. `media.pacing.listening` is paced while lines listen to what has come, as many as there are of calls of a
minute's length.

Who is measured comes first on its processor, where that may be asked for: others that run on the machine are not the
question.
"""

import gc
import os
import secrets
import subprocess
import time
from collections.abc import Iterator, Sequence
from functools import partial

import trio

from benchmarks.harness.measure import Benchmark, Sampled
from benchmarks.harness.program import PROCESSOR, lacking, program
from benchmarks.harness.stolen import Undisturbed
from sipcore.endpoint.media.media import Line, open_media
from sipcore.media.keys import AES_CM_128_HMAC_SHA1_80, SrtpKeys, keys_of, new_crypto
from sipcore.media.plan import MediaPlan, prepare
from sipcore.resolve.target import SocketAddress
from sipcore.sdp.attributes import PCMU

HOST = "127.0.0.1"
OWN = min(os.sched_getaffinity(0))
"""The processor of who is measured."""
CALLS, ENCRYPTED_CALLS, PACKETS = 200, 100, 200
LISTEN_EVERY = 60.0 / CALLS
"""Seconds after which the next line listens."""
OFFSET = 0.00317
"""Seconds between the beginnings of two streams, as in `c/media.c`: their packets do not fall together."""
RESTED = 1.0
"""Seconds of sleep before: Linux stops what runs before all others when it has done so for 0.95 of the last one."""
SETTLED = 0.5
"""Seconds after which a call has had its first packets."""
TURNS = 3
LOST = 1e6
"""Microseconds that the 99th percentile has at least where more than one packet in a thousand never came: what the C
program waits for the last one."""

Keys = tuple[SrtpKeys, SrtpKeys] | None


def alone(number: int, processor: int) -> None:
    """Give a process a processor before all others, where that is allowed; 0 is this process."""
    os.sched_setaffinity(number, {processor})
    try:
        os.sched_setscheduler(number, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return


class Runs:
    """Runs of one kind, each of which answers several questions: the median and the 99th percentile of lateness, in
    microseconds, and the processor's for one packet.
    """

    def __init__(
        self, command: Sequence[str] = (), *, calls: int = CALLS, keys: Keys = None, listens: bool = False
    ) -> None:
        self._calls = calls
        self._command = command
        self._keys = keys
        self._listens = listens
        self._found: list[tuple[float, ...]] = []
        self._asked = {0: 0, 1: 0, 2: 0}
        self._undisturbed = Undisturbed()

    def remark(self) -> str:
        """What a reader must know of the runs."""
        return self._undisturbed.remark()

    def figure(self, which: int) -> float:
        """The next figure of this kind, of the run that comes next for it."""
        number = self._asked[which]
        self._asked[which] += 1
        if number == len(self._found):
            self._found.append(self._undisturbed.run(self._run))
        return self._found[number][which]

    def _run(self) -> tuple[float, ...]:
        watch = [str(program("media")), "watch", str(self._calls), str(PACKETS)]
        with subprocess.Popen(watch, stdout=subprocess.PIPE, text=True) as watching:
            alone(watching.pid, PROCESSOR)
            assert watching.stdout
            try:
                ports = [int(watching.stdout.readline()) for _ in range(self._calls)]
                cost = self._send(ports)
                median, late, missing = map(float, watching.stdout.readline().split())
            finally:
                watching.kill()
        return median, late if missing <= self._calls * PACKETS / 1000 else max(late, LOST), cost

    def _send(self, ports: Sequence[int]) -> float:
        if self._command:
            command = [*self._command, *map(str, ports)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sending:
                alone(sending.pid, OWN)
                return float(sending.communicate()[0])
        before, policy = os.sched_getaffinity(0), os.sched_getscheduler(0)
        try:
            return 1e6 * trio.run(call, ports, self._keys, self._listens)
        finally:
            os.sched_setscheduler(0, policy, os.sched_param(0))
            os.sched_setaffinity(0, before)


async def call(ports: Sequence[int], keys: Keys, listens: bool) -> float:
    """Call each port until PACKETS have left for it; gives the processor's seconds for one packet."""
    async with open_media() as media:
        lines = [media.open(HOST) for _ in ports]
        prepare(MediaPlan(SocketAddress(HOST, 0), PCMU, keys=keys))
        gc.collect()
        gc.freeze()
        await trio.sleep(RESTED)
        alone(0, OWN)
        begin, used = trio.current_time(), time.process_time()
        for number, (line, port) in enumerate(zip(lines, ports, strict=True)):
            await trio.sleep_until(begin + number * OFFSET)
            line.start(MediaPlan(SocketAddress(HOST, port), PCMU, keys=keys))
        with trio.move_on_at(begin + len(lines) * OFFSET + PACKETS * 0.02 + SETTLED):
            while listens:
                for line in lines:
                    await trio.sleep(LISTEN_EVERY)
                    await line.listen()
            await trio.sleep_forever()
        used = time.process_time() - used
        gc.unfreeze()
        return used / sum(map(packets, lines))


def packets(line: Line) -> int:
    """How many were sent and received."""
    result = line.result()
    return result.sent.packets + (result.received.packets if result.received else 0)


def benchmarks() -> Iterator[Benchmark]:
    """Pacing, and what a packet costs."""
    lack = lacking("media")
    one = keys_of(new_crypto(AES_CM_128_HMAC_SHA1_80, 1, secrets.token_bytes))
    plain, encrypted, listening = Runs(), Runs(calls=ENCRYPTED_CALLS, keys=(one, one)), Runs(listens=True)
    peer = Runs(["", "send", str(PACKETS)] if lack else [str(program("media")), "send", str(PACKETS)])
    for name, runs, which in (
        ("pacing.p50", plain, 0),
        ("pacing.p99", plain, 1),
        ("pacing.srtp", encrypted, 1),
        ("pacing.listening", listening, 1),
        ("packet", plain, 2),
        ("packet.srtp", encrypted, 2),
    ):
        beside = (Sampled("C client", partial(peer.figure, which), peer.remark),) if runs is plain else ()
        subject = Sampled("sipcore", partial(runs.figure, which), runs.remark)
        yield Benchmark(f"media.{name}", lack or subject, () if lack else beside, turns=TURNS)
