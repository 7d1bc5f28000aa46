"""Discovery by name: DNS that is slow, that changes and that is of several minds, and what it names besides."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from probes.discovery import candidates as of_places
from probes.discovery import run
from probes.discovery.lookups.run import GRACE
from probes.discovery.outcome import Discovery
from probes.discovery.run import DiscoveryConfig, discover
from probes.findings.finding import Severity
from probes.result import Attempt, Reach
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.transports.base import TransportConfig
from sipcore.transports.lookup import LookupConfig
from tests.probes.discovery.network import HOST, free_port, name_server, ok, saying, silent, tcp, tls, udp
from tests.sipcore.transports.authority import issue

UDP, TCP, WS = Transport.UDP, Transport.TCP, Transport.WS
SLACK = 0.06
"""Seconds that the clock of these tests may add where it waits for sockets."""


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms: no test waits for its timeouts."""
    return MockClock(autojump_threshold=0.05)


@pytest.fixture(autouse=True)
def usual_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ports that are tried unasked: others than a SIP server of this machine may have."""
    monkeypatch.setattr(
        "probes.discovery.candidates.DEFAULT_PORTS", tuple(free_port() for _ in of_places.DEFAULT_PORTS)
    )


async def named(servers: Iterable[SocketAddress], text: str = "example.test", **config: object) -> Discovery:
    lookup = LookupConfig(nameservers=tuple(servers), hosts_file="")
    with trio.fail_after(60):
        return await discover(text, DiscoveryConfig(lookup=lookup, **config))  # type: ignore[arg-type]


def zone_of(port: int, service: str = "_sip._udp") -> dict[str, list[str]]:
    return {f"SRV {service}.example.test": [f"0 0 {port} h.example.test."], "A h.example.test": [HOST]}


def named_by_dns(found: Discovery) -> list[Attempt]:
    return [attempt for attempt in found.attempts if attempt.published]


def codes(found: Discovery) -> list[str]:
    return [finding.code for finding in found.findings]


async def test_a_place_that_dns_names_later_is_tried_once(clock: MockClock) -> None:
    async with udp(ok) as port:
        zone = {"SRV _sip._udp.example.test": [f"1 0 {port} example.test."], "A example.test": [HOST]}
        async with name_server(zone) as server:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("probes.discovery.candidates.DEFAULT_PORTS", (port,))
                found = await named([server], "udp://example.test")
    (attempt,) = found.attempts
    assert attempt.published
    by_name, usual = "SRV _sip._udp.example.test 1 0, example.test", f"A example.test, port {port} is usual"
    assert attempt.hop.why == f"{by_name}; {usual}"


async def test_what_dns_names_is_tried_however_much_there_is_to_guess(
    clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_places, "MAX_GUESSED", 1)
    async with udp(ok) as port, name_server(zone_of(port) | {"A example.test": [HOST]}) as server:
        found = await named([server], habits=False)
    assert found.omitted
    assert [attempt.reach for attempt in named_by_dns(found)] == [Reach.ANSWERED]


async def test_a_name_that_does_not_exist(clock: MockClock) -> None:
    async with name_server({}) as server:
        found = await named([server], "nowhere.test")
    assert found.attempts == ()
    assert found.failure.startswith("no address for nowhere.test: the name does not exist")


async def test_the_ladder_of_dns_is_part_of_it(clock: MockClock) -> None:
    async with udp(ok) as port:
        zone = {
            "NAPTR example.test": ['1 1 "s" "SIP+D2U" "" _sip._udp.other.test.'],
            "SRV _sip._udp.other.test": [f"0 0 {port} h.example.test."],
            "A h.example.test": [HOST],
        }
        async with name_server(zone) as server:
            found = await named([server], "udp://example.test", habits=False)
            by_naptr = await named([server], habits=False)
    assert found.dns is not None
    assert found.failure.startswith("no address for example.test")
    (attempt,) = named_by_dns(by_naptr)
    assert (attempt.published, attempt.reach) == (True, Reach.ANSWERED)
    assert by_naptr.recommendation is not None
    assert by_naptr.recommendation.by_dns


@pytest.mark.parametrize("delay", [0.0, 0.7, 1.3, 1.75, 1.95])
async def test_a_silent_host_ends_in_time_however_slow_its_names_are(delay: float, clock: MockClock) -> None:
    """DNS takes twice the delay: for SRV, and then for the address."""
    async with udp(silent) as port, name_server(zone_of(port), delay=delay) as server:
        found = await named([server])
    (attempt,) = named_by_dns(found)
    assert attempt.reach is Reach.NO_ANSWER
    assert found.duration <= run.DEFAULT_TIMEOUT * (1 + run.LATE) + SLACK
    left = max(run.DEFAULT_TIMEOUT - 2 * delay, run.DEFAULT_TIMEOUT * run.LATE)
    assert float(attempt.detail.removeprefix("no answer within ").removesuffix(" s")) == pytest.approx(left, abs=0.16)


async def test_silence_behind_tls_ends_in_time_too(clock: MockClock, tmp_path: Path) -> None:
    async with (
        tls(saying(silent), issue("sip.test"), tmp_path) as port,
        name_server(zone_of(port, "_sips._tcp"), delay=1.95) as server,
    ):
        found = await named([server])
    (attempt,) = named_by_dns(found)
    assert attempt.reach is Reach.SILENT
    assert found.duration <= run.DEFAULT_TIMEOUT * (1 + run.LATE) + SLACK


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        (0.3, [("nothing-answers", Severity.ERROR)]),
        (0.8, [("nothing-answers", Severity.ERROR), ("dns-slow", Severity.WARNING)]),
        (1.9, [("dns-slow", Severity.ERROR), ("nothing-answers", Severity.ERROR)]),
    ],
)
async def test_dns_that_takes_the_time_is_told(
    delay: float, expected: list[tuple[str, Severity]], clock: MockClock
) -> None:
    """It comes first where it left so little that silence shows nothing."""
    async with udp(silent) as port, name_server(zone_of(port), delay=delay) as server:
        found = await named([server])
    told = [(one.code, one.severity) for one in found.findings if one.severity is not Severity.NOTICE]
    assert told == expected
    slow = [finding for finding in found.findings if finding.code == "dns-slow"]
    took = f"DNS took {2 * delay:.1f} of the 4.0 s that there were for everything"
    assert all(finding.evidence[-1] == took for finding in slow)
    assert (found.advice == f"{took}: allow more time") is (told[0][0] == "dns-slow")


async def test_names_that_are_not_told_in_time(clock: MockClock) -> None:
    """The name has an address, which is as far as anybody can tell."""
    zone = zone_of(free_port(), "_sip._udp.x") | {
        "NAPTR example.test": ['1 1 "s" "SIP+D2U" "" _sip._udp.x.example.test.']
    }
    async with name_server(zone, delay=1.5) as server:
        found = await named([server])
    assert found.failure == "no address for example.test: DNS did not tell all there is in time; allow more time"
    assert [(one.code, one.severity.value) for one in found.findings] == [
        ("dns-slow", "error"),
        ("dns-unfinished", "notice"),
    ]
    assert found.duration == pytest.approx(run.DEFAULT_TIMEOUT, abs=SLACK)


async def test_a_refusal_needs_no_more_time(clock: MockClock) -> None:
    async with name_server(zone_of(free_port()), delay=1.9) as server:
        found = await named([server])
    told = {one.code: one.severity for one in found.findings if one.severity is not Severity.NOTICE}
    assert told == {"refused": Severity.ERROR, "dns-slow": Severity.WARNING}


async def test_what_answers_late_is_found_all_the_same(clock: MockClock) -> None:
    async with udp(ok) as port, name_server(zone_of(port), delay=1.9) as server:
        found = await named([server], habits=False)
    assert found.attempts[0].reach is Reach.ANSWERED
    slow = next(finding for finding in found.findings if finding.code == "dns-slow")
    assert slow.severity is Severity.WARNING


async def test_an_address_has_all_the_time(clock: MockClock) -> None:
    async with udp(silent) as port:
        found = await discover(f"udp://{HOST}:{port}", DiscoveryConfig(timeout=2.0))
    assert found.attempts[0].detail == "no answer within 2.0 s"


async def test_resolvers_that_disagree(clock: MockClock) -> None:
    async with udp(ok) as port:
        mine = zone_of(port)
        async with name_server(mine) as one, name_server(mine | {"A h.example.test": ["192.0.2.9"]}) as other:
            found = await named([one, other], habits=False)
            agreed = await named([one, one], habits=False)
    assert [attempt.hop.remote for attempt in named_by_dns(found)] == [SocketAddress(HOST, port)]
    assert "dns-disagreement" in codes(found)
    assert "dns-disagreement" not in codes(agreed)


async def test_deep_mode_asks_dns_again(clock: MockClock) -> None:
    asked: list[str] = []

    class Changing(dict[str, list[str]]):
        def __contains__(self, key: object) -> bool:
            asked.append(str(key))
            return super().__contains__(key)

        def __getitem__(self, key: str) -> list[str]:
            changed = key == "A h.example.test" and asked.count(key) > 1
            return ["192.0.2.9"] if changed else super().__getitem__(key)

    async with udp(ok) as port, name_server(Changing(zone_of(port))) as server:
        found = await named([server], deep=True)
        asked.clear()
        plain = await named([server])
    assert "dns-changed" in codes(found)
    assert len(named_by_dns(found)) == 1
    assert "dns-changed" not in codes(plain)
    assert asked.count("A h.example.test") == 1


async def test_a_silent_resolver_beside_one_that_answers_costs_its_grace_alone(clock: MockClock) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as deaf:
        await deaf.bind((HOST, 0))
        async with udp(ok) as port, name_server(zone_of(port)) as server:
            servers = [SocketAddress(HOST, deaf.getsockname()[1]), server]
            found = await named(servers, "udp://example.test", habits=False, retry=False)
    assert found.duration == pytest.approx(GRACE + run.LINGER, abs=0.2 + SLACK)
    timed_out = next(finding for finding in found.findings if finding.code == "dns-timed-out")
    assert timed_out.severity is Severity.WARNING
    assert "by when another one had told everything" in timed_out.evidence[-1]


async def test_resolvers_that_are_silent_keep_the_others_waiting_for_nothing(clock: MockClock) -> None:
    """Their queries take up no room that those of another one need."""
    with ExitStack() as stack:
        servers = []
        for _ in range(3):
            deaf = stack.enter_context(trio.socket.socket(type=trio.socket.SOCK_DGRAM))
            await deaf.bind((HOST, 0))
            servers.append(SocketAddress(HOST, deaf.getsockname()[1]))
        async with udp(ok) as port, name_server(zone_of(port)) as server:
            found = await named([*servers, server], habits=False)
    assert found.attempts[0].reach is Reach.ANSWERED
    assert found.dns is not None
    assert found.dns.took < 1.0


@pytest.mark.parametrize(
    ("text", "transports"), [("example.test", ()), ("ws://example.test", ()), ("example.test", (WS,))]
)
async def test_a_websocket_that_dns_names(text: str, transports: tuple[Transport, ...]) -> None:
    binds = ((WS, SocketAddress(HOST, 0)),)
    async with Endpoint(EndpointConfig(transports=TransportConfig(bind=binds))) as endpoint:
        address = endpoint.transports.local_address(WS)
        assert address
        async with name_server(zone_of(address.port, "_sip._ws")) as server:
            found = await named([server], text, transports=transports, habits=False)
    (attempt,) = found.attempts
    assert (attempt.hop.transport, attempt.hop.remote, attempt.published) == (WS, address, True)
    assert attempt.reach is Reach.ANSWERED
    assert attempt.hop.why.startswith("SRV _sip._ws.example.test 0 0, h.example.test")


async def test_a_websocket_that_dns_names_is_not_for_who_asks_for_another_transport(clock: MockClock) -> None:
    port = free_port()
    async with tcp(saying(ok)) as other, name_server(zone_of(port, "_sip._ws") | zone_of(other, "_sip._tcp")) as server:
        found = await named([server], "tcp://example.test", habits=False)
    assert {attempt.hop.transport for attempt in found.attempts} == {TCP}


async def test_nobody_publishes_what_stands_in_the_hosts_file(clock: MockClock, tmp_path: Path) -> None:
    """A server of this machine that listens on 127.0.0.1 alone: `localhost` is ::1 too, and no record is to blame."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 pbx.test\n::1 pbx.test\n")
    async with udp(ok) as port, name_server({}) as server:
        lookup = LookupConfig(nameservers=(server,), hosts_file=str(hosts))
        found = [await discover(f"{name}:{port}", DiscoveryConfig(lookup=lookup)) for name in ("localhost", "pbx.test")]
    assert [codes(one) for one in found] == [["rport-ignored"]] * 2
    assert all(len(one.attempts) == 6 for one in found)
