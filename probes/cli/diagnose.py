"""`sipprobe diagnose`: the verdict on a call that is over, out of a stored result or of somebody's capture."""

from pathlib import Path
from typing import Annotated

import typer

from probes.cli import call_options as options
from probes.cli.common import Printer, make_console
from probes.cli.exit_codes import ExitCode
from probes.cli.printing import print_data
from probes.cli.recorded import KeyLogFile, choose, read_calls, read_key_log, read_recorded


def diagnose(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The JSON of test calls, or a capture: pcap or pcapng.")],
    call: Annotated[int | None, typer.Option(metavar="NUMBER", min=1, help="Judge this call only.")] = None,
    key_log: KeyLogFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Say what is wrong with a call that is over, and how to mend it.

    Exit code 0: nothing is; 1: a finding is an error, or there is no call; 2: the file cannot be read.
    """
    from probes.calls.judge.diagnosis import diagnoses_of_capture, diagnoses_of_results
    from probes.findings.finding import Severity, worst
    from probes.report.diagnosis import diagnosis_data, diagnosis_lines

    keys, data = read_key_log(key_log), read_recorded(file)
    found = read_calls(
        file, data, diagnoses_of_results, lambda capture, unread: diagnoses_of_capture(capture, keys, unread)
    )
    chosen = choose(file, found, call, "calls", as_json=as_json)
    if as_json:
        print_data([diagnosis_data(each) for _, each in chosen])
    else:
        printer = Printer(make_console())
        for number, each in chosen:
            for line in diagnosis_lines(number, each, printer.console.width):
                printer.line(line)
        printer.close()
    severe = any(worst(each.findings) is Severity.ERROR for _, each in chosen)
    raise typer.Exit(ExitCode.FAILED if severe else ExitCode.OK)
