"""`sipprobe tls`: what a TLS server accepts, what it shows, and whether its certificate is good for SIP."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli.common import (
    CaFile,
    Certificate,
    Key,
    Nameservers,
    make_console,
    nameservers,
    read_destination,
    seconds,
    stop,
    tls_config,
    with_client_certificate,
)
from probes.cli.discover_options import AsJson
from probes.cli.exit_codes import ExitCode
from probes.cli.printing import print_data, show

if TYPE_CHECKING:
    from probes.checks.tls_judge import TlsReport


def tls(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Host, host:port, [IPv6]:port, SIP URI, tls://host or wss://host.")
    ],
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Whom the certificate must be for.", show_default="the target's host")
    ] = "",
    timeout: Annotated[float, seconds("Seconds to wait for each answer of DNS, and each handshake.", most=60.0)] = 4.0,
    deadline: Annotated[float, seconds("Seconds for DNS and all handshakes together.", most=600.0)] = 20.0,
    ca_file: CaFile = None,
    certificate: Certificate = None,
    key: Key = None,
    nameserver: Nameservers = None,
    as_json: AsJson = False,
) -> None:
    """Report on a TLS server: versions, ciphers, chain, identity.

    Several dozen handshakes are made, each with another offer; no SIP is sent.

    Exit code 0: its certificate is valid; 3: no address; 4: refused; 5: no route; 6: silence; 7: TLS or the
    certificate fails.
    """
    import trio

    from probes.checks.run import TlsReportConfig, report_tls
    from probes.report.tls_json import tls_data, unlocated_data
    from probes.report.tls_text import tls_failure_line, tls_lines
    from sipcore.errors import TransportFailure
    from sipcore.transports.lookup import LookupConfig

    destination = read_destination(target)
    config = TlsReportConfig(
        timeout=timeout,
        deadline=deadline,
        name=name,
        tls=with_client_certificate(tls_config(ca_file, insecure=True), certificate, key),
        lookup=LookupConfig(nameservers=nameservers(nameserver)),
    )
    try:
        report = trio.run(report_tls, destination, config)
    except TransportFailure as failure:
        if as_json:
            print_data(unlocated_data(destination, name, failure, time.time()))
        stop(ExitCode.UNRESOLVABLE, failure.message)
    console = None if as_json else make_console()
    show(report, console, data=tls_data, lines=tls_lines, failure_line=tls_failure_line)
    raise typer.Exit(exit_code(report))


def exit_code(report: "TlsReport") -> ExitCode:
    """What a report means to a script."""
    from sipcore.errors import FailureReason

    if report.works:
        return ExitCode.OK
    codes = {
        FailureReason.REFUSED: ExitCode.REFUSED,
        FailureReason.UNREACHABLE: ExitCode.UNREACHABLE,
        FailureReason.PROHIBITED: ExitCode.UNREACHABLE,
        FailureReason.NOT_ALLOWED: ExitCode.UNREACHABLE,
        FailureReason.TIMED_OUT: ExitCode.NO_ANSWER,
    }
    return codes.get(report.failure.reason, ExitCode.TLS_FAILED) if report.failure else ExitCode.TLS_FAILED
