"""Endpoints in processes of their own, inside a site of the bad network, led by orders on a line each.

The test's side is `Agent`; the other side is `serve`, which `caller` and `callee` run. Orders and reports are values,
pickled and in hexadecimal digits; an agent ends with its standard input, so none outlives its test.
"""

import pickle
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio

from sipcore.resolve.target import Transport
from tests.faults.observer import Report
from tests.impairment.namespace import Namespace
from tests.impairment.network import ROOT, Network

PATIENCE = 180.0
"""Seconds for an order, besides those that its batch takes: several times as long as the longest timers run."""
STOP_SECONDS = 5.0
CHUNK = 1 << 16
TICK = 0.005
"""Seconds between two looks at whether the process still runs."""
ATTEMPTS = 3
"""Runs at most for one in which nobody takes the processor away for long."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Send requests and place calls, `rate` per second: all kinds to the first place over the first transport, then
    to the next place, and so on. None: only report.
    """

    kinds: tuple[str, ...] = ()
    count: int = 0
    rate: float = 1.0
    places: tuple[str, ...] = ()
    transports: tuple[Transport, ...] = (Transport.UDP,)


class Lines:
    """Lines out of a stream."""

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def next(self) -> bytes | None:
        """The next line; None when there are no more."""
        while b"\n" not in self._buffer:
            data = await self._stream.receive_some(CHUNK)
            if not data:
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return bytes(line)


class Agent:
    """An endpoint in another process, as its test sees it."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._orders = process.stdin
        self._reports = Lines(process.stdout)

    async def ask(self, batch: Batch | None = None) -> Report:
        """Have a batch carried out, if any, and get the report when nothing goes on any more."""
        batch = batch or Batch()
        with trio.fail_after(PATIENCE + batch.count / batch.rate):
            await self._orders.send_all(pickle.dumps(batch).hex().encode() + b"\n")
            line = await self._reports.next()
        if line is None:
            raise RuntimeError("an endpoint under test has ended; what it said is among the output")
        report: Report = pickle.loads(bytes.fromhex(line.decode()))
        return report


@asynccontextmanager
async def started(site: Namespace, function: str, *words: str) -> AsyncIterator[Agent]:
    """Run `function`, as in "caller.main", of this package inside a site; it is up when the block begins."""
    module = function.partition(".")[0]
    code = f"from tests.faults import {module}; {function}()"
    command = site.command(sys.executable, "-c", code, *words)
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        agent = Agent(process)
        await agent.ask()
        yield agent
    finally:
        with trio.CancelScope(shield=True):
            await _end(process)


@asynccontextmanager
async def two(network: Network, t1: float) -> AsyncIterator[tuple[Agent, Agent]]:
    """A caller at alice's, and a callee at bob's."""
    alice, bob = network["alice"], network["bob"]
    async with (
        started(bob, "callee.main", str(t1), bob.ipv4, bob.ipv6) as callee,
        started(alice, "caller.main", str(t1)) as caller,
    ):
        yield caller, callee


def show(request: pytest.FixtureRequest, title: str, *rows: object) -> None:
    """Have numbers shown when the test fails, and at once with `-s`."""
    text = "\n".join(map(str, rows))
    request.node.add_report_section("call", title, text)
    sys.stdout.write(f"\n{title}\n{text}\n")


async def _end(process: trio.Process) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdin.aclose()
    with trio.move_on_after(STOP_SECONDS):
        await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
    await process.stdout.aclose()


async def serve(obey: Callable[[Batch], Awaitable[Report]]) -> None:
    """Obey the orders on standard input until it ends."""
    watch = Watch()
    async with (
        trio.lowlevel.FdStream(0) as orders,
        trio.lowlevel.FdStream(1) as reports,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(watch.run)
        lines = Lines(orders)
        while (line := await lines.next()) is not None:
            batch: Batch = pickle.loads(bytes.fromhex(line.decode()))
            report = await obey(batch)
            report.stalled, watch.longest = watch.longest, 0.0
            await reports.send_all(pickle.dumps(report).hex().encode() + b"\n")
        nursery.cancel_scope.cancel()


class Watch:
    """Sees how long this process does not come to run: `longest` is the most since it was set to 0, in seconds."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            due = trio.current_time() + TICK
            await trio.sleep_until(due)
            self.longest = max(self.longest, trio.current_time() - due)


async def left_alone(run: Callable[[], Awaitable[Sequence[Report]]], most: float) -> Sequence[Report]:
    """What `run` reports once no endpoint stood still for longer than `most` seconds, or in the last of ATTEMPTS runs:
    a machine that is taken away sends late whatever is due.
    """
    for _ in range(ATTEMPTS - 1):
        reports = await run()
        if max(report.stalled for report in reports) <= most:
            return reports
    return await run()
