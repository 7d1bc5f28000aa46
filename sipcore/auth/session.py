"""Digest authentication, the client: RFC 3261 §22, RFC 7616 §3.4 to §3.6, RFC 8760 §2.4.

An `AuthSession` belongs to one call with its dialog, or to one registration with its refreshes. It answers 401 and 407,
keeps nonces and their counts, and adds credentials to later requests without being asked again. What it must not do:
prove a secret to a host that it is not for, try credentials twice that were refused (RFC 3261 §22.1), or go round
in circles.
"""

from collections.abc import Iterable
from enum import Enum

from sipcore.auth.choice import (
    DEFAULT_POLICY,
    Account,
    AuthChoice,
    AuthPolicy,
    Candidate,
    Preference,
    advice_for,
    candidate_of,
    choose,
    describe,
    shown,
)
from sipcore.auth.digest import UNCHALLENGED
from sipcore.auth.space import ServerProof, Space
from sipcore.errors import ParseError, RemoteError
from sipcore.message.fields.challenge import AuthenticationInfo, Challenge, Credentials
from sipcore.message.fields.simple import CSeq
from sipcore.message.message import Request, Response
from sipcore.message.registry import (
    AUTHORIZATION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    ROUTE,
    WWW_AUTHENTICATE,
    Repeated,
)
from sipcore.message.uri import SipUri
from sipcore.tokens import Tokens
from sipcore.value import value

MAX_ROUNDS = 6
"""Challenges answered for one request: two proxies and the server behind them, each once more for a stale nonce."""
MAX_STALE = 2
"""Nonces in a row that one realm may call stale for one request: one that has run out, and one that another machine of
its cluster has made. A server whose nonces are always stale would be asked again and again."""
MAX_REALMS = 8
"""Realms that a session keeps nonces for; a peer that names more than a long proxy chain has is making them up."""


class AuthRefusal(Enum):
    """Why a challenge was not answered."""

    NO_CHALLENGE = "no challenge"
    """The response asks for nothing that could be given."""
    UNSUPPORTED = "nothing supported"
    """Unknown schemes or algorithms, or ones that the policy rules out."""
    NO_ACCOUNT = "no account"
    """The host is right, but no account is for this realm."""
    WRONG_HOST = "wrong host"
    """No account may be used at this host."""
    REJECTED = "credentials rejected"
    """Credentials were sent, and the server did not accept them: wrong username or password."""
    LOOP = "loop"
    """The server keeps asking."""


class AuthError(RemoteError):
    """A challenge that is not answered, and why. `reason` is for programs, `advice` tells people what to try.

    `offered` are the challenges of the response, or of the one realm that it is about.
    """

    def __init__(
        self, reason: AuthRefusal, message: str, *, advice: str, section: str, offered: tuple[Challenge, ...] = ()
    ) -> None:
        super().__init__(message, section=section)
        self.reason = reason
        self.advice = advice
        self.offered = offered

    def __str__(self) -> str:
        return f"{self.message}; {self.advice} [{self.section}]"


@value
class Confirmation:
    """What an Authentication-Info or Proxy-Authentication-Info told."""

    proxy: bool
    proof: ServerProof
    has_nextnonce: bool


STALE = "stale nonce"
"""Why a realm is answered once more, as `AuthChoice.retried` says it."""
_Key = tuple[bool, str]  # proxy or server, realm


class AuthSession:
    """Answers challenges for the given accounts. `choices` tells what was offered and taken in the last answer."""

    def __init__(self, *accounts: Account, policy: AuthPolicy = DEFAULT_POLICY) -> None:
        """Take accounts in the order in which they are tried; those that name a realm go before those that do not."""
        self._accounts = sorted(accounts, key=lambda account: account.realm is None)
        self._policy = policy
        self._spaces: dict[_Key, Space] = {}
        self._addresses: set[tuple[Account, str]] = set()
        self.choices: tuple[AuthChoice, ...] = ()

    def __repr__(self) -> str:
        return f"<AuthSession, {len(self._accounts)} accounts, {len(self._spaces)} realms>"

    def answer(
        self,
        request: Request,
        response: Response,
        tokens: Tokens,
        *,
        located: str = "",
        address: str = "",
        rounds: "Rounds | None" = None,
    ) -> Request:
        """The request to send in reply to a 401 or 407 to `request`. Raises AuthError where there is none.

        It keeps Call-ID, To and From, has the next CSeq, no Via (its transaction adds one with a new branch), and
        credentials for every realm that has asked so far (RFC 3261 §8.1.3.5, §22.2, §22.3).

        Whether an account is for the host is judged by where `request` went, since whoever is there gets the proof.
        `located` is the host that was looked up for it, whatever the URI of the request names; empty where nothing was,
        so that it went to the host that its Route or URI names. `address` is the IP address that it came to, with the
        port (as `SocketAddress` writes it): an account may be for that address. Once a challenge from a host of an
        account was answered there, requests inside the dialog that go to the same address and port are trusted as well.
        `rounds` counts the challenges to this request; without it, this is taken for the first one.
        """
        offers = _offers(response)
        if not offers:
            advice = "the server has to say in WWW-Authenticate or Proxy-Authenticate what it wants"
            message = f"a {response.status} without a challenge that can be read"
            raise AuthError(AuthRefusal.NO_CHALLENGE, message, advice=advice, section="RFC 3261 §22.2")
        rounds = rounds or Rounds()
        rounds.count()
        host = located or _destination(request)
        choices: list[AuthChoice] = []
        problems: list[AuthError] = []
        for (proxy, realm), offered in offers.items():
            try:
                account = self._account_for(realm, host, address, offered)
                candidate, because = self._candidate(account, offered)
                retried = self._reason_to_retry((proxy, realm), request, candidate, offered)
                if retried == STALE:
                    rounds.count_stale((proxy, realm), offered)
            except AuthError as error:
                problems.append(error)
                continue
            self._keep((proxy, realm), Space(candidate, request, tokens))
            if address:
                self._addresses.add((account, address))
            choices.append(_choice(realm, proxy, offered, candidate, because, retried))
        _raise_worst(problems, answered=bool(choices))
        self.choices = tuple(choices)
        sequence = CSeq(request.cseq.number + 1, request.method)
        request = request.without("Via").with_header("CSeq", sequence)
        return self.prepare(request, tokens, located=located, address=address)

    def prepare(self, request: Request, tokens: Tokens, *, located: str = "", address: str = "") -> Request:
        """The request with credentials that the server is going to want, so that it need not ask (RFC 7616 §3.6).

        For a server that is To the same address (RFC 3261 §22.2), for proxies within the same Call-ID (§22.3), and
        only for hosts that the account is for, `located` and `address` being those that the request goes to, as
        `answer` has them; what was made for another host is taken out. The count of each nonce goes up: send what comes
        back, once. ACK and CANCEL come back as they are (§22.1).
        """
        if request.method in UNCHALLENGED:
            return request
        host = located or _destination(request)
        of_use = {key: space for key, space in self._spaces.items() if _is_of_use(key, space, request)}
        for row, proxy in ((AUTHORIZATION, False), (PROXY_AUTHORIZATION, True)):
            spaces = {realm: space for (is_proxy, realm), space in of_use.items() if is_proxy == proxy}
            trusting = (space for space in spaces.values() if self._is_trusted(space.candidate.account, host, address))
            made = [space.credentials(request, tokens) for space in trusting]
            if made or (spaces and row.name in request.headers):
                request = request.with_header(row.name, *_others(request, row, spaces), *made)
        return request

    def confirm(self, request: Request, response: Response) -> tuple[Confirmation, ...]:
        """Take what a 2xx to `request` says of the authentication: check the server's proof, keep its next nonce.

        One Confirmation for each Authentication-Info and Proxy-Authentication-Info (RFC 7616 §3.5) that can be read
        and belongs to credentials of this session. A next nonce that comes with a wrong proof is not used.
        """
        found: list[Confirmation] = []
        for name, row, proxy in _INFO:
            text = response.headers.get(name)
            pair = self._answered(request, row, proxy, text) if text is not None else None
            if pair is None:
                continue
            info, space, credentials = pair
            proof = space.proof_of(info, credentials, request, response)
            if info.nextnonce is not None and proof is not ServerProof.WRONG:
                space.renew(info.nextnonce)
            found.append(Confirmation(proxy, proof, info.nextnonce is not None))
        return tuple(found)

    def _is_trusted(self, account: Account, host: str, address: str) -> bool:
        return (
            account.trusts(host) or account.trusts(address.rpartition(":")[0]) or (account, address) in self._addresses
        )

    def _account_for(self, realm: str, host: str, address: str, offered: tuple[Challenge, ...]) -> Account:
        trusted = [account for account in self._accounts if self._is_trusted(account, host, address)]
        for account in trusted:
            if account.realm in (None, realm):
                return account
        if trusted:
            known = ", ".join(sorted({f'"{account.realm}"' for account in trusted}))
            message = f'challenged for the realm "{shown(realm)}", the account is for {known}'
            advice = "give the account this realm if it is right, or none"
            raise AuthError(AuthRefusal.NO_ACCOUNT, message, advice=advice, section="RFC 3261 §22.1", offered=offered)
        message = f"{host or address or 'the server'} asks for credentials that were not given for it"
        advice = "give an account for this host, if it may have the proof of a password"
        raise AuthError(AuthRefusal.WRONG_HOST, message, advice=advice, section="RFC 3261 §22.1", offered=offered)

    def _candidate(self, account: Account, offered: tuple[Challenge, ...]) -> tuple[Candidate, str]:
        made = (candidate_of(challenge, account, self._policy) for challenge in offered)
        candidates = [candidate for candidate in made if candidate is not None]
        if not candidates:
            message = f"no challenge that can be answered: offered {describe(offered)}"
            advice = advice_for(offered, account, self._policy)
            raise AuthError(AuthRefusal.UNSUPPORTED, message, advice=advice, section="RFC 8760 §2.4", offered=offered)
        if len(offered) == 1:
            return candidates[0], "only one offered"
        strongest = self._policy.preference is Preference.STRONGEST
        return choose(candidates, self._policy), "strongest supported" if strongest else "topmost supported"

    def _reason_to_retry(
        self, key: _Key, request: Request, candidate: Candidate, offered: tuple[Challenge, ...]
    ) -> str:
        """Why a realm that was given credentials may be given others, "" for one that was given none yet.

        RFC 3261 §22.1: credentials that were rejected are not tried again, unless the nonce was stale. Servers that
        forget to say `stale` are met; a nonce that has worked before, or was never asked with, gets one more try.
        """
        sent = _sent_for(request, key)
        if sent is None:
            return ""
        space = self._spaces.get(key)
        stale = any(challenge.stale for challenge in offered)
        if sent.nonce == candidate.challenge.nonce:
            if stale:
                message, advice = "the server calls a nonce stale and offers the same again", "report it to its makers"
                raise AuthError(AuthRefusal.LOOP, message, advice=advice, section="RFC 7616 §3.3", offered=offered)
        elif stale:
            return STALE
        elif space is None or space.was_reused:
            return "nonce ran out unannounced"
        what = f'the realm "{shown(key[1])}" ({candidate.algorithm.wire_name})'
        message = f"the server does not accept the credentials for {what}"
        advice = "check username, password and authentication name"
        raise AuthError(AuthRefusal.REJECTED, message, advice=advice, section="RFC 3261 §22.1", offered=offered)

    def _keep(self, key: _Key, space: Space) -> None:
        self._spaces.pop(key, None)
        while len(self._spaces) >= MAX_REALMS:
            del self._spaces[next(iter(self._spaces))]
        self._spaces[key] = space

    def _answered(
        self, request: Request, row: Repeated[Credentials], proxy: bool, text: str
    ) -> tuple[AuthenticationInfo, Space, Credentials] | None:
        """An Authentication-Info with the credentials that it answers; it names no realm, so the cnonce has to tell."""
        try:
            info = AuthenticationInfo.parse(text, [])
        except ParseError:
            return None
        sent = [credentials for credentials in request[row] if (proxy, credentials.realm or "") in self._spaces]
        if len(sent) > 1:
            sent = [credentials for credentials in sent if credentials.cnonce == info.cnonce]
        if len(sent) != 1:
            return None
        return info, self._spaces[(proxy, sent[0].realm or "")], sent[0]


class Rounds:
    """The challenges to one request: how many there were, and how often each realm has called a nonce stale."""

    __slots__ = ("_count", "_stale")

    def __init__(self) -> None:
        self._count = 0
        self._stale: dict[_Key, int] = {}

    def count(self) -> None:
        """One challenge more. Raises AuthError when it is one too many."""
        self._count += 1
        if self._count > MAX_ROUNDS:
            message = f"challenged {self._count} times for one request"
            advice = "look for proxies that forward to each other, or for a server whose nonces expire at once"
            raise AuthError(AuthRefusal.LOOP, message, advice=advice, section="RFC 3261 §22.1")

    def count_stale(self, key: _Key, offered: tuple[Challenge, ...]) -> None:
        """One nonce more is stale. Raises AuthError when it is one too many."""
        times = self._stale[key] = self._stale.get(key, 0) + 1
        if times > MAX_STALE:
            message = f'the realm "{shown(key[1])}" calls each nonce stale, {times} times for one request'
            advice = "look for a server whose nonces expire at once, or whose machines do not know each other's"
            raise AuthError(AuthRefusal.LOOP, message, advice=advice, section="RFC 7616 §3.3", offered=offered)


_INFO = (
    ("Authentication-Info", AUTHORIZATION, False),
    ("Proxy-Authentication-Info", PROXY_AUTHORIZATION, True),
)
_GRAVITY = (AuthRefusal.REJECTED, AuthRefusal.LOOP, AuthRefusal.UNSUPPORTED, AuthRefusal.NO_ACCOUNT)


def _offers(response: Response) -> dict[_Key, tuple[Challenge, ...]]:
    """The challenges of a response by proxy or server and realm, each in order; what cannot be read is left out.

    RFC 8760 §2.4: a challenge that is not understood is ignored. RFC 3261 §22.3: both kinds may stand in either of
    401 and 407 when a request was forked.
    """
    offers: dict[_Key, tuple[Challenge, ...]] = {}
    for row, proxy in ((WWW_AUTHENTICATE, False), (PROXY_AUTHENTICATE, True)):
        for challenge in _challenges(response, row):
            for one in (challenge, *challenge.combined):
                key = (proxy, one.realm or "")
                offers[key] = (*offers.get(key, ()), one)
    return offers


def _challenges(response: Response, row: Repeated[Challenge]) -> Iterable[Challenge]:
    try:
        return response[row]
    except ParseError:
        return [challenge for text in response.headers.get_all(row.name) if (challenge := _readable(text)) is not None]


def _readable(text: str) -> Challenge | None:
    try:
        return Challenge.parse(text, [])
    except ParseError:
        return None


def _choice(
    realm: str, proxy: bool, offered: tuple[Challenge, ...], candidate: Candidate, because: str, retried: str
) -> AuthChoice:
    return AuthChoice(realm, proxy, offered, candidate.challenge, candidate.algorithm, candidate.qop, because, retried)


def _raise_worst(problems: list[AuthError], *, answered: bool) -> None:
    """Raise when credentials were rejected, or when no realm at all can be answered (RFC 8760 §2.4)."""
    problems.sort(key=lambda error: _GRAVITY.index(error.reason) if error.reason in _GRAVITY else len(_GRAVITY))
    if problems and (not answered or problems[0].reason in (AuthRefusal.REJECTED, AuthRefusal.LOOP)):
        raise problems[0]


def _destination(request: Request) -> str:
    """The host that a request is for: of the topmost Route, or else of the Request-URI (RFC 3261 §8.1.2).

    A topmost Route that is no loose router's was left behind by a strict router, which took the Request-URI's place.
    """
    route = request[ROUTE]
    uri = route[0].uri if route else request.uri
    if isinstance(uri, SipUri) and not uri.is_loose_router:
        uri = request.uri
    return (uri.params.get("maddr") or uri.host) if isinstance(uri, SipUri) else ""


def _is_of_use(key: _Key, space: Space, request: Request) -> bool:
    proxy, _ = key
    return space.call_id == request.call_id or (not proxy and space.to == str(request.to.uri))


def _sent_for(request: Request, key: _Key) -> Credentials | None:
    """The credentials for a realm that a request of this session carried."""
    sent = request[PROXY_AUTHORIZATION if key[0] else AUTHORIZATION]
    return next((credentials for credentials in sent if credentials.is_digest and credentials.realm == key[1]), None)


def _others(request: Request, row: Repeated[Credentials], spaces: dict[str, Space]) -> list[str]:
    """What the caller put into the header field for other schemes or realms, as it stands there."""
    texts = request.headers.get_all(row.name)
    sent = request[row]
    return [text for text, one in zip(texts, sent, strict=True) if not (one.is_digest and (one.realm or "") in spaces)]
