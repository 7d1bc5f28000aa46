"""A watch as data, one object for each line: what is watched, what happens as it does, and last how everything is.
Fields are only ever added; `watch.schema.json` beside this file describes them."""

from collections.abc import Sequence

from probes.health.alerts import Alert, alert_data
from probes.health.board import RouteState, TrunkState
from probes.health.difference import Difference
from probes.health.terms import Change, Check, Happening, Switch
from probes.health.trunk import Route, Trunk
from probes.report.units import milliseconds, timestamp
from probes.report.watch_text import works
from sipcore.errors import encodable

Data = dict[str, object]
_TOLD_BEFORE = frozenset({"check", "switch"})


def begin_data(trunks: Sequence[Trunk], states: Sequence[TrunkState], at: float) -> Data:
    """What is about to be watched, and what is known of it from earlier."""
    return {
        "event": "begin",
        "at": timestamp(at),
        "trunks": [_trunk(trunk) for trunk in trunks],
        "known": [_trunk_state(state) for state in states],
    }


def reload_data(trunks: Sequence[Trunk], found: Difference, others: Sequence[str], at: float) -> Data:
    """What is watched from now on, and by the names of trunks what is different, and what else is."""
    return {
        "event": "reload",
        "at": timestamp(at),
        "added": list(map(encodable, found.added)),
        "changed": list(map(encodable, found.changed)),
        "removed": list(map(encodable, found.removed)),
        "others": list(others),
        "trunks": [_trunk(trunk) for trunk in trunks],
    }


def happening_data(happening: Happening) -> Data:
    """Something that happened."""
    match happening:
        case Check():
            return {"event": "check", **_check(happening)}
        case Change():
            return {
                "event": "change",
                "at": timestamp(happening.at),
                "trunk": encodable(happening.trunk),
                "route": encodable(happening.route),
                "before": happening.before.value,
                "after": happening.after.value,
                "since": timestamp(happening.since),
                "lasted_ms": milliseconds(happening.at - happening.since),
                "check": _check(happening.check),
            }
        case Switch():
            return {
                "event": "switch",
                "at": timestamp(happening.at),
                "trunk": encodable(happening.trunk),
                "before": _named(happening.before),
                "after": _named(happening.after),
                "cause": happening.cause.name.lower(),
            }


def alert_event(alert: Alert) -> Data:
    """Something that people are told; the check or switch that it follows from has a line of its own."""
    return {"event": "alert", **{name: each for name, each in alert_data(alert).items() if name not in _TOLD_BEFORE}}


def trouble_data(at: float, detail: str) -> Data:
    """What keeps the watch from keeping its history, or from telling somebody, and that it is over."""
    return {"event": "trouble", "at": timestamp(at), "detail": encodable(detail)}


def states_data(states: Sequence[TrunkState], at: float) -> Data:
    """How all routes are."""
    return {"event": "states", "at": timestamp(at), "trunks": [_trunk_state(state) for state in states]}


def _check(check: Check) -> Data:
    return {
        "at": timestamp(check.at),
        "trunk": encodable(check.trunk),
        "route": encodable(check.route),
        "kind": check.kind.name.lower(),
        "verdict": check.verdict.value,
        "reason": check.reason,
        "detail": encodable(check.detail),
        "status": check.status,
        "round_trip_ms": milliseconds(check.rtt),
        "place": _place(check.place),
        "certificate_ends": timestamp(check.certificate_ends) if check.certificate_ends is not None else None,
    }


def _trunk_state(state: TrunkState) -> Data:
    return {
        "trunk": encodable(state.trunk),
        "title": encodable(state.title) or None,
        "works": any(works(route) for route in state.routes),
        "active": _named(state.active),
        "held": state.held,
        "routes": [_route_state(route) for route in state.routes],
    }


def _route_state(state: RouteState) -> Data:
    return {
        "route": encodable(state.route),
        "health": state.health.value,
        "since": timestamp(state.since) if state.since is not None else None,
        "misses": state.misses,
        "options": _check(state.options) if state.options is not None else None,
        "call": _check(state.call) if state.call is not None else None,
        "registration": _check(state.registration) if state.registration is not None else None,
    }


def _trunk(trunk: Trunk) -> Data:
    return {
        "trunk": encodable(trunk.name),
        "title": encodable(trunk.title) or None,
        "interval_ms": milliseconds(trunk.rules.interval),
        "call_interval_ms": milliseconds(trunk.rules.call_interval),
        "registration_interval_ms": milliseconds(trunk.rules.registration_interval),
        "routes": [_route(route) for route in trunk.routes],
    }


def _route(route: Route) -> Data:
    return {
        "route": encodable(route.name),
        "target": encodable(str(route.destination)),
        "call": encodable(str(route.call.destination)) if route.call is not None else None,
        "registration": encodable(str(route.registration.destination.aor)) if route.registration is not None else None,
    }


def _place(text: str) -> Data | None:
    """A place out of its words, as `tls 192.0.2.1:5061`; None where there was no address."""
    transport, _, remote = text.partition(" ")
    address, _, port = remote.rpartition(":")
    if not port.isdecimal():
        return None
    return {"transport": transport, "address": address.strip("[]"), "port": int(port)}


def _named(name: str | None) -> str | None:
    return None if name is None else encodable(name)
