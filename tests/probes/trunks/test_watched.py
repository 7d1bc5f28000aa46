"""Configured trunks as the watch takes them."""

from dataclasses import replace

import pytest
from hypothesis import given

from probes.destination import Destination, DestinationError
from probes.health.alerts import AlertRules, WebhookChannel
from probes.health.trunk import WatchError
from probes.trunks.model import AlertTerms, Failover, Gateway, Outbound, Trigger, Trunk
from probes.trunks.preflight import trunk_problems
from probes.trunks.watched import REFUSED, alert_rules_of, rules_of, watched, webhook_of
from tests.probes.trunks.samples import GATEWAY, NUMBER, OUTBOUND, TRUNK, trunks

FIRST = Gateway("192.0.2.1", priority=2)


def test_routes_are_gateways_by_priority() -> None:
    found = watched(replace(TRUNK, id="t1", outbound=Outbound((FIRST, GATEWAY, replace(GATEWAY, priority=9)))))
    assert found is not None
    assert (found.name, found.title) == ("t1", "carrier")
    assert [(route.name, route.destination) for route in found.routes] == [
        ("sip:gw.example.net:5061;transport=tls", Destination.parse("sip:gw.example.net:5061;transport=tls")),
        ("sip:192.0.2.1", Destination.parse("sip:192.0.2.1")),
    ]


def test_what_has_no_gateway_is_not_watched() -> None:
    assert watched(Trunk("t1")) is None
    assert watched(Trunk("t1", outbound=Outbound())) is None
    assert watched(NUMBER) is None
    found = watched(replace(NUMBER, id="n1", outbound=OUTBOUND))
    assert found is not None
    assert (found.name, found.title) == ("n1", "+4930901820")


@pytest.mark.parametrize(
    ("failover", "refusals"),
    [
        (Failover(), (503,)),
        (Failover(is_enabled=True), (503, REFUSED)),
        (Failover(is_enabled=True, triggers=frozenset({Trigger.AUTH_FAILURE})), (503, REFUSED)),
        (Failover(is_enabled=True, triggers=frozenset({Trigger.TIMEOUT})), (503,)),
        (Failover(is_enabled=False, triggers=frozenset({Trigger.AUTH_FAILURE})), (503,)),
    ],
)
def test_refusal_is_as_good_as_down_where_calls_take_another_way_then(
    failover: Failover, refusals: tuple[int, ...]
) -> None:
    assert rules_of(failover).refusals == refusals
    assert rules_of(replace(failover, fails_back=False)).fails_back is False


def test_thresholds_are_those_of_the_watch() -> None:
    assert alert_rules_of(AlertTerms()) == AlertRules()
    terms = AlertTerms(
        unreachable_minutes=5, failure_rate_percent=20, failure_rate_window_minutes=15, response_time_ms=500
    )
    assert alert_rules_of(terms) == AlertRules(
        unreachable_minutes=5, failure_rate_percent=20, failure_rate_window_minutes=15, response_time_ms=500
    )


def test_webhook_is_a_channel_while_alerts_are_on() -> None:
    terms = AlertTerms(is_enabled=True, webhook="https://example.net/hook")
    told = replace(TRUNK, id="t1", outbound=replace(OUTBOUND, alerts=terms))
    assert webhook_of(told) == WebhookChannel("t1 webhook", "https://example.net/hook", trunks=("t1",))
    assert webhook_of(replace(told, outbound=replace(OUTBOUND, alerts=replace(terms, is_enabled=False)))) is None
    assert webhook_of(TRUNK) is None
    assert webhook_of(NUMBER) is None


@given(trunks)
def test_what_preflight_lets_pass_can_be_watched(trunk: Trunk) -> None:
    is_sound = not any(problem.is_error for problem in trunk_problems(trunk))
    try:
        watched(trunk)
        webhook_of(trunk)
        for direction in (trunk.inbound, trunk.outbound):
            if direction is not None and direction.alerts is not None:
                alert_rules_of(direction.alerts)
    except (WatchError, DestinationError):
        assert not is_sound
