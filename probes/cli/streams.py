"""Standard output and standard error: what became of what is written there never decides how the command ends, but for
a result that could not be written although somebody wants it.

A reader that has seen enough (`| head -1`) and a stream that was closed before the start (`>&-`) change nothing: the
exit code tells of the endpoint, with `set -o pipefail` too. A full disk is told, since a result is lost by it.
"""

import codecs
import os
import select
import sys
from io import BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from sipcore.errors import encodable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

LOCAL_CHARACTERS = "sipprobe"
"""The name by which streams know how to write what their encoding lacks."""
IN_ASCII = str.maketrans("│├┤─━╌◀▶…×–−’", "|++-=.<>~x--'")
"""What stands for the characters of ladders and texts where there is nothing but ASCII, each as wide as it was."""


class OutputError(OSError):
    """Standard output, or standard error, cannot be written: the disk is full, say."""


class Outlet(FileIO):
    """What is under a stream that is no terminal. After the first failure nothing more is written to it."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._is_abandoned = False
        self._failed = False

    @property
    def is_abandoned(self) -> bool:
        """Whether the reader has gone, also where nothing was written since."""
        if not self._failed:
            poll = select.poll()
            poll.register(self.fileno(), 0)  # what is told of a pipe without a reader needs no asking
            self._is_abandoned = any(events & select.POLLERR for _, events in poll.poll(0))
        return self._is_abandoned

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write some bytes. Raises OutputError the first time that it cannot be done although somebody reads."""
        if not self._failed:
            try:
                return super().write(data)
            except OSError as error:
                self._failed = True
                self._is_abandoned = isinstance(error, BrokenPipeError)
                if not self._is_abandoned:
                    raise OutputError(*error.args) from error
        return memoryview(data).nbytes


def prepare_streams() -> None:
    """Write nothing to a stream that was closed, and to one that is not UTF-8 what comes next to it."""
    codecs.register_error(LOCAL_CHARACTERS, in_ascii)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  # for as long as the process lasts
        elif not isinstance(stream, TextIOWrapper):
            continue
        elif stream is getattr(sys, f"__{name}__") and not stream.isatty():  # another one has its own ways to fail
            outlet = BufferedWriter(Outlet(stream.fileno()))
            setattr(
                sys, name, TextIOWrapper(outlet, stream.encoding, LOCAL_CHARACTERS, line_buffering=name == "stderr")
            )
        else:
            stream.reconfigure(errors=LOCAL_CHARACTERS)


def is_abandoned() -> bool:
    """Whether whoever read standard output has gone, so that nothing more needs to be found out for it."""
    outlet = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return isinstance(outlet, Outlet) and outlet.is_abandoned


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    """What to write for characters that a stream's encoding lacks: lines and arrows in ASCII, others as escapes."""
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101  # only writing is told to come here
    text = encodable(error.object[error.start : error.end]).translate(IN_ASCII)
    return text.encode("ascii", "backslashreplace").decode(), error.end
