"""A name server of the lab: NSD, authoritative for zone files and nothing else, on loopback ports that were free.

It follows no delegation and asks nobody: a name outside its zones is REFUSED, and a zone whose file is missing is
SERVFAIL, which is what lame and broken servers say.
"""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from sipcore.resolve.target import SocketAddress
from tests.interop.lab import HOST, POLL_SECONDS, START_SECONDS, Lab, StartError, process, program
from tests.machine import HOST6, has_ipv6

Zones = Mapping[str, Path]
"""The name of each zone, and its file."""

ZONES = Path(__file__).parents[2] / "fixtures" / "zones"
BROKEN = "broken.test"
"""A zone without a file."""
FIXTURES: Zones = {path.stem: path for path in sorted(ZONES.glob("*.zone"))} | {BROKEN: ZONES / "missing"}

SERVER = """\
server:
  username: ""
  chroot: ""
  database: ""
  zonesdir: ""
  pidfile: ""
  logfile: "{folder}/nsd.log"
  xfrdir: "{folder}"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  server-count: 1
  tcp-count: 4
  xfrd-tcp-max: 1
  rrl-ratelimit: 0
  rrl-size: 1
remote-control:
  control-enable: no
server:
"""
"""All in its own folder, small, and without a limit to what one client may ask."""


@dataclass(frozen=True, slots=True)
class Nameserver:
    """A running name server. `address6` is None where this machine has no ::1."""

    address: SocketAddress
    address6: SocketAddress | None


def nsd(lab: Lab, *served: Zones) -> AbstractContextManager[list[Nameserver]]:
    """One name server for each set of zones, up when all of them answer. Raises MissingError, StartError."""
    return _running(lab, program("nsd", "nsd"), served)


@contextmanager
def _running(lab: Lab, command: str, served: tuple[Zones, ...]) -> Iterator[list[Nameserver]]:
    with ExitStack() as stack:
        started = []
        for zones in served:
            port = lab.ports(1)
            folder = lab.folder / f"nsd-{port}"
            folder.mkdir()
            server = _configure(folder, port, zones)
            running = stack.enter_context(process([command, "-d", "-c", str(folder / "nsd.conf")], folder))
            started.append((server, running, folder))
        for server, running, folder in started:
            _await_answer(server, running, folder)
        yield [server for server, _, _ in started]


def _configure(folder: Path, port: int, zones: Zones) -> Nameserver:
    hosts = [HOST, *([HOST6] if has_ipv6() else [])]
    addresses = "".join(f"  ip-address: {host}@{port}\n" for host in hosts)
    stanzas = "".join(f'zone:\n  name: "{name}"\n  zonefile: "{path}"\n' for name, path in zones.items())
    (folder / "nsd.conf").write_text(SERVER.format(folder=folder) + addresses + stanzas)
    return Nameserver(SocketAddress(HOST, port), SocketAddress(HOST6, port) if len(hosts) > 1 else None)


def _await_answer(server: Nameserver, running: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not all(map(_answers, filter(None, (server.address, server.address6)))):
        if running.poll() is not None or time.monotonic() > deadline:
            logs = "\n".join(log.read_text(errors="replace") for log in sorted(folder.glob("*.log")))
            raise StartError(f"NSD does not answer on {server.address}\n{logs}")
        time.sleep(POLL_SECONDS)


def _answers(address: SocketAddress) -> bool:
    query = dns.message.make_query(".", "SOA")
    try:
        dns.query.udp(query, address.host, POLL_SECONDS, address.port)
    except (OSError, dns.exception.DNSException):
        return False
    return True
