"""Challenges, credentials, Authentication-Info: RFC 3261 §20.6, §20.7, §20.27, §20.28, §20.44; RFC 7616 §3.3 to §3.5.

What stands here is the syntax. What it means is in `sipcore.auth`. Values answer with text whose quotes are resolved;
`params` keeps what was written.
"""

import re
from urllib.parse import unquote_to_bytes

from sipcore.covering import PROOFS
from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import ParseError
from sipcore.grammar import TOKEN, unquote
from sipcore.message.fields.auth_params import (
    ANY_QUOTES,
    NO_AUTH_PARAMS,
    AuthParams,
    QuoteRule,
    parse_prefix,
    quoted_as_needed,
)
from sipcore.pattern import Pattern
from sipcore.value import value

DIGEST = "Digest"
DEFAULT_ALGORITHM = "MD5"
"""RFC 7616 §3.3: what a challenge without an algorithm means."""
MAX_COMBINED = 8
"""Challenges in one header field. RFC 3261 §20.44 allows one; six algorithms are all that there are to offer."""

CHALLENGE_QUOTES = QuoteRule(
    frozenset({"realm", "domain", "nonce", "opaque", "qop"}), frozenset({"stale", "algorithm"})
)
"""RFC 7616 §3.3."""
CREDENTIALS_QUOTES = QuoteRule(
    frozenset({"username", "realm", "nonce", "uri", "response", "cnonce", "opaque"}),
    frozenset({"algorithm", "qop", "nc", "username*"}),
)
"""RFC 7616 §3.4, RFC 5987 §3.2.1."""
INFO_QUOTES = QuoteRule(frozenset({"nextnonce", "rspauth", "cnonce"}), frozenset({"qop", "nc"}))
"""RFC 7616 §3.5."""

_SCHEME = Pattern(rf"[ \t]*+({TOKEN}++)(?:[ \t]++|\Z)")
_TOKEN68 = Pattern(r"([A-Za-z0-9\-._~+/]++=*+)[ \t]*+\Z")  # RFC 7235 §2.1
_NONCE_COUNT = Pattern(r"[0-9A-Fa-f]{8}")
_SHORT_COUNT = Pattern(r"[0-9A-Fa-f]{1,8}")


@value
class Challenge:
    """One challenge: what a server asks for (RFC 3261 §20.44, §20.27).

    `token68` is what schemes such as Negotiate have in place of parameters. `combined` holds further challenges that
    the peer wrote into the same header field, which RFC 3261 forbids and HTTP allows.
    """

    scheme: str
    params: AuthParams = NO_AUTH_PARAMS
    token68: str = ""
    combined: tuple["Challenge", ...] = ()

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Challenge":
        """Read the value of WWW-Authenticate or Proxy-Authenticate; raises ParseError."""
        first, *others = [cls(*parts) for parts in _parse_all(text, notes, CHALLENGE_QUOTES)]
        for challenge in (first, *others):
            needed = {"realm", "nonce"} if challenge.is_digest else frozenset()
            if not (challenge.params or challenge.token68) or not needed <= _names(challenge.params):
                tolerate(notes, Deviation.AUTH_CHALLENGE_LACKS, text)
        return cls(first.scheme, first.params, first.token68, tuple(others)) if others else first

    @property
    def is_digest(self) -> bool:
        """Whether the scheme is Digest; schemes compare without case (RFC 7235 §2.1)."""
        return self.scheme.lower() == "digest"

    @property
    def realm(self) -> str | None:
        """The protection domain (RFC 3261 §22.1)."""
        return self.params.text("realm")

    @property
    def nonce(self) -> str | None:
        """The server's nonce."""
        return self.params.text("nonce")

    @property
    def opaque(self) -> str | None:
        """What the client has to give back unchanged."""
        return self.params.text("opaque")

    @property
    def algorithm(self) -> str:
        """The algorithm as written, MD5 where there is none (RFC 7616 §3.3)."""
        return self.params.text("algorithm") or DEFAULT_ALGORITHM

    @property
    def qop_options(self) -> tuple[str, ...]:
        """The qualities of protection on offer; none at all from a server of RFC 2069 (RFC 3261 §22.4 item 8)."""
        return tuple(option for option in re.split("[ \t,]+", self.params.text("qop") or "") if option)

    @property
    def stale(self) -> bool:
        """Whether only the nonce of the last attempt was at fault; anything but true means no (RFC 7616 §3.3)."""
        return _is_true(self.params.text("stale"))

    @property
    def userhash(self) -> bool:
        """Whether the server takes a hashed username (RFC 7616 §3.3)."""
        return _is_true(self.params.text("userhash"))

    @property
    def charset(self) -> str | None:
        """The encoding that the server asks for; only UTF-8 is defined (RFC 7616 §3.3)."""
        return self.params.text("charset")

    @property
    def domain(self) -> tuple[str, ...]:
        """The URIs of the protection space, which mean nothing in SIP (RFC 3261 §22.1) but tell servers apart."""
        return tuple((self.params.text("domain") or "").split())

    def __str__(self) -> str:
        return ", ".join([_written(self.scheme, self.params, self.token68), *map(str, self.combined)])


def digest_challenge(
    *,
    realm: str,
    nonce: str,
    algorithm: str | None = None,
    qop: tuple[str, ...] = ("auth",),
    opaque: str | None = None,
    stale: bool = False,
    userhash: bool = False,
    charset: str | None = None,
) -> Challenge:
    """A Digest challenge with the quotes where RFC 7616 §3.3 wants them. Raises UnsafeValue on CR, LF or NUL."""
    params = quoted_as_needed(
        CHALLENGE_QUOTES,
        ("realm", realm),
        ("nonce", nonce),
        ("opaque", opaque),
        ("algorithm", algorithm),
        ("qop", ",".join(qop) or None),
        ("stale", "true" if stale else None),
        ("userhash", "true" if userhash else None),
        ("charset", charset),
    )
    return Challenge(DIGEST, params)


@value
class Credentials:
    """What a client answers to a challenge (RFC 3261 §20.7, §20.28). Its repr shows no secret and no proof of one."""

    scheme: str
    params: AuthParams = NO_AUTH_PARAMS
    token68: str = ""

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Credentials":
        """Read the value of Authorization or Proxy-Authorization; raises ParseError."""
        first, *others = _parse_all(text, notes, CREDENTIALS_QUOTES)
        if others:
            # RFC 3261 §20.7: they must not share a line. To take one and drop the rest could authorise the wrong user.
            raise ParseError("several credentials in one header field", section="RFC 3261 §20.7", text=text)
        credentials = cls(*first)
        credentials._check(text, notes)
        return credentials

    def _check(self, text: str, notes: Notes | None) -> None:
        names = _names(self.params)
        if not self.is_digest:
            lacking = not (self.params or self.token68)
        else:
            lacking = not ({"realm", "nonce", "uri", "response"} <= names and names & {"username", "username*"})
            if {"username", "username*"} <= names:
                raise ParseError("both username and username*", section="RFC 7616 §3.4", text=text)
        if lacking:
            tolerate(notes, Deviation.AUTH_CREDENTIALS_LACK, text)
        _check_count(self.params, text, notes)

    @property
    def is_digest(self) -> bool:
        """Whether the scheme is Digest; schemes compare without case (RFC 7235 §2.1)."""
        return self.scheme.lower() == "digest"

    @property
    def username(self) -> str | None:
        """The user's name, or its hash where `userhash` says so, from `username` or `username*` (RFC 7616 §3.4)."""
        plain = self.params.text("username")
        extended = self.params.get("username*")
        return plain if plain is not None or extended is None else _decode_extended(extended)

    @property
    def realm(self) -> str | None:
        """The realm that the credentials are for."""
        return self.params.text("realm")

    @property
    def nonce(self) -> str | None:
        """The server's nonce."""
        return self.params.text("nonce")

    @property
    def uri(self) -> str | None:
        """The Request-URI that was hashed (RFC 7616 §3.4, RFC 3261 §22.4 item 3)."""
        return self.params.text("uri")

    @property
    def response(self) -> str | None:
        """The proof: the digest of RFC 7616 §3.4.1."""
        return self.params.text("response")

    @property
    def cnonce(self) -> str | None:
        """The client's nonce."""
        return self.params.text("cnonce")

    @property
    def nc(self) -> str | None:
        """The nonce count as it was hashed: eight hexadecimal digits."""
        return self.params.text("nc")

    @property
    def nonce_count(self) -> int | None:
        """The nonce count as a number; None where there is none, or it is none."""
        written = self.nc
        return int(written, 16) if written and _SHORT_COUNT.fullmatch(written) else None

    @property
    def qop(self) -> str | None:
        """The quality of protection; None for a client of RFC 2069."""
        return self.params.text("qop")

    @property
    def opaque(self) -> str | None:
        """What the server gave to be given back."""
        return self.params.text("opaque")

    @property
    def algorithm(self) -> str:
        """The algorithm as written, MD5 where there is none."""
        return self.params.text("algorithm") or DEFAULT_ALGORITHM

    @property
    def userhash(self) -> bool:
        """Whether `username` is a hash (RFC 7616 §3.4.4)."""
        return _is_true(self.params.text("userhash"))

    def redacted(self) -> "Credentials":
        """The same credentials without what a password could be guessed from, for logs and traces."""
        return Credentials(self.scheme, _redacted(self.params, self.is_digest), "…" if self.token68 else "")

    def __str__(self) -> str:
        return _written(self.scheme, self.params, self.token68)

    def __repr__(self) -> str:
        return f"<Credentials {self.redacted()}>"


@value
class AuthenticationInfo:
    """What a server tells of a successful authentication (RFC 3261 §20.6, RFC 7616 §3.5)."""

    params: AuthParams = NO_AUTH_PARAMS
    scheme: str = ""

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "AuthenticationInfo":
        """Read the value of Authentication-Info or Proxy-Authentication-Info; raises ParseError.

        Some servers begin it with a scheme as if it were a challenge; that is tolerated and kept.
        """
        match = _SCHEME.match(text)
        scheme, start = ("", 0)
        if match and text[match.end() : match.end() + 1] != "=":
            scheme, start = match[1], match.end()
            tolerate(notes, Deviation.AUTH_INFO_SCHEME, text)
        params = AuthParams.parse(text[start:].strip(" \t"), notes, INFO_QUOTES)
        if not params:
            raise ParseError("no parameter", section="RFC 3261 §20.6", text=text)
        _check_count(params, text, notes)
        return cls(params, scheme)

    @property
    def nextnonce(self) -> str | None:
        """The nonce to use for the next request."""
        return self.params.text("nextnonce")

    @property
    def qop(self) -> str | None:
        """The quality of protection that the server applied to the response."""
        return self.params.text("qop")

    @property
    def rspauth(self) -> str | None:
        """The server's proof that it knows the secret as well."""
        return self.params.text("rspauth")

    @property
    def cnonce(self) -> str | None:
        """The cnonce of the request."""
        return self.params.text("cnonce")

    @property
    def nc(self) -> str | None:
        """The nonce count of the request, as written."""
        return self.params.text("nc")

    def __str__(self) -> str:
        return _written(self.scheme, self.params, "") if self.scheme else str(self.params)

    def __repr__(self) -> str:
        return f"<AuthenticationInfo {_redacted(self.params, True)}>"


_Parts = tuple[str, AuthParams, str]


def _parse_all(text: str, notes: Notes | None, rule: QuoteRule) -> list[_Parts]:
    """Scheme, parameters and token68 of everything that stands in one header field; the first one at least."""
    found: list[_Parts] = []
    position = 0
    while not found or position < len(text):
        match = _SCHEME.match(text, position)
        if match is None or len(found) >= MAX_COMBINED:
            what = "parameter" if found else "scheme"
            raise ParseError(f"not an authentication {what}", section="RFC 3261 §25.1", text=text, offset=position)
        if found:
            tolerate(notes, Deviation.AUTH_COMBINED, text, position)
        scheme = match[1]
        digest = scheme.lower() == "digest"
        token68 = None if digest else _TOKEN68.match(text, match.end())
        if token68:
            return [*found, (scheme, NO_AUTH_PARAMS, token68[1])]
        params, position = parse_prefix(text, match.end(), notes, rule if digest else ANY_QUOTES)
        if not params and (found or position < len(text)):
            raise ParseError("a scheme without parameters", section="RFC 3261 §25.1", text=text, offset=match.start(1))
        found.append((scheme, params, ""))
    return found


def _names(params: AuthParams) -> set[str]:
    return {name.lower() for name, _ in params}


def _is_true(text: str | None) -> bool:
    return text is not None and text.lower() == "true"


def _check_count(params: AuthParams, text: str, notes: Notes | None) -> None:
    count = params.get("nc")
    if count is not None and not _NONCE_COUNT.fullmatch(unquote(count)):
        tolerate(notes, Deviation.AUTH_NONCE_COUNT, text)


def _decode_extended(content: str) -> str | None:
    """The text of an ext-value of RFC 5987 §3.2.1 in UTF-8, None where it is not one."""
    charset, mark, rest = content.partition("'")
    _, second, encoded = rest.partition("'")
    if not (mark and second) or charset.lower() != "utf-8":
        return None
    try:
        return unquote_to_bytes(encoded).decode("utf-8")
    except UnicodeDecodeError:
        return None


def _redacted(params: AuthParams, digest: bool) -> AuthParams:
    """The parameters without a digest that a password could be tried on; of an unknown scheme, without any value."""
    return AuthParams(tuple((n, '"…"' if not digest or n.lower() in PROOFS else c) for n, c in params))


def _written(scheme: str, params: AuthParams, token68: str) -> str:
    rest = token68 or str(params)
    return f"{scheme} {rest}" if rest else scheme
