"""Which route of a trunk calls take, out of how its routes are."""

from collections.abc import Mapping

from probes.health.terms import Health, SwitchCause
from sipcore.value import value

ORDER = (
    {Health.HEALTHY},
    {Health.DEGRADED},
    {Health.UNKNOWN, Health.UNCHECKED},
)
"""What is taken when a route is down, and never one that is down as well. A route that is in doubt may have failed with
the first, so that a second switch would follow; and one of which nothing is known is a worse guess than one that
answers. Among those that are equally well the operator's order counts.
"""
Routes = Mapping[str, Health]
"""The routes of a trunk, best first, and how they are."""


@value
class Choice:
    """The route that calls take. None where all are down."""

    route: str | None
    held: bool = False
    """Chosen by hand, and so kept until it is down: otherwise the next check of a better route that is up would undo
    what somebody said. The best route needs no holding.
    """


def best(routes: Routes) -> str | None:
    """The route to take when nothing is taken yet."""
    for healths in ORDER:
        for name, health in routes.items():
            if health in healths:
                return name
    return None


def settle(choice: Choice, routes: Routes, fails_back: bool) -> tuple[Choice, SwitchCause] | None:
    """What to take from now on, and why; None to stay.

    Calls leave a route only when it is down, or for a better one that is HEALTHY: a route in doubt has not failed yet.
    """
    taken = choice.route
    if taken is None:
        found = best(routes)
        return (Choice(found), SwitchCause.FAILBACK) if found else None
    if routes.get(taken, Health.UNREACHABLE) is Health.UNREACHABLE:
        return Choice(best(routes)), SwitchCause.FAILOVER
    if not fails_back or choice.held:
        return None
    better = _better(taken, routes)
    return (Choice(better), SwitchCause.FAILBACK) if better else None


def _better(taken: str, routes: Routes) -> str | None:
    for name, health in routes.items():
        if name == taken:
            break
        if health is Health.HEALTHY:
            return name
    return None
