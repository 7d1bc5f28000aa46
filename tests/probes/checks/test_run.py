"""TLS reports over real sockets: endpoints made wrong on purpose, and what is found out about them."""

import copy
import pickle
import socket
from dataclasses import replace

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL
from trio.testing import MockClock

from probes.checks.run import TlsReportConfig, TlsSockets, locate, report_tls
from probes.checks.tls import SHOW, SMALL, Purpose, TlsQuestion, plan
from probes.checks.tls_certificate import StapleVerdict
from probes.checks.tls_judge import Remark, TlsReport, Validity
from probes.destination import Destination
from probes.report.tls_json import tls_data
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.base import TlsConfig, TlsVersion
from sipcore.transports.lookup import LookupConfig
from sipcore.transports.tls_failure import TlsFailure, TlsProblem
from tests.probes.checks.tls_servers import (
    EVERYTHING,
    INTERMEDIATE,
    LEAF,
    NAME,
    ROOT,
    context_for,
    hop_to,
    ocsp_response,
    serving,
)
from tests.probes.discovery.network import HOST, Serve, free_port, name_server, saying, silent, tcp
from tests.sipcore.transports.authority import Identity, issue

TRUSTING = TlsConfig(ca_data=ROOT.pem)
CONFIG = TlsReportConfig(name=NAME, tls=TRUSTING, lookup=LookupConfig(hosts_file=""))
V10, V11, V12, V13 = TlsVersion


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms: no test waits for its timeouts."""
    return MockClock(autojump_threshold=0.05)


async def reported(hop: Hop, config: TlsReportConfig = CONFIG) -> TlsReport:
    with trio.fail_after(120):
        return await report_tls(f"tls://{hop.remote}", config)


async def report_on(context: SSL.Context, config: TlsReportConfig = CONFIG) -> TlsReport:
    async with serving(context) as hop:
        return await reported(hop, config)


async def report_on_plain(serve: Serve, config: TlsReportConfig = CONFIG) -> TlsReport:
    async with tcp(serve) as port:
        return await reported(hop_to(port), config)


async def test_a_server_as_it_should_be(clock: MockClock) -> None:
    report = await report_on(context_for(staple=ocsp_response(LEAF.certificate, INTERMEDIATE)))
    assert report.works
    assert (report.validity, report.faults, report.remarks) == (Validity.VALID, (), ())
    assert report.staple is not None
    assert report.staple.verdict is StapleVerdict.GOOD
    assert [facts.accepted for facts in report.versions] == [True, True, False, False]
    assert all(facts.complete for facts in report.versions)
    assert set(report.versions[0].ciphers) == {
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_GCM_SHA256",
    }
    assert "ECDHE-ECDSA-AES128-GCM-SHA256" in report.versions[1].ciphers
    assert report.agreed is not None
    assert (report.agreed.version, bool(report.agreed.group)) == ("TLSv1.3", True)
    assert report.resumed is True
    assert len(report.handshakes) == 2 + sum(len(facts.ciphers) + 1 for facts in report.versions)
    assert report.hop.why == "numeric address"
    for other in (pickle.loads(pickle.dumps(report)), copy.deepcopy(report)):  # as a program hands it to another one
        assert tls_data(other) == tls_data(report)
        assert [one.shown for one in other.handshakes] == [one.shown for one in report.handshakes]


OTHER_ROOT = issue("other root", ca=True)


@pytest.mark.parametrize(
    ("identity", "validity"),
    [
        (issue("expired", INTERMEDIATE, names=[NAME], days=(-30, -2)), Validity.EXPIRED),
        (issue("future", INTERMEDIATE, names=[NAME], days=(2, 30)), Validity.NOT_YET_VALID),
        (issue("other", INTERMEDIATE, names=["other.example.com"]), Validity.NAME_MISMATCH),
        (issue(NAME, names=[NAME]), Validity.SELF_SIGNED),
        (replace(LEAF, above=()), Validity.INCOMPLETE_CHAIN),
        (issue("below", issue("middle", OTHER_ROOT, ca=True), names=[NAME]), Validity.UNTRUSTED_ROOT),
        (issue("weak", ROOT, names=[NAME], key=rsa.generate_private_key(65537, 1024)), Validity.WEAK),
        (issue("below a leaf", issue("no CA", ROOT, names=[NAME]), names=[NAME]), Validity.INVALID),
    ],
    ids=lambda value: value.name if isinstance(value, Validity) else "",
)
async def test_each_wrong_certificate(clock: MockClock, identity: Identity, validity: Validity) -> None:
    report = await report_on(context_for(identity))
    assert report.validity is validity
    assert {fault.problem.name for fault in report.faults} == {validity.name}
    assert not report.works
    assert report.failure is None
    assert report.sent[0].subject == identity.certificate.subject.rfc4514_string()


@pytest.mark.parametrize("version", [(V10, SSL.TLS1_VERSION), (V11, SSL.TLS1_1_VERSION), (V12, SSL.TLS1_2_VERSION)])
async def test_one_version_only(clock: MockClock, version: tuple[TlsVersion, int]) -> None:
    spoken, number = version
    report = await report_on(context_for(versions=(number, number)))
    assert [facts.version for facts in report.versions if facts.accepted] == [spoken]
    assert [facts.why for facts in report.versions if facts.accepted is False]
    assert (Remark.OLD_ONLY in report.remarks) is (spoken is not V12)
    assert report.works


async def test_every_cipher_that_openssl_has(clock: MockClock) -> None:
    rsa_leaf = issue("RSA", ROOT, names=[NAME], key=rsa.generate_private_key(65537, 2048))
    report = await report_on(context_for(rsa_leaf, versions=(SSL.TLS1_2_VERSION,) * 2, ciphers=EVERYTHING))
    (ciphers,) = [facts.ciphers for facts in report.versions if facts.accepted]
    assert {"AES128-SHA", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-NULL-SHA"} <= set(ciphers)
    assert report.remarks == (Remark.BROKEN_CIPHER,)


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
@pytest.mark.parametrize("requires", [True, False])
async def test_a_client_certificate_is_wanted(clock: MockClock, version: int, requires: bool) -> None:
    report = await report_on(context_for(accepts=ROOT, requires=requires, versions=(version, version)))
    assert (report.certificate_requested, report.certificate_required) == (True, requires)
    assert report.agreed is not None
    assert report.agreed.shown.authorities == ("CN=root",)
    assert report.validity is Validity.VALID
    assert report.works is not requires
    assert sum(bool(facts.ciphers) for facts in report.versions) == 1


async def test_a_client_certificate_is_shown(clock: MockClock) -> None:
    client = issue("client", ROOT)
    tls = replace(TRUSTING, certificate=client.chain, key=client.key)
    report = await report_on(context_for(accepts=ROOT, requires=True), replace(CONFIG, tls=tls))
    assert (report.certificate_requested, report.certificate_required, report.works) == (True, False, True)
    assert client.key.decode() not in repr(report)


async def test_resumption_is_switched_off(clock: MockClock) -> None:
    assert (await report_on(context_for(resumes=False))).resumed is False


async def test_what_is_not_tls(clock: MockClock) -> None:
    report = await report_on_plain(saying(lambda _: b"SIP/2.0 400 Bad Request\r\n\r\n"))
    assert isinstance(report.failure, TlsFailure)
    assert report.failure.tls is TlsProblem.NOT_TLS
    assert (report.validity, len(report.handshakes)) == (None, 1)


async def test_silence(clock: MockClock) -> None:
    report = await report_on_plain(saying(silent))
    assert isinstance(report.failure, TlsFailure)
    assert report.failure.tls is TlsProblem.SILENT
    assert [handshake.trial for handshake in report.handshakes] == [SHOW, SMALL]


async def test_a_large_first_flight_is_lost(clock: MockClock) -> None:
    """As by a device that drops what does not fit into one packet."""
    context = context_for()

    async def serve(stream: trio.abc.Stream) -> None:
        data = await stream.receive_some()
        if len(data) > 800:
            await trio.sleep_forever()
        connection = SSL.Connection(context, None)
        connection.set_accept_state()
        while data:
            connection.bio_write(data)
            try:
                connection.do_handshake()
                connection.recv(1)
            except SSL.WantReadError:
                pass
            except SSL.Error:
                data = b""
            try:
                await stream.send_all(connection.bio_read(1 << 16))
            except SSL.WantReadError:
                pass
            data = data and await stream.receive_some()

    report = await report_on_plain(serve)
    assert report.remarks == (Remark.LARGE_HELLO,)
    assert report.works
    assert [facts.accepted for facts in report.versions] == [True, True, False, False]


async def test_the_deadline_ends_everything(clock: MockClock) -> None:
    config = replace(CONFIG, deadline=5.0)
    started = trio.current_time()
    report = await report_on_plain(saying(silent), config)
    assert trio.current_time() - started == pytest.approx(5, abs=0.2)
    assert [handshake.took for handshake in report.handshakes] == pytest.approx([4, 1], abs=0.2)


async def test_nothing_is_begun_after_the_deadline(clock: MockClock) -> None:
    async with serving(context_for()) as hop:
        seen = await TlsSockets(TRUSTING).carry_out(TlsQuestion(hop, deadline=0.0), plan)
    assert seen == ()


async def test_each_trial_is_made_once(clock: MockClock) -> None:
    report = await report_on(context_for())
    trials = [handshake.trial for handshake in report.handshakes]
    assert len(set(trials)) == len(trials)
    assert [trial.purpose for trial in trials].count(Purpose.SHOW) == 1


async def test_a_configuration_that_cannot_be_used(clock: MockClock) -> None:
    with pytest.raises(LocalError, match="certificate"):
        await reported(hop_to(5061), replace(CONFIG, tls=TlsConfig(certificate=b"x", key=b"y")))


# Where


async def located(text: str, zone: dict[str, list[str]]) -> list[Hop]:
    async with name_server(zone) as server:
        return await locate(Destination.parse(text), dns_of(server))


def dns_of(server: SocketAddress, **times: float) -> TlsReportConfig:
    return TlsReportConfig(lookup=LookupConfig(nameservers=(server,), hosts_file=""), **times)  # type: ignore[arg-type]


async def test_where_dns_leads(clock: MockClock) -> None:
    zone = {
        "SRV _sips._tcp.example.com": ["20 0 5063 b.example.com.", "10 0 5062 a.example.com."],
        "A a.example.com": ["192.0.2.1", "192.0.2.2"],
        "A b.example.com": ["192.0.2.3"],
        "A example.com": ["192.0.2.9"],
    }
    hops = await located("example.com", zone)
    assert sorted(str(hop.remote) for hop in hops) == ["192.0.2.1:5062", "192.0.2.2:5062", "192.0.2.3:5063"]
    assert hops[-1].remote.port == 5063
    assert {(hop.transport, hop.tls_name) for hop in hops} == {(Transport.TLS, "example.com")}
    (hop,) = await located("wss://example.com", zone)
    assert (hop.transport, hop.remote) == (Transport.WSS, SocketAddress("192.0.2.9", 443))
    (hop,) = await located("example.com:5065", zone)
    assert hop.remote == SocketAddress("192.0.2.9", 5065)


async def test_there_is_no_address(clock: MockClock) -> None:
    async with name_server({}) as server:
        with pytest.raises(TransportFailure) as caught:
            await locate(Destination("example.com"), dns_of(server))
    assert caught.value.reason is FailureReason.UNRESOLVABLE


@pytest.mark.parametrize(
    ("timeout", "deadline", "took", "why"),
    [
        (0.5, 20.0, 1.0, "no name server answered (within 0.5 s); A example.com"),  # for SRV, then A and AAAA at once
        (4.0, 3.0, 3.0, "DNS did not tell one within 3 s; allow more time"),
    ],
)
async def test_dns_that_is_silent_ends_in_time(
    timeout: float,  # noqa: ASYNC109  # that of a configuration
    deadline: float,
    took: float,
    why: str,
    clock: MockClock,
) -> None:
    questions = ["SRV _sips._tcp.example.com", "A example.com", "AAAA example.com"]
    async with name_server({}, refused=questions) as server:
        started = trio.current_time()
        with pytest.raises(TransportFailure) as caught:
            await report_tls(Destination("example.com"), dns_of(server, timeout=timeout, deadline=deadline))
        assert trio.current_time() - started == pytest.approx(took, abs=0.1)
    assert caught.value.reason is FailureReason.UNRESOLVABLE
    assert why in caught.value.message


@pytest.mark.parametrize(("delay", "took"), [(0.5, 6.0), (1.9, 2 * 1.9 + 4.0)])
async def test_dns_and_handshakes_share_the_deadline(delay: float, took: float, clock: MockClock) -> None:
    """All but the time of one handshake, without which nothing could be told."""
    async with tcp(saying(silent)) as port:
        zone = {"SRV _sips._tcp.example.com": [f"0 0 {port} h.example.com."], "A h.example.com": [HOST]}
        async with name_server(zone, delay=delay) as server:
            started = trio.current_time()
            report = await report_tls(Destination("example.com"), dns_of(server, timeout=4.0, deadline=6.0))
    assert trio.current_time() - started == pytest.approx(took, abs=0.3)
    assert report.handshakes[0].took == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("text", ["udp://192.0.2.1", "tcp://192.0.2.1", "ws://192.0.2.1"])
async def test_there_is_no_tls_over_that(text: str) -> None:
    with pytest.raises(LocalError, match="no TLS over"):
        await locate(Destination.parse(text), CONFIG)


async def test_another_address_is_tried_where_nobody_listens(clock: MockClock) -> None:
    other = "127.0.0.2"
    async with serving(context_for()) as hop:
        port = hop.remote.port
        with socket.socket() as taken:
            taken.bind((other, port))  # nothing listens on it, and nobody else will
            zone = {
                f"SRV _sips._tcp.{NAME}": [f"10 0 {port} a.{NAME}.", f"20 0 {port} b.{NAME}."],
                f"A a.{NAME}": [other],
                f"A b.{NAME}": [HOST],
            }
            async with name_server(zone) as server:
                lookup = LookupConfig(nameservers=(server,), hosts_file="")
                report = await report_tls(Destination(NAME), TlsReportConfig(tls=TRUSTING, lookup=lookup))
    assert report.works
    assert report.hop.remote == SocketAddress(HOST, port)
    assert report.hop.why.endswith(f"b.{NAME}; not {other}:{port} (refused)")


async def test_nobody_listens_anywhere(clock: MockClock) -> None:
    report = await reported(hop_to(free_port()))
    assert report.failure is not None
    assert report.failure.reason is FailureReason.REFUSED


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"timeout": 0}, "timeout is a time above 0 s, not 0"),
        ({"deadline": float("nan")}, "deadline is a time above 0 s, not nan"),
    ],
)
def test_times_that_are_none(wrong: dict[str, float], told: str) -> None:
    with pytest.raises(LocalError, match=told):
        TlsReportConfig(**wrong)  # type: ignore[arg-type]  # its fields
