"""How good a call would sound: an estimate by the E-model. ITU-T G.107, with the codecs' values of G.113, appendix I.

It is an estimate: what is not measured (noise, echo at the far end, loudness) has the default values of G.107, losses
are taken to fall at random, and the receiver to conceal them and to hold back twice the jitter.

Wideband codecs have the wideband model (G.107.1) and a scale of their own: that of people who know wideband sound, to
whom G.711 is worth 3.7 and not 4.4, so that scores of the two scales must not be compared. The robustness of G.722
against loss, and all values of Opus, are assumptions made here.
"""

import math

from sipcore.value import value

BASIC = 93.2
"""R with all default values (ITU-T G.107 §7.7): what is left of 100 for a call without any impairment."""
WIDEBAND_BASIC = 129.0
"""The same of the wideband model (ITU-T G.107.1 §7.7), whose scale goes that much further."""


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

WIDEBAND_CODECS = {
    "G722": Impairments(13, 4.3),
    "OPUS": Impairments(8, 10.0),
}
"""The impairment of G.722 at 64 kbit/s is that of ITU-T G.113, appendix IV. A receiver of it is taken to conceal loss
badly; Opus, for which there are no values, to be as good as a high rate of AMR-WB, and to conceal as GSM is taken to.
"""


def rating(codec: str, *, loss: float, delay: float, jitter: float = 0.0) -> float | None:
    """The rating R, from 0 to BASIC, or WIDEBAND_BASIC. None for a codec that the models have no values for.

    `loss` is a share from 0 to 1, `delay` one way and `jitter` are in seconds.
    """
    wideband = WIDEBAND_CODECS.get(codec.upper())
    impairments = wideband or CODECS.get(codec.upper())
    if impairments is None:
        return None
    percent = 100 * min(max(loss, 0.0), 1.0)
    spread = percent + impairments.robustness
    effective = impairments.equipment + (95 - impairments.equipment) * percent / spread
    basic = BASIC if wideband is None else WIDEBAND_BASIC
    return max(0.0, basic - _delay_impairment(delay + 2 * jitter) - effective)


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
    if r is None:
        return None
    return opinion(r * 100 / WIDEBAND_BASIC if is_wideband(codec) else r)  # G.107.1: the same curve, stretched


def is_wideband(codec: str) -> bool:
    """Whether the score of a codec is one of the wideband scale."""
    return codec.upper() in WIDEBAND_CODECS


def _delay_impairment(delay: float) -> float:
    """Idd for an absolute one-way delay in seconds (ITU-T G.107 §7.5, with the default sensitivity)."""
    if delay <= 0.1:
        return 0.0
    doublings = math.log2(delay / 0.1)
    return 25 * float((1 + doublings**6) ** (1 / 6) - 3 * (1 + (doublings / 3) ** 6) ** (1 / 6) + 2)
