"""`sipprobe demo`: discovery and a test call, against the built-in responder where no other target is given."""

import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli.call import print_result as print_call
from probes.cli.call_codes import exit_code as call_code
from probes.cli.common import Printer, make_console, read_destination, run_to_the_end
from probes.cli.discover import exit_code, find_out, show_discovery
from probes.cli.exit_codes import ExitCode
from sipcore.value import value

if TYPE_CHECKING:
    from rich.console import Console

    from probes.destination import Destination
    from probes.discovery.run import DiscoveryConfig
    from probes.result import CallResult, Recommendation
    from sipcore.transports.base import TlsConfig

HOST = "127.0.0.1"
CALLED = "ringecho"
"""Whom the demo calls at the built-in responder: who rings for a second, answers, and sends the media back."""
HOLD = 2.0
"""Seconds that the answered call is held."""
TRIES = 20
"""Ports that are looked at: one that is free for TCP may well be taken for UDP."""


@value
class Scene:
    """What is discovered and called, and how."""

    destination: "Destination"
    config: "DiscoveryConfig"
    tls: "TlsConfig"


def demo(
    target: Annotated[
        str, typer.Argument(metavar="[TARGET]", help="What to discover and call; a built-in responder if not given.")
    ] = "",
) -> None:
    """Discover a SIP endpoint and place a test call to it.

    Without TARGET, a responder is started on free ports of the loopback interface for it. Exit code 0: the call was
    connected.
    """
    from probes.discovery.run import DiscoveryConfig
    from sipcore.transports.base import TlsConfig

    console = make_console()
    if target:
        scene = Scene(read_destination(target), DiscoveryConfig(), TlsConfig())
        raise typer.Exit(run_to_the_end(partial(_play, scene, console)))
    raise typer.Exit(run_to_the_end(partial(_play_responder, console)))


async def _play_responder(console: "Console") -> ExitCode:
    async with _responder() as scene:
        plain, secure = scene.config.ports
        where = f"{HOST}:{plain} for UDP and TCP, and on {HOST}:{secure} for TLS"
        console.print(f"the built-in responder listens on {where}", style="dim")
        return await _play(scene, console)


async def _play(scene: Scene, console: "Console") -> ExitCode:
    """Discover, call what was found, and show both."""
    ports = "".join(f" --port {port}" for port in scene.config.ports)
    _announce(console, f"sipprobe discover '{scene.destination}'{ports}")
    discovery = await find_out(scene.destination, scene.config, console)
    show_discovery(discovery, console)
    way = discovery.recommendation
    if way is None:
        return exit_code(discovery)
    console.print()
    _announce(console, f"sipprobe call '{way.uri}'")
    result = await _call(way, scene.tls, console)
    return call_code(result)


async def _call(way: "Recommendation", tls: "TlsConfig", console: "Console") -> "CallResult":
    """Call the way that discovery recommends."""
    from probes.calls.run import call_config, place_call
    from probes.calls.script import CallScript
    from probes.cli.live import Live
    from probes.destination import Destination

    script = CallScript(Destination.parse(str(way.uri)), hold=HOLD)
    printer = Printer(console)
    result = await Live(printer).during(lambda show: place_call(script, call_config(tls), show, way.hop))
    print_call(result, printer)
    return result


def _announce(console: "Console", command: str) -> None:
    console.print(f"$ {command}", style="bold cyan")


@asynccontextmanager
async def _responder() -> AsyncIterator[Scene]:
    """The built-in responder on free ports, with a certificate of its own that the scene trusts."""
    from probes.destination import Destination
    from probes.discovery.run import DiscoveryConfig
    from probes.responder.personas import Persona
    from probes.responder.run import open_responder
    from sipcore.resolve.target import SocketAddress, Transport
    from sipcore.transports.base import TlsConfig
    from sipcore.transports.certificates import self_signed

    certificate, key = self_signed([HOST])
    plain, secure = (SocketAddress(HOST, port) for port in sorted([_free_port(), _free_port()]))
    binds = [(Transport.UDP, plain), (Transport.TCP, plain), (Transport.TLS, secure)]
    async with open_responder(Persona(), binds, tls=TlsConfig(certificate=certificate, key=key)):
        trusting = TlsConfig(ca_data=certificate)
        config = DiscoveryConfig(ports=(plain.port, secure.port), tls=trusting)
        yield Scene(Destination(HOST, user=CALLED), config, trusting)


def _free_port() -> int:
    """A port that nobody uses at the moment, for UDP and for TCP. Raises OSError where there is none."""
    for _ in range(TRIES - 1):
        with suppress(OSError):
            return _try_port()
    return _try_port()


def _try_port() -> int:
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind((HOST, 0))
        port: int = tcp.getsockname()[1]
        udp.bind((HOST, port))
        return port


if __name__ == "__main__":
    from probes.cli.main import main

    main(["demo", *sys.argv[1:]])
