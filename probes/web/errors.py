"""What went wrong, once for all interfaces; each of them shows it in the form of its own contract."""

from collections.abc import Callable, Mapping
from dataclasses import field

from fastapi import Response

from sipcore.value import value


@value
class Flaw:
    """One thing that is wrong with what was sent: where, in words, and in one word for programs."""

    place: tuple[str | int, ...]
    """As FastAPI has it: `("body", "gateways", 0, "host")`."""
    message: str
    kind: str = "value_error"


@value
class Failure:
    """Why a request was not done, and what to change."""

    status: int
    code: str
    """In one word: `invalid`, `unauthorized`, `forbidden`, `not-found`, `method-not-allowed`, `conflict`, `busy`,
    `limited`, `too-large`, `too-slow`, `unavailable`, `own`."""
    message: str
    flaws: tuple[Flaw, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    """`Retry-After`, `WWW-Authenticate`, `Allow`."""
    running: str = ""
    """The id of the job that is in the way of another one."""


class RequestFailure(Exception):
    """Raised by a route to answer with a failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


Shown = Callable[[Failure], Response]
"""The answer that a contract has for a failure."""
