"""The form of a trunk: its fields out of a trunk, and a trunk out of its fields.

What the form does not show (rules for header fields, what only one contract knows) stays as it is. A password that is
left empty stays, too, and so does the URL of a webhook: neither is ever sent to a browser.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from probes.destination import DestinationError
from probes.trunks.model import (
    CODECS,
    AlertTerms,
    Authentication,
    Credentials,
    Encryption,
    Failover,
    Gateway,
    Inbound,
    Outbound,
    Secret,
    Trigger,
    Trunk,
)
from probes.web.pages.tones import gateway_text
from sipcore.errors import quoted
from sipcore.value import value

M = TypeVar("M", Encryption, Authentication)
Fields = Mapping[str, Sequence[str]]
"""What a form sends: each name with its values."""
MAX_GATEWAYS = 32
"""Of one form."""
MAX_PRIORITY = 65535
"""As the native interface has it."""
MAX_TEXT = 2000
"""Characters of one field."""
_TERMS = ("unreachable_minutes", "failure_rate_percent", "failure_rate_window_minutes", "response_time_ms")


class FormError(Exception):
    """Fields that make no trunk: what is wrong with each, by its name, for people."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = dict(errors)


@value
class GatewayRow:
    """A gateway as it stands in the form."""

    target: str = ""
    priority: str = ""


@value
class TrunkForm:
    """What stands in the form. Passwords and webhooks are never in here, only whether there is one."""

    name: str = ""
    description: str = ""
    provider: str = ""
    gateways: tuple[GatewayRow, ...] = (GatewayRow(),)
    outbound: bool = True
    outbound_username: str = ""
    outbound_realm: str = ""
    has_outbound_password: bool = False
    outbound_encryption: str = Encryption.ALLOW.value
    codecs: tuple[str, ...] = ()
    failover: bool = False
    triggers: tuple[str, ...] = ()
    fails_back: bool = True
    inbound: bool = False
    authentication: str = Authentication.IP.value
    allowed_addresses: str = ""
    inbound_username: str = ""
    has_inbound_password: bool = False
    inbound_encryption: str = Encryption.ALLOW.value
    forward_to: str = ""
    alerts: bool = False
    unreachable_minutes: str = ""
    failure_rate_percent: str = ""
    failure_rate_window_minutes: str = ""
    response_time_ms: str = ""
    email: bool = False
    sms: bool = False
    has_webhook: bool = False

    @property
    def filled(self) -> tuple[int, ...]:
        """The rows that are gateways of the trunk, in its order: those that are left empty are none."""
        return tuple(number for number, row in enumerate(self.gateways) if row.target)


def form_of(trunk: Trunk) -> TrunkForm:
    """The form as it is shown first."""
    going, coming = trunk.outbound, trunk.inbound
    out, back = going or Outbound(), coming or Inbound()
    theirs, ours = out.credentials or Credentials(""), back.credentials or Credentials("")
    terms = out.alerts or AlertTerms()
    rows = tuple(GatewayRow(gateway_text(each), str(each.priority)) for each in out.gateways)
    return TrunkForm(
        name=trunk.name,
        description=trunk.description,
        provider=trunk.provider,
        gateways=rows or (GatewayRow(),),
        outbound=going is not None or coming is None,
        outbound_username=theirs.username,
        outbound_realm=theirs.realm,
        has_outbound_password=bool(theirs.password),
        outbound_encryption=out.encryption.value,
        codecs=out.codecs,
        failover=out.failover.is_enabled,
        triggers=tuple(sorted(trigger.value for trigger in out.failover.triggers)),
        fails_back=out.failover.fails_back,
        inbound=coming is not None,
        authentication=back.authentication.value,
        allowed_addresses="\n".join(back.allowed_addresses),
        inbound_username=ours.username,
        has_inbound_password=bool(ours.password),
        inbound_encryption=back.encryption.value,
        forward_to=back.forward_to,
        alerts=terms.is_enabled,
        email=terms.email,
        sms=terms.sms,
        has_webhook=bool(terms.webhook),
        **{name: _number_text(getattr(terms, name)) for name in _TERMS},
    )


def form_in(fields: Fields, kept: TrunkForm) -> TrunkForm:
    """The form as somebody has sent it, to be shown again or to be made a trunk; `kept` is what was shown first."""
    targets, priorities = fields.get("gateway", ()), fields.get("priority", ())
    rows = [
        GatewayRow(target.strip()[:MAX_TEXT], priorities[number].strip() if number < len(priorities) else "")
        for number, target in enumerate(targets[:MAX_GATEWAYS])
    ]
    return TrunkForm(
        name=_one(fields, "name"),
        description=_one(fields, "description"),
        provider=_one(fields, "provider"),
        gateways=tuple(rows) or (GatewayRow(),),
        outbound="outbound" in fields,
        outbound_username=_one(fields, "outbound_username"),
        outbound_realm=_one(fields, "outbound_realm"),
        has_outbound_password=kept.has_outbound_password,
        outbound_encryption=_one(fields, "outbound_encryption"),
        codecs=tuple(codec for codec in CODECS if codec in fields.get("codec", ())),
        failover="failover" in fields,
        triggers=tuple(each.value for each in Trigger if each.value in fields.get("trigger", ())),
        fails_back="fails_back" in fields,
        inbound="inbound" in fields,
        authentication=_one(fields, "authentication"),
        allowed_addresses="\n".join(_one(fields, "allowed_addresses").split()),
        inbound_username=_one(fields, "inbound_username"),
        has_inbound_password=kept.has_inbound_password,
        inbound_encryption=_one(fields, "inbound_encryption"),
        forward_to=_one(fields, "forward_to"),
        alerts="alerts" in fields,
        email="email" in fields,
        sms="sms" in fields,
        has_webhook=kept.has_webhook,
        **{name: _one(fields, name) for name in _TERMS},
    )


def with_rows(form: TrunkForm, action: str) -> TrunkForm | None:
    """The form after a button that adds or removes a gateway; None for any other button."""
    if action == "add" and len(form.gateways) < MAX_GATEWAYS:
        return replace(form, gateways=(*form.gateways, GatewayRow(priority=_next_priority(form))))
    verb, _, number = action.partition("-")
    if verb == "remove" and number.isdecimal():
        left = tuple(row for place, row in enumerate(form.gateways) if place != int(number))
        return replace(form, gateways=left or (GatewayRow(),))
    return None


def trunk_of(form: TrunkForm, fields: Fields, before: Trunk) -> Trunk:
    """The trunk that the form describes, `before` being the one it was made from. Raises FormError."""
    errors: dict[str, str] = {}
    if not form.name:
        errors["name"] = "give the trunk a name"
    trunk = replace(
        before,
        name=form.name,
        description=form.description,
        provider=form.provider,
        outbound=_outbound(form, fields, before.outbound, errors) if form.outbound else None,
        inbound=_inbound(form, fields, before.inbound, errors) if form.inbound else None,
    )
    if not (form.outbound or form.inbound):
        errors["outbound"] = "calls go out over a trunk, come in, or both: choose one at least"
    if errors:
        raise FormError(errors)
    return trunk


def _outbound(form: TrunkForm, fields: Fields, before: Outbound | None, errors: dict[str, str]) -> Outbound:
    kept = before or Outbound()
    gateways = []
    for number in form.filled:
        row = form.gateways[number]
        try:
            gateways.append(Gateway.parse(row.target, _priority(row.priority, f"priority-{number}", errors)))
        except DestinationError as error:
            errors[f"gateway-{number}"] = str(error)
    return replace(
        kept,
        gateways=tuple(gateways),
        credentials=_credentials(form, fields, "outbound", kept.credentials, errors),
        encryption=_member(Encryption, form.outbound_encryption, "outbound_encryption", errors) or kept.encryption,
        codecs=form.codecs,
        failover=Failover(form.failover, frozenset(Trigger(name) for name in form.triggers), form.fails_back),
        alerts=_alerts(form, fields, kept.alerts, errors),
    )


def _inbound(form: TrunkForm, fields: Fields, before: Inbound | None, errors: dict[str, str]) -> Inbound:
    kept = before or Inbound()
    return replace(
        kept,
        authentication=_member(Authentication, form.authentication, "authentication", errors) or kept.authentication,
        credentials=_credentials(form, fields, "inbound", kept.credentials, errors),
        allowed_addresses=tuple(form.allowed_addresses.split()),
        encryption=_member(Encryption, form.inbound_encryption, "inbound_encryption", errors) or kept.encryption,
        forward_to=form.forward_to,
    )


def _credentials(
    form: TrunkForm, fields: Fields, side: str, before: Credentials | None, errors: dict[str, str]
) -> Credentials | None:
    """Those of one side; without a username there are none. A password is kept unless another one is given."""
    username = _one(fields, f"{side}_username")
    password = "".join(fields.get(f"{side}_password", ())[:1])
    if not username:
        if password:
            errors[f"{side}_username"] = "a password is of use with a username only: give both, or neither"
        return None
    kept = before.password if before is not None else Secret("")
    realm = form.outbound_realm if side == "outbound" else before.realm if before is not None else ""
    return Credentials(username, Secret(password) if password else kept, realm)


def _alerts(form: TrunkForm, fields: Fields, before: AlertTerms | None, errors: dict[str, str]) -> AlertTerms | None:
    """When somebody is told, and how. A webhook is kept unless another one is given, or none is wanted any more."""
    numbers = {name: _number(form, name, errors) for name in _TERMS}
    kept = before.webhook if before is not None and "no_webhook" not in fields else ""
    webhook = _one(fields, "webhook") or kept
    if before is None and not (form.alerts or form.email or form.sms or webhook or any(numbers.values())):
        return None
    return replace(
        before or AlertTerms(),
        is_enabled=form.alerts,
        unreachable_minutes=numbers["unreachable_minutes"],
        failure_rate_percent=numbers["failure_rate_percent"],
        failure_rate_window_minutes=numbers["failure_rate_window_minutes"],
        response_time_ms=numbers["response_time_ms"],
        email=form.email,
        sms=form.sms,
        webhook=webhook,
    )


def _priority(text: str, name: str, errors: dict[str, str]) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_PRIORITY))
    if text and not (is_number and int(text) <= MAX_PRIORITY):
        errors[name] = (
            f"a priority is a whole number from 0 to {MAX_PRIORITY}, lowest first, and not {quoted(text[:32])}"
        )
        return 0
    return int(text or "0")


def _number(form: TrunkForm, name: str, errors: dict[str, str]) -> float | None:
    text = getattr(form, name)
    if not text:
        return None
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        errors[name] = f"a number is wanted, and not {quoted(text)}"
        return None
    return found


def _member(kind: type[M], text: str, name: str, errors: dict[str, str]) -> M | None:
    for member in kind:
        if member.value == text:
            return member
    errors[name] = f"choose one of {', '.join(member.value for member in kind)}"
    return None


def _next_priority(form: TrunkForm) -> str:
    """Behind all others, so that it becomes a backup."""
    given = [int(row.priority) for row in form.gateways if row.priority.isdecimal()]
    return str(max(given, default=-1) + 1)


def _one(fields: Fields, name: str) -> str:
    """The first value of a field, without white space around it; empty where there is none."""
    return "".join(fields.get(name, ())[:1]).strip()[:MAX_TEXT]


def _number_text(number: float | None) -> str:
    return "" if number is None else f"{number:g}"
