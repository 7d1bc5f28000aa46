"""Which fields the body of a request may have, so that it is told what may be meant by one that there is not."""

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from probes.entries import near

LEAST_NAME, MAX_NAME = 3, 64
"""Characters of a name that is compared with others: a shorter one is like too many, and none of ours is longer."""


def meant(body: object, place: Sequence[str | int]) -> str:
    """What may be meant by the last part of a place, where a body of this type has no such field; empty where nothing
    is close.
    """
    *way, name = place
    if len(str(name)) < LEAST_NAME:
        return ""
    models = list(_models(body))
    for part in way:
        inner = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        if inner:  # else it is the number of an item, or which of several forms this was read as
            models = [model for kind in inner for model in _models(kind)]
    return near(str(name)[:MAX_NAME], [field for model in models for field in model.model_fields])


def _models(kind: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401
    """The bodies in an annotation."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from _models(part)
