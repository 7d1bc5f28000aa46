"""What a test call is to do, as a value: whom to call and as whom, with which media, for how long, to which end."""

import math
from dataclasses import replace
from enum import Enum

from probes.calls.expect import Expectation
from probes.calls.headers import require_header
from probes.calls.number import NumberFormat, reformatted, require_callable
from probes.destination import Destination
from sipcore.auth.choice import Account
from sipcore.dialogs.manner import MIN_INTERVAL
from sipcore.errors import LocalError, quoted
from sipcore.media.dtmf import KEYS
from sipcore.media.plan import LEAST_PTIME, MOST_PTIME
from sipcore.media.terms import Encryption, Keying, Wishes
from sipcore.media.voice import packet_time, require_spoken
from sipcore.message.address import Address
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Hop
from sipcore.sdp.codecs import codecs_named
from sipcore.stack_config import StackConfig
from sipcore.value import value

DEFAULT_RING_TIMEOUT = 30.0
"""Seconds of ringing after which the call is cancelled: six rings, as most people wait."""
DEFAULT_HOLD = 2.0
"""Seconds that an answered call is held: long enough for a 200 whose ACK was lost to come again (T1, 2·T1)."""
DEFAULT_CODECS = ("PCMU", "PCMA")
"""What every SIP endpoint with a connection to the telephone network speaks (RFC 3551 §4.5.14)."""
MAX_HOLD = 600.0
"""Seconds after which an answered call is hung up unless its script allows more by name: somebody pays for it."""
MAX_DIGITS = 64
"""Digits that are sent: more than any menu asks for."""
DIGIT_SECONDS = 0.32
"""What a digit takes: its tone, the end told three times, and the pause behind it."""
PRIVACY = ("header", "session", "user", "id", "history", "none", "critical")
"""What Privacy may ask for (RFC 3323 §4.2, RFC 3325 §9.3, RFC 7044 §7.2)."""
MAX_INTERVAL = 2**32 - 1
"""Seconds of a session: delta-seconds have 32 bits at the most (RFC 3261 §25.1, RFC 4028 §4)."""
RELIABLE = "100rel"


class Reliable(Enum):
    """Whether provisional responses may be acknowledged (RFC 3262)."""

    OFF = "off"
    ON = "on"
    REQUIRED = "required"


class Ends(Enum):
    """Who is to hang up."""

    US = "us"
    THEM = "them"


@value
class CallScript:
    """One test call. Times are in seconds. Raises LocalError for one that cannot be, or must not be, carried out."""

    destination: Destination
    """Whom to call, and where."""
    caller: Address | None = None
    """From; None calls anonymously."""
    account: Account | None = None
    """Credentials for a challenge; they stay within the destination's realm."""
    ring_timeout: float = DEFAULT_RING_TIMEOUT
    """After so long without an answer it is cancelled."""
    hold: float = DEFAULT_HOLD
    """How long an answered call is held, or at least as long as the digits take."""
    codecs: tuple[str, ...] = DEFAULT_CODECS
    """Names, in the order in which they are offered. G722 and opus take the extra `media`; G729 carries silence."""
    number_format: NumberFormat = NumberFormat.AS_GIVEN
    """How international numbers stand in the Request-URI, To and From."""
    asserted: Address | None = None
    """P-Asserted-Identity (RFC 3325 §9.1)."""
    privacy: tuple[str, ...] = ()
    """Some of PRIVACY."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further header fields of the INVITE."""
    reliable: Reliable = Reliable.ON
    """Whether 1xx may be, or have to be, acknowledged by PRACK."""
    session_interval: int = 0
    """For how long the session is to last without a refresh (RFC 4028); 0 does not ask for it."""
    early_media: bool = True
    """Whether media flows before the answer where a 1xx describes it; if not, what comes early is kept until then."""
    encryption: Encryption = Encryption.DISABLE
    """Whether SRTP is offered."""
    keying: Keying = Keying.SDES
    """How keys are offered."""
    ice: bool = False
    """Whether the checks of a peer that does ICE are answered (RFC 8445 §2.5)."""
    ptime: float = 20
    """Milliseconds of sound in each packet, unless the peer wishes otherwise."""
    digits: str = ""
    """Keys to send once the call is answered (RFC 4733)."""
    hangs_up: Ends = Ends.US
    """Who is to end the answered call."""
    expect: Expectation | None = None
    """How it is to end, for `CallResult.unmet` to tell whether it has."""
    allowed: frozenset[str] = frozenset()
    """Kinds of numbers that are called although they usually are not: `emergency`, `premium`."""
    longest: float = MAX_HOLD
    """Seconds after which an answered call is hung up in any case."""

    def __post_init__(self) -> None:
        codecs = codecs_named(self.codecs)  # which raises for unknown ones
        require_spoken(codecs)
        if not self.codecs:
            raise LocalError("a call needs a codec to offer", section="RFC 3264 §5.1")
        self._check_times()
        require_ptime(self.ptime)
        for codec in codecs:
            if packet_time(codec, self.ptime / 1000) * 1000 != self.ptime:
                text = f"no packets of {codec.encoding} with {self.ptime:g} ms are made here; 20 ms always are"
                raise LocalError(text, section="RFC 3551 §4.2")
        require_digits(self.digits)
        for wish in self.privacy:
            if wish not in PRIVACY:
                raise LocalError(
                    f"Privacy knows no {quoted(wish)}; choose from {', '.join(PRIVACY)}", section="RFC 3323 §4.2"
                )
        for header in self.headers:
            require_header(*header)
        if self.destination.user:
            require_callable(self.destination.user, self.allowed, self.number_format)

    def _check_times(self) -> None:
        for seconds in (self.ring_timeout, self.hold, self.longest):
            if not 0 <= seconds < math.inf:
                raise LocalError(f"{seconds:g} s is no time that a call can take", section="RFC 3261 §13.2.1")
        if self.hold > self.longest:
            raise LocalError(
                f"{self.hold:g} s is longer than a call may last: {self.longest:g} s", section="RFC 3261 §15"
            )
        if self.session_interval and not MIN_INTERVAL <= self.session_interval <= MAX_INTERVAL:
            raise LocalError(
                f"a session lasts {MIN_INTERVAL} s at least, and {MAX_INTERVAL} s at most", section="RFC 4028 §4"
            )

    def uri(self, hop: Hop) -> SipUri:
        """The Request-URI of a call over `hop`."""
        return reformatted(self.destination.uri(hop.transport, hop.remote), self.number_format)

    @property
    def sender(self) -> Address | None:
        """From; None for an anonymous call."""
        caller = self.caller
        if caller is None or not isinstance(caller.uri, SipUri):
            return caller
        return replace(caller, uri=reformatted(caller.uri, self.number_format), spec="")

    @property
    def fields(self) -> tuple[tuple[str, object], ...]:
        """The header fields of the INVITE that are the script's."""
        told: list[tuple[str, object]] = []
        if self.asserted is not None:
            told.append(("P-Asserted-Identity", self.asserted))
        if self.privacy:
            told.append(("Privacy", ";".join(self.privacy)))
        if self.reliable is Reliable.REQUIRED:
            told.append(("Require", RELIABLE))
        return (*told, *self.headers)

    @property
    def wishes(self) -> Wishes:
        """What is offered of media."""
        return Wishes(codecs_named(self.codecs), self.encryption, self.keying, self.ptime, self.ice)

    @property
    def talk_time(self) -> float:
        """Seconds after which an answered call is hung up here: with digits, a second after the last of them."""
        if self.hangs_up is Ends.THEM:
            return self.longest
        dialling = DIGIT_SECONDS * len(self.digits) + 1.0 if self.digits else 0.0
        return min(max(self.hold, dialling), self.longest)

    def stack(self, config: StackConfig) -> StackConfig:
        """What the engine has to be told of the script."""
        extensions = tuple(each for each in config.extensions if each != RELIABLE)
        if self.reliable is not Reliable.OFF:
            extensions = (RELIABLE, *extensions)
        return replace(config, extensions=extensions, session_interval=self.session_interval or config.session_interval)


def require_ptime(ptime: float) -> None:
    """Raise LocalError for milliseconds that no packet can bring."""
    if not LEAST_PTIME <= ptime / 1000 <= MOST_PTIME:
        least, most = 1000 * LEAST_PTIME, 1000 * MOST_PTIME
        raise LocalError(f"a packet cannot bring {ptime:g} ms; {least:g} to {most:g} can be", section="RFC 3551 §4.2")


def require_digits(digits: str) -> None:
    """Raise LocalError for keys that cannot be sent."""
    if len(digits) > MAX_DIGITS or not set(digits.upper()) <= set(KEYS):
        raise LocalError(f"digits are up to {MAX_DIGITS} of {KEYS}", section="RFC 4733 §3.2")
