"""What several streams of one call come to: every packet is counted once, and a mean lies between its parts."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.media.control import MAX_ROUND_TRIPS
from sipcore.media.dtmf import ReceivedKey
from sipcore.media.plan import MediaPlan
from sipcore.media.receiver import MAX_KEYS, MAX_SOURCES
from sipcore.media.report import MediaResult, RemoteView
from sipcore.media.session import MAX_ELSEWHERE
from sipcore.media.total import total_of
from sipcore.resolve.target import SocketAddress
from sipcore.sdp.attributes import PCMA, PCMU
from tests.sipcore.media.talk import ALICE, BOB, EVENTS, Talk, lossy


def played(seconds: float, loss: float, *, deaf: bool = False, codec: object = PCMU) -> MediaResult:
    """The measures of one stream each way."""
    random.seed(7)
    alice = MediaPlan(BOB, codec, EVENTS, rtcp_interval=0.5)  # type: ignore[arg-type]  # a codec
    talk = Talk(
        alice,
        MediaPlan(ALICE, codec, EVENTS, echo=True, rtcp_interval=0.5),  # type: ignore[arg-type]  # a codec
        back=(lambda _, now: ()) if deaf else lossy(loss),
    )
    talk.run(seconds)
    talk.finish()
    return talk.alice.session.result(talk.now)


PARTS = (played(3.0, 0.0), played(1.0, 0.2, codec=PCMA), played(1.0, 0.0, deaf=True))


def test_one_part_is_the_total() -> None:
    assert total_of(PARTS[:1]) is PARTS[0]


@given(st.lists(st.sampled_from(PARTS), min_size=2, max_size=5))
def test_what_is_counted_is_added_up(parts: list[MediaResult]) -> None:
    total, heard = total_of(parts), [part for part in parts if part.sources]
    mains = [part.sources[0] for part in heard]
    assert total.sent.packets == sum(part.sent.packets for part in parts)
    assert total.sent.octets == sum(part.sent.octets for part in parts)
    assert total.control.received == sum(part.control.received for part in parts)
    assert sorted(total.control.round_trips) == sorted(each for part in parts for each in part.control.round_trips)
    assert sum(count for _, count in total.payload_types) == sum(n for part in parts for _, n in part.payload_types)
    assert total.announced == parts[-1].announced
    if not mains:
        assert (total.sources, total.opinion, total.codec) == ((), None, "")
        return
    received = total.sources[0]
    for name in ("packets", "lost", "expected", "octets", "gaps", "late"):
        assert getattr(received, name) == sum(getattr(main, name) for main in mains)
    assert received.loss == pytest.approx(sum(main.lost for main in mains) / sum(main.expected for main in mains))
    assert min(each.jitter for each in mains) - 1e-9 <= received.jitter <= max(each.jitter for each in mains) + 1e-9
    scores = [part.opinion for part in heard if part.opinion is not None]
    assert total.opinion is not None
    assert min(scores) - 1e-9 <= total.opinion <= max(scores) + 1e-9
    assert total.codec == heard[-1].codec


def test_a_total_tells_no_more_than_one_stream_may() -> None:
    """A peer that changes the call again and again, each time with other sources, costs no more memory for that."""
    first = PARTS[0]
    others = tuple(replace(first.sources[0], ssrc=ssrc, packets=ssrc) for ssrc in range(1, MAX_SOURCES))
    rich = replace(
        first,
        sources=(first.sources[0], *others),
        keys=(ReceivedKey("1", 1.0, 0.1, 3, 3, marked=True, volume=10),) * MAX_KEYS,
        control=replace(first.control, round_trips=(0.1,) * MAX_ROUND_TRIPS),
    )
    elsewhere = [((SocketAddress("192.0.2.1", port), port),) for port in range(1, MAX_ELSEWHERE + 9)]
    total = total_of([replace(rich, unexpected=replace(rich.unexpected, elsewhere=each)) for each in elsewhere])
    assert [source.packets for source in total.sources[1:]] == [MAX_SOURCES - 1] * (MAX_SOURCES - 1)
    assert (len(total.keys), len(total.control.round_trips)) == (MAX_KEYS, MAX_ROUND_TRIPS)
    assert {count for _, count in total.unexpected.elsewhere} == set(range(9, MAX_ELSEWHERE + 9))


def test_what_the_peer_missed_counts_anew_with_each_stream() -> None:
    view = RemoteView(1.0, 0.1, 4, 0.002)
    parts = [replace(part, control=replace(part.control, remote=view)) for part in PARTS[:2]]
    assert total_of(parts).control.remote == replace(view, lost=8)


def test_scores_of_two_scales_are_not_mixed() -> None:
    wide = replace(PARTS[0], codec="G722", opinion=3.0)
    assert total_of([PARTS[0], wide]).opinion == 3.0
    assert total_of([wide, PARTS[0]]).opinion == PARTS[0].opinion
