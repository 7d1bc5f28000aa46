"""Descriptions of our own making."""

import pytest

from sipcore.errors import LocalError
from sipcore.sdp.attributes import G729, PCMA, PCMU, Codec
from sipcore.sdp.build import audio_description, media_description, telephone_event_codec
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.fields import Attribute, Connection
from sipcore.sdp.terms import Direction

OPUS = Codec(96, "opus", 48000, 2, "useinbandfec=1")


def test_what_a_call_needs() -> None:
    description = audio_description(
        address="192.0.2.1", port=40000, session_id=7, session_version=8, codecs=[PCMA, PCMU]
    )
    assert str(description).splitlines() == [
        "v=0",
        "o=- 7 8 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "m=audio 40000 RTP/AVP 8 0 101",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
    ]
    assert SessionDescription.parse(bytes(description)) == description
    description.check_attributes()


def test_every_option() -> None:
    description = audio_description(
        address="2001:db8::1",
        port=40002,
        session_id=1,
        session_version=2,
        codecs=[OPUS, G729],
        direction=Direction.INACTIVE,
        ptime=2.5,
        telephone_event=None,
        protocol="RTP/SAVP",
        attributes=[Attribute("rtcp-mux")],
    )
    assert description.origin.address_type == "IP6"
    assert description.connection == Connection("IN", "IP6", "2001:db8::1")
    assert str(description.media[0]).splitlines() == [
        "m=audio 40002 RTP/SAVP 96 18",
        "a=rtpmap:96 opus/48000/2",
        "a=fmtp:96 useinbandfec=1",
        "a=rtpmap:18 G729/8000",
        "a=ptime:2.5",
        "a=inactive",
        "a=rtcp-mux",
    ]
    assert description.media[0].codecs == (OPUS, G729)
    assert (
        audio_description(address="192.0.2.1", port=1, session_id=1, session_version=1, codecs=[PCMU], ptime=None)
        .media[0]
        .ptime
        is None
    )


@pytest.mark.parametrize(("codecs", "rate"), [([PCMU], 8000), ([OPUS, PCMU], 8000), ([OPUS], 48000), ([], 8000)])
def test_telephone_events_tick_with_the_audio(codecs: list[Codec], rate: int) -> None:
    assert telephone_event_codec(100, codecs) == Codec(100, "telephone-event", rate, fmtp="0-15")


@pytest.mark.parametrize(
    ("first", "codecs", "formats"),
    [
        (101, [PCMU], ["0", "101"]),
        (101, [OPUS, PCMU], ["96", "0", "101", "102"]),
        (101, [Codec(102, "opus", 48000, 2)], ["102", "101", "103"]),
        (127, [PCMU, OPUS], ["0", "96", "127", "97"]),
    ],
)
def test_each_clock_rate_has_its_telephone_events(first: int, codecs: list[Codec], formats: list[str]) -> None:
    media = media_description(codecs, 4000, telephone_event=first)
    assert list(media.formats) == formats
    events = [codec.clock_rate for codec in media.codecs if codec.encoding == "telephone-event"]
    assert set(events) == {8000} | {codec.clock_rate for codec in codecs}
    assert [codec for codec in media.codecs if codec.encoding != "telephone-event"] == codecs


@pytest.mark.parametrize("address", ["host.example.com", "", "192.0.2.256", "fe80::1%eth0", "[::1]", "192.0.2.1\r\n"])
def test_the_address_must_be_one(address: str) -> None:
    with pytest.raises(LocalError):
        audio_description(address=address, port=1, session_id=1, session_version=1, codecs=[PCMU])


@pytest.mark.parametrize("codecs", [[], [PCMU, PCMU], [Codec(101, "L16", 8000)]])
def test_payload_types_must_differ(codecs: list[Codec]) -> None:
    with pytest.raises(LocalError):
        audio_description(address="192.0.2.1", port=1, session_id=1, session_version=1, codecs=codecs)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_out_of_range_is_not_sent(port: int) -> None:
    description = audio_description(address="192.0.2.1", port=port, session_id=1, session_version=1, codecs=[PCMU])
    with pytest.raises(LocalError):
        bytes(description)
