"""`--keylog FILE`: the keys of TLS in a capture, and what is told of connections that stay closed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli.common import read_content, stop
from probes.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from probes.capture.tls_streams import Unread

KeyLogFile = Annotated[
    Path | None,
    typer.Option(
        "--keylog",
        metavar="FILE",
        help="The keys of TLS in a capture, as SSLKEYLOGFILE has them; those inside a pcapng are used anyway.",
    ),
]


def read_key_log(file: Path | None) -> bytes:
    """The content of a key log; empty for none. Ends the program when it is no key log, or cannot be read."""
    from probes.capture.tls_keys import KeyLog

    if file is None:
        return b""
    data = read_content(file)
    if not KeyLog(data):
        stop(ExitCode.USAGE, f"--keylog {file}: no keys of TLS are in it, such as lines with CLIENT_RANDOM")
    return data


def tell_unread(file: Path, unread: "list[Unread]") -> None:
    """Say on the standard error why connections of a capture are not read."""
    from probes.report.replay_text import unread_lines

    for line in unread_lines(unread):
        typer.echo(f"sipprobe: {file}: {line}", err=True)
