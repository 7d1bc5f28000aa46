"""The fields of a session description, one value per line. RFC 8866 §5 and §9.

`X.parse` takes what follows the equals sign, `str(x)` gives it back in the form that the grammar wants. All of it is
strict with `notes=None`; with a list, the faults that `sipcore.deviation` names are tolerated and recorded.
"""

import dataclasses
from collections.abc import Callable
from string import ascii_letters, digits
from typing import Any

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import LimitExceeded, ParseError
from sipcore.value import value

MAX_FORMATS = 256
"""Formats in one m= line: an RTP payload type has 7 bits, so honest lines stay below 128."""
MAX_REPEATS = 64
"""r= lines and z= pairs under one t= line. Calls have none; announced broadcasts have a handful."""

MAX_DIGITS = 20
"""Digits of the longest number read anywhere. Session ids fit 63 bits (RFC 3264 §5); longer ones cost square time."""
MAX_NUMBER = 10**MAX_DIGITS - 1
MAX_ORIGIN_NUMBER = 2**63 - 1
"""RFC 3264 §5: session id and version are representable with a 64 bit signed integer."""
MAX_PORT = 65535
MAX_ADDRESSES = 65535
"""Multicast groups in one c= line: no more than there are ports to go with them."""
MAX_TTL = 255
MIN_TIME = 1_000_000_000
"""RFC 8866 §9: a time has at least ten digits, or is 0."""

SECRET_ATTRIBUTES = frozenset({"crypto", "key-mgmt", "ice-pwd"})
"""Attributes whose value is, or holds, a key or a password (RFC 4568 §5.1, RFC 4567 §3, RFC 8839 §5.4)."""
USUAL_ATTRIBUTES = frozenset(
    (
        *("rtpmap", "fmtp", "ptime", "maxptime", "sendrecv", "sendonly", "recvonly", "inactive", "rtcp", "rtcp-mux"),
        *("rtcp-fb", "crypto", "setup", "fingerprint", "ice-ufrag", "ice-pwd", "candidate", "mid", "ssrc", "extmap"),
    )
)
USUAL_PROTOCOLS = frozenset(
    ("RTP/AVP", "RTP/SAVP", "RTP/AVPF", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF", "udptl")
)
"""As the attributes above: so common that their characters need no check."""
HIDDEN = "(hidden)"
"""What stands in a repr or an error in the place of a key."""

_SECRET_MARKS = ("inline:", *sorted(SECRET_ATTRIBUTES))
_TOKEN = str.maketrans("", "", "!#$%&'*+-.^_`{|}~" + ascii_letters + digits)
_UNIT_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_MULTICAST_OCTETS = range(224, 240)


def without_secrets(text: str) -> str:
    """`text`, a line or a value, fit to be shown: keys and passwords in it are replaced."""
    lowered = text.lower()
    if lowered.startswith("k="):
        return text[:2] + HIDDEN
    ends = [place + len(mark) for mark in _SECRET_MARKS if (place := lowered.find(mark)) >= 0]
    return text[: min(ends)] + HIDDEN if ends and min(ends) < len(text) else text


def is_token(text: str) -> bool:
    """Whether `text` is a token of SDP (RFC 8866 §9), whose characters are not those of a SIP token."""
    return text != "" and not text.translate(_TOKEN)


def require_token(text: str, notes: Notes | None) -> str:
    """`text` if it is a token; visible text that is not one is a deviation, anything else a ParseError."""
    if not is_token(text):
        tolerate(notes, Deviation.SDP_NOT_TOKEN, require_visible(text))
    return text


def is_visible(text: str) -> bool:
    """Whether `text` is a non-ws-string: not empty, no space, no control character (RFC 8866 §9)."""
    if text.isascii() and text.isprintable():
        return text != "" and " " not in text
    return not any(character <= " " or character == "\x7f" for character in text)


def require_visible(text: str) -> str:
    """`text` if it is a non-ws-string; raises ParseError otherwise (RFC 8866 §9)."""
    if not is_visible(text):
        raise ParseError("empty, or holds white space", section="RFC 8866 §9", text=without_secrets(text))
    return text


def parse_number(text: str, what: str, section: str, limit: int = MAX_NUMBER) -> int:
    """Read digits, and nothing but digits, as a number of at most `limit`."""
    # Unlike SIP's, numbers in SDP have no white space around them, so `sipcore.grammar.parse_number` is too kind.
    if not (text.isdigit() and text.isascii()):
        raise ParseError(f"{what} is not a number", section=section, text=text)
    number = int(text) if len(text) <= MAX_DIGITS else MAX_NUMBER + 1
    if number > limit:
        raise ParseError(f"{what} is above {limit}", section=section, text=text)
    return number


def subfields(text: str, notes: Notes | None) -> list[str]:
    """Split at single spaces (RFC 8866 §5); leading, trailing and repeated ones are a deviation."""
    parts = text.split(" ")
    if "" in parts:
        tolerate(notes, Deviation.SDP_EXTRA_SPACE, text)
        parts = [part for part in parts if part]
    return parts


def strip_spaces(text: str, notes: Notes | None) -> str:
    """`text` without the spaces around it, which are a deviation."""
    stripped = text.strip(" ")
    if stripped != text:
        tolerate(notes, Deviation.SDP_EXTRA_SPACE, without_secrets(text))
    return stripped


def parse_version(text: str, notes: Notes | None = None) -> int:
    """Read v=, which is 0 (RFC 8866 §5.1). Raises ParseError with status 488 on any other version."""
    if text != "0" and parse_number(strip_spaces(text, notes), "the version", "RFC 8866 §5.1") != 0:
        raise ParseError("not version 0", section="RFC 8866 §5.1", text=text, status=488)
    return 0


def parse_text(text: str, notes: Notes | None = None) -> str:
    """Read s=, i=, u=, e= or p=: text that is not empty (RFC 8866 §5.3 to §5.6)."""
    if not text:
        tolerate(notes, Deviation.SDP_EMPTY_LINE, text)
    return text


@value
class Origin:
    """o=: who made the description, which session it is of, and which version of it this is (RFC 8866 §5.2)."""

    username: str
    session_id: int
    session_version: int
    network_type: str
    address_type: str
    address: str

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Origin":
        """Read what follows `o=`. Raises ParseError when a subfield is missing or a number is none."""
        parts = text.split(" ")
        if len(parts) != 6 or "" in parts:
            parts = _uneven_origin(text, notes)
        username, session_id, version, network_type, address_type, address = parts
        number = parse_number(session_id, "the session id", "RFC 8866 §5.2")
        session_version = parse_number(version, "the session version", "RFC 8866 §5.2")
        if number > MAX_ORIGIN_NUMBER or session_version > MAX_ORIGIN_NUMBER:
            tolerate(notes, Deviation.SDP_ORIGIN_NUMBER, text)
        if not (text.isascii() and text.isprintable()):
            require_visible(text.replace(" ", ""))
        _check_types(network_type, address_type, address, notes)
        return cls(username, number, session_version, network_type, address_type, address)

    def __str__(self) -> str:
        numbers = f"{self.session_id} {self.session_version}"
        return f"{self.username} {numbers} {self.network_type} {self.address_type} {self.address}"


def _uneven_origin(text: str, notes: Notes | None) -> list[str]:
    """The six subfields of an o= line whose user name is empty or has spaces in it, or which has spaces too many."""
    parts = [part for part in text.split(" ") if part]
    if len(parts) == 5 and text.startswith(" "):
        parts.insert(0, "")
    if len(parts) < 6:
        raise ParseError("six subfields are needed", section="RFC 8866 §5.2", text=text)
    username = " ".join(parts[:-5])
    spaced = len(parts) > 6 or not username
    tolerate(notes, Deviation.SDP_ORIGIN_USERNAME if spaced else Deviation.SDP_EXTRA_SPACE, text)
    return [username, *parts[-5:]]


def _check_types(network_type: str, address_type: str, address: str, notes: Notes | None) -> None:
    """Note types that are no tokens, and an address literal of one family under the name of the other (§5.7)."""
    if network_type != "IN":
        require_token(network_type, notes)
    if address_type == "IP4":
        if ":" in address:
            tolerate(notes, Deviation.SDP_ADDRESS_FAMILY, address)
    elif address_type == "IP6":
        if ":" not in address and address.replace(".", "").isdigit():
            tolerate(notes, Deviation.SDP_ADDRESS_FAMILY, address)
    else:
        require_token(address_type, notes)


@value
class Connection:
    """c=: where media is sent to (RFC 8866 §5.7). `ttl` and `count` belong to multicast groups."""

    network_type: str
    address_type: str
    address: str
    ttl: int | None = None
    count: int = 1

    @classmethod
    def of(cls, address: str) -> "Connection":
        """The connection data for an IPv4 or IPv6 address, or a name, which is taken to have an IPv4 address."""
        return cls("IN", "IP6" if ":" in address else "IP4", address)

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Connection":
        """Read what follows `c=`. Raises ParseError when a subfield is missing or a TTL or count is no number."""
        parts = subfields(text, notes)
        if len(parts) < 3:
            raise ParseError("network type, address type and address are needed", section="RFC 8866 §5.7", text=text)
        network_type, address_type, address = parts[:3]
        is_ip = address_type in ("IP4", "IP6")
        if not is_ip:
            # "Additional subfields MAY be added after the connection address depending on the value of the <addrtype>".
            address = " ".join(parts[2:])
        elif len(parts) > 3:
            raise ParseError("something follows the address", section="RFC 8866 §5.7", text=text)
        address, slash, scope = address.partition("/") if is_ip else (address, "", "")
        if not address or not (text.isascii() and text.isprintable()):
            require_visible(address.replace(" ", ""))
        _check_types(network_type, address_type, address, notes)
        if slash:
            ttl, count = _multicast_scope(address, address_type, scope, notes)
            return cls(network_type, address_type, address, ttl, count)
        if address_type == "IP4" and is_multicast(address):
            tolerate(notes, Deviation.SDP_MULTICAST_WITHOUT_TTL, text)
        return cls(network_type, address_type, address)

    @property
    def is_unspecified(self) -> bool:
        """Whether it is 0.0.0.0 or ::, by which older peers put a call on hold (RFC 3264 §8.4)."""
        return self.address in ("0.0.0.0", "::")  # noqa: S104  # compared, not bound

    def __str__(self) -> str:
        ttl = "" if self.ttl is None else f"/{self.ttl}"
        count = "" if self.count == 1 else f"/{self.count}"
        return f"{self.network_type} {self.address_type} {self.address}{ttl}{count}"


def is_multicast(address: str) -> bool:
    """Whether an address literal is of a multicast group (RFC 8866 §9, IP4-multicast and IP6-multicast)."""
    if ":" in address:
        return address[:2].lower() == "ff"
    first = address.partition(".")[0]
    return len(first) == 3 and first.isascii() and first.isdigit() and int(first) in _MULTICAST_OCTETS


def _multicast_scope(address: str, address_type: str, text: str, notes: Notes | None) -> tuple[int | None, int]:
    """Read what follows the slash: TTL and count for IP4, count alone for IP6."""
    if not is_multicast(address):
        tolerate(notes, Deviation.SDP_UNICAST_SCOPE, text)
    first, slash, second = text.partition("/")
    if address_type == "IP6":
        if slash:
            raise ParseError("an IPv6 address has no TTL", section="RFC 8866 §5.7", text=text)
        return None, parse_number(first, "the number of addresses", "RFC 8866 §5.7", MAX_ADDRESSES)
    count = parse_number(second, "the number of addresses", "RFC 8866 §5.7", MAX_ADDRESSES) if slash else 1
    return parse_number(first, "the TTL", "RFC 8866 §5.7", MAX_TTL), count


@value
class Bandwidth:
    """b=: a bandwidth, in kilobits per second unless `modifier` says otherwise (RFC 8866 §5.8; TIAS: RFC 3890)."""

    modifier: str
    value: int

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Bandwidth":
        """Read what follows `b=`. Raises ParseError when there is no colon or no number."""
        modifier, colon, number = text.partition(":")
        if not colon:
            raise ParseError("no colon", section="RFC 8866 §5.8", text=text)
        modifier, number = strip_spaces(modifier, notes), strip_spaces(number, notes)
        return cls(require_token(modifier, notes), parse_number(number, "the bandwidth", "RFC 8866 §5.8"))

    def __str__(self) -> str:
        return f"{self.modifier}:{self.value}"


@value
class Repeat:
    """r=: a session that comes again, all in seconds (RFC 8866 §5.10)."""

    interval: int
    duration: int
    offsets: tuple[int, ...]

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Repeat":
        """Read what follows `r=`. Raises ParseError when there are fewer than three times."""
        times = [_typed_time(part) for part in subfields(text, notes)]
        if len(times) < 3:
            raise ParseError("interval, duration and an offset are needed", section="RFC 8866 §5.10", text=text)
        return cls(times[0], times[1], tuple(times[2:]))

    def __str__(self) -> str:
        return " ".join(map(str, (self.interval, self.duration, *self.offsets)))


def _typed_time(text: str) -> int:
    unit = _UNIT_SECONDS.get(text[-1:])
    number = parse_number(text if unit is None else text[:-1], "a time", "RFC 8866 §5.10")
    return number * (unit or 1)


@value
class ZoneAdjustment:
    """One pair of z=: from `time` on, repeats are shifted by `offset` seconds (RFC 8866 §5.11)."""

    time: int
    offset: int

    def __str__(self) -> str:
        return f"{self.time} {self.offset}"


def parse_zones(text: str, notes: Notes | None = None) -> tuple[ZoneAdjustment, ...]:
    """Read what follows `z=`. Raises ParseError when the pairs do not come out even."""
    parts = subfields(text, notes)
    if len(parts) % 2 or not parts:
        raise ParseError("times and offsets must come in pairs", section="RFC 8866 §5.11", text=text)
    zones = []
    for time, offset in zip(parts[::2], parts[1::2], strict=True):
        sign = -1 if offset.startswith("-") else 1
        zones.append(
            ZoneAdjustment(parse_number(time, "a time", "RFC 8866 §5.11"), sign * _typed_time(offset.removeprefix("-")))
        )
    return tuple(zones)


@value
class Timing:
    """t= with the r= and z= lines that follow it: when the session is on (RFC 8866 §5.9 to §5.11).

    Times are seconds since 1900; `0 0`, which every call has, means at any time.
    """

    start: int = 0
    stop: int = 0
    repeats: tuple[Repeat, ...] = ()
    zone_adjustments: tuple[ZoneAdjustment, ...] = ()

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Timing":
        """Read what follows `t=`, with the r= and z= lines below it, if any. Raises ParseError."""
        if text == "0 0":
            return cls()
        first, *more = (line.rstrip("\r") for line in text.split("\n"))
        times = subfields(first, notes)
        if len(times) != 2:
            raise ParseError("start and stop are needed", section="RFC 8866 §5.9", text=first)
        start, stop = (parse_number(time, "a time", "RFC 8866 §5.9") for time in times)
        if 0 < start < MIN_TIME or 0 < stop < MIN_TIME:
            tolerate(notes, Deviation.SDP_SHORT_TIME, first)
        if not more:
            return cls(start, stop)
        if len(more) > MAX_REPEATS:
            raise LimitExceeded(f"more than {MAX_REPEATS} r= lines", section="RFC 8866 §5.10")
        repeats = tuple(Repeat.parse(line[2:], notes) for line in more if line[0] == "r")
        zones = tuple(zone for line in more if line[0] == "z" for zone in parse_zones(line[2:], notes))
        return cls(start, stop, repeats, zones)

    def __str__(self) -> str:
        lines = [f"{self.start} {self.stop}", *(f"r={repeat}" for repeat in self.repeats)]
        if self.zone_adjustments:
            lines.append("z=" + " ".join(map(str, self.zone_adjustments)))
        return "\r\n".join(lines)


@value
class Key:
    """k=: obsolete, to be discarded (RFC 8866 §5.12). The key itself stays out of the repr."""

    method: str
    key: str | None = dataclasses.field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Key":
        """Read what follows `k=`, which is always a deviation."""
        tolerate(notes, Deviation.SDP_KEY, HIDDEN)
        method, colon, key = text.partition(":")
        return cls(method, key if colon else None)

    def __str__(self) -> str:
        return self.method if self.key is None else f"{self.method}:{self.key}"


@value
class Attribute:
    """a=: a name and, unless it is a flag, a value (RFC 8866 §5.13). Keys and passwords stay out of the repr."""

    name: str
    value: str | None = None

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Attribute":
        """Read what follows `a=`. Odd names and empty values are deviations: unknown attributes are ignored."""
        name, colon, rest = text.partition(":")
        if name not in USUAL_ATTRIBUTES and not is_token(name):
            tolerate(notes, Deviation.SDP_ATTRIBUTE_NAME, without_secrets(name))
        if rest:
            return cls(name, rest)
        if colon:
            tolerate(notes, Deviation.SDP_ATTRIBUTE_VALUE, text)
        return cls(name, "" if colon else None)

    def __repr__(self) -> str:
        hidden = self.name.strip().lower() in SECRET_ATTRIBUTES
        shown = HIDDEN if hidden else self.value and without_secrets(self.value)
        return f"Attribute(name={without_secrets(self.name)!r}, value={shown!r})"

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}:{self.value}"


@value
class MediaLine:
    """m=: what the media is, where it goes and in which formats (RFC 8866 §5.14)."""

    media: str
    port: int
    port_count: int
    protocol: str
    formats: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "MediaLine":
        """Read what follows `m=`. Raises ParseError when a subfield is missing or the port is none."""
        parts = subfields(text, notes)
        if len(parts) < 4:
            raise ParseError("media, port, protocol and a format are needed", section="RFC 8866 §5.14", text=text)
        if len(parts) > MAX_FORMATS + 3:
            raise LimitExceeded(f"more than {MAX_FORMATS} formats", section="RFC 8866 §5.14", status=488)
        media, port, protocol = parts[:3]
        port, slash, count = port.partition("/")
        formats = tuple(parts[3:])
        together = "".join((media, *formats))
        if not (together.isalnum() and together.isascii()):
            for token in (media, *formats):
                require_token(token, notes)
        if protocol not in USUAL_PROTOCOLS:
            for token in protocol.split("/"):
                require_token(token, notes)
        number = parse_number(port, "the port", "RFC 8866 §5.14")
        if number > MAX_PORT:
            tolerate(notes, Deviation.SDP_PORT, text)
        port_count = parse_number(count, "the number of ports", "RFC 8866 §5.14", MAX_PORT) if slash else 1
        return cls(media, number, port_count, protocol, formats)

    def __str__(self) -> str:
        count = "" if self.port_count == 1 else f"/{self.port_count}"
        return f"{self.media} {self.port}{count} {self.protocol} {' '.join(self.formats)}"


@value
class Field:
    """What there is to know about one type letter: where it is defined, and how its value is read."""

    section: str
    parse: Callable[[str, Notes | None], Any]


FIELDS = {
    "v": Field("RFC 8866 §5.1", parse_version),
    "o": Field("RFC 8866 §5.2", Origin.parse),
    "s": Field("RFC 8866 §5.3", parse_text),
    "i": Field("RFC 8866 §5.4", parse_text),
    "u": Field("RFC 8866 §5.5", parse_text),
    "e": Field("RFC 8866 §5.6", parse_text),
    "p": Field("RFC 8866 §5.6", parse_text),
    "c": Field("RFC 8866 §5.7", Connection.parse),
    "b": Field("RFC 8866 §5.8", Bandwidth.parse),
    "t": Field("RFC 8866 §5.9", Timing.parse),
    "k": Field("RFC 8866 §5.12", Key.parse),
    "a": Field("RFC 8866 §5.13", Attribute.parse),
    "m": Field("RFC 8866 §5.14", MediaLine.parse),
}
"""One row per type letter; r= and z= are read with the t= line that they follow."""
