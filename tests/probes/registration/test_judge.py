"""What answers of a registrar come to: kinds, sentences and oddities, from values."""

from dataclasses import replace

import pytest

from probes.registration.judge import Contact, Oddity, RegistrationKind, judge
from probes.registration.plan import Question, RegistrationProbe, Reply, Step
from probes.result import CallKind
from sipcore.auth.session import AuthError, AuthRefusal
from sipcore.errors import FailureReason, TransportFailure
from sipcore.resolve.target import Hop, SocketAddress, Transport
from tests.probes.registration.test_plan import OTHER, OWN, PROBE, asked, bound, response

HOP = Hop(Transport.UDP, SocketAddress("192.0.2.1", 5070), SocketAddress("192.0.2.9", 5060))
LISTED = f"Contact: {OWN};expires=55"
REMOVED = Reply(Question(Step.REMOVE), 0.1, response(200), contact=OWN)


def test_registered_and_removed() -> None:
    fields = ("Service-Route: <sip:a.example;lr>", "Path: <sip:p.example;lr>", "P-Associated-URI: <tel:+15550100>")
    report = judge(PROBE, HOP, [asked(200), bound(200, LISTED, *fields), REMOVED])
    assert report.kind is RegistrationKind.REGISTERED
    assert report.works
    assert (report.why, report.advice) == ("accepted for 55 s, and removed again", "")
    assert (report.before, report.asked, report.granted, report.removed) == ((), 60, 55, True)
    assert (report.contact, report.least) == (str(OWN.uri), None)
    assert report.service_route == ("<sip:a.example;lr>",)
    assert (report.path, report.associated) == (("<sip:p.example;lr>",), ("<tel:+15550100>",))
    assert report.oddities == ()


@pytest.mark.parametrize(
    ("fields", "granted"),
    [((LISTED,), 55), ((f"Contact: {OWN}", "Expires: 50"), 50), (("Expires: 50",), 50), ((f"Contact: {OWN}",), 60)],
)
def test_what_was_granted(fields: tuple[str, ...], granted: int) -> None:
    assert judge(PROBE, HOP, [asked(200), bound(200, *fields), REMOVED]).granted == granted


@pytest.mark.parametrize(
    ("replies", "odd"),
    [
        ([asked(200), bound(200), REMOVED], {Oddity.UNLISTED}),
        ([asked(200), bound(200, f"Contact: {OWN}"), REMOVED], {Oddity.UNDATED}),
        ([asked(200, OTHER), bound(200, LISTED), REMOVED], {Oddity.DISPLACED}),
        ([asked(200, OTHER), bound(200, LISTED, OTHER), REMOVED], set()),
        ([asked(200), replace(bound(200, LISTED), authenticated=False), REMOVED], {Oddity.OPEN}),
        ([asked(200), bound(200, LISTED), replace(REMOVED, response=response(403))], {Oddity.STAYS}),
        ([asked(200), bound(200, LISTED), replace(REMOVED, response=response(200, LISTED))], {Oddity.STAYS}),
        ([asked(200), bound(200, LISTED), replace(REMOVED, response=response(200, OTHER))], set()),
        ([replace(asked(200), authenticated=False)], set()),
        ([asked(200), replace(bound(403), authenticated=False)], set()),
    ],
)
def test_what_is_odd(replies: list[Reply], odd: set[Oddity]) -> None:
    assert set(judge(PROBE, HOP, replies).oddities) == odd


def test_a_contact_that_stays_is_told() -> None:
    report = judge(PROBE, HOP, [asked(200), bound(200, LISTED), replace(REMOVED, response=None)])
    assert (report.works, report.removed) == (True, False)
    assert report.why == "accepted for 55 s, but not removed: no answer"
    assert report.advice == "remove it at the registrar"


def test_others_are_left_alone() -> None:
    report = judge(PROBE, HOP, [asked(200, OTHER, "Contact: <sip:alice@192.0.2.77>")])
    assert report.kind is RegistrationKind.ACCEPTED
    assert report.before == (Contact("sip:alice@198.51.100.7", 300), Contact("sip:alice@192.0.2.77", None))
    assert report.why == "2 contacts are registered already, so nothing was changed"
    assert "--beside" in report.advice
    assert (report.removed, report.granted, report.contact) == (None, None, "")
    assert "1 contact is registered" in judge(PROBE, HOP, [asked(200, OTHER)]).why


def test_only_asked() -> None:
    report = judge(RegistrationProbe(PROBE.destination, asks_only=True), HOP, [asked(200, OTHER)])
    assert (report.kind, report.advice) == (RegistrationKind.ACCEPTED, "")
    assert report.why == "the registrar tells who is registered; nothing was changed"


REFUSED_AUTH = AuthError(AuthRefusal.REJECTED, "wrong", advice="check them", section="RFC 3261 §22.2")


@pytest.mark.parametrize(
    ("reply", "kind", "why", "advice"),
    [
        (asked(401), "AUTHENTICATION", "401 Told: credentials are wanted", "password"),
        (asked(407), "AUTHENTICATION", "407 Told: credentials are wanted", "password"),
        (replace(asked(401), failure=REFUSED_AUTH), "AUTHENTICATION", "401 Told: wrong", "check them"),
        (asked(403), "REJECTED", "403 Told", "is the account locked"),
        (asked(404), "REJECTED", "404 Told", "check the user"),
        (asked(405), "REJECTED", "405 Told", "takes no registrations"),
        (asked(400), "REJECTED", "400 Told, to who asks which contacts are registered", "malformed"),
        (asked(606), "REJECTED", "606 Told, to who asks which contacts are registered", "--beside"),
        (asked(302, "Contact: <sip:there>"), "REJECTED", "302 Told: <sip:there>", "register there"),
        (asked(300), "REJECTED", "300 Told: no Contact given", "register there"),
        (asked(301), "REJECTED", "301 Told: no Contact given", "register there"),
        (asked(403, 'Warning: 399 a "no"'), "REJECTED", "403 Told", 'the registrar says: 399 a "no"'),
        (asked(503, "Retry-After: 9"), "REJECTED", "asks to wait 9 s (Retry-After)", "overloaded"),
        (asked(699), "REJECTED", "699 Told", ""),
        (bound(423, "Min-Expires: 7200"), "REJECTED", "60 s are too short, 7200 s the least", "--expires 7200"),
        (bound(423), "REJECTED", "423 Told: 60 s are too short", "a longer --expires"),
        (bound(423, "Min-Expires: \u00b2"), "REJECTED", "too short", "a longer --expires"),
        (Reply(Question(Step.ASK), 8.0), "NO_ANSWER", "no answer within 8 s", "firewall"),
    ],
)
def test_refusals(reply: Reply, kind: str, why: str, advice: str) -> None:
    replies = [reply] if reply.question.step is Step.ASK else [asked(200), reply]
    report = judge(PROBE, HOP, replies)
    assert (report.kind, report.works) == (RegistrationKind[kind], False)
    assert why in report.why
    assert advice in report.advice


@pytest.mark.parametrize("reason", FailureReason)
def test_failures(reason: FailureReason) -> None:
    failure = TransportFailure(reason, "it failed", section="RFC 3261 §18.4")
    found = judge(PROBE, HOP, [Reply(Question(Step.ASK), 1.0, failure=failure)])
    nowhere = judge(PROBE, None, [], failure)
    for report in (found, nowhere):
        assert report.why == "it failed"
        assert report.advice
        assert report.kind.value in [kind.value for kind in CallKind]  # which have exit codes
        assert not report.works


def test_interrupted() -> None:
    assert judge(PROBE, None, [], interrupted=True).kind is RegistrationKind.INTERRUPTED
    assert judge(PROBE, HOP, [asked(200)], interrupted=True).why == "interrupted here"
    report = judge(PROBE, HOP, [asked(200), bound(200, LISTED), REMOVED], interrupted=True)
    assert (report.works, report.removed) == (True, True)
    left = judge(PROBE, HOP, [asked(200), bound(200, LISTED)], interrupted=True)
    assert left.why == "accepted for 55 s, and interrupted before it was removed"
    assert left.removed is False


@pytest.mark.parametrize(
    ("via", "seen"),
    [
        ("SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1", ""),
        ("SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1;rport=5060", "192.0.2.9:5060"),
        ("SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1;received=203.0.113.5;rport=4711", "203.0.113.5:4711"),
        ("SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1;received=203.0.113.5", "203.0.113.5"),
        ("SIP/2.0/UDP [2001:db8::9]:5060;branch=z9hG4bK1;rport=5060", "[2001:db8::9]:5060"),
        ("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1;received=2001:db8::5;rport=1", "[2001:db8::5]:1"),
        ("nothing", ""),
    ],
)
def test_where_requests_come_from(via: str, seen: str) -> None:
    told = response(200).with_header("Via", via)
    assert judge(PROBE, HOP, [Reply(Question(Step.ASK), 0.1, told)]).seen_as == seen


def test_somebody_is_expected() -> None:
    probe = RegistrationProbe(PROBE.destination, expects_contact=True)
    there, nobody = (judge(probe, HOP, [asked(200, *contacts)]) for contacts in ((OTHER,), ()))
    assert (there.kind, there.works, there.advice) == (RegistrationKind.ACCEPTED, True, "")
    assert there.why == "1 contact is registered, as expected; nothing was changed"
    assert (nobody.kind, nobody.works) == (RegistrationKind.NOBODY, False)
    assert "no longer registers" in nobody.advice
    untold = judge(probe, HOP, [asked(606)])
    assert (untold.kind, untold.advice) == (RegistrationKind.REJECTED, "")


@pytest.mark.parametrize("replies", [[asked(403)], [asked(200), bound(400)], [asked(200), bound(403)]])
def test_what_is_refused_is_not_the_question_alone(replies: list[Reply]) -> None:
    report = judge(PROBE, HOP, replies)
    assert "to who asks" not in report.why
    assert "--beside" not in report.advice
