"""The DNS ladder of domains that a real name server has: those that are well, and one mistake each for the others."""

import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from probes.checks.dns.judge import DnsReport
from probes.checks.dns.plan import MAX_QUERIES
from probes.checks.dns.problems import DnsProblem
from probes.checks.dns.run import DnsReportConfig, report_dns
from probes.cli.exit_codes import ExitCode
from probes.cli.main import main
from probes.destination import Destination
from probes.findings.finding import Severity
from probes.report.dns_json import dns_data
from probes.report.dns_text import dns_lines
from probes.report.lines import WIDTH
from sipcore.resolve.target import SocketAddress
from sipcore.transports.base import socket_address
from tests.interop.lab import HOST, Lab
from tests.interop.nameserver import BROKEN, Nameserver, nsd
from tests.machine import needs_ipv6
from tests.probes.report.schemas import load, violations

HEAD = "$ORIGIN sip.test.\n$TTL {ttl}\n@ SOA ns root 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\n"
MISTAKES = (
    HEAD
    + """
host            A 192.0.2.1
_sip._udp.zero          SRV 0 0 0 host
_sip._udp.both          SRV 0 0 0 .
                        SRV 1 0 5060 host
mismatch        NAPTR 1 1 "s" "SIPS+D2T" "" _sip._tcp.mismatch
_sip._tcp.mismatch      SRV 0 0 5060 host
tls             NAPTR 1 1 "s" "SIPS+D2T" "" _sip._tls.tls
_sip._tls.tls           SRV 0 0 5061 host
private         A 10.0.0.1
                AAAA fd00::1
www             CNAME gone
_sip._udp.v6            SRV 0 0 5060 six
six             AAAA 2001:db8::6
_sip._ws.browsers       SRV 0 0 8088 host
_sips._ws.browsers      SRV 0 0 8089 host
browsers        A 192.0.2.1
shares          A 192.0.2.1
_sip._udp.shares        SRV 1 10 5060 host
                        SRV 1 30 5070 host
                        SRV 1 60 5080 host
"""
)


async def report(target: str, *servers: SocketAddress, pause: float = 0.0, seconds: float = 5.0) -> DnsReport:
    """The report, held to what every report must be."""
    found = await report_dns(Destination.parse(target), DnsReportConfig(servers, seconds, pause))
    assert violations(dns_data(found), load("dns")) == []
    assert max(len(line.plain) for line in dns_lines(found)) <= WIDTH
    assert len(found.replies) <= MAX_QUERIES
    return found


def problems(found: DnsReport) -> list[str]:
    """The names of those that are found, the worst first; how often is another matter."""
    return list(dict.fromkeys(fault.problem.name for fault in found.faults))


def places(found: DnsReport) -> list[str]:
    return list(map(str, found.places))


@pytest.fixture(scope="module")
def mistaken(nameserver: Nameserver, lab: Lab) -> Iterator[SocketAddress]:
    path = lab.folder / "sip.test.zone"
    path.write_text(MISTAKES.format(ttl=60))
    with nsd(lab, {"sip.test": path}) as [server]:
        yield server.address


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("example.com", ["tls [2001:db8::1]:5061", "tls 192.0.2.1:5061", "tls 192.0.2.2:5061"]),
        (
            "udp://example.com",
            ["udp [2001:db8::1]:5060", "udp 192.0.2.1:5060", "udp 192.0.2.2:5062", "udp [2001:db8::3]:5060"],
        ),
        ("sips:backup.example.com", ["tls [2001:db8::3]:5061"]),
        ("edge1.example.com:5090", ["udp [2001:db8::1]:5090", "udp 192.0.2.1:5090"]),
        ("alias.example.com", ["udp [2001:db8::1]:5060", "udp 192.0.2.1:5060"]),
        ("pbx.example.com", ["udp 192.0.2.2:5070", "tcp 192.0.2.2:5071"]),
        ("hosted.example.com", ["udp 203.0.113.1:5080"]),
        ("direct.example.com", ["tcp 192.0.2.2:5060"]),
        ("web.example.com", ["wss 192.0.2.2:443"]),
        ("telephony.example.net", ["udp 198.51.100.4:5060"]),
    ],
)
async def test_a_domain_that_is_well(nameserver: Nameserver, target: str, expected: list[str]) -> None:
    found = await report(target, nameserver.address, pause=0.01)
    assert (places(found), problems(found), found.works) == (expected, [], True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("to-alias", ["SRV_ALIAS"]),
        ("to-nothing", ["SRV_NO_ADDRESS"]),
        ("to-missing", ["SRV_NOWHERE"]),
        ("to-elsewhere", ["REFUSED"]),
        ("to-loop", ["ALIAS_LOOP"]),
        ("to-address", ["SRV_ADDRESS"]),
        ("to-some", ["SRV_NOWHERE", "REFUSED"]),
        ("to-root", ["SRV_NOT_OFFERED"]),
        ("unknown", ["NAPTR_SERVICE"]),
        ("unknown-first", ["NAPTR_SERVICE"]),
        ("tls-over-udp", ["NAPTR_SERVICE"]),
        ("regexp", ["NAPTR_FLAG", "NAPTR_REGEXP"]),
        ("regexp-and-name", ["NAPTR_REGEXP"]),
        ("regexp-first", ["NAPTR_FLAG", "NAPTR_REGEXP"]),
        ("flag", ["NAPTR_FLAG"]),
        ("flagless", ["NAPTR_FLAG"]),
        ("dangling", ["NAPTR_NOWHERE"]),
        ("dangling-first", ["NAPTR_NOWHERE"]),
    ],
)
async def test_a_mistake_of_the_field_is_found(nameserver: Nameserver, name: str, expected: list[str]) -> None:
    assert problems(await report(f"{name}.example.net", nameserver.address)) == expected


@pytest.mark.parametrize(
    ("name", "expected", "leads"),
    [
        ("zero", ["SRV_PORT_ZERO"], []),
        ("both", ["SRV_CONTRADICTION", "SRV_NOT_OFFERED"], ["udp 192.0.2.1:5060"]),
        ("mismatch", ["NAPTR_MISMATCH"], ["tls 192.0.2.1:5060"]),
        ("tls", ["NAPTR_MISMATCH"], ["tls 192.0.2.1:5061"]),
        ("private", ["PRIVATE_ADDRESS"], ["udp [fd00::1]:5060", "udp 10.0.0.1:5060"]),
        ("www", ["ALIAS_NOWHERE"], []),
        ("v6", [], ["udp [2001:db8::6]:5060"]),
        ("browsers", [], ["udp 192.0.2.1:5060"]),
        ("shares", [], ["udp 192.0.2.1:5080", "udp 192.0.2.1:5070", "udp 192.0.2.1:5060"]),
        ("nobody", [], []),
    ],
)
async def test_a_mistake_made_on_purpose_is_found(
    mistaken: SocketAddress, name: str, expected: list[str], leads: list[str]
) -> None:
    found = await report(f"{name}.sip.test", mistaken)
    assert (problems(found), places(found)) == (expected, leads)
    assert found.works is (
        bool(leads) and not any(DnsProblem[name].entry.severity is Severity.ERROR for name in expected)
    )


async def test_records_for_browsers_are_shown_though_nobody_looks(mistaken: SocketAddress) -> None:
    found = await report("browsers.sip.test", mistaken)
    shown = [str(rung.question) for rung in found.ladder if rung.steps]
    assert shown[:2] == ["SRV _sip._ws.browsers.sip.test", "SRV _sips._ws.browsers.sip.test"]


async def test_a_server_without_its_zone(nameserver: Nameserver) -> None:
    found = await report(BROKEN, nameserver.address)
    assert problems(found) == ["SERVFAIL"]
    assert len(found.faults) == 1


async def test_what_does_not_fit_into_a_datagram(nameserver: Nameserver) -> None:
    found = await report("udp://many.example.com", nameserver.address)
    assert (problems(found), len(found.places)) == (["TRUNCATED"], 16)


async def test_what_does_not_come_over_tcp(nameserver: Nameserver) -> None:
    async with switching(nameserver.address, nameserver.address) as relay:
        found = await report("udp://many.example.com", relay)
    assert problems(found) == ["TRUNCATED_ONLY"]


async def test_a_resolver_that_is_silent(nameserver: Nameserver) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        silent = socket_address(sock.getsockname())
        found = await report("pbx.example.com:5060", nameserver.address, silent, seconds=0.5)
    assert problems(found) == ["TIMED_OUT"]
    assert places(found) == ["udp 192.0.2.9:5060"]


async def test_a_resolver_that_is_down(nameserver: Nameserver, lab: Lab) -> None:
    found = await report("pbx.example.com", SocketAddress(HOST, lab.ports(1)), nameserver.address)
    assert problems(found) == ["UNREACHABLE"]
    assert places(found) == ["udp 192.0.2.2:5070", "tcp 192.0.2.2:5071"]
    assert found.works


@needs_ipv6
async def test_a_resolver_is_asked_over_ipv6(nameserver: Nameserver) -> None:
    assert nameserver.address6 is not None
    found = await report("example.com", nameserver.address, nameserver.address6)
    assert (problems(found), len(found.places)) == ([], 3)


@pytest.fixture(scope="module")
def moving(nameserver: Nameserver, lab: Lab) -> Iterator[list[SocketAddress]]:
    """Two name servers of one zone, whose host has moved according to the second."""
    served = []
    for number, address in enumerate(("192.0.2.1", "192.0.2.2")):
        path = Path(lab.folder / f"moving-{number}.zone")
        path.write_text(HEAD.format(ttl=60) + f"_sip._udp SRV 0 0 5060 host\nhost A {address}\n")
        served.append({"sip.test": path})
    with nsd(lab, *served) as running:
        yield [server.address for server in running]


async def test_resolvers_that_disagree(moving: list[SocketAddress]) -> None:
    found = await report("sip.test", *moving)
    assert problems(found) == ["DISAGREEMENT"]
    assert str(found.faults[0].question) == "A host.sip.test"
    assert found.faults[0].detail == f"{moving[0]}: 192.0.2.1; {moving[1]}: 192.0.2.2"
    assert places(found) == ["udp 192.0.2.1:5060"]


async def test_an_answer_that_changes_within_its_ttl(moving: list[SocketAddress]) -> None:
    async with switching(*moving) as relay:
        found = await report("sip.test", relay, pause=0.01)
    assert problems(found) == ["CHANGED"]
    assert str(found.faults[0].question) == "A host.sip.test"
    assert "192.0.2.1, and " in found.faults[0].detail
    assert found.faults[0].detail.endswith(" s of 60 later 192.0.2.2")


def test_the_verb(nameserver: Nameserver, capsys: pytest.CaptureFixture[str]) -> None:
    for name, code in (
        ("example.com", ExitCode.OK),
        ("to-some.example.net", ExitCode.FAILED),
        ("to-root.example.net", ExitCode.UNRESOLVABLE),
    ):
        with pytest.raises(SystemExit) as left:
            main(["dns", name, f"--resolver={nameserver.address}", "--pause=0"])
        assert left.value.code == code
    assert "leads to 3 places, tls [2001:db8::1]:5061 first" in capsys.readouterr().out


@asynccontextmanager
async def switching(first: SocketAddress, later: SocketAddress) -> AsyncIterator[SocketAddress]:
    """A name server on UDP alone that has what `first` has, and for what it is asked again, what `later` has."""
    asked: Counter[bytes] = Counter()
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as front:
        await front.bind((HOST, 0))

        async def serve() -> None:
            while True:
                query, client = await front.recvfrom(65535)
                server = later if asked[query[2:]] else first  # all but the ID
                asked[query[2:]] += 1
                with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back:
                    await back.connect((server.host, server.port))
                    await back.send(query)
                    await front.sendto(await back.recv(65535), client)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            yield socket_address(front.getsockname())
            nursery.cancel_scope.cancel()
