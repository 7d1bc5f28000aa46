"""Calls made up out of start lines and header fields, for the rules that judge them."""

from probes.calls.judge.facts import CallFacts
from probes.calls.judge.media_facts import MediaFacts
from probes.calls.judge.said import read
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.trace import Direction, MessageTrace

ALICE, BOB = SocketAddress("192.0.2.1", 5060), SocketAddress("198.51.100.1", 5060)
OFFER = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 4000 RTP/AVP 0 8\na=ptime:20\n"
ANSWER = "v=0\no=- 1 1 IN IP4 198.51.100.1\ns=-\nc=IN IP4 198.51.100.1\nt=0 0\nm=audio 5000 RTP/AVP 0\n"
CONTACT = "Contact: <sip:bob@198.51.100.1>"
FLOW = MediaFacts(
    codec="PCMU",
    announced=SocketAddress("198.51.100.1", 5000),
    remote=SocketAddress("198.51.100.1", 5000),
    sent=100,
    received=100,
    sent_seconds=2.0,
    seen_codec="PCMU",
    seen_ptime=0.02,
    echo=True,
    silence=0.0,
    first_in=0.1,
)
"""Media that nothing is wrong with."""


def request(method: str, *fields: str, body: str = "", cseq: int = 1, sent: bool = True) -> tuple[bool, str]:
    """A request of the caller, or of the callee."""
    host = "192.0.2.1" if sent else "198.51.100.1"
    who = ("alice", "bob") if sent else ("bob", "alice")
    head = [
        f"{method} sip:{who[1]}@198.51.100.1 SIP/2.0",
        f"Via: SIP/2.0/UDP {host}:5060;branch=z9hG4bK{method}{cseq}",
        f"From: <sip:{who[0]}@192.0.2.1>;tag=a",
        f"To: <sip:{who[1]}@198.51.100.1>",
        *_rest(method, cseq, fields, body),
    ]
    return sent, "\r\n".join(head) + _body(body)


def response(
    status: str, *fields: str, body: str = "", method: str = "INVITE", cseq: int = 1, host: str = "192.0.2.1"
) -> tuple[bool, str]:
    """What the callee answers."""
    head = [
        f"SIP/2.0 {status}",
        f"Via: SIP/2.0/UDP {host}:5060;branch=z9hG4bK{method}{cseq}",
        "From: <sip:alice@192.0.2.1>;tag=a",
        "To: <sip:bob@198.51.100.1>;tag=b",
        *_rest(method, cseq, fields, body),
    ]
    return False, "\r\n".join(head) + _body(body)


def _rest(method: str, cseq: int, fields: tuple[str, ...], body: str) -> list[str]:
    typed = ["Content-Type: application/sdp"] if body else []
    length = len(body.replace("\n", "\r\n"))
    return ["Call-ID: made-up", f"CSeq: {cseq} {method}", *fields, *typed, f"Content-Length: {length}"]


def _body(body: str) -> str:
    return "\r\n\r\n" + body.replace("\n", "\r\n")


def records(*said: tuple[bool, str], pace: float = 0.1) -> list[MessageTrace]:
    """The messages as a trace, one after the other."""
    return [
        MessageTrace(
            number * pace,
            Direction.SENT if sent else Direction.RECEIVED,
            Flow(Transport.UDP, ALICE, BOB),
            text.encode(),
        )
        for number, (sent, text) in enumerate(said)
    ]


def facts(*said: tuple[bool, str], media: MediaFacts | None = None, pace: float = 0.1, **told: object) -> CallFacts:
    """A call in which this was said."""
    messages = [(record, record.direction is Direction.SENT) for record in records(*said, pace=pace)]
    return CallFacts(list(read(messages)), media, **told)  # type: ignore[arg-type]  # what a call knows of itself


INVITE = request("INVITE", body=OFFER)
OK = response("200 OK", CONTACT, body=ANSWER)
ACK, BYE = request("ACK"), request("BYE", cseq=2)
BYE_OK = response("200 OK", method="BYE", cseq=2)
WHOLE = (INVITE, response("180 Ringing", CONTACT), OK, ACK, BYE, BYE_OK)
"""A call that nothing is wrong with."""


def answered(body: str = ANSWER, *fields: str, contact: str = CONTACT) -> tuple[tuple[bool, str], ...]:
    """The same with another answer."""
    told = (contact, *fields) if contact else fields
    return (INVITE, response("200 OK", *told, body=body), ACK, BYE, BYE_OK)
