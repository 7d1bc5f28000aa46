"""The option --port of the commands that try several: what it takes, and what that comes to."""

import re
from collections.abc import Iterable
from typing import Any

import typer

MAX_PORT = 65_535
_part = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII).fullmatch


def ports(default: str) -> Any:  # noqa: ANN401  # as typer has it
    """The option, which gives texts for `read_ports`; `default` says what is tried without it."""
    text = "Port, range or list, as in 5060,5080-5082; may be repeated."
    return typer.Option("--port", metavar="PORTS", help=text, show_default=default, callback=_checked)


def read_ports(texts: Iterable[str]) -> tuple[int, ...]:
    """The ports that the texts name, in their order. Raises BadParameter for what names none."""
    return tuple(port for text in texts for part in text.split(",") for port in _read(part.strip()))


def _checked(texts: list[str] | None) -> list[str] | None:
    """Have what names no ports told with the name of the option, as all such mistakes are."""
    read_ports(texts or ())
    return texts


def _read(part: str) -> range:
    found = _part(part)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= last <= MAX_PORT:
        raise typer.BadParameter(f"{part!r} is neither a port from 1 to {MAX_PORT} nor a range of them.")
    return range(first, last + 1)
