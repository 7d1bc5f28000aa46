"""What the checks of one route say about each trouble that is told of it: signs that it is there, or gone."""

import math
from collections import deque
from collections.abc import Iterator

from probes.health.alert_text import lasting
from probes.health.alerts import AlertKind, AlertRules
from probes.health.incidents import Sign
from probes.health.terms import Change, Check, Health, Kind, Verdict
from probes.report.times import duration
from sipcore.value import value

DAY = 86_400.0
"""Seconds."""
LEAST_RATED = 5
"""Checks by which a failure rate is told at the least."""
LEAST_FAILED = 3
"""Of which so many have to have failed: one or two that are lost soon after the start are no rate."""
RELIEF = 0.5
"""The part of the failure rate that is told below which it is over, so that it does not come and go."""
CALM_CHECKS = 5
"""Checks in a row whose certificate lasts, until one is taken to be renewed: a name may lead to several hosts, and each
has its own."""


CERTIFICATE_STEPS = (7.0, 3.0, 1.0, 0.0)
"""Days before the end of a certificate at which it is told again: nobody is told daily for a fortnight, nor only once.
"""


@value
class Signal:
    """A sign of a trouble, and since when it is there or gone, in seconds since 1970."""

    kind: AlertKind
    sign: Sign
    since: float


class Troubles:
    """What goes on at one route."""

    def __init__(self, rules: AlertRules, certificate_days: float) -> None:
        self.health = Health.UNCHECKED
        self.certificate_ends: float | None = None
        """When the certificate ends that is told of."""
        self.rated = 0
        """Checks within the window of the failure rate."""
        self.failed = 0
        """How many of them failed."""
        self._rules = rules
        self._certificate_days = certificate_days
        self._window: deque[tuple[float, bool]] = deque()
        self._slow = _Streak()
        self._calls = _Streak()
        self._registrations = _Streak()
        self._certificates = _Streak()

    def follow(self, rules: AlertRules, certificate_days: float) -> None:
        """Go by these from the next check on."""
        self._rules, self._certificate_days = rules, certificate_days

    @property
    def failure_percent(self) -> float:
        """How many checks of a hundred failed of late."""
        return 100.0 * self.failed / self.rated if self.rated else 0.0

    def change(self, change: Change) -> Iterator[Signal]:
        """What a change of health says."""
        self.health = change.after
        is_down = change.after is Health.UNREACHABLE
        yield Signal(AlertKind.DOWN, Sign.ON if is_down else Sign.OFF, change.at)
        if self._rules.degraded_minutes and not is_down:  # what is down is not well again
            is_degraded = change.after is Health.DEGRADED
            yield Signal(AlertKind.DEGRADED, Sign.ON if is_degraded else Sign.OFF, change.at)

    def check(self, check: Check) -> Iterator[Signal]:
        """What a check says by itself. It comes before the change that follows from it."""
        if check.verdict is Verdict.OWN:
            return
        if self._rules.response_time_ms and check.rtt is not None and check.kind is Kind.OPTIONS:
            is_slow = check.rtt * 1000.0 >= self._rules.response_time_ms
            needed = self._rules.response_time_checks
            yield from self._slow.signals(AlertKind.SLOW, is_slow, check.at, needed, needed)
        if check.kind is Kind.CALL:
            has_failed = check.verdict is Verdict.BAD
            yield from self._calls.signals(AlertKind.CALL, has_failed, check.at, self._rules.call_failures, 1)
        if check.kind is Kind.REGISTRATION:
            has_failed, needed = check.verdict is Verdict.BAD, self._rules.registration_failures
            yield from self._registrations.signals(AlertKind.REGISTRATION, has_failed, check.at, needed, 1)
        if self._certificate_days and check.certificate_ends is not None:
            yield from self._certificate(check.at, check.certificate_ends)
        if self._rules.failure_rate_percent:
            yield from self._rate(check)

    def measure(self, kind: AlertKind, check: Check | None, now: float) -> str:
        """By which figures a trouble is told, that a check has shown; empty for one that has none."""
        if kind is AlertKind.FAILURE_RATE:
            return f"{self.failed} of the last {self.rated}"
        if kind is AlertKind.SLOW and check is not None and check.rtt is not None:
            return duration(check.rtt)
        if kind is AlertKind.CERTIFICATE and (ends := self.certificate_ends) is not None:
            return f"ends in {lasting(ends - now)}" if ends > now else f"has ended {lasting(now - ends)} ago"
        return ""

    def next_step(self, now: float) -> float:
        """When the end of the certificate is told again."""
        if self.certificate_ends is None:
            return math.inf
        steps = (self.certificate_ends - step * DAY for step in CERTIFICATE_STEPS)
        return min((at for at in steps if at > now), default=math.inf)

    def _certificate(self, at: float, ends: float) -> Iterator[Signal]:
        is_near = ends - at <= self._certificate_days * DAY
        if is_near:
            self.certificate_ends = ends
        yield from self._certificates.signals(AlertKind.CERTIFICATE, is_near, at, 1, CALM_CHECKS)

    def _rate(self, check: Check) -> Iterator[Signal]:
        """Silence counts where the route has answered before, as it does for its health."""
        never_answered = self.health in (Health.UNKNOWN, Health.UNCHECKED)
        if check.verdict is Verdict.SILENT and never_answered:
            return
        has_failed = check.verdict in (Verdict.BAD, Verdict.SILENT)
        self._window.append((check.at, has_failed))
        self.rated += 1
        self.failed += has_failed
        while self._window[0][0] <= check.at - self._rules.failure_rate_window_minutes * 60.0:
            self.rated -= 1
            self.failed -= self._window.popleft()[1]
        if self.rated < LEAST_RATED:
            return
        if self.failure_percent >= self._rules.failure_rate_percent:
            if self.failed < LEAST_FAILED:
                return
            yield Signal(AlertKind.FAILURE_RATE, Sign.ON, check.at)
        elif self.failure_percent < self._rules.failure_rate_percent * RELIEF:
            yield Signal(AlertKind.FAILURE_RATE, Sign.OFF, check.at)


class _Streak:
    """How often in a row something was so, or was not."""

    def __init__(self) -> None:
        self._was = False
        self._count = 0
        self._since = 0.0

    def signals(self, kind: AlertKind, so: bool, at: float, needed: int, needed_off: int) -> Iterator[Signal]:
        """One more time; it is on after `needed` in a row, and off after `needed_off`."""
        if so is not self._was or not self._count:
            self._was, self._count, self._since = so, 0, at
        self._count += 1
        if self._count >= (needed if so else needed_off):
            yield Signal(kind, Sign.ON if so else Sign.OFF, self._since)
