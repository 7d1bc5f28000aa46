"""Whole sessions: what each side measures of what the other sends, without sockets and without waiting."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipcore.errors import LocalError, ParseError
from sipcore.media.g711 import Law
from sipcore.media.ice import IceCredentials
from sipcore.media.keys import AES_CM_128_HMAC_SHA1_80, SUITES, SrtpKeys, Suite, keys_of, new_crypto
from sipcore.media.plan import MediaPlan
from sipcore.media.receiver import announces_silence
from sipcore.media.report import MediaEventKind
from sipcore.media.rtcp import Report, SenderInfo
from sipcore.media.rtp import RtpPacket, pack
from sipcore.media.session import Component, Datagram, MediaSession
from sipcore.media.sound import frames, tone
from sipcore.media.stun import Attr, StunMessage, StunType
from sipcore.resolve.target import SocketAddress
from sipcore.sdp.attributes import G722, G729, PCMA, PCMU, Codec
from sipcore.sdp.build import audio_description
from sipcore.sdp.codecs import CODECS
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.fields import Connection
from sipcore.sdp.negotiation import agree
from tests.sipcore.media.talk import ALICE, BOB, EPOCH, EVENTS, Talk, lossy, wire

CALLS = MediaPlan(BOB, PCMU, EVENTS, rtcp_interval=1.0, cname="alice")
ECHOES = MediaPlan(ALICE, PCMU, EVENTS, rtcp_interval=1.0, cname="bob", echo=True)
UNKNOWN = Codec(97, "AMR", 8000)
OPUS = CODECS["opus"]
STRANGER = SocketAddress("203.0.113.9", 1234)


def keys(suite: Suite, seed: int) -> SrtpKeys:
    return keys_of(new_crypto(suite, 1, random.Random(seed).randbytes))


def test_a_call_that_is_echoed() -> None:
    talk = Talk(CALLS, ECHOES, wire(0.03), wire(0.05))
    talk.run(5)
    heard = talk.alice.session.listen()
    talk.finish()
    talk.run(1)
    result = talk.alice.session.result(talk.now, heard)
    assert result.sent.packets == 251
    assert result.received is not None
    assert (result.received.packets, result.received.lost, result.received.ptime) == (246 + 1, 0, 0.02)
    assert result.received.jitter == pytest.approx(0, abs=1e-9)
    assert (result.codec, result.suite, result.one_way) == ("PCMU", "", False)
    assert result.control.round_trip == pytest.approx(0.08, abs=0.001)
    assert (result.control.cname, result.control.goodbye) == ("bob", False)
    assert result.control.remote is not None
    assert result.control.remote.lost == 0
    assert result.heard is not None
    assert result.heard.echo is not None
    assert result.heard.echo.delay == pytest.approx(0.08, abs=0.001)
    assert result.opinion == pytest.approx(4.41, abs=0.01)
    assert talk.alice.kinds == [MediaEventKind.FIRST_SENT, MediaEventKind.FIRST_RECEIVED]
    assert talk.alice.events[1].at == pytest.approx(100.08)
    assert result.unexpected.after_end > 0


@pytest.mark.parametrize("suite", SUITES)
def test_with_keys(suite: Suite) -> None:
    one, other = keys(suite, 1), keys(suite, 2)
    talk = Talk(replace(CALLS, keys=(one, other)), replace(ECHOES, keys=(other, one)))
    talk.run(3)
    talk.finish()
    talk.run(1)
    result = talk.alice.session.result(talk.now)
    assert result.suite == suite.name
    assert result.received is not None
    assert result.received.packets > 140
    assert result.control.round_trip == pytest.approx(0.02, abs=0.001)
    assert result.srtp is not None
    assert result.srtp.total == 0


def test_the_wrong_keys() -> None:
    one, other = keys(AES_CM_128_HMAC_SHA1_80, 1), keys(AES_CM_128_HMAC_SHA1_80, 2)
    talk = Talk(replace(CALLS, keys=(one, other)), replace(ECHOES, echo=False, keys=(one, other)))
    talk.run(1)
    result = talk.alice.session.result(talk.now)
    assert result.one_way
    assert result.srtp is not None
    assert result.srtp.authentication == 51
    assert talk.alice.kinds.count(MediaEventKind.SECURITY_FAILED) == 1


def test_what_comes_twice_is_no_failure_of_security() -> None:
    one, other = keys(AES_CM_128_HMAC_SHA1_80, 1), keys(AES_CM_128_HMAC_SHA1_80, 2)
    talk = Talk(
        *(replace(CALLS, keys=(one, other)), replace(ECHOES, keys=(other, one))), back=lambda _, now: [now, now + 0.001]
    )
    talk.run(1)
    assert MediaEventKind.SECURITY_FAILED not in talk.alice.kinds
    result = talk.alice.session.result(talk.now)
    assert result.srtp is not None
    assert result.srtp.replayed > 40
    assert result.srtp.authentication == 0


def test_plain_packets_where_keys_were_agreed_on() -> None:
    pair = keys(AES_CM_128_HMAC_SHA1_80, 1), keys(AES_CM_128_HMAC_SHA1_80, 2)
    talk = Talk(replace(CALLS, keys=pair), replace(ECHOES, echo=False))
    talk.run(1)
    assert talk.alice.session.result(talk.now).one_way
    assert talk.bob.session.result(talk.now).received is not None  # which takes the cipher for sound


def test_rtcp_along_with_rtp() -> None:
    talk = Talk(replace(CALLS, rtcp_mux=True), replace(ECHOES, rtcp_mux=True))
    talk.run(3)
    result = talk.alice.session.result(talk.now)
    assert result.control.round_trip == pytest.approx(0.02, abs=0.001)
    assert {datagram.component for datagram in talk.alice.sent} == {Component.RTP}


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_loss_each_way_is_told_apart(share: float) -> None:
    talk = Talk(CALLS, ECHOES, wire(), lossy(share))
    talk.run(20)
    result, other = talk.alice.session.result(talk.now), talk.bob.session.result(talk.now)
    assert result.received is not None
    assert other.received is not None
    assert other.received.lost == 0
    missing = other.sent.packets - result.received.packets
    assert result.received.lost == pytest.approx(missing, abs=2)  # the last ones may be lost, or under way
    assert result.received.loss == pytest.approx(share, abs=0.03)
    assert other.control.remote is not None
    assert 0.7 * result.received.lost < other.control.remote.lost <= result.received.lost


def test_keys_are_echoed() -> None:
    talk = Talk(CALLS, ECHOES)
    talk.alice.session.press("15*#A")
    talk.run(3)
    talk.finish()
    for side in (talk.alice, talk.bob):
        received = side.session.result(talk.now).keys
        assert "".join(key.key for key in received) == "15*#A"
        assert {(key.duration, key.ends, key.marked) for key in received} == {(0.1, 3, True)}
        assert side.kinds.count(MediaEventKind.KEY_RECEIVED) == 5
    result = talk.alice.session.result(talk.now)
    assert result.sent.keys == "15*#A"
    assert result.received is not None
    assert result.received.ptime == 0.02
    assert dict(result.payload_types)[101] == 35


def test_keys_that_cannot_be_sent() -> None:
    talk = Talk(replace(CALLS, events=None), ECHOES)
    with pytest.raises(LocalError):
        talk.alice.session.press("1")
    with pytest.raises(LocalError):
        Talk(CALLS, ECHOES).alice.session.press("1x")


def test_silence_and_stalls() -> None:
    sound = tone([1004], 1.0) + [0] * 24_000
    talk = Talk(CALLS, replace(ECHOES, echo=False, frames=frames(Law.PCMU.encode(sound), 160)))
    talk.run(5)
    talk.bob.session.finish(talk.now)
    talk.run(3)
    assert talk.alice.kinds[1:] == [
        MediaEventKind.FIRST_RECEIVED,
        MediaEventKind.SILENCE_BEGAN,
        MediaEventKind.SILENCE_ENDED,
        MediaEventKind.GOODBYE,
        MediaEventKind.STALLED,
    ]
    talk.alice.session.finish(talk.now)
    assert talk.alice.session.result(talk.now).silent_seconds == pytest.approx(3.0, abs=0.05)


def test_silence_to_the_end() -> None:
    talk = Talk(CALLS, replace(ECHOES, echo=False, frames=frames(bytes([255]) * 160, 160)))
    talk.run(4)
    going = talk.alice.session.result(talk.now).silent_seconds
    talk.finish()
    assert going == pytest.approx(4.0, abs=0.05)
    assert talk.alice.session.result(talk.now).silent_seconds == pytest.approx(4.0, abs=0.05)


def test_a_stall_that_ends() -> None:
    silent = [False]
    talk = Talk(CALLS, ECHOES, back=lambda _, now: [] if silent[0] else [now + 0.01])
    for quiet in (False, True, False):
        silent[0] = quiet
        talk.run(2)
    assert talk.alice.kinds == [
        MediaEventKind.FIRST_SENT,
        MediaEventKind.FIRST_RECEIVED,
        MediaEventKind.STALLED,
        MediaEventKind.RESUMED,
    ]
    received = talk.alice.session.result(talk.now).received
    assert received is not None
    assert received.gaps == 1
    assert received.longest_gap == pytest.approx(2.02, abs=0.03)


def test_nothing_comes_back() -> None:
    talk = Talk(CALLS, ECHOES, back=lambda _, now: [])
    talk.run(2)
    result = talk.alice.session.result(talk.now)
    assert result.one_way
    assert (result.received, result.opinion, result.codec) == (None, None, "")
    assert talk.alice.session.listen() is None


def test_media_from_behind_a_translator_is_followed() -> None:
    public = SocketAddress("203.0.113.254", 61000)
    talk = Talk(CALLS, replace(ECHOES, remote=SocketAddress("10.0.0.1", 40000)))
    talk.translated[ALICE] = public
    talk.run(1)
    assert MediaEventKind.REMOTE_MOVED in talk.bob.kinds
    assert talk.bob.session.remote == public
    result = talk.bob.session.result(talk.now)
    assert (result.remote, result.announced) == (public, SocketAddress("10.0.0.1", 40000))
    assert talk.bob.session._remote_rtcp == SocketAddress(public.host, public.port + 1)


def test_media_that_is_not_symmetric_stays_where_it_was_told_to_go() -> None:
    talk = Talk(CALLS, replace(ECHOES, remote=STRANGER, symmetric=False))
    talk.run(1)
    result = talk.bob.session.result(talk.now)
    assert (result.remote, result.received) == (STRANGER, None)
    assert dict(result.unexpected.elsewhere)[ALICE] == 50


def test_who_forges_packets_takes_nothing_over() -> None:
    talk = Talk(CALLS, ECHOES)
    talk.run(1)
    forged = pack(0, 1, 1, 99, bytes(160))
    for port in range(100):
        remote = SocketAddress(STRANGER.host, port)
        talk.alice.session.receive_untrusted(Component.RTP, forged, remote, talk.now, talk.now)
    talk.alice.session.receive_untrusted(
        Component.RTCP, bytes.fromhex("80c9000100000001"), STRANGER, talk.now, talk.now
    )
    result = talk.alice.session.result(talk.now)
    assert (result.remote, len(result.sources)) == (BOB, 1)
    assert sum(count for _, count in result.unexpected.elsewhere) == 16


def test_another_source_and_another_codec() -> None:
    talk = Talk(replace(CALLS, others=(PCMA,)), ECHOES)
    talk.run(1)
    session = talk.alice.session
    for ssrc in range(20):
        packet = pack(8, 1, 1, ssrc, bytes(160))
        session.receive_untrusted(Component.RTP, packet, BOB, talk.now, talk.now)
    session.receive_untrusted(Component.RTP, pack(13, 2, 1, 1, b"\x40"), BOB, talk.now, talk.now)
    session.receive_untrusted(Component.RTP, pack(77, 3, 1, 1, b"?"), BOB, talk.now, talk.now)
    session.receive_untrusted(Component.RTP, pack(101, 4, 1, 1, b"?"), BOB, talk.now, talk.now)
    talk.run(0.01)
    assert MediaEventKind.SOURCE_CHANGED in talk.alice.kinds
    assert next(event.detail for event in talk.alice.events if event.kind is MediaEventKind.CODEC_CHANGED) == "PCMA"
    result = session.result(talk.now)
    assert len(result.sources) == 8
    assert result.sources[0].packets >= 50, "of too many sources, the one with the fewest packets is forgotten"
    assert (result.unexpected.wrong_type, result.unexpected.switches) == (2, 22)


def test_what_keeps_a_way_open_is_no_fault() -> None:
    session = (talk := Talk(CALLS, ECHOES)).alice.session
    for data in (b"", b"\r\n", b"\0", pack(20, 1, 1, 1, b"")):
        session.receive_untrusted(Component.RTP, data, BOB, talk.now, talk.now)
    unexpected = session.result(talk.now).unexpected
    assert (unexpected.malformed, unexpected.wrong_type) == (0, 0)


@pytest.mark.parametrize(
    ("last", "stalls"),
    [(pack(0, 50, 8000, 1, bytes(160)), True), (pack(13, 50, 8000, 1, b"\x40"), False)],
    ids=["speech", "comfort noise"],
)
def test_silence_that_was_announced_is_no_stall(last: bytes, stalls: bool) -> None:
    session = (talk := Talk(CALLS, ECHOES, lambda *_: [])).alice.session
    session.receive_untrusted(Component.RTP, last, BOB, talk.now, talk.now)
    talk.run(3)
    assert (MediaEventKind.STALLED in talk.alice.kinds) is stalls


@pytest.mark.parametrize(("size", "silent"), [(20, False), (22, True), (12, True), (2, True)])
def test_a_frame_that_describes_noise_announces_silence(size: int, silent: bool) -> None:
    packet = RtpPacket(18, 1, 1, 1, bytes(size))
    assert announces_silence(packet, "G729") is silent
    assert not announces_silence(packet, "PCMU")


def test_a_peer_that_moves_is_not_called_back_by_what_is_under_way() -> None:
    moved = SocketAddress(BOB.host, 60_000)
    talk = Talk(CALLS, ECHOES)
    talk.run(1)
    session = talk.alice.session
    session.move(replace(CALLS, remote=moved), talk.now)
    old, new = pack(0, 900, 1, 1, bytes(160)), pack(0, 901, 161, 1, bytes(160))
    session.receive_untrusted(Component.RTP, old, BOB, talk.now + 0.01, talk.now + 0.01)
    report = bytes.fromhex("80c9000100000001")
    at_rtcp = SocketAddress(BOB.host, BOB.port + 1)
    session.receive_untrusted(Component.RTCP, report, at_rtcp, talk.now + 0.01, talk.now + 0.01)
    assert (session.remote, session._remote_rtcp) == (moved, SocketAddress(moved.host, moved.port + 1))
    session.receive_untrusted(Component.RTP, new, moved, talk.now + 0.02, talk.now + 0.02)
    session.receive_untrusted(Component.RTP, old, BOB, talk.now + 0.03, talk.now + 0.03)
    assert session.remote == moved


def test_a_peer_that_did_not_move_although_it_says_so_is_followed() -> None:
    talk = Talk(CALLS, ECHOES)
    talk.run(1)
    session = talk.alice.session
    session.move(replace(CALLS, remote=SocketAddress("10.0.0.1", 60_000)), talk.now)
    session.receive_untrusted(Component.RTP, pack(0, 900, 1, 1, bytes(160)), BOB, talk.now + 1.5, talk.now + 1.5)
    assert session.remote == BOB


def test_reports_of_this_side_that_come_back_tell_nothing_of_the_peer() -> None:
    talk = Talk(CALLS, replace(ECHOES, sends=False))
    talk.run(4)
    session = talk.alice.session
    before = session.result(talk.now).control
    own = [each.data for each in talk.alice.sent if each.component is Component.RTCP]
    assert own
    for data in own:
        session.receive_untrusted(Component.RTCP, data, BOB, talk.now, talk.now)
    session.receive_untrusted(Component.RTCP, bytes(Report(session.result(talk.now).sent.ssrc)), BOB, 104.0, 104.0)
    after = session.result(talk.now).control
    assert after.received == before.received + len(own) + 1
    assert (after.reports, after.remote, after.round_trips) == (before.reports, before.remote, before.round_trips)


def test_ever_new_sources_leave_no_trace_in_the_reports() -> None:
    session = MediaSession(CALLS, bytes, 0.0, 0.0)
    for ssrc in range(100):
        session.receive_untrusted(Component.RTP, pack(0, 1, 1, ssrc, bytes(160)), BOB, 0.1, 0.1)
        report = bytes(Report(ssrc, SenderInfo(1 << 20, 0, 0, 0)))
        session.receive_untrusted(Component.RTCP, report, BOB, 0.1, 0.1)
    assert len(session._control._reports) <= 8
    assert len(session.result(1.0).sources) == 8


def test_codecs_that_are_not_known_here() -> None:
    talk = Talk(replace(CALLS, codec=UNKNOWN), replace(ECHOES, codec=UNKNOWN))
    talk.run(1)
    assert talk.alice.session.result(talk.now).sent.packets == 0
    talk = Talk(replace(CALLS, codec=UNKNOWN, frames=frames(bytes(320), 160)), replace(ECHOES, codec=UNKNOWN))
    talk.run(1)
    result = talk.alice.session.result(talk.now)
    assert (result.codec, result.opinion) == ("AMR", None)
    assert talk.alice.session.listen() is None


def test_packets_of_g729_are_measured_and_not_judged() -> None:
    talk = Talk(replace(CALLS, codec=G729), replace(ECHOES, codec=G729), lossy(0.0, 0.03), wire(0.05))
    talk.run(3)
    result = talk.alice.session.result(talk.now)
    assert result.received is not None
    assert (result.codec, result.received.lost, result.received.ptime) == ("G729", 0, 0.02)
    assert result.received.octets == 20 * result.received.packets
    assert result.opinion == pytest.approx(4.1, abs=0.05)
    assert talk.alice.session.listen() is None


@pytest.mark.parametrize("codec", [G722, OPUS], ids=lambda codec: codec.encoding)
@pytest.mark.parametrize("ptime", [0.01, 0.02, 0.04, 0.06])
def test_what_is_spoken_is_found_again(codec: Codec, ptime: float) -> None:
    events = Codec(102, "telephone-event", codec.clock_rate)
    calls = replace(CALLS, codec=codec, events=events, ptime=ptime)
    talk = Talk(calls, replace(calls, remote=ALICE, echo=True), lossy(0.02, 0.03), wire(0.05))
    talk.run(2)
    talk.alice.session.press("1#")
    talk.run(3)
    result = talk.alice.session.result(talk.now, talk.alice.session.listen())
    assert result.received is not None
    assert (result.codec, result.received.ptime) == (codec.encoding, ptime)
    assert result.received.jitter == pytest.approx(0, abs=1e-9)
    assert result.heard is not None
    assert result.heard.echo is not None
    assert result.heard.echo.delay == pytest.approx(0.08, abs=0.0005)
    assert result.heard.echo.likeness > 0.8
    assert [key.key for key in result.keys] == ["1", "#"]
    assert [key.duration for key in result.keys] == pytest.approx([0.1, 0.1], abs=0.03)
    assert result.opinion is not None
    assert result.unexpected.malformed == 0


@pytest.mark.parametrize("agreed", [True, False])
def test_keys_may_come_at_another_clock_rate(agreed: bool) -> None:
    """As a gateway sends them beside a codec whose clock it does not care for."""
    slow, quick = Codec(101, "telephone-event", 8000), Codec(102, "telephone-event", 48000)
    calls = replace(CALLS, events=quick, other_events=(slow,) if agreed else ())
    talk = Talk(calls, replace(ECHOES, events=slow, echo=False))
    talk.bob.session.press("7*")
    talk.run(1)
    talk.finish()
    result = talk.alice.session.result(talk.now)
    assert [(key.key, key.duration) for key in result.keys] == ([("7", 0.1), ("*", 0.1)] if agreed else [])
    assert (result.unexpected.wrong_type == 0) is agreed


def test_another_clock_rate_is_no_jitter() -> None:
    talk = Talk(replace(CALLS, others=(OPUS,)), replace(ECHOES, sends=False))
    session, chance = talk.alice.session, random.Random(1)
    for index in range(100):
        number, ticks = (0, 160) if index // 20 % 2 else (OPUS.payload_type, 960)
        packet = pack(number, index, index * ticks, 7, chance.randbytes(60))
        at = talk.now + index * 0.02
        session.receive_untrusted(Component.RTP, packet, BOB, at, at)
    received = session.result(talk.now).received
    assert received is not None
    assert (received.packets, received.ptime) == (100, 0.02)
    assert received.jitter == pytest.approx(0, abs=1e-9)
    assert session.listen() is not None


@given(st.sampled_from([G722, OPUS]), st.lists(st.binary(max_size=80), max_size=20))
def test_payloads_that_are_none(codec: Codec, payloads: list[bytes]) -> None:
    talk = Talk(replace(CALLS, codec=codec), replace(ECHOES, codec=codec))
    session = talk.alice.session
    for index, payload in enumerate(payloads):
        packet = pack(codec.payload_type, index, 160 * index, 1, payload)
        session.receive_untrusted(Component.RTP, packet, BOB, talk.now, talk.now)
    session.listen()
    assert session.result(talk.now).unexpected.malformed <= len(payloads)


def test_one_that_only_receives() -> None:
    talk = Talk(replace(CALLS, sends=False), replace(ECHOES, echo=False))
    talk.run(1)
    assert talk.alice.session.result(talk.now).sent.packets == 0
    assert talk.bob.session.result(talk.now).one_way


def test_checks_of_ice_are_answered() -> None:
    credentials = IceCredentials("ufrag", "password")
    talk = Talk(replace(CALLS, ice=credentials), ECHOES)
    request = StunMessage(StunType.REQUEST, bytes(12), ((Attr.USERNAME, b"ufrag:x"), (Attr.USE_CANDIDATE, b"")))
    session = talk.alice.session
    session.receive_untrusted(Component.RTP, request.encode("password"), STRANGER, talk.now, talk.now)
    sent = [output for output in session.drain() if isinstance(output, Datagram)]
    assert [(datagram.component, datagram.remote) for datagram in sent] == [(Component.RTP, STRANGER)]
    assert session.remote == STRANGER
    session.receive_untrusted(Component.RTCP, request.encode("wrong"), BOB, talk.now, talk.now)
    assert [output.remote for output in session.drain() if isinstance(output, Datagram)] == [BOB]
    talk.bob.session.receive_untrusted(Component.RTP, request.encode("password"), STRANGER, talk.now, talk.now)
    assert not talk.bob.session.drain()  # where there is no ICE


def test_a_late_pacer_skips_what_has_gone_by() -> None:
    session = MediaSession(replace(CALLS, rtcp_interval=60), random.Random(1).randbytes, 10.0, EPOCH)
    session.handle_timeout(10.0)
    session.handle_timeout(10.0415)
    session.handle_timeout(11.0)
    sent = session.result(11.0).sent
    assert (sent.packets, sent.skipped) == (5, 46)
    assert sent.latest == pytest.approx(0.0215)
    packets = [RtpPacket.parse(output.data) for output in session.drain() if isinstance(output, Datagram)]
    assert [(each.sequence - packets[0].sequence) % 2**16 for each in packets] == [0, 1, 2, 3, 4]
    assert [(each.timestamp - packets[0].timestamp) % 2**32 for each in packets] == [0, 160, 320, 7840, 8000]
    assert [each.marker for each in packets] == [True, False, False, False, False]


def test_nothing_more_after_the_end() -> None:
    talk = Talk(CALLS, ECHOES)
    talk.run(1)
    talk.finish()
    session = talk.alice.session
    count = len(talk.alice.sent)
    session.finish(talk.now)
    session.handle_timeout(talk.now + 1)
    assert session.next_timeout() is None
    assert not session.drain()
    assert count == len(talk.alice.sent)
    talk.run(1)
    assert session.result(talk.now).unexpected.after_end > 0


def test_what_the_kernel_refuses() -> None:
    session = MediaSession(CALLS, random.Random(1).randbytes, 10.0, EPOCH)
    session.unreachable("nothing listens there", 10.0)
    session.unreachable("nothing listens there", 10.1)
    assert [event.kind for event in session.drain() if not isinstance(event, Datagram)] == [MediaEventKind.UNREACHABLE]
    assert session.result(11.0).sent.refused == 2


def test_the_same_seed_gives_the_same_bytes() -> None:
    def sent(seed: int) -> list[bytes]:
        talk = Talk(CALLS, ECHOES, seed=seed)
        talk.run(2)
        return [datagram.data for datagram in talk.alice.sent]

    assert sent(1) == sent(1)
    assert sent(1) != sent(2)


@pytest.mark.parametrize("ptime", [0.0, 2.0])
def test_a_packet_time_that_is_none(ptime: float) -> None:
    with pytest.raises(LocalError):
        MediaPlan(BOB, PCMU, ptime=ptime)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(Component), st.binary(max_size=40)), max_size=20), st.booleans())
def test_any_bytes(datagrams: list[tuple[Component, bytes]], protected: bool) -> None:
    pair = (keys(AES_CM_128_HMAC_SHA1_80, 1), keys(AES_CM_128_HMAC_SHA1_80, 2)) if protected else None
    session = MediaSession(replace(ECHOES, keys=pair), random.Random(1).randbytes, 10.0, EPOCH)
    for number, (component, data) in enumerate(datagrams):
        session.receive_untrusted(component, data, ALICE, 10.0 + number, 10.0 + number)
    session.finish(100.0)
    session.result(100.0, session.listen())


@given(st.lists(st.sampled_from((0.0, 0.05, 0.1, 0.2, 0.4, 0.8)), min_size=2, max_size=4, unique=True).map(sorted))
@settings(max_examples=10, deadline=None)
def test_opinions_fall_with_loss(shares: list[float]) -> None:
    opinions = []
    for share in shares:
        talk = Talk(CALLS, ECHOES, wire(), lossy(share))
        talk.run(3)
        opinions.append(talk.alice.session.result(talk.now).opinion or 1.0)
    assert opinions == sorted(opinions, reverse=True)


def test_a_codec_by_another_name() -> None:
    plan = replace(CALLS, codec=Codec(96, "pcmu", 8000))
    talk = Talk(plan, replace(ECHOES, codec=Codec(96, "pcmu", 8000)))
    talk.run(1)
    assert talk.alice.session.listen() is not None


def test_a_plan_of_two_descriptions() -> None:
    there = SessionDescription.parse(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
        "m=audio 4000 RTP/AVP 8 0 96\r\na=rtpmap:96 telephone-event/8000\r\na=ptime:30\r\na=rtcp:4321\r\n"
    )
    here = audio_description(address="192.0.2.1", port=5000, session_id=1, session_version=1, codecs=[PCMU, PCMA])
    (stream,) = agree(here, there)
    assert stream is not None
    plan = MediaPlan.of(stream)
    assert (plan.remote, plan.remote_rtcp) == (SocketAddress("192.0.2.9", 4000), SocketAddress("192.0.2.9", 4321))
    assert (plan.codec, plan.ptime, plan.sends, plan.rtcp_mux) == (PCMA, 0.03, True, False)
    assert plan.events is not None
    assert plan.events.payload_type == 96
    with pytest.raises(ParseError, match="no codec"):
        MediaPlan.of(replace(stream, codecs=()))


@pytest.mark.parametrize("address", ["127.0.0.1%1", "fe80::1%1", "fe80::1%lo", "%1", "sip.example.com"])
def test_a_peers_address_is_one_that_means_the_same_here(address: str) -> None:
    there = SessionDescription.parse(
        f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
        f"m=audio 4000 RTP/AVP 8\r\na=rtcp:4001 IN IP4 {address}\r\n",
        [],
    )
    here = audio_description(address="192.0.2.1", port=5000, session_id=1, session_version=1, codecs=[PCMA])
    (stream,) = agree(here, there)
    assert stream is not None
    assert MediaPlan.of(stream).remote_rtcp is None
    with pytest.raises(ParseError, match="IP addresses alone"):
        MediaPlan.of(replace(stream, connection=Connection.of(address)))


def test_where_media_goes_is_not_known_yet() -> None:
    talk = Talk(CALLS, replace(ECHOES, remote=SocketAddress("192.0.2.1", 0), echo=False))
    assert [datagram.component for datagram in talk.bob.sent] == []
    talk.run(1)
    assert talk.alice.session.result(talk.now).received is not None
    assert MediaEventKind.REMOTE_MOVED not in talk.bob.kinds
    silent = Talk(replace(CALLS, sends=False), replace(ECHOES, remote=SocketAddress("192.0.2.1", 0), echo=False))
    silent.run(1)
    silent.finish()
    assert [datagram.component for datagram in silent.bob.sent] == []


@pytest.mark.parametrize(
    ("data", "handshakes", "checks"),
    [
        (bytes([22, 254, 253]) + bytes(20), 1, 0),
        (bytes(StunMessage(StunType.REQUEST, bytes(12)).encode("secret")), 0, 1),
    ],
    ids=["DTLS", "ICE"],
)
def test_what_nobody_agreed_on_is_counted(data: bytes, handshakes: int, checks: int) -> None:
    session = MediaSession(MediaPlan(BOB, PCMU), bytes, 0.0, EPOCH)
    session.receive_untrusted(Component.RTP, data, BOB, 0.1, 0.1)
    unexpected = session.result(1.0).unexpected
    assert (unexpected.handshakes, unexpected.checks, unexpected.malformed) == (handshakes, checks, 0)


def test_who_is_held_sends_nothing_and_reports_all_the_same() -> None:
    talk = Talk(CALLS, replace(CALLS, remote=ALICE, sends=False))
    talk.run(1)
    sent = talk.alice.session.result(talk.now).sent
    talk.alice.session.move(replace(CALLS, sends=False), talk.now)
    reports = talk.alice.session.result(talk.now).control.sent
    talk.run(3)
    assert talk.alice.session.result(talk.now).sent.packets == sent.packets
    assert talk.alice.session.result(talk.now).control.sent > reports
    talk.alice.session.move(CALLS, talk.now)
    begun = len(talk.alice.sent)
    talk.run(1)
    assert [kind for kind in talk.alice.kinds if "hold" in kind.value] == [
        MediaEventKind.HELD,
        MediaEventKind.TAKEN_OFF_HOLD,
    ]
    assert talk.alice.session.result(talk.now).sent.packets == pytest.approx(sent.packets + 50, abs=1)
    first = RtpPacket.parse(next(each.data for each in talk.alice.sent[begun:] if each.component is Component.RTP))
    assert first.marker
    received = talk.bob.session.result(talk.now).received
    assert received is not None
    assert (received.lost, received.gaps, received.restarts) == (0, 0, 0)
    assert received.jitter < 0.001  # the clock of the stream has gone on


def test_who_is_called_while_held_begins_once_taken_off() -> None:
    talk = Talk(replace(CALLS, sends=False), replace(ECHOES, echo=False, sends=False))
    talk.run(1)
    assert talk.alice.session.result(talk.now).sent.packets == 0
    talk.alice.session.move(CALLS, talk.now)
    talk.run(1)
    assert talk.alice.session.result(talk.now).sent.packets == pytest.approx(50, abs=1)


def test_held_by_an_address_to_which_nothing_can_be_sent() -> None:
    """As RFC 2543 had it (RFC 3264 §8.4)."""
    nowhere = SocketAddress("0.0.0.0", 4000)
    talk = Talk(CALLS, ECHOES)
    talk.run(1)
    talk.alice.session.move(replace(CALLS, remote=nowhere, sends=False), talk.now)
    talk.run(3)
    assert {each.remote.host for each in talk.alice.sent} == {BOB.host}
    begun = MediaSession(replace(CALLS, remote=nowhere, sends=False), random.Random(1).randbytes, 0.0, EPOCH)
    begun.handle_timeout(10.0)
    assert not begun.drain()


def test_an_inactive_peer_is_not_said_to_have_stopped() -> None:
    talk = Talk(CALLS, ECHOES)
    talk.run(1)
    talk.alice.session.move(replace(CALLS, sends=False, receives=False), talk.now)
    talk.bob.session.move(replace(ECHOES, sends=False, receives=False), talk.now)
    talk.run(3)
    assert MediaEventKind.STALLED not in talk.alice.kinds
