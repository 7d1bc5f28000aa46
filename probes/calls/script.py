"""What a test call is to do, as a value."""

from dataclasses import dataclass

from probes.destination import Destination
from sipcore.auth.choice import Account
from sipcore.message.address import Address

DEFAULT_RING_TIMEOUT = 30.0
"""Seconds of ringing after which the call is cancelled: six rings, as most people wait."""
DEFAULT_HOLD = 2.0
"""Seconds that an answered call is held: long enough for a 200 whose ACK was lost to come again (T1, 2·T1)."""
DEFAULT_CODECS = ("PCMU", "PCMA")
"""What every SIP endpoint with a connection to the telephone network speaks (RFC 3551 §4.5.14)."""


@dataclass(frozen=True, slots=True)
class CallScript:
    """One test call: where to, as whom, and how long. Times are in seconds."""

    destination: Destination
    caller: Address | None = None
    """From; None calls anonymously."""
    account: Account | None = None
    """Credentials for a challenge; they stay within the destination's realm."""
    ring_timeout: float = DEFAULT_RING_TIMEOUT
    hold: float = DEFAULT_HOLD
    codecs: tuple[str, ...] = DEFAULT_CODECS
