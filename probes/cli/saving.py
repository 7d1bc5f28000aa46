"""`--save FILE`: a result as a file, in the format that the end of its name says; `--html` writes a report of it, and
`--hep` sends its messages."""

import os
import shutil
import socket
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from probes.cli.common import stop, tell
from probes.cli.exit_codes import ExitCode
from probes.cli.printing import INDENT, json_text

if TYPE_CHECKING:
    from probes.calls.wire import Wire
    from probes.result import CallResult, TimelineEntry
    from sipcore.trace import TraceRecord

Writer = Callable[["CallResult"], bytes]


class Told(Protocol):
    """What came of a test, with the messages that show it."""

    @property
    def timeline(self) -> "Sequence[TimelineEntry]":
        """A line for each."""

    @property
    def records(self) -> "Sequence[TraceRecord]":
        """The evidence behind it."""

    @property
    def epoch_ns(self) -> int:
        """What makes dates of their times."""


def _capture(result: "CallResult", wire: "Wire | None" = None) -> bytes:
    from probes.product import PRODUCT
    from probes.report.packets import packets
    from probes.report.pcapng import pcapng

    made = packets(result.records, wire.records if wire else ())
    return pcapng(made, epoch_ns=result.epoch_ns, application=PRODUCT, key_log=wire.key_log if wire else b"")


def _picture(result: "CallResult") -> bytes:
    from probes.report.html_call import title_of_call
    from probes.report.ladder import ladder_of
    from probes.report.svg import svg
    from sipcore.errors import encodable

    return svg(ladder_of(result.timeline, media=result.media), encodable(title_of_call(result))).encode()


def _diagram(result: "CallResult") -> bytes:
    from probes.report.ladder import ladder_of
    from probes.report.mermaid import mermaid

    return mermaid(ladder_of(result.timeline, media=result.media)).encode()


def _data(result: "CallResult") -> bytes:
    from probes.report.call_json import call_data

    return f"{json_text(call_data(result), indent=INDENT)}\n".encode()


def _page(result: "CallResult") -> bytes:
    from probes.report.html_call import call_page

    return call_page(result, time.time()).encode()


HEP_KEY_VARIABLE = "SIPPROBE_HEP_KEY"
"""What a collector wants as authentication: never an argument, which anybody on the machine can read."""
HEP_AGENT = 5060
"""The number that collectors show for this prober."""
HEP_BURST, HEP_PAUSE = 32, 0.001
"""Packets that are sent in a row, and seconds of pause behind them, so that no small receive buffer overflows."""

SaveTo = Annotated[
    list[Path] | None,
    typer.Option(
        "--save",
        metavar="FILE",
        help="Write the call to FILE: .html for a report, .pcapng for Wireshark, .svg or .mmd (Mermaid) for a ladder, "
        ".json for the result; may be repeated.",
    ),
]
HtmlTo = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write a report to FILE: one HTML page, to be passed on.")
]
WithMedia = Annotated[
    bool, typer.Option("--with-media", help="Write RTP and RTCP to the .pcapng, too, as they were on the wire.")
]
WithTls = Annotated[
    bool,
    typer.Option("--with-tls", help="Write TLS to the .pcapng as it was, with its keys: passwords can be read there."),
]
Collector = Annotated[
    str,
    typer.Option(
        "--hep", metavar="HOST:PORT", help=f"Send the messages to a HEP collector; its key in ${HEP_KEY_VARIABLE}."
    ),
]

CAPTURE = ".pcapng"
MESSAGE_ENDS = (CAPTURE, ".svg", ".mmd", ".json")
"""Of the names of the files that a test which is no single call can be written to."""
SaveMessagesTo = Annotated[
    list[Path] | None,
    typer.Option(
        "--save",
        metavar="FILE",
        help="Write the messages to FILE: .pcapng for Wireshark, .svg or .mmd (Mermaid) for a ladder, .json for the "
        "result; may be repeated.",
    ),
]
WRITERS: dict[str, Writer] = {
    ".html": _page,
    CAPTURE: _capture,
    ".svg": _picture,
    ".mmd": _diagram,
    ".json": _data,
}
"""How a result is written, by the end of the file's name."""


def check_files(files: Iterable[Path], html: Path | None = None, ends: Collection[str] = WRITERS) -> None:
    """End the program when a file cannot be written, before anything is sent whose result would then be lost. `ends`
    are those of the names of `files`.
    """
    if html is not None:
        check_directory("--html", html)
    for file in files:
        if file.suffix.lower() not in ends:
            stop(ExitCode.USAGE, f"--save {file}: the name has to end in {', '.join(ends)}")
        check_directory("--save", file)


def check_directory(option: str, file: Path) -> None:
    """End the program when there is no directory for a file, or it is one itself."""
    if file.is_dir():
        stop(ExitCode.USAGE, f"{option} {file}: this is a directory; name a file in it")
    if not file.parent.is_dir():
        stop(ExitCode.USAGE, f"{option} {file}: there is no directory {file.parent}")


def read_kept(files: list[Path], html: Path | None = None, *, media: bool, tls: bool) -> "Wire":
    """What keeps packets of `media`, and bytes of `tls`; ends the program where those have no file to go to, or a file
    cannot be written.
    """
    from probes.calls.wire import Wire

    check_files(files, html)
    if (media or tls) and not any(file.suffix.lower() == CAPTURE for file in files):
        stop(ExitCode.USAGE, f"--with-{'media' if media else 'tls'} goes with --save FILE{CAPTURE}")
    return Wire(media=media, tls=tls)


def save(result: "CallResult", files: list[Path], html: Path | None = None, wire: "Wire | None" = None) -> None:
    """Write the files. Ends the program when one cannot be written, the others being there by then."""
    writers: dict[str, Writer] = {**WRITERS, CAPTURE: partial(_capture, wire=wire)}
    wanted = [("--save", file, partial(writers[file.suffix.lower()], result)) for file in files]
    if wire is not None and wire.omitted:
        tell(f"the capture lacks {wire.omitted} packets, for which there was no room")
    write_all([*wanted, *([("--html", html, partial(_page, result))] if html is not None else [])])


def save_messages(told: Told, title: str, data: object, files: Iterable[Path]) -> None:
    """Write the files of MESSAGE_ENDS: the messages of a test, under a title, or its result, which `data` is. Ends the
    program when one cannot be written, the others being there by then.
    """
    from probes.product import PRODUCT
    from probes.report.ladder import ladder_of
    from probes.report.mermaid import mermaid
    from probes.report.packets import packets
    from probes.report.pcapng import pcapng
    from probes.report.svg import svg
    from sipcore.errors import encodable

    written = {
        CAPTURE: lambda: pcapng(packets(told.records), epoch_ns=told.epoch_ns, application=PRODUCT),
        ".svg": lambda: svg(ladder_of(told.timeline), encodable(title)).encode(),
        ".mmd": lambda: mermaid(ladder_of(told.timeline)).encode(),
        ".json": f"{json_text(data, indent=INDENT)}\n".encode,
    }
    write_all(("--save", file, written[file.suffix.lower()]) for file in files)


def write_all(wanted: Iterable[tuple[str, Path, Callable[[], bytes]]]) -> None:
    """Write to each file what is made for it; an option names it. Ends the program when one cannot be written, the
    others being there by then.
    """
    failures = []
    for option, file, make in wanted:
        try:
            write_whole(file, make())
        except OSError as error:
            failures.append(f"{option} {file}: {error.strerror}")
    if failures:
        stop(ExitCode.USAGE, "; ".join(failures))


def write_whole(file: Path, content: bytes) -> None:
    """Write a file wholly or not at all: where the disk is full, what was there stays. Raises OSError."""
    if file.exists() and not (file.is_file() and os.access(file.resolve().parent, os.W_OK)):
        file.write_bytes(content)  # a pipe, a device, or one that can be changed alone
        return
    target = file.resolve()
    part = target.with_name(f".sipprobe-{os.getpid()}.part")
    try:
        part.write_bytes(content)
        if target.exists():
            shutil.copymode(target, part)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def hand_over(
    result: "CallResult", files: list[Path], html: Path | None, wire: "Wire", sender: "HepSender | None"
) -> None:
    """Write the files, and tell the collector."""
    save(result, files, html, wire)
    if sender is not None:
        sender.send(result.records, result.epoch_ns)
        sender.close()


class HepSender:
    """Sends calls to a HEP collector. Ends the program where its name, or its address, cannot be used."""

    def __init__(self, text: str) -> None:
        host, port = _read_collector(text)
        self._name = f"--hep {text}"
        self._failure = ""
        try:
            family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            self._address, self._socket = address, socket.socket(family, kind)
        except OSError as error:
            stop(ExitCode.USAGE, f"{self._name}: {error.strerror}")
        except UnicodeError:  # a label of more than 63 characters (RFC 1035 §2.3.4)
            stop(ExitCode.USAGE, f"{self._name}: {host} is no name that DNS can hold; check the spelling")

    def send(self, records: "Iterable[TraceRecord]", epoch_ns: int) -> None:
        """Send the messages of a call; nobody confirms them. What cannot even be sent is told by `close`.

        `epoch_ns` is as in `report.hep`.
        """
        from probes.report.hep import hep

        key = os.environ.get(HEP_KEY_VARIABLE, "")
        try:
            packets = hep(records, epoch_ns=epoch_ns, agent=HEP_AGENT, key=key)
            for number, packet in enumerate(packets, 1):
                self._socket.sendto(packet, self._address)
                if number % HEP_BURST == 0:
                    time.sleep(HEP_PAUSE)
        except OSError as error:
            self._failure = f"{self._name}: {error.strerror}"

    def close(self) -> None:
        """End the program if something could not be sent."""
        self._socket.close()
        if self._failure:
            stop(ExitCode.USAGE, self._failure)


def sender_to(collector: str) -> HepSender | None:
    """What sends to the collector of the --hep option; None without one."""
    return HepSender(collector) if collector else None


def _read_collector(text: str) -> tuple[str, int]:
    from sipcore.errors import ParseError
    from sipcore.message.uri import parse_hostport

    try:
        host, port = parse_hostport(text, text)
    except ParseError as error:
        stop(ExitCode.USAGE, f"--hep {text}: {error.message}; give host:port")
    if port is None:
        stop(ExitCode.USAGE, f"--hep {text}: no port; collectors often listen on 9060")
    return host.strip("[]"), port
