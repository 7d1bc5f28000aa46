"""`--save FILE`: the result of a test call as a file, in the format that the end of its name says; `--hep` sends it."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli.common import stop
from probes.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from probes.result import CallResult

Writer = Callable[["CallResult"], bytes]


def _capture(result: "CallResult") -> bytes:
    from probes.product import PRODUCT
    from probes.report.packets import packets
    from probes.report.pcapng import pcapng

    return pcapng(packets(result.records), epoch_ns=result.epoch_ns, application=PRODUCT)


def _picture(result: "CallResult") -> bytes:
    from probes.report.ladder import ladder_of
    from probes.report.safe_text import encodable
    from probes.report.svg import svg

    return svg(ladder_of(result.timeline, media=result.media), encodable(f"Test call to {result.destination}")).encode()


def _diagram(result: "CallResult") -> bytes:
    from probes.report.ladder import ladder_of
    from probes.report.mermaid import mermaid

    return mermaid(ladder_of(result.timeline, media=result.media)).encode()


def _data(result: "CallResult") -> bytes:
    import json

    from probes.report.call_json import call_data

    return json.dumps(call_data(result), ensure_ascii=False, indent=2).encode() + b"\n"


HEP_KEY_VARIABLE = "SIPPROBE_HEP_KEY"
"""What a collector wants as authentication: never an argument, which anybody on the machine can read."""
HEP_AGENT = 5060
"""The number that collectors show for this prober."""
HEP_PAUSE = 0.001
"""Seconds between two packets, so that no small receive buffer overflows."""

SaveTo = Annotated[
    list[Path] | None,
    typer.Option(
        "--save",
        metavar="FILE",
        help="Write the call to FILE: .pcapng for Wireshark, .svg or .mmd (Mermaid) for a ladder, .json for the "
        "result; may be repeated.",
    ),
]
Collector = Annotated[
    str,
    typer.Option(
        "--hep", metavar="HOST:PORT", help=f"Send the messages to a HEP collector; its key in ${HEP_KEY_VARIABLE}."
    ),
]

WRITERS: dict[str, Writer] = {".pcapng": _capture, ".svg": _picture, ".mmd": _diagram, ".json": _data}
"""How a result is written, by the end of the file's name."""


def check_files(files: list[Path]) -> None:
    """End the program when a file cannot be written, before anything is sent whose result would then be lost."""
    for file in files:
        if file.suffix.lower() not in WRITERS:
            stop(ExitCode.USAGE, f"--save {file}: the name has to end in {', '.join(WRITERS)}")
        if not file.parent.is_dir():
            stop(ExitCode.USAGE, f"--save {file}: there is no directory {file.parent}")


def save(result: "CallResult", files: list[Path]) -> None:
    """Write the files. Ends the program when one cannot be written, the others being there by then."""
    failures = []
    for file in files:
        try:
            file.write_bytes(WRITERS[file.suffix.lower()](result))
        except OSError as error:
            failures.append(f"--save {file}: {error.strerror}")
    if failures:
        stop(ExitCode.USAGE, "; ".join(failures))


def read_collector(text: str) -> tuple[str, int]:
    """Host and port of a collector; ends the program when they cannot be read."""
    from sipcore.errors import ParseError
    from sipcore.message.uri import parse_hostport

    try:
        host, port = parse_hostport(text, text)
    except ParseError as error:
        stop(ExitCode.USAGE, f"--hep {text}: {error.message}; give host:port")
    if port is None:
        stop(ExitCode.USAGE, f"--hep {text}: no port; collectors often listen on 9060")
    return host.strip("[]"), port


def send_to_collector(result: "CallResult", collector: tuple[str, int]) -> None:
    """Send the messages of a call. Ends the program when they cannot even be sent; nobody confirms them."""
    from probes.report.hep import hep

    key = os.environ.get(HEP_KEY_VARIABLE, "")
    try:
        family, kind, _, _, address = socket.getaddrinfo(*collector, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as sock:
            for packet in hep(result.records, epoch_ns=result.epoch_ns, agent=HEP_AGENT, key=key):
                sock.sendto(packet, address)
                time.sleep(HEP_PAUSE)
    except OSError as error:
        stop(ExitCode.USAGE, f"--hep {collector[0]}:{collector[1]}: {error.strerror}")
