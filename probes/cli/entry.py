"""Where the `sipprobe` command begins: who presses Ctrl-C while Python is still reading modules gets no traceback."""

import sys
from typing import NoReturn

from probes.cli.exit_codes import ExitCode


def main() -> NoReturn:
    """Read the command line's modules, a tenth of a second's work, and run it."""
    try:
        from probes.cli.main import main as run
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    run()
