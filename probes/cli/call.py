"""`sipprobe call`: one real call, its timeline as it happens, and how it ended."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from probes.cli.common import PASSWORD_VARIABLE, print_entry, read_destination, read_password, stop, tls_config
from probes.cli.exit_codes import ExitCode
from probes.result import CallKind

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
    transport: Annotated[str, typer.Option(help="udp, tcp or tls, whatever DNS says.")] = "",
    codec: Annotated[list[str] | None, typer.Option(help="Codec to offer, in order; may be repeated.")] = None,
    ring_timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds to wait for an answer before cancelling.")
    ] = 30.0,
    hold: Annotated[float, typer.Option(min=0.0, help="Seconds to hold the answered call.")] = 2.0,
    ca_file: Annotated[Path | None, typer.Option(help="PEM file with the roots to trust for TLS.")] = None,
    insecure: Annotated[bool, typer.Option(help="Accept any TLS certificate.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Place a real call (INVITE, ACK, a short hold, BYE) and show its timeline."""
    # Loaded only here: `--help` and the other verbs should not wait for the engine.
    import trio
    from rich.console import Console

    from probes.calls.run import place_call
    from probes.calls.script import DEFAULT_CODECS, CallScript
    from probes.report.call_json import call_data
    from probes.report.call_text import entry_line, result_lines
    from sipcore.auth.choice import Account
    from sipcore.endpoint.endpoint import EndpointConfig
    from sipcore.errors import SipError
    from sipcore.message.address import Address
    from sipcore.transports.base import TransportConfig

    destination = read_destination(target, transport)
    hosts = [destination.host]
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    try:
        account = Account(user, read_password(user, password_file), hosts=hosts, realm=realm or None) if user else None
        script = CallScript(
            destination,
            Address.parse(caller) if caller else None,
            account,
            ring_timeout,
            hold,
            tuple(codec or DEFAULT_CODECS),
        )
        config = EndpointConfig(transports=TransportConfig(tls=tls_config(ca_file, insecure=insecure)))
        show = None if as_json else lambda entry: print_entry(console, entry_line(entry))
        result = trio.run(place_call, script, config, show)
    except SipError as error:
        stop(ExitCode.USAGE, error.message)
    if as_json:
        typer.echo(json.dumps(call_data(result), ensure_ascii=False, indent=2))
    else:
        for line in result_lines(result):
            console.print(line)
    raise typer.Exit(EXIT_CODES[result.kind])
