"""Sends alerts to their channels: each by itself, in order, again where it fails, and over restarts by an outbox.

alarms = Alarms(Alerter(trunks), Notifier([WebhookChannel("ops", "https://example.com/alerts", "secret")]))
watch = Watch(trunks, alarms.take)
async with trio.open_nursery() as nursery:
    nursery.start_soon(alarms.run)
    nursery.start_soon(watch.run)
"""

import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace

import trio

from probes.health.alerter import DEFAULT_RULES, Alerter
from probes.health.alerts import Alert, AlertRules, Channel, Phase, WebhookChannel, alert_data, alert_of, wants
from probes.health.messages import Messenger
from probes.health.outbox import Delivery, DeliveryState, Outbox
from probes.health.sending import NotifyConfig, SendFailure
from probes.health.terms import Change, Check, Happening, Switch
from probes.health.trunk import Trunk, WatchError
from probes.health.webhook import Resolve, Webhook, system_addresses
from sipcore.value import value

JOURNAL = ""
"""In place of a channel: what the outbox keeps under it is the last alert of an incident whose end is still to be sent.
"""
PARTING = 300.0
"""Seconds for which what waits for a channel that is no more is still tried to be sent."""
PARTED = "parted"
"""What marks the last word that a channel gets of an incident that goes on."""
LONGEST_NAP = 60.0
"""Seconds after which the clock is looked at again, which may have been set meanwhile."""
Tell = Callable[[str], None]
Clock = Callable[[], float]
Sender = Callable[[list[Delivery]], Awaitable[None]]
"""Sends alerts, which are one for a webhook. Raises SendFailure."""
DEFAULT_CONFIG = NotifyConfig()


class Notifier:
    """Sends alerts. Raises WatchError for channels that cannot be used."""

    def __init__(
        self,
        channels: Iterable[Channel],
        outbox: Outbox | None = None,
        tell_trouble: Tell | None = None,
        config: NotifyConfig = DEFAULT_CONFIG,
        *,
        clock: Clock = time.time,
        resolve: Resolve = system_addresses,
    ) -> None:
        """What could not be sent is told to `tell_trouble`, in a sentence without secrets. `clock` gives seconds since
        1970; `resolve` looks names of receivers up.

        What an earlier run has left in the outbox is sent first.
        """
        self._outbox = outbox
        self._tell = tell_trouble or (lambda _: None)
        self._config, self._clock, self._resolve = config, clock, resolve
        self._lines: dict[str, _Line] = {}
        self._leaving: list[_Line] = []
        """Those of channels that are no more, until nothing waits for them."""
        self._nursery: trio.Nursery | None = None
        self._lasting: dict[str, Alert] = {}
        """The last alert of each incident that is not told as over, of an earlier run too."""
        self.take(self.prepare(channels))
        self._open: list[Alert] = []
        for delivery in outbox.unsent() if outbox is not None else ():
            self._restore(delivery)

    def _restore(self, delivery: Delivery) -> None:
        alert = alert_of(_parsed(delivery.payload))
        line = self._lines.get(delivery.channel)
        if alert is not None and delivery.channel == JOURNAL:
            self._open.append(alert)
            self._lasting[alert.incident] = alert
        elif alert is not None and line is not None:
            line.add(delivery)
        else:
            why = "there is no such channel any more" if alert is not None else "another version has written it"
            self._keep(replace(delivery, state=DeliveryState.GIVEN_UP, next_attempt=None, error=why))
            if delivery.channel != JOURNAL:
                self._tell(f"channel {delivery.channel}: an alert of an earlier run is not sent: {why}")

    @property
    def open_alerts(self) -> tuple[Alert, ...]:
        """The last alert of each incident that an earlier run has not told as over: what `Alerter.restore` takes."""
        return tuple(self._open)

    def change(self, channels: Iterable[Channel]) -> None:
        """Send to these channels from now on, whether `run` goes on or not. Raises WatchError for channels that cannot
        be used, and changes nothing then.

        What waits for a channel that is another one under the same name is sent to that. One that is no more is left,
        as one is that is not told of a trunk any more: what is open there is told as over. What waits for it is tried
        for PARTING seconds more, and told as trouble if it could not be sent by then.
        """
        self.take(self.prepare(channels))

    def prepare(self, channels: Iterable[Channel]) -> "Ways":
        """How these channels are sent to, for `take`. Raises WatchError for those that cannot be used."""
        ways: Ways = {}
        for channel in channels:
            if channel.name in ways:
                raise WatchError(f"two channels are named {channel.name}: give each a name of its own")
            known = self._lines.get(channel.name)
            is_same = known is not None and known.channel == channel
            way = known.way if known and is_same else _way(channel, self._config, self._clock, self._resolve)
            ways[channel.name] = channel, way
        return ways

    def take(self, ways: "Ways") -> None:
        """Change to what was prepared."""
        before, self._lines = self._lines, {}
        for name, line in before.items():
            after = ways[name][0] if name in ways else None
            if line.channel != after:
                self._part(line, after)
        for name, (channel, way) in ways.items():
            if name in before:
                self._lines[name] = before[name]
                self._lines[name].follow(channel, way)
            else:
                self._lines[name] = self._start(_Line(channel, way, self._keep, self._tell, self._config, self._clock))
        for line in (line for name, line in before.items() if name not in ways):
            line.leave()
            self._leaving.append(line)

    def _part(self, line: "_Line", after: Channel | None) -> None:
        """Tell a channel that what it was told of goes on without it."""
        for alert in self._lasting.values():
            if wants(line.channel, alert) and not (after is not None and wants(after, alert)):
                text = f"no longer told here: {alert.text}"
                over = replace(
                    alert, id=f"{alert.id}-{PARTED}", phase=Phase.ENDED, at=self._clock(), text=text, lines=()
                )
                self._add(line, over, json.dumps(alert_data(replace(over, until=over.at))))

    def _start(self, line: "_Line") -> "_Line":
        if self._nursery is not None:
            self._nursery.start_soon(self._run_line, line)
        return line

    async def _run_line(self, line: "_Line") -> None:
        await line.run()
        self._leaving.remove(line)

    def _add(self, line: "_Line", alert: Alert, payload: str) -> None:
        delivery = Delivery(alert.id, line.channel.name, alert.at, alert.trunk, alert.route, payload)
        self._keep(delivery)
        line.add(delivery)

    def send(self, alert: Alert) -> None:
        """Have an alert sent to the channels that want it, without waiting for that."""
        payload = json.dumps(alert_data(alert))
        if alert.phase is not Phase.ONCE:
            is_over = alert.phase is Phase.ENDED
            last = Delivery(alert.incident, JOURNAL, alert.at, alert.trunk, alert.route, payload)
            self._keep(replace(last, state=DeliveryState.SENT) if is_over else last)
            self._lasting.pop(alert.incident, None)
            if not is_over:
                self._lasting[alert.incident] = alert
        for line in self._lines.values():
            if wants(line.channel, alert):
                self._add(line, alert, payload)

    def _keep(self, delivery: Delivery) -> None:
        if self._outbox is not None:
            self._outbox.keep(delivery)

    async def run(self) -> None:
        """Send what comes, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                for line in (*self._lines.values(), *self._leaving):
                    self._start(line)
                await trio.sleep_forever()
            finally:
                self._nursery = None

    async def drained(self) -> None:
        """Wait until all that was given is sent, or given up."""
        for line in (*self._lines.values(), *self._leaving):
            await line.drained()


class Alarms:
    """Alerts of a watch: what its `tell` is given goes to an alerter, and what that tells to a notifier."""

    def __init__(self, alerter: Alerter, notifier: Notifier, clock: Clock = time.time) -> None:
        self._alerter, self._notifier, self._clock = alerter, notifier, clock
        self._changed = trio.Event()

    def restore(self, known: Iterable[Change | Switch | Check]) -> None:
        """Go on where an earlier run has ended, by what a history knows of last."""
        self._send(self._alerter.restore(self._notifier.open_alerts, known, self._clock()))

    def take(self, happening: Happening) -> None:
        """One more thing that happened."""
        self._send(self._alerter.take(happening, self._clock()))
        self._changed.set()

    def change(
        self,
        trunks: Iterable[Trunk],
        channels: Iterable[Channel],
        *,
        rules: AlertRules = DEFAULT_RULES,
        of_trunk: Mapping[str, AlertRules] | None = None,
    ) -> None:
        """Tell of these trunks from now on, to these channels, by these rules (see `Alerter` and `Notifier`), whether
        `run` goes on or not; to be called right before `Watch.change`. Raises WatchError for channels that cannot be
        used, and changes nothing then.

        What is open of trunks and routes that are no more is told as over. So it is at a channel that is not told of a
        trunk any more, or is no more itself; what waits for such a one is tried for PARTING seconds, and if it cannot
        be sent by then, that is told as trouble.
        """
        ways = self._notifier.prepare(channels)
        self._send(self._alerter.change(trunks, self._clock(), rules, of_trunk))
        self._notifier.take(ways)
        self._changed.set()

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._notifier.run)
            while True:
                self._changed = trio.Event()
                self._send(self._alerter.handle_timeout(self._clock()))
                due = self._alerter.next_timeout()
                nap = LONGEST_NAP if due is None else min(max(due - self._clock(), 0.0), LONGEST_NAP)
                with trio.move_on_after(nap):
                    await self._changed.wait()

    def _send(self, alerts: Iterable[Alert]) -> None:
        for alert in alerts:
            self._notifier.send(alert)


@value
class _Way:
    """How alerts are sent to a channel."""

    send: Sender
    at_once: int = 1
    """How many may be joined."""
    pause: float = 0.0
    """Seconds between two of them."""


Ways = dict[str, tuple[Channel, _Way]]
"""How some channels are sent to, by their names."""


class _Line:
    """What waits for one channel. No alert overtakes another."""

    def __init__(
        self,
        channel: Channel,
        way: _Way,
        keep: Callable[[Delivery], None],
        tell: Tell,
        config: NotifyConfig,
        clock: Clock,
    ) -> None:
        self.channel, self.way = channel, way
        self._keep, self._tell = keep, tell
        self._config, self._clock = config, clock
        self._queue: deque[Delivery] = deque()
        self._joined: list[Delivery] = []
        """What is being sent."""
        self._left = trio.Event()
        self._given = trio.Event()
        self._done = trio.Event()
        self._done.set()

    def add(self, delivery: Delivery) -> None:
        """One more to send. Where too many wait, the oldest is given up."""
        self._queue.append(delivery)
        if len(self._queue) > self._config.queue:
            self._give_up(self._queue.popleft(), f"more than {self._config.queue} wait for this channel")
        if self._done.is_set():
            self._done = trio.Event()
        self._given.set()

    def follow(self, channel: Channel, way: _Way) -> None:
        """Be of that channel from now on, which has the same name."""
        self.channel, self.way = channel, way

    def leave(self) -> None:
        """There is no such channel any more: nothing is added from now on."""
        self._left.set()

    async def drained(self) -> None:
        """Wait until none waits."""
        await self._done.wait()

    async def run(self) -> None:
        """Send what is given, until cancelled, or left for PARTING seconds."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_sending)
            await self._left.wait()
            with trio.move_on_after(PARTING):
                await self.drained()
            nursery.cancel_scope.cancel()
        for delivery in (*self._joined, *self._queue):
            self._give_up(delivery, "there is no such channel any more")
        self._joined, self._queue = [], deque()
        self._done.set()

    async def _keep_sending(self) -> None:
        while True:
            while self._queue:
                await self._wait_for(self._queue[0])
                self._joined = [self._queue.popleft() for _ in range(min(self.way.at_once, len(self._queue)))]
                self._queue.extendleft(reversed(await self._try(self._joined)))
                self._joined = []
                if not self._queue:
                    self._done.set()
                await trio.sleep(self.way.pause)
            self._given = trio.Event()
            await self._given.wait()

    async def _wait_for(self, delivery: Delivery) -> None:
        """Until it is time for another attempt; no longer than any wait, in case the clock was set back."""
        if delivery.next_attempt is not None:
            await trio.sleep(min(max(delivery.next_attempt - self._clock(), 0.0), self._config.give_up))

    async def _try(self, joined: list[Delivery]) -> list[Delivery]:
        """One attempt; what is left to be sent after it."""
        try:
            await self.way.send(joined)
        except SendFailure as found:
            failure = found
        except Exception as error:  # noqa: BLE001  # one attempt fails, and not all that is to be sent later
            failure = SendFailure(f"this program made a mistake, please report it: {type(error).__name__}")
        else:
            for delivery in joined:
                attempts = delivery.attempts + 1
                self._keep(replace(delivery, state=DeliveryState.SENT, attempts=attempts, next_attempt=None, error=""))
            return []
        left = (self._failed(delivery, failure) for delivery in joined)
        return [delivery for delivery in left if delivery is not None]

    def _failed(self, delivery: Delivery, failure: SendFailure) -> Delivery | None:
        """What is left of a delivery after an attempt; None where that was the last one."""
        attempts = delivery.attempts + 1
        wait = min(self._config.first_wait * 2.0 ** min(attempts - 1, 30), self._config.longest_wait)
        again = self._clock() + max(wait, failure.retry_after or 0.0)
        tried = replace(delivery, state=DeliveryState.FAILED, attempts=attempts, next_attempt=again, error=failure.why)
        if failure.is_final or again > delivery.at + self._config.give_up:
            self._give_up(tried, failure.why)
            return None
        self._keep(tried)
        return tried

    def _give_up(self, delivery: Delivery, why: str) -> None:
        self._keep(replace(delivery, state=DeliveryState.GIVEN_UP, next_attempt=None, error=why))
        times = f" after {delivery.attempts} attempts" if delivery.attempts > 1 else ""
        about = f"{delivery.trunk}, {delivery.route}" if delivery.route else delivery.trunk
        self._tell(f"channel {self.channel.name}: an alert of {about} was not sent, and is given up{times}: {why}")


def _way(channel: Channel, config: NotifyConfig, clock: Clock, resolve: Resolve) -> _Way:
    """How deliveries are sent to a channel."""
    if isinstance(channel, WebhookChannel):
        webhook = Webhook(channel, config, resolve)

        async def post(joined: list[Delivery]) -> None:
            for delivery in joined:
                await webhook.send(delivery.alert, delivery.payload.encode(), clock())

        return _Way(post)
    messenger = Messenger(channel, config)

    async def write(joined: list[Delivery]) -> None:
        alerts = [alert_of(_parsed(delivery.payload)) for delivery in joined]
        await messenger.send([alert for alert in alerts if alert is not None])

    return _Way(write, config.message_alerts, config.message_pause)


def _parsed(payload: str) -> object:
    try:
        return json.loads(payload)
    except ValueError:
        return None
