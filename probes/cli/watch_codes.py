"""What the health of trunks means to a script."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from probes.cli import call_codes
from probes.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from probes.health.board import TrunkState
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
        max((_of_check(route.check) for route in trunk.routes), key=_rank)
        for trunk in states
        if not any(works(route) for route in trunk.routes)
    ]
    return min(codes, key=_rank, default=ExitCode.OK)


def _rank(code: ExitCode) -> int:
    """How far a request came that ended with a code."""
    return _RANKS.index(code) if code in _RANKS else len(_RANKS)


def _of_check(check: "Check | None") -> ExitCode:
    """What a check means of a route that does not work."""
    if check is None:
        return ExitCode.NO_ANSWER
    if check.call is not None:
        code = call_codes.exit_code(check.call)
        return code if code is not ExitCode.OK else ExitCode.FAILED
    return CODES.get(check.reason, ExitCode.FAILED)
