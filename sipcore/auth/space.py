"""A realm that a client authenticates to: the nonce in use, its count, and the credentials made with it.

RFC 7616 §3.4 to §3.6; RFC 3261 §22.1 calls the realm the protection space.
"""

from enum import Enum

from sipcore.auth.choice import Candidate
from sipcore.auth.digest import Exchange, response_of, rspauth_of, userhash_of
from sipcore.grammar import is_quoted, quote
from sipcore.message.fields.auth_params import AuthParams
from sipcore.message.fields.challenge import DIGEST, AuthenticationInfo, Challenge, Credentials
from sipcore.message.message import Request, Response
from sipcore.tokens import Tokens


class ServerProof(Enum):
    """Whether a response proves that the server knows the secret too (RFC 7616 §3.5 rspauth)."""

    ABSENT = "absent"
    VALID = "valid"
    WRONG = "wrong"
    """The proof does not fit: the response was altered on the way, or comes from someone else."""


class Space:
    """What a client remembers of a realm. It changes with every request: the count of a nonce goes up."""

    __slots__ = ("begun", "call_id", "candidate", "cnonce", "count", "nonce", "renewed", "to")

    def __init__(self, candidate: Candidate, request: Request, tokens: Tokens) -> None:
        """The space that a challenge to `request` opens (RFC 7616 §3.6)."""
        self.candidate = candidate
        self.call_id = request.call_id
        self.to = str(request.to.uri)
        self.nonce = candidate.challenge.nonce or ""
        self.cnonce = tokens.cnonce()
        self.begun = (self.nonce, self.cnonce)
        """Nonce and cnonce that the session of a -sess algorithm began with; later ones do not change its key."""
        self.count = 0
        self.renewed = False
        """Whether the nonce came as nextnonce."""

    @property
    def was_reused(self) -> bool:
        """Whether the credentials sent last did not answer a challenge directly, so that the nonce may have run out."""
        return self.count > 1 or self.renewed

    def renew(self, nonce: str) -> None:
        """Go on with the nonce that the server asks for next (RFC 7616 §3.5 nextnonce)."""
        self.nonce, self.cnonce, self.count, self.renewed = nonce, "", 0, True

    def credentials(self, request: Request, tokens: Tokens) -> Credentials:
        """The credentials for one more request (RFC 7616 §3.4)."""
        self.count += 1
        self.cnonce = self.cnonce or tokens.cnonce()
        taken = self.candidate
        challenge, username = taken.challenge, taken.account.username
        realm = challenge.realm or ""
        # RFC 3261 §22.4 item 8: cnonce and nc are not sent where the server knows no qop.
        nc, cnonce = (f"{self.count:08x}", self.cnonce) if taken.qop else ("", "")
        exchange = Exchange(
            taken.algorithm,
            request.method,
            request.uri_text,
            self.nonce,
            taken.qop,
            nc,
            cnonce,
            request.body,
            self.begun,
        )
        proof = response_of(taken.account.ha1(taken.algorithm, realm) or "", exchange)
        items = (
            ("username", quote(userhash_of(taken.algorithm, username, realm) if taken.hash_username else username)),
            ("realm", _echoed(challenge, "realm")),
            ("nonce", quote(self.nonce) if self.renewed else _echoed(challenge, "nonce")),
            ("uri", quote(request.uri_text)),
            ("response", quote(proof)),
            ("algorithm", challenge.algorithm if "algorithm" in challenge.params else None),
            ("cnonce", quote(cnonce) if taken.qop else None),
            ("opaque", _echoed(challenge, "opaque") if "opaque" in challenge.params else None),
            ("qop", taken.qop),
            ("nc", nc or None),
            ("userhash", "true" if taken.hash_username else None),
        )
        return Credentials(DIGEST, AuthParams(tuple((name, text) for name, text in items if text is not None)))

    def proof_of(
        self, info: AuthenticationInfo, credentials: Credentials, request: Request, response: Response
    ) -> ServerProof:
        """Check the rspauth of a response to `request`, which carried `credentials` (RFC 7616 §3.5)."""
        if info.rspauth is None:
            return ServerProof.ABSENT
        taken = self.candidate
        exchange = Exchange(
            taken.algorithm,
            request.method,
            credentials.uri or "",
            credentials.nonce or "",
            info.qop or credentials.qop,
            credentials.nc or "",
            credentials.cnonce or "",
            session=self.begun,
        )
        ha1 = taken.account.ha1(taken.algorithm, taken.challenge.realm or "") or ""
        valid = rspauth_of(ha1, exchange, response.body) == info.rspauth.lower()
        return ServerProof.VALID if valid else ServerProof.WRONG


def _echoed(challenge: Challenge, name: str) -> str:
    """A parameter to give back: as it was written, since servers compare bytes, but in quotes (RFC 7616 §3.4)."""
    written = challenge.params.get(name) or ""
    return written if is_quoted(written) else quote(written)
