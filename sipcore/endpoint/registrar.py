"""The registrar of an endpoint: the requests that come in, given to a `Registrar` and answered with what it says."""

from typing import Protocol

from sipcore.auth.server import Accepted, Authenticator, Refused
from sipcore.message.build import Fields
from sipcore.message.message import Request
from sipcore.registration.registrar import Answer, Registrar

OK = 200


class Responding(Protocol):
    """A request that came in, and the way to answer it."""

    request: Request

    def respond(
        self, status: int, *, reason: str = "", fields: Fields = (), body: bytes = b"", content_type: str = ""
    ) -> None:
        """Send a response."""


def answer_register(
    registrar: Registrar, incoming: Responding, now: float, authenticator: Authenticator | None = None
) -> Answer | Refused:
    """Answer a REGISTER that came in: challenge it, or carry it out (RFC 3261 §10.3). Gives what came of it."""
    accepted: Accepted | None = None
    if authenticator is not None:
        outcome = authenticator.verify(incoming.request, now)
        if isinstance(outcome, Refused):
            refusal = authenticator.refusal(incoming.request, outcome, now)
            challenges = [(name, text) for name, text in refusal.headers if name.endswith("-Authenticate")]
            incoming.respond(refusal.status, fields=challenges)
            return outcome
        accepted = outcome if isinstance(outcome, Accepted) else None
    answer = registrar.process(incoming.request, now, username=accepted.username if accepted else None)
    fields = list(answer.fields)
    if accepted is not None and authenticator is not None and answer.status == OK:
        prefix = "Proxy-" if authenticator.policy.proxy else ""
        fields.append((f"{prefix}Authentication-Info", authenticator.info(accepted, now)))
    incoming.respond(answer.status, reason=answer.reason, fields=fields)
    return answer
