"""`sipprobe explain`: the page of a finding, or the list of all of them."""

from typing import Annotated

import typer

from probes.cli.common import make_console, stop
from probes.cli.exit_codes import ExitCode
from probes.cli.printing import print_data


def _codes(begun: str) -> list[tuple[str, str]]:
    """The codes of findings that begin so, each with its title, for a shell that completes them."""
    from probes.findings.catalogue import catalogue, normal

    wanted = normal(begun) if begun else ""
    return [(code, entry.title) for code, entry in catalogue().entries.items() if code.startswith(wanted)]


def explain(
    code: Annotated[
        str,
        typer.Argument(metavar="[CODE]", help="A finding's code, as discover prints it.", autocompletion=_codes),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON; without CODE, a list of all.")] = False,
) -> None:
    """Explain a finding: what it means, whose fault it is, the cure.

    Without CODE, all of them are listed.
    """
    show_page(code, as_json=as_json)


def show_page(code: str, *, as_json: bool = False) -> None:
    """Print the page of a finding, or without a code the list; end the program where there is no such finding."""
    from probes.findings.catalogue import catalogue
    from probes.report.findings_json import entry_data
    from probes.report.findings_text import list_lines, page_lines
    from sipcore.errors import LocalError

    known = catalogue()
    try:
        entry = known[code] if code else None
    except LocalError as error:
        stop(ExitCode.USAGE, f"{error.message}; `sipprobe explain` lists all of them")
    if as_json:
        print_data(entry_data(entry) if entry else [entry_data(each) for each in known.entries.values()])
        return
    console = make_console()
    for line in page_lines(entry, console.width) if entry else list_lines(known, console.width):
        console.print(line)
