"""The options of `sipprobe respond`: what they are called, what they take, and what the help says of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli.call_options import EndsName
from probes.cli.common import seconds
from probes.cli.respond_register import Enrolment
from sipcore.value import value

if TYPE_CHECKING:
    from probes.responder.happening import Binding
    from sipcore.transports.base import TlsConfig

MAX_PORT = 65535


@value
class Served:
    """Where the responder is to be reached, and how TLS is served there."""

    binds: "list[Binding]"
    tls: "TlsConfig"
    enrolment: Enrolment | None = None
    """Whose calls are to come here as well."""


Host = Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen on; 0.0.0.0 or :: for all.")]
Port = Annotated[int, typer.Option(metavar="PORT", min=0, max=MAX_PORT, help="For UDP and TCP; 0 for any free one.")]
TlsPort = Annotated[
    int, typer.Option(metavar="PORT", min=0, max=MAX_PORT, help="For TLS; without --certificate, one is made for it.")
]
NoTls = Annotated[bool, typer.Option("--no-tls", help="Do not serve TLS.")]
Ring = Annotated[float | None, seconds("Ring (180) for so long.", least=0.0)]
AnswerAfter = Annotated[float | None, seconds("Wait before ringing or answering.", least=0.0)]
EarlyMedia = Annotated[bool, typer.Option("--early-media", help="Send 183 with media first.")]
Refuse = Annotated[int | None, typer.Option(metavar="CODE", help="Refuse calls with this status, 300 to 699.")]
Redirect = Annotated[str, typer.Option(metavar="URI", help="Send callers elsewhere (302).")]
Busy = Annotated[bool, typer.Option("--busy", help="Refuse calls with 486.")]
Silent = Annotated[bool, typer.Option("--silent", help="Never answer anything.")]
HangUpAfter = Annotated[float | None, seconds("Hang up an answered call.", least=0.0)]
CodecName = Annotated[list[str] | None, typer.Option(metavar="NAME", help="Codec to accept; may be repeated.")]
MinSe = Annotated[
    int, typer.Option(min=90, metavar="SECONDS", help="The shortest session interval that callers may ask for.")
]
Refresher = Annotated[
    EndsName | None,
    typer.Option(case_sensitive=False, help="Who refreshes the session, where the caller leaves it open."),
]
Ptime = Annotated[
    float | None, typer.Option(metavar="MS", help="Milliseconds of sound that callers are to put into a packet.")
]
Header = Annotated[
    list[str] | None,
    typer.Option(metavar="'NAME: VALUE'", help="Header field for responses to calls; may be repeated."),
]
User = Annotated[str, typer.Option(metavar="NAME", help="Ask for digest authentication as this user.")]
Realm = Annotated[str, typer.Option(metavar="NAME", help="The realm of the challenge.", show_default="sipprobe")]
AlgorithmName = Annotated[list[str] | None, typer.Option(metavar="NAME", help="Digest algorithm to offer, in order.")]
ProxyAuth = Annotated[bool, typer.Option("--proxy-auth", help="Challenge with 407 in place of 401.")]
Register = Annotated[
    str,
    typer.Option(
        metavar="TARGET",
        help="Register as sip:user@host, so that its calls come here; --user and --password-file are for its registrar "
        "then, and --host is to be an address that it can reach.",
    ),
]
Scenario = Annotated[
    Path | None,
    typer.Option("--scenario", metavar="FILE", help="The answers of a TOML file, in order; options stand above it."),
]
Calls = Annotated[int | None, typer.Option(min=1, metavar="N", help="End once so many calls are over.")]
MaxHold = Annotated[float, seconds("When a call is hung up in any case.")]
Server = Annotated[str, typer.Option(metavar="TEXT", help="The banner (Server header field); empty for none.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
