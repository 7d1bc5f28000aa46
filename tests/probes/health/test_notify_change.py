"""Channels that are changed while alerts wait for them. Receivers are functions; time is trio's."""

from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from probes.health import notify
from probes.health.alerter import Alerter
from probes.health.alerts import AlertKind, Channel, Phase, WebhookChannel, wants
from probes.health.notify import JOURNAL, PARTING, Alarms, Notifier
from probes.health.outbox import DeliveryState
from probes.health.sending import SendFailure
from probes.health.trunk import WatchError
from tests.probes.health.happenings import START, Scene, trunk_of
from tests.probes.health.test_notify import Kept, Phone, Receiver, alert_of, channel, clock, notifier_of


@pytest.fixture(autouse=True)
def receivers(monkeypatch: pytest.MonkeyPatch) -> None:
    Receiver.by_name = {}
    monkeypatch.setattr(notify, "Webhook", Receiver)
    monkeypatch.setattr(notify, "Messenger", Phone)


def texts(name: str) -> list[str]:
    return Receiver.by_name[name].texts


@pytest.mark.parametrize(("trunks", "expected"), [(None, True), (("carrier", "x"), True), (("x",), False), ((), False)])
def test_a_channel_may_be_for_some_trunks_only(trunks: tuple[str, ...] | None, expected: bool) -> None:
    assert wants(channel("ops", trunks=trunks), alert_of(1)) is expected


@pytest.mark.parametrize("is_running", [True, False])
async def test_a_new_channel_gets_what_comes(
    is_running: bool, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    notifier, _ = notifier_of(channel("old"))
    if is_running:
        nursery.start_soon(notifier.run)
        await wait_all_tasks_blocked()
    notifier.send(alert_of(1))
    notifier.change([channel("old"), channel("new")])
    notifier.send(alert_of(2))
    if not is_running:
        nursery.start_soon(notifier.run)
    await notifier.drained()
    assert (texts("old"), texts("new")) == (["alert 1", "alert 2"], ["alert 2"])


async def test_what_waits_for_a_channel_that_is_another_one_now_goes_there(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    notifier, told = notifier_of(channel("ops"), first_wait=60)
    failing = Receiver.by_name["ops"]
    failing.failures = [SendFailure("it answers 500")]
    nursery.start_soon(notifier.run)
    notifier.send(alert_of(1))
    await trio.sleep(1)
    Receiver.by_name.clear()
    notifier.change([WebhookChannel("ops", "https://elsewhere.example.com/")])
    await notifier.drained()
    assert (failing.texts, texts("ops"), told) == ([], ["alert 1"], [])


async def test_a_channel_that_is_not_changed_keeps_its_way(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    notifier, _ = notifier_of(channel("ops"))
    before = Receiver.by_name["ops"]
    notifier.change([channel("ops")])
    assert Receiver.by_name["ops"] is before


async def test_a_removed_channel_gets_what_waits_for_it_and_the_end_of_what_is_open(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    outbox = Kept()
    notifier, told = notifier_of(channel("gone"), channel("stays"), outbox=outbox, first_wait=60)
    Receiver.by_name["gone"].failures = [SendFailure("it answers 500")]
    nursery.start_soon(notifier.run)
    notifier.send(alert_of(1))
    over = alert_of(2)
    notifier.send(over)
    notifier.send(replace(over, id="x2-2", phase=Phase.ENDED, until=START, text="alert 2 is over"))
    await trio.sleep(1)
    notifier.change([channel("stays")])
    notifier.send(alert_of(3))
    await notifier.drained()
    assert texts("gone") == ["alert 1", "alert 2", "alert 2 is over", "no longer told here: alert 1"]
    assert texts("stays") == ["alert 1", "alert 2", "alert 2 is over", "alert 3"]
    assert told == []
    assert set(outbox.states("gone")) == {DeliveryState.SENT}
    assert outbox.rows["x1", JOURNAL].state is DeliveryState.PENDING  # it goes on for the others


async def test_what_a_removed_channel_does_not_take_is_told_as_lost(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    outbox = Kept()
    notifier, told = notifier_of(channel("gone"), outbox=outbox)
    Receiver.by_name["gone"].failures = [SendFailure("it answers 500") for _ in range(100)]
    nursery.start_soon(notifier.run)
    notifier.send(alert_of(1))
    await trio.sleep(1)
    notifier.change([])
    await notifier.drained()
    assert clock() == pytest.approx(START + 1 + PARTING, abs=1)
    assert [line.partition(", and is given up")[0] for line in told] == [
        "channel gone: an alert of carrier, sbc1 was not sent"
    ] * 2
    assert all(line.endswith("there is no such channel any more") for line in told)
    assert set(outbox.states("gone")) == {DeliveryState.GIVEN_UP}


async def test_what_a_removed_channel_hangs_with_is_told_as_lost(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    notifier, told = notifier_of(channel("gone"))
    Receiver.by_name["gone"].hangs = True
    nursery.start_soon(notifier.run)
    notifier.send(alert_of(1))
    await trio.sleep(1)
    notifier.change([])
    await notifier.drained()
    assert len(told) == 2


@pytest.mark.parametrize(
    "narrowed", [channel("ops", trunks=("other",)), channel("ops", kinds=(AlertKind.CALL,)), channel("ops", trunks=())]
)
async def test_a_channel_that_is_for_less_is_told_so_of_what_is_open(
    narrowed: Channel, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    notifier, _ = notifier_of(channel("ops"))
    nursery.start_soon(notifier.run)
    notifier.send(alert_of(1))
    notifier.change([narrowed])
    notifier.change([narrowed])
    await notifier.drained()
    assert texts("ops") == ["alert 1", "no longer told here: alert 1"]


async def test_what_was_open_before_a_restart_is_ended_at_a_removed_channel_too(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    outbox = Kept()
    first, _ = notifier_of(channel("ops"), outbox=outbox)
    with trio.move_on_after(10):
        first.send(alert_of(1))
        await first.run()
    again, _ = notifier_of(channel("ops"), outbox=outbox)
    nursery.start_soon(again.run)
    again.change([])
    await again.drained()
    assert texts("ops") == ["alert 1", "no longer told here: alert 1"]


async def test_channels_that_cannot_be_used_change_nothing(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    trunk = trunk_of("sbc1", "sbc2")
    scene, notifier = Scene(trunk=trunk), notifier_of(channel("ops"))[0]
    alarms = Alarms(scene.alerter, notifier, clock)
    nursery.start_soon(alarms.run)
    with pytest.raises(WatchError, match="two channels are named new"):
        alarms.change([], [channel("new"), channel("new")])
    scene.drops("sbc1")
    for happening in scene.history:
        alarms.take(happening)
    await trio.sleep(5)
    await notifier.drained()
    assert texts("ops") == ["carrier: route sbc1 is down (refused); calls take sbc2"]
    assert "new" not in Receiver.by_name or texts("new") == []


async def test_the_end_of_what_is_removed_goes_to_the_channels_that_were_told_of_it(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Of a trunk that is removed together with its channel as well; and alarms that wake later know the new rules."""
    scene = Scene("sbc1", "sbc2")
    notifier = Notifier([channel("its", trunks=("carrier",)), channel("all")], clock=clock)
    alarms = Alarms(Alerter([scene.trunk]), notifier, clock)
    nursery.start_soon(alarms.run)
    scene.drops("sbc1")
    for happening in scene.history:
        alarms.take(happening)
    await trio.sleep(5)
    other = trunk_of("sbc1", "sbc2", name="other")
    alarms.change([other], [channel("all")])
    await notifier.drained()
    expected = ["carrier: route sbc1 is down (refused); calls take sbc2", "carrier: route sbc1 is no longer watched"]
    assert (texts("its"), texts("all")) == (expected, expected)
    theirs = Scene(trunk=other)
    theirs.drops("sbc1")
    for happening in theirs.history:
        alarms.take(replace(happening, at=clock()))
    await trio.sleep(5)
    await notifier.drained()
    assert texts("all")[2:] == ["other: route sbc1 is down (refused); calls take sbc2"]
    assert len(texts("its")) == 2


def test_outside_of_any_run() -> None:
    scene = Scene("sbc1", "sbc2")
    notifier, _ = notifier_of(channel("ops"))
    alarms = Alarms(scene.alerter, notifier, lambda: scene.now)
    alarms.change([trunk_of("sbc3")], [channel("new")])
    alarms.change([], [])
