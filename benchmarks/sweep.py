"""How quickly, at what cost and how completely are 127.0.0.0/20's 4,096 addresses swept?

A C responder answers OPTIONS at all of them, at one in sixteen (`sparse`), or loses one request in twenty (`lossy`), on
another processor. `command` is whole commands from start to end, interpreters being started included, in turns with
svmap, nmap and sipsak, each as fast as it can be told to be; `rate` and `cpu` are the sweep itself. `memory` is the
most that the command holds for a range 16 times as large, beside what it holds for this one.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from benchmarks.harness.measure import Benchmark, Excluded, Sampled
from benchmarks.harness.program import lacking, responder
from probes.report.sweep_json import found_data
from probes.sweep.found import Found
from probes.sweep.ranges import Range, Targets
from probes.sweep.run import Sweep, SweepConfig

NETWORK, COUNT = "127.0.0.0/20", 4096
LARGE, LARGE_COUNT = "127.0.0.0/16", 65536
SMALL = "a sixteenth"
"""What is swept beside LARGE, to see whether memory grows with the range."""
FEW_COUNT = 64
"""Fewer for what asks one after the other: it would take minutes."""
RATE = 20_000
EVERY = 16
LOSS = 20
"""One request in so many is lost."""
TURNS, QUICK_TURNS = 3, 9
OPTIONS = (
    b"OPTIONS sip:nmap SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKnmap;rport\r\nMax-Forwards: 70\r\n"
    b"From: <sip:nmap@127.0.0.1>;tag=nmap\r\nTo: <sip:nmap@127.0.0.1>\r\nCall-ID: nmap\r\nCSeq: 1 OPTIONS\r\n"
    b"Accept: application/sdp\r\nContent-Length: 0\r\n\r\n"
)
"""What nmap is given to send: its own OPTIONS goes to port 5060 only."""
_address = re.compile(rb"\b127\.\d+\.\d+\.\d+\b")


@dataclass(frozen=True, slots=True)
class Tool:
    """A command that sweeps `network` at a port; `found` counts the addresses in what it prints."""

    name: str
    command: Callable[[str, int], Sequence[str]]
    found: Callable[[bytes], int]
    needed: str = ""
    remark: str = ""

    @property
    def is_there(self) -> bool:
        return not self.needed or _located(self.needed) is not None


def _ours(network: str, port: int) -> Sequence[str]:
    command = [sys.executable, "-m", "probes.cli.main", "sweep", network, "--yes-large", "--json"]
    return [*command, "--port", str(port), "--rate", str(RATE)]


def _svmap(network: str, port: int) -> Sequence[str]:
    return [_located("sipvicious_svmap") or "", "-t", "0", "-p", str(port), network]


def _nmap(network: str, port: int) -> Sequence[str]:
    pace = ["-T5", "--min-rate", str(RATE), "--max-retries", "2"]
    return [
        _located("nmap") or "",
        "-n",
        "-Pn",
        "-sU",
        "-p",
        str(port),
        *pace,
        "--data",
        OPTIONS.hex(),
        "-oG",
        "-",
        network,
    ]


def _sipsak(_: str, port: int) -> Sequence[str]:
    asked = f'for n in $(seq 0 {FEW_COUNT - 1}); do sipsak -s "sip:127.0.0.$n:{port}" >&2 && echo 127.0.0.$n; done'
    return ["sh", "-c", asked]


def _answered(printed: bytes) -> int:
    """Of ours: how many places answered, by the last line."""
    found = json.loads(printed.splitlines()[-1])["answered"]
    assert isinstance(found, int)
    return found


def _open_ports(printed: bytes) -> int:
    return printed.count(b"open/udp")


def _addresses(printed: bytes) -> int:
    return len(set(_address.findall(printed)))


OURS = Tool("sipcore", _ours, _answered)
SVMAP = Tool("svmap", _svmap, _addresses, "sipvicious_svmap", "-t 0; repeats nothing")
NMAP = Tool("nmap", _nmap, _open_ports, "nmap", "-T5, two repetitions at most")
SIPSAK = Tool("sipsak", _sipsak, _addresses, "sipsak", f"{FEW_COUNT} addresses only, one after the other")
PACKAGES = {"sipvicious_svmap": "PyPI: sipvicious", "nmap": "Debian: nmap", "sipsak": "Debian: sipsak"}


def _located(program: str) -> str | None:
    """Where a program is: beside the interpreter, or on the path."""
    beside = Path(sys.executable).parent / program
    return str(beside) if beside.exists() else shutil.which(program)


def ran(tool: Tool, port: int, network: str = "") -> tuple[float, int, int]:
    """Seconds that a command took, how many addresses it found, and the most memory that it held, in kB.

    It sweeps NETWORK where no other is named.
    """
    begin = time.perf_counter()
    with subprocess.Popen(
        tool.command(network or NETWORK, port), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as running:
        assert running.stdout
        printed = running.stdout.read()
        _, _, used = os.wait4(running.pid, 0)
        running.returncode = 0
    return time.perf_counter() - begin, tool.found(printed), used.ru_maxrss


def command_time(tool: Tool, port: int) -> float:
    """Microseconds from start to end for each address, all of which have to be found."""
    count = FEW_COUNT if tool is SIPSAK else COUNT
    seconds, found, _ = ran(tool, port)
    assert tool is not OURS or found == count, f"found {found} of {count}"
    return seconds / count * 1e6


def thoroughness(tool: Tool, port: int) -> float:
    """How many addresses there are for a hundred that are found: 100 when none is missed."""
    return COUNT / ran(tool, port)[1] * 100


def sparse_time(tool: Tool, port: int) -> float:
    """Seconds from start to end, with one address in EVERY answering; all of those have to be found."""
    seconds, found, _ = ran(tool, port)
    assert tool is not OURS or found == COUNT // EVERY, f"found {found} of {COUNT // EVERY}"
    return seconds


def memory(port: int, network: str, count: int) -> float:
    """The most memory that the command holds while it sweeps a network, in kB."""
    _, found, kilobytes = ran(OURS, port, network)
    assert found == count, f"found {found} of {count}"
    return kilobytes


def swept(port: int, clock: Callable[[], float]) -> float:
    """Microseconds for one address by `clock`, without starting up, each place written as JSON."""
    targets = Targets([Range.parse(NETWORK)], [port], allow_large=True)
    lines: list[str] = []
    encode = json.JSONEncoder(ensure_ascii=False).encode

    def take(found: Found) -> None:
        lines.append(encode(found_data(found)))

    sweep = Sweep(targets, SweepConfig(rate=RATE), take)
    begin = clock()
    trio.run(sweep.run)
    taken = clock() - begin
    assert len(lines) == COUNT
    return taken / COUNT * 1e6


def _compared(name: str, unit: str, figure: Callable[[Tool], float], *peers: Tool) -> Benchmark:
    timed = [
        Sampled(peer.name, partial(figure, peer), peer.remark)
        if peer.is_there
        else Excluded(peer.name, f"not installed ({PACKAGES[peer.needed]})", lacking=True)
        for peer in peers
    ]
    return Benchmark(name, Sampled(OURS.name, partial(figure, OURS)), tuple(timed), unit=unit, turns=TURNS)


def benchmarks() -> Iterator[Benchmark]:
    """Whole commands, and the sweep alone; with losses, with few that answer, and with a large range."""
    lack = lacking("sweep")
    if lack is not None:
        yield from (
            Benchmark(f"sweep.{name}", lack, ()) for name in ("command", "rate", "cpu", "lossy", "sparse", "memory")
        )
        return
    with responder("sweep", "1", "0") as port:
        yield Benchmark("sweep.rate", Sampled(OURS.name, lambda: swept(port, time.perf_counter)), (), turns=QUICK_TURNS)
        yield Benchmark("sweep.cpu", Sampled(OURS.name, lambda: swept(port, time.process_time)), (), turns=QUICK_TURNS)
        yield _compared("sweep.command", "us", lambda tool: command_time(tool, port), SVMAP, NMAP, SIPSAK)
        large = Sampled(OURS.name, lambda: memory(port, LARGE, LARGE_COUNT), f"{LARGE_COUNT:,} addresses")
        small = Sampled(SMALL, lambda: memory(port, NETWORK, COUNT))
        yield Benchmark("sweep.memory", large, (small,), unit="kB", turns=2)
    with responder("sweep", "1", str(LOSS)) as port:
        yield _compared("sweep.lossy", "%", lambda tool: thoroughness(tool, port), SVMAP, NMAP)
    with responder("sweep", str(EVERY), "0") as port:
        yield _compared("sweep.sparse", "s", lambda tool: sparse_time(tool, port), SVMAP, NMAP)
