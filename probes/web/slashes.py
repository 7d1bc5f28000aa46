"""Routes that are served with a slash at their end as well as without, since clients differ, and a redirect would have
some of them lose their key or their body on the way.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter

Handler = TypeVar("Handler", bound=Callable[..., Any])


def route(routes: APIRouter, method: str, path: str, **options: Any) -> Callable[[Handler], Handler]:  # noqa: ANN401
    """Have `path` and `path/` answered by a handler; `options` are those of FastAPI. `path` has no slash at its end
    unless it is to stand in the description with one.
    """

    def add(handler: Handler) -> Handler:
        other = path.removesuffix("/") if path.endswith("/") else f"{path}/"
        routes.add_api_route(path, handler, methods=[method], **options)
        unseen = {key: given for key, given in options.items() if key != "responses"}
        routes.add_api_route(other, handler, methods=[method], include_in_schema=False, **unseen)
        return handler

    return add
