"""The file of the service, TOML: `docs/examples/service.toml` has every key.

bind = "127.0.0.1:8080"
store = "service.db"

[reach]
allow = ["10.0.0.0/8"]

[[alert]]
tenant = "acme"
means = "email"
apprise_env = "ACME_MAIL"

What is wrong is told as in files of trunks (`probes.health.file`).
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from probes.calls.limit import SERVICE, Limits
from probes.entries import EntryError, EntryFile, Key, boolean, fields_of, number, one_of, table, text, texts, whole
from probes.health.alerts import AppriseChannel
from probes.health.file import RULE_KEYS, WatchFile, rules_of
from probes.health.trunk import Rules
from probes.reach import Network, ReachPolicy, network
from probes.service.config import DEFAULT_BIND, FileTrunks, HttpLimits, Means, OwnAddresses, Receiver, ServiceConfig
from probes.service.keys import require_tenant
from sipcore.errors import LocalError, quoted
from sipcore.resolve.target import SocketAddress

ALERT = "alert"
MAX_PORT = 65535
DNS_PORT, HTTP_PORT = 53, 8080
SecretOf = Callable[[str, str], str]
"""What is behind a key such as `apprise_env` and what it says. Raises LocalError."""
TrunksOf = Callable[[str], WatchFile]
"""The file of trunks of this name, beside the one that names it. Raises LocalError."""


def _address(port: int) -> Callable[[object], SocketAddress]:
    """Reads an address with a port, or without one for `port`; port 0 stands for any that is free."""

    def read(given: object) -> SocketAddress:
        told = text(given)
        host, colon, number = told.rpartition(":")
        if not colon or told.endswith("]"):
            host, number = told, str(port)
        try:
            address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        except ValueError:
            address = None
        if address is None or not _is_port(number) or (address.version == 6) is not host.startswith("["):
            raise EntryError(f"{quoted(told)} is no address with a port; write 127.0.0.1:{port} or [::1]:{port}")
        return SocketAddress(str(address), int(number))

    return read


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text[:6]) <= MAX_PORT


def _networks(given: object) -> tuple[Network, ...]:
    return tuple(map(network, texts(given)))


def _addresses(given: object) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_address(each)) for each in texts(given))
    except ValueError as error:
        raise EntryError(f"{error}; write addresses, and no names") from None


def _file_name(given: object) -> str:
    found = text(given)
    if not found.strip():
        raise EntryError("an empty text names no file; name one, or leave the key out")
    return found


def _from(least: float, most: float, read: Callable[[object], float]) -> Callable[[object], float]:
    """A number between two others."""

    def read_between(given: object) -> float:
        found = read(given)
        if not least <= found <= most:
            raise EntryError(f"{found:g} cannot be used; give {least:g} to {most:g}")
        return found

    return read_between


def _port(given: object) -> int:
    return int(_from(1, MAX_PORT, whole)(given))


KEYS = {
    "bind": Key("bind", '"127.0.0.1:8080"', _address(HTTP_PORT)),
    "certificate": Key("certificate", '"server.pem"', _file_name),
    "key": Key("key", '"server.key"', _file_name),
    "behind_proxy": Key("behind_proxy", "true", boolean),
    "trusted_proxies": Key("trusted_proxies", '["127.0.0.1"]', _addresses),
    "store": Key("store", '"service.db"', _file_name),
    "trunks": Key("", '"trunks.toml"', _file_name),
    "trunks_tenant": Key("", '"operations"', text),
    "nameservers": Key("nameservers", '["192.0.2.53"]', lambda given: tuple(map(_address(DNS_PORT), texts(given)))),
    "open_metrics": Key("open_metrics", "true", boolean),
    "reach": Key("", '{ allow = ["10.0.0.0/8"] }', table),
    "limits": Key("", "{ connections = 256 }", table),
    "watch": Key("", "{ interval = 60 }", table),
    "addresses": Key("", '{ addresses = ["203.0.113.7"] }', table),
}
"""What stands at the top."""
REACH_KEYS = {
    "allow": Key("allow", '["10.0.0.0/8"]', _networks),
    "refuse": Key("refuse", '["203.0.113.0/24"]', _networks),
}
HTTP_KEYS = {
    "connections": Key("connections", "256", _from(1, 100_000, whole)),
    "connections_each": Key("connections_each", "64", _from(1, 100_000, whole)),
    "body": Key("body", "1048576 (octets)", _from(1024, 1 << 30, whole)),
    "head_time": Key("head_time", "10 (seconds)", _from(1, 3600, number)),
    "body_time": Key("body_time", "30 (seconds)", _from(1, 3600, number)),
    "end_time": Key("end_time", "5 (seconds)", _from(0, 3600, number)),
}
CALL_KEYS = {
    "calls_at_once": Key("at_once", "4", _from(1, 1000, whole)),
    "calls_per_period": Key("per_period", "10", _from(1, 100_000, whole)),
    "calls_period": Key("period", "900 (seconds)", _from(1, 86_400, number)),
}
OTHER_LIMITS = {"discovery_time": Key("discovery_time", "60 (seconds)", _from(1, 3600, number))}
LIMITS = {**HTTP_KEYS, **CALL_KEYS, **OTHER_LIMITS}
WATCH_KEYS = {
    key: RULE_KEYS[key]
    for key in ("interval", "retry", "timeout", "misses", "recoveries", "slow", "refusals", "certificate_days")
}
ADDRESS_KEYS = {
    "addresses": Key("addresses", '["203.0.113.7"]', _addresses),
    "sip_server": Key("sip_server", '"sip.example.com"', text),
    "sip_port": Key("sip_port", "5061", _port),
    "sip_transport": Key("sip_transport", '"TLS"', text),
    "rtp_low": Key("rtp_low", "32768", _port),
    "rtp_high": Key("rtp_high", "60999", _port),
}
ALERT_KEYS = {
    "tenant": Key("tenant", '"acme"', text),
    "means": Key("means", '"email" or "sms"', one_of(Means)),
    "apprise_env": Key("", '"ACME_MAIL"', text),
    "apprise_file": Key("", '"/run/secrets/acme-mail"', text),
}
"""A receiver of alerts: whose, and how it is reached, which is a secret and so only named."""


def read_service(content: str, source: str, secret_of: SecretOf, trunks_of: TrunksOf) -> ServiceConfig:
    """What the file `source` says, which holds `content`; paths are as they stand there. Raises EntryError."""
    return _Reader(content, source, secret_of, trunks_of).read()


class _Reader:
    def __init__(self, content: str, source: str, secret_of: SecretOf, trunks_of: TrunksOf) -> None:
        self._file = EntryFile(content, source, "a file of a service")
        self._secret_of, self._trunks_of = secret_of, trunks_of

    def read(self) -> ServiceConfig:
        given = self._file.parsed((*KEYS, ALERT), "what a service is told")
        told = self._table({key: each for key, each in given.items() if key != ALERT}, KEYS)
        limits = self._within(told, "limits", LIMITS)
        config = ServiceConfig(
            **{**fields_of(KEYS, told), **{key: Path(str(told[key])) for key in PATHS if key in told}},
            reach=self._reach(told),
            **fields_of(OTHER_LIMITS, {key: each for key, each in limits.items() if key in OTHER_LIMITS}),
            calls=_limits(limits),
            http=HttpLimits(**fields_of(HTTP_KEYS, {key: each for key, each in limits.items() if key in HTTP_KEYS})),
            rules=self._rules(told),
            own=OwnAddresses(**fields_of(ADDRESS_KEYS, self._within(told, "addresses", ADDRESS_KEYS))),
            receivers=tuple(self._receiver(each, place) for place, each in enumerate(self._alerts(given), 1)),
            file=self._trunks(told),
        )
        self._require_whole(config, told)
        return config

    def _reach(self, told: Mapping[str, object]) -> ReachPolicy:
        """Which addresses may be reached; the service itself never is."""
        bind = told.get("bind", DEFAULT_BIND)
        own = frozenset((bind.port,) if isinstance(bind, SocketAddress) else ())
        return ReachPolicy(**fields_of(REACH_KEYS, self._within(told, "reach", REACH_KEYS)), own_ports=own)

    def _rules(self, told: Mapping[str, object]) -> Rules:
        """How trunks of the directory are watched."""
        read = self._within(told, "watch", WATCH_KEYS)
        try:
            return rules_of(read)
        except LocalError as error:
            raise self._file.error(error.message, key="watch") from None

    def _table(self, given: Mapping[str, object], keys: Mapping[str, Key]) -> dict[str, object]:
        self._file.check_keys(given, keys)
        return {key: self._file.read(keys, key, each, "", 0) for key, each in given.items()}

    def _within(self, told: Mapping[str, object], name: str, keys: Mapping[str, Key]) -> dict[str, object]:
        """What a table inside of the file says."""
        given = told.get(name, {})
        return self._table(given, keys) if isinstance(given, dict) else {}

    def _alerts(self, given: Mapping[str, object]) -> list[dict[str, object]]:
        entries = given.get(ALERT, [])
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            raise self._file.error(f"write [[{ALERT}]], with two brackets, above each", key=ALERT)
        return entries

    def _receiver(self, given: Mapping[str, object], place: int) -> Receiver:
        file = self._file
        file.check_keys(given, ALERT_KEYS, ALERT, place)
        read = {key: file.read(ALERT_KEYS, key, each, ALERT, place) for key, each in given.items()}
        ways = [key for key in ("apprise_env", "apprise_file") if key in read]
        missing = next((key for key in ("tenant", "means") if key not in read), "")
        if missing or len(ways) != 1:
            missing = missing or "one of apprise_env and apprise_file"
            raise file.error(f"{missing} is missing: an alert has tenant, means, and where to", ALERT, place)
        means = read["means"]
        try:
            tenant = str(read["tenant"])
            require_tenant(tenant)
            url = self._secret_of(ways[0], str(read[ways[0]]))
            channel = AppriseChannel(f"{tenant} {means.value if isinstance(means, Means) else means}", url)
        except LocalError as error:
            raise file.error(error.message, ALERT, place) from None
        return Receiver(tenant, Means(means), channel)

    def _trunks(self, told: Mapping[str, object]) -> FileTrunks | None:
        """The trunks of another file, if one is named."""
        if "trunks" not in told:
            return None
        if "trunks_tenant" not in told:
            raise self._file.error('whose are they? write trunks_tenant = "operations"', key="trunks")
        try:
            tenant = str(told["trunks_tenant"])
            require_tenant(tenant)
            found = self._trunks_of(str(told["trunks"]))
        except LocalError as error:
            raise self._file.error(error.message, key="trunks") from None
        return FileTrunks(tenant, found.trunks, found.alerts, found.channels)

    def _require_whole(self, config: ServiceConfig, told: Mapping[str, object]) -> None:
        """Raise EntryError for what does not go together."""
        if (config.certificate is None) != (config.key is None):
            raise self._file.error("TLS needs both certificate and key", key="key" if config.key else "certificate")
        if config.behind_proxy and not config.trusted_proxies:
            raise self._file.error("behind_proxy: name its address in trusted_proxies", key="behind_proxy")
        if config.own.rtp_low > config.own.rtp_high:
            raise self._file.error("rtp_low is above rtp_high", key="rtp_low")
        if config.own.sip_transport.upper() not in ("UDP", "TCP", "TLS"):
            raise self._file.error("sip_transport is UDP, TCP or TLS", key="sip_transport")
        if "trunks_tenant" in told and "trunks" not in told:
            raise self._file.error('trunks_tenant: name the file, too: trunks = "trunks.toml"', key="trunks_tenant")


PATHS = ("store", "certificate", "key")
UNSAFE = (
    "keys and passwords would go over the network for everybody to read: bind to a loopback address, give certificate "
    "and key, or say behind_proxy = true where a proxy with TLS stands in front"
)


def is_loopback(address: SocketAddress) -> bool:
    """Whether only this host reaches an address."""
    return ipaddress.ip_address(address.host).is_loopback


def read_bind(text: str) -> SocketAddress:
    """An address to serve at. Raises EntryError."""
    return _address(HTTP_PORT)(text)


def require_safe(config: ServiceConfig) -> None:
    """Raise EntryError for an address at which everybody could read what is sent."""
    if not is_loopback(config.bind) and not config.is_secure:
        raise EntryError(UNSAFE)


def _limits(read: Mapping[str, object]) -> Limits:
    """Those of test calls: what is not said is as it usually is."""
    return replace(SERVICE, **fields_of(CALL_KEYS, {key: each for key, each in read.items() if key in CALL_KEYS}))
