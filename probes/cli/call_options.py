"""The options of `sipprobe call`: what they are called, what they take, and what the help says of them."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from probes.cli.common import PASSWORD_VARIABLE, TransportName, seconds


class EncryptionName(StrEnum):
    """What --encryption takes."""

    DISABLE = "disable"
    ALLOW = "allow"
    REQUIRE = "require"


class KeyingName(StrEnum):
    """What --keys takes."""

    SDES = "SDES"
    DTLS = "DTLS"


class ReliableName(StrEnum):
    """What --prack takes."""

    OFF = "off"
    ON = "on"
    REQUIRED = "required"


class FormatName(StrEnum):
    """What --number-format takes."""

    AS_GIVEN = "as-given"
    PLUS = "+e164"
    PLAIN = "e164"


class EndsName(StrEnum):
    """What --hang-up takes."""

    US = "us"
    THEM = "them"


class KindName(StrEnum):
    """What --allow takes."""

    EMERGENCY = "emergency"
    PREMIUM = "premium"


Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="Whom to call: sip:user@host, user@host:port, tls://user@host …")
]
Scenario = Annotated[
    Path | None,
    typer.Option("--scenario", metavar="FILE", help="The calls of a TOML file, in order; options stand above it."),
]
User = Annotated[str, typer.Option(metavar="NAME", help="Username for digest authentication.")]
PasswordFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help=f"File with the password; else ${PASSWORD_VARIABLE}, else a prompt.")
]
Realm = Annotated[str, typer.Option(metavar="NAME", help="The only realm the password may be used for.")]
Caller = Annotated[str, typer.Option("--from", metavar="URI", help="Who calls; anonymous if not given.")]
Asserted = Annotated[str, typer.Option("--asserted", metavar="URI", help="P-Asserted-Identity.")]
Privacy = Annotated[
    list[str] | None, typer.Option(metavar="VALUE", help="Privacy: id, header, user …; may be repeated.")
]
Header = Annotated[
    list[str] | None, typer.Option(metavar="'NAME: VALUE'", help="Header field for the INVITE; may be repeated.")
]
NumberFormat = Annotated[FormatName, typer.Option(help="How international numbers are written.")]
Transport = Annotated[
    TransportName | None, typer.Option(case_sensitive=False, help="Transport to use, whatever DNS says.")
]
CodecName = Annotated[list[str] | None, typer.Option(metavar="NAME", help="Codec to offer, in order; may be repeated.")]
Ptime = Annotated[float, typer.Option(metavar="MS", help="Milliseconds of sound in a packet.")]
Encryption = Annotated[EncryptionName, typer.Option(case_sensitive=False, help="Encrypt the media (SRTP).")]
ServedEncryption = Annotated[
    EncryptionName, typer.Option(case_sensitive=False, help="Refuse SRTP, take it, or demand it.")
]
Keys = Annotated[KeyingName, typer.Option(case_sensitive=False, help="Where the keys of SRTP come from.")]
Ice = Annotated[bool, typer.Option("--ice", help="Answer the checks of a peer that does ICE.")]
NoEarlyMedia = Annotated[bool, typer.Option("--no-early-media", help="No media before the answer.")]
Dtmf = Annotated[str, typer.Option(metavar="DIGITS", help="Keys to send once the call is answered (RFC 4733).")]
Prack = Annotated[ReliableName, typer.Option(case_sensitive=False, help="Reliable provisional responses (100rel).")]
SessionTimer = Annotated[
    int, typer.Option(min=0, metavar="SECONDS", help="Session interval to ask for (RFC 4028); 0: none.")
]
RingTimeout = Annotated[
    float, seconds("How long to wait for an answer. A peer that rang has 8 s more to answer the CANCEL.")
]
Hold = Annotated[float, seconds("How long to hold the answered call.", least=0.0)]
MaxHold = Annotated[float, seconds("When an answered call is hung up in any case.")]
HangUp = Annotated[EndsName, typer.Option(case_sensitive=False, help="Who is to hang up the answered call.")]
Expect = Annotated[
    str, typer.Option(metavar="ENDING", help="How it should end: connected, busy, no-answer, rejected, 403 …")
]
Allow = Annotated[
    list[KindName] | None, typer.Option(case_sensitive=False, help="Call such numbers, too; may be repeated.")
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Accept any TLS certificate.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
