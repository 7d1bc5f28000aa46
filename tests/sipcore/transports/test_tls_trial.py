"""One handshake for its own sake, over real sockets: what a server chooses, shows and says."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from OpenSSL import SSL
from trio.testing import MockClock

from sipcore.errors import FailureReason, LocalError
from sipcore.resolve.target import Hop
from sipcore.transports import tls_trial
from sipcore.transports.base import TlsConfig, TlsVersion
from sipcore.transports.tls import TlsContexts
from sipcore.transports.tls_failure import TlsFailure, TlsProblem
from sipcore.transports.tls_trial import LINGER, TlsTrial, try_tls
from tests.probes.checks.tls_servers import INTERMEDIATE, LEAF, ROOT, context_for, hop_to, ocsp_response, serving
from tests.probes.discovery.network import Serve, free_port, tcp

TRUSTING = TlsConfig(ca_data=ROOT.pem, verify=False)
ONLY_1_2 = (SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION)


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms: no test waits for its timeouts."""
    return MockClock(autojump_threshold=0.05)


@asynccontextmanager
async def plain(serve: Serve) -> AsyncIterator[Hop]:
    async with tcp(serve) as port:
        yield hop_to(port)


async def tried(hop: Hop, config: TlsConfig = TRUSTING, *, linger: bool = True, staple: bool = False) -> TlsTrial:
    with trio.fail_after(60):
        return await try_tls(TlsContexts(config, staple=staple), hop, seconds=4, linger=linger)


async def test_what_is_agreed_on_and_shown(clock: MockClock) -> None:
    staple = ocsp_response(LEAF.certificate, INTERMEDIATE)
    async with serving(context_for(staple=staple, accepts=ROOT)) as hop:
        trial = await tried(hop, staple=True)
    assert (trial.established, trial.failure) == (True, None)
    assert trial.session is not None
    assert trial.session.version == TlsVersion.TLS_1_3.value
    assert trial.session.chain == (LEAF.certificate, INTERMEDIATE.certificate)
    assert trial.evidence.verified == (LEAF.certificate, INTERMEDIATE.certificate, ROOT.certificate)
    assert trial.evidence.authorities == ("CN=root",)
    assert trial.evidence.staple == staple


async def test_no_staple_is_asked_for_without_need(clock: MockClock) -> None:
    async with serving(context_for(staple=b"something")) as hop:
        assert (await tried(hop)).evidence.staple == b""


async def test_a_server_without_tickets_gives_nothing_to_resume_with(clock: MockClock, tmp_path: Path) -> None:
    (file := tmp_path / "identity.pem").write_bytes(LEAF.chain + LEAF.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    context.num_tickets = 0

    async def shake_hands(stream: trio.abc.Stream) -> None:
        secured = trio.SSLStream(stream, context, server_side=True)
        async for _ in secured:
            pass

    contexts = TlsContexts(TRUSTING)
    async with plain(shake_hands) as hop:
        trials = [await try_tls(contexts, hop, seconds=4, linger=True) for _ in range(2)]
    assert [(trial.established, trial.resumable) for trial in trials] == [(True, False)] * 2
    assert [trial.session and trial.session.resumed for trial in trials] == [False, False]


@pytest.mark.parametrize("versions", [ONLY_1_2, (SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION)], ids=["1.2", "1.3"])
@pytest.mark.parametrize("resumes", [True, False])
async def test_a_session_is_resumed(clock: MockClock, versions: tuple[int, int], resumes: bool) -> None:
    contexts = TlsContexts(TRUSTING)
    async with serving(context_for(versions=versions, resumes=resumes)) as hop:
        trials = [await try_tls(contexts, hop, seconds=4, linger=True) for _ in range(2)]
    assert [trial.session and trial.session.resumed for trial in trials] == [False, resumes]
    assert trials[0].resumable


@pytest.mark.parametrize("versions", [ONLY_1_2, (SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION)], ids=["1.2", "1.3"])
async def test_a_client_certificate_is_wanted(clock: MockClock, versions: tuple[int, int]) -> None:
    """A server that chose a cipher before it gave up has said which."""
    async with serving(context_for(versions=versions, accepts=ROOT, requires=True)) as hop:
        trial = await tried(hop)
    assert isinstance(trial.failure, TlsFailure)
    assert trial.failure.tls is TlsProblem.CLIENT_CERTIFICATE_REQUIRED
    assert trial.session is not None
    assert trial.session.cipher
    assert trial.session.chain == (LEAF.certificate, INTERMEDIATE.certificate)
    assert trial.evidence.authorities == ("CN=root",)


async def test_nothing_in_common(clock: MockClock) -> None:
    async with serving(context_for(versions=ONLY_1_2)) as hop:
        trial = await tried(hop, replace(TRUSTING, minimum_version=TlsVersion.TLS_1_3))
    assert isinstance(trial.failure, TlsFailure)
    assert (trial.failure.tls, trial.session, trial.established) == (TlsProblem.VERSION, None, False)


async def test_nobody_listens(clock: MockClock) -> None:
    trial = await tried(hop_to(free_port()))
    assert trial.failure is not None
    assert (trial.failure.reason, trial.session) == (FailureReason.REFUSED, None)


async def test_silence_after_the_connection(clock: MockClock) -> None:
    async def listen(stream: trio.abc.Stream) -> None:
        async for _ in stream:
            pass

    async with plain(listen) as hop:
        trial = await tried(hop)
    assert isinstance(trial.failure, TlsFailure)
    assert (trial.failure.tls, trial.failure.detail) == (TlsProblem.SILENT, "timed out")
    assert trial.took == pytest.approx(4, abs=0.1)


async def test_silence_before_the_connection(clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> socket.socket:
        await trio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(tls_trial, "open_socket", never)
    trial = await tried(hop_to(5061))
    assert not isinstance(trial.failure, TlsFailure)
    assert trial.failure is not None
    assert (trial.failure.reason, trial.failure.message) == (
        FailureReason.TIMED_OUT,
        "tls 127.0.0.1:5061: no answer within 4.0 s",
    )


async def test_what_is_not_tls(clock: MockClock) -> None:
    async def greet(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"220 mail.example ESMTP\r\n")
        await stream.receive_some()

    async with plain(greet) as hop:
        trial = await tried(hop)
    assert isinstance(trial.failure, TlsFailure)
    assert trial.failure.tls is TlsProblem.NOT_TLS


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("asks", [True, False])
async def test_a_server_that_leaves_after_the_handshake(clock: MockClock, in_order: bool, asks: bool) -> None:
    """It has no reason to stay, unless it asked for a certificate that it was not shown."""
    context = context_for(resumes=False, accepts=ROOT if asks else None)

    async def shake_hands_and_leave(stream: trio.abc.Stream) -> None:
        connection = SSL.Connection(context, None)
        connection.set_accept_state()
        while True:
            try:
                connection.do_handshake()
                break
            except SSL.WantReadError:
                await flush(connection, stream)
                connection.bio_write(await stream.receive_some())
        if in_order:
            connection.shutdown()
        else:
            assert isinstance(stream, trio.SocketStream)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await flush(connection, stream)
        await stream.aclose()

    async with plain(shake_hands_and_leave) as hop:
        trial = await tried(hop)
    assert trial.established
    problem = trial.failure.tls if isinstance(trial.failure, TlsFailure) else trial.failure
    assert problem is (TlsProblem.CLIENT_CERTIFICATE_REQUIRED if asks else None)


async def flush(connection: SSL.Connection, stream: trio.abc.Stream) -> None:
    try:
        await stream.send_all(connection.bio_read(1 << 16))
    except SSL.WantReadError:
        return


async def test_a_server_that_says_nothing_more_is_left_soon(clock: MockClock) -> None:
    async def answer_once(stream: trio.abc.Stream) -> None:
        connection = SSL.Connection(context_for(), None)
        connection.set_accept_state()
        connection.bio_write(await stream.receive_some())
        with pytest.raises(SSL.WantReadError):
            connection.do_handshake()
        await flush(connection, stream)
        async for _ in stream:
            pass

    async with plain(answer_once) as hop:
        trial, quick = await tried(hop), await tried(hop, linger=False)
    assert (trial.failure, quick.failure) == (None, None)
    assert trial.took >= LINGER > quick.took
    assert not trial.resumable


async def test_a_configuration_that_cannot_be_used() -> None:
    with pytest.raises(LocalError):
        await tried(hop_to(5061), replace(TRUSTING, ciphers="none-such"))
