"""One TLS handshake for its own sake: what a server chooses, shows and says, and nothing sent after it.

What a server accepts can only be found out by asking for it. Each trial is a connection of its own, closed in order.
"""

import socket

import trio

from sipcore.errors import FailureReason, NotAllowed, TransportFailure
from sipcore.resolve.target import Hop
from sipcore.transports.base import TlsVersion, failure_of
from sipcore.transports.gate import Gate
from sipcore.transports.handshake import RECEIVE_SIZE, drive
from sipcore.transports.tcp import open_socket
from sipcore.transports.tls import TlsContexts
from sipcore.transports.tls_engine import TlsEngine, TlsEvidence, TlsSession
from sipcore.transports.tls_failure import TlsFailure
from sipcore.value import value

LINGER = 0.5
"""Seconds that something is waited for after a handshake of TLS 1.3: there a client is done before the server has said
what it makes of the certificate it was not shown, and before it has sent what a session is resumed with. One round
trip is what it takes."""


@value
class TlsTrial:
    """How one handshake went.

    `session` is what was agreed on, None unless the server chose a cipher: that it does so before it fails is an
    answer, too. `failure` is why the handshake failed, or why the server broke it off thereafter; `established` is
    whether it was complete for this side. `resumable` is whether the server gave what it takes to resume the session,
    as far as that was waited for. `took` is how many seconds all that was, from before the connection.
    """

    session: TlsSession | None
    evidence: TlsEvidence
    established: bool
    failure: TransportFailure | None
    resumable: bool
    took: float


async def try_tls(
    contexts: TlsContexts, hop: Hop, *, seconds: float, linger: bool = False, gate: Gate | None = None
) -> TlsTrial:
    """Connect to `hop` and shake hands, for so many `seconds` at most; whatever the peer does is a value.

    With `linger`, hear what a TLS 1.3 server says next, and keep the session for the next trial with these contexts.
    That `gate` does not let it through is a failure as well. Raises LocalError when the contexts cannot be made.
    """
    engine = contexts.client(hop)
    started = trio.current_time()
    connected = False
    failure: TransportFailure | None = None
    with trio.move_on_after(seconds):
        try:
            with await open_socket(hop, gate) as sock:
                connected = True
                await _shake_hands(sock, engine, linger=linger)
        except TransportFailure as error:
            failure = error.kept()
        except NotAllowed as error:
            failure = error.as_failure()
    if failure is None and not engine.established:
        failure = TransportFailure(FailureReason.TIMED_OUT, f"{hop}: no answer within {seconds:.1f} s")
        failure = engine.explain(failure) if connected else failure
    if linger:
        contexts.keep(engine)
    took = trio.current_time() - started
    # A session that is offered has a cipher, whatever the server makes of it.
    chosen = engine.session.cipher and (engine.established or not engine.resuming)
    session = engine.session if chosen else None
    return TlsTrial(session, engine.evidence, engine.established, failure, engine.resumable, took)


async def _shake_hands(sock: socket.socket, engine: TlsEngine, *, linger: bool) -> None:
    try:
        await drive(sock, engine, engine.hop)
        if linger and engine.session.version == TlsVersion.TLS_1_3.value:
            with trio.move_on_after(LINGER):
                # One that wants a certificate may say so after it has sent what sessions are resumed with.
                while await _hear(sock, engine) and engine.session.certificate_requested:
                    continue
    finally:
        _leave(sock, engine)


async def _hear(sock: socket.socket, engine: TlsEngine) -> bool:
    """Take what the server says next; whether it may say more. Raises TlsFailure where it says why it will not talk."""
    try:
        await trio.lowlevel.wait_readable(sock)
        data = sock.recv(RECEIVE_SIZE)
    except BlockingIOError:
        return True  # woken for nothing
    except OSError as error:
        data, ending = b"", failure_of(error, engine.hop)
    else:
        ending = TransportFailure(FailureReason.CLOSED, f"{engine.hop}: the peer closed the connection")
        engine.receive(data)
    if data and not engine.closed:
        return True
    explained = engine.explain(ending)
    if isinstance(explained, TlsFailure):  # to close a connection over which nothing was asked is no failure
        raise explained
    return False


def _leave(sock: socket.socket, engine: TlsEngine) -> None:
    """Close in order, as far as the kernel takes the words for it at once."""
    try:
        engine.close()
        sock.send(engine.outgoing())
    except (OSError, TransportFailure):
        return
