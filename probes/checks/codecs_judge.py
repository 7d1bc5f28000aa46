"""What the replies to offers come to: what the endpoint accepts, what it refuses, what could not be found out. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import field
from enum import Enum

from probes.checks.codecs import (
    OF_PEER,
    Asking,
    Outcome,
    Reply,
    base_of,
    outcome_of,
    stops,
    why_no_invite,
)
from probes.checks.codecs_answer import Oddity, Security
from probes.checks.options import REACH
from probes.result import CallKind, Reach, TimelineEntry, records_of
from sipcore.auth.session import AuthError
from sipcore.deviation import Deviation
from sipcore.errors import NotAllowed, TransportFailure
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Hop
from sipcore.sdp.attributes import Codec
from sipcore.sdp.build import TELEPHONE_EVENT
from sipcore.trace import TraceRecord
from sipcore.value import value

SEVERAL = 2
"""Codecs in an answer from which on it is taken for a list of all that the peer can do, and not for its choice."""
_CHALLENGED = frozenset({401, 407})
_KINDS = {
    Reach.REFUSED: CallKind.REFUSED,
    Reach.UNREACHABLE: CallKind.UNREACHABLE,
    Reach.NO_ANSWER: CallKind.NO_ANSWER,
    Reach.TLS_FAILED: CallKind.TLS_FAILED,
    Reach.NOT_SIP: CallKind.NOT_SIP,
    Reach.NOT_ALLOWED: CallKind.NOT_ALLOWED,
    Reach.FAILED: CallKind.REJECTED,
}
_ADVICE = {
    CallKind.REJECTED: "call a number that answers, as an identity that may call it",
    CallKind.BUSY: "call when the line is free, or a number that takes several calls",
    CallKind.NOT_ANSWERED: "call a number that answers by itself: an echo test or an announcement",
    CallKind.AUTHENTICATION: "give user and password of somebody who may call there",
    CallKind.NO_ANSWER: "see with discover whether anything answers there",
    CallKind.REFUSED: "check port and transport",
    CallKind.UNREACHABLE: "check the address, and the route to it",
    CallKind.TLS_FAILED: "see with discover what is wrong with TLS",
    CallKind.NOT_SIP: "see with discover what listens there",
    CallKind.NOT_ALLOWED: NotAllowed.advice,
}


class Support(Enum):
    """Whether the endpoint does something."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@value
class Capability:
    """One codec, telephone events, or one way to protect media. `evidence` are the replies that show it.

    `format` is how the endpoint names it, where it does, and `key` what it says of SRTP.
    """

    name: str
    support: Support
    evidence: tuple[Reply, ...] = ()
    format: Codec | None = None
    key: str = ""


@value
class Remark:
    """Something about a description that the rules of `section` do not allow, or that is worth knowing."""

    code: str
    text: str
    section: str


@value
class CodecReport:
    """What was found out about one endpoint. `ptime` and `maxptime` are in milliseconds, as it told them last.

    `own` is what it offers when nothing is offered to it, None where it offered no audio; `unasked` are formats that it
    names without being asked for them. `unfinished` is why not everything was found out, empty where it was. `kind` is
    how the telling call ended.
    """

    uri: SipUri
    hop: Hop | None
    codecs: tuple[Capability, ...]
    securities: tuple[Capability, ...]
    replies: tuple[Reply, ...] = ()
    own: tuple[Codec, ...] | None = None
    unasked: tuple[Codec, ...] = ()
    ptime: float | None = None
    maxptime: float | None = None
    remarks: tuple[Remark, ...] = ()
    unfinished: str = ""
    advice: str = ""
    kind: CallKind = CallKind.CONNECTED
    timeline: tuple[TimelineEntry, ...] = field(default=(), repr=False)
    epoch_ns: int = 0
    """Nanoseconds from 1970, UTC, to where the times of trace records begin: what makes dates out of them."""

    @property
    def records(self) -> tuple[TraceRecord, ...]:
        """The evidence behind the timeline, in its order."""
        return records_of(self.timeline)

    @property
    def works(self) -> bool:
        """Whether a codec was accepted."""
        return any(one.support is Support.ACCEPTED and one.name != TELEPHONE_EVENT for one in self.codecs)

    @property
    def invites(self) -> int:
        """How many calls it took."""
        return sum(not reply.in_call for reply in self.replies)

    @property
    def rang(self) -> bool:
        """Whether a phone may have rung."""
        return any(reply.rang for reply in self.replies)

    def numbers(self, capability: Capability) -> tuple[int, ...]:
        """The numbers of the replies that show a capability, from 1 on."""
        shown = [id(reply) for reply in capability.evidence]
        return tuple(number for number, reply in enumerate(self.replies, 1) if id(reply) in shown)


def judge(
    uri: SipUri, hop: Hop | None, replies: Sequence[Reply], asking: Asking, failure: TransportFailure | None = None
) -> CodecReport:
    """What all the replies come to. `failure` is why nothing could be asked, where nothing could."""
    answers = [reply.answer for reply in replies if reply.answer is not None]
    codecs = tuple(_codec(name, replies, asking) for name in asking.codecs)
    kind = _kind(replies, failure)
    offers = [reply.answer for reply in replies if reply.question.offer == OF_PEER and reply.answer]
    own = next((offer.codecs for offer in offers if offer.audio or offer.others), None)
    unasked = dict.fromkeys(codec for answer in answers for codec in answer.others)
    securities = tuple(_security(one, replies) for one in _asked(replies, asking))
    unknown = any(one.support is Support.UNKNOWN for one in (*codecs, *securities))
    return CodecReport(
        uri,
        hop,
        (*codecs, _events(replies)),
        securities,
        tuple(replies),
        own=own,
        unasked=tuple({codec.encoding.lower(): codec for codec in reversed(unasked)}.values()),
        ptime=next((answer.ptime for answer in reversed(answers) if answer.ptime is not None), None),
        maxptime=next((answer.maxptime for answer in reversed(answers) if answer.maxptime is not None), None),
        remarks=tuple(dict.fromkeys(_remarks(replies))),
        unfinished=_unfinished(replies, asking, failure) if unknown else "",
        advice=_advice(kind, replies),
        kind=kind,
    )


def told(reply: Reply) -> str:
    """What came of a question, in words: the line that answers it, or the refusal with its Warning."""
    answer, response = reply.answer, reply.response
    said = f"{response.status} {response.reason}".strip() if response is not None else ""
    if answer is not None and answer.problem:
        return f"{said}, whose session description cannot be used: {answer.problem}"
    if answer is not None:
        return f"{said}: {answer.line}"
    if reply.failure is not None:
        return f"{said}: {reply.failure.message}".removeprefix(": ")
    if response is None:
        return "it was not answered in time" if reply.statuses else "nothing came back"
    more = "Contact" if 300 <= response.status < 400 else "Warning"
    values = ", ".join(response.headers.get_all(more))
    return f"{said}; {more}: {values}" if values else said


def _codec(name: str, replies: Sequence[Reply], asking: Asking) -> Capability:
    accepted = next((reply for reply in replies if reply.answer and name in reply.answer.audio), None)
    if accepted is not None and accepted.answer is not None:
        return Capability(name, Support.ACCEPTED, (accepted,), accepted.answer.format(name))
    base = base_of(replies)
    offered = [reply for reply in replies if name in reply.question.offer.codecs]
    if base is not None:  # what is refused over another profile is refused for that
        offered = [reply for reply in offered if reply.question.offer.security is base]
    refused = [reply for reply in offered if reply.outcome is Outcome.REFUSED]
    settled = [reply for reply in refused if outcome_of(reply.question.offer, replies) is Outcome.REFUSED]
    if base is None and not _profiles(replies, asking) <= {reply.question.offer.security for reply in settled}:
        settled = []  # what is missed may be a profile that was not offered
    left_out = [reply for reply in offered if reply.answer and len(reply.answer.audio) >= SEVERAL]
    support = Support.REFUSED if settled or left_out else Support.UNKNOWN
    return Capability(name, support, tuple(settled or left_out or offered))


def _profiles(replies: Sequence[Reply], asking: Asking) -> set[Security | None]:
    """All that has to be refused before it is the codecs that nothing was found in common of."""
    browsers = {Security.WEBRTC} if Security.DTLS in asking.securities else set()
    own = {reply.answer.security for reply in replies if reply.answer and reply.answer.is_accepted}
    return {Security.NONE, *asking.securities, *browsers, *own}


def _events(replies: Sequence[Reply]) -> Capability:
    """Telephone events, which go along with any codec: an answer that takes one without them refuses them."""
    named = [reply for reply in replies if reply.answer and TELEPHONE_EVENT in reply.answer.taken]
    if named and named[0].answer:
        found = named[0].answer.format(TELEPHONE_EVENT)
        return Capability(TELEPHONE_EVENT, Support.ACCEPTED, (named[0],), found)
    offered = [reply for reply in replies if reply.question.offer.codecs]
    without = [reply for reply in offered if reply.answer and reply.answer.audio]
    support = Support.REFUSED if without else Support.UNKNOWN
    return Capability(TELEPHONE_EVENT, support, tuple(without or offered))


def _asked(replies: Sequence[Reply], asking: Asking) -> tuple[Security, ...]:
    """Plain RTP, what is to be found out besides, and what was offered in its place."""
    offered = (reply.question.offer.security for reply in replies)
    return tuple(dict.fromkeys((Security.NONE, *asking.securities, *offered)))


def _security(security: Security, replies: Sequence[Reply]) -> Capability:
    accepted = [reply for reply in replies if reply.answer and reply.answer.is_accepted]
    using = next((reply for reply in accepted if reply.answer and reply.answer.security is security), None)
    if using is not None and using.answer is not None:
        return Capability(security.text, Support.ACCEPTED, (using,), key=using.answer.key)
    offered = [reply for reply in replies if reply.question.offer.security is security and reply.question.offer.codecs]
    refused = [reply for reply in offered if reply.outcome is Outcome.REFUSED]
    # Where nothing was accepted, it may be the codecs that are refused; where no re-INVITE was, any of them.
    changes = any(reply.in_call and reply.answer and not reply.answer.problem for reply in replies)
    sure = accepted and any(not reply.in_call or changes for reply in refused)
    support = Support.REFUSED if sure else Support.UNKNOWN
    return Capability(security.text, support, tuple(refused or offered))


def _remarks(replies: Sequence[Reply]) -> Iterator[Remark]:
    for reply in replies:
        faults: tuple[Oddity | Deviation, ...] = (*reply.answer.oddities, *reply.answer.notes) if reply.answer else ()
        for fault in faults:
            yield Remark(fault.name.lower().replace("_", "-"), fault.text, fault.section)


def _kind(replies: Sequence[Reply], failure: TransportFailure | None) -> CallKind:
    """How it went in one word: by the first call, unless a later one was answered."""
    if failure is not None:
        return CallKind.UNRESOLVABLE
    if any(reply.answer is not None for reply in replies):
        return CallKind.CONNECTED
    last = next((reply for reply in reversed(replies) if not reply.in_call), None)
    if last is None:
        return CallKind.UNRESOLVABLE
    if isinstance(last.failure, AuthError) or (last.response and last.response.status in _CHALLENGED):
        return CallKind.AUTHENTICATION
    if isinstance(last.failure, TransportFailure):
        return _KINDS[REACH[last.failure.reason]]
    if last.response is None:
        return CallKind.NOT_ANSWERED if last.statuses else CallKind.NO_ANSWER
    return CallKind.of_refusal(last.response.status)


def _advice(kind: CallKind, replies: Sequence[Reply]) -> str:
    """What to try; what is wrong with credentials, the failure itself knows better."""
    if kind is CallKind.REJECTED and any(reply.outcome is Outcome.REFUSED for reply in replies):
        return "it may want a codec, or a way to protect media, that was not offered"
    failure = replies[-1].failure if replies else None
    return failure.advice if isinstance(failure, AuthError) and failure.advice else _ADVICE.get(kind, "")


def _unfinished(replies: Sequence[Reply], asking: Asking, failure: TransportFailure | None) -> str:
    """Why there is something left to find out."""
    if failure is not None:
        return failure.message
    if replies and stops(replies[-1]):
        return told(replies[-1])
    refused = [reply for reply in replies if reply.outcome is Outcome.REFUSED]
    if refused and not any(reply.outcome is Outcome.TAKEN for reply in replies):
        return f"no offer is taken: {told(refused[0])}"
    return why_no_invite(replies, asking) or "neither further offers nor further calls told more"
