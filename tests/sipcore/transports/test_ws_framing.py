"""Messages in a WebSocket without a socket: what goes in comes out, in any pieces, and peers that do it wrong."""

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import ConnectionType
from wsproto.events import RejectData

from sipcore.errors import LimitExceeded, ParseError
from sipcore.message.framing import Frame, Ping, Pong, Unfinished
from sipcore.transports import ws_framing
from sipcore.transports.ws_framing import WsFraming
from tests.sipcore.transports.recorder import OPTIONS


def framings() -> tuple[WsFraming, WsFraming]:
    """A client's and a server's."""
    return WsFraming(ConnectionType.CLIENT), WsFraming(ConnectionType.SERVER)


def framed(data: bytes) -> Frame:
    """A message as it comes out: WebSockets tolerate nothing, and do not look into it."""
    return data, (), None


def frames(framing: WsFraming, data: bytes = b"", chunk: int = 1 << 20) -> list[Frame]:
    """What comes out of bytes, in whatever pieces they come."""
    found: list[Frame] = []
    for begin in range(0, max(len(data), 1), chunk):
        framing.receive(data[begin : begin + chunk])
        found.extend(framing.frames())
    return found


def frame(opcode: int, payload: bytes = b"", *, last: bool = True, masked: bool = False) -> bytes:
    """A frame by RFC 6455 §5.2, written by hand; its mask is all zeros."""
    head = bytes([opcode | (0x80 if last else 0)])
    mask = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([mask | len(payload)])
    elif len(payload) < 1 << 16:
        head += bytes([mask | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([mask | 127]) + struct.pack("!Q", len(payload))
    return head + bytes(4 if masked else 0) + payload


CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


MESSAGES = [
    OPTIONS,
    b"OPTIONS sip:a SIP/2.0\r\n\r\n",  # RFC 7118 §5: Content-Length is not needed
    b"MESSAGE sip:a SIP/2.0\r\nSubject: \xc3\xa9\r\n\r\nbody without a length",
    b"MESSAGE sip:a SIP/2.0\r\n\r\n\xff\xfe",
    b"x" * 100_000,
    b"no SIP at all",
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message[:20])
@pytest.mark.parametrize("chunk", [1, 100, 1 << 20])
def test_a_message_comes_out_as_it_went_in(message: bytes, chunk: int) -> None:
    if len(message) > 1000:
        chunk = max(chunk, 100)
    client, server = framings()
    assert frames(server, client.message(message), chunk) == [framed(message)]
    assert frames(client, server.message(message), chunk) == [framed(message)]
    assert not client.partial


def test_several_messages_in_one_piece_stay_several() -> None:
    client, server = framings()
    data = b"".join(client.message(message) for message in MESSAGES)
    assert frames(server, data) == [framed(message) for message in MESSAGES]


def test_text_where_it_is_utf8_and_binary_where_it_is_not() -> None:
    _, server = framings()
    assert server.message(b"caf\xc3\xa9")[0] == 0x80 | TEXT
    assert server.message(b"caf\xe9")[0] == 0x80 | BINARY


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_both_kinds_are_accepted_in_fragments(opcode: int) -> None:
    client, _ = framings()
    pieces = [frame(opcode, OPTIONS[:9], last=False), frame(CONTINUATION, OPTIONS[9:20], last=False)]
    assert frames(client, b"".join(pieces)) == []
    assert client.partial
    assert client.unfinished == Unfinished(OPTIONS[:20], 20)
    # A control frame may stand between fragments (RFC 6455 §5.4).
    assert frames(client, frame(PING, b"x")) == [Ping()]
    assert client.partial
    assert frames(client, frame(CONTINUATION, OPTIONS[20:])) == [framed(OPTIONS)]
    assert not client.partial


def test_a_letter_may_be_torn_by_fragments() -> None:
    client, _ = framings()
    data = frame(TEXT, b"caf\xc3", last=False) + frame(CONTINUATION, b"\xa9")
    assert frames(client, data) == [framed("café".encode())]


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\n", b"\0\0\0\0"])
def test_keep_alives_are_no_messages(data: bytes) -> None:
    client, _ = framings()
    assert frames(client, frame(TEXT, data) + frame(BINARY, data) + frame(TEXT, OPTIONS)) == [framed(OPTIONS)]


def test_a_ping_by_crlf_is_answered_so() -> None:
    client, server = framings()
    assert frames(server, client.message(b"\r\n\r\n")) == [Ping()]
    assert server.pong() == frame(TEXT, b"\r\n")


def test_pings_are_answered_and_pongs_matched() -> None:
    client, server = framings()
    assert frames(server, client.ping()) == [Ping()]
    assert frames(client, server.pong()) == [Pong()]
    assert frames(client, frame(PING, b"anything")) == [Ping()]
    assert frames(server, client.pong()) == []  # not what was sent here
    assert frames(client, frame(PONG)) == []


@pytest.mark.parametrize(
    ("payload", "ending", "answer"),
    [
        (b"", "1005", b"\x03\xe8"),
        (b"\x03\xe8", "1000", b"\x03\xe8"),
        (b"\x03\xe9going away", "1001 going away", b"\x03\xe9"),
        (b"\x0f\xa0\x1b[31m" + "é".encode(), r"4000 ?[31m\xc3\xa9", b"\x0f\xa0"),
    ],
)
def test_a_closing_frame_is_told_and_answered(payload: bytes, ending: str, answer: bytes) -> None:
    _, server = framings()
    assert frames(server, frame(CLOSE, payload, masked=True) + frame(TEXT, OPTIONS, masked=True)) == []
    assert server.ending == ending
    server.receive(b"whatever")
    assert frames(server) == []
    assert server.close() == frame(CLOSE, answer)
    assert server.close() == b""


def test_events_of_other_kinds_are_nothing() -> None:
    client, _ = framings()
    assert client._take_untrusted(RejectData(b"")) is None


def test_messages_before_a_closing_frame_are_delivered() -> None:
    client, _ = framings()
    assert frames(client, frame(TEXT, OPTIONS) + frame(CLOSE)) == [framed(OPTIONS)]
    assert client.ending


def test_closing_is_said_once() -> None:
    client, server = framings()
    assert server.close() == frame(CLOSE, b"\x03\xe8")
    assert server.close() == b""
    assert frames(client, frame(CLOSE, b"\x03\xe8")) == []
    assert frames(server, client.close()) == []
    assert server.ending == "1000"
    assert server.close() == b""


@pytest.mark.parametrize(
    ("data", "words", "code"),
    [
        (frame(3), "Invalid opcode", 1002),
        (frame(TEXT | 0x40, b"x"), "Reserved bit", 1002),
        (frame(PING, bytes(126)), "Control frame with payload len > 125", 1002),
        (frame(PING, last=False), "fragment control frame", 1002),
        (frame(CONTINUATION, b"x"), "unexpected CONTINUATION", 1002),
        (frame(TEXT, b"x", last=False) + frame(TEXT, b"y"), "expected CONTINUATION", 1002),
        (frame(TEXT, b"x", masked=True), "unexpected masked frame", 1002),
        (b"\x81\x7e\x00\x05hello", "2 bytes when 1", 1002),
        (b"\x81\x7f" + bytes(7) + b"\x05hello", "8 bytes when 2", 1002),
        (b"\x81\x7f\xff" + bytes(7), "non-zero MSB", 1002),
        (frame(CLOSE, b"\x03"), "CLOSE with 1 byte", 1002),
        (frame(CLOSE, b"\x00\x01"), "CLOSE with invalid code", 1002),
        (frame(CLOSE, b"\x03\xee"), "local-only", 1002),
        (frame(TEXT, b"caf\xe9"), "codec", 1007),
        (frame(CLOSE, b"\x03\xe8\xff"), "CLOSE reason", 1007),
    ],
)
def test_a_frame_that_breaks_the_rules_is_an_error_and_told_to_the_peer(data: bytes, words: str, code: int) -> None:
    client, server = framings()
    client.receive(frame(TEXT, OPTIONS) + data)
    assert next(client.frames(), None) == framed(OPTIONS)
    for _ in range(2):  # again and again
        with pytest.raises(ParseError, match=words) as caught:
            next(client.frames(), None)
    assert caught.value.section.startswith("RFC 6455")
    client.receive(frame(TEXT, OPTIONS))
    assert frames(server, client.close()) == []
    assert server.ending == str(code)


def test_a_server_wants_its_frames_masked() -> None:
    _, server = framings()
    with pytest.raises(ParseError, match="unmasked"):
        frames(server, frame(TEXT, OPTIONS))


def test_a_message_may_not_be_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws_framing, "MAX_MESSAGE", 1000)
    client, server = framings()
    assert frames(client, frame(TEXT, bytes(1000)))
    with pytest.raises(LimitExceeded) as caught:
        frames(client, frame(TEXT, bytes(600), last=False) + frame(CONTINUATION, bytes(401), last=False))
    assert caught.value.status == 513
    frames(server, client.close())
    assert server.ending == "1009"


def test_a_frame_that_announces_too_much_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws_framing, "MAX_MESSAGE", 1000)
    client, _ = framings()
    client.receive(b"\x81\x7f\x7f" + bytes([255] * 7))
    assert next(client.frames(), None) is None
    with pytest.raises(LimitExceeded):
        frames(client, b"a" * 2000)


def test_a_message_may_not_come_in_too_many_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws_framing, "MAX_FRAGMENTS", 10)
    client, _ = framings()
    with pytest.raises(LimitExceeded):
        frames(client, frame(TEXT, last=False) + frame(CONTINUATION, last=False) * 10)


OPCODES = st.sampled_from([CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG, 3, 0x41])
FRAMES = st.builds(frame, OPCODES, st.binary(max_size=200), last=st.booleans(), masked=st.booleans())


def outcome(data: bytes, chunk: int) -> tuple[list[Frame], str, str]:
    """All that a client makes of bytes: frames, how it ended, and the error; none of them depends on the pieces."""
    client, _ = framings()
    found: list[Frame] = []
    try:
        for begin in range(0, len(data), chunk):
            client.receive(data[begin : begin + chunk])
            found.extend(client.frames())
    except ParseError as error:
        # Where a letter is torn, the library's words differ with the place.
        return found, client.ending, "UTF-8" if "codec" in error.message else error.message
    return found, client.ending, ""


@given(st.lists(st.one_of(FRAMES, st.binary(max_size=20)), max_size=8), st.integers(1, 40))
def test_any_bytes_in_any_pieces_give_the_same(parts: Iterable[bytes], chunk: int) -> None:
    data = b"".join(parts)
    assert outcome(data, chunk) == outcome(data, len(data) or 1)
