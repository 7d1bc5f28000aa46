"""G.711: the two laws by which eight bits carry a sample of 14 (µ) or 13 (A). ITU-T G.711, tables 1 and 2.

Samples are linear and signed, of 16 bits: a segment's value is moved up to fill them. Tables do all the work.
"""

from collections.abc import Sequence
from functools import cache

from sipcore.sdp.attributes import Codec
from sipcore.value import Member

RATE = 8000
"""Samples a second."""
_BIAS = 33
"""ITU-T G.711, table 2: the first µ-law segment begins 33 steps above zero, which makes all eight look alike."""
_MU_CLIP = 8159 - 1
"""ITU-T G.711, table 2: the largest magnitude, in units of the law."""


SILENCE = 160
"""The largest sample of what is called silence: about -45 dBm0, above the noise of an idle line."""


class Law(Member):
    """A companding law, by the name of its RTP encoding (RFC 3551 §4.5.14)."""

    PCMU = "PCMU"
    PCMA = "PCMA"

    @property
    def silence(self) -> int:
        """The byte for no sound."""
        return 0xFF if self is Law.PCMU else 0xD5

    def decode(self, payload: bytes) -> list[int]:
        """The samples of a payload."""
        return list(map(_decoded(self).__getitem__, payload))

    def encode(self, samples: Sequence[int]) -> bytes:
        """The payload of samples; those beyond 16 bits are taken for the largest there are."""
        table = _encoded(self)
        if samples and (max(samples) > 32767 or min(samples) < -32768):
            samples = [min(max(sample, -32768), 32767) for sample in samples]
        return bytes([table[(sample + 32768) >> 2] for sample in samples])

    def coarse(self, payload: bytes) -> bytes:
        """The samples' upper eight bits, offset by 128: enough to find a signal again, and fast to get."""
        return payload.translate(_coarse(self))

    def is_silent(self, payload: bytes) -> bool:
        """Whether no sample is larger than SILENCE."""
        return not payload.strip(_quiet(self))  # which stops at the first sound from either end


def law_of(codec: Codec) -> Law | None:
    """The law of a codec, where it is G.711."""
    name = codec.encoding.upper()
    return Law[name] if name in Law.__members__ and codec.clock_rate == RATE and codec.channels == 1 else None


def _mu_to_linear(byte: int) -> int:
    byte ^= 0xFF
    magnitude = ((2 * (byte & 15) + _BIAS) << (byte >> 4 & 7)) - _BIAS
    return -4 * magnitude if byte & 0x80 else 4 * magnitude


def _a_to_linear(byte: int) -> int:
    byte ^= 0x55
    segment, step = byte >> 4 & 7, 2 * (byte & 15) + 1
    magnitude = step if segment == 0 else (step + 32) << (segment - 1)
    return 8 * magnitude if byte & 0x80 else -8 * magnitude


def _linear_to_mu(sample: int) -> int:
    """One sample in steps of 4, which are the units of the law."""
    magnitude = min(abs(sample), _MU_CLIP) + _BIAS
    segment = magnitude.bit_length() - 6
    byte = segment << 4 | magnitude >> (segment + 1) & 15
    return byte ^ (0xFF if sample >= 0 else 0x7F)


def _linear_to_a(sample: int) -> int:
    """One sample in steps of 8, which are the units of the law; negative ones begin at -1, so that there is no zero."""
    magnitude = sample if sample >= 0 else ~sample
    segment = max(0, magnitude.bit_length() - 5)
    byte = segment << 4 | magnitude >> max(segment, 1) & 15
    return byte ^ (0xD5 if sample >= 0 else 0x55)


@cache
def _decoded(law: Law) -> tuple[int, ...]:
    to_linear = _mu_to_linear if law is Law.PCMU else _a_to_linear
    return tuple(map(to_linear, range(256)))


@cache
def _encoded(law: Law) -> bytes:
    """For each sample, in steps of 4 from the lowest, its byte."""
    if law is Law.PCMU:
        return bytes(map(_linear_to_mu, range(-8192, 8192)))
    return bytes(_linear_to_a(sample >> 1) for sample in range(-8192, 8192))


@cache
def _coarse(law: Law) -> bytes:
    return bytes((sample >> 8) + 128 for sample in _decoded(law))


@cache
def _quiet(law: Law) -> bytes:
    """The bytes of what is silence."""
    return bytes(byte for byte, sample in enumerate(_decoded(law)) if abs(sample) <= SILENCE)
