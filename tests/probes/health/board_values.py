"""Trunks, checks and what follows from them, as tables write them: `a.` is a good check of route a, `a-` a miss."""

from collections.abc import Iterable

from hypothesis import strategies as st

from probes.calls.script import CallScript
from probes.destination import Destination
from probes.health.board import Board
from probes.health.terms import Change, Check, Happening, Health, Kind, Switch, Verdict
from probes.health.trunk import Route, Rules, Trunk

PLACE = Destination.parse("192.0.2.1")
SCRIPT = CallScript(Destination.parse("sip:100@192.0.2.1"))
VERDICTS = {".": Verdict.GOOD, "~": Verdict.POOR, "?": Verdict.SILENT, "-": Verdict.BAD, "!": Verdict.OWN}
"""The signs of verdicts. In capitals a route's name is for a test call."""
RULES = Rules(misses=3, recoveries=2, call_misses=2)


def trunk(routes: str = "a b c", rules: Rules = RULES, name: str = "t", calls: bool = True) -> Trunk:
    """A trunk with these routes."""
    script = SCRIPT if calls else None
    return Trunk(name, tuple(Route(route, PLACE, call=script) for route in routes.split()), rules)


def checks(text: str, begin: float = 0.0, name: str = "t", step: float = 1.0) -> list[Check]:
    """Checks, one a second: `a.` or, of a test call, `A.`."""
    found = []
    for number, word in enumerate(text.split()):
        kind = Kind.CALL if word[0].isupper() else Kind.OPTIONS
        reason = {Verdict.BAD: "refused", Verdict.SILENT: "silent"}.get(VERDICTS[word[1]], "answered")
        at = begin + number * step
        found.append(Check(name, word[0].lower(), kind, at, VERDICTS[word[1]], reason))
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


words = st.tuples(st.sampled_from("abcABC"), st.sampled_from([*"...---??~!"])).map("".join)
stories = st.lists(words, max_size=60).map(" ".join)
"""Any sequence of checks of three routes."""
rules = st.builds(
    Rules,
    misses=st.integers(1, 4),
    recoveries=st.integers(1, 3),
    call_misses=st.integers(1, 3),
    fails_back=st.booleans(),
)
