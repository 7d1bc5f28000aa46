"""A trunk as its operator describes it: by which routes it is reached, and how it is watched."""

import math
from dataclasses import field

from probes.calls.script import CallScript
from probes.destination import Destination
from probes.health.terms import Kind
from probes.registration.plan import RegistrationProbe
from sipcore.errors import LocalError
from sipcore.outgoing import SERVICE_UNAVAILABLE
from sipcore.transports.base import TlsConfig
from sipcore.value import value

DEFAULT_INTERVAL = 60.0
"""Seconds from one check of a route to the next: what SBCs have as their usual keep-alive."""
DEFAULT_RETRY = 10.0
"""Seconds from a failed check to the next one: five of them tell within a minute that a route is down."""
DEFAULT_TIMEOUT = 4.0
"""Seconds for each check, as discovery has it: four requests by then over UDP."""
DEFAULT_MISSES = 5
"""Checks in a row that have to fail before a route counts as down: fewer tell of every restart and lost datagram."""
DEFAULT_RECOVERIES = 2
"""Checks in a row that have to succeed before a route that was down counts as up."""
DEFAULT_CALL_MISSES = 2
"""Test calls in a row that have to fail before a route counts as down: one may have met a busy line."""
DEFAULT_CERTIFICATE_DAYS = 14.0
"""Days before the end of a certificate from which on it is told: a fortnight is what most renewals by hand take."""
DEFAULT_REFUSALS = (SERVICE_UNAVAILABLE,)
"""Who says that it takes no calls at the moment gets none while there is another route (RFC 3261 §21.5.4)."""
DEFAULT_CALL_INTERVAL = 3600.0
"""Seconds from one test call to the next: calls ring somewhere, and somebody pays for them."""
DEFAULT_REGISTRATION_INTERVAL = 600.0
"""Seconds from one test of a registration to the next: of a PBX that registers for an hour it is told within minutes
that it no longer does."""
DEFAULT_REGISTRATION_MISSES = 2
"""Tests of a registration in a row that have to fail before a route counts as down: a PBX that restarts is away for as
long as that takes."""
LEAST_INTERVAL = 1.0
"""Seconds: who asks more often is not watching but loading."""
LEAST_CALL_INTERVAL = 60.0
"""Seconds between two test calls over one route, at least."""
LEAST_REGISTRATION_INTERVAL = 10.0
"""Seconds between two tests of one registration, at least: registrars take who asks more often for an attack."""


class WatchError(LocalError):
    """Trunks that cannot be watched as they are described."""

    def __init__(self, message: str) -> None:
        super().__init__(message, section="RFC 3261 §11")


@value
class Rules:
    """How the routes of a trunk are watched. Times are in seconds. Raises WatchError for what cannot be."""

    interval: float = DEFAULT_INTERVAL
    """From one check to the next while all is well."""
    retry: float = DEFAULT_RETRY
    """From one check to the next while a route is in doubt, no longer than `interval`."""
    timeout: float = DEFAULT_TIMEOUT
    """Until a check is given up. Where DNS names several places, a check goes on to the next one after silence, a
    failure or a 503 (RFC 3263 §4.3), and each has an equal share of what is left. DNS has as long before that; and
    what is silent over a connection that was kept is asked again over a new one, for as long.
    """
    misses: int = DEFAULT_MISSES
    """OPTIONS in a row by whose failure a route is down."""
    recoveries: int = DEFAULT_RECOVERIES
    """Good OPTIONS in a row by which a route that was down is up again. Of test calls one is enough."""
    call_misses: int = DEFAULT_CALL_MISSES
    """Test calls in a row by whose failure a route is down, whatever OPTIONS say."""
    slow: float = 0.0
    """A round trip from which on an answer is poor; 0 for any that comes in time."""
    refusals: tuple[int, ...] = DEFAULT_REFUSALS
    """Final statuses by which a route is as good as down; who names others, 403 for example, names 503 as well. Any
    other status tells that somebody is alive there (405 and 404 included), and a 503 that is not among them is poor:
    for servers that answer OPTIONS so, and take calls all the same.
    """
    certificate_days: float = DEFAULT_CERTIFICATE_DAYS
    """Days before the end of a certificate from which on the route is poor; 0 does not look."""
    call_interval: float = DEFAULT_CALL_INTERVAL
    """From one test call to the next, where the trunk has one."""
    registration_misses: int = DEFAULT_REGISTRATION_MISSES
    """Tests of a registration in a row by whose failure a route is down, whatever else says."""
    registration_interval: float = DEFAULT_REGISTRATION_INTERVAL
    """From one test of a registration to the next, where the trunk has one."""
    fails_back: bool = True
    """Whether calls return by themselves to a better route that is up again; if not, when somebody says so."""

    def __post_init__(self) -> None:
        if not LEAST_INTERVAL <= self.interval < math.inf:
            raise WatchError(f"an interval of {self.interval:g} s: give {LEAST_INTERVAL:g} s or more")
        if not 0 < self.timeout < math.inf:
            raise WatchError(f"a timeout of {self.timeout:g} s: give more than 0")
        if not LEAST_INTERVAL <= self.retry <= self.interval:
            text = f"{self.retry:g} s between checks of a route in doubt: give {LEAST_INTERVAL:g} s to the interval"
            raise WatchError(f"{text}, {self.interval:g} s")
        if min(self.misses, self.recoveries, self.call_misses, self.registration_misses) < 1:
            raise WatchError("a route goes down and comes up by one check at the least")
        if not LEAST_CALL_INTERVAL <= self.call_interval < math.inf:
            text = f"a test call each {self.call_interval:g} s: give {LEAST_CALL_INTERVAL:g} s or more"
            raise WatchError(text)
        if not LEAST_REGISTRATION_INTERVAL <= self.registration_interval < math.inf:
            text = f"a registration tested each {self.registration_interval:g} s"
            raise WatchError(f"{text}: give {LEAST_REGISTRATION_INTERVAL:g} s or more")
        if not (0 <= self.slow < math.inf and 0 <= self.certificate_days < math.inf):
            raise WatchError("slow and certificate_days are 0 or more")
        for status in self.refusals:
            if not 200 <= status <= 699:
                raise WatchError(f"{status} is no final status")


@value
class Route:
    """One way to reach a trunk. It is checked by itself, at the place to which RFC 3263 leads at the time."""

    name: str
    """What people call it; unique within its trunk."""
    destination: Destination
    """Whom OPTIONS go to, and where."""
    tls: TlsConfig = field(default_factory=TlsConfig)
    """Which certificates are trusted, and which one is shown."""
    call: CallScript | None = None
    """The test call over this route, besides OPTIONS; None for none."""
    registration: RegistrationProbe | None = None
    """Who may register there, or has to be registered, which is tested likewise; None for nobody."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """How it is checked."""
        beside = ((Kind.CALL, self.call), (Kind.REGISTRATION, self.registration))
        return (Kind.OPTIONS, *(kind for kind, what in beside if what is not None))


@value
class Trunk:
    """A trunk. Calls take the first of its routes, and while that is down the best of the others that is up. Raises
    WatchError for one that cannot be watched.
    """

    name: str
    """What people call it; unique within a watch."""
    routes: tuple[Route, ...]
    """Best first; their names differ."""
    rules: Rules = Rules()
    """How all of them are watched."""
    title: str = ""
    """What people are told in place of the name, where that is a key; empty for the name."""

    def __post_init__(self) -> None:
        names = [route.name for route in self.routes]
        if not names:
            raise WatchError("a trunk needs a route")
        if len(set(names)) < len(names):
            raise WatchError("each route of a trunk needs a name of its own")
