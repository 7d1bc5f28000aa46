"""The file of trunks that verbs are given."""

from pathlib import Path
from typing import TYPE_CHECKING

from probes.cli.call_scenario import passwords_for
from probes.cli.common import why_unreadable
from probes.destination_text import without_password
from sipcore.errors import LocalError

if TYPE_CHECKING:
    from probes.health.file import WatchFile

_WHAT_TO_GIVE = "give one with trunks, as docs/examples/trunks.toml; `sipprobe ping` looks at one endpoint without"
UNREAD = "https://unread.invalid"
"""In place of a secret that is not read: it may be a password, and the URL of a webhook or of Apprise."""


def read_plan(file: Path, *, with_secrets: bool = True) -> "WatchFile":
    """What the file says. Raises LocalError where it cannot be used. Who sends nothing needs no passwords, certificates
    or keys, and may not be allowed to read them.
    """
    from probes.health.file import read_watch

    def content_of(name: str) -> bytes:
        path = file.parent / name
        try:
            return path.read_bytes()
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from None

    if file.suffix != ".toml" and not file.exists():  # it was meant for a target, as other verbs take
        shown = without_password(str(file))
        raise LocalError(f"no file is called {shown}: {_WHAT_TO_GIVE}", section="RFC 3261 §26.3.1")
    try:
        text = content_of(file.name).decode()
    except UnicodeDecodeError as error:
        raise _unreadable(file, error) from None
    if with_secrets:
        return read_watch(text, str(file), passwords_for(file), content_of)
    return read_watch(text, str(file), lambda *_: UNREAD, lambda _: UNREAD.encode())


def _unreadable(path: Path, error: OSError | ValueError) -> LocalError:
    return LocalError(f"cannot read {path}: {why_unreadable(error)}", section="RFC 3261 §26.3.1")
