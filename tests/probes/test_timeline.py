"""Trace records as lines of a call's story."""

from dataclasses import replace

import pytest

from probes.result import TimelineEntry
from probes.timeline import RECEIVED, SENT, Rounds, entry_of, mark, media_entry
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.trace import Direction, DiscardTrace, FaultTrace, FlowTrace, MessageTrace, ResolveTrace, TransitionTrace

FLOW = Flow(Transport.UDP, SocketAddress("192.0.2.1", 5060), SocketAddress("192.0.2.2", 5060))
REQUEST = (
    b"INVITE sip:bob@biloxi.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 7 INVITE\r\n"
    b'Authorization: Digest username="alice", response="0123456789abcdef"\r\n\r\n'
)
RESPONSE = (
    b"SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 7 INVITE\r\n\r\n"
)


def test_a_request_is_its_method_and_where_it_goes() -> None:
    entry = entry_of(MessageTrace(10.5, Direction.SENT, FLOW, REQUEST), 10.0)
    assert entry == TimelineEntry(500.0, "INVITE", "sip:bob@biloxi.example", SENT)


def test_a_response_is_its_status_and_what_it_answers() -> None:
    entry = entry_of(MessageTrace(10.25, Direction.RECEIVED, FLOW, RESPONSE, kernel=True), 10.0)
    assert entry == TimelineEntry(250.0, "180 Ringing", "to 7 INVITE", RECEIVED, kernel_stamped=True)


def test_a_retransmission_is_marked() -> None:
    entry = entry_of(MessageTrace(10.5, Direction.SENT, FLOW, REQUEST, attempt=1), 10.0)
    assert entry
    assert "retransmission 1" in entry.detail


def test_no_credential_is_shown() -> None:
    entry = entry_of(MessageTrace(10.5, Direction.SENT, FLOW, REQUEST), 10.0)
    assert "0123456789abcdef" not in repr(entry)


def test_what_is_no_message_says_why() -> None:
    entry = entry_of(MessageTrace(10.0, Direction.RECEIVED, FLOW, b"HTTP/1.1 400 Bad\r\n\r\n"), 10.0)
    assert entry
    assert entry.label == "not SIP"


def test_lookups_connections_and_transitions() -> None:
    asked = entry_of(ResolveTrace(10.1, "A biloxi.example", ("192.0.2.2 (60 s, DNS)",)), 10.0)
    assert asked
    assert (asked.label, asked.detail) == ("DNS", "A biloxi.example: 192.0.2.2 (60 s, DNS)")
    hop = Hop(Transport.TLS, SocketAddress("192.0.2.2", 5061))
    opened = entry_of(FlowTrace(10.1, hop, "secured", "TLSv1.3"), 10.0)
    assert opened
    assert (opened.label, opened.detail) == ("TLS secured", "192.0.2.2:5061 TLSv1.3")
    refused = entry_of(FlowTrace(10.1, hop, "failed", "tls 192.0.2.2:5061: nothing listens there"), 10.0)
    assert refused
    assert (refused.label, refused.detail) == ("connection failed", "tls 192.0.2.2:5061 nothing listens there")
    assert entry_of(TransitionTrace(10.0, "INVITE client", "k", "R1XX", "CALLING", "PROCEEDING"), 10.0) is None


def test_a_mistake_of_this_program_has_a_line() -> None:
    entry = entry_of(FaultTrace(10.5, "SIP/2.0 200 OK", "KeyError: 7", "take in sipcore.tickets, line 9"), 10.0)
    assert entry
    assert (entry.label, entry.offset_ms) == ("own fault", 500.0)
    assert entry.detail == "over SIP/2.0 200 OK: KeyError: 7 (take in sipcore.tickets, line 9)"


def test_a_response_that_was_discarded_says_why() -> None:
    entry = entry_of(DiscardTrace(10.5, FLOW, "SIP/2.0 200 OK", "z9hg4bk1 INVITE", "it came late"), 10.0)
    assert entry
    assert (entry.label, entry.detail) == ("discarded", "200 OK: it came late")


def test_a_lookup_that_failed_names_its_question_once() -> None:
    failed = entry_of(ResolveTrace(10.1, "A nx.invalid", (), "A nx.invalid: the name does not exist"), 10.0)
    assert failed
    assert failed.detail == "A nx.invalid: the name does not exist"


def test_a_mark() -> None:
    assert mark("completed", 12.0, 10.0, "connected") == TimelineEntry(2000.0, "completed", "connected")


@pytest.mark.parametrize("kind", list(MediaEventKind))
def test_what_happens_to_the_media_has_a_line(kind: MediaEventKind) -> None:
    entry = media_entry(MediaEvent(10.5, kind, "detail"), 10.0)
    assert (entry.offset_ms, entry.detail, entry.direction, entry.record) == (500.0, "detail", "", None)
    assert entry.label
    assert entry.event is not None


def challenge(*fields: str, status: str = "401 Unauthorized", number: int = 7) -> MessageTrace:
    """A response to an INVITE that asks who is there."""
    head = RESPONSE.replace(b"180 Ringing", status.encode()).replace(b"CSeq: 7", f"CSeq: {number}".encode())
    data = head.removesuffix(b"\r\n") + "".join(f"{field}\r\n" for field in fields).encode() + b"\r\n"
    return MessageTrace(10.25, Direction.RECEIVED, FLOW, data)


def proof(realm: str, algorithm: str = "SHA-256", name: str = "Authorization") -> MessageTrace:
    """An INVITE with credentials."""
    told = f'Digest username="alice", realm="{realm}", nonce="n0nce", uri="sip:b", response="{PROOF}", qop=auth'
    field = f'{name}: {told}, nc=00000001, cnonce="c", algorithm={algorithm}'
    data = REQUEST.split(b"Authorization")[0] + field.encode() + b"\r\n\r\n"
    return MessageTrace(10.5, Direction.SENT, FLOW, data)


PROOF = "0123456789abcdef0123456789abcdef"
OFFERS = (
    'WWW-Authenticate: Digest realm="x", nonce="n0nce", algorithm=SHA-256, qop="auth,auth-int"',
    'WWW-Authenticate: Digest realm="x", nonce="n0nce"',
    'WWW-Authenticate: Basic realm="y"',
)


def rounds(*records: MessageTrace) -> list[tuple[float, str, str]]:
    told = Rounds()
    entries = [entry for record in records for entry in told.entries_of(record, 10.0)]
    assert all("n0nce" not in repr(entry) and PROOF not in repr(entry) for entry in entries)
    return [(entry.offset_ms, entry.label, entry.detail) for entry in entries]


def test_a_round_of_authentication_is_what_was_offered_and_what_was_taken() -> None:
    assert rounds(challenge(*OFFERS), proof("x")) == [
        (250.0, "challenge", 'realm "x": Digest SHA-256 auth, auth-int; Digest MD5'),
        (250.0, "challenge", 'realm "y": Basic'),
        (500.0, "credentials", 'realm "x": Digest SHA-256 auth'),
    ]


def test_who_asks_again_says_why() -> None:
    stale = OFFERS[1] + ", stale=true"
    told = rounds(challenge(OFFERS[1]), proof("x"), challenge(stale), proof("x"), challenge(OFFERS[1]))
    assert [detail.rpartition("; ")[2] for _, label, detail in told if label == "challenge"] == [
        'realm "x": Digest MD5',
        "the nonce was stale",
        "the credentials were refused",
    ]


def test_a_proxy_is_told_from_the_server() -> None:
    asked = challenge('Proxy-Authenticate: Digest realm="x", nonce="n0nce"', status="407 Proxy Authentication Required")
    assert [detail for _, _, detail in rounds(asked, proof("x", "MD5", "Proxy-Authorization"))] == [
        'proxy, realm "x": Digest MD5',
        'proxy, realm "x": Digest MD5 auth',
    ]


def test_credentials_that_nobody_asked_for_and_what_is_sent_again_are_no_rounds() -> None:
    assert rounds(proof("x")) == []
    assert rounds(replace(challenge(*OFFERS), attempt=1)) == []
    assert len(rounds(challenge(OFFERS[1]), proof("x"), proof("x"))) == 2


@pytest.mark.parametrize(
    "data", [b"SIP/2.0 401 ", b"SIP/2.0 401 x\r\n\xff", challenge("WWW-Authenticate: ,;=\x01", "CSeq: 1").data]
)
def test_a_challenge_that_cannot_be_read_is_none(data: bytes) -> None:
    assert rounds(replace(challenge(), data=data)) == []
