"""What of a happening is written down: its words, and no credentials among them.

A store is given checks, changes, switches and deliveries, never a trunk, a script or a TLS configuration, so that no
password, key or certificate is at hand to be written. Of a check go in: trunk, route, kind, at, verdict, reason,
detail, status, rtt, place, certificate_ends and wait; not its attempt or call, whose messages may prove an identity.
What is free text may quote what somebody else was given, and goes through `fit`.
"""

import dataclasses
import json
import re

from probes.health.outbox import Delivery
from probes.health.terms import Change, Check, Happening, Switch
from probes.health.trunk import WatchError
from probes.report.safe_text import cover_lines
from sipcore.covering import cover_uris

HIDDEN = "***"
"""What stands in the place of a credential."""
MAX_TEXT = 1000
"""Characters of one text of a check: what a peer says may have thousands, with each check again."""
A_FILE = "(a file)"
"""What stands in the place of a path: where keys lie is nobody else's affair."""

_authorization = re.compile(r"(?P<before>authorization[\"']?\s*[:=]\s*)(?P<secret>\S.*)", re.IGNORECASE)
_assigned = re.compile(r"(?P<before>\b(?:passw(?:or)?d|passphrase|secret)=)(?P<secret>[^\s,;&]+)", re.IGNORECASE)
_key = re.compile(r"(?P<before>\binline:)(?P<secret>\S+)", re.IGNORECASE)
_quoted_path = re.compile(r"(?P<quote>['\"])(?:~|\.{1,2})?/[^'\"\n]+(?P=quote)")
_path = re.compile(r"(?<![^\s'\"(=,;:])(?:~|\.{1,2})?/(?=[^\W\d]|[.~_-])[^\s'\"),;]*[^\s'\"),;:.]")
_key_file = re.compile(r"(?<![^\s'\"(),;:=])[^\s'\"(),;:=]+\.(?:key|pem|p12|pfx|crt|cer|der)\b", re.IGNORECASE)
_PLAIN = frozenset("/@.:=")
"""Characters without one of which there is no path, no URI and no header field."""


def fit(text: str) -> str:
    """`text` without passwords in URIs, proofs of identity, keys, and paths of files."""
    if _PLAIN.isdisjoint(text):
        return text
    text = cover_lines(text)
    for pattern in (_authorization, _assigned, _key):
        text = pattern.sub(_hidden, text)
    text = _quoted_path.sub(lambda found: found["quote"] + A_FILE + found["quote"], text)
    return _key_file.sub(A_FILE, _path.sub(A_FILE, text))


def kept(happening: Happening) -> Happening:
    """A happening as it is read back."""
    if isinstance(happening, Check):
        return _kept_check(happening)
    if isinstance(happening, Change):
        trunk, route = name(happening.trunk), name(happening.route)
        return dataclasses.replace(happening, trunk=trunk, route=route, check=_kept_check(happening.check))
    before, after = (route if route is None else name(route) for route in (happening.before, happening.after))
    return Switch(name(happening.trunk), happening.at, before, after, happening.cause)


def name(text: str) -> str:
    """The name of a trunk or of a route, which may be the URI that it stands for."""
    return cover_uris(text)


def _kept_check(check: Check) -> Check:
    return Check(
        trunk=name(check.trunk),
        route=name(check.route),
        kind=check.kind,
        at=check.at,
        verdict=check.verdict,
        reason=_short(fit(check.reason)),
        detail=_short(fit(check.detail)),
        status=check.status,
        rtt=check.rtt,
        place=_short(fit(check.place)),
        certificate_ends=check.certificate_ends,
        wait=check.wait,
    )


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def kept_delivery(delivery: Delivery) -> Delivery:
    """A delivery as it is read back. Raises WatchError where the channel is not named but given by its address."""
    if "://" in delivery.channel:
        raise WatchError("a channel is kept by its name: its address may be a secret")
    return dataclasses.replace(
        delivery,
        trunk=name(delivery.trunk),
        route=name(delivery.route),
        payload=_kept_payload(delivery.payload),
        error=fit(delivery.error),
    )


def _kept_payload(text: str) -> str:
    """A text, or JSON whose texts are fit one by one, so that it stays JSON."""
    try:
        data = json.loads(text)
    except ValueError:
        return fit(text)
    shown = _fit_data(data)
    return text if shown == data else json.dumps(shown, ensure_ascii=False)


def _fit_data(data: object) -> object:
    if isinstance(data, str):
        return fit(data)
    if isinstance(data, list):
        return [_fit_data(each) for each in data]
    if isinstance(data, dict):
        return {key: _fit_data(each) for key, each in data.items()}
    return data


def _hidden(found: re.Match[str]) -> str:
    return found["before"] + HIDDEN
