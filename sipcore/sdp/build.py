"""Session descriptions of our own making. RFC 8866, with what RFC 3264 §5 wants of an offer."""

import ipaddress
from collections.abc import Sequence

from sipcore.errors import LocalError, quoted
from sipcore.sdp.attributes import Codec
from sipcore.sdp.description import MediaDescription, SessionDescription
from sipcore.sdp.fields import Attribute, Connection, Origin
from sipcore.sdp.terms import Direction

TELEPHONE_EVENT = "telephone-event"
DTMF_EVENTS = "0-15"
"""The sixteen keys of DTMF (RFC 4733 §3.2)."""
MIN_DYNAMIC, MAX_DYNAMIC = 96, 127
"""The payload types that mean what a description says (RFC 3551 §6)."""
DEFAULT_RATE = 8000
"""The clock rate of telephone events unless the audio has another (RFC 4733 §2.4.1)."""


def audio_description(
    *,
    address: str,
    port: int,
    session_id: int,
    session_version: int,
    codecs: Sequence[Codec],
    direction: Direction = Direction.SENDRECV,
    ptime: float | None = 20,
    telephone_event: int | None = 101,
    protocol: str = "RTP/AVP",
    attributes: Sequence[Attribute] = (),
) -> SessionDescription:
    """A description of one audio stream, for an offer or an answer.

    `codecs` stand in order of preference; `ptime` is in milliseconds; `telephone_event` is the payload type for DTMF,
    the first of several where the codecs' clock rates differ, or None to leave it out; `attributes` are added at the
    end of the media description. The session id and version come from the caller: both stay the same over a dialog, but
    for the version going up with each change (RFC 3264 §8).

    Raises LocalError when `address` is no IP address, there is no codec, or two formats share a payload type.
    """
    connection = _connection(address)
    media = media_description(
        codecs,
        port,
        direction=direction,
        ptime=ptime,
        telephone_event=telephone_event,
        protocol=protocol,
        attributes=attributes,
    )
    return SessionDescription(origin_of(address, session_id, session_version), connection=connection, media=(media,))


def origin_of(address: str, session_id: int, session_version: int = 1) -> Origin:
    """An o= line without a user name (RFC 8866 §5.2)."""
    where = Connection.of(address)
    return Origin("-", session_id, session_version, where.network_type, where.address_type, where.address)


def media_description(
    codecs: Sequence[Codec],
    port: int,
    *,
    media: str = "audio",
    direction: Direction = Direction.SENDRECV,
    ptime: float | None = 20,
    telephone_event: int | None = 101,
    protocol: str = "RTP/AVP",
    attributes: Sequence[Attribute] = (),
) -> MediaDescription:
    """One RTP stream of an offer; the arguments are those of `audio_description`.

    Raises LocalError when there is no codec, or two formats share a payload type.
    """
    formats = list(codecs)
    if telephone_event is not None:
        formats += telephone_event_codecs(telephone_event, codecs)
    numbers = tuple(str(codec.payload_type) for codec in formats)
    if not codecs or len(set(numbers)) < len(numbers):
        raise LocalError("there must be a codec, and each needs a payload type of its own", section="RFC 8866 §5.14")
    told = (*format_attributes(formats), *timing(ptime), Attribute(direction.value), *attributes)
    return MediaDescription(media, port, protocol, numbers, attributes=told)


def telephone_event_codec(payload_type: int, codecs: Sequence[Codec]) -> Codec:
    """The format for DTMF beside `codecs`, at 8000 Hz, or at the rate of the first of them if none has that."""
    rates = [codec.clock_rate for codec in codecs] or [DEFAULT_RATE]
    rate = DEFAULT_RATE if DEFAULT_RATE in rates else rates[0]
    return Codec(payload_type, TELEPHONE_EVENT, rate, fmtp=DTMF_EVENTS)


def telephone_event_codecs(payload_type: int, codecs: Sequence[Codec]) -> tuple[Codec, ...]:
    """The formats for DTMF in an offer of `codecs`: one for each of their clock rates, since the events share the
    timestamps of the audio (RFC 4733 §2.4.1), and one at 8000 Hz, which many peers know alone.

    The first is `telephone_event_codec`; the others have the next payload types that are free.
    """
    first = telephone_event_codec(payload_type, codecs)
    rates = dict.fromkeys([first.clock_rate, *(codec.clock_rate for codec in codecs), DEFAULT_RATE])
    taken = {payload_type, *(codec.payload_type for codec in codecs)}
    numbers = (*range(payload_type + 1, MAX_DYNAMIC + 1), *range(MIN_DYNAMIC, payload_type))
    free = (number for number in numbers if number not in taken)
    others = zip(free, [rate for rate in rates if rate != first.clock_rate], strict=False)
    return (first, *(Codec(number, TELEPHONE_EVENT, rate, fmtp=DTMF_EVENTS) for number, rate in others))


def _connection(address: str) -> Connection:
    try:
        version = ipaddress.ip_address(address.replace("%", " ")).version  # a zone means nothing to anyone else
    except ValueError:
        raise LocalError(f"{quoted(address)} is not an IP address", section="RFC 8866 §5.7") from None
    return Connection("IN", f"IP{version}", address)


def format_attributes(codecs: Sequence[Codec]) -> list[Attribute]:
    """An rtpmap for each codec, static or not (RFC 3264 §5.1), and an fmtp where there is something to say."""
    attributes = []
    for codec in codecs:
        attributes.append(Attribute("rtpmap", str(codec)))
        if codec.fmtp:
            attributes.append(Attribute("fmtp", f"{codec.payload_type} {codec.fmtp}"))
    return attributes


def timing(ptime: float | None) -> list[Attribute]:
    """A ptime, in milliseconds, where there is one to tell (RFC 8866 §6.4)."""
    return [] if ptime is None else [Attribute("ptime", f"{ptime:g}")]
