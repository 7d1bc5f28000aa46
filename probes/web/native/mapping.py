"""Between what the native interface has and what the service keeps."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from probes.report.units import timestamp
from probes.trunks.model import (
    HIDDEN,
    AlertTerms,
    Authentication,
    Credentials,
    Encryption,
    Failover,
    Gateway,
    HeaderKind,
    HeaderRule,
    Inbound,
    Number,
    Outbound,
    Secret,
    Trigger,
    Trunk,
    UuiEncoding,
)
from probes.trunks.problem import Problem
from probes.web.native import bodies
from sipcore.resolve.target import Transport

Data = dict[str, Any]


# What is written


def trunk_of(body: bodies.TrunkBody, before: Trunk | None = None) -> Trunk:
    """A trunk; secrets that are not said anew are as `before`."""
    was = before or Trunk()
    return replace(
        was,
        name=body.name,
        description=body.description,
        provider=body.provider,
        inbound=_inbound(body.inbound, was.inbound),
        outbound=_outbound(body.outbound, was.outbound),
    )


def number_of(body: bodies.NumberBody, before: Number | None = None) -> Number:
    """A number, likewise."""
    was = before or Number()
    return replace(
        was,
        identity=body.identity,
        label=body.label,
        trunk_id=body.trunk_id,
        inbound=_inbound(body.inbound, was.inbound),
        outbound=_outbound(body.outbound, was.outbound),
    )


def _inbound(body: bodies.InboundBody | None, before: Inbound | None) -> Inbound | None:
    if body is None:
        return None
    return Inbound(
        authentication=Authentication(body.authentication),
        allowed_addresses=tuple(body.allowed_addresses),
        forward_to=body.forward_to,
        **_common(body, before),
    )


def _outbound(body: bodies.OutboundBody | None, before: Outbound | None) -> Outbound | None:
    if body is None:
        return None
    failover = body.failover
    return Outbound(
        gateways=tuple(_gateway(each) for each in body.gateways),
        failover=Failover(failover.enabled, frozenset(map(Trigger, failover.triggers)), failover.fails_back),
        **_common(body, before),
    )


def _common(body: bodies.DirectionBody, before: Inbound | Outbound | None) -> Data:
    return {
        "credentials": _credentials(body.credentials, before.credentials if before is not None else None),
        "encryption": Encryption(body.encryption),
        "headers": tuple(_header(each) for each in body.headers),
        "codecs": tuple(body.codecs),
        "transcodes": body.transcodes,
        "alerts": _alerts(body.alerts, before.alerts if before is not None else None),
    }


def _credentials(body: bodies.CredentialsBody | None, before: Credentials | None) -> Credentials | None:
    if body is None:
        return None
    known = before.password if before is not None else Secret("")
    return Credentials(body.username, known if body.password == HIDDEN else Secret(body.password), body.realm)


def _gateway(body: bodies.GatewayBody) -> Gateway:
    transport = Transport(body.transport.upper()) if body.transport is not None else None
    return Gateway(body.host.strip("[]").lower(), body.port, transport, body.priority)


def _header(body: bodies.HeaderBody) -> HeaderRule:
    return HeaderRule(
        HeaderKind(body.kind),
        body.key,
        body.value,
        body.passthrough,
        body.target,
        body.purpose,
        body.content,
        UuiEncoding(body.encoding),
    )


def _alerts(body: bodies.AlertsBody | None, before: AlertTerms | None) -> AlertTerms | None:
    if body is None:
        return None
    known = before.webhook if before is not None else ""
    return AlertTerms(
        body.enabled,
        body.unreachable_minutes,
        body.failure_rate_percent,
        body.failure_rate_window_minutes,
        body.response_time_ms,
        body.email,
        body.sms,
        known if body.webhook == HIDDEN else body.webhook,
    )


# What is shown


def trunk_data(trunk: Trunk, problems: Iterable[Problem] = ()) -> Data:
    """A trunk."""
    return {
        **_kept(trunk),
        "name": trunk.name,
        "description": trunk.description,
        "provider": trunk.provider,
        "inbound": _inbound_data(trunk.inbound) if trunk.inbound is not None else None,
        "outbound": _outbound_data(trunk.outbound) if trunk.outbound is not None else None,
        "warnings": [problem_data(each) for each in problems],
    }


def number_data(number: Number, problems: Iterable[Problem] = ()) -> Data:
    """A number."""
    return {
        **_kept(number),
        "identity": number.identity,
        "label": number.label,
        "trunk_id": number.trunk_id,
        "inbound": _inbound_data(number.inbound) if number.inbound is not None else None,
        "outbound": _outbound_data(number.outbound) if number.outbound is not None else None,
        "warnings": [problem_data(each) for each in problems],
    }


def problem_data(problem: Problem) -> Data:
    """Something that is odd."""
    return {
        "gravity": problem.gravity.value,
        "code": problem.code,
        "field": problem.field,
        "cause": problem.cause,
        "cure": problem.cure,
    }


def _kept(of: Trunk | Number) -> Data:
    times = {"created_at": timestamp(of.created_at), "updated_at": timestamp(of.updated_at)}
    return {"id": of.id, **times, "revision": of.revision}


def _inbound_data(inbound: Inbound) -> Data:
    return {
        "authentication": inbound.authentication.value,
        "allowed_addresses": list(inbound.allowed_addresses),
        "forward_to": inbound.forward_to,
        **_common_data(inbound),
    }


def _outbound_data(outbound: Outbound) -> Data:
    failover = outbound.failover
    return {
        "gateways": [_gateway_data(each) for each in outbound.gateways],
        "failover": {
            "enabled": failover.is_enabled,
            "triggers": sorted(each.value for each in failover.triggers),
            "fails_back": failover.fails_back,
        },
        **_common_data(outbound),
    }


def _common_data(of: Inbound | Outbound) -> Data:
    return {
        "credentials": _credentials_data(of.credentials) if of.credentials is not None else None,
        "encryption": of.encryption.value,
        "headers": [_header_data(each) for each in of.headers],
        "codecs": list(of.codecs),
        "transcodes": of.transcodes,
        "alerts": _alerts_data(of.alerts) if of.alerts is not None else None,
    }


def _credentials_data(of: Credentials) -> Data:
    return {"username": of.username, "password": HIDDEN if of.password else "", "realm": of.realm}


def _gateway_data(of: Gateway) -> Data:
    transport = of.transport.value.lower() if of.transport is not None else None
    return {"host": of.host, "port": of.port, "transport": transport, "priority": of.priority}


def _header_data(of: HeaderRule) -> Data:
    return {
        "kind": of.kind.value,
        "key": of.key,
        "value": of.value,
        "passthrough": of.passthrough,
        "target": of.target,
        "purpose": of.purpose,
        "content": of.content,
        "encoding": of.encoding.value,
    }


def _alerts_data(of: AlertTerms) -> Data:
    return {
        "enabled": of.is_enabled,
        "unreachable_minutes": of.unreachable_minutes,
        "failure_rate_percent": of.failure_rate_percent,
        "failure_rate_window_minutes": of.failure_rate_window_minutes,
        "response_time_ms": of.response_time_ms,
        "email": of.email,
        "sms": of.sms,
        "webhook": HIDDEN if of.webhook else "",
    }
