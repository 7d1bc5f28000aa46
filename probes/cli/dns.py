"""`sipprobe dns`: what DNS has for a SIP destination, in which order it is tried, and what is broken."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli.common import Nameservers, a_number, make_console, nameservers, read_destination, stop
from probes.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from probes.checks.dns.judge import DnsReport


def dns(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Host, host:port, SIP URI, tel:number@host, or tls://host.")
    ],
    nameserver: Nameservers = None,
    timeout: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0.1, max=60.0, callback=a_number, help="Seconds to wait for each answer."),
    ] = 4.0,
    pause: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.0,
            max=3600.0,
            callback=a_number,
            help="Seconds until all is asked again; 0: never.",
        ),
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Walk the DNS of a SIP domain: NAPTR, SRV, A and AAAA, and what is broken.

    Every resolver is asked, twice; no SIP is sent.

    Exit code 0: it leads to a place; 1: it does, but calls may fail; 3: it leads nowhere.
    """
    import trio

    from probes.checks.dns.run import DnsReportConfig, report_dns
    from sipcore.errors import TransportFailure

    destination = read_destination(target)
    config = DnsReportConfig(nameservers(nameserver), timeout, pause)
    try:
        report = trio.run(report_dns, destination, config)
    except TransportFailure as failure:
        stop(ExitCode.UNRESOLVABLE, failure.message)
    _show(report, None if as_json else make_console())
    raise typer.Exit(exit_code(report))


def exit_code(report: "DnsReport") -> ExitCode:
    """What a report means to a script."""
    if report.failure is not None:
        return ExitCode.UNRESOLVABLE
    return ExitCode.OK if report.works else ExitCode.FAILED


def _show(report: "DnsReport", console: "Console | None") -> None:
    """Print it. A failure goes to standard error too, in one line, unless it was just read on the screen."""
    from probes.report.dns_json import dns_data
    from probes.report.dns_text import dns_failure_line, dns_lines

    if console is None:
        typer.echo(json.dumps(dns_data(report), ensure_ascii=False, indent=2))
    else:
        for line in dns_lines(report, console.width):
            console.print(line)
    failure = dns_failure_line(report)
    if failure and (console is None or not console.is_terminal):
        typer.echo(f"sipprobe: {failure}", err=True)
