"""A call's story, line by line, out of trace records: the live view, the text and the JSON all show these entries."""

from collections.abc import Iterator

from probes.result import AuthenticationStep, TimelineEntry
from sipcore.auth.choice import MAX_DESCRIBED
from sipcore.errors import ParseError
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.message.fields.challenge import DEFAULT_ALGORITHM, DIGEST, Challenge
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.message.registry import AUTHORIZATION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, WWW_AUTHENTICATE
from sipcore.trace import Direction, DiscardTrace, FaultTrace, FlowTrace, MessageTrace, ResolveTrace, TraceRecord

SENT, RECEIVED = "→", "←"
"""The arrows of a ladder: from here to the peer, and back."""
OWN_FAULT = "own fault"
"""The label of a line that tells of a mistake of this program."""
LOOKUP, CONNECTION_FAILED = "DNS", "connection failed"
"""The labels of lines that tell of a question to DNS, and of a connection that failed."""
FAILED = "failed"
"""The event of a `FlowTrace` that tells of a connection which was refused, or did not come about, or broke."""

_VERSION = "SIP/2.0 "
_Realm = tuple[bool, str]
"""Proxy or server, and its realm."""
_MEDIA_LABELS = {kind: f"media {kind.value}" for kind in MediaEventKind} | {
    MediaEventKind.FIRST_SENT: "first RTP sent",
    MediaEventKind.FIRST_RECEIVED: "first RTP received",
    MediaEventKind.KEY_SENT: "DTMF sent",
    MediaEventKind.KEY_RECEIVED: "DTMF received",
    MediaEventKind.STALLED: "RTP stopped",
    MediaEventKind.RESUMED: "RTP again",
    MediaEventKind.REMOTE_MOVED: "RTP from elsewhere",
    MediaEventKind.SOURCE_CHANGED: "RTP source changed",
    MediaEventKind.GOODBYE: "RTCP BYE",
    MediaEventKind.NOMINATED: "ICE nominated",
}


def entry_of(record: TraceRecord, start: float) -> TimelineEntry | None:
    """The line of one trace record, `start` being the time of the first; None for what people need not see.

    Nothing but the start line and the method that a response answers is shown of a message, so no credential is.
    """
    offset = (record.at - start) * 1000.0
    match record:
        case MessageTrace():
            return _message_entry(record, offset)
        case ResolveTrace(question=question, answers=answers, error=error):
            told = ", ".join(answers) or error.removeprefix(f"{question}: ")
            return TimelineEntry(offset, LOOKUP, f"{question}: {told}", record=record)
        case FlowTrace():
            return _flow_entry(record, offset)
        case DiscardTrace(start_line=line, why=why):
            return TimelineEntry(offset, "discarded", f"{line.removeprefix(_VERSION)}: {why}", record=record)
        case FaultTrace(what=what, error=error, place=place):
            return TimelineEntry(offset, OWN_FAULT, f"over {what}: {error} ({place})", record=record)
    return None


class Rounds:
    """The rounds of authentication in a call, out of its messages: who asks for what, and what is answered."""

    def __init__(self) -> None:
        self._asked: set[_Realm] = set()
        self._answered: set[_Realm] = set()

    def entries_of(self, record: TraceRecord, start: float) -> Iterator[TimelineEntry]:
        """The lines of a challenge for each realm, and those of the credentials that answer one."""
        if not isinstance(record, MessageTrace) or record.attempt or not (self._asked or _may_challenge(record)):
            return
        try:
            message = parse_message(record.data)
            steps = self._proofs(message) if isinstance(message, Request) else self._challenges(message)
        except ParseError:
            return
        for step in steps:
            label = "credentials" if step.answers else "challenge"
            told = "; ".join([*step.schemes, *([step.again] if step.again else [])])
            detail = f'{"proxy, " if step.proxy else ""}realm "{step.realm}": {told}'
            yield TimelineEntry((record.at - start) * 1000.0, label, detail, authentication=step)

    def _challenges(self, response: Response) -> list[AuthenticationStep]:
        offers: dict[_Realm, list[Challenge]] = {}
        for row, proxy in ((WWW_AUTHENTICATE, False), (PROXY_AUTHENTICATE, True)):
            for text in response.headers.get_all(row.name):
                challenge = Challenge.parse(text, [])
                for each in (challenge, *challenge.combined):
                    offers.setdefault((proxy, each.realm or ""), []).append(each)
        self._asked |= offers.keys()
        return [
            AuthenticationStep(
                realm, proxy, _offered(offered), answers=False, again=self._again((proxy, realm), offered)
            )
            for (proxy, realm), offered in offers.items()
        ]

    def _again(self, realm: _Realm, offered: list[Challenge]) -> str:
        if realm not in self._answered:
            return ""
        return "the nonce was stale" if any(each.stale for each in offered) else "the credentials were refused"

    def _proofs(self, request: Request) -> list[AuthenticationStep]:
        steps = []
        for row, proxy in ((AUTHORIZATION, False), (PROXY_AUTHORIZATION, True)):
            for credentials in request[row]:
                realm = proxy, credentials.realm or ""
                if realm in self._asked:
                    self._asked.discard(realm)
                    self._answered.add(realm)
                    scheme = _scheme(credentials.scheme, credentials.params.text("algorithm"), credentials.qop)
                    steps.append(AuthenticationStep(realm[1], proxy, (scheme,), answers=True))
        return steps


def _may_challenge(record: MessageTrace) -> bool:
    """Whether it may hold a challenge."""
    return record.data.startswith((b"SIP/2.0 401 ", b"SIP/2.0 407 "))


def _offered(challenges: list[Challenge]) -> tuple[str, ...]:
    """What is offered in words, as many as there are algorithms."""
    return tuple(
        _scheme(each.scheme, each.algorithm if each.is_digest else None, ", ".join(each.qop_options))
        for each in challenges[:MAX_DESCRIBED]
    )


def _scheme(scheme: str, algorithm: str | None, qop: str | None) -> str:
    named = algorithm or (DEFAULT_ALGORITHM if scheme.lower() == DIGEST.lower() else "")
    return " ".join(filter(None, (scheme, named, qop)))


def mark(label: str, at: float, start: float, detail: str = "") -> TimelineEntry:
    """A line for something that is no trace record: initiated, completed, given up."""
    return TimelineEntry((at - start) * 1000.0, label, detail)


def media_entry(event: MediaEvent, start: float) -> TimelineEntry:
    """The line of something that happened to the media."""
    return TimelineEntry((event.at - start) * 1000.0, _MEDIA_LABELS[event.kind], event.detail, event=event)


def _flow_entry(record: FlowTrace, offset: float) -> TimelineEntry:
    """A connection's line. Which layer failed is for the detail to say: nothing may listen where TLS was wanted."""
    hop, name = record.hop, record.hop.transport.value
    label = CONNECTION_FAILED if record.event == FAILED else f"{name} {record.event}"
    detail = record.detail.removeprefix(f"{hop}: ")
    where = str(hop) if record.event == FAILED else str(hop.remote)
    return TimelineEntry(offset, label, f"{where} {detail}".strip(), record=record)


def _message_entry(record: MessageTrace, offset: float) -> TimelineEntry:
    arrow = SENT if record.direction is Direction.SENT else RECEIVED
    again = f"retransmission {record.attempt}" if record.attempt else ""
    try:
        message = parse_message(record.data)
        if isinstance(message, Request):
            label, detail = message.method, message.uri_text
        else:
            label, detail = f"{message.status} {message.reason}".strip(), f"to {message.cseq}"
    except ParseError as error:
        label, detail = "not SIP", str(error)
    detail = f"{detail} ({again})" if again else detail
    return TimelineEntry(offset, label, detail, arrow, record.kernel, record)
