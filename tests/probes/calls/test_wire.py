"""What is kept of the wire, and that it has a limit."""

import pytest

from probes.calls import wire as module
from probes.calls.wire import OVERHEAD, Wire
from sipcore.trace import Direction, WireTrace
from tests.probes.report.recorded import UDP


def packet(data: bytes) -> WireTrace:
    return WireTrace(1.0, Direction.SENT, UDP, data)


def test_packets_are_kept_in_their_order() -> None:
    wire = Wire()
    for data in (b"a", b"b"):
        wire.take(packet(data))
    assert [each.data for each in wire.records] == [b"a", b"b"]
    assert (wire.omitted, wire.key_log) == (0, b"")


def test_no_more_are_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 2 * OVERHEAD + 10)
    wire = Wire()
    for data in (b"12345", b"123456", b"1234"):
        wire.take(packet(data))
    assert [each.data for each in wire.records] == [b"12345", b"1234"]
    assert wire.omitted == 1


def test_the_key_log_has_a_line_for_each_key_and_is_not_shown() -> None:
    wire = Wire()
    wire.key(b"CLIENT_RANDOM 00 01")
    wire.key(b"EXPORTER_SECRET 00 02")
    assert wire.key_log == b"CLIENT_RANDOM 00 01\nEXPORTER_SECRET 00 02\n"
    assert "CLIENT_RANDOM" not in repr(wire)
