from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.entries import MAX_FILE, EntryError
from probes.health.alerts import AlertKind, AlertRules, AppriseChannel, Severity, WebhookChannel
from probes.health.file import (
    ALERT_RULE_KEYS,
    CALLED,
    CHANNEL_KEYS,
    MAX_ROUTES,
    OF_ROUTE,
    OF_TRUNK,
    RULE_KEYS,
    WatchFile,
    read_watch,
)
from probes.health.terms import Kind
from probes.health.trunk import Rules
from sipcore.errors import LocalError
from sipcore.resolve.target import Transport

EXAMPLE = Path(__file__).parents[3] / "docs/examples/trunks.toml"
TARGET = 'target = "sip:pbx.example.com"'


ALERT = f"[[trunk]]\n{TARGET}\n[[alert]]"


def password_of(way: str, told: str) -> str:
    if told == "MISSING":
        raise LocalError("the environment has no variable MISSING", section="RFC 3261 §22.2")
    return "" if told == "EMPTY" else "mailto://a:b@192.0.2.1" if way.startswith("apprise") else "secret"


def content_of(name: str) -> bytes:
    if not name.startswith("missing"):
        return b"\n" if name == "empty" else f"what is in {name}".encode()
    raise LocalError("no such file", section="RFC 5280 §4.1")


def read(text: str) -> WatchFile:
    return read_watch(text, "trunks.toml", password_of, content_of)


def test_one_target_is_a_trunk_with_one_route() -> None:
    (trunk,) = read(f"[[trunk]]\n{TARGET}").trunks
    assert (trunk.name, trunk.rules) == ("trunk 1", Rules())
    (route,) = trunk.routes
    assert (route.name, str(route.destination), route.call) == ("sip:pbx.example.com", "sip:pbx.example.com", None)
    assert (route.registration, route.kinds) == (None, (Kind.OPTIONS,))
    assert route.tls.verify


def test_each_rule_can_be_told() -> None:
    assert {key.field for key in RULE_KEYS.values()} - {""} == {one.name for one in fields(Rules)} - {"fails_back"}


def test_routes_take_over_what_their_trunk_says_and_what_all_have_in_common() -> None:
    (trunk,) = read(
        f"""
        [defaults]
        transport = "tls"
        ca_file = "ca.pem"
        call = {{ to = "echo", hold = 1, user = "all", password_env = "ALL" }}
        [[trunk]]
        ca_file = "trunk.pem"
        insecure = true
        [[trunk.route]]
        {TARGET}
        [[trunk.route]]
        name = "standby"
        target = "192.0.2.1"
        transport = "tcp"
        insecure = false
        call = {{ to = "+1 555", user = "own", password_file = "p", realm = "r" }}
        """
    ).trunks
    first, second = trunk.routes
    assert (first.destination.transport, second.destination.transport) == (Transport.TLS, Transport.TCP)
    assert first.tls.ca_data == second.tls.ca_data == b"what is in trunk.pem"
    assert (first.tls.verify, second.tls.verify) == (False, True)
    assert first.call is not None
    assert second.call is not None
    assert (first.call.destination.user, first.call.hold) == ("echo", 1)
    assert first.call.account is not None
    assert (first.call.account.username, first.call.account.realm) == ("all", None)
    assert first.call.account.trusts("pbx.example.com")
    assert not first.call.account.trusts("192.0.2.1")
    assert (second.call.destination.user, second.call.hold) == ("+1%20555", 1)
    assert second.call.account is not None
    assert (second.call.account.username, second.call.account.realm) == ("own", "r")


def test_registrations_are_those_of_the_routes_own_hosts() -> None:
    (trunk,) = read(
        f"""
        [defaults]
        register = {{ user = "all", password_env = "ALL", timeout = 4 }}
        [[trunk]]
        registration_interval = 120
        registration_misses = 1
        [[trunk.route]]
        {TARGET}
        [[trunk.route]]
        target = "sip:alice@192.0.2.1"
        register = {{ user = "own", password_file = "p", realm = "r", expires = 90, beside = true }}
        [[trunk.route]]
        target = "sip:bob@192.0.2.2"
        register = {{ who = "pb x", expect_contact = true }}
        """
    ).trunks
    assert (trunk.rules.registration_interval, trunk.rules.registration_misses) == (120, 1)
    first, second, third = (route.registration for route in trunk.routes)
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.destination.user, str(first.destination.aor), first.timeout) == ("all", "sip:all@pbx.example.com", 4)
    assert first.account is not None
    assert first.account.trusts("pbx.example.com")
    assert not first.account.trusts("192.0.2.1")
    assert (str(second.destination.aor), second.expires, second.beside) == ("sip:alice@192.0.2.1", 90, True)
    assert second.account is not None
    assert (second.account.username, second.account.realm) == ("own", "r")
    assert (str(third.destination.aor), third.expects_contact, third.beside) == ("sip:pb%20x@192.0.2.2", True, False)
    assert third.account is not None
    assert third.account.username == "all"


def test_a_route_in_doubt_is_not_asked_less_often_than_one_that_is_well() -> None:
    (trunk,) = read(f"[[trunk]]\ninterval = 5\n{TARGET}").trunks
    assert trunk.rules.retry == 5


@pytest.mark.parametrize(("failback", "fails_back"), [("auto", True), ("Manual", False)])
def test_calls_return_by_themselves_or_not(failback: str, fails_back: bool) -> None:
    (trunk,) = read(f'[[trunk]]\nfailback = "{failback}"\n{TARGET}').trunks
    assert trunk.rules.fails_back is fails_back


def test_people_are_told_through_channels_by_the_rules_of_each_trunk() -> None:
    told = read(
        f"""
        [defaults.alerts]
        unreachable_minutes = 5
        repeat_minutes = 60
        [[trunk]]
        {TARGET}
        [[trunk]]
        name = "b"
        alerts = {{ repeat_minutes = 0 }}
        {TARGET}
        [[alert]]
        webhook = "https://192.0.2.1/a"
        secret_env = "SECRET"
        kinds = ["Down", "all-down"]
        [[alert]]
        name = "mail"
        apprise_file = "mail"
        severity = "critical"
        trunks = ["b"]
        """
    )
    rules = AlertRules(unreachable_minutes=5)
    assert told.alerts == (("trunk 1", replace(rules, repeat_minutes=60)), ("b", rules))
    kinds = (AlertKind.DOWN, AlertKind.ALL_DOWN)
    assert told.channels == (
        WebhookChannel("alert 1", "https://192.0.2.1/a", "secret", kinds),
        AppriseChannel("mail", "mailto://a:b@192.0.2.1", severity=Severity.CRITICAL, trunks=("b",)),
    )
    assert "secret" not in repr(told)
    assert "a:b" not in repr(told)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "trunks.toml: no trunks: write [[trunk]], with two brackets, above each"),
        ("[trunk]\nname = 1", "trunks.toml: write [[trunk]], with two brackets, above each"),
        ("trunk = [1]", "trunks.toml:1: write [[trunk]]"),
        ("defaults = 1", "write [defaults] above what all trunks have in common"),
        ("[[trunks]]", "'trunks' stands outside of [[trunk]], [[alert]] and [defaults]"),
        (f"store = 1\n[[trunk]]\n{TARGET}", "trunks.toml:1: store cannot be used; write something like store = "),
        ("[[trunk]]\n\nname = 'a'", "trunks.toml:1: trunk 1: where is it? write target = "),
        (
            f"[[trunk]]\n{TARGET}\nintervall = 3",
            "trunks.toml:3: trunk 1: there is no key 'intervall'; did you mean int",
        ),
        (f"[[trunk]]\n{TARGET}\ninterval = true", "trunks.toml:3: trunk 1: interval = True cannot be used; write"),
        (f"[[trunk]]\n{TARGET}\ninterval = 0.1", "trunk 1: an interval of 0.1 s: give 1 s or more"),
        (f"[[trunk]]\n{TARGET}\nretry = 100", "trunk 1: 100 s between checks of a route in doubt: give 1 s to the"),
        (f"[[trunk]]\n{TARGET}\nmisses = 0", "by one check at the least"),
        (f"[[trunk]]\n{TARGET}\nmisses = 1.5", "write something like misses = 5"),
        (f"[[trunk]]\n{TARGET}\nrefusals = [100]", "100 is no final status"),
        (f"[[trunk]]\n{TARGET}\nrefusals = 403", "write something like refusals = [403, 503]"),
        (f"[[trunk]]\n{TARGET}\nslow = inf", "slow and certificate_days are 0 or more"),
        (f"[[trunk]]\n{TARGET}\ntimeout = nan", "a timeout of nan s"),
        (f"[[trunk]]\n{TARGET}\ncall_interval = 1", "a test call each 1 s: give 60 s or more"),
        (f'[[trunk]]\n{TARGET}\nfailback = "automatic"', "is none of auto, manual; did you mean auto?"),
        ('[[trunk]]\ntarget = "sip:"', "trunks.toml:2: trunk 1: "),
        ('[[trunk]]\ntarget = "tls://h"\ntransport = "ws"', "trunks.toml:3: trunk 1: "),
        (
            f"[[trunk]]\n{TARGET}\n[[trunk]]\n{TARGET}\nname = 'trunk 1'",
            "trunks.toml:5: trunk 2: there is trunk 'trunk 1' above",
        ),
        (f"[[trunk]]\n{TARGET}\n[[trunk.route]]\n{TARGET}", "target is for a trunk with one route; here it stands in"),
        ("[[trunk]]\nroute = []", "trunk 1: a trunk needs a route"),
        ("[[trunk]]\n[trunk.route]\nname = 'a'", "write [[trunk.route]], with two brackets, above each route"),
        ("[[trunk]]\n[[trunk.route]]\nname = 'a'", "trunks.toml:2: trunk.route 1: where is it?"),
        (
            f"[[trunk]]\n[[trunk.route]]\n{TARGET}\n[[trunk.route]]\n{TARGET}",
            "each route of a trunk needs a name of its own",
        ),
        (f"[[trunk]]\n[[trunk.route]]\n{TARGET}\nmisses = 3", "trunks.toml:4: trunk.route 1: there is no key 'misses'"),
        (f"[[trunk]]\n{TARGET}\nkey = 'a'", "trunk 1: a certificate needs both certificate and key"),
        (f"[[trunk]]\n{TARGET}\nca_file = 'missing.pem'", "trunks.toml:3: trunk 1: ca_file: no such file"),
        (f"[[trunk]]\n{TARGET}\ncall = 1", 'write something like call = { to = "echo", expect = "connected" }'),
        (f"[[trunk]]\n{TARGET}\ncall = {{ hold = 1 }}", 'whom to call? write to = "+15550100" in call'),
        (f"[[trunk]]\n{TARGET}\ncall = {{ too = 'a' }}", "trunk 1: there is no key 'too'; did you mean to?"),
        (f"[[trunk]]\n{TARGET}\ncall = {{ to = '911' }}", 'allow = ["emergency"]'),
        (f"[[trunk]]\n{TARGET}\ncall = {{ to = 'a', hold = 1000 }}", "call: 1000 s is longer than a call may last"),
        (f"[[trunk]]\n{TARGET}\n[trunk.call]\nto = 'a'\nuser = 'b'", "trunks.toml:5: trunk 1: user has no password"),
        (f"[[trunk]]\n{TARGET}\n[trunk.call]\nto = 'a'\nuser = 'b'\npassword_env = 'MISSING'", "no variable MISSING"),
        (f"[[trunk]]\n{TARGET}\nregister = true", 'write something like register = { user = "alice", password_env = '),
        (f"[[trunk]]\n{TARGET}\nregister = {{ expires = 60 }}", 'whom to register? write who = "alice" in register'),
        (f"[[trunk]]\n{TARGET}\nregister = {{ whom = 'a' }}", "trunk 1: there is no key 'whom'; did you mean who?"),
        (
            f"[[trunk]]\n{TARGET}\nregister = {{ who = 'a', expires = 0 }}",
            "a contact is registered for a second",
        ),
        (f"[[trunk]]\n{TARGET}\nregister = {{ who = 'a', expires = 100000 }}", "and 86400 s at most, not 100000 s"),
        (f"[[trunk]]\n{TARGET}\nregister = {{ who = 'a', timeout = 33 }}", "above 0 s and 32 s at most, not 33 s"),
        (
            f"[[trunk]]\n{TARGET}\nregister = {{ who = 'a', beside = true, expect_contact = true }}",
            "trunks.toml:3: trunk 1: register: who expects somebody to be registered only asks",
        ),
        (f"[[trunk]]\n{TARGET}\n[trunk.register]\nuser = 'b'", "trunks.toml:4: trunk 1: user has no password"),
        (f"[[trunk]]\n{TARGET}\nregistration_interval = 9", "a registration tested each 9 s: give 10 s or more"),
        (f"[[trunk]]\n{TARGET}\nregistration_misses = 0", "by one check at the least"),
        (f"[[trunk]]\n{TARGET}\nalerts = {{ unreachable = 1 }}", "there is no key 'unreachable'; did you mean unreach"),
        (f"[[trunk]]\n{TARGET}\nalerts = {{ call_failures = 0 }}", "call_failures and registration_failures are 1"),
        (f"[[trunk]]\n{TARGET}\nalerts = 1", "write something like alerts = { unreachable_minutes = 5 }"),
        (f"{ALERT}\nname = 'a'", "trunks.toml:3: alert 1: name where to by one of webhook, webhook_env"),
        (f"{ALERT}\nwebhook = 'https://h'\napprise_env = 'A'", "alert 1: name where to by one of"),
        (f"{ALERT}\nwebhook = 'https://h'\nwebhook_env = 'A'", "webhook and webhook_env exclude each other"),
        (f"{ALERT}\nwebhook = 'ftp://h'", "channel alert 1: its url is no http or https URL with a host"),
        (f"{ALERT}\nwebhook = 'https://h'\nsecret_env = 'MISSING'", "trunks.toml:5: alert 1: the environment has no"),
        (f"{ALERT}\nwebhook = 'https://h'\nsecret_env = 'EMPTY'", "what secret_env names is empty"),
        (f"{ALERT}\nwebhook = 'https://h'\nkinds = ['downn']", "is none of all-down, down,"),
        (
            f"{ALERT}\nwebhook = 'https://h'\ntrunks = ['trunk 2']",
            "trunks.toml:5: alert 1: 'trunk 2' is none of trunk 1",
        ),
        (f"{ALERT}\nwebhook = 'https://h'\ntrunks = 'trunk 1'", 'write something like trunks = ["carrier", "office"]'),
        (f"{ALERT}\nwebhook = 'https://h'\nca_file = 'missing'", "ca_file: no such file"),
        (f"{ALERT}\napprise_env = 'A'\nsecret_env = 'B'", "trunks.toml:5: alert 1: secret_env is for webhooks"),
        (
            f"{ALERT}\nwebhook = 'https://h'\n[[alert]]\nname = 'alert 1'\nwebhook = 'https://h'",
            "there is alert 'alert 1'",
        ),
        ("[[trunk]]\n" + TARGET + "\n[alert]\nname = 'a'", "write [[alert]], with two brackets, above each"),
        (f"[[trunk]]\n{TARGET}\nca_file = 'empty'", "trunks.toml:3: trunk 1: what ca_file names is empty"),
        (f"{ALERT}\nwebhook = 'https://h'\nca_file = 'empty'", "alert 1: what ca_file names is empty"),
        (
            f"{ALERT}\nwebhook = 'https://h'\nname = 'https://h'",
            "trunks.toml:3: alert 1: a channel is named, and not by",
        ),
        (f"[[trunk]]\n{TARGET}\ninterval = {'1' * 400}", "trunk 1: interval: a number beyond 1,000,000,000: give a"),
        (f"[[trunk]]\n{TARGET}\ninterval = {'1' * 5000}", "trunks.toml: no TOML: "),
        (f"[[trunk]]\n{TARGET}\nmisses = 0x{'f' * 5000}", "trunk 1: misses: a number beyond 1,000,000,000: give a"),
        (f"[[trunk]]\n{TARGET}\ncertificate_days = -1e300", "trunk 1: certificate_days: a number beyond"),
        (f"#{'x' * MAX_FILE}", "longer than"),
        (
            "[[trunk]]\n" + f"[[trunk.route]]\n{TARGET}\n" * (MAX_ROUTES + 1),
            "each route of a trunk needs a name of its own",
        ),
        ("".join(f"[[trunk]]\nname = '{each}'\n{TARGET}\n" for each in range(MAX_ROUTES + 1)), "more than 1000 routes"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(EntryError) as raised:
        read(text)
    assert said in raised.value.message
    assert raised.value.message.startswith("trunks.toml")


@pytest.mark.parametrize(
    "text",
    [
        f"[[trunk]]\n{TARGET}\n[[trunk.call]]\nto = 'echo'\nuser = 'a'\npassword = 'hunter2'",
        f"[[trunk]]\n{TARGET}\ncall = 'hunter2'",
        f"[[trunk]]\n{TARGET}\ncall = {{ to = 'echo', user = {{ password = 'hunter2' }} }}",
        f"[[trunk]]\n{TARGET}\ncall = {{ to = 'echo', user = 'a', password = 'hunter2' }}",
        f"[[trunk]]\n{TARGET}\ncall = {{ to = 'echo', user = 'a', password = ['hunter2'] }}",
        f"{ALERT}\nwebhook = ['https://a:hunter2@h']",
        f"{ALERT}\nwebhook = {{ url = 'https://a:hunter2@h' }}",
        f"{ALERT}\nwebhook = 'ftp://a:hunter2@h'",
        f"{ALERT}\nwebhook = 'https://a:hunter2@[h'",
        f"{ALERT}\nwebhook = 'https://h'\nname = 'https://a:hunter2@h'",
        f"{ALERT}\nwebhook = 'https://h'\nsecret = 'hunter2'",
        f"{ALERT}\nwebhook = 'https://h'\nsecret_file = ['hunter2']",
        f"{ALERT}\napprise = 'mailto://a:hunter2@h'",
        "[[trunk]]\ntarget = 'sip:a:hunter2@h h'",
        "[[trunk]]\ntarget = ['sip:a:hunter2@h']",
    ],
)
def test_what_is_wrong_is_told_without_what_may_be_a_secret(text: str) -> None:
    with pytest.raises(EntryError) as raised:
        read(text)
    assert "hunter2" not in raised.value.message


@given(st.text() | st.sampled_from(sorted(OF_TRUNK)).map(lambda key: f"[[trunk]]\n{TARGET}\n{key} = [[{{}}]]"))
def test_any_text_is_a_file_of_trunks_or_a_named_error(text: str) -> None:
    with suppress(EntryError):
        read(text)


def test_the_documented_example_has_every_key() -> None:
    text = EXAMPLE.read_text()
    told = read(text)
    assert [len(trunk.routes) for trunk in told.trunks] == [1, 2, 1]
    assert told.trunks[2].routes[0].registration is not None
    assert told.store == "watch.db"
    assert all(route.call is not None for route in told.trunks[1].routes)
    assert [
        key for key in {**RULE_KEYS, **OF_ROUTE, **ALERT_RULE_KEYS, **CHANNEL_KEYS} if f"\n{key} = " not in text
    ] == [*("call", "register", "webhook_env", "webhook_file", "secret_file", "apprise_file")]
    assert all(key in text for key in CHANNEL_KEYS)
    assert "\n[trunk.call]" in text
    assert "\n[trunk.register]" in text
    assert {"to", "expect", "user", "password_env"} <= {key for key in CALLED if f"\n{key} = " in text}
