"""The `sipprobe` command. A verb is one file and one row: the module, and in it a function of the verb's name.

That module imports the engine inside its function only, so that `--help` and `--version` load no network library.
"""

import codecs
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from probes.cli.exit_codes import ExitCode
from sipcore.errors import SipError

VERBS = {
    "discover": "probes.cli.discover",
    "sweep": "probes.cli.sweep",
    "tls": "probes.cli.tls",
    "dns": "probes.cli.dns",
    "call": "probes.cli.call",
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
IN_ASCII = str.maketrans("│├┤─━╌◀▶…×–−’", "|++-=.<>~x--'")
"""What stands for the characters of ladders and texts where there is nothing but ASCII, each as wide as it was."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, that of this process where none is given, and exit."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _prepare_streams()
    # What is about to be used is all that is loaded; the whole list is for the help, and for a verb that is misspelt.
    named = [verb for verb in VERBS if verb in arguments[:1]]
    try:
        make_app(named or VERBS)(args=arguments, prog_name="sipprobe")
    except SipError as error:
        _refuse(error)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except BaseExceptionGroup as group:  # what trio's nurseries make of an exception inside of them
        errors = list(_leaves(group))
        if any(isinstance(error, KeyboardInterrupt) for error in errors):
            sys.exit(ExitCode.INTERRUPTED)
        if isinstance(errors[0], SipError):
            _refuse(errors[0])
        raise
    except OSError as error:  # of standard output: what else can fail is told by whoever does it
        typer.echo(f"sipprobe: cannot write the result: {error.strerror}", err=True)
        sys.exit(ExitCode.FAILED)
    sys.exit(ExitCode.OK)


def _prepare_streams() -> None:
    """Write nothing to a stream that was closed, and to one that is not UTF-8 what comes next to it."""
    codecs.register_error(DISTRIBUTION, _in_ascii)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  # for as long as the process lasts
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=DISTRIBUTION)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """What to write for characters that a stream's encoding lacks: lines and arrows in ASCII, others as escapes."""
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101  # only writing is told to come here
    text = error.object[error.start : error.end].translate(IN_ASCII)
    return text.encode("ascii", "backslashreplace").decode(), error.end


def make_app(verbs: Iterable[str] = tuple(VERBS)) -> typer.Typer:
    """The application with some of its verbs, each of them loaded."""
    app = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        # A traceback with the values of local variables would show passwords.
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for verb in verbs:
        app.command(verb)(getattr(import_module(VERBS[verb]), verb))
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


def _refuse(error: SipError) -> NoReturn:
    typer.echo(f"sipprobe: {error.message}", err=True)
    sys.exit(ExitCode.USAGE)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


if __name__ == "__main__":
    main()
