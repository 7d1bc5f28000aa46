"""`sipprobe respond`: an answering endpoint, for tests and demonstrations. It runs until it is stopped."""

import json
import signal
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from probes.cli.call_options import EncryptionName, PasswordFile, ServedEncryption
from probes.cli.common import read_password, stop
from probes.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from probes.responder.happening import Binding, Happening
    from probes.responder.personas import Guard, Manner, Persona

DEFAULT_HOST = "127.0.0.1"
MAX_PORT = 65535


def respond(
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 or :: for all.")] = DEFAULT_HOST,
    port: Annotated[int, typer.Option(min=0, max=MAX_PORT, help="For UDP and TCP; 0 for any free one.")] = 5060,
    tls_port: Annotated[int, typer.Option(min=0, max=MAX_PORT, help="For TLS, with a certificate of its own.")] = 5061,
    no_tls: Annotated[bool, typer.Option("--no-tls", help="Do not serve TLS.")] = False,
    ring: Annotated[float | None, typer.Option(min=0.0, metavar="SECONDS", help="Ring (180) for so long.")] = None,
    answer_after: Annotated[
        float | None, typer.Option(min=0.0, metavar="SECONDS", help="Wait before ringing or answering.")
    ] = None,
    early_media: Annotated[bool, typer.Option("--early-media", help="Send 183 with media first.")] = False,
    refuse: Annotated[
        int | None, typer.Option(metavar="CODE", help="Refuse calls with this status, 300 to 699.")
    ] = None,
    redirect: Annotated[str, typer.Option(metavar="URI", help="Send callers elsewhere (302).")] = "",
    busy: Annotated[bool, typer.Option("--busy", help="Refuse calls with 486.")] = False,
    silent: Annotated[bool, typer.Option("--silent", help="Never answer anything.")] = False,
    hang_up_after: Annotated[
        float | None, typer.Option(min=0.0, metavar="SECONDS", help="Hang up an answered call.")
    ] = None,
    codec: Annotated[list[str] | None, typer.Option(help="Codec to accept; may be repeated.")] = None,
    encryption: ServedEncryption = EncryptionName.ALLOW,
    user: Annotated[str, typer.Option(help="Ask for digest authentication as this user.")] = "",
    password_file: PasswordFile = None,
    realm: Annotated[str, typer.Option(help="The realm of the challenge.")] = "sipprobe",
    algorithm: Annotated[list[str] | None, typer.Option(help="Digest algorithm to offer, in order.")] = None,
    proxy_auth: Annotated[bool, typer.Option("--proxy-auth", help="Challenge with 407 in place of 401.")] = False,
    server: Annotated[str, typer.Option(help="The banner (Server header field); empty for none.")] = "sipprobe",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Answer OPTIONS and calls, one printed line for each, until stopped (Ctrl-C or SIGTERM).

    Without options about calls, the called user selects what happens: echo (or any other) answers and sends the
    media back, ringecho rings first, ring rings for ever, early sends early media, hangup hangs up after two
    seconds, busy, reject, unknown and congestion refuse, and so does any status code, as in sip:603@127.0.0.1.
    """
    # Loaded only here: `--help` and the other verbs should not wait for the engine.
    import trio

    from probes.responder.personas import BUSY, DEFAULT_CODECS, Persona
    from sipcore.errors import SipError
    from sipcore.media.terms import Encryption
    from sipcore.sdp.codecs import codecs_named

    endings = {"--refuse": refuse, "--redirect": redirect, "--busy": busy, "--silent": silent}
    given = [name for name, chosen in endings.items() if chosen not in (None, False, "")]
    if len(given) > 1:
        stop(ExitCode.USAGE, f"{' and '.join(given)} exclude each other; give one of them")
    try:
        timing = {"ring": ring, "delay": answer_after, "early_media": early_media, "hang_up_after": hang_up_after}
        persona = Persona(
            _manner(timing, BUSY if busy else refuse, redirect),
            silent,
            codecs_named(codec) if codec else DEFAULT_CODECS,
            _guard(user, password_file, realm, algorithm or [], proxy=proxy_auth) if user else None,
            server,
            Encryption(encryption.value),
        )
        trio.run(_serve, persona, _binds(host, port, None if no_tls else tls_port), as_json)
    except SipError as error:
        stop(ExitCode.USAGE, error.message)


async def _serve(persona: "Persona", binds: "list[Binding]", as_json: bool) -> None:
    """Answer, and print what happens, until a signal comes."""
    import trio

    from probes.responder.happening import bindings_data, bindings_line, happening_data, happening_line
    from probes.responder.run import open_responder

    def tell(happening: "Happening") -> None:
        _print(json.dumps(happening_data(happening)) if as_json else happening_line(happening))

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_responder(persona, binds, tell) as responder:
            addresses = responder.addresses
            _print(json.dumps(bindings_data(addresses)) if as_json else bindings_line(addresses))
            async for _ in signals:
                break


def _print(line: str) -> None:
    """One line at once; whoever read the first ones and went away does not stop the responder."""
    try:
        typer.echo(line)
    except BrokenPipeError:
        return


def _manner(timing: "dict[str, Any]", refuse: int | None, redirect: str) -> "Manner | None":
    """How calls are dealt with; None when no option says anything, so that the called user decides."""
    from probes.responder.personas import MOVED_TEMPORARILY, OK, Manner
    from sipcore.errors import ParseError
    from sipcore.message.uri import parse_uri

    if refuse == OK:
        stop(ExitCode.USAGE, f"{OK} is no refusal; leave --refuse out to have calls answered")
    given = {name: chosen for name, chosen in timing.items() if chosen is not None and chosen is not False}
    if redirect:
        try:
            return Manner(status=MOVED_TEMPORARILY, contact=parse_uri(redirect), **given)
        except ParseError as error:
            problem = f"cannot read {redirect!r}: {error.message}"
            stop(ExitCode.USAGE, f"{problem}; --redirect takes a URI such as sip:bob@example.com")
    return Manner(status=OK if refuse is None else refuse, **given) if given or refuse is not None else None


def _guard(user: str, password_file: Path | None, realm: str, names: list[str], *, proxy: bool) -> "Guard":
    """The digest authentication that is asked for."""
    from probes.responder.personas import Guard
    from sipcore.auth.digest import Algorithm, algorithm_named
    from sipcore.auth.server import ServerPolicy, UserTable

    algorithms = tuple(algorithm_named(name) for name in names)
    for name, found in zip(names, algorithms, strict=True):
        if found is None:
            known = ", ".join(algorithm.wire_name for algorithm in Algorithm)
            stop(ExitCode.USAGE, f"no digest algorithm {name}; there are {known}")
    wanted = tuple(found for found in algorithms if found is not None)
    policy = ServerPolicy(realm, wanted, proxy=proxy) if wanted else ServerPolicy(realm, proxy=proxy)
    return Guard(policy, UserTable({user: read_password(user, password_file)}))


def _binds(host: str, port: int, tls_port: int | None) -> "list[Binding]":
    from sipcore.resolve.target import SocketAddress, Transport

    try:
        ip_address(host)
    except ValueError:
        stop(ExitCode.USAGE, f"--host takes an IP address of this machine, not {host}")
    binds = [(Transport.UDP, SocketAddress(host, port)), (Transport.TCP, SocketAddress(host, port))]
    return binds if tls_port is None else [*binds, (Transport.TLS, SocketAddress(host, tls_port))]
