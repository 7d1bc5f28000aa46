"""A config of the phone channel is a trunk, and its numbers are the trunk's: how one is read into the other, and shown.

Where the model has a word for a setting, the setting is that, so that other contracts show it: digest authentication
and SRTP are of the trunk's inbound side, header fields to extract are its rules. All else is kept as it came, under
`watsonx` in `extras`. What other contracts have set, and this one cannot say, is left as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from probes.trunks.headers import MAX_VARIABLE
from probes.trunks.model import (
    Authentication,
    Credentials,
    Encryption,
    HeaderKind,
    HeaderRule,
    Inbound,
    Json,
    Number,
    Secret,
    Trunk,
)
from probes.web.errors import flawed
from probes.web.ids import Id
from probes.web.watsonx.bodies import (
    AttachedEnvironment,
    CreatePhone,
    ErrorHandling,
    InviteHeader,
    NumberItem,
    Security,
    ServiceProvider,
    ShownHeader,
    ShownNumber,
    ShownPhone,
    ShownSecurity,
    UpdateNumber,
    UpdatePhone,
)
from probes.web.words import moment

KEY = "watsonx"
"""Of this contract's part of `extras`."""
Extras = dict[str, Json]


def own(extras: Mapping[str, Json]) -> Extras:
    """What this contract has kept with a trunk or a number."""
    found = extras.get(KEY)
    return dict(found) if isinstance(found, Mapping) else {}


def _kept(extras: Mapping[str, Json], changed: Extras) -> dict[str, Json]:
    """The same extras with this contract's part changed; what is None there is not kept."""
    part = {key: given for key, given in (own(extras) | changed).items() if given is not None}
    others = {key: given for key, given in extras.items() if key != KEY}
    return others | ({KEY: part} if part else {})


# From bodies to trunks


def created(body: CreatePhone, by: str) -> Trunk:
    """The trunk of a new config, made by the key `by`. Raises RequestFailure."""
    extras: Extras = {
        "service_provider": body.service_provider.value,
        "put_caller_on_hold_on_transfer": body.put_caller_on_hold_on_transfer is not False,
        "send_provisional_response": body.send_provisional_response is not False,
        "created_by": by,
        "updated_by": [by, 1],
    }
    trunk = Trunk(name=body.name, description=body.description or "", inbound=Inbound(), extras={KEY: extras})
    return _with_settings(trunk, body, append=False)


def changed(trunk: Trunk, body: UpdatePhone, by: str, *, append: bool) -> Trunk:
    """A trunk as a body changes it, but for its numbers: what is absent or null stays. With `append`, lists are added
    to the ones that are there, in place of taking their place. Raises RequestFailure.
    """
    provider = body.service_provider
    extras: Extras = {
        "service_provider": provider.value if provider else own(trunk.extras).get("service_provider"),
        "updated_by": [by, trunk.revision + 1],
    }
    for key in ("put_caller_on_hold_on_transfer", "send_provisional_response"):
        if (given := getattr(body, key)) is not None:
            extras[key] = given
    trunk = replace(
        trunk,
        name=body.name if body.name is not None else trunk.name,
        description=body.description if body.description is not None else trunk.description,
        extras=_kept(trunk.extras, extras),
    )
    return _with_settings(trunk, body, append=append)


def _with_settings(trunk: Trunk, body: CreatePhone | UpdatePhone, *, append: bool) -> Trunk:
    """What a new config and a changed one have in common."""
    inbound, extras = trunk.inbound, Extras()
    if body.security is not None:
        inbound = _secured(inbound or Inbound(), body.security)
        extras |= {key: _secret(getattr(body.security, key)) for key in ("api_key", "client_secret")}
    if body.custom_invite_headers is not None and (body.custom_invite_headers or inbound is not None):
        inbound = inbound or Inbound()
        inbound = replace(inbound, headers=_extracting(inbound.headers, body.custom_invite_headers, append=append))
    if body.error_handling is not None:
        extras["error_handling"] = _merged(own(trunk.extras).get("error_handling"), body.error_handling)
    if isinstance(body, UpdatePhone) and body.attached_environments is not None:
        known = _listed(trunk, "attached_environments") if append else []
        extras["attached_environments"] = _attached(known, body.attached_environments)
    told: Extras = {key: given for key, given in extras.items() if given is not None}
    trunk = replace(trunk, inbound=inbound, extras=_kept(trunk.extras, told))
    if _listed(trunk, "attached_environments") and is_sip(trunk):
        text = "only a genesys_audio_connector has agents of its own; those of a sip_trunk are its phone_numbers'"
        raise flawed(("body", "attached_environments"), text, "service_provider")
    return trunk


def _secret(given: SecretStr | None) -> Secret | None:
    """None for what changes nothing: clients send blanks back for what they were not told."""
    return Secret(given.get_secret_value()) if given else None


def _secured(inbound: Inbound, security: Security) -> Inbound:
    """Calls that come in, with who may call and how media is secured changed."""
    encryption, authentication = inbound.encryption, inbound.authentication
    if security.secure_trunking:
        encryption = Encryption.REQUIRE
    elif security.secure_trunking is False and encryption is Encryption.REQUIRE:
        encryption = Encryption.ALLOW
    if security.authentication and authentication is Authentication.IP:
        authentication = Authentication.DIGEST
    elif security.authentication is False:
        authentication = Authentication.IP
    credentials = _credentials(inbound.credentials, security)
    if security.authentication or (authentication is Authentication.DIGEST and credentials != inbound.credentials):
        for key, is_there in (
            ("username", credentials is not None and bool(credentials.username)),
            ("password", credentials is not None and bool(credentials.password)),
        ):
            if not is_there:
                text = f"authentication needs a {key}: give one, or set authentication to false"
                raise flawed(("body", "security", key), text, "missing")
    return replace(inbound, authentication=authentication, encryption=encryption, credentials=credentials)


def _credentials(known: Credentials | None, security: Security) -> Credentials | None:
    if security.username == "":
        return None
    password = _secret(security.password)
    if security.username is None and password is None:
        return known
    found = known or Credentials("")
    return replace(
        found,
        username=found.username if security.username is None else security.username,
        password=password or found.password,
    )


def _is_extracting(rule: HeaderRule) -> bool:
    """Whether a rule is one that this contract can say: a header field to be read."""
    return rule.kind is HeaderKind.CUSTOM and not rule.passthrough


def _extracting(
    known: Sequence[HeaderRule], headers: Iterable[InviteHeader], *, append: bool
) -> tuple[HeaderRule, ...]:
    """Rules with the header fields to be read changed: one that stays keeps the variable that it has."""
    rules = {rule.key.lower(): rule for rule in known if _is_extracting(rule)}
    wanted = dict(rules) if append else {}
    for header in headers:
        name = header.name.lower()
        wanted[name] = replace(rules.get(name) or HeaderRule(value=header.name[:MAX_VARIABLE]), key=header.name)
    return (*(rule for rule in known if not _is_extracting(rule)), *wanted.values())


def _merged(known: Json, body: ErrorHandling) -> Json:
    """What becomes of failed calls: what is absent or null stays, and a blank URI is none."""
    merged: dict[str, Json] = dict(known) if isinstance(known, Mapping) else {}
    if body.fallback_sip_uri is not None:
        merged["fallback_sip_uri"] = body.fallback_sip_uri
    for key in ("transfer_failure", "call_failure"):
        if (given := getattr(body, key)) is not None:
            part = merged.get(key)
            merged[key] = (dict(part) if isinstance(part, Mapping) else {}) | given.model_dump(exclude_none=True)
    return {key: given for key, given in merged.items() if given != ""}


def _attached(known: Iterable[Mapping[str, Json]], given: Iterable[AttachedEnvironment]) -> Json:
    """Agents in their environments, one entry for each pair; what is known of a pair and not said again stays."""
    pairs = {(each.get("agent_id"), each.get("environment_id")): dict(each) for each in known}
    for each in given:
        entry: dict[str, Json] = each.model_dump(mode="json", exclude_none=True)
        pair = (entry["agent_id"], entry["environment_id"])
        pairs[pair] = pairs.get(pair, {}) | entry
    return list(pairs.values())


def _listed(trunk: Trunk, key: str) -> list[Mapping[str, Json]]:
    found = own(trunk.extras).get(key)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


# From bodies to numbers


def number_of(item: NumberItem, trunk_id: str) -> Number:
    """A new number of a config."""
    return with_item(Number(identity=item.phone_number), item, trunk_id)


def with_item(number: Number, item: NumberItem, trunk_id: str, *, merges: bool = True) -> Number:
    """A number as an item of a list has it, bound to a config. With `merges`, what the item does not say stays."""
    label = item.description if item.description is not None else (number.label if merges else "")
    extras = _agent(item)
    if any(extras.values()) or not merges:
        number = replace(number, extras=_kept(number.extras, extras))
    return replace(number, label=label, trunk_id=trunk_id)


def number_changed(number: Number, body: UpdateNumber) -> Number:
    """A number as a body changes it: what is absent or null stays."""
    extras = _agent(body)
    return replace(
        number,
        identity=body.phone_number or number.identity,
        label=number.label if body.description is None else body.description,
        extras=_kept(number.extras, extras) if any(extras.values()) else number.extras,
    )


def _agent(body: NumberItem | UpdateNumber) -> Extras:
    return {key: str(given) if (given := getattr(body, key)) else None for key in ("agent_id", "environment_id")}


def is_alone(number: Number) -> bool:
    """Whether nobody but this contract knows a number: without its config there is nothing left of it."""
    return number.inbound is None and number.outbound is None and not set(number.extras) - {KEY}


def unbound(number: Number) -> Number:
    """A number that leaves its config and stays, since another contract has it."""
    others = {key: given for key, given in number.extras.items() if key != KEY}
    return replace(number, trunk_id=None, extras=others)


# From trunks and numbers to what is shown


def provider_of(trunk: Trunk) -> ServiceProvider:
    """From whom the calls of a config come; a trunk that another contract made is a SIP trunk."""
    given = own(trunk.extras).get("service_provider")
    return ServiceProvider.GENESYS if given == ServiceProvider.GENESYS.value else ServiceProvider.SIP_TRUNK


def is_sip(trunk: Trunk) -> bool:
    """Whether a config is one of a SIP trunk, which has numbers, and no agents of its own."""
    return provider_of(trunk) is ServiceProvider.SIP_TRUNK


def shown(trunk: Trunk, numbers: Iterable[Number]) -> ShownPhone:
    """A config with its numbers, as it is told."""
    part: dict[str, Any] = own(trunk.extras)
    by, revision = part.get("updated_by") or (None, 0)
    rules = trunk.inbound.headers if trunk.inbound else ()
    return ShownPhone(
        id=Id(trunk.id),
        tenant_id=trunk.tenant,
        name=trunk.name,
        description=trunk.description or None,
        service_provider=provider_of(trunk),
        security=_security(trunk.inbound or Inbound()),
        custom_invite_headers=[ShownHeader(name=rule.key) for rule in rules if _is_extracting(rule)],
        put_caller_on_hold_on_transfer=part.get("put_caller_on_hold_on_transfer", True),
        send_provisional_response=part.get("send_provisional_response", True),
        error_handling=part.get("error_handling", {}),
        attached_environments=part.get("attached_environments", []),
        phone_numbers=[number_shown(number) for number in numbers],
        created_on=moment(trunk.created_at),
        created_by=part.get("created_by"),
        updated_at=moment(trunk.updated_at),
        updated_by=by if revision == trunk.revision else None,  # else another contract has written since
    )


def _security(inbound: Inbound) -> ShownSecurity:
    credentials = inbound.credentials or Credentials("")
    return ShownSecurity(
        secure_trunking=inbound.encryption is Encryption.REQUIRE,
        authentication=inbound.authentication is not Authentication.IP,
        username=credentials.username or None,
        password_is_set=bool(credentials.password),
    )


def number_shown(number: Number) -> ShownNumber:
    """A number of a config, as it is told."""
    part: dict[str, Any] = own(number.extras)
    return ShownNumber(
        phone_number=number.identity,
        description=number.label or None,
        agent_id=part.get("agent_id"),
        environment_id=part.get("environment_id"),
    )
