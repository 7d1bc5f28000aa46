"""What a test call over a trunk is: whom it is to, as whom, with which media, by how the trunk is set up."""

import re
from collections.abc import Iterable
from dataclasses import replace

from probes.calls.script import DEFAULT_CODECS, CallScript
from probes.service.job import CallRequest
from probes.trunks.model import Gateway, HeaderKind, HeaderRule
from sipcore.auth.choice import Account
from sipcore.media.terms import Encryption
from sipcore.message.address import Address
from sipcore.message.uri import SipUri, escape_user

NAMES = {"G.722": "G722", "G.729": "G729", "Opus": "opus"}
"""Codecs as descriptions name them, where trunks do not."""
_VARIABLE = re.compile(r"\{[^{}]+\}")
"""What stands for a variable in the value of a header field, as `{call_id}`."""


def script_of(request: CallRequest, gateway: Gateway) -> CallScript:
    """The call. Raises LocalError for one that cannot, or must not, be placed."""
    outbound, destination = request.outbound, gateway.destination()
    callee = replace(destination, user=escape_user(request.to))
    account = None
    if outbound.credentials is not None:
        own = outbound.credentials
        account = Account(own.username, own.password.reveal(), hosts=callee.hosts, realm=own.realm or None)
    caller = None
    if request.caller:
        caller = Address(SipUri(callee.host, user=escape_user(request.caller)))
    codecs = tuple(NAMES.get(name, name) for name in outbound.codecs)
    return CallScript(
        callee,
        caller=caller,
        account=account,
        hold=request.hold,
        digits=request.digits,
        encryption=Encryption(outbound.encryption.value),
        codecs=codecs or DEFAULT_CODECS,
        headers=tuple(_literal(outbound.headers)),
    )


def _literal(rules: Iterable[HeaderRule]) -> Iterable[tuple[str, str]]:
    """The header fields that each call of a trunk has, whatever it is about: a test call has no variables."""
    for rule in rules:
        if rule.kind is HeaderKind.CUSTOM and rule.passthrough and not _VARIABLE.search(rule.value):
            yield rule.key, rule.value
