"""The interop matrix as data: each cell a call between us and a real program, and what is to come of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from probes.calls.script import Ends
from probes.result import CallKind, CallRole
from sipcore.auth.choice import Account
from sipcore.media.terms import Encryption, Keying
from sipcore.message.address import Address
from sipcore.resolve.target import Transport
from tests.interop.clients import PASSWORD
from tests.interop.lab import HOST

UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS
G711 = "PCMU"
"""What both sides prefer, where neither is told otherwise."""
SDES, DTLS = (f"{keying} AES_CM_128_HMAC_SHA1_80" for keying in ("SDES", "DTLS"))
DIGITS = "1590"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comes of a call, in words: its outcome, and of what was agreed on codec, keys and what was heard ("" for
    a call without media)."""

    outcome: str
    codec: str = ""
    encryption: str = ""
    media: str = ""

    def __str__(self) -> str:
        return " · ".join(word for word in (self.outcome, self.codec, self.encryption, self.media) if word)


@dataclass(frozen=True, slots=True)
class Cell:
    """A call to `user` at a program, or, with the role of the callee, from it as `user`. `script` is what the caller is
    told: fields of a `CallScript`."""

    program: str
    variant: str
    expected: Verdict
    user: str = "echo"
    transport: Transport = UDP
    script: Mapping[str, object] = field(default_factory=dict)
    role: CallRole = CallRole.CALLER

    @property
    def name(self) -> str:
        """What tells it from the other cells."""
        calls = f"to {self.program}" if self.role is CallRole.CALLER else f"from {self.program}"
        return f"{calls}, {self.variant}, {self.transport.name}"


def connected(media: str, encryption: str = "none", *, codec: str = G711, more: str = "") -> Verdict:
    """A call that was answered."""
    return Verdict(f"connected{more}", codec, encryption, media)


def refused(status: int, kind: CallKind = CallKind.REJECTED) -> Verdict:
    """One that was not."""
    return Verdict(f"{kind.value}, {status}")


def by(name: str) -> dict[str, object]:
    """Called as a user, with credentials."""
    return {"caller": Address.parse(f"<sip:{name}@{HOST}>"), "account": Account(name, PASSWORD, hosts=[HOST])}


def keys(keying: Keying) -> dict[str, object]:
    """Called with SRTP, or not at all."""
    return {"encryption": Encryption.REQUIRE, "keying": keying}


ECHO = connected("echo")
WITH_SDES, WITH_DTLS = keys(Keying.SDES), keys(Keying.DTLS)
DTMF = {"digits": DIGITS, "hangs_up": Ends.THEM, "longest": 20.0}
MD5, THEY_END = ", digest MD5", ", hung up there"


def _any_asterisk(program: str) -> list[Cell]:
    """What both of its SIP channels do."""
    cell = partial(Cell, program)
    return [
        *[cell("anonymous", ECHO, transport=transport) for transport in (UDP, TCP, TLS)],
        cell("MD5", connected("echo", more=MD5), script=by("alice")),
        cell("SDES required", connected("echo", SDES, more=MD5), script=by("bob") | WITH_SDES),
        cell("early media", connected("early, 425 Hz"), "early", script={"hold": 0.5}),
        cell("busy", refused(486, CallKind.BUSY), "busy"),
        cell("reject", refused(403), "reject"),
        cell("silent", connected("nothing comes", more=f", {CallKind.NO_MEDIA.value}"), "silent"),
        cell("hangs up", connected("425 Hz", more=THEY_END), "brieftone", script={"hold": 6.0}),
        cell("DTMF echo", connected("digits come back", more=THEY_END), "dtmf", script=DTMF),
    ]


def _asterisk() -> list[Cell]:
    """What only the new one does, or was only tried with it."""
    cell = partial(Cell, "asterisk")
    wide = {"caller": Address.parse(f"<sip:wide@{HOST}>")}
    digests = {"SHA-256": "frank", "SHA-512-256": "dave"}
    return [
        *[cell(name, connected("echo", more=f", digest {name}"), script=by(user)) for name, user in digests.items()],
        cell("A-law", connected("echo", codec="PCMA"), script={"codecs": ("PCMA",)}),
        cell("SDES required", connected("echo", SDES, more=MD5), "echo", TLS, by("bob") | WITH_SDES),
        cell("SDES required, not offered", refused(488), script=by("bob")),
        cell("SDES allowed", connected("echo", SDES), script={"encryption": Encryption.ALLOW}),
        cell("DTLS required", connected("echo", DTLS, more=MD5), script=by("carol") | WITH_DTLS),
        *[
            cell(name, connected("echo", codec=codec), script=wide | {"codecs": (codec,)})
            for name, codec in (("G.722", "G722"), ("Opus", "opus"))
        ],
        cell("DTLS and ICE", connected("echo", DTLS, more=MD5), script=by("grace") | WITH_DTLS | {"ice": True}),
        cell("tone", connected("1004 Hz"), "tone"),
    ]


def _others() -> list[Cell]:
    both = connected("425 Hz, heard there")
    return [
        *[Cell("baresip", "plain", ECHO, transport=transport) for transport in (UDP, TCP, TLS)],
        Cell("baresip", "SDES", connected("echo", SDES), "sdes", script=WITH_SDES),
        Cell("baresip", "SDES", connected("echo", SDES), "sdes", TLS, WITH_SDES),
        Cell("baresip", "SDES allowed there", connected("echo", SDES), "srtp", script=WITH_SDES),
        Cell("baresip", "SDES, not offered", refused(488), "sdes"),
        Cell("baresip", "DTLS", connected("echo", DTLS), "dtls", script=WITH_DTLS),
        *[Cell("linphone", "plain", both, transport=transport) for transport in (UDP, TCP)],
        Cell("linphone", "SDES", connected("425 Hz, heard there", SDES), "sdes", script=WITH_SDES),
        *[Cell("sipp", "RTP echo", ECHO, transport=transport) for transport in (UDP, TCP)],
        *[Cell("kamailio", "before baresip", ECHO, transport=transport) for transport in (UDP, TCP, TLS)],
        Cell("kamailio", "before baresip, MD5", connected("echo", more=MD5), "auth", script=by("alice")),
        Cell("kamailio", "before baresip, SDES", connected("echo", SDES), "sdes", script=WITH_SDES),
        Cell("kamailio", "before baresip, DTLS", connected("echo", DTLS), "dtls", script=WITH_DTLS),
        Cell("kamailio", "busy", refused(486, CallKind.BUSY), "busy"),
        Cell("sippy", "before baresip", ECHO),
        Cell("sippy", "before baresip, SDES", connected("echo", SDES), "sdes", script=WITH_SDES),
        Cell("sippy", "before baresip, DTLS", connected("echo", DTLS), "dtls", script=WITH_DTLS),
    ]


def _callers() -> list[Cell]:
    def cell(program: str, variant: str, user: str, media: str, kept: str = "none", transport: Transport = UDP) -> Cell:
        return Cell(program, variant, connected(media, kept, more=THEY_END), user, transport, role=CallRole.CALLEE)

    heard = "both ways, heard there"
    return [
        cell("asterisk", "plain", "plain", heard),
        cell("asterisk", "SDES", "bob", heard, SDES),
        cell("asterisk", "DTLS", "carol", heard, DTLS),
        *[cell("baresip", "plain", "", heard, transport=transport) for transport in (UDP, TCP, TLS)],
        cell("baresip", "SDES", "srtp-mand", heard, SDES),
        cell("baresip", "DTLS", "dtls_srtp", heard, DTLS),
        cell("sipp", "plain", "sendrecv", "both ways"),
        cell("sipp", "which only sends", "sendonly", "one way, from there"),
    ]


CELLS = (*_any_asterisk("asterisk"), *_asterisk(), *_any_asterisk("chan_sip"), *_others(), *_callers())
