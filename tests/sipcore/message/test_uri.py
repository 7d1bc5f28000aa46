"""URIs: parts, escapes, IPv6, places, faults, and the comparisons of RFC 3261 §19.1.4 and RFC 3966 §4."""

import pytest

from sipcore.deviation import Deviation, Notes
from sipcore.errors import LimitExceeded, ParseError, UnsafeValue
from sipcore.message.params import Params
from sipcore.message.uri import (
    MAX_URI,
    OtherUri,
    Place,
    SipUri,
    TelUri,
    check_host,
    escape_header,
    escape_parameter,
    escape_user,
    parse_hostport,
    parse_uri,
    unescape,
    uri_of,
)


def sip(text: str, notes: Notes | None = None) -> SipUri:
    uri = parse_uri(text, notes)
    assert isinstance(uri, SipUri)
    return uri


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        # RFC 3261 §19.1.3, its examples
        ("sip:alice@atlanta.com", ("sip", "alice", None, "atlanta.com", None, "", None)),
        (
            "sip:alice:secretword@atlanta.com;transport=tcp",
            ("sip", "alice", "secretword", "atlanta.com", None, ";transport=tcp", None),
        ),
        (
            "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
            ("sips", "alice", None, "atlanta.com", None, "", "subject=project%20x&priority=urgent"),
        ),
        (
            "sip:+1-212-555-1212:1234@gateway.com;user=phone",
            ("sip", "+1-212-555-1212", "1234", "gateway.com", None, ";user=phone", None),
        ),
        ("sips:1212@gateway.com", ("sips", "1212", None, "gateway.com", None, "", None)),
        ("sip:alice@192.0.2.4", ("sip", "alice", None, "192.0.2.4", None, "", None)),
        (
            "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
            ("sip", None, None, "atlanta.com", None, ";method=REGISTER", "to=alice%40atlanta.com"),
        ),
        ("sip:alice;day=tuesday@atlanta.com", ("sip", "alice;day=tuesday", None, "atlanta.com", None, "", None)),
        # and beyond
        ("SIP:a@b.c:5060", ("sip", "a", None, "b.c", 5060, "", None)),
        ("sip:a:@b", ("sip", "a", "", "b", None, "", None)),
        ("sip:[2001:db8::1]:5061;lr", ("sip", None, None, "[2001:db8::1]", 5061, ";lr", None)),
        ("sip:a@[::ffff:192.0.2.1]", ("sip", "a", None, "[::ffff:192.0.2.1]", None, "", None)),
        ("sip:example.com.", ("sip", None, None, "example.com.", None, "", None)),
        ("sip:a-b.c--d.e1", ("sip", None, None, "a-b.c--d.e1", None, "", None)),
        ("sip:1.2.3.com", ("sip", None, None, "1.2.3.com", None, "", None)),
        ("sip:a@b;x?y=", ("sip", "a", None, "b", None, ";x", "y=")),
        ("sip:a?b=c@d", ("sip", "a?b=c", None, "d", None, "", None)),
    ],
)
def test_sip_uris(text: str, parts: tuple[object, ...]) -> None:
    uri = sip(text)
    assert (uri.scheme, uri.user, uri.password, uri.host, uri.port, str(uri.params), uri.headers) == parts
    assert str(uri) == text
    assert str(uri.replace()).lower() == text.lower()


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("tel:+1-201-555-0123", TelUri("+1-201-555-0123")),
        ("tel:7042;phone-context=example.com", TelUri("7042", Params.parse(";phone-context=example.com"))),
        ("tel:863-1234;phone-context=+1-914-555", TelUri("863-1234", Params.parse(";phone-context=+1-914-555"))),
        ("tel:*67#;phone-context=a.b", TelUri("*67#", Params.parse(";phone-context=a.b"))),
        ("TEL:+1(650)555.0123;ext=9", TelUri("+1(650)555.0123", Params.parse(";ext=9"))),
        ("urn:service:sos", OtherUri("urn", "service:sos")),
        ("http://www.example.com/a?b=c", OtherUri("http", "//www.example.com/a?b=c")),
        ("soap.beep://192.0.2.103:3002", OtherUri("soap.beep", "//192.0.2.103:3002")),
        ("im:a%40b", OtherUri("im", "a%40b")),
    ],
)
def test_other_schemes(text: str, uri: object) -> None:
    assert parse_uri(text) == uri
    assert str(parse_uri(text)) == text


@pytest.mark.parametrize(
    ("text", "deviation"),
    [
        ("sip:a@b_c", Deviation.ODD_HOST),
        ("sip:a@1.2.3", Deviation.ODD_HOST),
        ("sip:a@256.1.1.1", Deviation.ODD_HOST),
        ("sip:a@-b.c", None),
        ("sip:a@b..c", Deviation.ODD_HOST),
        ("sip:a@192.0.2.1.", Deviation.ODD_HOST),
        ("sip:@b", Deviation.EMPTY_USER),
        ("sip:a b@c", None),
        ("sip:a#b@c", Deviation.UNESCAPED_CHARACTER),
        ("sip:a@b@c", Deviation.UNESCAPED_CHARACTER),
        ("sip:grün@c", Deviation.UNESCAPED_CHARACTER),
        ("sip:50%@c", Deviation.BAD_ESCAPE),
        ("sip:a:b%@c", None),
        ("sip:a:b:c@d", None),
        ("sip::b@d", None),
        ("sip:a\x01@d", None),
        (" sip:a@b ", Deviation.SPACE_IN_URI),
        ("sip:a@b;", Deviation.EMPTY_PARAMETER),
        ("sip:a@b;x=", Deviation.EMPTY_PARAMETER_VALUE),
        ("sip:a@b;user=", None),
        ("sip:a@b;transport=;x", None),
        ("sip:a@b;x=@", None),
        ("sip:a@b?x=<y>", None),
        ("sip:a@b?x={y}", Deviation.UNESCAPED_CHARACTER),
        ("sip:a@b?x", None),
        ("sip:a@b?", None),
        ("sip:a@[2001:db8:::192.0.2.1]", Deviation.EXTRA_COLON_IN_ADDRESS),
        ("sip:a@[::1%eth0]", None),
        ("sip:a@[::1", None),
        ("sip:a@[]", None),
        ("sip:a@[::g]", None),
        ("sip:a@[::1]x", None),
        ("sip:2001:db8::1", None),
        ("sip:a@b:", None),
        ("sip:a@b:x", None),
        ("sip:a@b:65536", None),
        ("sip:a@b:000001", None),
        ("sip:", None),
        ("sip:a@", None),
        ("sips", None),
        ("alice@atlanta.com", None),
        ("", None),
        ("1sip:a@b", None),
        ("tel:", None),
        ("tel:+", None),
        ("tel:+a", None),
        ("tel:12+3", None),
        ("tel:911", Deviation.NO_PHONE_CONTEXT),
        ("tel:911;phone-context=1", None),
        ("tel:911;phone-context=[::1]", None),
        ("urn:", None),
        ("urn:a b", None),
        ("urn:a%", None),
        ("urn:a{b", Deviation.UNESCAPED_CHARACTER),
    ],
)
def test_faults_are_tolerated_by_name_or_refused(text: str, deviation: Deviation | None) -> None:
    notes: Notes = []
    if deviation is None:
        with pytest.raises(ParseError):
            parse_uri(text, notes)
    else:
        assert str(parse_uri(text, notes)) == text.strip()
        assert notes == [deviation]
    with pytest.raises(ParseError):
        parse_uri(text)


@pytest.mark.parametrize(
    ("text", "offending"),
    [
        ("sip:a@b:99999", "99999"),
        ("sip:a@b:", ""),
        (" sip:a@b c", "b c"),
        ("sip:a:p;q@b", "p;q@b"),
        ("sip:a b@c", "a b@c"),
        ("sip:a@[::x]:5060", "[::x]:5060"),
        ("sip:a@b;c=<d", "c=<d"),
        ("sip:a@b;c?d<e", "d<e"),
        ("tel:x", "x"),
        ("urn:<", "<"),
    ],
)
def test_an_error_points_at_the_fault(text: str, offending: str) -> None:
    with pytest.raises(ParseError) as error:
        parse_uri(text, [])
    assert error.value.text == text
    assert text[error.value.offset :] == offending


def test_there_is_a_limit_and_its_status_is_414() -> None:
    assert sip(f"sip:{'a' * (MAX_URI - 6)}@b").host == "b"
    with pytest.raises(LimitExceeded) as error:
        parse_uri(f"sip:{'a' * (MAX_URI - 5)}@b")
    assert error.value.status == 414


@pytest.mark.parametrize("text", ["sip:alice@example.com;transport=tcp", "SIPS:[2001:db8::1]:5061"])
def test_a_sip_uri_is_read_as_any_uri_is(text: str) -> None:
    assert SipUri.parse(text) == parse_uri(text)


@pytest.mark.parametrize(
    ("text", "told"), [("tel:+15550100", "a tel URI"), ("http://a", "a http"), ("a", "no URI sch")]
)
def test_no_other_uri_is_read_as_a_sip_uri(text: str, told: str) -> None:
    with pytest.raises(ParseError, match=told):
        SipUri.parse(text)


def test_the_deviations_of_a_sip_uri_are_noted() -> None:
    notes: Notes = []
    assert SipUri.parse(" sip:example.com", notes).host == "example.com"
    assert notes == [Deviation.SPACE_IN_URI]


def test_what_the_parts_mean() -> None:
    uri = sip("sips:caf%C3%A9%20x@[2001:db8::1]:5061;Transport=TCP;lr;x?Subject=a%20b&Route=%3Csip:c%3E")
    assert uri.is_secure
    assert uri.address == "2001:db8::1"
    assert uri.decoded_user == "café x"
    assert uri.transport == "tcp"
    assert uri.is_loose_router
    assert uri.header_items() == (("Subject", "a b"), ("Route", "<sip:c>"))
    plain = sip("sip:b")
    assert (plain.is_secure, plain.decoded_user, plain.transport, plain.is_loose_router) == (False, None, None, False)
    assert plain.header_items() == ()


def test_what_a_number_means() -> None:
    number = TelUri("+1-(201).555", Params.parse(";ext=9"))
    assert (number.scheme, number.is_global, number.digits) == ("tel", True, "+1201555")
    assert str(number) == "tel:+1-(201).555;ext=9"
    assert not TelUri("911").is_global


def test_how_it_was_written_does_not_count_for_equality() -> None:
    assert sip("sip:a@b") == SipUri("b", "a")
    assert sip("SIP:a@b") == SipUri("b", "a")
    assert hash(sip("sip:a@b")) == hash(SipUri("b", "a"))


def test_replace_changes_what_it_is_told_and_refuses_line_ends() -> None:
    uri = sip("sip:a:p@b:5060;lr?x=y")
    assert str(uri.replace(host="c", port=None)) == "sip:a:p@c;lr?x=y"
    assert str(uri.replace(user=None, password=None, headers=None)) == "sip:b:5060;lr"
    with pytest.raises(UnsafeValue):
        uri.replace(user="a\r\nVia: x")


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        (uri_of("example.com"), "sip:example.com"),
        (uri_of("2001:db8::1", "alice", 5060), "sip:alice@[2001:db8::1]:5060"),
        (uri_of("[::1]", "j@s0n>"), "sip:j%40s0n%3E@[::1]"),
        (uri_of("b", "a", None, Params.parse(";lr"), "sips"), "sips:a@b;lr"),
    ],
)
def test_uris_to_send(uri: SipUri, text: str) -> None:
    assert str(uri) == text
    assert parse_uri(text) == uri


@pytest.mark.parametrize("host", ["", "a b", "a_b", "a>", "::g", "a\r\nb"])
def test_uris_to_send_have_a_host(host: str) -> None:
    with pytest.raises(ParseError):
        uri_of(host)


@pytest.mark.parametrize(
    ("text", "user", "parameter", "header"),
    [
        ("alice", "alice", "alice", "alice"),
        ("a b@c", "a%20b%40c", "a%20b%40c", "a%20b%40c"),
        ("a;b?c", "a;b?c", "a%3Bb%3Fc", "a%3Bb?c"),
        ("é%\0", "%C3%A9%25%00", "%C3%A9%25%00", "%C3%A9%25%00"),
        ("[x]&=", "%5Bx%5D&=", "[x]&%3D", "[x]%26%3D"),
    ],
)
def test_escapes(text: str, user: str, parameter: str, header: str) -> None:
    assert (escape_user(text), escape_parameter(text), escape_header(text)) == (user, parameter, header)
    assert unescape(user) == unescape(parameter) == unescape(header) == text


def test_escapes_are_resolved_once() -> None:
    assert unescape("v%61lue%25%34%31") == "value%41"
    assert unescape("50%") == "50%"
    assert unescape("%FF") == "\udcff"


@pytest.mark.parametrize(
    ("where", "host", "port"),
    [("a", "a", None), ("a:1", "a", 1), ("[::1]", "[::1]", None), ("[::1]:65535", "[::1]", 65535)],
)
def test_host_and_port(where: str, host: str, port: int | None) -> None:
    assert parse_hostport(where, where) == (host, port)


@pytest.mark.parametrize("host", ["", "a b", "[::1", "a/b", "::1", "[::1]]", "."])
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(ParseError):
        check_host(host, host, [])


ALL_PARTS = "sip:alice@b:5060;user=phone;method=INVITE;maddr=c;ttl=1;transport=udp;lr;other=x?subject=y"

TABLE_1 = {
    # RFC 3261 §19.1.1 Table 1, without user, password and host, which are allowed everywhere
    #                    Request-URI, To, From, registration, dialog, external
    "port": (True, False, False, True, True, True),
    "user": (True, True, True, True, True, True),
    "method": (False, False, False, False, False, True),
    "maddr": (True, False, False, True, True, True),
    "ttl": (True, False, False, True, False, True),
    "transport": (True, False, False, True, True, True),
    "lr": (True, False, False, False, True, True),
    "other": (True, True, True, True, True, True),
    "headers": (False, False, False, True, False, True),
}


@pytest.mark.parametrize(("part", "place"), [(part, place) for part in TABLE_1 for place in Place])
def test_table_1(part: str, place: Place) -> None:
    allowed = TABLE_1[part][list(Place).index(place)]
    uri = sip(ALL_PARTS)
    assert (part not in uri.illegal_parts(place)) == allowed
    fitted = uri.fitted_to(place)
    there = {"port": fitted.port is not None, "headers": fitted.headers is not None}.get(part, part in fitted.params)
    assert there == allowed
    assert fitted.illegal_parts(place) == ()


def test_a_uri_that_fits_is_left_as_it_is() -> None:
    uri = sip("SIP:a@b;X=y")
    assert uri.fitted_to(Place.TO) is uri
