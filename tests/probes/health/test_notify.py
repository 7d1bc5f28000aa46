"""How alerts get to their channels: in order, again, and over restarts. Receivers are functions; time is trio's."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from probes.health import notify
from probes.health.alerter import Alerter
from probes.health.alerts import (
    Alert,
    AlertKind,
    AlertRules,
    AppriseChannel,
    Channel,
    Severity,
    WebhookChannel,
    alert_data,
)
from probes.health.notify import JOURNAL, Alarms, Notifier
from probes.health.outbox import UNSENT, Delivery, DeliveryState
from probes.health.sending import NotifyConfig, SendFailure
from probes.health.terms import Change, Health, Switch, SwitchCause
from probes.health.trunk import WatchError
from sipcore.errors import LocalError
from tests.probes.health.happenings import START, Scene, check_of, trunk_of

HOUR = 3600.0


def clock() -> float:
    return START + trio.current_time()


class Kept:
    """An outbox in memory, which outlives the notifier."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Delivery] = {}

    def keep(self, delivery: Delivery) -> None:
        self.rows[delivery.alert, delivery.channel] = delivery

    def unsent(self) -> tuple[Delivery, ...]:
        return tuple(row for row in self.rows.values() if row.state in UNSENT)

    def states(self, channel: str) -> list[DeliveryState]:
        return [row.state for row in self.rows.values() if row.channel == channel]


class Receiver:
    """Stands in for a webhook: fails as it is told, and notes what it got, and when."""

    by_name: dict[str, "Receiver"] = {}  # noqa: RUF012  # emptied for each test

    def __init__(self, channel: WebhookChannel, config: NotifyConfig, resolve: object) -> None:
        self.got: list[tuple[float, str]] = []
        self.failures: list[SendFailure] = []
        self.tries: list[float] = []
        self.hangs = False
        earlier = Receiver.by_name.get(channel.name)
        if earlier is not None:
            self.failures, self.got = earlier.failures, earlier.got
        Receiver.by_name[channel.name] = self

    async def send(self, name: str, body: bytes, now: float) -> None:
        self.tries.append(now - START)
        if self.hangs:
            await trio.sleep_forever()
        if self.failures:
            raise self.failures.pop(0)
        self.got.append((now - START, json.loads(body)["text"]))
        assert json.loads(body)["id"] == name

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.got]


class Phone:
    """Stands in for a service of Apprise: notes which alerts came together, and when."""

    got: list[tuple[float, list[str]]] = []  # noqa: RUF012  # emptied for each test
    failures: list[SendFailure] = []  # noqa: RUF012

    def __init__(self, channel: AppriseChannel, config: NotifyConfig) -> None:
        Phone.got, Phone.failures = [], []

    async def send(self, alerts: Sequence[Alert]) -> None:
        if Phone.failures:
            raise Phone.failures.pop(0)
        Phone.got.append((trio.current_time(), [alert.text for alert in alerts]))


@pytest.fixture(autouse=True)
def receivers(monkeypatch: pytest.MonkeyPatch) -> None:
    Receiver.by_name = {}
    monkeypatch.setattr(notify, "Webhook", Receiver)
    monkeypatch.setattr(notify, "Messenger", Phone)


def channel(name: str, **fields: object) -> WebhookChannel:
    return WebhookChannel(name, "https://hooks.example.com/", **fields)  # type: ignore[arg-type]


def alert_of(number: int, kind: AlertKind = AlertKind.DOWN, at: float = START) -> Alert:
    scene = Scene("sbc1", "sbc2")
    scene.drops("sbc1")
    scene.wait(60)
    return replace(scene.told[0], id=f"x{number}-1", incident=f"x{number}", text=f"alert {number}", kind=kind, at=at)


def notifier_of(*channels: Channel, outbox: Kept | None = None, **config: float) -> tuple[Notifier, list[str]]:
    told: list[str] = []
    made = NotifyConfig(**config)  # type: ignore[arg-type]
    return Notifier(channels, outbox, told.append, made, clock=clock), told


async def test_each_channel_gets_what_it_wants(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    notifier, _ = notifier_of(
        channel("all"), channel("calls", kinds=(AlertKind.CALL,)), channel("pager", severity=Severity.CRITICAL)
    )
    nursery.start_soon(notifier.run)
    notifier.send(alert_of(1))
    notifier.send(alert_of(2, AlertKind.CALL))
    notifier.send(replace(alert_of(3), severity=Severity.CRITICAL))
    await notifier.drained()
    assert Receiver.by_name["all"].texts == ["alert 1", "alert 2", "alert 3"]
    assert Receiver.by_name["calls"].texts == ["alert 2"]
    assert Receiver.by_name["pager"].texts == ["alert 3"]


async def test_a_channel_that_hangs_holds_up_no_other(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    notifier, _ = notifier_of(channel("slow"), channel("quick"))
    Receiver.by_name["slow"].hangs = True
    nursery.start_soon(notifier.run)
    for number in range(3):
        notifier.send(alert_of(number))
    await wait_all_tasks_blocked()
    assert Receiver.by_name["quick"].texts == ["alert 0", "alert 1", "alert 2"]


async def test_failures_are_tried_again_in_order_with_growing_waits(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    notifier, told = notifier_of(channel("ops"), first_wait=2, longest_wait=10)
    receiver = Receiver.by_name["ops"]
    receiver.failures = [SendFailure("it answers 500") for _ in range(5)]
    nursery.start_soon(notifier.run)
    notifier.send(alert_of(1))
    notifier.send(alert_of(2))
    await notifier.drained()
    assert receiver.tries == [0, 2, 6, 14, 24, 34, 34]
    assert receiver.texts == ["alert 1", "alert 2"]
    assert told == []


async def test_what_a_receiver_asks_for_is_waited(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    notifier, _ = notifier_of(channel("ops"))
    receiver = Receiver.by_name["ops"]
    receiver.failures = [SendFailure("it answers 429", retry_after=1000), SendFailure("it answers 503", retry_after=0)]
    nursery.start_soon(notifier.run)
    notifier.send(alert_of(1))
    await notifier.drained()
    assert receiver.tries == [0, 1000, 1004]


async def test_it_is_given_up_in_the_end_and_the_next_one_is_tried(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    outbox = Kept()
    notifier, told = notifier_of(channel("ops"), outbox=outbox, give_up=600, longest_wait=100)
    receiver = Receiver.by_name["ops"]
    receiver.failures = [SendFailure("it answers 500") for _ in range(11)]
    nursery.start_soon(notifier.run)
    notifier.send(alert_of(1))
    await notifier.drained()
    assert told == [
        "channel ops: an alert of carrier, sbc1 was not sent, and is given up after 11 attempts: it answers 500"
    ]
    assert outbox.states("ops") == [DeliveryState.GIVEN_UP]
    notifier.send(alert_of(2, at=clock()))
    await notifier.drained()
    assert receiver.texts == ["alert 2"]


@pytest.mark.parametrize(
    "failure", [SendFailure("it answers 404", is_final=True), SendFailure("it answers 503", retry_after=1e9)]
)
async def test_what_cannot_succeed_in_time_is_given_up_at_once(
    failure: SendFailure, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    notifier, told = notifier_of(channel("ops"))
    Receiver.by_name["ops"].failures = [failure]
    nursery.start_soon(notifier.run)
    notifier.send(alert_of(1))
    await notifier.drained()
    assert told == [f"channel ops: an alert of carrier, sbc1 was not sent, and is given up: {failure.why}"]
    assert trio.current_time() == 0


async def test_a_mistake_of_ours_costs_one_alert(
    autojump_clock: MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    notifier, told = notifier_of(channel("ops"), give_up=1)
    receiver = Receiver.by_name["ops"]
    monkeypatch.setattr(receiver, "failures", [RuntimeError("a secret")])
    nursery.start_soon(notifier.run)
    notifier.send(alert_of(1))
    notifier.send(alert_of(2))
    await notifier.drained()
    assert receiver.texts == ["alert 2"]
    assert told[0].endswith("this program made a mistake, please report it: RuntimeError")


async def test_what_waits_is_bounded(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    outbox = Kept()
    notifier, told = notifier_of(channel("ops"), outbox=outbox, queue=3)
    receiver = Receiver.by_name["ops"]
    receiver.failures = [SendFailure("it answers 500")]
    nursery.start_soon(notifier.run)
    notifier.send(alert_of(0))
    await wait_all_tasks_blocked()
    for number in range(1, 6):
        notifier.send(alert_of(number))
    await notifier.drained()
    assert receiver.texts == ["alert 3", "alert 4", "alert 5"]
    assert len(told) == 3
    assert told[0].endswith("is given up: more than 3 wait for this channel")
    assert outbox.states("ops").count(DeliveryState.GIVEN_UP) == 3


async def test_people_get_what_comes_up_meanwhile_in_one_message(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    outbox = Kept()
    notifier, _ = notifier_of(
        AppriseChannel("phone", "json://x"), channel("ops"), outbox=outbox, message_pause=20, message_alerts=3
    )
    nursery.start_soon(notifier.run)
    for number in range(6):
        notifier.send(alert_of(number))
        await trio.sleep(1)
    await notifier.drained()
    texts = [f"alert {number}" for number in range(6)]
    assert Phone.got == [(0, texts[:1]), (20, texts[1:4]), (40, texts[4:])]
    assert Receiver.by_name["ops"].texts == texts  # programs get each by itself
    assert outbox.states("phone") == [DeliveryState.SENT] * 6


async def test_a_message_that_fails_is_joined_with_what_came_up_since(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    outbox = Kept()
    notifier, told = notifier_of(AppriseChannel("phone", "json://x"), outbox=outbox, give_up=100)
    Phone.failures = [SendFailure("busy")]
    nursery.start_soon(notifier.run)
    notifier.send(alert_of(1))
    await trio.sleep(1)
    notifier.send(alert_of(2))
    await notifier.drained()
    assert [texts for _, texts in Phone.got] == [["alert 1", "alert 2"]]
    Phone.failures = [SendFailure("unknown user", is_final=True)]
    notifier.send(alert_of(3))
    notifier.send(alert_of(4))
    await notifier.drained()
    assert len(told) == 2
    assert outbox.states("phone") == [DeliveryState.SENT] * 2 + [DeliveryState.GIVEN_UP] * 2


async def test_a_restart_neither_loses_nor_repeats(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    outbox = Kept()
    notifier, _ = notifier_of(channel("ops"), outbox=outbox)
    first = Receiver.by_name["ops"]
    async with trio.open_nursery() as run:
        run.start_soon(notifier.run)
        notifier.send(alert_of(1))
        await notifier.drained()
        first.failures += [SendFailure("it answers 500")]
        notifier.send(alert_of(2))
        notifier.send(alert_of(3))
        await wait_all_tasks_blocked()
        run.cancel_scope.cancel()
    again, told = notifier_of(channel("ops"), outbox=outbox)
    nursery.start_soon(again.run)
    await again.drained()
    assert Receiver.by_name["ops"].texts == ["alert 1", "alert 2", "alert 3"]
    assert Receiver.by_name["ops"].tries[0] == 2  # when it would have been tried without a restart
    assert told == []
    assert [alert.text for alert in again.open_alerts] == ["alert 1", "alert 2", "alert 3"]


async def test_alerts_of_channels_that_are_gone_are_given_up(autojump_clock: MockClock) -> None:
    outbox = Kept()
    notifier, _ = notifier_of(channel("ops"), outbox=outbox)
    notifier.send(alert_of(1))
    _, told = notifier_of(channel("other"), outbox=outbox)
    assert told == ["channel ops: an alert of an earlier run is not sent: there is no such channel any more"]
    assert outbox.states("ops") == [DeliveryState.GIVEN_UP]
    outbox.keep(Delivery("y-1", "other", START, "carrier", "", "{"))
    _, told = notifier_of(channel("other"), outbox=outbox)
    assert told == ["channel other: an alert of an earlier run is not sent: another version has written it"]


async def test_an_alert_that_is_older_than_all_waits_is_tried_once(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    outbox = Kept()
    alert = alert_of(1)
    payload = json.dumps(alert_data(alert))
    outbox.keep(
        Delivery(alert.id, "ops", START - 30 * HOUR, "carrier", "", payload, DeliveryState.FAILED, 3, START - 1)
    )
    notifier, _ = notifier_of(channel("ops"), outbox=outbox)
    nursery.start_soon(notifier.run)
    await notifier.drained()
    assert Receiver.by_name["ops"].texts == ["alert 1"]


async def test_a_clock_that_was_set_back_holds_up_nothing_for_long(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    outbox = Kept()
    alert = alert_of(1)
    payload = json.dumps(alert_data(alert))
    outbox.keep(Delivery(alert.id, "ops", START, "carrier", "", payload, DeliveryState.FAILED, 3, START + 1e9))
    notifier, _ = notifier_of(channel("ops"), outbox=outbox)
    nursery.start_soon(notifier.run)
    await notifier.drained()
    assert Receiver.by_name["ops"].tries == [NotifyConfig().give_up]


def test_channels_have_names_of_their_own() -> None:
    with pytest.raises(WatchError, match="two channels are named ops"):
        Notifier([channel("ops"), channel("ops")])


def down(at: float) -> Change:
    return Change("carrier", "sbc1", at, Health.HEALTHY, Health.UNREACHABLE, START, check_of("sbc1", at))


async def test_alarms_tell_what_a_watch_tells(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    notifier, _ = notifier_of(channel("ops"))
    alarms = Alarms(Alerter([trunk_of("sbc1", "sbc2")], AlertRules(unreachable_minutes=5)), notifier, clock)
    nursery.start_soon(alarms.run)
    await trio.sleep(1000)
    alarms.take(down(clock()))
    alarms.take(Switch("carrier", clock(), "sbc1", "sbc2", SwitchCause.FAILOVER))
    await trio.sleep(HOUR)
    ((at, text),) = Receiver.by_name["ops"].got
    assert at == pytest.approx(1300, abs=0.1)
    assert text == "carrier: route sbc1 is down (answered); calls take sbc2"


async def test_an_incident_ends_over_a_restart(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    outbox = Kept()
    trunk = trunk_of("sbc1", "sbc2")
    notifier, _ = notifier_of(channel("ops"), outbox=outbox)
    alarms = Alarms(Alerter([trunk]), notifier, clock)
    fallen = down(clock())
    async with trio.open_nursery() as run:
        run.start_soon(alarms.run)
        alarms.take(fallen)
        await trio.sleep(60)
        run.cancel_scope.cancel()
    notifier, _ = notifier_of(channel("ops"), outbox=outbox)
    alarms = Alarms(Alerter([trunk]), notifier, clock)
    alarms.restore([fallen])
    nursery.start_soon(alarms.run)
    await trio.sleep(60)
    assert len(Receiver.by_name["ops"].got) == 1
    alarms.take(Change("carrier", "sbc1", clock(), Health.UNREACHABLE, Health.HEALTHY, START, check_of("sbc1", 0)))
    await trio.sleep(60)
    assert [text for _, text in Receiver.by_name["ops"].got] == [
        "carrier: route sbc1 is down (answered)",
        "carrier: route sbc1 is up again after 2 min",
    ]
    assert outbox.states(JOURNAL) == [DeliveryState.SENT]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"give_up": 0}, "give_up is a time above 0 s, not 0"),
        ({"message_pause": -1}, "message_pause is 0 or more"),
        ({"queue": 0}, "queue is 1 or more, not 0"),
    ],
)
def test_times_that_are_none(wrong: dict[str, float], told: str) -> None:
    with pytest.raises(LocalError, match=told):
        NotifyConfig(**wrong)  # type: ignore[arg-type]  # its fields
