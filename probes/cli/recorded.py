"""The calls of a file: somebody's capture, with `--keylog FILE` for TLS in it, or the JSON of test calls."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from probes.cli.common import read_content, stop, tell
from probes.cli.exit_codes import ExitCode
from probes.cli.printing import print_data

if TYPE_CHECKING:
    from probes.capture.unread import Unread

T = TypeVar("T")
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


def read_recorded(file: Path) -> bytes:
    """What is in a file, unpacked where it is compressed. Ends the program when it cannot be read."""
    from probes.capture.files import CaptureError, unpacked

    data = read_content(file)
    try:
        return unpacked(data)
    except CaptureError as error:
        stop(ExitCode.USAGE, f"cannot read {file}: {error.message}")


def read_calls(
    file: Path,
    data: bytes,
    of_results: Callable[[bytes], Sequence[T]],
    of_capture: "Callable[[bytes, list[Unread]], Sequence[T]]",
) -> tuple[Sequence[T], str]:
    """What one of the functions makes of the content of a file, and what is to be said of packets that nobody can read.

    Connections that stay closed are told of at once. Ends the program when the content cannot be read.
    """
    from probes.capture.files import CaptureError, read_packets
    from probes.capture.network import missed
    from probes.capture.stored import is_stored
    from probes.report.replay_text import missed_words, unread_lines
    from sipcore.errors import LocalError

    unread: list[Unread] = []
    try:
        if is_stored(data):
            return of_results(data), ""
        found, lacking = of_capture(data, unread), missed_words(missed(read_packets(data)))
    except (CaptureError, LocalError) as error:
        stop(ExitCode.USAGE, f"cannot read {file}: {error.message}")
    for line in unread_lines(unread):
        tell(f"{file}: {line}")
    return found, lacking


def choose(
    file: Path, found: tuple[Sequence[T], str], call: int | None, wanted: str, *, as_json: bool
) -> list[tuple[int, T]]:
    """What `read_calls` has found, numbered from 1; of a `call`, that one alone. `wanted` is what they are called.

    Ends the program where there is none: as JSON, that is an empty list.
    """
    calls, lacking = found
    missing = ""
    if not calls:
        missing = f"{file}: no {wanted}" + (f"; {lacking}" if lacking else "")
    elif lacking:
        tell(f"{file}: {lacking}")
    if calls and call is not None and call > len(calls):
        missing = f"{file}: there is no call {call}; it has {len(calls)}"
    if missing:
        if as_json:
            print_data([])
        stop(ExitCode.FAILED, missing)
    return [(call, calls[call - 1])] if call else list(enumerate(calls, 1))
