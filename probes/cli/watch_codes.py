"""What the health of trunks means to a script."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from probes.cli import call_codes
from probes.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from probes.health.board import RouteState, TrunkState
    from probes.health.terms import Check

CODES = {
    "name": ExitCode.UNRESOLVABLE,
    "unreachable": ExitCode.UNREACHABLE,
    "refused": ExitCode.REFUSED,
    "silent": ExitCode.NO_ANSWER,
    "tls": ExitCode.TLS_FAILED,
    "client-certificate": ExitCode.TLS_FAILED,
    "not-sip": ExitCode.NOT_SIP,
}
"""Those of the reasons that checks go by; the others are refusals. What comes first is the worst: a request came less
far."""
_RANKS = list(dict.fromkeys(CODES.values()))


def exit_code(states: "Sequence[TrunkState]") -> ExitCode:
    """0 where each trunk has a route that works; else the worst of the others, each told by its route that came
    furthest.
    """
    from probes.report.watch_text import works

    codes = [
        max(map(_of_route, trunk.routes), key=_rank)
        for trunk in states
        if not any(works(route) for route in trunk.routes)
    ]
    return min(codes, key=_rank, default=ExitCode.OK)


def _rank(code: ExitCode) -> int:
    """How far a request came that ended with a code."""
    return _RANKS.index(code) if code in _RANKS else len(_RANKS)


def _of_route(state: "RouteState") -> ExitCode:
    """What the last checks mean of a route that does not work."""
    from probes.health.terms import Verdict

    failed = [check for check in state.checks if check.verdict not in (Verdict.GOOD, Verdict.POOR)]
    if state.checks and not failed:
        return ExitCode.FAILED  # it counts as down until it has answered more often
    return max(map(_of_check, failed), key=_rank, default=ExitCode.NO_ANSWER)


def _of_check(check: "Check") -> ExitCode:
    if check.call is not None:
        code = call_codes.exit_code(check.call)
        return code if code is not ExitCode.OK else ExitCode.FAILED
    if check.registration is not None:
        return call_codes.registration_exit_code(check.registration)
    return CODES.get(check.reason, ExitCode.FAILED)
