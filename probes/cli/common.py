"""What the verbs share: reading destinations and secrets, printing as things happen, and ending in order."""

import getpass
import math
import os
import shutil
import signal
import stat
import sys
import textwrap
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from probes.cli.exit_codes import ExitCode
from sipcore.errors import ParseError, quoted

if TYPE_CHECKING:
    import trio
    from rich.console import Console, RenderableType

    from probes.destination import Destination
    from sipcore.auth.choice import Account
    from sipcore.endpoint.endpoint import EndpointConfig
    from sipcore.message.address import Address
    from sipcore.resolve.target import SocketAddress
    from sipcore.transports.base import TlsConfig

T = TypeVar("T")
CaFile = Annotated[Path | None, typer.Option(metavar="FILE", help="PEM file with the roots to trust for TLS.")]
Certificate = Annotated[Path | None, typer.Option(metavar="FILE", help="PEM file with a client certificate for TLS.")]
Key = Annotated[Path | None, typer.Option(metavar="FILE", help="PEM file with the client certificate's key.")]
ServerCertificate = Annotated[
    Path | None,
    typer.Option("--certificate", metavar="FILE", help="PEM file with the certificate for TLS, and its intermediates."),
]
ServerKey = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="PEM file with the certificate's key, without a password.")
]
ClientCa = Annotated[
    Path | None,
    typer.Option("--client-ca", metavar="FILE", help="Demand a certificate of TLS clients; PEM file with its roots."),
]
Nameservers = Annotated[
    list[str] | None,
    typer.Option(
        "--nameserver",
        "--resolver",
        metavar="ADDRESS",
        help="Address of a DNS resolver to ask; may be repeated.",
        show_default="system's",
    ),
]
MAX_UNSIZED = 1 << 28
"""Bytes that are read of a pipe or device: some have no end, and all of it is to be in memory."""
PASSWORD_VARIABLE = "SIPPROBE_PASSWORD"
DNS_PORT = 53
HANGUPS = [signal.SIGHUP] if sys.platform != "win32" else []
"""What those get whose terminal has gone, and daemons that are to read their configuration again."""
ENDINGS = [signal.SIGINT, signal.SIGTERM, *HANGUPS]
"""Signals that end what goes on in order: calls are hung up."""
QUICK = 0.5
"""Seconds in which a program that is told to end is expected to have done so."""
LATER = "  "
"""What stands before the later lines of something said to a person."""
MAX_PASSWORD_FILE = 4096
"""Bytes read of a password file: more is some other file."""


class TransportName(StrEnum):
    """What --transport takes."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"
    WS = "ws"
    WSS = "wss"


def tell(message: str, beneath: str = "") -> None:
    """Say something on standard error; nothing for "".

    A program that reads it gets one line; a person gets lines of the terminal's width, and what is `beneath` as well.
    """
    told = f"sipprobe: {message}" if message else ""
    if told and sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        told = textwrap.fill(told, width, subsequent_indent=LATER, break_long_words=False, break_on_hyphens=False)
        told += f"\n{textwrap.indent(beneath, LATER)}" if beneath else ""
    if told:
        typer.echo(told, err=True)


def stop(code: ExitCode, message: str, beneath: str = "") -> NoReturn:
    """End with `code` after what `tell` says."""
    tell(message, beneath)
    raise typer.Exit(code)


def seconds(text: str, *names: str, least: float = 0.1, most: float | None = None) -> Any:  # noqa: ANN401  # as typer has it
    """An option that takes seconds, `text` being what the help says of it; `names` are for those that have several."""
    return typer.Option(*names, metavar="SECONDS", min=least, max=most, callback=_a_number, help=text)


def _a_number(value: float | None) -> float | None:
    """Refuse NaN: it passes every range, since all comparisons with it are false."""
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is no number.")
    return value


def read_destination(text: str, transport: TransportName | None = None) -> "Destination":
    """The destination of a TARGET argument and a --transport option; ends the program when they cannot be used."""
    from probes.destination import Destination, DestinationError
    from sipcore.resolve.target import Transport

    try:
        destination = Destination.parse(text)
        return destination.over(Transport[transport.name]) if transport is not None else destination
    except DestinationError as error:
        stop(ExitCode.USAGE, error.message, error.pointed if text.strip() else "")


def read_password(user: str, file: Path | None) -> str:
    """The password of `user`: from the file, the environment, or a prompt where there is a terminal.

    It is never an argument, which everybody on the machine could read.
    """
    if file is not None:
        try:
            with file.open("rb") as source:
                data = source.read(MAX_PASSWORD_FILE + 1)
            if len(data) > MAX_PASSWORD_FILE:
                stop(ExitCode.USAGE, f"{file} is too large for a password file")
            lines = data.decode().splitlines()
        except (OSError, ValueError) as error:
            stop(ExitCode.USAGE, f"cannot read the password from {file}: {why_unreadable(error)}")
        if not lines or not lines[0]:
            stop(ExitCode.USAGE, f"the first line of {file} is empty: the password goes there")
        return lines[0]
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    if sys.stdin.isatty():
        return getpass.getpass(f"Password of {user}: ")
    stop(ExitCode.USAGE, f"no password for {user}: set {PASSWORD_VARIABLE}, or use --password-file")


def read_account(destination: "Destination", user: str, realm: str, password_file: Path | None) -> "Account | None":
    """The credentials of the --user, --realm and --password-file options, for this host alone; None without a user."""
    from sipcore.auth.choice import Account

    if not user:
        lonely = next((name for name, text in (("--password-file", password_file), ("--realm", realm)) if text), "")
        if lonely:
            stop(ExitCode.USAGE, f"{lonely} goes with --user, which is not given")
        return None
    return Account(user, read_password(user, password_file), hosts=destination.hosts, realm=realm or None)


def read_address(option: str, text: str) -> "Address | None":
    """An address that an option gives, None for ""; ends the program when it cannot be read."""
    from sipcore.message.address import Address

    try:
        return Address.parse(text) if text else None
    except ParseError as error:
        problem = f"cannot read {quoted(text)}: {error.message}"
        stop(ExitCode.USAGE, f"{problem}; {option} takes a URI such as sip:alice@example.com")


def read_headers(lines: Iterable[str] | None) -> tuple[tuple[str, str], ...]:
    """Header fields, one on each line; ends the program for a line that is none."""
    fields = []
    for line in lines or ():
        name, colon, text = line.partition(":")
        if not colon:
            stop(ExitCode.USAGE, f"--header {quoted(line)}: write it as 'Name: value'")
        fields.append((name.strip(), text.strip()))
    return tuple(fields)


@contextmanager
def telling_allow() -> Iterator[None]:
    """End the program where a number is refused, and say which option allows it."""
    from probes.calls.number import RefusedNumber

    try:
        yield
    except RefusedNumber as error:
        stop(ExitCode.USAGE, f"{error.message}: --allow {error.kind}")


def tls_config(ca_file: Path | None, *, insecure: bool) -> "TlsConfig":
    """The TLS configuration of the --ca-file and --insecure options."""
    from sipcore.transports.base import TlsConfig

    if ca_file is not None:
        read_content(ca_file)
    return TlsConfig(verify=not insecure, ca_file=str(ca_file) if ca_file else None)


def with_client_certificate(config: "TlsConfig", certificate: Path | None, key: Path | None) -> "TlsConfig":
    """The same configuration with the --certificate and --key options."""
    if (certificate is None) != (key is None):
        stop(ExitCode.USAGE, "a certificate needs both --certificate and --key")
    if certificate is None or key is None:
        return config
    chain, private = (_not_empty(file, read_content(file)) for file in (certificate, key))
    return replace(config, certificate=chain, key=private)


def _not_empty(file: Path, content: bytes) -> bytes:
    """The content of a file, without which it would be as if it had not been given."""
    return content or stop(ExitCode.USAGE, f"{file} is empty")


def server_tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> "TlsConfig":
    """How TLS is served with the --certificate, --key and --client-ca options; the certificate may be missing."""
    config = with_client_certificate(tls_config(client_ca, insecure=False), certificate, key)
    return replace(config, require_client_certificate=client_ca is not None)


def calling_config(
    ca_file: Path | None, certificate: Path | None, key: Path | None, servers: Iterable[str] | None, *, insecure: bool
) -> "EndpointConfig":
    """What the options about TLS and DNS have calls placed with."""
    from probes.calls.run import call_config
    from sipcore.transports.lookup import LookupConfig

    tls = with_client_certificate(tls_config(ca_file, insecure=insecure), certificate, key)
    return replace(call_config(tls), lookup=LookupConfig(nameservers=nameservers(servers)))


def read_content(file: Path) -> bytes:
    """What is in a file. Ends the program when it cannot be read, or is a device or pipe that does not end."""
    try:
        with file.open("rb") as source:
            if stat.S_ISREG(os.fstat(source.fileno()).st_mode):
                return source.read()
            data = source.read(MAX_UNSIZED + 1)
    except OSError as error:
        stop(ExitCode.USAGE, f"cannot read {file}: {why_unreadable(error)}")
    if len(data) > MAX_UNSIZED:
        stop(ExitCode.USAGE, f"cannot read {file}: it does not end within {MAX_UNSIZED >> 20} MiB; write it to a file")
    return data


def why_unreadable(error: OSError | ValueError) -> str:
    """Why a file cannot be read, in a few words, of which none is out of the file: it may hold a secret."""
    if isinstance(error, OSError):
        return error.strerror or "it cannot be opened"
    return "it is no text" if isinstance(error, UnicodeError) else "no file can have that name"


def nameservers(texts: Iterable[str] | None) -> "tuple[SocketAddress, ...]":
    """The DNS servers of the --nameserver options, each once; none without any."""
    from probes.checks.dns.plan import MAX_RESOLVERS

    servers = tuple(dict.fromkeys(map(_nameserver, texts or ())))
    if len(servers) > MAX_RESOLVERS:
        stop(ExitCode.USAGE, f"{len(servers)} resolvers are too many; give at most {MAX_RESOLVERS}")
    return servers


def _nameserver(text: str) -> "SocketAddress":
    from sipcore.resolve.target import SocketAddress

    server = read_destination(text)
    if not server.is_numeric:
        stop(ExitCode.USAGE, f"--nameserver takes an address, and {text} is none")
    return SocketAddress(server.host, server.port or DNS_PORT)


def make_console() -> "Console":
    """Standard output. Long lines are wrapped on a terminal and nowhere else; NO_COLOR is obeyed."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=not sys.stdout.isatty())


class Printer:
    """Prints to a console from within what the network does, where nothing may be raised.

    A full disk does not stop a call halfway: nothing more is printed then, and `close` tells of it.
    """

    def __init__(self, console: "Console") -> None:
        self.console = console
        self._failure: OSError | None = None

    def line(self, line: "RenderableType") -> None:
        """A line as it happens: cut where a terminal ends, so that the columns stay columns."""
        if self._failure is not None:
            return
        try:
            if self.console.is_terminal:
                # `print` asks the console, not the text, about both.
                self.console.print(line, no_wrap=True, overflow="ellipsis")
            else:
                self.console.print(line)
        except OSError as error:
            self._failure = error

    @property
    def has_failed(self) -> bool:
        """Whether something could not be printed, so that nothing is any more."""
        return self._failure is not None

    def close(self) -> None:
        """End the program if not everything could be printed."""
        if self._failure is not None:
            stop(ExitCode.FAILED, f"cannot write the result: {self._failure.strerror}")


def run_to_the_end(function: Callable[[], Awaitable[T]]) -> T:
    """`trio.run`, but SIGINT, SIGTERM and SIGHUP cancel it first: calls are hung up before the signal ends the program.

    Otherwise KeyboardInterrupt could be raised anywhere, in the middle of taking a message too. The second signal has
    its usual effect at once, of which somebody is told who waits: a peer that is silent lets a call go on for a while.
    """
    results, signals = _run_heeding_signals(function)
    if not results:
        signal.raise_signal(signals[0])
        sys.exit(ExitCode.FAILED)  # where the signal is ignored
    return results[0]


def run_until_stopped(function: Callable[[], Awaitable[object]], reload: Callable[[], None] | None = None) -> None:
    """The same for what has no other end than those signals: they cancel it, and the program goes on behind it.

    With `reload` it is called at each SIGHUP in place of that, as daemons have it, where there is no terminal: where
    there is, SIGHUP says that it has gone.
    """
    _run_heeding_signals(function, reload=_unless_seen(reload))


def _unless_seen(reload: Callable[[], None] | None) -> Callable[[], None] | None:
    """What SIGHUP does to a program without a terminal; nothing with one."""
    seen = any(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    return None if seen else reload


def run_interruptible(
    function: "Callable[[trio.Event], Awaitable[T]]", reload: Callable[[], None] | None = None
) -> tuple[T, Callable[[], None]]:
    """The same for what gives a result also when it is told to stop, by the event that it is given. That is returned
    with a function that ends the program as the signal would have, if one has come: the result is told before.
    """
    import trio

    stop = trio.Event()
    results, signals = _run_heeding_signals(partial(function, stop), stop, _unless_seen(reload))

    def end() -> None:
        for number in signals:
            signal.raise_signal(number)
            sys.exit(ExitCode.FAILED)  # where the signal is ignored

    return results[0], end


def _run_heeding_signals(
    function: Callable[[], Awaitable[T]], stop: "trio.Event | None" = None, reload: Callable[[], None] | None = None
) -> tuple[list[T], list[int]]:
    """What it returned, if it did, and the signal that came before; that cancels it where there is no `stop`. Who is
    not to be ended by SIGHUP (nohup) is not. A second SIGHUP ends nothing: where a terminal has gone, the shell sends
    one, and the kernel another when the shell ends.
    """
    import trio

    results: list[T] = []
    signals: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        return [trio.run(function)], signals  # signals are the main thread's

    async def cancel_at_signal(
        scope: trio.CancelScope, task_status: "trio.TaskStatus[None]" = trio.TASK_STATUS_IGNORED
    ) -> None:
        with trio.open_signal_receiver(*heeded) as received:
            task_status.started()
            async for number in received:
                if number not in HANGUPS or reload is None:
                    signals.append(number)
                    break
                reload()
        # Trio would wait with the KeyboardInterrupt of a second one until what is shielded is over: the BYE, say.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        trio.lowlevel.spawn_system_task(tell_who_waits)  # beyond what is cancelled, until the run is over
        if stop is not None:
            stop.set()
        else:
            scope.cancel()

    async def tell_who_waits() -> None:
        await trio.sleep(QUICK)
        with suppress(OSError):
            tell("ending what was begun; once more ends it at once")

    async def watch() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(cancel_at_signal, nursery.cancel_scope)
            results.append(await function())
            nursery.cancel_scope.cancel()

    usual = {number: signal.getsignal(number) or signal.SIG_DFL for number in (signal.SIGINT, *HANGUPS)}
    heeded = [number for number in ENDINGS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in HANGUPS:
        signal.signal(number, signal.SIG_IGN)
    try:
        trio.run(watch)
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
    return results, signals
