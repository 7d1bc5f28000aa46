"""`sipprobe replay`: the calls in somebody's capture file, or in a stored result, as timelines and pictures."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli import call_options
from probes.cli.common import Printer, make_console, stop
from probes.cli.exit_codes import ExitCode
from probes.cli.printing import print_data
from probes.cli.recorded import KeyLogFile, choose, read_calls, read_key_log, read_recorded
from probes.cli.saving import CAPTURE, Collector, WithMedia, check_files, sender_to, write_all

if TYPE_CHECKING:
    from probes.capture.calls import CapturedCall

ENDS = (".html", ".svg", ".mmd", CAPTURE)


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A capture, pcap or pcapng, or the JSON of test calls.")],
    call: Annotated[
        int | None, typer.Option(metavar="NUMBER", min=1, help="Show this call only, with its messages.")
    ] = None,
    save_to: Annotated[
        list[Path] | None,
        typer.Option(
            "--save",
            metavar="FILE",
            help="Write that call to FILE, .html, .svg, .mmd (Mermaid) or .pcapng; may be repeated.",
        ),
    ] = None,
    with_media: WithMedia = False,
    collector: Collector = "",
    key_log: KeyLogFile = None,
    as_json: call_options.AsJson = False,
) -> None:
    """Show the calls of a capture, or of stored results.

    One that is chosen with --call, or is the only one, is shown message by message.

    Exit code 0: there is SIP in it; 1: there is none, or no call of that number; 2: the file cannot be read.
    """
    from probes.calls.judge.diagnosis import calls_of_capture
    from probes.capture.stored import call_of, is_stored, results_in
    from probes.report.replay_json import replay_data
    from probes.report.replay_text import call_lines

    _check(files := save_to or [], with_media=with_media)
    keys, data = read_key_log(key_log), read_recorded(file)
    found = read_calls(
        file,
        data,
        lambda text: [call_of(result) for result in results_in(text)],
        lambda capture, unread: calls_of_capture(capture, keys, unread),
    )
    chosen = choose(file, found, call, "SIP messages", as_json=as_json)
    if files and len(chosen) > 1:
        stop(ExitCode.USAGE, f"--save writes one call, and {file} has {len(chosen)}: choose it with --call NUMBER")
    if as_json:
        print_data([replay_data(each) for _, each in chosen])
    else:
        printer = Printer(make_console())
        for number, each in chosen:
            for line in call_lines(number, each, printer.console.width, whole=len(chosen) == 1):
                printer.line(line)
        printer.close()
    if (sender := sender_to(collector)) is not None:
        for _, each in chosen:
            sender.send(each.records, each.began_ns)
        sender.close()
    if with_media and is_stored(data):
        stop(ExitCode.USAGE, f"--with-media: {file} is a result, which has no packets of media in it")
    _save(chosen[0][1], files, data, keys, with_media=with_media)


def _check(files: list[Path], *, with_media: bool) -> None:
    """End the program when a file cannot be written so."""
    check_files(files, ends=ENDS)
    if with_media and not any(file.suffix.lower() == CAPTURE for file in files):
        stop(ExitCode.USAGE, f"--with-media goes with --save FILE{CAPTURE}")


def _save(call: "CapturedCall", files: list[Path], data: bytes, keys: bytes, *, with_media: bool) -> None:
    from probes.calls.judge.diagnosis import findings_of, wire_of
    from probes.product import PRODUCT
    from probes.report.html_call import replayed_page, title_of_replay
    from probes.report.mermaid import mermaid
    from probes.report.packets import packets
    from probes.report.pcapng import pcapng
    from probes.report.replay_text import ladder_of_call
    from probes.report.svg import svg
    from sipcore.errors import encodable

    wire = wire_of(call, data) if with_media else []
    written = {
        ".html": lambda: replayed_page(call, time.time(), findings_of(call, data, keys)).encode(),
        ".svg": lambda: svg(ladder_of_call(call), encodable(title_of_replay(call))).encode(),
        ".mmd": lambda: mermaid(ladder_of_call(call)).encode(),
        ".pcapng": lambda: pcapng(packets(call.records, wire), epoch_ns=call.began_ns, application=PRODUCT),
    }
    write_all(("--save", file, written[file.suffix.lower()]) for file in files)
