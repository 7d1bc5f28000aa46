"""What people are told of a watch: alerts, by which rules they are told, and through which channels."""

import math
from dataclasses import field, replace
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlsplit

from probes.health.terms import Change, Check, Happening, Switch
from probes.health.trunk import WatchError
from probes.reach import PUBLIC, ReachPolicy
from probes.report.safe_text import printable
from probes.report.units import milliseconds, timestamp
from sipcore.errors import encodable
from sipcore.value import Member, value


class AlertKind(Member):
    """What an alert is about. All but the last three last for a time: they begin, and are over again."""

    ALL_DOWN = "all-down"
    """No route of a trunk is left that could be up."""
    DOWN = "down"
    """A route is down."""
    DEGRADED = "degraded"
    """A route has been degraded for long, and nothing more exact is told of it."""
    CALL = "call"
    """Test calls over a route fail."""
    REGISTRATION = "registration"
    """Nobody can register by a route, or nobody is who has to be."""
    FAILURE_RATE = "failure-rate"
    """Too many of a route's checks fail, and not in a row."""
    SLOW = "slow"
    """A route takes long to answer."""
    CERTIFICATE = "certificate"
    """The certificate of a route ends soon, or has ended."""
    FAILOVER = "failover"
    """Calls take another route, since theirs is down."""
    FAILBACK = "failback"
    """Calls take a better route again."""
    SWITCHED = "switched"
    """Calls take another route, since somebody said so."""


class Phase(Member):
    """Which part of an incident an alert tells."""

    BEGUN = "begun"
    LASTS = "lasts"
    """A reminder of what was told before."""
    ENDED = "ended"
    ONCE = "once"
    """It neither lasts nor ends: calls took another route."""


class Severity(Member):
    """How much an alert matters. The end of an incident matters as much as what was told of it."""

    INFO = "info"
    WARNING = "warning"
    """Calls still work, or most of them."""
    CRITICAL = "critical"
    """Calls fail, or are about to."""

    @property
    def rank(self) -> int:
        """The more, the worse."""
        return list(Severity).index(self)


@value
class Alert:
    """One thing to be told: of what `kind` it is, which `phase` of that, and its `severity` for the `trunk`. Times are
    in seconds since 1970.
    """

    id: str
    """The same for each repetition of this alert, and no other's."""
    incident: str
    """The same for the beginning, the reminders and the end of one incident, and no other's."""
    at: float
    """When it was told first."""
    since: float
    """When the trouble had begun."""
    until: float | None
    """When it was over; None while it lasts."""
    trunk: str
    route: str
    """Empty for what concerns the whole trunk."""
    kind: AlertKind
    phase: Phase
    severity: Severity
    text: str
    """All of it in one line, fit to be a short message or the subject of a mail."""
    lines: tuple[str, ...] = ()
    """The particulars: since when, what was seen, what calls do now, what to try."""
    active: str | None = None
    """The route that calls take now; None for none."""
    flapping: bool = False
    """Whether it comes and goes: it is told as over when it has stayed away for a while."""
    also: tuple[AlertKind, ...] = ()
    """What else this alert tells, so that nothing is told twice: a route that is down, and the failover because of it.
    """
    happening: Happening | None = None
    """What it was told by; None for a reminder, and for an alert that was stored."""
    title: str = ""
    """What people are told in place of the trunk's name, where that is a key."""


@value
class AlertRules:
    """When the troubles of a trunk are told. Raises WatchError for what cannot be."""

    unreachable_minutes: float = 0.0
    """For how long a route has to be down, or all of them; 0 tells at once. What is over before is not told."""
    degraded_minutes: float = 15.0
    """For how long a route has to be degraded; 0 does not tell."""
    failure_rate_percent: float = 0.0
    """From which part of a route's checks that fail it is told; 0 does not tell."""
    failure_rate_window_minutes: float = 60.0
    """Over how long that part is counted."""
    response_time_ms: float = 0.0
    """From which round trip on a route is slow; 0 for none."""
    response_time_checks: int = 3
    """How many checks in a row have to be slow, and how many have to be quick until it is over."""
    call_failures: int = 1
    """How many test calls in a row have to fail."""
    registration_failures: int = 1
    """How many tests of a registration in a row have to fail."""
    repeat_minutes: float = 0.0
    """After how long it is told again what still lasts; 0 does not. A certificate is told again as its end comes
    nearer, whatever this says; from when on it is told is `Rules.certificate_days`."""

    def __post_init__(self) -> None:
        numbers = {
            "unreachable_minutes": self.unreachable_minutes,
            "degraded_minutes": self.degraded_minutes,
            "response_time_ms": self.response_time_ms,
            "repeat_minutes": self.repeat_minutes,
        }
        for name, number in numbers.items():
            if not 0 <= number < math.inf:
                raise WatchError(f"{name} of {number:g}: give 0 or more")
        if not 0 <= self.failure_rate_percent <= 100:
            raise WatchError(f"a failure_rate_percent of {self.failure_rate_percent:g}: give 0 to 100")
        if not 1 <= self.failure_rate_window_minutes <= MAX_WINDOW_MINUTES:
            text = f"a failure_rate_window_minutes of {self.failure_rate_window_minutes:g}"
            raise WatchError(f"{text}: give 1 to {MAX_WINDOW_MINUTES:g}")
        if min(self.response_time_checks, self.call_failures, self.registration_failures) < 1:
            raise WatchError("response_time_checks, call_failures and registration_failures are 1 or more")
        if 0 < self.repeat_minutes < 1:
            raise WatchError(f"a repeat_minutes of {self.repeat_minutes:g}: give 1 or more, or 0 for no reminders")


MAX_WINDOW_MINUTES = 24 * 60.0
"""Over which failures are counted at most: each check of the time takes memory."""


@value
class WebhookChannel:
    """Alerts as JSON by HTTP POST to a URL, told of by its `name`. Raises WatchError for one that cannot be used."""

    name: str
    url: str = field(repr=False)
    """Where to; often a secret itself, so it is never shown."""
    secret: str = field(default="", repr=False)
    """What each request is signed with, so that its receiver knows who sent it; empty for no signature. After `whsec_`
    it is Base64, any other text is taken as it is."""
    kinds: tuple[AlertKind, ...] = ()
    """Which alerts; empty for all."""
    severity: Severity = Severity.INFO
    """How much an alert has to matter at the least."""
    allow_private: bool = False
    """Whether the receiver may be in a private network, or on this machine."""
    reach: ReachPolicy = PUBLIC
    """Which addresses it may have, where it may not."""
    ca_data: bytes = field(default=b"", repr=False)
    """Certificates in PEM that are trusted in place of the system's; empty for the system's."""
    trunks: tuple[str, ...] | None = None
    """Of which trunks, by their names: none of an empty one, all for None."""

    def __post_init__(self) -> None:
        require_name(self.name)
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or any(c.isspace() or not c.isprintable() for c in self.url):
            raise WatchError(f"channel {self.name}: its url is no http or https URL with a host")


@value
class AppriseChannel:
    """Alerts as text through one service that Apprise knows: mail, SMS, chats; told of by its `name`. Raises WatchError
    for one that cannot be used.

    A URL of Apprise stands for one service. Where it names several receivers, all of them get an alert again that one
    of them did not get.
    """

    name: str
    url: str = field(repr=False)
    """What Apprise is given, with credentials as a rule, so it is never shown."""
    kinds: tuple[AlertKind, ...] = ()
    """Which alerts; empty for all."""
    severity: Severity = Severity.INFO
    """How much an alert has to matter at the least."""
    trunks: tuple[str, ...] | None = None
    """Of which trunks, by their names: none of an empty one, all for None."""

    def __post_init__(self) -> None:
        require_name(self.name)
        if "://" not in self.url:
            raise WatchError(f"channel {self.name}: its url is none of Apprise's, such as mailto://...")


Channel = WebhookChannel | AppriseChannel


def require_name(name: str) -> None:
    """Raises WatchError for the name of a channel that cannot be shown, or that may be its address: an outbox keeps
    the name.
    """
    if not name or not name.isprintable():
        raise WatchError("a channel needs a name of printable characters")
    if "://" in name:
        raise WatchError("a channel is named, and not by its address, which may be a secret: give it another name")


def wants(channel: Channel, alert: Alert) -> bool:
    """Whether a channel is told of an alert."""
    if channel.trunks is not None and alert.trunk not in channel.trunks:
        return False
    told = {alert.kind, *alert.also}
    return alert.severity.rank >= channel.severity.rank and (not channel.kinds or not told.isdisjoint(channel.kinds))


UNWATCHED = "is no longer watched"
"""Why an incident is over that was not seen to end."""


def over(alert: Alert, now: float, why: str) -> Alert:
    """The end of an incident at which nobody looks any more."""
    number = alert.id.rpartition("-")[2]
    what = f"route {alert.route}" if alert.route else "the trunk"
    return replace(
        alert,
        id=f"{alert.incident}-{int(number) + 1 if number.isdecimal() else 2}",
        at=now,
        until=now,
        phase=Phase.ENDED,
        text=printable(f"{alert.title or alert.trunk}: {what} {why}"),
        lines=(),
        active=None,
        flapping=False,
        happening=None,
    )


Data = dict[str, object]


def alert_data(alert: Alert) -> Data:
    """An alert for programs: what `json.dumps` takes. Fields are only ever added. Times are in ISO 8601 and UTC."""
    return {
        "id": alert.id,
        "incident": alert.incident,
        "at": timestamp(alert.at),
        "kind": alert.kind.value,
        "phase": alert.phase.value,
        "severity": alert.severity.value,
        "trunk": encodable(alert.trunk),
        "title": encodable(alert.title) or None,
        "route": encodable(alert.route) or None,
        "since": timestamp(alert.since),
        "until": None if alert.until is None else timestamp(alert.until),
        "duration_s": None if alert.until is None else round(max(0.0, alert.until - alert.since), 3),
        "flapping": alert.flapping,
        "also": [kind.value for kind in alert.also],
        "active_route": None if alert.active is None else encodable(alert.active),
        "text": encodable(alert.text),
        "lines": [encodable(line) for line in alert.lines],
        "check": _check_data(alert.happening),
        "switch": _switch_data(alert.happening),
    }


def _check_data(happening: Happening | None) -> Data | None:
    """The check that an alert was told by."""
    check = happening.check if isinstance(happening, Change) else happening
    if not isinstance(check, Check):
        return None
    return {
        "at": timestamp(check.at),
        "kind": check.kind.value,
        "verdict": check.verdict.value,
        "reason": check.reason,
        "detail": encodable(check.detail),
        "status": check.status,
        "rtt_ms": milliseconds(check.rtt),
        "place": check.place or None,
        "certificate_ends": None if check.certificate_ends is None else timestamp(check.certificate_ends),
    }


def _switch_data(happening: Happening | None) -> Data | None:
    if not isinstance(happening, Switch):
        return None
    return {
        "at": timestamp(happening.at),
        "before": None if happening.before is None else encodable(happening.before),
        "after": None if happening.after is None else encodable(happening.after),
        "cause": happening.cause.value,
    }


def alert_of(data: object) -> Alert | None:
    """The alert that was made into `data`, without what it was told by; None for data that is no alert, or one of a
    version that knew other kinds.
    """
    try:
        given = cast(dict[str, Any], data)
        return Alert(
            id=str(given["id"]),
            incident=str(given["incident"]),
            at=_seconds(given["at"]),
            since=_seconds(given["since"]),
            until=None if given["until"] is None else _seconds(given["until"]),
            trunk=str(given["trunk"]),
            route=str(given["route"] or ""),
            kind=AlertKind(given["kind"]),
            phase=Phase(given["phase"]),
            severity=Severity(given["severity"]),
            text=str(given["text"]),
            lines=tuple(str(line) for line in given["lines"]),
            active=given["active_route"],
            flapping=bool(given["flapping"]),
            also=tuple(AlertKind(kind) for kind in given["also"]),
            title=str(given.get("title") or ""),
        )
    except (TypeError, KeyError, ValueError):
        return None


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
