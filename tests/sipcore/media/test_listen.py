"""Finding the signal again, through what lines do to it; tones and silence."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.media.g711 import RATE, Law
from sipcore.media.listen import KEPT_SECONDS, Recording, correlate, listen
from sipcore.media.sound import SIGNAL_SAMPLES, Sweep, signal, tone

BEGAN = 1000.0
PACKET = 160


def record(law: Law, payload: bytes, delay: float = 0.0, loss: float = 0.0, first: int = 2**32 - 800) -> Recording:
    """A payload in packets, the first of which came so long after the signal began."""
    chance = random.Random(1)
    recording = Recording(law)
    for start in range(0, len(payload) - PACKET + 1, PACKET):
        at = BEGAN + delay + start / RATE + chance.random() * 0.003 * (start > 0)
        if chance.random() >= loss or not start:
            recording.add((first + start) & 0xFFFFFFFF, payload[start : start + PACKET], at)
    return recording


def louder(law: Law, payload: bytes, factor: float) -> bytes:
    return law.encode([round(sample * factor) for sample in law.decode(payload)])


def transcoded(payload: bytes) -> bytes:
    return Law.PCMA.encode(Law.PCMU.decode(payload))


@pytest.mark.parametrize("delay", [0.0, 0.0005, 0.12, 1.3])
@pytest.mark.parametrize("loss", [0.0, 0.2])
def test_an_echo_and_its_delay(delay: float, loss: float) -> None:
    heard = listen(record(Law.PCMU, signal(Law.PCMU) * 3, delay, loss), Law.PCMU, BEGAN)
    assert heard.echo is not None
    assert heard.echo.delay == pytest.approx(delay, abs=0.0003)
    assert heard.echo.share == 1.0
    assert heard.tones == ()


def test_an_echo_that_is_transcoded_and_quieter() -> None:
    payload = transcoded(louder(Law.PCMU, signal(Law.PCMU) * 2, 0.25))
    heard = listen(record(Law.PCMA, payload, 0.05), Law.PCMU, BEGAN)
    assert heard.echo is not None
    assert heard.echo.delay == pytest.approx(0.05, abs=0.0003)
    assert heard.echo.gain == pytest.approx(-12, abs=1.0)
    assert heard.echo.likeness > 0.9


def test_an_echo_under_noise() -> None:
    chance = random.Random(3)
    samples = [sample + chance.randrange(-4000, 4000) for sample in Law.PCMU.decode(signal(Law.PCMU) * 2)]
    heard = listen(record(Law.PCMU, Law.PCMU.encode(samples), 0.2), Law.PCMU, BEGAN)
    assert heard.echo is not None
    assert heard.echo.delay == pytest.approx(0.2, abs=0.0003)


def test_a_delay_that_changes() -> None:
    payload = signal(Law.PCMU) * 2
    jumped = payload[:16_000] + bytes([Law.PCMU.silence]) * 800 + payload[16_000:]
    heard = listen(record(Law.PCMU, jumped, 0.1), Law.PCMU, BEGAN)
    assert heard.echo is not None
    assert heard.echo.delays[0] == pytest.approx(0.1, abs=0.0003)
    assert heard.echo.delays[-1] == pytest.approx(0.2, abs=0.0003)


def noise() -> list[int]:
    chance = random.Random(2)
    return [chance.randrange(-8000, 8000) for _ in range(5 * RATE)]


@pytest.mark.parametrize("samples", [noise(), tone([440], 5), [0] * 5 * RATE], ids=["noise", "tone", "silence"])
def test_no_echo(samples: Sequence[int]) -> None:
    assert listen(record(Law.PCMU, Law.PCMU.encode(samples)), Law.PCMU, BEGAN).echo is None


@pytest.mark.parametrize(
    ("samples", "tones", "silence"),
    [
        ((tone([425], 0.5) + [0] * 4000) * 3, [((425,), 1.5)], 0.5),
        (tone([350, 440], 1.0) + tone([1004], 0.5), [((350, 440), 1.0), ((1004,), 0.5)], 0.0),
        ([8] * RATE, [], 1.0),
        (noise()[:RATE], [], 0.0),
    ],
)
def test_tones_and_silence(samples: list[int], tones: list[tuple[tuple[int, ...], float]], silence: float) -> None:
    heard = listen(record(Law.PCMA, Law.PCMA.encode(samples)), None, BEGAN)
    assert [frequencies for frequencies, _ in heard.tones] == [frequencies for frequencies, _ in tones]
    assert [seconds for _, seconds in heard.tones] == pytest.approx([seconds for _, seconds in tones])
    assert heard.silence == pytest.approx(silence)
    assert heard.echo is None


def test_only_the_last_is_kept() -> None:
    recording = record(Law.PCMU, bytes(2 * round(KEPT_SECONDS) * RATE))
    assert recording.size <= KEPT_SECONDS * RATE
    payload, start = recording.assemble()
    assert len(payload) <= KEPT_SECONDS * RATE
    assert start == pytest.approx(BEGAN + KEPT_SECONDS, abs=0.1)


def test_an_echo_after_timestamps_that_jump_is_placed_by_its_arrival() -> None:
    """As where a tone of early media is followed by an echo that goes on with the timestamps of the caller."""
    recording = Recording(Law.PCMU)
    early = Law.PCMU.encode(tone([425], 1.0))
    for start in range(0, len(early), PACKET):
        recording.add(start, early[start : start + PACKET], BEGAN + start / RATE)
    back = signal(Law.PCMU) * 2
    for start in range(0, len(back) - PACKET + 1, PACKET):
        recording.add(2473911464 + start, back[start : start + PACKET], BEGAN + 1.2 + start / RATE)
    heard = listen(recording, Law.PCMU, BEGAN + 1.1)
    assert heard.echo is not None
    assert heard.echo.delay == pytest.approx(0.1, abs=0.0003)


def test_timestamps_that_jump_do_not_fill_the_memory() -> None:
    recording = Recording(Law.PCMU)
    for timestamp in (0, 2**31 - 1, 2**31 + 5, 160):
        recording.add(timestamp, bytes(160), 0.0)
    assert len(recording.assemble()[0]) <= 320


def test_nothing_was_recorded() -> None:
    heard = listen(Recording(Law.PCMU), Law.PCMU, BEGAN)
    assert (heard.seconds, heard.silence, heard.tones, heard.echo) == (0.0, 0.0, (), None)


@given(st.binary(min_size=1, max_size=40), st.binary(min_size=1, max_size=12))
def test_correlation(long: bytes, short: bytes) -> None:
    long = long.ljust(len(short), b"\x80")
    expected = [
        sum((a - 128) * (b - 128) for a, b in zip(long[place:], short, strict=False))
        for place in range(len(long) - len(short) + 1)
    ]
    assert correlate(long, short) == expected


@pytest.mark.parametrize("sweep", list(Sweep))
def test_what_one_side_plays_is_no_echo_of_the_other(sweep: Sweep) -> None:
    recording = record(Law.PCMU, signal(Law.PCMU, sweep) * 3, 0.1)
    for expected in Sweep:
        echo = listen(recording, Law.PCMU, BEGAN, expected).echo
        assert (echo is not None) == (expected is sweep)


def test_a_period_is_as_long_as_it_says() -> None:
    heard = listen(record(Law.PCMU, signal(Law.PCMU) * 2, SIGNAL_SAMPLES / RATE + 0.1), Law.PCMU, BEGAN)
    assert heard.echo is not None
    assert heard.echo.delay == pytest.approx(0.1, abs=0.0003)
