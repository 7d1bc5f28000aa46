"""TLS over real loopback sockets: the same connection code as TCP's, and each way of failing told apart."""

import copy
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
import trio
import trio.testing
from cryptography.x509 import Certificate
from trio.testing import MockClock

from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports import connections
from sipcore.transports.base import TlsConfig, TlsVersion, TransportConfig, socket_address
from sipcore.transports.connections import Transports, open_transports
from sipcore.transports.tls import TlsContexts
from sipcore.transports.tls_failure import TlsFailure, TlsProblem
from tests.sipcore.transports.authority import Identity, issue
from tests.sipcore.transports.recorder import LOOPBACK, OK, OPTIONS, Recorder

TLS = Transport.TLS
NAME = "sip.example.com"
ROOT = issue("root", ca=True)
INTERMEDIATE = issue("intermediate", ROOT, ca=True)
LEAF = issue("leaf", INTERMEDIATE, names=[NAME])
TRUSTING = TransportConfig(tls=TlsConfig(ca_data=ROOT.pem))


@asynccontextmanager
async def serving(
    server: Recorder, identity: Identity = LEAF, **options: object
) -> AsyncIterator[tuple[Transports, Hop]]:
    """Transports that serve TLS with a certificate, and the hop that leads there."""
    tls = replace(TlsConfig(certificate=identity.chain, key=identity.key), **options)  # type: ignore[arg-type]
    async with open_transports(TransportConfig(bind=((TLS, LOOPBACK),), tls=tls), server) as transports:
        server.answer_over = transports
        address = transports.local_address(TLS)
        assert address is not None
        yield transports, Hop(TLS, address, tls_name=NAME)


async def test_request_and_response(recorder: Recorder, server: Recorder) -> None:
    async with serving(server) as (_, there), open_transports(TRUSTING, recorder) as client:
        hop = await client.prepare(there)
        client.send(hop, OPTIONS)
        response = await recorder.message()
        assert response.data == OK
        assert response.flow.transport is TLS
        session = client.tls_session(hop)
        assert session is not None
        assert session.verified
        assert client.tls_session(response.flow) == session
        assert recorder.events() == ["opened", "secured"]
        assert recorder.traces[1].detail == str(session)
        assert server.events() == ["accepted", "secured"]
    assert recorder.ended == []
    assert recorder.events()[-1] == "closed"


async def test_many_messages_both_ways(recorder: Recorder, server: Recorder) -> None:
    async with serving(server) as (_, there), open_transports(TRUSTING, recorder) as client:
        hop = await client.prepare(there)
        for _ in range(500):
            client.send(hop, OPTIONS)
        await recorder.message(500)
        assert len(server.messages) == 500


async def test_a_connection_is_reused_for_its_name_only(recorder: Recorder, server: Recorder) -> None:
    async with serving(server) as (_, hop), open_transports(TRUSTING, recorder) as client:
        first = await client.prepare(hop)
        assert await client.prepare(hop) == first
        assert client.prepared(replace(first, tls_name=None)) is not None
        with pytest.raises(TlsFailure) as caught:
            await client.prepare(replace(hop, tls_name="other.example.com"))
        assert caught.value.tls is TlsProblem.NAME_MISMATCH
        with pytest.raises(TlsFailure):
            await client.prepare(replace(first, tls_name="other.example.com"))


async def test_a_lost_connection_is_opened_again_by_its_name(recorder: Recorder, server: Recorder) -> None:
    async with serving(server) as (_, there), open_transports(TRUSTING, recorder) as client:
        client.send(await client.prepare(there), OPTIONS)
        flow = (await recorder.message()).flow
        client.close(flow)
        await recorder.until(lambda: recorder.events()[-1] == "closed")
        again = await client.prepare(flow.hop)
        assert again.tls_name == NAME
        assert client.tls_session(again) is not None


async def test_what_a_peer_showed_outlives_its_connection(recorder: Recorder, server: Recorder) -> None:
    async with serving(server) as (serving_transports, there), open_transports(TRUSTING, recorder) as client:
        server.answer_over, server.close_over = None, serving_transports
        assert client.tls_session(there) is None
        client.send(await client.prepare(there), OPTIONS)
        flow, _ = await recorder.end()
        session = client.tls_session(there)
        assert session is not None
        assert session.verified
        assert client.tls_session(flow) == session
        assert client.tls_session(replace(there, tls_name="other.example.com")) is None
        assert client.tls_session(replace(flow, serial=flow.serial + 1)) is None


async def test_what_peers_showed_is_kept_within_a_limit(
    recorder: Recorder, server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_ENDED", 2)
    async with serving(server) as (_, there), open_transports(TRUSTING, recorder) as client:
        flows = []
        for number in range(3):
            client.send(await client.prepare(there), OPTIONS)
            flows.append((await recorder.message(number + 1)).flow)
            client.close(flows[-1])
            await recorder.until(lambda: recorder.events()[-1] == "closed")
        assert [client.tls_session(flow) is not None for flow in flows] == [False, True, True]
        session = client.tls_session(there)
        assert session is client.tls_session(flows[2])


async def test_leaving_says_so(recorder: Recorder, server: Recorder) -> None:
    async with serving(server) as (_, there):
        async with open_transports(TRUSTING, recorder) as client:
            hop = await client.prepare(there)
            client.send(hop, OPTIONS)
        _, failure = await server.end()
        assert failure.reason is FailureReason.CLOSED
        assert [message.data for message in server.messages] == [OPTIONS]


async def test_an_idle_connection_is_closed(recorder: Recorder, server: Recorder, patient_clock: MockClock) -> None:
    recorder.patience = 1e6
    config = replace(TRUSTING, idle_timeout=60.0)
    async with serving(server) as (_, hop), open_transports(config, recorder) as client:
        await client.prepare(hop)
        _, failure = await recorder.end()
        assert failure.reason is FailureReason.CLOSED
        assert "idle for 60 s" in failure.message


OLD = TlsVersion.TLS_1_0


@pytest.mark.parametrize(
    ("identity", "options", "problem"),
    [
        (issue("expired", INTERMEDIATE, names=[NAME], days=(-30, -2)), {}, TlsProblem.EXPIRED),
        (issue("other", INTERMEDIATE, names=["other.example.com"]), {}, TlsProblem.NAME_MISMATCH),
        (issue(NAME, names=[NAME]), {}, TlsProblem.SELF_SIGNED),
        (replace(LEAF, above=()), {}, TlsProblem.INCOMPLETE_CHAIN),
        (LEAF, {"minimum_version": OLD, "maximum_version": OLD}, TlsProblem.VERSION),
        (
            LEAF,
            {"require_client_certificate": True, "ca_data": ROOT.pem, "maximum_version": TlsVersion.TLS_1_2},
            TlsProblem.CLIENT_CERTIFICATE_REQUIRED,
        ),
    ],
)
async def test_each_wrong_server_is_told_apart(
    recorder: Recorder, server: Recorder, identity: Identity, options: dict[str, object], problem: TlsProblem
) -> None:
    async with serving(server, identity, **options) as (_, hop), open_transports(TRUSTING, recorder) as client:
        with pytest.raises(TlsFailure) as caught:
            await client.prepare(hop)
        assert caught.value.tls is problem
        assert caught.value.message.startswith(f"tls {hop.remote}: ")
        assert recorder.events() == ["opened", "failed"]
        await server.until(lambda: server.events() == ["accepted", "failed"])
        assert server.ended == []


async def test_a_client_certificate_is_missed_after_the_handshake(recorder: Recorder, server: Recorder) -> None:
    async with (
        serving(server, require_client_certificate=True, ca_data=ROOT.pem) as (_, there),
        open_transports(TRUSTING, recorder) as client,
    ):
        hop = await client.prepare(there)
        client.send(hop, OPTIONS)
        _, failure = await recorder.end()
        assert isinstance(failure, TlsFailure)
        assert failure.tls is TlsProblem.CLIENT_CERTIFICATE_REQUIRED


async def test_old_peers_can_be_probed(recorder: Recorder, server: Recorder) -> None:
    config = TransportConfig(tls=TlsConfig(ca_data=ROOT.pem, minimum_version=OLD))
    async with (
        serving(server, minimum_version=OLD, maximum_version=OLD) as (_, there),
        open_transports(config, recorder) as client,
    ):
        hop = await client.prepare(there)
        client.send(hop, OPTIONS)
        await recorder.message()
        session = client.tls_session(hop)
        assert session is not None
        assert session.version == "TLSv1"


Behaviour = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def odd_server(behave: Behaviour) -> AsyncIterator[Hop]:
    """A TCP server that does as told with each connection, and the hop that leads there as if it spoke TLS."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    assert isinstance(listener, trio.SocketListener)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, behave, [listener])
        yield Hop(TLS, socket_address(listener.socket.getsockname()), tls_name=NAME)
        nursery.cancel_scope.cancel()


async def speaks_sip(stream: trio.SocketStream) -> None:
    async with stream:
        await stream.receive_some()
        await stream.send_all(b"SIP/2.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


async def speaks_http(stream: trio.SocketStream) -> None:
    async with stream:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def hangs_up(stream: trio.SocketStream) -> None:
    async with stream:
        await stream.receive_some()


async def hangs_up_later(stream: trio.SocketStream) -> None:
    async with stream:
        await stream.receive_some()
        await stream.send_all(b"\x16\x03\x03\x00\x40\x02")


@pytest.mark.parametrize(
    ("behave", "problem", "words"),
    [
        (speaks_sip, TlsProblem.NOT_TLS, "it speaks SIP without TLS"),
        (speaks_http, TlsProblem.NOT_TLS, "an HTTP response"),
        (hangs_up, TlsProblem.SILENT, "closed"),
        (hangs_up_later, TlsProblem.HANDSHAKE, "closed"),
    ],
)
async def test_a_port_that_does_not_speak_tls(
    recorder: Recorder, behave: Behaviour, problem: TlsProblem, words: str
) -> None:
    async with odd_server(behave) as hop, open_transports(TRUSTING, recorder) as client:
        with pytest.raises(TlsFailure) as caught:
            await client.prepare(hop)
        assert caught.value.tls is problem
        assert words in caught.value.message


async def test_a_server_that_takes_its_leave_with_its_handshake_is_gone(recorder: Recorder) -> None:
    """One that is being emptied does so, and waits a while before it closes: nobody is to wait for answers as long."""

    async def takes_its_leave(stream: trio.SocketStream) -> None:
        engine = TlsContexts(
            TlsConfig(certificate=LEAF.chain, key=LEAF.key, maximum_version=TlsVersion.TLS_1_2)
        ).server(Hop(TLS, LOOPBACK))
        while data := await stream.receive_some():
            engine.receive(data)
            if engine.established:
                engine.close()
            await stream.send_all(engine.outgoing())

    async with odd_server(takes_its_leave) as there, open_transports(TRUSTING, recorder) as client:
        with suppress(TransportFailure):  # as chance will have it
            client.send(await client.prepare(there), OPTIONS)
        _, failure = await recorder.end()
        assert failure.reason is FailureReason.CLOSED


async def says_nothing(stream: trio.SocketStream) -> None:
    async with stream:
        await trio.sleep_forever()


async def test_a_port_that_says_nothing(recorder: Recorder, patient_clock: MockClock) -> None:
    async with odd_server(says_nothing) as hop, open_transports(TRUSTING, recorder) as client:
        begin = trio.current_time()
        with pytest.raises(TlsFailure) as caught:
            await client.prepare(hop)
        assert caught.value.tls is TlsProblem.SILENT
        assert trio.current_time() - begin == pytest.approx(client.config.connect_timeout, abs=0.5)


async def test_a_client_that_does_not_speak_tls(server: Recorder) -> None:
    async with serving(server) as (_, hop), await trio.open_tcp_stream(hop.remote.host, hop.remote.port) as stream:
        await stream.send_all(OPTIONS)
        await server.until(lambda: server.events() == ["accepted", "failed"])
        assert "it speaks SIP without TLS" in server.traces[-1].detail


async def test_a_client_that_says_nothing(server: Recorder, patient_clock: MockClock) -> None:
    server.patience = 1e6
    async with serving(server) as (_, hop), await trio.open_tcp_stream(hop.remote.host, hop.remote.port):
        await server.until(lambda: server.events() == ["accepted", "failed"])
        assert "did not complete the TLS handshake" in server.traces[-1].detail


async def test_a_handshake_that_is_reset(recorder: Recorder, server: Recorder) -> None:
    async with serving(server) as (_, hop):
        stream = await trio.open_tcp_stream(hop.remote.host, hop.remote.port)
        await stream.send_all(b"\x16\x03\x01\x02\x00\x01")
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        stream.socket.close()
        await server.until(lambda: server.events() == ["accepted", "failed"])


async def test_garbage_within_tls(recorder: Recorder, server: Recorder) -> None:
    async with serving(server) as (_, there), open_transports(TRUSTING, recorder) as client:
        hop = await client.prepare(there)
        client.send(hop, b"GET / HTTP/1.1\r\n\r\n")
        _, failure = await server.end()
        assert failure.reason is FailureReason.GARBAGE
        assert (await recorder.end())[1].reason is FailureReason.CLOSED


async def test_garbage_instead_of_records(recorder: Recorder, server: Recorder) -> None:
    async with serving(server) as (transports, hop), open_transports(TRUSTING, recorder) as client:
        await client.prepare(hop)
        await trio.testing.wait_all_tasks_blocked()
        (connection,) = transports._by_addresses.values()
        connection._socket.send(b"\x17\x03\x03\x00\x20" + bytes(32))
        _, failure = await recorder.end()
        assert isinstance(failure, TlsFailure)


async def test_an_unusable_configuration_is_told_to_who_prepares(recorder: Recorder) -> None:
    config = TransportConfig(tls=TlsConfig(ca_data=b"nonsense"))
    async with open_transports(config, recorder) as client:
        with pytest.raises(LocalError):
            await client.prepare(Hop(TLS, SocketAddress("127.0.0.1", 5061)))


async def test_tls_may_be_served_at_two_addresses(recorder: Recorder, server: Recorder) -> None:
    async with serving(server) as (transports, there), open_transports(TRUSTING, recorder) as client:
        second = transports.bind(TLS, LOOPBACK)
        for address in (there.remote, second):
            hop = await client.prepare(replace(there, remote=address))
            assert hop.remote == address


async def test_refused_is_no_matter_of_tls(recorder: Recorder) -> None:
    async with open_transports(TRUSTING, recorder) as client:
        with pytest.raises(TransportFailure) as caught:
            await client.prepare(Hop(TLS, SocketAddress("127.0.0.1", 9)))
        assert caught.value.reason is FailureReason.REFUSED


@pytest.mark.parametrize("chain", [(), (LEAF.certificate, *LEAF.above)])
def test_a_failure_is_handed_to_another_process_with_its_certificates(chain: tuple[Certificate, ...]) -> None:
    failure = TlsFailure(TlsProblem.EXPIRED, "tls 192.0.2.1:5061", "since May", chain=chain, alert="none")
    for other in (pickle.loads(pickle.dumps(failure)), copy.copy(failure)):
        assert (str(other), vars(other)) == (str(failure), vars(failure))
