"""Which parameters a path of the native interface takes. Others are refused: a filter whose name is misspelt would have
all told as if that had been asked for.
"""

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant

from probes.entries import near
from probes.web.errors import flawed
from probes.web.fields import LEAST_NAME, MAX_NAME


async def only_known(request: Request) -> None:
    """Raise RequestFailure for a parameter in the query that the route asked for does not have."""
    known = list(_parameters(request.scope["route"].dependant))
    for name in request.query_params:
        if name not in known:
            meant = near(name[:MAX_NAME], known) if len(name) >= LEAST_NAME else ""
            there = f": there {'is' if len(known) == 1 else 'are'} {', '.join(known)}" if known else ": leave it out"
            raise flawed(("query", name), f"there is no parameter of this name here{meant or there}", "extra_forbidden")


def _parameters(asked: Dependant) -> Iterator[str]:
    """The names of what a route takes in the query, and of what it depends on."""
    yield from (field.alias for field in asked.query_params)
    for inner in asked.dependencies:
        yield from _parameters(inner)
