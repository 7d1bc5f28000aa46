"""The codecs that can be offered and accepted, by name."""

from collections.abc import Sequence

from sipcore.errors import LocalError
from sipcore.sdp.attributes import G722, G729, PCMA, PCMU, Codec

CODECS: dict[str, Codec] = {
    "PCMU": PCMU,
    "PCMA": PCMA,
    "G722": G722,
    "G729": G729,
    "opus": Codec(96, "opus", 48000, 2),
}
"""Those of RFC 3551 with a payload type of their own, and opus (RFC 7587 §7)."""


def codecs_named(names: Sequence[str]) -> tuple[Codec, ...]:
    """The codecs of these names, in any case, each once. Raises LocalError, which says what there is."""
    known = {name.lower(): codec for name, codec in CODECS.items()}
    for name in names:
        if name.lower() not in known:
            raise LocalError(f"there is no codec {name}; choose from {', '.join(CODECS)}", section="RFC 3551 §6")
    return tuple(dict.fromkeys(known[name.lower()] for name in names))
