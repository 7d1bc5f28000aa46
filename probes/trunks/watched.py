"""A configured trunk, or a number with a way of its own, as the watch takes it: routes out of gateways, rules out of
failover, and when somebody is told out of alert terms.
"""

from dataclasses import replace

from probes.health.alerts import AlertRules, WebhookChannel
from probes.health.trunk import Route, Rules
from probes.health.trunk import Trunk as WatchedTrunk
from probes.reach import PUBLIC, ReachPolicy
from probes.trunks.model import AlertTerms, Failover, Number, Trigger, Trunk

REFUSED = 403
"""What a gateway says to whom it does not know: credentials change nothing about it (RFC 3261 §21.4.4). A challenge,
401 or 407, is no refusal: OPTIONS go out without credentials, and many challenge them."""
DEFAULT_RULES = Rules()


def watched(told: Trunk | Number, rules: Rules = DEFAULT_RULES) -> WatchedTrunk | None:
    """What is watched of it, by its id as the name, and a title for people; None for what has no gateway. `rules` hold
    for what it does not say itself. Routes are named by their URIs, which stay the same when others come or go. Raises
    DestinationError for a gateway that is none.
    """
    if told.outbound is None or not told.outbound.gateways:
        return None
    found = {str(each): Route(str(each), each.destination()) for each in told.outbound.ordered}
    title = told.name if isinstance(told, Trunk) else told.identity
    return WatchedTrunk(told.id, tuple(found.values()), rules_of(told.outbound.failover, rules), title)


def rules_of(failover: Failover, rules: Rules = DEFAULT_RULES) -> Rules:
    """How routes are watched so that calls take another one when the terms say so, else by these rules."""
    refuses = failover.is_enabled and (not failover.triggers or Trigger.AUTH_FAILURE in failover.triggers)
    refusals = dict.fromkeys((*rules.refusals, REFUSED) if refuses else rules.refusals)
    return replace(rules, refusals=tuple(refusals), fails_back=failover.fails_back)


def alert_rules_of(terms: AlertTerms) -> AlertRules:
    """When somebody is told. A threshold that is not set has the watch's own value; where that is none, it tells
    nothing. Raises WatchError for what preflight refuses.
    """
    given = {
        "unreachable_minutes": terms.unreachable_minutes,
        "failure_rate_percent": terms.failure_rate_percent,
        "failure_rate_window_minutes": terms.failure_rate_window_minutes,
        "response_time_ms": terms.response_time_ms,
    }
    return AlertRules(**{name: number for name, number in given.items() if number is not None})  # type: ignore[arg-type]  # all are numbers


def webhook_of(told: Trunk | Number, reach: ReachPolicy = PUBLIC) -> WebhookChannel | None:
    """Where its alerts go to, named by its id, if `reach` lets them; None where there is none, or alerts are off."""
    terms = told.outbound.alerts if told.outbound is not None else None
    if terms is None or not terms.is_enabled or not terms.webhook:
        return None
    return WebhookChannel(f"{told.id} webhook", terms.webhook, reach=reach, trunks=(told.id,))
