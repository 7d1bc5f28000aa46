"""What one check says of a route, by what was seen of the places and of the call."""

import errno
from dataclasses import replace

import pytest

from probes.destination import Destination
from probes.health.observe import (
    DAY,
    MAX_DETAIL,
    MAX_WAIT,
    Place,
    Tried,
    is_unsaid,
    missed_after,
    missed_first,
    next_places,
    of_call,
    of_nowhere,
    of_own,
    of_places,
    of_registration,
    place_of,
    share_of,
)
from probes.health.terms import Kind, Verdict
from probes.health.trunk import Rules
from probes.registration.judge import Oddity, RegistrationKind, RegistrationReport
from probes.registration.plan import Question, Reply, Step
from probes.result import CallKind, CallResult, Reach
from sipcore.errors import FailureReason, TransportFailure, own_fault
from sipcore.resolve.records import LookupFault
from sipcore.resolve.target import Hop
from sipcore.transports.base import FAILURES
from tests.probes.health.values import BEGIN, FIRST, SECOND, SIXTH, TLS, answered, but, missed, response, subject

GOOD, POOR, SILENT, BAD, OWN = Verdict


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 405, 407, 408, 481, 483, 500, 501, 603])
def test_any_answer_is_alive(status: int) -> None:
    check = of_places(subject(), [answered(status, "Whatever")])
    assert (check.verdict, check.reason, check.status, check.rtt) == (GOOD, "answered", status, 0.02)
    assert (check.trunk, check.route, check.kind, check.at) == ("acme", "main", Kind.OPTIONS, BEGIN)
    assert (check.detail, check.place) == (f"{status} Whatever", "udp 192.0.2.1:5060")
    assert check.attempt is not None


@pytest.mark.parametrize(
    ("field", "told", "wait"),
    [
        ("Retry-After: 120", ", and asks to wait 120 s (Retry-After); it is not asked again for 120 s", 120.0),
        ("Retry-After: 60 (in a meeting);duration=5", ", and asks to wait 60 s (Retry-After); {} for 60 s", 60.0),
        ("Retry-After: 0", ", and asks to wait 0 s (Retry-After)", 0.0),
        ("Retry-After: 4294967295", ", and asks to wait 4294967295 s (Retry-After); {} for 180 s", 180.0),
        ("Retry-After: soon", "", 0.0),
        ("Server: x", "", 0.0),
    ],
)
@pytest.mark.parametrize(("rules", "verdict"), [(Rules(), BAD), (Rules(refusals=(403,)), POOR)])
def test_503_is_maintenance_and_as_good_as_down_unless_the_operator_says_otherwise(
    rules: Rules, verdict: Verdict, field: str, told: str, wait: float
) -> None:
    check = of_places(subject(rules), [answered(503, "Service Unavailable", field)])
    assert (check.verdict, check.reason, check.status, check.wait) == (verdict, "maintenance", 503, wait)
    told = told.format("it is not asked again")
    assert check.detail == f"503 Service Unavailable: it takes no calls at the moment{told}"


@pytest.mark.parametrize(("interval", "wait"), [(1.0, 3.0), (60.0, 180.0), (100.0, 300.0), (3600.0, MAX_WAIT)])
def test_nobody_silences_the_watch_for_long(interval: float, wait: float) -> None:
    """Nor for as long as uptime takes for time in which nobody watched."""
    rules = Rules(interval=interval, retry=1.0)
    assert of_places(subject(rules), [answered(503, "Busy", "Retry-After: 86400")]).wait == wait


@pytest.mark.parametrize(
    ("tried", "wait"),
    [
        ([answered(503, "Busy", "Retry-After: 30"), answered(503, "Busy", "Retry-After: 40", hop=SECOND)], 30.0),
        ([answered(503, "Busy", "Retry-After: 30"), answered(503, "Busy", hop=SECOND)], 0.0),
        ([answered(503, "Busy", "Retry-After: 30"), missed(Reach.REFUSED, hop=SECOND)], 30.0),
        ([answered(503, "Busy", "Retry-After: 30"), answered(hop=SECOND)], 0.0),
        ([answered(503, "Busy", "Retry-After: 30"), missed(Reach.SILENT, hop=SECOND)], 0.0),
        ([missed(Reach.NO_ANSWER), answered(503, "Busy", "Retry-After: 30", hop=SECOND)], 0.0),
        ([answered(500, "Oops", "Retry-After: 30")], 0.0),
        ([missed(Reach.SILENT)], 0.0),
    ],
)
def test_a_route_is_left_alone_unless_somebody_answers(tried: list[Tried], wait: float) -> None:
    """Or is silent, and may be well: each silence is a miss, and they would come the later."""
    assert of_places(subject(), tried).wait == wait


def test_nobody_is_told_of_a_next_time_where_there_is_none() -> None:
    check = of_places(replace(subject(), goes_on=False), [answered(503, "Busy", "Retry-After: 30")])
    assert check.wait == 30.0  # it counts for as many misses all the same
    assert check.detail == "503 Busy: it takes no calls at the moment, and asks to wait 30 s (Retry-After)"


def test_statuses_that_the_operator_names_are_refusals() -> None:
    check = of_places(subject(Rules(refusals=(403, 503))), [answered(403, "No")])
    assert (check.verdict, check.reason, check.status) == (BAD, "status", 403)
    assert "counts as a refusal" in check.detail


def test_a_slow_answer() -> None:
    rules = Rules(slow=0.5)
    assert of_places(subject(rules), [answered(rtt=0.499)]).verdict is GOOD
    check = of_places(subject(rules), [answered(rtt=0.8)])
    assert (check.verdict, check.reason, check.rtt) == (POOR, "slow", 0.8)
    assert check.detail == "200 OK; 800 ms after the request, slow from 500 ms on"


def test_an_answer_to_a_repeated_request_has_no_round_trip_and_is_slow_all_the_same() -> None:
    """Else a peer that always takes longer than Timer E would never be slow."""
    check = of_places(subject(Rules(slow=0.5)), [but(answered(rtt=0.8), retransmissions=1)])
    assert (check.verdict, check.reason, check.rtt) == (POOR, "slow", None)
    assert "repeated 1 times" in check.detail


@pytest.mark.parametrize(
    ("days", "ends", "told"),
    [
        (14.0, 14 * DAY, ""),
        (14.0, 14 * DAY - 1, "ends on 2026-01-14 23:59 UTC, in 14 days"),
        (14.0, 2.4 * DAY, "in 2 days"),
        (0.0, 1.0, ""),
        (1.0, -5.0, "in 0 days"),
    ],
)
def test_a_certificate_that_ends_soon(days: float, ends: float, told: str) -> None:
    tried = Tried(answered(hop=TLS).attempt, BEGIN + ends)
    check = of_places(subject(Rules(certificate_days=days)), [tried])
    assert check.certificate_ends == BEGIN + ends
    assert (check.verdict, check.reason) == ((POOR, "certificate") if told else (GOOD, "answered"))
    assert told in check.detail


def test_a_certificate_that_is_not_valid_although_nobody_verifies() -> None:
    tried = but(answered(hop=TLS), tls_problems=("the certificate has expired",), advice="renew it")
    check = of_places(subject(Rules(certificate_days=0)), [tried])
    assert (check.verdict, check.reason) == (POOR, "certificate")
    assert check.detail == "200 OK; the certificate has expired, which nobody verifies here: renew it"


def test_the_reason_is_the_worst_of_several_and_the_detail_has_all() -> None:
    tried = Tried(answered(503, "Busy", rtt=2.0, hop=TLS).attempt, BEGIN + 1.0)
    check = of_places(subject(Rules(slow=1.0, refusals=())), [tried])
    assert (check.verdict, check.reason) == (POOR, "maintenance")
    assert all(part in check.detail for part in ("no calls", "certificate ends", "slow from"))


def test_an_answer_that_is_not_final_or_does_not_fit() -> None:
    trying = but(answered(100, "Trying", rtt=None), detail="only a provisional answer came")
    check = of_places(subject(), [trying])
    assert (check.verdict, check.reason, check.status) == (POOR, "odd", None)
    assert check.detail == "100 Trying; only a provisional answer came"
    other = but(answered(rtt=None), detail="the answer does not fit the request, its Via, Call-ID or CSeq differs")
    assert of_places(subject(), [other]).reason == "odd"


@pytest.mark.parametrize(
    ("reach", "verdict", "reason"),
    [
        (Reach.SILENT, SILENT, "silent"),
        (Reach.NO_ANSWER, SILENT, "silent"),
        (Reach.FILTERED, BAD, "unreachable"),
        (Reach.REFUSED, BAD, "refused"),
        (Reach.UNREACHABLE, BAD, "unreachable"),
        (Reach.TLS_FAILED, BAD, "tls"),
        (Reach.CERTIFICATE_WANTED, BAD, "client-certificate"),
        (Reach.NOT_SIP, BAD, "not-sip"),
        (Reach.FAILED, OWN, "own"),
    ],
)
def test_what_is_no_answer(reach: Reach, verdict: Verdict, reason: str) -> None:
    check = of_places(subject(), [missed(reach)])
    assert (check.verdict, check.reason, check.status, check.rtt) == (verdict, reason, None, None)
    assert check.detail == f"{reach.value}: so it is; do this"


def test_what_is_no_answer_is_said_once() -> None:
    check = of_places(subject(), [but(missed(Reach.NO_ANSWER), detail="no answer within 4.0 s")])
    assert check.detail == "no answer within 4.0 s; do this"


def test_every_reach_is_judged() -> None:
    for reach in set(Reach) - {Reach.ANSWERED}:
        assert of_places(subject(), [missed(reach)]).reason


@pytest.mark.parametrize("number", [errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENETDOWN, errno.EPERM])
def test_what_fails_at_this_host_is_its_own_fault(number: int) -> None:
    check = of_places(subject(), [missed(Reach.UNREACHABLE, f"udp 192.0.2.1:5060: {FAILURES[number][1]}")])
    assert (check.verdict, check.reason) == (OWN, "own")


def test_nothing_follows_from_silence_while_this_program_was_stopped() -> None:
    assert of_places(subject(), [missed(Reach.NO_ANSWER, late=0.9)]).verdict is SILENT
    check = of_places(subject(), [missed(Reach.NO_ANSWER, late=30.0)])
    assert (check.verdict, check.reason) == (OWN, "own")
    assert "kept from running for 30.0 s" in check.detail
    assert of_places(subject(), [missed(Reach.REFUSED, late=30.0)]).verdict is BAD


# Several places


def test_another_place_that_answers_is_poor() -> None:
    check = of_places(subject(), [missed(Reach.REFUSED), answered(hop=SECOND)])
    assert (check.verdict, check.reason, check.status, check.place) == (POOR, "place", 200, "udp 192.0.2.2:5060")
    assert check.detail == (
        "200 OK; udp 192.0.2.2:5060 answered, and not what comes first: udp 192.0.2.1:5060: refused: so it is; do this"
    )


def test_an_address_that_this_host_cannot_get_to_is_missed_by_nobody() -> None:
    """IPv6 comes first in what DNS tells, and half of all hosts have none."""
    nowhere = missed(Reach.UNREACHABLE, FAILURES[errno.ENETUNREACH][1], hop=SIXTH)
    assert of_places(subject(), [nowhere, answered()]).verdict is GOOD
    assert of_places(subject(), [nowhere]).verdict is BAD
    assert of_places(subject(), [missed(Reach.FAILED), answered(hop=SECOND)]).verdict is GOOD


@pytest.mark.parametrize(
    ("first", "second", "verdict", "reason"),
    [
        (answered(503, "Busy"), answered(hop=SECOND), POOR, "place"),
        (answered(503, "Busy"), missed(Reach.REFUSED, hop=SECOND), BAD, "maintenance"),
        (missed(Reach.REFUSED), answered(503, "Busy", hop=SECOND), BAD, "maintenance"),
        (missed(Reach.NO_ANSWER), answered(503, "Busy", hop=SECOND), SILENT, "silent"),
        (missed(Reach.REFUSED), missed(Reach.NO_ANSWER, hop=SECOND), SILENT, "silent"),
        (missed(Reach.TLS_FAILED), missed(Reach.REFUSED, hop=SECOND), BAD, "tls"),
        (missed(Reach.FAILED), missed(Reach.REFUSED, hop=SECOND), BAD, "refused"),
    ],
)
def test_which_place_a_check_goes_by(first: Tried, second: Tried, verdict: Verdict, reason: str) -> None:
    check = of_places(subject(), [first, second])
    assert (check.verdict, check.reason) == (verdict, reason)
    assert str(FIRST) in check.detail or check.place == str(FIRST)
    assert str(SECOND) in check.detail or check.place == str(SECOND)


@pytest.mark.parametrize(
    ("last", "left", "expected"),
    [
        (answered(), [SECOND], []),
        (answered(403), [SECOND], []),
        (answered(503), [SECOND], [SECOND]),
        (answered(503), [Hop(TLS.transport, FIRST.remote), SECOND], [SECOND]),
        (missed(Reach.REFUSED), [Hop(TLS.transport, FIRST.remote)], [Hop(TLS.transport, FIRST.remote)]),
        (missed(Reach.NO_ANSWER), [SECOND], [SECOND]),
        (missed(Reach.NOT_SIP), [SECOND], [SECOND]),
    ],
)
def test_where_to_go_on(last: Tried, left: list[Hop], expected: list[Hop]) -> None:
    assert next_places(last, left) == expected


@pytest.mark.parametrize(
    ("left", "places", "share"), [(4.0, 1, 4.0), (4.0, 2, 2.0), (4.0, 8, 1.0), (0.5, 4, 0.5), (0.2, 1, 0.2)]
)
def test_each_place_has_its_share_and_a_second_at_least(left: float, places: int, share: float) -> None:
    assert share_of(left, places) == share


ONE, TWO = place_of(FIRST), place_of(SECOND)


@pytest.mark.parametrize(
    ("before", "tried", "named", "after"),
    [
        (set(), [missed(Reach.REFUSED), answered(hop=SECOND)], [FIRST, SECOND], {ONE}),
        (set(), [answered(503), answered(hop=SECOND)], [FIRST, SECOND], {ONE}),
        (set(), [missed(Reach.FAILED), answered(hop=SECOND)], [FIRST, SECOND], set()),
        (set(), [missed(Reach.REFUSED), missed(Reach.REFUSED, hop=SECOND)], [FIRST, SECOND], {ONE}),
        ({ONE}, [missed(Reach.REFUSED), answered(hop=SECOND)], [SECOND, FIRST], {ONE}),
        ({ONE}, [answered()], [SECOND, FIRST], set()),
        ({ONE}, [answered(403)], [SECOND, FIRST], set()),
        ({ONE}, [answered(hop=SECOND)], [SECOND], set()),
        ({ONE, TWO}, [answered()], [SECOND, FIRST], {TWO}),
    ],
)
def test_which_places_are_missed(before: set[Place], tried: list[Tried], named: list[Hop], after: set[Place]) -> None:
    assert missed_after(frozenset(before), tried, named) == after
    order = missed_first(named, before)
    assert sorted(order, key=str) == sorted(named, key=str)
    assert [place_of(hop) in before for hop in order] == sorted(
        (place_of(hop) in before for hop in named), reverse=True
    )


# Names


@pytest.mark.parametrize(
    ("fault", "unsaid", "verdict"),
    [
        (LookupFault.NXDOMAIN, False, BAD),
        (LookupFault.NODATA, False, BAD),
        (LookupFault.INVALID_NAME, False, BAD),
        (LookupFault.SERVFAIL, True, BAD),
        (LookupFault.TIMED_OUT, True, BAD),
        (LookupFault.UNREACHABLE, True, OWN),
        (LookupFault.NOT_ASKED, True, OWN),
    ],
)
def test_a_name_without_address(fault: LookupFault, unsaid: bool, verdict: Verdict) -> None:
    failure = TransportFailure(FailureReason.UNRESOLVABLE, f"no address for sip:x.test: x.test: {fault.value}")
    assert is_unsaid(failure) is unsaid
    check = of_nowhere(subject(), failure)
    assert (check.verdict, check.reason, check.place) == (verdict, "name" if verdict is BAD else "own", "")
    assert fault.value in check.detail


@pytest.mark.parametrize(
    ("tried", "verdict", "reason"),
    [
        (answered(), POOR, "name"),
        (answered(503), BAD, "maintenance"),
        (missed(Reach.REFUSED), BAD, "name"),
        (missed(Reach.NO_ANSWER), SILENT, "silent"),
    ],
)
def test_a_place_that_is_known_from_before(tried: Tried, verdict: Verdict, reason: str) -> None:
    check = of_places(subject(), [tried], unnamed="no name server answered")
    assert (check.verdict, check.reason) == (verdict, reason)
    assert "since DNS does not tell: no name server answered" in check.detail


# Calls


def call(kind: CallKind, unmet: str | None = None, why: str = "486 Busy Here") -> CallResult:
    target = Destination.parse("sip:echo@192.0.2.1")
    return CallResult(target, FIRST, kind.status, kind, why, "do this", final_status=486, unmet=unmet)


@pytest.mark.parametrize(
    ("kind", "unmet", "verdict", "reason"),
    [
        (CallKind.CONNECTED, None, GOOD, "answered"),
        (CallKind.BUSY, "", GOOD, "answered"),
        (CallKind.CONNECTED, "the codec is PCMA", BAD, "call"),
        (CallKind.NO_MEDIA, None, BAD, "call"),
        (CallKind.BUSY, None, BAD, "call"),
        (CallKind.AUTHENTICATION, None, BAD, "call"),
        (CallKind.REFUSED, None, BAD, "call"),
        (CallKind.NO_ANSWER, None, BAD, "call"),
        (CallKind.UNRESOLVABLE, None, BAD, "name"),
        (CallKind.OWN_FAULT, None, OWN, "own"),
        (CallKind.INTERRUPTED, None, OWN, "own"),
    ],
)
def test_a_test_call(kind: CallKind, unmet: str | None, verdict: Verdict, reason: str) -> None:
    check = of_call(subject(kind=Kind.CALL), call(kind, unmet))
    assert (check.kind, check.verdict, check.reason, check.status) == (Kind.CALL, verdict, reason, 486)
    assert (check.place, check.rtt, check.call is not None) == ("udp 192.0.2.1:5060", None, True)
    assert "486 Busy Here" in check.detail
    assert ("do this" in check.detail) is (verdict is not GOOD)


@pytest.mark.parametrize("why", [FAILURES[errno.EMFILE][1], own_fault().message])
def test_a_call_that_failed_here(why: str) -> None:
    assert of_call(subject(kind=Kind.CALL), call(CallKind.UNREACHABLE, why=f"udp x: {why}")).verdict is OWN


# Registrations


def report(kind: RegistrationKind, *oddities: Oddity, why: str = "so it is") -> RegistrationReport:
    answer = Reply(Question(Step.ASK), 0.1, response(200))
    aor = Destination.parse("sip:alice@192.0.2.1").aor
    return RegistrationReport(aor, FIRST, kind, why, "do this", (answer,), oddities=oddities)


@pytest.mark.parametrize(
    ("found", "verdict", "reason"),
    [
        (report(RegistrationKind.REGISTERED), GOOD, "answered"),
        (report(RegistrationKind.ACCEPTED, Oddity.OPEN, Oddity.UNDATED), GOOD, "answered"),
        (report(RegistrationKind.REGISTERED, Oddity.DISPLACED), POOR, "odd"),
        (report(RegistrationKind.REGISTERED, Oddity.STAYS), POOR, "odd"),
        (report(RegistrationKind.NOBODY), BAD, "nobody"),
        (report(RegistrationKind.REJECTED), BAD, "registration"),
        (report(RegistrationKind.AUTHENTICATION), BAD, "registration"),
        (report(RegistrationKind.NO_ANSWER), BAD, "registration"),
        (report(RegistrationKind.TLS_FAILED), BAD, "registration"),
        (report(RegistrationKind.UNRESOLVABLE), BAD, "name"),
        (report(RegistrationKind.OWN_FAULT), OWN, "own"),
        (report(RegistrationKind.INTERRUPTED), OWN, "own"),
        (report(RegistrationKind.NOT_ALLOWED), OWN, "own"),
        (report(RegistrationKind.UNREACHABLE, why=FAILURES[errno.EMFILE][1]), OWN, "own"),
    ],
)
def test_a_registration(found: RegistrationReport, verdict: Verdict, reason: str) -> None:
    check = of_registration(subject(kind=Kind.REGISTRATION), found)
    assert (check.kind, check.verdict, check.reason) == (Kind.REGISTRATION, verdict, reason)
    assert (check.status, check.place, check.rtt) == (200, "udp 192.0.2.1:5060", None)
    assert check.registration is found
    assert check.detail.startswith(found.why)
    assert ("do this" in check.detail) is not found.works
    assert all(odd.text in check.detail for odd in found.oddities if verdict is POOR)


def test_every_ending_of_a_registration_is_judged() -> None:
    verdicts = {kind: of_registration(subject(), report(kind)).verdict for kind in RegistrationKind}
    assert [kind for kind, verdict in verdicts.items() if verdict is GOOD] == [
        *(RegistrationKind.REGISTERED, RegistrationKind.ACCEPTED)
    ]


def test_own_faults() -> None:
    check = of_own(subject(kind=Kind.CALL), "a mistake")
    assert (check.kind, check.verdict, check.reason, check.detail) == (Kind.CALL, OWN, "own", "a mistake")


def test_what_peers_write_is_fit_to_be_shown_and_has_an_end() -> None:
    nasty = but(answered(), response=response(200, "\x1b[31m" + "x" * 2000))
    detail = of_places(subject(), [nasty]).detail
    assert detail.isprintable()
    assert len(detail) == MAX_DETAIL
    assert detail.endswith("…")
