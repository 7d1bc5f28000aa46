"""Keys as telephone events: what is sent, and what is made of what comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import LocalError, ParseError
from sipcore.media.dtmf import END_PACKETS, KEYS, EventReceiver, ReceivedKey, TelephoneEvent, press


@pytest.mark.parametrize(
    ("event", "wire"),
    [
        (TelephoneEvent(1, False, 10, 160), "010a00a0"),
        (TelephoneEvent(11, True, 63, 0xFFFF), "0bbfffff"),
    ],
)
def test_both_directions(event: TelephoneEvent, wire: str) -> None:
    assert bytes(event).hex() == wire
    assert TelephoneEvent.parse(bytes.fromhex(wire)) == event
    assert TelephoneEvent.parse(bytes.fromhex(wire) + b"another") == event


def test_too_short() -> None:
    with pytest.raises(ParseError):
        TelephoneEvent.parse(b"\1\2\3")


def test_what_is_pressed() -> None:
    packets = press("#", packet=160, duration=400)
    assert [(each.after, each.event.duration, each.event.end, each.marker) for each in packets] == [
        (160, 160, False, True),
        (320, 320, False, False),
        (480, 400, True, False),
        (640, 400, True, False),
        (800, 400, True, False),
    ]
    assert {each.event.key for each in packets} == {"#"}


def test_a_key_of_one_packet() -> None:
    packets = press("a", packet=160, duration=160)
    assert [(each.after, each.event.end, each.marker) for each in packets] == [
        (160, True, True),
        (320, True, False),
        (480, True, False),
    ]


@pytest.mark.parametrize(
    ("key", "packet", "duration"), [("x", 1, 1), ("", 1, 1), ("12", 1, 1), ("1", 2, 1), ("1", 1, 2**16)]
)
def test_what_cannot_be_pressed(key: str, packet: int, duration: int) -> None:
    with pytest.raises(LocalError):
        press(key, packet=packet, duration=duration)


def receive(
    receiver: EventReceiver, key: str, timestamp: int, lost: frozenset[int] = frozenset(), *, first: int = 0
) -> list[ReceivedKey]:
    keys = []
    for number, each in enumerate(press(key, packet=160, duration=800)):
        if number not in lost:
            sequence = (first + number) % 2**16
            done = receiver.add(bytes(each.event), sequence, timestamp, each.marker, 0.02 * number)
            keys += [done] if done else []
    return keys


@pytest.mark.parametrize("step", [2000, -2000, 2**31], ids=["on", "back", "anywhere"])
def test_keys_one_after_the_other(step: int) -> None:
    """A bridge may let the timestamps step anywhere between two keys, as Asterisk does after the first one."""
    receiver = EventReceiver(8000)
    keys = [
        key
        for place, name in enumerate(KEYS)
        for key in receive(receiver, name, (2**32 - 4000 + step * place + place) % 2**32, first=2**16 - 20 + 10 * place)
    ]
    last = receiver.finish()
    assert last is not None
    assert "".join(key.key for key in [*keys, last]) == KEYS
    assert {(key.duration, key.packets, key.ends, key.marked) for key in [*keys, last]} == {(0.1, 7, END_PACKETS, True)}
    assert receiver.finish() is None


@given(st.sets(st.integers(0, 6), max_size=6))
def test_any_packet_that_is_left_tells_the_key(lost: set[int]) -> None:
    receiver = EventReceiver(8000)
    receive(receiver, "5", 1000, frozenset(lost))
    key = receiver.finish()
    assert key is not None
    assert (key.key, key.packets, key.ends) == ("5", 7 - len(lost), 3 - len(lost & {4, 5, 6}))
    assert key.marked == (0 not in lost)
    assert receiver.is_over is False


def test_late_packets_and_other_events() -> None:
    receiver = EventReceiver(8000)
    receive(receiver, "1", 5000, first=100)
    assert receiver.is_over
    assert receiver.add(bytes(TelephoneEvent(2, False, 0, 160)), 99, 4000, False, 1.0) is None
    done = receiver.add(bytes(TelephoneEvent(66, True, 0, 160)), 107, 9000, True, 1.0)
    assert done is not None
    assert done.key == "1"
    flash = receiver.finish()
    assert flash is not None
    assert flash.key == "event 66"


SEGMENTS = [
    *((1000, TelephoneEvent(5, False, 10, ticks), ticks == 160) for ticks in (160, 32_000, 65_535)),
    *((1000 + 65_535, TelephoneEvent(5, False, 10, ticks), False) for ticks in (160, 65_535)),
    *((1000 + 2 * 65_535, TelephoneEvent(5, True, 10, 8000), False) for _ in range(3)),
]
"""A key of 17.4 s, in three segments."""


def receive_all(packets: list[tuple[int, TelephoneEvent, bool]]) -> list[ReceivedKey]:
    receiver = EventReceiver(8000)
    found = [
        receiver.add(bytes(event), number, timestamp % 2**32, marker, 0.05 * number)
        for number, (timestamp, event, marker) in enumerate(packets)
    ]
    return [key for key in (*found, receiver.finish()) if key is not None]


@pytest.mark.parametrize("start", [0, 2**32 - 70_000])
def test_a_long_key_comes_in_segments(start: int) -> None:
    """RFC 4733 §2.5.1.3: one that lasts longer than 16 bits can tell goes on with another timestamp."""
    (key,) = receive_all([(timestamp + start, event, marker) for timestamp, event, marker in SEGMENTS])
    assert (key.key, key.packets, key.ends) == ("5", 8, 3)
    assert key.duration == pytest.approx((2 * 65_535 + 8000) / 8000)


@pytest.mark.parametrize(
    "second",
    [
        (1000 + 65_535, TelephoneEvent(5, False, 10, 160), True),
        (1000 + 65_535, TelephoneEvent(6, False, 10, 160), False),
        (1000 + 65_536, TelephoneEvent(5, False, 10, 160), False),
    ],
    ids=["with a marker", "another key", "at another time"],
)
def test_what_is_no_segment_is_another_key(second: tuple[int, TelephoneEvent, bool]) -> None:
    assert len(receive_all([(1000, TelephoneEvent(5, False, 10, 65_535), True), second])) == 2
    ended = (1000, TelephoneEvent(5, True, 10, 65_535), True)
    assert len(receive_all([ended, (1000 + 65_535, TelephoneEvent(5, False, 10, 160), False)])) == 2
