"""The responder's session descriptions."""

import pytest

from probes.codecs import CODECS
from probes.responder.answer import Choice, Place, answer_to, capabilities, choose, offer_of
from sipcore.errors import LocalError
from sipcore.sdp.attributes import G722, PCMA, PCMU, Direction
from sipcore.sdp.description import SessionDescription

PLACE = Place("192.0.2.4", 5000, 7)
OFFER = """\
v=0
o=- 1 1 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=0 0
m=audio 4000 RTP/AVP 18 8 0 101
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
"""


def parse(text: str) -> SessionDescription:
    return SessionDescription.parse(text, [])


def answered(text: str) -> str:
    offer = parse(text)
    choice = choose(offer, (PCMU, PCMA, CODECS["opus"]))
    assert choice is not None
    return str(answer_to(offer, choice, PLACE))


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


def test_other_streams_are_refused() -> None:
    more = "m=video 4002 RTP/AVP 31 32\r\nm=audio 4004 RTP/AVP 0\r\n"
    assert answered(OFFER + more).endswith("m=video 0 RTP/AVP 31\r\nm=audio 0 RTP/AVP 0\r\n")


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive"), ("sendrecv", "sendrecv")],
)
def test_direction_is_turned_round(attribute: str, expected: str) -> None:
    assert f"a={expected}\r\n" in answered(f"{OFFER}a={attribute}\r\n")


def test_the_time_is_the_offers() -> None:
    assert "t=2873397496 2873404696\r\n" in answered(OFFER.replace("t=0 0", "t=2873397496 2873404696"))


def test_dynamic_payload_types_are_those_of_the_offer() -> None:
    text = OFFER.replace("18 8 0", "111").replace("a=rtpmap:101", "a=rtpmap:111 OPUS/48000/2\na=rtpmap:101")
    assert "m=audio 5000 RTP/AVP 111 101\r\na=rtpmap:111 OPUS/48000/2\r\n" in answered(text)


@pytest.mark.parametrize(
    "change",
    [
        ("RTP/AVP", "RTP/SAVP"),
        ("audio 4000", "audio 0"),
        ("m=audio", "m=video"),
        ("18 8 0 101", "18 101"),
        ("m=audio 4000 RTP/AVP 18 8 0 101\n", ""),
    ],
)
def test_nothing_in_common(change: tuple[str, str]) -> None:
    text = OFFER.replace(*change).replace("a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\n", "")
    assert choose(parse(text), (PCMU, PCMA)) is None


def test_choice() -> None:
    offer = parse(OFFER + "a=sendonly\n")
    events = offer.media[0].codecs[-1]
    assert choose(offer, (PCMU,)) == Choice(0, PCMU, events, Direction.RECVONLY)
    second = parse(OFFER.replace("m=audio", "m=audio 4000 RTP/SAVP 0\nm=audio"))
    chosen = choose(second, (PCMU,))
    assert chosen is not None
    assert chosen.stream == 1


def test_an_offer_that_must_not_be_repeated() -> None:
    """What was read by tolerance is not sent again: port 0 and the protocol of a stream are part of the answer."""
    offer = parse(OFFER + "m=x[y 1 RTP/AVP 0\n")
    choice = choose(offer, (PCMU,))
    assert choice is not None
    with pytest.raises(LocalError):
        answer_to(offer, choice, PLACE)


def test_offer_and_capabilities() -> None:
    assert "m=audio 5000 RTP/AVP 0 9 101\r\n" in str(offer_of((PCMU, G722), PLACE))
    told = capabilities((PCMU, G722), PLACE)
    assert told.media[0].port == 0
    assert [codec.encoding for codec in told.media[0].codecs] == ["PCMU", "G722", "telephone-event"]
    everything = capabilities(tuple(CODECS.values()), Place("2001:db8::1", 0, 1))
    assert "c=IN IP6 2001:db8::1\r\n" in str(everything)
