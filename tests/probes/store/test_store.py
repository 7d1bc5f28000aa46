"""What every store does, whichever database is under it: one that is new has a row in `STORES`."""

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.health.outbox import Delivery, DeliveryState
from probes.health.terms import Change, Check, Happening, Health, Kind, Switch, Verdict
from probes.health.trunk import WatchError
from probes.product import PRODUCT
from probes.store.queries import MOST_BATCH
from probes.store.store import History, Running, Store
from probes.store.words import kept, kept_delivery
from tests.probes.store import samples
from tests.probes.store.samples import NOW, Clock, change, check, delivery, switch

STORES: dict[str, Callable[[Path], Store]] = {
    # at a time at which nothing that is added is old
    "sqlite": lambda place: Store.open(place / "history.db", clock=lambda: 0.0)
}
EVER = (0.0, 1e11)


@pytest.fixture(params=STORES)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens the same store, again and again."""
    return lambda: STORES[request.param](tmp_path)


async def test_reads_back_what_was_added(reopen: Callable[[], Store]) -> None:
    told: list[Happening] = [
        check(NOW),
        change(NOW),
        switch(NOW),
        check(NOW + 60, kind=Kind.CALL, rtt=None, certificate_ends=NOW),
    ]
    with reopen() as store:
        for one in told:
            store.add(one)
        await store.flush()
        assert [*store.checks(*EVER)] == [told[0], told[3]]
        assert [*store.changes(*EVER)] == [told[1]]
        assert [*store.switches(*EVER)] == [told[2]]
    with reopen() as store:
        assert [*store.checks(*EVER), *store.changes(*EVER), *store.switches(*EVER)] == [
            told[0], told[3], told[1], told[2],
        ]  # fmt: skip


def test_any_text_comes_back(reopen: Callable[[], Store]) -> None:
    numbers = count()

    with reopen() as store:

        @given(st.lists(samples.checks | samples.changes | samples.switches, max_size=5))
        def comes_back(told: list[Happening]) -> None:
            trunk = f"{next(numbers)} "
            told = [kept(_of_trunk(one, trunk + one.trunk)) for one in told]
            for one in told:
                store.add(one)
            trio.run(store.flush)
            for kind, read in ((Check, store.checks), (Change, store.changes), (Switch, store.switches)):
                given_ = [one for one in told if isinstance(one, kind)]
                names = {one.trunk for one in given_}
                found = [one for name in names for one in read(0, 1e11, name)]
                assert sorted(found, key=repr) == sorted(given_, key=repr)

        comes_back()


def _of_trunk(told: Happening, trunk: str) -> Happening:
    if isinstance(told, Change):
        return replace(told, trunk=trunk, check=replace(told.check, trunk=trunk))
    return replace(told, trunk=trunk)


async def test_what_is_read_is_in_order_and_within_the_window(reopen: Callable[[], Store]) -> None:
    places = [(trunk, route) for trunk in ("a", "b") for route in ("1", "2")]
    with reopen() as store:
        for at in reversed(range(10)):
            for trunk, route in places:
                store.add(check(at, trunk, route, kind=Kind.CALL if at % 3 else Kind.OPTIONS))
                store.add(change(at, trunk, route))
            store.add(switch(at, "a"))
            store.add(switch(at, "b"))
        await store.flush()
        for read in (store.checks, store.changes):
            assert [one.at for one in read(3, 6)] == [3] * 4 + [4] * 4 + [5] * 4
            assert {(one.at, one.trunk) for one in read(3, 5, "a")} == {(3, "a"), (4, "a")}
            assert [(one.at, one.trunk, one.route) for one in read(3, 5, "b", "2")] == [(3, "b", "2"), (4, "b", "2")]
            assert [*read(3, 6, "c")] == [*read(6, 3)] == [*read(20, 30)] == []
        assert [one.at for one in store.switches(3, 5)] == [3, 3, 4, 4]
        assert [(one.at, one.trunk) for one in store.switches(3, 5, "a")] == [(3, "a"), (4, "a")]
        assert store.routes() == tuple(places)


async def test_many_rows_are_read_in_batches(reopen: Callable[[], Store]) -> None:
    """Those of one time among them, which a batch may end between."""
    with reopen() as store:
        for number in range(2250):
            store.add(check(number // 3, status=200 + number % 400))
        await store.flush()
        found = [*store.checks(*EVER)]
        assert [one.at for one in found] == [number // 3 for number in range(2250)]
        assert sorted((one.at, one.status) for one in found) == sorted((n // 3, 200 + n % 400) for n in range(2250))


async def test_reading_goes_on_beside_writing(reopen: Callable[[], Store]) -> None:
    with reopen() as store:
        for number in range(3000):
            store.add(check(number))
        await store.flush()
        reading = store.checks(*EVER)
        first = next(reading)
        for number in range(3000, 3100):
            store.add(check(number))
        await store.flush()
        assert [first.at, *(one.at for one in reading)] == list(range(3100))


async def test_how_routes_were_at_a_time(reopen: Callable[[], Store]) -> None:
    with reopen() as store:
        for at, after in ((1, Health.HEALTHY), (5, Health.DEGRADED), (9, Health.UNREACHABLE)):
            store.add(change(at, "a", "1", after))
        store.add(change(3, "a", "2", Health.UNKNOWN))
        await store.flush()
        assert [(one.route, one.after) for one in store.changes_before(5)] == [
            ("1", Health.HEALTHY),
            ("2", Health.UNKNOWN),
        ]
        assert [one.after for one in store.changes_before(100, "a", "1")] == [Health.UNREACHABLE]
        assert store.changes_before(1) == ()


async def test_a_watch_goes_on_from_what_was_last(reopen: Callable[[], Store]) -> None:
    answered = check(1)
    silent = [check(at, verdict=Verdict.SILENT, reason="silent", status=None, rtt=None) for at in range(2, 8)]
    refused = check(3, kind=Kind.CALL, verdict=Verdict.BAD, status=403)
    never = check(5.5, "a", "2", verdict=Verdict.SILENT, status=None)
    with reopen() as store:
        others: list[Happening] = [change(1), change(6), switch(2), switch(6), switch(7, "other")]
        for one in [answered, *silent, refused, never, *others]:
            store.add(one)
    with reopen() as store:
        assert store.last(3) == (
            answered, refused, silent[3], never, silent[4], change(6), switch(6), silent[5], switch(7, "other"),
        )  # fmt: skip


async def test_nothing_is_known_at_first(reopen: Callable[[], Store]) -> None:
    with reopen() as store:
        assert [*store.checks(*EVER), *store.changes(*EVER), *store.switches(*EVER)] == []
        for found in (store.last(), store.routes(), store.changes_before(1e11), store.unsent()):
            assert found == ()
        assert store.trouble == ""
        await store.flush()


async def test_alerts_wait_until_they_are_sent(reopen: Callable[[], Store]) -> None:
    waits, fails, sent, lost = (delivery(f"a{number}", NOW - number) for number in range(4))
    fails = replace(fails, state=DeliveryState.FAILED, attempts=2, next_attempt=NOW + 60, error="status 503")
    with reopen() as store:
        for one in (waits, fails, sent, lost, replace(waits, channel="boss")):
            store.keep(one)
        store.keep(replace(sent, state=DeliveryState.SENT, attempts=1))
        await store.flush()
        store.keep(replace(lost, state=DeliveryState.GIVEN_UP, attempts=9))
    with reopen() as store:
        assert store.unsent() == (fails, replace(waits, channel="boss"), waits)
        store.keep(replace(fails, state=DeliveryState.SENT))
        await store.flush()
        assert store.unsent() == (replace(waits, channel="boss"), waits)


def test_any_delivery_comes_back(reopen: Callable[[], Store]) -> None:
    numbers = count()
    with reopen() as store:

        @settings(max_examples=30)
        @given(samples.texts, samples.texts, samples.texts, samples.texts)
        def comes_back(channel: str, payload: str, error: str, name: str) -> None:
            one = Delivery(
                f"{next(numbers)}{name}", channel, NOW, name, name, payload, DeliveryState.FAILED, 1, NOW, error
            )
            store.keep(one)
            trio.run(store.flush)
            assert kept_delivery(one) in store.unsent()

        comes_back()


def test_two_watches_do_not_write_to_one_file(reopen: Callable[[], Store]) -> None:
    with reopen(), pytest.raises(WatchError, match=r"another sipprobe writes to it \(process \d+\): end that one"):
        reopen()
    reopen().close()


def test_a_row_that_cannot_be_stored_is_told_and_hinders_no_other(
    reopen: Callable[[], Store], caplog: pytest.LogCaptureFixture
) -> None:
    with reopen() as store:
        told: list[Happening] = [
            check(1),
            check(2, status=1 << 70),
            change(3),
            check(float("nan"), detail="so secret"),
            check(5),
        ]
        for one in told:
            store.add(one)
    assert [record.getMessage().partition(": ")[0] for record in caplog.records] == [
        "the history cannot keep one check"
    ] * 2
    assert "so secret" not in caplog.text
    with reopen() as store:
        assert [*store.checks(*EVER)] == [check(1), check(5)]
        assert [*store.changes(*EVER)] == [change(3)]


def test_closing_writes_what_waits_and_ends_the_thread(reopen: Callable[[], Store]) -> None:
    store = reopen()
    for number in range(2000):
        store.add(check(number))
    store.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "history"]
    with pytest.raises(WatchError, match="is closed"):
        store.add(check())
    with reopen() as store:
        assert len([*store.checks(*EVER)]) == 2000


async def test_waiting_for_the_disk_can_be_given_up(reopen: Callable[[], Store]) -> None:
    with reopen() as store, trio.move_on_after(0) as scope:
        store.add(check())
        await store.flush()
    assert scope.cancelled_caught


def test_it_is_used_from_any_thread(reopen: Callable[[], Store]) -> None:
    with reopen() as store, ExitStack() as stack:
        for name in "abcd":

            def add(trunk: str = name) -> None:
                for number in range(100):
                    store.add(check(number, trunk))
                    store.routes()

            thread = threading.Thread(target=add)
            thread.start()
            stack.callback(thread.join)
    with reopen() as store:
        assert len([*store.checks(*EVER)]) == 400


def test_a_history_is_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with Store.open(path, clock=Clock(NOW)) as store, History.open(path) as history:
        store.add(check())
        trio.run(store.flush)
        assert [*history.checks(*EVER)] == [check()]
        assert history.running() == store.running() == Running(os.getpid(), PRODUCT, NOW, None)


def test_who_wrote_last_is_known(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    for begun in (NOW, NOW + 10):
        clock = Clock(begun)
        with Store.open(path, clock=clock):
            clock.now = begun + 5
        with History.open(path) as history:
            assert history.running() == Running(os.getpid(), PRODUCT, begun, begun + 5)


def test_a_page_begins_where_the_one_before_has_ended(tmp_path: Path) -> None:
    """It would be found by going through all of them again, which nobody sees but by the time that it takes."""
    with Store.open(tmp_path / "history.db", clock=Clock(0)) as store:
        for number in range(4 * MOST_BATCH):
            store.add(check(number))
        trio.run(store.flush)
        ticks = []
        with store._engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)
            raw.set_progress_handler(lambda: ticks.append(0), 100)  # hundreds of steps of SQLite's machine

        def cost(count: int) -> int:
            ticks.clear()
            assert sum(1 for _ in store.checks(0, count)) == count
            return len(ticks)

        assert cost(4 * MOST_BATCH) < 2.2 * cost(2 * MOST_BATCH)
