"""Messages that the tests of this folder share."""

from pathlib import Path

FIXTURES = Path(__file__).parents[3] / "fixtures" / "messages"

SECRETS = (
    "5ecret-password",
    "0123456789abcdef0123456789abcdef",
    "c2VjcmV0LWtleS1zZWNyZXQta2V5LXNlY3JldA",
    "ice-5ecret",
)
"""What must never be shown of `WITH_SECRETS`."""
_BODY = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0\r\n"
    f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{SECRETS[2]}\r\na=ice-pwd:{SECRETS[3]}\r\n"
)
WITH_SECRETS = (
    f"INVITE sip:bob:{SECRETS[0]}@192.0.2.4 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:alice@192.0.2.1>;tag=1\r\n"
    f"To: <sip:bob:{SECRETS[0]}@192.0.2.4>\r\n"
    "Call-ID: c1\r\n"
    "CSeq: 1 INVITE\r\n"
    'Authorization: Digest username="alice", realm="r", nonce="n", uri="sip:bob@192.0.2.4",\r\n'
    f' response="{SECRETS[1]}"\r\n'
    f"Proxy-Authorization: Basic {SECRETS[0]}\r\n"
    "Content-Type: application/sdp\r\n"
    f"Content-Length: {len(_BODY)}\r\n\r\n{_BODY}"
).encode()


def fixture(name: str) -> bytes:
    """The message `name` of the fixtures."""
    return (FIXTURES / f"{name}.sip").read_bytes()
