"""The opening of a WebSocket without a socket: two sides joined by bytes, and peers that do it wrong."""

from dataclasses import replace

import pytest
from h11 import LocalProtocolError as HttpLocalError
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports import ws_upgrade
from sipcore.transports.base import WsConfig
from sipcore.transports.ws_failure import WsFailure, WsProblem
from sipcore.transports.ws_upgrade import ClientUpgrade, ServerUpgrade, Upgrade, host_of
from tests.sipcore.transports.recorder import OPTIONS

HOP = Hop(Transport.WS, SocketAddress("192.0.2.1", 8088), tls_name="sip.example.com")
ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)
REQUEST = (
    b"GET /ws HTTP/1.1\r\nHost: sip.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)
"""That of RFC 7118 §4.1."""


def upgrades(config: WsConfig | None = None, hop: Hop = HOP) -> tuple[ClientUpgrade, ServerUpgrade]:
    return ClientUpgrade(hop, None, config or WsConfig()), ServerUpgrade(hop, None)


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_both_sides_agree(chunk: int) -> None:
    client, server = upgrades()
    for sender, taker in ((client, server), (server, client)):
        data = sender.outgoing()
        assert data
        for begin in range(0, len(data), chunk):
            assert not taker.established
            assert taker.receive(data[begin : begin + chunk]) == b""
    assert client.established
    assert server.established
    assert client.outgoing() == server.outgoing() == b""


def test_what_came_with_the_answer_is_not_lost() -> None:
    client, server = upgrades()
    server.receive(client.outgoing())
    message = server.framing.message(OPTIONS)
    assert client.receive(server.outgoing() + message) == message


def test_what_is_asked_for() -> None:
    config = WsConfig("/ws?token=x", (("Origin", "https://example.com"), ("Cookie", "a=b")))
    client, _ = upgrades(config)
    lines = client.outgoing().decode().split("\r\n")
    assert lines[0] == "GET /ws?token=x HTTP/1.1"
    assert {
        "Host: sip.example.com:8088",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: sip",
        "Origin: https://example.com",
        "Cookie: a=b",
    } < set(lines)
    assert "a=b" not in repr(config)


def test_the_path_of_the_hop_goes_before_the_one_configured() -> None:
    client, _ = upgrades(WsConfig("/ws"), replace(HOP, path="/sip"))
    assert client.outgoing().startswith(b"GET /sip HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("transport", "address", "name", "host"),
    [
        (Transport.WS, SocketAddress("192.0.2.1", 80), None, "192.0.2.1"),
        (Transport.WS, SocketAddress("192.0.2.1", 443), None, "192.0.2.1:443"),
        (Transport.WSS, SocketAddress("192.0.2.1", 443), "example.com", "example.com"),
        (Transport.WSS, SocketAddress("192.0.2.1", 8089), "example.com", "example.com:8089"),
        (Transport.WS, SocketAddress("2001:db8::1", 80), None, "[2001:db8::1]"),
        (Transport.WS, SocketAddress("fe80::1%eth0", 8088), None, "[fe80::1]:8088"),
        (Transport.WS, SocketAddress("fe80::1%eth0", 80), "fe80::1%eth0", "[fe80::1]"),
    ],
)
def test_the_host_that_is_asked_for(transport: Transport, address: SocketAddress, name: str | None, host: str) -> None:
    assert host_of(Hop(transport, address, tls_name=name)) == host


@pytest.mark.parametrize(
    ("hop", "config"),
    [
        (HOP, WsConfig("ws")),
        (HOP, WsConfig("")),
        (HOP, WsConfig("/w s")),
        (HOP, WsConfig("/w\r\nEvil: 1")),
        (HOP, WsConfig("/bücher")),
        (HOP, WsConfig("/", (("Origin", "x\r\nEvil: 1"),))),
        (replace(HOP, tls_name="a" * 80), WsConfig()),
        (replace(HOP, path="ws"), WsConfig()),
    ],
)
def test_what_http_cannot_carry_is_refused(hop: Hop, config: WsConfig) -> None:
    with pytest.raises(LocalError) as caught:
        ClientUpgrade(hop, None, config)
    assert caught.value.section.startswith("RFC 6455")


def answered(data: bytes) -> WsFailure:
    """How an upgrade fails that is answered so."""
    client, _ = upgrades()
    with pytest.raises(WsFailure) as caught:
        client.receive(data)
    assert not client.established
    assert caught.value.ws.text in caught.value.message
    assert caught.value.ws.advice in caught.value.message
    assert caught.value.message.startswith("ws 192.0.2.1:8088: ")
    return caught.value


@pytest.mark.parametrize(
    ("line", "problem", "status", "phrase"),
    [
        (b"HTTP/1.1 404 Not Found", WsProblem.NOT_FOUND, 404, "Not Found"),
        (b"HTTP/1.1 401 Unauthorized", WsProblem.UNAUTHORIZED, 401, "Unauthorized"),
        (b"HTTP/1.1 407 Who are you", WsProblem.UNAUTHORIZED, 407, "Who are you"),
        (b"HTTP/1.1 403 Forbidden", WsProblem.FORBIDDEN, 403, "Forbidden"),
        (b"HTTP/1.1 200 OK", WsProblem.REFUSED, 200, "OK"),
        (b"HTTP/1.0 400 Bad Request", WsProblem.REFUSED, 400, "Bad Request"),
        (b"HTTP/1.1 426", WsProblem.REFUSED, 426, ""),
        (b"HTTP/1.1 100 Continue", WsProblem.REFUSED, 100, "Continue"),
        (b"HTTP/1.1 500 \x80 oops", WsProblem.REFUSED, 500, r"\x80 oops"),
    ],
)
def test_an_answer_other_than_101_is_told(line: bytes, problem: WsProblem, status: int, phrase: str) -> None:
    failure = answered(line + b"\r\nServer: x\r\nContent-Length: 5\r\n\r\nwrong")
    assert (failure.ws, failure.status, failure.phrase) == (problem, status, phrase)
    assert failure.reason is FailureReason.GARBAGE
    assert failure.detail == f"HTTP {status} {phrase}".rstrip()


def test_a_redirection_says_where_to() -> None:
    failure = answered(b"HTTP/1.1 301 Moved\r\nLocation: https://example.com/ws\r\nContent-Length: 0\r\n\r\n")
    assert failure.detail == "HTTP 301 Moved, to https://example.com/ws"


@pytest.mark.parametrize(
    ("line", "words"),
    [(b"", "its answer names no subprotocol"), (b"Sec-WebSocket-Protocol: chat\r\n", "it offers 'chat'")],
)
def test_a_server_that_does_not_agree_on_sip_is_told(line: bytes, words: str) -> None:
    client, server = upgrades()
    server.receive(client.outgoing())
    answer = server.outgoing().replace(b"Sec-WebSocket-Protocol: sip\r\n", line)
    with pytest.raises(WsFailure) as caught:
        client.receive(answer)
    assert (caught.value.ws, caught.value.status) == (WsProblem.NO_SIP, 101)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"SIP/2.0 400 Bad Request\r\n\r\n", "it speaks SIP without WebSocket"),
        (b"\x15\x03\x01\x00\x02\x02\x0a", "a TLS alert"),
        (b"SSH-2.0-x\r\n", "an SSH greeting"),
        (b"\0\1", r"it says '\x00\x01'"),
    ],
)
def test_a_port_that_does_not_speak_http(data: bytes, words: str) -> None:
    failure = answered(data)
    assert failure.ws is WsProblem.NOT_HTTP
    assert words in failure.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ANSWER % b"bm8=", "Bad accept token"),
        (ANSWER.replace(b"Upgrade: websocket\r\n", b""), "'Upgrade: websocket'"),
        (ANSWER.replace(b"Connection: Upgrade\r\n", b"Connection: close\r\n"), "'Connection: Upgrade'"),
        (ANSWER.replace(b"Connection: Upgrade", b"Connection: \x80"), "codec"),
        (b"HTTP/1.1 nonsense\r\n\r\n", "Bad HTTP message"),
        (b"HTTP/1.1 101\r\n\r\n", "Missing header"),
        (b"HTTP/1.1 404 Not Found\r\nX: " + b"y" * ws_upgrade.MAX_HANDSHAKE + b"\r\n\r\n", "more than 16384 bytes"),
        (b"HTTP/1.1 404 Not Found\r\nX: " + b"y" * ws_upgrade.MAX_HANDSHAKE, "more than 16384 bytes"),
    ],
)
def test_an_answer_that_is_not_valid(answer: bytes, words: str) -> None:
    failure = answered(answer)
    assert failure.ws is WsProblem.HANDSHAKE
    assert words in failure.message


def test_an_extension_that_was_not_asked_for_is_not_valid() -> None:
    client, server = upgrades()
    server.receive(client.outgoing())
    extended = server.outgoing()[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    with pytest.raises(WsFailure) as caught:
        client.receive(extended)
    assert caught.value.ws is WsProblem.HANDSHAKE


@pytest.mark.parametrize(
    ("heard", "problem"), [(b"", WsProblem.SILENT), (b"HTTP/1.1 101 Switching", WsProblem.HANDSHAKE)]
)
def test_the_end_in_the_middle_is_explained(heard: bytes, problem: WsProblem) -> None:
    client, _ = upgrades()
    client.receive(heard)
    for reason in (FailureReason.CLOSED, FailureReason.RESET, FailureReason.TIMED_OUT):
        explained = client.explain(TransportFailure(reason, "ended"))
        assert isinstance(explained, WsFailure)
        assert (explained.ws, explained.reason) == (problem, reason)
        assert client.explain(explained) is explained


def test_to_a_server_the_end_is_just_that() -> None:
    _, server = upgrades()
    reset = TransportFailure(FailureReason.RESET, "reset")
    assert server.explain(reset) is reset


def test_the_request_of_the_rfc_is_accepted() -> None:
    _, server = upgrades()
    server.receive(REQUEST)
    assert server.established
    answer = server.outgoing()
    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
    assert b"\r\nSec-WebSocket-Protocol: sip\r\n" in answer


def test_sip_may_be_one_of_several() -> None:
    _, server = upgrades()
    server.receive(REQUEST.replace(b"Protocol: sip", b"Protocol: chat, sip"))
    assert server.established


@pytest.mark.parametrize(
    ("request_", "problem", "status"),
    [
        (REQUEST.replace(b"Sec-WebSocket-Protocol: sip\r\n", b""), WsProblem.NO_SIP, 400),
        (REQUEST.replace(b": sip", b": xmpp"), WsProblem.NO_SIP, 400),
        (REQUEST.replace(b"GET", b"POST"), WsProblem.HANDSHAKE, 400),
        (REQUEST.replace(b": 13", b": 8"), WsProblem.HANDSHAKE, 426),
        (REQUEST.replace(b"Sec-WebSocket-Key", b"Key"), WsProblem.HANDSHAKE, 400),
        (REQUEST.replace(b"sip.example.com", b"\x80"), WsProblem.HANDSHAKE, 400),
        (REQUEST.replace(b": Upgrade", b": \x80"), WsProblem.HANDSHAKE, 400),
        (REQUEST.replace(b"websocket", b"h2c"), WsProblem.HANDSHAKE, 400),
        (REQUEST + b"\x81\x80\0\0\0\0", WsProblem.HANDSHAKE, 400),
        (b"OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\n", WsProblem.HANDSHAKE, 400),
        (b"\r\n\r\n", WsProblem.HANDSHAKE, 400),
    ],
)
def test_a_request_that_is_not_for_sip_is_refused_over_http(request_: bytes, problem: WsProblem, status: int) -> None:
    _, server = upgrades()
    with pytest.raises(WsFailure) as caught:
        server.receive(request_)
    assert caught.value.ws is problem
    assert not server.established
    assert server.outgoing().startswith(b"HTTP/1.1 %d " % status)


def test_a_refusal_that_http_does_not_allow_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    _, server = upgrades()

    def refuse(event: object) -> bytes:
        raise HttpLocalError("not now")

    monkeypatch.setattr(server._handshake, "send", refuse)
    with pytest.raises(WsFailure):
        server.receive(b"nonsense\r\n\r\n")
    assert server.outgoing() == b""


class Below:
    """An engine under the handshake that passes bytes on with a mark, and closes when it is told so."""

    established = True
    closed = False

    def __init__(self) -> None:
        self.out = b""

    def receive(self, data: bytes) -> bytes:
        self.closed = data.endswith(b"|closed")
        return data.removeprefix(b"wire:").removesuffix(b"|closed")

    def send(self, data: bytes) -> None:
        self.out += b"wire:" + data

    def outgoing(self) -> bytes:
        data, self.out = self.out, b""
        return data

    def close(self) -> None:
        raise NotImplementedError

    def explain(self, failure: TransportFailure) -> TransportFailure:
        return failure


def test_a_handshake_lies_on_an_engine() -> None:
    client, server = ClientUpgrade(HOP, Below(), WsConfig()), ServerUpgrade(HOP, Below())
    asked = client.outgoing()
    assert asked.startswith(b"wire:GET / ")
    server.begin(asked.removeprefix(b"wire:"))  # it came together with the end of the handshake below
    server.receive(b"")
    client.receive(server.outgoing())
    assert client.established
    assert client.outgoing() == b""


def test_an_engine_that_closes_ends_the_handshake() -> None:
    client = ClientUpgrade(HOP, Below(), WsConfig())
    with pytest.raises(WsFailure) as caught:
        client.receive(b"|closed")
    assert (caught.value.ws, caught.value.reason) == (WsProblem.SILENT, FailureReason.CLOSED)
    refused = ClientUpgrade(HOP, Below(), WsConfig())
    with pytest.raises(WsFailure, match="404"):
        refused.receive(b"wire:HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n|closed")


@given(st.binary(max_size=300), st.integers(0, 400), st.booleans())
def test_any_bytes_in_a_handshake_are_an_error_of_ours_or_harmless(
    garbage: bytes, place: int, into_client: bool
) -> None:
    client, server = upgrades()
    data = client.outgoing()
    victim: Upgrade = server
    if into_client:
        server.receive(data)
        victim, data = client, server.outgoing()
    try:
        victim.receive(data[:place] + garbage + data[place:])
    except WsFailure as failure:
        assert failure.message  # noqa: PT017  # both ways are fine; no other exception is
    victim.outgoing()
