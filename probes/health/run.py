"""A watch: the routes of trunks are checked in their rhythm, and what that tells of them is told, for months.

watch = Watch([Trunk("acme", (Route("main", Destination.parse("sip.example.com")),))], print)
await watch.run()

Each check is a task of its own; so many are under way at once, and none of one route twice. What goes wrong in one of
them is told as that one's, and costs no other.
"""

import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import field

import trio

from probes.calls.limit import Limiter, Limits
from probes.health.board import Board, TrunkState, by_name
from probes.health.checking.run import Checks, open_checks, require_usable
from probes.health.difference import Difference, difference
from probes.health.schedule import Schedule, made_ago, waits_left
from probes.health.terms import Change, Check, Due, Happening, Kind, Switch
from probes.health.trunk import Route, Trunk, WatchError
from probes.reach import ReachPolicy
from sipcore.transports.lookup import LookupConfig
from sipcore.value import value

MAX_AT_ONCE = 256
"""OPTIONS under way at once, at most: as many as sixty routes of each second come to while all of them are silent."""
CALLS = Limits(at_once=4)
"""Test calls of a watch at once, as a service allows each of its users."""


@value
class WatchConfig:
    """What all checks of a watch have in common."""

    lookup: LookupConfig = field(default_factory=LookupConfig)
    """How DNS is asked."""
    calls: Limits = CALLS
    """How many test calls may be placed, over all trunks: so many at once, and so many in any period."""
    at_once: int = MAX_AT_ONCE
    """How many OPTIONS may be under way at once; those that are due beyond that wait for their turn."""
    reach: ReachPolicy | None = None
    """Which addresses may be reached, for trunks that others name; all of them without one."""


class Watch:
    """Watches trunks: `run` checks them, and `states` says at any time how they are.

    `tell` is called with all that happens, in order: each check, then the change of its route's health, then the switch
    of its trunk to another route. It must not block. What it raises ends `run`, or `check_once`, which raises it.
    """

    def __init__(
        self, trunks: Sequence[Trunk], tell: Callable[[Happening], None], config: WatchConfig | None = None
    ) -> None:
        """Raises WatchError for trunks that cannot be watched together."""
        self._config = config or WatchConfig()
        if self._config.at_once < 1:
            raise WatchError(f"{self._config.at_once} checks at once: give 1 or more")
        self._trunks = by_name(trunks)
        self._board = Board(self._trunks.values())
        self._tell = tell
        self._untold: deque[Happening] = deque()
        self._telling = False
        self._limiter = Limiter(self._config.calls)
        self._is_running = False
        self._going: list[_Going] = []

    def states(self) -> tuple[TrunkState, ...]:
        """How all trunks are, in the order in which they were given."""
        return self._board.states()

    def switch(self, trunk: str, route: str) -> None:
        """Have calls of a trunk take this route from now on, as `Board.switch` says. Raises WatchError for a name that
        there is not, and for a route that is down.
        """
        self._untold += self._board.switch(trunk, route, time.time())
        self._tell_all()

    def restore(self, known: Iterable[Change | Switch | Check]) -> None:
        """Begin with what was known before a restart, in any order: to be called before `run`, by which is told what
        follows from it.
        """
        self._untold += self._board.restore(known, time.time())

    @property
    def trunks(self) -> tuple[Trunk, ...]:
        """What is watched, in the order in which it was given."""
        return tuple(self._trunks.values())

    def change(self, trunks: Iterable[Trunk]) -> Difference:
        """Watch these trunks from now on, all of them, in place of those before; before `run`, while it goes on, or
        after it. What stays as it is goes on untouched. Raises WatchError for trunks that cannot be watched together,
        and changes nothing then.

        A route that leads elsewhere is unchecked, and is checked at once, as a new one is; one with other settings of
        TLS, another test call or another registration keeps what is known of it, and is checked at once. A check under
        way for what is no more is dropped without a word, its call hung up, its contact removed, its connection closed.
        Calls leave a route that is no more.
        """
        named = by_name(trunks)
        found = difference(self._trunks.values(), named.values())
        require_usable(named[name] for name in (*found.added, *found.changed))
        self._trunks = named
        self._untold += self._board.change(named.values(), time.time())
        for going in self._going:
            going.change(found, named.values())
        self._tell_all()
        return found

    async def run(self) -> None:
        """Check all routes in their rhythm until cancelled; a test call that is under way then is hung up first. After
        the host was asleep it goes on from then, and makes up for nothing.

        Raises WatchError for settings of TLS that cannot be used, and where the watch runs already.
        """
        if self._is_running:
            raise WatchError("this watch runs already: make another one")
        self._is_running = True
        try:
            async with self._opened(goes_on=True) as going, trio.open_nursery() as nursery:
                await self._keep_checking(going, nursery)
        finally:
            self._is_running = False

    async def check_once(self) -> None:
        """Check every route once that there is now, by OPTIONS, and by its test call and registration if it has any.
        Raises as `run` does.
        """
        async with self._opened(goes_on=False) as going, trio.open_nursery() as nursery:
            for trunk in self.trunks:
                dues = [Due(trunk.name, route.name, kind) for route in trunk.routes for kind in route.kinds]
                for due in dues:
                    if due.kind is not Kind.CALL:
                        nursery.start_soon(self._check_all, going, [due])
                # One after the other: they may end at the same number.
                nursery.start_soon(self._check_all, going, [due for due in dues if due.kind is Kind.CALL])

    async def _check_all(self, going: "_Going", dues: Iterable[Due]) -> None:
        """These checks in turn, again where somebody changes what they ask for meanwhile."""
        for due in dues:
            while (begun := self._begin(going, due)) is not None and not await self._check(going, begun):
                pass

    @asynccontextmanager
    async def _opened(self, *, goes_on: bool) -> AsyncIterator["_Going"]:
        """What checks need, for a block that ends where `tell` raises something, which is raised then."""
        require_usable(self.trunks)
        self._tell_all()
        config = self._config
        async with open_checks(config.lookup, self._limiter, config.at_once, config.reach, goes_on=goes_on) as checks:
            going = _Going(checks)
            self._going.append(going)
            try:
                with going.scope:
                    yield going
            finally:
                self._going.remove(going)
        if going.error is not None:
            raise going.error

    async def _keep_checking(self, going: "_Going", nursery: trio.Nursery) -> None:
        states, at = self.states(), time.time()
        chance = random.SystemRandom().random
        schedule = Schedule(
            self._trunks.values(), trio.current_time(), chance, made_ago(states, at), waits_left(states, at)
        )
        over = trio.Event()

        async def carry_out(begun: _Begun) -> None:
            due = begun.due
            if await self._check(going, begun):
                schedule.done(due, self._board.state(due.trunk, due.route), trio.current_time())
            else:
                schedule.dropped(due, trio.current_time())
            over.set()

        def change(found: Difference, trunks: Iterable[Trunk]) -> None:
            schedule.change(trunks, found, trio.current_time())
            over.set()

        going.on_change = change
        while True:
            for due in schedule.handle_timeout(trio.current_time()):
                begun = self._begin(going, due)
                if begun is not None:
                    nursery.start_soon(carry_out, begun)
            next_timeout, over = schedule.next_timeout(), trio.Event()
            with trio.move_on_at(math.inf if next_timeout is None else next_timeout):
                await over.wait()

    def _begin(self, going: "_Going", due: Due) -> "_Begun | None":
        """A check that is about to be made; None for one of what is no more."""
        trunk = self._trunks.get(due.trunk)
        found = [route for route in trunk.routes if route.name == due.route] if trunk is not None else []
        if trunk is None or not found or due.kind not in found[0].kinds:
            return None
        return going.begin(_Begun(due, trunk, found[0]))

    async def _check(self, going: "_Going", begun: "_Begun") -> bool:
        """One check, and what follows from it; whether it was not dropped meanwhile, by who was told of it as well."""
        with going.under_way(begun):
            check = await going.carry_out(begun)
            if check is None:
                return False
            self._untold += self._board.take(check)
            try:
                self._tell_all()
            except (Exception, SystemExit) as error:  # noqa: BLE001  # raised outside of the nurseries, which would wrap it
                going.end_by(error)
            return not begun.is_dropped

    def _tell_all(self) -> None:
        """Tell what there is to tell. What follows from that, as when somebody switches there, is told behind it."""
        if self._telling:
            return
        self._telling = True
        try:
            while self._untold:
                self._tell(self._untold.popleft())
        finally:
            self._telling = False


class _Begun:
    """A check under way: of what, and by which scope it is dropped."""

    def __init__(self, due: Due, trunk: Trunk, route: Route) -> None:
        self.due, self.trunk, self.route = due, trunk, route
        self.scope = trio.CancelScope()

    @property
    def is_dropped(self) -> bool:
        """Whether it asks for what is no more."""
        return self.scope.cancel_called


class _Going:
    """What goes on of a watch: the checks under way, and what ends all of them."""

    def __init__(self, checks: Checks) -> None:
        self.scope = trio.CancelScope()
        self.error: BaseException | None = None
        self.on_change: Callable[[Difference, Iterable[Trunk]], None] = lambda *_: None
        self._checks = checks
        self._under_way = set[_Begun]()

    def begin(self, begun: _Begun) -> _Begun:
        """A check is about to be carried out, which can be dropped from now on."""
        self._under_way.add(begun)
        return begun

    async def carry_out(self, begun: _Begun) -> Check | None:
        """A check that has begun; None where it was dropped."""
        with begun.scope:
            check = await self._checks.carry_out(begun.trunk, begun.route, begun.due.kind)
        return None if begun.is_dropped else check

    @contextmanager
    def under_way(self, begun: _Begun) -> Iterator[None]:
        """It can be dropped until the block ends."""
        try:
            yield
        finally:
            self._under_way.remove(begun)

    def change(self, found: Difference, trunks: Iterable[Trunk]) -> None:
        """Other trunks are watched from now on."""
        for begun in self._under_way:
            if begun.due in found.outdated:
                begun.scope.cancel()
        self._checks.leave(found.outdated)
        self.on_change(found, trunks)

    def end_by(self, error: BaseException) -> None:
        """End it over an error; of several the first one counts."""
        self.error = self.error or error
        self.scope.cancel()
