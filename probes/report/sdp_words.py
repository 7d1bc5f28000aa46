"""What a session description offers, in words and as data. Keys and passwords are in neither."""

from collections.abc import Iterator

from probes.report.reading import Tree
from probes.report.safe_text import printable
from sipcore.errors import encodable
from sipcore.sdp.attributes import Codec
from sipcore.sdp.description import MediaDescription, SessionDescription
from sipcore.sdp.terms import Direction

_FLOWS = {
    Direction.SENDRECV: "both ways",
    Direction.SENDONLY: "sends only",
    Direction.RECVONLY: "receives only",
    Direction.INACTIVE: "neither way",
}
SHOWN_FINGERPRINT = 8
"""Bytes of a fingerprint that are shown to people: enough to tell two certificates apart."""


def description_lines(description: SessionDescription) -> Iterator[str]:
    """A session description for people: who made it, then each media with its codecs below it, indented."""
    origin = description.origin
    session = f"session {origin.session_id}, version {origin.session_version}, from {origin.username}@{origin.address}"
    yield printable(session)
    if description.name not in (None, "-", " ", ""):
        yield printable(f"named {description.name}")
    if not description.media:
        yield "no media"
    for media in description.media:
        yield printable(_media_line(description, media))
        for codec in media.codecs:
            yield printable(f"  {codec_words(codec)}")
        for name in _unexplained(media):
            yield printable(f"  {name:>3} not explained")
        for line in _security_lines(description, media):
            yield printable(f"  {line}")


def codec_words(codec: Codec) -> str:
    """A codec as `  8 PCMA/8000`, with channels and parameters where there are any."""
    channels = f"/{codec.channels}" if codec.channels != 1 else ""
    parameters = f" ({codec.fmtp})" if codec.fmtp else ""
    return f"{codec.payload_type:>3} {codec.encoding}/{codec.clock_rate}{channels}{parameters}"


def description_data(description: SessionDescription) -> Tree:
    """A session description as data."""
    origin = description.origin
    return {
        "origin": {
            "username": encodable(origin.username),
            "session_id": origin.session_id,
            "session_version": origin.session_version,
            "address": encodable(origin.address),
        },
        "name": None if description.name is None else encodable(description.name),
        "media": [_media_data(description, media) for media in description.media],
    }


def _media_line(description: SessionDescription, media: MediaDescription) -> str:
    if media.is_rejected:
        return f"{media.media} on no port (refused, or only told of), {media.protocol}"
    connection = description.connection_of(media)
    address = connection.address if connection else "no address"
    where = f"[{address}]:{media.port}" if ":" in address else f"{address}:{media.port}"
    direction = description.direction_of(media)
    parts = [f"{media.media} at {where}", media.protocol, f"{direction.value} ({_FLOWS[direction]})"]
    if media.ptime is not None:
        parts.append(f"{media.ptime:g} ms a packet")
    if media.rtcp_mux:
        parts.append("rtcp-mux")
    return ", ".join(parts)


def _security_lines(description: SessionDescription, media: MediaDescription) -> Iterator[str]:
    for crypto in media.crypto:
        yield f"SRTP {crypto.suite}, tag {crypto.tag}, key hidden"
    for fingerprint in description.fingerprints_of(media):
        setup = description.setup_of(media)
        role = f", setup {setup.value}" if setup else ""
        yield f"DTLS {fingerprint.algorithm} {fingerprint.digest[:SHOWN_FINGERPRINT].hex(':').upper()}…{role}"
    if media.candidates or description.ice_credentials_of(media):
        yield f"ICE{'-lite' if description.ice_lite else ''}, {len(media.candidates)} candidates"


def _unexplained(media: MediaDescription) -> Iterator[str]:
    explained = {str(codec.payload_type) for codec in media.codecs}
    return (name for name in media.formats if media.is_rtp and name not in explained)


def _media_data(description: SessionDescription, media: MediaDescription) -> Tree:
    connection = description.connection_of(media)
    setup = description.setup_of(media)
    return {
        "media": encodable(media.media),
        "address": encodable(connection.address) if connection else None,
        "port": media.port,
        "rejected": media.is_rejected,
        "protocol": encodable(media.protocol),
        "direction": description.direction_of(media).value,
        "formats": [encodable(name) for name in media.formats],
        "codecs": [_codec_data(codec) for codec in media.codecs],
        "ptime": media.ptime,
        "rtcp_mux": media.rtcp_mux,
        "crypto": [{"tag": crypto.tag, "suite": encodable(crypto.suite)} for crypto in media.crypto],
        "fingerprints": [encodable(str(fingerprint)) for fingerprint in description.fingerprints_of(media)],
        "setup": setup.value if setup else None,
        "ice": bool(media.candidates or description.ice_credentials_of(media)),
    }


def _codec_data(codec: Codec) -> Tree:
    return {
        "payload_type": codec.payload_type,
        "encoding": encodable(codec.encoding),
        "clock_rate": codec.clock_rate,
        "channels": codec.channels,
        "fmtp": encodable(codec.fmtp) if codec.fmtp else None,
    }
