"""Counting packets, against the algorithms of RFC 3550, appendix A, written out as they stand there."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.media.reception import GAP_SECONDS, Received, Reception

RATE = 8000
PACKET = 160


def receive(packets: list[tuple[int, int, float]]) -> Reception:
    """`packets` are sequence number, timestamp and arrival."""
    reception = Reception(7, RATE)
    for sequence, timestamp, at in packets:
        reception.add(sequence & 0xFFFF, timestamp & 0xFFFFFFFF, PACKET, at)
    return reception


def stream(numbers: list[int], start: int = 65_530, begin: int = 2**32 - 400) -> list[tuple[int, int, float]]:
    """Packets on time, by their numbers from 0; both counters wrap soon."""
    return [(start + number, begin + PACKET * number, 100 + 0.02 * number) for number in numbers]


def result_of(numbers: list[int]) -> Received:
    return receive(stream(numbers)).result()


def test_nothing_is_wrong() -> None:
    result = result_of(list(range(100)))
    assert (result.packets, result.expected, result.lost, result.duplicates, result.late) == (100, 100, 0, 0, 0)
    assert (result.octets, result.loss, result.gaps, result.bursts, result.restarts) == (16_000, 0.0, 0, 0, 0)
    assert result.jitter == pytest.approx(0, abs=1e-9)
    assert result.ptime == 0.02
    assert result.first_at == 100.0
    assert result.last_at == pytest.approx(101.98)


@pytest.mark.parametrize(
    ("numbers", "lost", "duplicates", "late", "bursts"),
    [
        ([0, 1, 3, 4], 1, 0, 0, 1),
        ([0, 4], 3, 0, 0, 1),
        ([0, 2, 1, 3], 0, 0, 1, 1),
        ([0, 1, 1, 2, 2, 2], 0, 3, 0, 0),
        ([0, 2, 1, 1, 3], 0, 1, 1, 1),
        ([0, 3, 3, 6], 4, 1, 0, 2),
        ([5, 4, 6], 0, 0, 0, 0),  # what came before the first packet is none that was missed
    ],
)
def test_losses_duplicates_and_late_packets(
    numbers: list[int], lost: int, duplicates: int, late: int, bursts: int
) -> None:
    result = result_of(numbers)
    assert (result.lost, result.duplicates, result.late, result.bursts) == (lost, duplicates, late, bursts)


@given(st.lists(st.integers(0, 90), min_size=1, max_size=120), st.integers(0, 65_535))
def test_each_number_counts_once(order: list[int], start: int) -> None:
    numbers = [0, *order]
    result = receive(stream(numbers, start=start)).result()
    assert result.packets == len(set(numbers))
    assert result.expected == max(numbers) + 1
    assert result.lost == max(numbers) + 1 - len(set(numbers))
    assert result.duplicates == len(numbers) - len(set(numbers))


def test_two_in_a_row_from_elsewhere_are_a_restart() -> None:
    before = stream(list(range(10)), start=100)
    stray = stream([0], start=40_000)
    assert receive([*before, *stray]).result().packets == 10
    result = receive([*before, *stray, *stream([11, 12, 14], start=40_000 - 10)]).result()
    assert result.restarts == 1
    assert (result.packets, result.expected, result.lost) == (13, 14, 1)


def test_jitter_is_that_of_the_rfc() -> None:
    chance = random.Random(4)
    arrivals = [0.02 * number + chance.random() * 0.01 for number in range(200)]
    packets = [(number, PACKET * number, at) for number, at in enumerate(arrivals)]
    jitter, transit = 0.0, arrivals[0] * RATE
    for number, at in enumerate(arrivals[1:], 1):
        now = at * RATE - PACKET * number
        jitter += (abs(now - transit) - jitter) / 16
        transit = now
    reception = receive(packets)
    assert reception.result().jitter * RATE == pytest.approx(jitter)
    assert reception.report().jitter == round(jitter)
    assert reception.result().peak_jitter >= reception.result().jitter


def test_reports_count_as_the_rfc_does() -> None:
    reception = receive(stream([*range(8), 9]))
    first = reception.report(5, 6)
    assert (first.ssrc, first.lost, first.fraction_lost, first.highest) == (7, 1, 25, 65_530 + 9)
    assert (first.last_report, first.delay) == (5, 6)
    assert reception.report().fraction_lost == 0  # of an interval in which nothing was expected
    for packet in stream([10, 10, 10]):
        reception.add(packet[0] & 0xFFFF, packet[1] & 0xFFFFFFFF, PACKET, packet[2])
    second = reception.report()
    assert (second.lost, second.fraction_lost) == (-1, 0)  # §A.3: duplicates count as received


def test_gaps_and_pauses() -> None:
    reception = Reception(7, RATE)
    at = 0.0
    for number, (pause, marker) in enumerate([(0, True), (0.02, False), (0.3, False), (0.02, False), (2.0, True)]):
        at += pause
        reception.add(number, PACKET * number, PACKET, at, begins=marker)
    reception.pause()
    reception.add(5, 0, PACKET, at + 3)
    result = reception.result()
    assert result.gaps == 1
    assert result.longest_gap == pytest.approx(0.3)
    assert result.longest_gap > GAP_SECONDS


def test_packets_of_telephone_events_say_nothing_of_jitter() -> None:
    reception = Reception(7, RATE)
    for number in range(50):
        event = 20 <= number < 30
        if event:
            reception.pause()
        timestamp = PACKET * (20 if event else number)
        reception.add(number, timestamp, 4 if event else PACKET, 0.02 * number, timed=not event)
    result = reception.result()
    assert result.jitter == pytest.approx(0, abs=1e-9)
    assert result.ptime == 0.02
    assert result.lost == 0


def test_the_packet_time_met_most_often() -> None:
    reception = Reception(7, RATE)
    timestamp = 0
    for number in range(200):
        timestamp += 240 if number % 3 else 80 + number  # and many others, of which not all are kept
        reception.add(number, timestamp, PACKET, timestamp / RATE)
    assert reception.result().ptime == 0.03


@pytest.mark.parametrize("drift", [-300e-6, 0.0, 50e-6])
def test_clock_drift(drift: float) -> None:
    chance = random.Random(1)
    packets = [
        (number, round(PACKET * number * (1 + drift)), 50 + 0.02 * number + chance.random() * 0.002)
        for number in range(3000)
    ]
    found = receive(packets).result().drift
    assert found == pytest.approx(drift * 1e6, abs=20)


def test_no_drift_can_be_told_of_little() -> None:
    assert result_of(list(range(100))).drift is None
    assert result_of([0]).drift is None
    assert result_of([0]).ptime is None


@pytest.mark.parametrize("jump", [8_000, 24_000, 2_000_000_000, -80_000])
def test_timestamps_that_jump_are_neither_jitter_nor_drift(jump: int) -> None:
    packets = [(n, t + (jump if n >= 65_530 + 300 else 0), at) for n, t, at in stream(list(range(600)))]
    result = receive(packets).result()
    assert (result.jumps, result.restarts) == (1, 0)
    assert result.jitter == pytest.approx(0, abs=1e-9)
    assert result.drift == pytest.approx(0, abs=0.1)


def test_packets_that_are_held_up_are_jitter_all_the_same() -> None:
    packets = [(n, t, max(at, 104.0)) for n, t, at in stream(list(range(300)))]
    result = receive(packets).result()
    assert result.jumps == 0
    assert result.peak_jitter > 0.01


@pytest.mark.parametrize(
    "order",
    [
        [number ^ 1 for number in range(100)],
        [number for number in range(100) if number % 2],
        [number for number in range(100) if number % 3 == 0],
    ],
    ids=["swapped", "every second lost", "two of three lost"],
)
def test_the_packet_time_is_that_of_the_sender_whatever_is_lost_or_overtaken(order: list[int]) -> None:
    assert result_of(order).ptime == 0.02


@pytest.mark.parametrize("ticks", [0, -160])
def test_timestamps_that_do_not_go_on_tell_no_packet_time(ticks: int) -> None:
    assert receive([(n, 10_000 + ticks * n, 0.02 * n) for n in range(60)]).result().ptime is None


def test_a_clock_that_stood_still_in_an_announced_pause_is_no_jitter() -> None:
    reception = Reception(7, RATE)
    for number in range(100):
        reception.add(number, PACKET * number, PACKET, 0.02 * number + (5 if number >= 90 else 0), begins=number == 90)
    assert reception.result().jumps == 1
    assert reception.result().peak_jitter == pytest.approx(0, abs=1e-9)


def test_a_marker_on_every_packet_hides_no_packet_time() -> None:
    reception = Reception(7, RATE)
    for number in range(100):
        reception.add(number, PACKET * number, PACKET, 0.02 * number, begins=True)
    assert reception.result().ptime == 0.02


def test_a_restart_begins_another_clock() -> None:
    packets = [(n, 160 * n, 0.02 * n) for n in range(400)]
    packets += [(30_000 + n, 9_000_000 + 160 * n, 0.02 * n) for n in range(400, 900)]
    result = receive(packets).result()
    assert result.restarts == 1
    assert result.drift == pytest.approx(0, abs=0.1)
