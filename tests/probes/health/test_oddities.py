"""What is odd about trunks, and how long it takes until a route counts as down."""

from dataclasses import replace

import pytest

from probes.calls.script import CallScript
from probes.destination import Destination
from probes.health.oddities import longest_until_down, oddities
from probes.health.trunk import Route, Rules, Trunk
from probes.registration.plan import RegistrationProbe
from sipcore.auth.choice import Account
from sipcore.transports.base import TlsConfig


def route(name: str, target: str, tls: TlsConfig | None = None, call: CallScript | None = None) -> Route:
    return Route(name, Destination.parse(target), tls or TlsConfig(), call)


TLS = route("a", "tls://sbc.example.com")
UDP = route("b", "sip:sbc.example.com;transport=udp")
BY_DNS = route("c", "sip:sbc2.example.com")
WITH_PASSWORD = CallScript(
    Destination.parse("sip:echo@sbc.example.com"), account=Account("alice", "secret", hosts=("sbc.example.com",))
)
REGISTERING = RegistrationProbe(WITH_PASSWORD.destination, WITH_PASSWORD.account)


def odd(*routes: Route, rules: Rules | None = None) -> list[str]:
    return list(oddities([Trunk("t", routes, rules or Rules())]))


def test_nothing_is_odd() -> None:
    assert odd(TLS, BY_DNS) == []
    assert odd(BY_DNS, TLS) == []
    assert odd(replace(TLS, call=WITH_PASSWORD, registration=REGISTERING)) == []
    assert odd(replace(UDP, registration=replace(REGISTERING, account=None))) == []


@pytest.mark.parametrize(("interval", "is_odd"), [(10.0, True), (149.0, True), (150.0, False), (600.0, False)])
def test_a_password_that_registrars_ban(interval: float, is_odd: bool) -> None:
    rules = Rules(registration_interval=interval)
    text = f"trunk t: a password that is wrong would be tried every {interval:g} s, and registrars ban who does that"
    found = odd(replace(TLS, registration=REGISTERING), rules=rules)
    assert found == ([f"{text}; raise registration_interval"] if is_odd else [])
    assert odd(replace(TLS, registration=replace(REGISTERING, account=None)), rules=rules) == []
    assert odd(replace(TLS, call=WITH_PASSWORD), rules=rules) == []


@pytest.mark.parametrize(
    ("routes", "told"),
    [
        ([TLS, UDP], ["trunk t: while a is down, calls go in the clear over b"]),
        (
            [route("x", "tls://h", TlsConfig(verify=False))],
            ["route x of trunk t: insecure, so that whoever answers is believed; give ca_file instead"],
        ),
        (
            [replace(UDP, tls=TlsConfig(ca_data=b"x"))],
            ['route b of trunk t: certificates are given, and UDP has no use for them; write transport = "tls"'],
        ),
        (
            [replace(UDP, call=WITH_PASSWORD)],
            [
                "route b of trunk t: its test call proves a password in the clear, where it can be guessed at; use TLS",
            ],
        ),
        (
            [replace(UDP, registration=REGISTERING)],
            [
                "route b of trunk t: its registration proves a password in the clear, where it can be guessed "
                "at; use TLS",
            ],
        ),
        (
            [replace(UDP, call=WITH_PASSWORD, registration=REGISTERING)],
            [
                "route b of trunk t: its test call and its registration prove a password in the clear, where it can be "
                "guessed at; use TLS",
            ],
        ),
        (
            [UDP, replace(UDP, name="d")],
            ["t b and t d both lead to sip:sbc.example.com;transport=udp: one failure is both's"],
        ),
    ],
)
def test_routes(routes: list[Route], told: list[str]) -> None:
    assert odd(*routes) == told


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        (Rules(interval=3, retry=3), "a check may take 4 s, longer than the interval of 3 s; lower timeout"),
        (Rules(slow=4), "slow is 4 s, and checks are given up after 4 s; lower slow"),
        (Rules(refusals=(200,)), "200 is a success, and refusals has it"),
        (Rules(refusals=(403, 404)), "refusals has 404, with which servers that are well answer OPTIONS"),
        (
            Rules(recoveries=1),
            "one good check has calls return, so a route that comes and goes takes them along; raise recoveries",
        ),
    ],
)
def test_rules(rules: Rules, told: str) -> None:
    assert odd(TLS, BY_DNS, rules=rules) == [f"trunk t: {told}"]


def test_two_trunks_at_one_place() -> None:
    found = list(oddities([Trunk("t", (UDP,)), Trunk("u", (UDP,))]))
    assert found == ["t b and u b both lead to sip:sbc.example.com;transport=udp: one failure is both's"]


@pytest.mark.parametrize(
    ("rules", "seconds"),
    [
        (Rules(), 60 + 4 * 10 + 4),
        (Rules(misses=1), 64),
        (Rules(interval=10, retry=2, timeout=4, misses=3), 10 + 2 * 4 + 4),
        (Rules(interval=10, retry=3, timeout=4, misses=3), 10 + 2 * 6 + 4),
    ],
)
def test_how_long_it_takes_until_a_route_is_down(rules: Rules, seconds: float) -> None:
    """A silent route: it fell silent behind an answer, and each check waits for its whole time."""
    assert longest_until_down(rules) == seconds
