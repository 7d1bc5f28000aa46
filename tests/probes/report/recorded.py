"""A call's timeline out of messages made up here, for the reports that are drawn from it."""

from probes.result import TimelineEntry
from probes.timeline import entry_of, mark
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.trace import Direction, FlowTrace, MessageTrace, ResolveTrace, TraceRecord

START = 100.0
LOCAL, REMOTE = SocketAddress("192.0.2.1", 40000), SocketAddress("192.0.2.2", 5060)
UDP = Flow(Transport.UDP, LOCAL, REMOTE)
SECRET = "0123456789abcdef"
INVITE = (
    "INVITE sip:bob@biloxi.example SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.1:40000;branch=z9hG4bK1\r\n"
    "From: <sip:alice@atlanta.example>;tag=1\r\nTo: <sip:bob@biloxi.example>\r\n"
    "Call-ID: a@192.0.2.1\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n"
    f'Authorization: Digest username="alice", realm="x", nonce="y", uri="sip:bob", response="{SECRET}"\r\n'
    "Content-Length: 0\r\n\r\n"
).encode()
BUSY = (
    b"SIP/2.0 486 Busy <Here> & there\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:40000;branch=z9hG4bK1\r\n"
    b"From: <sip:alice@atlanta.example>;tag=1\r\nTo: <sip:bob@biloxi.example>;tag=2\r\n"
    b"Call-ID: a@192.0.2.1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
)


def sent(at: float, data: bytes = INVITE, flow: Flow = UDP, attempt: int = 0) -> MessageTrace:
    return MessageTrace(START + at, Direction.SENT, flow, data, attempt=attempt)


def received(at: float, data: bytes = BUSY, flow: Flow = UDP) -> MessageTrace:
    return MessageTrace(START + at, Direction.RECEIVED, flow, data, kernel=True)


RECORDS: tuple[TraceRecord, ...] = (
    ResolveTrace(START + 0.001, "A biloxi.example", ("192.0.2.2 (TTL 60)",)),
    sent(0.002),
    sent(0.502, attempt=1),
    received(0.51),
    FlowTrace(START + 0.52, Hop(Transport.TCP, SocketAddress("192.0.2.3", 5060)), "failed", "nothing listens there"),
)


def timeline(*records: TraceRecord) -> tuple[TimelineEntry, ...]:
    """The timeline of `records`, from initiated to completed."""
    entries = [entry for entry in (entry_of(record, START) for record in records) if entry]
    return (mark("initiated", START, START, "sip:bob@biloxi.example"), *entries, mark("completed", START + 1, START))
