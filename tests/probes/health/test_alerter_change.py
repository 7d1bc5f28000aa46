"""Alerts of trunks that are changed: whoever was told of something is told how it ended, and nothing is told twice."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.destination import Destination
from probes.health.alerter import Alerter
from probes.health.alerts import Alert, AlertKind, AlertRules, Phase, alert_data, alert_of
from probes.health.board import Board
from probes.health.incidents import GATHER
from probes.health.terms import Happening, Health, Kind, Verdict
from probes.health.trunk import Route, Rules, Trunk
from tests.probes.health.board_values import PLACE, SCRIPT, rules
from tests.probes.health.happenings import START, Scene, check_of, trunk_of

HOUR = 3600.0
ELSEWHERE = Destination.parse("192.0.2.2")


def change(scene: Scene, *trunks: Trunk, rules: AlertRules | None = None) -> list[Alert]:
    """What is told at once of other trunks and rules."""
    told = scene.alerter.change(trunks, scene.now, rules or scene.rules)
    scene.told += told
    return list(told)


def words(told: list[Alert]) -> list[str]:
    return [f"{alert.kind.value} {alert.phase.value} {alert.route}".strip() for alert in told]


def test_what_is_not_changed_goes_on_untouched() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.drops("sbc1")
    scene.wait(60)
    assert change(scene, trunk_of("other", name="new"), scene.trunk) == []
    scene.wait(HOUR)
    scene.rises("sbc1")
    scene.wait(60)
    assert scene.words == ["down begun sbc1", "down ended sbc1"]
    assert scene.told[1].text == "carrier: route sbc1 is up again after 1 h 1 min"


def test_what_is_open_of_a_trunk_that_is_removed_is_told_as_over() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.drops("sbc1")
    scene.wait(60)
    scene.drops("sbc2")
    scene.wait(60)
    ends = change(scene)
    assert words(ends) == ["all-down ended", "down ended sbc1"]
    assert [alert.text for alert in ends] == [
        "carrier: the trunk is no longer watched",
        "carrier: route sbc1 is no longer watched",
    ]
    assert {alert.incident for alert in ends} == {alert.incident for alert in scene.told[:2]}
    assert len({alert.id for alert in scene.told}) == len(scene.told)
    scene.wait(HOUR)
    assert len(scene.told) == 4


def test_what_is_open_of_a_route_that_is_removed_is_told_as_over_and_the_other_goes_on() -> None:
    scene = Scene("sbc1", "sbc2", "sbc3")
    scene.drops("sbc2")
    scene.drops("sbc3")
    scene.wait(60)
    assert words(change(scene, trunk_of("sbc1", "sbc3"))) == ["down ended sbc2"]
    scene.rises("sbc3")
    scene.wait(60)
    assert scene.words[-1] == "down ended sbc3"


def test_what_was_not_told_yet_of_a_removed_route_is_not() -> None:
    scene = Scene("sbc1", "sbc2", rules=AlertRules(unreachable_minutes=5))
    scene.drops("sbc2")
    scene.wait(60)
    assert change(scene, trunk_of("sbc1")) == []
    scene.wait(HOUR)
    assert scene.told == []


def story_of(*verdicts: Verdict | Trunk, first: Trunk) -> list[str]:
    """What is told of checks of route a and of changes, a minute each."""
    life = Life()
    life.change([first], AlertRules())
    for one in verdicts:
        if isinstance(one, Trunk):
            life.change([one], AlertRules())
        else:
            life.take(life.board.take(check_of("a", life.now, one, trunk="t", reason="refused")))
        life.wait(60)
    return [alert.text for alert in life.told]


def test_a_route_that_leads_elsewhere_is_over_and_not_well() -> None:
    """Nobody knows yet how it is there: if it fails as well, that is another incident."""
    first = Trunk("t", (Route("a", PLACE), Route("b", PLACE)), Rules(misses=1))
    moved = replace(first, routes=(Route("a", ELSEWHERE), first.routes[1]))
    assert story_of(Verdict.BAD, moved, Verdict.BAD, first=first) == [
        "t: route a is down (refused); calls take b",
        "t: route a was changed: it leads to sip:192.0.2.2 now",
        "t: route a is down (refused); calls take b",
    ]


def test_calls_do_not_work_again_before_the_route_has_answered_that_they_take() -> None:
    first = Trunk("t", (Route("a", PLACE),), Rules(misses=1))
    moved = replace(first, routes=(Route("a", ELSEWHERE),))
    added = replace(first, routes=(*first.routes, Route("b", ELSEWHERE)))
    down = "t: no route is left, calls fail (refused)"
    assert story_of(Verdict.BAD, moved, first=first) == [
        down,
        "t: calls take route a, which has not answered yet, after 1 min",
    ]
    assert story_of(Verdict.BAD, added, first=first)[:2] == [
        down,
        "t: calls take route b, which has not answered yet, after 1 min",
    ]


@pytest.mark.parametrize(
    ("given", "kind", "after"),
    [
        (AlertRules(response_time_ms=50, response_time_checks=1), AlertKind.SLOW, AlertRules()),
        (AlertRules(degraded_minutes=1), AlertKind.DEGRADED, AlertRules(degraded_minutes=0)),
        (AlertRules(failure_rate_percent=10), AlertKind.FAILURE_RATE, AlertRules()),
    ],
)
def test_what_is_no_longer_looked_for_is_told_as_over(given: AlertRules, kind: AlertKind, after: AlertRules) -> None:
    """Nothing would ever say that it is."""
    scene = Scene("sbc1", rules=given)
    for _ in range(6):
        scene.take(check_of("sbc1", scene.now, Verdict.GOOD, rtt=0.2))
        scene.take(check_of("sbc1", scene.now, Verdict.BAD, reason="refused"))
    if kind is AlertKind.DEGRADED:
        scene.becomes("sbc1", Health.DEGRADED)
    scene.wait(120)
    assert kind in {alert.kind for alert in scene.told}
    ends = change(scene, scene.trunk, rules=after)
    assert [(alert.kind, alert.phase) for alert in ends] == [(kind, Phase.ENDED)]
    assert ends[0].text == f"carrier: route sbc1 is no longer watched for this ({kind.value})"
    scene.wait(HOUR)
    assert scene.open() == []


@pytest.mark.parametrize("again", [True, False])
def test_failed_calls_that_are_no_longer_made_are_over_at_once_and_after_a_restart(again: bool) -> None:
    scene = Scene("sbc1")
    scene.take(failed := check_of("sbc1", scene.now, Verdict.BAD, kind=Kind.CALL, reason="call"))
    scene.wait(60)
    assert scene.words == ["call begun sbc1"]
    scene.trunk = Trunk("carrier", (replace(scene.trunk.routes[0], call=None),))
    if again:
        scene.alerter = Alerter([scene.trunk])
        scene.told += scene.alerter.restore(scene.open(), [failed], scene.now)
    else:
        change(scene, scene.trunk)
    scene.wait(HOUR)
    assert scene.words == ["call begun sbc1", "call ended sbc1"]


QUICK = {"response_time_checks": 1}


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (AlertRules(response_time_ms=500, **QUICK), AlertRules(response_time_ms=50, **QUICK), AlertKind.SLOW),
        (AlertRules(), AlertRules(response_time_ms=1, **QUICK), AlertKind.SLOW),
        (AlertRules(failure_rate_percent=60), AlertRules(failure_rate_percent=40), AlertKind.FAILURE_RATE),
        (AlertRules(), AlertRules(failure_rate_percent=1), AlertKind.FAILURE_RATE),
    ],
)
def test_other_limits_hold_from_the_next_check_on(before: AlertRules, after: AlertRules, kind: AlertKind) -> None:
    scene = Scene("sbc1", rules=before)

    def check() -> None:
        for verdict in (Verdict.GOOD, Verdict.BAD) * 15:
            scene.take(check_of("sbc1", scene.now, verdict, rtt=0.1))
            scene.wait(1)

    check()
    scene.wait(60)
    assert scene.told == []
    assert change(scene, scene.trunk, rules=after) == []
    check()
    scene.wait(60)
    assert {alert.kind for alert in scene.told} == {kind}


def test_certificates_are_looked_at_by_the_days_that_a_changed_trunk_says() -> None:
    scene = Scene(trunk=trunk_of("sbc1"))
    ends = scene.now + 20 * 24 * HOUR

    def check() -> list[str]:
        scene.take(check_of("sbc1", scene.now, certificate_ends=ends))
        scene.wait(60)
        return scene.words

    assert check() == []
    change(scene, trunk_of("sbc1", rules=Rules(certificate_days=30)))
    assert check() == ["certificate begun sbc1"]
    assert words(change(scene, trunk_of("sbc1", rules=Rules(certificate_days=0)))) == ["certificate ended sbc1"]
    assert len(check()) == 2


def test_a_delay_that_is_shorter_now_counts_for_what_waits() -> None:
    scene = Scene("sbc1", "sbc2", rules=AlertRules(unreachable_minutes=30))
    scene.drops("sbc1")
    scene.wait(60)
    change(scene, scene.trunk, rules=AlertRules(unreachable_minutes=2))
    scene.wait(50)
    assert scene.told == []
    scene.wait(15)
    assert scene.words == ["down begun sbc1"]


def test_reminders_begin_and_end_with_the_rules() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.drops("sbc1")
    scene.wait(60)
    change(scene, scene.trunk, rules=AlertRules(repeat_minutes=10))
    scene.wait(25 * 60)
    assert scene.words == ["down begun sbc1", "down lasts sbc1", "down lasts sbc1"]
    change(scene, scene.trunk)
    scene.wait(HOUR)
    assert len(scene.told) == 3


def test_a_title_is_told_in_place_of_the_name_and_beside_it_as_data() -> None:
    scene = Scene(trunk=replace(trunk_of("sbc1", "sbc2", name="trk_1"), title="Acme Ltd"))
    scene.take(replace(check_of("sbc1", scene.now, Verdict.BAD, reason="refused"), trunk="trk_1"))
    scene.drops("sbc1")
    scene.wait(60)
    (begun,) = scene.told
    assert begun.text == "Acme Ltd: route sbc1 is down (refused); calls take sbc2"
    assert begun.lines[0] == "Trunk Acme Ltd, route sbc1 (udp 192.0.2.1:5060)"
    data = alert_data(begun)
    assert (data["trunk"], data["title"]) == ("trk_1", "Acme Ltd")
    assert alert_of(data) == replace(begun, happening=None)
    assert alert_of({name: each for name, each in data.items() if name != "title"}) is not None  # of an older version
    (ended,) = change(scene)
    assert ended.text == "Acme Ltd: route sbc1 is no longer watched"


# Any sequence of checks and changes.

routes = st.lists(
    st.builds(
        Route,
        name=st.sampled_from("abc"),
        destination=st.sampled_from([PLACE, ELSEWHERE]),
        call=st.sampled_from([None, SCRIPT]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda route: route.name,
).map(tuple)
trunks = st.lists(
    st.builds(Trunk, name=st.sampled_from("tu"), routes=routes, rules=rules),
    max_size=2,
    unique_by=lambda trunk: trunk.name,
)
alert_rules = st.builds(
    AlertRules,
    unreachable_minutes=st.sampled_from([0.0, 5.0]),
    degraded_minutes=st.sampled_from([0.0, 15.0]),
    failure_rate_percent=st.sampled_from([0.0, 30.0]),
    response_time_ms=st.sampled_from([0.0, 100.0]),
    call_failures=st.integers(1, 2),
    repeat_minutes=st.sampled_from([0.0, 60.0]),
)
verdicts = st.sampled_from([Verdict.GOOD, Verdict.BAD, Verdict.BAD, Verdict.SILENT, Verdict.POOR])
steps = st.lists(
    st.one_of(
        *[st.tuples(verdicts, st.sampled_from([0.01, 0.2, None]), st.floats(0.0, 1000.0))] * 3,
        st.tuples(trunks, alert_rules, st.floats(0.0, 1000.0)),
    ),
    max_size=60,
)


class Life:
    """A board and its alerter, which know of the same changes."""

    def __init__(self) -> None:
        self.board, self.alerter = Board([]), Alerter([])
        self.trunks: list[Trunk] = []
        self.now = START
        self.told: list[Alert] = []

    def take(self, happenings: tuple[Happening, ...]) -> None:
        for happening in happenings:
            self.told += self.alerter.take(happening, self.now)

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.alerter.next_timeout()) is not None and due <= until:
            self.now = max(self.now, due)
            self.told += self.alerter.handle_timeout(self.now)
        self.now = until

    def change(self, trunks: list[Trunk], rules: AlertRules) -> None:
        self.told += self.alerter.change(trunks, self.now, rules)
        self.trunks = trunks
        self.take(self.board.change(trunks, self.now))

    def check(self, chance: random.Random, verdict: Verdict, rtt: float | None) -> None:
        trunk = chance.choice(self.trunks)
        route = chance.choice(trunk.routes)
        kind = chance.choice([Kind.OPTIONS, Kind.CALL] if route.call else [Kind.OPTIONS])
        self.take(self.board.take(check_of(route.name, self.now, verdict, trunk=trunk.name, kind=kind, rtt=rtt)))


@given(steps, st.randoms(use_true_random=False))
def test_whatever_is_changed_nobody_is_left_with_an_open_incident(
    story: list[tuple[object, ...]], chance: random.Random
) -> None:
    """Each incident is begun once, then told again or over, and over at the latest when nothing is watched."""
    life = Life()
    for what, how, seconds in story:
        assert isinstance(seconds, float)
        if isinstance(what, list):
            assert isinstance(how, AlertRules)
            life.change(what, how)
        elif life.trunks:
            assert isinstance(what, Verdict)
            assert how is None or isinstance(how, float)
            life.check(chance, what, how)
        life.wait(seconds)
    life.change([], AlertRules())
    life.wait(GATHER)
    assert life.alerter.next_timeout() is None
    phases: dict[str, list[Phase]] = {}
    for alert in life.told:
        phases.setdefault(alert.incident, []).append(alert.phase)
    for found in phases.values():
        if found != [Phase.ONCE]:
            assert (found[0], found[-1]) == (Phase.BEGUN, Phase.ENDED)
            assert set(found[1:-1]) <= {Phase.LASTS}
    assert len({alert.id for alert in life.told}) == len(life.told)
