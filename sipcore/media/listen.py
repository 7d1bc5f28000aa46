"""What comes back: kept for a while, and then listened to for the known signal, for tones and for silence.

Correlation is a multiplication of two large whole numbers whose digits are the samples, which Python does by itself in
a thousandth of the time that a loop over them would take. All of it may still take 0.3 s, and is done in steps of some
2 ms, so that who has other things to do may do them in between.
"""

import math
import struct
from collections import deque
from collections.abc import Generator, Iterator
from functools import cache
from itertools import accumulate
from operator import add, mul, sub
from typing import TypeAlias, TypeVar

from sipcore.media.g711 import RATE, Law
from sipcore.media.sound import SIGNAL_SAMPLES, Sweep, signal
from sipcore.value import value

KEPT_SECONDS = 10.0
"""Of each stream: five periods of the signal, in 80 kB."""
MAX_SHIFT = 5.0
"""Seconds between what a timestamp says and when its packet came, from which on the timestamps have jumped: no network
holds packets back for so long, and who begins to send something else may begin at any number (RFC 3550 §5.1)."""
WINDOW = RATE // 2
"""Samples that are looked for in the signal at once: a delay that changes is told half a second apart."""
THINNING = 2
"""Every which sample is used for it: the signal stays below the 2 kHz that are left."""
PIECE = 1024
"""Places that are looked at in one step: what that takes is a packet's delay for every other call."""
MAX_MISSES = 8
"""Windows in a row without it after which the rest is not searched, each of which takes 20 ms."""
LIKENESS = 0.5
"""From which correlation on the signal is there: half lost, it is still above it; noise and speech stay below 0.2."""
BLOCK = RATE // 10
"""Samples of which a tone is told: 100 ms, a third of the shortest burst of a busy tone."""
TONE_SHARE = 0.75
"""How much of a block's power its tones must have."""
TONES = (350, 400, 425, 440, 450, 480, 620, 950, 1004, 1400, 1800)
"""Hz: those of call progress (ITU-T E.180, supplement 2), and of a milliwatt line."""


T = TypeVar("T")
Steps: TypeAlias = Generator[None, None, T]
"""Work that is done step by step, and its result."""


@value
class Echo:
    """The known signal, as it came back: after how many seconds, how loud (in dB against what was sent), how alike.

    `delays` are those of each half second in which it was found, `share` is how many of them those are. A delay is
    known but for whole periods of the signal (SIGNAL_SAMPLES).
    """

    delay: float
    gain: float
    likeness: float
    share: float
    delays: tuple[float, ...]


@value
class Heard:
    """What a recording holds: how much of it is silence, which tones (as frequencies, with their seconds), the echo."""

    seconds: float
    silence: float
    tones: tuple[tuple[tuple[int, ...], float], ...]
    echo: Echo | None


class Recording:
    """The last KEPT_SECONDS of a stream in G.711, or made that (`voice`), whose timestamps tick at `clock_rate`."""

    def __init__(self, law: Law, clock_rate: int = RATE) -> None:
        self.law = law
        self._clock_rate = clock_rate
        self._packets: deque[tuple[int, bytes, float]] = deque()
        self.size = 0
        """Samples that are kept."""

    def add(self, timestamp: int, payload: bytes, at: float) -> None:
        """Keep a packet that came `at`."""
        self._packets.append((timestamp, payload, at))
        self.size += len(payload)
        while self.size > KEPT_SECONDS * RATE:
            self.size -= len(self._packets.popleft()[1])

    def assemble(self) -> tuple[bytes, float]:
        """The payload in order, with silence where packets are missing; and when its beginning came, in seconds.

        That is the least time that any packet allows, so that what jitter added to the others does not count.
        """
        if not self._packets:
            return b"", 0.0
        limit = round(2 * KEPT_SECONDS * RATE)
        places = [place for place in self._places() if 0 <= place[0] <= limit]
        whole = bytearray([self.law.silence]) * max(offset + len(payload) for offset, payload, _ in places)
        for offset, payload, _ in places:
            whole[offset : offset + len(payload)] = payload
        return bytes(whole), min(at - offset / RATE for offset, _, at in places)

    def _places(self) -> Iterator[tuple[int, bytes, float]]:
        """Each packet's first sample by its timestamp, counted from the first packet's; by its time after a jump."""
        begin, base, began = 0, self._packets[0][0], self._packets[0][2]
        for timestamp, payload, at in self._packets:
            ticks = (timestamp - base + 0x80000000 & 0xFFFFFFFF) - 0x80000000
            if abs(ticks / self._clock_rate - (at - began)) > MAX_SHIFT:
                begin += round((at - began) * RATE)
                base, began, ticks = timestamp, at, 0
            yield begin + ticks * RATE // self._clock_rate, payload, at


def finished(steps: Steps[T]) -> T:
    """The result of all steps, one after the other."""
    while True:
        try:
            next(steps)
        except StopIteration as stopped:
            result: T = stopped.value
            return result


def listen(recording: Recording, sent: Law | None, began: float, sweep: Sweep = Sweep.CALLER) -> Heard:
    """All of `listening` at once."""
    return finished(listening(recording, sent, began, sweep))


def listening(recording: Recording, sent: Law | None, began: float, sweep: Sweep = Sweep.CALLER) -> Steps[Heard]:
    """What a recording holds; `sent` is the law in which the known signal `sweep` was sent, from `began` on."""
    payload, start = recording.assemble()
    yield
    quiet = [recording.law.is_silent(payload[place : place + BLOCK]) for place in range(0, len(payload), BLOCK)]
    echo = None
    if sent is not None:
        echo = yield from finding_signal(recording.law, payload, start, (sent, sweep), began)
    tones: tuple[tuple[tuple[int, ...], float], ...] = ()
    if echo is None:
        tones = yield from finding_tones(recording.law, payload)
    silence = sum(quiet) / len(quiet) if quiet else 0.0
    return Heard(len(payload) / RATE, silence, tones, echo)


def finding_signal(law: Law, payload: bytes, start: float, sent: tuple[Law, Sweep], began: float) -> Steps[Echo | None]:
    """The known signal in a payload whose beginning came at `start`, when it was sent from `began` on."""
    reference = sent[0].coarse(signal(*sent))[::THINNING]
    period, size = len(reference), WINDOW // THINNING
    reference += reference[:size]
    heard = law.coarse(payload)[::THINNING]
    found: list[tuple[float, float, float]] = []
    expected = misses = 0
    for place in range(0, len(heard) - size + 1, size):
        yield
        window = heard[place : place + size]
        at, likeness, gain = expected, *likeness_of(reference[expected : expected + size], window)
        if likeness < LIKENESS:  # the delay has changed, or this is the first
            at, likeness, gain = yield from matching(reference, window)
            misses += 1
        if likeness >= LIKENESS:
            misses = 0
            behind = start - began + (place - at) * THINNING / RATE
            found.append((behind % (SIGNAL_SAMPLES / RATE), likeness, gain))
            expected = at
        elif misses == MAX_MISSES:
            break
        expected = (expected + size) % period
    if not found:
        return None
    delays = sorted(delay for delay, _, _ in found)
    loudness = sum(gain for _, _, gain in found) / len(found)
    return Echo(
        delays[len(delays) // 2],
        20 * math.log10(loudness),
        sum(likeness for _, likeness, _ in found) / len(found),
        len(found) / (len(heard) // size),
        tuple(delay for delay, _, _ in found),
    )


def likeness_of(reference: bytes, window: bytes) -> tuple[float, float]:
    """How alike two pieces of coarse samples are, from 0 to 1, and how loud the second is against the first."""
    sent, came = [sample - 128 for sample in reference], [sample - 128 for sample in window]
    product, energy, own = sum(map(mul, sent, came)), sum(map(mul, sent, sent)), sum(map(mul, came, came))
    if product <= 0:
        return 0.0, 0.0
    return product / math.sqrt(energy * own), product / energy


def matching(reference: bytes, window: bytes) -> Steps[tuple[int, float, float]]:
    """Where in `reference` the `window` is most alike, how alike from 0 to 1, and how loud it is against that.

    Both are coarse samples (`Law.coarse`).
    """
    size, best = len(window), (-1.0, 0)
    halves = ((0, window[: size // 2]), (size // 2, window[size // 2 :]))
    for first in range(0, len(reference) - size + 1, PIECE):
        piece = reference[first : first + PIECE + size - 1]
        count = len(piece) - size + 1
        products = [0] * count
        for begin, half in halves:
            part = correlate(piece[begin : begin + count + len(half) - 1], half)
            products = list(map(add, products, part))
            yield
        squares = [0, *accumulate((sample - 128) ** 2 for sample in piece)]
        energies = map(sub, squares[size:], squares)
        scores = [
            product * product / energy if product > 0 and energy else 0.0
            for product, energy in zip(products, energies, strict=True)
        ]
        place = max(range(count), key=scores.__getitem__)
        best = max(best, (scores[place], -first - place))  # of equal ones the first
    place = -best[1]
    return place, *likeness_of(reference[place : place + size], window)


def correlate(long: bytes, short: bytes) -> list[int]:
    """For each place at which `short` fits into `long`, the sum of their samples' products (coarse: less 128 each).

    At most 66,051 samples are short: 255² times as many fit into the 32 bits that each sum has.
    """
    size = len(short)
    wide, narrow = bytearray(4 * len(long)), bytearray(4 * size)
    wide[::4], narrow[::4] = long, short[::-1]
    product = int.from_bytes(wide, "little") * int.from_bytes(narrow, "little")
    count = len(long) + size
    sums = struct.unpack(f"<{count}I", product.to_bytes(4 * count, "little"))[size - 1 : len(long)]
    running = [0, *accumulate(long)]
    offset = 128 * 128 * size - 128 * sum(short)
    return [
        total - 128 * (after - before) + offset
        for total, after, before in zip(sums, running[size:], running, strict=False)
    ]


def finding_tones(law: Law, payload: bytes) -> Steps[tuple[tuple[tuple[int, ...], float], ...]]:
    """The tones of TONES in a payload, one or two at a time, and for how many seconds each, the longest first."""
    found: dict[tuple[int, ...], float] = {}
    for start in range(0, len(payload) - BLOCK + 1, BLOCK):
        block = payload[start : start + BLOCK]
        if not law.is_silent(block) and (tone := _tone_of(law.decode(block))):
            found[tone] = found.get(tone, 0.0) + BLOCK / RATE
        yield
    return tuple(sorted(found.items(), key=lambda item: -item[1]))


@cache
def _waves(frequency: int) -> tuple[list[float], list[float]]:
    """A block of the cosine and the sine of a frequency."""
    phases = [2 * math.pi * frequency * index / RATE for index in range(BLOCK)]
    return list(map(math.cos, phases)), list(map(math.sin, phases))


def _tone_of(samples: list[int]) -> tuple[int, ...]:
    """The one or two frequencies that make up a block; none for anything else."""
    total = sum(map(mul, samples, samples)) * len(samples) / 2
    if not total:
        return ()
    shares = []
    for frequency in TONES:
        cosine, sine = _waves(frequency)
        real, imaginary = sum(map(mul, samples, cosine)), sum(map(mul, samples, sine))
        shares.append(((real * real + imaginary * imaginary) / total, frequency))
    shares.sort(reverse=True)
    (first, lower), (second, upper) = shares[0], shares[1]
    if first >= TONE_SHARE:
        return (lower,)
    apart = abs(lower - upper) >= RATE // BLOCK * 2  # nearer ones share their power in a block so short
    return tuple(sorted((lower, upper))) if first + second >= TONE_SHARE and second > first / 8 and apart else ()
