"""The lab: real servers on this machine's loopback, each on ports that were free when it started.

A server is a process that this run started, ends with it (also when it is killed), and is up once it answers an
OPTIONS. Its files and its output stay in the run's temporary folder; its logs are shown when it does not come up.
"""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop import wire
from tests.interop.certificates import Certificates
from tests.machine import has_ipv6

HOST = "127.0.0.1"
PORTS = range(10_000, 30_000)
"""Below the kernel's ephemeral ports (from 32768), so that no client's socket takes one between two steps."""
START_SECONDS = 20.0
"""How long a server may take until it answers: ten times what the slowest needs on an idle machine."""
STOP_SECONDS = 2.0
"""How long a server may take to end before it is killed; one with an open call would wait for an answer to its BYE."""
POLL_SECONDS = 0.05
CONFIGURATIONS = Path(__file__).parents[2] / "fixtures" / "lab"


class MissingError(Exception):
    """A server is not installed; the message says what to install."""


class StartError(Exception):
    """A server is installed and did not come up; the message has its logs."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it listens, and what is known of it without asking it over SIP.

    `tls_port` and `ca_file` are None where the product has no TLS, `host6` where it does not listen on IPv6, `ws_port`
    and `wss_port` where it has no WebSockets.
    """

    name: str
    version: str
    host: str
    udp_port: int
    tcp_port: int
    tls_port: int | None = None
    ca_file: Path | None = None
    host6: str | None = None
    ws_port: int | None = None
    wss_port: int | None = None

    @property
    def listens(self) -> list[tuple[str, int, str]]:
        """Everything it listens on: host, port, and "udp", "tcp", "tls", "ws" or "wss"."""
        hosts = [self.host] + ([self.host6] if self.host6 else [])
        ports = {
            "udp": self.udp_port,
            "tcp": self.tcp_port,
            "tls": self.tls_port,
            "ws": self.ws_port,
            "wss": self.wss_port,
        }
        return [(host, port, transport) for host in hosts for transport, port in ports.items() if port]


@dataclass(slots=True)
class Lab:
    """One run's folder, certificates and ports."""

    folder: Path
    certificates: Certificates
    _taken: set[int] = field(default_factory=set)

    def ports(self, count: int) -> int:
        """The first of `count` ports in a row, even, free for UDP and TCP, and given to nobody else in this run."""
        while True:
            first = random.randrange(PORTS.start, PORTS.stop - count, 2)
            block = range(first, first + count)
            if self._taken.isdisjoint(block) and all(map(_is_free, block)):
                self._taken.update(block)
                return first

    def configure(self, name: str, **values: object) -> Path:
        """A folder for server `name`, with the keys and its configuration, in which each @NAME@ is filled in."""
        folder = self.folder / name
        folder.mkdir()
        names = {"DIR": folder} | {key.upper(): value for key, value in values.items()}
        for template in (CONFIGURATIONS / name).iterdir():
            text = re.sub(r"@([A-Z0-9_]+)@", lambda found: str(names[found[1]]), template.read_text())
            (folder / template.name).write_text(text)
        for file in self.certificates.files:
            shutil.copy(file, folder)
        return folder

    @contextmanager
    def running(self, server: Server, *commands: list[str]) -> Iterator[Server]:
        """Run `commands`, which make up `server`: up when it answers, until the block ends. Raises StartError."""
        folder = self.folder / server.name
        with ExitStack() as stack:
            processes = [stack.enter_context(process(command, folder)) for command in commands]
            _await_answer(server, processes, folder)
            yield server


def program(name: str, package: str) -> str:
    """The path of program `name`. Raises MissingError, naming the Debian package that has it."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if path is None:
        raise MissingError(f"{name} is not installed: apt-get install {package}")
    return path


def version(command: list[str]) -> str:
    """The first version number in what `command` prints."""
    output = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_SECONDS).stdout
    found = re.search(r"\d+\.\d+(?:\.\d+)?", output)
    if found is None:
        raise StartError(f"{command} prints no version:\n{output}")
    return found[0]


def answers(server: Server) -> bool:
    """Whether `server` answers an OPTIONS wherever it should listen; a server opens its sockets one by one."""
    try:
        return all(wire.options(*address, server.ca_file).startswith("SIP/2.0 ") for address in server.listens)
    except OSError:
        return False


@contextmanager
def process(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` in `folder`, its output in `output.log`, until the block ends or this process dies, by whatever."""
    guarded = [program("setpriv", "util-linux"), "--pdeathsig", "TERM", "--", *command]
    with (folder / "output.log").open("ab") as log:
        started = subprocess.Popen(
            guarded, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)  # the group is the session that it was started in
            started.wait()


def _await_answer(server: Server, processes: list[subprocess.Popen[bytes]], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers(server):
        ended = [process.args for process in processes if process.poll() is not None]
        if ended or time.monotonic() > deadline:
            why = f"ended by itself: {ended}" if ended else f"does not answer after {START_SECONDS:g} s"
            logs = "\n".join(log.read_text(errors="replace") for log in sorted(folder.rglob("*.log")))
            raise StartError(f"{server.name} {why}\n{logs}")
        time.sleep(POLL_SECONDS)


def _is_free(port: int) -> bool:
    """Whether nobody holds `port` on any address, for UDP or TCP."""
    families = [(socket.AF_INET, "")] + ([(socket.AF_INET6, "::")] if has_ipv6() else [])
    for family, host in families:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(family, kind) as probe:
                if family is socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                try:
                    probe.bind((host, port))
                except OSError:
                    return False
    return True
