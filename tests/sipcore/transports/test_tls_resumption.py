"""TLS sessions that go on: which are resumed, which are not, and what is told of them."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio
import trio.testing

from sipcore.errors import FailureReason, TransportFailure
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports import tls
from sipcore.transports.base import TlsConfig, TlsVersion, TransportConfig
from sipcore.transports.connections import Transports, open_transports
from sipcore.transports.tls import TlsContexts
from sipcore.transports.tls_engine import TlsEngine
from sipcore.transports.tls_failure import TlsFailure, TlsProblem
from tests.sipcore.transports.authority import issue
from tests.sipcore.transports.recorder import LOOPBACK, OPTIONS, Recorder

NAME = "sip.example.com"
HOP = Hop(Transport.TLS, SocketAddress("192.0.2.1", 5061), tls_name=NAME)
ROOT = issue("root", ca=True)
LEAF = issue("leaf", ROOT, names=[NAME])
EXPIRED = issue("expired", ROOT, names=[NAME], days=(-30, -2))
CLIENT = issue("client", ROOT, names=["client.example.com"])
SERVER = TlsConfig(certificate=LEAF.chain, key=LEAF.key)
TRUSTING = TlsConfig(ca_data=ROOT.pem)

versions = pytest.mark.parametrize("version", [TlsVersion.TLS_1_0, TlsVersion.TLS_1_2, TlsVersion.TLS_1_3])


def connect(client: TlsContexts, server: TlsContexts, hop: Hop = HOP) -> TlsEngine:
    """A connection from its handshake, over a word each way, to its end; the client's engine."""
    ours, theirs = client.client(hop), server.server(hop)
    ours.receive(b"")
    while not (ours.established and theirs.established):
        theirs.receive(ours.outgoing())
        ours.receive(theirs.outgoing())
    ours.send(b"question")
    assert theirs.receive(ours.outgoing()) == b"question"
    theirs.send(b"answer")
    assert ours.receive(theirs.outgoing()) == b"answer"
    ours.close()
    client.keep(ours)
    return ours


@versions
def test_a_second_connection_resumes_the_first(version: TlsVersion) -> None:
    client = TlsContexts(replace(TRUSTING, minimum_version=version, maximum_version=version))
    server = TlsContexts(replace(SERVER, minimum_version=TlsVersion.TLS_1_0))
    first = connect(client, server)
    assert not first.resuming
    assert not first.session.resumed
    for _ in range(3):
        engine = connect(client, server)
        assert engine.resuming
        session = engine.session
        assert session.resumed
        assert session.verified
        assert session.chain == first.session.chain == (LEAF.certificate,)
        assert session.version == version.value
        assert str(session).endswith(" resumed")
        assert not str(first.session).endswith("resumed")


def test_what_is_wrong_with_a_certificate_is_not_forgotten() -> None:
    client = TlsContexts(replace(TRUSTING, verify=False))
    server = TlsContexts(TlsConfig(certificate=EXPIRED.chain, key=EXPIRED.key))
    connect(client, server)
    session = connect(client, server).session
    assert session.resumed
    assert [fault.problem for fault in session.faults] == [TlsProblem.EXPIRED]
    assert not session.verified


@versions
def test_a_client_certificate_was_shown_before(version: TlsVersion) -> None:
    config = replace(TRUSTING, minimum_version=version, maximum_version=version)
    client = TlsContexts(replace(config, certificate=CLIENT.chain, key=CLIENT.key))
    asking = replace(SERVER, minimum_version=TlsVersion.TLS_1_0, require_client_certificate=True, ca_data=ROOT.pem)
    server = TlsContexts(asking)
    connect(client, server)
    session = connect(client, server).session
    assert session.resumed
    assert session.certificate_requested


def test_it_can_be_switched_off() -> None:
    client, server = TlsContexts(replace(TRUSTING, resume=False)), TlsContexts(SERVER)
    connect(client, server)
    assert not connect(client, server).resuming


@pytest.mark.parametrize(
    "other",
    [
        replace(HOP, tls_name="other.example.com"),
        replace(HOP, remote=SocketAddress("192.0.2.2", 5061)),
        replace(HOP, transport=Transport.WSS),
    ],
)
def test_a_session_is_for_its_own_peer(other: Hop) -> None:
    client, server = TlsContexts(TRUSTING), TlsContexts(SERVER)
    connect(client, server)
    assert not client.client(other).resuming
    assert client.client(HOP).resuming


def test_a_session_is_offered_once() -> None:
    client, server = TlsContexts(TRUSTING), TlsContexts(SERVER)
    connect(client, server)
    assert client.client(HOP).resuming
    assert not client.client(HOP).resuming


@versions
def test_a_server_that_knows_nothing_of_it_begins_anew(version: TlsVersion) -> None:
    client = TlsContexts(replace(TRUSTING, minimum_version=version, maximum_version=version))
    config = replace(SERVER, minimum_version=TlsVersion.TLS_1_0)
    connect(client, TlsContexts(config))
    engine = connect(client, TlsContexts(config))
    assert engine.resuming
    assert not engine.session.resumed
    assert engine.session.verified


def test_a_certificate_is_looked_at_again_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    client, server = TlsContexts(TRUSTING), TlsContexts(SERVER)
    begin = time.monotonic()
    connect(client, server)
    for age, resumed in ((0.6, True), (0.9, True), (1.1, False), (1.2, True)):
        monkeypatch.setattr(time, "monotonic", lambda age=age: begin + age * tls.SESSION_LIFETIME)
        assert connect(client, server).session.resumed is resumed


def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "MAX_SESSIONS", 2)
    client, server = TlsContexts(TRUSTING), TlsContexts(SERVER)
    hops = [replace(HOP, remote=SocketAddress("192.0.2.1", port)) for port in (1, 2, 3)]
    for hop in hops:
        connect(client, server, hop)
    assert [client.client(hop).resuming for hop in hops] == [False, True, True]


def test_there_is_nothing_to_keep_of_others() -> None:
    client, server = TlsContexts(TRUSTING), TlsContexts(SERVER)
    client.keep(None)
    client.keep(client.client(HOP))
    server.keep(server.server(HOP))
    assert not client.client(HOP).resuming


# Over sockets


@asynccontextmanager
async def serving(server: Recorder, config: TlsConfig = SERVER) -> AsyncIterator[Hop]:
    async with open_transports(TransportConfig(bind=((Transport.TLS, LOOPBACK),), tls=config), server) as transports:
        server.answer_over = transports
        address = transports.local_address(Transport.TLS)
        assert address is not None
        yield Hop(Transport.TLS, address, tls_name=NAME)


async def exchange(client: Transports, hop: Hop, recorder: Recorder) -> bool:
    """A request and its response over a connection of its own; whether that resumed a session."""
    prepared = await client.prepare(hop)
    client.send(prepared, OPTIONS)
    flow = (await recorder.message(len(recorder.messages) + 1)).flow
    session = client.tls_session(flow)
    assert session is not None
    client.close(flow)
    await trio.testing.wait_all_tasks_blocked()
    return session.resumed


async def test_connections_resume_what_earlier_ones_left(recorder: Recorder, server: Recorder) -> None:
    async with serving(server) as hop, open_transports(TransportConfig(tls=TRUSTING), recorder) as client:
        assert [await exchange(client, hop, recorder) for _ in range(3)] == [False, True, True]
        assert [record.detail.endswith(" resumed") for record in recorder.traces if record.event == "secured"] == [
            False,
            True,
            True,
        ]


async def test_a_peer_that_cannot_cope_is_asked_again_in_full(
    recorder: Recorder, server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(server) as hop, open_transports(TransportConfig(tls=TRUSTING), recorder) as client:
        await exchange(client, hop, recorder)
        broken = TransportFailure(FailureReason.RESET, "reset")
        real = TlsEngine.receive

        def receive(engine: TlsEngine, data: bytes) -> bytes:
            if engine.resuming:
                raise engine.explain(broken)
            return real(engine, data)

        monkeypatch.setattr(TlsEngine, "receive", receive)
        assert not await exchange(client, hop, recorder)
        assert "resuming the TLS session: " in next(
            record.detail for record in recorder.traces if record.event == "failed"
        )


async def test_a_failure_without_a_session_is_final(recorder: Recorder, server: Recorder) -> None:
    expired = TlsConfig(certificate=EXPIRED.chain, key=EXPIRED.key)
    async with serving(server, expired) as hop, open_transports(TransportConfig(tls=TRUSTING), recorder) as client:
        with pytest.raises(TlsFailure) as caught:
            await client.prepare(hop)
        assert recorder.events() == ["opened", "failed"]
        # What a report needs is there after the failure.
        assert [fault.problem for fault in caught.value.faults] == [TlsProblem.EXPIRED]
        assert caught.value.chain == (EXPIRED.certificate,)
