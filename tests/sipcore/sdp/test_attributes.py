"""What attributes say, read, written and refused one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation, Notes
from sipcore.errors import ParseError
from sipcore.sdp.attributes import (
    ATTRIBUTES,
    G722,
    G729,
    PCMA,
    PCMU,
    STATIC_CODECS,
    Candidate,
    Codec,
    Crypto,
    Fingerprint,
    FormatParameters,
    Group,
    MasterKey,
    RtcpAddress,
    Setup,
    Source,
)
from sipcore.sdp.fields import Connection
from sipcore.sdp.terms import Direction

SHA256 = bytes(range(32))
HEX = ":".join(f"{byte:02X}" for byte in SHA256)

BOTH_WAYS = [
    ("rtpmap", "0 PCMU/8000", PCMU),
    ("rtpmap", "111 opus/48000/2", Codec(111, "opus", 48000, 2)),
    ("fmtp", "101 0-15", FormatParameters("101", "0-15")),
    ("fmtp", "t38 a b", FormatParameters("t38", "a b")),
    ("rtcp", "53020", RtcpAddress(53020)),
    ("rtcp", "53020 IN IP6 2001:db8::1", RtcpAddress(53020, Connection("IN", "IP6", "2001:db8::1"))),
    ("crypto", "1 AES_CM_128_HMAC_SHA1_80 inline:QUJD", Crypto(1, "AES_CM_128_HMAC_SHA1_80", (MasterKey("QUJD"),))),
    (
        "crypto",
        "2 X inline:QUJ/+A==|2^20|1:32;inline:RA==|1:4;inline:RQ==|1000 KDR=0 UNENCRYPTED_SRTP",
        Crypto(
            2,
            "X",
            (MasterKey("QUJ/+A==", 1 << 20, (1, 32)), MasterKey("RA==", None, (1, 4)), MasterKey("RQ==", 1000)),
            ("KDR=0", "UNENCRYPTED_SRTP"),
        ),
    ),
    ("crypto", "3 X uri:any|thing:goes", Crypto(3, "X", (MasterKey("any|thing:goes", method="uri"),))),
    ("setup", "actpass", Setup.ACTPASS),
    ("fingerprint", f"sha-256 {HEX}", Fingerprint("sha-256", SHA256)),
    ("fingerprint", "sha-3 01:FF", Fingerprint("sha-3", b"\x01\xff")),
    (
        "candidate",
        "1 1 UDP 2130706431 10.0.1.1 8998 typ host",
        Candidate("1", 1, "UDP", 2130706431, "10.0.1.1", 8998, "host"),
    ),
    (
        "candidate",
        "a+/ 2 tcp 1 2001:db8::1 9 typ srflx raddr ::1 rport 7 tcptype active generation 0",
        Candidate(
            "a+/", 2, "tcp", 1, "2001:db8::1", 9, "srflx", ("::1", 7), (("tcptype", "active"), ("generation", "0"))
        ),
    ),
    ("mid", "audio-0", "audio-0"),
    ("group", "BUNDLE a b", Group("BUNDLE", ("a", "b"))),
    ("group", "LS", Group("LS", ())),
    ("ssrc", "4294967295 cname:a b:c", Source(2**32 - 1, "cname", "a b:c")),
    ("ssrc", "1 flag", Source(1, "flag")),
    ("ice-ufrag", "8hhY", "8hhY"),
    ("ice-pwd", "asd88fgpdd777uzjYhagZg", "asd88fgpdd777uzjYhagZg"),
]


@pytest.mark.parametrize(("name", "text", "value"), BOTH_WAYS)
def test_reads_and_writes(name: str, text: str, value: object) -> None:
    assert ATTRIBUTES[name].parse(text, None) == value
    assert (value.value if isinstance(value, Setup) else str(value)) == text


READ_ONLY = [
    ("rtpmap", "9 G722/8000/1", G722),
    ("ptime", "20", 20.0),
    ("ptime", "2.5", 2.5),
    ("maxptime", "0.25", 0.25),
    ("crypto", "1 \t X  inline:QUJD \t KDR=1", Crypto(1, "X", (MasterKey("QUJD"),), ("KDR=1",))),
    ("crypto", "1 X inline:QUJD|1048576", Crypto(1, "X", (MasterKey("QUJD", 1 << 20),))),
    ("fingerprint", f"SHA-256 {HEX}", Fingerprint("sha-256", SHA256)),
]


@pytest.mark.parametrize(("name", "text", "value"), READ_ONLY)
def test_reads_what_it_writes_otherwise(name: str, text: str, value: object) -> None:
    assert ATTRIBUTES[name].parse(text, None) == value


TOLERATED = [
    ("rtpmap", " 0  PCMU/8000", PCMU, Deviation.SDP_EXTRA_SPACE),
    ("rtpmap", "0 PCMU/8000/", PCMU, Deviation.SDP_ATTRIBUTE_VALUE),
    ("rtpmap", "96 a(b/8000", Codec(96, "a(b", 8000), Deviation.SDP_NOT_TOKEN),
    ("rtcp", "1 IN IP4 ::1", RtcpAddress(1, Connection("IN", "IP4", "::1")), Deviation.SDP_ADDRESS_FAMILY),
    ("ptime", " 20", 20.0, Deviation.SDP_EXTRA_SPACE),
    ("crypto", " 1 X inline:QUJD", Crypto(1, "X", (MasterKey("QUJD"),)), Deviation.SDP_EXTRA_SPACE),
    ("setup", " ACTIVE", Setup.ACTIVE, Deviation.SDP_ATTRIBUTE_VALUE),
    ("fingerprint", f"sha-256 {HEX.lower()}", Fingerprint("sha-256", SHA256), Deviation.SDP_ATTRIBUTE_VALUE),
    ("ice-pwd", "asd88fgpdd777uzjYhagZg ", "asd88fgpdd777uzjYhagZg", Deviation.SDP_EXTRA_SPACE),
    ("mid", "a[0]", "a[0]", Deviation.SDP_NOT_TOKEN),
]


@pytest.mark.parametrize(("name", "text", "value", "deviation"), TOLERATED)
def test_tolerates_by_name(name: str, text: str, value: object, deviation: Deviation) -> None:
    notes: Notes = []
    assert ATTRIBUTES[name].parse(text, notes) == value
    assert set(notes) == {deviation}
    with pytest.raises(ParseError) as caught:
        ATTRIBUTES[name].parse(text, None)
    assert caught.value.section == deviation.section


REFUSED = [
    ("rtpmap", ""),
    ("rtpmap", "0"),
    ("rtpmap", "31 LPC"),
    ("rtpmap", "0 PCMU/x"),
    ("rtpmap", "0 PCMU/8000/x"),
    ("rtpmap", "0 PCMU/8000/1/1"),
    ("rtpmap", "128 PCMU/8000"),
    ("rtpmap", "0 /8000"),
    ("fmtp", ""),
    ("fmtp", "101"),
    ("rtcp", ""),
    ("rtcp", "x"),
    ("rtcp", "65536"),
    ("rtcp", "1 IN IP4"),
    ("ptime", ""),
    ("ptime", "0"),
    ("ptime", "0.0"),
    ("ptime", "20."),
    ("ptime", ".5"),
    ("ptime", "20ms"),
    ("ptime", "1e9"),
    ("crypto", ""),
    ("crypto", "1 X"),
    ("crypto", "x X inline:QUJD"),
    ("crypto", "1234567890 X inline:QUJD"),
    ("crypto", "1 (X) inline:QUJD"),
    ("crypto", "1 X QUJD"),
    ("crypto", "1 X :QUJD"),
    ("crypto", "1 X inline:"),
    ("crypto", "1 X inline:|2^20"),
    ("crypto", "1 X inline:QU(JD"),
    ("crypto", "1 X inline:QUJD;"),
    ("crypto", "1 X inline:QUJD|2^49"),
    ("crypto", "1 X inline:QUJD|x"),
    ("crypto", "1 X inline:QUJD|1:129"),
    ("crypto", "1 X inline:QUJD|1:x"),
    ("crypto", "1 X inline:QUJD|1:1|2^20"),
    ("crypto", "1 X inline:QUJD|2^20|2^20|1:1"),
    ("setup", "either"),
    ("fingerprint", "sha-256"),
    ("fingerprint", "sha-256 AA:BB"),
    ("fingerprint", "sha-3 A:BB"),
    ("fingerprint", "sha-3 AA:GG"),
    ("fingerprint", r"SHA-1 \ 4A:AD"),
    ("candidate", "1 1 UDP 1 10.0.1.1 8998 typ"),
    ("candidate", "1 1 UDP 1 10.0.1.1 8998 type host"),
    ("candidate", "1 1 UDP 1 10.0.1.1 8998 typ host raddr"),
    ("candidate", "1 257 UDP 1 10.0.1.1 8998 typ host"),
    ("candidate", "1 1 UDP x 10.0.1.1 8998 typ host"),
    ("candidate", "1 1 UDP 1 10.0.1.1 65536 typ host"),
    ("candidate", "1 1 UDP 1 10.0.1.1 1 typ srflx raddr ::1 rport x"),
    ("group", ""),
    ("mid", ""),
    ("ssrc", "x cname:a"),
    ("ssrc", "4294967296 cname:a"),
    ("ssrc", "1"),
    ("ice-ufrag", ""),
    ("ice-pwd", "a b"),
]


@pytest.mark.parametrize(("name", "text"), REFUSED)
def test_refuses_what_is_wrong(name: str, text: str) -> None:
    with pytest.raises(ParseError) as caught:
        ATTRIBUTES[name].parse(text, [])
    assert caught.value.section.startswith("RFC ")


@pytest.mark.parametrize(
    "text", ["1 X KEY", "KEY X inline:a", "1 X inline:|KEY", "1 X inline:a|KEY:1", "1 X inline:K(EY"]
)
def test_errors_do_not_quote_keys(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        Crypto.parse(text, [])
    assert "KEY" not in str(caught.value) + caught.value.text
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_keys_stay_out_of_the_repr() -> None:
    crypto = Crypto.parse("1 X inline:KEY|2^20|1:4 FEC_KEY=inline:KEY KDR=1")
    assert "KEY" not in repr(crypto).replace("FEC_KEY", "")
    assert "KEY" not in repr(crypto.keys[0])
    assert "KDR=1" in repr(crypto)


def test_static_payload_types() -> None:
    assert (PCMU.payload_type, PCMA.payload_type, G722.payload_type, G729.payload_type) == (0, 8, 9, 18)
    assert STATIC_CODECS[10] == Codec(10, "L16", 44100, 2)
    assert STATIC_CODECS[34] == Codec(34, "H263", 90000)
    assert not {1, 2, 19, 24, 29, 35, 96} & STATIC_CODECS.keys()
    assert all(number == codec.payload_type for number, codec in STATIC_CODECS.items())


def test_codecs_match_whatever_the_payload_type_and_the_case() -> None:
    assert Codec(97, "pcmu", 8000).matches(PCMU)
    assert not Codec(0, "PCMU", 16000).matches(PCMU)
    assert not Codec(0, "PCMU", 8000, 2).matches(PCMU)
    assert not PCMA.matches(PCMU)


def test_format_parameters() -> None:
    opus = Codec(111, "opus", 48000, 2, "minptime=10; UseInbandFEC = 1;cbr")
    assert opus.parameter("minptime") == "10"
    assert opus.parameter("useinbandfec") == "1"
    assert opus.parameter("cbr") is None
    assert PCMU.parameter("annexb") is None


@pytest.mark.parametrize(
    ("direction", "sends", "receives", "other"),
    [
        (Direction.SENDRECV, True, True, Direction.SENDRECV),
        (Direction.SENDONLY, True, False, Direction.RECVONLY),
        (Direction.RECVONLY, False, True, Direction.SENDONLY),
        (Direction.INACTIVE, False, False, Direction.INACTIVE),
    ],
)
def test_directions(direction: Direction, sends: bool, receives: bool, other: Direction) -> None:
    assert (direction.sends, direction.receives, direction.reversed) == (sends, receives, other)


@given(st.sampled_from(sorted(ATTRIBUTES)), st.text(max_size=60))
def test_any_text_gives_a_value_or_a_parse_error(name: str, text: str) -> None:
    notes: Notes = []
    try:
        value = ATTRIBUTES[name].parse(text, notes)
    except ParseError:
        return
    if not notes and not isinstance(value, float | Setup):
        assert ATTRIBUTES[name].parse(str(value), None) == value


TOKENS = st.text("abcXYZ019-_.", min_size=1, max_size=8)
NUMBERS = st.integers(0, 255)
BUILT: list[tuple[str, st.SearchStrategy[object]]] = [
    ("rtpmap", st.builds(Codec, st.integers(0, 127), TOKENS, st.integers(0, 2**32 - 1), st.integers(1, 255))),
    (
        "rtcp",
        st.builds(
            RtcpAddress, st.integers(0, 65535), st.none() | st.builds(Connection.of, st.ip_addresses(v=6).map(str))
        ),
    ),
    (
        "crypto",
        st.builds(
            Crypto,
            NUMBERS,
            TOKENS,
            st.lists(
                st.builds(
                    MasterKey,
                    st.text("AZaz09+/=", min_size=1),
                    st.none() | st.integers(0, 2**48),
                    st.none() | st.tuples(st.integers(0, 2**32), st.integers(0, 128)),
                ),
                min_size=1,
                max_size=3,
            ).map(tuple),
            st.lists(TOKENS, max_size=2).map(tuple),
        ),
    ),
    ("fingerprint", st.builds(Fingerprint, st.just("sha-1"), st.binary(min_size=20, max_size=20))),
    (
        "candidate",
        st.builds(
            Candidate,
            TOKENS,
            NUMBERS,
            TOKENS,
            NUMBERS,
            st.ip_addresses().map(str),
            st.integers(0, 65535),
            TOKENS,
            st.none() | st.tuples(st.ip_addresses().map(str), NUMBERS),
            st.lists(st.tuples(TOKENS, TOKENS), max_size=3).map(tuple),
        ),
    ),
    ("group", st.builds(Group, TOKENS, st.lists(TOKENS).map(tuple))),
    ("ssrc", st.builds(Source, NUMBERS, TOKENS, st.none() | st.text())),
]


@pytest.mark.parametrize(("name", "values"), BUILT, ids=[name for name, _ in BUILT])
def test_what_is_built_reads_back(name: str, values: st.SearchStrategy[object]) -> None:
    @given(values)
    def check(value: object) -> None:
        assert ATTRIBUTES[name].parse(str(value), None) == value

    check()
