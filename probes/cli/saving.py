"""`--save FILE`: the result of a test call as a file, in the format that the end of its name says."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

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

    return svg(ladder_of(result.timeline), encodable(f"Test call to {result.destination}")).encode()


def _diagram(result: "CallResult") -> bytes:
    from probes.report.ladder import ladder_of
    from probes.report.mermaid import mermaid

    return mermaid(ladder_of(result.timeline)).encode()


def _data(result: "CallResult") -> bytes:
    import json

    from probes.report.call_json import call_data

    return json.dumps(call_data(result), ensure_ascii=False, indent=2).encode() + b"\n"


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
