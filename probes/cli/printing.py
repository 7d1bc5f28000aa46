"""Results on standard output: as JSON, or in words."""

import json
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

import typer

from probes.cli.common import tell
from sipcore.errors import encodable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

T = TypeVar("T")
INDENT = 2
"""Columns by which a result is indented that is one document."""


def json_text(data: object, *, indent: int | None = None) -> str:
    r"""`data` as JSON, in one line or indented. Bytes that were not UTF-8 are told as `\xNN`, wherever they stand."""
    text = json.dumps(data, ensure_ascii=False, indent=indent)
    return text if text.isascii() else re.sub(r"[\ud800-\udfff]", _in_a_string, text)


def _in_a_string(found: re.Match[str]) -> str:
    return json.dumps(encodable(found[0]))[1:-1]


def print_data(data: object) -> None:
    """Print a result that is one JSON document."""
    typer.echo(json_text(data, indent=INDENT))


def print_event(data: object) -> None:
    """Print one of the JSON objects that a result in lines is made of."""
    typer.echo(json_text(data))


def show(
    result: T,
    console: "Console | None",
    *,
    data: Callable[[T], object],
    lines: Callable[[T, int], "Iterable[RenderableType]"],
    failure_line: Callable[[T], str],
) -> None:
    """Print a result in words, or its `data` where there is no console.

    A failure goes to standard error too, in one line, unless it was just read on the screen.
    """
    if console is None:
        print_data(data(result))
    else:
        for line in lines(result, console.width):
            console.print(line)
    if console is None or not console.is_terminal:
        tell(failure_line(result))
