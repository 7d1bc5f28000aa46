"""When silence may be a filter's doing, so that a second, inconspicuous request is worth sending.

That one goes without User-Agent, from another socket, and in TLS with a first flight that fits into one packet.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace

from probes.checks.options import OPENED, PLAIN_SIP, SECURED, TLS, speaks_tls, told_since
from probes.result import Attempt, Reach, flow_events_in, received_in
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.trace import TraceRecord
from sipcore.transports.tls_failure import TlsProblem

USER_AGENT = "User-Agent"
LARGE_HELLO = "a large ClientHello"
"""What the second request does without."""


def may_be_filtered(records: Sequence[TraceRecord], hop: Hop) -> bool:
    """Whether what was seen so far of an attempt under way may be a filter: nothing came back to what did get there."""
    got_there = not hop.transport.reliable or OPENED in flow_events_in(records)
    return got_there and not received_in(records)


def is_worth_retrying(attempt: Attempt, others: Iterable[Attempt]) -> bool:
    """Whether an attempt that is over stayed silent, and nothing else explains it.

    `others` are those at the same address and port: one that speaks plain SIP there explains that TLS does not, and
    one that speaks TLS that plain TCP does not.
    """
    if attempt.reach is Reach.NO_ANSWER:
        return True
    silent = attempt.reach is Reach.SILENT and not attempt.hop.transport.websocket
    # A handshake that is broken off may have been too large as well as one that is ignored.
    no_handshake = attempt.reach is Reach.TLS_FAILED and attempt.detail.startswith(TlsProblem.SILENT.text)
    spoken = any(other.response is not None or other.tls for other in others if other.hop.transport.reliable)
    return (silent or no_handshake) and not spoken


def explained(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The same attempts, those that got nothing out of a port explained by what its connection was told since, or by
    one that did, over another transport.

    A port of TLS does not understand plain SIP, nor a plain one TLS; few say so.
    """
    plain = {one.hop.remote for one in attempts if one.hop.transport is Transport.TCP and one.response is not None}
    secure = {one.hop.remote for one in attempts if one.hop.transport is Transport.TLS and speaks_tls(one)}
    return [_explained(told_since(one), plain, secure) for one in attempts]


def _explained(attempt: Attempt, plain: Set[SocketAddress], secure: Set[SocketAddress]) -> Attempt:
    hop = attempt.hop
    if hop.transport is Transport.TCP and attempt.reach is Reach.SILENT and hop.remote in secure:
        return speaking_tls(attempt)
    if hop.transport is Transport.TLS and attempt.reach is Reach.TLS_FAILED and hop.remote in plain:
        return replace(attempt, instead=PLAIN_SIP)
    return attempt


def speaking_tls(attempt: Attempt) -> Attempt:
    """An attempt over TCP at a port that turned out to speak TLS."""
    detail = f"{attempt.detail}; a TLS handshake is answered there"
    return replace(attempt, reach=Reach.NOT_SIP, instead=TLS, detail=detail, advice="use TLS on this port")


def what_was_left_out(records: Sequence[TraceRecord], hop: Hop) -> str:
    """What the first request had that the second had not, by how far the first came."""
    return LARGE_HELLO if hop.transport.secure and SECURED not in flow_events_in(records) else USER_AGENT
