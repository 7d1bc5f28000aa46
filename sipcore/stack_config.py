"""What a stack is told once, when it is made."""

from typing import TYPE_CHECKING

from sipcore.dialogs.manner import METHODS, MIN_INTERVAL, Manner
from sipcore.errors import LocalError
from sipcore.grammar import require_safe
from sipcore.message.fields.parameterized import MAX_SECONDS
from sipcore.transactions.timers import Timers
from sipcore.value import value

if TYPE_CHECKING:
    from sipcore.sdp.attributes import Codec


@value
class StackConfig:
    """Who a stack says it is, what it can do, and what it leaves to its owner.

    Raises LocalError for names that cannot be sent, and session intervals that nobody may ask for.
    """

    timers: Timers = Timers()
    """T1, T2, T4 and what follows from them, in seconds (RFC 3261 Table 4)."""
    user: str = "sipcore"
    """The user part of its Contact, where a call has none of its own."""
    product: str = "sipcore"
    """Its name in User-Agent and Server; empty for none."""
    extensions: tuple[str, ...] = ("100rel", "replaces", "timer")
    """The option tags that are told to be supported (RFC 3261 §20.37), and accepted in Require."""
    methods: tuple[str, ...] = ()
    """Methods that the owner answers, besides those of `METHODS`: Allow names them all (RFC 3261 §20.5)."""
    passes_unknown: bool = False
    """Whether requests with other methods go to the owner all the same; they are answered 405 if not."""
    session_interval: int = 0
    """Seconds for which the session of a call lasts without a refresh (RFC 4028), MIN_INTERVAL at least; 0 leaves it to
    the peer to ask."""
    min_session_interval: int = MIN_INTERVAL
    """Seconds: calls that ask for a shorter session interval are refused with a 422."""
    answers_offers: bool = True
    """Whether an offer in a running call is answered out of what was agreed before; `CallOffered` tells it if not."""
    codecs: "tuple[Codec, ...]" = ()
    """Those that this side can speak: offered, besides what was agreed before, where a re-INVITE asks for an offer."""
    acknowledges: bool = True
    """Whether a reliable 1xx that answers a call's offer gets its PRACK at once; `CallProgress.waits` tells if not."""
    obeys_maddr: bool = True
    """Whether responses go to the `maddr` of a request's Via (RFC 3261 §18.2.2), by which its sender may name anybody;
    to the request's source if not."""
    tracing: bool = True
    """Whether what happens inside is told as TraceRecord; `Stack.tracing` may be changed at any time."""

    def __post_init__(self) -> None:
        require_safe(self.user, "the user of a Contact")
        several: tuple[object, ...] = (self.methods, self.extensions)
        for names in several:
            if isinstance(names, str):  # taken for several, it would be its letters
                raise LocalError(
                    f'{names!r} is one name, where several are wanted: ("{names}",)', section="RFC 3261 §25.1"
                )
        for seconds in (self.session_interval or MIN_INTERVAL, self.min_session_interval):
            if not MIN_INTERVAL <= seconds <= MAX_SECONDS:
                text = f"a session interval is {MIN_INTERVAL} s at least, and {MAX_SECONDS} s at most, not {seconds}"
                raise LocalError(text, section="RFC 4028 §4")
        _ = self.manner  # which looks at the rest

    @property
    def manner(self) -> Manner:
        """What calls need of this."""
        return Manner(
            timers=self.timers,
            methods=(*METHODS, *(method for method in self.methods if method not in METHODS)),
            extensions=self.extensions,
            product=self.product,
            interval=self.session_interval,
            min_interval=self.min_session_interval,
            answers_offers=self.answers_offers,
            codecs=self.codecs,
            acknowledges=self.acknowledges,
            obeys_maddr=self.obeys_maddr,
        )
