"""What stands in the JSON of a stored result: none of it is trusted to be of the form that it should have."""

from typing import Any, TypeAlias

from sipcore.errors import ParseError
from sipcore.message.uri import parse_hostport
from sipcore.resolve.target import SocketAddress

Data: TypeAlias = dict[str, Any]
MAX_NUMBER = 1e12
"""Milliseconds, packets, octets: none comes near it, and times beyond it cannot be written as dates."""


def text_of(found: object) -> str:
    """A text that was stored; empty for what is none."""
    return found if isinstance(found, str) else ""


def number_of(found: object) -> float | None:
    """A number that was stored; None for what is none, or beyond all bounds."""
    if not isinstance(found, int | float) or isinstance(found, bool) or not -MAX_NUMBER < found < MAX_NUMBER:
        return None
    return float(found)


def count_of(found: object) -> int:
    """How many of something there were, as stored; 0 for what is no such number."""
    return found if isinstance(found, int) and 0 <= found < MAX_NUMBER else 0


def address_of(found: object) -> SocketAddress | None:
    """An address with its port, as stored; None for what is none."""
    try:
        host, port = parse_hostport(text_of(found), text_of(found))
    except ParseError:
        return None
    return SocketAddress(host.strip("[]"), port) if port is not None else None


def seconds_of(found: object) -> float | None:
    """Seconds, stored as milliseconds; None for what is no such number."""
    number = number_of(found)
    return None if number is None else number / 1000


def part_of(data: Data, name: str) -> Data:
    """An object in another one; empty where there is none."""
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def parts_of(data: Data, name: str) -> list[Data]:
    """The objects of a list in an object."""
    found = data.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
