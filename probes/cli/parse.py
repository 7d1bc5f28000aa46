"""`sipprobe parse`: what a SIP message says, what is unusual about it and what is wrong; or how two of them differ."""

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli.common import stop
from probes.cli.exit_codes import ExitCode
from probes.cli.printing import print_data

if TYPE_CHECKING:
    from rich.text import Text

    from probes.report.reading import Tree

STANDARD_INPUT = "-"
DEFAULT_WIDTH = 80


def parse(
    file: Annotated[str, typer.Argument(metavar="FILE", help="File with one SIP message; - for standard input.")],
    diff: Annotated[str, typer.Option(metavar="FILE", help="Show how this other message differs from it.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Read one SIP message, and tell what is odd or wrong in it.

    Shown are its header fields, its session description, deviations and errors.

    Exit code 0: it could be parsed (with --diff: both are alike); 1: it is wrong somewhere (they differ, or one is
    wrong); 2: the file cannot be read.
    """
    from probes.report.message_diff import differences
    from probes.report.message_json import diff_data, message_data
    from probes.report.message_text import difference_lines, message_lines, problem_lines
    from probes.report.message_view import view_of

    if diff == file == STANDARD_INPUT:
        stop(ExitCode.USAGE, "standard input cannot be both messages; give a file for one")
    view = view_of(_read(file))
    if not diff:
        _show(message_data(view) if as_json else message_lines(view, _width()))
        raise typer.Exit(ExitCode.FAILED if view.faults else ExitCode.OK)
    other = view_of(_read(diff))
    found = differences(view, other)
    if as_json:
        _show(diff_data(view, other, found))
    else:
        for name, side in ((file, view), (diff, other)):
            if side.faults:
                _show([f"{name}:", *problem_lines(side, _width())])
        _show(difference_lines(found, _width()))
    raise typer.Exit(ExitCode.FAILED if found or view.faults or other.faults else ExitCode.OK)


def _read(file: str) -> bytes:
    """The bytes of a file; ends the program when it cannot be read, or is too large for a message."""
    from sipcore.message.parser import MAX_MESSAGE

    try:
        if file == STANDARD_INPUT:
            data = sys.stdin.buffer.read(MAX_MESSAGE + 1)
        else:
            with Path(file).open("rb") as source:
                data = source.read(MAX_MESSAGE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        stop(ExitCode.USAGE, f"cannot read {file}: {reason}")
    if len(data) > MAX_MESSAGE:
        stop(ExitCode.USAGE, f"{file} is longer than any SIP message ({MAX_MESSAGE} bytes); cut the message out of it")
    return data


def _show(result: "dict[str, Tree] | Iterable[str | Text]") -> None:
    if isinstance(result, dict):
        print_data(result)
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in result:
        console.print(line)


def _width() -> int:
    """Columns to fill: those of the terminal, or 80 where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else DEFAULT_WIDTH
