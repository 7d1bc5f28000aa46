"""Whether two URIs mean the same place, however they are written: RFC 3261 §19.1.4, RFC 3966 §4."""

import re

from sipcore.message.params import Params
from sipcore.message.uri import ESCAPED, VISUAL_SEPARATORS, SipUri, TelUri, Uri, read_ipv6, unescape
from sipcore.pattern import Pattern

_RESERVED = frozenset(";/?:@&=+$,%")
"""RFC 3261 §25.1 reserved, and the percent sign: characters that do not mean the same as their escape."""
_MUST_BE_IN_BOTH = ("user", "ttl", "method", "maddr", "transport")
"""Parameters that no URI without them matches (RFC 3261 §19.1.4: its rules name four, its examples transport too)."""

_escape = Pattern(ESCAPED)


def equivalent(left: Uri, right: Uri) -> bool:
    """Whether two URIs are equal by RFC 3261 §19.1.4 (tel: RFC 3966 §4; other schemes: written alike)."""
    if isinstance(left, SipUri) and isinstance(right, SipUri):
        return (
            left.scheme == right.scheme
            and _comparable(left.user) == _comparable(right.user)
            and _comparable(left.password) == _comparable(right.password)
            and _comparable_host(left.host) == _comparable_host(right.host)
            and left.port == right.port
            and _same_params(left.params, right.params)
            and _comparable_headers(left) == _comparable_headers(right)
        )
    if isinstance(left, TelUri) and isinstance(right, TelUri):
        return left.digits.lower() == right.digits.lower() and _tel_params(left) == _tel_params(right)
    return str(left) == str(right)


def _comparable(part: str | None) -> str | None:
    """A part with the escapes resolved that mean the same as the character (RFC 3261 §19.1.4)."""
    return part if part is None or "%" not in part else _escape.sub(_resolve, part)


def _resolve(escape: re.Match[str]) -> str:
    character = chr(int(escape.group()[1:], 16))
    return escape.group().upper() if character in _RESERVED or not character.isascii() else character


def _comparable_host(host: str) -> object:
    return read_ipv6(host) if host[:1] == "[" else host.lower()


def _by_name(params: Params) -> dict[str, str]:
    return {unescape(name).lower(): (_comparable(content) or "").lower() for name, content in params}


def _same_params(left: Params, right: Params) -> bool:
    first, second = _by_name(left), _by_name(right)
    if any((name in first) != (name in second) for name in _MUST_BE_IN_BOTH):
        return False
    return all(first[name] == second[name] for name in first.keys() & second.keys())


def _comparable_headers(uri: SipUri) -> list[tuple[str, str]]:
    # Section 20 would have each header field compared by its own rules. What a URI carries is nearly always written
    # by one hand, so the values are compared as they are.
    return sorted((name.lower(), content) for name, content in uri.header_items())


def _tel_params(uri: TelUri) -> dict[str, str]:
    """RFC 3966 §4: compared by name, and numbers among them without their visual separators."""
    params = _by_name(uri.params)
    for name in ("phone-context", "ext"):
        content = params.get(name, "")
        if name == "ext" or content.startswith("+"):
            params |= {name: VISUAL_SEPARATORS.sub("", content)} if name in params else {}
    return params
