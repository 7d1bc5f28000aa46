"""The envelope of Bland's SIP interface: `{"data": …, "errors": null}`, or no data and a list of errors."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Generic, TypeVar

from fastapi import Response
from pydantic import BaseModel

from probes.web.errors import Failure, RequestFailure
from probes.web.flaws import MALFORMED, Flaw

T = TypeVar("T")

INVALID = "VALIDATION_ERROR"
CODES = {
    "invalid": INVALID,
    "malformed": INVALID,
    "unauthorized": "AUTH_FAILURE",
    "forbidden": "FORBIDDEN",
    "not-found": "NOT_FOUND",
    "method-not-allowed": "METHOD_NOT_ALLOWED",
    "conflict": "CONFLICT",
    "changed": "CONFLICT",
    "precondition": "CONFLICT",
    "refused": "REFUSED",
    "busy": "DISCOVERY_IN_PROGRESS",
    "limited": "RATE_LIMIT_EXCEEDED",
    "too-large": "PAYLOAD_TOO_LARGE",
    "too-slow": "REQUEST_TIMEOUT",
    "unavailable": "SERVICE_UNAVAILABLE",
    "own": "INTERNAL_ERROR",
}
"""The codes of failures that all interfaces have. What only this one has says its code itself."""


FORMS = ("inbound", "outbound", "map", "flat", "maps", "custom", "uui")
"""Which of its forms a direction or a header field has, as pydantic names places."""


class Succeeded(BaseModel, Generic[T]):
    """What succeeds."""

    data: T
    errors: None = None


class Trouble(BaseModel):
    """One thing that is wrong: in one word for programs, and in a sentence that says what to change."""

    error: str
    message: str
    field: str | None = None
    """Where in the body or the query, as `directions.0.sip_endpoint`; only for what was sent wrongly."""
    discovery_id: str | None = None
    """The discovery that is under way, only where it is in the way."""


class Failed(BaseModel):
    """What fails."""

    data: None = None
    errors: list[Trouble]


def shown(failure: Failure) -> Response:
    """A failure as this interface has it: what is sent wrongly is 400, one error for each flaw."""
    if failure.code == "unauthorized":
        failure = Failure(failure.status, failure.code, "Unauthorized", headers=failure.headers)
    status = 400 if failure.code == "invalid" else failure.status
    code = CODES.get(failure.code, failure.code)
    troubles = [_trouble(code, flaw) for flaw in failure.flaws] or [{"error": code, "message": failure.message}]
    if failure.running:
        troubles = [trouble | {"discovery_id": failure.running} for trouble in troubles]
    content = json.dumps({"data": None, "errors": troubles})  # in ASCII: a place may name a key that is no UTF-8
    return Response(content, status, dict(failure.headers), "application/json")


def _trouble(code: str, flaw: Flaw) -> dict[str, Any]:
    told = flaw.place if flaw.kind != MALFORMED else ()  # which has an offset
    parts = [part for part in told if part not in ("body", "query", "path", "header")]
    before = [None, *parts]
    # Which of several forms a value was read as stands behind its own place.
    named = [str(part) for part, last in zip(parts, before, strict=False) if not (part in FORMS and _has_forms(last))]
    place = ".".join(named)
    return {"error": code, "message": f"{place}: {flaw.message}" if place else flaw.message, "field": place or None}


def _has_forms(part: str | int | None) -> bool:
    return isinstance(part, int) or part in ("updates", "headers")


@contextmanager
def within(*place: str | int) -> Iterator[None]:
    """Have what is invalid told by its place within another one."""
    try:
        yield
    except RequestFailure as error:
        flaws = tuple(replace(flaw, place=("body", *place, *flaw.place[1:])) for flaw in error.failure.flaws)
        raise RequestFailure(replace(error.failure, flaws=flaws)) from None


def invalid(message: str, *place: str | int) -> RequestFailure:
    """To be raised for what was sent wrongly at a place in the body."""
    return RequestFailure(Failure(400, "invalid", message, (Flaw(("body", *place), message),)))


def refused(status: int, code: str, message: str) -> RequestFailure:
    """To be raised for what cannot be done, with a code of this interface's own."""
    return RequestFailure(Failure(status, code, message))
