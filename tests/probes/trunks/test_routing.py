"""Which way a call would take, and why."""

from dataclasses import replace

from hypothesis import given

from probes.trunks.model import (
    Authentication,
    Credentials,
    Failover,
    Gateway,
    Inbound,
    Number,
    Outbound,
    Secret,
    Trigger,
    Trunk,
)
from probes.trunks.routing import Direction, RoutePlan, dry_run
from tests.probes.trunks.samples import texts

GATEWAYS = (Gateway("b.example.net", priority=2), Gateway("a.example.net", priority=1))
TRUNK = Trunk(
    "t1",
    name="carrier",
    inbound=Inbound(allowed_addresses=("192.0.2.0/28",), forward_to="sip:agent@example.net"),
    outbound=Outbound(GATEWAYS),
)
NUMBERS = (Number("n1", identity="+4930901820", trunk_id="t1"), Number("n2", identity="2001"))


def plan(caller: str, callee: str, source: str = "", trunk: Trunk = TRUNK) -> RoutePlan:
    return dry_run(NUMBERS, [trunk], caller, callee, source)


def test_call_to_one_of_the_numbers_comes_in() -> None:
    found = plan("+4930123456", "4930901820", "192.0.2.5")
    assert found.direction is Direction.INBOUND
    assert (found.number, found.trunk, found.forward_to, found.refusal) == (
        NUMBERS[0],
        TRUNK,
        "sip:agent@example.net",
        "",
    )
    assert found.steps == (
        "+4930901820 is a number here, as '4930901820' means: the call comes in",
        "+4930901820 is bound to trunk 'carrier'; the trunk's terms hold",
        "192.0.2.5 is among the addresses that are allowed",
        "it is forwarded to sip:agent@example.net",
    )
    assert plan("x", "+4930901820").steps[2] == "the caller has to come from 192.0.2.0/28"


def test_who_is_not_let_in_is_told() -> None:
    refusal = "the caller is not let in: 192.0.2.99 is not among the addresses that are allowed"
    assert plan("x", "+4930901820", "192.0.2.99").refusal == refusal
    closed = replace(TRUNK, inbound=Inbound())
    assert plan("x", "+4930901820", trunk=closed).refusal == "no caller is let in: no address is allowed"
    digest = Inbound(Authentication.DIGEST)
    assert plan("x", "+4930901820", trunk=replace(TRUNK, inbound=digest)).refusal == (
        "no caller is let in: there are no credentials to prove who one is"
    )
    known = replace(digest, credentials=Credentials("acme", Secret("s3cr3t")))
    found = plan("x", "+4930901820", trunk=replace(TRUNK, inbound=known))
    assert found.steps[2:] == ("the caller has to be challenged as 'acme'", "it ends here")
    assert "s3cr3t" not in repr(found)


def test_call_from_one_of_the_numbers_goes_out() -> None:
    found = plan("4930901820", "+4930123456")
    assert (found.direction, found.gateways) == (Direction.OUTBOUND, (GATEWAYS[1],))
    assert found.steps == (
        "'+4930123456' is no number here, and +4930901820 is: the call goes out by it",
        "+4930901820 is bound to trunk 'carrier'; the trunk's terms hold",
        "sip:a.example.net is tried first: its priority of 1 is the lowest",
        "1 more gateways are not tried: failover is off",
    )


def test_failover_is_part_of_the_way() -> None:
    failover = Failover(is_enabled=True, triggers=frozenset({Trigger.TIMEOUT, Trigger.UNREACHABLE}))
    found = plan("+4930901820", "x", trunk=replace(TRUNK, outbound=Outbound(GATEWAYS, failover=failover)))
    assert found.gateways == (GATEWAYS[1], GATEWAYS[0])
    assert found.steps[-1] == "after timeout or unreachable: sip:b.example.net"


def test_own_terms_of_a_number_come_first() -> None:
    own = replace(NUMBERS[0], outbound=Outbound((Gateway("own.example.net"),)))
    found = dry_run([own], [TRUNK], own.identity, "x")
    assert found.gateways == (Gateway("own.example.net"),)
    assert found.steps[1] == "+4930901820 is bound to trunk 'carrier'; its own terms hold before the trunk's"


def test_call_that_nobody_takes_is_told() -> None:
    assert plan("1", "2") == RoutePlan(
        Direction.NONE,
        ("neither '1' nor '2' is a number here",),
        refusal="no number of this account is called, or calls",
    )
    assert plan("2001", "2").refusal == (
        "no call goes out by 2001: neither it nor a trunk of it has an outbound direction"
    )
    assert plan("1", "2001").refusal == (
        "no call is taken for 2001: neither it nor a trunk of it has an inbound direction"
    )
    empty = replace(TRUNK, outbound=Outbound())
    assert plan("+4930901820", "2", trunk=empty).refusal.endswith("neither it nor a trunk of it has a gateway")


@given(texts, texts, texts)
def test_any_call_has_a_plan(caller: str, callee: str, source: str) -> None:
    assert plan(caller, callee, source).steps
