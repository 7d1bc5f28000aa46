"""`sipprobe respond`: an answering endpoint, for tests and demonstrations. It runs until it is stopped."""

import json
import signal
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from probes.cli import respond_options as options
from probes.cli.call_options import EncryptionName, PasswordFile, ServedEncryption
from probes.cli.common import read_password, stop
from probes.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from probes.responder.happening import Binding, Happening
    from probes.responder.personas import Guard, Manner, Persona

DEFAULT_HOST = "127.0.0.1"


def respond(
    host: options.Host = DEFAULT_HOST,
    port: options.Port = 5060,
    tls_port: options.TlsPort = 5061,
    no_tls: options.NoTls = False,
    ring: options.Ring = None,
    answer_after: options.AnswerAfter = None,
    early_media: options.EarlyMedia = False,
    refuse: options.Refuse = None,
    redirect: options.Redirect = "",
    busy: options.Busy = False,
    silent: options.Silent = False,
    hang_up_after: options.HangUpAfter = None,
    codec: options.CodecName = None,
    encryption: ServedEncryption = EncryptionName.ALLOW,
    user: options.User = "",
    password_file: PasswordFile = None,
    realm: options.Realm = "sipprobe",
    algorithm: options.AlgorithmName = None,
    proxy_auth: options.ProxyAuth = False,
    server: options.Server = "sipprobe",
    calls: options.Calls = None,
    max_hold: options.MaxHold = 3600.0,
    as_json: options.AsJson = False,
) -> None:
    """Answer OPTIONS and calls, tell of each with the measures of its audio, until stopped (Ctrl-C or SIGTERM).

    Without options about calls, the called user selects what happens: echo (or any other) answers and sends the
    media back, ringecho rings first, ring rings for ever, early sends early media, hangup hangs up after two
    seconds, busy, reject, unknown and congestion refuse, and so does any status code, as in sip:603@127.0.0.1.

    Exit code with --calls 13: a call was answered, and no audio came from the caller.
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
        told = _Told(calls, as_json=as_json)
        trio.run(_serve, persona, _binds(host, port, None if no_tls else tls_port), told, max_hold)
    except SipError as error:
        stop(ExitCode.USAGE, error.message)
    raise typer.Exit(told.exit_code)


class _Told:
    """What was printed of calls and requests, and whether that is enough."""

    def __init__(self, calls: int | None, *, as_json: bool) -> None:
        self.as_json = as_json
        self._left = calls
        self.exit_code = ExitCode.OK

    @property
    def is_enough(self) -> bool:
        """Whether as many calls are over as were asked for."""
        return self._left == 0

    def tell(self, happening: "Happening") -> None:
        """Print it, and count a call."""
        from probes.responder.happening import happening_data, happening_lines

        lines = [json.dumps(happening_data(happening))] if self.as_json else happening_lines(happening)
        _print("\n".join(lines))
        if happening.method != "INVITE" or not self._left:
            return
        self._left -= 1
        heard = happening.media is not None and happening.media.measured.received is not None
        if happening.answer_time is not None and not heard:
            self.exit_code = ExitCode.NO_MEDIA


async def _serve(persona: "Persona", binds: "list[Binding]", told: _Told, longest: float) -> None:
    """Answer, and print what happens, until a signal comes, or enough calls are over."""
    import trio

    from probes.responder.happening import bindings_data, bindings_line
    from probes.responder.run import open_responder

    enough = trio.Event()

    def tell(happening: "Happening") -> None:
        told.tell(happening)
        if told.is_enough:
            enough.set()

    async def stop_at_signal(scope: trio.CancelScope) -> None:
        async for _ in signals:
            scope.cancel()

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_responder(persona, binds, tell, longest=longest) as responder, trio.open_nursery() as nursery:
            addresses = responder.addresses
            _print(json.dumps(bindings_data(addresses)) if told.as_json else bindings_line(addresses))
            nursery.start_soon(stop_at_signal, nursery.cancel_scope)
            await enough.wait()
            nursery.cancel_scope.cancel()


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
