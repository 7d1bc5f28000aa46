"""Which challenge a client answers, and for whom: RFC 8760 §2.4, RFC 7616 §3.7, RFC 3261 §22.1 to §22.3.

All of it is a function of values: the challenges that were offered, the accounts at hand and the policy.
"""

import ipaddress
from collections.abc import Iterable
from enum import Enum

from sipcore.auth.digest import AUTH, AUTH_INT, Algorithm, Secret, algorithm_named, encodable
from sipcore.errors import EXCERPT_CHARACTERS, LocalError
from sipcore.grammar import require_safe
from sipcore.message.fields.challenge import Challenge
from sipcore.value import value

MAX_DESCRIBED = 6
"""Challenges that a message lists: one for each algorithm that there is."""


class Account:
    """A user's name and secret, and where they belong. Nothing of the secret is ever shown or compared.

    `hosts` are the names and addresses of the servers that the secret may be proven to, an outbound proxy being one of
    them: a realm alone is only what a server calls itself. `realm` None means that those hosts may name theirs.
    """

    __slots__ = ("_secret", "hosts", "realm", "username")

    def __init__(
        self, username: str, password: str | Secret, *, hosts: str | Iterable[str], realm: str | None = None
    ) -> None:
        """Raises LocalError without hosts, UnsafeValue where a text cannot stand in a header field.

        A text is one host: taken for several, it would be its letters, and the account good for none.
        """
        self.username = require_safe(encodable(username, "a username"), "a username")
        self.realm = realm
        self.hosts = frozenset(filter(None, map(_bare, [hosts] if isinstance(hosts, str) else hosts)))
        self._secret = password if isinstance(password, Secret) else Secret(password)
        if not self.hosts:
            raise LocalError("an account names the hosts that it is for", section="RFC 3261 §22.1")

    def trusts(self, host: str) -> bool:
        """Whether the secret may be proven to `host`: a name, or an address with or without brackets."""
        return _bare(host) in self.hosts

    def ha1(self, algorithm: Algorithm, realm: str) -> str | None:
        """H(username:realm:password), None where only other algorithms' digests are known (RFC 7616 §3.4.2)."""
        return self._secret.ha1(algorithm, self.username, realm)

    def __repr__(self) -> str:
        return f"<Account for {self.realm or 'any realm'} at {', '.join(sorted(self.hosts))}>"


class Preference(Enum):
    """Which one of several acceptable challenges is answered."""

    TOPMOST = "topmost"
    """The server's own first choice (RFC 8760 §2.4)."""
    STRONGEST = "strongest"
    """The strongest algorithm, whatever the order (RFC 7616 §5.8); of equal ones the topmost."""


@value
class AuthPolicy:
    """What a client is willing to do. The defaults are those of RFC 8760 §2.4."""

    preference: Preference = Preference.TOPMOST
    algorithms: frozenset[Algorithm] = frozenset(Algorithm)
    """Those that may be used; leaving MD5 out stops an attacker on the path from asking for it (RFC 8760 §3)."""
    integrity: bool = False
    """Prefer auth-int to auth where both are on offer. Off: a proxy or ALG that edits the SDP would break it."""
    hash_username: bool = True
    """Hash the username where the server offers it (RFC 7616 §3.4.4)."""


DEFAULT_POLICY = AuthPolicy()


@value
class AuthChoice:
    """One realm's challenges in a response and what became of them: evidence for reports."""

    realm: str
    proxy: bool
    """Whether they stood in Proxy-Authenticate."""
    offered: tuple[Challenge, ...]
    taken: Challenge
    algorithm: Algorithm
    qop: str | None
    """The quality of protection used; None for the scheme of RFC 2069."""
    because: str
    """Why that one was taken: `only one offered`, `topmost supported`, `strongest supported`."""
    retried: str = ""
    """Why it was answered although credentials had been sent: `stale nonce`, `nonce ran out unannounced`, or ""."""


@value
class Candidate:
    """A challenge that can be answered, and how."""

    challenge: Challenge
    algorithm: Algorithm
    qop: str | None
    """The quality of protection to use; None for the scheme of RFC 2069."""
    hash_username: bool
    account: Account


def candidate_of(challenge: Challenge, account: Account, policy: AuthPolicy) -> Candidate | None:
    """How `challenge` would be answered for `account`, None where it cannot be or the policy forbids it."""
    algorithm = algorithm_named(challenge.algorithm)
    if not challenge.is_digest or challenge.nonce is None or algorithm is None or algorithm not in policy.algorithms:
        return None
    if account.ha1(algorithm, challenge.realm or "") is None:
        return None
    qop = _qop_for(challenge, algorithm, policy)
    if qop == "":
        return None
    return Candidate(challenge, algorithm, qop, challenge.userhash and policy.hash_username, account)


def advice_for(offered: tuple[Challenge, ...], account: Account, policy: AuthPolicy) -> str:
    """What to try where none of the challenges on offer is a candidate: by the first that comes near to being one."""
    for challenge in offered:
        algorithm = algorithm_named(challenge.algorithm)
        if not challenge.is_digest or algorithm is None or algorithm not in policy.algorithms:
            continue
        if challenge.nonce is None:
            return "let the server give a nonce with its challenge"
        if account.ha1(algorithm, challenge.realm or "") is None:
            return f"give the account its password, or the digest of it by {algorithm.wire_name}"
        return f"let the server offer qop {AUTH} or {AUTH_INT}"
    names = ", ".join(algorithm.wire_name for algorithm in Algorithm if algorithm in policy.algorithms)
    return f"let the server offer Digest with one of {names or 'no algorithm, as the policy has it'}"


def choose(candidates: list[Candidate], policy: AuthPolicy) -> Candidate:
    """The one to answer out of those for one realm, in the order of the response; there is at least one."""
    if policy.preference is Preference.TOPMOST:
        return candidates[0]
    return max(candidates, key=lambda candidate: candidate.algorithm.strength)


def _qop_for(challenge: Challenge, algorithm: Algorithm, policy: AuthPolicy) -> str | None:
    """The quality of protection to use; None for that of RFC 2069, "" where nothing on offer is known."""
    offered = [option.lower() for option in challenge.qop_options]
    if not offered:
        # RFC 3261 §22.4 item 8: without qop there is no cnonce, which -sess needs. RFC 8760 §2.6: the default is auth.
        return AUTH if algorithm.is_session else None
    order = (AUTH_INT, AUTH) if policy.integrity else (AUTH, AUTH_INT)
    return next((option for option in order if option in offered), "")


def describe(offered: tuple[Challenge, ...]) -> str:
    """Challenges in a few words, for messages: `Digest SHA-256 auth, auth-int; Basic`."""
    words = []
    for challenge in offered[:MAX_DESCRIBED]:
        details = f" {challenge.algorithm} {', '.join(challenge.qop_options)}".rstrip() if challenge.is_digest else ""
        words.append(shown(challenge.scheme + details))
    if len(offered) > MAX_DESCRIBED:
        words.append(f"{len(offered) - MAX_DESCRIBED} more")
    return "; ".join(words)


def shown(text: str) -> str:
    """What a peer wrote, as it may stand in a message to people: cut short, nothing in it that moves a cursor."""
    return ascii(text[:EXCERPT_CHARACTERS])[1:-1]


def _bare(host: str) -> str:
    """A host as it is compared: without brackets, zone, final dot or case, an IPv6 address in its shortest form."""
    name = host.strip("[]").partition("%")[0].rstrip(".").lower()
    try:
        return ipaddress.ip_address(name).compressed
    except ValueError:
        return name
