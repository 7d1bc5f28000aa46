"""Alerts of what a board makes of any checks: each incident has one beginning and one end, over restarts too."""

from hypothesis import given, settings
from hypothesis import strategies as st

from probes.health.alerter import Alerter
from probes.health.alerts import Alert, AlertRules, Phase
from probes.health.board import Board
from probes.health.terms import Change, Check, Health, Kind, Switch, Verdict
from probes.health.trunk import Rules
from tests.probes.health.happenings import START, check_of, trunk_of

ROUTES = ("sbc1", "sbc2", "sbc3")
DAY = 86_400.0
rules = st.builds(
    AlertRules,
    unreachable_minutes=st.sampled_from([0.0, 5.0]),
    failure_rate_percent=st.sampled_from([0.0, 40.0]),
    response_time_ms=st.sampled_from([0.0, 500.0]),
    call_failures=st.sampled_from([1, 2]),
    repeat_minutes=st.sampled_from([0.0, 30.0]),
)
checks = st.lists(
    st.tuples(
        st.sampled_from(ROUTES),
        st.sampled_from(list(Verdict)),
        st.sampled_from(list(Kind)),
        st.sampled_from([None, 0.1, 0.9]),
        st.sampled_from([0.5, 10.0, 60.0, 600.0, 2400.0]),
        st.sampled_from([False] * 9 + [True]),
    ),
    max_size=120,
)


class Run:
    """A watch of one trunk, which is begun again with what a store knows."""

    def __init__(self, rules: AlertRules, fails_back: bool) -> None:
        self.rules = rules
        self.trunk = trunk_of(*ROUTES, rules=Rules(misses=2, recoveries=2, fails_back=fails_back))
        self.board, self.alerter = Board([self.trunk]), Alerter([self.trunk], rules)
        self.now = START
        self.told: list[Alert] = []
        self.known: dict[tuple[type, str, str], Change | Switch | Check] = {}

    def check(self, check: Check) -> None:
        for happening in self.board.take(check):
            self.told += self.alerter.take(happening, self.now)
            kind = happening.kind.value if isinstance(happening, Check) else ""
            self.known[type(happening), getattr(happening, "route", ""), kind] = happening

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.alerter.next_timeout()) is not None and due <= until:
            self.told += self.alerter.handle_timeout(due)
        self.now = until

    def restart(self) -> None:
        known = sorted(self.known.values(), key=lambda happening: happening.at)
        last = {alert.incident: alert for alert in self.told}
        still = [alert for alert in last.values() if alert.phase in (Phase.BEGUN, Phase.LASTS)]
        self.board, self.alerter = Board([self.trunk]), Alerter([self.trunk], self.rules)
        self.told += self.alerter.restore(still, known, self.now)
        for happening in self.board.restore(known, self.now):
            self.told += self.alerter.take(happening, self.now)


@settings(max_examples=200, deadline=None)
@given(given=checks, rules=rules, fails_back=st.booleans())
def test_each_incident_ends_once_when_all_is_well(
    given: list[tuple[str, Verdict, Kind, float | None, float, bool]], rules: AlertRules, fails_back: bool
) -> None:
    run = Run(rules, fails_back)
    for route, verdict, kind, rtt, seconds, restarts in given:
        run.check(check_of(route, run.now, verdict, kind=kind, rtt=rtt))
        run.wait(seconds)
        if restarts:
            run.restart()
    for _ in range(20):
        for route in ROUTES:
            for kind in Kind:
                run.check(check_of(route, run.now, kind=kind, rtt=0.1))
        run.wait(600)
    run.wait(DAY)
    assert all(state.health is Health.HEALTHY for state in run.board.states()[0].routes)
    assert len({alert.id for alert in run.told}) == len(run.told)
    phases: dict[str, list[Phase]] = {}
    for alert in run.told:
        phases.setdefault(alert.incident, []).append(alert.phase)
    for each in phases.values():
        assert each == [Phase.ONCE] or (each[0], each[-1]) == (Phase.BEGUN, Phase.ENDED)
        assert each.count(Phase.BEGUN) <= 1
        assert each.count(Phase.ENDED) <= 1
