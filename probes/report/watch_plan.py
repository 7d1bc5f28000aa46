"""What a file of trunks means, in words, before anything is sent."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from probes.health.oddities import longest_until_down, oddities
from probes.health.trunk import Route, Rules, Trunk
from probes.report.lines import fact, listed, wrapped
from probes.report.ping_text import UNBROKEN
from probes.report.times import every, span
from probes.report.watch_text import tested
from sipcore.outgoing import SERVICE_UNAVAILABLE

_LABEL = 13
"""Columns of the names of facts."""
_DAY = 86_400.0


def plan_lines(trunks: Sequence[Trunk], store: str, alerts: Sequence[str] = (), width: int = UNBROKEN) -> list[Text]:
    """All of it; `store` is where the history is kept, "" for nowhere, and `alerts` the channels that are told."""
    routes = sum(len(trunk.routes) for trunk in trunks)
    lines = wrapped(f"{_counted(len(trunks), 'trunk')}, {_counted(routes, 'route')}", width, style="bold")
    for trunk in trunks:
        lines += [Text(), *wrapped(trunk.name, width, style="bold")]
        lines += [line for name, text in _trunk(trunk) for line in fact(name, text, width, _LABEL)]
    lines.append(Text())
    history = store or 'kept nowhere: nothing outlives the end of the watch; write store = "watch.db"'
    lines += fact("history", history, width, _LABEL)
    lines += fact("alerts", f"to {listed(alerts)}" if alerts else "nobody is told but who looks", width, _LABEL)
    odd = list(oddities(trunks))
    lines += [Text(), Text("odd", style="bold yellow")] if odd else []
    lines += [line for text in odd for line in wrapped(text, width, "  ", " " * 6)]
    return lines


def _trunk(trunk: Trunk) -> Iterator[tuple[str, str]]:
    rules = trunk.rules
    names = [route.name for route in trunk.routes]
    for number, route in enumerate(trunk.routes):
        yield ("" if number else "routes" if len(names) > 1 else "route"), _route(route)
    checks = f"OPTIONS every {every(rules.interval)}, every {every(rules.retry)} while in doubt"
    yield "checks", f"{checks}; each is given up after {every(rules.timeout)}"
    down = f"after {_counted(rules.misses, 'failed check')} in a row, {span(longest_until_down(rules))} at the latest"
    calls = [route for route in trunk.routes if route.call is not None]
    registered = any(route.registration is not None for route in trunk.routes)
    others = f", or {_counted(rules.call_misses, 'failed test call')}" if calls else ""
    others += f", or {_counted(rules.registration_misses, 'failed registration')}" if registered else ""
    yield "down", f"{down}{others}; up after {_counted(rules.recoveries, 'good check')}"
    if poor := list(_poor(rules)):
        yield "poor", "; ".join(poor)
    if rules.refusals:
        yield "refusals", ", ".join(map(str, rules.refusals))
    if calls:
        per_day = len(calls) * _DAY / rules.call_interval
        yield "test calls", f"every {every(rules.call_interval)} over each route that has one, {per_day:,.0f} a day"
    if registered:
        yield "registration", f"tested every {every(rules.registration_interval)}"
    if len(names) > 1:
        back = "calls return by themselves" if rules.fails_back else "calls return when somebody says so"
        yield "failover", f"from {names[0]} to {listed(names[1:])}; {back}"


def _route(route: Route) -> str:
    call = f", test calls to {route.call.destination}" if route.call is not None else ""
    registered = f", {tested(route.registration)}" if route.registration is not None else ""
    named = f"{route.name}: " if route.name != str(route.destination) else ""
    return f"{named}{route.destination}{call}{registered}"


def _poor(rules: Rules) -> Iterator[str]:
    if SERVICE_UNAVAILABLE not in rules.refusals:
        yield "a 503"
    if rules.slow:
        yield f"an answer after {rules.slow * 1000:g} ms"
    if rules.certificate_days:
        yield f"a certificate with less than {rules.certificate_days:g} days left"


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word if count == 1 else f'{word}s'}"
