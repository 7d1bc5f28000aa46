"""`sipprobe replay`: the calls in somebody's capture file, or in a stored result, as timelines and pictures."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli import call_options
from probes.cli.common import Printer, make_console, stop
from probes.cli.exit_codes import ExitCode
from probes.cli.saving import Collector, HepSender

if TYPE_CHECKING:
    from probes.capture.calls import CapturedCall

ENDS = (".html", ".svg", ".mmd", ".pcapng")


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A capture, pcap or pcapng, or the JSON of test calls.")],
    call: Annotated[int, typer.Option(metavar="NUMBER", min=0, help="Show this call only, with its messages.")] = 0,
    save_to: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Write that call to FILE, .html, .svg, .mmd (Mermaid) or .pcapng."),
    ] = None,
    collector: Collector = "",
    as_json: call_options.AsJson = False,
) -> None:
    """List the calls of a capture or of stored results, and show one of them message by message.

    Exit code 0: there is SIP in it; 1: there is none, or no call of that number; 2: the file cannot be read.
    """
    from probes.report.replay_json import replay_data
    from probes.report.replay_text import call_lines

    if save_to is not None and save_to.suffix.lower() not in ENDS:
        stop(ExitCode.USAGE, f"--save {save_to}: the name has to end in {', '.join(ENDS)}")
    calls = _read(file)
    if not calls:
        stop(ExitCode.FAILED, f"{file}: no SIP messages; encrypted ones (TLS, WSS) cannot be read")
    if call > len(calls):
        stop(ExitCode.FAILED, f"{file}: there is no call {call}; it has {len(calls)}")
    if save_to is not None and not call and len(calls) > 1:
        stop(ExitCode.USAGE, f"--save writes one call, and {file} has {len(calls)}: choose it with --call NUMBER")
    chosen = [(call, calls[call - 1])] if call else list(enumerate(calls, 1))
    if as_json:
        typer.echo(json.dumps([replay_data(each) for _, each in chosen], ensure_ascii=False, indent=2))
    else:
        printer = Printer(make_console())
        for number, each in chosen:
            for line in call_lines(number, each, printer.console.width, whole=len(chosen) == 1):
                printer.line(line)
        printer.close()
    if collector:
        sender = HepSender(collector)
        for _, each in chosen:
            sender.send(each.records, each.began_ns)
        sender.close()
    if save_to is not None:
        _save(chosen[0][1], save_to, file)


def _read(file: Path) -> "list[CapturedCall]":
    from probes.calls.judge.diagnosis import calls_of_capture
    from probes.capture.files import CaptureError
    from probes.capture.stored import call_of, is_stored, results_in
    from sipcore.errors import LocalError

    try:
        data = file.read_bytes()
        return [call_of(result) for result in results_in(data)] if is_stored(data) else calls_of_capture(data)
    except OSError as error:
        stop(ExitCode.USAGE, f"cannot read {file}: {error.strerror}")
    except (CaptureError, LocalError) as error:
        stop(ExitCode.USAGE, f"cannot read {file}: {error.message}")


def _save(call: "CapturedCall", file: Path, captured: Path) -> None:
    from probes.calls.judge.diagnosis import findings_of
    from probes.product import PRODUCT
    from probes.report.html_call import replayed_page, title_of_replay
    from probes.report.mermaid import mermaid
    from probes.report.packets import packets
    from probes.report.pcapng import pcapng
    from probes.report.replay_text import ladder_of_call
    from probes.report.safe_text import encodable
    from probes.report.svg import svg

    written = {
        ".html": lambda: replayed_page(call, time.time(), findings_of(call, captured.read_bytes())).encode(),
        ".svg": lambda: svg(ladder_of_call(call), encodable(title_of_replay(call))).encode(),
        ".mmd": lambda: mermaid(ladder_of_call(call)).encode(),
        ".pcapng": lambda: pcapng(packets(call.records), epoch_ns=call.began_ns, application=PRODUCT),
    }
    try:
        file.write_bytes(written[file.suffix.lower()]())
    except OSError as error:
        stop(ExitCode.USAGE, f"--save {file}: {error.strerror}")
