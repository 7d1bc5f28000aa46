"""What a test call over a trunk is: whom it is to, as whom, with which media, by how the trunk is set up."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from probes.calls.number import RefusedNumber, require_callable
from probes.calls.script import DEFAULT_CODECS, CallScript, require_digits
from probes.service.job import CallRefused, CallRequest
from probes.trunks.model import Gateway, HeaderKind, HeaderRule
from sipcore.auth.choice import Account
from sipcore.errors import LocalError
from sipcore.media.terms import Encryption
from sipcore.message.address import Address
from sipcore.message.uri import SipUri, escape_user

NAMES = {"G.722": "G722", "G.729": "G729", "Opus": "opus"}
"""Codecs as descriptions name them, where trunks do not."""
_VARIABLE = re.compile(r"\{[^{}]+\}")
"""What stands for a variable in the value of a header field, as `{call_id}`."""


def script_of(request: CallRequest, gateway: Gateway) -> CallScript:
    """The call. Raises CallRefused for one that cannot, or must not, be placed."""
    if not request.to:
        raise CallRefused("whom? give the number or user that is to be called", "to")
    with _about("to"):
        require_callable(escape_user(request.to), frozenset())
    with _about("digits"):
        require_digits(request.digits)
    with _about(""):
        return _script(request, gateway)


@contextmanager
def _about(field: str) -> Iterator[None]:
    """Have what is refused told of a field of the request."""
    try:
        yield
    except RefusedNumber as error:
        raise CallRefused(error.plain, field) from None
    except LocalError as error:
        raise CallRefused(error.message, field) from None


def _script(request: CallRequest, gateway: Gateway) -> CallScript:
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
