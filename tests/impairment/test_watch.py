"""A watch whose packets a firewall drops, and lets pass again: Kamailio behind it knows nothing of that."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.impairment.namespace import Namespace
from tests.impairment.network import ROOT, Network, open_network
from tests.impairment.path import PERFECT, Impairment
from tests.interop.conftest import installed

pytestmark = pytest.mark.usefixtures("privileged")

PORT = 5060
SECONDS = 15.0
"""For each change: three times what the rules, and a busy machine, make of it."""
KAMAILIO = """\
#!KAMAILIO
log_stderror=yes
auto_aliases=no
children=1
tcp_children=1
listen=udp:{0}:{1}
listen=tcp:{0}:{1}
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
request_route {{ options_reply(); }}
"""
PROGRAM = """\
import sys

import trio

from probes import Change, Destination, Route, Rules, Switch, Trunk, Watch


def tell(happening):
    if isinstance(happening, Change):
        print(happening.after.value, happening.check.reason, flush=True)
    elif isinstance(happening, Switch):
        print("calls take", happening.after, flush=True)


rules = Rules(interval=1, retry=1, timeout=0.9, misses=3)
trio.run(Watch([Trunk("acme", (Route("main", Destination.parse(sys.argv[1])),), rules)], tell).run)
"""


@asynccontextmanager
async def running(site: Namespace, *words: str, cwd: Path = ROOT) -> AsyncIterator[trio.Process]:
    """A program in a site, for a block."""
    command = site.command(*words)
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd)
    try:
        yield process
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            with trio.move_on_after(5):
                await process.wait()
            process.kill()
            await process.wait()
            if process.stdout is not None:
                await process.stdout.aclose()


class Lines:
    """What a program prints, line by line."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdout is not None
        self._stream = process.stdout
        self._rest = ""

    async def take(self, count: int) -> list[str]:
        """The next lines."""
        with trio.fail_after(SECONDS):
            while self._rest.count("\n") < count:
                data = await self._stream.receive_some()
                assert data, self._rest  # it ended
                self._rest += bytes(data).decode()
        *lines, self._rest = self._rest.split("\n", count)
        return lines


@asynccontextmanager
async def watched(network: Network, transport: str, folder: Path) -> AsyncIterator[Lines]:
    """Kamailio in one site, and what is told of it in the other."""
    bob, file = network["bob"].ipv4, folder / "kamailio.cfg"
    file.write_text(KAMAILIO.format(bob, PORT))
    kamailio = [
        installed("kamailio", "kamailio"),
        "-DD",
        "-E",
        "-m",
        "32",
        "-M",
        "8",
        "-f",
        str(file),
        "-Y",
        str(folder),
    ]
    target = f"{transport}://{bob}:{PORT}"
    async with (
        running(network["bob"], *kamailio, cwd=folder),
        running(network["alice"], sys.executable, "-c", PROGRAM, target) as watch,
    ):
        yield Lines(watch)


@pytest.mark.parametrize(("transport", "reason"), [("udp", "silent"), ("tcp", "unreachable")])
async def test_a_firewall_that_drops(transport: str, reason: str, tmp_path: Path) -> None:
    """Over TCP the connection that was kept is silent, and in the same check no new one comes about."""
    async with open_network() as network, watched(network, transport, tmp_path) as lines:
        told: list[str] = []
        while told[-1:] != ["healthy answered"]:  # Kamailio takes a moment to begin
            told += await lines.take(1)
        if "calls take None" in told:
            assert await lines.take(1) == ["calls take main"]
        await network.impair(Impairment(blocked=True))
        assert await lines.take(3) == [f"degraded {reason}", f"unreachable {reason}", "calls take None"]
        await network.impair(PERFECT)
        assert await lines.take(2) == ["healthy answered", "calls take main"]
