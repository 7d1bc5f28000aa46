"""What the verbs share: reading destinations and secrets, and ending with one line and an exit code."""

import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from probes.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from probes.destination import Destination
    from sipcore.transports.base import TlsConfig

PASSWORD_VARIABLE = "SIPPROBE_PASSWORD"
MAX_PASSWORD_FILE = 4096
"""Bytes read of a password file: more is some other file."""


def stop(code: ExitCode, message: str) -> NoReturn:
    """End with `code` after one line on standard error."""
    typer.echo(f"sipprobe: {message}", err=True)
    raise typer.Exit(code)


def read_destination(text: str, transport: str = "") -> "Destination":
    """The destination of a TARGET argument and a --transport option; ends the program when it cannot be read."""
    from dataclasses import replace

    from probes.destination import Destination, DestinationError

    try:
        destination = Destination.parse(text)
        if transport:
            wanted = Destination.parse(f"{transport.lower()}://{'host'}").transport
            destination = replace(destination, transport=wanted)
    except DestinationError as error:
        stop(ExitCode.USAGE, error.message)
    return destination


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
            return data.decode().splitlines()[0] if data else ""
        except (OSError, UnicodeDecodeError) as error:
            stop(ExitCode.USAGE, f"cannot read the password from {file}: {error}")
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    if sys.stdin.isatty():
        return getpass.getpass(f"Password of {user}: ")
    stop(ExitCode.USAGE, f"no password for {user}: set {PASSWORD_VARIABLE}, or use --password-file")


def tls_config(ca_file: Path | None, *, insecure: bool) -> "TlsConfig":
    """The TLS configuration of the --ca-file and --insecure options."""
    from sipcore.transports.base import TlsConfig

    if ca_file is not None and not ca_file.is_file():
        stop(ExitCode.USAGE, f"cannot read {ca_file}: no such file")
    return TlsConfig(verify=not insecure, ca_file=str(ca_file) if ca_file else None)


def print_entry(console: "Console", line: "Text") -> None:
    """A line of the timeline: cut where a terminal ends, so that the columns stay columns."""
    if console.is_terminal:
        console.print(line, no_wrap=True, overflow="ellipsis")  # `print` asks the console, not the text, about both
    else:
        console.print(line)
