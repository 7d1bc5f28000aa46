"""Answers to offers, and what two descriptions agree on: RFC 3264 §6 and §7. Pure: values in, values out.

choose(offer, [Capability(codecs)])  ->  what can be taken of each stream; nothing is opened for it yet
answer_to(offer, [(choice, Place(address, port))], origin)  ->  the answer
agree(local, remote)  ->  what may be sent and what may come, stream by stream, for the offerer and the answerer alike
"""

from collections.abc import Sequence

from sipcore.errors import ParseError
from sipcore.sdp.attributes import Codec
from sipcore.sdp.build import DEFAULT_RATE, DTMF_EVENTS, TELEPHONE_EVENT, format_attributes, timing
from sipcore.sdp.description import MediaDescription, SessionDescription
from sipcore.sdp.fields import Attribute, Connection, Origin, is_multicast
from sipcore.sdp.terms import Direction
from sipcore.value import value

PLAIN = ("RTP/AVP", "RTP/AVPF")
"""The profiles of RTP that need no key (RFC 3551, RFC 4585)."""
RTCP_MUX = Attribute("rtcp-mux")
_BESIDE = (TELEPHONE_EVENT, "cn", "red")
"""Encodings that go along with a codec and carry no sound alone (RFC 4733, RFC 3389, RFC 2198)."""


@value
class Capability:
    """One stream that this side can take part in: its codecs, and which way media may flow, seen from here.

    `protocols` are the transport profiles that are understood; an offer with another one is refused, since a profile
    is kept or refused and never changed (RFC 3264 §6.1). `ptime` is how many milliseconds a packet should bring. With
    `single`, one codec is taken, so that the peer cannot go over to another one in between.
    """

    codecs: tuple[Codec, ...]
    media: str = "audio"
    direction: Direction = Direction.SENDRECV
    protocols: tuple[str, ...] = PLAIN
    events: bool = True
    """Whether telephone events are taken where they are offered (RFC 4733)."""
    rtcp_mux: bool = False
    """Whether RTCP may come to the port of RTP (RFC 5761)."""
    ptime: float | None = None
    single: bool = False


@value
class Choice:
    """What is taken of an offer: the stream by its place in it, and its codecs as the offer numbers them, best first.

    `direction` is the answer's, seen from here; `ptime` is what packets that come should bring, in milliseconds.
    """

    stream: int
    codecs: tuple[Codec, ...]
    events: Codec | None = None
    direction: Direction = Direction.SENDRECV
    rtcp_mux: bool = False
    ptime: float | None = None

    @property
    def codec(self) -> Codec:
        """The one to send with (RFC 3264 §6.1: the most preferred of the offer that is in the answer as well)."""
        return self.codecs[0]


@value
class Place:
    """Where a stream is received, and what else its description says: keys, candidates, fingerprints."""

    address: str
    port: int
    attributes: tuple[Attribute, ...] = ()


@value
class Stream:
    """What both descriptions say of one stream, seen from here.

    `codecs` may be sent, in the peer's order and with the peer's payload types; `receives` may come, with the local
    ones (RFC 3264 §6.1). Both are empty where the formats are no RTP payload types, or have nothing in common.
    `ptime` is in milliseconds, and what the peer would like.
    """

    index: int
    media: str
    protocol: str
    direction: Direction
    connection: Connection
    port: int
    codecs: tuple[Codec, ...]
    receives: tuple[Codec, ...]
    events: Codec | None = None
    rtcp: tuple[Connection, int] | None = None
    """Where RTCP goes; None where nowhere, or along with RTP."""
    rtcp_mux: bool = False
    ptime: float | None = None
    other_events: tuple[Codec, ...] = ()
    """The telephone events of other clock rates that may come as well, with the local payload types."""
    held: bool = False
    """Whether the peer does not want to receive, by direction or, as RFC 2543 did, by the address 0.0.0.0."""


def choose(offer: SessionDescription, capabilities: Sequence[Capability]) -> tuple[Choice, ...]:
    """What can be taken of an offer, in the order of its streams; none of them where nothing fits.

    Each capability serves one stream, the first that it fits.
    """
    left = list(capabilities)
    choices = []
    for index, media in enumerate(offer.media):
        for capability in left:
            choice = _choice(offer, media, index, capability)
            if choice is not None:
                choices.append(choice)
                left.remove(capability)
                break
    return tuple(choices)


def answer_to(
    offer: SessionDescription, accepted: Sequence[tuple[Choice, Place]], origin: Origin
) -> SessionDescription:
    """The answer that takes what is `accepted` and refuses every other stream (RFC 3264 §6). Raises LocalError.

    That is when the offer has parts which were read but must not be sent.
    """
    by_stream = {choice.stream: (choice, place) for choice, place in accepted}
    address = accepted[0][1].address if accepted else origin.address
    media = []
    for index, offered in enumerate(offer.media):
        taken = by_stream.get(index)
        media.append(_accepted(offered, *taken, address) if taken else refused(offered))
    answer = SessionDescription(origin, connection=Connection.of(address), media=tuple(media), timings=offer.timings)
    str(answer)  # what cannot be written is found out here, while the call can still be refused
    return answer


def agree(local: SessionDescription, remote: SessionDescription) -> tuple[Stream | None, ...]:
    """What the two descriptions of an exchange agree on, stream by stream; None for each that is refused.

    Raises ParseError when the peer's has another number of streams, or another kind of media in one of them.
    """
    if len(local.media) != len(remote.media):
        text = f"{len(remote.media)} streams answer {len(local.media)}"
        raise ParseError(text, section="RFC 3264 §6", status=488)
    return tuple(_stream(local, remote, index) for index in range(len(local.media)))


def allowed(sends: bool, receives: bool) -> Direction:
    """The direction of whoever sends and receives like that (RFC 3264 §5.1)."""
    if sends:
        return Direction.SENDRECV if receives else Direction.SENDONLY
    return Direction.RECVONLY if receives else Direction.INACTIVE


def both(own: Direction, other: Direction) -> Direction:
    """What flows, seen from here, where this side wants `own` and the other one `other` (RFC 3264 §6.1)."""
    return allowed(own.sends and other.receives, own.receives and other.sends)


def refused(media: MediaDescription) -> MediaDescription:
    """The same stream with port 0; its formats are ignored, but one must be there (RFC 3264 §6)."""
    return MediaDescription(media.media, 0, media.protocol, media.formats[:1])


def wants(description: SessionDescription, media: MediaDescription) -> Direction:
    """Which way media flows as whoever wrote this wants it: with the address 0.0.0.0 nothing is received (§8.4)."""
    direction = description.direction_of(media)
    connection = description.connection_of(media)
    unreachable = connection is not None and connection.is_unspecified
    return allowed(direction.sends, direction.receives and not unreachable)


def _choice(offer: SessionDescription, media: MediaDescription, index: int, capability: Capability) -> Choice | None:
    connection = offer.connection_of(media)
    if media.media != capability.media or media.protocol not in capability.protocols or not media.is_reachable:
        return None
    if connection is not None and is_multicast(connection.address):
        return None  # one view for all: an answer of our own address would be wrong (RFC 3264 §6.2)
    codecs = tuple(found for codec in media.codecs if (found := taken(codec, capability.codecs)) is not None)
    if not codecs:
        return None
    codecs = codecs[:1] if capability.single else codecs
    offered = wants(offer, media)
    return Choice(
        index,
        codecs,
        _events(media.codecs, codecs[0]) if capability.events else None,
        both(capability.direction, offered),
        capability.rtcp_mux and media.rtcp_mux,
        capability.ptime,
    )


def taken(codec: Codec, known: Sequence[Codec]) -> Codec | None:
    """An offered codec as it stands in the answer: with its number, and the parameters of this side if it has some."""
    found = next((own for own in known if codec.matches(own)), None)
    if found is None:
        return None
    return Codec(codec.payload_type, codec.encoding, codec.clock_rate, codec.channels, found.fmtp or codec.fmtp)


def _events(offered: Sequence[Codec], audio: Codec) -> Codec | None:
    """The telephone events that go with `audio`: at its clock rate, or at 8000 Hz (RFC 4733 §2.4.1)."""
    events = _all_events(offered)
    for rate in (audio.clock_rate, DEFAULT_RATE):
        for codec in events:
            if codec.clock_rate == rate:
                return Codec(codec.payload_type, codec.encoding, rate, fmtp=DTMF_EVENTS)
    return None


def _all_events(codecs: Sequence[Codec]) -> list[Codec]:
    return [codec for codec in codecs if codec.encoding.lower() == TELEPHONE_EVENT]


def _other_events(mine: Sequence[Codec], yours: Sequence[Codec], events: Codec) -> tuple[Codec, ...]:
    rates = {codec.clock_rate for codec in _all_events(yours)} - {events.clock_rate}
    return tuple(codec for codec in _all_events(mine) if codec.clock_rate in rates)


def _accepted(offered: MediaDescription, choice: Choice, place: Place, address: str) -> MediaDescription:
    formats = [*choice.codecs, *([choice.events] if choice.events else [])]
    attributes = [*format_attributes(formats), *timing(choice.ptime), Attribute(choice.direction.value)]
    attributes += [*([RTCP_MUX] if choice.rtcp_mux else []), *place.attributes]
    numbers = tuple(str(codec.payload_type) for codec in formats)
    own = () if place.address == address else (Connection.of(place.address),)
    return MediaDescription(
        offered.media, place.port, offered.protocol, numbers, connections=own, attributes=tuple(attributes)
    )


def _stream(local: SessionDescription, remote: SessionDescription, index: int) -> Stream | None:
    here, there = local.media[index], remote.media[index]
    if here.media != there.media:
        text = f"stream {index} is {there.media}, not {here.media}"
        raise ParseError(text, section="RFC 3264 §6.1", status=488)
    connection = remote.connection_of(there)
    if not here.is_reachable or not there.is_reachable or connection is None:
        return None
    wanted = wants(remote, there)
    codecs = _common(there.codecs, here.codecs)
    events = _events(there.codecs, codecs[0]) if codecs and _events(here.codecs, codecs[0]) else None
    mux = here.rtcp_mux and there.rtcp_mux
    return Stream(
        index,
        there.media,
        there.protocol,
        both(wants(local, here), wanted),
        connection,
        there.port,
        codecs,
        _common(here.codecs, there.codecs),
        events,
        None if mux else _rtcp(remote, there, connection),
        mux,
        there.ptime,
        _other_events(here.codecs, there.codecs, events) if events else (),
        not wanted.receives,
    )


def _common(mine: Sequence[Codec], yours: Sequence[Codec]) -> tuple[Codec, ...]:
    """Those of `mine` that stand in `yours` as well, but for what goes along with a codec."""
    return tuple(
        codec
        for codec in mine
        if codec.encoding.lower() not in _BESIDE and any(codec.matches(other) for other in yours)
    )


def _rtcp(
    description: SessionDescription, media: MediaDescription, connection: Connection
) -> tuple[Connection, int] | None:
    """Where RTCP goes: not to 0.0.0.0 either (RFC 3264 §8.4)."""
    found = description.rtcp_of(media)
    return None if found is None or connection.is_unspecified else (found.connection or connection, found.port)
