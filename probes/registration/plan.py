"""What a test of a registration asks, one REGISTER after the other: RFC 3261 §10.2. Pure.

First who is registered, which changes nothing. Where nobody is, a contact of our own is registered for a moment and
removed again; where somebody is, that is left out unless it is wanted: of registrars that take one contact only, many
would remove the phone that is there, and it would not know.
"""

from collections.abc import Sequence
from enum import Enum

from probes.destination import Destination
from sipcore.auth.choice import Account
from sipcore.auth.session import AuthError
from sipcore.errors import LocalError, TransportFailure
from sipcore.message.address import Address
from sipcore.message.message import Response
from sipcore.message.registry import CONTACT, MIN_EXPIRES
from sipcore.registration.binding import is_same, read_or_none
from sipcore.registration.keeper import INTERVAL_TOO_BRIEF
from sipcore.value import value

DEFAULT_EXPIRES = 60
"""Seconds that are asked for: a contact that cannot be removed, as the way there may break, is soon gone by itself."""
MAX_EXPIRES = 86_400
"""Seconds that may be asked for: a contact that cannot be removed stays for as long."""
DEFAULT_TIMEOUT = 8.0
"""Seconds that each answer is waited for."""
MAX_TIMEOUT = 32.0
"""Seconds that it may be waited for: by then its transaction is over (Timer F, RFC 3261 §17.1.2.2)."""
MAX_LEAST = 3600
"""Seconds that a registrar may want at least (423): what cannot be removed stays no longer than a phone's contact."""
CANNOT_TELL = frozenset({400, 416, 420, 421, 488, 500, 501, 606})
"""Refusals of a REGISTER without Contact by which a registrar may mean that it cannot tell who is registered."""


class Step(Enum):
    """What one REGISTER is for."""

    ASK = "ask"
    """It has no Contact: the answer tells who is registered (§10.2.3)."""
    BIND = "register"
    """It adds a contact (§10.2.1)."""
    REMOVE = "remove"
    """It takes that back (§10.2.2)."""


@value
class RegistrationProbe:
    """Whom to register, where and with which credentials. Times are in seconds.

    Raises LocalError without a user, for an interval or a time that is none, and for what excludes each other.
    """

    destination: Destination
    """The address of record; with it, the registrar."""
    account: Account | None = None
    """Credentials for a challenge."""
    expires: int = DEFAULT_EXPIRES
    """How long the contact is to be registered, for which the registrar may have limits of its own."""
    asks_only: bool = False
    """Whether nothing is to be registered, only asked."""
    expects_contact: bool = False
    """Whether somebody has to be registered already, as a PBX or a phone that is to be reached: only that is asked."""
    beside: bool = False
    """Whether to register even where others are registered, or where the registrar does not tell."""
    timeout: float = DEFAULT_TIMEOUT

    def __post_init__(self) -> None:
        if not self.destination.user:
            raise LocalError("whom to register? give sip:user@host, or a user", section="RFC 3261 §10.2")
        if self.expects_contact and self.beside:
            text = "who expects somebody to be registered only asks, and registers nobody beside them: leave one out"
            raise LocalError(text, section="RFC 3261 §10.2.3")
        if not 1 <= self.expires <= MAX_EXPIRES:
            text = f"a contact is registered for a second at least and {MAX_EXPIRES} s at most, not {self.expires} s"
            raise LocalError(text, section="RFC 3261 §10.2.1.1")
        if not 0.0 < self.timeout <= MAX_TIMEOUT:
            text = f"an answer is waited for a time above 0 s and {MAX_TIMEOUT:g} s at most, not {self.timeout:g} s"
            raise LocalError(text, section="RFC 3261 §17.1.2.2")


@value
class Question:
    """One REGISTER: what it is for, and for how many seconds; 0 where nothing is to be registered."""

    step: Step
    expires: int = 0


@value
class Reply:
    """What came of a question after so many seconds: a final response, or a failure, or neither in time.

    `contact` is the one that it registered or removed, `authenticated` whether credentials went with it, and `failure`
    beside a 401 or 407 is why that was not answered.
    """

    question: Question
    took: float
    response: Response | None = None
    failure: TransportFailure | AuthError | None = None
    contact: Address | None = None
    authenticated: bool = False

    @property
    def is_success(self) -> bool:
        """Whether it was done."""
        return self.response is not None and self.response.is_success


def next_question(probe: RegistrationProbe, replies: Sequence[Reply]) -> Question | None:
    """What to ask next, given the replies so far; None when that is all."""
    if not replies:
        return Question(Step.ASK)
    last = replies[-1]
    match last.question.step:
        case Step.ASK:
            return Question(Step.BIND, probe.expires) if _may_bind(probe, last) else None
        case Step.BIND if not last.is_success and (least := least_of(last)) > last.question.expires:
            return Question(Step.BIND, least)
        case Step.BIND if last.is_success or last.response is None:  # without an answer it may have been done as well
            return Question(Step.REMOVE)
    return None


def least_of(reply: Reply) -> int:
    """The shortest interval that a 423 allows, in seconds (§10.2.8); 0 where it says none that is acceptable here."""
    if reply.response is None or reply.response.status != INTERVAL_TOO_BRIEF:
        return 0
    least = read_or_none(reply.response, MIN_EXPIRES)
    return least if isinstance(least, int) and least <= MAX_LEAST else 0


def contacts_in(reply: Reply) -> tuple[Address, ...]:
    """The contacts that a 2xx lists (§10.3 step 8); none where they cannot be read."""
    found = read_or_none(reply.response, CONTACT) if reply.response is not None and reply.is_success else ()
    return tuple(each for each in found if isinstance(each, Address)) if isinstance(found, tuple) else ()


def own_in(reply: Reply, contact: Address | None) -> Address | None:
    """The contact of our own as a 2xx lists it; None where it does not."""
    return next((each for each in contacts_in(reply) if contact is not None and is_same(each, contact)), None)


def _may_bind(probe: RegistrationProbe, asked: Reply) -> bool:
    """Whether a contact may be registered, after who is registered was asked."""
    if probe.asks_only or probe.expects_contact or asked.response is None:
        return False
    if asked.is_success:
        return probe.beside or not contacts_in(asked)
    return probe.beside and asked.response.status in CANNOT_TELL
