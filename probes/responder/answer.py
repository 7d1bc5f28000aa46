"""The responder's session descriptions: answers to offers (RFC 3264 §6), an offer of its own, what it can do (§9).

It sends back what it receives, so that it needs no codec: any that it is told of will do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sipcore.sdp.attributes import Codec, Direction
from sipcore.sdp.build import TELEPHONE_EVENT, audio_description
from sipcore.sdp.description import MediaDescription, SessionDescription
from sipcore.sdp.fields import Attribute, Connection, Origin

SDP = "application/sdp"
PROTOCOLS = ("RTP/AVP", "RTP/AVPF")
"""Plain RTP; with keys of its own it would be another matter."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where media is received, and the number of the session that it belongs to."""

    address: str
    port: int
    session_id: int


@dataclass(frozen=True, slots=True)
class Choice:
    """What is taken of an offer: the stream by its place in it, the codec, and the format for DTMF if there is one.

    `direction` is the answer's, seen from here.
    """

    stream: int
    codec: Codec
    events: Codec | None = None
    direction: Direction = Direction.SENDRECV


def choose(offer: SessionDescription, codecs: Sequence[Codec]) -> Choice | None:
    """The first codec in the offer that is one of `codecs`, in its first audio stream that has one; None without."""
    for place, media in enumerate(offer.media):
        if media.media != "audio" or media.protocol not in PROTOCOLS or not media.is_reachable:
            continue
        found = next((codec for codec in media.codecs if any(codec.matches(known) for known in codecs)), None)
        if found is not None:
            rates = (found.clock_rate, 8000)
            events = [codec for codec in media.codecs if codec.encoding.lower() == TELEPHONE_EVENT]
            event = next((codec for codec in events if codec.clock_rate in rates), None)
            return Choice(place, found, event, offer.direction_of(media).reversed)
    return None


def answer_to(offer: SessionDescription, choice: Choice, place: Place) -> SessionDescription:
    """The answer that takes `choice` and refuses every other stream (RFC 3264 §6). Raises LocalError.

    That is when the offer has parts which were read but must not be sent.
    """
    media = tuple(
        _accepted(stream, choice, place.port) if number == choice.stream else _refused(stream)
        for number, stream in enumerate(offer.media)
    )
    connection = Connection.of(place.address)
    origin = Origin("-", place.session_id, 1, connection.network_type, connection.address_type, place.address)
    answer = SessionDescription(origin, connection=connection, media=media, timings=offer.timings)
    str(answer)  # what cannot be written is found out here, while the call can still be refused
    return answer


def offer_of(codecs: Sequence[Codec], place: Place) -> SessionDescription:
    """An offer, for an INVITE that brought none (RFC 3261 §13.2.1)."""
    return audio_description(
        address=place.address, port=place.port, session_id=place.session_id, session_version=1, codecs=codecs
    )


def capabilities(codecs: Sequence[Codec], place: Place) -> SessionDescription:
    """What the body of an answer to OPTIONS says (RFC 3264 §9): all codecs, and port 0, so that nobody calls it."""
    return offer_of(codecs, Place(place.address, 0, place.session_id))


def _accepted(media: MediaDescription, choice: Choice, port: int) -> MediaDescription:
    formats = [choice.codec, *([choice.events] if choice.events else [])]
    attributes = [Attribute("rtpmap", str(codec)) for codec in formats]
    attributes += [Attribute("fmtp", f"{codec.payload_type} {codec.fmtp}") for codec in formats if codec.fmtp]
    attributes.append(Attribute(choice.direction.value))
    numbers = tuple(str(codec.payload_type) for codec in formats)
    return MediaDescription(media.media, port, media.protocol, numbers, attributes=tuple(attributes))


def _refused(media: MediaDescription) -> MediaDescription:
    """RFC 3264 §6: port 0; the formats are ignored, but one must be there."""
    return MediaDescription(media.media, 0, media.protocol, media.formats[:1])
