"""Which of the things that happen are told: the incidents of all trunks, gathered into as few alerts as say it all.

- What follows from one check is one alert: a route that is down is told with the failover because of it.
- The graver hides the lesser: while all routes are down none is told by itself, and of a route that is down nothing
  else is.
- What has begun is told as over, also across a restart (`restore`).
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, tzinfo

from probes.health.alert_text import Story, headline, particulars
from probes.health.alerts import UNWATCHED, Alert, AlertKind, AlertRules, Phase, Severity, over
from probes.health.incidents import GATHER, Deed, Incident, IncidentState, Sign
from probes.health.route_incidents import OF_ROUTE, RouteIncidents, pace
from probes.health.terms import Change, Check, Happening, Health, Switch, SwitchCause, Verdict
from probes.health.troubles import DAY, Signal
from probes.health.trunk import Trunk

CERTIFICATE_CRITICAL = 1.0
"""Days before the end from which on it is critical."""
DEFAULT_RULES = AlertRules()
_K = AlertKind
_PHASES = {Deed.BEGIN: Phase.BEGUN, Deed.REMIND: Phase.LASTS, Deed.END: Phase.ENDED}
_CAUSES = {
    SwitchCause.FAILOVER: _K.FAILOVER,
    SwitchCause.FAILBACK: _K.FAILBACK,
    SwitchCause.BY_HAND: _K.SWITCHED,
}


class Alerter:
    """Takes what happens, and gives what is to be told of it. Times are in seconds since 1970.

    The owner calls `handle_timeout` when `next_timeout` says so; nothing is told sooner than GATHER after it happened.
    """

    def __init__(
        self,
        trunks: Iterable[Trunk],
        rules: AlertRules = DEFAULT_RULES,
        of_trunk: Mapping[str, AlertRules] | None = None,
        zone: tzinfo = UTC,
    ) -> None:
        """`rules` are for all trunks that have none of their own in `of_trunk`; texts have times of `zone`."""
        own = of_trunk or {}
        self._zone = zone
        self._trunks = {trunk.name: _Trunk(trunk, own.get(trunk.name, rules), zone) for trunk in trunks}
        self._now = -math.inf

    def restore(self, told: Iterable[Alert], known: Iterable[Change | Switch | Check], now: float) -> tuple[Alert, ...]:
        """Go on where an earlier run has ended, before anything is taken: `told` is the last alert of each incident
        that it has not told as over, and `known` what a history knows of last.

        What is over by now is told so, and what was not told yet is. Incidents of what is no longer watched are told as
        over at once.
        """
        foreign = []
        for alert in told:
            trunk = self._trunks.get(alert.trunk)
            if trunk is None or not trunk.adopt(alert, now):
                foreign.append(over(alert, now, UNWATCHED))
        for happening in sorted(known, key=lambda each: each.at):
            if (trunk := self._trunks.get(happening.trunk)) is not None:
                trunk.recall(happening, now)
        return tuple(foreign)

    def change(
        self,
        trunks: Iterable[Trunk],
        now: float,
        rules: AlertRules = DEFAULT_RULES,
        of_trunk: Mapping[str, AlertRules] | None = None,
    ) -> tuple[Alert, ...]:
        """Have these trunks and rules from now on. What is open of what is no longer watched, or no longer told, is
        told as over; what was not told yet of it is not. All else goes on, by the new rules.
        """
        self._follow(now)
        own, before, told = of_trunk or {}, self._trunks, list[Alert]()
        self._trunks = {}
        for trunk in trunks:
            of_this, known = own.get(trunk.name, rules), before.get(trunk.name)
            if known is not None and not known.is_of(trunk, of_this):
                told += known.change(trunk, of_this, now)
            self._trunks[trunk.name] = known or _Trunk(trunk, of_this, self._zone)
        gone = [known for name, known in before.items() if name not in self._trunks]
        return (*told, *(alert for known in gone for alert in known.end_all(now)))

    def take(self, happening: Happening, now: float) -> tuple[Alert, ...]:
        """One more thing that happened. What is due is told; what is no trunk of these is ignored."""
        self._follow(now)
        trunk = self._trunks.get(happening.trunk)
        if trunk is not None:
            trunk.take(happening, now)
        return self.handle_timeout(now)

    def next_timeout(self) -> float | None:
        """When something is due to be told; None for nothing."""
        due = min((trunk.due for trunk in self._trunks.values()), default=math.inf)
        return None if due == math.inf else due

    def handle_timeout(self, now: float) -> tuple[Alert, ...]:
        """What is due by now."""
        self._follow(now)
        return tuple(alert for trunk in self._trunks.values() if trunk.due <= now for alert in trunk.tell(now))

    def _follow(self, now: float) -> None:
        """Where the clock was set back, what is due is due as soon as it was: nothing waits for years to come again."""
        if now < self._now:
            for trunk in self._trunks.values():
                trunk.shift(self._now - now)
        self._now = now


class _Move:
    """Calls take another route, which is not told yet."""

    def __init__(self, switch: Switch, before: str | None, due: float) -> None:
        self.switch = switch
        self.before = before
        """The route that was told last."""
        self.due = due


class _Trunk:
    """The incidents of one trunk and of its routes."""

    def __init__(self, trunk: Trunk, rules: AlertRules, zone: tzinfo) -> None:
        self.due = math.inf
        self._trunk = trunk
        self._rules = rules
        self._zone = zone
        self._routes = {route.name: RouteIncidents(route, trunk, rules) for route in trunk.routes}
        self._all_down = Incident(pace(_K.ALL_DOWN, rules))
        self._fallen: Happening | None = None
        """What has begun or ended that."""
        self._change: Change | None = None
        """The last one."""
        self._active: str | None = trunk.routes[0].name
        self._held = False
        """Whether that was chosen by hand, and is kept until it is down."""
        self._move: _Move | None = None
        self._last: dict[tuple[str, AlertKind], Alert] = {}
        """What was told last of each open incident, by route and kind."""
        self._ended: list[Alert] = []
        """What is to be told as over at once, since its route was changed."""

    def adopt(self, alert: Alert, now: float) -> bool:
        """Take over an incident of an earlier run; False where nobody looks any more whether it is over."""
        if alert.kind is _K.ALL_DOWN:
            incident = self._all_down
        elif alert.route in self._routes and self._routes[alert.route].tells(alert.kind):
            incident = self._routes[alert.route].incidents[alert.kind]
        else:
            return False
        self._last[alert.route, alert.kind] = alert
        number = alert.id.rpartition("-")[2]
        incident.adopt(alert.incident, int(number) if number.isdecimal() else 1, alert.since, alert.flapping, now)
        self._reckon()
        return True

    def is_of(self, trunk: Trunk, rules: AlertRules) -> bool:
        """Whether these are its trunk and its rules."""
        return trunk == self._trunk and rules == self._rules

    def change(self, trunk: Trunk, rules: AlertRules, now: float) -> Iterator[Alert]:
        """Have these routes and rules from now on; the ends of what nobody looks at any more."""
        self._trunk, self._rules, before = trunk, rules, self._routes
        self._routes = {
            route.name: before.get(route.name) or RouteIncidents(route, trunk, rules) for route in trunk.routes
        }
        self._held = self._held and self._active != trunk.routes[0].name
        self._all_down.follow(pace(_K.ALL_DOWN, rules), now)
        for name in before.keys() - self._routes.keys():
            yield from self._end(name, OF_ROUTE, UNWATCHED, now)
        for route in trunk.routes:
            for kind in self._routes[route.name].follow(route, trunk, rules, now):
                yield from self._end(route.name, (kind,), f"is no longer watched for this ({kind.value})", now)
        self._resume(now)
        self._reckon()

    def end_all(self, now: float) -> Iterator[Alert]:
        """The ends of all that is open: the trunk is no longer watched."""
        yield from self._end("", (_K.ALL_DOWN,), UNWATCHED, now)
        for name in self._routes:
            yield from self._end(name, OF_ROUTE, UNWATCHED, now)

    def _end(self, route: str, kinds: Iterable[AlertKind], why: str, now: float) -> Iterator[Alert]:
        for kind in kinds:
            last = self._last.pop((route, kind), None)
            if last is not None:
                yield over(last, now, why)

    def recall(self, happening: Happening, now: float) -> None:
        """What happened in an earlier run. Which route calls took then is no news."""
        if not isinstance(happening, Switch) or happening.after in (None, *self._routes):
            self.take(happening, now)
        self._move = None
        self._reckon()

    def take(self, happening: Happening, now: float) -> None:
        """Note what it says; nothing is told here."""
        if isinstance(happening, Switch):
            self._switch(happening, now)
        elif (route := self._routes.get(happening.route)) is not None:
            self._note(route, happening, now)
        self._reckon()

    def _note(self, route: RouteIncidents, happening: Check | Change, now: float) -> None:
        if isinstance(happening, Check):
            route.check = happening
            signals = route.troubles.check(happening)
        elif happening.after is Health.UNCHECKED:
            self._begin_anew(route, happening, now)
            return
        else:
            self._change = happening
            signals = route.troubles.change(happening)
        for signal in signals:
            self._signal(route, signal, happening, now)
        degraded = route.incidents[_K.DEGRADED]
        if route.troubles.health is Health.UNREACHABLE and not degraded.is_open:
            degraded.take(Sign.OFF, now)  # it was on the way down

    def _begin_anew(self, route: RouteIncidents, change: Change, now: float) -> None:
        """It is another route now: nothing that was told of it is so any more, nor is it said that all is well."""
        self._ended += self._end(route.name, OF_ROUTE, f"was changed: {change.check.detail}", now)
        of_name = next(each for each in self._trunk.routes if each.name == route.name)
        self._routes[route.name] = RouteIncidents(of_name, self._trunk, self._rules)
        self._resume(now)

    def _signal(self, route: RouteIncidents, signal: Signal, happening: Happening, now: float) -> None:
        if not route.tells(signal.kind):
            return  # it was found before a restart
        deed = route.incidents[signal.kind].take(signal.sign, now, signal.since)
        is_quiet = signal.kind is _K.FAILURE_RATE and signal.sign is Sign.ON and not _has_failed(happening)
        if (deed is not Deed.NOTHING or signal.sign is Sign.ON) and not is_quiet:
            route.shown[signal.kind] = happening
        if deed in (Deed.EASE, Deed.FORGET):
            self._resume(now)
        incident = route.incidents[signal.kind]
        if signal.kind is _K.CERTIFICATE and incident.state is IncidentState.TOLD:
            incident.due = min(incident.due, route.troubles.next_step(now))  # also of an incident of an earlier run

    def _resume(self, now: float) -> None:
        """Something is over, which may have hidden something else."""
        for route in self._routes.values():
            for incident in route.incidents.values():
                incident.resume(now)

    def _switch(self, switch: Switch, now: float) -> None:
        before = self._move.before if self._move is not None else switch.before
        self._active = switch.after
        self._held = switch.cause is SwitchCause.BY_HAND and switch.after != next(iter(self._routes))
        sign = Sign.ON if switch.after is None else Sign.OFF
        deed = self._all_down.take(sign, now, switch.at)
        if deed is not Deed.NOTHING:
            self._fallen = self._change or switch
        if deed in (Deed.EASE, Deed.FORGET):
            self._resume(now)
        if before == switch.after:
            self._move = None
        else:
            self._move = _Move(switch, before, self._move_due(switch, now))

    def _move_due(self, switch: Switch, now: float) -> float:
        """With the route whose fall or rise is the cause, so that what is over before it is told is not told."""
        if self._all_down.state is not IncidentState.CLEAR:
            return self._all_down.due
        causing = {SwitchCause.FAILOVER: switch.before, SwitchCause.FAILBACK: switch.after}.get(switch.cause)
        if causing in self._routes:
            down = self._routes[causing].incidents[_K.DOWN]
            if down.due < math.inf and (down.flapping or down.state is not IncidentState.TOLD):
                return down.due
        return now + GATHER

    def shift(self, seconds: float) -> None:
        """The clock was set back by that."""
        for _, _, incident in self._incidents():
            incident.shift(seconds)
        if self._move is not None:
            self._move.due -= seconds
        self._reckon()

    def tell(self, now: float) -> Iterator[Alert]:
        """The alerts that are due."""
        yield from self._ended
        self._ended = []
        fired = [
            (route, kind, incident, deed)
            for route, kind, incident in self._incidents()
            if (deed := self._fire(route, kind, incident, now)) is not None
        ]
        move = self._move if self._move is not None and self._move.due <= now else None
        is_told = move is None
        for route, kind, incident, deed in fired:
            tells_move = move is not None and _tells_move(route, kind, deed, move)
            yield self._alert(route, kind, incident, deed, now, move if tells_move else None)
            is_told = is_told or tells_move
        if move is not None:
            self._move = None
            if not is_told and move.switch.after is not None:
                yield self._moved(move, now)
        self._reckon()

    def _incidents(self) -> Iterator[tuple[RouteIncidents | None, AlertKind, Incident]]:
        """All of them, the gravest first."""
        yield None, _K.ALL_DOWN, self._all_down
        for route in self._routes.values():
            for kind, incident in route.incidents.items():
                yield route, kind, incident

    def _fire(self, route: RouteIncidents | None, kind: AlertKind, incident: Incident, now: float) -> Deed | None:
        if incident.due > now:
            return None
        if incident.is_on and route is not None and self._is_hidden(route, kind, now):
            incident.postpone()
            return None
        return incident.take(Sign.TIME, now)

    def _is_hidden(self, route: RouteIncidents, kind: AlertKind, now: float) -> bool:
        if kind is _K.CERTIFICATE:
            return False
        whole = self._all_down
        is_whole_told = whole.state is IncidentState.TOLD
        if is_whole_told or (whole.state is IncidentState.WAITING and whole.due <= now + GATHER):
            return True
        return route.is_hidden(kind)

    def _reckon(self) -> None:
        """When something is due next."""
        self.due = min(incident.due for _, _, incident in self._incidents())
        if self._move is not None:
            self.due = min(self.due, self._move.due)
        if self._ended:
            self.due = -math.inf

    def _alert(
        self,
        route: RouteIncidents | None,
        kind: AlertKind,
        incident: Incident,
        deed: Deed,
        now: float,
        move: _Move | None,
    ) -> Alert:
        """What is told of an incident, and of a move that it has caused."""
        name = route.name if route is not None else ""
        phase = _PHASES[deed]
        if phase is Phase.BEGUN:
            incident.id = _digest(kind.value, self._trunk.name, name, repr(incident.since))
        shown = self._fallen if route is None else route.shown.get(kind)
        check = route.check if route is not None and phase is Phase.LASTS else _check_of(shown)
        story = Story(
            kind,
            phase,
            now,
            self._trunk.title or self._trunk.name,
            name,
            incident.on_since if phase is Phase.LASTS else incident.since,
            incident.until if phase is Phase.ENDED else None,
            self._active,
            self._others(),
            check,
            incident.flapping,
            route.troubles.measure(kind, check, now) if route is not None else "",
            fails_back=self._trunk.rules.fails_back,
            held=self._held,
            zone=self._zone,
        )
        severity = _SEVERITIES.get(kind, Severity.WARNING)
        if kind is _K.CERTIFICATE and route is not None:
            severity = self._certificate(route, incident, phase, now)
        moved = [_CAUSES[move.switch.cause]] if move is not None and move.switch.after is not None else []
        told = Alert(
            id=f"{incident.id}-{incident.number}",
            incident=incident.id,
            at=now,
            since=incident.since,
            until=story.until,
            trunk=self._trunk.name,
            route=name,
            kind=kind,
            phase=phase,
            severity=severity,
            text=headline(story),
            lines=particulars(story),
            active=self._active,
            flapping=incident.flapping,
            also=(*([_K.DOWN] if kind is _K.ALL_DOWN else []), *moved),
            happening=None if phase is Phase.LASTS else shown,
            title=self._trunk.title,
        )
        self._last.pop((name, kind), None)
        if phase is not Phase.ENDED:
            self._last[name, kind] = told
        return told

    def _certificate(self, route: RouteIncidents, incident: Incident, phase: Phase, now: float) -> Severity:
        """How grave it is, by how much time is left, which also says when it is told again."""
        ends = route.troubles.certificate_ends
        if ends is None:
            return Severity.WARNING
        if phase is not Phase.ENDED and not incident.flapping:
            incident.due = route.troubles.next_step(now)
        return Severity.CRITICAL if ends - now <= CERTIFICATE_CRITICAL * DAY else Severity.WARNING

    def _moved(self, move: _Move, now: float) -> Alert:
        """A move that is told by itself."""
        switch, kind, name = move.switch, _CAUSES[move.switch.cause], self._trunk.name
        incident = _digest(kind.value, name, str(move.before), str(switch.after), repr(switch.at))
        story = Story(
            kind,
            Phase.ONCE,
            now,
            self._trunk.title or name,
            "",
            switch.at,
            None,
            switch.after,
            self._others(),
            before=move.before,
            cause=switch.cause,
            fails_back=self._trunk.rules.fails_back,
            held=self._held,
            zone=self._zone,
        )
        return Alert(
            id=f"{incident}-1",
            incident=incident,
            at=now,
            since=switch.at,
            until=None,
            trunk=name,
            route=switch.after or "",
            kind=kind,
            phase=Phase.ONCE,
            severity=_SEVERITIES.get(kind, Severity.INFO),
            text=headline(story),
            lines=particulars(story),
            active=switch.after,
            happening=switch,
            title=self._trunk.title,
        )

    def _others(self) -> tuple[tuple[str, Health, Check | None], ...]:
        return tuple((route.name, route.troubles.health, route.check) for route in self._routes.values())


_SEVERITIES = {_K.ALL_DOWN: Severity.CRITICAL, _K.FAILOVER: Severity.WARNING}


def _tells_move(route: RouteIncidents | None, kind: AlertKind, deed: Deed, move: _Move) -> bool:
    """Whether an alert says by itself that calls take another route."""
    if route is None:
        return True
    is_part = route.name in (move.before, move.switch.before, move.switch.after)
    return kind is _K.DOWN and deed is not Deed.REMIND and is_part and move.switch.cause is not SwitchCause.BY_HAND


def _has_failed(happening: Happening) -> bool:
    check = _check_of(happening)
    return check is not None and check.verdict in (Verdict.BAD, Verdict.SILENT)


def _check_of(happening: Happening | None) -> Check | None:
    found = happening.check if isinstance(happening, Change) else happening
    return found if isinstance(found, Check) else None


def _digest(*parts: str) -> str:
    """A name for what these parts name together, which no other run gives to anything else."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:20]
