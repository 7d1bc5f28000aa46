"""Header fields: verbatim, in order, typed on demand, and where an error stands."""

from collections.abc import Callable

import pytest

from sipcore.deviation import Deviation
from sipcore.errors import LimitExceeded, ParseError, UnsafeValue
from sipcore.grammar import MAX_LIST_VALUES
from sipcore.message.address import Address
from sipcore.message.fields.simple import CSeq
from sipcore.message.headers import MAX_VALUES, Headers, Noted, headers_below, headers_of
from sipcore.message.parser import parse_message
from sipcore.message.position import field_position, message_start
from sipcore.message.registry import (
    ALLOW,
    CALL_ID,
    CONTACT,
    CSEQ,
    MAX_FORWARDS,
    PROXY_AUTHENTICATE,
    RECORD_ROUTE,
    REQUIRE,
    ROWS,
    SUBJECT,
    SUPPORTED,
    TO,
    VIA,
)
from sipcore.message.uri import SipUri


def read(*lines: str, ends: str = "\r\n") -> Headers:
    text = ends.join(["OPTIONS sip:a@b SIP/2.0", *lines, "", ""])
    return parse_message(text.encode("utf-8", "surrogateescape")).headers


def test_names_compare_without_case_in_long_and_compact_form() -> None:
    headers = read("v: SIP/2.0/UDP a", "VIA: SIP/2.0/UDP b", "vIa : SIP/2.0/UDP c", "X-Y: 1", "x-y: 2")
    assert [via.host for via in headers[VIA]] == ["a", "b", "c"]
    assert headers.get_all("V") == headers.get_all("via")
    assert (headers.get("X-Y"), headers.get_all("x-Y")) == ("1", ["1", "2"])
    assert "Via" in headers
    assert "v" in headers
    assert "From" not in headers
    assert headers.get("From") is None
    assert headers.has_any("From", "V")
    assert not headers.has_any("From", "To")


def test_a_typed_value_is_parsed_once() -> None:
    headers = read("To: <sip:a@b>", "Via: SIP/2.0/UDP a")
    assert headers[TO] is headers[TO]
    assert headers[VIA] is headers[VIA]


def test_what_is_not_there() -> None:
    headers = read()
    assert (headers[TO], headers[VIA], headers.first(VIA), len(headers)) == (None, (), None, 0)


@pytest.mark.parametrize(
    "lines",
    [
        ["Allow: INVITE, ACK,BYE"],
        ["Allow: INVITE", "Allow: ACK, BYE"],
        ["Allow: INVITE", "Supported: x", "allow: ACK", "ALLOW:BYE"],
        ["Allow:\r\n INVITE,\r\n\tACK\r\n , BYE"],
    ],
)
def test_lists_may_be_one_line_or_several(lines: list[str]) -> None:
    assert read(*lines)[ALLOW] == ("INVITE", "ACK", "BYE")


def test_a_field_whose_grammar_has_commas_is_never_split() -> None:
    headers = read('Proxy-Authenticate: Digest realm="a", nonce="b"', 'Proxy-Authenticate: Digest realm="c", nonce="d"')
    assert [challenge.realm for challenge in headers[PROXY_AUTHENTICATE]] == ["a", "c"]


def test_an_empty_list_is_legal_where_the_row_says_so() -> None:
    assert read("Supported:", "Allow: ")[SUPPORTED] == ()
    with pytest.raises(ParseError, match="no value"):
        read("Require:")[REQUIRE]
    with pytest.raises(ParseError, match="no value"):
        read("Require: ,")[REQUIRE]


def test_nothing_beside_a_comma_is_noted_once() -> None:
    headers = read("Allow: INVITE,,", "Supported: ,", "Allow: ,BYE")
    assert headers[ALLOW] == ("INVITE", "BYE")
    assert headers[SUPPORTED] == ()
    assert headers.noted() == (
        Noted(Deviation.EMPTY_LIST_VALUE, "Allow"),
        Noted(Deviation.EMPTY_LIST_VALUE, "Supported"),
    )


def test_a_single_value_may_stand_twice_only_if_it_is_the_same() -> None:
    headers = read("Call-ID: x", "i: x")
    assert headers[CALL_ID] == "x"
    assert headers.noted() == (Noted(Deviation.DUPLICATE_HEADER, "Call-ID"),)
    with pytest.raises(ParseError, match="more than once"):
        read("Call-ID: x", "Call-ID: y")[CALL_ID]


@pytest.mark.parametrize("lines", [[", ".join(["INVITE"] * (MAX_LIST_VALUES + 1))], ["INVITE"] * (MAX_LIST_VALUES + 1)])
def test_a_list_has_a_limit_however_it_is_written(lines: list[str]) -> None:
    with pytest.raises(LimitExceeded) as error:
        read(*(f"Allow: {line}" for line in lines))[ALLOW]
    assert (error.value.header, error.value.status) == ("Allow", 513)


def test_all_lists_together_have_a_limit() -> None:
    names = ["Allow", "Supported", "Require", "Unsupported", "Proxy-Require"]
    headers = read(*(f"{name}: {', '.join(['x'] * (MAX_VALUES // 4))}" for name in names))
    assert all(len(headers[ROWS[name.lower()]]) == MAX_VALUES // 4 for name in names[:3])  # type: ignore[arg-type]
    with pytest.raises(LimitExceeded) as error:
        [headers[ROWS[name.lower()]] for name in names]
    assert error.value.status == 513
    assert error.value.position is not None
    with pytest.raises(LimitExceeded):
        read(*(f"{name}: {', '.join(['x'] * (MAX_VALUES // 4))}" for name in names)).typed()


@pytest.mark.parametrize(
    "lines",
    [
        ["Via: SIP/2.0/UDP a", "Max-Forwards: 70", "Via: SIP/2.0/UDP b, SIP/2.0/UDP c", "Subject:", "X-Y: z"],
        ["Subject:", "s: ", "i: x", "i: x", "Call-ID: x", "CSeq: 1 A"],
        ["Allow: INVITE,,ACK", "Supported:", "Allow: BYE", "i: x", "Call-ID: x", "To:\r\n <sip:a@b>\r\n ;tag=1"],
        [
            'Proxy-Authenticate: Digest realm="a", nonce="b"',
            "Contact: *",
            "Record-Route: <sip:a>",
            "Record-Route: <sip:b>",
        ],
    ],
)
@pytest.mark.parametrize("asked", [None, VIA, ALLOW])
def test_all_fields_typed_at_once_are_what_each_is_alone(lines: list[str], asked: object) -> None:
    alone, together = read(*lines), read(*lines)
    if asked is not None:
        together[asked]  # type: ignore[call-overload]  # rows of several types
    typed = together.typed()
    assert dict(typed) == {row: alone[row] for row in alone.known_rows()}
    assert list(typed) == alone.known_rows()
    assert set(together.noted()) == set(alone.noted())
    assert all(together[row] is value for row, value in typed.items())


@pytest.mark.parametrize(
    ("lines", "header", "offending"),
    [
        (["Via: SIP/2.0/UDP a", "Via: x"], "Via", "x"),
        (["Call-ID: x", "To: <sip:a", "Via: x"], "To", "<sip:a"),
        (["Allow: a, b c"], "Allow", "b c"),
        (["CSeq: 1 A", "CSeq: 2 A"], "CSeq", "1 A"),
        (["Require:"], "Require", ""),
    ],
)
def test_the_first_field_that_cannot_be_read_is_told(lines: list[str], header: str, offending: str) -> None:
    with pytest.raises(ParseError) as error:
        read(*lines).typed()
    assert (error.value.header, error.value.excerpt) == (header, offending)
    assert error.value.position is not None


def test_many_lines_of_one_list_have_its_limit_too() -> None:
    with pytest.raises(LimitExceeded):
        read(*["Allow: ACK"] * (MAX_LIST_VALUES + 1)).typed()


def test_a_faulty_value_is_refused_every_time_and_the_others_can_be_read() -> None:
    headers = read("CSeq: x", "Max-Forwards: 70")
    for _ in range(2):
        with pytest.raises(ParseError):
            headers[CSEQ]
    assert headers[MAX_FORWARDS] == 70


@pytest.mark.parametrize(
    ("lines", "row", "text", "offending"),
    [
        (["CSeq: 1", "To: x"], CSEQ, "1", "1"),
        (["Max-Forwards:    256"], MAX_FORWARDS, "256", "256"),
        (["Subject: ünïcode", "To: <sip:a@b:x>;tag=1"], TO, "<sip:a@b:x>;tag=1", "x>;tag=1"),
        (["To:\r\n  <sip:a@b>\r\n ;tag=1 ;=x"], TO, "<sip:a@b> ;tag=1 ;=x", "=x"),
        (["Allow: a, b, a b, b"], ALLOW, "a, b, a b, b", "a b, b"),
        (["Allow: a", "Allow: b, b b"], ALLOW, "b, b b", "b b"),
        (["Via: SIP/2.0/UDP a, SIP/2.0/UDP a:x"], VIA, "SIP/2.0/UDP a, SIP/2.0/UDP a:x", "x"),
        (["Contact: <sip:a>, <sip:a>, <sip:a", "To: x"], CONTACT, "<sip:a>, <sip:a>, <sip:a", "<sip:a"),
        (["Record-Route: <sip:a>,\r\n <sip:>"], RECORD_ROUTE, "<sip:a>, <sip:>", ">"),
    ],
)
@pytest.mark.parametrize("ends", ["\r\n", "\n"])
@pytest.mark.parametrize("before", ["", "\r\n\r\n"])
def test_an_error_knows_its_field_its_place_in_the_value_and_its_byte(
    lines: list[str], row: object, text: str, offending: str, ends: str, before: str
) -> None:
    written = before + ends.join(["OPTIONS sip:a@b SIP/2.0", *(line.replace("\r\n", ends) for line in lines), "", ""])
    data = written.encode()
    headers = parse_message(data).headers
    with pytest.raises(ParseError) as error:
        headers[row]  # type: ignore[call-overload]  # rows of several types
    assert (error.value.header, error.value.text) == (row.name, text)  # type: ignore[attr-defined]  # as above
    assert text[error.value.offset :] == offending
    assert error.value.excerpt == offending
    assert error.value.position is not None
    assert data[error.value.position :].startswith(offending.encode())


def test_an_error_out_of_fields_that_were_built_knows_no_byte() -> None:
    with pytest.raises(ParseError) as error:
        headers_of(("Max-Forwards", "x"))[MAX_FORWARDS]
    assert (error.value.header, error.value.position) == ("Max-Forwards", None)


def test_the_first_value_alone() -> None:
    headers = read("Via: SIP/2.0/UDP a", "Via: nonsense")
    via = headers.first(VIA)
    assert via is not None
    assert via.host == "a"
    with pytest.raises(ParseError):
        headers[VIA]
    listed = read("Via: SIP/2.0/UDP a, SIP/2.0/UDP b")
    assert listed.first(VIA) is listed[VIA][0] is listed.first(VIA)
    with pytest.raises(ParseError) as error:
        read("Via: nonsense").first(VIA)
    assert error.value.position is not None
    with pytest.raises(ParseError):
        read("Via:").first(VIA)


def test_fields_come_out_as_they_came_in() -> None:
    headers = read("Subject :  a\r\n  b ", "s:", "X-Y: y")
    assert headers.raw_items() == [("Subject ", "  a\r\n  b "), ("s", ""), ("X-Y", " y")]
    assert list(headers) == [("Subject", "a b"), ("s", ""), ("X-Y", "y")]
    assert str(headers) == "Subject :  a\r\n  b \r\ns:\r\nX-Y: y\r\n"
    assert [row.name for row in headers.known_rows()] == ["Subject"]


def test_replaced_stands_where_the_first_one_stood() -> None:
    headers = read("A: 1", "b :2", "a:3", "C: 4")
    assert str(headers.replaced("a", 5, "six")) == "a: 5\r\na: six\r\nb :2\r\nC: 4\r\n"
    assert str(headers.replaced("D", "")) == "A: 1\r\nb :2\r\na:3\r\nC: 4\r\nD:\r\n"
    assert str(headers.replaced("A")) == "b :2\r\nC: 4\r\n"
    assert str(headers.replaced("D")) == str(headers)
    assert str(read("i: x").replaced("Call-ID", "y")) == "Call-ID: y\r\n"


def test_first_and_last() -> None:
    headers = read("A: 1", "Via: 2", "A: 3")
    assert str(headers.with_first("v", 4)) == "A: 1\r\nv: 4\r\nVia: 2\r\nA: 3\r\n"
    assert str(headers.with_first("B", 4)) == "B: 4\r\nA: 1\r\nVia: 2\r\nA: 3\r\n"
    assert str(headers.with_last("A", 4)) == "A: 1\r\nVia: 2\r\nA: 3\r\nA: 4\r\n"


def test_selection_and_sum_leave_fields_as_they_were_written() -> None:
    headers = read("t :  <sip:a@b>\r\n ;x", "A: 1", "To: y")
    assert headers.written({"to"}) == (["t :  <sip:a@b>\r\n ;x", "To: y"], ["to", "to"])
    assert str(headers.only("to") + headers_of(("B", 2))) == "t :  <sip:a@b>\r\n ;x\r\nTo: y\r\nB: 2\r\n"


CHANGES = {
    "replaced": lambda headers, name, text: headers.replaced(name, text),
    "first": lambda headers, name, text: headers.with_first(name, text),
    "last": lambda headers, name, text: headers.with_last(name, text),
    "before the body": lambda headers, name, text: headers.before_body(headers_of((name, text))),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_a_change_leaves_alone_is_not_read_again(change: Callable[[Headers, str, str], Headers]) -> None:
    headers = read("To: <sip:a@b>", "Via: SIP/2.0/UDP a", "Allow: ACK", "Content-Length: 0")
    known = headers[TO], headers[VIA]
    changed = change(headers, "Allow", ",BYE")
    assert changed[TO] is known[0]
    assert changed[VIA] is known[1]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_a_change_is_about_is_read_again(change: Callable[[Headers, str, str], Headers]) -> None:
    headers = read("Via: SIP/2.0/UDP a", "Allow: ACK", "Content-Length: 0")
    assert headers[ALLOW] == ("ACK",)
    changed = change(headers, "Allow", ",BYE")
    assert changed[ALLOW] == read(*str(changed).splitlines())[ALLOW] != ("ACK",)
    assert headers[ALLOW] == ("ACK",)


def test_what_was_noted_is_noted_of_a_change_too() -> None:
    headers = read("i: x", "Call-ID: x", "To: <sip:a@b>")
    assert headers[CALL_ID] == "x"
    changed = headers.replaced("Subject", "hi")
    assert changed[CALL_ID] == "x"
    assert changed.noted() == headers.noted() == (Noted(Deviation.DUPLICATE_HEADER, "Call-ID"),)


def test_values_that_are_known_are_not_read_but_what_stands_twice_is() -> None:
    address = Address(SipUri("b", "a"))
    headers = headers_below(
        [], [], [("To", address), ("CSeq", "1 A"), ("CSeq", "2 A")], {TO: address, CSEQ: CSeq(1, "A")}
    )
    assert headers[TO] is address
    with pytest.raises(ParseError, match="more than once"):
        headers[CSEQ]


def test_a_change_leaves_the_original_alone() -> None:
    headers = read("A: 1", "To: <sip:a@b>")
    before = str(headers)
    headers.replaced("A", 2)
    headers.with_first("A", 2)
    headers.with_last("A", 2)
    headers.only("A")
    assert str(headers) == before
    assert len(headers) == 2


@pytest.mark.parametrize("value", ["a\r\nEvil: 1", "a\nb", "a\rb", "a\0b", "\ud800"])
def test_a_value_cannot_begin_a_field_of_its_own(value: str) -> None:
    headers = read("Subject: x")
    for change in (headers.replaced, headers.with_first, headers.with_last):
        with pytest.raises(UnsafeValue):
            change("Subject", value)
    with pytest.raises(UnsafeValue):
        headers_of(("Subject", value))


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "ä"])
def test_a_name_is_a_token(name: str) -> None:
    headers = read("Subject: x")
    for change in (headers.replaced, headers.with_first, headers.with_last):
        with pytest.raises(UnsafeValue):
            change(name, "x")
    with pytest.raises(UnsafeValue):
        headers_of((name, "x"))


def test_where_fields_begin() -> None:
    data = b"\r\n\nOPTIONS sip:a SIP/2.0\r\nA: 1\n B\r\nC: 2\r\n\r\nbody"
    start = message_start(data)
    assert data[start:].startswith(b"OPTIONS")
    assert data[field_position(data, 0) :].startswith(b"A: 1\n B")
    assert data[field_position(data, 1) :].startswith(b"C: 2")
    assert field_position(b"OPTIONS sip:a SIP/2.0\r\nA: 1", 1) == len(b"OPTIONS sip:a SIP/2.0\r\nA: 1")


def test_a_subject_may_be_empty() -> None:
    assert read("Subject:")[SUBJECT] == ""
