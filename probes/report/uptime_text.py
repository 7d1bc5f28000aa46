"""How well trunks were over a window of time, in words: availability, incidents, times and reasons.

What nobody watched is told, and counts neither as up nor as down. Readable at 80 columns and without colour.
"""

from collections.abc import Iterator, Sequence
from datetime import tzinfo

from rich.text import Text

from probes.health.days import Part
from probes.health.uptime import Incident, RouteUptime, Spent, TrunkUptime
from probes.report.lines import WIDTH, fact, wrapped
from probes.report.safe_text import printable
from probes.report.times import date_and_clock, duration, moment, span
from probes.report.watch_text import OF_KIND

SHOWN = 5
"""Incidents of a trunk or a route that are told one by one, the last ones."""
_LABEL = 13
"""Columns of the names of facts."""
_MAX_TEXT = 160
"""Characters of what a peer may make as long as it likes."""
_CUTS = ((100.0, "━"), (99.0, "─"), (50.0, "╌"), (0.0, "×"))
"""From which per cent on a part of the window is drawn how."""
_UNKNOWN = "?"
_LEGEND = {
    "━": "up",
    "─": "down for 1 % at most",
    "╌": "down for half at most",
    "×": "down for most",
    _UNKNOWN: "unknown",
}
"""Each can be read by itself: those that are not drawn are left out."""
_DAY = 86_400


def uptime_lines(
    uptimes: Sequence[tuple[TrunkUptime, Sequence[Part]]], width: int = WIDTH, zone: tzinfo | None = None
) -> list[Text]:
    """All of it: of each trunk the whole, and each of its routes, in times of `zone`; None is this machine's."""
    lines: list[Text] = []
    for number, (uptime, parts) in enumerate(uptimes):
        if not number:
            lines.append(Text(_window(uptime, zone)))
        lines += [Text(), *_trunk_lines(uptime, parts, width, zone)]
    return lines


def _window(uptime: TrunkUptime, zone: tzinfo | None) -> str:
    begin, end = moment(uptime.since, zone), moment(uptime.until, zone)
    names = f"{begin:%Z}" if f"{begin:%Z}" == f"{end:%Z}" else f"{begin:%Z} and {end:%Z}"
    return f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}, {span(uptime.until - uptime.since)}, in {names}"


def _trunk_lines(uptime: TrunkUptime, parts: Sequence[Part], width: int, zone: tzinfo | None) -> Iterator[Text]:
    alone = uptime.routes[0] if len(uptime.routes) == 1 else None
    yield from _headline(uptime.trunk, uptime.spent, uptime.incident_count, width, bold=True)
    facts = [*_bar(parts), *_unwatched(uptime.spent)]
    if alone is not None:
        facts += _measured(alone)
    facts += _incidents(uptime.incidents, uptime.incident_count, zone)
    yield from _facts(facts, width)
    for route in uptime.routes if alone is None else ():
        yield Text()
        yield from _headline(route.route, route.spent, route.incident_count, width)
        told = [*_unwatched(route.spent)] if route.spent.unwatched != uptime.spent.unwatched else []
        yield from _facts([*told, *_measured(route), *_incidents(route.incidents, route.incident_count, zone)], width)


def _headline(name: str, spent: Spent, incidents: int, width: int, *, bold: bool = False) -> list[Text]:
    """How available something was, in a line."""
    told = [percentage(spent.availability)]
    if spent.unreachable or incidents:
        told.append(f"down {span(spent.unreachable)} in {_counted(incidents, 'incident')}")
    if spent.degraded:
        told.append(f"degraded {span(spent.degraded)}")
    if spent.unknown:
        told.append(f"unanswered {span(spent.unknown)}")
    style = "bold" if bold else ""
    return wrapped(f"{name}: {', '.join(told)}", width, "" if bold else "  ", " " * 6, style)


def percentage(availability: float | None) -> str:
    """Per cent, never rounded up to what it was not."""
    if availability is None:
        return "nothing is known"
    if availability == 100:
        return "up 100 %"
    return f"up {int(availability * 1000) / 1000:.3f} %"


def _facts(facts: Sequence[tuple[str, str]], width: int) -> Iterator[Text]:
    for name, text in facts:
        yield from fact(name, text, width, _LABEL)


def _unwatched(spent: Spent) -> Iterator[tuple[str, str]]:
    left_out = spent.unwatched + spent.unchecked
    if left_out >= 1:
        yield "not watched", f"{span(left_out)}, which counts neither as up nor as down"


def _measured(route: RouteUptime) -> Iterator[tuple[str, str]]:
    """What the checks of a route found."""
    spread = route.round_trips
    if spread is not None:
        half = f"half within {duration(spread.median, fine=True)}, 95 % within {duration(spread.p95, fine=True)}"
        yield "round trip", f"{half}, max {duration(spread.most, fine=True)}, of {_counted(spread.count, 'answer')}"
    if route.reasons:
        reasons = ", ".join(f"{count:,} × {reason}" for reason, count in route.reasons)
        statuses = ", ".join(f"{count:,} × {status}" for status, count in route.statuses)
        yield (
            "failures",
            f"{reasons}{f'; by status {statuses}' if statuses else ''}, of {_counted(route.checks, 'check')}",
        )
    elif route.checks:
        yield "failures", f"none, of {_counted(route.checks, 'check')}"
    ratio = route.answer_seizure_ratio
    if ratio is not None:
        answered = f"{route.calls_answered:,} of {route.calls:,} answered ({ratio:.1f} %)"
        yield "test calls", f"{answered}, {route.calls_good:,} as they should be"
    if route.registrations:
        yield "registration", f"{route.registrations_good:,} of {route.registrations:,} tests as they should be"


def _incidents(incidents: Sequence[Incident], count: int, zone: tzinfo | None) -> Iterator[tuple[str, str]]:
    """The last ones, each with what is known of it that was not told of the one before."""
    shown = incidents[-SHOWN:]
    if count > len(shown):
        yield "incidents", f"the last {len(shown)} of {count:,}"
    before = ""
    for number, incident in enumerate(shown):
        what = OF_KIND[incident.kind]
        why = incident.detail if incident.detail not in ("", before) else incident.reason
        before = incident.detail
        lasted = span(incident.seconds) if incident.until is not None else f"{span(incident.seconds)}, not over yet"
        name = "incidents" if not number and count == len(shown) else ""
        yield name, f"{date_and_clock(incident.since, zone)}, {lasted}: {what}{_cut(printable(why))}"


def _bar(parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
    """A character for each part of the window."""
    if len(parts) < 2:
        return
    drawn = "".join(_drawn(part.spent) for part in parts)
    days = round((parts[-1].since - parts[-2].since) / _DAY)  # between two midnights, where there are so many
    yield f"each {days} d" if days > 1 else "each day", drawn
    used = [f"{character} {meaning}" for character, meaning in _LEGEND.items() if character in drawn]
    yield "", ", ".join(used)


def _drawn(spent: Spent) -> str:
    availability = spent.availability
    if availability is None:
        return _UNKNOWN
    return next(character for least, character in _CUTS if availability >= least)


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word if count == 1 else f'{word}s'}"


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"
