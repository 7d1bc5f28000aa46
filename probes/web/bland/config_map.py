"""Failover, codecs and alerts of a direction, as clients write them and as they are stored; pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from probes.destination import DestinationError
from probes.trunks.model import HIDDEN, AlertTerms, Failover, Gateway, Inbound, Outbound, Trigger
from probes.web.bland.bodies import AlertConfig, CodecConfig, FailoverConfig, FailoverEndpoint
from probes.web.bland.envelope import invalid
from probes.web.bland.words import transport_named

THRESHOLDS = ("unreachable_minutes", "failure_rate_percent", "failure_rate_window_minutes", "response_time_ms")
NO_FAILOVER = {"enabled": False, "endpoints": [], "triggers": [each.value for each in Trigger], "failback": "auto"}
"""Of a direction of which nothing is said."""


def with_failover(outbound: Outbound, given: FailoverConfig) -> Outbound:
    """With other gateways behind the first, and the rules by which calls take them. Raises RequestFailure."""
    failover = outbound.failover
    if given.enabled is not None:
        failover = replace(failover, is_enabled=given.enabled)
    if given.triggers is not None:
        failover = replace(failover, triggers=frozenset(map(Trigger, given.triggers)))
    if given.failback is not None:
        failover = replace(failover, fails_back=given.failback == "auto")
    if given.endpoints is None:
        return replace(outbound, failover=failover)
    if not outbound.gateways:
        raise invalid("the number has no sip_endpoint that others could stand in for", "failover_config", "endpoints")
    first = outbound.ordered[0]
    others = [_gateway(each, index) for index, each in enumerate(given.endpoints)]
    lowest = min((other.priority for other in others), default=0)
    first = replace(first, priority=min(first.priority, lowest))
    return replace(outbound, failover=failover, gateways=(first, *(each for each in others if not _same(each, first))))


def _gateway(given: FailoverEndpoint, index: int) -> Gateway:
    place = "failover_config", "endpoints", index
    try:
        found = Gateway.parse(given.host, given.priority)
    except DestinationError as error:
        raise invalid(error.message, *place, "host") from None
    port = given.port if given.port is not None else found.port
    transport = transport_named(given.transport) if given.transport is not None else found.transport
    return replace(found, port=port, transport=transport)


def _same(one: Gateway, other: Gateway) -> bool:
    """Whether they are one place: who lists the first gateway among the others means it once."""
    return replace(one, priority=0) == replace(other, priority=0)


def failover_shown(outbound: Outbound) -> dict[str, Any]:
    """The gateways behind the first, and the rules; all triggers where none is named."""
    failover: Failover = outbound.failover
    triggers = failover.triggers or frozenset(Trigger)
    return {
        "enabled": failover.is_enabled,
        "endpoints": [_endpoint(each) for each in outbound.ordered[1:]],
        "triggers": [each.value for each in Trigger if each in triggers],
        "failback": "auto" if failover.fails_back else "manual",
    }


def _endpoint(gateway: Gateway) -> dict[str, Any]:
    transport = gateway.transport.value.lower() if gateway.transport is not None else None
    return {"host": gateway.host, "port": gateway.port, "transport": transport, "priority": gateway.priority}


def merged(kept: Mapping[str, Any], given: FailoverConfig) -> dict[str, Any]:
    """A failover of calls that come in, which is kept as it is given: nothing here forwards calls."""
    return {**NO_FAILOVER, **kept, **given.model_dump(exclude_none=True)}


def with_codecs(direction: Inbound | Outbound, given: CodecConfig) -> dict[str, Any]:
    """What changes in a direction by another list of codecs."""
    codecs = direction.codecs if given.codecs is None else tuple(given.codecs)
    twice = next((each for each in codecs if codecs.count(each) > 1), None)
    if twice is not None:
        raise invalid(f"{twice} is there twice: name each once", "codec_config", "codecs")
    return {"codecs": codecs, "transcodes": direction.transcodes if given.transcode is None else given.transcode}


def codecs_shown(direction: Inbound | Outbound) -> dict[str, Any]:
    """By preference; none for any."""
    return {"codecs": list(direction.codecs), "transcode": direction.transcodes}


def with_alerts(terms: AlertTerms | None, given: AlertConfig) -> AlertTerms:
    """Alerts as they are after what was given; null takes a threshold, or the webhook, back."""
    terms = terms or AlertTerms()
    if given.enabled is not None:
        terms = replace(terms, is_enabled=given.enabled)
    if given.thresholds is not None:
        terms = replace(terms, **{name: getattr(given.thresholds, name) for name in given.thresholds.model_fields_set})
    channels = given.channels
    if channels is None:
        return terms
    email = terms.email if channels.email is None else channels.email
    sms = terms.sms if channels.sms is None else channels.sms
    webhook = terms.webhook
    if "webhook" in channels.model_fields_set:
        webhook = _webhook(channels.webhook or "", terms.webhook)
    return replace(terms, email=email, sms=sms, webhook=webhook)


def _webhook(given: str, known: str) -> str:
    if not given or (known and given == webhook_shown(known)):
        return known if given else ""
    place = "alert_config", "channels", "webhook"
    try:
        parts = urlsplit(given)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or not given.isprintable() or " " in given:
        raise invalid("give the URL of a web server, as https://hooks.example.net/sip", *place)
    if HIDDEN in given:
        raise invalid(f"{HIDDEN} stands for the rest of a URL that is stored, and none is: give all of it", *place)
    return given


def alerts_shown(terms: AlertTerms | None) -> dict[str, Any]:
    """The terms, the webhook by its host alone."""
    terms = terms or AlertTerms()
    channels = {"email": terms.email, "sms": terms.sms, "webhook": webhook_shown(terms.webhook)}
    thresholds = {name: getattr(terms, name) for name in THRESHOLDS}
    return {"enabled": terms.is_enabled, "thresholds": thresholds, "channels": channels}


def webhook_shown(url: str) -> str | None:
    """A URL without what may be secret in it, which is all behind the host."""
    if not url:
        return None
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{HIDDEN}"
