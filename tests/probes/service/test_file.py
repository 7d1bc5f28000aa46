"""The file of the service: what it says, and what is told of one that cannot be used."""

from pathlib import Path

import pytest

from probes.calls.limit import Limits
from probes.entries import EntryError
from probes.health.file import WatchFile, read_watch
from probes.health.trunk import Rules
from probes.service.config import DEFAULT_BIND, HttpLimits, Means, OwnAddresses, ServiceConfig
from probes.service.file import (
    ADDRESS_KEYS,
    ALERT_KEYS,
    KEYS,
    LIMITS,
    REACH_KEYS,
    WATCH_KEYS,
    read_service,
    require_safe,
)
from sipcore.errors import LocalError
from sipcore.resolve.target import SocketAddress

EXAMPLE = Path(__file__).parents[3] / "docs/examples/service.toml"
ALERT = '[[alert]]\ntenant = "acme"\nmeans = "email"\napprise_env = "MAIL"'


def secret_of(way: str, told: str) -> str:
    if told == "MISSING":
        raise LocalError("the environment has no variable MISSING", section="RFC 3261 §22.2")
    return "mailto://a:b@192.0.2.1"


def trunks_of(name: str) -> WatchFile:
    return read_watch('[[trunk]]\nname = "pbx"\ntarget = "192.0.2.1"', name, secret_of, lambda _: b"")


def read(text: str) -> ServiceConfig:
    return read_service(text, "service.toml", secret_of, trunks_of)


def test_nothing_has_to_be_said() -> None:
    assert read("") == ServiceConfig(reach=read("").reach)
    assert read("").bind == DEFAULT_BIND
    assert not read("").reach.allow


def test_the_service_itself_is_never_reached() -> None:
    config = read('bind = "127.0.0.1:9000"\n[reach]\nallow = ["127.0.0.0/8"]')
    assert config.reach.refusal(SocketAddress("127.0.0.1", 9000)) == "this program itself serves there"
    assert not config.reach.refusal(SocketAddress("127.0.0.1", 5060))


def test_the_example_has_every_key_and_can_be_used() -> None:
    text = EXAMPLE.read_text()
    config = read(text)
    keys = {**KEYS, **REACH_KEYS, **LIMITS, **WATCH_KEYS, **ADDRESS_KEYS, **ALERT_KEYS}
    tables = {"reach", "limits", "watch"}
    assert [key for key in keys if f"\n{key} = " not in text and key not in tables] == []
    assert all(f"\n[{table}]" in text for table in tables)
    assert config.http == HttpLimits()
    assert config.calls == Limits(4, 10, 900.0)
    assert config.rules == Rules(slow=0.5, refusals=(503,))
    assert config.own == OwnAddresses(("203.0.113.7", "203.0.113.8"), "sip.example.com", rtp_low=32768, rtp_high=60999)
    assert [(each.tenant, each.means) for each in config.receivers] == [("acme", Means.EMAIL), ("acme", Means.SMS)]
    assert config.file is not None
    assert (config.file.tenant, [each.name for each in config.file.trunks]) == ("operations", ["pbx"])
    require_safe(config)


def test_no_secret_is_shown() -> None:
    assert "mailto" not in repr(read(ALERT))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('\nbond = "127.0.0.1:80"', "service.toml:2: 'bond' stands outside of what a service is told"),
        ("[limits]\nconections = 3", "service.toml:2: there is no key 'conections'; did you mean connections?"),
        ('bind = "localhost"', "bind: 'localhost' is no address with a port; write 127.0.0.1:8080 or [::1]:8080"),
        ("bind = 80", 'bind = 80 cannot be used; write something like bind = "127.0.0.1:8080"'),
        ('store = ""', "service.toml:1: store: an empty text names no file; name one, or leave the key out"),
        ('key = " "', "service.toml:1: key: an empty text names no file"),
        ('certificate = ""', "service.toml:1: certificate: an empty text names no file"),
        ('trunks = ""\ntrunks_tenant = "ops"', "service.toml:1: trunks: an empty text names no file"),
        ('certificate = "a.pem"', "service.toml:1: TLS needs both certificate and key"),
        ('key = "a.key"', "TLS needs both certificate and key"),
        ("behind_proxy = true\ntrusted_proxies = []", "behind_proxy: name its address in trusted_proxies"),
        ('trusted_proxies = ["proxy"]', "trusted_proxies: "),
        ('trunks = "trunks.toml"', 'whose are they? write trunks_tenant = "operations"'),
        ('trunks_tenant = "ops"', 'trunks_tenant: name the file, too: trunks = "trunks.toml"'),
        ('trunks = "t"\ntrunks_tenant = "No Name"', "that is no name of a tenant: give 1 to 32 lower-case letters"),
        ('[reach]\nallow = ["10.0.0.1/8"]', "service.toml:2: allow: '10.0.0.1/8' has bits set behind its prefix"),
        ('[reach]\nallow = "10.0.0.0/8"', "allow = a text cannot be used"),
        ("[limits]\nbody = 10", "service.toml:2: body: 10 cannot be used; give 1024 to 1.07374e+09"),
        ("[limits]\ncalls_at_once = 0", "calls_at_once: 0 cannot be used; give 1 to 1000"),
        ("limits = 3", "limits = 3 cannot be used; write something like limits = { connections = 256 }"),
        ("[watch]\nintervall = 5", "service.toml:2: there is no key 'intervall'; did you mean interval?"),
        ('[watch]\ninterval = "5"', "service.toml:2: interval = a text cannot be used; write something like"),
        ("[watch]\ninterval = 0.1", "an interval of 0.1 s: give 1 s or more"),
        ("[addresses]\nsip_port = 70000", "sip_port: 70000 cannot be used; give 1 to 65535"),
        ("[addresses]\nrtp_low = 40000\nrtp_high = 30000", "rtp_low is above rtp_high"),
        ('[addresses]\nsip_transport = "SCTP"', "sip_transport is UDP, TCP or TLS"),
        ('alert = "me"', "write [[alert]], with two brackets, above each"),
        ("[[alert]]", "service.toml:1: alert 1: tenant is missing: an alert has tenant, means, and where to"),
        (ALERT.replace('apprise_env = "MAIL"', ""), "one of apprise_env and apprise_file is missing"),
        (ALERT.replace("MAIL", "MISSING"), "alert 1: the environment has no variable MISSING"),
        (ALERT.replace('"acme"', '"ACME"'), "alert 1: that is no name of a tenant"),
        (ALERT.replace("email", "pigeon"), "means: 'pigeon' is none of email, sms"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(EntryError) as refused:
        read(text)
    assert problem in refused.value.message
    assert refused.value.message.count("service.toml") == 1


@pytest.mark.parametrize(
    ("text", "is_safe"),
    [
        ("", True),
        ('bind = "[::1]:80"', True),
        ('bind = "0.0.0.0:80"', False),
        ('bind = "203.0.113.7:443"', False),
        ('bind = "0.0.0.0:80"\nbehind_proxy = true', True),
        ('bind = "0.0.0.0:443"\ncertificate = "a"\nkey = "b"', True),
    ],
)
def test_keys_go_over_no_network_in_the_clear(text: str, is_safe: bool) -> None:
    if is_safe:
        require_safe(read(text))
    else:
        with pytest.raises(EntryError, match="keys and passwords would go over the network"):
            require_safe(read(text))


@pytest.mark.parametrize(
    ("content", "ports"), [("20000\t30000\n", (20000, 30000)), ("many", (32768, 60999)), (None, (32768, 60999))]
)
def test_ports_of_media_are_those_of_the_kernel(
    content: str | None, ports: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "range").write_text(content)
    monkeypatch.setattr("probes.service.config.PORT_RANGE", tmp_path / "range")
    own = read("").own
    assert (own.rtp_low, own.rtp_high) == ports
