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
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import field

import trio

from probes.calls.limit import Limiter, Limits
from probes.health.board import Board, TrunkState
from probes.health.checking.run import Checks, open_checks
from probes.health.difference import Difference
from probes.health.schedule import Schedule, calls_ago
from probes.health.terms import Change, Check, Due, Happening, Kind, Switch
from probes.health.trunk import Trunk, WatchError
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
        self._trunks = {trunk.name: trunk for trunk in trunks}
        self._routes = {(trunk.name, route.name): route for trunk in trunks for route in trunk.routes}
        self._board = Board(trunks)
        self._tell = tell
        self._untold: deque[Happening] = deque()
        self._telling = False
        self._limiter = Limiter(self._config.calls)
        self._is_running = False

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
        TLS or another test call keeps what is known of it, and is checked at once. A check under way for what is no
        more is dropped without a word, its call hung up, its connection closed. Calls leave a route that is no more.
        """
        raise NotImplementedError

    async def run(self) -> None:
        """Check all routes in their rhythm until cancelled; a test call that is under way then is hung up first. After
        the host was asleep it goes on from then, and makes up for nothing.

        Raises WatchError for settings of TLS that cannot be used, and where the watch runs already.
        """
        if self._is_running:
            raise WatchError("this watch runs already: make another one")
        self._is_running = True
        try:
            async with self._opened() as (checks, ending), trio.open_nursery() as nursery:
                await self._keep_checking(checks, ending, nursery)
        finally:
            self._is_running = False

    async def check_once(self) -> None:
        """Check every route once, by OPTIONS and by its test call if it has one. Raises as `run` does."""
        async with self._opened() as (checks, ending), trio.open_nursery() as nursery:
            for trunk in self._trunks.values():
                for route in trunk.routes:
                    due = Due(trunk.name, route.name, Kind.OPTIONS)
                    nursery.start_soon(self._check, checks, ending, due)
                nursery.start_soon(self._call_all, checks, ending, trunk)

    async def _call_all(self, checks: Checks, ending: "_Ending", trunk: Trunk) -> None:
        """The test calls of a trunk, one after the other: they may end at the same number."""
        for route in trunk.routes:
            if route.call is not None:
                await self._check(checks, ending, Due(trunk.name, route.name, Kind.CALL))

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[tuple[Checks, "_Ending"]]:
        """What checks need, for a block that ends where `tell` raises something, which is raised then."""
        self._tell_all()
        ending, config = _Ending(), self._config
        trunks = tuple(self._trunks.values())
        async with open_checks(trunks, config.lookup, self._limiter, config.at_once) as checks:
            with ending.scope:
                yield checks, ending
        if ending.error is not None:
            raise ending.error

    async def _keep_checking(self, checks: Checks, ending: "_Ending", nursery: trio.Nursery) -> None:
        called = calls_ago(self.states(), time.time())
        chance = random.SystemRandom().random
        schedule = Schedule(self._trunks.values(), trio.current_time(), chance, called)
        over = trio.Event()

        async def carry_out(due: Due) -> None:
            await self._check(checks, ending, due)
            schedule.done(due, self._board.state(due.trunk, due.route), trio.current_time())
            over.set()

        while True:
            for due in schedule.handle_timeout(trio.current_time()):
                nursery.start_soon(carry_out, due)
            next_timeout, over = schedule.next_timeout(), trio.Event()
            with trio.move_on_at(math.inf if next_timeout is None else next_timeout):
                await over.wait()

    async def _check(self, checks: Checks, ending: "_Ending", due: Due) -> None:
        """One check, and what follows from it."""
        trunk, route = self._trunks[due.trunk], self._routes[due.trunk, due.route]
        check = await checks.carry_out(trunk, route, due.kind)
        self._untold += self._board.take(check)
        try:
            self._tell_all()
        except (Exception, SystemExit) as error:  # noqa: BLE001  # raised outside of the nurseries, which would wrap it
            ending.by(error)

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


class _Ending:
    """Ends what goes on in its scope over an error, which is kept."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.error: BaseException | None = None

    def by(self, error: BaseException) -> None:
        """End it; of several errors the first one counts."""
        self.error = self.error or error
        self.scope.cancel()
