"""What went wrong between the messages of a call: what did not arrive, what was changed on the way, how it ended."""

from collections import Counter
from collections.abc import Iterator

from probes.calls.judge.facts import CallFacts
from probes.calls.judge.hint import MAX_SHOWN, Hint, lines
from probes.calls.judge.said import method_of
from probes.discovery.answers import reaches_less
from probes.findings.finding import Severity
from probes.result import CallKind
from sipcore.dialogs.effects import EndReason
from sipcore.errors import ParseError
from sipcore.message.address import Address
from sipcore.message.message import Request, Response
from sipcore.message.registry import CONTACT, REASON, RECORD_ROUTE
from sipcore.message.uri import SipUri, Uri

Hints = Iterator[Hint]

MANY_COPIES = 3
"""Copies of one message, from which on loss is no accident: over UDP, the third comes after 3.5 seconds."""
NORMAL = frozenset({"16", "31"})
"""Causes of Q.850 that are no trouble: normal clearing, and normal without more to say."""
AT_ONCE = 1.0
"""Seconds after the answer within which nobody hangs up who wanted to talk."""
MISTAKES = 3
"""Mistakes of this program that are shown: more are of the same kind, as a rule."""
SLOW = 5.0
"""Seconds until it rings after which callers give up: ITU-T E.721 has 5 s as the mean of a long-distance call."""


def acknowledged(facts: CallFacts) -> Hints:
    """RFC 3261 §13.3.1.4: a 2xx is sent again until the ACK arrives."""
    if facts.answered is None:
        return
    copies = [
        each
        for each, response in facts.responses("INVITE", again=True)
        if response.is_success and each.message == facts.answered.message
    ]
    acks = [each for each, _ in facts.requests("ACK", sent=True)]
    if len(copies) < 2:
        return
    if not acks:
        yield Hint("ack-missing", f"the 200 came {len(copies)} times, and no ACK was sent", lines(copies[0].message))
        return
    last = copies[-1]
    if last.at <= acks[0].at:
        return
    target = acks[0].record.flow.remote
    what = f"the 200 came {len(copies)} times, although an ACK was sent to {target} each time"
    path = "Record-Route" if "Record-Route" in facts.answered.message.headers else "Contact"
    evidence = (*lines(facts.answered.message, path), *lines(acks[0].message, "Route"))
    severity = None if len(copies) >= MANY_COPIES else Severity.NOTICE
    if facts.remote is not None and target != facts.remote:
        code = "record-route-unreachable" if path == "Record-Route" else "contact-unreachable"
        what = f"{what}, as its {path} says; the call itself goes to {facts.remote}"
    else:
        code = "ack-lost"
    yield Hint(code, what, evidence, (last.record, acks[0].record), severity)


def hung_up(facts: CallFacts) -> Hints:
    """How the call was ended, and whether both sides know."""
    if facts.answered is None:
        return
    yield from _ended(facts)
    over = facts.over
    if over is None:
        return
    finals = [(said, each) for said, each in facts.responses("BYE") if not each.is_provisional]
    if over.sent:
        refusals = [(said, each) for said, each in finals if not each.is_success and each.status not in (401, 407)]
        if finals and finals[-1][1].status in (401, 407):
            said, response = finals[-1]
            yield Hint("bye-challenged", f"the BYE was answered {response.start_line}", lines(response), (said.record,))
        elif refusals and all(said.sent for said, _ in facts.byes):  # both may hang up at once
            said, response = refusals[-1]
            yield Hint("bye-refused", f"the BYE was answered {response.start_line}", lines(response), (said.record,))
        elif not finals and facts.ended_by in ("", EndReason.BYE_UNANSWERED.value):
            sent = len([each for each in facts.said if each.sent and each.message == over.message])
            what = f"the BYE was sent {sent} times to {over.record.flow.remote}, and never answered"
            yield Hint("bye-lost", what, lines(over.message, "Route"), (over.record,))
        return
    held = over.at - facts.answered.at
    answered = "it had answered" if facts.calls else "the answer"
    reasons = list(_causes(over.message))
    told = ", ".join(over.message.headers.get_all("Reason"))
    evidence = lines(over.message, "Reason", "Warning")
    if reasons and not set(reasons) <= NORMAL:
        yield Hint("hung-up-with-cause", f"the peer hung up after {held:.1f} s: {told}", evidence, (over.record,))
    elif held < AT_ONCE:
        yield Hint("hung-up-at-once", f"the peer hung up {held:.1f} s after {answered}", evidence, (over.record,))


def _ended(facts: CallFacts) -> Hints:
    if facts.ended_by == EndReason.EXPIRED.value:
        yield Hint("session-not-refreshed", "the session was not refreshed in time")
    elif facts.ended_by == EndReason.GONE.value:
        yield Hint("call-state-lost", "the peer does not know the call any more")
    elif facts.kind is not None and facts.final and facts.ended_by == EndReason.NO_ANSWER.value:
        yield Hint("answer-unusable", f"the answer cannot be used: {facts.media_problem or facts.why}")


def _causes(bye: Request | Response) -> Iterator[str]:
    try:
        for reason in bye[REASON]:
            if reason.protocol.upper() == "Q.850":
                yield reason.params.text("cause") or ""
    except ParseError:
        return


def repeated(facts: CallFacts) -> Hints:
    """What had to be sent more than once over UDP."""
    counts = Counter((each.sent, bytes(each.message)) for each in facts.said if isinstance(each.message, Request))
    for each in facts.said:
        if not isinstance(each.message, Request) or each.again or each.message.method in ("ACK", "BYE"):
            continue
        count = counts[each.sent, bytes(each.message)]
        answered = any(
            isinstance(other.message, Response)
            and other.message.branch == each.message.branch
            and method_of(other.message) == each.message.method  # a CANCEL has the branch of its INVITE
            for other in facts.said
        )
        if count > MANY_COPIES and answered:
            what = f"the {each.message.method} was sent {count} times until something came back"
            yield Hint("packets-lost", what, lines(each.message), (each.record,))
            return


def slow(facts: CallFacts) -> Hints:
    """How long the caller heard nothing."""
    invites = facts.invites
    progress = next((said for said, response in facts.answers if 100 < response.status < 300), None)
    if not invites or progress is None:
        return
    waited = progress.at - invites[-1][0].at if progress.at > invites[-1][0].at else progress.at - invites[0][0].at
    if waited > SLOW:
        what = f"it took {waited:.1f} s until anything but 100 came"
        yield Hint("slow-progress", what, lines(progress.message), (progress.record,))


def mistaken(facts: CallFacts) -> Hints:
    """What this program has met with of its own mistakes, whatever became of the call."""
    told = tuple(detail[:MAX_SHOWN] for detail in facts.faults[:MISTAKES])
    if facts.kind is CallKind.OWN_FAULT:
        yield Hint("own-fault", facts.why, told)
    elif told:
        what = "this program made mistakes over what came, which was lost by that; the call went on"
        yield Hint("own-fault", what, told, severity=Severity.WARNING)


def rewritten(facts: CallFacts) -> Hints:
    """RFC 3261 §8.2.6.2: From, To, Call-ID and Via come back as they were sent, unless a gateway edits them."""
    if facts.secure:
        return
    sent = {each.message.branch: each for each in facts.said if each.sent and isinstance(each.message, Request)}
    for each in facts.said:
        request = sent.get(each.message.branch) if isinstance(each.message, Response) and not each.sent else None
        if request is None:
            continue
        try:
            changed = _changes(request.message, each.message)
        except ParseError:
            continue
        if changed:
            named = ", ".join(name for name, _, _ in changed)
            evidence = tuple(f"{name} sent: {before}; came back: {after}" for name, before, after in changed)
            what = f"{named} came back otherwise than sent: something on the way edits SIP"
            yield Hint("sip-alg", what, evidence, (request.record, each.record))
            return


def _changes(request: Request | Response, response: Request | Response) -> list[tuple[str, str, str]]:
    pairs = [
        ("Via", request.via.sent_by, response.via.sent_by),
        ("From", _place(request.from_.uri), _place(response.from_.uri)),
        ("To", _place(request.to.uri), _place(response.to.uri)),
        ("Call-ID", request.call_id, response.call_id),
    ]
    return [(name, before, after) for name, before, after in pairs if before.lower() != after.lower()]


def _place(uri: Uri) -> str:
    return f"{uri.address}:{uri.port or ''}" if isinstance(uri, SipUri) else str(uri)


def addressed(facts: CallFacts) -> Hints:
    """Whether what comes later in the call has a way to the peer: Contact and Record-Route of its 2xx, or INVITE."""
    said = facts.answered if facts.calls or facts.answered is None else facts.invites[0][0]
    if said is None or facts.remote is None:
        return
    worked = _reached(facts)
    for code, name, uris in (
        ("record-route-narrow", "Record-Route", _routes(said.message)),
        ("contact-narrow", "Contact", _contacts(said.message)),
    ):
        narrow = next((uri for uri in uris if reaches_less(uri.address, facts.remote.host)), None)
        if narrow is not None:
            what = f"{name} has {narrow.address}, which does not reach as far as the way to {facts.remote.host}"
            severity = Severity.WARNING if worked else None
            yield Hint(code, what, lines(said.message, name), (said.record,), severity)
            return
    if not _contacts(said.message):
        what = f"the {'200' if facts.calls else 'INVITE'} has no Contact that can be used"
        yield Hint("contact-missing", what, lines(said.message), ())


def _reached(facts: CallFacts) -> bool:
    """Whether a later request was answered."""
    return any(response.is_success for _, response in facts.responses("BYE"))


def _routes(message: Request | Response) -> list[SipUri]:
    try:
        return [route.uri for route in message[RECORD_ROUTE] if isinstance(route.uri, SipUri)]
    except ParseError:
        return []


def _contacts(message: Request | Response) -> list[SipUri]:
    try:
        found = message[CONTACT]
    except ParseError:
        return []
    return [each.uri for each in found if isinstance(each, Address) and isinstance(each.uri, SipUri)]


def timers(facts: CallFacts) -> Hints:
    """RFC 4028 §6: a session interval that was too small, and was raised."""
    finals = [(said, response) for said, response in facts.answers if response.status == 422]
    if finals and (facts.final is None or facts.final[1].status != 422):
        said, response = finals[0]
        what = "the session interval was too small at first, and was raised as the peer wants"
        yield Hint("session-timer-too-small", what, lines(response, "Min-SE"), (said.record,), Severity.NOTICE)
