"""What of the directory is watched: its trunks, and the numbers that have gateways of their own, as they change."""

import json
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import replace

import trio

from probes.health.alerter import Alerter
from probes.health.alerts import Alert, AlertRules, Channel, alert_data, alert_of
from probes.health.board import TrunkState
from probes.health.notify import Alarms, Notifier
from probes.health.outbox import Outbox
from probes.health.run import Watch, WatchConfig
from probes.health.terms import Check, Happening
from probes.health.trunk import Trunk as WatchedTrunk
from probes.health.trunk import WatchError
from probes.service.config import Means, Receiver, ServiceConfig
from probes.service.directory import Directory
from probes.store import alerts as stored_alerts
from probes.store.alerts import MAX_ALERTS
from probes.store.store import Store
from probes.trunks.model import Number, Trunk
from probes.trunks.watched import alert_rules_of, watched, webhook_of
from sipcore.errors import SipError
from sipcore.transports.lookup import LookupConfig
from sipcore.value import value

RETRY = 5.0
"""Seconds after which the directory is read again, where it could not be."""
Clock = Callable[[], float]
Listener = Callable[[str, Happening | Alert], None]
_log = logging.getLogger(__name__)


@value
class Watched:
    """One thing that is watched for a tenant."""

    tenant: str
    trunk: WatchedTrunk
    rules: AlertRules | None = None
    """None for what nobody is told of."""
    channels: tuple[Channel, ...] = ()
    """That are told of it, and of nothing else."""
    means: frozenset[Means] = frozenset()
    """By which of the tenant's receivers it is told."""


class Watching:
    """Watches what the directory holds, and tells whoever asked to be told."""

    def __init__(self, config: ServiceConfig, store: Store, directory: Directory) -> None:
        """`open` makes one."""
        self._config, self._store, self._directory = config, store, directory
        self._watched: dict[str, Watched] = {}
        """By the names that the watch has for them: ids of the directory, and names of the file."""
        self._of_file: frozenset[str] = frozenset()
        self._stale: set[str] = set()
        """Tenants whose trunks have changed since they were read."""
        self._changed = trio.Event()
        self._alerts: dict[str, deque[Alert]] = {}
        self.checked: Counter[tuple[str, str, str]] = Counter()
        """How many checks there were, by tenant, kind and verdict."""
        self.listeners: set[Listener] = set()
        """Told the tenant of whatever happens, and that; they neither wait nor raise."""
        self._watch: Watch
        self._alarms: Alarms

    @classmethod
    async def open(cls, config: ServiceConfig, store: Store, directory: Directory, clock: Clock) -> "Watching":
        """What a directory holds now, and what is known of it from before. Raises WatchError for what cannot be
        watched together.
        """
        self = cls(config, store, directory)
        directory.on_change = self._note
        self._take_file()
        for tenant in await directory.tenants():
            await self._read(tenant)
        for tenant, data in await store.ask(stored_alerts.every):
            alert = alert_of(json.loads(data))
            if alert is not None:
                self._remember(tenant, alert)
        trunks, known = [each.trunk for each in self._watched.values()], store.last()
        lookup = LookupConfig(nameservers=config.nameservers)
        self._watch = Watch(trunks, self._tell, WatchConfig(lookup=lookup, reach=config.reach))
        notifier = _Telling(self._tell_alert, self._channels(), store)
        self._alarms = Alarms(Alerter(trunks, of_trunk=self._rules()), notifier, clock)
        self._watch.restore(known)
        self._alarms.restore(known)
        return self

    async def follow(self) -> None:
        """Watch what the directory holds from then on, until cancelled."""
        while True:
            self._changed = trio.Event()
            if self._stale:
                await self._catch_up()
            else:
                await self._changed.wait()

    async def watch(self) -> None:
        """Check what is watched, until cancelled."""
        await self._watch.run()

    async def alert(self) -> None:
        """Send alerts, until cancelled."""
        await self._alarms.run()

    def all_states(self) -> list[tuple[str, TrunkState]]:
        """How everything is that is watched, with its tenant."""
        owners = {name: each.tenant for name, each in self._watched.items()}
        return [(owners[state.trunk], state) for state in self._watch.states() if state.trunk in owners]

    def states(self, tenant: str) -> tuple[TrunkState, ...]:
        """How whatever a tenant has is."""
        return tuple(state for owner, state in self.all_states() if owner == tenant)

    def state(self, tenant: str, of: Trunk | Number | str) -> TrunkState | None:
        """One of them; None for what is not watched."""
        names = [of] if isinstance(of, str) else [of.id, *([of.trunk_id] if isinstance(of, Number) else [])]
        found = {state.trunk: state for state in self.states(tenant)}
        return next((found[name] for name in names if name in found), None)

    def watched(self, tenant: str) -> tuple[WatchedTrunk, ...]:
        """What is watched for a tenant, as it is."""
        return tuple(each.trunk for each in self._watched.values() if each.tenant == tenant)

    def alerts(self, tenant: str) -> tuple[Alert, ...]:
        """The last alerts of a tenant, newest first: `MAX_ALERTS` of them, those of before a restart among them."""
        return tuple(reversed(self._alerts.get(tenant, ())))

    def switch(self, tenant: str, name: str, route: str) -> None:
        """Have calls of what is watched under a name take this route from now on, as `Watch.switch` says. Raises
        WatchError for a name or route that there is not, and for a route that is down.
        """
        watched = self._watched.get(name)
        if watched is None or watched.tenant != tenant:
            raise WatchError(f"nothing is watched under the name {name}")
        self._watch.switch(name, route)

    def _note(self, tenant: str) -> None:
        self._stale.add(tenant)
        self._changed.set()

    async def _catch_up(self) -> None:
        stale = set(self._stale)
        try:
            for tenant in stale:
                self._stale.discard(tenant)  # first, so that what changes meanwhile is read again
                await self._read(tenant)
            self._apply()
        except SipError as error:
            _log.warning("what is watched could not be brought up to date: %s", error.message)
            self._stale |= stale
            await trio.sleep(RETRY)

    async def _read(self, tenant: str) -> None:
        """What of a tenant is to be watched."""
        trunks = {trunk.id: trunk for trunk in await self._directory.trunks(tenant)}
        found = [self._watched_of(each) for each in trunks.values()]
        for number in await self._directory.numbers(tenant):
            if number.outbound is not None and number.outbound.gateways:  # else it goes by its trunk's
                whole = number.outbound_by(trunks.get(number.trunk_id or ""))
                found.append(self._watched_of(replace(number, outbound=whole)))
        others = {name: each for name, each in self._watched.items() if each.tenant != tenant or name in self._of_file}
        self._watched = others | {each.trunk.name: each for each in found if each is not None}

    def _watched_of(self, told: Trunk | Number) -> Watched | None:
        """One of them; None for what is not watched, which may be of an older version that took what is refused now."""
        try:
            return _watched(told, self._config)
        except SipError as error:
            named = type(told).__name__.lower(), told.id, told.tenant
            _log.warning("%s %s of %s is not watched: %s", *named, error.message)
            return None

    def _take_file(self) -> None:
        file = self._config.file
        if file is not None:
            rules = dict(file.alerts)
            self._watched |= {each.name: Watched(file.tenant, each, rules.get(each.name)) for each in file.trunks}
            self._of_file = frozenset(self._watched)

    def _apply(self) -> None:
        """Have what was read be watched, and told of. Raises WatchError."""
        watched = [each.trunk for each in self._watched.values()]
        self._alarms.change(watched, self._channels(), of_trunk=self._rules())
        self._watch.change(watched)

    def _rules(self) -> dict[str, AlertRules]:
        """When whom is told of what."""
        return {name: each.rules for name, each in self._watched.items() if each.rules is not None}

    def _channels(self) -> list[Channel]:
        """All channels, each for the trunks that it is told of."""
        told = [channel for each in self._watched.values() for channel in each.channels]
        told += [replace(receiver.channel, trunks=self._asking(receiver)) for receiver in self._config.receivers]
        file = self._config.file
        return told + [replace(each, trunks=tuple(self._of_file)) for each in (file.channels if file else ())]

    def _asking(self, receiver: Receiver) -> tuple[str, ...]:
        """What is to be told to a receiver."""
        found = self._watched.items()
        return tuple(name for name, each in found if each.tenant == receiver.tenant and receiver.means in each.means)

    def _tell(self, happening: Happening) -> None:
        try:
            self._store.add(happening)
        except SipError as error:  # it is closed, and the watch about to end
            _log.warning("%s", error.message)
        self._alarms.take(happening)
        watched = self._watched.get(happening.trunk)
        if isinstance(happening, Check) and watched is not None:
            self.checked[watched.tenant, happening.kind.name.lower(), happening.verdict.value] += 1
        self._pass_on(happening.trunk, happening)

    def _tell_alert(self, alert: Alert) -> None:
        watched = self._watched.get(alert.trunk)
        if watched is not None:
            self._remember(watched.tenant, alert)
            self._keep(watched.tenant, alert)
        self._pass_on(alert.trunk, alert)

    def _remember(self, tenant: str, alert: Alert) -> None:
        self._alerts.setdefault(tenant, deque(maxlen=MAX_ALERTS)).append(alert)

    def _keep(self, tenant: str, alert: Alert) -> None:
        data = json.dumps(alert_data(alert))
        try:
            self._store.enqueue(lambda connection: stored_alerts.add(connection, tenant, alert.id, alert.at, data))
        except SipError as error:  # it is closed, and the watch about to end
            _log.warning("%s", error.message)

    def _pass_on(self, name: str, what: Happening | Alert) -> None:
        watched = self._watched.get(name)
        if watched is not None:
            for listener in tuple(self.listeners):
                listener(watched.tenant, what)


class _Telling(Notifier):
    """A notifier whose alerts are seen here as well."""

    def __init__(self, show: Callable[[Alert], None], channels: Iterable[Channel], outbox: Outbox) -> None:
        super().__init__(channels, outbox, _log.warning)
        self._show = show

    def send(self, alert: Alert) -> None:
        """Show it, and have it sent."""
        self._show(alert)
        super().send(alert)


def _watched(told: Trunk | Number, config: ServiceConfig) -> Watched | None:
    """What is watched of a trunk or number; None for one without a gateway."""
    found = watched(told, config.rules)
    if found is None:
        return None
    terms = told.outbound.alerts if told.outbound is not None else None
    if terms is None or not terms.is_enabled:
        return Watched(told.tenant, found)
    asked = ((Means.EMAIL, terms.email), (Means.SMS, terms.sms))
    webhook = webhook_of(told, config.reach)
    means = frozenset(each for each, is_on in asked if is_on)
    return Watched(told.tenant, found, alert_rules_of(terms), (webhook,) if webhook is not None else (), means)
