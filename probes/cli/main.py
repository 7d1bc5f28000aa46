"""The `sipprobe` command. A verb is one file and one row: the module, and in it a function of the verb's name.

That module imports the engine inside its function only, so that `--help` and `--version` load no network library.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Annotated, NoReturn

import typer

from probes.cli.common import tell
from probes.cli.exit_codes import ExitCode
from probes.cli.given import Command
from probes.cli.streams import OutputError, prepare_streams
from sipcore.errors import SipError

VERBS = {
    "discover": "probes.cli.discover",
    "ping": "probes.cli.ping",
    "watch": "probes.cli.watch",
    "uptime": "probes.cli.uptime",
    "serve": "probes.cli.serve",
    "keys": "probes.cli.keys",
    "sweep": "probes.cli.sweep",
    "tls": "probes.cli.tls",
    "dns": "probes.cli.dns",
    "call": "probes.cli.call",
    "register": "probes.cli.register",
    "codecs": "probes.cli.codecs",
    "respond": "probes.cli.respond",
    "parse": "probes.cli.parse",
    "replay": "probes.cli.replay",
    "diagnose": "probes.cli.diagnose",
    "explain": "probes.cli.explain",
    "demo": "probes.cli.demo",
}
"""The verbs in the order in which the help shows them."""
DISTRIBUTION = "sipcore"
COMPLETION = "_SIPPROBE_COMPLETE"
"""What a shell sets to ask how a command line may go on, or, as in `eval "$(_SIPPROBE_COMPLETE=source_bash sipprobe)"`,
for the script by which it does. That is no option of the help, since nobody needs it twice.
"""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, that of this process where none is given, and exit."""
    arguments = sys.argv[1:] if arguments is None else arguments
    prepare_streams()
    # What is about to be used is all that is loaded; the whole list is for the help, and for a verb that is misspelt.
    named = [verb for verb in VERBS if verb in arguments[:1]]
    try:
        make_app(named or VERBS)(args=arguments, prog_name="sipprobe")
    except (SipError, OSError, KeyboardInterrupt, BaseExceptionGroup) as error:
        _end(error)
    sys.exit(ExitCode.OK)


def make_app(verbs: Iterable[str] = tuple(VERBS)) -> typer.Typer:
    """The application with some of its verbs, each of them loaded."""
    app = typer.Typer(
        add_completion=COMPLETION in os.environ,
        no_args_is_help=True,
        rich_markup_mode=None,
        # A traceback with the values of local variables would show passwords.
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for verb in verbs:
        found = getattr(import_module(VERBS[verb]), verb)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=verb)
        else:
            app.command(verb, cls=Command)(found)
    return app


def _show_version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        number = version(DISTRIBUTION)
    except PackageNotFoundError:
        number = "(not installed)"
    typer.echo(f"sipprobe {number}")
    raise typer.Exit(ExitCode.OK)


def _root(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Point it at any SIP endpoint: what it is, how to connect to it, and a real call as the proof."""


def _end(error: BaseException) -> NoReturn:
    """End by what nobody has caught, in a line for what is no fault of ours; raises what is."""
    causes = list(_leaves(error))
    if any(isinstance(cause, KeyboardInterrupt) for cause in causes):
        sys.exit(ExitCode.INTERRUPTED)
    if not all(isinstance(cause, SipError | OSError) for cause in causes):
        raise error
    tell(_told(causes[0]))
    sys.exit(ExitCode.USAGE if isinstance(causes[0], SipError) else ExitCode.FAILED)


def _told(error: BaseException) -> str:
    """What went wrong; of what the system refused, the file too, where it names one."""
    if isinstance(error, SipError):
        return error.message
    if isinstance(error, OutputError):
        return f"cannot write the result: {error.strerror}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return str(error) or type(error).__name__


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """What trio's nurseries have made a group of, one by one."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


if __name__ == "__main__":
    main()
