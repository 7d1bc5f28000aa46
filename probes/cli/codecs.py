"""`sipprobe codecs`: which codecs an endpoint accepts, and how media with it can be protected."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli import call_options as options
from probes.cli.call_codes import EXIT_CODES
from probes.cli.common import (
    CaFile,
    Certificate,
    Key,
    Nameservers,
    calling_config,
    make_console,
    read_account,
    read_address,
    read_destination,
    run_to_the_end,
    seconds,
    telling_allow,
)
from probes.cli.exit_codes import ExitCode
from probes.cli.printing import show
from probes.cli.saving import MESSAGE_ENDS, SaveMessagesTo, check_files, save_messages
from probes.result import CallKind

if TYPE_CHECKING:
    from rich.console import Console

    from probes.calls.codecs.run import CodecProbe
    from probes.checks.codecs import Reply
    from probes.checks.codecs_judge import CodecReport
    from sipcore.endpoint.endpoint import EndpointConfig

Names = Annotated[
    list[str] | None,
    typer.Option("--codec", metavar="NAME", help="Codec to ask for; may be repeated.", show_default="all known ones"),
]
WITHOUT_CODEC = {**EXIT_CODES, CallKind.CONNECTED: ExitCode.FAILED}
"""What it means to a script that no codec is accepted."""


def codecs(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Whom to call: sip:user@host, user@host:port …")],
    codec: Names = None,
    no_srtp: Annotated[bool, typer.Option("--no-srtp", help="Ask for plain RTP only.")] = False,
    user: options.User = "",
    password_file: options.PasswordFile = None,
    realm: options.Realm = "",
    caller: options.Caller = "",
    transport: options.Transport = None,
    ring_time: Annotated[float, seconds("How long a call may ring.", most=60.0)] = 8.0,
    timeout: Annotated[float, seconds("How long to wait for each answer.", most=60.0)] = 4.0,
    max_calls: Annotated[int, typer.Option(metavar="NUMBER", min=1, max=8, help="Calls that may be placed.")] = 8,
    ring_again: Annotated[
        bool, typer.Option("--ring-again", help="Place further calls even where a phone has rung.")
    ] = False,
    allow: options.Allow = None,
    ca_file: CaFile = None,
    certificate: Certificate = None,
    key: Key = None,
    insecure: options.Insecure = False,
    nameserver: Nameservers = None,
    save: SaveMessagesTo = None,
    as_json: options.AsJson = False,
) -> None:
    """Find out which codecs, and which SRTP, an endpoint accepts.

    A call is placed, other offers are made inside it, and it is hung up; no media is sent. Further calls are placed
    only for what the first one did not tell, one after the other, and not where a phone has rung.

    Exit code 0: a codec is accepted; 1: none, or the call is rejected; 3: no address; 4: refused; 5: no route;
    6: silence; 7: TLS failed; 8: not SIP; 9: credentials; 10: busy; 11: not answered.
    """
    from probes.calls.codecs.run import CodecProbe
    from probes.checks.codecs import Asking
    from probes.report.codecs_json import codecs_data
    from probes.report.codecs_text import codecs_failure_line, codecs_lines
    from sipcore.sdp.codecs import CODECS

    check_files(save or (), ends=MESSAGE_ENDS)
    destination = read_destination(target, transport)
    asking = Asking(tuple(codec or CODECS), rings_again=ring_again, max_invites=max_calls)
    if no_srtp:
        asking = Asking(asking.codecs, (), rings_again=ring_again, max_invites=max_calls)
    with telling_allow():
        probe = CodecProbe(
            destination,
            asking,
            caller=read_address("--from", caller),
            account=read_account(destination, user, realm, password_file),
            ring_time=ring_time,
            timeout=timeout,
            allowed=frozenset(kind.value for kind in allow or ()),
        )
    config = calling_config(ca_file, certificate, key, nameserver, insecure=insecure)
    console = None if as_json else make_console()
    report = run_to_the_end(partial(_ask, probe, config, console))
    show(report, console, data=codecs_data, lines=codecs_lines, failure_line=codecs_failure_line)
    save_messages(report, f"Codecs of {report.uri}", codecs_data(report), save or ())
    raise typer.Exit(exit_code(report))


async def _ask(probe: "CodecProbe", config: "EndpointConfig", console: "Console | None") -> "CodecReport":
    """Ask; what has come back so far is seen on a terminal meanwhile."""
    from probes.calls.codecs.run import probe_codecs
    from probes.cli.under_way import shown_meanwhile
    from probes.report.codecs_text import asking_lines

    replies: list[Reply] = []
    async with shown_meanwhile(console, partial(asking_lines, str(probe.destination), replies)):
        return await probe_codecs(probe, config, replies.append)


def exit_code(report: "CodecReport") -> ExitCode:
    """What a report means to a script."""
    return ExitCode.OK if report.works else WITHOUT_CODEC[report.kind]
