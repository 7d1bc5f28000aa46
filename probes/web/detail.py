"""Failures as watsonx and Diga have them: `{"detail": ...}`, a list of places and reasons for a body that is refused,
and a text for all else.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from fastapi import Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from probes.service.errors import Conflict, DirectoryError, Invalid, NotFound
from probes.trunks.problem import Gravity
from probes.web.errors import CODES, Failure, RequestFailure, flawed, refused
from probes.web.flaws import BODY, Flaw

Place = tuple[str | int, ...]
MALFORMED, INVALID = 400, 422


class Detail(BaseModel):
    """One thing that is wrong with a request."""

    loc: list[str | int]
    msg: str
    type: str


class Details(BaseModel):
    """All that is wrong with a request."""

    detail: list[Detail]


class Refusal(BaseModel):
    """Why a request was not done."""

    detail: str


@contextmanager
def telling(places: Mapping[str, Place], missing: str) -> Iterator[None]:
    """Have what the directory refuses told in the words of a contract: `places` has where in a request a field of the
    model comes from, and `missing` what is said of what there is not.
    """
    try:
        yield
    except NotFound:
        raise refused(404, missing) from None
    except Conflict as error:
        raise refused(409, error.message) from None
    except Invalid as error:
        grave = [each for each in error.problems if each.gravity is Gravity.ERROR]
        flaws = tuple(Flaw(_place(each.field, places), each.text, each.code) for each in grave)
        raise RequestFailure(Failure(INVALID, CODES[INVALID], error.message, flaws)) from None
    except DirectoryError as error:
        raise flawed(_place(error.field, places), error.message) from None


def _place(field: str, places: Mapping[str, Place]) -> Place:
    """Where a field of the model comes from: the longest entry that covers it, the whole body where there is none."""
    covering = [known for known in places if field == known or field.startswith(f"{known}.")]
    if not covering:
        return (BODY,)
    return places[max(covering, key=len)]


def shown(failure: Failure) -> Response:
    """The answer. Of what was sent nothing is quoted, since it may be a secret. A body that cannot be read is one whose
    place is the body, and so 422.
    """
    status = INVALID if failure.status == MALFORMED else failure.status
    content: object = failure.message
    if status == INVALID:
        flaws = failure.flaws or (Flaw((BODY,), failure.message),)
        content = [{"loc": list(flaw.place), "msg": flaw.message, "type": flaw.kind} for flaw in flaws]
    return JSONResponse({"detail": content}, status, dict(failure.headers))


RESPONSES: dict[int | str, dict[str, object]] = {
    401: {"model": Refusal, "description": "No key, or one that is not known"},
    403: {"model": Refusal, "description": "A key that only reads"},
    404: {"model": Refusal, "description": "There is none, or it is another tenant's"},
    409: {"model": Refusal, "description": "Something that is there excludes it"},
    413: {"model": Refusal, "description": "A body that is too large"},
    INVALID: {"model": Details, "description": "A request that is refused: where, and what to change"},
    429: {"model": Refusal, "description": "Too many of late"},
    503: {"model": Refusal, "description": "Not at the moment"},
}
"""What may be answered besides success, for the routes' OpenAPI."""
