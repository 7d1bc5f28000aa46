"""The file of trunks that verbs are given."""

from pathlib import Path
from typing import TYPE_CHECKING

from probes.cli.call_scenario import passwords_for
from probes.cli.common import read_content, stop, why_unreadable
from probes.cli.exit_codes import ExitCode
from sipcore.errors import LocalError

if TYPE_CHECKING:
    from probes.health.file import WatchFile


UNREAD = "https://unread.invalid"
"""In place of a secret that is not read: it may be a password, and the URL of a webhook or of Apprise."""


def read_plan(file: Path, *, with_secrets: bool = True) -> "WatchFile":
    """What the file says; ends the program when it cannot be used. Who sends nothing needs no passwords, certificates
    or keys, and may not be allowed to read them.
    """
    from probes.health.file import read_watch

    def content_of(name: str) -> bytes:
        try:
            return (file.parent / name).read_bytes()
        except (OSError, ValueError) as error:
            text = f"cannot read {file.parent / name}: {why_unreadable(error)}"
            raise LocalError(text, section="RFC 3261 §26.3.1") from None

    try:
        text = read_content(file).decode()
    except UnicodeDecodeError as error:
        stop(ExitCode.USAGE, f"cannot read {file}: {why_unreadable(error)}")
    if with_secrets:
        return read_watch(text, str(file), passwords_for(file), content_of)
    return read_watch(text, str(file), lambda *_: UNREAD, lambda _: UNREAD.encode())
