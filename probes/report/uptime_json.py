"""How well trunks were over a window of time, as data. Fields are only ever added; `uptime.schema.json` beside this
file describes them.
"""

from collections.abc import Sequence

from probes.health.days import Part
from probes.health.uptime import Incident, RouteUptime, Spent, TrunkUptime
from probes.report.units import milliseconds, spread_data, timestamp
from sipcore.errors import encodable

Data = dict[str, object]


def uptime_data(uptimes: Sequence[tuple[TrunkUptime, Sequence[Part]]], since: float, until: float) -> Data:
    """All of it."""
    return {
        "since": timestamp(since),
        "until": timestamp(until),
        "trunks": [_trunk(uptime, parts) for uptime, parts in uptimes],
    }


def _trunk(uptime: TrunkUptime, parts: Sequence[Part]) -> Data:
    return {
        "trunk": encodable(uptime.trunk),
        **_spent(uptime.spent),
        **_incidents(uptime.incidents, uptime.incident_count),
        "parts": [{"since": timestamp(part.since), **_spent(part.spent)} for part in parts],
        "routes": [_route(route) for route in uptime.routes],
    }


def _route(route: RouteUptime) -> Data:
    return {
        "route": encodable(route.route),
        **_spent(route.spent),
        **_incidents(route.incidents, route.incident_count),
        "checks": route.checks,
        "round_trip": spread_data(route.round_trips),
        "reasons": [{"reason": reason, "count": count} for reason, count in route.reasons],
        "statuses": [{"status": status, "count": count} for status, count in route.statuses],
        "calls": route.calls,
        "calls_answered": route.calls_answered,
        "calls_good": route.calls_good,
        "registrations": route.registrations,
        "registrations_good": route.registrations_good,
        "answer_seizure_ratio": _rounded(route.answer_seizure_ratio),
    }


def _spent(spent: Spent) -> Data:
    return {
        "availability": _rounded(spent.availability),
        "healthy_ms": milliseconds(spent.healthy),
        "degraded_ms": milliseconds(spent.degraded),
        "unreachable_ms": milliseconds(spent.unreachable),
        "unknown_ms": milliseconds(spent.unknown),
        "unchecked_ms": milliseconds(spent.unchecked),
        "unwatched_ms": milliseconds(spent.unwatched),
    }


def _incidents(incidents: Sequence[Incident], count: int) -> Data:
    return {"incident_count": count, "incidents": [_incident(incident) for incident in incidents]}


def _incident(incident: Incident) -> Data:
    return {
        "since": timestamp(incident.since),
        "down": timestamp(incident.down),
        "until": timestamp(incident.until) if incident.until is not None else None,
        "duration_ms": milliseconds(incident.seconds),
        "kind": incident.kind.name.lower(),
        "reason": incident.reason,
        "detail": encodable(incident.detail),
        "status": incident.status,
    }


def _rounded(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 6)
