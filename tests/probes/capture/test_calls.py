"""The calls of a capture."""

import pytest

from probes.capture.calls import CapturedCall, read_calls
from probes.capture.files import CapturedPacket
from probes.capture.unread import Problem, Unread
from probes.report.packets import packets
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.trace import TraceRecord
from tests.probes.capture.captures import A, B, ipv4, tcp, udp
from tests.probes.report.recorded import BUSY, INVITE, LOCAL, REMOTE, received, sent

CHALLENGE = BUSY.replace(b"486 Busy <Here> & there", b"401 Unauthorized")
TRYING = BUSY.replace(b"486 Busy <Here> & there", b"100 Trying")


def read(*records: TraceRecord) -> list[CapturedCall]:
    return read_calls(CapturedPacket(round(packet.at * 10**9), 101, packet.data) for packet in packets(records))


def raw(*data: bytes) -> list[CapturedCall]:
    return read_calls(CapturedPacket(number, 101, packet) for number, packet in enumerate(data))


def test_a_call_over_udp() -> None:
    (call,) = read(sent(0.0), sent(0.5, attempt=1), received(0.6, TRYING), received(0.75))
    assert call.call_id == "a@192.0.2.1"
    assert call.first is not None
    assert call.answer is not None
    assert (call.first.method, call.answer.status) == ("INVITE", 486)
    assert [(entry.offset_ms, entry.label) for entry in call.timeline()] == [
        (0.0, "INVITE"),
        (500.0, "INVITE"),
        (600.0, "100 Trying"),
        (750.0, "486 Busy <Here> & there"),
    ]
    assert [record.attempt for record in call.records] == [0, 1, 0, 0]


def test_the_answer_to_credentials_counts() -> None:
    (call,) = read(sent(0.0), received(0.1, CHALLENGE), sent(0.2), received(0.3))
    assert call.answer is not None
    assert call.answer.status == 486


@pytest.mark.parametrize("host", ["192.0.2.1", "203.0.113.9", "192.0.2.2"])
def test_what_a_server_behind_the_first_one_says_is_no_answer(host: str) -> None:
    """A proxy, and many a B2BUA, goes on with the same Call-ID: to one behind it, to a port of the caller's host, or to
    one of its own.
    """
    there = SocketAddress(host, 5070)
    on = Flow(Transport.UDP, REMOTE, there)
    records = [
        sent(0.0),
        sent(0.1, flow=on),
        sent(0.2, BUSY.replace(b"486 Busy", b"403 Not"), Flow(Transport.UDP, there, REMOTE)),
    ]
    (call,) = read(*records)
    assert (len(call.records), call.answer) == (3, None)
    (call,) = read(*records, received(0.3))
    assert call.answer is not None
    assert call.answer.status == 486


def test_messages_over_tcp_are_framed() -> None:
    flow = Flow(Transport.TCP, LOCAL, REMOTE, 1)
    both = INVITE + INVITE.replace(b"a@192.0.2.1", b"b@192.0.2.1")
    calls = read(sent(0.0, both[:100], flow), sent(0.1, both[100:], flow), received(0.2, BUSY, flow))
    assert [(call.call_id, len(call.records)) for call in calls] == [("a@192.0.2.1", 2), ("b@192.0.2.1", 1)]


def test_a_connection_in_its_middle_is_read_from_the_next_message() -> None:
    assert raw(ipv4(6, tcp(1, INVITE[50:]))) == []
    assert len(raw(ipv4(6, tcp(1, INVITE[50:])), ipv4(6, tcp(len(INVITE) - 49, INVITE)))) == 1


def test_what_lacks_of_a_connection_with_sip_is_told() -> None:
    """Else a call whose answer was not captured looks like one that nobody has answered."""
    told: list[Unread] = []
    lost = [ipv4(6, tcp(1, INVITE)), ipv4(6, tcp(1 + len(INVITE) + 500, INVITE)), ipv4(6, tcp(9000, INVITE))]
    read_calls((CapturedPacket(number, 101, packet) for number, packet in enumerate(lost)), None, told)
    assert [(each.client, each.server, each.problem) for each in told] == [(A, B, Problem.GAP)]
    assert "bytes of it were not captured" in str(told[0])


@pytest.mark.parametrize("data", [INVITE, b"\0" * 600])
def test_what_lacks_of_other_connections_is_not(data: bytes) -> None:
    told: list[Unread] = []
    whole = [ipv4(6, tcp(1, data)), ipv4(6, tcp(1 + len(data) + (data != INVITE), data))]
    read_calls((CapturedPacket(number, 101, packet) for number, packet in enumerate(whole)), None, told)
    assert told == []


def test_another_connection_between_the_same_ports_is_read_from_its_beginning() -> None:
    half, other = INVITE[:100], INVITE.replace(b"a@192.0.2.1", b"b@192.0.2.1")
    (call,) = raw(*(ipv4(6, each) for each in (tcp(0, flags=2), tcp(1, half), tcp(700, flags=2), tcp(701, other))))
    assert call.call_id == "b@192.0.2.1"


def test_what_is_not_sip_is_left_out() -> None:
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x80\x00", b"\x16\x03\x01", b"INVITE sip:a SIP/2.0\r\nVia: x\r\n\r\n"):
        assert raw(ipv4(17, udp(data)), ipv4(6, tcp(1, data))) == []


def test_a_call_without_its_beginning() -> None:
    (call,) = read(received(0.0))
    assert (call.first, call.answer) == (None, None)


def test_keep_alives_do_not_hide_a_message() -> None:
    (call,) = raw(ipv4(17, udp(b"\r\n\r\n" + INVITE)))
    assert call.first is not None


@pytest.mark.parametrize("step", [1, 3, 10, 100])
def test_a_start_line_may_come_in_pieces(step: int) -> None:
    both = BUSY + INVITE
    pieces = [tcp(1 + at, both[at : at + step]) for at in range(0, len(both), step)]
    (call,) = raw(ipv4(6, tcp(0, flags=2)), *(ipv4(6, piece) for piece in pieces))
    assert [record.data for record in call.records] == [BUSY, INVITE]


@pytest.mark.parametrize("before", [b"EHLO there\r\n", b"x" * 40, b"INVITE sip:a" + b"x" * 9000, b"a  b"])
def test_what_is_no_half_of_a_start_line_hides_no_message(before: bytes) -> None:
    sent = ipv4(6, tcp(1, before)), ipv4(6, tcp(1 + len(before), INVITE))
    for packets_sent in (sent, (ipv4(6, tcp(0, flags=2)), *sent)):
        (call,) = raw(*packets_sent)
        assert [record.data for record in call.records] == [INVITE]


def test_the_end_of_a_message_is_no_beginning_of_the_next_one() -> None:
    (call,) = raw(ipv4(6, tcp(1, b"sendrecv")), ipv4(6, tcp(9, INVITE)))
    assert [record.data for record in call.records] == [INVITE]


def test_messages_stand_in_the_order_of_time_whatever_that_of_the_file() -> None:
    """As where two interfaces write into one file in turn, or a segment waits behind one that was not captured."""
    answer, request = (ipv4(17, udp(data)) for data in (BUSY, INVITE))
    (call,) = read_calls([CapturedPacket(2000, 101, answer), CapturedPacket(1000, 101, request)])
    assert (call.began_ns, [record.data for record in call.records]) == (1000, [INVITE, BUSY])
    lost = ipv4(6, tcp(0, flags=2)), ipv4(6, tcp(50, INVITE)), ipv4(17, udp(BUSY))
    (call,) = raw(*lost)
    assert (call.began_ns, [record.data for record in call.records]) == (1, [INVITE, BUSY])
