"""Offers that change a session."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import LocalError
from sipcore.sdp.attributes import G722, PCMA, PCMU, Codec
from sipcore.sdp.build import audio_description, media_description
from sipcore.sdp.codecs import CODECS
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.fields import Attribute
from sipcore.sdp.modify import (
    all_refused,
    continued,
    directed,
    next_offer,
    renumbered,
    revised,
    widened,
    with_stream,
    without_stream,
)
from sipcore.sdp.terms import Direction

OPUS = CODECS["opus"]
SENDRECV, SENDONLY, _, _ = Direction
VIDEO = media_description([Codec(97, "H264", 90000)], 4002, media="video", ptime=None, telephone_event=None)


def session(codecs: list[Codec] | None = None) -> SessionDescription:
    return audio_description(
        address="192.0.2.1", port=4000, session_id=3, session_version=5, codecs=codecs or [OPUS, PCMA]
    )


def version(description: SessionDescription) -> int:
    return description.origin.session_version


def test_an_answer_that_takes_nothing_is_valid() -> None:
    offer = session().replace(media=(*session().media, VIDEO))
    answer = SessionDescription.parse(bytes(all_refused(offer)))
    assert [(media.media, media.port) for media in answer.media] == [("audio", 0), ("video", 0)]
    assert answer.timings == offer.timings


def test_the_version_goes_up_exactly_when_the_text_changes() -> None:
    first = session()
    assert revised(first, session()) is first
    on_hold = next_offer(first, directed(first, SENDONLY))
    assert version(on_hold) == 6
    again = next_offer(on_hold, directed(on_hold, SENDONLY))
    assert again is on_hold
    back = next_offer(on_hold, directed(on_hold, SENDRECV))
    assert version(back) == 7
    assert str(back).replace("3 7", "3 5") == str(first)


def test_the_origin_stays_whatever_was_wanted() -> None:
    first = session()
    other = audio_description(address="192.0.2.9", port=6000, session_id=99, session_version=1, codecs=[PCMU])
    changed = next_offer(first, other)
    assert str(changed.origin) == "- 3 6 IN IP4 192.0.2.1"
    assert changed.media == other.media


def test_all_streams_have_a_direction_but_the_refused_ones() -> None:
    first = with_stream(with_stream(session(), VIDEO), VIDEO)
    on_hold = directed(without_stream(first, 1).replace(attributes=first.media[0].attributes[-1:]), SENDONLY)
    assert [stream.direction for stream in on_hold.media] == [SENDONLY, None, SENDONLY]
    assert on_hold.direction is None  # what was said for the session as a whole


def test_a_removed_stream_leaves_its_place_to_another() -> None:
    two = with_stream(session(), VIDEO)
    assert [stream.media for stream in two.media] == ["audio", "video"]
    one = without_stream(two, 0)
    assert str(one.media[0]) == "m=audio 0 RTP/AVP 96\r\n"
    again = with_stream(one, media_description([PCMU], 4004))
    assert [(stream.media, stream.port) for stream in again.media] == [("audio", 4004), ("video", 4002)]
    assert [stream.port for stream in with_stream(again, VIDEO).media] == [4004, 4002, 4002]


def test_streams_do_not_get_fewer() -> None:
    with pytest.raises(LocalError, match="2 streams cannot become 1"):
        next_offer(with_stream(session(), VIDEO), session())


def test_payload_types_keep_their_meaning() -> None:
    other = Codec(96, "iLBC", 8000)
    with pytest.raises(LocalError, match="payload type 96 opus/48000/2 cannot become 96 iLBC/8000"):
        next_offer(session(), session([other]))
    first = session()
    numbered = renumbered([other, Codec(98, "opus", 48000, 2), PCMU], first.media[0])
    assert [codec.payload_type for codec in numbered] == [97, 96, 0]
    next_offer(first, session(list(numbered)))
    next_offer(without_stream(first, 0), session([other]))  # the place was free: it is another stream
    next_offer(first, first.with_media(0, VIDEO))


def test_payload_types_run_out() -> None:
    many = media_description(
        [Codec(number, f"x{number}", 8000) for number in range(96, 128)], 4000, telephone_event=None
    )
    with pytest.raises(LocalError, match="no payload type is left"):
        renumbered([Codec(96, "y", 8000)], many)


@given(st.lists(st.lists(st.sampled_from([PCMU, PCMA, G722, OPUS]), min_size=1, unique=True), max_size=8))
def test_versions_over_a_session(changes: list[list[Codec]]) -> None:
    """One version, one text."""
    seen: dict[int, bytes] = {}
    current = session([PCMU])
    for codecs in changes:
        current = next_offer(current, current.with_media(0, media_description(codecs, 4000, telephone_event=None)))
        assert seen.setdefault(version(current), bytes(current)) == bytes(current)
    assert list(seen) == sorted(seen)


def secured(*attributes: str, protocol: str = "RTP/SAVP") -> SessionDescription:
    """A session whose audio says this of its keys."""
    (media,) = session().media
    told = tuple(Attribute(*each.split(":", 1)) for each in attributes)
    return session().replace(media=(media.replace(protocol=protocol, attributes=(*media.attributes, *told)),))


def answered(local: SessionDescription, offer: SessionDescription, remote: SessionDescription | None = None) -> str:
    answer = continued(local, offer, SENDRECV, local, remote)
    return "" if answer is None else str(answer)


KEY, OTHER = "A" * 40, "B" * 40
SUITES = f"crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}", f"crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{OTHER}"


@pytest.mark.parametrize(
    ("offered", "said"),
    [
        ((f"crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{OTHER}",), f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
        ((f"crypto:7 AES_CM_128_HMAC_SHA1_32 inline:{KEY}",), f"a=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:{OTHER}"),
        (
            (f"crypto:1 F8_128_HMAC_SHA1_80 inline:{KEY}", f"crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            f"a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY}",
        ),
        *(
            ((f"crypto:1 {strange}", f"crypto:2 {plain}"), f"a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")
            for plain in (f"AES_CM_128_HMAC_SHA1_80 inline:{OTHER}|2^20 WSH=64 -NEW=1",)
            for strange in (
                f"AES_CM_128_HMAC_SHA1_80 inline:{OTHER}|1:4",
                f"AES_CM_128_HMAC_SHA1_80 inline:{OTHER};inline:{KEY}",
                f"AES_CM_128_HMAC_SHA1_80 inline:{OTHER} UNENCRYPTED_SRTP",
            )
        ),
    ],
)
def test_the_answer_to_a_change_has_the_one_key_that_is_taken(offered: tuple[str, ...], said: str) -> None:
    """RFC 4568 §5.1.2: and none of the others that were offered here before."""
    answer = answered(secured(*SUITES), secured(*offered))
    assert [line for line in answer.splitlines() if line.startswith("a=crypto")] == [said]


@pytest.mark.parametrize("offered", [(), ("crypto:nonsense",), (f"crypto:1 F8_128_HMAC_SHA1_80 inline:{KEY}",)])
def test_a_change_without_a_key_that_is_known_is_refused(offered: tuple[str, ...]) -> None:
    assert answered(secured(*SUITES), secured(*offered)) == ""
    plain = answered(secured(*SUITES, protocol="RTP/AVP"), secured(*offered, protocol="RTP/AVP"))
    assert plain
    assert "crypto" not in plain


@pytest.mark.parametrize(
    ("own", "offered", "before", "said"),
    [
        ("actpass", "actpass", "active", "passive"),
        ("actpass", "actpass", "passive", "active"),
        ("actpass", "active", "active", "passive"),
        ("actpass", "passive", "passive", "active"),
        ("actpass", "passive", "active", "active"),
        ("active", "actpass", "actpass", "active"),
        ("passive", "actpass", "actpass", "passive"),
        ("active", "holdconn", "passive", "holdconn"),
        ("holdconn", "actpass", "holdconn", "active"),
        ("holdconn", "active", "holdconn", "passive"),
        ("active", "active", "passive", "passive"),
        ("passive", "nonsense", "active", "passive"),
    ],
)
def test_the_answer_to_a_change_says_who_begins_a_handshake(own: str, offered: str, before: str, said: str) -> None:
    """RFC 5763 §5: `actpass` is for offers; RFC 8842 §5.3: who has begun it stays that."""
    local, offer, remote = (
        secured(f"setup:{each}", "fingerprint:sha-256 AA", protocol="UDP/TLS/RTP/SAVP")
        for each in (own, offered, before)
    )
    answer = answered(local, offer, remote)
    assert [line for line in answer.splitlines() if line.startswith("a=setup")] == [f"a=setup:{said}"]


@pytest.mark.parametrize("offered", [True, False])
def test_rtcp_goes_along_with_rtp_where_that_is_offered_again(offered: bool) -> None:
    muxed = secured("crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + KEY).with_media(
        0, secured(SUITES[0]).media[0].with_attribute("rtcp-mux")
    )
    answer = answered(muxed, muxed if offered else secured(SUITES[0]))
    assert ("a=rtcp-mux" in answer) is offered


AMR = Codec(96, "AMR-WB", 16000)


@pytest.mark.parametrize(
    ("own", "remote", "formats"),
    [
        ([PCMA], None, ["8", "0", "96", "101"]),
        ([PCMA], [PCMA, PCMU], ["8", "0", "96", "101"]),
        ([PCMA], [AMR, PCMA], ["8", "0", "97", "101"]),  # 96 has a meaning
        ([PCMA], [replace(OPUS, payload_type=99), PCMA], ["8", "0", "99", "101"]),
        ([OPUS, PCMU, PCMA], None, ["96", "0", "8", "101", "102"]),
    ],
)
def test_an_offer_of_all_that_can_be_spoken(own: list[Codec], remote: list[Codec] | None, formats: list[str]) -> None:
    """What was agreed on comes first, and each payload type keeps its meaning (RFC 3264 §8.3.2)."""
    before = session(own)
    wide = widened(before, [PCMA, PCMU, OPUS], session(remote) if remote else None)
    assert list(wide.media[0].formats) == formats
    assert [codec.encoding for codec in wide.media[0].codecs if 96 <= codec.payload_type < 101] == ["opus"]
    next_offer(before, wide)
    assert SessionDescription.parse(bytes(wide)) == wide


def test_only_audio_that_is_there_is_widened() -> None:
    both = session([PCMA]).with_media(1, VIDEO)
    assert widened(both, [PCMU]).media[1] == VIDEO
    gone = without_stream(both, 0)
    assert widened(gone, [PCMU]) == gone


def test_no_payload_type_is_left_to_widen_with() -> None:
    taken = [Codec(number, f"x{number}", 8000) for number in range(96, 128) if number != 101]
    before = session([PCMA])
    assert widened(before, [OPUS], session([PCMA, *taken])) == before
