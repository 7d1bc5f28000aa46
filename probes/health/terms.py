"""The words in which health is told: what one check found, how a route is, and what changed."""

from enum import Enum

from probes.registration.judge import RegistrationReport
from probes.result import Attempt, CallResult
from sipcore.value import Member, value

CHANGED = "changed"
"""The reason of what is no check, but stands in the place of one: a route was changed, so that nothing is known of it.
"""


class Verdict(Enum):
    """What one check says about a route."""

    GOOD = "good"
    """It answers as it should."""
    POOR = "poor"
    """It answers, and something is wrong: it is slow, or its certificate ends soon."""
    SILENT = "silent"
    """Nothing came back, and nobody said why. Many drop OPTIONS, so at a route that has never answered it says nothing;
    at one that has answered before it is a failure."""
    BAD = "bad"
    """It is refused, unreachable, fails TLS, answers something that is no SIP or a status that counts as a refusal, or
    its test call or its registration failed."""
    OWN = "own"
    """The check could not be carried out, by a fault of this host: it says nothing about the route."""


class Kind(Enum):
    """How a route was checked."""

    OPTIONS = "OPTIONS"
    CALL = "call"
    REGISTRATION = "registration"


@value
class Due:
    """A check that is to be made, by the names of its `trunk` and `route`, and how (`kind`)."""

    trunk: str
    route: str
    kind: Kind


@value
class Check:
    """One check of one route, and what it found. `trunk` and `route` are names, `kind` how it was checked, `at` when
    that was begun, in seconds since 1970, and `verdict` what it says.
    """

    trunk: str
    route: str
    kind: Kind
    at: float
    verdict: Verdict
    reason: str
    """What it goes by, in one word for programs: `answered`, `slow`, `maintenance`, `certificate`, `place` (what comes
    first did not answer, another place did), `odd` (the answer is not final, or does not fit), `status`, `silent`,
    `refused`, `unreachable`, `tls`, `client-certificate`, `not-sip`, `name` (no address, or DNS does not tell it at the
    moment), `call`, `registration`, `nobody` (is registered, and somebody has to be), `own`, `changed`."""
    detail: str = ""
    """The same for people, with what to try where there is something."""
    status: int | None = None
    """The status of the final response, if one came."""
    rtt: float | None = None
    """The round trip in seconds; None without an answer, and where nobody knows which request was answered."""
    place: str = ""
    """Where it went: transport and address, as `tls 192.0.2.1:5061`; empty where there was no address."""
    certificate_ends: float | None = None
    """When the peer's certificate ends, in seconds since 1970; None where none was seen."""
    wait: float = 0.0
    """Seconds for which no OPTIONS are to be sent, since a 503 asks for that (Retry-After), as far as it is obeyed; 0
    where nothing asks."""
    attempt: Attempt | None = None
    """All about an OPTIONS; None for other checks, and for one that was stored."""
    call: CallResult | None = None
    """All about a test call, likewise."""
    registration: RegistrationReport | None = None
    """All about a test of a registration, likewise."""


class Health(Member):
    """How a route is, as far as its checks say."""

    UNCHECKED = "unchecked"
    """No check has said anything yet, or none since the route was changed."""
    UNKNOWN = "unknown"
    """It is silent and always was: it may be well and drop what it is asked with."""
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """It answers poorly, or failed of late, and not often enough to be down."""
    UNREACHABLE = "unreachable"
    """It is down: so many checks in a row failed as the rules say."""


@value
class Change:
    """The health of a route, by the names of its `trunk` and itself (`route`), changed by a `check`, from `before` to
    `after`; to UNCHECKED where somebody has changed the route (CHANGED). `at` is the check's own time, or that of the
    change before it where the check was begun earlier, as a test call is that takes long.
    """

    trunk: str
    route: str
    at: float
    before: Health
    after: Health
    since: float
    """When the state before had begun, in seconds since 1970; the same as `at` for the first."""
    check: Check


class SwitchCause(Enum):
    """Why calls take another route."""

    FAILOVER = "failover"
    """The route that they took is down, or no route of the trunk any more."""
    FAILBACK = "failback"
    """A better route is up again, or any at all."""
    BY_HAND = "by hand"
    """Somebody said so."""


@value
class Switch:
    """Calls of a `trunk` take another route from now on, `at` in seconds since 1970: `after` in the place of `before`,
    None where none was left that could be up; by hand it may be the one that they take already, which they are to keep
    then. `cause` is why.
    """

    trunk: str
    at: float
    before: str | None
    after: str | None
    cause: SwitchCause


Happening = Check | Change | Switch
"""What a watch tells, in this order for each check."""
