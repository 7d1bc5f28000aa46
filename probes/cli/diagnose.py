"""`sipprobe diagnose`: the verdict on a call that is over, out of a stored result or of somebody's capture."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli import call_options as options
from probes.cli.common import Printer, make_console, read_content, stop
from probes.cli.exit_codes import ExitCode
from probes.cli.key_log import KeyLogFile, read_key_log, tell_unread

if TYPE_CHECKING:
    from probes.calls.judge.diagnosis import Diagnosis


def diagnose(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The JSON of test calls, or a capture: pcap or pcapng.")],
    call: Annotated[int | None, typer.Option(metavar="NUMBER", min=1, help="Judge this call only.")] = None,
    key_log: KeyLogFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Say what is wrong with a call that is over, and what to do about it.

    Exit code 0: nothing is; 1: a finding is an error, or there is no call; 2: the file cannot be read.
    """
    from probes.findings.finding import Severity, worst
    from probes.report.diagnosis import diagnosis_data, diagnosis_lines

    found, cut = _diagnoses(file, read_key_log(key_log))
    if not found:
        stop(ExitCode.FAILED, f"{file}: no calls" + (f"; {cut}" if cut else ""))
    if cut:
        typer.echo(f"sipprobe: {file}: {cut}", err=True)
    if call is not None and call > len(found):
        stop(ExitCode.FAILED, f"{file}: there is no call {call}; it has {len(found)}")
    chosen = [found[call - 1]] if call else found
    if as_json:
        typer.echo(json.dumps([diagnosis_data(each) for each in chosen], ensure_ascii=False, indent=2))
    else:
        printer = Printer(make_console())
        for number, each in enumerate(chosen, call or 1):
            for line in diagnosis_lines(number, each, printer.console.width):
                printer.line(line)
        printer.close()
    severe = any(worst(each.findings) is Severity.ERROR for each in chosen)
    raise typer.Exit(ExitCode.FAILED if severe else ExitCode.OK)


def _diagnoses(file: Path, keys: bytes) -> "tuple[list[Diagnosis], str]":
    """The calls of a file, judged, and what is to be said of packets that are cut off. Connections that stay closed are
    told of at once. Ends the program when the file cannot be read.
    """
    from probes.calls.judge.diagnosis import diagnoses_of_capture, diagnoses_of_results
    from probes.capture.files import CaptureError, count_cut
    from probes.capture.stored import is_stored
    from probes.capture.tls_streams import Unread
    from probes.report.replay_text import cut_words
    from sipcore.errors import LocalError

    unread: list[Unread] = []
    data = read_content(file)
    try:
        if is_stored(data):
            return diagnoses_of_results(data), ""
        found = diagnoses_of_capture(data, keys, unread)
        tell_unread(file, unread)
        return found, cut_words(count_cut(data))
    except (CaptureError, LocalError) as error:
        stop(ExitCode.USAGE, f"cannot read {file}: {error.message}")
