"""What is read out of session descriptions that answer an offer, whatever is wrong with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.checks.codecs import Offer
from probes.checks.codecs_answer import Answer, Oddity, Security, read_untrusted
from sipcore.deviation import Deviation
from tests.probes.checks.codecs_values import FINGERPRINT, SUITE, offered

ALL = ("PCMU", "PCMA", "G722", "G729", "opus")
HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
KEY = f"a=crypto:1 {SUITE} inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
PRINT = f"a=fingerprint:{FINGERPRINT}"


def read(*lines: str, security: Security = Security.NONE, own: bool = False) -> Answer:
    """What an answer of these lines says to an offer of everything; with `own`, an offer."""
    text = HEAD + "".join(f"{line}\r\n" for line in lines)
    return read_untrusted(text.encode(), None if own else offered(Offer(security, ALL)))


@pytest.mark.parametrize(
    ("lines", "taken", "oddities"),
    [
        (["m=audio 4000 RTP/AVP 0 8"], ("PCMU", "PCMA"), ()),
        (["m=audio 4000 RTP/AVP 18", "a=fmtp:18 annexb=no"], ("G729",), ()),
        (["m=audio 4000 RTP/AVP 96", "a=rtpmap:96 OPUS/48000/2"], ("opus",), ()),
        (["m=audio 4000 RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000"], ("PCMU", "telephone-event"), ()),
        (["m=audio 4000 RTP/AVP 0", "m=video 0 RTP/AVP 31"], ("PCMU",), (Oddity.STREAMS,)),
        (["m=video 4000 RTP/AVP 31", "m=audio 4000 RTP/AVP 0"], ("PCMU",), (Oddity.STREAMS, Oddity.OTHER_MEDIA)),
        (["m=audio 4000 RTP/AVP 97", "a=rtpmap:97 opus/48000/2"], ("opus",), (Oddity.RENUMBERED,)),
        (["m=audio 4000 RTP/AVP 96"], ("opus",), (Oddity.NO_RTPMAP,)),
        (["m=audio 4000 RTP/AVP 96", "a=rtpmap:96 opus/48000"], ("opus",), (Oddity.OTHER_RATE,)),
        (["m=audio 4000 RTP/AVP 9", "a=rtpmap:9 G722/16000"], ("G722",), (Oddity.OTHER_RATE,)),
        (["m=audio 4000 RTP/AVP 3"], (), (Oddity.NOTHING_OFFERED,)),
        (["m=audio 4000 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"], None, (Oddity.NOTHING_OFFERED,)),
        (["m=audio 4000 RTP/AVP x 999 -1"], (), (Oddity.NOTHING_OFFERED,)),
        (["m=audio 0 RTP/AVP 0"], (), ()),
    ],
)
def test_codecs(lines: list[str], taken: tuple[str, ...] | None, oddities: tuple[Oddity, ...]) -> None:
    found = read(*lines)
    assert found.oddities == oddities
    assert taken is None or found.taken == taken
    assert found.is_accepted == bool(found.audio)
    assert not found.problem


def test_a_rejected_stream() -> None:
    found = read("m=audio 0 RTP/AVP 0 8")
    assert (found.is_rejected, found.audio, found.is_accepted) == (True, (), False)
    assert found.line == "m=audio 0 RTP/AVP 0 8"


def test_formats_that_were_not_offered_are_told() -> None:
    found = read("m=audio 4000 RTP/AVP 0 3 97", "a=rtpmap:97 iLBC/8000")
    assert found.taken == ("PCMU",)
    assert [codec.encoding for codec in found.others] == ["GSM", "iLBC"]
    assert found.oddities == ()  # RFC 3264 §6.1 allows it


def test_packets() -> None:
    found = read("m=audio 4000 RTP/AVP 0", "a=ptime:30", "a=maxptime:60")
    assert (found.ptime, found.maxptime) == (30, 60)


@pytest.mark.parametrize(
    ("security", "lines", "found", "key", "oddities"),
    [
        (Security.SDES, ["m=audio 4000 RTP/SAVP 0", KEY], Security.SDES, SUITE, ()),
        (Security.SDES, ["m=audio 4000 RTP/SAVP 0"], None, "", (Oddity.NO_KEYS,)),
        (Security.SDES, ["m=audio 4000 RTP/SAVP 0", KEY.replace(":1", ":9")], None, "", (Oddity.NO_KEYS,)),
        (Security.SDES, ["m=audio 4000 RTP/AVP 0", KEY], None, "", (Oddity.OTHER_PROFILE,)),
        (
            Security.DTLS,
            ["m=audio 4000 UDP/TLS/RTP/SAVP 0", PRINT, "a=setup:passive"],
            *(Security.DTLS, "fingerprint sha-256, setup passive", ()),
        ),
        (
            Security.DTLS,
            ["m=audio 4000 UDP/TLS/RTP/SAVP 0", PRINT, "a=setup:actpass"],
            *(Security.DTLS, "fingerprint sha-256, setup actpass", (Oddity.NO_ROLE,)),
        ),
        (Security.DTLS, ["m=audio 4000 UDP/TLS/RTP/SAVP 0"], None, "", (Oddity.NO_FINGERPRINT,)),
        (
            Security.WEBRTC,
            ["m=audio 4000 UDP/TLS/RTP/SAVPF 0", PRINT, "a=setup:active"],
            *(Security.WEBRTC, "fingerprint sha-256, setup active", ()),
        ),
    ],
)
def test_keys(
    security: Security, lines: list[str], found: Security | None, key: str, oddities: tuple[Oddity, ...]
) -> None:
    answer = read(*lines, security=security)
    assert (answer.security, answer.key, answer.oddities) == (found, key, oddities)
    assert answer.is_accepted == (found is not None)
    assert "inline" not in repr(answer)


def test_an_offer_of_the_peer() -> None:
    found = read("m=audio 4000 RTP/SAVP 8 3", KEY.replace(":1", ":4"), own=True)
    assert (found.taken, found.security, found.key) == (("PCMA",), Security.SDES, SUITE)
    assert found.oddities == ()


@pytest.mark.parametrize(("data", "odd"), [(b"", Oddity.MALFORMED), (b"\xff", Oddity.MALFORMED), (HEAD.encode(), None)])
def test_what_cannot_be_used(data: bytes, odd: Oddity | None) -> None:
    found = read_untrusted(data, offered(Offer(Security.NONE, ALL)))
    assert found.problem
    assert not found.is_accepted
    assert odd is None or found.oddities == (odd,)


def test_what_was_tolerated_is_told() -> None:
    found = read_untrusted(HEAD.replace("\r", "").encode() + b"m=audio 4000 RTP/AVP 0\n", offered(Offer(codecs=ALL)))
    assert found.notes == (Deviation.SDP_BARE_LF,)


FORMATS = st.lists(st.sampled_from(["0", "8", "9", "18", "96", "101", "127", "300", "x"]), max_size=6)
LINES = st.lists(
    st.one_of(
        st.builds(lambda names: "m=audio 4000 RTP/AVP " + " ".join(names or ["0"]), FORMATS),
        st.sampled_from(["a=rtpmap:96 opus/48000/2", "a=rtpmap:96", "a=rtpmap:8 PCMU/8000", KEY, PRINT, "a=ptime:x"]),
        st.text(max_size=20),
    ),
    max_size=8,
)


@given(LINES, st.sampled_from(Security), st.booleans())
def test_any_lines_are_read(lines: list[str], security: Security, own: bool) -> None:
    sent = None if own else offered(Offer(security, ALL))
    found = read_untrusted((HEAD + "\r\n".join(lines)).encode("utf-8", "surrogatepass"), sent)
    assert set(found.audio) <= set(ALL)
    assert not (found.problem and found.is_accepted)


@given(st.binary(max_size=200))
def test_any_bytes_are_read(data: bytes) -> None:
    assert read_untrusted(data, offered(Offer(codecs=ALL))).problem
