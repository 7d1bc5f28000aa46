"""Rows of the tables, out of what a watch tells, and back into it."""

from enum import Enum
from typing import Any, Protocol, TypeVar

from probes.health.outbox import Delivery, DeliveryState
from probes.health.terms import Change, Check, Health, Kind, Switch, SwitchCause, Verdict
from probes.health.trunk import WatchError

E = TypeVar("E", bound=Enum)


class Row(Protocol):
    """What a row holds, by the names of its columns."""

    def __getitem__(self, name: str, /) -> Any: ...  # noqa: ANN401  # each column has a type of its own


def row_of_check(check: Check, route_id: int) -> dict[str, object]:
    """The row of a check."""
    return {"route_id": route_id, "at": check.at, **_facts(check)}


def check_of(row: Row, trunk: str, route: str) -> Check:
    """A check out of its row."""
    return _check(row, trunk, route, row["at"])


def row_of_change(change: Change, route_id: int) -> dict[str, object]:
    """The row of a change, whose check is of the same route."""
    return {
        "route_id": route_id,
        "at": change.at,
        "before": change.before.value,
        "after": change.after.value,
        "since": change.since,
        "checked_at": change.check.at,
        **_facts(change.check),
    }


def change_of(row: Row, trunk: str, route: str) -> Change:
    """A change out of its row."""
    before, after = _word(Health, row["before"]), _word(Health, row["after"])
    check = _check(row, trunk, route, row["checked_at"])
    return Change(trunk, route, row["at"], before, after, row["since"], check)


def row_of_switch(switch: Switch) -> dict[str, object]:
    """The row of a switch."""
    return {
        "trunk": switch.trunk,
        "at": switch.at,
        "before": switch.before,
        "after": switch.after,
        "cause": switch.cause.value,
    }


def switch_of(row: Row) -> Switch:
    """A switch out of its row."""
    return Switch(row["trunk"], row["at"], row["before"], row["after"], _word(SwitchCause, row["cause"]))


def row_of_delivery(delivery: Delivery) -> dict[str, object]:
    """The row of a delivery."""
    return {
        "alert": delivery.alert,
        "channel": delivery.channel,
        "at": delivery.at,
        "trunk": delivery.trunk,
        "route": delivery.route,
        "payload": delivery.payload,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "next_attempt": delivery.next_attempt,
        "error": delivery.error,
    }


def delivery_of(row: Row) -> Delivery:
    """A delivery out of its row."""
    return Delivery(
        row["alert"],
        row["channel"],
        row["at"],
        row["trunk"],
        row["route"],
        row["payload"],
        _word(DeliveryState, row["state"]),
        row["attempts"],
        row["next_attempt"],
        row["error"],
    )


def _facts(check: Check) -> dict[str, object]:
    return {
        "kind": check.kind.value,
        "verdict": check.verdict.value,
        "reason": check.reason,
        "detail": check.detail,
        "status": check.status,
        "rtt": check.rtt,
        "place": check.place,
        "certificate_ends": check.certificate_ends,
        "wait": check.wait,
    }


def _check(row: Row, trunk: str, route: str, at: float) -> Check:
    return Check(
        trunk,
        route,
        _word(Kind, row["kind"]),
        at,
        _word(Verdict, row["verdict"]),
        row["reason"],
        row["detail"],
        row["status"],
        row["rtt"],
        row["place"],
        row["certificate_ends"],
        row["wait"],
    )


def _word(kind: type[E], text: str) -> E:
    """A member by its value. Raises WatchError for one that this version does not have."""
    try:
        return kind(text)
    except ValueError:
        raise WatchError(f"the history has {text!r}, which this version does not know: use a newer one") from None
