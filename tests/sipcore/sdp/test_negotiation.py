"""Answers to offers, and what both descriptions agree on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import LocalError, ParseError
from sipcore.sdp.attributes import G722, G729, PCMA, PCMU, Codec
from sipcore.sdp.build import audio_description, origin_of
from sipcore.sdp.codecs import CODECS
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.fields import Attribute, Connection
from sipcore.sdp.negotiation import Capability, Choice, Place, agree, answer_to, choose
from sipcore.sdp.terms import Direction

OPUS = CODECS["opus"]
AUDIO = Capability((PCMU, PCMA, OPUS), single=True)
H264 = Codec(99, "H264", 90000, fmtp="packetization-mode=1")
PLACE = Place("192.0.2.4", 5000)
ORIGIN = origin_of("192.0.2.4", 7)
OFFER = """\
v=0
o=- 1 1 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=0 0
m=audio 4000 RTP/AVP 18 8 0 101
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
"""
SENDRECV, SENDONLY, RECVONLY, INACTIVE = Direction
SHORTER = [("18 8 0 101", "18 8 0"), ("a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\n", "")]


def parse(text: str) -> SessionDescription:
    return SessionDescription.parse(text, [])


def answered(text: str, *capabilities: Capability) -> str:
    offer = parse(text)
    choices = choose(offer, capabilities or [AUDIO])
    places = [Place("192.0.2.4", 5000 + 2 * number) for number in range(len(choices))]
    return str(answer_to(offer, list(zip(choices, places, strict=True)), ORIGIN))


def test_answer() -> None:
    assert answered(OFFER) == (
        "v=0\r\n"
        "o=- 7 1 IN IP4 192.0.2.4\r\n"
        "s=-\r\n"
        "c=IN IP4 192.0.2.4\r\n"
        "t=0 0\r\n"
        "m=audio 5000 RTP/AVP 8 101\r\n"
        "a=rtpmap:8 PCMA/8000\r\n"
        "a=rtpmap:101 telephone-event/8000\r\n"
        "a=fmtp:101 0-15\r\n"
        "a=sendrecv\r\n"
    )


def test_all_codecs_in_the_order_of_the_offer() -> None:
    assert "m=audio 5000 RTP/AVP 18 8 0 101\r\n" in answered(OFFER, Capability((PCMU, PCMA, G729)))


def test_other_streams_are_refused_in_their_places() -> None:
    text = OFFER.replace("m=audio", "m=video 4002 RTP/AVP 31 32\nm=audio") + "m=audio 4004 RTP/AVP 0\n"
    lines = [line for line in answered(text).splitlines() if line.startswith("m=")]
    assert lines == ["m=video 0 RTP/AVP 31", "m=audio 5000 RTP/AVP 8 101", "m=audio 0 RTP/AVP 0"]


def test_several_streams() -> None:
    text = OFFER + "m=video 4002 RTP/AVP 97\na=rtpmap:97 H264/90000\n"
    video = Capability((H264,), media="video", direction=RECVONLY, events=False)
    offer = parse(text)
    choices = choose(offer, [video, AUDIO])
    places = [PLACE, Place("192.0.2.5", 6000, (Attribute("label", "main"),))]
    answer = answer_to(offer, list(zip(choices, places, strict=True)), ORIGIN)
    assert str(answer.media[1]).splitlines() == [
        "m=video 6000 RTP/AVP 97",
        "c=IN IP4 192.0.2.5",
        "a=rtpmap:97 H264/90000",
        "a=fmtp:97 packetization-mode=1",
        "a=recvonly",
        "a=label:main",
    ]
    assert answer.connection_of(answer.media[0]) == Connection.of("192.0.2.4")


def test_a_capability_serves_one_stream() -> None:
    text = OFFER + "m=audio 4004 RTP/AVP 0\n"
    assert [choice.stream for choice in choose(parse(text), [AUDIO])] == [0]
    assert [choice.stream for choice in choose(parse(text), [AUDIO, AUDIO])] == [0, 1]


def test_nothing_is_taken() -> None:
    assert "m=audio 0 RTP/AVP 18\r\n" in answered(OFFER, Capability((G722,)))
    without = OFFER.partition("m=")[0]
    assert "m=" not in answered(without)


DIRECTIONS = [
    # RFC 3264 §6.1: offered, wanted here, answered
    *[(SENDRECV, here, here) for here in Direction],
    *[(INACTIVE, here, INACTIVE) for here in Direction],
    (SENDONLY, SENDRECV, RECVONLY),
    (SENDONLY, SENDONLY, INACTIVE),
    (SENDONLY, RECVONLY, RECVONLY),
    (SENDONLY, INACTIVE, INACTIVE),
    (RECVONLY, SENDRECV, SENDONLY),
    (RECVONLY, SENDONLY, SENDONLY),
    (RECVONLY, RECVONLY, INACTIVE),
    (RECVONLY, INACTIVE, INACTIVE),
]


@pytest.mark.parametrize(("offered", "here", "expected"), DIRECTIONS)
def test_direction(offered: Direction, here: Direction, expected: Direction) -> None:
    text = f"{OFFER}a={offered.value}\n"
    assert answered(text, Capability((PCMU,), direction=here)).endswith(f"a={expected.value}\r\n")


@pytest.mark.parametrize(("offered", "expected"), [("sendrecv", RECVONLY), ("recvonly", INACTIVE)])
def test_hold_as_in_rfc_2543(offered: str, expected: Direction) -> None:
    """The address 0.0.0.0: nothing is to be sent there (RFC 3264 §8.4)."""
    offer = parse(f"{OFFER}a={offered}\n".replace("c=IN IP4 192.0.2.1", "c=IN IP4 0.0.0.0"))
    (choice,) = choose(offer, [AUDIO])
    assert choice.direction is expected
    (stream,) = agree(answer_to(offer, [(choice, PLACE)], ORIGIN), offer)
    assert stream is not None
    assert (stream.held, stream.direction, stream.rtcp) == (True, expected, None)


def test_the_time_is_the_offers() -> None:
    assert "t=2873397496 2873404696\r\n" in answered(OFFER.replace("t=0 0", "t=2873397496 2873404696"))


def test_dynamic_payload_types_are_those_of_the_offer() -> None:
    text = OFFER.replace("18 8 0", "111").replace("a=rtpmap:101", "a=rtpmap:111 OPUS/48000/2\na=rtpmap:101")
    assert "m=audio 5000 RTP/AVP 111 101\r\na=rtpmap:111 OPUS/48000/2\r\n" in answered(text)


def test_format_parameters_are_this_sides_or_else_the_offers() -> None:
    text = OFFER.replace("18 8 0", "111").replace(
        "a=rtpmap:101", "a=rtpmap:111 opus/48000/2\na=fmtp:111 useinbandfec=1\na=rtpmap:101"
    )
    assert "a=fmtp:111 useinbandfec=1\r\n" in answered(text)
    own = Codec(96, "opus", 48000, 2, "maxplaybackrate=16000")
    assert "a=fmtp:111 maxplaybackrate=16000\r\n" in answered(text, Capability((own,)))


def test_events_of_another_clock_rate_may_come_where_both_have_them() -> None:
    both_rates = parse(
        OFFER.replace("18 8 0 101", "111 101 100") + ("a=rtpmap:111 opus/48000/2\na=rtpmap:100 telephone-event/48000\n")
    )
    one_rate = parse(OFFER.replace("18 8 0 101", "111 101") + "a=rtpmap:111 opus/48000/2\n")
    (stream,) = agree(both_rates, both_rates)
    assert stream is not None
    assert (stream.events, stream.other_events) == (
        Codec(100, "telephone-event", 48000, fmtp="0-15"),
        (Codec(101, "telephone-event", 8000, fmtp="0-16"),),
    )
    (stream,) = agree(both_rates, one_rate)
    assert stream is not None
    assert stream.events is not None
    assert (stream.events.clock_rate, stream.other_events) == (8000, ())


def test_events_go_by_the_clock_rate() -> None:
    text = OFFER.replace("18 8 0 101", "111 100 101").replace(
        "a=rtpmap:101", "a=rtpmap:111 opus/48000/2\na=rtpmap:100 telephone-event/48000\na=rtpmap:101"
    )
    assert "m=audio 5000 RTP/AVP 111 100\r\n" in answered(text)
    assert "m=audio 5000 RTP/AVP 111 101\r\n" in answered(text.replace("event/48000", "event/16000"))
    assert "m=audio 5000 RTP/AVP 111\r\n" in answered(text, Capability((OPUS,), events=False))


def test_packets_and_control() -> None:
    text = OFFER + "a=rtcp-mux\na=ptime:30\n"
    told = answered(text, Capability((PCMU,), rtcp_mux=True, ptime=20))
    assert told.endswith("a=ptime:20\r\na=sendrecv\r\na=rtcp-mux\r\n")
    assert "rtcp-mux" not in answered(text)
    assert "rtcp-mux" not in answered(OFFER, Capability((PCMU,), rtcp_mux=True))


@pytest.mark.parametrize(
    "change",
    [
        ("RTP/AVP", "RTP/SAVP"),
        ("audio 4000", "audio 0"),
        ("audio 4000", "audio 70000"),
        ("m=audio", "m=video"),
        ("18 8 0", "18"),
        ("m=audio 4000 RTP/AVP 18 8 0\n", ""),
        ("c=IN IP4 192.0.2.1", "c=IN IP4 224.2.1.1/127"),
    ],
)
def test_nothing_in_common(change: tuple[str, str]) -> None:
    text = OFFER
    for old, new in (*SHORTER, change):
        text = text.replace(old, new)
    assert choose(parse(text), [Capability((PCMU, PCMA))]) == ()


def test_choice() -> None:
    offer = parse(OFFER + "a=sendonly\n")
    events = Codec(101, "telephone-event", 8000, fmtp="0-15")
    (choice,) = choose(offer, [Capability((PCMU,))])
    assert choice == Choice(0, (PCMU,), events, RECVONLY)
    assert choice.codec == PCMU


def test_an_offer_that_must_not_be_repeated() -> None:
    """What was read by tolerance is not sent again: port 0 and the protocol of a stream are part of the answer."""
    offer = parse(OFFER + "m=x[y 1 RTP/AVP 0\n")
    (choice,) = choose(offer, [AUDIO])
    with pytest.raises(LocalError):
        answer_to(offer, [(choice, PLACE)], ORIGIN)


# What both agree on


def offer_here(**changes: object) -> SessionDescription:
    given: dict[str, object] = {"address": "192.0.2.1", "port": 4000, "session_id": 1, "session_version": 1}
    given |= {"codecs": [OPUS, PCMA, PCMU], **changes}
    return audio_description(**given)  # type: ignore[arg-type]


def answer_there(offer: SessionDescription, capability: Capability) -> SessionDescription:
    choices = choose(offer, [capability])
    return answer_to(offer, [(choice, PLACE) for choice in choices], ORIGIN)


def test_both_sides_agree() -> None:
    offer = offer_here()
    answer = answer_there(offer, Capability((PCMU, PCMA), ptime=30))
    (offerers,) = agree(offer, answer)
    (answerers,) = agree(answer, offer)
    assert offerers is not None
    assert answerers is not None
    assert offerers.codecs == answerers.codecs == offerers.receives == answerers.receives == (PCMA, PCMU)
    assert (offerers.connection.address, offerers.port) == ("192.0.2.4", 5000)
    assert (answerers.connection.address, answerers.port) == ("192.0.2.1", 4000)
    assert offerers.events == answerers.events == Codec(101, "telephone-event", 8000, fmtp="0-15")
    assert (offerers.ptime, answerers.ptime) == (30, 20)
    assert offerers.rtcp == (Connection.of("192.0.2.4"), 5001)
    assert not offerers.held


def test_the_peers_payload_types_are_sent_and_the_local_ones_come() -> None:
    """RFC 3264 §6.1: "it MUST use the payload type numbers from the offer, even if they differ from those"."""
    offer = offer_here(codecs=[OPUS])
    answer = parse(str(answer_there(offer, Capability((OPUS,)))).replace("96", "111"))
    (stream,) = agree(offer, answer)
    assert stream is not None
    assert [codec.payload_type for codec in stream.codecs] == [111]
    assert [codec.payload_type for codec in stream.receives] == [96]


def test_control_along_with_media() -> None:
    offer = offer_here(attributes=[Attribute("rtcp-mux")])
    (stream,) = agree(offer, answer_there(offer, Capability((PCMU,), rtcp_mux=True)))
    assert stream is not None
    assert (stream.rtcp, stream.rtcp_mux) == (None, True)


def test_a_refused_stream() -> None:
    offer = offer_here()
    assert agree(offer, answer_there(offer, Capability((G722,)))) == (None,)


@pytest.mark.parametrize(
    ("change", "section"),
    [(("m=audio", "m=video"), "RFC 3264 §6.1"), (("m=audio", "m=video 0 RTP/AVP 31\r\nm=audio"), "RFC 3264 §6")],
)
def test_an_answer_to_something_else(change: tuple[str, str], section: str) -> None:
    offer = offer_here()
    answer = parse(str(answer_there(offer, AUDIO)).replace(*change))
    with pytest.raises(ParseError) as caught:
        agree(offer, answer)
    assert (caught.value.section, caught.value.status) == (section, 488)


def test_an_answer_with_nothing_in_common() -> None:
    (stream,) = agree(offer_here(codecs=[PCMU]), offer_here(codecs=[G729], telephone_event=None))
    assert stream is not None
    assert (stream.codecs, stream.receives, stream.events) == ((), (), None)


CODEC = st.sampled_from([PCMU, PCMA, G722, G729, OPUS])
CAPABILITY = st.builds(
    Capability,
    st.lists(CODEC, min_size=1, unique=True).map(tuple),
    direction=st.sampled_from(Direction),
    rtcp_mux=st.booleans(),
    single=st.booleans(),
)


@given(st.lists(CODEC, min_size=1, unique=True), st.sampled_from(Direction), CAPABILITY)
def test_an_answer_is_legal_and_both_sides_agree(
    codecs: list[Codec], direction: Direction, capability: Capability
) -> None:
    offer = offer_here(codecs=codecs, direction=direction)
    answer = parse(str(answer_there(offer, capability)))
    (offerers,), (answerers,) = agree(offer, answer), agree(answer, offer)
    assert (offerers is None) == (answerers is None) == (not set(codecs) & set(capability.codecs))
    if offerers is None or answerers is None:
        return
    assert offerers.codecs == answerers.receives
    assert answerers.codecs == offerers.receives
    assert set(offerers.codecs) <= set(codecs) & set(capability.codecs)
    assert offerers.direction is answerers.direction.reversed
    assert offerers.direction.sends <= direction.sends
    assert answerers.direction.sends <= capability.direction.sends
