"""How long does a discovery with all its usual questions take of one host?

`answering` is of a host that answers at two ports, over UDP, TCP and TLS, and refuses at the others; `refusing` of one
where nothing listens; `silent` of one that says nothing at all, which lasts as long as its answers are waited for, and
`called` of the same, called too. `command` is the whole command for the first one, interpreter and all.
Hosts are addresses of 127.0.0.0/8 that nothing else has; who answers runs in a process of its own.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import trio

from benchmarks.harness.measure import Benchmark, Excluded, Sampled
from probes.discovery.candidates import DEFAULT_PORTS
from probes.discovery.run import DiscoveryConfig, discover
from probes.result import Reach

ANSWERING, REFUSING, SILENT = "127.97.0.1", "127.97.0.2", "127.97.0.3"
TURNS, SLOW_TURNS = 9, 3
PATIENCE = 20.0
"""Seconds for the responder to begin."""
CLI = (sys.executable, "-m", "probes.cli.main")
PLACES = 9
"""The usual ports, and the usual transports at each."""


@contextmanager
def answering() -> Iterator[None]:
    """A responder at ANSWERING."""
    command = [*CLI, "respond", "--host", ANSWERING]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            end = time.monotonic() + PATIENCE
            while not _listens(DEFAULT_PORTS[1]):
                assert running.poll() is None, "the responder does not run"
                assert time.monotonic() < end, "the responder does not answer"
                time.sleep(0.05)
            yield
        finally:
            running.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((ANSWERING, port)) == 0


@contextmanager
def silence() -> Iterator[None]:
    """Sockets at SILENT that take datagrams and read none, and whose queues for connections are full: SYNs are
    dropped then, as by a firewall.
    """
    with ExitStack() as stack:
        for port in DEFAULT_PORTS:
            datagrams = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            datagrams.bind((SILENT, port))
            listener = stack.enter_context(socket.socket())
            listener.bind((SILENT, port))
            listener.listen(0)
            for _ in range(2):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex((SILENT, port))
        yield


def taken(host: str, *reaches: Reach, invite: bool = False) -> float:
    """Milliseconds for one discovery, which has to end as it should at all places."""
    begin = time.perf_counter()
    found = trio.run(discover, host, DiscoveryConfig(invite=invite))
    seconds = time.perf_counter() - begin
    assert len(found.attempts) == PLACES
    told = {attempt.reach for attempt in found.attempts}
    assert told == set(reaches), told
    return seconds * 1e3


def command_time(host: str) -> float:
    """Milliseconds for the whole command."""
    begin = time.perf_counter()
    subprocess.run([*CLI, "discover", host, "--json"], check=True, capture_output=True)
    return (time.perf_counter() - begin) * 1e3


def benchmarks() -> Iterator[Benchmark]:
    """One host each."""
    here = (Reach.ANSWERED, Reach.REFUSED, Reach.NOT_SIP, Reach.TLS_FAILED)
    yield _timed("refusing", lambda: taken(REFUSING, Reach.REFUSED))
    try:
        with answering():
            taken(ANSWERING, *here)  # what is loaded once is loaded now
            yield _timed("answering", lambda: taken(ANSWERING, *here))
            yield _timed("command", lambda: command_time(ANSWERING))
    except OSError as error:
        reason = Excluded("sipcore", f"{ANSWERING} cannot be had: {error}", lacking=True)
        yield from (Benchmark(f"discovery.{name}", reason, ()) for name in ("answering", "command"))
    with silence():
        silent = (Reach.NO_ANSWER, Reach.FILTERED)
        yield _timed("silent", lambda: taken(SILENT, *silent), SLOW_TURNS)
        yield _timed("called", lambda: taken(SILENT, *silent, invite=True), SLOW_TURNS)


def _timed(name: str, sample: Callable[[], float], turns: int = TURNS) -> Benchmark:
    return Benchmark(f"discovery.{name}", Sampled("sipcore", sample), (), unit="ms", turns=turns)
