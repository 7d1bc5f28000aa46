"""Is the time linear, whatever a peer sends? Reading 64 kB of the worst against 64 kB of ordinary messages.

Reading is parsing and then typing every known header field, an error being as good an end as any; a session
description is parsed and asked for its codecs. The ratio is the
time for ordinary messages divided by that for the worst: above 0.5, no byte of the worst costs twice as much.
"""

from collections.abc import Iterator

from benchmarks.harness.measure import Benchmark, Contender
from benchmarks.peers.messages import load
from sipcore.errors import ParseError
from sipcore.message.parser import parse_message
from sipcore.sdp.description import SessionDescription

SIZE = 65_000
"""Bytes: about what a UDP datagram can carry."""

START = b"INVITE sip:bob@example.com SIP/2.0\r\n"
LINE = 16_000
"""Bytes of a header field that is just short enough to be read."""


def read(data: bytes) -> None:
    """Parse a message and type every header field, as far as it goes."""
    try:
        parse_message(data).headers.typed()
    except ParseError:
        pass


def filled(name: str, begin: str, piece: str) -> bytes:
    """A message with one header field that begins with `begin` and then repeats `piece`."""
    value = begin + piece * (LINE // len(piece))
    return START + f"{name}: {value}\r\n\r\n".encode("utf-8", "surrogateescape")


def listed(value: str, *names: str) -> bytes:
    """A message with the list `value` in each of `names`, as long as a list may be."""
    return START + "".join(f"{name}: {','.join([value] * 128)}\r\n" for name in names).encode() + b"\r\n"


CASES = {
    "empty.lines": b"\r\n" * SIZE,
    "carriage.returns": b"\r" * SIZE,
    "many.fields": START + b"a:b\r\n" * SIZE,
    "line.feeds.only": START + b"a:b\n" * SIZE,
    "folds": START + b"Subject: a" + b"\r\n b" * SIZE,
    "no.end": START + b"Subject: a\r\n" * SIZE,
    "not.utf8": START + b"Subject: " + b"\xff" * LINE + b"\r\n" + b"To: " + b"\xff" * LINE + b"\r\n\r\n",
    "quotes": filled("Contact", "", '"'),
    "nested.quotes": filled("Contact", '"', '\\"'),
    "brackets": filled("Contact", "", "<"),
    "commas": filled("Contact", "", ","),
    "white.space": filled("Via", "SIP/2.0/UDP a", " "),
    "parameters": filled("To", "<sip:a@b>", ";a"),
    "digits": filled("CSeq", "", "9"),
    "hyphens": filled("Via", "SIP/2.0/UDP ", "a-"),
    "escapes": filled("To", "<sip:", "%41"),
    "comments": filled("Via", "SIP/2.0/UDP a ", "("),
    "routes": listed("a:b", "Route", "Record-Route", "Path", "Service-Route"),
    "contacts": listed("<sip:a>", "Contact", "P-Asserted-Identity", "Diversion", "History-Info"),
    "via": listed("SIP/2.0/UDP a", "Via"),
    "challenges": START + b"Proxy-Authenticate: Digest a=b\r\n" * 240 + b"\r\n",
}

SESSION = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
AUDIO = "m=audio 40000 RTP/AVP 0\r\n"
SDP_CASES = {
    "sdp.long.line": SESSION + "a=" + "x" * SIZE,
    "sdp.times": SESSION + "t=0 0\r\n" * SIZE,
    "sdp.repeats": SESSION + "r=1 1 1\r\n" * SIZE,
    "sdp.empty.lines": SESSION + "\r\n" * SIZE,
    "sdp.formats": SESSION + AUDIO.replace(" 0", " 0" * SIZE),
    "sdp.white.space": SESSION + "m=audio 1 RTP/AVP" + " " * SIZE,
    "sdp.digits": SESSION + "o=" + "1" * SIZE,
    "sdp.attributes": SESSION + AUDIO + "a=rtpmap:8 PCMA/8000\r\n" * SIZE,
    "sdp.crypto": SESSION + AUDIO + "a=crypto:1 A inline:" + "|" * SIZE,
    "sdp.candidates": SESSION + AUDIO + "a=candidate:1 1 UDP 1 192.0.2.1 9 typ host\r\n" * SIZE,
    "sdp.media": SESSION + AUDIO * SIZE,
}


def read_session(text: str) -> None:
    """Parse a session description and read the codecs of its media, as far as it goes."""
    try:
        for media in SessionDescription.parse(text, []).media:
            media.codecs  # noqa: B018  # reading them is the work
    except ParseError:
        pass


def benchmarks() -> Iterator[Benchmark]:
    """One for each way to make a reader sweat."""
    messages = [message.data for message in load("invite")]
    ordinary = [messages[index % len(messages)] for index in range(SIZE // len(messages[0]))]

    def read_ordinary(_: bytes) -> None:
        for data in ordinary:
            read(data)

    for name, worst in CASES.items():
        data = worst[:SIZE].ljust(SIZE, b"x")  # what is shorter is followed by a body
        yield Benchmark(f"linear.{name}", Contender("worst", read), (Contender("ordinary", read_ordinary),), [data])

    session = messages[0].partition(b"\r\n\r\n")[2].decode()
    sessions = [session] * (SIZE // len(session))

    def read_sessions(_: str) -> None:
        for text in sessions:
            read_session(text)

    for name, text in SDP_CASES.items():
        cut = text[:SIZE]
        yield Benchmark(
            f"linear.{name}", Contender("worst", read_session), (Contender("ordinary", read_sessions),), [cut]
        )
