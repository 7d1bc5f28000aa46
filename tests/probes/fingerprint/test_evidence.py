"""What is observed of an answer, and that whatever a peer sends is observed without an error."""

from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.fingerprint.evidence import MAX_FEATURE, TAGS, observe
from probes.fingerprint.signatures import FEATURES
from sipcore.errors import ParseError
from sipcore.message.message import Response
from sipcore.message.parser import parse_message
from sipcore.resolve.target import SocketAddress
from tests.probes.fingerprint.samples import answers

REMOTE = SocketAddress("192.0.2.9", 5060)


def response(*lines: str, status: str = "200 OK", body: str = "") -> Response:
    message = parse_message("\r\n".join([f"SIP/2.0 {status}", *lines, "", body]).encode())
    assert isinstance(message, Response)
    return message


@pytest.mark.parametrize(
    ("feature", "lines", "expected"),
    [
        ("order", ["Via: a", "v: b", "Via: c", "Via: d", "Server: s", "to: e", "User-Agent: u"], "Via,v,Via,to"),
        ("order", ["CALL-ID : a", "From: b"], "CALL-ID,From"),
        ("spacing", ["A: 1", "B:2", "C:  3", "Server:s", "D: "], "B=0,C=2"),
        ("via", ["Via: SIP/2.0/UDP a;branch=z9hG4bKx;rport;received=192.0.2.1"], "branch=;rport;received="),
        ("to-tag", ["To: <sip:a@b>;tag=x1"], "x1"),
        ("to-tag", ["To: <sip:a@b>"], ""),
        ("tag-is", ["Via: SIP/2.0/UDP a;branch=z9hG4bKx", "To: <sip:a@b>;tag=z9hG4bKx"], "branch"),
        ("tag-is", ["Via: SIP/2.0/UDP a;branch=z9hG4bKx", "To: <sip:a@b>;tag=x"], "its own"),
        ("supported", ["Supported: a", "k: b,c"], "a | b,c"),
        ("allow", ["Allow: INVITE,ACK"], "INVITE,ACK"),
        ("challenge", ['WWW-Authenticate: Digest realm="a, b",nonce="n"'], 'Digest realm="",nonce=""'),
        ("nonce", ['Proxy-Authenticate: Digest realm="a", nonce="n1"'], "n1"),
        ("realm", ['Proxy-Authenticate: Digest realm="a", nonce="n1"'], "a"),
        ("contact", ["m: <sip:a@b>"], "<sip:a@b>"),
        ("warning", ['Warning: 399 a "b"'], '399 a "b"'),
        ("unsupported", ["Unsupported: foo"], "foo"),
        ("names", ["v : a", "Server: s", "f: b", "T: c", "Call-ID: d", "Via: e"], "v ,f,T,Call-ID,Via"),
    ],
)
def test_features(feature: str, lines: list[str], expected: str) -> None:
    assert observe(response(*lines))[feature] == expected


@pytest.mark.parametrize(
    ("feature", "lines"),
    [
        ("via", ["Via: broken"]),
        ("to-tag", ["To: <sip:a@b"]),
        ("to-tag", []),
        ("tag-is", ["To: <sip:a@b>"]),
        ("nonce", ["WWW-Authenticate: Digest"]),
        ("address-tag", ["To: <sip:a@b>;tag=x"]),
        ("sdp-origin", []),
    ],
)
def test_what_cannot_be_seen_is_left_out(feature: str, lines: list[str]) -> None:
    assert feature not in observe(response(*lines))


def test_100_needs_no_tag() -> None:
    assert "to-tag" not in observe(response("To: <sip:a@b>", status="100 Trying"))
    assert observe(response("To: <sip:a@b>;tag=x", status="180 Ringing"))["to-tag"] == "x"


def test_a_tag_that_the_request_had_is_no_evidence() -> None:
    answer = response("Via: SIP/2.0/UDP a;branch=z9hG4bKx", "To: <sip:a@b>;tag=abc")
    assert not TAGS & observe(answer, REMOTE, "abc").keys()
    assert observe(answer, REMOTE, "abd")["to-tag"] == "abc"


def test_session_description_is_seen_up_to_its_first_media() -> None:
    body = "v=0\r\no=A b c\r\ns=S\r\na=tool:t 1\r\nm=audio 9 RTP/AVP 0\r\na=tool:other\r\n"
    seen = observe(response(f"Content-Length: {len(body)}", body=body))
    assert (seen["sdp-origin"], seen["sdp-session"], seen["sdp-tool"]) == ("A b c", "S", "t 1")


@pytest.mark.parametrize(("words", "separator"), [("KAMAILIO-stateless", "."), ("SER-TM/tags", "-")])
def test_tag_that_proves_its_address(words: str, separator: str) -> None:
    digest = md5(f"{words}192.0.2.95060".encode(), usedforsecurity=False).hexdigest()
    answer = response(f"To: <sip:a@b>;tag={digest}{separator}0a1b2c3d")
    assert observe(answer, REMOTE)["address-tag"] == words
    assert observe(answer, SocketAddress("192.0.2.9", 5070))["address-tag"] == ""
    assert "address-tag" not in observe(answer)


def test_a_feature_is_bounded() -> None:
    assert len(observe(response(f"Allow: {'A' * 5000}"))["allow"]) == MAX_FEATURE


def test_every_feature_is_one_that_signatures_know() -> None:
    for answer in answers().values():
        assert observe(answer, REMOTE).keys() <= FEATURES


@given(st.binary(max_size=200), st.binary(max_size=80))
def test_whatever_a_peer_sends_is_observed(fields: bytes, body: bytes) -> None:
    try:
        message = parse_message(b"SIP/2.0 200 OK\r\n" + fields + b"\r\n\r\nv=" + body)
    except ParseError:
        return
    if isinstance(message, Response):
        assert observe(message, REMOTE)["status-line"] == "200 OK"
