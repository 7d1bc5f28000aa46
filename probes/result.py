"""What probes find, as values: one outcome vocabulary for attempts, discoveries and test calls.

"Did it run?" and "is it good?" are two questions: `Reach` answers the first for one attempt, findings and verdicts the
second.
"""

from collections.abc import Iterable
from dataclasses import field
from enum import Enum

from probes.destination import Destination
from probes.findings.finding import Finding
from sipcore.media.report import MediaEvent, MediaResult
from sipcore.media.terms import Keying
from sipcore.message.message import Response
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Hop, SocketAddress
from sipcore.trace import Direction, FlowTrace, MessageTrace, TraceRecord, TransitionTrace
from sipcore.value import value


def sent_in(records: Iterable[TraceRecord]) -> list[MessageTrace]:
    """The messages among some evidence that were sent, repetitions included, in order."""
    return [one for one in records if isinstance(one, MessageTrace) and one.direction is Direction.SENT]


def received_in(records: Iterable[TraceRecord]) -> list[MessageTrace]:
    """The messages among some evidence that came back, in order."""
    return [one for one in records if isinstance(one, MessageTrace) and one.direction is Direction.RECEIVED]


def flow_events_in(records: Iterable[TraceRecord]) -> set[str]:
    """What happened to connections, by some evidence: the events of `FlowTrace`."""
    return {one.event for one in records if isinstance(one, FlowTrace)}


class Reach(Enum):
    """How far one attempt on one address, port and transport got."""

    ANSWERED = "answered"
    """A SIP response came, whatever its status: the endpoint is alive."""
    SILENT = "open but silent"
    """The connection, and TLS where asked for, was set up; no SIP answer came over it."""
    NO_ANSWER = "no answer"
    """Nothing came back over UDP: it was filtered on the way, or ignored."""
    FILTERED = "filtered"
    """No connection comes about, and nobody says why: something on the way drops what is sent there."""
    REFUSED = "refused"
    """The host said that nothing listens there: TCP reset or ICMP port unreachable."""
    UNREACHABLE = "unreachable"
    """The network said that there is no way there, or a filter said so."""
    TLS_FAILED = "TLS failed"
    """TCP connects, the TLS handshake does not succeed."""
    CERTIFICATE_WANTED = "client certificate wanted"
    """TLS is spoken there, to those who show a certificate."""
    NOT_SIP = "not SIP"
    """Something answered that is not SIP."""
    NOT_ALLOWED = "not allowed"
    """Whoever runs this host does not let the address be reached: nothing was sent there."""
    FAILED = "failed"
    """The probe could not be carried out here; the detail says why."""


@value
class Attempt:
    """One OPTIONS to one hop and what came of it. `rtt` is in seconds; `detail` and `advice` are for people."""

    hop: Hop
    uri: SipUri
    reach: Reach
    detail: str = ""
    """What happened, beyond what `reach` and the response's status say."""
    advice: str = ""
    """What to try, where it did not work."""
    rtt: float | None = None
    response: Response | None = None
    kernel_stamped: bool = False
    tls: str = ""
    """What TLS agreed on, and what is wrong with the certificate, in words; empty without TLS."""
    tls_problems: tuple[str, ...] = ()
    """What verification would say against the certificate; empty with TLS means that it proves the peer."""
    retransmissions: int = 0
    """How often the request was repeated before the answer came (RFC 3261 §17.1.2.1, Timer E)."""
    published: bool = False
    """Whether DNS names this very place and transport for the domain (RFC 3263 §4.2)."""
    instead: str = ""
    """What is spoken there in the place of SIP over this transport, in a word or two: HTTP, TLS, plain SIP."""
    only: str = ""
    """What a second, inconspicuous request had to do without so that it was answered; empty where the first was."""
    records: tuple[TraceRecord, ...] = field(default=(), repr=False)
    """The evidence: what was sent and received, and what became of the connection, in order."""
    ignored: tuple[TraceRecord, ...] = field(default=(), repr=False)
    """The same of the first request, where only the second one was answered."""


@value
class Candidate:
    """A product that the endpoint may be: how sure that is, from 0 to 1, and what speaks for it, strongest first."""

    product: str
    confidence: float
    vendor: str = ""
    kind: str = ""
    variant: str = ""
    """Which of the product's SIP stacks, where it has several."""
    evidence: tuple[str, ...] = ()


@value
class System:
    """What the endpoint is: the raw banner, and what is read out of it and out of the answer ("" if unknown).

    `platform` is what the product runs on: an operating system, the engine under a distribution, or which of its SIP
    stacks answered.
    """

    banner: str
    product: str = ""
    version: str = ""
    platform: str = ""
    vendor: str = ""
    kind: str = ""
    model: str = ""
    """The device, where the banner tells it."""
    confidence: float = 0.0
    """In `product`, from 0 to 1."""
    candidates: tuple[Candidate, ...] = ()
    """All that come into question, the likeliest first; where none is likely enough, `product` is empty."""
    disagreement: str = ""
    """That banner and answer do not go together, in a sentence; empty where they do."""


@value
class Recommendation:
    """How to connect, and why."""

    hop: Hop
    why: str
    uri: SipUri
    """What to call it by: the Request-URI that was answered there."""
    by_dns: bool = False
    """Whether DNS leads here by itself, so that a trunk is better off without port and transport: "Auto (SRV)"."""
    system: str = ""
    """The product that answers, "" where it is unknown."""
    methods: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()

    @property
    def secure(self) -> bool:
        """Whether signalling is encrypted on this way."""
        return self.hop.transport.secure


@value
class LookupStep:
    """One step of name resolution, for people: what was asked and what came back."""

    question: str
    answers: tuple[str, ...] = ()
    error: str = ""


class CallStatus(Enum):
    """How a test call ended, in one word."""

    CONNECTED = "connected"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    PENDING = "pending"
    """Of a call that has no end yet, or whose end nobody saw."""


class CallKind(Enum):
    """Which kind of ending a test call had; the command line has an exit code for each."""

    CONNECTED = "connected"
    REJECTED = "rejected"
    BUSY = "busy"
    NOT_ANSWERED = "not answered"
    AUTHENTICATION = "authentication"
    UNRESOLVABLE = "unresolvable"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no answer"
    TLS_FAILED = "TLS failed"
    CERTIFICATE_WANTED = "client certificate wanted"
    """TLS is spoken there, to those who show a certificate."""
    NOT_SIP = "not SIP"
    NO_MEDIA = "no media"
    """Connected, but nothing was heard of the peer."""
    NOT_ALLOWED = "not allowed"
    """Whoever runs this host does not let the address be reached."""
    OWN_FAULT = "own fault"
    """This program made a mistake, which says nothing about the peer."""
    NO_CALL = "no call"
    """Of a call that was waited for: none came in time."""
    INTERRUPTED = "interrupted"
    """Given up here before it was answered, or came to an end by itself."""

    @classmethod
    def of_refusal(cls, status: int | None) -> "CallKind":
        """What a final response from 300 on makes of a call, whatever its credentials were; None is for none."""
        if status in (486, 600):
            return cls.BUSY
        return cls.NOT_ANSWERED if status in (408, 480, 487) else cls.REJECTED

    @property
    def status(self) -> CallStatus:
        """The same in fewer words."""
        return _STATUSES.get(self, CallStatus.FAILED)


_STATUSES = {
    CallKind.CONNECTED: CallStatus.CONNECTED,
    CallKind.NO_MEDIA: CallStatus.CONNECTED,
    CallKind.BUSY: CallStatus.BUSY,
    CallKind.NOT_ANSWERED: CallStatus.NO_ANSWER,
}
"""The other kinds are failures."""


class CallRole(Enum):
    """Which side of a call this one is."""

    CALLER = "caller"
    CALLEE = "callee"


@value
class AuthenticationStep:
    """One step of digest authentication for one realm: a challenge, or the credentials that answer it.

    `schemes` are those on offer, or the one that was taken, in words; nothing is in them that a password could be
    guessed from.
    """

    realm: str
    proxy: bool
    """Whether a proxy asked, or the server itself."""
    schemes: tuple[str, ...]
    answers: bool
    """Whether these are credentials."""
    again: str = ""
    """Why somebody is challenged who has given credentials; empty for the first challenge, and for credentials."""


@value
class TimelineEntry:
    """One line of a call's story: milliseconds since its start, direction arrow or "", and what happened."""

    offset_ms: float
    label: str
    detail: str = ""
    direction: str = ""
    kernel_stamped: bool = False
    record: TraceRecord | None = field(default=None, repr=False, compare=False)
    """The evidence that the line was made of; None where it is no trace record."""
    event: MediaEvent | None = field(default=None, repr=False, compare=False)
    """What happened to the media; None for a line about something else."""
    authentication: AuthenticationStep | None = field(default=None, repr=False, compare=False)
    """What was asked for, or given; None for a line about something else."""


def records_of(timeline: Iterable[TimelineEntry]) -> tuple[TraceRecord, ...]:
    """The evidence behind a timeline, in its order."""
    return tuple(entry.record for entry in timeline if entry.record is not None)


@value
class CallEvent:
    """A step of the call as people tell it: initiated, trying, ringing, early_media, answered, media, completed."""

    name: str
    offset_ms: float
    detail: str = ""


@value
class CallMediaPart:
    """What came of one stream of a call that was changed to another one, which began so many seconds after the call."""

    began: float
    codec: str
    ptime: float
    keying: str
    measured: MediaResult


@value
class CallMedia:
    """The audio of a test call: what was agreed on, and what came of it.

    `ptime` is in seconds; `first_sent`, `first_received` and `last`, when the last packet of either stream was, are
    seconds since the call began. `early` is whether media was agreed on before the answer, `late` how many packets came
    after the call was hung up and the peer had said so. `digits` are those that were to be sent.
    """

    measured: MediaResult
    codec: str
    ptime: float
    keying: str
    local: SocketAddress
    first_sent: float | None = None
    first_received: float | None = None
    early: bool = False
    late: int = 0
    digits: str = ""
    last: float | None = None
    parts: tuple[CallMediaPart, ...] = ()
    """Where the call was changed to another stream, each of them; `measured` is what they come to altogether."""

    @property
    def latest(self) -> MediaResult:
        """The measures of the stream that was agreed on last."""
        return self.parts[-1].measured if self.parts else self.measured

    @property
    def keys(self) -> str:
        """The keys that came from the peer."""
        return "".join(key.key for key in self.measured.keys)

    @property
    def encryption(self) -> str:
        """How it was encrypted, in words; empty for plain RTP, and where no keys came about. Who only looked on does
        not know the suite that a handshake came to.
        """
        suite = self.measured.suite
        if not suite and (
            self.keying != Keying.DTLS.value or not (self.measured.sent.packets or self.measured.sources)
        ):
            return ""
        return " ".join(filter(None, ("SRTP", suite, "by", self.keying)))

    @property
    def digits_echoed(self) -> bool | None:
        """Whether the digits came back as they were sent; None where none were sent, or nothing came back at all."""
        return self.keys == self.digits.upper() if self.digits and self.keys else None


@value
class CallResult:
    """A test call: how it ended and its timeline. Durations are in seconds, None for what did not happen.

    `post_dial_delay` and `answer_time` count from the INVITE (RFC 6076 §4.3), of several from the first. Of a call that
    came in, `destination` is who called, at the address that it came from.
    """

    destination: Destination
    """Who was called, or who called."""
    hop: Hop | None
    """Where it went, or came from; None where no place was found."""
    status: CallStatus
    """How it ended, in the few words of a status."""
    kind: CallKind
    """How it ended, more exactly."""
    why: str
    """The same in a sentence."""
    advice: str = ""
    """What to try, where it did not work; empty where nothing needs to be."""
    final_status: int | None = None
    """The code of the final response to the INVITE; None where none came."""
    reason: str = ""
    """Its reason phrase."""
    timeline: tuple[TimelineEntry, ...] = field(default_factory=tuple)
    """What happened, in order: messages, media, and what they came to."""
    post_dial_delay: float | None = None
    answer_time: float | None = None
    duration: float | None = None
    """From the answer to the end."""
    codec: str = ""
    """By its name in the descriptions, as in `PCMU`; empty where none was agreed on."""
    epoch_ns: int = 0
    """Nanoseconds from 1970, UTC, to where the times of trace records begin: what makes dates out of them."""
    ring_time: float | None = None
    """From the first 180 or 183 to the answer, or to the end."""
    events: tuple[CallEvent, ...] = ()
    """Its steps as people tell them: initiated, ringing, answered, completed …"""
    media: CallMedia | None = None
    """None where no media was agreed on."""
    media_problem: str = ""
    """Why none was, though the call was answered."""
    ended_by: str = ""
    """How the dialog ended, in the words of `EndReason`; empty where there was none."""
    authentication: str = ""
    """Why a challenge was not answered, in the words of `AuthRefusal`; empty where it was, or there was none."""
    findings: tuple[Finding, ...] = ()
    """What is wrong, the worst first."""
    unmet: str | None = None
    """What is different from what the script expects; empty when nothing is, None when it expects nothing."""
    role: CallRole = CallRole.CALLER
    """Whether it was placed here, or came in."""
    caller: str = ""
    """The URI in From of the INVITE; empty where there was none."""
    called: str = ""
    """Its Request-URI."""
    invited: float = 0.0
    """When the first INVITE was sent, in seconds since the call began."""
    transitions: tuple[TransitionTrace, ...] = field(default=(), repr=False)
    """What the machines of the call went through, and, of one that was placed here, its transactions."""

    @property
    def records(self) -> tuple[TraceRecord, ...]:
        """The evidence behind the timeline, in its order."""
        return records_of(self.timeline)

    @property
    def start(self) -> float | None:
        """When the times of the timeline begin, by the clock of its records; None without any."""
        told = ((entry.record, entry.offset_ms) for entry in self.timeline if entry.record is not None)
        return next((record.at - offset_ms / 1000.0 for record, offset_ms in told), None)
