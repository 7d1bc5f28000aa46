"""All watched trunks as they are: takes checks, and tells what they change."""

from collections.abc import Iterable, Sequence

from probes.health.difference import leads_elsewhere
from probes.health.failover import Choice, settle
from probes.health.machine import Condition
from probes.health.remember import Memory
from probes.health.terms import CHANGED, Change, Check, Happening, Health, Kind, Switch, SwitchCause, Verdict
from probes.health.trunk import Route, Trunk, WatchError
from sipcore.value import value

LATE = 3600.0
"""Seconds by which a check may have begun before the last change that another one made: no test call takes longer. What
is older than that was told by a clock that has been set back since, as was what is dated so much later than now.
"""


@value
class RouteState:
    """How a route is."""

    route: str
    health: Health
    since: float | None
    """When it became so, in seconds since 1970; None while it is unchecked."""
    misses: int
    """Checks of one kind in a row that failed."""
    check: Check | None
    """The last one, whatever it found."""
    in_doubt: bool = False
    """Whether OPTIONS should be sent sooner than usual: they failed of late and it is not down, or it is coming up."""
    call: Check | None = None
    """The last test call; None where there was none."""
    options: Check | None = None
    """The last OPTIONS, likewise."""
    registration: Check | None = None
    """The last test of a registration, likewise."""

    @property
    def checks(self) -> tuple[Check, ...]:
        """The last check of each kind that it had."""
        return tuple(check for check in (self.options, self.call, self.registration) if check is not None)


@value
class TrunkState:
    """How a trunk is."""

    trunk: str
    active: str | None
    """The route that calls take; None where all are down."""
    routes: tuple[RouteState, ...]
    """Best first."""
    held: bool = False
    """Whether the active route was chosen by hand, so that it stays until it is down."""
    title: str = ""
    """What people are told in place of the name, where that is a key."""


class Board:
    """Knows how each route of each trunk is, and which one calls take."""

    def __init__(self, trunks: Iterable[Trunk]) -> None:
        """Raises WatchError where two trunks have one name."""
        self._trunks = {name: _Trunk(trunk) for name, trunk in by_name(trunks).items()}

    def states(self) -> tuple[TrunkState, ...]:
        """All trunks, in the order in which they were given."""
        return tuple(trunk.state() for trunk in self._trunks.values())

    def state(self, trunk: str, route: str) -> RouteState:
        """One route. Raises WatchError for a name that there is not."""
        return self._trunk(trunk).route(route).state()

    def take(self, check: Check) -> tuple[Happening, ...]:
        """One more check: it comes first, then the change and the switch that follow from it, if any.

        Raises WatchError for a name that there is not.
        """
        return self._trunk(check.trunk).take(check)

    def switch(self, trunk: str, route: str, at: float) -> tuple[Switch, ...]:
        """Take this route from now on, at `at` in seconds since 1970: until it is down, and `fails_back` does not undo
        it. Choosing the first route gives the trunk back to its rules. Nothing follows where all that is so already.

        Raises WatchError for a name that there is not, and for a route that is down, which calls would leave at once.
        """
        return self._trunk(trunk).switch(route, at)

    def restore(self, known: Iterable[Happening], at: float) -> tuple[Happening, ...]:
        """Begin with what was known before a restart, in any order. `at` is now, in seconds since 1970.

        The more is known, the more is as it was, and all checks, changes and switches make it the same. It takes of
        each route the last change, of each kind of check the last few (as many as its rules count) and the last OPTIONS
        that was answered, and of each trunk the last switch. Of trunks and routes that are no more nothing is taken,
        new ones begin unchecked; what is dated later than now was told by a wrong clock, and is left out.

        What is told follows from changes to the configuration: calls leave a route that is no more, and test calls and
        tests of a registration that are no longer made count no longer.
        """
        memories: dict[str, list[Happening]] = {}
        for happening in known:
            if happening.at <= at + LATE:
                memories.setdefault(happening.trunk, []).append(happening)
        found = (trunk.restore(memories.get(name, ()), at) for name, trunk in self._trunks.items())
        return tuple(happening for told in found for happening in told)

    def change(self, trunks: Iterable[Trunk], at: float) -> tuple[Happening, ...]:
        """Have these trunks, all of them, in place of those before. `at` is now, in seconds since 1970. Raises
        WatchError where two have one name, and changes nothing then.

        Routes are known by their names. New ones begin unchecked, and so does one that leads elsewhere (CHANGED). What
        was found by a test call or of a registration that is another one now, or is no longer made, counts no longer.
        All else that is known holds: health and counts, also where other settings of TLS or other rules are to decide
        from the next check on, and the route that calls take, as long as there is one of that name. What is told
        follows from that.
        """
        before, named, told = self._trunks, by_name(trunks), list[Happening]()
        self._trunks = {}
        for name, trunk in named.items():
            known = before.get(name)
            told += known.change(trunk, at) if known is not None else ()
            self._trunks[name] = known or _Trunk(trunk)
        return tuple(told)

    def _trunk(self, name: str) -> "_Trunk":
        if name not in self._trunks:
            raise WatchError(f"there is no trunk {name}: {_named(list(self._trunks))}")
        return self._trunks[name]


def by_name(trunks: Iterable[Trunk]) -> dict[str, Trunk]:
    """Trunks by their names. Raises WatchError where two have one."""
    named: dict[str, Trunk] = {}
    for trunk in trunks:
        if trunk.name in named:
            raise WatchError(f"two trunks are named {trunk.name}: give each a name of its own")
        named[trunk.name] = trunk
    return named


class _Trunk:
    """One trunk on the board."""

    def __init__(self, trunk: Trunk) -> None:
        self._trunk = trunk
        self._routes = {route.name: _Route(trunk, route) for route in trunk.routes}
        self._choice = Choice(trunk.routes[0].name)

    def state(self) -> TrunkState:
        """As it is shown."""
        routes = tuple(route.state() for route in self._routes.values())
        return TrunkState(self._trunk.name, self._choice.route, routes, self._choice.held, self._trunk.title)

    def route(self, name: str) -> "_Route":
        """One of its routes."""
        if name not in self._routes:
            raise WatchError(f"trunk {self._trunk.name} has no route {name}: {_named(list(self._routes))}")
        return self._routes[name]

    def take(self, check: Check) -> tuple[Happening, ...]:
        """One more check."""
        change = self.route(check.route).take(check)
        if change is None:
            return (check,)
        return (check, change, *self._settle(change.at))

    def switch(self, name: str, at: float) -> tuple[Switch, ...]:
        """By hand."""
        if self.route(name).health is Health.UNREACHABLE:
            raise WatchError(f"route {name} of trunk {self._trunk.name} is down: {self._up()}")
        before, first = self._choice, next(iter(self._routes))
        self._choice = Choice(name, held=name != first)
        if before == self._choice:
            return ()
        return (Switch(self._trunk.name, at, before.route, name, SwitchCause.BY_HAND),)

    def restore(self, known: Iterable[Happening], at: float) -> tuple[Happening, ...]:
        """Begin with what was known."""
        told: list[Happening] = []
        memories = {name: Memory() for name in self._routes}
        switches = []
        for happening in known:
            if isinstance(happening, Switch):
                switches.append(happening)
            elif happening.route in memories:
                memories[happening.route].add(happening)
        for name, memory in memories.items():
            change = self._routes[name].restore(memory, at)
            told += [change] if change else []
        if switches:
            last = max(switches, key=lambda switch: switch.at)
            held = last.cause is SwitchCause.BY_HAND and last.after != next(iter(self._routes))
            self._choice = Choice(last.after, held)
        return (*told, *self._settle(at))

    def change(self, trunk: Trunk, at: float) -> tuple[Happening, ...]:
        """Have these routes and rules from now on."""
        if trunk == self._trunk:
            return ()
        told, known, self._trunk, self._routes = list[Happening](), self._routes, trunk, {}
        for route in trunk.routes:
            name = route.name
            self._routes[name] = known.get(name) or _Route(trunk, route)
            change = self._routes[name].change(trunk, route, at)
            told += [change] if change else []
        if self._choice.route == trunk.routes[0].name:
            self._choice = Choice(self._choice.route)
        return (*told, *self._settle(at))

    def _settle(self, at: float) -> tuple[Switch, ...]:
        healths = {name: route.health for name, route in self._routes.items()}
        found = settle(self._choice, healths, self._trunk.rules.fails_back)
        if found is None:
            return ()
        before, (self._choice, cause) = self._choice.route, found
        return (Switch(self._trunk.name, at, before, self._choice.route, cause),)

    def _up(self) -> str:
        up = [name for name, route in self._routes.items() if route.health is not Health.UNREACHABLE]
        return _named(up) if up else "all are, and the first that comes up is taken"


class _Route:
    """One route on the board."""

    def __init__(self, trunk: Trunk, route: Route) -> None:
        self._trunk, self._route = trunk, route
        self._condition = Condition()
        self._since: float | None = None
        self._check: Check | None = None
        self._last: dict[Kind, Check] = {}
        """The last check of each kind."""

    @property
    def health(self) -> Health:
        """How it is."""
        return self._condition.health

    def state(self) -> RouteState:
        """As it is shown."""
        now, last = self._condition, self._last
        return RouteState(
            self._route.name,
            now.health,
            self._since,
            now.misses,
            self._check,
            now.in_doubt,
            call=last.get(Kind.CALL),
            options=last.get(Kind.OPTIONS),
            registration=last.get(Kind.REGISTRATION),
        )

    def take(self, check: Check) -> Change | None:
        """One more check, and what it changes."""
        self._heard(check)
        before = self.health
        self._condition = self._condition.after(check, self._trunk.rules)
        return None if self.health is before else self._changed(before, check, check.at)

    def restore(self, memory: Memory, at: float) -> Change | None:
        """Begin with what was known, and tell what is different from that now."""
        kinds = self._route.kinds
        self._condition = memory.condition(self._trunk.rules, kinds)
        self._since, before = memory.since, memory.health
        counted = None
        for check in memory.checks():
            if check.kind in kinds:
                self._heard(check)
                counted = check
        if self.health is before:
            return None
        if counted is None:
            self._since = None
            return None
        return self._changed(before, counted, at)

    def change(self, trunk: Trunk, route: Route, at: float) -> Change | None:
        """Be this one from now on, and tell what is different by that."""
        before, health, self._trunk, self._route = self._route, self.health, trunk, route
        if leads_elsewhere(before, route):
            self._condition, self._check, self._last = Condition(), None, {}
            return self._doubted(health, f"it leads to {route.destination} now", at)
        for kind, was, now in (
            (Kind.CALL, before.call, route.call),
            (Kind.REGISTRATION, before.registration, route.registration),
        ):
            if was is not None and was != now:
                self._condition = self._condition.without(kind)
                self._last.pop(kind, None)
        if self.health is health:
            return None
        if Kind.OPTIONS not in self._last:
            return self._doubted(health, "nothing is known of it but by a test that is no longer made", at)
        return self._changed(health, self._last[Kind.OPTIONS], at)

    def _doubted(self, before: Health, why: str, at: float) -> Change | None:
        """Nothing is known any more."""
        if before is Health.UNCHECKED:
            return None
        name, route = self._trunk.name, self._route.name
        change = self._changed(before, Check(name, route, Kind.OPTIONS, at, Verdict.OWN, CHANGED, why), at)
        self._since = None
        return change

    def _heard(self, check: Check) -> None:
        self._check = self._last[check.kind] = check

    def _changed(self, before: Health, check: Check, at: float) -> Change:
        since = at if self._since is None else self._since
        if at < since <= at + LATE:
            at = since
        self._since = at
        return Change(self._trunk.name, self._route.name, at, before, self.health, min(since, at), check)


def _named(names: Sequence[str]) -> str:
    if not names:
        return "no trunk is watched"
    return f"take {names[0]}" if len(names) == 1 else f"take one of {', '.join(names)}"
