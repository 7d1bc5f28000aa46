"""`sipprobe ping`: OPTIONS to an endpoint at an interval, a line for each answer, and a summary at the end."""

from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli import call_options
from probes.cli.common import (
    CaFile,
    Certificate,
    Key,
    Nameservers,
    Printer,
    make_console,
    nameservers,
    read_destination,
    run_to_the_end,
    run_until_stopped,
    seconds,
    stop,
    tell,
    tls_config,
    with_client_certificate,
)
from probes.cli.discover import reach_code
from probes.cli.exit_codes import ExitCode
from probes.cli.printing import print_event
from probes.cli.streams import is_abandoned

if TYPE_CHECKING:
    from probes.destination import Destination
    from probes.ping.results import Happening, Tally
    from probes.ping.run import PingConfig


def ping(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Host, host:port, [IPv6]:port, SIP URI, or tls://host and the like.")
    ],
    count: Annotated[
        int | None,
        typer.Option("--count", "-c", metavar="NUMBER", min=1, help="Stop after so many.", show_default="until Ctrl-C"),
    ] = None,
    interval: Annotated[float, seconds("Seconds from one to the next.", "--interval", "-i", most=86_400.0)] = 1.0,
    timeout: Annotated[float, seconds("Seconds to wait for each answer.", most=32.0)] = 4.0,
    transport: call_options.Transport = None,
    every_place: Annotated[
        bool, typer.Option("--all", help="Ask all places that DNS names each time, not only the first that answers.")
    ] = False,
    ca_file: CaFile = None,
    certificate: Certificate = None,
    key: Key = None,
    insecure: call_options.Insecure = False,
    nameserver: Nameservers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Send OPTIONS at an interval: what answers, and how fast.

    Over UDP each request is repeated until it is answered, and told when that was needed. A connection of TCP or TLS is
    kept. A place that does not answer gives its turn to the next one that DNS names.

    Without --count, Ctrl-C is the end that is meant, and the exit code tells of the endpoint all the same.

    Exit code 0: something answered; 3: no address; 4: refused; 5: no route; 6: silence; 7: TLS failed; 8: not SIP;
    130: stopped before --count.
    """
    from probes.ping.run import PingConfig
    from sipcore.transports.lookup import LookupConfig

    destination = read_destination(target, transport)
    config = PingConfig(
        interval=interval,
        timeout=timeout,
        count=count,
        every_place=every_place,
        tls=with_client_certificate(tls_config(ca_file, insecure=insecure), certificate, key),
        lookup=LookupConfig(nameservers=nameservers(nameserver)),
    )
    run = _Run(destination, config, as_json=as_json)
    if count is None:
        run_until_stopped(run.everything)
    else:
        run_to_the_end(run.everything)
    raise typer.Exit(run.end())


def exit_code(tally: "Tally") -> ExitCode:
    """What pings mean to a script: where none was answered, why most were not."""
    if tally.answered:
        return ExitCode.OK
    return reach_code(tally.reaches[0][0]) if tally.reaches else ExitCode.NO_ANSWER


class _Run:
    """One run of the verb: the pings, and what is printed of them."""

    def __init__(self, destination: "Destination", config: "PingConfig", *, as_json: bool) -> None:
        from probes.ping.run import Pings

        self._destination = destination
        self._config = config
        self._as_json = as_json
        self._printer = Printer(make_console())
        self._pings = Pings(destination, config, self._show)
        self._failure = ""

    async def everything(self) -> bool:
        """Ping; whatever ends it, what it came to is printed."""
        import trio

        from sipcore.errors import TransportFailure

        if not self._as_json:
            from probes.report.ping_text import begin_lines

            config = self._config
            for line in begin_lines(self._destination, config.interval, config.timeout, *self._width):
                self._printer.line(line)
        try:
            with trio.CancelScope() as self._scope:
                await self._pings.run()
        except TransportFailure as failure:
            self._failure = failure.message
        finally:
            self._summary()
        return True

    def end(self) -> ExitCode:
        """The exit code; ends the program when nothing could be sent, or not everything printed."""
        from probes.report.ping_text import failure_line

        self._printer.close()
        if self._failure:
            stop(ExitCode.UNRESOLVABLE, self._failure)
        if self._as_json or not self._printer.console.is_terminal:
            tell(failure_line(self._destination, self._pings.tally))
        return exit_code(self._pings.tally)

    @property
    def _width(self) -> tuple[int, ...]:
        """Where lines are broken: nowhere but on a terminal."""
        console = self._printer.console
        return (console.width,) if console.is_terminal else ()

    def _show(self, happening: "Happening") -> None:
        from probes.report.ping_json import happening_data
        from probes.report.ping_text import happening_lines

        if self._as_json:
            print_event(happening_data(happening))
        else:
            for line in happening_lines(happening, *self._width):
                self._printer.line(line)
        if is_abandoned() or self._printer.has_failed:
            self._scope.cancel()

    def _summary(self) -> None:
        from probes.report.ping_json import tally_data
        from probes.report.ping_text import tally_lines

        tally = self._pings.tally
        if self._as_json:
            print_event(tally_data(self._destination, tally, self._failure))
        elif not self._failure:
            for line in tally_lines(self._destination, tally, self._printer.console.width):
                self._printer.line(line)
