"""A watch that goes on from what a store knows is where it was."""

from itertools import count
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from probes.destination import Destination
from probes.health.board import Board, TrunkState
from probes.health.schedule import waits_left
from probes.health.terms import Health, Verdict
from probes.health.trunk import Route, Rules, Trunk
from probes.store.config import DAY, StoreConfig
from probes.store.database import writing_engine
from probes.store.retention import steps
from probes.store.store import Store
from tests.probes.store.samples import NOW, Clock, check

RULES = Rules(misses=5, recoveries=2)
ROUTES = ("first", "second")
SAID: dict[str, dict[str, object]] = {
    "good": {"verdict": Verdict.GOOD, "status": 200},
    "poor": {"verdict": Verdict.POOR, "status": 503},
    "silent": {"verdict": Verdict.SILENT, "status": None},
    "bad": {"verdict": Verdict.BAD, "status": None},
    "busy": {"verdict": Verdict.BAD, "status": 503, "wait": 25.0},
    "own": {"verdict": Verdict.OWN, "status": None},
}


def board(trunk: str) -> Board:
    destination = Destination.parse("sip:192.0.2.1")
    return Board([Trunk(trunk, tuple(Route(name, destination) for name in ROUTES), RULES)])


def seen(state: TrunkState) -> object:
    """What has to be the same."""
    return state.active, [
        (route.health, route.since, route.check, min(route.misses, RULES.misses)) for route in state.routes
    ]


def restarted(path: Path, trunk: str, now: float) -> TrunkState:
    """The trunk as a watch knows it that is started at this time."""
    with Store.open(path, clock=Clock(0)) as store:
        after = board(trunk)
        after.restore(store.last(), now)
    (state,) = after.states()
    return state


def test_it_is_where_it_was(tmp_path: Path) -> None:
    path, numbers = tmp_path / "history.db", count()

    @settings(max_examples=40)
    @given(st.lists(st.tuples(st.sampled_from(ROUTES), st.sampled_from(sorted(SAID))), max_size=25))
    def goes_on(said: list[tuple[str, str]]) -> None:
        trunk = f"trunk {next(numbers)}"
        before = board(trunk)
        with Store.open(path, clock=Clock(0)) as store:
            for number, (route, what) in enumerate(said):
                for happening in before.take(check(NOW + 10 * number, trunk, route, **SAID[what])):
                    store.add(happening)
        (state,) = before.states()
        assert seen(restarted(path, trunk, NOW + 1000)) == seen(state)

    goes_on()


def test_a_route_that_answered_long_ago_is_still_known_to_answer(tmp_path: Path) -> None:
    """So that its silence is a failure, whatever has been deleted since."""
    path = tmp_path / "history.db"
    before = board("berlin")
    with Store.open(path, clock=Clock(0)) as store:
        for number, what in enumerate(["good"] + ["silent"] * 50):
            for happening in before.take(check(NOW + 10 * number, "berlin", "first", **SAID[what])):
                store.add(happening)
    engine = writing_engine(path)
    for _ in steps(engine, StoreConfig(), NOW + 500 * DAY):
        pass
    engine.dispose()
    state = restarted(path, "berlin", NOW + 500 * DAY)
    assert state.routes[0].health is Health.UNREACHABLE
    assert state.active == "second"


def test_a_refusal_that_stood_for_several_misses_still_does(tmp_path: Path) -> None:
    """And who asked to be left alone still is."""
    path, before = tmp_path / "history.db", board("berlin")
    with Store.open(path, clock=Clock(0)) as store:
        for happening in before.take(check(NOW, "berlin", "first", **SAID["busy"])):
            store.add(happening)
    state = restarted(path, "berlin", NOW + 5)
    assert state.routes[0].misses == before.state("berlin", "first").misses == 3
    assert waits_left([state], NOW + 5) == {("berlin", "first"): 20.0}
