"""What a session description says about the audio that was offered: codecs, keys, and what is wrong with it. Pure.

What comes may answer an offer from here, or be the peer's own offer, for which nothing has to fit.
"""

from collections.abc import Iterator
from enum import Enum

from sipcore.deviation import Deviation, Notes
from sipcore.errors import ParseError
from sipcore.media.terms import WITH_HANDSHAKE, WITH_KEYS
from sipcore.sdp.attributes import Codec, Setup
from sipcore.sdp.build import TELEPHONE_EVENT
from sipcore.sdp.codecs import CODECS
from sipcore.sdp.description import MediaDescription, SessionDescription
from sipcore.value import value

NAMES = {name.lower(): name for name in (*CODECS, TELEPHONE_EVENT)}
"""The formats that are asked for, by their names in lower case."""


class Security(Enum):
    """How media is protected, and the profile that an offer of it has."""

    NONE = ("RTP", "RTP/AVP")
    SDES = ("SRTP by SDES", "RTP/SAVP")
    DTLS = ("SRTP by DTLS", "UDP/TLS/RTP/SAVP")
    WEBRTC = ("SRTP by DTLS and ICE", "UDP/TLS/RTP/SAVPF")
    """As browsers do it, which those that serve browsers may demand: feedback, ICE, RTCP along with RTP."""

    def __init__(self, text: str, profile: str) -> None:
        self.text = text
        self.profile = profile


class Oddity(Enum):
    """A fault of a description that answers an offer: the section that it breaks, and what is wrong."""

    def __init__(self, section: str, text: str) -> None:
        self.section = section
        self.text = text

    MISSING = ("RFC 3261 §13.2.1", "the answer to an offer brings no session description")
    MALFORMED = ("RFC 8866 §5", "the session description cannot be read")
    STREAMS = ("RFC 3264 §6", "the answer has another number of streams than the offer")
    OTHER_MEDIA = ("RFC 3264 §6.1", "the stream that answers audio is none of audio")
    OTHER_PROFILE = ("RFC 3264 §6.1", "the answer changes the transport profile, which can only be taken or refused")
    NOTHING_OFFERED = ("RFC 3264 §6.1", "the answer takes the stream, but names no codec that was offered")
    RENUMBERED = ("RFC 3264 §6.1", "a format has another payload type in the answer than in the offer")
    NO_RTPMAP = ("RFC 3264 §6.1", "the answer does not say what a dynamic payload type stands for")
    OTHER_RATE = ("RFC 3551 §3", "a format has another clock rate or other channels than the one that was offered")
    NO_KEYS = ("RFC 4568 §5.1.3", "SRTP is taken without a key that goes with the offered ones")
    NO_FINGERPRINT = ("RFC 5763 §5", "DTLS is taken without a fingerprint")
    NO_ROLE = ("RFC 5763 §5", "the answer leaves open who begins the DTLS handshake")


@value
class Answer:
    """What came, as far as it can be read: `line` is the m= line of its audio, `problem` why it cannot be read.

    `codecs` are all formats with their payload types there; `taken` are the names of those that were offered, or, of
    the peer's own offer, of those that are known here. `key` is what it says of SRTP, in words. `ptime` and `maxptime`
    are in milliseconds.
    """

    line: str = ""
    problem: str = ""
    security: Security | None = None
    codecs: tuple[Codec, ...] = ()
    taken: tuple[str, ...] = ()
    key: str = ""
    is_rejected: bool = False
    ptime: float | None = None
    maxptime: float | None = None
    oddities: tuple[Oddity, ...] = ()
    notes: tuple[Deviation, ...] = ()

    @property
    def audio(self) -> tuple[str, ...]:
        """The names in `taken` that carry sound, none where the stream is rejected."""
        return () if self.is_rejected else tuple(name for name in self.taken if name != TELEPHONE_EVENT)

    @property
    def others(self) -> tuple[Codec, ...]:
        """The formats that were not offered, or are not known here."""
        return tuple(codec for codec in self.codecs if _name(codec) not in self.taken)

    @property
    def is_accepted(self) -> bool:
        """Whether media can flow by it: with a codec that was offered, in the offered profile, with its keys."""
        return bool(self.audio) and self.security is not None

    def format(self, name: str) -> Codec | None:
        """How the format of a name stands there."""
        return next((codec for codec in self.codecs if _name(codec) == name), None)


NO_DESCRIPTION = Answer(problem="there is none", oddities=(Oddity.MISSING,))
"""What is made of a 2xx that does not answer the offer."""


def read_untrusted(data: bytes, offered: SessionDescription | None) -> Answer:
    """Read the answer to `offered`, or, with None, an offer of the peer."""
    notes: Notes = []
    try:
        description = SessionDescription.parse(data, notes)
    except ParseError as error:
        return Answer(problem=error.message, oddities=(Oddity.MALFORMED,))
    oddities: list[Oddity] = []
    media = _audio(description, offered, oddities)
    if media is None:
        return Answer(problem="it has no audio", oddities=tuple(oddities), notes=tuple(notes))
    line = media.lines()[0].rstrip("\r\n")
    if media.is_rejected:
        return Answer(line, is_rejected=True, oddities=tuple(oddities), notes=tuple(notes))
    there = offered.media[0] if offered is not None else None
    codecs = tuple(_codecs(media, there, oddities))
    known = {_name(codec) for codec in there.codecs} if there is not None else set(NAMES.values())
    taken = tuple(dict.fromkeys(name for codec in codecs if (name := _name(codec)) in known))
    if there is not None and not any(name != TELEPHONE_EVENT for name in taken):
        oddities.append(Oddity.NOTHING_OFFERED)
    security, key = _security(description, media, there, oddities)
    return Answer(
        line,
        security=security,
        codecs=codecs,
        taken=taken,
        key=key,
        ptime=media.ptime,
        maxptime=media.maxptime,
        oddities=tuple(dict.fromkeys(oddities)),
        notes=tuple(dict.fromkeys(notes)),
    )


def _audio(
    description: SessionDescription, offered: SessionDescription | None, oddities: list[Oddity]
) -> MediaDescription | None:
    """The stream to go by: the one in the place of the offered one, else any of audio."""
    if offered is not None and len(description.media) != len(offered.media):
        oddities.append(Oddity.STREAMS)
    if offered is not None and description.media and description.media[0].media != "audio":
        oddities.append(Oddity.OTHER_MEDIA)
    return next((media for media in description.media if media.media == "audio"), None)


def _codecs(media: MediaDescription, offered: MediaDescription | None, oddities: list[Oddity]) -> Iterator[Codec]:
    """All formats that are explained, or mean what the offer says they do; what is odd about them is noted."""
    explained = {codec.payload_type: codec for codec in media.codecs}
    there = {codec.payload_type: codec for codec in offered.codecs} if offered is not None else {}
    for text in dict.fromkeys(media.formats):
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 3 else -1
        codec = explained.get(number) or there.get(number)
        if codec is None:
            continue
        if number not in explained:
            oddities.append(Oddity.NO_RTPMAP)
        same = [own for own in there.values() if _name(own) == _name(codec)]
        if same and not any(codec.matches(own) for own in same):
            oddities.append(Oddity.OTHER_RATE)
        elif same and not any(codec.matches(own) and own.payload_type == number for own in same):
            oddities.append(Oddity.RENUMBERED)
        yield codec


def _security(
    description: SessionDescription,
    media: MediaDescription,
    offered: MediaDescription | None,
    oddities: list[Oddity],
) -> tuple[Security | None, str]:
    """What protects the media, and its key in words; None for what cannot come about."""
    if offered is not None and media.protocol != offered.protocol:
        oddities.append(Oddity.OTHER_PROFILE)
        return None, ""
    if media.protocol in WITH_HANDSHAKE:
        return _by_handshake(description, media, offered, oddities)
    if media.protocol in WITH_KEYS:
        known = {(crypto.tag, crypto.suite) for crypto in offered.crypto} if offered is not None else set()
        suites = [one.suite for one in media.crypto if offered is None or (one.tag, one.suite) in known]
        if not suites:
            oddities.append(Oddity.NO_KEYS)
        return (Security.SDES, ", ".join(suites)) if suites else (None, "")
    return Security.NONE, ""


def _by_handshake(
    description: SessionDescription, media: MediaDescription, offered: MediaDescription | None, oddities: list[Oddity]
) -> tuple[Security | None, str]:
    fingerprints, setup = description.fingerprints_of(media), description.setup_of(media)
    if not fingerprints:
        oddities.append(Oddity.NO_FINGERPRINT)
        return None, ""
    if offered is not None and setup not in (Setup.ACTIVE, Setup.PASSIVE):
        oddities.append(Oddity.NO_ROLE)
    security = Security.WEBRTC if media.protocol == Security.WEBRTC.profile else Security.DTLS
    role = f", setup {setup.value}" if setup is not None else ""
    return security, f"fingerprint {fingerprints[0].algorithm}{role}"


def _name(codec: Codec) -> str:
    """A format by the name that it is asked for by, else by its own."""
    return NAMES.get(codec.encoding.lower(), codec.encoding)
