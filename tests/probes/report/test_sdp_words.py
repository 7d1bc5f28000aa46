"""Session descriptions in words."""

from probes.report.sdp_words import description_data, description_lines
from sipcore.sdp.description import SessionDescription
from tests.probes.report.messages import FIXTURES

SRTP = """\
v=0
o=- 1 2 IN IP6 2001:db8::1
s=demo
c=IN IP6 2001:db8::1
t=0 0
m=audio 4000 RTP/SAVP 96 97
a=rtpmap:96 opus/48000/2
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0
a=fingerprint:sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB
a=setup:actpass
a=candidate:1 1 UDP 1 192.0.2.1 4000 typ host
a=rtcp-mux
a=sendonly
m=video 0 RTP/AVP 31
"""


def described(text: str) -> SessionDescription:
    return SessionDescription.parse(text, [])


def test_words() -> None:
    assert list(description_lines(described(SRTP))) == [
        "session 1, version 2, from -@2001:db8::1",
        "named demo",
        "audio at [2001:db8::1]:4000, RTP/SAVP, sendonly (sends only), rtcp-mux",
        "   96 opus/48000/2",
        "   97 not explained",
        "  SRTP AES_CM_128_HMAC_SHA1_80, tag 1, key hidden",
        "  DTLS sha-1 4A:AD:B9:B1:3F:82:18:3B…, setup actpass",
        "  ICE, 1 candidates",
        "video on no port (refused, or only told of), RTP/AVP",
        "   31 H261/90000",
    ]


def test_no_media() -> None:
    text = "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\n"
    assert list(description_lines(described(text)))[-1] == "no media"
    with_media = described(text + "m=audio 9 RTP/AVP 0\r\n")
    assert "audio at no address:9, RTP/AVP, sendrecv (both ways)" in list(description_lines(with_media))


def test_data() -> None:
    data = description_data(described(SRTP))
    assert isinstance(data, dict)
    assert isinstance(data["media"], list)
    audio, video = data["media"]
    assert audio == {
        "media": "audio",
        "address": "2001:db8::1",
        "port": 4000,
        "rejected": False,
        "protocol": "RTP/SAVP",
        "direction": "sendonly",
        "formats": ["96", "97"],
        "codecs": [{"payload_type": 96, "encoding": "opus", "clock_rate": 48000, "channels": 2, "fmtp": None}],
        "ptime": None,
        "rtcp_mux": True,
        "crypto": [{"tag": 1, "suite": "AES_CM_128_HMAC_SHA1_80"}],
        "fingerprints": ["sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB"],
        "setup": "actpass",
        "ice": True,
    }
    assert isinstance(video, dict)
    assert video["rejected"] is True


def test_keys_stay_hidden() -> None:
    for file in (FIXTURES.parent / "sdp").glob("*.sdp"):
        description = SessionDescription.parse(file.read_bytes(), [])
        shown = "".join(description_lines(description)) + repr(description_data(description))
        keys = [key.key_salt for media in description.media for crypto in media.crypto for key in crypto.keys]
        assert not [key for key in keys if key in shown]
