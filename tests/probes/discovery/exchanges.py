"""Attempts with the messages that crossed the wire, made up by hand."""

from collections.abc import Sequence

from probes.result import Attempt, Reach
from sipcore.message.message import Response
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Flow, SocketAddress
from sipcore.trace import Direction, MessageTrace
from tests.probes.discovery.attempts import ANY_URI, hop

LOCAL = SocketAddress("192.0.2.1", 40000)
REQUEST = (
    "OPTIONS sip:198.51.100.1 SIP/2.0\r\n"
    "Via: SIP/2.0/{transport} 192.0.2.1:40000;branch=z9hG4bKone;rport\r\n"
    "From: <sip:anonymous@anonymous.invalid>;tag=from\r\n"
    "To: <sip:198.51.100.1>\r\n"
    "Call-ID: call\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)
VIA = "Via: SIP/2.0/{transport} 192.0.2.1:40000;branch=z9hG4bKone;rport=40000;received=192.0.2.1\r\n"
ANSWER = (
    "SIP/2.0 200 OK\r\n" + VIA + "From: <sip:anonymous@anonymous.invalid>;tag=from\r\n"
    "To: <sip:198.51.100.1>;tag=to\r\n"
    "Call-ID: call\r\nCSeq: 1 OPTIONS\r\n{more}Content-Length: 0\r\n\r\n"
)


def exchanged(
    where: str = "udp 198.51.100.1:5060",
    *changes: tuple[str, str],
    more: str = "",
    sent: int = 1,
    received: int = 1,
    source: SocketAddress | None = None,
    answer: bytes | None = None,
) -> Attempt:
    """An attempt that was answered; `changes` are made to a right answer, `more` are header fields that it has."""
    to = hop(where)
    transport = to.transport.value
    text = ANSWER.format(transport=transport, more=more)
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    data = text.encode() if answer is None else answer
    message = parse_message(data) if answer is None else None
    response = message if isinstance(message, Response) else None
    there = Flow(to.transport, LOCAL, to.remote)
    request = REQUEST.format(transport=transport).encode()
    records = [MessageTrace(0.0, Direction.SENT, there, request, attempt=number) for number in range(sent)]
    back = Flow(to.transport, LOCAL, source or to.remote)
    records += [MessageTrace(0.1, Direction.RECEIVED, back, data) for _ in range(received)]
    return Attempt(
        to,
        ANY_URI,
        Reach.ANSWERED if response is not None else Reach.NOT_SIP,
        response=response,
        rtt=0.1,
        retransmissions=sent - 1,
        tls="TLSv1.3" if to.transport.secure else "",
        records=tuple(records),
    )


def codes(findings: Sequence[object]) -> list[str]:
    """Their codes."""
    return [getattr(finding, "code", "") for finding in findings]
