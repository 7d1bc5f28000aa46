"""`sipprobe discover`: what a SIP endpoint is and how to reach it."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli import discover_options as options
from probes.cli.common import (
    CaFile,
    Certificate,
    Key,
    Nameservers,
    make_console,
    nameservers,
    read_destination,
    stop,
    tls_config,
    with_client_certificate,
)
from probes.cli.exit_codes import ExitCode
from probes.cli.ports import read_ports
from probes.cli.printing import INDENT, json_text, show
from probes.cli.saving import CAPTURE, HtmlTo, check_files, write_all

if TYPE_CHECKING:
    from rich.console import Console

    from probes.destination import Destination
    from probes.discovery.outcome import Discovery
    from probes.discovery.run import DiscoveryConfig
    from probes.result import Reach
    from sipcore.transports.base import TlsConfig

SaveTo = Annotated[
    list[Path] | None,
    typer.Option(
        "--save",
        metavar="FILE",
        help="Write the discovery to FILE: .html for a report, .pcapng for Wireshark, .json for the result; may be "
        "repeated.",
    ),
]
ENDS = (".html", CAPTURE, ".json")
"""Of the names of the files that a discovery can be written to."""


def discover(
    target: options.Target,
    port: options.Ports = None,
    transport: options.Transports = None,
    timeout: options.Timeout = 4.0,
    ca_file: CaFile = None,
    certificate: Certificate = None,
    key: Key = None,
    tls_minimum: options.TlsMinimumOption = options.TlsMinimum.TLS_1_2,
    nameserver: Nameservers = None,
    only_options: options.OnlyOptions = False,
    challenge: options.Challenge = False,
    deep: options.Deep = False,
    invite: options.Invite = False,
    save: SaveTo = None,
    html: HtmlTo = None,
    as_json: options.AsJson = False,
    _: options.Explain = "",
) -> None:
    """Find out what a SIP endpoint is and how to reach it.

    One OPTIONS request goes to each of its addresses, ports and transports. A place that stays silent gets another one
    without User-Agent; one that answers a few more, and a TLS server some handshakes.

    Exit code 0: something answered; 3: no address; 4: refused; 5: no route; 6: silence; 7: TLS failed; 8: not SIP.
    """
    import trio

    from probes.calls.number import RefusedNumber
    from probes.discovery.run import DiscoveryConfig
    from sipcore.resolve.target import Transport
    from sipcore.transports.lookup import LookupConfig

    check_files(save or (), html, ENDS)
    if only_options and (challenge or deep or invite):
        stop(ExitCode.USAGE, "--only-options leaves out what --challenge, --deep and --invite ask for")
    destination = read_destination(target)
    config = DiscoveryConfig(
        ports=read_ports(port or ()),
        transports=tuple(Transport[wanted.name] for wanted in transport or ()),
        timeout=timeout,
        tls=with_client_certificate(_tls(ca_file, tls_minimum), certificate, key),
        lookup=LookupConfig(nameservers=nameservers(nameserver)),
        challenge=challenge,
        deep=deep,
        invite=invite,
    )
    if only_options:
        config = replace(config, retry=False, habits=False, tls_report=False)
    console = None if as_json else make_console()
    try:
        discovery = trio.run(find_out, destination, config, console)
    except RefusedNumber as error:
        stop(ExitCode.USAGE, f"{error.message}, for which there is `sipprobe call`; leave out --invite")
    show_discovery(discovery, console)
    _save(discovery, save or (), html)
    raise typer.Exit(exit_code(discovery))


def _tls(ca_file: Path | None, minimum: options.TlsMinimum) -> "TlsConfig":
    from sipcore.transports.base import TlsVersion

    return replace(tls_config(ca_file, insecure=True), minimum_version=TlsVersion[minimum.name])


async def find_out(destination: "Destination", config: "DiscoveryConfig", console: "Console | None") -> "Discovery":
    """Discover; with a console that is a terminal, show a live table on it that is gone in the end. Who interrupts it
    is told how far it was.
    """
    import trio

    from probes.cli.under_way import shown_meanwhile
    from probes.discovery.events import Concluded
    from probes.discovery.run import open_discovery
    from probes.report.progress_text import Progress

    progress, began = Progress(str(destination)), trio.current_time()
    found: list[Discovery] = []
    try:
        async with open_discovery(destination, config) as events, shown_meanwhile(console, progress.lines):
            async for event in events:
                progress.take(event)
                if isinstance(event, Concluded):
                    found.append(event.discovery)
    except* KeyboardInterrupt:
        if console is not None:
            for line in progress.interrupted(trio.current_time() - began, console.width):
                console.print(line)
        raise
    return found[0]


def show_discovery(discovery: "Discovery", console: "Console | None") -> None:
    """Print it in words, or as JSON where there is no console."""
    from probes.report.json import discovery_data
    from probes.report.text import discovery_lines, failure_line

    show(discovery, console, data=discovery_data, lines=discovery_lines, failure_line=failure_line)


def _save(discovery: "Discovery", files: Sequence[Path], html: Path | None) -> None:
    from probes.product import PRODUCT
    from probes.report.html_discovery import discovery_page
    from probes.report.json import discovery_data
    from probes.report.packets import packets
    from probes.report.pcapng import pcapng

    written = {
        ".html": lambda: discovery_page(discovery, time.time()).encode(),
        CAPTURE: lambda: pcapng(packets(discovery.messages), epoch_ns=discovery.epoch_ns, application=PRODUCT),
        ".json": f"{json_text(discovery_data(discovery), indent=INDENT)}\n".encode,
    }
    wanted = [("--save", file, written[file.suffix.lower()]) for file in files]
    write_all([*wanted, *([("--html", html, written[".html"])] if html is not None else [])])


def exit_code(discovery: "Discovery") -> ExitCode:
    """What a discovery means to a script."""
    if discovery.answered:
        return ExitCode.OK
    return reach_code(discovery.telling.reach) if discovery.telling is not None else ExitCode.UNRESOLVABLE


def reach_code(reach: "Reach") -> ExitCode:
    """What it means to a script that no request to an endpoint came further than that."""
    from probes.result import Reach

    codes = {
        Reach.ANSWERED: ExitCode.OK,
        Reach.SILENT: ExitCode.NO_ANSWER,
        Reach.NO_ANSWER: ExitCode.NO_ANSWER,
        Reach.FILTERED: ExitCode.NO_ANSWER,
        Reach.REFUSED: ExitCode.REFUSED,
        Reach.UNREACHABLE: ExitCode.UNREACHABLE,
        Reach.TLS_FAILED: ExitCode.TLS_FAILED,
        Reach.CERTIFICATE_WANTED: ExitCode.TLS_FAILED,
        Reach.NOT_SIP: ExitCode.NOT_SIP,
        Reach.FAILED: ExitCode.FAILED,
    }
    return codes[reach]
