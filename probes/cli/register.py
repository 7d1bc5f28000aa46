"""`sipprobe register`: whether a user may register, what the registrar makes of it, and who is registered."""

import os
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli import call_options as options
from probes.cli.call_codes import registration_exit_code
from probes.cli.common import (
    PASSWORD_VARIABLE,
    CaFile,
    Certificate,
    Key,
    Nameservers,
    Printer,
    calling_config,
    make_console,
    read_account,
    read_destination,
    run_interruptible,
    seconds,
    stop,
    tell,
)
from probes.cli.exit_codes import ExitCode
from probes.cli.printing import print_data
from probes.cli.saving import MESSAGE_ENDS, SaveMessagesTo, check_files, save_messages

if TYPE_CHECKING:
    import trio

    from probes.destination import Destination
    from probes.registration.judge import RegistrationReport
    from sipcore.auth.choice import Account

MAX_EXPIRES = 86_400
"""Seconds that may be asked for: a contact that cannot be removed stays for as long."""
Expires = Annotated[
    int, typer.Option(metavar="SECONDS", min=1, max=MAX_EXPIRES, help="How long to ask to be registered for.")
]
OnlyAsk = Annotated[bool, typer.Option("--only-ask", help="Ask who is registered, and register nothing.")]
ExpectContact = Annotated[
    bool, typer.Option("--expect-contact", help="Only ask, and fail if nobody is registered: a PBX that has to be.")
]
Beside = Annotated[
    bool, typer.Option("--beside", help="Register even if others are, or if the registrar does not tell.")
]


def register(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Whom to register: sip:user@host, user@host:port, tls://user@host …")
    ],
    user: Annotated[
        str, typer.Option(metavar="NAME", help="Username for digest authentication.", show_default="TARGET's user")
    ] = "",
    password_file: options.PasswordFile = None,
    realm: options.Realm = "",
    expires: Expires = 60,
    only_ask: OnlyAsk = False,
    expect_contact: ExpectContact = False,
    beside: Beside = False,
    transport: options.Transport = None,
    timeout: Annotated[float, seconds("How long to wait for each answer.", most=32.0)] = 8.0,
    ca_file: CaFile = None,
    certificate: Certificate = None,
    key: Key = None,
    insecure: options.Insecure = False,
    nameserver: Nameservers = None,
    save: SaveMessagesTo = None,
    as_json: options.AsJson = False,
) -> None:
    """Test whether a user can register, and see who is registered.

    First the registrar is asked who is, which changes nothing. Where nobody is, a contact is registered for a moment
    and removed again; where somebody is, only with --beside: a registrar that takes one contact would remove the
    phone that is there.

    Exit code 0: registered, or the registrar told who is; 1: refused, or nobody is where somebody is expected; 3: no
    address; 4: nothing listens; 5: no route; 6: silence; 7: TLS failed; 8: not SIP; 9: credentials.
    """
    from probes.registration.plan import RegistrationProbe

    check_files(save or (), ends=MESSAGE_ENDS)
    destination = with_user(read_destination(target, transport), user)
    probe = RegistrationProbe(
        destination,
        account_of(destination, user, realm, password_file),
        expires=expires,
        asks_only=only_ask,
        expects_contact=expect_contact,
        beside=beside,
        timeout=timeout,
    )
    config = calling_config(ca_file, certificate, key, nameserver, insecure=insecure)
    printer = Printer(make_console())

    async def test(stop: "trio.Event") -> "RegistrationReport":
        from probes.cli.live import Live
        from probes.registration.run import probe_registration

        work = partial(probe_registration, probe, config, stop=stop)
        return await (work() if as_json else Live(printer).during(work))

    report, end = run_interruptible(test)
    _tell(report, printer, save or (), as_json=as_json)
    end()
    raise typer.Exit(registration_exit_code(report))


def _tell(report: "RegistrationReport", printer: Printer, files: Iterable[Path], *, as_json: bool) -> None:
    """Print what came of it, and write the files. A failure goes to standard error too, unless it was just read on the
    screen.
    """
    from probes.report.registration_json import registration_data
    from probes.report.registration_text import registration_failure_line, registration_lines

    if as_json:
        print_data(registration_data(report))
    else:
        for line in registration_lines(report, printer.console.width):
            printer.line(line)
        printer.close()
    if as_json or not printer.console.is_terminal:
        tell(registration_failure_line(report))
    save_messages(report, f"Registration of {report.aor}", registration_data(report), files)


def with_user(destination: "Destination", user: str) -> "Destination":
    """The destination with somebody to register, the `user` of --user if need be; ends the program without any."""
    from sipcore.message.uri import escape_user

    if not destination.user and not user:
        stop(ExitCode.USAGE, "whom to register? give sip:user@host, or --user")
    return destination if destination.user else replace(destination, user=escape_user(user))


def account_of(destination: "Destination", user: str, realm: str, password_file: Path | None) -> "Account | None":
    """The credentials: those of the user that is registered, where a password is given and no other name."""
    from sipcore.message.uri import unescape

    has_password = password_file is not None or PASSWORD_VARIABLE in os.environ
    name = user or (unescape(destination.user or "") if has_password else "")
    return read_account(destination, name, realm, password_file)
