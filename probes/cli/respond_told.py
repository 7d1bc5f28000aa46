"""What `sipprobe respond` prints of requests and calls."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from probes.cli.call_codes import exit_code
from probes.cli.common import Printer, make_console
from probes.cli.exit_codes import ExitCode
from probes.cli.printing import print_event
from probes.cli.saving import HepSender

if TYPE_CHECKING:
    from probes.calls.story import OnEntry
    from probes.registration.judge import RegistrationReport
    from probes.responder.happening import Binding, Happening
    from probes.result import CallResult

T = TypeVar("T")


class Told:
    """What was printed so far, and whether that is enough."""

    def __init__(self, calls: int | None, sender: HepSender | None, *, as_json: bool) -> None:
        from probes.cli.live import Live

        self.as_json = as_json
        self.is_live = calls == 1 and not as_json
        """Whether the lines of timelines are printed as they happen: those of several calls would be mixed up."""
        self._left = calls
        self._sender = sender
        self._printer = Printer(make_console())
        self._live = Live(self._printer)
        self.last: CallResult | None = None
        """The call that was over last."""
        self.exit_code = ExitCode.OK
        self.refusal: RegistrationReport | None = None
        """Why no call will come, where it was to come by way of a registrar."""

    @property
    def is_enough(self) -> bool:
        """Whether as many calls are over as were asked for."""
        return self._left == 0

    async def during(self, work: "Callable[[OnEntry | None], Awaitable[T]]") -> T:
        """Do something that has calls in it, and show the lines of the one that is shown as it happens."""
        return await (self._live.during(work) if self.is_live else work(None))

    def tell(self, happening: "Happening") -> None:
        """Print what is over, and count a call."""
        from probes.responder.happening import happening_data, happening_lines

        self._live.flush()
        if self.as_json:
            print_event(happening_data(happening))
        else:
            for line in happening_lines(happening, self._printer.console.width):
                self._printer.line(line)
        result = happening.result
        if result is None:
            return
        self.last = result
        if self._sender is not None:
            self._sender.send(result.records, result.epoch_ns)
        if self._left:
            self._left -= 1
        if self._left is not None and self.exit_code is ExitCode.OK:
            code = exit_code(result)
            # Without an expectation, a call that was refused here is as it should be.
            self.exit_code = code if result.unmet is not None or code is ExitCode.NO_MEDIA else ExitCode.OK

    def close(self) -> None:
        """End the program if something could not be told."""
        self._printer.close()
        if self._sender is not None:
            self._sender.close()


def say(addresses: "tuple[Binding, ...]", *, as_json: bool) -> None:
    """Where the responder can be reached."""
    from probes.responder.happening import bindings_data, bindings_line

    if as_json:
        print_event(bindings_data(addresses))
    else:
        typer.echo(bindings_line(addresses))
