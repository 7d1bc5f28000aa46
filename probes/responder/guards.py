"""Who may call: what the guards of personas ask for, and what they say to those who have answered (RFC 3261 §22)."""

from collections.abc import Callable

from probes.responder.personas import PROXY_AUTHENTICATION_REQUIRED, UNAUTHORIZED, Field, Guard, Persona, Reply
from sipcore.auth.server import Accepted, Authenticator, Refused
from sipcore.message.message import Request
from sipcore.message.registry import PROXY_AUTHENTICATE, WWW_AUTHENTICATE
from sipcore.tokens import RandomBytes

NONCE_SECRET_BYTES = 32


class Guards:
    """The guards at work, each with nonces of its own; `clock` gives the time in seconds."""

    def __init__(self, clock: Callable[[], float], random_bytes: RandomBytes) -> None:
        self._clock = clock
        self._random_bytes = random_bytes
        self._authenticators: dict[Guard, Authenticator] = {}

    def admit(self, persona: Persona, request: Request) -> tuple[tuple[Reply, str] | None, Accepted | None]:
        """How to refuse a request for want of credentials, and why; or else who sent it, where that is known."""
        authenticator = self._authenticator(persona)
        if authenticator is None:
            return None, None
        outcome = authenticator.verify(request, self._clock())
        if not isinstance(outcome, Refused):
            return None, outcome if isinstance(outcome, Accepted) else None
        if outcome.status is not None:
            return (Reply(outcome.status), outcome.why.text), None
        policy = authenticator.policy
        row = PROXY_AUTHENTICATE if policy.proxy else WWW_AUTHENTICATE
        challenges = authenticator.challenges(self._clock(), stale=outcome.why.stale)
        status = PROXY_AUTHENTICATION_REQUIRED if policy.proxy else UNAUTHORIZED
        return (Reply(status, tuple((row.name, challenge) for challenge in challenges)), outcome.why.text), None

    def proof(self, persona: Persona, accepted: Accepted, body: bytes) -> tuple[Field, ...]:
        """The proof from here, in a response with `body` to a user who has proven it; none where nobody is asked."""
        authenticator = self._authenticator(persona)
        if authenticator is None:
            return ()
        name = "Proxy-Authentication-Info" if authenticator.policy.proxy else "Authentication-Info"
        return ((name, authenticator.info(accepted, self._clock(), body)),)

    def _authenticator(self, persona: Persona) -> Authenticator | None:
        guard = persona.guard
        if guard is None:
            return None
        if guard not in self._authenticators:
            secret = self._random_bytes(NONCE_SECRET_BYTES)
            self._authenticators[guard] = Authenticator(guard.policy, guard.users, secret, self._random_bytes)
        return self._authenticators[guard]
