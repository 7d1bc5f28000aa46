"""Digest authentication, the server: RFC 3261 §22, RFC 7616 §3.3 to §3.6, RFC 8760 §2.3.

An `Authenticator` looks at a request and says Accepted, Exempt or Refused; `refusal` makes the 401 or 407 with fresh
challenges. It keeps nothing of a challenge that it gave, and for a client that proved itself only the counts it used.
"""

import hmac
from collections.abc import Mapping
from dataclasses import field, replace
from enum import Enum
from typing import Protocol

from sipcore.auth.digest import (
    AUTH,
    AUTH_INT,
    UNCHALLENGED,
    Algorithm,
    Exchange,
    Secret,
    algorithm_named,
    encodable,
    response_of,
    rspauth_of,
    userhash_of,
)
from sipcore.auth.nonces import NonceCounts, NonceMint
from sipcore.errors import LocalError, ParseError
from sipcore.message.build import response as build_response
from sipcore.message.equivalence import equivalent
from sipcore.message.fields.auth_params import quoted_as_needed
from sipcore.message.fields.challenge import (
    INFO_QUOTES,
    AuthenticationInfo,
    Challenge,
    Credentials,
    digest_challenge,
)
from sipcore.message.message import Request, Response
from sipcore.message.registry import AUTHORIZATION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, WWW_AUTHENTICATE
from sipcore.message.uri import SipUri, parse_uri
from sipcore.tokens import RandomBytes
from sipcore.value import value

BAD_REQUEST = 400
UNAUTHORIZED = 401
PROXY_AUTHENTICATION_REQUIRED = 407
DEFAULT_LIFETIME = 300.0
"""Seconds that a nonce is good for: long enough for a call's set-up with its provisional responses."""


class Users(Protocol):
    """Who may authenticate."""

    def secret_of(self, username: str) -> Secret | None:
        """What the user has to prove, None for an unknown one."""

    def named(self, userhash: str, algorithm: Algorithm, realm: str) -> str | None:
        """The user whose name hashes to `userhash` (RFC 7616 §3.4.4), None for an unknown one."""


class UserTable:
    """Users in memory: their secrets by name."""

    __slots__ = ("_hashed", "_secrets")

    def __init__(self, secrets: Mapping[str, str | Secret]) -> None:
        """Take a password or a Secret for each name. Raises UnsafeValue for what UTF-8 cannot carry."""
        self._secrets = {
            encodable(name, "a username"): secret if isinstance(secret, Secret) else Secret(secret)
            for name, secret in secrets.items()
        }
        self._hashed: dict[tuple[Algorithm, str], dict[str, str]] = {}

    def secret_of(self, username: str) -> Secret | None:
        """What the user has to prove, None for an unknown one."""
        return self._secrets.get(username)

    def named(self, userhash: str, algorithm: Algorithm, realm: str) -> str | None:
        """The user whose name hashes to `userhash`; the hashes of a realm are made when they are first asked for."""
        key = (algorithm.base, realm)
        if key not in self._hashed:
            self._hashed[key] = {userhash_of(algorithm, name, realm): name for name in self._secrets}
        return self._hashed[key].get(userhash.lower())

    def __repr__(self) -> str:
        return f"<UserTable of {len(self._secrets)}>"


@value
class ServerPolicy:
    """What a server asks for. Raises LocalError for what RFC 8760 forbids."""

    realm: str
    algorithms: tuple[Algorithm, ...] = (Algorithm.SHA_256, Algorithm.MD5)
    """Offered in this order, the most preferred first (RFC 8760 §2.3)."""
    qop: tuple[str, ...] = (AUTH,)
    proxy: bool = False
    """Challenge as a proxy, with 407 (RFC 3261 §22.3)."""
    userhash: bool = False
    nonce_lifetime: float = DEFAULT_LIFETIME
    """Seconds."""
    opaque: str | None = None
    accept_without_qop: bool = True
    """Let clients of RFC 2069 in, each nonce once (RFC 3261 §22.4 item 8)."""
    next_nonce: bool = False
    """Give a new nonce with each Authentication-Info (RFC 7616 §3.5)."""

    def __post_init__(self) -> None:
        if not self.algorithms or len(set(self.algorithms)) != len(self.algorithms):
            raise LocalError("each challenge needs an algorithm of its own", section="RFC 8760 §2.3")
        if not self.qop or not {AUTH, AUTH_INT}.issuperset(self.qop):
            raise LocalError("a server offers auth, auth-int or both", section="RFC 8760 §2.6")


class Why(Enum):
    """Why a request was not accepted: (what happened, whether the nonce alone is at fault)."""

    NO_CREDENTIALS = ("no credentials for this realm", False)
    EXPIRED = ("the nonce is too old", True)
    UNKNOWN_NONCE = ("the nonce was not made here", True)
    REPLAYED = ("the nonce count was used before", True)
    UNKNOWN_USER = ("no such user", False)
    WRONG_RESPONSE = ("the proof is wrong", False)
    ALGORITHM = ("the algorithm was not offered", False)
    QOP = ("the quality of protection was not offered", False)
    OTHER_URI = ("the proof is for another Request-URI", False)
    MALFORMED = ("the credentials cannot be read", False)

    def __init__(self, text: str, stale: bool) -> None:
        self.text = text
        self.stale = stale


@value
class Accepted:
    """The user has proven who it is. The key of the exchange is kept for Authentication-Info, and not shown."""

    username: str
    exchange: Exchange
    ha1: str = field(repr=False, compare=False)


@value
class Exempt:
    """A request that must not be challenged: ACK and CANCEL (RFC 3261 §22.1)."""


@value
class Refused:
    """The request is not authenticated. Tell the client no more than `Authenticator.refusal` does."""

    why: Why
    username: str | None = field(default=None, repr=False)
    """The name that was claimed, where there was one. It may be a password that went into the wrong box."""

    @property
    def status(self) -> int | None:
        """400 where the request itself is wrong (RFC 7616 §3.4, §3.4.6); None where it is to be challenged (again)."""
        return BAD_REQUEST if self.why in (Why.MALFORMED, Why.OTHER_URI) else None


Outcome = Accepted | Exempt | Refused
_NOBODY = Secret("")  # takes the place of an unknown user's, so that both take the same time


class Authenticator:
    """Challenges and verifies for one realm."""

    def __init__(self, policy: ServerPolicy, users: Users, secret: bytes, random_bytes: RandomBytes) -> None:
        """`secret` makes nonces unforgeable; servers that share it take each other's, but do not see replays there."""
        self.policy = policy
        self._users = users
        self._mint = NonceMint(secret, policy.realm, random_bytes)
        self._counts = NonceCounts()

    def challenges(self, now: float, *, stale: bool = False) -> tuple[Challenge, ...]:
        """One challenge for each algorithm, all with the same new nonce (RFC 8760 §2.3)."""
        policy, nonce = self.policy, self._mint.make(now)
        return tuple(
            digest_challenge(
                realm=policy.realm,
                nonce=nonce,
                algorithm=algorithm.wire_name,
                qop=policy.qop,
                opaque=policy.opaque,
                stale=stale,
                userhash=policy.userhash,
                charset="UTF-8",
            )
            for algorithm in policy.algorithms
        )

    def verify(self, request: Request, now: float) -> Outcome:
        """Whether `request` proves to come from a user. `now` in seconds, on the clock that `challenges` is given."""
        if request.method in UNCHALLENGED:
            return Exempt()
        outcome = Refused(Why.NO_CREDENTIALS)
        for text in request.headers.get_all((PROXY_AUTHORIZATION if self.policy.proxy else AUTHORIZATION).name):
            try:
                credentials = Credentials.parse(text, [])
            except ParseError:
                outcome = Refused(Why.MALFORMED)
                continue
            if not credentials.is_digest or credentials.realm != self.policy.realm:
                continue  # RFC 3261 §22.3: what is for another realm is for someone else
            judged = self._judge(request, credentials, now)
            if isinstance(judged, Accepted):
                return judged
            outcome = judged
        return outcome

    def refusal(self, request: Request, refused: Refused, now: float, *, tag: str = "") -> Response:
        """The response to a request that was refused: 400, or 401 or 407 with new challenges.

        A wrong password looks like an unknown user from outside.
        """
        if refused.status is not None:
            return build_response(request, refused.status, tag=tag)
        row = PROXY_AUTHENTICATE if self.policy.proxy else WWW_AUTHENTICATE
        fields = [(row.name, challenge) for challenge in self.challenges(now, stale=refused.why.stale)]
        status = PROXY_AUTHENTICATION_REQUIRED if self.policy.proxy else UNAUTHORIZED
        return build_response(request, status, tag=tag, fields=fields)

    def info(self, accepted: Accepted, now: float, body: bytes = b"") -> AuthenticationInfo:
        """The Authentication-Info for a 2xx with `body` (RFC 7616 §3.5). Proxies name it Proxy-Authentication-Info.

        A -sess algorithm gets no next nonce: its key would go on with the old one, which is not kept.
        """
        exchange = accepted.exchange
        renew = self.policy.next_nonce and not exchange.algorithm.is_session
        params = quoted_as_needed(
            INFO_QUOTES,
            ("nextnonce", self._mint.make(now) if renew else None),
            ("qop", exchange.qop),
            ("rspauth", rspauth_of(accepted.ha1, exchange, body)),
            ("cnonce", exchange.cnonce if exchange.qop else None),
            ("nc", exchange.nc if exchange.qop else None),
        )
        return AuthenticationInfo(params)

    def _judge(self, request: Request, credentials: Credentials, now: float) -> Accepted | Refused:
        exchange = self._exchange(request, credentials)
        if isinstance(exchange, Why):
            return Refused(exchange, credentials.username)
        if not _is_for(exchange.uri, request):
            return Refused(Why.OTHER_URI, credentials.username)
        algorithm, realm = exchange.algorithm, self.policy.realm
        claimed = credentials.username or ""
        name = self._users.named(claimed, algorithm, realm) if credentials.userhash else claimed
        secret = self._users.secret_of(encodable(name, "a username")) if name is not None else None
        ha1 = (secret or _NOBODY).ha1(algorithm, name or claimed, realm)
        proven = self._proven(ha1 or "", exchange, credentials.response or "")
        if secret is None or ha1 is None:
            return Refused(Why.UNKNOWN_USER, claimed)
        if proven is None:
            return Refused(Why.WRONG_RESPONSE, claimed)
        # RFC 7616 §3.3: only a proof that is right but for its nonce may be told that the nonce is stale.
        problem = self._nonce_problem(exchange, credentials.nonce_count, now)
        return Refused(problem, claimed) if problem else Accepted(name or claimed, proven, ha1)

    def _exchange(self, request: Request, credentials: Credentials) -> Exchange | Why:
        """What the proof covers, or why it is not one that this server asked for."""
        policy, algorithm = self.policy, algorithm_named(credentials.algorithm)
        needed = (credentials.username, credentials.nonce, credentials.uri, credentials.response)
        qop = credentials.qop
        if None in needed or (qop is not None and (credentials.cnonce is None or credentials.nonce_count is None)):
            return Why.MALFORMED
        if algorithm is None or algorithm not in policy.algorithms:
            return Why.ALGORITHM
        if qop is None and (algorithm.is_session or not policy.accept_without_qop):
            return Why.QOP
        if qop is not None and qop.lower() not in policy.qop:
            return Why.QOP
        return Exchange(
            algorithm,
            request.method,
            credentials.uri or "",
            credentials.nonce or "",
            qop,
            credentials.nc or "",
            credentials.cnonce or "",
            request.body,
        )

    def _proven(self, ha1: str, exchange: Exchange, claimed: str) -> Exchange | None:
        """The exchange as the client must have seen it for its proof to be right, None if it is wrong.

        The key of a -sess algorithm belongs to the first cnonce (RFC 7616 §3.4.2), but many clients take the current.
        """
        begun = self._counts.begun_with(exchange.nonce) if exchange.algorithm.is_session else None
        sessions = [None] if begun in (None, exchange.cnonce) else [(exchange.nonce, begun or ""), None]
        for session in sessions:
            seen = replace(exchange, session=session)
            if hmac.compare_digest(_octets(response_of(ha1, seen)), _octets(claimed.lower())):
                return seen
        return None

    def _nonce_problem(self, exchange: Exchange, count: int | None, now: float) -> Why | None:
        issued = self._mint.issued(exchange.nonce)
        if issued is None:
            return Why.UNKNOWN_NONCE
        if not 0 <= now - issued <= self.policy.nonce_lifetime:
            return Why.EXPIRED
        self._counts.drop_older(now - self.policy.nonce_lifetime)
        # Without a qop there is no count: the nonce is good for one request.
        used = self._counts.use(exchange.nonce, issued, count if exchange.qop and count else 1, exchange.cnonce)
        return None if used else Why.REPLAYED


def _is_for(uri: str, request: Request) -> bool:
    """Whether the hashed URI leads where the Request-URI does: the same user at the same host.

    RFC 8760 §2.6 item 6: proxies rewrite the Request-URI, so that parameters and port may differ.
    """
    if uri == request.uri_text:
        return True
    try:
        hashed, target = parse_uri(uri, []), request.uri
    except ParseError:
        return False
    if isinstance(hashed, SipUri) and isinstance(target, SipUri):
        return hashed.decoded_user == target.decoded_user and hashed.host.lower() == target.host.lower()
    return equivalent(hashed, target)


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
