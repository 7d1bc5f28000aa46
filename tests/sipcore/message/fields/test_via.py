"""Via: sent-by, parameters, white space, and what is tolerated."""

import pytest

from sipcore.deviation import Deviation, Notes
from sipcore.errors import ParseError, UnsafeValue
from sipcore.message.fields.via import Via, tolerate_missing_branch, via_for
from sipcore.message.params import Params


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("SIP/2.0/UDP a.b;branch=z9hG4bK1", ("SIP", "2.0", "UDP", "a.b", None, ";branch=z9hG4bK1")),
        ("SIP/2.0/TLS 192.0.2.1:5061", ("SIP", "2.0", "TLS", "192.0.2.1", 5061, "")),
        ("SIP/2.0/TCP [2001:db8::1]:5060;rport", ("SIP", "2.0", "TCP", "[2001:db8::1]", 5060, ";rport")),
        ("SIP/2.0/UDP a:60000;x", ("SIP", "2.0", "UDP", "a", 60000, ";x")),
        ("sip/2.0/unknown a", ("sip", "2.0", "unknown", "a", None, "")),
    ],
)
def test_read_and_written(text: str, parts: tuple[object, ...]) -> None:
    via = Via.parse(text)
    assert (via.name, via.version, via.transport, via.host, via.port, str(via.params)) == parts
    assert str(via) == text


@pytest.mark.parametrize(
    "text",
    [
        "SIP / 2.0 / UDP  a.b : 5060 ;branch=z9hG4bK1",
        " SIP/ 2.0 /UDP\ta.b :5060; branch = z9hG4bK1 ",
        "SIP/2.0/UDP a.b:5060   ;branch=z9hG4bK1",
    ],
)
def test_white_space_is_legal_around_slashes_and_colon(text: str) -> None:
    via = Via.parse(text)
    assert (via.host, via.port, via.branch) == ("a.b", 5060, "z9hG4bK1")


@pytest.mark.parametrize(
    ("text", "deviation"),
    [
        ("SIP/2.0/UDP a_b", Deviation.ODD_HOST),
        ("SIP/2.0/UDP a;", Deviation.EMPTY_PARAMETER),
        ("SIP/2.0/UDP a;branch=", Deviation.EMPTY_PARAMETER_VALUE),
        ("SIP/2.0/UDP a;received=[::1]", Deviation.BRACKETED_ADDRESS_PARAMETER),
        ("SIP/2.0/UDP a ;received=[::1]", Deviation.BRACKETED_ADDRESS_PARAMETER),
        ("SIP/2.0/UDP a;branch=x (a comment)", Deviation.VIA_COMMENT),
        ("SIP/2.0/UDP a:5060 ( a comment )", Deviation.VIA_COMMENT),
        ("SIP/2.0/UDP [::1:::192.0.2.1]", None),
        ("SIP/2.0/UDP [2001:db8:::192.0.2.1]", Deviation.EXTRA_COLON_IN_ADDRESS),
    ],
)
def test_faults_tolerated_by_name(text: str, deviation: Deviation | None) -> None:
    notes: Notes = []
    if deviation is not None:
        Via.parse(text, notes)
        assert notes == [deviation]
    with pytest.raises(ParseError):
        Via.parse(text)


@pytest.mark.parametrize(
    ("text", "offending"),
    [
        ("", ""),
        (";;,", ";;,"),
        ("SIP/2.0 a", "SIP/2.0 a"),
        ("SIP/2.0/UDP", "SIP/2.0/UDP"),
        ("SIP/2.0/UDP ", ""),
        ("SIP/2.0/UDP  ;branch=x", ";branch=x"),
        ("SIP/2.0/UDP a b", "a b"),
        ("SIP/2.0/UDP a:x", "x"),
        ("SIP/2.0/UDP a:65536", "65536"),
        ("SIP/2.0/UDP [::x];a", "[::x];a"),
        ("SIP/2.0/UDP a@b", "a@b"),
        ("SIP/2.0/UDP a;rport=x", "x"),
        ("SIP/2.0/UDP a;rport=65536", "65536"),
        ("SIP/2.0/UDP a;ttl=256", "256"),
        ("SIP/2.0/UDP a ; ttl = 256", "256"),
        ("SIP/2.0/UDP a;b;=c", "=c"),
        ("SIP/2.0/UDP a:5060 )", "a:5060 )"),
    ],
)
def test_faults_refused_with_their_place(text: str, offending: str) -> None:
    with pytest.raises(ParseError) as error:
        Via.parse(text, [])
    assert error.value.text == text
    assert text[error.value.offset :] == offending


def test_what_the_parameters_mean() -> None:
    via = Via.parse("SIP/2.0/UDP a:5062;Branch=Z9HG4BKx;received=2001:db8::1;rport=5063")
    assert (via.branch, via.has_cookie, via.received, via.rport) == ("Z9HG4BKx", True, "2001:db8::1", 5063)
    assert (via.wants_rport, via.sent_by) == (True, "a:5062")
    plain = Via.parse("SIP/2.0/UDP a;rport")
    assert (plain.branch, plain.has_cookie, plain.received, plain.rport) == ("", False, None, None)
    assert (plain.wants_rport, plain.sent_by) == (True, "a")
    assert Via.parse("SIP/2.0/UDP a;received=[::1]", []).received == "::1"
    assert not Via.parse("SIP/2.0/UDP a").wants_rport


def test_a_parameter_is_set_in_its_place() -> None:
    via = Via.parse("SIP/2.0/UDP a;rport;branch=x")
    assert str(via.with_param("rport", "5060").with_param("received", "::1")) == (
        "SIP/2.0/UDP a;rport=5060;branch=x;received=::1"
    )


def test_a_via_to_send_always_asks_for_rport() -> None:
    assert str(via_for("UDP", "192.0.2.1", 5060, "z9hG4bK1")) == "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport"
    assert str(via_for("TLS", "2001:db8::1", None, "z9hG4bK1")) == "SIP/2.0/TLS [2001:db8::1];branch=z9hG4bK1;rport"
    with pytest.raises(UnsafeValue):
        via_for("UDP", "a", None, "z9hG4bK\r\n")


@pytest.mark.parametrize(
    ("params", "deviation"),
    [
        ("", Deviation.NO_BRANCH),
        (";branch=z9hG4bK", Deviation.NO_BRANCH),
        (";branch=390skdjuw", Deviation.NO_MAGIC_COOKIE),
        (";branch=z9hG4bKx", None),
    ],
)
def test_branches_that_are_none_of_rfc_3261(params: str, deviation: Deviation | None) -> None:
    notes: Notes = []
    tolerate_missing_branch(Via("UDP", "a", None, Params.parse(params)), notes)
    assert notes == ([] if deviation is None else [deviation])
