"""What went wrong, once for all interfaces; each of them shows it in the form of its own contract."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

from fastapi import Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from probes.health.trunk import WatchError
from probes.service.calls import UsedToken
from probes.service.errors import Conflict, DirectoryError, Invalid, NotFound
from probes.service.job import Busy, CallRefused, Limited, Unavailable, UnknownJob
from probes.web.fields import meant
from probes.web.flaws import BODY, MALFORMED, Flaw, Told, flaw_of
from sipcore.errors import SipError
from sipcore.value import value

CODES = {
    400: "malformed",
    401: "unauthorized",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    409: "conflict",
    412: "changed",
    413: "too-large",
    408: "too-slow",
    422: "invalid",
    428: "precondition",
    429: "limited",
    503: "unavailable",
}
"""The usual word for a status."""
MAX_FLAWS = 50
"""Flaws of one body that are told: one of a megabyte may have a hundred thousand."""
TRY_SOON = 5
"""Seconds after which what is unavailable may be there."""
OWN_FAULT = "this program made a mistake, which is in its log: please report it"


@value
class Failure:
    """Why a request was not done, and what to change."""

    status: int
    code: str
    """In one word, of which `CODES` has the usual ones; `busy` and `own` are others."""
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


def refused(status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> RequestFailure:
    """To be raised by a route: a failure with the usual word for its status."""
    return RequestFailure(Failure(status, code or CODES[status], message, headers=headers or {}))


def flawed(place: Sequence[str | int], message: str, kind: str = "value_error") -> RequestFailure:
    """To be raised by a route: something that was sent is wrong."""
    return RequestFailure(Failure(422, CODES[422], message, (Flaw(tuple(place), message, kind),)))


def failure_of(error: Exception, content_type: str | None = None, body: object = None) -> Failure:
    """What is told of whatever a route has raised at a request whose body says to be of this type, and is to be a
    `body`. What was sent is never quoted by it: it may be a secret.
    """
    match error:
        case RequestFailure(failure=failure):
            return failure
        case RequestValidationError():
            return _of_validation(error, content_type, body)
        case HTTPException(status_code=status, detail=detail, headers=headers):
            return Failure(status, CODES.get(status, "refused"), _WORDS.get(status, detail), headers=headers or {})
        case Busy(running=running):
            return Failure(409, "busy", error.message, headers={"Retry-After": str(TRY_SOON)}, running=running)
        case Limited(seconds=seconds):
            return _failure(429, error, {"Retry-After": str(max(math.ceil(seconds), 1))})
        case NotFound() | UnknownJob():
            return _failure(404, error)
        case Conflict():
            return Failure(409, CODES[409], error.message, (Flaw(place_of(error.field), error.message),))
        case Invalid(problems=problems):
            flaws = tuple(Flaw(place_of(each.field), each.text, each.code) for each in problems)
            return Failure(422, CODES[422], error.message, flaws)
        case DirectoryError(field=name) | CallRefused(field=name):
            return Failure(422, CODES[422], error.message, (Flaw(place_of(name), error.message),))
        case Unavailable() | WatchError():
            return _failure(503, error, {"Retry-After": str(TRY_SOON)})
        case UsedToken() | SipError():
            return _failure(422, error)
    return Failure(500, "own", OWN_FAULT)


NOTHING = "there is nothing at this path"
_WORDS = {
    400: "the body cannot be read: send JSON in UTF-8, without deep nesting and numbers of thousands of digits",
    404: NOTHING,
    405: "this path does not take this method: see Allow",
}
"""What is told in place of a word or two."""


def place_of(name: str) -> tuple[str | int, ...]:
    """The place in a body of a field such as `outbound.gateways.0.host`."""
    return (BODY, *(int(part) if part.isdecimal() else part for part in name.split(".") if part))


def _failure(status: int, error: SipError, headers: Mapping[str, str] | None = None) -> Failure:
    return Failure(status, CODES[status], error.message, headers=headers or {})


def _of_validation(error: RequestValidationError, content_type: str | None, body: object) -> Failure:
    found = error.errors()
    flaws = tuple(flaw_of(_suggesting(each, body), error.body, content_type) for each in found[:MAX_FLAWS])
    first = flaws[0]
    if first.kind == MALFORMED:
        return Failure(400, CODES[400], first.message, flaws)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Failure(422, CODES[422], f"{first.sentence}{more}", flaws)


def _suggesting(told: Told, body: object) -> Told:
    """An error, with the field that may be meant by one that there is not."""
    if told["type"] != "extra_forbidden":
        return told
    return {**told, "ctx": {"meant": meant(body, told["loc"][1:])}}
