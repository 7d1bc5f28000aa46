"""Discovery against real servers: every transport that they have is found, named, and the best one recommended."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import trio

from probes.destination import Destination
from probes.discovery.outcome import Discovery
from probes.discovery.run import DiscoveryConfig, discover
from probes.findings.finding import Severity
from probes.fingerprint.identify import HIGH
from probes.result import Reach
from sipcore.resolve.target import Transport
from sipcore.transports.base import TlsConfig
from tests.interop.conftest import installed
from tests.interop.lab import HOST, Lab, Server, process
from tests.interop.sipp import listening
from tests.interop.test_fingerprint import silent_kamailio, started
from tests.machine import needs_ipv6

PRODUCTS = {"asterisk": "Asterisk", "kamailio": "kamailio", "baresip": "baresip"}


async def look_at(server: Server, host: str = "", *, trusting: bool = True, user: str | None = "echo") -> Discovery:
    ports = [server.udp_port, *([server.tls_port] if server.tls_port else [])]
    tls = TlsConfig(ca_file=str(server.ca_file) if server.ca_file and trusting else None)
    config = DiscoveryConfig(timeout=2.0, ports=tuple(ports), tls=tls)
    with trio.fail_after(15):
        return await discover(Destination(host or server.host, user=user), config)


def reached(found: Discovery) -> dict[tuple[Transport, int], Reach]:
    return {(attempt.hop.transport, attempt.hop.remote.port): attempt.reach for attempt in found.attempts}


async def test_every_transport_is_found(server: Server) -> None:
    found = reached(await look_at(server))
    expected = {(Transport.UDP, server.udp_port), (Transport.TCP, server.tcp_port)}
    if server.tls_port:
        expected.add((Transport.TLS, server.tls_port))
    assert {place for place, reach in found.items() if reach is Reach.ANSWERED} == expected


async def test_the_rest_is_told_apart(asterisk: Server) -> None:
    assert asterisk.tls_port
    found = reached(await look_at(asterisk))
    assert found[Transport.UDP, asterisk.tls_port] is Reach.REFUSED
    assert found[Transport.TCP, asterisk.tls_port] in (Reach.SILENT, Reach.NOT_SIP)
    assert found[Transport.TLS, asterisk.tcp_port] is Reach.TLS_FAILED


async def test_the_system_is_named(server: Server) -> None:
    # Kamailio answers for itself where no user is named, and would relay to the user otherwise.
    found = await look_at(server, user=None if server.name == "kamailio" else "echo")
    assert found.system is not None
    if server.name == "sipp":
        assert not found.system.product  # it says only what its scenario says
        return
    assert found.system.product.lower() == PRODUCTS[server.name].lower()
    assert found.system.version.startswith(server.version)


async def test_methods_and_times(asterisk: Server) -> None:
    found = await look_at(asterisk)
    assert {"INVITE", "ACK", "BYE", "OPTIONS"} <= set(found.methods)
    assert all(attempt.rtt is not None and 0 < attempt.rtt < 2 for attempt in found.answered)
    assert [attempt for attempt in found.answered if attempt.kernel_stamped]


async def test_tls_that_verifies_is_recommended(asterisk: Server) -> None:
    found = await look_at(asterisk)
    assert found.recommendation is not None
    assert found.recommendation.hop.transport is Transport.TLS
    assert found.recommendation.why


async def test_tls_that_does_not_verify_is_not_recommended(asterisk: Server) -> None:
    found = await look_at(asterisk, trusting=False)
    assert found.recommendation is not None
    assert found.recommendation.hop.transport is not Transport.TLS
    (secured,) = [attempt for attempt in found.answered if attempt.hop.transport is Transport.TLS]
    assert secured.tls_problems


async def test_nothing_is_wrong_with_a_server_that_is_well(server: Server) -> None:
    found = await look_at(server)
    wrong = {finding.code for finding in found.findings if finding.severity is not Severity.NOTICE}
    assert wrong == ({"rport-ignored"} if server.name == "sipp" else set())  # its stock callee copies Via as it is
    assert found.capabilities.largest_datagram


async def test_what_a_server_can_do(asterisk: Server) -> None:
    found = (await look_at(asterisk)).capabilities
    assert {"INVITE", "OPTIONS"} <= set(found.methods)
    assert {"timer", "replaces"} <= set(found.extensions)
    assert (found.rport, found.received) == (True, True)


@needs_ipv6
async def test_over_ipv6(kamailio: Server) -> None:
    assert kamailio.host6 is not None
    assert (await look_at(kamailio, kamailio.host6)).answered


def test_the_command_line(asterisk: Server) -> None:
    command = [sys.executable, "-m", "probes.cli.main", "discover", f"{asterisk.host}:{asterisk.udp_port}", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert asterisk.version in json.dumps(json.loads(done.stdout))


async def test_deep_mode_names_a_server_that_hides_its_banner(lab: Lab, baresip: Server, tmp_path: Path) -> None:
    with started(silent_kamailio, replace(lab, folder=tmp_path), baresip) as server, trio.fail_after(15):
        found = await discover(Destination(HOST, port=server.udp_port), DiscoveryConfig(timeout=2.0, deep=True))
    assert found.system is not None
    assert (found.system.product, found.system.banner) == ("Kamailio", "")
    assert found.system.confidence >= HIGH
    (challenge,) = found.capabilities.authentication
    assert (challenge.method, challenge.status, challenge.scheme) == ("REGISTER", 401, "Digest")


async def test_sipp_is_named_where_a_call_is_allowed(lab: Lab, tmp_path: Path) -> None:
    port = lab.ports(1)
    command = [installed("sipp", "sip-tester"), "-sn", "uas", "-i", HOST, "-p", str(port), "-nostdin"]
    with process(command, tmp_path), trio.fail_after(20):
        await listening(port, Transport.UDP)
        where = Destination(HOST, port=port, transport=Transport.UDP)
        silent = await discover(where, DiscoveryConfig(timeout=1.0))
        found = await discover(where, DiscoveryConfig(timeout=1.0, invite=True))
    assert not silent.answered
    assert found.answered
    assert found.system is not None
    assert found.system.product == "SIPp"
