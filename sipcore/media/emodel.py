"""How good a call would sound: an estimate by the E-model. ITU-T G.107, with the codecs' values of G.113, appendix I.

It is an estimate: what is not measured (noise, echo at the far end, loudness) has the default values of G.107, losses
are taken to fall at random, and the receiver to conceal them and to hold back twice the jitter. Wideband codecs are
beyond the model.
"""

import math

from sipcore.value import value

BASIC = 93.2
"""R with all default values (ITU-T G.107 §7.7): what is left of 100 for a call without any impairment."""


@value
class Impairments:
    """A codec's `equipment` impairment (Ie) and its `robustness` against loss (Bpl): ITU-T G.113, appendix I."""

    equipment: float
    robustness: float


CODECS = {
    "PCMU": Impairments(0, 25.1),
    "PCMA": Impairments(0, 25.1),
    "G729": Impairments(11, 19.0),
    "G723": Impairments(15, 16.1),
    "GSM": Impairments(20, 10.0),
}
"""G.711 with the concealment of its appendix I, G.729A with voice activity detection, G.723.1 at 6.3 kbit/s.

GSM full rate has no value for its robustness: a low one is taken.
"""


def rating(codec: str, *, loss: float, delay: float, jitter: float = 0.0) -> float | None:
    """The rating R, from 0 to BASIC. None for a codec that the model has no values for.

    `loss` is a share from 0 to 1, `delay` one way and `jitter` are in seconds.
    """
    impairments = CODECS.get(codec.upper())
    if impairments is None:
        return None
    percent = 100 * min(max(loss, 0.0), 1.0)
    spread = percent + impairments.robustness
    effective = impairments.equipment + (95 - impairments.equipment) * percent / spread
    return max(0.0, BASIC - _delay_impairment(delay + 2 * jitter) - effective)


def opinion(r: float) -> float:
    """The mean opinion score, from 1 to 4.5, that a rating stands for (ITU-T G.107, annex B)."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)  # the formula falls below 1 before it rises


def estimate(codec: str, *, loss: float, delay: float, jitter: float = 0.0) -> float | None:
    """The mean opinion score, estimated; arguments and None as for `rating`."""
    r = rating(codec, loss=loss, delay=delay, jitter=jitter)
    return None if r is None else opinion(r)


def _delay_impairment(delay: float) -> float:
    """Idd for an absolute one-way delay in seconds (ITU-T G.107 §7.5, with the default sensitivity)."""
    if delay <= 0.1:
        return 0.0
    doublings = math.log2(delay / 0.1)
    return 25 * float((1 + doublings**6) ** (1 / 6) - 3 * (1 + (doublings / 3) ** 6) ** (1 / 6) + 2)
