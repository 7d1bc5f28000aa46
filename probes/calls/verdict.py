"""How a test call ended, why, and what to try: a pure judgement over the final response or the failure."""

from dataclasses import replace

from probes.result import CallKind, CallStatus
from sipcore.auth.session import AuthError, AuthRefusal
from sipcore.dialogs.effects import EndReason
from sipcore.errors import FailureReason, NotAllowed, ParseError, TransportFailure
from sipcore.media.report import MediaResult
from sipcore.message.message import Response
from sipcore.message.registry import RETRY_AFTER
from sipcore.message.status import reason_for
from sipcore.value import value


@value
class Verdict:
    """A test call's ending: its kind, the reason in a sentence, and what to try."""

    kind: CallKind
    why: str
    advice: str = ""
    authentication: str = ""
    """Why a challenge was not answered, in the words of `AuthRefusal`."""

    @property
    def status(self) -> CallStatus:
        """How such a call ended, in one word."""
        return self.kind.status


_ADVICE: dict[int, str] = {
    400: "the peer finds the request malformed; its reason phrase or Warning says what",
    401: "give --user and a password",
    403: "the peer knows the call but does not allow it: is the source address, the caller or the number permitted?",
    404: "the number or user is unknown there: check spelling and number format (+E.164 or national)",
    405: "the peer does not take calls (INVITE) at this address",
    407: "give --user and a password",
    408: "the peer could not reach the called party in time",
    415: "the peer does not understand the session description's format",
    420: "the peer lacks an extension that was required",
    480: "the called party is not registered or does not take calls at the moment",
    481: "the peer lost the call's state; is a load balancer splitting it?",
    482: "the call came back to a proxy that had it before: a routing loop",
    483: "too many proxies on the way: a routing loop, as a rule",
    484: "the number is incomplete: check the number format",
    486: "call again later, or call another number",
    488: "no codec or media security in common: try other codecs, or SRTP",
    500: "the peer failed; its log says why",
    501: "the peer does not take calls (INVITE)",
    503: "the peer is overloaded, in maintenance, or has no route; try later, or another target",
    504: "a server behind the peer did not answer",
    600: "call again later: no other place of the called party will answer now",
    603: "the called party, or a spam filter, declined the call",
    607: "the called party rejects calls from this caller (RFC 8197)",
    608: "a call filter in the network rejected the call (RFC 8688)",
}
_OVERLOADED = "the peer is overloaded, or in maintenance: call again after that time, or call another target"
"""Of a 503 that says until when."""
_FAILURES: dict[FailureReason, tuple[CallKind, str]] = {
    FailureReason.UNRESOLVABLE: (CallKind.UNRESOLVABLE, "check the spelling, or give an address"),
    FailureReason.REFUSED: (CallKind.REFUSED, "check port and transport, or run discover"),
    FailureReason.UNREACHABLE: (CallKind.UNREACHABLE, "check the address and the route to it"),
    FailureReason.PROHIBITED: (CallKind.UNREACHABLE, "a firewall forbids it: allow this host"),
    FailureReason.TIMED_OUT: (
        CallKind.NO_ANSWER,
        "a firewall may drop it, or the peer ignores unknown sources: run discover",
    ),
    FailureReason.RESET: (CallKind.NO_ANSWER, "is it TLS on a plain port, or has the peer an allow-list?"),
    FailureReason.CLOSED: (CallKind.NO_ANSWER, "is it the right port, or has the peer an allow-list?"),
    FailureReason.TLS: (CallKind.TLS_FAILED, "see what discover says about the certificate"),
    FailureReason.TOO_LARGE: (CallKind.UNREACHABLE, "use TCP: the request does not fit a datagram"),
    FailureReason.GARBAGE: (CallKind.NOT_SIP, "is it a SIP port? run discover"),
    FailureReason.NOT_ALLOWED: (CallKind.NOT_ALLOWED, NotAllowed.advice),
    FailureReason.FAULT: (CallKind.OWN_FAULT, "report the mistake that was logged, with the messages"),
}
MEDIA_SECONDS = 1.0
"""For which the peer of an answered call has to be due to send, until what has not come is missing."""
_OK = 200
_WITHHELD = (AuthRefusal.WRONG_HOST, AuthRefusal.NO_ACCOUNT, AuthRefusal.UNSUPPORTED)
"""Why credentials are not sent that may well be right."""
_GIVEN_UP = (EndReason.CANCELLED, EndReason.REMOTE_HANG_UP, EndReason.INVITATION_EXPIRED)
"""How a call ends that nobody has answered or refused."""


def of_failure(failure: TransportFailure) -> Verdict:
    """The verdict of a call that got no final response."""
    kind, advice = _FAILURES[failure.reason]
    return Verdict(kind, failure.message, advice)


def of_response(response: Response, cause: AuthError | ParseError | TransportFailure | None = None) -> Verdict:
    """The verdict of a call that was refused, or whose 2xx could not be acknowledged."""
    said = f"{response.status} {response.reason}".strip()
    if isinstance(cause, AuthError):
        why = f"{said}: {cause.message}"
        advice = cause.advice if cause.reason in _WITHHELD else "check user and password"
        return Verdict(CallKind.AUTHENTICATION, why, advice, cause.reason.value)
    if cause is not None:
        return Verdict(CallKind.REJECTED, f"{said}, but {cause.message}", "the peer's answer breaks SIP")
    wait = asked_to_wait(response)
    advice = _warning(response) or (
        _OVERLOADED if wait and response.status == 503 else _ADVICE.get(response.status, "")
    )
    if response.status in (401, 407):
        return Verdict(CallKind.AUTHENTICATION, f"{said}: credentials are wanted", advice)
    if 300 <= response.status < 400:
        return Verdict(CallKind.REJECTED, f"{said}: {_contacts(response)}", "call the new address")
    return Verdict(CallKind.of_refusal(response.status), f"{said}{wait}", advice)


def asked_to_wait(response: Response) -> str:
    """What a refusal says of when to call again (RFC 3261 §20.33), to stand behind its status; empty where it says
    nothing that can be read.
    """
    try:
        after = response[RETRY_AFTER]
    except ParseError:
        return ""
    return f", and asks to wait {after.seconds} s (Retry-After)" if after is not None else ""


def of_silence(ring_timeout: float, *, heard: bool, rang: bool) -> Verdict:
    """The verdict of a call that was given up after `ring_timeout` seconds.

    `heard` is whether any response came, 100 included, `rang` whether one above it did.
    """
    if not heard:
        kind, advice = _FAILURES[FailureReason.TIMED_OUT]
        return Verdict(kind, f"no answer at all within {ring_timeout:g} s", advice)
    why = f"{'it rang, but' if rang else 'the peer is trying, but'} nobody answered within {ring_timeout:g} s"
    return Verdict(CallKind.NOT_ANSWERED, why, "raise --ring-timeout, or call a number that answers")


def of_ended(reason: EndReason, held: float) -> Verdict:
    """The verdict of a call that was answered."""
    why = f"answered, held for {held:.1f} s, {reason.value}"
    advice = ""
    if reason is EndReason.BYE_UNANSWERED:
        advice = "the call was set up, but the peer did not answer the BYE: is its Contact or Record-Route reachable?"
    elif reason is EndReason.BYE_REFUSED:
        advice = "the call was set up, but the peer refused the BYE: it may have lost the call's state"
    return Verdict(CallKind.CONNECTED, why, advice)


def of_interruption(seconds: float, *, rang: bool, held: float | None) -> Verdict:
    """The verdict of a call that was given up here `seconds` after it began, whatever the peer would have done.

    `held` is for how many seconds it was up by then, None for one that was not answered.
    """
    if held is not None:
        return Verdict(CallKind.CONNECTED, f"answered, held for {held:.1f} s, interrupted here")
    return Verdict(CallKind.INTERRUPTED, f"interrupted here after {seconds:.1f} s{', while it rang' if rang else ''}")


def of_incoming(status: int | None, reason: EndReason | None, seconds: float, why: str = "") -> Verdict:
    """The verdict of a call that came in here, `seconds` after its answer, or else after it began.

    `status` is that of the final response, and `why` what is to be said of it.
    """
    if status == _OK and reason is EndReason.NO_ACK:
        why = "answered, and the ACK never came"
        return Verdict(CallKind.NO_ANSWER, why, "is the Contact of the answer reachable?")
    if status == _OK:
        ended = of_ended(reason or EndReason.LOCAL_HANG_UP, seconds)
        return replace(ended, why=f"{ended.why}; {why}") if why else ended
    if reason in _GIVEN_UP:
        given_up = f"{reason.value} after {seconds:.1f} s"
        return Verdict(CallKind.NOT_ANSWERED, given_up)
    told = f"refused here with {status} {reason_for(status)}" if status is not None else "not answered here"
    return Verdict(CallKind.of_refusal(status), f"{told}: {why}" if why else told)


def of_no_call(wait: float) -> Verdict:
    """The verdict of a call that was waited for, and did not come."""
    why = f"no call came within {wait:g} s"
    return Verdict(CallKind.NO_CALL, why, "check where the number is routed to, or wait longer")


def of_media(measured: MediaResult | None, problem: str, due: float, withheld: str = "") -> Verdict | None:
    """The verdict of a connected call without media from the peer; None where some came, or it was too short to tell.

    `problem` is why no media was agreed on, where none was, `due` for how many seconds the peer was to send, and
    `withheld` why nothing is sent to where it wants media, where that is so.
    """
    if due < MEDIA_SECONDS or (measured is not None and measured.sources and not _is_foreign(measured)):
        return None
    if measured is None:
        why = f"no media: {problem}" if problem else "no media"
        return Verdict(CallKind.NO_MEDIA, why, "try other codecs, or another --encryption")
    if measured.security_failure:
        why = f"no media: {measured.security_failure}"
        return Verdict(CallKind.NO_MEDIA, why, "try --encryption with other --keys")
    if measured.sources:
        why = "no media came that was agreed on"
        return Verdict(CallKind.NO_MEDIA, why, "have the peer send in a codec of its own description")
    if withheld:
        return Verdict(CallKind.NO_MEDIA, f"no media: {withheld}", "have the peer name an address that may be reached")
    why = "no media came back" if measured.one_way else "no media either way"
    advice = "let RTP (UDP) in from the peer; its address in the session description may be a private one, too"
    return Verdict(CallKind.NO_MEDIA, why, advice)


def _is_foreign(measured: MediaResult) -> bool:
    """Whether all that came is of payload types that were not agreed on, so that nobody has to understand it, or has
    nothing in it.
    """
    nothing = measured.unexpected.wrong_type > 0 or not any(each.octets for each in measured.sources)
    return nothing and not measured.codec and not measured.keys


def _warning(response: Response) -> str:
    """What the peer itself says is wrong (RFC 3261 §20.43), which beats any guess."""
    text = response.headers.get("Warning")
    return f"the peer says: {text}" if text else ""


def _contacts(response: Response) -> str:
    return ", ".join(response.headers.get_all("Contact")) or "no Contact given"
