"""Trunks, checks and what follows from them, as tables write them: `a.` is a good check of route a, `a-` a miss. In
capitals a route's name is for a test call, behind an @ for a test of its registration.
"""

from collections.abc import Iterable

from hypothesis import strategies as st

from probes.calls.script import CallScript
from probes.destination import Destination
from probes.health.board import Board
from probes.health.terms import Change, Check, Happening, Health, Kind, Switch, Verdict
from probes.health.trunk import Route, Rules, Trunk
from probes.registration.plan import RegistrationProbe
from sipcore.transports.base import TlsConfig

PLACE = Destination.parse("192.0.2.1")
SCRIPT = CallScript(Destination.parse("sip:100@192.0.2.1"))
PROBE = RegistrationProbe(Destination.parse("sip:100@192.0.2.1"))
VERDICTS = {".": Verdict.GOOD, "~": Verdict.POOR, "?": Verdict.SILENT, "-": Verdict.BAD, "!": Verdict.OWN}
"""The signs of verdicts."""
RULES = Rules(misses=3, recoveries=2, call_misses=2, registration_misses=2)


def trunk(routes: str = "a b c", rules: Rules = RULES, name: str = "t", calls: bool = True) -> Trunk:
    """A trunk with these routes, each with `calls` and a registration, or with neither."""
    tests = (SCRIPT, PROBE) if calls else (None, None)
    return Trunk(name, tuple(Route(route, PLACE, TlsConfig(), *tests) for route in routes.split()), rules)


def checks(text: str, begin: float = 0.0, name: str = "t", step: float = 1.0) -> list[Check]:
    """Checks, one a second: `a.` or, of a test call, `A.`, or of a registration, `@a.`."""
    found = []
    for number, word in enumerate(text.split()):
        route, sign = word[-2], word[-1]
        kind = Kind.REGISTRATION if word[0] == "@" else Kind.CALL if route.isupper() else Kind.OPTIONS
        reason = {Verdict.BAD: "refused", Verdict.SILENT: "silent"}.get(VERDICTS[sign], "answered")
        at = begin + number * step
        found.append(Check(name, route.lower(), kind, at, VERDICTS[sign], reason))
    return found


def told(board: Board, given: Iterable[Check]) -> list[Happening]:
    """All that the board tells of them."""
    return [happening for check in given for happening in board.take(check)]


def healths(happenings: Iterable[Happening]) -> list[Health]:
    """What the changes among them lead to."""
    return [one.after for one in happenings if isinstance(one, Change)]


def switches(happenings: Iterable[Happening]) -> list[str]:
    """The switches among them: `a>b failover`."""
    found = [one for one in happenings if isinstance(one, Switch)]
    return [f"{one.before or ''}>{one.after or ''} {one.cause.value}" for one in found]


words = st.tuples(st.sampled_from([*"abcABC", "@a", "@b", "@c"]), st.sampled_from([*"...---??~!"])).map("".join)
stories = st.lists(words, max_size=60).map(" ".join)
"""Any sequence of checks of three routes."""
rules = st.builds(
    Rules,
    misses=st.integers(1, 4),
    recoveries=st.integers(1, 3),
    call_misses=st.integers(1, 3),
    registration_misses=st.integers(1, 3),
    fails_back=st.booleans(),
)
