"""What is old leaves the history, and what a watch goes on from stays."""

from functools import partial
from pathlib import Path

import pytest
import trio

from probes.health.terms import Check, Kind, Verdict
from probes.health.trunk import WatchError
from probes.store import alerts
from probes.store.config import DAY, StoreConfig
from probes.store.database import writing_engine
from probes.store.retention import STEP_ROWS, steps
from probes.store.store import Store
from tests.probes.store.samples import NOW, Clock, change, check, delivery, switch

CONFIG = StoreConfig(keep_checks=DAY, keep_changes=2 * DAY)


def swept(path: Path, now: float = NOW) -> int:
    """In how many steps the store has deleted what is old at `now`."""
    engine = writing_engine(path)
    try:
        return sum(1 for _ in steps(engine, CONFIG, now))
    finally:
        engine.dispose()


def stored(path: Path, *told: object) -> Store:
    """A store in which something is, opened when nothing of it was old."""
    store = Store.open(path, CONFIG, Clock(0))
    for one in told:
        store.keep(one) if hasattr(one, "alert") else store.add(one)  # type: ignore[arg-type]
    trio.run(store.flush)
    return store


def silent(at: float, *names: str) -> Check:
    return check(at, *names, verdict=Verdict.SILENT, status=None)


def test_checks_leave_before_changes(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    ages = [3 * DAY, 2 * DAY + 1, 2 * DAY, DAY + 1, DAY, 60]
    told = [kind(NOW - age) for kind in (check, change, switch) for age in ages]
    with stored(path, *told, *(delivery(f"{age}", NOW - age) for age in ages)) as store:
        swept(path)
        assert [NOW - one.at for one in store.checks(0, NOW)] == ages[4:]
        assert [NOW - one.at for one in store.changes(0, NOW)] == ages[2:]
        assert [NOW - one.at for one in store.switches(0, NOW)] == ages[2:]
        assert [NOW - one.at for one in store.unsent()] == ages[2:]


def test_the_last_of_each_stays_however_old(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    stays = [
        check(1, "a"), silent(3, "a"), check(2, "a", kind=Kind.CALL), silent(1, "a", "second"),
        change(4, "a"), change(2, "a", "second"), switch(5, "a"), switch(1, "b"),
    ]  # fmt: skip
    goes = [check(0.5, "a"), silent(2, "a"), check(1, "a", kind=Kind.CALL), change(3, "a"), switch(4, "a")]
    with stored(path, *stays, *goes) as store:
        known = store.last(1)
        swept(path)
        assert store.last(1) == known
        rows = [*store.checks(0, NOW), *store.changes(0, NOW), *store.switches(0, NOW)]
        assert sorted(rows, key=repr) == sorted(stays, key=repr)


def test_much_leaves_in_small_steps_and_the_file_becomes_smaller(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    count = 20 * STEP_ROWS
    with stored(path, *(check(number, detail="x" * 200) for number in range(count))) as store:
        assert 20 <= swept(path) < 30
        assert len([*store.checks(0, NOW)]) == 1
    assert path.stat().st_size < count * 200 / 10
    assert swept(path) == 0


async def test_a_store_sweeps_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with Store.open(path, CONFIG, Clock(0)) as store:
        for number in range(3 * STEP_ROWS):
            store.add(check(number))
        store.add(check(NOW))
    with Store.open(path, CONFIG, Clock(NOW)) as store:
        with trio.fail_after(60):
            while len([*store.checks(0, 1e11)]) > 1:
                store.add(change(NOW))
                await store.flush()  # which it does beside its sweep
        assert [*store.checks(0, 1e11)] == [check(NOW)]
        assert store.trouble == ""


@pytest.mark.parametrize(
    ("checks", "changes", "message"),
    [
        (0, DAY, "checks that are kept for 0 s: give more than 0"),
        (float("nan"), DAY, "checks that are kept for nan s"),
        (DAY, float("inf"), "changes that are kept for inf s: give as long as checks are kept"),
        (2 * DAY, DAY, "changes that are kept for 86400 s: give as long as checks are kept, or longer"),
    ],
)
def test_what_cannot_be_kept_is_told(checks: float, changes: float, message: str) -> None:
    with pytest.raises(WatchError, match=message):
        StoreConfig(checks, changes)


async def test_alerts_of_the_service_leave_with_changes(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    ages = [3 * DAY, 2 * DAY + 1, 2 * DAY, 60]
    with Store.open(path, CONFIG, Clock(0)) as store:
        for age in ages:
            await store.transact(partial(alerts.add, tenant="acme", alert_id=f"{age}", at=NOW - age, data=f"{age}"))
        swept(path)
        assert store.look(alerts.every) == (("acme", f"{2 * DAY}"), ("acme", "60"))
