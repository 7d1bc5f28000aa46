"""Session descriptions as values: read, asked, changed, written."""

import dataclasses
import pickle
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sipcore.deviation import Deviation, Notes
from sipcore.errors import LocalError, ParseError, UnsafeValue
from sipcore.sdp.attributes import (
    CRYPTO,
    G722,
    G729,
    GROUP,
    PCMA,
    PCMU,
    PTIME,
    Candidate,
    Codec,
    Fingerprint,
    Group,
    RtcpAddress,
    Setup,
    Source,
)
from sipcore.sdp.description import MediaDescription, SessionDescription
from sipcore.sdp.fields import Attribute, Bandwidth, Connection, Key, Origin, Repeat, Timing, ZoneAdjustment
from sipcore.sdp.terms import Direction

FIXTURES = Path(__file__).parents[3] / "fixtures" / "sdp"
NAMES = ["announcement", "audio", "careless", "srtp", "webrtc"]

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
EVENT = Codec(101, "telephone-event", 8000, fmtp="0-15")


def fixture(name: str) -> bytes:
    return (FIXTURES / f"{name}.sdp").read_bytes()


def parse(name: str) -> SessionDescription:
    return SessionDescription.parse(fixture(name), [])


def media_of(*lines: str) -> MediaDescription:
    """The one media description of a session that has it."""
    text = HEAD + "".join(f"{line}\r\n" for line in lines)
    return SessionDescription.parse(text, []).media[0]


@pytest.mark.parametrize("name", NAMES)
def test_untouched_it_is_the_very_same_bytes(name: str) -> None:
    data = fixture(name)
    assert bytes(SessionDescription.parse(data, [])) == data
    text = data.decode(errors="surrogateescape")
    assert str(SessionDescription.parse(text, [])) == text


def test_a_call() -> None:
    session = SessionDescription.parse(fixture("audio"))
    (media,) = session.media
    assert session.origin == Origin("-", 3941221337, 3941221337, "IN", "IP4", "192.0.2.10")
    assert (session.name, session.timings) == ("-", (Timing(),))
    assert (media.media, media.port, media.protocol, media.formats) == ("audio", 40000, "RTP/AVP", ("8", "0", "101"))
    assert media.codecs == (PCMA, PCMU, EVENT)
    assert (media.ptime, media.maxptime, media.direction) == (20.0, None, Direction.SENDRECV)
    assert session.connection_of(media) == Connection.of("192.0.2.10")
    assert session.rtcp_of(media) == RtcpAddress(40001, Connection.of("192.0.2.10"))
    assert media.is_rtp
    assert media.is_reachable
    assert not media.is_rejected
    assert not media.rtcp_mux


def test_keys_and_a_rejected_stream() -> None:
    session = SessionDescription.parse(fixture("srtp"))
    audio, image = session.media
    assert session.bandwidths == (Bandwidth("AS", 128),)
    assert session.connection == Connection("IN", "IP6", "2001:db8::17")
    assert audio.codecs == (G722, dataclasses.replace(G729, fmtp="annexb=no"), PCMU)
    assert audio.codecs[1].parameter("annexb") == "no"
    first, second = audio.crypto
    assert (first.tag, first.suite, first.keys[0].lifetime, first.keys[0].mki) == (
        1,
        "AES_CM_128_HMAC_SHA1_80",
        2**31,
        (7, 4),
    )
    assert second.session_parameters == ("UNENCRYPTED_SRTCP",)
    assert audio.rtcp == RtcpAddress(31007, Connection("IN", "IP6", "2001:db8::18"))
    assert session.rtcp_of(audio) == audio.rtcp
    assert (audio.direction, session.direction_of(audio)) == (None, Direction.SENDONLY)
    assert audio.maxptime == 40
    assert image.is_rejected
    assert image.codecs == ()
    assert session.rtcp_of(image) is None


def test_what_a_browser_sends() -> None:
    session = SessionDescription.parse(fixture("webrtc"))
    audio, video = session.media
    assert session.groups == (Group("BUNDLE", ("audio", "video")),)
    assert session.ice_lite
    assert (audio.mid, video.mid) == ("audio", "video")
    assert session.fingerprints_of(audio) == (Fingerprint("sha-256", bytes(i * 17 for i in range(16)) * 2),)
    assert session.setup_of(audio) is Setup.ACTPASS
    assert session.setup_of(video) is None
    assert session.ice_credentials_of(audio) == ("Zq4t", "thisIsNotAnIcePassword00")
    assert session.ice_credentials_of(video) is None
    assert [candidate.type for candidate in audio.candidates] == ["host", "srflx"]
    assert audio.candidates[1] == Candidate(
        "2", 1, "udp", 1677729535, "203.0.113.7", 52000, "srflx", ("192.0.2.44", 52000)
    )
    assert audio.sources[0] == Source(3735928559, "cname", "d9yKwWmUgN")
    assert audio.codecs[0] == Codec(111, "opus", 48000, 2, "minptime=10;useinbandfec=1")
    assert audio.rtcp_mux
    assert video.port == 0
    assert not video.is_rejected, "it is only bundled with the audio"
    assert not video.is_reachable


def test_every_line_there_is() -> None:
    session = SessionDescription.parse(fixture("announcement"))
    assert session.name == "Caf\udce9 Concerto"
    assert session.information == "Une \udce9mission"
    assert session.uri == "http://radio.example.com/"
    assert session.emails == ("studio@example.com (Studio)", "Zo\udceb <zoe@example.com>")
    assert session.phones == ("+1 617 555-6011",)
    assert session.connection == Connection("IN", "IP4", "233.252.0.1", 127, 2)
    weekly = Repeat(604800, 3600, (0, 90000))
    zones = (ZoneAdjustment(3730928400, -3600), ZoneAdjustment(3749680800, 0))
    assert session.timings == (Timing(3724394400, 3754123200, (weekly, weekly), zones), Timing(3754200000, 0))
    (media,) = session.media
    assert (media.title, media.port_count) == ("Fran\udce7ais", 2)
    assert session.direction_of(media) is Direction.RECVONLY


def test_what_is_missing_is_none() -> None:
    session = SessionDescription.parse("v=0\no=- 1 1 IN IP4 192.0.2.1\nm=audio 1 RTP/AVP 0\n", [])
    assert session.name is None
    assert session.timings == ()
    assert session.connection_of(session.media[0]) is None
    assert session.direction_of(session.media[0]) is Direction.SENDRECV
    assert str(session.replace(media=())) == "v=0\no=- 1 1 IN IP4 192.0.2.1\n"


CODECS = [
    (("m=audio 1 RTP/AVP 0 8",), (PCMU, PCMA)),
    (("m=audio 1 RTP/AVP 0", "a=rtpmap:0 L16/16000"), (Codec(0, "L16", 16000),)),
    (("m=audio 1 RTP/AVP 31", "a=rtpmap:31 LPC"), (Codec(31, "H261", 90000),)),
    (("m=audio 1 RTP/AVP 0", "a=rtpmap:8 PCMA/8000"), (PCMU,)),
    (
        ("m=audio 1 RTP/AVP 96", "a=rtpmap:96 A/1", "a=rtpmap:96 B/2", "a=fmtp:96 a", "a=fmtp:96 b"),
        (Codec(96, "A", 1, fmtp="a"),),
    ),
    (("m=audio 1 RTP/AVP 96 PCMU 999 128 -1",), ()),
    (("m=audio 1 UDP/TLS/RTP/SAVPF 0",), (PCMU,)),
    (("m=audio 1 udp 0",), ()),
    (("m=audio 1 XRTP/AVP 0",), ()),
]


@pytest.mark.parametrize(("lines", "codecs"), CODECS)
def test_codecs(lines: tuple[str, ...], codecs: tuple[Codec, ...]) -> None:
    assert media_of(*lines).codecs == codecs


def test_codecs_are_read_once_and_follow_a_change() -> None:
    media = media_of("m=audio 1 RTP/AVP 0 8")
    assert media.codecs is media.codecs
    assert media.replace(formats=("8",)).codecs == (PCMA,)


@pytest.mark.parametrize(
    ("session", "media", "direction"),
    [
        ("a=x", "a=y", Direction.SENDRECV),
        ("a=inactive", "a=y", Direction.INACTIVE),
        ("a=inactive", "a=recvonly", Direction.RECVONLY),
        ("a=x", "a=sendonly", Direction.SENDONLY),
    ],
)
def test_direction_is_inherited(session: str, media: str, direction: Direction) -> None:
    description = SessionDescription.parse(f"{HEAD}{session}\r\nm=audio 1 RTP/AVP 0\r\n{media}\r\n")
    assert description.direction_of(description.media[0]) is direction


def test_the_nearest_connection_counts() -> None:
    description = SessionDescription.parse(
        HEAD + "m=audio 1 RTP/AVP 0\r\nc=IN IP4 192.0.2.2\r\nm=audio 1 RTP/AVP 0\r\n"
    )
    assert [description.connection_of(media) for media in description.media] == [
        Connection.of("192.0.2.2"),
        Connection.of("192.0.2.1"),
    ]


@pytest.mark.parametrize(
    ("lines", "rtcp"),
    [
        (("m=audio 40000 RTP/AVP 0",), RtcpAddress(40001, Connection.of("192.0.2.1"))),
        (("m=audio 40000 RTP/AVP 0", "a=rtcp:1"), RtcpAddress(1, Connection.of("192.0.2.1"))),
        (("m=audio 40000 RTP/AVP 0", "a=rtcp:x"), RtcpAddress(40001, Connection.of("192.0.2.1"))),
        (("m=audio 65535 RTP/AVP 0",), None),
        (("m=audio 65536 RTP/AVP 0",), None),
        (("m=audio 0 RTP/AVP 0",), None),
    ],
)
def test_where_rtcp_goes(lines: tuple[str, ...], rtcp: RtcpAddress | None) -> None:
    description = SessionDescription.parse(HEAD + "".join(f"{line}\r\n" for line in lines), [])
    assert description.rtcp_of(description.media[0]) == rtcp


def test_attributes_that_are_not_understood_are_ignored() -> None:
    media = media_of("m=audio 1 RTP/AVP 0", "a=ptime:soon", "a=ptime:30", "a=crypto:1", "a=mid", "a=setup:never")
    assert (media.ptime, media.crypto, media.mid, media.setup) == (30.0, (), None, None)
    assert media.read(PTIME) == (30.0,)
    assert media.first(CRYPTO) is None
    assert media.read(GROUP) == ()
    assert (media.get("ptime"), media.get("PTIME"), media.has("mid"), media.get("mid")) == ("soon", None, True, None)


def test_fmtp_of_any_protocol() -> None:
    media = media_of("m=image 1 udptl t38", "a=fmtp:t38 x=1")
    assert (media.fmtp("t38"), media.fmtp("t39")) == ("x=1", None)


FAULTS = [
    (("a=sendrecv", "a=sendrecv"), Deviation.SDP_ATTRIBUTE_TWICE),
    (("a=sendrecv", "a=inactive"), Deviation.SDP_ATTRIBUTE_TWICE),
    (("a=ptime:20", "a=ptime:20"), Deviation.SDP_ATTRIBUTE_TWICE),
    (("a=ptime:0",), Deviation.SDP_ATTRIBUTE_VALUE),
    (("a=ptime",), Deviation.SDP_ATTRIBUTE_VALUE),
    (("a=ptime: 20",), Deviation.SDP_EXTRA_SPACE),
    (("m=audio 1 RTP/AVP 96",), Deviation.SDP_NO_RTPMAP),
    (("m=audio 1 RTP/AVP PCMU",), Deviation.SDP_NO_RTPMAP),
]


@pytest.mark.parametrize(("lines", "deviation"), FAULTS)
def test_faults_of_attributes_are_named_on_request(lines: tuple[str, ...], deviation: Deviation) -> None:
    description = SessionDescription.parse(HEAD + "".join(f"{line}\r\n" for line in lines))
    notes: Notes = []
    description.check_attributes(notes)
    assert notes == [deviation]
    with pytest.raises(ParseError):
        description.check_attributes()


@pytest.mark.parametrize("name", ["announcement", "audio", "srtp", "webrtc"])
def test_no_faults(name: str) -> None:
    parse(name).check_attributes()


@pytest.mark.parametrize("name", NAMES)
def test_a_change_touches_one_line_only(name: str) -> None:
    before = parse(name)
    media = before.media[0]
    after = before.with_media(0, media.replace(port=media.port + 2))
    lines, changed = (str(description).split("\n") for description in (before, after))
    assert len(lines) == len(changed)
    (number,) = [number for number, line in enumerate(lines) if line != changed[number]]
    assert (
        changed[number]
        == lines[number].replace(str(media.port), str(media.port + 2), 1).replace(" \n", "").rstrip(" \r") + "\r"
    )


def test_hold_and_version_of_a_received_description() -> None:
    before = parse("audio")
    origin = dataclasses.replace(before.origin, session_version=before.origin.session_version + 1)
    held = before.replace(origin=origin).with_media(0, before.media[0].with_direction(Direction.SENDONLY))
    expected = fixture("audio").replace(b"337 3941221337", b"337 3941221338").replace(b"a=sendrecv", b"a=sendonly")
    assert bytes(held) == expected
    assert SessionDescription.parse(bytes(held)) == held


def test_attributes_are_changed_in_place() -> None:
    media = media_of("m=audio 1 RTP/AVP 0", "a=ptime:20", "a=sendonly", "a=x", "a=ptime:30", "a=inactive")
    assert [str(a) for a in media.with_attribute("ptime", "40").attributes] == ["ptime:40", "sendonly", "x", "inactive"]
    assert [str(a) for a in media.with_attribute("y").attributes][-2:] == ["inactive", "y"]
    assert [str(a) for a in media.without_attribute("ptime").attributes] == ["sendonly", "x", "inactive"]
    recvonly = media.with_direction(Direction.RECVONLY)
    assert [str(a) for a in recvonly.attributes] == ["ptime:20", "recvonly", "x", "ptime:30"]
    assert recvonly.direction is Direction.RECVONLY


def test_media_are_added_replaced_and_dropped() -> None:
    before = parse("srtp")
    text = MediaDescription("text", 0, "RTP/AVP", ("98",))
    added = before.with_media(2, text)
    assert bytes(added) == fixture("srtp") + b"m=text 0 RTP/AVP 98\r\n"
    assert bytes(before.with_media(1, text)).endswith(b"a=maxptime:40\r\nm=text 0 RTP/AVP 98\r\n")
    assert bytes(before.replace(media=())) == fixture("srtp").partition(b"m=")[0]


@pytest.mark.parametrize("ending", ["", "\r", "\r\n", "\n", "\r\n\r\n", "\n\n"])
def test_endings_survive_a_change(ending: str) -> None:
    description = SessionDescription.parse(HEAD + "m=audio 1 RTP/AVP 0" + ending, [])
    assert str(description) == HEAD + "m=audio 1 RTP/AVP 0" + ending
    more = description.with_media(1, MediaDescription("text", 0, "RTP/AVP", ("98",)))
    line_end = "\n" if ending.startswith("\n") else "\r\n"
    last = ending if ending.startswith("\r") else ending and "\r" + ending
    assert str(more) == f"{HEAD}m=audio 1 RTP/AVP 0{line_end}m=text 0 RTP/AVP 98{last}"


def test_the_text_of_one_media_description() -> None:
    media = parse("srtp").media[1]
    assert str(media) == "m=image 0 udptl t38\r\na=T38FaxVersion:0\r\n"
    assert media.lines() == ("m=image 0 udptl t38\r", "a=T38FaxVersion:0\r")


def test_a_description_of_our_own() -> None:
    origin = Origin("-", 1, 1, "IN", "IP4", "192.0.2.1")
    media = MediaDescription("audio", 40000, "RTP/AVP", ("0",), attributes=(Attribute("sendrecv"),))
    description = SessionDescription(origin, connection=Connection.of("192.0.2.1"), media=(media,))
    text = HEAD + "m=audio 40000 RTP/AVP 0\r\na=sendrecv\r\n"
    assert bytes(description) == text.encode()
    assert SessionDescription.parse(text) == description
    assert hash(SessionDescription.parse(text)) == hash(description)


@pytest.mark.parametrize("value", ["a\r\nb", "a\n", "\r", "\0"])
def test_no_value_begins_a_line_of_its_own(value: str) -> None:
    for name in NAMES:
        description = parse(name)
        media = description.media[0]
        for changed in (
            description.replace(name=value),
            description.replace(attributes=(Attribute("x", value),)),
            description.with_attribute(value),
            description.with_media(0, media.replace(title=value)),
            description.with_media(0, media.replace(formats=(value,))),
            description.with_media(0, media.with_attribute("x", value)),
        ):
            with pytest.raises(UnsafeValue):
                bytes(changed)


def test_what_must_be_there_cannot_be_left_out() -> None:
    origin = Origin("-", 1, 1, "IN", "IP4", "192.0.2.1")
    for description in (SessionDescription(origin, name=None), SessionDescription(origin, timings=())):
        with pytest.raises(LocalError):
            str(description)


def test_values_are_immutable_and_can_be_copied() -> None:
    description = parse("webrtc")
    with pytest.raises(dataclasses.FrozenInstanceError):
        description.media[0].port = 1  # type: ignore[misc]  # the point of it
    copied = pickle.loads(pickle.dumps(description))
    assert copied == description
    assert bytes(copied) == bytes(description)


@pytest.mark.parametrize("name", NAMES)
def test_no_key_in_a_repr(name: str) -> None:
    for line in fixture(name).decode(errors="surrogateescape").splitlines():
        for mark in ("inline:", "ice-pwd:"):
            key = line.partition(mark)[2].partition("|")[0].partition(" ")[0]
            assert not key or key not in repr(parse(name))
            assert not key or key not in repr([media.crypto for media in parse(name).media])


@given(st.binary(max_size=300) | st.sampled_from(NAMES).map(fixture))
@example(b"v=0\no=- 1 1 IN IP4 x\nm=audio 1 RTP/AVP 0\na=crypto:1\n")
def test_any_bytes_give_a_description_or_a_parse_error(data: bytes) -> None:
    try:
        description = SessionDescription.parse(data, [])
    except ParseError:
        return
    assert bytes(description) == data
    ask_everything(description)


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    data = bytearray(fixture(draw(st.sampled_from(NAMES))))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.integers(0, 8))
        data[start:end] = draw(
            st.binary(max_size=4) | st.sampled_from([b"\r\n", b" ", b":", b"a=", b"m=", b"99999999999"])
        )
    return bytes(data)


@given(mutations())
def test_a_mutated_description_reads_back_as_the_same_bytes_or_not_at_all(data: bytes) -> None:
    try:
        description = SessionDescription.parse(data, [])
    except ParseError:
        return
    assert bytes(description) == data
    ask_everything(description)


def ask_everything(description: SessionDescription) -> None:
    """Read all that can be read: nothing of it may raise."""
    description.check_attributes([])
    assert repr(description)
    assert description.groups or not description.groups
    for media in description.media:
        for name in ("codecs", "ptime", "maxptime", "rtcp", "crypto", "candidates", "mid", "sources", "setup"):
            getattr(media, name)
        for ask in (description.rtcp_of, description.connection_of, description.direction_of):
            ask(media)
        for inherited in (description.setup_of, description.fingerprints_of, description.ice_credentials_of):
            inherited(media)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), min_size=1, max_size=20)
TOKENS = st.text("abcXYZ019-_.+", min_size=1, max_size=8)
NUMBERS = st.integers(0, 2**63 - 1)
TIMES = st.just(0) | st.integers(10**9, 10**11)
ADDRESSES = st.ip_addresses().filter(lambda address: not address.is_multicast).map(str)
SECTION_FIELDS = {
    "bandwidths": st.lists(st.builds(Bandwidth, TOKENS, NUMBERS), max_size=2).map(tuple),
    "attributes": st.lists(st.builds(Attribute, TOKENS, st.none() | TEXTS), max_size=5).map(tuple),
}
MEDIA = st.builds(
    MediaDescription,
    TOKENS,
    st.integers(0, 65535),
    st.lists(TOKENS, min_size=1, max_size=3).map("/".join),
    st.lists(TOKENS, min_size=1, max_size=4).map(tuple),
    st.integers(1, 65535),
    st.none() | TEXTS,
    st.lists(st.builds(Connection.of, ADDRESSES), max_size=2).map(tuple),
    **SECTION_FIELDS,
)
SESSIONS = st.builds(
    SessionDescription,
    st.builds(
        lambda a, i, v, c: Origin(a, i, v, *c),
        TOKENS,
        NUMBERS,
        NUMBERS,
        ADDRESSES.map(lambda a: ("IN", "IP6" if ":" in a else "IP4", a)),
    ),
    name=TEXTS,
    connection=st.builds(Connection.of, ADDRESSES),
    media=st.lists(MEDIA, max_size=3).map(tuple),
    timings=st.lists(
        st.builds(
            Timing,
            TIMES,
            TIMES,
            st.lists(
                st.builds(Repeat, NUMBERS, NUMBERS, st.lists(NUMBERS, min_size=1, max_size=2).map(tuple)), max_size=2
            ).map(tuple),
            st.lists(st.builds(ZoneAdjustment, NUMBERS, st.integers(-86400, 86400)), max_size=2).map(tuple),
        ),
        min_size=1,
        max_size=2,
    ).map(tuple),
    information=st.none() | TEXTS,
    uri=st.none() | TEXTS,
    emails=st.lists(TEXTS, max_size=2).map(tuple),
    phones=st.lists(TEXTS, max_size=2).map(tuple),
    **SECTION_FIELDS,
)


@given(SESSIONS)
def test_what_is_built_reads_back(description: SessionDescription) -> None:
    assert SessionDescription.parse(bytes(description)) == description
    assert SessionDescription.parse(str(description)) == description


@settings(max_examples=50)  # two whole descriptions take long to draw
@given(SESSIONS, SESSIONS)
def test_any_change_of_a_received_description_reads_back(before: SessionDescription, after: SessionDescription) -> None:
    received = SessionDescription.parse(bytes(before))
    names = [field.name for field in dataclasses.fields(after) if field.compare]
    changed = received.replace(**{name: getattr(after, name) for name in names})
    assert changed == after
    assert SessionDescription.parse(bytes(changed), []) == after


def test_an_obsolete_key_is_kept_but_never_sent_anew() -> None:
    description = SessionDescription.parse(HEAD + "k=clear:secret\r\n", [])
    assert description.key == Key("clear", "secret")
    assert "secret" in str(description)
    with pytest.raises(LocalError):
        str(description.replace(key=Key("clear", "other")))
    assert str(description.replace(key=None)) == HEAD
