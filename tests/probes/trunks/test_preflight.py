"""What is odd about a trunk or number: its place, whether it refuses, and that nothing else is told."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from probes.reach import ReachPolicy
from probes.trunks.model import (
    AlertTerms,
    Authentication,
    Credentials,
    Encryption,
    Failover,
    Gateway,
    HeaderRule,
    Inbound,
    Number,
    Outbound,
    Secret,
    Trunk,
)
from probes.trunks.preflight import number_problems, trunk_problems
from probes.trunks.problem import Gravity
from sipcore.resolve.target import SocketAddress, Transport
from tests.probes.trunks.samples import GATEWAY, INBOUND, NUMBER, OUTBOUND, TRUNK, some_numbers, trunks

ERROR, WARNING = Gravity.ERROR, Gravity.WARNING
SECOND = replace(GATEWAY, host="gw2.example.net", priority=1)
ACCOUNT = Credentials("acme", Secret("correct horse battery"))
Told = list[tuple[Gravity, str, str]]


def private(remote: SocketAddress) -> str:
    return "it is private" if remote.host.startswith(("10.", "127.")) else ""


def told(trunk: Trunk, *others: Trunk) -> Told:
    return [(each.gravity, each.code, each.field) for each in trunk_problems(trunk, private, others)]


def out(**changes: Any) -> Trunk:  # noqa: ANN401  # any fields
    return replace(TRUNK, outbound=replace(OUTBOUND, **changes))


def into(**changes: Any) -> Trunk:  # noqa: ANN401  # any fields
    return replace(TRUNK, inbound=replace(INBOUND, **changes))


def test_sound_trunk_and_number_have_no_problems() -> None:
    assert told(TRUNK) == []
    assert number_problems(NUMBER, TRUNK) == ()
    assert told(out(gateways=(GATEWAY, SECOND), failover=Failover(is_enabled=True))) == []


@pytest.mark.parametrize(
    ("gateway", "problems"),
    [
        (Gateway("gw.example.net"), []),
        (Gateway("192.0.2.1", 5060, Transport.UDP), []),
        (Gateway("2001:db8::1"), []),
        (Gateway(""), [(ERROR, "gateway", "host")]),
        (Gateway("gw example.net"), [(ERROR, "gateway", "host")]),
        (Gateway("-gw.example.net"), [(ERROR, "gateway", "host")]),
        (Gateway("sip:gw.example.net"), [(ERROR, "gateway", "host")]),
        (Gateway("carol@gw.example.net"), [(ERROR, "gateway", "host")]),
        (Gateway("gw.example.net;maddr=10.0.0.1"), [(ERROR, "gateway", "host")]),
        (Gateway("gw.example.net:5080"), [(ERROR, "gateway", "host")]),
        (Gateway("gw.example.net", 0), [(ERROR, "gateway", "host")]),
        (Gateway("gw.example.net", 65536), [(ERROR, "gateway", "host")]),
        (Gateway("gw.example.net", -1), [(ERROR, "gateway", "host")]),
        (Gateway("10.0.0.1"), [(ERROR, "reach", "host")]),
        (Gateway("localhost"), [(ERROR, "reach", "host")]),
        (Gateway("gw.localhost."), [(ERROR, "reach", "host")]),
        (Gateway("pbx"), [(WARNING, "local-name", "host")]),
        (Gateway("pbx.local"), [(WARNING, "local-name", "host")]),
        (Gateway("gw.example.net", 5060, Transport.TLS), [(WARNING, "port-transport", "port")]),
        (Gateway("gw.example.net", 5061, Transport.UDP), [(WARNING, "port-transport", "port")]),
        (Gateway("gw.example.net", 5061), [(WARNING, "port-transport", "port")]),
    ],
)
def test_odd_gateway_is_told(gateway: Gateway, problems: Told) -> None:
    assert told(out(gateways=(gateway,))) == [(how, what, f"outbound.gateways.0.{at}") for how, what, at in problems]


@pytest.mark.parametrize(
    ("trunk", "problems"),
    [
        (out(gateways=()), [(WARNING, "no-gateway", "outbound.gateways")]),
        (out(gateways=(GATEWAY,) * 17), [(ERROR, "gateways", "outbound.gateways")]),
        (out(gateways=(GATEWAY, replace(GATEWAY, priority=3))), [(WARNING, "gateway-twice", "outbound.gateways.1")]),
        (
            out(gateways=(replace(GATEWAY, port=5060, transport=Transport.UDP),), encryption=Encryption.REQUIRE),
            [(WARNING, "srtp-clear", "outbound.gateways.0.transport")],
        ),
        (
            out(gateways=(Gateway("gw.example.net"),), encryption=Encryption.REQUIRE),
            [(WARNING, "srtp-clear", "outbound.gateways.0.transport")],
        ),
        (out(encryption=Encryption.REQUIRE), []),
        (out(failover=Failover(is_enabled=True)), [(WARNING, "failover-alone", "outbound.failover")]),
        (out(credentials=Credentials("")), [
            (ERROR, "credentials", "outbound.credentials.username"),
            (WARNING, "password", "outbound.credentials.password"),
        ]),
        (out(credentials=Credentials("u\r\n", Secret("x\r\n"))), [
            (ERROR, "credentials", "outbound.credentials.username"),
            (ERROR, "password", "outbound.credentials.password"),
        ]),
        (out(credentials=Credentials("u", Secret("short"))), [
            (WARNING, "password-short", "outbound.credentials.password"),
        ]),
        (out(codecs=("PCMU", "opus", "PCMU")), [
            (ERROR, "codec", "outbound.codecs.1"),
            (WARNING, "codec-twice", "outbound.codecs.2"),
        ]),
        (out(headers=(HeaderRule(key="Via", value="x", passthrough=True),)), [
            (ERROR, "header", "outbound.headers.0.key"),
        ]),
        (out(alerts=AlertTerms(is_enabled=True)), [(WARNING, "alerts-untold", "outbound.alerts")]),
        (out(alerts=AlertTerms(failure_rate_percent=101)), [
            (ERROR, "threshold", "outbound.alerts.failure_rate_percent"),
        ]),
        (out(alerts=AlertTerms(unreachable_minutes=-1, response_time_ms=math.nan)), [
            (ERROR, "threshold", "outbound.alerts.unreachable_minutes"),
            (ERROR, "threshold", "outbound.alerts.response_time_ms"),
        ]),
        (out(alerts=AlertTerms(failure_rate_window_minutes=0)), [
            (ERROR, "threshold", "outbound.alerts.failure_rate_window_minutes"),
        ]),
        (out(alerts=AlertTerms(webhook="ftp://x.example.net")), [(ERROR, "webhook", "outbound.alerts.webhook")]),
        (out(alerts=AlertTerms(webhook="https://[")), [(ERROR, "webhook", "outbound.alerts.webhook")]),
        (out(alerts=AlertTerms(webhook="https://127.0.0.1/x")), [(ERROR, "reach", "outbound.alerts.webhook")]),
        (out(alerts=AlertTerms(webhook="http://x.example.net")), [
            (WARNING, "webhook-clear", "outbound.alerts.webhook"),
        ]),
        (into(allowed_addresses=()), [(WARNING, "allowed-none", "inbound.allowed_addresses")]),
        (into(allowed_addresses=("192.0.2.1/28",)), [(ERROR, "allowed-address", "inbound.allowed_addresses.0")]),
        (into(allowed_addresses=("192.0.2.1",) * 257), [(ERROR, "allowed-address", "inbound.allowed_addresses")]),
        (into(authentication=Authentication.REGISTER), [(ERROR, "credentials", "inbound.credentials")]),
        (into(authentication=Authentication.REGISTER, credentials=Credentials("u")), [
            (ERROR, "password", "inbound.credentials.password"),
        ]),
        (into(authentication=Authentication.REGISTER, credentials=ACCOUNT, allowed_addresses=()), []),
        (into(authentication=Authentication.DIGEST, credentials=ACCOUNT), [
            (WARNING, "digest-clear", "inbound.authentication"),
        ]),
        (into(authentication=Authentication.DIGEST, credentials=ACCOUNT, encryption=Encryption.REQUIRE), []),
        (into(forward_to="sip:agent@example.net"), []),
        (into(forward_to="sip:agent@10.1.2.3"), [(ERROR, "reach", "inbound.forward_to")]),
        (into(forward_to="sip:agent@example.net;maddr=127.0.0.1"), [(ERROR, "reach", "inbound.forward_to")]),
        (into(forward_to="mailto:agent"), [(ERROR, "destination", "inbound.forward_to")]),
        (into(headers=(HeaderRule(key="From", value="caller"),)), []),
        (replace(TRUNK, name="  "), [(ERROR, "text", "name")]),
        (replace(TRUNK, name="x" * 256), [(ERROR, "text", "name")]),
        (replace(TRUNK, description="a\0"), [(ERROR, "text", "description")]),
        (replace(TRUNK, description="two\nlines"), []),
        (Trunk(name="empty"), [(WARNING, "no-direction", "")]),
    ],
)  # fmt: skip
def test_odd_trunk_is_told(trunk: Trunk, problems: Told) -> None:
    assert told(trunk) == problems


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:a00:1::", "169.254.169.254", "fe80::1%eth0"),
        *("localhost.", "a.LOCALHOST", "0.0.0.0", "255.255.255.255", "224.0.0.1", "100.100.100.200", "192.0.2.1"),
        *("127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "1.0x1"),
    ],
)
def test_address_that_callers_must_not_reach_is_refused(host: str) -> None:
    policy = ReachPolicy.of()
    for trunk in (
        out(gateways=(Gateway(host),)),
        out(alerts=AlertTerms(webhook=f"https://{f'[{host}]' if ':' in host else host}/x")),
    ):
        assert any(each.is_error for each in trunk_problems(trunk, policy.refusal)), host
    assert trunk_problems(out(gateways=(Gateway("10.1.2.3"),)), ReachPolicy.of(["10.0.0.0/8"]).refusal) == ()


def test_cause_and_cure_are_told() -> None:
    (problem,) = trunk_problems(out(gateways=(Gateway("10.0.0.1"),)), private)
    assert problem.text == (
        "10.0.0.1 is not reached: it is private: give a public address, or have it allowed by "
        "[reach] allow in the settings of this service"
    )
    (problem,) = trunk_problems(out(codecs=("G.728",)))
    assert problem.text == (
        "'G.728' is no codec that is known here: give PCMU, PCMA, G.722, G.729, Opus; did you mean G.729?"
    )


def test_what_trunks_share_is_told() -> None:
    other = replace(TRUNK, id="other", name="Carrier", inbound=replace(INBOUND, allowed_addresses=("192.0.2.8",)))
    assert told(TRUNK, other) == [
        (WARNING, "name-twice", "name"),
        (WARNING, "gateway-shared", "outbound.gateways.0"),
        (WARNING, "allowed-shared", "inbound.allowed_addresses.0"),
    ]
    assert told(TRUNK, TRUNK) == [], "itself, as it was before"


@pytest.mark.parametrize(
    ("number", "problems"),
    [
        (Number(identity="+1 555"), [(ERROR, "identity", "identity")]),
        (Number(identity=""), [(ERROR, "identity", "identity")]),
        (Number(identity="+15550100001"), [(WARNING, "identity-range", "identity")]),
        (Number(identity="004930901820"), [(WARNING, "identity-plus", "identity")]),
        (Number(identity="2001"), []),
        (Number(identity="2001", label="x" * 5000), [(ERROR, "text", "label")]),
        (Number(identity="2001", outbound=Outbound((Gateway("10.0.0.1"),))), [
            (ERROR, "reach", "outbound.gateways.0.host"),
        ]),
        (Number(identity="4930901820"), [
            (WARNING, "identity-plus", "identity"),
            (WARNING, "identity-twice", "identity"),
        ]),
    ],
)  # fmt: skip
def test_odd_number_is_told(number: Number, problems: Told) -> None:
    others = (replace(NUMBER, id="other"), replace(number, label=""))
    found = number_problems(number, TRUNK, private, others)
    assert [(each.gravity, each.code, each.field) for each in found] == problems


def test_number_without_a_way_is_told() -> None:
    (problem,) = number_problems(NUMBER)
    assert problem.text.endswith("bind it to a trunk, or give it a direction of its own")
    assert number_problems(replace(NUMBER, inbound=Inbound(allowed_addresses=("192.0.2.1",)))) == ()


def test_number_need_not_have_what_its_trunk_has() -> None:
    """Whether it is told depends on what holds in the end."""
    number = replace(NUMBER, outbound=Outbound(failover=Failover(is_enabled=True)))
    codes = {each.code for each in number_problems(number)}
    assert codes == {"no-gateway", "failover-alone"}
    whole = number.outbound_by(TRUNK)
    assert whole is not None
    left = {each.code for each in number_problems(number, TRUNK)}
    assert ("no-gateway" in left) is (not whole.gateways)


def test_secrets_are_not_quoted() -> None:
    secret = "s3cr3t\0s3cr3t"
    trunk = out(credentials=Credentials("u", Secret(secret)), alerts=AlertTerms(webhook=f"ftp://{secret}"))
    found = trunk_problems(trunk)
    assert len(found) == 2
    assert "s3cr3t" not in repr(found)


@given(trunks)
def test_any_trunk_is_judged(trunk: Trunk) -> None:
    problems = trunk_problems(trunk, private, (trunk, replace(trunk, id="other")))
    assert [each.is_error for each in problems] == sorted((each.is_error for each in problems), reverse=True)
    assert all(each.cause and each.cure and len(each.text) < 2000 for each in problems)


@given(some_numbers)
def test_any_number_is_judged(number: Number) -> None:
    assert number_problems(number, None, private, (number,))
