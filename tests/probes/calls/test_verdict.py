"""How a call ended: every kind of ending has its status, a reason and something to try."""

from dataclasses import replace

import pytest

from probes.calls import verdict
from probes.result import CallKind, CallStatus
from sipcore.auth.session import AuthError, AuthRefusal
from sipcore.dialogs.effects import EndReason
from sipcore.errors import FailureReason, ParseError, TransportFailure
from sipcore.media.plan import MediaPlan
from sipcore.media.rtp import pack
from sipcore.media.session import Component, MediaSession
from sipcore.message.headers import headers_of
from sipcore.message.message import Response
from sipcore.resolve.target import SocketAddress
from sipcore.sdp.attributes import PCMU


def refusal(status: int, reason: str = "Why Not", *fields: tuple[str, object]) -> Response:
    return Response(status, reason, headers_of(*fields))


@pytest.mark.parametrize(
    ("status", "outcome", "kind"),
    [
        (302, CallStatus.FAILED, CallKind.REJECTED),
        (401, CallStatus.FAILED, CallKind.AUTHENTICATION),
        (403, CallStatus.FAILED, CallKind.REJECTED),
        (404, CallStatus.FAILED, CallKind.REJECTED),
        (407, CallStatus.FAILED, CallKind.AUTHENTICATION),
        (408, CallStatus.NO_ANSWER, CallKind.NOT_ANSWERED),
        (480, CallStatus.NO_ANSWER, CallKind.NOT_ANSWERED),
        (486, CallStatus.BUSY, CallKind.BUSY),
        (487, CallStatus.NO_ANSWER, CallKind.NOT_ANSWERED),
        (488, CallStatus.FAILED, CallKind.REJECTED),
        (503, CallStatus.FAILED, CallKind.REJECTED),
        (600, CallStatus.BUSY, CallKind.BUSY),
        (603, CallStatus.FAILED, CallKind.REJECTED),
        (699, CallStatus.FAILED, CallKind.REJECTED),
    ],
)
def test_of_a_final_response(status: int, outcome: CallStatus, kind: CallKind) -> None:
    judged = verdict.of_response(refusal(status))
    assert (judged.status, judged.kind) == (outcome, kind)
    assert judged.why.startswith(f"{status} Why Not")


def test_what_the_peer_says_beats_what_we_guess() -> None:
    judged = verdict.of_response(refusal(488, "Not Acceptable Here", ("Warning", '304 biloxi.example "no PCMA"')))
    assert "no PCMA" in judged.advice


@pytest.mark.parametrize(
    ("status", "after", "wait", "advice"),
    [
        (503, "120", ", and asks to wait 120 s (Retry-After)", "call again after that time"),
        (
            503,
            "3600 (maintenance);duration=60",
            ", and asks to wait 3600 s (Retry-After)",
            "call again after that time",
        ),
        (486, "60", ", and asks to wait 60 s (Retry-After)", "call again later"),
        (503, "soon", "", "or has no route; try later"),
    ],
)
def test_a_refusal_tells_when_to_call_again(status: int, after: str, wait: str, advice: str) -> None:
    judged = verdict.of_response(refusal(status, "Not Now", ("Retry-After", after)))
    assert judged.why == f"{status} Not Now{wait}"
    assert advice in judged.advice


def test_a_redirection_names_the_new_address() -> None:
    moved = refusal(302, "Moved", ("Contact", "<sip:carol@chicago.example>"))
    assert "sip:carol@chicago.example" in verdict.of_response(moved).why


def test_refused_credentials() -> None:
    error = AuthError(AuthRefusal.REJECTED, "wrong username or password", advice="look them up", section="RFC 3261 §22")
    judged = verdict.of_response(refusal(401), error)
    assert judged.kind is CallKind.AUTHENTICATION
    assert "wrong username or password" in judged.why


def test_credentials_that_are_not_for_the_host_are_not_to_be_checked() -> None:
    error = AuthError(AuthRefusal.WRONG_HOST, "not for it", advice="give an account for it", section="RFC 3261 §22.1")
    judged = verdict.of_response(refusal(407), error)
    assert (judged.kind, judged.advice) == (CallKind.AUTHENTICATION, "give an account for it")
    assert judged.authentication == AuthRefusal.WRONG_HOST.value


def test_an_answer_that_cannot_be_acknowledged() -> None:
    error = ParseError("missing, so the dialog has no target", section="RFC 3261 §12.1.1", header="Contact")
    judged = verdict.of_response(refusal(200, "OK"), error)
    assert (judged.status, judged.kind) == (CallStatus.FAILED, CallKind.REJECTED)


@pytest.mark.parametrize("reason", list(FailureReason))
def test_every_failure_has_a_kind_and_advice(reason: FailureReason) -> None:
    judged = verdict.of_failure(TransportFailure(reason, "so it went"))
    assert judged.status is CallStatus.FAILED
    assert judged.kind is not CallKind.CONNECTED
    assert judged.why == "so it went"
    assert judged.advice


@pytest.mark.parametrize(("rang", "word"), [(True, "rang"), (False, "trying")])
def test_of_a_call_that_nobody_took(rang: bool, word: str) -> None:
    judged = verdict.of_silence(5, heard=True, rang=rang)
    assert (judged.status, judged.kind) == (CallStatus.NO_ANSWER, CallKind.NOT_ANSWERED)
    assert word in judged.why
    assert "--ring-timeout" in judged.advice


def test_of_silence() -> None:
    judged = verdict.of_silence(5, heard=False, rang=False)
    assert (judged.status, judged.kind) == (CallStatus.FAILED, CallKind.NO_ANSWER)
    assert "5 s" in judged.why
    assert "--ring-timeout" not in judged.advice


@pytest.mark.parametrize("status", [486, 600])
def test_advice_is_more_than_the_answer_again(status: int) -> None:
    assert "busy" not in verdict.of_response(refusal(status, "Busy")).advice


def test_advice_is_more_than_the_failure_again() -> None:
    judged = verdict.of_failure(TransportFailure(FailureReason.REFUSED, "nothing listens there"))
    assert judged.why not in judged.advice


@pytest.mark.parametrize("reason", list(EndReason))
def test_an_answered_call_is_connected_however_it_ends(reason: EndReason) -> None:
    judged = verdict.of_ended(reason, 1.5)
    assert (judged.status, judged.kind) == (CallStatus.CONNECTED, CallKind.CONNECTED)
    assert reason.value in judged.why
    assert bool(judged.advice) == (reason in (EndReason.BYE_REFUSED, EndReason.BYE_UNANSWERED))


@pytest.mark.parametrize(
    ("problem", "held", "why"),
    [
        ("no audio was agreed on", 2.0, "no media: no audio was agreed on"),
        ("", 2.0, "no media"),
        ("no audio was agreed on", 0.5, None),
    ],
)
def test_of_a_call_without_media(problem: str, held: float, why: str | None) -> None:
    judged = verdict.of_media(None, problem, held)
    assert (judged.why if judged else None) == why
    assert judged is None or (judged.status, judged.kind) == (CallStatus.CONNECTED, CallKind.NO_MEDIA)


@pytest.mark.parametrize(
    ("remote", "why"), [(SocketAddress("192.0.2.2", 4000), "no media came back"), (None, "no media either way")]
)
def test_of_a_call_that_nothing_came_back_in(remote: SocketAddress | None, why: str) -> None:
    plan = MediaPlan(remote or SocketAddress("192.0.2.2", 0), PCMU)  # without a port nothing is sent, either
    session = MediaSession(plan, bytes, 0.0, 0.0)
    session.handle_timeout(0.0)
    judged = verdict.of_media(session.result(2.0), "", 2.0)
    assert judged is not None
    assert (judged.kind, judged.why) == (CallKind.NO_MEDIA, why)
    failed = replace(session.result(2.0), security_failure="no SRTP profile in common")
    judged = verdict.of_media(failed, "", 2.0)
    assert judged is not None
    assert judged.why == "no media: no SRTP profile in common"


def test_of_a_call_that_media_came_in() -> None:
    session = MediaSession(MediaPlan(SocketAddress("192.0.2.2", 4000), PCMU), bytes, 0.0, 0.0)
    session.receive_untrusted(Component.RTP, pack(0, 1, 160, 1, bytes(160)), session.remote, 0.1, 0.1)
    assert verdict.of_media(session.result(2.0), "", 2.0) is None


@pytest.mark.parametrize("content", [bytes(160), b""], ids=["another codec", "what keeps a way open"])
def test_media_that_nobody_agreed_on_is_none(content: bytes) -> None:
    session = MediaSession(MediaPlan(SocketAddress("192.0.2.2", 4000), PCMU), bytes, 0.0, 0.0)
    session.receive_untrusted(Component.RTP, pack(77, 1, 160, 1, content), session.remote, 0.1, 0.1)
    judged = verdict.of_media(session.result(2.0), "", 2.0)
    assert judged is not None
    assert (judged.kind, judged.why) == (CallKind.NO_MEDIA, "no media came that was agreed on")
    session.receive_untrusted(Component.RTP, pack(0, 2, 320, 1, bytes(160)), session.remote, 0.2, 0.2)
    assert verdict.of_media(session.result(2.0), "", 2.0) is None


@pytest.mark.parametrize("reason", [EndReason.CANCELLED, EndReason.REMOTE_HANG_UP, EndReason.INVITATION_EXPIRED])
def test_of_a_call_that_came_in_and_was_given_up(reason: EndReason) -> None:
    judged = verdict.of_incoming(487, reason, 5.0)
    assert (judged.kind, judged.why) == (CallKind.NOT_ANSWERED, f"{reason.value} after 5.0 s")


@pytest.mark.parametrize(
    ("rang", "held", "kind", "why"),
    [
        (False, None, CallKind.INTERRUPTED, "interrupted here after 1.2 s"),
        (True, None, CallKind.INTERRUPTED, "interrupted here after 1.2 s, while it rang"),
        (True, 3.0, CallKind.CONNECTED, "answered, held for 3.0 s, interrupted here"),
    ],
)
def test_interruptions(rang: bool, held: float | None, kind: CallKind, why: str) -> None:
    found = verdict.of_interruption(1.2, rang=rang, held=held)
    assert (found.kind, found.why, found.advice) == (kind, why, "")
