"""A codec report in words: what people read of it, at 80 columns."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.checks.codecs import Asking, Offer, Question, Reply, Standing, Way, act
from probes.checks.codecs_answer import Security, read_untrusted
from probes.checks.codecs_judge import CodecReport, judge
from probes.report.codecs_text import codecs_failure_line, codecs_lines
from probes.result import CallKind
from sipcore.errors import FailureReason, TransportFailure
from sipcore.sdp.codecs import CODECS
from tests.probes.checks.codecs_values import HOP, URI, Peer, answered, offered

NONE, SDES = Security.NONE, Security.SDES
FIRST = Question(Offer(codecs=tuple(CODECS)), Way.INVITE)


async def asked(peer: Peer) -> CodecReport:
    return judge(URI, HOP, await act(peer, Asking()), Asking())


def text(report: CodecReport, width: int = 80) -> str:
    lines = [line.plain for line in codecs_lines(report, width)]
    assert max(map(len, lines)) <= width
    assert not any(line != line.rstrip() for line in lines)
    return "\n".join(lines)


async def test_what_is_accepted() -> None:
    shown = text(await asked(Peer(("PCMU", "G722"), (NONE, SDES))))
    words = " ".join(shown.split())
    assert "sip:echo@192.0.2.1 accepts PCMU, G722 and telephone-event over RTP and SRTP by SDES" in words
    assert "  PCMU                  accepted  0 PCMU/8000 (1)" in shown
    assert "  opus                  refused   488 Not Acceptable Here (2)" in shown
    assert "  SRTP by SDES          accepted  AES_CM_128_HMAC_SHA1_80 (4)" in shown
    assert "   2  re-INVITE with PCMA, G729, opus over RTP/AVP" in shown
    assert "its own offer" in shown
    assert "not found out" not in shown
    assert "AAAA" not in shown  # no key


async def test_what_was_not_found_out() -> None:
    peer = Peer(("PCMU",), single=True, changes=False, rings=(180,))
    words = " ".join(text(await asked(peer)).split())
    assert "opus unknown left out of the answer (1, 2)" in words
    assert "1; a phone may have rung" in words
    assert "not found out a phone may have rung, and is not called again without consent" in words


def test_no_call() -> None:
    refused = Reply(FIRST, 0.1, Standing.OVER, answered(486), statuses=(486,))
    report = judge(URI, HOP, [refused], Asking())
    line = "sip:echo@192.0.2.1: 486 Busy Here; call when the line is free, or a number that takes several calls"
    assert codecs_failure_line(report) == line
    assert line in " ".join(text(report).split())


def test_nowhere() -> None:
    failure = TransportFailure(FailureReason.UNRESOLVABLE, "no such name")
    report = judge(URI, None, (), Asking(), failure)
    assert codecs_failure_line(report) == "sip:echo@192.0.2.1: no such name"
    assert "PCMU                  unknown   not asked" in text(report)


def test_a_refusal_is_told_once() -> None:
    """The verdict, and where the question is; not with each codec."""
    failure = TransportFailure(FailureReason.REFUSED, "udp 192.0.2.1:5060: nothing listens there")
    shown = text(judge(URI, HOP, [Reply(FIRST, 0.1, Standing.OVER, failure=failure)], Asking()))
    assert "  PCMU                  unknown   no answer (1)" in shown
    assert " ".join(shown.split()).count("nothing listens there") == 2


async def test_nothing_in_common() -> None:
    report = await asked(Peer(()))
    assert report.kind is CallKind.REJECTED
    assert codecs_failure_line(report) == (
        "sip:echo@192.0.2.1: no offer is taken: 488 Not Acceptable Here; "
        "it may want a codec, or a way to protect media, that was not offered"
    )


SAID = [
    "m=audio 0 RTP/AVP 0",
    "m=audio 4000 RTP/AVP 3",
    "m=audio 4000 RTP/AVP 0 97\r\na=rtpmap:97 x\x1b[31mx/8000",
    "m=audio 4000 RTP/SAVP 0",
    "m=video 1 RTP/AVP 31",
    "m=audio 4000 RTP/AVP 0 101\r\na=ptime:20\r\na=maxptime:40",
]


@given(st.lists(st.sampled_from(SAID), min_size=1, max_size=4), st.integers(60, 120))
def test_anything_is_printable(bodies: list[str], width: int) -> None:
    head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    replies = [
        Reply(
            FIRST, 0.1, Standing.UP, answered(200), read_untrusted(f"{head}{body}\r\n".encode(), offered(FIRST.offer))
        )
        for body in bodies
    ]
    shown = text(judge(URI, HOP, replies, Asking()), width)
    assert all(line.isprintable() for line in shown.splitlines())


@pytest.mark.parametrize("width", [60, 80, 200])
async def test_lines_fit(width: int) -> None:
    report = await asked(Peer(("PCMU",), (SDES,)))
    text(replace(report, unfinished="x " * 100), width)
