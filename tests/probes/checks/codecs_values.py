"""Endpoints to ask for codecs, as values: each answers offers in its own way, without a network."""

from dataclasses import dataclass, field, replace

from probes.checks.codecs import Offer, Question, Reply, Standing, Way, description
from probes.checks.codecs_answer import Answer, Security, read_untrusted
from sipcore.media.keys import AES_CM_128_HMAC_SHA1_80
from sipcore.media.terms import Encryption, Keying, Terms, Wishes, new_terms
from sipcore.message.message import Response
from sipcore.message.parser import parse_message
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.sdp.attributes import Fingerprint
from sipcore.sdp.build import origin_of
from sipcore.sdp.codecs import CODECS, codecs_named
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.fields import Attribute
from sipcore.sdp.negotiation import Capability, Place, answer_to, choose

URI = SipUri("192.0.2.1", "echo")
HOP = Hop(Transport.UDP, SocketAddress("192.0.2.1", 5060), why="numeric address")
REASONS = {200: "OK", 486: "Busy Here", 488: "Not Acceptable Here"}
HERE, THERE = SocketAddress("192.0.2.9", 40000), "192.0.2.1"
FINGERPRINT = Fingerprint("sha-256", bytes(32))


def answered(status: int, *fields: str) -> Response:
    """A response to an INVITE."""
    lines = [
        f"SIP/2.0 {status} {REASONS.get(status, 'Said')}",
        "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1",
        "From: <sip:alice@192.0.2.9>;tag=1",
        f"To: <{URI}>;tag=2",
        "Call-ID: c1",
        "CSeq: 1 INVITE",
        *fields,
        "Content-Length: 0",
    ]
    message = parse_message("\r\n".join([*lines, "", ""]).encode())
    assert isinstance(message, Response)
    return message


def offered(offer: Offer) -> SessionDescription:
    """An offer as it is sent."""
    wishes = Wishes(codecs_named(offer.codecs), Encryption.REQUIRE)
    terms = Terms()
    if offer.security is Security.SDES:
        terms = new_terms(wishes, bytes, None, None)
    elif offer.security is not Security.NONE:
        terms = new_terms(replace(wishes, keying=Keying.DTLS), bytes, FINGERPRINT, None)
    return description(offer, HERE, 1, terms)


def answer(offer: Offer, codecs: tuple[str, ...], *, single: bool = False, events: bool = True) -> Answer | None:
    """The answer of an endpoint that knows these codecs; None where it has to refuse."""
    sent = offered(offer)
    known = Capability(codecs_named(codecs), protocols=(offer.security.profile,), single=single, events=events)
    choices = choose(sent, [known])
    if not choices:
        return None
    attributes: tuple[Attribute, ...] = ()
    if offer.security is Security.SDES:
        attributes = (Attribute("crypto", str(sent.media[0].crypto[0])),)
    elif offer.security is not Security.NONE:
        attributes = (Attribute("setup", "active"), Attribute("fingerprint", str(FINGERPRINT)))
    made = answer_to(sent, [(choices[0], Place(THERE, 4000, attributes))], origin_of(THERE, 1))
    return read_untrusted(bytes(made), sent)


@dataclass
class Peer:
    """An endpoint, which is asked as over a network. What it does with a call that it answers:

    `rings` are the statuses before the answer, `early` is whether one of them has it, too; `updates` is whether that
    one is reliable; `picks_up` whether it answers at all. `changes` is whether it takes a re-INVITE, `switches` whether
    one that changes how media is protected; `keeps` whether it keeps to the codec of the call in those. It is lost
    after `loses` questions inside a call.
    """

    codecs: tuple[str, ...] = tuple(CODECS)
    securities: tuple[Security, ...] = (Security.NONE,)
    single: bool = False
    events: bool = True
    rings: tuple[int, ...] = ()
    early: bool = False
    updates: bool = False
    picks_up: bool = True
    changes: bool = True
    switches: bool = True
    keeps: bool = False
    loses: int = 1000
    refusal: int = 488
    asked: list[Question] = field(default_factory=list)
    _security: Security | None = None
    _bound: tuple[str, ...] = ()
    _standing: Standing = Standing.OVER
    _inside: int = 0

    async def ask(self, question: Question) -> Reply:
        """What comes of a question."""
        self.asked.append(question)
        reply = self._invited(question) if question.way is Way.INVITE else self._changed(question)
        self._standing = reply.standing
        return reply

    def _invited(self, question: Question) -> Reply:
        self._inside, self._bound, offer = 0, (), question.offer
        reply = Reply(question, 0.1, Standing.OVER, statuses=(100,))
        told = self._answer(offer)
        if told is None:
            return replace(reply, response=answered(self.refusal), statuses=(100, self.refusal))
        self._security, self._bound = offer.security, told.audio if self.keeps else ()
        rung = replace(reply, answer=told, statuses=(100, *self.rings))
        if not offer.codecs:
            return replace(rung, response=answered(200))
        if self.early:
            standing = Standing.CHANGEABLE if self.updates else Standing.EARLY
            return replace(rung, response=answered(183), statuses=(*rung.statuses, 183), standing=standing)
        if not self.picks_up:
            return replace(rung, answer=None)
        return replace(rung, response=answered(200), statuses=(*rung.statuses, 200), standing=Standing.UP)

    def _changed(self, question: Question) -> Reply:
        assert self._standing is not Standing.OVER, "a change outside of a call"
        assert question.way is not Way.UPDATE or self._standing is Standing.CHANGEABLE
        reply = Reply(question, 0.1, Standing.OVER)
        self._inside += 1
        waits = question.way is Way.REINVITE and self._standing is not Standing.UP
        if self._inside > self.loses or (waits and not self.picks_up):
            return reply
        reply = replace(reply, standing=Standing.UP if question.way is Way.REINVITE else self._standing)
        offer = question.offer
        switched = bool(offer.codecs) and offer.security is not self._security
        told = self._answer(offer) if self.changes and (self.switches or not switched) else None
        if told is None:
            return replace(reply, response=answered(488))
        return replace(reply, response=answered(200), answer=told)

    def _answer(self, offer: Offer) -> Answer | None:
        codecs = self._bound or self.codecs
        if not offer.codecs:
            if not codecs or not self.securities:
                return None
            own = offered(Offer(self.securities[0], codecs))
            if not self.events:
                numbers = [str(codec.payload_type) for codec in codecs_named(codecs)]
                own = own.with_media(0, own.media[0].replace(formats=tuple(numbers)))
            return read_untrusted(bytes(own), None)
        if offer.security not in self.securities:
            return None
        return answer(offer, codecs, single=self.single, events=self.events)


SUITE = AES_CM_128_HMAC_SHA1_80.name
