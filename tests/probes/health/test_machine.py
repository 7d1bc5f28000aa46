"""How a route is: the table is whole, and stories come out as operators would have them."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from probes.health.machine import (
    IGNORED,
    IMPOSSIBLE,
    JOINT,
    TABLE,
    Condition,
    Input,
    Step,
    Track,
    advance,
    input_of,
    limits,
)
from probes.health.terms import Change, Check, Health, Kind, Verdict
from probes.health.trunk import Rules
from tests.probes.health.board_values import RULES, checks, rules, stories

SIGNS = {
    Health.UNCHECKED: " ",
    Health.UNKNOWN: "?",
    Health.HEALTHY: "+",
    Health.DEGRADED: "~",
    Health.UNREACHABLE: "x",
}


def course(text: str, by: Rules = RULES) -> str:
    """How a route is after each check."""
    condition, signs = Condition(), ""
    for check in checks(text):
        condition = condition.after(check, by)
        signs += SIGNS[condition.health]
    return signs


def test_every_cell_is_decided_once() -> None:
    assert set(TABLE) | IGNORED | IMPOSSIBLE == set(itertools.product(Health, Input))
    assert len(TABLE) + len(IGNORED) + len(IMPOSSIBLE) == len(Health) * len(Input)


def test_both_kinds_together_are_decided_but_for_what_calls_are_never() -> None:
    assert set(JOINT) == set(itertools.product(Health, set(Health) - {Health.UNKNOWN}))


def test_what_is_impossible_raises() -> None:
    with pytest.raises(KeyError):
        advance(Track(Health.HEALTHY), Input.SILENCE)


def test_each_step_is_used() -> None:
    assert {step for _, steps in TABLE.values() for step in steps} == set(Step)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # It answers, and fails now and then.
        ("a. a. a.", "+++"),
        ("a. a- a. a- a- a.", "+~+~~+"),
        ("a. a- a- a-", "+~~x"),
        # Silence is a failure once it has answered, by whatever status.
        ("a. a? a? a?", "+~~x"),
        ("a~ a? a? a?", "~~~x"),
        ("a. a- a? a-", "+~~x"),
        # Silence of a route that never answered is none.
        ("a? a? a? a? a?", "?????"),
        ("a? a.", "?+"),
        # Refused is refused, from the beginning.
        ("a- a- a-", "~~x"),
        ("a? a- a- a-", "?~~x"),
        # One that drops OPTIONS and was refused for a time (it was restarted) is again what it was.
        ("a? a- a? a?", "?~~?"),
        ("a? a- a- a- a? a?", "?~~xx?"),
        ("a? a- a- a- a? a- a? a?", "?~~xxxx?"),
        # One silence in between is no way out of it.
        ("a? a- a? a- a? a-", "?~~~~x"),
        # It comes up by so many in a row.
        ("a- a- a- a? a. a.", "~~xxx+"),
        ("a- a- a- a. a.", "~~xx+"),
        ("a- a- a- a. a- a. a.", "~~xxxx+"),
        ("a- a- a- a. a? a. a~", "~~xxxx~"),
        ("a- a- a- a- a- a- a. a.", "~~xxxxx+"),
        # It answers poorly.
        ("a. a~ a. a~", "+~+~"),
        ("a. a~ a- a- a-", "+~~~x"),
        # What answers at all breaks a row of misses.
        ("a. a- a- a~ a- a- a-", "+~~~~~x"),
        # A fault of this host says nothing, and breaks no row.
        ("a! a! a.", "  +"),
        ("a. a! a- a! a- a! a- a!", "++~~~~xx"),
        ("a- a- a- a. a! a.", "~~xxx+"),
    ],
)
def test_options(text: str, expected: str) -> None:
    assert course(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # A call that succeeds shows that the route works, and makes no failure of OPTIONS that are dropped.
        ("a? A. a? a? a? a? a?", "?++++++"),
        ("A. a?", "++"),
        ("A. a- a- a-", "+~~x"),
        # OPTIONS that are answered take no failed call back.
        ("a. A- a. a. a. A- a.", "+~~~~xx"),
        ("a. A- a. A. a.", "+~~++"),
        ("a. A- A- a. a. A.", "+~xxx+"),
        # Nor the other way round.
        ("a. a- a- A. a-", "+~~~x"),
        # A call that gets no answer has failed, whatever else is known.
        ("A? A?", "~x"),
        # It has begun to drop OPTIONS, and a call shows it; once they are answered again they count again.
        ("a. a? a? a? A. a? a? a?", "+~~x++++"),
        ("a. a? a? a? A~ a? a?", "+~~x~~~"),
        ("a. a? a? a? A. a? a. a? a? a?", "+~~x+++~~x"),
        # One that is refused is not silent.
        ("a. a- a- a- A. a-", "+~~xxx"),
        # A call that meets no line in time is no reason to forget that it answers.
        ("a. a? A. a? a?", "+~~~x"),
        # What a call showed before it went down says nothing of what came after.
        ("A. a- a- a- a? a? A.", "+~~xx?+"),
        ("a? a- a- a- A. a? a?", "?~~xxx+"),
        # Down by calls and silent for ever, and up again by one call.
        ("a? A- A- a? A.", "?~xx+"),
    ],
)
def test_calls(text: str, expected: str) -> None:
    assert course(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # A registration fails whatever OPTIONS and calls say, and takes none of theirs back.
        ("a. @a- a. A. @a- a. A. @a.", "+~~~xxx+"),
        ("a. A- @a. A. @a.", "+~~++"),
        ("a. A- @a- A- @a. A.", "+~~xx+"),
        ("a. @a- A- @a- A. @a.", "+~~xx+"),
        # It shows that the route works, and that it drops OPTIONS.
        ("a? @a. a? a?", "?+++"),
        ("a. a? a? a? @a. a? a?", "+~~x+++"),
        ("a. a- a- a- @a. a-", "+~~xxx"),
        # Silence of a registrar is a failure, from the beginning.
        ("@a? @a?", "~x"),
        # What it showed before OPTIONS brought the route down says nothing of what came after; what failed still does.
        ("@a. a- a- a- a? a? @a.", "+~~xx?+"),
        ("@a- a- a- a- a. a. @a.", "~~~xx~+"),
        ("@a! a. @a!", " ++"),
    ],
)
def test_registrations(text: str, expected: str) -> None:
    assert course(text) == expected


def test_one_check_is_enough_where_the_rules_say_so() -> None:
    once = Rules(misses=1, recoveries=1, call_misses=1)
    assert course("a- a. a- a? a- A- A.", once) == "x+xxxxx"
    assert course("a? a- a? a.", once) == "?x?+"


def test_a_refusal_by_a_status_is_an_answer() -> None:
    refused = Check("t", "a", Kind.OPTIONS, 0.0, Verdict.BAD, "status", status=403)
    silent = checks("a? a?", 1.0)
    condition = Condition()
    for check in (refused, *silent):
        condition = condition.after(check, RULES)
    assert condition.health is Health.UNREACHABLE


@pytest.mark.parametrize(
    ("verdict", "wait", "health", "misses"),
    [
        (Verdict.BAD, 0.0, Health.DEGRADED, 1),
        (Verdict.BAD, 9.9, Health.DEGRADED, 1),
        (Verdict.BAD, 10.0, Health.DEGRADED, 2),
        (Verdict.BAD, 20.0, Health.UNREACHABLE, 3),
        (Verdict.BAD, 300.0, Health.UNREACHABLE, 3),
        (Verdict.POOR, 300.0, Health.DEGRADED, 0),
    ],
)
def test_a_refusal_stands_for_the_checks_that_it_keeps_away(
    verdict: Verdict, wait: float, health: Health, misses: int
) -> None:
    check = Check("t", "a", Kind.OPTIONS, 0.0, verdict, "maintenance", status=503, wait=wait)
    condition = Condition().after(check, Rules(misses=3, retry=10.0))
    assert (condition.health, condition.misses) == (health, misses)


@pytest.mark.parametrize(
    ("text", "doubt", "misses"),
    [
        ("", False, 0),
        ("a?", False, 0),
        ("a. a-", True, 1),
        ("a. a- a.", False, 0),
        ("a. a~", False, 0),  # it is poor, and no sooner asked for that
        ("a. a- a- a-", False, 3),
        ("a. a- a- a- a-", False, 4),
        ("a. a- a- a- a.", True, 0),  # it is coming up
        ("a. a- a- a- a. a-", False, 1),
        ("a? a- a?", True, 1),
        ("a. A-", False, 1),  # OPTIONS learn nothing of that
    ],
)
def test_doubt(text: str, doubt: bool, misses: int) -> None:
    condition = Condition()
    for check in checks(text):
        condition = condition.after(check, RULES)
    assert (condition.in_doubt, condition.misses) == (doubt, misses)


@given(stories, rules)
def test_no_route_goes_down_or_comes_up_too_soon(text: str, by: Rules) -> None:
    """Of each kind so many checks in a row; what says nothing counts for nothing."""
    condition = Condition()
    rows: dict[Kind, list[Verdict]] = {kind: [] for kind in Kind}
    for check in checks(text):
        before, condition = condition, condition.after(check, by)
        if check.verdict is not Verdict.OWN:
            rows[check.kind].append(check.verdict)
        limit, row = limits(by, check.kind), rows[check.kind]
        if condition.health is Health.UNREACHABLE is not before.health:
            assert check.verdict in (Verdict.BAD, Verdict.SILENT)
            assert misses_in_row(row) >= limit.misses
        if before.health is Health.UNREACHABLE is not condition.health:
            assert check.verdict is not Verdict.BAD
            proves = check.kind is not Kind.OPTIONS and passes(row) >= 1
            assert proves or max(passes(row), silences(row)) >= limit.recoveries
        if condition.health is Health.HEALTHY is not before.health:
            is_proved = passes(rows[Kind.CALL]) or passes(rows[Kind.REGISTRATION])
            assert check.verdict in (Verdict.GOOD, Verdict.POOR) or is_proved


def misses_in_row(row: list[Verdict]) -> int:
    return len(list(itertools.takewhile(lambda one: one in (Verdict.BAD, Verdict.SILENT), reversed(row))))


def passes(row: list[Verdict]) -> int:
    return len(list(itertools.takewhile(lambda one: one in (Verdict.GOOD, Verdict.POOR), reversed(row))))


def silences(row: list[Verdict]) -> int:
    return len(list(itertools.takewhile(lambda one: one is Verdict.SILENT, reversed(row))))


@given(stories, rules)
def test_no_sequence_of_checks_reaches_what_is_impossible(text: str, by: Rules) -> None:
    condition = Condition()
    for check in checks(text):
        track = {
            Kind.OPTIONS: condition.options,
            Kind.CALL: condition.calls,
            Kind.REGISTRATION: condition.registrations,
        }[check.kind]
        assert (track.health, input_of(track, check.verdict, limits(by, check.kind))) not in IMPOSSIBLE
        condition = condition.after(check, by)


@given(
    stories,
    stories,
    rules,
    st.sampled_from([Health.UNKNOWN, Health.HEALTHY, Health.DEGRADED, Health.UNREACHABLE]),
    st.sampled_from(Verdict),
    st.sampled_from(Kind),
)
@example("a. a?", "A.", RULES, Health.HEALTHY, Verdict.SILENT, Kind.OPTIONS)
@example("", "a?", RULES, Health.HEALTHY, Verdict.BAD, Kind.OPTIONS)
def test_what_a_change_is_remembered_to_have_made_is_so_and_it_goes_on(
    before: str, after: str, by: Rules, health: Health, verdict: Verdict, kind: Kind
) -> None:
    condition = Condition()
    for check in checks(before):
        condition = condition.after(check, by)
    check = Check("t", "a", kind, 0.0, verdict, "x")
    condition = condition.told(Change("t", "a", 0.0, Health.UNCHECKED, health, 0.0, check), by)
    assert condition.health is health
    for check in checks(after):
        condition = condition.after(check, by)


@pytest.mark.parametrize(("kind", "good"), [(Kind.CALL, "A."), (Kind.REGISTRATION, "@a.")])
def test_a_route_is_remembered_to_be_down_by_what_brought_it_down(kind: Kind, good: str) -> None:
    check = Check("t", "a", kind, 0.0, Verdict.BAD, "x")
    down = Condition().told(Change("t", "a", 0.0, Health.HEALTHY, Health.UNREACHABLE, 0.0, check), RULES)
    ((answered,), (repaired,)) = checks("a."), checks(good)
    assert down.after(answered, RULES).health is Health.UNREACHABLE
    assert down.after(repaired, RULES).health is Health.HEALTHY


@given(stories, rules)
def test_a_route_that_never_answered_and_was_never_refused_is_never_down(text: str, by: Rules) -> None:
    condition = Condition()
    for check in checks(text):
        if check.verdict in (Verdict.SILENT, Verdict.OWN) and check.kind is Kind.OPTIONS:
            condition = condition.after(check, by)
            assert condition.health in (Health.UNCHECKED, Health.UNKNOWN)
