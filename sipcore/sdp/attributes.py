"""What the attributes of a session description say: codecs, directions, keys, ICE. One class per attribute.

`X.parse` takes what follows the colon. An attribute that its own definition does not allow raises ParseError; whoever
reads a whole description ignores it then, as RFC 8866 §5 wants for any attribute that is not understood.
"""

import dataclasses
from collections.abc import Callable
from enum import Enum
from string import ascii_letters, digits
from typing import Generic, TypeVar

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import ParseError
from sipcore.sdp.fields import (
    HIDDEN,
    MAX_PORT,
    Connection,
    is_token,
    is_visible,
    parse_number,
    require_token,
    require_visible,
    strip_spaces,
    subfields,
    without_secrets,
)
from sipcore.value import value

T_co = TypeVar("T_co", covariant=True)

MAX_PAYLOAD_TYPE = 127
"""RFC 8866 §6.6: the payload type has seven bits."""
MAX_RATE = 2**32 - 1
"""Clock rates and SSRCs: both live in 32-bit words of RTP (RFC 3550 §5.1)."""
MAX_CHANNELS = 255
MAX_TAG = 10**9 - 1
"""RFC 4568 §9.1: 1*9DIGIT."""
MAX_LIFETIME_EXPONENT = 48
"""RFC 4568 §6.1: an SRTP master key protects at most 2^48 packets."""
MAX_MKI_LENGTH = 128
MAX_COMPONENT = 256
MAX_PRIORITY = 10**10 - 1
"""RFC 8839 §5.1: 1*10DIGIT."""

_BASE64 = str.maketrans("", "", ascii_letters + digits + "+/=")
_IGNORABLE = ("WSH=", "-")
"""Session parameters that need not be understood: a hint, and what says so itself (RFC 4568 §6.3.6, §6.3.7)."""
_DIGEST_LENGTHS = {"md2": 16, "md5": 16, "sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64}


@value
class Codec:
    """A payload type and the encoding it stands for: `rtpmap` and `fmtp` in one (RFC 8866 §6.6, §6.15)."""

    payload_type: int
    encoding: str
    clock_rate: int
    channels: int = 1
    fmtp: str | None = None

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Codec":
        """Read the value of an rtpmap attribute. Raises ParseError."""
        payload_type, *rest = subfields(text, notes) or [""]
        encoding, *rates = " ".join(rest).split("/")
        if not 1 <= len(rates) <= 2:
            raise ParseError("not payload type, encoding/clock rate[/channels]", section="RFC 8866 §6.6", text=text)
        if len(rates) == 2 and not rates[1]:
            tolerate(notes, Deviation.SDP_ATTRIBUTE_VALUE, text)
            rates.pop()
        channels = parse_number(rates[1], "the channels", "RFC 8866 §6.6", MAX_CHANNELS) if rates[1:] else 1
        return cls(
            parse_number(payload_type, "the payload type", "RFC 8866 §6.6", MAX_PAYLOAD_TYPE),
            require_token(encoding, notes),
            parse_number(rates[0], "the clock rate", "RFC 8866 §6.6", MAX_RATE),
            channels,
        )

    def matches(self, other: "Codec") -> bool:
        """Whether both are the same encoding at the same rate; names have no case (RFC 8866 §5.14)."""
        same_rate = self.clock_rate == other.clock_rate and self.channels == other.channels
        return same_rate and self.encoding.lower() == other.encoding.lower()

    def parameter(self, name: str) -> str | None:
        """The value of a format parameter, or None. Names have no case (RFC 4855 §3)."""
        for part in (self.fmtp or "").split(";"):
            key, equals, given = part.partition("=")
            if equals and key.strip().lower() == name.lower():
                return given.strip()
        return None

    def __str__(self) -> str:
        """The value of the rtpmap attribute."""
        channels = "" if self.channels == 1 else f"/{self.channels}"
        return f"{self.payload_type} {self.encoding}/{self.clock_rate}{channels}"


_STATIC_AUDIO = (
    (0, "PCMU", 8000, 1),
    (3, "GSM", 8000, 1),
    (4, "G723", 8000, 1),
    (5, "DVI4", 8000, 1),
    (6, "DVI4", 16000, 1),
    (7, "LPC", 8000, 1),
    (8, "PCMA", 8000, 1),
    (9, "G722", 8000, 1),
    (10, "L16", 44100, 2),
    (11, "L16", 44100, 1),
    (12, "QCELP", 8000, 1),
    (13, "CN", 8000, 1),
    (14, "MPA", 90000, 1),
    (15, "G728", 8000, 1),
    (16, "DVI4", 11025, 1),
    (17, "DVI4", 22050, 1),
    (18, "G729", 8000, 1),
)
_STATIC_VIDEO = ((25, "CelB"), (26, "JPEG"), (28, "nv"), (31, "H261"), (32, "MPV"), (33, "MP2T"), (34, "H263"))

STATIC_CODECS = {row[0]: Codec(*row) for row in _STATIC_AUDIO} | {
    number: Codec(number, name, 90000) for number, name in _STATIC_VIDEO
}
"""The payload types that mean something without an rtpmap (RFC 3551 §6, tables 4 and 5)."""
PCMU = STATIC_CODECS[0]
PCMA = STATIC_CODECS[8]
G722 = STATIC_CODECS[9]
G729 = STATIC_CODECS[18]


@value
class FormatParameters:
    """`fmtp`: the parameters of one format, given to the codec unchanged (RFC 8866 §6.15)."""

    format: str
    parameters: str

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "FormatParameters":
        """Read the value of an fmtp attribute. Raises ParseError when there are no parameters."""
        name, _, parameters = text.strip(" ").partition(" ")
        if not parameters:
            raise ParseError("no parameters", section="RFC 8866 §6.15", text=text)
        return cls(require_token(name, notes), parameters)

    def __str__(self) -> str:
        return f"{self.format} {self.parameters}"


@value
class RtcpAddress:
    """Where RTCP goes; without a connection, to the address of the media (RFC 3605 §2.1)."""

    port: int
    connection: Connection | None = None

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "RtcpAddress":
        """Read the value of an rtcp attribute. Raises ParseError."""
        port, *address = subfields(text, notes) or [""]
        connection = Connection.parse(" ".join(address), notes) if address else None
        return cls(parse_number(port, "the port", "RFC 3605 §2.1", MAX_PORT), connection)

    def __str__(self) -> str:
        return f"{self.port}" if self.connection is None else f"{self.port} {self.connection}"


@value
class MasterKey:
    """One key of a crypto attribute (RFC 4568 §6.1). The key itself stays out of the repr.

    `key_salt` is base64 of the master key and salt, `lifetime` a number of packets, `mki` the value and the length in
    bytes of the master key identifier.
    """

    key_salt: str = dataclasses.field(repr=False)
    lifetime: int | None = None
    mki: tuple[int, int] | None = None
    method: str = "inline"

    @classmethod
    def parse(cls, text: str) -> "MasterKey":
        """Read one key-param, as in `inline:…|2^20|1:4`. Raises ParseError, which may quote the key."""
        method, _, info = text.partition(":")
        if not is_token(method) or not info:
            raise ParseError("not method:key", section="RFC 4568 §9.1", text=HIDDEN)
        if method != "inline":
            return cls(info, method=method)
        key_salt, *options = info.split("|")
        mki = _parse_mki(options.pop()) if options and ":" in options[-1] else None
        lifetime = _parse_lifetime(options.pop()) if options else None
        if options or not key_salt or key_salt.translate(_BASE64):
            raise ParseError("not key|lifetime|MKI", section="RFC 4568 §9.2", text=HIDDEN)
        return cls(key_salt, lifetime, mki)

    def __str__(self) -> str:
        lifetime = "" if self.lifetime is None else f"|{_show_lifetime(self.lifetime)}"
        mki = "" if self.mki is None else f"|{self.mki[0]}:{self.mki[1]}"
        return f"{self.method}:{self.key_salt}{lifetime}{mki}"


def _parse_lifetime(text: str) -> int:
    if text.startswith("2^"):
        return 1 << parse_number(text[2:], "the lifetime", "RFC 4568 §6.1", MAX_LIFETIME_EXPONENT)
    return parse_number(text, "the lifetime", "RFC 4568 §6.1", 1 << MAX_LIFETIME_EXPONENT)


def _show_lifetime(lifetime: int) -> str:
    exponent = lifetime.bit_length() - 1
    return f"2^{exponent}" if lifetime == 1 << max(exponent, 0) else str(lifetime)


def _parse_mki(text: str) -> tuple[int, int]:
    number, _, length = text.partition(":")
    size = parse_number(length, "the length of the MKI", "RFC 4568 §6.1", MAX_MKI_LENGTH)
    return parse_number(number, "the MKI", "RFC 4568 §6.1"), size


@value
class Crypto:
    """`crypto`: an SRTP suite and its keys for the media that the sender of the description sends (RFC 4568 §5.1)."""

    tag: int
    suite: str
    keys: tuple[MasterKey, ...]
    session_parameters: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Crypto":
        """Read the value of a crypto attribute. Raises ParseError, which does not quote the keys."""
        parts = [part for part in text.replace("\t", " ").split(" ") if part]
        if text[:1] == " ":
            tolerate(notes, Deviation.SDP_EXTRA_SPACE)
        if len(parts) < 3 or not is_token(parts[1]):
            raise ParseError("tag, suite and keys are needed", section="RFC 4568 §9.1", text=HIDDEN)
        try:
            tag = parse_number(parts[0], "the tag", "RFC 4568 §5.1.1", MAX_TAG)
            keys = tuple(MasterKey.parse(key) for key in parts[2].split(";"))
        except ParseError as error:
            raise ParseError(error.message, section=error.section, text=HIDDEN) from None
        return cls(tag, parts[1], keys, tuple(parts[3:]))

    @property
    def needed(self) -> tuple[str, ...]:
        """The session parameters that whoever takes it has to understand (RFC 4568 §6.3)."""
        return tuple(each for each in self.session_parameters if not each.startswith(_IGNORABLE))

    def __repr__(self) -> str:
        # A FEC_KEY among the session parameters is a key as well (RFC 4568 §6.3.5).
        shown = tuple(without_secrets(parameter) for parameter in self.session_parameters)
        return f"Crypto(tag={self.tag}, suite={self.suite!r}, keys={self.keys!r}, session_parameters={shown!r})"

    def __str__(self) -> str:
        return " ".join((str(self.tag), self.suite, ";".join(map(str, self.keys)), *self.session_parameters))


class Setup(Enum):
    """Who opens the connection or begins the DTLS handshake (RFC 4145 §4, RFC 8842 §5.2)."""

    ACTIVE = "active"
    PASSIVE = "passive"
    ACTPASS = "actpass"
    HOLDCONN = "holdconn"

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Setup":
        """Read the value of a setup attribute. Raises ParseError."""
        for setup in cls:
            if setup.value == text:
                return setup
        if text.strip(" ").lower() in {setup.value for setup in cls}:
            tolerate(notes, Deviation.SDP_ATTRIBUTE_VALUE, text)
            return cls(text.strip(" ").lower())
        raise ParseError("not a role", section="RFC 4145 §4", text=text)


@value
class Fingerprint:
    """`fingerprint`: the hash of the certificate that the peer's TLS or DTLS must show (RFC 8122 §5)."""

    algorithm: str
    digest: bytes

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Fingerprint":
        """Read the value of a fingerprint attribute. Raises ParseError, also when the hash's length is wrong."""
        parts = subfields(text, notes)
        if len(parts) != 2:
            raise ParseError("hash function and hash are needed", section="RFC 8122 §5", text=text)
        algorithm, pairs = parts[0].lower(), parts[1].split(":")
        if pairs != [pair.upper() for pair in pairs]:
            tolerate(notes, Deviation.SDP_ATTRIBUTE_VALUE, text)
        try:
            digest = bytes.fromhex("".join(pairs))
        except ValueError:
            digest = b""
        if {len(pair) for pair in pairs} != {2} or len(digest) != _DIGEST_LENGTHS.get(algorithm, len(pairs)):
            raise ParseError("not a hash of that function", section="RFC 8122 §5", text=text)
        return cls(require_token(algorithm, notes), digest)

    def __str__(self) -> str:
        return f"{self.algorithm} {self.digest.hex(':').upper()}"


@value
class Candidate:
    """`candidate`: a transport address that ICE may try (RFC 8839 §5.1)."""

    foundation: str
    component: int
    transport: str
    priority: int
    address: str
    port: int
    type: str
    related: tuple[str, int] | None = None
    extensions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Candidate":
        """Read the value of a candidate attribute. Raises ParseError."""
        parts = subfields(text, notes)
        if len(parts) < 8 or len(parts) % 2 or parts[6] != "typ":
            raise ParseError("not a candidate", section="RFC 8839 §5.1", text=text)
        foundation, component, transport, priority, address, port, _, kind, *rest = parts
        pairs = list(zip(rest[::2], rest[1::2], strict=True))
        related = None
        if [name for name, _ in pairs[:2]] == ["raddr", "rport"]:
            related = (pairs[0][1], parse_number(pairs[1][1], "the related port", "RFC 8839 §5.1", MAX_PORT))
        return cls(
            require_visible(foundation),
            parse_number(component, "the component", "RFC 8839 §5.1", MAX_COMPONENT),
            require_token(transport, notes),
            parse_number(priority, "the priority", "RFC 8839 §5.1", MAX_PRIORITY),
            require_visible(address),
            parse_number(port, "the port", "RFC 8839 §5.1", MAX_PORT),
            require_token(kind, notes),
            related,
            tuple(pairs[2:] if related else pairs),
        )

    def __str__(self) -> str:
        head = f"{self.foundation} {self.component} {self.transport} {self.priority} {self.address} {self.port}"
        related = "" if self.related is None else f" raddr {self.related[0]} rport {self.related[1]}"
        return f"{head} typ {self.type}{related}" + "".join(f" {name} {given}" for name, given in self.extensions)


@value
class Group:
    """`group`: media descriptions, by their `mid`, that belong together (RFC 5888 §5; BUNDLE: RFC 8843)."""

    semantics: str
    mids: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Group":
        """Read the value of a group attribute. Raises ParseError when it is empty."""
        semantics, *mids = subfields(text, notes) or [""]
        return cls(require_token(semantics, notes), tuple(mids))

    def __str__(self) -> str:
        return " ".join((self.semantics, *self.mids))


@value
class Source:
    """`ssrc`: an attribute of one RTP stream within the media (RFC 5576 §4.1)."""

    ssrc: int
    name: str
    value: str | None = None

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Source":
        """Read the value of an ssrc attribute. Raises ParseError."""
        ssrc, _, attribute = text.partition(" ")
        name, colon, given = attribute.partition(":")
        number = parse_number(ssrc, "the SSRC", "RFC 5576 §4.1", MAX_RATE)
        return cls(number, require_token(name, notes), given if colon else None)

    def __str__(self) -> str:
        return f"{self.ssrc} {self.name}" + ("" if self.value is None else f":{self.value}")


def parse_milliseconds(text: str, notes: Notes | None = None) -> float:
    """Read the value of ptime or maxptime, a non-zero-int-or-real (RFC 8866 §9). Raises ParseError."""
    whole, dot, fraction = strip_spaces(text, notes).partition(".")
    for part in (whole, fraction) if dot else (whole,):
        parse_number(part, "the time", "RFC 8866 §6.4")
    milliseconds = float(f"{whole}.{fraction or 0}")
    if milliseconds == 0:
        raise ParseError("the time is 0", section="RFC 8866 §6.4", text=text)
    return milliseconds


def parse_secret(text: str, notes: Notes | None = None) -> str:
    """Read the value of ice-ufrag or ice-pwd (RFC 8839 §5.4). Raises ParseError, which does not quote it."""
    stripped = text.strip(" ")
    if stripped != text:
        tolerate(notes, Deviation.SDP_EXTRA_SPACE, HIDDEN)
    if not is_visible(stripped):
        raise ParseError("empty, or holds white space", section="RFC 8839 §5.4", text=HIDDEN)
    return stripped


class AttributeType(Generic[T_co]):
    """One row of what is known about attributes: the name, how its value is read, and whether it may stand twice."""

    __slots__ = ("name", "once", "parse")

    def __init__(self, name: str, parse: Callable[[str, Notes | None], T_co], *, once: bool = False) -> None:
        self.name = name
        self.parse = parse
        self.once = once

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


RTPMAP = AttributeType("rtpmap", Codec.parse)
FMTP = AttributeType("fmtp", FormatParameters.parse)
PTIME = AttributeType("ptime", parse_milliseconds, once=True)
MAXPTIME = AttributeType("maxptime", parse_milliseconds, once=True)
RTCP = AttributeType("rtcp", RtcpAddress.parse, once=True)
CRYPTO = AttributeType("crypto", Crypto.parse)
SETUP = AttributeType("setup", Setup.parse, once=True)
FINGERPRINT = AttributeType("fingerprint", Fingerprint.parse)
ICE_UFRAG = AttributeType("ice-ufrag", parse_secret, once=True)
ICE_PWD = AttributeType("ice-pwd", parse_secret, once=True)
CANDIDATE = AttributeType("candidate", Candidate.parse)
MID = AttributeType("mid", require_token, once=True)
GROUP = AttributeType("group", Group.parse)
SSRC = AttributeType("ssrc", Source.parse)

ATTRIBUTES: dict[str, AttributeType[object]] = {
    row.name: row
    for row in (
        *(RTPMAP, FMTP, PTIME, MAXPTIME, RTCP, CRYPTO, SETUP, FINGERPRINT),
        *(ICE_UFRAG, ICE_PWD, CANDIDATE, MID, GROUP, SSRC),
    )
}
"""Every attribute whose value is understood, by its name; flags such as rtcp-mux need no row."""
