"""The options of `sipprobe discover`: what they are called, what they take, and what the help says of them."""

from enum import StrEnum
from typing import Annotated

import typer

from probes.cli.common import TransportName, seconds
from probes.cli.exit_codes import ExitCode
from probes.cli.explain import show_page
from probes.cli.ports import ports


class TlsMinimum(StrEnum):
    """What --tls-minimum takes."""

    TLS_1_0 = "1.0"
    TLS_1_1 = "1.1"
    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


def _explain(code: str) -> None:
    if code:
        show_page(code)
        raise typer.Exit(ExitCode.OK)


Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="Host, host:port, [IPv6]:port, SIP URI, or tls://host and the like.")
]
Ports = Annotated[
    list[str] | None,
    ports("usual ones"),
]
Transports = Annotated[
    list[TransportName] | None,
    typer.Option("--transport", case_sensitive=False, help="Transport to try; may be repeated.", show_default="all"),
]
Timeout = Annotated[float, seconds("Seconds for DNS and for whatever gets no answer.", most=60.0)]
TlsMinimumOption = Annotated[TlsMinimum, typer.Option("--tls-minimum", help="Oldest version of TLS to offer.")]
OnlyOptions = Annotated[bool, typer.Option("--only-options", help="Send one OPTIONS to each place, and nothing more.")]
Challenge = Annotated[
    bool, typer.Option("--challenge", help="Send a REGISTER that changes nothing, to see what it is challenged with.")
]
Deep = Annotated[
    bool,
    typer.Option(
        "--deep",
        help="Send ten odd but legal requests, to tell products that hide their banner, and ask TLS servers for every "
        "cipher. A REGISTER and an unknown method are among them, which fail2ban and the like may count.",
    ),
]
Invite = Annotated[
    bool,
    typer.Option("--invite", help="Place a call, and hang up with the answer, to see who answers. A phone may ring."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Explain = Annotated[
    str,
    typer.Option("--explain", metavar="CODE", callback=_explain, is_eager=True, help="Explain a finding and exit."),
]
