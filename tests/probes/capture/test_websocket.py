"""SIP in WebSockets, in the clear and in TLS, whose frames another library makes."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, Request, TextMessage

from probes.capture.calls import CapturedCall, read_calls
from probes.capture.files import CapturedPacket
from probes.capture.network import Datagram, Segment
from probes.capture.tls_keys import KeyLog
from probes.capture.websocket import MAX_HEAD, MAX_MESSAGE, unwrapped
from sipcore.resolve.target import Transport
from tests.probes.capture.captures import ipv4, tcp
from tests.probes.capture.secured import CLIENT, SERVER, Said, captured, secured
from tests.probes.report.recorded import BUSY, INVITE

HEAD = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"


def spoken(*said: tuple[bool, Event]) -> Iterator[Said]:
    """What crosses the wire when a WebSocket is opened and both ends say something, the client's marked True."""
    ends = {True: WSConnection(ConnectionType.CLIENT), False: WSConnection(ConnectionType.SERVER)}
    opening = [(True, Request(host="sip.example", target="/ws", subprotocols=["sip"]))]
    for is_client, event in [*opening, (False, AcceptConnection(subprotocol="sip")), *said]:
        data = ends[is_client].send(event)
        yield is_client, data
        ends[not is_client].receive_data(data)
        list(ends[not is_client].events())


def segments(said: list[Said], size: int = 1 << 20) -> list[Segment]:
    return [
        Segment(number, *((CLIENT, SERVER) if way else (SERVER, CLIENT)), data[at : at + size])
        for number, (way, data) in enumerate(said)
        for at in range(0, len(data), size)
    ]


def messages(found: list[Segment]) -> list[tuple[bool, bytes]]:
    read = list(unwrapped(found))
    assert all(isinstance(each, Datagram) and each.transport is Transport.WS for each in read)
    return [(each.source == CLIENT, each.data) for each in read]


LONG = b"MESSAGE " + b"x" * 70_000
TALK: list[tuple[bool, Event]] = [
    (True, TextMessage(INVITE.decode())),
    (False, Ping(b"?")),
    (False, BytesMessage(BUSY[:50], message_finished=False)),
    (False, Ping(b"in between")),
    (False, BytesMessage(BUSY[50:])),
    (True, BytesMessage(LONG)),
    (True, CloseConnection(1000)),
]


@pytest.mark.parametrize("size", [15, 50, 1 << 20])
def test_messages_come_out_whole(size: int) -> None:
    assert messages(segments(list(spoken(*TALK)), size)) == [(True, INVITE), (False, BUSY), (True, LONG)]


def test_a_message_without_a_length_is_whole_as_well() -> None:
    """RFC 7118 §4.2 asks for no Content-Length: a WebSocket tells where a message ends."""
    body = INVITE.replace(b"Content-Length: 0\r\n\r\n", b"\r\nbody")
    packets, at = [], 1
    for way, data in spoken((True, BytesMessage(body))):
        if way:
            packets.append(CapturedPacket(at, 101, ipv4(6, tcp(at, data))))
            at += len(data)
    (call,) = read_calls(packets)
    assert [(record.flow.transport, record.data) for record in call.records] == [(Transport.WS, body)]


def test_a_call_over_wss() -> None:
    made = secured(spoken(*TALK[:5]))
    (call,) = calls(made.key_log, captured(made.packets()))
    assert [(record.flow.transport, record.data) for record in call.records] == [
        (Transport.WSS, INVITE),
        (Transport.WSS, BUSY),
    ]


def calls(key_log: bytes, packets: list[CapturedPacket]) -> list[CapturedCall]:
    return read_calls(packets, KeyLog(key_log))


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"\xc1\x01x",  # compressed, by an extension
        HEAD + b"\x82\x7f" + (MAX_MESSAGE + 1).to_bytes(8) + b"x",
        b"GET / HTTP/1.1\r\n\r\n\x81\x01x",
        b"GET /" + b"x" * MAX_HEAD + HEAD,
    ],
)
def test_what_is_no_message_ends_its_direction(data: bytes) -> None:
    assert messages(segments([(True, data), (True, b"\x81\x01y"), (False, HEAD + b"\x81\x01z")])) == [(False, b"z")]


@pytest.mark.parametrize(("gap", "begins"), [(True, False), (False, True)])
def test_another_connection_and_a_gap_begin_anew(gap: bool, begins: bool) -> None:
    half = segments([(True, HEAD + b"\x81\x05x")])
    again = Segment(9, CLIENT, SERVER, HEAD + b"\x81\x01y", gap, begins)
    assert messages([*half, again]) == [(True, b"y")]


@given(st.lists(st.binary(max_size=60), max_size=6), st.booleans())
def test_any_bytes_are_read(pieces: list[bytes], opened: bool) -> None:
    found = list(unwrapped(segments([(True, data) for data in ([HEAD] if opened else []) + pieces])))
    assert sum(len(each.data) for each in found) <= sum(map(len, pieces))
