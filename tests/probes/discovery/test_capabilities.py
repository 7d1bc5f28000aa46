"""What an answer to OPTIONS says that the endpoint can do."""

import pytest

from probes.discovery.capabilities import MAX_NAMED, Authentication, challenges_of, codecs_of, methods_of, told_by
from sipcore.message.headers import headers_of
from sipcore.message.message import Response

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
AUDIO = b"m=audio 0 RTP/AVP 0 8 96 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n"
VIDEO = b"m=video 0 RTP/AVP 97 8\r\na=rtpmap:97 H264/90000\r\n"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("Allow", "INVITE, ACK, OPTIONS")], ("INVITE", "ACK", "OPTIONS")),
        ([("Allow", "INVITE"), ("Allow", "ACK, INVITE")], ("INVITE", "ACK")),
        ([("Allow", "")], ()),
        ([("Allow", "IN VITE, @")], ()),
        ([], ()),
        (
            [("Allow", ", ".join(f"M{number}" for number in range(100)))],
            tuple(f"M{number}" for number in range(MAX_NAMED)),
        ),
    ],
)
def test_methods(fields: list[tuple[str, str]], expected: tuple[str, ...]) -> None:
    assert methods_of(Response(200, "OK", headers_of(*fields))) == expected


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/sdp", SDP + AUDIO, ("PCMU/8000", "PCMA/8000", "opus/48000/2", "telephone-event/8000")),
        ("Application/SDP;charset=utf-8", SDP + VIDEO, ("H264/90000", "PCMA/8000")),
        ("application/sdp", SDP, ()),
        ("application/sdp", b"nonsense", ()),
        ("text/plain", SDP + AUDIO, ()),
        ("nonsense", SDP + AUDIO, ()),
        (None, SDP + AUDIO, ()),
    ],
)
def test_codecs(content_type: str | None, body: bytes, expected: tuple[str, ...]) -> None:
    fields = [("Content-Type", content_type)] if content_type else []
    assert codecs_of(Response(200, "OK", headers_of(*fields), body)) == expected


def response(*fields: tuple[str, str], status: int = 200) -> Response:
    return Response(status, "Whatever", headers_of(*fields))


def test_each_thing_is_told_by_the_first_that_says_anything() -> None:
    first = response(("Allow", "INVITE"), ("Supported", "timer, 100rel, timer"), ("Allow-Events", "presence"))
    second = response(("Allow", "BYE"), ("Require", "sec-agree"), ("Supported", "x y"))
    told = told_by([first, second])
    assert (told.methods, told.extensions, told.events) == (("INVITE",), ("timer", "100rel"), ("presence",))
    assert told.required == ("sec-agree",)
    assert told_by([]).methods == ()


def test_challenges() -> None:
    digest = ("WWW-Authenticate", 'Digest realm="a b", nonce="n", qop="auth,auth-int"')
    basic = ("Proxy-Authenticate", 'Basic realm="c"')
    assert challenges_of(response(digest, basic, status=401), "REGISTER") == (
        Authentication("REGISTER", 401, "Digest", "a b", "MD5", "auth, auth-int"),
        Authentication("REGISTER", 401, "Basic", "c"),
    )
    assert challenges_of(response(("WWW-Authenticate", "Digest ="), status=401), "REGISTER") == ()
    assert challenges_of(response(digest, status=200), "REGISTER") == ()
