"""What one check says of a route: the places that were asked, a test call, or a test of a registration become a
`Check`.

Any SIP response means that the route is alive (RFC 3261 §11.2), and an operator may name statuses that count as a
refusal. What fails at this host says nothing of the route.
"""

import errno
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from probes.health.terms import Check, Kind, Verdict
from probes.health.trunk import Rules
from probes.health.uptime import GAP_INTERVALS
from probes.registration.judge import Oddity, RegistrationKind, RegistrationReport
from probes.report.safe_text import printable
from probes.result import Attempt, CallKind, CallResult, Reach
from sipcore.errors import ParseError, TransportFailure, own_fault
from sipcore.message.message import Response
from sipcore.message.registry import RETRY_AFTER
from sipcore.outgoing import SERVICE_UNAVAILABLE
from sipcore.resolve.records import LookupFault
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.base import FAILURES, OWN_SIDE
from sipcore.value import value

Place = tuple[Transport, SocketAddress]
DAY = 86400.0
LEAST_SHARE = 1.0
"""Seconds that a place gets at least before the next one has its turn: two requests over UDP."""
STOPPED = 1.0
"""Seconds by which a check is given up too late where this program was stopped, or kept from running."""
MAX_WAIT = 300.0
"""Seconds for which a 503 may keep OPTIONS away by Retry-After: whoever asks for more is asked again all the same, or a
peer could silence the watch for as long as it likes."""
MAX_DETAIL = 500
"""Characters of a check's detail: what peers have written may be in it."""
_SILENT = frozenset({Reach.SILENT, Reach.NO_ANSWER})
_OWN = frozenset({Reach.FAILED, Reach.NOT_ALLOWED})
_BAD = {
    Reach.FILTERED: "unreachable",
    Reach.REFUSED: "refused",
    Reach.UNREACHABLE: "unreachable",
    Reach.TLS_FAILED: "tls",
    Reach.CERTIFICATE_WANTED: "client-certificate",
    Reach.NOT_SIP: "not-sip",
}
"""The reasons of attempts that say something against the route. A connection that does not come about is among them:
peers may drop OPTIONS, but none takes calls over a connection that it refuses by silence."""
_OURS = (*(FAILURES[number][1] for number in sorted(OWN_SIDE)), FAILURES[errno.EMSGSIZE][1], own_fault().message)
"""What fails at this host."""
_NO_FAMILY = FAILURES[errno.ENETUNREACH][1]
"""What is said of IPv6 by a host that has none."""
_MUTE = (LookupFault.SERVFAIL, LookupFault.REFUSED, LookupFault.TRUNCATED, LookupFault.TIMED_OUT)
_UNASKED = (LookupFault.UNREACHABLE, LookupFault.NOT_ASKED)
"""What DNS fails with when nothing follows for the name; the second ones are this host's."""
_ORDER = (Verdict.GOOD, Verdict.POOR, Verdict.SILENT, Verdict.BAD, Verdict.OWN)
"""Which of several places a check goes by: whoever answers. Silence comes before failure, since that place may be well
and drop what it is asked with."""
_ANEW = "over a new connection, since nothing came back over the one from before: something on the way forgot it"
_CALL_OWN = frozenset({CallKind.OWN_FAULT, CallKind.INTERRUPTED, CallKind.NO_CALL, CallKind.NOT_ALLOWED})
_REGISTRATION_OWN = frozenset({RegistrationKind.OWN_FAULT, RegistrationKind.INTERRUPTED, RegistrationKind.NOT_ALLOWED})
_HARM = frozenset({Oddity.DISPLACED, Oddity.STAYS})
"""What is odd about a registration and costs somebody calls: the rest is as its registrar is made."""


@value
class Subject:
    """What is checked: one route, by the rules of its trunk. `at` is when that began, in seconds since 1970."""

    trunk: str
    route: str
    rules: Rules
    at: float
    kind: Kind = Kind.OPTIONS
    goes_on: bool = True
    """Whether other checks are to follow, which are put off where a place asks for that."""

    def found(self, verdict: Verdict, reason: str, *details: str) -> Check:
        """The check that tells so."""
        return Check(self.trunk, self.route, self.kind, self.at, verdict, reason, _joined(details))


@value
class Tried:
    """One place that was asked, and what came of it."""

    attempt: Attempt
    certificate_ends: float | None = None
    """When the certificate that it showed ends, in seconds since 1970; None where it showed none."""
    late: float = 0.0
    """Seconds by which this program met the end of its time too late."""
    is_stale: bool = False
    """Whether nothing came back over a connection that was kept from before."""
    is_anew: bool = False
    """Whether it was asked so, and then again over a new connection, which is what is told."""


def next_places(last: Tried, left: Sequence[Hop]) -> list[Hop]:
    """Where to ask after a place, of those that are left: a client goes on after a 503, which speaks for all of its
    address, after silence, and where the transport fails (RFC 3263 §4.3).
    """
    response = last.attempt.response
    if response is None:
        return list(left)
    if response.status != SERVICE_UNAVAILABLE:
        return []
    return [hop for hop in left if hop.remote != last.attempt.hop.remote]


def is_missed(one: Tried) -> bool:
    """Whether a client has to go on from a place, for a reason that is not this host's."""
    response = one.attempt.response
    if response is not None:
        return response.status == SERVICE_UNAVAILABLE
    return not _says_nothing(one.attempt)


def missed_first(hops: Iterable[Hop], missed: Container[Place]) -> list[Hop]:
    """The places in the order in which they are asked: those first that were missed where DNS had put them first, until
    they answer. DNS orders equal ones anew each time (RFC 2782), and a route of which one server is down would be well
    whenever it puts another one first.
    """
    return sorted(hops, key=lambda hop: place_of(hop) not in missed)


def missed_after(missed: frozenset[Place], tried: Iterable[Tried], named: Sequence[Hop]) -> frozenset[Place]:
    """Which places are missed once some were asked of those that DNS has named, best first."""
    for one in tried:
        place = place_of(one.attempt.hop)
        if not is_missed(one):
            missed -= {place}
        elif place == place_of(named[0]):
            missed |= {place}
    return missed & set(map(place_of, named))


def place_of(hop: Hop) -> Place:
    """What makes a place one."""
    return hop.transport, hop.remote


def share_of(left: float, places: int) -> float:
    """The seconds that the first of so many places gets of those that are left."""
    return max(left / places, min(left, LEAST_SHARE))


def is_unsaid(failure: TransportFailure) -> bool:
    """Whether a lookup failed in a way that says nothing about the name, so that what was known of it may hold."""
    return any(fault.value in failure.message for fault in (*_MUTE, *_UNASKED))


def of_places(subject: Subject, tried: Sequence[Tried], unnamed: str = "") -> Check:
    """What the places say that were asked in turn; `unnamed` is why DNS does not tell them at the moment."""
    checks = [_of_place(subject, one) for one in tried]
    best = min(checks, key=lambda check: (_ORDER.index(check.verdict), check.status is None))
    number = checks.index(best)
    passed = [f"{check.place}: {check.detail}" for check in checks if check is not best]
    counts = any(is_missed(one) for one in tried[:number])
    verdict, reason = best.verdict, best.reason
    details = [best.detail]
    if verdict is Verdict.GOOD and counts:
        verdict, reason = Verdict.POOR, "place"
    if passed:
        is_answered = best.verdict in (Verdict.GOOD, Verdict.POOR)
        what = f"{best.place} answered, and not what comes first" if is_answered else "so did other places"
        details.append(f"{what}: {'; '.join(passed)}")
    if unnamed:
        is_said = verdict is Verdict.BAD and best.status is not None  # by somebody, who was there
        reason = "name" if verdict in (Verdict.GOOD, Verdict.BAD) and not is_said else reason
        verdict = Verdict.POOR if verdict is Verdict.GOOD else verdict
        details.append(f"asked where it was known to be, since DNS does not tell: {unnamed}")
    wait = _wait(subject, tried) if best.status == SERVICE_UNAVAILABLE else 0.0
    if wait and subject.goes_on:
        details.append(f"it is not asked again for {wait:.0f} s")
    return replace(best, verdict=verdict, reason=reason, detail=_joined(details), wait=wait)


def of_nowhere(subject: Subject, failure: TransportFailure) -> Check:
    """There is no place to ask."""
    is_own = any(fault.value in failure.message for fault in _UNASKED)
    verdict, reason = (Verdict.OWN, "own") if is_own else (Verdict.BAD, "name")
    return subject.found(verdict, reason, failure.message)


def of_own(subject: Subject, why: str) -> Check:
    """The check could not be carried out here, for that reason."""
    return subject.found(Verdict.OWN, "own", why)


def of_call(subject: Subject, call: CallResult) -> Check:
    """What a test call says: as its script expects, or, where that expects nothing, connected with sound."""
    is_met = call.kind is CallKind.CONNECTED if call.unmet is None else not call.unmet
    if is_met:
        verdict, reason = Verdict.GOOD, "answered"
    elif call.kind in _CALL_OWN or any(text in call.why for text in _OURS):
        verdict, reason = Verdict.OWN, "own"
    elif call.kind is CallKind.UNRESOLVABLE:
        verdict, reason = Verdict.BAD, "name"
    else:
        verdict, reason = Verdict.BAD, "call"
    details = [call.why, call.unmet or ""] if is_met else [call.why, call.unmet or "", call.advice]
    place = str(call.hop) if call.hop is not None else ""
    return replace(subject.found(verdict, reason, *details), status=call.final_status, place=place, call=call)


def of_registration(subject: Subject, report: RegistrationReport) -> Check:
    """What a test of a registration says: the user may register, or somebody is registered who has to be."""
    harm = [odd.text for odd in report.oddities if odd in _HARM]
    if report.works:
        verdict, reason = (Verdict.POOR, "odd") if harm else (Verdict.GOOD, "answered")
    elif report.kind in _REGISTRATION_OWN or any(text in report.why for text in _OURS):
        verdict, reason = Verdict.OWN, "own"
    elif report.kind is RegistrationKind.UNRESOLVABLE:
        verdict, reason = Verdict.BAD, "name"
    elif report.kind is RegistrationKind.NOBODY:
        verdict, reason = Verdict.BAD, "nobody"
    else:
        verdict, reason = Verdict.BAD, "registration"
    details = [report.why, *harm] if report.works else [report.why, report.advice]
    answers = [reply.response for reply in report.replies if reply.response is not None]
    return replace(
        subject.found(verdict, reason, *details),
        status=answers[-1].status if answers else None,
        place=str(report.hop) if report.hop is not None else "",
        registration=report,
    )


def _of_place(subject: Subject, one: Tried) -> Check:
    """What one place says by itself."""
    verdict, reason, details = _judged(subject, one)
    attempt = one.attempt
    response = attempt.response
    return replace(
        subject.found(verdict, reason, *details),
        status=response.status if response is not None and not response.is_provisional else None,
        rtt=None if attempt.retransmissions else attempt.rtt,
        place=str(attempt.hop),
        certificate_ends=one.certificate_ends,
        attempt=attempt,
    )


def _judged(subject: Subject, one: Tried) -> tuple[Verdict, str, list[str]]:
    attempt = one.attempt
    if attempt.response is not None:
        return _answered(subject, one, attempt.response)
    is_said = attempt.detail.startswith(attempt.reach.value)  # "no answer within 4.0 s"
    story = [
        attempt.detail if is_said else f"{attempt.reach.value}: {attempt.detail}".removesuffix(": "),
        attempt.advice,
    ]
    if attempt.reach in _OWN or _is_ours(attempt):
        return Verdict.OWN, "own", story
    if attempt.reach in _SILENT or attempt.reach is Reach.FILTERED:
        if one.late > STOPPED:
            why = f"this program was kept from running for {one.late:.1f} s, so that nothing follows from silence"
            return Verdict.OWN, "own", [why]
        if attempt.reach in _SILENT:
            return Verdict.SILENT, "silent", story
    return Verdict.BAD, _BAD[attempt.reach], story


def _answered(subject: Subject, one: Tried, response: Response) -> tuple[Verdict, str, list[str]]:
    """What an answer says; where several things are wrong, the reason is the worst one, and the detail has all."""
    rules, attempt = subject.rules, one.attempt
    said = f"{response.status} {response.reason}".strip()
    wrong: list[tuple[str, str]] = []
    if response.status == SERVICE_UNAVAILABLE:
        said += f": it takes no calls at the moment{_asked_to_wait(response)}"
        wrong.append(("maintenance", ""))
        if response.status in rules.refusals:
            return Verdict.BAD, "maintenance", [said]
    if response.status in rules.refusals:
        return Verdict.BAD, "status", [f"{said}, which counts as a refusal here"]
    if response.is_provisional or (attempt.rtt is None and attempt.detail):
        wrong.append(("odd", attempt.detail))
    wrong += [("certificate", text) for text in _certificate_faults(subject, one)]
    if rules.slow and attempt.rtt is not None and attempt.rtt >= rules.slow:
        again = f", repeated {attempt.retransmissions} times meanwhile" if attempt.retransmissions else ""
        slow = f"{attempt.rtt * 1000:.0f} ms after the request{again}, slow from {rules.slow * 1000:.0f} ms on"
        wrong.append(("slow", slow))
    if not wrong:
        return Verdict.GOOD, "answered", [said, _ANEW if one.is_anew else ""]
    return Verdict.POOR, wrong[0][0], [said, *(text for _, text in wrong)]


def asked_wait(subject: Subject, one: Tried) -> float:
    """Seconds for which a place asks to be left alone by a 503 (RFC 3261 §20.33, §21.5.4), as far as it is obeyed: a
    gap that uptime would take for one in which nobody watched is never made by it.
    """
    response = one.attempt.response
    if response is None or response.status != SERVICE_UNAVAILABLE:
        return 0.0
    return min(float(_retry_after(response) or 0), MAX_WAIT, GAP_INTERVALS * subject.rules.interval)


def _wait(subject: Subject, tried: Sequence[Tried]) -> float:
    """Seconds for which no OPTIONS are to be sent at all: until the first of the places that answered may be asked
    again, which is at once where one of them answered without asking for that.
    """
    return min((asked_wait(subject, one) for one in tried if one.attempt.response is not None), default=0.0)


def _asked_to_wait(response: Response) -> str:
    """What a 503 says of when to come back, for people; "" where it says nothing that can be read."""
    seconds = _retry_after(response)
    return f", and asks to wait {seconds} s (Retry-After)" if seconds is not None else ""


def _retry_after(response: Response) -> int | None:
    """The seconds of Retry-After (RFC 3261 §20.33); None where it says nothing that can be read."""
    try:
        after = response[RETRY_AFTER]
    except ParseError:
        return None
    return after.seconds if after is not None else None


def _certificate_faults(subject: Subject, one: Tried) -> list[str]:
    """What is wrong with the certificate of a peer that answered, or will be."""
    attempt, ends, days = one.attempt, one.certificate_ends, subject.rules.certificate_days
    if attempt.tls_problems:
        advice = f": {attempt.advice}" if attempt.advice else ""
        return [f"{'; '.join(attempt.tls_problems)}, which nobody verifies here{advice}"]
    if ends is None or ends - subject.at >= days * DAY:
        return []
    left = max(ends - subject.at, 0.0) / DAY
    return [f"its certificate ends on {_date(ends)}, in {left:.0f} days: have the peer's operator renew it"]


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _is_ours(attempt: Attempt) -> bool:
    """Whether what an attempt failed by is this host's."""
    return attempt.reach is Reach.UNREACHABLE and any(text in attempt.detail for text in _OURS)


def _says_nothing(attempt: Attempt) -> bool:
    """Whether a place that did not answer is none that others miss: this host cannot get there, most often since it has
    no IPv6.
    """
    if attempt.reach in _OWN or _is_ours(attempt):
        return True
    return attempt.reach is Reach.UNREACHABLE and attempt.hop.remote.is_ipv6 and _NO_FAMILY in attempt.detail


def _joined(details: Sequence[str]) -> str:
    text = printable("; ".join(dict.fromkeys(each for each in details if each)))
    return text if len(text) <= MAX_DETAIL else f"{text[: MAX_DETAIL - 1]}…"
