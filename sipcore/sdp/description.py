"""Session descriptions as immutable values. RFC 8866, with RFC 4566 where the two agree.

A description that was parsed and not changed serialises to the very bytes it came from; a changed one differs only in
the lines whose values were changed. What attributes say is read on demand: `media.codecs`,
`session.direction_of(media)` or, for any row of `sipcore.sdp.attributes`, `media.read(CRYPTO)`.
"""

import dataclasses
from collections.abc import Iterable
from itertools import chain
from typing import Any, Self, TypeVar

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import ParseError
from sipcore.sdp.attributes import (
    ATTRIBUTES,
    CANDIDATE,
    CRYPTO,
    FINGERPRINT,
    FMTP,
    GROUP,
    ICE_PWD,
    ICE_UFRAG,
    MAXPTIME,
    MID,
    PTIME,
    RTCP,
    RTPMAP,
    SETUP,
    SSRC,
    STATIC_CODECS,
    AttributeType,
    Candidate,
    Codec,
    Crypto,
    Fingerprint,
    Group,
    RtcpAddress,
    Setup,
    Source,
)
from sipcore.sdp.fields import MAX_PORT, Attribute, Bandwidth, Connection, Key, MediaLine, Origin, Timing
from sipcore.sdp.parser import MEDIA, SESSION, Section, parse_sections
from sipcore.sdp.serializer import section_lines
from sipcore.sdp.terms import Direction
from sipcore.value import value

T = TypeVar("T")

_DIRECTIONS = {direction.value: direction for direction in Direction}


class _WithAttributes:
    """What the session section and a media description share: attributes, and the reading of them."""

    __slots__ = ()

    attributes: tuple[Attribute, ...]

    def replace(self, **changes: object) -> Self:
        """The same section with other values for the named fields."""
        made: Self = dataclasses.replace(self, **changes)  # type: ignore[type-var]  # both subclasses are dataclasses
        return made

    def has(self, name: str) -> bool:
        """Whether there is an attribute of that name, as for flags such as `rtcp-mux`. Names have case."""
        return any(attribute.name == name for attribute in self.attributes)

    def get(self, name: str) -> str | None:
        """The value of the first attribute of that name, or None."""
        return next((attribute.value for attribute in self.attributes if attribute.name == name), None)

    def read(self, row: AttributeType[T]) -> tuple[T, ...]:
        """The values of all attributes of that kind. Those that their own definition does not allow are left out:
        they are not understood, and "an SDP parser MUST ignore any attribute it doesn't understand" (RFC 8866 §5).
        """
        found = []
        for attribute in self.attributes:
            if attribute.name == row.name:
                try:
                    found.append(row.parse(attribute.value or "", []))
                except ParseError:
                    continue
        return tuple(found)

    def first(self, row: AttributeType[T]) -> T | None:
        """The first value that `read` gives, or None."""
        found = self.read(row)
        return found[0] if found else None

    def with_attribute(self, name: str, value: str | None = None) -> Self:
        """With one attribute of that name: where the first of them stood, else at the end."""
        return self._with_one({name}, Attribute(name, value))

    def without_attribute(self, name: str) -> Self:
        """With no attribute of that name."""
        return self.replace(attributes=tuple(kept for kept in self.attributes if kept.name != name))

    def with_direction(self, direction: Direction) -> Self:
        """With that direction attribute and no other (RFC 8866 §6.7)."""
        return self._with_one(_DIRECTIONS.keys(), Attribute(direction.value))

    def _with_one(self, names: Iterable[str], attribute: Attribute) -> Self:
        names = frozenset(names)
        first = next((i for i, old in enumerate(self.attributes) if old.name in names), len(self.attributes))
        after = tuple(kept for kept in self.attributes[first:] if kept.name not in names)
        return self.replace(attributes=(*self.attributes[:first], attribute, *after))

    @property
    def direction(self) -> Direction | None:
        """The direction given in this very section (RFC 8866 §6.7); None when it is left to the default."""
        return next((_DIRECTIONS[a.name] for a in self.attributes if a.name in _DIRECTIONS), None)

    @property
    def setup(self) -> Setup | None:
        """Who opens the connection or the DTLS association (RFC 4145 §4, RFC 8842 §5.2)."""
        return self.first(SETUP)

    @property
    def fingerprints(self) -> tuple[Fingerprint, ...]:
        """Hashes of the certificates that may be shown (RFC 8122 §5)."""
        return self.read(FINGERPRINT)

    @property
    def ice_ufrag(self) -> str | None:
        """The user name fragment of ICE (RFC 8839 §5.4)."""
        return self.first(ICE_UFRAG)

    @property
    def ice_pwd(self) -> str | None:
        """The password of ICE (RFC 8839 §5.4)."""
        return self.first(ICE_PWD)

    def _check_attributes(self, notes: Notes | None) -> None:
        seen = set()
        for attribute in self.attributes:
            name = "direction" if attribute.name in _DIRECTIONS else attribute.name
            row = ATTRIBUTES.get(name)
            if name in seen and (row.once if row else name == "direction"):
                tolerate(notes, Deviation.SDP_ATTRIBUTE_TWICE, attribute.name)
            seen.add(name)
            if row:
                _check_value(row, attribute.value or "", notes)


def _check_value(row: AttributeType[object], value: str, notes: Notes | None) -> None:
    try:
        row.parse(value, notes)
    except ParseError:
        if notes is None:
            raise
        notes.append(Deviation.SDP_ATTRIBUTE_VALUE)


@value
class MediaDescription(_WithAttributes):
    """An m= line and what belongs to it (RFC 8866 §5.14). `title` is its i= line.

    `received` is the section that it was read from; it only tells how lines with unchanged values are written.
    """

    media: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    port_count: int = 1
    title: str | None = None
    connections: tuple[Connection, ...] = ()
    bandwidths: tuple[Bandwidth, ...] = ()
    key: Key | None = None
    attributes: tuple[Attribute, ...] = ()
    received: Section | None = dataclasses.field(default=None, repr=False, compare=False)
    _codecs: tuple[Codec, ...] | None = dataclasses.field(default=None, init=False, repr=False, compare=False)

    @property
    def is_rejected(self) -> bool:
        """Whether port 0 says that the media is not wanted (RFC 3264 §6), and not that it is only bundled with
        another (RFC 8843 §6).
        """
        return self.port == 0 and not self.has("bundle-only")

    @property
    def is_reachable(self) -> bool:
        """Whether the port is one that can be sent to; peers also write 0 and numbers above 65535."""
        return 0 < self.port <= MAX_PORT

    @property
    def is_rtp(self) -> bool:
        """Whether the formats are RTP payload types (RFC 8866 §5.14)."""
        return "RTP" in self.protocol.split("/")

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """The formats of an RTP media in order of preference, from rtpmap and fmtp, or from RFC 3551 where there is no
        rtpmap for a static payload type. Formats that nothing explains are left out.
        """
        if self._codecs is None:
            object.__setattr__(self, "_codecs", tuple(self._read_codecs()))
        return self._codecs or ()

    def _read_codecs(self) -> Iterable[Codec]:
        if not self.is_rtp:
            return
        # The first of several rtpmaps counts: there is "up to one" for each format (RFC 8866 §6.6).
        mapped = {codec.payload_type: codec for codec in reversed(self.read(RTPMAP))}
        parameters = {fmtp.format: fmtp.parameters for fmtp in reversed(self.read(FMTP))}
        for payload_type in filter(_is_payload_type, self.formats):
            codec = mapped.get(int(payload_type)) or STATIC_CODECS.get(int(payload_type))
            if codec:
                fmtp = parameters.get(payload_type)
                yield dataclasses.replace(codec, fmtp=fmtp) if fmtp else codec

    def fmtp(self, format_: str) -> str | None:
        """The parameters of one format, of whatever protocol (RFC 8866 §6.15)."""
        return next((found.parameters for found in self.read(FMTP) if found.format == format_), None)

    @property
    def ptime(self) -> float | None:
        """Milliseconds of media in one packet, as the other side would like it (RFC 8866 §6.4)."""
        return self.first(PTIME)

    @property
    def maxptime(self) -> float | None:
        """Milliseconds of media that one packet may hold at most (RFC 8866 §6.5)."""
        return self.first(MAXPTIME)

    @property
    def rtcp(self) -> RtcpAddress | None:
        """Where RTCP goes, if that is said (RFC 3605 §2.1)."""
        return self.first(RTCP)

    @property
    def rtcp_mux(self) -> bool:
        """Whether RTP and RTCP can share one port (RFC 5761 §5.1.1)."""
        return self.has("rtcp-mux")

    @property
    def crypto(self) -> tuple[Crypto, ...]:
        """SRTP suites and keys in order of preference (RFC 4568 §5.1)."""
        return self.read(CRYPTO)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The transport addresses that ICE may try (RFC 8839 §5.1)."""
        return self.read(CANDIDATE)

    @property
    def mid(self) -> str | None:
        """The name that groups call this media by (RFC 5888 §4)."""
        return self.first(MID)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The attributes of single RTP streams (RFC 5576 §4.1)."""
        return self.read(SSRC)

    def check_attributes(self, notes: Notes | None = None) -> None:
        """Read every attribute that is understood: raises ParseError at the first fault, or, with `notes`, names all
        of them. A dynamic payload type without rtpmap is one, too (RFC 8866 §6.6).
        """
        self._check_attributes(notes)
        explained = {str(codec.payload_type) for codec in self.codecs}
        for name in self.formats if self.is_rtp else ():
            if name not in explained:
                tolerate(notes, Deviation.SDP_NO_RTPMAP, name)

    def lines(self) -> tuple[str, ...]:
        """Its lines, each with its CR but without its LF. Raises LocalError or UnsafeValue as `str` does."""
        return tuple(section_lines(self._values(), self.received, MEDIA))

    def __str__(self) -> str:
        """The part of the description from its m= line on. Raises UnsafeValue when a value holds CR, LF or NUL, and
        LocalError when one cannot be written so that it reads back as it is.
        """
        return "".join(f"{line}\n" for line in self.lines())

    @classmethod
    def _of(cls, section: Section) -> "MediaDescription":
        values = section.values
        line: MediaLine = values["m"][0]
        return cls(
            line.media,
            line.port,
            line.protocol,
            line.formats,
            line.port_count,
            _only(values, "i"),
            values.get("c", ()),
            values.get("b", ()),
            _only(values, "k"),
            values.get("a", ()),
            section,
        )

    def _values(self) -> dict[str, tuple[Any, ...]]:
        return {
            "m": (MediaLine(self.media, self.port, self.port_count, self.protocol, self.formats),),
            "i": _all(self.title),
            "c": self.connections,
            "b": self.bandwidths,
            "k": _all(self.key),
            "a": self.attributes,
        }


def _is_payload_type(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3


def _only(values: dict[str, tuple[Any, ...]], letter: str) -> Any:  # noqa: ANN401  # as wide as the fields themselves
    return values[letter][0] if letter in values else None


def _all(value: object | None) -> tuple[object, ...]:
    return () if value is None else (value,)


@value
class SessionDescription(_WithAttributes):
    """A session and its media (RFC 8866 §5). `name` is the s= line, None where a peer left it out.

    `received` is the section that it was read from and `ending` what followed its last line; they only tell how it is
    written.
    """

    origin: Origin
    name: str | None = "-"
    connection: Connection | None = None
    media: tuple[MediaDescription, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    timings: tuple[Timing, ...] = (Timing(),)
    bandwidths: tuple[Bandwidth, ...] = ()
    information: str | None = None
    uri: str | None = None
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    key: Key | None = None
    received: Section | None = dataclasses.field(default=None, repr=False, compare=False)
    ending: str | None = dataclasses.field(default="\n", repr=False, compare=False)

    @classmethod
    def parse(cls, data: bytes | str, notes: Notes | None = None) -> "SessionDescription":
        """Read a description. With `notes`, faults that have a name are tolerated and recorded there.

        Raises ParseError, or LimitExceeded, with the number of the line, its RFC section and a status: 400 for what is
        malformed, 413 for what is too large, 488 for what cannot be served here.
        """
        sections = parse_sections(data, notes)
        values = sections.session.values
        return cls(
            values["o"][0],
            _only(values, "s"),
            _only(values, "c"),
            tuple(map(MediaDescription._of, sections.media)),
            values.get("a", ()),
            values.get("t", ()),
            values.get("b", ()),
            _only(values, "i"),
            _only(values, "u"),
            values.get("e", ()),
            values.get("p", ()),
            _only(values, "k"),
            sections.session,
            sections.ending,
        )

    def with_media(self, index: int, media: MediaDescription) -> "SessionDescription":
        """With another media description at `index`; at `len(self.media)` it is added."""
        return self.replace(media=(*self.media[:index], media, *self.media[index + 1 :]))

    def connection_of(self, media: MediaDescription) -> Connection | None:
        """Where `media` is sent to: its own c= line, else that of the session (RFC 8866 §5.7)."""
        return media.connections[0] if media.connections else self.connection

    def direction_of(self, media: MediaDescription) -> Direction:
        """The direction of `media`: its own, else that of the session, else sendrecv (RFC 8866 §6.7)."""
        return media.direction or self.direction or Direction.SENDRECV

    def rtcp_of(self, media: MediaDescription) -> RtcpAddress | None:
        """Where RTCP for `media` goes when it is not multiplexed: as said, else to the next port (RFC 3605 §2.1).

        None when there is no such port.
        """
        given = media.rtcp or RtcpAddress(media.port + 1)
        if not (media.is_reachable and 0 < given.port <= MAX_PORT):
            return None
        return RtcpAddress(given.port, given.connection or self.connection_of(media))

    def setup_of(self, media: MediaDescription) -> Setup | None:
        """The connection role for `media`: its own, else that of the session (RFC 8842 §5.2)."""
        return media.setup or self.setup

    def fingerprints_of(self, media: MediaDescription) -> tuple[Fingerprint, ...]:
        """The certificate hashes for `media`: its own, else those of the session (RFC 8122 §5)."""
        return media.fingerprints or self.fingerprints

    def ice_credentials_of(self, media: MediaDescription) -> tuple[str, str] | None:
        """User name fragment and password of ICE for `media`, or None (RFC 8839 §5.4)."""
        ufrag, password = media.ice_ufrag or self.ice_ufrag, media.ice_pwd or self.ice_pwd
        return (ufrag, password) if ufrag and password else None

    @property
    def ice_lite(self) -> bool:
        """Whether the sender only answers ICE checks (RFC 8839 §5.3)."""
        return self.has("ice-lite")

    @property
    def groups(self) -> tuple[Group, ...]:
        """Which media belong together (RFC 5888 §5)."""
        return self.read(GROUP)

    def check_attributes(self, notes: Notes | None = None) -> None:
        """Read every attribute that is understood, in all sections: raises ParseError at the first fault, or, with
        `notes`, names all of them. `parse` does not do it, because most attributes are of no concern to a call.
        """
        self._check_attributes(notes)
        for media in self.media:
            media.check_attributes(notes)

    def __str__(self) -> str:
        """The whole description. Raises UnsafeValue when a value holds CR, LF or NUL, and LocalError when one cannot
        be written so that it reads back as it is.
        """
        session = section_lines(self._values(), self.received, SESSION)
        text = "\n".join(chain(session, *(media.lines() for media in self.media)))
        return text.removesuffix("\r") if self.ending is None else text + self.ending

    def __bytes__(self) -> bytes:
        """The whole description as it goes out, in UTF-8; raises what `str` raises."""
        return str(self).encode(errors="surrogateescape")

    def _values(self) -> dict[str, tuple[Any, ...]]:
        return {
            "v": (0,),
            "o": (self.origin,),
            "s": _all(self.name),
            "i": _all(self.information),
            "u": _all(self.uri),
            "e": self.emails,
            "p": self.phones,
            "c": _all(self.connection),
            "b": self.bandwidths,
            "t": self.timings,
            "k": _all(self.key),
            "a": self.attributes,
        }
