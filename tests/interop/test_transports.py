"""Every transport against real servers: OPTIONS and REGISTER, IPv4 and IPv6, WebSockets, and OpenSSL's own server."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing

from probes.calls.run import place_call
from probes.calls.script import CallScript
from probes.destination import Destination
from probes.result import CallStatus
from sipcore.auth.choice import Account
from sipcore.auth.session import AuthSession
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.errors import TransportFailure
from sipcore.events import Exchange
from sipcore.message.address import Address
from sipcore.message.params import Params
from sipcore.message.uri import SipUri
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.base import TlsConfig, TlsVersion, TransportConfig, WsConfig
from sipcore.transports.connections import open_transports
from sipcore.transports.tls_failure import TlsFailure, TlsProblem
from sipcore.transports.ws_failure import WsFailure, WsProblem
from tests.interop import wire
from tests.interop.conftest import REQUIRED
from tests.interop.lab import HOST, START_SECONDS, Lab, MissingError, Server, process, program
from tests.machine import needs_ipv6
from tests.sipcore.transports.authority import Identity, issue
from tests.sipcore.transports.recorder import Recorder

UDP, TCP, TLS, WS, WSS = Transport.UDP, Transport.TCP, Transport.TLS, Transport.WS, Transport.WSS
EVERYWHERE = [("asterisk", each) for each in Transport] + [("kamailio", each) for each in (UDP, TCP, TLS)]

everywhere = pytest.mark.parametrize(
    ("name", "transport"), EVERYWHERE, ids=[f"{name}-{transport.name}" for name, transport in EVERYWHERE]
)
both_families = pytest.mark.parametrize(
    "ipv6", [pytest.param(False, id="IPv4"), pytest.param(True, id="IPv6", marks=needs_ipv6)]
)


def hop_to(server: Server, transport: Transport, *, ipv6: bool = False) -> Hop:
    """Where a server has a transport."""
    ports = {UDP: server.udp_port, TCP: server.tcp_port, TLS: server.tls_port, WS: server.ws_port, WSS: server.wss_port}
    host, port = server.host6 if ipv6 else server.host, ports[transport]
    assert host is not None
    assert port is not None
    return Hop(transport, SocketAddress(host, port))


def uri_of(hop: Hop, user: str | None = None) -> SipUri:
    host = f"[{hop.remote.host}]" if hop.remote.is_ipv6 else hop.remote.host
    transport = WS if hop.transport.websocket else hop.transport
    return SipUri(host, user, hop.remote.port, Params((("transport", transport.value.lower()),)))


def trusting(server: Server) -> EndpointConfig:
    tls = TlsConfig(ca_file=str(server.ca_file))
    return EndpointConfig(transports=TransportConfig(tls=tls, ws=WsConfig(wire.WS_PATH)))


@everywhere
@both_families
async def test_options(request: pytest.FixtureRequest, name: str, transport: Transport, ipv6: bool) -> None:
    server: Server = request.getfixturevalue(name)
    hop = hop_to(server, transport, ipv6=ipv6)
    async with Endpoint(trusting(server)) as client:
        with trio.fail_after(10):
            exchange = await client.options(uri_of(hop), hop=hop)
        assert exchange.response.status == 200
        assert exchange.response.via.transport == transport.value
        assert exchange.flow.transport is transport
        session = client.transports.tls_session(exchange.flow)
        assert session.verified if session else not transport.secure


async def register(client: Endpoint, hop: Hop, expires: int) -> Exchange:
    registrar = uri_of(hop)
    alice = Address(replace(registrar, user="alice", port=None, params=Params()))
    account = Account("alice", "secret", hosts=[hop.remote.host])
    fields = [("Expires", str(expires))]
    request = client.new_request("REGISTER", registrar, to=alice, from_=alice, fields=fields)
    with trio.fail_after(10):
        return await client.request(Order(request, hop, "alice", AuthSession(account)))


@everywhere
@both_families
async def test_register(request: pytest.FixtureRequest, name: str, transport: Transport, ipv6: bool) -> None:
    """A binding that is there after it was made, and gone after it was removed."""
    server: Server = request.getfixturevalue(name)
    hop = hop_to(server, transport, ipv6=ipv6)
    async with Endpoint(trusting(server)) as client:
        made = await register(client, hop, 60)
        assert made.response.status == 200, made.response.reason
        assert "Authorization" in made.request.headers
        removed = await register(client, hop, 0)
    assert removed.response.status == 200
    ours = (made.request.headers.get("Contact") or "").strip("<>")
    assert ours.startswith("sip:alice@")
    assert any(ours in contact for contact in made.response.headers.get_all("Contact"))
    assert not any(ours in contact for contact in removed.response.headers.get_all("Contact"))


# WebSockets


@pytest.mark.parametrize("transport", [WS, WSS])
async def test_a_call_in_a_websocket(asterisk: Server, transport: Transport) -> None:
    """Asterisk hangs up after two seconds: requests of its own come along the connection too."""
    hop = hop_to(asterisk, transport)
    script = CallScript(Destination(hop.remote.host, hop.remote.port, transport, "hangup2"), hold=10)
    with trio.fail_after(30):
        result = await place_call(script, trusting(asterisk))
    assert result.status is CallStatus.CONNECTED, result.why
    story = [f"{entry.direction}{entry.label}" for entry in result.timeline]
    assert story.index("→ACK") < story.index("←BYE") < story.index("→200 OK")


@pytest.mark.parametrize(
    ("wrong", "problem", "status"),
    [
        ("path", WsProblem.NOT_FOUND, 404),
        ("TCP port", WsProblem.SILENT, None),
        ("WSS port", WsProblem.SILENT, None),
    ],
)
async def test_what_is_no_websocket_is_told_apart(
    asterisk: Server, wrong: str, problem: WsProblem, status: int | None
) -> None:
    hop = {
        "path": replace(hop_to(asterisk, WS), path="/nothing"),
        "TCP port": replace(hop_to(asterisk, TCP), transport=WS),
        "WSS port": replace(hop_to(asterisk, WSS), transport=WS),
    }[wrong]
    config = TransportConfig(connect_timeout=0.5)
    async with open_transports(config, Recorder()) as client:
        with pytest.raises(WsFailure) as caught:
            await client.prepare(hop)
    assert (caught.value.ws, caught.value.status) == (problem, status)


async def test_wss_where_there_is_plain_http(asterisk: Server) -> None:
    async with open_transports(trusting(asterisk).transports, Recorder()) as client:
        with pytest.raises(TlsFailure) as caught:
            await client.prepare(replace(hop_to(asterisk, WS), transport=WSS))
    assert caught.value.tls is TlsProblem.NOT_TLS


# TLS


@pytest.mark.parametrize(
    ("name", "transport"), [("asterisk", TLS), ("asterisk", WSS), ("kamailio", TLS)], ids=["TLS", "WSS", "Kamailio"]
)
async def test_a_session_may_be_resumed(request: pytest.FixtureRequest, name: str, transport: Transport) -> None:
    """Whether or not a server resumes it, offering does no harm, and what is told of the certificate stays true."""
    server: Server = request.getfixturevalue(name)
    hop = hop_to(server, transport)
    async with Endpoint(trusting(server)) as client:
        chains = []
        for _ in range(3):
            with trio.fail_after(10):
                exchange = await client.options(uri_of(hop), hop=hop)
            assert exchange.response.status == 200
            session = client.transports.tls_session(exchange.flow)
            assert session is not None
            assert session.verified
            chains.append(session.chain)
            client.transports.close(exchange.flow)
            await trio.testing.wait_all_tasks_blocked()
        assert chains[0] == chains[1] == chains[2] != ()


@pytest.mark.parametrize("name", ["asterisk", "kamailio"])
async def test_tls_where_there_is_plain_sip(request: pytest.FixtureRequest, name: str) -> None:
    server: Server = request.getfixturevalue(name)
    config = replace(trusting(server).transports, connect_timeout=1.0)
    async with open_transports(config, Recorder()) as client:
        with pytest.raises(TlsFailure) as caught:
            await client.prepare(replace(hop_to(server, TCP), transport=TLS))
    assert caught.value.tls is TlsProblem.SILENT
    assert "the port may be one of plain TCP" in caught.value.message


@contextmanager
def openssl_server(lab: Lab, folder: Path, *options: str) -> Iterator[Hop]:
    """OpenSSL's test server, with the lab's certificate."""
    try:
        command = [program("openssl", "openssl"), "s_server", "-www", "-accept", f"{HOST}:{lab.ports(1)}"]
    except MissingError as missing:
        if REQUIRED:
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
    files = {"-cert": lab.certificates.certificate, "-key": lab.certificates.key, "-CAfile": lab.certificates.ca}
    given = [part for name, path in files.items() if name not in options for part in (name, str(path))]
    with process([*command, *given, *options], folder):
        deadline = time.monotonic() + START_SECONDS
        while b"ACCEPT" not in (folder / "output.log").read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield Hop(TLS, SocketAddress(HOST, int(command[-1].partition(":")[2])))


VERSIONS = {
    TlsVersion.TLS_1_0: "-tls1",
    TlsVersion.TLS_1_1: "-tls1_1",
    TlsVersion.TLS_1_2: "-tls1_2",
    TlsVersion.TLS_1_3: "-tls1_3",
}
OLD = (TlsVersion.TLS_1_0, TlsVersion.TLS_1_1)


@pytest.mark.parametrize("version", TlsVersion)
async def test_every_version_of_tls(lab: Lab, tmp_path: Path, version: TlsVersion) -> None:
    """Each one is spoken, its session resumed, and, where it is too old, only when it is allowed."""
    tls = TlsConfig(ca_file=str(lab.certificates.ca), minimum_version=TlsVersion.TLS_1_0)
    with openssl_server(lab, tmp_path, VERSIONS[version], "-cipher", "DEFAULT:@SECLEVEL=0") as hop:
        async with open_transports(TransportConfig(tls=tls), Recorder()) as client:
            for resumed in (False, True):
                with trio.fail_after(10):
                    session = client.tls_session(prepared := await client.prepare(hop))
                assert session is not None
                assert (session.version, session.verified, session.resumed) == (version.value, True, resumed)
                await trio.testing.wait_all_tasks_blocked(0.1)  # TLS 1.3 tickets come after the handshake
                client.close(prepared)
                await trio.testing.wait_all_tasks_blocked()
        strict = TransportConfig(tls=replace(tls, minimum_version=TlsVersion.TLS_1_2))
        async with open_transports(strict, Recorder()) as client:
            if version in OLD:
                with pytest.raises(TlsFailure) as caught:
                    await client.prepare(hop)
                assert caught.value.tls is TlsProblem.VERSION
            else:
                await client.prepare(hop)


NAME = "sut.example"
ROOT = issue("root", ca=True)
INTERMEDIATE = issue("intermediate", ROOT, ca=True)


@pytest.mark.parametrize(
    ("identity", "problem"),
    [
        (issue("right", INTERMEDIATE, names=[NAME]), None),
        (issue("expired", INTERMEDIATE, names=[NAME], days=(-30, -2)), TlsProblem.EXPIRED),
        (issue("other", INTERMEDIATE, names=["other.example"]), TlsProblem.NAME_MISMATCH),
        (issue("self-signed", names=[NAME]), TlsProblem.SELF_SIGNED),
        (replace(issue("leaf", INTERMEDIATE, names=[NAME]), above=()), TlsProblem.INCOMPLETE_CHAIN),
    ],
    ids=lambda value: "right" if value is None else getattr(value, "name", ""),
)
async def test_each_wrong_certificate_is_told_apart(
    lab: Lab, tmp_path: Path, identity: Identity, problem: TlsProblem | None
) -> None:
    for name, pem in (("leaf", identity.pem), ("key", identity.key), ("chain", identity.chain)):
        (tmp_path / name).write_bytes(pem)
    files = {"-cert": "leaf", "-key": "key", "-cert_chain": "chain"}
    options = [part for name, file in files.items() for part in (name, str(tmp_path / file))]
    config = TransportConfig(tls=TlsConfig(ca_data=ROOT.pem))
    failure = None
    with openssl_server(lab, tmp_path, *options) as hop:
        async with open_transports(config, Recorder()) as client:
            try:
                await client.prepare(replace(hop, tls_name=NAME))
            except TlsFailure as told:
                failure = told
    assert (failure.tls if failure else None) is problem
    if failure is not None:
        assert failure.chain[0] == identity.certificate
        assert [fault.problem for fault in failure.faults] == [problem]


@pytest.mark.parametrize("version", [TlsVersion.TLS_1_2, TlsVersion.TLS_1_3])
async def test_a_client_certificate_is_wanted(lab: Lab, tmp_path: Path, version: TlsVersion) -> None:
    made = lab.certificates
    without = TlsConfig(ca_file=str(made.ca))
    shown = replace(without, certificate=made.certificate.read_bytes(), key=made.key.read_bytes())
    with openssl_server(lab, tmp_path, VERSIONS[version], "-Verify", "1") as hop:
        async with open_transports(TransportConfig(tls=shown), Recorder()) as client:
            session = client.tls_session(await client.prepare(hop))
            assert session is not None
            assert session.certificate_requested
        recorder = Recorder()
        failure: TransportFailure
        async with open_transports(TransportConfig(tls=without), recorder) as client:
            try:
                await client.prepare(hop)
                _, failure = await recorder.end()
            except TransportFailure as told:
                failure = told
    assert isinstance(failure, TlsFailure)
    assert failure.tls is TlsProblem.CLIENT_CERTIFICATE_REQUIRED
