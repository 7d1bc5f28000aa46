"""What the replies come to: accepted, refused, unknown, and why; whatever an endpoint does."""

import pytest

from probes.checks.codecs import OF_PEER, Asking, Offer, Question, Reply, Standing, Way, act
from probes.checks.codecs_answer import NO_DESCRIPTION, Answer, Security, read_untrusted
from probes.checks.codecs_judge import CodecReport, Support, judge, told
from probes.result import CallKind
from sipcore.auth.session import AuthError, AuthRefusal
from sipcore.errors import FailureReason, TransportFailure
from sipcore.message.message import Response
from sipcore.sdp.build import TELEPHONE_EVENT
from sipcore.sdp.codecs import CODECS
from tests.probes.checks.codecs_values import HOP, SUITE, URI, Peer, answer, answered, offered

ALL = tuple(CODECS)
NONE, SDES, DTLS, WEBRTC = Security
PLAIN = Asking(securities=())
FIRST = Question(Offer(codecs=ALL), Way.INVITE)


async def asked(peer: Peer, asking: Asking = PLAIN) -> CodecReport:
    return judge(URI, HOP, await act(peer, asking), asking)


def states(report: CodecReport) -> dict[str, str]:
    """What is accepted (+), refused (-) and unknown (?), by name."""
    signs = {Support.ACCEPTED: "+", Support.REFUSED: "-", Support.UNKNOWN: "?"}
    return {one.name: signs[one.support] for one in (*report.codecs, *report.securities)}


def signs(report: CodecReport) -> str:
    return "".join(states(report).values())


@pytest.mark.parametrize(
    ("peer", "asking", "found"),
    [  # five codecs, telephone events, RTP; then SDES, DTLS and, where it was offered, DTLS as browsers do it
        (Peer(), PLAIN, "+++++++"),
        (Peer(events=False), PLAIN, "+++++-+"),
        (Peer(("PCMU", "G722")), PLAIN, "+-+--++"),
        (Peer(("PCMU", "G722"), single=True), PLAIN, "+-+--++"),
        (Peer(("PCMU", "G722"), single=True, changes=False), PLAIN, "+-+--++"),
        (Peer(("PCMU", "G722"), single=True, changes=False, rings=(180,)), PLAIN, "+????++"),
        (Peer(("PCMU", "G722"), changes=False, rings=(180,)), PLAIN, "+-+--++"),
        (Peer(("PCMU",), (NONE, SDES)), Asking(), "+----+++--"),
        (Peer(("PCMU",), (NONE, DTLS)), Asking(), "+----++-+"),
        (Peer(("PCMU",), (NONE, WEBRTC)), Asking(), "+----++--+"),
        (Peer(("PCMU",), (NONE, SDES), switches=False), Asking(), "+----+++--"),
        (Peer(("PCMU",), (NONE, SDES), switches=False, rings=(180,)), Asking(), "+????++---"),
        (Peer(("PCMU", "G722"), single=True, keeps=True), PLAIN, "+-+--++"),  # PCMU in this call, G722 in the next
        (Peer(("PCMU", "G722"), single=True, keeps=True, rings=(180,)), PLAIN, "+????++"),
        (Peer(("PCMU",), (SDES,)), Asking(), "+----+-+--"),
        (Peer(("PCMU",), (SDES,)), PLAIN, "+????+-"),
        (Peer(()), Asking(), "-----?????"),
        (Peer(securities=(), refusal=403), Asking(), "?????????"),
    ],
)
async def test_support(peer: Peer, asking: Asking, found: str) -> None:
    assert signs(await asked(peer, asking)) == found


def of(*replies: Reply, asking: Asking = PLAIN) -> CodecReport:
    return judge(URI, HOP, replies, asking)


def over(response: Response | None = None, *statuses: int, **more: object) -> Reply:
    """What came of an INVITE that was not answered."""
    return Reply(FIRST, 0.1, Standing.OVER, response, statuses=statuses, **more)  # type: ignore[arg-type]


def failed(reason: FailureReason) -> Reply:
    return over(failure=TransportFailure(reason, f"it failed ({reason.value})"))


DENIED = AuthError(AuthRefusal.NO_CHALLENGE, "no challenge", advice="ask for one", section="RFC 3261 §22.2")


@pytest.mark.parametrize(
    ("reply", "kind", "why"),
    [
        (over(answered(486), 100, 486), CallKind.BUSY, "486 Busy Here"),
        (over(answered(480), 480), CallKind.NOT_ANSWERED, "480 Said"),
        (over(answered(403), 403), CallKind.REJECTED, "403 Said"),
        (over(answered(302, "Contact: <sip:x@y>"), 302), CallKind.REJECTED, "302 Said; Contact: <sip:x@y>"),
        (over(answered(401), 401), CallKind.AUTHENTICATION, "401 Said"),
        (over(answered(407), 407, failure=DENIED), CallKind.AUTHENTICATION, "407 Said: no challenge"),
        (over(None, 100, 180), CallKind.NOT_ANSWERED, "it was not answered in time"),
        (over(), CallKind.NO_ANSWER, "nothing came back"),
        (failed(FailureReason.REFUSED), CallKind.REFUSED, "it failed (refused)"),
        (failed(FailureReason.UNREACHABLE), CallKind.UNREACHABLE, None),
        (failed(FailureReason.TIMED_OUT), CallKind.NO_ANSWER, None),
        (failed(FailureReason.TLS), CallKind.TLS_FAILED, None),
        (failed(FailureReason.GARBAGE), CallKind.NOT_SIP, None),
        (failed(FailureReason.TOO_LARGE), CallKind.REJECTED, None),
    ],
)
def test_calls_that_tell_nothing(reply: Reply, kind: CallKind, why: str | None) -> None:
    report = of(reply)
    assert (report.kind, report.works, signs(report)) == (kind, False, "???????")
    assert why is None or report.unfinished == why
    assert report.advice


def test_what_is_wrong_with_credentials_is_told() -> None:
    assert of(over(answered(407), failure=DENIED)).advice == "ask for one"


def test_nowhere_to_call() -> None:
    failure = TransportFailure(FailureReason.UNRESOLVABLE, "no such name")
    report = judge(URI, None, (), PLAIN, failure)
    assert (report.kind, report.unfinished, report.invites) == (CallKind.UNRESOLVABLE, "no such name", 0)
    assert judge(URI, None, (), PLAIN).kind is CallKind.UNRESOLVABLE


def reading(*lines: str) -> Answer:
    text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" + "\r\n".join([*lines, ""])
    return read_untrusted(text.encode(), offered(FIRST.offer))


def test_what_the_endpoint_says_besides() -> None:
    lines = ("m=audio 4000 RTP/AVP 18 3 97 101", "a=rtpmap:97 opus/48000/2", "a=fmtp:18 annexb=no", "a=ptime:30")
    report = of(Reply(FIRST, 0.1, Standing.UP, answered(200), reading(*lines, "a=maxptime:60"), statuses=(183, 200)))
    g729 = report.codecs[ALL.index("G729")]
    assert g729.format is not None
    assert (g729.format.fmtp, g729.support) == ("annexb=no", Support.ACCEPTED)
    assert [codec.encoding for codec in report.unasked] == ["GSM"]
    assert [remark.code for remark in report.remarks] == ["renumbered", "no-rtpmap"]
    assert (report.ptime, report.maxptime, report.rang, report.own) == (30, 60, True, None)


def test_its_own_offer() -> None:
    answer_ = read_untrusted(bytes(offered(Offer(SDES, ("G722", "PCMA")))), None)
    report = of(over(answered(488)), Reply(Question(OF_PEER, Way.INVITE), 0.1, Standing.OVER, answered(200), answer_))
    assert report.own is not None
    assert [codec.encoding for codec in report.own] == ["G722", "PCMA", TELEPHONE_EVENT]
    assert states(report)["G722"] == "+"
    assert report.works


def test_evidence_is_numbered() -> None:
    first = Reply(FIRST, 0.1, Standing.UP, answered(200), answer(FIRST.offer, ("PCMU",)))
    rest = Question(Offer(codecs=ALL[1:]), Way.INVITE)
    report = of(first, Reply(rest, 0.1, Standing.OVER, answered(488), statuses=(488,)))
    assert [report.numbers(one) for one in report.codecs] == [(1,), (2,), (2,), (2,), (2,), (1,)]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(FIRST, 0, Standing.UP, answered(200), NO_DESCRIPTION), "200 OK, whose session description cannot be"),
        (Reply(FIRST, 0, Standing.UP, answered(200), reading("m=audio 0 RTP/AVP 0")), "200 OK: m=audio 0 RTP/AVP 0"),
        (over(answered(488, 'Warning: 304 x "no"', 'Warning: 399 y "z"')), '; Warning: 304 x "no", 399 y "z"'),
        (over(None, 100), "it was not answered in time"),
    ],
)
def test_words(reply: Reply, words: str) -> None:
    assert words in told(reply)


def test_keys_are_named() -> None:
    offer = Offer(SDES, ALL)
    report = of(Reply(Question(offer, Way.INVITE), 0, Standing.UP, answered(200), answer(offer, ALL)), asking=Asking())
    assert report.securities[1].key == SUITE
