"""Does a SIP endpoint answer at one address, port and transport? Asked with OPTIONS (RFC 3261 §11).

Any SIP response means that it is alive, 403, 405 and 503 included. Silence is not failure: it is told apart whether the
host says that nothing listens, the network says that there is no way, or nobody says anything.
"""

from collections.abc import Sequence
from dataclasses import replace

from probes.checks.io import Observation, ProbeIO, Query, TlsFacts
from probes.result import Attempt, Reach, flow_events_in, received_in, sent_in
from sipcore.errors import EXCERPT_CHARACTERS, FailureReason, NotAllowed, ParseError, TransportFailure, quoted
from sipcore.message.framing import Unfinished, foreign_protocol
from sipcore.message.message import Response
from sipcore.message.method import OPTIONS
from sipcore.message.parser import parse_message
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Hop
from sipcore.trace import FlowTrace, TraceRecord
from sipcore.transports.tls_failure import TlsFailure, TlsProblem
from sipcore.transports.ws_failure import WsFailure, WsProblem

OPENED, SECURED, UPGRADED, FAILED = "opened", "secured", "upgraded", "failed"
"""The events of `FlowTrace` that tell how far a connection came."""

REACH = {
    FailureReason.UNRESOLVABLE: Reach.FAILED,
    FailureReason.REFUSED: Reach.REFUSED,
    FailureReason.UNREACHABLE: Reach.UNREACHABLE,
    FailureReason.PROHIBITED: Reach.UNREACHABLE,
    FailureReason.TIMED_OUT: Reach.NO_ANSWER,
    FailureReason.RESET: Reach.NO_ANSWER,
    FailureReason.CLOSED: Reach.NO_ANSWER,
    FailureReason.TLS: Reach.TLS_FAILED,
    FailureReason.TOO_LARGE: Reach.FAILED,
    FailureReason.GARBAGE: Reach.NOT_SIP,
    FailureReason.NOT_ALLOWED: Reach.NOT_ALLOWED,
    FailureReason.FAULT: Reach.FAILED,
}
"""How far an attempt came that failed; one whose connection was opened is never a mere NO_ANSWER."""

_ADVICE = {
    FailureReason.UNRESOLVABLE: "check the spelling, or give an address",
    FailureReason.REFUSED: "check port and transport",
    FailureReason.UNREACHABLE: "check the address, and the route from here to it",
    FailureReason.PROHIBITED: "have the firewall that says so allow this host",
    FailureReason.TOO_LARGE: "try TCP",
    FailureReason.GARBAGE: "another service has this port; try another one",
    FailureReason.NOT_ALLOWED: NotAllowed.advice,
    FailureReason.FAULT: "report the mistake that was logged, with the messages",
}
HTTP, TLS, PLAIN_SIP, ECHO = "HTTP", "TLS", "plain SIP", "an echo"
_INSTEAD = {
    "a TLS ": TLS,
    "an HTTP ": HTTP,
    "an RTSP ": "RTSP",
    "an SSH ": "SSH",
    "an FTP or SMTP ": "FTP or SMTP",
    "a POP3 ": "POP3",
    "an IMAP ": "IMAP",
    "a PROXY ": "PROXY protocol",
    "SIP without ": PLAIN_SIP,
    "<!doctype html": HTTP,
    "<html": HTTP,
}
"""What other protocols are called, by how failures tell of them (`sipcore.message.framing.foreign_protocol`)."""
_NO_ANSWER = "a firewall may drop it, or the peer answers known addresses and domains only; try from an allowed host"
_SILENT = "the peer may expect TLS on this port, or answer known addresses and domains only"
_SILENT_BEHIND_TLS = "the peer may answer known addresses and domains only"
ONLY_CALLS = "OPTIONS gets no answer, INVITE does"
"""The detail of an attempt that was answered when it was a call."""
UNREADABLE = "the answer cannot be read"
"""How the detail begins where what came back is no message, but was meant to be an answer."""
UNFINISHED = "the answer has no end"
"""The same where the connection brought the beginning of an answer, and no more."""
_REFLECTED = "the peer sends back what it receives"
_STATUS_LINE = b"SIP/2.0 "
_START = 64
"""Bytes by which another protocol is told: a page may begin with a declaration of XML."""
_BROKEN = "something on the way, or the peer itself, damages its answers; try TCP or TLS"
_HALF_REQUEST = "a request comes, and has no end"
_HALF = "have the peer send the whole of it; see whether its Content-Length is right"
_WANTS_CERTIFICATE = "the peer asked for a client certificate and got none; give the one it knows"


def plan(uri: SipUri, hop: Hop, timeout: float) -> Query:
    """OPTIONS to `hop`, asking for a session description too (RFC 3261 §11.1). `timeout` is in seconds."""
    return Query(OPTIONS, uri, hop, timeout, (("Accept", "application/sdp"),))


async def act(io: ProbeIO, query: Query) -> Observation:
    """Send it, and see what happens."""
    return await io.ask(query)


def judge(seen: Observation) -> Attempt:
    """What the observation means."""
    if _is_reflected(seen):
        reflected = _attempt(seen, Reach.NOT_SIP, _REFLECTED, _ADVICE[FailureReason.GARBAGE])
        return replace(reflected, instead=ECHO)
    response, remark = _answer(seen)
    if response is not None:
        return _attempt(seen, Reach.ANSWERED, _joined(remark, *_tls_remarks(seen.tls)), response=response)
    if seen.unfinished is not None and (seen.failure is None or REACH[seen.failure.reason] is Reach.NO_ANSWER):
        return _unfinished(seen, seen.unfinished)
    if seen.failure is not None:
        return _failed(seen, seen.failure)
    return _silent(seen, f"no answer within {seen.waited:.1f} s")


def judge_call(attempt: Attempt, records: Sequence[TraceRecord]) -> Attempt:
    """An attempt that stayed silent, by what came of a call to the same place: the same where nothing came."""
    sent, came = sent_in(records), received_in(records)
    answers = [(one, response) for one in came if (response := _read_untrusted(one.data)) is not None]
    if not answers:
        return attempt
    # A phone that rings says so, and is alive.
    first, response = min(answers, key=lambda pair: pair[1].is_provisional)
    return replace(
        attempt,
        reach=Reach.ANSWERED,
        detail=ONLY_CALLS,
        advice="",
        rtt=first.at - (sent or came)[0].at,
        response=response,
        kernel_stamped=first.kernel,
        retransmissions=sum(one.attempt > 0 for one in sent),
        records=tuple(records),
    )


def told_since(attempt: Attempt) -> Attempt:
    """An attempt that found its connection gone, by what the records that came since say of the connection.

    Other protocols greet whoever connects, maybe before the request is on its way; and a server of TLS 1.3 misses the
    client's certificate when the handshake is over for the client (RFC 8446 §4.4.2.4).
    """
    told = [one.detail for one in attempt.records if isinstance(one, FlowTrace) and one.event == FAILED]
    if attempt.reach is not Reach.SILENT or not told:
        return attempt
    wanted = TlsProblem.CLIENT_CERTIFICATE_REQUIRED
    detail = told[-1].removeprefix(f"{attempt.hop}: ").removesuffix(f": {wanted.advice}")
    if detail.startswith(wanted.text):
        return replace(attempt, reach=Reach.CERTIFICATE_WANTED, detail=detail, advice=wanted.advice)
    instead = _instead(detail)
    if not instead:
        return attempt
    advice = _ADVICE[FailureReason.GARBAGE]
    return replace(attempt, reach=Reach.NOT_SIP, detail=detail, advice=advice, instead=instead)


def speaks_tls(attempt: Attempt) -> bool:
    """Whether an attempt over TLS shows that there is a TLS server, whatever it makes of this client."""
    if attempt.tls or SECURED in flow_events_in(attempt.records) or attempt.reach is Reach.CERTIFICATE_WANTED:
        return True
    none = (TlsProblem.NOT_TLS.text, TlsProblem.SILENT.text)
    return attempt.reach is Reach.TLS_FAILED and not attempt.detail.startswith(none)


def _is_reflected(seen: Observation) -> bool:
    """Whether the request itself came back (RFC 862): what was answered then was answered on this side."""
    sent = {one.data for one in sent_in(seen.records)}
    return any(one.data in sent for one in received_in(seen.records))


def _answer(seen: Observation) -> tuple[Response | None, str]:
    """The response to go by, and what is odd about it.

    Where none was accepted as the final answer, one that is provisional, or that does not belong to the request, still
    shows that SIP is spoken there.
    """
    if seen.response is not None:
        return seen.response, ""
    for record in reversed(received_in(seen.records)):
        response = _read_untrusted(record.data)
        if response is not None and response.is_provisional:
            return response, "only a provisional answer came"
        if response is not None:
            why = f": {seen.failure.message}" if seen.failure else ", its Via, Call-ID or CSeq differs"
            return response, f"the answer does not fit the request{why}"
    return None, ""


def _read_untrusted(data: bytes) -> Response | None:
    try:
        message = parse_message(data)
    except ParseError:
        return None
    return message if isinstance(message, Response) else None


def _unfinished(seen: Observation, came: Unfinished) -> Attempt:
    """A connection that brought the beginning of something: of an answer, or of what has nothing to do with SIP."""
    when = _without_place(seen, seen.failure.message) if seen.failure else f"nothing more within {seen.waited:.1f} s"
    first = came.start.strip(b"\r\n").partition(b"\n")[0].strip()
    begins = quoted(first[:EXCERPT_CHARACTERS].decode("utf-8", "surrogateescape"))
    count = f"{came.came} of {came.whole} bytes" if came.whole else f"{came.came} bytes"
    if first.startswith(_STATUS_LINE) or _STATUS_LINE.startswith(first):
        return _attempt(seen, Reach.NOT_SIP, f"{UNFINISHED}: {count} came, {begins} first; {when}", _HALF)
    if b" SIP/2.0" in first:
        return _attempt(seen, Reach.NOT_SIP, f"{_HALF_REQUEST}: {count} came, {begins} first; {when}", _HALF)
    detail = f"not SIP but {foreign_protocol(came.start) or f'{count}, {begins} first'}; {when}"
    not_sip = _attempt(seen, Reach.NOT_SIP, detail, _ADVICE[FailureReason.GARBAGE])
    return replace(not_sip, instead=_instead(detail))


def _failed(seen: Observation, failure: TransportFailure) -> Attempt:
    detail = _without_place(seen, failure.message)
    if isinstance(failure, TlsFailure):
        return _tls_failed(seen, failure.tls, failure.detail)
    if isinstance(failure, WsFailure):
        return _websocket_failed(seen, failure)
    reach = REACH[failure.reason]
    if reach is Reach.NO_ANSWER:
        return _silent(seen, detail)
    if reach is Reach.NOT_SIP and _is_broken_sip(seen):
        fault = detail.partition(": ")[2] or detail  # behind who answers
        return _attempt(seen, Reach.NOT_SIP, f"{UNREADABLE}: {fault}", _BROKEN)
    # Old web servers answer what they do not understand with a page that has no head.
    instead = _instead(f"{detail} {_shown(seen, failure)}") if reach is Reach.NOT_SIP else ""
    if instead == HTTP and HTTP not in detail:
        detail = "not SIP but a web page: the peer is a web server"
    return replace(_attempt(seen, reach, detail, _ADVICE[failure.reason]), instead=instead)


def _without_place(seen: Observation, message: str) -> str:
    """What a failure says, without saying again where."""
    for prefix in (f"{seen.query.hop}: ", f"udp {seen.query.hop.remote}: "):
        message = message.removeprefix(prefix)
    return message


def _shown(seen: Observation, failure: TransportFailure) -> str:
    """How that begins which came in the place of SIP: a datagram, or what a stream could not be cut into messages."""
    cause = failure.__cause__
    if isinstance(cause, ParseError):
        return cause.text[:_START]
    return "".join(one.data[:_START].decode("ascii", "replace") for one in received_in(seen.records)[-1:])


def _is_broken_sip(seen: Observation) -> bool:
    """Whether what came back is no message, but was meant to be an answer."""
    came = [seen.unfinished.start] if seen.unfinished else [one.data for one in received_in(seen.records)[-1:]]
    return any(data.startswith(_STATUS_LINE) for data in came)


def _instead(detail: str) -> str:
    """What is spoken in the place of what was asked for, in a word; empty where that is not known."""
    return next((name for part, name in _INSTEAD.items() if part in detail or part in detail.lower()), "")


def _silent(seen: Observation, detail: str) -> Attempt:
    """Nothing came back: what that means depends on how far the connection came."""
    transport = seen.query.hop.transport
    reached = flow_events_in(seen.records)
    if OPENED not in reached:
        return _attempt(seen, Reach.FILTERED if transport.reliable else Reach.NO_ANSWER, detail, _NO_ANSWER)
    when = detail.removeprefix("no answer ")
    if transport.secure and SECURED not in reached:
        return _tls_failed(seen, TlsProblem.SILENT, when)
    if transport.websocket and UPGRADED not in reached:
        return _attempt(seen, Reach.SILENT, f"{WsProblem.SILENT.text} ({when})", WsProblem.SILENT.advice)
    wanted = seen.tls is not None and seen.tls.certificate_requested
    if wanted and seen.failure is not None:
        # RFC 8446 §4.4.2.4: the client is done with its handshake before the server misses the certificate.
        return _attempt(seen, Reach.CERTIFICATE_WANTED, _joined(detail, *_tls_remarks(seen.tls)), _WANTS_CERTIFICATE)
    advice = _WANTS_CERTIFICATE if wanted else _SILENT_BEHIND_TLS if transport.secure else _SILENT
    return _attempt(seen, Reach.SILENT, _joined(detail, *_tls_remarks(seen.tls)), advice)


def _tls_failed(seen: Observation, problem: TlsProblem, detail: str) -> Attempt:
    text = f"{problem.text} ({detail})" if detail else problem.text
    if problem is TlsProblem.CLIENT_CERTIFICATE_REQUIRED:
        return _attempt(seen, Reach.CERTIFICATE_WANTED, text, problem.advice)
    instead = _instead(detail) if problem is TlsProblem.NOT_TLS else ""
    return replace(_attempt(seen, Reach.TLS_FAILED, text, problem.advice), instead=instead)


def _websocket_failed(seen: Observation, failure: WsFailure) -> Attempt:
    """A connection that is open, over which no WebSocket comes about."""
    reach = REACH[failure.reason]
    text = f"{failure.ws.text} ({failure.detail})" if failure.detail else failure.ws.text
    attempt = _attempt(seen, Reach.SILENT if reach is Reach.NO_ANSWER else reach, text, failure.ws.advice)
    instead = _instead(failure.detail) or (HTTP if "HTTP" in failure.detail else "")
    return replace(attempt, instead=instead)


def _tls_remarks(tls: TlsFacts | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(fault) for fault in tls.faults)) if tls else ()


def _attempt(
    seen: Observation, reach: Reach, detail: str, advice: str = "", *, response: Response | None = None
) -> Attempt:
    tls = seen.tls
    if not advice and tls is not None:
        advice = "; ".join(dict.fromkeys(fault.problem.advice for fault in tls.faults))
    return Attempt(
        seen.query.hop,
        seen.query.uri,
        reach,
        detail,
        advice,
        rtt=seen.rtt,
        response=response,
        kernel_stamped=seen.kernel_stamped,
        tls=tls.agreed if tls else "",
        tls_problems=_tls_remarks(tls),
        retransmissions=sum(record.attempt > 0 for record in sent_in(seen.records)),
        records=seen.records,
    )


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
