"""The trunks that are watched, as a file: TOML with one `[[trunk]]` for each, `[defaults]` for what is common, and one
`[[alert]]` for each channel through which people are told.

[[trunk]]
name = "carrier"
target = "sip:sbc1.example.com;transport=tls"

[[trunk]]
name = "office"
interval = 30
call = { to = "echo", expect = "connected" }

[[trunk.route]]
target = "sip:pbx.example.com"

[[trunk.route]]
target = "sip:standby.example.com"

[[alert]]
webhook = "https://example.com/sip-alerts"
secret_env = "WATCH_SECRET"

What is wrong is told as in scenarios of calls, whose keys those of a test call are (`calls.keys`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any

from probes.calls.keys import CREDENTIALS
from probes.calls.keys import KEYS as CALL_KEYS
from probes.calls.number import RefusedNumber
from probes.calls.scenario import Credentials, PasswordOf, credentials_of, overlaid
from probes.calls.script import CallScript
from probes.destination import Destination
from probes.entries import (
    EntryError,
    EntryFile,
    Key,
    boolean,
    fields_of,
    known,
    number,
    one_of,
    several_of,
    table,
    text,
    texts,
    whole,
    wholes,
)
from probes.health.alerts import AlertKind, AlertRules, AppriseChannel, Channel, Severity, WebhookChannel
from probes.health.trunk import DEFAULT_RETRY, Route, Rules, Trunk
from probes.registration.plan import RegistrationProbe
from sipcore.errors import LocalError, SipError, quoted
from sipcore.message.uri import escape_user
from sipcore.resolve.target import Transport
from sipcore.transports.base import TlsConfig
from sipcore.value import value

MAX_ROUTES = 1000
"""Of one file: at one check a minute each, seventeen checks a second."""
TRUNK, ROUTE, DEFAULTS, STORE, CALL, TO = "trunk", "route", "defaults", "store", "call", "to"
REGISTER, WHO = "register", "who"
ALERT, ALERTS = "alert", "alerts"
ContentOf = Callable[[str], bytes]
"""What is in the file of this name, beside the one that names it. Raises LocalError."""


class Failback(Enum):
    """Who has calls return to a better route that is up again."""

    AUTO = "auto"
    MANUAL = "manual"


RULE_KEYS = {
    "interval": Key("interval", "60 (seconds)", number),
    "retry": Key("retry", "10 (seconds)", number),
    "timeout": Key("timeout", "4 (seconds)", number),
    "misses": Key("misses", "5", whole),
    "recoveries": Key("recoveries", "2", whole),
    "slow": Key("slow", "0.5 (seconds)", number),
    "refusals": Key("refusals", "[403, 503]", wholes),
    "certificate_days": Key("certificate_days", "14", number),
    "call_interval": Key("call_interval", "3600 (seconds)", number),
    "call_misses": Key("call_misses", "2", whole),
    "registration_interval": Key("registration_interval", "600 (seconds)", number),
    "registration_misses": Key("registration_misses", "2", whole),
    "failback": Key("", '"auto" or "manual"', one_of(Failback)),
}
"""How a trunk is watched."""
ALERT_RULE_KEYS = {
    "unreachable_minutes": Key("unreachable_minutes", "5", number),
    "degraded_minutes": Key("degraded_minutes", "15", number),
    "failure_rate_percent": Key("failure_rate_percent", "20", number),
    "failure_rate_window_minutes": Key("failure_rate_window_minutes", "60", number),
    "response_time_ms": Key("response_time_ms", "500", number),
    "response_time_checks": Key("response_time_checks", "3", whole),
    "call_failures": Key("call_failures", "2", whole),
    "registration_failures": Key("registration_failures", "2", whole),
    "repeat_minutes": Key("repeat_minutes", "60", number),
}
"""When the troubles of a trunk are told: the table `alerts` of a trunk, or of the defaults."""
CHANNEL_KEYS = {
    "name": CALL_KEYS["name"],
    "webhook": Key("", '"https://example.com/alerts"', text),
    "webhook_env": Key("", '"WATCH_WEBHOOK"', text),
    "webhook_file": Key("", '"/run/secrets/webhook"', text),
    "secret_env": Key("", '"WATCH_SECRET"', text),
    "secret_file": Key("", '"/run/secrets/watch"', text),
    "apprise_env": Key("", '"WATCH_MAIL"', text),
    "apprise_file": Key("", '"/run/secrets/mail"', text),
    "kinds": Key("kinds", '["down", "all-down"]', several_of(AlertKind)),
    "severity": Key("severity", '"info", "warning" or "critical"', one_of(Severity)),
    "trunks": Key("", '["carrier", "office"]', texts),
    "allow_private": Key("", "true", boolean),
    "ca_file": Key("", '"webhook-ca.pem"', text),
}
"""A channel through which people are told: a webhook, or a service of Apprise. What may be a secret is named by a
variable of the environment, or a file."""
ROUTE_KEYS = {
    "transport": CALL_KEYS["transport"],
    "ca_file": Key("", '"carrier-ca.pem"', text),
    "certificate": Key("", '"us.pem"', text),
    "key": Key("", '"us.key"', text),
    "insecure": Key("", "true", boolean),
    CALL: Key("", '{ to = "echo", expect = "connected" }', table),
    REGISTER: Key("", '{ user = "alice", password_env = "TRUNK_PASSWORD" }', table),
}
"""How a route is reached; where they stand with a trunk, they are for all of its routes."""
OF_ROUTE = {"name": CALL_KEYS["name"], "target": CALL_KEYS["target"], **ROUTE_KEYS}
OF_ALL = {**ROUTE_KEYS, **RULE_KEYS, ALERTS: Key("", "{ unreachable_minutes = 5 }", table)}
OF_TRUNK = {
    **OF_ROUTE,
    **OF_ALL,
    ROUTE: Key("", f"nothing; write [[{TRUNK}.{ROUTE}]] above each", lambda given: given),
}
CALLED = {TO: Key("", '"+15550100"', text)} | {
    key: each for key, each in CALL_KEYS.items() if key not in ("name", "target", "transport")
}
"""The keys of a test call: whom it is to, at the route's own host, and else those of a scenario."""
REGISTERED = {
    WHO: Key("", '"alice"', text),
    **{key: CALL_KEYS[key] for key in CREDENTIALS},
    "expires": Key("expires", "60 (seconds)", whole),
    "only_ask": Key("asks_only", "true", boolean),
    "expect_contact": Key("expects_contact", "true", boolean),
    "beside": Key("beside", "true", boolean),
    "timeout": Key("timeout", "8 (seconds)", number),
}
"""The keys of a test of a registration: who registers at the route's own host, and else those of `sipprobe register`.
"""


@value
class WatchFile:
    """What a file says."""

    trunks: tuple[Trunk, ...]
    store: str = ""
    """Where the history is kept, as the file names it; empty for none."""
    channels: tuple[Channel, ...] = ()
    """Through which people are told."""
    alerts: tuple[tuple[str, AlertRules], ...] = ()
    """When the troubles of each trunk are told, by its name."""


def read_watch(content: str, source: str, password_of: PasswordOf, content_of: ContentOf) -> WatchFile:
    """What the file `source` says, which holds `content`. Raises EntryError."""
    return _Reader(content, source, password_of, content_of).read()


class _Reader:
    def __init__(self, content: str, source: str, password_of: PasswordOf, content_of: ContentOf) -> None:
        self._file = EntryFile(content, source, "a file of trunks")
        self._password_of = password_of
        self._content_of = content_of
        self._routes = 0
        """How many `[[trunk.route]]` were read by now."""

    def read(self) -> WatchFile:
        data = self._file.parsed((STORE, DEFAULTS, TRUNK, ALERT), f"[[{TRUNK}]], [[{ALERT}]] and [{DEFAULTS}]")
        common = data.get(DEFAULTS, {})
        if not isinstance(common, dict):
            raise self._file.error(f"write [{DEFAULTS}] above what all trunks have in common", key=DEFAULTS)
        self._file.check_keys(common, OF_ALL)
        given = self._entries(data, TRUNK)
        trunks = tuple(self._trunk(common, each, place) for place, each in enumerate(given, 1))
        if not trunks:
            raise self._file.error(f"no trunks: write [[{TRUNK}]], with two brackets, above each", key=TRUNK)
        names = [trunk.name for trunk in trunks]
        self._require_distinct(names, TRUNK)
        if sum(len(trunk.routes) for trunk in trunks) > MAX_ROUTES:
            raise self._file.error(f"more than {MAX_ROUTES} routes")
        rules = [self._alert_rules(common, each, place) for place, each in enumerate(given, 1)]
        channels = tuple(self._channel(each, names, place) for place, each in enumerate(self._entries(data, ALERT), 1))
        self._require_distinct([channel.name for channel in channels], ALERT)
        store = data.get(STORE, "")
        if not isinstance(store, str):
            raise self._file.error(f'{STORE} cannot be used; write something like {STORE} = "watch.db"', key=STORE)
        alerts = tuple((trunk.name, each) for trunk, each in zip(trunks, rules, strict=True))
        return WatchFile(trunks, store, channels, alerts)

    def _require_distinct(self, names: list[str], kind: str) -> None:
        for place, name in enumerate(names, 1):
            if name in names[: place - 1]:
                raise self._file.error(f"there is {kind} {quoted(name)} above already", kind, place, "name")

    def _entries(self, data: Mapping[str, Any], kind: str) -> list[dict[str, object]]:
        entries = data.get(kind, [])
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            raise self._file.error(f"write [[{kind}]], with two brackets, above each", key=kind)
        return entries

    def _trunk(self, common: Mapping[str, object], given: Mapping[str, object], place: int) -> Trunk:
        file = self._file
        file.check_keys(given, OF_TRUNK, TRUNK, place)
        own = {key: told for key, told in given.items() if key != ROUTE}
        told = {**common, **own}
        read = {key: file.read(RULE_KEYS, key, each, TRUNK, place) for key, each in told.items() if key in RULE_KEYS}
        name = str(file.read(OF_TRUNK, "name", own.get("name", f"{TRUNK} {place}"), TRUNK, place))
        routes = given.get(ROUTE)
        if routes is not None and "target" in given:
            raise file.error(
                f"target is for a trunk with one route; here it stands in each [[{TRUNK}.{ROUTE}]]", TRUNK, place
            )
        if routes is None:
            alone = {key: each for key, each in own.items() if key != "name"}
            reached = [self._route([common, alone], TRUNK, place)]
        else:
            reached = list(self._routes_of(common, own, given, place))
        try:
            return Trunk(name, tuple(reached), rules_of(read))
        except LocalError as error:
            raise file.error(error.message, TRUNK, place) from None

    def _routes_of(
        self, common: Mapping[str, object], own: Mapping[str, object], given: Mapping[str, object], place: int
    ) -> Iterator[Route]:
        shared = {key: told for key, told in own.items() if key in ROUTE_KEYS}
        try:
            entries = self._entries(given, ROUTE)
        except EntryError:
            problem = f"write [[{TRUNK}.{ROUTE}]], with two brackets, above each route"
            raise self._file.error(problem, TRUNK, place, ROUTE) from None
        for entry in entries:
            self._routes += 1
            self._file.check_keys(entry, OF_ROUTE, f"{TRUNK}.{ROUTE}", self._routes)
            yield self._route([common, shared, entry], f"{TRUNK}.{ROUTE}", self._routes)

    def _alert_rules(self, common: Mapping[str, object], given: Mapping[str, object], place: int) -> AlertRules:
        """When the troubles of a trunk are told."""
        file = self._file
        told: dict[str, object] = {}
        for one in (common, given):
            of_one = file.read(OF_ALL, ALERTS, one.get(ALERTS, {}), TRUNK, place)
            told |= of_one if isinstance(of_one, dict) else {}
        file.check_keys(told, ALERT_RULE_KEYS, TRUNK, place)
        read = {key: file.read(ALERT_RULE_KEYS, key, each, TRUNK, place) for key, each in told.items()}
        try:
            return AlertRules(**fields_of(ALERT_RULE_KEYS, read))
        except LocalError as error:
            raise file.error(error.message, TRUNK, place, ALERTS) from None

    def _channel(self, given: Mapping[str, object], trunks: Sequence[str], place: int) -> Channel:
        """A webhook, or a service of Apprise, for all of these trunks or for some."""
        file = self._file
        file.check_keys(given, CHANNEL_KEYS, ALERT, place)
        read = {key: file.read(CHANNEL_KEYS, key, told, ALERT, place) for key, told in given.items()}
        name = str(read.get("name", f"{ALERT} {place}"))
        webhook, apprise = (self._secret(read, what, place) for what in ("webhook", "apprise"))
        if bool(webhook) == bool(apprise):
            text = "name where to by one of webhook, webhook_env, webhook_file, apprise_env and apprise_file"
            raise file.error(text, ALERT, place)
        told = fields_of(CHANNEL_KEYS, read) | {"trunks": self._trunks_of(read, trunks, place)}
        try:
            if apprise:
                for key in ("secret_env", "secret_file", "allow_private", "ca_file"):
                    if key in read:
                        raise file.error(f"{key} is for webhooks", ALERT, place, key)
                return AppriseChannel(name, apprise, **told)
            ca_data = self._content(read, "ca_file", ALERT, place)
            private = read.get("allow_private") is True
            secret = self._secret(read, "secret", place)
            return WebhookChannel(name, webhook, secret, **told, allow_private=private, ca_data=ca_data)
        except EntryError:
            raise
        except LocalError as error:
            raise file.error(error.message, ALERT, place) from None

    def _trunks_of(self, read: Mapping[str, object], trunks: Sequence[str], place: int) -> tuple[str, ...] | None:
        """The trunks of a channel, None for all."""
        named = read.get("trunks")
        if not isinstance(named, tuple):
            return None
        try:
            return tuple(known(name, trunks) for name in named)
        except EntryError as error:
            raise self._file.error(error.message, ALERT, place, "trunks") from None

    def _secret(self, read: Mapping[str, object], what: str, place: int) -> str:
        """What one of the keys for `what` says or names; empty for none."""
        ways = [key for key in (what, f"{what}_env", f"{what}_file") if key in read]
        if len(ways) > 1:
            raise self._file.error(f"{' and '.join(ways)} exclude each other", ALERT, place, ways[1])
        if not ways or ways == [what]:
            return str(read[what]) if ways else ""
        try:
            found = self._password_of(ways[0], str(read[ways[0]]))
        except LocalError as error:
            raise self._file.error(error.message, ALERT, place, ways[0]) from None
        if not found:
            raise self._file.error(f"what {ways[0]} names is empty", ALERT, place, ways[0])
        return found

    def _content(self, read: Mapping[str, object], key: str, kind: str, place: int) -> bytes:
        """What is in the file that a key names; empty for none. One without content would stand for none, and have
        other authorities trusted than was meant.
        """
        if key not in read:
            return b""
        try:
            content = self._content_of(str(read[key]))
        except LocalError as error:
            raise self._file.error(f"{key}: {error.message}", kind, place, key) from None
        if not content.strip():
            raise self._file.error(f"what {key} names is empty", kind, place, key)
        return content

    def _route(self, given: list[Mapping[str, object]], kind: str, place: int) -> Route:
        """One route, out of what is said of all, of its trunk and of itself, the last word counting."""
        file = self._file
        told = {key: each for one in given for key, each in one.items() if key in OF_ROUTE}
        read = {key: file.read(OF_ROUTE, key, each, kind, place) for key, each in told.items()}
        if "target" not in read:
            raise file.error(f"where is it? write target = {OF_ROUTE['target'].example}", kind, place)
        key = "target"
        try:
            destination = Destination.parse(str(read[key]))
            transport = read.get("transport")
            if isinstance(transport, Transport):
                key = "transport"
                destination = destination.over(transport)
        except SipError as error:
            raise file.error(error.message, kind, place, key) from None
        name = str(read.get("name", destination))
        calls, tests = ([one[key] for one in given if key in one] for key in (CALL, REGISTER))
        call = self._call(destination, calls, kind, place) if calls else None
        registration = self._registration(destination, tests, kind, place) if tests else None
        return Route(name, destination, self._tls(read, kind, place), call, registration)

    def _tls(self, read: Mapping[str, object], kind: str, place: int) -> TlsConfig:
        if ("certificate" in read) != ("key" in read):
            raise self._file.error("a certificate needs both certificate and key", kind, place)
        return TlsConfig(
            verify=read.get("insecure") is not True,
            ca_data=self._content(read, "ca_file", kind, place),
            certificate=self._content(read, "certificate", kind, place),
            key=self._content(read, "key", kind, place),
        )

    def _call(self, destination: Destination, given: list[object], kind: str, place: int) -> CallScript:
        """The test call to somebody at the destination's own host."""
        file = self._file
        read = self._test(CALLED, given, kind, place)
        if TO not in read and not destination.user:
            raise file.error(f"whom to call? write {TO} = {CALLED[TO].example} in {CALL}", kind, place, CALL)
        callee = replace(destination, user=escape_user(str(read[TO]))) if TO in read else destination
        found = self._credentials(read, kind, place)
        try:
            account = found.account_for(callee) if found is not None else None
            return CallScript(callee, account=account, **fields_of(CALLED, read))
        except RefusedNumber as error:
            raise file.error(f'{error.message}: allow = ["{error.kind}"]', kind, place, CALL) from None
        except SipError as error:
            raise file.error(f"{CALL}: {error.message}", kind, place, CALL) from None

    def _registration(self, destination: Destination, given: list[object], kind: str, place: int) -> RegistrationProbe:
        """The test of a registration at the destination's own host: of whoever is named, or has credentials."""
        file = self._file
        read = self._test(REGISTERED, given, kind, place)
        who = read.get(WHO, read.get("user") if destination.user is None else None)
        aor = replace(destination, user=escape_user(str(who))) if who is not None else destination
        if not aor.user:
            raise file.error(
                f"whom to register? write {WHO} = {REGISTERED[WHO].example} in {REGISTER}", kind, place, REGISTER
            )
        found = self._credentials(read, kind, place)
        try:
            account = found.account_for(aor) if found is not None else None
            return RegistrationProbe(aor, account, **fields_of(REGISTERED, read))
        except SipError as error:
            raise file.error(f"{REGISTER}: {error.message}", kind, place, REGISTER) from None

    def _test(self, keys: Mapping[str, Key], given: list[object], kind: str, place: int) -> dict[str, object]:
        """What the tables of a test say together, the last word counting."""
        tables = [each for each in given if isinstance(each, dict)]  # others were refused when the key was read
        for each in tables:
            self._file.check_keys(each, keys, kind, place)
        return {key: self._file.read(keys, key, told, kind, place) for key, told in overlaid(*tables).items()}

    def _credentials(self, read: Mapping[str, object], kind: str, place: int) -> Credentials | None:
        """Who is named in the table of a test, for a challenge."""
        return credentials_of(read, self._password_of, lambda problem, key: self._file.error(problem, kind, place, key))


def rules_of(read: Mapping[str, object]) -> Rules:
    """Rules out of what was said; a retry that nobody has set is no longer than the interval."""
    given = fields_of(RULE_KEYS, read)
    if "interval" in given and "retry" not in given:
        given["retry"] = min(DEFAULT_RETRY, given["interval"])
    if "failback" in read:
        given["fails_back"] = read["failback"] is Failback.AUTO
    return Rules(**given)
