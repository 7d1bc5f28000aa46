"""Which codecs, and which ways to protect media, does an endpoint accept? Found out by offers, as far as possible in
the course of one call that no media is sent in.

The first offer has everything. What the answer leaves out is offered again alone, inside the same call, until it is
refused or nothing is left: who names just the codec that it likes best is found out by that, too. The peer is asked for
an offer of its own, and SRTP is offered. Only what a call could not tell is asked for with another INVITE,
and only where nobody's phone has rung.
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Protocol

from probes.checks.codecs_answer import Answer, Security
from sipcore.auth.session import AuthError
from sipcore.errors import LocalError, ParseError, TransportFailure
from sipcore.media.terms import Terms
from sipcore.message.message import Response
from sipcore.message.registry import WARNING
from sipcore.resolve.target import SocketAddress
from sipcore.sdp.attributes import Codec
from sipcore.sdp.build import DTMF_EVENTS, TELEPHONE_EVENT, audio_description
from sipcore.sdp.codecs import CODECS, codecs_named
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.negotiation import RTCP_MUX
from sipcore.value import value

MAX_INVITES = 8
"""INVITEs that one report may send: one for each codec and each way to protect media where nothing can be asked inside
a call."""
DEFAULT_RING_TIME = 8.0
"""Seconds that a call may ring: two rings, so that whoever picks up at once does."""
DEFAULT_TIMEOUT = 4.0
"""Seconds for any answer at all to an INVITE, and for the final one to an offer inside a call."""
EVENTS = {8000: 101, 48000: 102}
"""The payload types of telephone events by their clock rate, which is that of the audio (RFC 4733 §2.4.1): fixed, since
neither may change its meaning within a call (RFC 3264 §8.3.2)."""
RINGING = range(180, 183)
"""A phone rings, is being looked for, or its owner waits in a queue (RFC 3261 §21.1.2 to §21.1.4)."""
_MEDIA_REFUSED = frozenset({415, 488, 606})
"""RFC 3261 §21.4.13, §21.4.26, §21.6.4: about the session that was offered, and nothing else."""
_MEDIA_WARNINGS = frozenset({302, 304, 305, 306, 307})
"""RFC 3261 §20.43: whatever the status, it is the description that was not liked."""


class Way(Enum):
    """How an offer is made."""

    INVITE = "INVITE"
    REINVITE = "re-INVITE"
    """Inside the call that is there; where it is not answered yet, once it is."""
    UPDATE = "UPDATE"
    """Inside the call before it is answered (RFC 3311 §5.1)."""


@value
class Offer:
    """Codecs by their names, in order, and how media is to be protected. Without a codec, the peer is to offer."""

    security: Security = Security.NONE
    codecs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{', '.join(self.codecs)} over {self.security.profile}" if self.codecs else "no offer"


OF_PEER = Offer()


@value
class Question:
    """An offer to make, and how."""

    offer: Offer
    way: Way

    def __str__(self) -> str:
        return f"{self.way.value} with {self.offer}"


class Standing(Enum):
    """What became of the call, and so how the next question can be asked."""

    OVER = "over"
    EARLY = "not answered yet"
    CHANGEABLE = "not answered yet, and takes an UPDATE"
    UP = "answered"


class Outcome(Enum):
    """What came of an offer."""

    TAKEN = "taken"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@value
class Reply:
    """What came of one question after `took` seconds. `response` is the one that tells, or the final one.

    `answer` is what its session description says, None where none was due; `statuses` are all that came to the
    question, 100 included. `failure` is why there was no final response, or no credentials for it. With neither,
    nothing came in time.
    """

    question: Question
    took: float
    standing: Standing
    response: Response | None = None
    answer: Answer | None = None
    statuses: tuple[int, ...] = ()
    failure: TransportFailure | AuthError | ParseError | None = None

    @property
    def in_call(self) -> bool:
        """Whether it was asked inside a call."""
        return self.question.way is not Way.INVITE

    @property
    def rang(self) -> bool:
        """Whether somebody may have been alerted: gateways play the ringing tone behind a 183."""
        return any(180 <= status < 190 for status in self.statuses)

    @property
    def phone_rings(self) -> bool:
        """Whether a phone rings, as the peer says."""
        return any(status in RINGING for status in self.statuses)

    @property
    def outcome(self) -> Outcome:
        """What came of the offer."""
        if self.answer is not None and not self.answer.problem:
            return Outcome.TAKEN if self.answer.is_accepted else Outcome.REFUSED
        refused = self.answer is None and self.response is not None and refuses_media(self.response)
        return Outcome.REFUSED if refused else Outcome.UNKNOWN


@value
class Asking:
    """What to find out, and how far to go for it. Raises LocalError for what cannot be asked."""

    codecs: tuple[str, ...] = tuple(CODECS)
    securities: tuple[Security, ...] = (Security.SDES, Security.DTLS)
    """Besides plain RTP; DTLS is offered as browsers do it, too, where it is refused."""
    rings_again: bool = False
    """Whether further INVITEs may be sent to somebody whose phone has rung."""
    max_invites: int = MAX_INVITES

    def __post_init__(self) -> None:
        known = codecs_named(self.codecs)  # which raises for unknown ones
        if not known:
            raise LocalError("name a codec to ask for", section="RFC 3264 §5.1")
        if not 1 <= self.max_invites <= MAX_INVITES:
            raise LocalError(f"from 1 to {MAX_INVITES} calls can be allowed", section="RFC 3261 §13.2")
        names = {codec: name for name, codec in CODECS.items()}
        object.__setattr__(self, "codecs", tuple(names[codec] for codec in known))  # as they are spelled here


class OfferIO(Protocol):
    """The network, as this check sees it: one call at a time."""

    async def ask(self, question: Question) -> Reply:
        """Make the offer and see what comes of it; for an INVITE, any call before it ends first. Whatever happens is a
        value.
        """


def description(offer: Offer, place: SocketAddress, session_id: int, terms: Terms) -> SessionDescription:
    """An offer as it is sent, with telephone events beside its codecs; `terms` are for its way to protect media."""
    codecs = codecs_named(offer.codecs)
    events = [
        Codec(number, TELEPHONE_EVENT, rate, fmtp=DTMF_EVENTS)
        for rate, number in EVENTS.items()
        if any(codec.clock_rate == rate for codec in codecs)
    ]
    muxed = (RTCP_MUX,) if offer.security is Security.WEBRTC else ()
    made = audio_description(
        address=place.host.partition("%")[0],
        port=place.port,
        session_id=session_id,
        session_version=1,
        codecs=[*codecs, *events],
        telephone_event=None,
        protocol=offer.security.profile,
        attributes=(*terms.attributes(place), *muxed),
    )
    return made.with_attribute("ice-lite") if terms.ice is not None else made


def plan(seen: Sequence[Reply], asking: Asking) -> Question | None:
    """What to ask next, given the replies so far; None when nothing more can be found out, or should be asked for."""
    last = seen[-1] if seen else None
    if last is not None and stops(last):
        return None
    wanted = [offer for offer in _wanted(seen, asking) if outcome_of(offer, seen) is Outcome.UNKNOWN]
    if last is not None:
        asked = {reply.question.offer for reply in seen if reply.in_call}
        for offer in wanted:
            way = _inside(last, seen, offer)
            if way is not None and offer not in asked:
                return Question(offer, way)
    if why_no_invite(seen, asking):
        return None
    has_base = base_of(seen) is not None
    invited = {reply.question.offer for reply in seen if not reply.in_call}
    fresh = (offer for offer in wanted if offer not in invited and (offer.codecs or not has_base))
    return next((Question(offer, Way.INVITE) for offer in fresh), None)


async def act(io: OfferIO, asking: Asking) -> tuple[Reply, ...]:
    """Ask until nothing more can be found out."""
    seen: list[Reply] = []
    while (question := plan(seen, asking)) is not None:
        seen.append(await io.ask(question))
    return tuple(seen)


def stops(reply: Reply) -> bool:
    """Whether an INVITE came to something that another one would come to as well."""
    return not reply.in_call and reply.standing is Standing.OVER and reply.answer is None and not _is_about_media(reply)


def why_no_invite(seen: Sequence[Reply], asking: Asking) -> str:
    """Why no further INVITE may be sent; empty where one may be."""
    if sum(not reply.in_call for reply in seen) >= asking.max_invites:
        return f"{asking.max_invites} calls are allowed, and were placed"
    if any(reply.rang for reply in seen) and not asking.rings_again:
        return "a phone may have rung, and is not called again without consent"
    return ""


def base_of(seen: Sequence[Reply]) -> Security | None:
    """How media was protected in the first offer that was taken; None where none was."""
    offers = (reply.question.offer for reply in seen if reply.outcome is Outcome.TAKEN)
    return next((offer.security for offer in offers if offer.codecs), None)


def taken_of(seen: Sequence[Reply]) -> tuple[str, ...]:
    """The codecs that were taken, or offered by the peer, in the order in which that was found out."""
    return tuple(dict.fromkeys(name for reply in seen if reply.answer for name in reply.answer.audio))


def outcome_of(offer: Offer, seen: Sequence[Reply]) -> Outcome:
    """What came of an offer however often it was made; UNKNOWN where a refusal leaves doubt.

    Some refuse every re-INVITE, more of them one that leaves the call's codec, or changes how media is protected: a
    refusal inside a call is one of the offer only where another change of its kind was taken there, or where an answer
    says so.
    """
    replies = [reply for reply in seen if reply.question.offer == offer]
    if any(reply.outcome is Outcome.TAKEN for reply in replies):
        return Outcome.TAKEN
    base = base_of(seen)
    taken = [reply for reply in seen if reply.in_call and reply.outcome is Outcome.TAKEN]
    if offer.security is base:
        changed = [reply for reply in taken if _shows_codecs(reply, seen)]
    else:
        changed = [
            reply for reply in taken if reply.question.offer.codecs and reply.question.offer.security is not base
        ]
    refused = [reply for reply in replies if reply.outcome is Outcome.REFUSED]
    sure = any(changed or not reply.in_call or (reply.answer and offer.security is base) for reply in refused)
    return Outcome.REFUSED if sure else Outcome.UNKNOWN


def _shows_codecs(reply: Reply, seen: Sequence[Reply]) -> bool:
    """Whether what was taken inside a call tells that other codecs than the one of the call count there.

    Who names one codec only, and in an offer of its own no other, may keep to it as long as the call lasts.
    """
    first = next((one.answer.audio for one in seen if one.answer and one.answer.audio), ())
    own = reply.answer.audio if reply.answer else ()
    return bool(reply.question.offer.codecs) or len(first) > 1 or not set(own) <= set(first)


def refuses_media(response: Response) -> bool:
    """Whether a refusal is one of the session that was offered."""
    return response.status in _MEDIA_REFUSED or any(code in _MEDIA_WARNINGS for code in _warnings(response))


def _warnings(response: Response) -> list[int]:
    try:
        return [int(warning.code) for warning in response[WARNING]]
    except ParseError:
        return []


def _is_about_media(reply: Reply) -> bool:
    return reply.response is not None and reply.failure is None and refuses_media(reply.response)


def _wanted(seen: Sequence[Reply], asking: Asking) -> Iterator[Offer]:
    """The offers that would tell something new, the most telling first."""
    base = base_of(seen)
    if base is None:
        yield from (Offer(security, asking.codecs) for security in (Security.NONE, *_secure(seen, asking)))
        yield OF_PEER
        return
    taken = taken_of(seen)
    rest = tuple(name for name in asking.codecs if name not in taken)
    if rest:
        yield Offer(base, rest)
    yield OF_PEER  # Asterisk answers an offer of SRTP without keys where a refusal stands between the two
    known = {reply.answer.security for reply in seen if reply.answer and reply.answer.is_accepted}
    yield from (Offer(security, taken) for security in _secure(seen, asking) if security not in known)


def _secure(seen: Sequence[Reply], asking: Asking) -> Iterator[Security]:
    """The ways to protect media that are to be offered: DTLS as browsers do it once the plain one did not do."""
    yield from asking.securities
    dtls = [reply.outcome for reply in seen if reply.question.offer.security is Security.DTLS]
    if dtls and Outcome.TAKEN not in dtls:
        yield Security.WEBRTC


def _inside(last: Reply, seen: Sequence[Reply], offer: Offer) -> Way | None:
    """How an offer can be made in the call that is there; None where it cannot, or should not be waited for."""
    if last.standing is Standing.UP:
        return Way.REINVITE
    if last.standing is Standing.CHANGEABLE and offer.codecs:
        return Way.UPDATE
    if last.standing is Standing.EARLY and not any(reply.phone_rings for reply in seen):
        return Way.REINVITE
    return None
