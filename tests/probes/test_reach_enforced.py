"""What is done on behalf of others keeps to the policy of addresses: discovery, TLS reports, calls, pings, watches.

Here 127.0.0.1 is allowed, and 127.0.0.2 is loopback as any other: what listens there gets nothing at all.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import trio

from probes.calls.codecs.run import CodecProbe, probe_codecs
from probes.calls.run import call_config, place_call
from probes.calls.script import CallScript
from probes.checks.run import TlsReportConfig, report_tls
from probes.destination import Destination
from probes.discovery.outcome import Discovery
from probes.discovery.run import DiscoveryConfig, discover
from probes.health.run import Watch, WatchConfig
from probes.health.terms import Check, Happening, Kind
from probes.health.terms import Verdict as Health
from probes.health.trunk import Route, Rules, Trunk
from probes.ping.results import Ping
from probes.ping.run import PingConfig, Pings
from probes.reach import ReachPolicy
from probes.registration.judge import RegistrationKind
from probes.registration.plan import RegistrationProbe
from probes.registration.run import probe_registration
from probes.report.call_json import call_data
from probes.report.json import discovery_data
from probes.result import CallKind, CallResult, CallStatus, Reach
from probes.sweep.found import Found
from probes.sweep.ranges import Range, Targets
from probes.sweep.run import Sweep, SweepConfig
from sipcore.errors import FailureReason, NotAllowed
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.transports.lookup import LookupConfig
from tests.probes.discovery.network import HOST, name_server, ok, udp
from tests.sipcore.endpoint.media.test_reach import Ports, ports
from tests.sipcore.endpoint.test_reach import REFUSED, Place

POLICY = ReachPolicy.of(allow=[HOST])
UDP = Transport.UDP
LOOPBACK = "it is loopback"
BOTH = {"A pbx.example": [HOST, REFUSED]}


@contextmanager
def listening(port: int = 0) -> Iterator[Place]:
    """Somebody at the refused address, who gets nothing."""
    there = Place(REFUSED, port)
    with there.tcp, there.udp:
        yield there
        assert there.touched() == []


def asking(server: SocketAddress | None = None) -> LookupConfig:
    return LookupConfig(nameservers=(server or SocketAddress(HOST, 9),), hosts_file="")


# Discovery


async def discovered(target: str, server: SocketAddress | None = None, **config: object) -> Discovery:
    settings = DiscoveryConfig(lookup=asking(server), reach=POLICY, **({"timeout": 1.0} | config))  # type: ignore[arg-type]
    with trio.fail_after(10):
        return await discover(target, settings)


@pytest.mark.parametrize("deep", [False, True])
async def test_a_refused_place_is_told_and_the_others_of_the_name_are_tried(deep: bool) -> None:
    async with udp(ok) as port, name_server(BOTH) as server:
        with listening(port):
            found = await discovered(f"pbx.example:{port}", server, transports=(UDP,), deep=deep)
    reached = {attempt.hop.remote.host: attempt for attempt in found.attempts}
    assert {host: attempt.reach for host, attempt in reached.items()} == {
        HOST: Reach.ANSWERED,
        REFUSED: Reach.NOT_ALLOWED,
    }
    assert reached[REFUSED].detail == f"must not be reached from here, {LOOPBACK}"
    assert reached[REFUSED].advice == NotAllowed.advice
    assert found.recommendation is not None
    assert found.recommendation.hop.remote.host == HOST


async def test_nothing_but_refused_places_is_told_at_once() -> None:
    with listening() as there:
        began = trio.current_time()
        found = await discovered(f"{REFUSED}:{there.port}", invite=True, deep=True, timeout=8.0)
        assert trio.current_time() - began < 4.0
    assert {attempt.reach for attempt in found.attempts} == {Reach.NOT_ALLOWED}
    assert {attempt.hop.transport for attempt in found.attempts} >= {UDP, Transport.TCP, Transport.TLS}
    assert [finding.code for finding in found.findings] == ["not-allowed"]
    attempts = discovery_data(found)["attempts"]
    assert isinstance(attempts, list)
    assert {attempt["result"] for attempt in attempts} == {"not_allowed"}


async def test_a_call_of_discovery_is_not_led_elsewhere() -> None:
    with listening() as there:

        def respond(data: bytes) -> bytes | None:
            if data.startswith(b"ACK"):
                return None
            return ok(
                data, f"Contact: <sip:x@{REFUSED}:{there.port}>", f"Record-Route: <sip:{REFUSED}:{there.port};lr>"
            )

        async with udp(respond) as port:
            await discovered(f"bob@{HOST}:{port}", transports=(UDP,), invite=True)


# TLS reports


@pytest.mark.parametrize("target", [f"tls://{REFUSED}", "tls://pbx.example"])
async def test_a_tls_report_of_a_refused_place(target: str) -> None:
    with listening() as there:
        async with name_server({"A pbx.example": [REFUSED]}) as server:
            config = TlsReportConfig(lookup=asking(server), reach=POLICY)
            with trio.fail_after(10):
                report = await report_tls(f"{target}:{there.port}", config)
    assert report.failure is not None
    assert report.failure.reason is FailureReason.NOT_ALLOWED


# Calls


async def called(target: str, server: SocketAddress | None = None, hold: float = 0.1) -> CallResult:
    config = replace(call_config(reach=POLICY), lookup=asking(server))
    with trio.fail_after(20):
        return await place_call(CallScript(Destination.parse(target), hold=hold), config)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls", "ws"])
async def test_a_call_to_a_refused_place(transport: str) -> None:
    with listening() as there:
        result = await called(f"sip:bob@{REFUSED}:{there.port};transport={transport}")
    assert (result.status, result.kind) == (CallStatus.FAILED, CallKind.NOT_ALLOWED)
    assert result.why.startswith(f"{transport} {REFUSED}:{there.port}: must not be reached from here, {LOOPBACK}")
    assert [finding.code for finding in result.findings] == ["not-allowed"]
    assert call_data(result)["kind"] == "not allowed"


def answering(media: Ports, *fields: str) -> bytes:
    session = f"v=0\r\no=- 1 1 IN IP4 {media.host}\r\ns=-\r\nc=IN IP4 {media.host}\r\nt=0 0\r\n"
    return (session + f"m=audio {media.port} RTP/AVP 0\r\n").encode()


async def test_the_next_address_of_the_name_is_called() -> None:
    with ports(HOST) as media:

        def respond(data: bytes) -> bytes | None:
            body = answering(media) if data.startswith(b"INVITE") else b""
            fields = ["Content-Type: application/sdp"] if body else []
            return None if data.startswith(b"ACK") else ok(data, *fields, body=body)

        async with udp(respond) as port, name_server(BOTH) as server:
            with listening(port):
                for _ in range(3):  # equal addresses take turns
                    result = await called(f"sip:bob@pbx.example:{port};transport=udp", server)
                    assert result.status is CallStatus.CONNECTED


async def test_a_call_goes_on_without_media_that_leads_to_a_refused_address() -> None:
    with ports(REFUSED) as media:

        def respond(data: bytes) -> bytes | None:
            body = answering(media) if data.startswith(b"INVITE") else b""
            fields = ["Content-Type: application/sdp", f"Contact: <sip:x@{REFUSED}:{media.port}>"] if body else []
            return None if data.startswith(b"ACK") else ok(data, *fields, body=body)

        async with udp(respond) as port:
            result = await called(f"sip:bob@{HOST}:{port};transport=udp", hold=1.2)
        assert media.touched() == []
    assert (result.kind, result.final_status, result.ended_by) == (CallKind.NO_MEDIA, 200, "hung up here")
    assert f"no media: udp {REFUSED}:{media.port}: must not be reached from here, {LOOPBACK}" in result.why
    codes = [finding.code for finding in result.findings]
    assert codes == ["media-not-allowed", "dialog-falls-back"]
    assert result.media is not None
    assert result.media.measured.sent.packets == 0
    told = [entry.detail for entry in result.timeline if entry.label == "media not allowed"]
    assert told == [f"udp {REFUSED}:{media.port}: must not be reached from here, {LOOPBACK}"]
    assert "first RTP sent" not in [entry.label for entry in result.timeline]


async def test_codecs_of_a_refused_place_are_not_asked_for() -> None:
    with listening() as there, trio.fail_after(10):
        destination = Destination.parse(f"sip:bob@{REFUSED}:{there.port};transport=udp")
        report = await probe_codecs(CodecProbe(destination), call_config(reach=POLICY))
    assert report.kind is CallKind.NOT_ALLOWED


async def test_nobody_is_registered_at_a_refused_place() -> None:
    with listening() as there, trio.fail_after(10):
        destination = Destination.parse(f"sip:bob@{REFUSED}:{there.port};transport=udp")
        report = await probe_registration(RegistrationProbe(destination), call_config(reach=POLICY))
    assert report.kind is RegistrationKind.NOT_ALLOWED


# Pings, sweeps and watches


async def test_a_sweep_leaves_out_what_it_must_not_reach() -> None:
    told: list[Found] = []
    asked: list[bytes] = []

    def respond(data: bytes) -> bytes:
        asked.append(data)
        return ok(data)

    async with udp(respond) as port:
        with listening(port), trio.fail_after(10):
            config = SweepConfig(deadline=0.5, reach=POLICY)
            sweep = Sweep(Targets([Range.parse("127.0.0.1-127.0.0.2")], [port]), config, told.append)
            await sweep.run()
    assert {(found.remote.host, found.reach) for found in told} == {
        (HOST, Reach.ANSWERED),
        (REFUSED, Reach.NOT_ALLOWED),
    }
    assert len(asked) == 1


async def test_a_ping_of_a_refused_place() -> None:
    told: list[object] = []
    with listening() as there, trio.fail_after(10):
        config = PingConfig(interval=0.1, timeout=0.5, count=2, lookup=asking(), reach=POLICY)
        await Pings(f"udp://{REFUSED}:{there.port}", config, told.append).run()
    reaches = [each.attempt.reach for each in told if isinstance(each, Ping)]
    assert reaches == [Reach.NOT_ALLOWED] * 2


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_watch_finds_nothing_of_a_route_that_it_must_not_reach(transport: str) -> None:
    told: list[Happening] = []
    with listening() as there, trio.fail_after(20):
        destination = Destination.parse(f"sip:bob@{REFUSED}:{there.port};transport={transport}")
        route = Route("main", destination, call=CallScript(destination))
        trunk = Trunk("acme", (route,), Rules(timeout=1.0))
        await Watch([trunk], told.append, WatchConfig(lookup=asking(), reach=POLICY)).check_once()
    checks = [each for each in told if isinstance(each, Check)]
    assert {check.kind for check in checks} == {Kind.OPTIONS, Kind.CALL}
    assert {check.verdict for check in checks} == {Health.OWN}
    assert all("must not be reached from here" in check.detail for check in checks)


async def test_a_watch_goes_on_to_the_next_address_of_a_name() -> None:
    told: list[Happening] = []
    async with udp(ok) as port, name_server(BOTH) as server:
        with listening(port), trio.fail_after(20):
            destination = Destination.parse(f"sip:pbx.example:{port};transport=udp")
            trunk = Trunk("acme", (Route("main", destination),), Rules(timeout=1.0))
            for _ in range(3):  # equal addresses take turns
                await Watch([trunk], told.append, WatchConfig(lookup=asking(server), reach=POLICY)).check_once()
    checks = [each for each in told if isinstance(each, Check)]
    assert [check.verdict for check in checks] == [Health.GOOD] * 3
