"""What is remembered of a route after a restart, made into a condition."""

import math
from collections.abc import Container

from probes.health.machine import Condition
from probes.health.terms import Change, Check, Health, Kind
from probes.health.trunk import Rules


class Memory:
    """The changes and checks of one route that a store knew, in any order."""

    def __init__(self) -> None:
        self._checks: dict[tuple[float, Kind], Check] = {}
        self._changes: list[Change] = []

    def add(self, happening: Check | Change) -> None:
        """One more. The check of a change is a check as well, and counts once."""
        if isinstance(happening, Check):
            self._checks[happening.at, happening.kind] = happening
            return
        self._changes.append(happening)
        if happening.after is not Health.UNCHECKED:
            self._checks.setdefault((happening.check.at, happening.check.kind), happening.check)

    def checks(self) -> list[Check]:
        """All checks, in order, of the route as it was changed last."""
        begun = max((change.at for change in self._changes if change.after is Health.UNCHECKED), default=-math.inf)
        return sorted((check for check in self._checks.values() if check.at > begun), key=lambda check: check.at)

    @property
    def health(self) -> Health:
        """How the route was."""
        last = self._last()
        return last.after if last else Health.UNCHECKED

    @property
    def since(self) -> float | None:
        """Since when."""
        last = self._last()
        return last.at if last and last.after is not Health.UNCHECKED else None

    def condition(self, rules: Rules, kinds: Container[Kind]) -> Condition:
        """What the checks come to, held to the changes that are known, since not every check is. What was found by
        other than these `kinds` of checks is left out: none will be made that could take it back.
        """
        condition, last = Condition(), None
        for happening in self._in_order():
            if _kind(happening) not in kinds:
                continue
            if isinstance(happening, Check):
                condition = condition.after(happening, rules)
            else:
                condition, last = condition.told(happening, rules), happening
        return condition.told(last, rules) if last and last.after is not Health.UNCHECKED else condition

    def _in_order(self) -> list[Check | Change]:
        # Of those at one time the checks come first, since sorting keeps their order.
        return sorted((*self._checks.values(), *self._changes), key=lambda one: one.at)

    def _last(self) -> Change | None:
        return max(reversed(self._changes), key=lambda change: change.at, default=None)


def _kind(happening: Check | Change) -> Kind:
    return happening.kind if isinstance(happening, Check) else happening.check.kind
