"""`sipprobe explain`: the page of a finding, or the list of all of them."""

from typing import Annotated

import typer

from probes.cli.common import make_console, stop
from probes.cli.exit_codes import ExitCode


def explain(
    code: Annotated[str, typer.Argument(metavar="[CODE]", help="A finding's code, as discover prints it.")] = "",
) -> None:
    """Explain a finding: what it means, whose fault it is, the cure.

    Without CODE, all of them are listed.
    """
    show_page(code)


def show_page(code: str) -> None:
    """Print the page of a finding, or without a code the list; end the program where there is no such finding."""
    from probes.findings.catalogue import catalogue
    from probes.report.findings_text import list_lines, page_lines
    from sipcore.errors import LocalError

    known, console = catalogue(), make_console()
    try:
        lines = page_lines(known[code], console.width) if code else list_lines(known, console.width)
    except LocalError as error:
        stop(ExitCode.USAGE, f"{error.message}; `sipprobe explain` lists all of them")
    for line in lines:
        console.print(line)
