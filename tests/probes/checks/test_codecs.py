"""What is asked, in which order, and when no more: endpoints of all kinds, without a network."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.checks.codecs import (
    EVENTS,
    MAX_INVITES,
    OF_PEER,
    Asking,
    Offer,
    Outcome,
    Question,
    Reply,
    Standing,
    Way,
    act,
    outcome_of,
    plan,
    refuses_media,
    why_no_invite,
)
from probes.checks.codecs_answer import NO_DESCRIPTION, Security, read_untrusted
from probes.checks.codecs_judge import Support, judge
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.sdp.codecs import CODECS
from tests.probes.checks.codecs_values import HOP, URI, Peer, answer, answered, offered

ALL = tuple(CODECS)
NONE, SDES, DTLS, WEBRTC = Security
PLAIN = Asking(securities=())
FIRST = Question(Offer(codecs=ALL), Way.INVITE)


def brief(questions: Sequence[Question]) -> list[str]:
    """The questions in short: the way, the security where there is one, the codecs by their first letters and ends."""
    told = []
    for question in questions:
        offer = question.offer
        codecs = "all" if offer.codecs == ALL else " ".join(offer.codecs) or "nothing"
        told.append(f"{question.way.value} {codecs}{'' if offer.security is NONE else f' {offer.security.name}'}")
    return told


@pytest.mark.parametrize(
    ("peer", "asking", "questions"),
    [
        (Peer(), PLAIN, ["INVITE all", "re-INVITE nothing"]),
        (
            Peer(("PCMU", "PCMA")),
            PLAIN,
            ["INVITE all", "re-INVITE G722 G729 opus", "re-INVITE nothing"],
        ),
        (  # who names one codec only is asked for the others one after the other
            Peer(("PCMA", "G722"), single=True, changes=True),
            PLAIN,
            ["INVITE all", "re-INVITE PCMU G722 G729 opus", "re-INVITE PCMU G729 opus", "re-INVITE nothing"],
        ),
        (  # no re-INVITE is taken: each codec needs a call
            Peer(("PCMA", "G722"), single=True, changes=False),
            PLAIN,
            [
                *("INVITE all", "re-INVITE PCMU G722 G729 opus", "re-INVITE nothing", "INVITE PCMU G722 G729 opus"),
                *("re-INVITE PCMU G729 opus", "INVITE PCMU G729 opus"),
            ],
        ),
        (  # nor is a refusal one of the codecs where no other codec was seen inside a call
            Peer(("PCMA", "G722"), single=True, keeps=True),
            PLAIN,
            [
                *("INVITE all", "re-INVITE PCMU G722 G729 opus", "re-INVITE nothing", "INVITE PCMU G722 G729 opus"),
                *("re-INVITE PCMU G729 opus", "INVITE PCMU G729 opus"),
            ],
        ),
        (  # nor is anything asked again where a phone has rung
            Peer(("PCMA", "G722"), single=True, changes=False, rings=(180,)),
            PLAIN,
            ["INVITE all", "re-INVITE PCMU G722 G729 opus", "re-INVITE nothing"],
        ),
        (
            Peer(("PCMA",), (SDES,)),
            Asking(),
            [
                *("INVITE all", "INVITE all SDES", "re-INVITE PCMU G722 G729 opus SDES", "re-INVITE nothing"),
                *("re-INVITE PCMA DTLS", "re-INVITE PCMA WEBRTC", "INVITE PCMU G722 G729 opus SDES"),
                *("INVITE PCMA DTLS", "INVITE PCMA WEBRTC"),
            ],
        ),
        (  # one change of how media is protected was taken, so the refusal of another is one
            Peer(ALL, (NONE, SDES)),
            Asking(),
            ["INVITE all", "re-INVITE nothing", *(f"re-INVITE all {name}" for name in ("SDES", "DTLS", "WEBRTC"))],
        ),
        (
            Peer(ALL, (NONE, DTLS), switches=False),
            Asking(),
            [
                *(
                    "INVITE all",
                    "re-INVITE nothing",
                    "re-INVITE all SDES",
                    "re-INVITE all DTLS",
                    "re-INVITE all WEBRTC",
                ),
                *("INVITE all SDES", "INVITE all DTLS"),
            ],
        ),
        (  # nothing that is known here: what does it offer itself?
            Peer((), (NONE,)),
            Asking(),
            [f"INVITE all{name}" for name in ("", " SDES", " DTLS", " WEBRTC")] + ["INVITE nothing"],
        ),
        (Peer(refusal=486, securities=()), Asking(), ["INVITE all"]),
        (Peer(picks_up=False, rings=(180,)), Asking(), ["INVITE all"]),
        (Peer(("PCMU",), early=True, rings=(180,)), Asking(), ["INVITE all"]),  # a phone rings: enough is known
        (
            Peer(("PCMU",), early=True),  # an announcement, it seems, which is waited for
            PLAIN,
            ["INVITE all", "re-INVITE PCMA G722 G729 opus", "re-INVITE nothing"],
        ),
        (
            Peer(("PCMU", "G722"), (NONE, SDES), early=True, updates=True, single=True, rings=(180,)),
            Asking(securities=(SDES,)),
            [
                *("INVITE all", "UPDATE PCMA G722 G729 opus", "UPDATE PCMA G729 opus", "UPDATE PCMU G722 SDES"),
            ],
        ),
        (
            Peer(("PCMU",), early=True, rings=(180,)),
            Asking(securities=(), rings_again=True),
            ["INVITE all", "INVITE PCMA G722 G729 opus"],
        ),
        (Peer(loses=0), PLAIN, ["INVITE all", "re-INVITE nothing"]),
    ],
)
async def test_questions(peer: Peer, asking: Asking, questions: list[str]) -> None:
    await act(peer, asking)
    assert brief(peer.asked) == questions


PEERS = st.builds(
    Peer,
    codecs=st.lists(st.sampled_from(ALL), unique=True).map(tuple),
    securities=st.lists(st.sampled_from(Security), unique=True).map(tuple),
    single=st.booleans(),
    events=st.booleans(),
    rings=st.sampled_from([(), (180,), (183,), (181, 180)]),
    early=st.booleans(),
    updates=st.booleans(),
    picks_up=st.booleans(),
    changes=st.booleans(),
    switches=st.booleans(),
    loses=st.integers(0, 6),
    refusal=st.sampled_from([488, 606, 415, 486, 403, 500]),
)
ASKINGS = st.builds(
    Asking,
    codecs=st.lists(st.sampled_from(ALL), unique=True, min_size=1).map(tuple),
    securities=st.sampled_from([(), (SDES,), (SDES, DTLS)]),
    rings_again=st.booleans(),
    max_invites=st.integers(1, MAX_INVITES),
)


async def _asked(peer: Peer, asking: Asking) -> tuple[Reply, ...]:
    return await act(peer, asking)


@given(PEERS, ASKINGS)
def test_any_endpoint(peer: Peer, asking: Asking) -> None:
    """It comes to an end, calls nobody too often, asks nothing twice in one way, and never says what is not true."""
    coroutine = _asked(peer, asking)
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    replies: tuple[Reply, ...] = done.value.value
    invites = [reply for reply in replies if not reply.in_call]
    assert len(invites) <= asking.max_invites
    assert asking.rings_again or not any(reply.rang for reply in invites[:-1])
    asked = [(reply.question.offer, reply.in_call) for reply in replies]
    assert len(set(asked)) == len(asked)
    report = judge(URI, HOP, replies, asking)
    for one in report.codecs[:-1]:
        assert one.name in peer.codecs or one.support is not Support.ACCEPTED
        if one.name in peer.codecs and not _missed(peer, asking):
            assert one.support is not Support.REFUSED
    for one in report.securities:
        known = {security.text for security in peer.securities}
        assert one.name in known or one.support is not Support.ACCEPTED
    assert bool(report.unfinished) == any(
        one.support is Support.UNKNOWN for one in (*report.codecs[:-1], *report.securities)
    )


def _missed(peer: Peer, asking: Asking) -> bool:
    """Whether the endpoint knows no way to protect media that was to be asked for."""
    return not set(peer.securities) & {NONE, *asking.securities, *((WEBRTC,) if DTLS in asking.securities else ())}


@pytest.mark.parametrize(
    ("status", "fields", "refuses"),
    [
        (488, (), True),
        (606, (), True),
        (415, (), True),
        (406, (), False),
        (403, (), False),
        (500, ('Warning: 304 x "Media type not available"',), True),
        (480, ('Warning: 399 x "whatever"',), False),
        (480, ("Warning: nonsense",), False),
    ],
)
def test_what_is_about_the_media(status: int, fields: tuple[str, ...], refuses: bool) -> None:
    assert refuses_media(answered(status, *fields)) is refuses


def test_an_answer_that_cannot_be_read_tells_nothing() -> None:
    malformed = read_untrusted(b"v=1", offered(FIRST.offer))
    for told in (malformed, NO_DESCRIPTION):
        reply = Reply(FIRST, 0.1, Standing.UP, answered(200), told)
        assert reply.outcome is Outcome.UNKNOWN
        assert plan([reply], Asking()) == Question(FIRST.offer, Way.REINVITE)


def test_a_failure_ends_it() -> None:
    failure = TransportFailure(FailureReason.REFUSED, "refused")
    assert plan([Reply(FIRST, 0.1, Standing.OVER, failure=failure)], Asking()) is None


def test_why_nobody_is_called_again() -> None:
    rang = Reply(FIRST, 0.1, Standing.OVER, statuses=(100, 180))
    assert "rung" in why_no_invite([rang], Asking())
    assert why_no_invite([rang], Asking(rings_again=True)) == ""
    assert "1 calls" in why_no_invite([rang], Asking(rings_again=True, max_invites=1))


def test_a_refusal_inside_a_call_needs_a_change_that_is_taken() -> None:
    base = Reply(FIRST, 0.1, Standing.UP, answered(200), answer(FIRST.offer, ("PCMU",)))
    rest = Offer(codecs=("PCMA",))
    refused = Reply(Question(rest, Way.REINVITE), 0.1, Standing.UP, answered(488))
    own = read_untrusted(bytes(offered(FIRST.offer)), None)
    changed = Reply(Question(OF_PEER, Way.REINVITE), 0.1, Standing.UP, answered(200), own)
    assert outcome_of(rest, [base, refused]) is Outcome.UNKNOWN
    assert outcome_of(rest, [base, changed, refused]) is Outcome.REFUSED


@pytest.mark.parametrize("offer", [Offer(security, ALL[start:]) for security in Security for start in range(5)])
def test_payload_types_keep_their_meaning(offer: Offer) -> None:
    (media,) = offered(offer).media
    numbers = {codec.payload_type: codec.encoding for codec in media.codecs}
    assert len(numbers) == len(media.formats)
    assert {numbers[number] for number in EVENTS.values() if number in numbers} == {"telephone-event"}
    assert media.protocol == offer.security.profile
    assert media.rtcp_mux == (offer.security is WEBRTC)


@pytest.mark.parametrize(
    ("codecs", "calls", "message"), [(("MP3",), 1, "no codec MP3"), ((), 1, "name a codec"), (("PCMU",), 9, "1 to 8")]
)
def test_what_cannot_be_asked(codecs: tuple[str, ...], calls: int, message: str) -> None:
    with pytest.raises(LocalError, match=message):
        Asking(codecs, max_invites=calls)


def test_codecs_have_no_case() -> None:
    assert Asking(("OPUS", "pcmu", "Pcmu")).codecs == ("opus", "PCMU")
