"""`sipprobe call`: one real call, its timeline as it happens, and how it ended."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli.common import (
    PASSWORD_VARIABLE,
    Printer,
    TransportName,
    make_console,
    read_destination,
    read_password,
    run_to_the_end,
    stop,
    tls_config,
)
from probes.cli.exit_codes import ExitCode
from probes.cli.saving import Collector, SaveTo, check_files, read_collector, save, send_to_collector
from probes.result import CallKind

if TYPE_CHECKING:
    from probes.result import CallResult
    from sipcore.message.address import Address

EXIT_CODES = {
    CallKind.CONNECTED: ExitCode.OK,
    CallKind.REJECTED: ExitCode.FAILED,
    CallKind.BUSY: ExitCode.BUSY,
    CallKind.NOT_ANSWERED: ExitCode.NOT_ANSWERED,
    CallKind.AUTHENTICATION: ExitCode.AUTHENTICATION,
    CallKind.UNRESOLVABLE: ExitCode.UNRESOLVABLE,
    CallKind.REFUSED: ExitCode.REFUSED,
    CallKind.UNREACHABLE: ExitCode.UNREACHABLE,
    CallKind.NO_ANSWER: ExitCode.NO_ANSWER,
    CallKind.TLS_FAILED: ExitCode.TLS_FAILED,
    CallKind.NOT_SIP: ExitCode.NOT_SIP,
}


def call(
    target: Annotated[str, typer.Argument(help="Whom to call: sip:user@host, user@host:port, tls://user@host …")],
    user: Annotated[str, typer.Option(help="Username for digest authentication.")] = "",
    password_file: Annotated[
        Path | None, typer.Option(help=f"File with the password; else ${PASSWORD_VARIABLE}, else a prompt.")
    ] = None,
    realm: Annotated[str, typer.Option(help="The only realm the password may be used for.")] = "",
    caller: Annotated[str, typer.Option("--from", help="Who calls: a SIP URI. Anonymous if not given.")] = "",
    transport: Annotated[
        TransportName | None, typer.Option(case_sensitive=False, help="Transport to use, whatever DNS says.")
    ] = None,
    codec: Annotated[list[str] | None, typer.Option(help="Codec to offer, in order; may be repeated.")] = None,
    ring_timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds to wait for an answer before cancelling.")
    ] = 30.0,
    hold: Annotated[float, typer.Option(min=0.0, help="Seconds to hold the answered call.")] = 2.0,
    ca_file: Annotated[Path | None, typer.Option(help="PEM file with the roots to trust for TLS.")] = None,
    insecure: Annotated[bool, typer.Option(help="Accept any TLS certificate.")] = False,
    save_to: SaveTo = None,
    collector: Collector = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Place a real call (INVITE, ACK, a short hold, BYE) and show its timeline."""
    # Loaded only here: `--help` and the other verbs should not wait for the engine.
    from probes.calls.run import call_config, place_call
    from probes.calls.script import DEFAULT_CODECS, CallScript
    from probes.report.call_json import call_data
    from probes.report.call_text import entry_line
    from sipcore.auth.choice import Account

    check_files(files := save_to or [])
    hep_to = read_collector(collector) if collector else None
    destination = read_destination(target, transport)
    hosts = [destination.host]
    sender = _read_caller(caller) if caller else None
    account = Account(user, read_password(user, password_file), hosts=hosts, realm=realm or None) if user else None
    script = CallScript(destination, sender, account, ring_timeout, hold, tuple(codec or DEFAULT_CODECS))
    config = call_config(tls_config(ca_file, insecure=insecure))
    printer = Printer(make_console())
    show = None if as_json else lambda entry: printer.line(entry_line(entry))
    result = run_to_the_end(partial(place_call, script, config, show))
    if as_json:
        typer.echo(json.dumps(call_data(result), ensure_ascii=False, indent=2))
        _print_failure(result)
    else:
        print_result(result, printer)
    save(result, files)
    if hep_to:
        send_to_collector(result, hep_to)
    raise typer.Exit(EXIT_CODES[result.kind])


def print_result(result: "CallResult", printer: Printer) -> None:
    """Print how it ended. A failure goes to standard error too, in one line, unless it was just read on the screen."""
    from probes.report.call_text import result_lines

    for line in result_lines(result):
        printer.line(line)
    printer.close()
    if not printer.console.is_terminal:
        _print_failure(result)


def _print_failure(result: "CallResult") -> None:
    from probes.report.call_text import failure_line

    failure = failure_line(result)
    if failure:
        typer.echo(f"sipprobe: {failure}", err=True)


def _read_caller(text: str) -> "Address":
    """Who calls; ends the program when it cannot be read."""
    from sipcore.errors import ParseError
    from sipcore.message.address import Address

    try:
        return Address.parse(text)
    except ParseError as error:
        problem = f"cannot read {text!r}: {error.message}"
        stop(ExitCode.USAGE, f"{problem}; --from takes a URI such as sip:alice@example.com")
