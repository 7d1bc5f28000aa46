"""Captures of SIP over TLS, with keys and without, whole and damaged."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.capture import tls_streams
from probes.capture.calls import CapturedCall, read_calls
from probes.capture.files import CapturedPacket
from probes.capture.tls_keys import KeyLog
from probes.capture.unread import Problem, Unread
from probes.report.packets import packets
from sipcore.resolve.target import Flow, SocketAddress, Transport
from tests.probes.capture.captures import ipv4, tcp, udp
from tests.probes.capture.secured import CLIENT, FLOW, SERVER, TLS_1_2, TLS_1_3, Secured, captured, secured
from tests.probes.report.recorded import BUSY, INVITE, sent

TALK = [(True, INVITE[:200]), (True, INVITE[200:]), (False, BUSY)]
OTHER = Flow(Transport.TLS, SocketAddress("192.0.2.1", 40001), SERVER)


def read(given_packets: Sequence[CapturedPacket], *logs: bytes) -> tuple[list[CapturedCall], list[Unread]]:
    unread: list[Unread] = []
    return read_calls(given_packets, KeyLog(*logs), unread), unread


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
@pytest.mark.parametrize("size", [100, 1 << 15])
def test_a_call_over_tls(version: int, size: int) -> None:
    made = secured(TALK, version)
    whole = captured(made.packets(size=size))
    ((call,), unread) = read(whole, made.key_log)
    assert unread == []
    assert [record.data for record in call.records] == [INVITE, BUSY]
    assert [record.flow for record in call.records] == [FLOW, Flow(Transport.TLS, SERVER, CLIENT)]
    assert call.began_ns + round(call.records[-1].at * 1e9) == whole[-1].at_ns
    assert call.answer is not None


def test_what_stands_beside_it_is_read_as_ever() -> None:
    made = secured([], TLS_1_3)
    plain = [CapturedPacket(10**18, 101, ipv4(17, udp(INVITE))), CapturedPacket(10**18, 101, ipv4(6, tcp(1, BUSY)))]
    ((call,), unread) = read([*captured(made.packets()), *plain])
    assert [record.flow.transport for record in call.records] == [Transport.UDP, Transport.TCP]
    assert [each.problem for each in unread] == [Problem.NO_KEYS]


def test_each_connection_that_is_not_read_is_told_of_once() -> None:
    known, unknown = (secured(TALK, version) for version in (TLS_1_3, TLS_1_2))
    (calls, unread) = read(captured([*known.packets(), *unknown.packets(flow=OTHER, begin=5.0)]), known.key_log)
    assert len(calls) == 1
    assert unread == [Unread(OTHER.local, SERVER, Problem.NO_KEYS, version="TLS 1.2")]
    assert str(unread[0]) == (
        "192.0.2.1:40001 to 192.0.2.2:5061 in TLS 1.2: its keys are not known: give what either end wrote as "
        "SSLKEYLOGFILE with --keylog FILE"
    )


def test_a_capture_that_begins_in_the_middle() -> None:
    made = secured([(True, INVITE)] * 3, TLS_1_3)
    whole = captured(made.packets())
    (calls, unread) = read(whole[-2:], made.key_log)
    assert calls == []
    assert unread == [Unread(CLIENT, SERVER, Problem.NO_HANDSHAKE)]
    assert "begin the capture before the connection is opened" in str(unread[0])


@pytest.mark.parametrize("patience", [1, 256])
def test_bytes_that_were_not_captured(monkeypatch: pytest.MonkeyPatch, patience: int) -> None:
    """Told once so much has come behind them, or at the end."""
    monkeypatch.setattr("probes.capture.network.MAX_AHEAD", patience)
    made = secured([*TALK, *[(False, BUSY)] * 4], TLS_1_3)
    whole = captured(made.packets())
    ((call,), unread) = read([*whole[:-4], *whole[-3:]], made.key_log)
    assert [record.data for record in call.records][:2] == [INVITE, BUSY]
    assert [each.problem for each in unread] == [Problem.GAP]


def test_a_damaged_record_ends_its_connection_alone() -> None:
    made, other = secured(TALK, TLS_1_3), secured(TALK, TLS_1_3)
    *whole, last = captured(made.packets())
    broken = replace(last, data=last.data[:-1] + bytes([last.data[-1] ^ 1]))
    later = captured(other.packets(flow=OTHER, begin=9.0))
    ((call,), unread) = read([*whole, broken, *later], made.key_log, other.key_log)
    assert [record.data for record in call.records] == [INVITE, INVITE, BUSY]
    assert [(each.client, each.problem) for each in unread] == [(CLIENT, Problem.DAMAGED)]


def test_another_connection_between_the_same_ports() -> None:
    first, second = secured(TALK[:1], TLS_1_3), secured(TALK, TLS_1_2)
    segments = [
        CapturedPacket(number, 101, ipv4(6, segment, source=source, target=target))
        for number, (segment, source, target) in enumerate(
            [*_raw(first, 1000), *_raw(second, 70_000)],
        )
    ]
    ((call,), unread) = read(segments, first.key_log, second.key_log)
    assert [record.data for record in call.records] == [INVITE, BUSY]
    assert unread == []


def _raw(made: Secured, begin: int) -> list[tuple[bytes, str, str]]:
    """Its segments, with the SYN of either end, and from which host to which they go."""

    def one(way: bool, sequence: int, data: bytes = b"", flags: int = 0x18) -> tuple[bytes, str, str]:
        segment = tcp(sequence, data, flags)
        return (segment if way else segment[2:4] + segment[:2] + segment[4:], *hosts[way])

    hosts = {True: (CLIENT.host, SERVER.host), False: (SERVER.host, CLIENT.host)}
    following = {True: begin + 1, False: begin + 1}
    found = [one(way, begin, flags=2) for way in (True, False)]
    for way, data in made.wire:
        found.append(one(way, following[way], data))
        following[way] += len(data)
    return found


def test_the_oldest_connection_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_streams, "MAX_CONNECTIONS", 1)
    made = secured(TALK, TLS_1_3)
    whole = captured(made.packets())
    late = captured(secured([], TLS_1_3).packets(flow=OTHER))
    (calls, unread) = read([*whole[:-1], *late[:4], whole[-1]], made.key_log)
    assert [len(call.records) for call in calls] == [1]
    assert [(each.client, each.problem) for each in unread] == [(CLIENT, Problem.NO_HANDSHAKE)]


def test_a_call_that_is_saved_again_is_in_the_clear() -> None:
    made = secured([*TALK, (True, INVITE)], TLS_1_3)
    ((call,), _) = read(captured(made.packets()), made.key_log)
    ((again,), unread) = read(captured(packets(call.records)))
    assert unread == []
    assert [len(record.data) for record in again.records] == [len(INVITE), len(BUSY), len(INVITE)]
    assert sent(0.0).data not in [record.data for record in again.records]  # whose secret is covered


@given(
    st.lists(st.binary(min_size=1, max_size=80), max_size=5), st.sampled_from([b"", b"\x16\x03\x01", b"\x17\x03\x03\0"])
)
def test_any_bytes_are_read_or_told_of(pieces: list[bytes], begin: bytes) -> None:
    at, whole = 1, []
    for data in pieces:
        whole.append(CapturedPacket(at, 101, ipv4(6, tcp(at, begin + data))))
        at += len(begin + data)
    _, unread = read(whole)
    assert len(unread) <= 1
