"""What is different in trunks that are watched once somebody has changed them.

Trunks and routes are known by their names: who gives one another name has taken it out, and put in a new one.
"""

from collections.abc import Iterable
from dataclasses import replace

from probes.health.terms import Due, Kind
from probes.health.trunk import Route, Trunk
from sipcore.transports.base import TlsConfig
from sipcore.value import value

TLS_OF_NONE = TlsConfig(resume=False)
"""The settings of routes without TLS."""


@value
class Difference:
    """What was changed: the names of trunks that were `added`, `changed` in whatever way, and `removed`, in order."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    outdated: frozenset[Due] = frozenset()
    """Checks that ask for what is no more: nothing that they find counts."""
    begun: tuple[Due, ...] = ()
    """Checks to be made as soon as may be: those of new routes, and those that ask for something else now."""


def difference(before: Iterable[Trunk], after: Iterable[Trunk]) -> Difference:
    """What is different between the trunks before and after: no more is looked at than that."""
    old, new = ({trunk.name: trunk for trunk in trunks} for trunks in (before, after))
    added = tuple(name for name in new if name not in old)
    changed = tuple(name for name, trunk in new.items() if name in old and old[name] != trunk)
    removed = tuple(name for name in old if name not in new)
    was = _asked(old[name] for name in (*changed, *removed))
    now = _asked(new[name] for name in (*added, *changed))
    return Difference(
        added=added,
        changed=changed,
        removed=removed,
        outdated=frozenset(due for due, what in was.items() if now.get(due) != what),
        begun=tuple(due for due, what in now.items() if was.get(due) != what),
    )


def leads_elsewhere(before: Route, after: Route) -> bool:
    """Whether a route is another one under the same name, so that nothing holds that was known of it: somebody else
    answers there. Who is trusted, and which call is placed, makes no other route of it.
    """
    return before.destination != after.destination


def has_tls(route: Route) -> bool:
    """Whether a route may need TLS."""
    transport = route.destination.transport
    return transport is None or transport.secure


def tls_of(route: Route) -> TlsConfig:
    """The settings of TLS that the checks of a route go by: each connection shows its peer's certificate."""
    return replace(route.tls, resume=False) if has_tls(route) else TLS_OF_NONE


def _asked(trunks: Iterable[Trunk]) -> dict[Due, object]:
    """What each check asks for."""
    found: dict[Due, object] = {}
    for trunk in trunks:
        for route in trunk.routes:
            reached = (route.destination, tls_of(route))
            found[Due(trunk.name, route.name, Kind.OPTIONS)] = reached
            if route.call is not None:
                found[Due(trunk.name, route.name, Kind.CALL)] = (reached, route.call)
            if route.registration is not None:
                found[Due(trunk.name, route.name, Kind.REGISTRATION)] = (reached, route.registration)
    return found
