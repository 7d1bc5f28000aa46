"""The fields of a session description, read, written and refused one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation, Notes
from sipcore.errors import LimitExceeded, ParseError
from sipcore.sdp.fields import (
    FIELDS,
    HIDDEN,
    MAX_FORMATS,
    MAX_REPEATS,
    Attribute,
    Bandwidth,
    Connection,
    Key,
    MediaLine,
    Origin,
    Repeat,
    Timing,
    ZoneAdjustment,
    is_multicast,
    is_token,
    is_visible,
    without_secrets,
)

BOTH_WAYS = [
    ("v", "0", 0),
    ("o", "- 1 2 IN IP4 192.0.2.1", Origin("-", 1, 2, "IN", "IP4", "192.0.2.1")),
    ("o", "zoë 9223372036854775807 0 IN IP6 ::1", Origin("zoë", 2**63 - 1, 0, "IN", "IP6", "::1")),
    ("o", "a 1 1 ATM NSAP 47.0091", Origin("a", 1, 1, "ATM", "NSAP", "47.0091")),
    ("s", "-", "-"),
    ("s", " ", " "),
    ("i", " leading white space is part of the value", " leading white space is part of the value"),
    ("c", "IN IP4 192.0.2.1", Connection("IN", "IP4", "192.0.2.1")),
    ("c", "IN IP4 media.example.com", Connection("IN", "IP4", "media.example.com")),
    ("c", "IN IP6 2001:db8::1", Connection("IN", "IP6", "2001:db8::1")),
    ("c", "IN IP6 media.example.com", Connection("IN", "IP6", "media.example.com")),
    ("c", "IN IP4 233.252.0.1/127", Connection("IN", "IP4", "233.252.0.1", 127)),
    ("c", "IN IP4 233.252.0.1/0/3", Connection("IN", "IP4", "233.252.0.1", 0, 3)),
    ("c", "IN IP6 ff00::db8:0:101/3", Connection("IN", "IP6", "ff00::db8:0:101", None, 3)),
    ("c", "PSTN E164 +441134960123", Connection("PSTN", "E164", "+441134960123")),
    ("c", "X Y one two/3", Connection("X", "Y", "one two/3")),
    ("b", "AS:64", Bandwidth("AS", 64)),
    ("b", "X-YZ:0", Bandwidth("X-YZ", 0)),
    ("t", "0 0", Timing()),
    ("t", "3724394400 0", Timing(3724394400, 0)),
    (
        "t",
        "3724394400 3754123200\r\nr=604800 3600 0 90000\r\nz=3730928400 -3600 3749680800 0",
        Timing(
            3724394400,
            3754123200,
            (Repeat(604800, 3600, (0, 90000)),),
            (ZoneAdjustment(3730928400, -3600), ZoneAdjustment(3749680800, 0)),
        ),
    ),
    ("a", "sendrecv", Attribute("sendrecv")),
    ("a", "rtpmap:0 PCMU/8000", Attribute("rtpmap", "0 PCMU/8000")),
    ("a", "x-own: a:b ", Attribute("x-own", " a:b ")),
    ("m", "audio 0 RTP/AVP 0", MediaLine("audio", 0, 1, "RTP/AVP", ("0",))),
    ("m", "video 65535/2 RTP/AVP 31 96", MediaLine("video", 65535, 2, "RTP/AVP", ("31", "96"))),
    ("m", "message 7654 TCP/MSRP *", MediaLine("message", 7654, 1, "TCP/MSRP", ("*",))),
    (
        "m",
        "x-own 9 UDP/DTLS/SCTP webrtc-datachannel",
        MediaLine("x-own", 9, 1, "UDP/DTLS/SCTP", ("webrtc-datachannel",)),
    ),
]


@pytest.mark.parametrize(("letter", "text", "value"), BOTH_WAYS)
def test_reads_and_writes(letter: str, text: str, value: object) -> None:
    assert FIELDS[letter].parse(text, None) == value
    assert str(value) == text


READ_ONLY = [
    ("v", "00", 0),
    (
        "t",
        "3724394400 3754123200\r\nr=7d 1h 0 25h 90m 5s",
        Timing(3724394400, 3754123200, (Repeat(604800, 3600, (0, 90000, 5400, 5)),)),
    ),
    ("t", "0 0\nr=1d 1 0\nr=2d 1 0", Timing(0, 0, (Repeat(86400, 1, (0,)), Repeat(172800, 1, (0,))))),
    ("c", "IN IP4 233.252.0.1/127/1", Connection("IN", "IP4", "233.252.0.1", 127)),
    ("m", "audio 5004/1 RTP/AVP 0", MediaLine("audio", 5004, 1, "RTP/AVP", ("0",))),
]


@pytest.mark.parametrize(("letter", "text", "value"), READ_ONLY)
def test_reads_what_it_writes_otherwise(letter: str, text: str, value: object) -> None:
    assert FIELDS[letter].parse(text, None) == value


TOLERATED = [
    ("v", " 0", 0, Deviation.SDP_EXTRA_SPACE),
    ("o", "- 1  2 IN IP4 192.0.2.1 ", Origin("-", 1, 2, "IN", "IP4", "192.0.2.1"), Deviation.SDP_EXTRA_SPACE),
    ("o", " - 1 2 IN IP4 192.0.2.1", Origin("-", 1, 2, "IN", "IP4", "192.0.2.1"), Deviation.SDP_EXTRA_SPACE),
    ("o", " 1 2 IN IP4 192.0.2.1", Origin("", 1, 2, "IN", "IP4", "192.0.2.1"), Deviation.SDP_ORIGIN_USERNAME),
    ("o", "a b 1 2 IN IP4 192.0.2.1", Origin("a b", 1, 2, "IN", "IP4", "192.0.2.1"), Deviation.SDP_ORIGIN_USERNAME),
    ("o", f"- {2**63} 2 IN IP4 a.b", Origin("-", 2**63, 2, "IN", "IP4", "a.b"), Deviation.SDP_ORIGIN_NUMBER),
    ("o", "- 1 2 I[N IP4 a.b", Origin("-", 1, 2, "I[N", "IP4", "a.b"), Deviation.SDP_NOT_TOKEN),
    ("o", "- 1 2 IN I[P4 a.b", Origin("-", 1, 2, "IN", "I[P4", "a.b"), Deviation.SDP_NOT_TOKEN),
    ("o", "- 1 2 IN IP4 ::1", Origin("-", 1, 2, "IN", "IP4", "::1"), Deviation.SDP_ADDRESS_FAMILY),
    ("s", "", "", Deviation.SDP_EMPTY_LINE),
    ("c", "IN IP4  192.0.2.1", Connection("IN", "IP4", "192.0.2.1"), Deviation.SDP_EXTRA_SPACE),
    ("c", "IN IP4 2001:db8::1", Connection("IN", "IP4", "2001:db8::1"), Deviation.SDP_ADDRESS_FAMILY),
    ("c", "IN IP6 192.0.2.1", Connection("IN", "IP6", "192.0.2.1"), Deviation.SDP_ADDRESS_FAMILY),
    ("c", "IN IP4 192.0.2.1/24", Connection("IN", "IP4", "192.0.2.1", 24), Deviation.SDP_UNICAST_SCOPE),
    ("c", "IN IP4 233.252.0.1", Connection("IN", "IP4", "233.252.0.1"), Deviation.SDP_MULTICAST_WITHOUT_TTL),
    ("b", " AS : 64 ", Bandwidth("AS", 64), Deviation.SDP_EXTRA_SPACE),
    ("b", "A[S:64", Bandwidth("A[S", 64), Deviation.SDP_NOT_TOKEN),
    ("t", "0  0", Timing(), Deviation.SDP_EXTRA_SPACE),
    ("t", "1 0", Timing(1, 0), Deviation.SDP_SHORT_TIME),
    ("t", "0 999999999", Timing(0, 999999999), Deviation.SDP_SHORT_TIME),
    ("k", "prompt", Key("prompt"), Deviation.SDP_KEY),
    ("k", "clear:a:b", Key("clear", "a:b"), Deviation.SDP_KEY),
    ("a", "", Attribute(""), Deviation.SDP_ATTRIBUTE_NAME),
    ("a", "rtpmap 0 PCMU/8000", Attribute("rtpmap 0 PCMU/8000"), Deviation.SDP_ATTRIBUTE_NAME),
    ("a", "é:1", Attribute("é", "1"), Deviation.SDP_ATTRIBUTE_NAME),
    ("a", "ptime:", Attribute("ptime", ""), Deviation.SDP_ATTRIBUTE_VALUE),
    ("m", "audio 1 RTP/AVP  0", MediaLine("audio", 1, 1, "RTP/AVP", ("0",)), Deviation.SDP_EXTRA_SPACE),
    ("m", "audio 65536 RTP/AVP 0", MediaLine("audio", 65536, 1, "RTP/AVP", ("0",)), Deviation.SDP_PORT),
    ("m", "audiö 1 RTP/AVP 0", MediaLine("audiö", 1, 1, "RTP/AVP", ("0",)), Deviation.SDP_NOT_TOKEN),
    ("m", "audio 1 RTP(AVP 0", MediaLine("audio", 1, 1, "RTP(AVP", ("0",)), Deviation.SDP_NOT_TOKEN),
    ("m", "audio 1 udp text/plain", MediaLine("audio", 1, 1, "udp", ("text/plain",)), Deviation.SDP_NOT_TOKEN),
]


@pytest.mark.parametrize(("letter", "text", "value", "deviation"), TOLERATED)
def test_tolerates_by_name(letter: str, text: str, value: object, deviation: Deviation) -> None:
    notes: Notes = []
    assert FIELDS[letter].parse(text, notes) == value
    assert set(notes) == {deviation}
    with pytest.raises(ParseError) as caught:
        FIELDS[letter].parse(text, None)
    assert caught.value.section == deviation.section


REFUSED = [
    ("v", "1", "RFC 8866 §5.1"),
    ("v", "", "RFC 8866 §5.1"),
    ("v", "x", "RFC 8866 §5.1"),
    ("v", "0 0", "RFC 8866 §5.1"),
    ("o", "", "RFC 8866 §5.2"),
    ("o", "- 1 2 IN IP4", "RFC 8866 §5.2"),
    ("o", "- x 2 IN IP4 192.0.2.1", "RFC 8866 §5.2"),
    ("o", "- -1 2 IN IP4 192.0.2.1", "RFC 8866 §5.2"),
    ("o", "- \u0661 2 IN IP4 192.0.2.1", "RFC 8866 §5.2"),
    ("o", f"- 1 {10**20} IN IP4 192.0.2.1", "RFC 8866 §5.2"),
    ("o", "- 1 2 IN IP4 192.0.2.1\t", "RFC 8866 §9"),
    ("o", "\x7f 1 2 IN IP4 192.0.2.1", "RFC 8866 §9"),
    ("o", "- 1 2 I\tN IP4 192.0.2.1", "RFC 8866 §9"),
    ("c", "IN IP4", "RFC 8866 §5.7"),
    ("c", "IN IP4 192.0.2.1 24", "RFC 8866 §5.7"),
    ("c", "IN IP4 /24", "RFC 8866 §9"),
    ("c", "IN IP4 192.0.2.1\x07", "RFC 8866 §9"),
    ("c", "IN IP4 233.252.0.1/256", "RFC 8866 §5.7"),
    ("c", "IN IP4 233.252.0.1/x", "RFC 8866 §5.7"),
    ("c", "IN IP4 233.252.0.1/1/", "RFC 8866 §5.7"),
    ("c", "IN IP4 233.252.0.1/1/65536", "RFC 8866 §5.7"),
    ("c", "IN IP4 233.252.0.1/1/1/1", "RFC 8866 §5.7"),
    ("c", "IN IP6 ff00::1/1/1", "RFC 8866 §5.7"),
    ("c", "IN IP6 ff00::1/", "RFC 8866 §5.7"),
    ("b", "AS", "RFC 8866 §5.8"),
    ("b", "AS:", "RFC 8866 §5.8"),
    ("b", "AS:64.5", "RFC 8866 §5.8"),
    ("b", "AS:6 4", "RFC 8866 §5.8"),
    ("b", ":64", "RFC 8866 §9"),
    ("t", "", "RFC 8866 §5.9"),
    ("t", "0", "RFC 8866 §5.9"),
    ("t", "0 0 0", "RFC 8866 §5.9"),
    ("t", "0 now", "RFC 8866 §5.9"),
    ("t", "0 0\r\nr=7d 1h", "RFC 8866 §5.10"),
    ("t", "0 0\r\nr=7w 1h 0", "RFC 8866 §5.10"),
    ("t", "0 0\r\nr=d 1h 0", "RFC 8866 §5.10"),
    ("t", "0 0\r\nz=", "RFC 8866 §5.11"),
    ("t", "0 0\r\nz=3730928400", "RFC 8866 §5.11"),
    ("t", "0 0\r\nz=x 1h", "RFC 8866 §5.11"),
    ("t", "0 0\r\nz=3730928400 --1h", "RFC 8866 §5.10"),
    ("m", "", "RFC 8866 §5.14"),
    ("m", "audio", "RFC 8866 §5.14"),
    ("m", "audio 1 RTP/AVP", "RFC 8866 §5.14"),
    ("m", "audio x RTP/AVP 0", "RFC 8866 §5.14"),
    ("m", "audio -1 RTP/AVP 0", "RFC 8866 §5.14"),
    ("m", "audio 1/ RTP/AVP 0", "RFC 8866 §5.14"),
    ("m", "audio 1/65536 RTP/AVP 0", "RFC 8866 §5.14"),
    ("m", "audio 1 RTP//AVP 0", "RFC 8866 §9"),
    ("m", "aud\tio 1 RTP/AVP 0", "RFC 8866 §9"),
]


@pytest.mark.parametrize(("letter", "text", "section"), REFUSED)
def test_refuses_what_is_wrong(letter: str, text: str, section: str) -> None:
    with pytest.raises(ParseError) as caught:
        FIELDS[letter].parse(text, [])
    assert caught.value.section == section


def test_version_other_than_0_is_not_acceptable_here() -> None:
    with pytest.raises(ParseError) as caught:
        FIELDS["v"].parse("1", None)
    assert caught.value.status == 488


def test_limits() -> None:
    with pytest.raises(LimitExceeded) as formats:
        MediaLine.parse("audio 1 RTP/AVP" + " 0" * (MAX_FORMATS + 1))
    assert formats.value.status == 488
    assert len(MediaLine.parse("audio 1 RTP/AVP" + " 0" * MAX_FORMATS).formats) == MAX_FORMATS
    with pytest.raises(LimitExceeded):
        Timing.parse("0 0" + "\r\nr=1 1 1" * (MAX_REPEATS + 1))


@pytest.mark.parametrize(
    ("address", "multicast"),
    [
        ("224.0.0.1", True),
        ("239.255.255.255", True),
        ("223.1.1.1", False),
        ("240.0.0.1", False),
        ("ff02::1", True),
        ("FF02::1", True),
        ("fe80::1", False),
        ("media.example.com", False),
        ("²²⁵.0.0.1", False),
    ],
)
def test_multicast(address: str, multicast: bool) -> None:
    assert is_multicast(address) is multicast


def test_connection_of_an_address() -> None:
    assert Connection.of("192.0.2.1") == Connection("IN", "IP4", "192.0.2.1")
    assert Connection.of("2001:db8::1") == Connection("IN", "IP6", "2001:db8::1")
    assert Connection.of("0.0.0.0").is_unspecified
    assert Connection.of("::").is_unspecified
    assert not Connection.of("192.0.2.1").is_unspecified


@pytest.mark.parametrize(
    "text", ["crypto:1 SUITE inline:KEY", "ice-pwd:KEY", "key-mgmt:mikey KEY", "acap:1 crypto:KEY"]
)
def test_keys_stay_out_of_the_repr(text: str) -> None:
    attribute = Attribute.parse(text)
    assert "KEY" not in repr(attribute)
    assert HIDDEN in repr(attribute)
    assert str(attribute) == text


def test_other_values_stand_in_the_repr() -> None:
    assert repr(Attribute("rtpmap", "0 PCMU/8000")) == "Attribute(name='rtpmap', value='0 PCMU/8000')"
    assert repr(Attribute("sendrecv")) == "Attribute(name='sendrecv', value=None)"
    assert "KEY" not in repr(Key("clear", "KEY"))
    assert (str(Key("clear", "KEY")), str(Key("prompt"))) == ("clear:KEY", "prompt")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("k=clear:KEY", "k=(hidden)"),
        ("a=crypto:1 SUITE inline:KEY", "a=crypto(hidden)"),
        ("a-Crypto 1 SUITE INLINE:KEY", "a-Crypto(hidden)"),
        ("a=fmtp:96 inline:KEY", "a=fmtp:96 inline:(hidden)"),
        ("a=crypto", "a=crypto"),
        ("m=audio 1 RTP/AVP 0", "m=audio 1 RTP/AVP 0"),
    ],
)
def test_without_secrets(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_errors_do_not_quote_keys() -> None:
    for letter, text in (("k", "clear:KEY"), ("a", "crypto 1 SUITE inline:KEY")):
        with pytest.raises(ParseError) as caught:
            FIELDS[letter].parse(text, None)
        assert "KEY" not in str(caught.value) + caught.value.text


@given(st.text(max_size=8))
def test_visible_and_token_as_the_grammar_has_them(text: str) -> None:
    characters = set(text)
    assert is_visible(text) == (bool(text) and not any(c <= " " or c == "\x7f" for c in characters))
    assert is_token(text) == (bool(text) and all("!" <= c <= "~" and c not in '"(),/:;<=>?@[\\]' for c in characters))


@given(st.sampled_from(sorted(FIELDS)), st.text(max_size=40))
def test_any_text_gives_a_value_or_a_parse_error(letter: str, text: str) -> None:
    notes: Notes = []
    try:
        value = FIELDS[letter].parse(text, notes)
    except ParseError:
        return
    if not notes:
        assert FIELDS[letter].parse(str(value), None) == value
