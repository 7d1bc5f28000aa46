"""Offers that change a session: RFC 3264 §8. Each function makes a new description of the last one that was sent.

`next_offer` comes last, and gives the new one its version. Of a stream that is no longer wanted the place stays, with
port 0, until another stream is put there.
"""

from collections.abc import Sequence
from dataclasses import replace

from sipcore.errors import LocalError, ParseError
from sipcore.sdp.attributes import CRYPTO, MAX_PAYLOAD_TYPE, SETUP, Codec, Crypto, Setup
from sipcore.sdp.build import TELEPHONE_EVENT, format_attributes
from sipcore.sdp.description import MediaDescription, SessionDescription
from sipcore.sdp.fields import Attribute, Connection, Origin
from sipcore.sdp.negotiation import PLAIN, RTCP_MUX, both, refused, taken, wants
from sipcore.sdp.terms import Direction

FIRST_DYNAMIC = 96
"""RFC 3551 §3: from here on payload types have no meaning of their own."""

_OTHER = {Setup.ACTIVE: Setup.PASSIVE, Setup.PASSIVE: Setup.ACTIVE}

NOBODY = Origin("-", 0, 0, "IN", "IP4", "anonymous.invalid")
"""The origin of a description that offers nothing, from an address that nobody needs to know (RFC 3323 §4.1.1.3)."""
NOWHERE = Connection.of("0.0.0.0")  # noqa: S104  # an address to write, nothing is bound
"""Where media goes that nobody takes: there must be a c= all the same (RFC 8866 §5.7)."""


def revised(previous: SessionDescription, wanted: SessionDescription) -> SessionDescription:
    """`wanted`, an offer or an answer, as it follows `previous`, the last description that was sent (RFC 3264 §8).

    The o= line is that of `previous`; its version goes up by one exactly when something else is different.
    """
    if bytes(wanted.replace(origin=previous.origin)) == bytes(previous):
        return previous
    return wanted.replace(origin=replace(previous.origin, session_version=previous.origin.session_version + 1))


def next_offer(previous: SessionDescription, wanted: SessionDescription) -> SessionDescription:
    """`wanted` as an offer that follows `previous`: `revised`, and what else RFC 3264 §8 demands of an offer.

    Raises LocalError when it has fewer streams, or when a dynamic payload type would change its meaning (§8.3.2).
    """
    if len(wanted.media) < len(previous.media):
        text = f"{len(previous.media)} streams cannot become {len(wanted.media)}; refuse what is no longer wanted"
        raise LocalError(text, section="RFC 3264 §8")
    for before, after in zip(previous.media, wanted.media, strict=False):
        _require_same_numbers(before, after)
    return revised(previous, wanted)


def directed(description: SessionDescription, direction: Direction) -> SessionDescription:
    """With every stream that is not refused going in `direction`, and no direction for the session as a whole."""
    media = tuple(stream if stream.is_rejected else stream.with_direction(direction) for stream in description.media)
    for name in Direction:
        description = description.without_attribute(name.value) if description.has(name.value) else description
    return description.replace(media=media)


def widened(
    description: SessionDescription, codecs: Sequence[Codec], remote: SessionDescription | None = None
) -> SessionDescription:
    """With `codecs` in each audio stream, after those that it has. A payload type that either side has given a meaning
    to keeps that (RFC 3264 §8.3.2); where none is left, nothing is added.
    """
    others = remote.media if remote is not None else ()
    media = [
        _widened(stream, codecs, others[index] if index < len(others) else None)
        for index, stream in enumerate(description.media)
    ]
    return description.replace(media=tuple(media))


def _widened(stream: MediaDescription, codecs: Sequence[Codec], there: MediaDescription | None) -> MediaDescription:
    if stream.media != "audio" or not stream.is_rtp or stream.is_rejected:
        return stream
    new = [codec for codec in codecs if not any(codec.matches(own) for own in stream.codecs)]
    if not new:
        return stream
    known = list(stream.codecs)
    if there is not None and there.is_rtp:
        numbers = {codec.payload_type for codec in known}
        known += [codec for codec in there.codecs if codec.payload_type not in numbers]
    sound = [codec for codec in stream.codecs if codec.encoding.lower() != TELEPHONE_EVENT]
    events = [codec for codec in stream.codecs if codec.encoding.lower() == TELEPHONE_EVENT]
    try:
        return _with_codecs(stream, [*sound, *renumbered(new, _with_codecs(stream, known)), *events])
    except LocalError:
        return stream


def _with_codecs(stream: MediaDescription, codecs: Sequence[Codec]) -> MediaDescription:
    others = tuple(attribute for attribute in stream.attributes if attribute.name not in ("rtpmap", "fmtp"))
    numbers = tuple(str(codec.payload_type) for codec in codecs)
    return stream.replace(formats=numbers, attributes=(*format_attributes(codecs), *others))


def continued(
    local: SessionDescription,
    offer: SessionDescription,
    wanted: Direction,
    previous: SessionDescription,
    remote: SessionDescription | None = None,
) -> SessionDescription | None:
    """The answer to `offer` that goes on with what `local` has, as far as it is offered; None where nothing is left of
    what it offers. One that gives every stream up is answered as it asks for, with port 0 (RFC 3264 §6, §8.2).

    So a stream is put on hold or taken off it, a codec dropped, a stream given up, without anybody being asked. What
    the offer adds is refused. `previous` is the last description that was sent, which the version follows, and `remote`
    is what the peer has described so far: who begins a handshake is said by both.
    """
    roles = [_setup_of(remote, media) for media in remote.media] if remote is not None else []
    streams = [
        _continued(here, offer, there, wanted, role)
        for here, there, role in zip(local.media, offer.media, [*roles, *[None] * len(offer.media)], strict=False)
    ]
    if not any(streams) and not _gives_all_up(offer):
        return None
    media = [stream or refused(there) for stream, there in zip(streams, offer.media, strict=False)]
    media += [refused(there) for there in offer.media[len(media) :]]
    for name in Direction:
        local = local.without_attribute(name.value) if local.has(name.value) else local
    return revised(previous, local.replace(media=tuple(media), timings=offer.timings))


def _gives_all_up(offer: SessionDescription) -> bool:
    return bool(offer.media) and all(there.is_rejected for there in offer.media)


def restored(description: SessionDescription, before: SessionDescription) -> SessionDescription:
    """With the streams that it has no more as they were `before`: the peer may offer them again (RFC 3264 §8.1)."""
    media = tuple(was if now.is_rejected else now for now, was in zip(description.media, before.media, strict=False))
    return description.replace(media=(*media, *description.media[len(media) :]))


def _continued(
    here: MediaDescription, offer: SessionDescription, there: MediaDescription, wanted: Direction, role: Setup | None
) -> MediaDescription | None:
    if here.media != there.media or here.protocol != there.protocol or here.is_rejected or there.is_rejected:
        return None
    stream = _answering(here, offer, there, role)
    if stream is None:
        return None
    stream = stream.with_direction(both(wanted, wants(offer, there)))
    if not there.is_rtp:
        return stream if set(here.formats) & set(there.formats) else None
    codecs = [found for codec in there.codecs if (found := taken(codec, here.codecs)) is not None]
    if all(codec.encoding.lower() == TELEPHONE_EVENT for codec in codecs):
        return None
    return _with_codecs(stream, codecs)


def _answering(
    here: MediaDescription, offer: SessionDescription, there: MediaDescription, role: Setup | None
) -> MediaDescription | None:
    """What was last described as it stands in an answer: with one key, the first that is offered and known here
    (RFC 4568 §5.1.2), one of the two roles, and RTCP along with RTP where that is offered; None where no key is left.
    """
    keys = [str(found) for each in _cryptos(there) if (found := _key_for(each, _cryptos(here))) is not None]
    if not keys and here.has(CRYPTO.name) and here.protocol not in PLAIN and not here.fingerprints:
        return None
    others = [each for each in here.attributes if each.name != CRYPTO.name]
    if here.rtcp_mux and not there.rtcp_mux:
        others = [each for each in others if each.name != RTCP_MUX.name]
    if here.setup is not None:
        own = _role(here.setup, _setup_of(offer, there), role)
        others = [Attribute(SETUP.name, own.value) if each.name == SETUP.name else each for each in others]
    return here.replace(attributes=(*(Attribute(CRYPTO.name, key) for key in keys[:1]), *others))


def _cryptos(media: MediaDescription) -> tuple[Crypto, ...]:
    """The keys of a description; none where they cannot be read."""
    try:
        return media.crypto
    except ParseError:
        return ()


def _setup_of(description: SessionDescription, media: MediaDescription) -> Setup | None:
    """Who is said to begin a handshake; None where that cannot be read."""
    try:
        return description.setup_of(media)
    except ParseError:
        return None


def _key_for(offered: Crypto, known: Sequence[Crypto]) -> Crypto | None:
    """The key of this side for a suite that is offered, under the tag that it is offered with. What its own attribute
    does without is not taken: keys with an identifier, several of them, and parameters that must be known (RFC 4568
    §6.3).
    """
    identified = [key.mki is not None for key in offered.keys]
    for own in known:
        alike = own.suite == offered.suite and [key.mki is not None for key in own.keys] == identified
        if alike and set(offered.needed) <= set(own.session_parameters):
            return replace(own, tag=offered.tag)
    return None


def _role(own: Setup, offered: Setup | None, before: Setup | None) -> Setup:
    """Who this side is in a handshake by its answer: who it has been so far, unless the peer says that it is that
    (RFC 8842 §5.3); never both, which only an offer may say (RFC 5763 §5), and nobody where the offer wants none for
    now (RFC 4145 §4.1). `before` is who the peer has been.
    """
    if offered is Setup.HOLDCONN:
        return offered
    if own not in _OTHER:
        own = Setup.PASSIVE if before is Setup.ACTIVE else Setup.ACTIVE
    return _OTHER[own] if offered is own else own


def all_refused(offer: SessionDescription) -> SessionDescription:
    """The answer that takes nothing of `offer`: valid, as RFC 3261 §13.2.2.4 wants it of whoever hangs up then."""
    media = tuple(refused(there) for there in offer.media)
    return SessionDescription(NOBODY, connection=NOWHERE, media=media, timings=offer.timings)


def with_stream(description: SessionDescription, media: MediaDescription) -> SessionDescription:
    """With one more stream: in the first place that a refused one has left, else at the end (RFC 3264 §8.1)."""
    free = (index for index, stream in enumerate(description.media) if stream.is_rejected)
    return description.with_media(next(free, len(description.media)), media)


def without_stream(description: SessionDescription, index: int) -> SessionDescription:
    """With one stream removed, which leaves its place behind with port 0 (RFC 3264 §8.2)."""
    return description.with_media(index, refused(description.media[index]))


def renumbered(codecs: Sequence[Codec], previous: MediaDescription) -> tuple[Codec, ...]:
    """Codecs with the payload types that they had in `previous`, and fresh ones for those that had none (§8.3.2)."""
    known = previous.codecs
    used = {codec.payload_type for codec in known}
    numbers = []
    for codec in codecs:
        before = next((old for old in known if old.matches(codec)), None)
        number = before.payload_type if before else codec.payload_type
        if before is None and number in used:
            number = _free_number(used)
        used.add(number)
        numbers.append(replace(codec, payload_type=number))
    return tuple(numbers)


def _free_number(used: set[int]) -> int:
    free = (number for number in range(FIRST_DYNAMIC, MAX_PAYLOAD_TYPE + 1) if number not in used)
    number = next(free, None)
    if number is None:
        raise LocalError("no payload type is left", section="RFC 3551 §3")
    return number


def _require_same_numbers(before: MediaDescription, after: MediaDescription) -> None:
    if before.is_rejected or before.media != after.media:
        return  # another stream in the same place
    known = {codec.payload_type: codec for codec in before.codecs if codec.payload_type >= FIRST_DYNAMIC}
    for codec in after.codecs:
        old = known.get(codec.payload_type)
        if old is not None and not old.matches(codec):
            raise LocalError(f"payload type {old} cannot become {codec}", section="RFC 3264 §8.3.2")
