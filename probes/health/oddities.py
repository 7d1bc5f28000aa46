"""What is odd about trunks as they are described: what can be watched, and is hardly meant."""

from collections.abc import Iterator, Sequence

from probes.health.trunk import Route, Rules, Trunk
from sipcore.resolve.target import Transport

ALIVE = (401, 404, 405, 407, 481)
"""Statuses that servers which are well give to OPTIONS of strangers (RFC 3261 §11.2)."""
BANNED = 150.0
"""Seconds between two attempts below which fail2ban, as it comes, bans who fails: five times within ten minutes."""


def oddities(trunks: Sequence[Trunk]) -> Iterator[str]:
    """Each in a sentence that says what to change."""
    for trunk in trunks:
        yield from (f"trunk {trunk.name}: {text}" for text in _of_rules(trunk.rules))
        if trunk.rules.fails_back and trunk.rules.recoveries == 1 and len(trunk.routes) > 1:
            text = "one good check has calls return, so a route that comes and goes takes them along"
            yield f"trunk {trunk.name}: {text}; raise recoveries"
        if trunk.rules.registration_interval < BANNED and any(_registers(route) for route in trunk.routes):
            every = f"{trunk.rules.registration_interval:g} s"
            text = f"a password that is wrong would be tried every {every}, and registrars ban who does that"
            yield f"trunk {trunk.name}: {text}; raise registration_interval"
        for route in trunk.routes:
            yield from (f"route {route.name} of trunk {trunk.name}: {text}" for text in _of_route(route))
        yield from (f"trunk {trunk.name}: {text}" for text in _of_routes(trunk.routes))
    yield from _shared(trunks)


def longest_until_down(rules: Rules) -> float:
    """Seconds from when a route falls silent to when it counts as down, at most: checks are an interval apart, then one
    `retry`, or as many as a check takes.
    """
    step = rules.retry * -(-rules.timeout // rules.retry)
    return rules.interval + (rules.misses - 1) * step + rules.timeout


def _of_rules(rules: Rules) -> Iterator[str]:
    if rules.timeout > rules.interval:
        yield f"a check may take {rules.timeout:g} s, longer than the interval of {rules.interval:g} s; lower timeout"
    if rules.slow >= rules.timeout:
        yield f"slow is {rules.slow:g} s, and checks are given up after {rules.timeout:g} s; lower slow"
    for status in rules.refusals:
        if status < 300:
            yield f"{status} is a success, and refusals has it"
        elif status in ALIVE:
            yield f"refusals has {status}, with which servers that are well answer OPTIONS"


def _of_route(route: Route) -> Iterator[str]:
    transport = route.destination.transport
    secured = route.destination.secure or (transport is not None and transport.secure)
    if not route.tls.verify:
        yield "insecure, so that whoever answers is believed; give ca_file instead"
    if transport in (Transport.UDP, Transport.TCP, Transport.WS) and (route.tls.certificate or route.tls.ca_data):
        yield f'certificates are given, and {transport.value} has no use for them; write transport = "tls"'
    tests = [("test call", route.call), ("registration", route.registration)]
    proving = [name for name, test in tests if test is not None and test.account is not None]
    if proving and transport is not None and not secured:
        many = len(proving) > 1
        what = f"its {' and its '.join(proving)} prove{'' if many else 's'} a password in the clear"
        yield f"{what}, where it can be guessed at; use TLS"


def _registers(route: Route) -> bool:
    """Whether a password is proven to a registrar."""
    return route.registration is not None and route.registration.account is not None


def _of_routes(routes: Sequence[Route]) -> Iterator[str]:
    first, *others = routes
    if _is_secured(first):
        for route in others:
            if not _is_secured(route) and route.destination.transport is not None:
                yield f"while {first.name} is down, calls go in the clear over {route.name}"


def _is_secured(route: Route) -> bool:
    transport = route.destination.transport
    return route.destination.secure or (transport is not None and transport.secure)


def _shared(trunks: Sequence[Trunk]) -> Iterator[str]:
    """Routes to one and the same place."""
    seen: dict[str, str] = {}
    for trunk in trunks:
        for route in trunk.routes:
            name, place = f"{trunk.name} {route.name}", str(route.destination)
            if place in seen:
                yield f"{seen[place]} and {name} both lead to {place}: one failure is both's"
            seen.setdefault(place, name)
