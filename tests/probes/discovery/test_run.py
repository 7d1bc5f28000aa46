"""Discovery over real sockets: each kind of peer on loopback, none of which is ours."""

import socket
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from probes.checks.tls_judge import Validity
from probes.destination import Destination
from probes.discovery import candidates as of_places
from probes.discovery import run
from probes.discovery.events import (
    AttemptBegun,
    AttemptEnded,
    Concluded,
    Event,
    FindingMade,
    HabitsBegun,
    HabitsEnded,
    LookupEnded,
    TlsBegun,
)
from probes.discovery.handshakes import run as handshakes
from probes.discovery.outcome import Discovery
from probes.discovery.retry import LARGE_HELLO, USER_AGENT
from probes.discovery.run import DiscoveryConfig, discover, open_discovery
from probes.product import PRODUCT
from probes.result import Attempt, Reach
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.errors import LocalError
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.trace import Direction, MessageTrace
from sipcore.transports.base import TlsConfig, TlsVersion, TransportConfig
from sipcore.transports.lookup import LookupConfig
from sipcore.transports.ws_failure import WsProblem
from tests.probes.discovery.network import HOST, free_port, hang_up, name_server, ok, saying, silent, tcp, tls, udp
from tests.sipcore.transports.authority import issue

UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms: no test waits for its timeouts."""
    return MockClock(autojump_threshold=0.05)


async def discovered(text: str, *transports: Transport, **config: object) -> Discovery:
    settings = DiscoveryConfig(transports=transports, **config)  # type: ignore[arg-type]
    with trio.fail_after(60):
        return await discover(Destination.parse(text), settings)


async def attempted(port: int, transport: Transport, **config: object) -> Attempt:
    """The one attempt at a port of this machine."""
    found = await discovered(f"{HOST}:{port}", transport, **config)
    (attempt,) = found.attempts
    assert (attempt.hop.transport, attempt.hop.remote) == (transport, SocketAddress(HOST, port))
    return attempt


async def test_an_answer_over_udp(clock: MockClock) -> None:
    asked: list[bytes] = []

    def respond(data: bytes) -> bytes:
        asked.append(data)
        return ok(data, "Server: kamailio (5.6.3 (x86_64/linux))", "Allow: INVITE, OPTIONS")

    async with udp(respond) as port:
        found = await discovered(f"bob@{HOST}:{port}", UDP)
    (attempt,) = found.attempts
    assert attempt.reach is Reach.ANSWERED
    assert attempt.rtt is not None
    assert 0 <= attempt.rtt < 0.5
    assert attempt.retransmissions == 0
    assert found.recommendation is not None
    assert str(found.recommendation.uri) == f"sip:bob@{HOST}:{port}"
    assert found.system is not None
    assert (found.system.product, found.system.version, found.methods) == ("Kamailio", "5.6.3", ("INVITE", "OPTIONS"))
    directions = [record.direction for record in attempt.records if isinstance(record, MessageTrace)]
    assert directions == [Direction.SENT, Direction.RECEIVED]
    request = parse_message(asked[0])
    assert isinstance(request, Request)
    assert (request.method, str(request.uri)) == ("OPTIONS", f"sip:bob@{HOST}:{port}")
    assert request.headers.get("Accept") == "application/sdp"
    assert request.headers.get("User-Agent") == PRODUCT


async def test_a_lost_request_is_repeated(clock: MockClock) -> None:
    asked: list[bytes] = []

    def respond(data: bytes) -> bytes | None:
        asked.append(data)
        return ok(data) if len(asked) == 3 else None

    async with udp(respond) as port:
        attempt = await attempted(port, UDP)
    assert attempt.reach is Reach.ANSWERED
    assert attempt.retransmissions == 2
    assert attempt.rtt is not None
    assert attempt.rtt == pytest.approx(1.5, abs=0.1)  # T1, then twice T1: RFC 3261 §17.1.2.1
    assert len({request.partition(b"\r\n\r\n")[0] for request in asked[:3]}) == 1


@pytest.mark.parametrize("status", ["404 Not Found", "405 Method Not Allowed", "503 Service Unavailable"])
async def test_any_status_is_an_answer(status: str, clock: MockClock) -> None:
    async with udp(lambda data: ok(data, status=status)) as port:
        attempt = await attempted(port, UDP)
    assert attempt.reach is Reach.ANSWERED
    assert attempt.response is not None
    assert attempt.response.start_line == f"SIP/2.0 {status}"


async def test_a_provisional_answer_is_one(clock: MockClock) -> None:
    async with udp(lambda data: ok(data, status="100 Trying")) as port:
        attempt = await attempted(port, UDP)
    assert (attempt.reach, attempt.detail) == (Reach.ANSWERED, "only a provisional answer came")


async def test_an_answer_from_another_port(clock: MockClock) -> None:
    other = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    async with trio.open_nursery() as nursery:
        with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked, other:
            await asked.bind((HOST, 0))

            async def answer_from_elsewhere() -> None:
                data, remote = await asked.recvfrom(65535)
                await other.sendto(ok(data), remote)

            nursery.start_soon(answer_from_elsewhere)
            attempt = await attempted(asked.getsockname()[1], UDP)
    assert attempt.reach is Reach.ANSWERED


async def test_an_answer_that_breaks_sip_is_one(clock: MockClock) -> None:
    async with udp(lambda data: b"SIP/2.0 200 OK\r\n\r\n") as port:
        attempt = await attempted(port, UDP)
    assert attempt.reach is Reach.ANSWERED
    assert attempt.detail.startswith("the answer does not fit the request")


@pytest.mark.parametrize(
    ("status", "field"),
    [
        ("999 Odd", "Server: x"),
        ("200 OK", "Content-Length: -1"),
        ("200 OK", "Server: a\0b"),
        ("200 OK", "X: " + "x" * 20000),
    ],
)
async def test_an_answer_that_no_client_can_read_is_told_as_such(status: str, field: str, clock: MockClock) -> None:
    async with udp(lambda request: ok(request, field, status=status)) as port:
        found = await discovered(f"{HOST}:{port}", UDP)
    assert found.findings[0].code == "answer-unreadable"
    assert "something that is not SIP" not in found.findings[0].evidence[0]
    assert found.attempts[0].reach is Reach.NOT_SIP
    assert "open-but-silent" not in [finding.code for finding in found.findings]


async def test_an_echo_is_not_taken_for_a_sip_server(clock: MockClock) -> None:
    async with udp(lambda request: request) as port:
        found = await discovered(f"{HOST}:{port}", UDP)
    assert (found.attempts[0].reach, found.attempts[0].instead) == (Reach.NOT_SIP, "an echo")
    assert (found.answered, found.system) == ((), None)


async def test_silence_over_udp_lasts_as_long_as_it_may(clock: MockClock) -> None:
    asked: list[bytes] = []

    async with udp(asked.append) as port:
        found = await discovered(f"{HOST}:{port}", UDP, timeout=4.0)
    (attempt,) = found.attempts
    assert (attempt.reach, attempt.detail) == (Reach.NO_ANSWER, "no answer within 4.0 s")
    assert found.advice == attempt.advice
    with_banner = [request for request in asked if PRODUCT.encode() in request]
    assert (len(with_banner), len(asked) - len(with_banner)) == (4, 3)
    assert found.duration == pytest.approx(4.0, abs=0.2)


@pytest.mark.parametrize("transport", [UDP, TCP, TLS])
async def test_refused(transport: Transport, clock: MockClock) -> None:
    attempt = await attempted(free_port(), transport)
    assert attempt.reach is Reach.REFUSED
    assert "nothing listens there" in attempt.detail


async def test_silence_over_tcp(clock: MockClock) -> None:
    async with tcp(saying(silent)) as port:
        attempt = await attempted(port, TCP)
    assert (attempt.reach, attempt.detail) == (Reach.SILENT, "no answer within 4.0 s")


async def test_a_connection_that_is_closed_at_once(clock: MockClock) -> None:
    async with tcp(hang_up) as port:
        attempt = await attempted(port, TCP)
    assert (attempt.reach, attempt.detail) == (Reach.SILENT, "the peer closed the connection")


@pytest.mark.parametrize("is_closed", [True, False])
@pytest.mark.parametrize("said", [b"SIP/2.0 200 OK\r\nVia: ", b"SIP/2.0 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
async def test_an_answer_that_is_begun_and_not_ended(said: bytes, is_closed: bool, clock: MockClock) -> None:
    async def serve(stream: trio.abc.Stream) -> None:
        if is_closed:
            await stream.receive_some()
            await stream.send_all(said)
            await stream.aclose()
        else:
            await saying(lambda data: said)(stream)

    async with tcp(serve) as port:
        found = await discovered(f"tcp://{HOST}:{port}")
    (attempt,) = found.attempts
    assert attempt.reach is Reach.NOT_SIP
    assert attempt.detail.startswith(f"the answer has no end: {len(said)} ")
    assert "'SIP/2.0 200 OK' first" in attempt.detail
    assert ("closed" in attempt.detail) is is_closed
    assert found.findings[0].code == "answer-unfinished"
    assert [record.direction for record in found.findings[0].records if isinstance(record, MessageTrace)]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "web server"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
        (b"\x15\x03\x03\x00\x02\x02\x16", "TLS"),
    ],
)
async def test_something_else_on_the_port(said: bytes, told: str, clock: MockClock) -> None:
    async with tcp(saying(lambda data: said)) as port:
        attempt = await attempted(port, TCP)
    assert attempt.reach is Reach.NOT_SIP
    assert told in attempt.detail


async def test_garbage_over_udp(clock: MockClock) -> None:
    async with udp(lambda data: b"hello?\r\n") as port:
        attempt = await attempted(port, UDP)
    assert (attempt.reach, attempt.response) == (Reach.NOT_SIP, None)


async def test_a_self_signed_certificate_is_told_and_sip_asked_all_the_same(clock: MockClock, tmp_path: Path) -> None:
    async with tls(saying(ok), issue("sip.test"), tmp_path) as port:
        attempt = await attempted(port, TLS)
    assert attempt.reach is Reach.ANSWERED
    assert attempt.tls.startswith("TLSv1.3")
    assert any("self-signed" in problem for problem in attempt.tls_problems)
    assert "trust it" in attempt.advice


async def test_a_certificate_that_proves_the_peer(clock: MockClock, tmp_path: Path) -> None:
    root = issue("root", ca=True)
    async with tls(saying(ok), issue("sip.test", root, names=[HOST]), tmp_path) as port:
        found = await discovered(f"tls://{HOST}:{port}", tls=TlsConfig(ca_data=root.pem))
    (attempt,) = found.attempts
    assert (attempt.reach, attempt.tls_problems, attempt.detail) == (Reach.ANSWERED, (), "")
    assert found.recommendation is not None
    assert found.recommendation.why == f"signalling is encrypted, and the certificate proves {HOST}"


async def test_silence_behind_tls(clock: MockClock, tmp_path: Path) -> None:
    async with tls(saying(silent), issue("sip.test", names=[HOST]), tmp_path) as port:
        attempt = await attempted(port, TLS)
    assert attempt.reach is Reach.SILENT
    assert attempt.detail.startswith("no answer within 4.0 s; the certificate is self-signed")


async def test_a_tls_server_that_stays_silent_is_looked_at_meanwhile(clock: MockClock, tmp_path: Path) -> None:
    async with (
        tls(saying(silent), issue("sip.test"), tmp_path) as port,
        open_discovery(f"tls://{HOST}:{port}") as events,
    ):
        told = [type(event) async for event in events]
    assert told.count(TlsBegun) == 1
    assert told.index(TlsBegun) < told.index(AttemptEnded)


async def test_a_peer_that_wants_a_certificate(clock: MockClock, tmp_path: Path) -> None:
    async with tls(saying(ok), issue("sip.test"), tmp_path, wants_certificate=True) as port:
        attempt = await attempted(port, TLS)
    assert attempt.reach is Reach.CERTIFICATE_WANTED
    assert "client certificate" in attempt.detail


async def test_plain_sip_on_the_tls_port(clock: MockClock) -> None:
    async with tcp(saying(lambda data: b"SIP/2.0 400 Bad Request\r\n\r\n")) as port:
        attempt = await attempted(port, TLS)
    assert attempt.reach is Reach.TLS_FAILED
    assert "it speaks SIP without TLS" in attempt.detail


async def test_no_answer_to_the_handshake(clock: MockClock) -> None:
    async with tcp(saying(silent)) as port:
        found = await discovered(f"tls://{HOST}:{port}")
    (attempt,) = found.attempts
    assert attempt.reach is Reach.TLS_FAILED
    assert "gets no answer" in attempt.detail
    assert found.tls == ()  # all its time is over


async def test_tls_is_not_waited_for_where_plain_tcp_is_spoken(clock: MockClock) -> None:
    async with tcp(saying(lambda data: ok(data) if data.startswith(b"OPTIONS") else None)) as port:
        found = await discovered(f"{HOST}:{port}", TCP, TLS)
    assert [attempt.reach for attempt in found.attempts] == [Reach.ANSWERED, Reach.TLS_FAILED]
    assert found.duration < 2 * run.GRACE


async def test_everything_of_a_domain(clock: MockClock) -> None:
    """What DNS names is tried first, the usual ports of its addresses too, all side by side."""
    async with udp(ok) as named, tcp(saying(ok)) as usual:
        zone = {
            "SRV _sip._udp.example.test": [f"10 0 {named} sip.example.test."],
            "SRV _sip._tcp.example.test": ["0 0 0 ."],
            "A sip.example.test": [HOST],
            "A example.test": [HOST],
        }
        told: list[Event] = []
        async with name_server(zone, refused=["AAAA example.test"]) as server:
            config = DiscoveryConfig(lookup=LookupConfig(nameservers=(server,), hosts_file=""))
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("probes.discovery.candidates.DEFAULT_PORTS", (usual,))
                async with open_discovery("example.test", config) as events:
                    told += [event async for event in events]
    assert isinstance(told[-1], Concluded)
    found = told[-1].discovery
    reached = {str(attempt.hop): attempt.reach for attempt in found.attempts}
    assert reached == {
        f"udp {HOST}:{named}": Reach.ANSWERED,
        f"udp {HOST}:{usual}": Reach.REFUSED,
        f"tcp {HOST}:{usual}": Reach.ANSWERED,
        f"tls {HOST}:{usual}": Reach.TLS_FAILED,
    }
    assert [attempt.published for attempt in found.attempts] == [True, False, False, False]
    assert [str(attempt.uri) for attempt in found.attempts][:2] == ["sip:example.test", f"sip:example.test:{usual}"]
    steps = {step.question: step for step in found.lookups}
    assert steps["SRV _sip._udp.example.test"].answers == (f"10 0 {named} sip.example.test. (60 s)",)
    assert steps["SRV _sips._tcp.example.test"].error == "the name does not exist"
    assert steps["A sip.example.test"].answers == (f"{HOST} (60 s)",)
    assert steps["AAAA example.test"].error.startswith("no name server answered")
    counts = Counter(map(type, told))
    assert counts[LookupEnded] == len(found.lookups) == 10
    assert counts[AttemptBegun] == counts[AttemptEnded] == len(found.attempts)
    assert counts[HabitsBegun] == counts[HabitsEnded] == 2
    assert tuple(event.finding for event in told if isinstance(event, FindingMade)) == found.findings != ()
    assert [event.at for event in told] == sorted(event.at for event in told)


async def test_no_more_places_are_tried_than_one_run_may(clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_places, "MAX_GUESSED", 2)
    found = await discovered(HOST, ports=(free_port(), free_port()))
    assert (len(found.attempts), found.omitted) == (2, 4)


async def test_what_cannot_be_is_refused_before_anything_is_sent(clock: MockClock) -> None:
    with pytest.raises(LocalError):
        await discovered(f"sips:{HOST}", UDP)


async def test_a_websocket() -> None:
    binds = ((Transport.WS, SocketAddress(HOST, 0)),)
    async with Endpoint(EndpointConfig(transports=TransportConfig(bind=binds))) as endpoint:
        address = endpoint.transports.local_address(Transport.WS)
        assert address
        found = await discovered(f"ws://{address}/sip")
    (attempt,) = found.attempts
    assert (attempt.reach, attempt.hop.transport, attempt.hop.path) == (Reach.ANSWERED, Transport.WS, "/sip")
    assert str(attempt.uri) == f"sip:{address};transport=ws"


async def test_a_web_server_without_the_path() -> None:
    async with tcp(saying(lambda _: b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")) as port:
        attempt = await attempted(port, Transport.WS)
    assert (attempt.reach, attempt.advice) == (Reach.NOT_SIP, WsProblem.NOT_FOUND.advice)
    assert "HTTP 404 Not Found" in attempt.detail


def choosy(data: bytes) -> bytes | None:
    return None if b"User-Agent" in data else ok(data)


async def test_a_peer_that_drops_requests_by_their_user_agent(clock: MockClock) -> None:
    async with udp(choosy) as port:
        found = await discovered(f"{HOST}:{port}", UDP)
    (attempt,) = found.attempts
    assert (attempt.reach, attempt.only) == (Reach.ANSWERED, USER_AGENT)
    assert [finding.code for finding in found.findings] == ["user-agent-filtered", "rport-ignored"]
    assert found.duration < run.DEFAULT_TIMEOUT
    assert [one.purpose for one in found.asked if USER_AGENT in str(one.messages[0].data)] == ["options", "repeated"]


async def test_requests_that_are_lost_are_not_taken_for_filtered(clock: MockClock) -> None:
    asked: list[bytes] = []

    def lossy(data: bytes) -> bytes | None:
        asked.append(data)
        return ok(data) if b"User-Agent" not in data or len(asked) > 4 else None

    async with udp(lossy) as port:
        found = await discovered(f"{HOST}:{port}", UDP, habits=False)
    (attempt,) = found.attempts
    assert (attempt.reach, attempt.only) == (Reach.ANSWERED, "")
    (told,) = [finding for finding in found.findings if finding.code != "rport-ignored"]
    assert (told.code, told.what) == ("packets-lost", "the request was sent 4 times until an answer came")


async def test_a_peer_that_hangs_up_by_user_agent(clock: MockClock) -> None:
    async def serve(stream: trio.abc.Stream) -> None:
        async with stream:
            data = bytes(await stream.receive_some())
            if b"User-Agent" not in data and data:
                await stream.send_all(ok(data))

    async with tcp(serve) as port:
        attempt = await attempted(port, TCP)
    assert (attempt.reach, attempt.only) == (Reach.ANSWERED, USER_AGENT)


async def test_a_peer_that_closes_a_connection_now_and_then_filters_nothing(clock: MockClock) -> None:
    connections = 0

    async def serve(stream: trio.abc.Stream) -> None:
        nonlocal connections
        connections += 1
        await (hang_up if connections == 1 else saying(ok))(stream)

    async with tcp(serve) as port:
        found = await discovered(f"{HOST}:{port}", TCP, habits=False)
    assert (found.attempts[0].reach, found.attempts[0].only) == (Reach.ANSWERED, "")
    assert found.findings == ()


async def test_a_second_handshake_is_not_waited_for_where_plain_tcp_is_spoken(clock: MockClock) -> None:
    """Some close a connection that begins with a handshake, and keep silent on the next."""
    handshakes_seen = 0

    async def serve(stream: trio.abc.Stream) -> None:
        nonlocal handshakes_seen
        data = bytes(await stream.receive_some())
        if not data.startswith(b"\x16"):
            await trio.sleep(0.3)
            await stream.send_all(ok(data))
        elif (handshakes_seen := handshakes_seen + 1) > 1:
            await trio.sleep_forever()
        await stream.aclose()

    async with tcp(serve) as port:
        found = await discovered(f"{HOST}:{port}", TCP, TLS, habits=False)
    assert handshakes_seen == 2
    assert found.duration < run.DEFAULT_TIMEOUT / 2


async def test_no_second_request_where_none_is_wanted(clock: MockClock) -> None:
    async with udp(choosy) as port:
        attempt = await attempted(port, UDP, retry=False)
    assert (attempt.reach, attempt.only) == (Reach.NO_ANSWER, "")


async def test_a_peer_that_cannot_take_a_large_first_flight(clock: MockClock, tmp_path: Path) -> None:
    async with tls(saying(ok), issue("sip.test"), tmp_path) as behind:

        async def serve(stream: trio.abc.Stream) -> None:
            first = bytes(await stream.receive_some())
            if len(first) > 1000:
                await trio.sleep_forever()
            async with await trio.open_tcp_stream(HOST, behind) as inner, trio.open_nursery() as nursery:
                await inner.send_all(first)
                nursery.start_soon(relay, inner, stream)
                await relay(stream, inner)
                nursery.cancel_scope.cancel()

        async with tcp(serve) as port:
            found = await discovered(f"{HOST}:{port}", TLS, tls_report=False)
    (attempt,) = found.attempts
    assert (attempt.reach, attempt.only) == (Reach.ANSWERED, LARGE_HELLO)
    assert "tls-large-hello" in [finding.code for finding in found.findings]


async def relay(source: trio.abc.Stream, target: trio.abc.Stream) -> None:
    try:
        async for data in source:
            await target.send_all(data)
    except trio.BrokenResourceError:
        return


async def test_a_silent_port_of_tcp_that_speaks_tls(clock: MockClock, tmp_path: Path) -> None:
    async with tls(saying(ok), issue("sip.test"), tmp_path) as port:
        found = await discovered(f"tcp://{HOST}:{port}")
    (attempt,) = found.attempts
    assert (attempt.reach, attempt.instead) == (Reach.NOT_SIP, "TLS")
    assert [finding.code for finding in found.findings] == ["plain-port-speaks-tls"]


async def test_a_tls_server_is_reported_on(clock: MockClock, tmp_path: Path) -> None:
    async with tls(saying(ok), issue("sip.test"), tmp_path) as port:
        found = await discovered(f"{HOST}:{port}", TLS)
    (report,) = found.tls
    accepted = [facts.version for facts in report.versions if facts.accepted]
    assert accepted == [TlsVersion.TLS_1_3, TlsVersion.TLS_1_2]
    assert report.validity is Validity.SELF_SIGNED
    assert "tls-self-signed" in [finding.code for finding in found.findings]


@pytest.mark.parametrize(("seconds", "deep", "complete"), [(0.0, False, False), (0.0, True, True), (0.3, False, True)])
async def test_how_many_ciphers_are_asked_for(
    clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, deep: bool, complete: bool
) -> None:
    monkeypatch.setattr(handshakes, "CIPHER_SECONDS", seconds)
    async with tls(saying(ok), issue("sip.test"), tmp_path) as port:
        found = await discovered(f"{HOST}:{port}", TLS, deep=deep)
    (report,) = found.tls
    assert report.versions[1].version is TlsVersion.TLS_1_2
    assert report.versions[1].complete is complete
    assert (len(report.versions[1].ciphers) > 1) is complete
    assert "tls-unfinished" not in [finding.code for finding in found.findings]


async def test_each_tls_server_is_reported_on(clock: MockClock, tmp_path: Path) -> None:
    names = ("a", "b", "c")
    async with AsyncExitStack() as servers:
        ports = []
        for name in names:
            folder = tmp_path / name
            folder.mkdir()
            identity = issue(name, days=(-90, -2) if name == "c" else (-1, 90))
            ports.append(await servers.enter_async_context(tls(saying(ok), identity, folder)))
        found = await discovered(f"tls://{HOST}", ports=tuple(ports))
    assert sorted(report.hop.remote.port for report in found.tls) == sorted(ports)
    assert found.findings[0].code == "tls-expired"


async def test_a_server_that_answers_twice(clock: MockClock) -> None:
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        await sock.bind((HOST, 0))

        async def serve() -> None:
            while True:
                data, remote = await sock.recvfrom(65535)
                for _ in range(2):
                    await sock.sendto(ok(data), remote)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            found = await discovered(f"{HOST}:{sock.getsockname()[1]}", UDP, habits=False)
            nursery.cancel_scope.cancel()
    assert "duplicated-answers" in [finding.code for finding in found.findings]


async def test_what_a_register_is_challenged_with(clock: MockClock) -> None:
    asked: list[bytes] = []

    def respond(data: bytes) -> bytes:
        asked.append(data)
        challenge = 'WWW-Authenticate: Digest realm="here", nonce="x"'
        return ok(data, challenge, status="401 Unauthorized") if data.startswith(b"REGISTER") else ok(data)

    async with udp(respond) as port:
        found = await discovered(f"{HOST}:{port}", UDP, challenge=True)
    (register,) = [data for data in asked if data.startswith(b"REGISTER")]
    assert b"Contact:" not in register
    assert f"REGISTER sip:{HOST}:{port} SIP/2.0".encode() in register
    (told,) = found.capabilities.authentication
    assert (told.method, told.status, told.realm) == ("REGISTER", 401, "here")
