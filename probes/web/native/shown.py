"""What the native interface has in common: failures, lists in pages, and whether something was changed meanwhile."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Header, Query, Response
from fastapi.responses import JSONResponse

from probes.web.errors import NOTHING, Failure, flawed, refused
from probes.web.flaws import BODY

Data = dict[str, Any]
PROBLEM = "application/problem+json"
SEE = "/api/v1/openapi.json describes all that there is, for programs, and /reference for people"
"""What is told where nothing is."""
MAX_LIMIT, DEFAULT_LIMIT = 200, 50
MAX_DEPTH = 32
"""Objects in each other, of a merge patch: nothing that is kept has more than a few."""
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="how many, at most")]
Cursor = Annotated[str, Query(max_length=64, description="`next` of the page before")]
IfMatch = Annotated[str, Header(max_length=64, description="the ETag that it has to have still")]


class Kept(Protocol):
    """Something with an id that was written so many times."""

    @property
    def id(self) -> str:
        """Its name."""

    @property
    def revision(self) -> int:
        """How often it was written."""


K = TypeVar("K", bound=Kept)


def shown(failure: Failure) -> Response:
    """Problem details (RFC 9457)."""
    content: Data = {
        "type": f"urn:sipprobe:{failure.code}",
        "title": failure.code.replace("-", " "),
        "status": failure.status,
        "detail": f"{NOTHING}: {SEE}" if failure.message == NOTHING else failure.message,
    }
    if failure.flaws:
        content["errors"] = [
            {
                "pointer": flaw.pointer,
                "in": str(flaw.place[0]) if flaw.place else "body",
                "detail": flaw.message,
            }
            for flaw in failure.flaws
        ]
    if failure.running:
        content["running"] = failure.running
    return JSONResponse(content, failure.status, dict(failure.headers), PROBLEM)


def page(items: Sequence[K], limit: int, cursor: str) -> tuple[Sequence[K], str | None]:
    """Those behind the one with the id `cursor`, and the cursor of what follows. Raises RequestFailure."""
    begin = 0
    if cursor:
        places = [place for place, item in enumerate(items) if item.id == cursor]
        if not places:
            raise refused(422, "there is nothing of this cursor any more: begin anew, without one")
        begin = places[0] + 1
    chosen = items[begin : begin + limit]
    return chosen, chosen[-1].id if begin + limit < len(items) else None


def listed(items: Iterable[Data], following: str | None) -> Data:
    """A page as it is sent."""
    return {"items": list(items), "next": following}


def etag(revision: int) -> str:
    """What tells one state of something from another."""
    return f'"{revision}"'


def require_match(if_match: str, revision: int) -> None:
    """Raise RequestFailure where somebody means another state than there is."""
    if if_match and if_match.strip() != "*" and etag(revision) not in [each.strip() for each in if_match.split(",")]:
        text = f"it was changed meanwhile, and has the ETag {etag(revision)}: read it again, and change that"
        raise refused(412, text)


def told(data: Data, revision: int, status: int = 200, headers: dict[str, str] | None = None) -> JSONResponse:
    """Something that is kept, with its ETag."""
    return JSONResponse(data, status, {"ETag": etag(revision), **(headers or {})})


def merged(shown_now: object, patch: object, depth: int = MAX_DEPTH) -> object:
    """What becomes of something by a merge patch (RFC 7396). Raises RequestFailure for one that is too deep."""
    if not isinstance(patch, dict):
        return patch
    if not depth:
        raise flawed((BODY,), f"more than {MAX_DEPTH} objects in each other: nothing here has so many")
    known = shown_now if isinstance(shown_now, dict) else {}
    kept = {name: each for name, each in known.items() if name not in patch}
    changed = {name: each for name, each in patch.items() if each is not None}
    return kept | {name: merged(known.get(name), each, depth - 1) for name, each in changed.items()}
