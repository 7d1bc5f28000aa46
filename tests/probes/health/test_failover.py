"""Which route calls take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.health.failover import Choice, best, settle
from probes.health.terms import Health, SwitchCause

SIGNS = {
    " ": Health.UNCHECKED,
    "?": Health.UNKNOWN,
    "+": Health.HEALTHY,
    "~": Health.DEGRADED,
    "x": Health.UNREACHABLE,
}


def routes(signs: str) -> dict[str, Health]:
    return {name: SIGNS[sign] for name, sign in zip("abc", signs, strict=False)}


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ("+++", "a"),
        ("x++", "b"),
        ("x~+", "c"),  # in doubt, or out of service: the next might be as well off as the first
        ("x~~", "b"),
        ("x?+", "c"),
        ("x?~", "c"),
        ("x ?", "b"),
        ("x? ", "b"),
        ("xxx", None),
        ("x", None),
    ],
)
def test_the_best_that_is_left(signs: str, expected: str | None) -> None:
    assert best(routes(signs)) == expected


@pytest.mark.parametrize(
    ("signs", "taken", "held", "expected"),
    [
        # Who is in doubt, silent or unchecked stays.
        ("~++", "a", False, None),
        ("?++", "a", False, None),
        (" ++", "a", False, None),
        # Who is down is left, whoever chose it.
        ("x++", "a", False, ("b", SwitchCause.FAILOVER)),
        ("+x+", "b", True, ("a", SwitchCause.FAILOVER)),
        ("xxx", "a", False, (None, SwitchCause.FAILOVER)),
        # One that is no more is left like one that is down.
        ("+++", "gone", True, ("a", SwitchCause.FAILOVER)),
        # A better one that is well takes over, the best of them, and no other.
        ("+++", "c", False, ("a", SwitchCause.FAILBACK)),
        ("x++", "c", False, ("b", SwitchCause.FAILBACK)),
        ("~?+", "c", False, None),
        ("+~+", "b", False, ("a", SwitchCause.FAILBACK)),
        ("x~+", "b", False, None),
        # Not from one that was chosen by hand.
        ("+++", "c", True, None),
        # From nothing to the best that is up.
        ("xxx", None, False, None),
        ("x?x", None, False, ("b", SwitchCause.FAILBACK)),
        ("x~+", None, False, ("c", SwitchCause.FAILBACK)),
    ],
)
def test_what_follows(
    signs: str, taken: str | None, held: bool, expected: tuple[str | None, SwitchCause] | None
) -> None:
    found = settle(Choice(taken, held), routes(signs), True)
    assert found == (expected and (Choice(expected[0]), expected[1]))


def test_without_failback_calls_stay_until_their_route_is_down() -> None:
    assert settle(Choice("b"), routes("+++"), False) is None
    assert settle(Choice("b"), routes("+x+"), False) == (Choice("a"), SwitchCause.FAILOVER)
    assert settle(Choice(None), routes("x+x"), False) == (Choice("b"), SwitchCause.FAILBACK)


@given(st.text("?+~x ", min_size=3, max_size=3), st.sampled_from(["a", "b", "c", "gone", None]), st.booleans())
def test_what_was_settled_stays_settled(signs: str, taken: str | None, fails_back: bool) -> None:
    found = settle(Choice(taken), routes(signs), fails_back)
    choice = found[0] if found else Choice(taken)
    assert settle(choice, routes(signs), fails_back) is None
    assert (choice.route is None) == (set(signs) == {"x"})
    assert choice.route is None or routes(signs)[choice.route] is not Health.UNREACHABLE
