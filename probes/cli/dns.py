"""`sipprobe dns`: what DNS has for a SIP destination, in which order it is tried, and what is broken."""

from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli.common import Nameservers, make_console, nameservers, read_destination, seconds
from probes.cli.exit_codes import ExitCode
from probes.cli.printing import show

if TYPE_CHECKING:
    from probes.checks.dns.judge import DnsReport


def dns(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Host, host:port, SIP URI, tel:number@host, or tls://host.")
    ],
    nameserver: Nameservers = None,
    timeout: Annotated[float, seconds("Seconds to wait for each answer.", most=60.0)] = 4.0,
    pause: Annotated[float, seconds("Seconds until all is asked again; 0: never.", least=0.0, most=3600.0)] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Walk the DNS of a SIP domain, and tell what is broken.

    NAPTR, SRV, A and AAAA records are looked for. Every resolver is asked, twice; no SIP is sent.

    Exit code 0: it leads to a place; 1: it does, but calls may fail; 3: it leads nowhere.
    """
    import trio

    from probes.checks.dns.run import DnsReportConfig, report_dns
    from probes.report.dns_json import dns_data
    from probes.report.dns_text import dns_failure_line, dns_lines

    destination = read_destination(target)
    config = DnsReportConfig(nameservers(nameserver), timeout, pause)
    report = trio.run(report_dns, destination, config)
    console = None if as_json else make_console()
    show(report, console, data=dns_data, lines=dns_lines, failure_line=dns_failure_line)
    raise typer.Exit(exit_code(report))


def exit_code(report: "DnsReport") -> ExitCode:
    """What a report means to a script."""
    if report.failure is not None:
        return ExitCode.UNRESOLVABLE
    return ExitCode.OK if report.works else ExitCode.FAILED
