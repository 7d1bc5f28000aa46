"""A trunk with several routes that is watched in the program's own nursery, so that calls take a route that works.

Run it with the routes, best first: `python trunk_watch.py sip.first.example tls://sip.second.example`. It prints what
changes until it is interrupted.
"""

import sys
from collections.abc import Callable, Sequence

import trio

from probes import Change, Check, Destination, Route, Rules, Switch, Trunk, Verdict, Watch

RULES = Rules(interval=30, retry=5, misses=3)


class Trunking:
    """Knows where calls are to go at the moment. `say` is called with a line whenever that, or a route, changes."""

    def __init__(self, targets: Sequence[str], say: Callable[[str], None], rules: Rules = RULES) -> None:
        self._say = say
        self._routes = {target: Destination.parse(target) for target in targets}
        routes = tuple(Route(target, destination) for target, destination in self._routes.items())
        self._watch = Watch([Trunk("trunk", routes, rules)], self._tell)

    @property
    def destination(self) -> Destination | None:
        """What to call by; None while all routes are down."""
        (state,) = self._watch.states()
        return self._routes[state.active] if state.active is not None else None

    async def run(self) -> None:
        """Watch until cancelled."""
        await self._watch.run()

    def _tell(self, happening: Check | Change | Switch) -> None:
        """Called in the order of what happens; it must not wait for anything, and what it raises ends the watch."""
        match happening:
            case Check(verdict=Verdict.OWN):  # a mistake or a lack of this host, which changes nothing
                self._say(f"{happening.route} was not checked: {happening.detail}")
            case Change():
                self._say(f"{happening.route} is {happening.after.value}: {happening.check.detail}")
            case Switch():
                self._say(f"calls take {happening.after or 'no route'} ({happening.cause.value})")


async def main() -> None:
    """Watch the routes that the command line names."""
    await Trunking(sys.argv[1:] or ["127.0.0.1:5060"], print).run()


if __name__ == "__main__":
    trio.run(main)
