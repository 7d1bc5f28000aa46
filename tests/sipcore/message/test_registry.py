"""The registry: every header field once, read by a codec that gives a value or a ParseError and nothing else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Notes
from sipcore.errors import ParseError
from sipcore.message import registry
from sipcore.message.headers import headers_of
from sipcore.message.registry import KNOWN_NAMES, ROWS, Listed, Repeated, Row, Single, key_of

ROUTES = ["<sip:p1.example.com;lr>", "Proxy <sip:p2.example.com:5070;transport=tcp;lr>;x=1"]
ADDRESSES = ["sip:alice@example.com", '"Alice \\"A\\"" <sips:alice@[2001:db8::1]:5061>', "Bob <tel:+12025550143>"]
TOKENS = ["100rel", "a-.!%*_+`'~"]
CALL_IDS = ["f81d4fae-7dec-11d0@198.51.100.7", "1"]
REFERENCES = ["<http://example.com/a.jpg>;purpose=icon", "<sip:alice@example.com>"]
CHALLENGES = ['Digest realm="example.com", nonce="84a4cc6f", qop="auth", algorithm=SHA-256, stale=FALSE']
CREDENTIALS = [
    'Digest username="alice", realm="example.com", nonce="84a4cc6f", uri="sip:bob@example.com", '
    'response="0123456789abcdef0123456789abcdef", algorithm=MD5, cnonce="0a4f113b", qop=auth, nc=00000001'
]
AUTHENTICATION_INFOS = ['nextnonce="47364c23432d2e131a5fb210812c"']
NUMBERS = ["0", "70"]
SECONDS = ["0", "3600", "4294967295"]
KEYWORDS = ["Auto", "nomination;x=1;y"]
MECHANISMS = ["tls;q=0.2", 'digest;d-alg=MD5;d-qop=auth;d-ver="0123456789abcdef0123456789abcdef"']
PRIORITIES = ["dsn.flash", "q735.0"]
URNS = ["urn:urn-7:3gpp-service.ims.icsi.mmtel"]
FEATURES = ["*;audio;video;require;explicit", '*;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp"']
REPLACES = ["1@example.com;to-tag=a;from-tag=b;early-only"]
EMPTY = [""]

CANONICAL: dict[str, list[str]] = {
    "Accept": ["application/sdp;level=1;q=0.5", "*/*"],
    "Accept-Contact": FEATURES,
    "Accept-Encoding": ["gzip;q=0.5", "*"],
    "Accept-Language": ["en-gb;q=0.8", "*"],
    "Accept-Resource-Priority": PRIORITIES,
    "Alert-Info": REFERENCES,
    "Allow": ["INVITE", "x-method"],
    "Allow-Events": ["presence", "presence.winfo"],
    "Answer-Mode": KEYWORDS,
    "Authentication-Info": AUTHENTICATION_INFOS,
    "Authorization": CREDENTIALS,
    "Call-ID": CALL_IDS,
    "Call-Info": REFERENCES,
    "Contact": [*ADDRESSES, "*", '<sip:a@192.0.2.1;ob>;reg-id=1;+sip.instance="<urn:uuid:0>";q=0.7;expires=3600'],
    "Content-Disposition": ["session;handling=optional", "early-session"],
    "Content-Encoding": ["gzip"],
    "Content-ID": ["<target123@example.com>"],
    "Content-Language": ["fr", "zh-Hant-TW"],
    "Content-Length": NUMBERS,
    "Content-Type": ["application/sdp", 'multipart/mixed;boundary="a b"'],
    "CSeq": ["1 INVITE", "2147483647 x"],
    "Date": ["Sat, 13 Nov 2010 23:29:00 GMT"],
    "Diversion": ["<sip:bob@example.com>;reason=unconditional;counter=1;privacy=off"],
    "Error-Info": REFERENCES,
    "Event": ["presence.winfo", "dialog;id=7"],
    "Expires": SECONDS,
    "Feature-Caps": FEATURES,
    "Flow-Timer": SECONDS,
    "From": [*ADDRESSES, "<sip:alice@example.com>;tag=1928"],
    "Geolocation": ["<cid:target123@example.com>"],
    "Geolocation-Error": ['300;code="Permission To Use Location Information"'],
    "Geolocation-Routing": ["yes", "no"],
    "History-Info": ["<sip:bob@example.com?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1"],
    "Identity": ["eyJhb.eyJvc.q_-8;info=<https://cert.example.org/passport.cer>;alg=ES256;ppt=shaken"],
    "Identity-Info": ["<https://atlanta.example.com/cert>;alg=rsa-sha1"],
    "In-Reply-To": CALL_IDS,
    "Info-Package": KEYWORDS,
    "Join": REPLACES,
    "Max-Breadth": NUMBERS,
    "Max-Forwards": NUMBERS,
    "MIME-Version": ["1.0"],
    "Min-Expires": SECONDS,
    "Min-SE": [*SECONDS, "90;x"],
    "Organization": ["Boxes by Bob", *EMPTY],
    "P-Access-Network-Info": ['3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=26201;network-provided;"ip=192.0.2.1"'],
    "P-Answer-State": KEYWORDS,
    "P-Asserted-Identity": ADDRESSES,
    "P-Asserted-Service": URNS,
    "P-Associated-URI": ["<sip:bob@example.com>;x"],
    "P-Called-Party-ID": ["<sip:bob@example.com>"],
    "P-Charge-Info": ADDRESSES,
    "P-Charging-Function-Addresses": ["ccf=192.0.2.1;ccf=192.0.2.2;ecf=[2001:db8::1]"],
    "P-Charging-Vector": ['icid-value="1234 bc";icid-generated-at=192.0.2.8;orig-ioi=home1.example'],
    "P-Early-Media": ["supported", "sendrecv"],
    "P-Media-Authorization": ["0123456789abcDEF"],
    "P-Preferred-Identity": ADDRESSES,
    "P-Preferred-Service": URNS,
    "P-Profile-Key": ["<sip:chatroom-!.*!@example.com>"],
    "P-Refused-URI-List": ['<sip:list@example.com>;members="<cid:a@b>"'],
    "P-Served-User": ["<sip:alice@example.com>;sescase=orig;regstate=reg"],
    "P-User-Database": ["<aaa://host.example.com;transport=tcp>"],
    "P-Visited-Network-ID": ['"Visited network 1"', "other.net;x=1"],
    "Path": ROUTES,
    "Priority": ["emergency"],
    "Priv-Answer-Mode": KEYWORDS,
    "Privacy": ["id", "header;user;critical"],
    "Proxy-Authenticate": CHALLENGES,
    "Proxy-Authentication-Info": AUTHENTICATION_INFOS,
    "Proxy-Authorization": CREDENTIALS,
    "Proxy-Require": TOKENS,
    "RAck": ["776656 1 INVITE"],
    "Reason": ['Q.850;cause=16;text="Terminated"', "SIP"],
    "Record-Route": ROUTES,
    "Recv-Info": KEYWORDS,
    "Refer-Events-At": REFERENCES,
    "Refer-Sub": ["true", "false;x"],
    "Refer-To": [*ADDRESSES, "<sip:bob@example.com?Replaces=1%3Bto-tag%3Da%3Bfrom-tag%3Db>;x"],
    "Referred-By": ['<sip:r@example.com>;cid="20398823.2UWQFN309shb3@example.com"'],
    "Reject-Contact": FEATURES,
    "Remote-Party-ID": ['"A" <sip:a@b>;party=calling;screen=yes;privacy=off'],
    "Replaces": REPLACES,
    "Reply-To": [*ADDRESSES, "Bob <sip:bob@example.com>;x=y"],
    "Request-Disposition": ["proxy", "no-fork"],
    "Require": TOKENS,
    "Resource-Priority": PRIORITIES,
    "Retry-After": [*SECONDS, "18000 (in (a) meeting);duration=60"],
    "Route": ROUTES,
    "RSeq": ["1", "4294967295"],
    "Security-Client": MECHANISMS,
    "Security-Server": MECHANISMS,
    "Security-Verify": MECHANISMS,
    "Server": ["HomeServer v2", *EMPTY],
    "Service-Route": ROUTES,
    "Session-Expires": [*SECONDS, "1800;refresher=uac"],
    "Session-ID": ["ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2"],
    "SIP-ETag": TOKENS,
    "SIP-If-Match": TOKENS,
    "Subject": ["Need more boxes", *EMPTY],
    "Subscription-State": ["active;expires=600", "terminated;reason=noresource;retry-after=5"],
    "Supported": TOKENS,
    "Suppress-If-Match": ["*", "etag1"],
    "Target-Dialog": ["1@example.com;local-tag=a;remote-tag=b"],
    "Timestamp": ["54", "54.21 0.5"],
    "To": [*ADDRESSES, "<sip:alice@example.com>;tag=1928"],
    "Unsupported": TOKENS,
    "User-Agent": ["Softphone Beta1.5 (a; b)", *EMPTY],
    "User-to-User": ["56a390f3d2;encoding=hex", '"a, b";purpose=isdn-uui'],
    "Via": ["SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport", "SIP/2.0/TLS [2001:db8::1];received=192.0.2.1"],
    "Warning": ['399 example.com:5060 "Say \\"no\\", twice"'],
    "WWW-Authenticate": CHALLENGES,
}
"""At least one value of each header field, written as its RFC has it."""

# https://www.iana.org/assignments/sip-parameters: Header Fields, column Compact Form
COMPACT_FORMS = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}

PAIRS = [(ROWS[name.lower()], text) for name, texts in CANONICAL.items() for text in texts]


def test_every_row_has_an_example_and_every_example_a_row() -> None:
    assert {row.name for row in ROWS.values()} == set(CANONICAL)


def test_rows_are_constants_of_their_name() -> None:
    for row in ROWS.values():
        assert getattr(registry, row.name.upper().replace("-", "_")) is row
        assert row.key == row.name.lower()
        assert repr(row) == f"<{type(row).__name__} {row.name}>"
    constants = [value for value in vars(registry).values() if isinstance(value, Row)]
    assert len(constants) == len(ROWS)


def test_compact_forms() -> None:
    assert {row.compact: row.name for row in ROWS.values() if row.compact} == COMPACT_FORMS


def test_every_row_names_its_rule() -> None:
    for row in ROWS.values():
        assert re.fullmatch(r"(RFC \d{4}|draft-[a-z0-9-]+) §\d+(\.\d+)*", row.section), row


def test_rows_are_of_one_kind() -> None:
    assert {type(row) for row in ROWS.values()} == {Single, Listed, Repeated}


@pytest.mark.parametrize("row", ROWS.values(), ids=repr)
def test_names(row: Row[object]) -> None:
    for name in (row.name, row.name.lower(), row.name.upper(), row.name.swapcase(), f"{row.name} \t", row.compact):
        assert not name or key_of(name) == row.key
    assert KNOWN_NAMES[row.name] == row.key


@pytest.mark.parametrize(
    ("name", "key"),
    [("X-Custom", "x-custom"), ("x!", "x!"), ("", ""), ("a b", ""), ("é", ""), ("a\n", ""), (" To", "")],
)
def test_names_that_are_not_known(name: str, key: str) -> None:
    assert key_of(name) == key


@pytest.mark.parametrize(("row", "text"), PAIRS)
def test_canonical_text_comes_back(row: Row[object], text: str) -> None:
    assert str(row.codec(text, None)) == text


@pytest.mark.parametrize(("row", "text"), PAIRS)
def test_values_out_of_a_message(row: Row[object], text: str) -> None:
    headers = headers_of((row.name, text), (row.compact or "X-Other", text))
    if isinstance(row, Single):
        assert str(headers[row]) == text
    elif isinstance(row, (Listed, Repeated)):
        assert [str(value) for value in headers[row]] == [text] * (2 if row.compact else 1)


@pytest.mark.parametrize("row", [row for row in ROWS.values() if isinstance(row, Listed)], ids=repr)
def test_lists(row: Listed[object]) -> None:
    texts = CANONICAL[row.name]
    headers = headers_of((row.name, " ,\t".join(texts)), (row.name, texts[0]))
    assert [str(value) for value in headers[row]] == [*texts, texts[0]]
    if row.empty:
        assert headers_of((row.name, ""))[row] == ()
    else:
        with pytest.raises(ParseError):
            headers_of((row.name, ""))[row]


def _mutations(text: str) -> st.SearchStrategy[str]:
    """`text` with something else in the place of a part of it."""
    places = st.integers(0, len(text))
    pieces = st.text(max_size=3) | st.sampled_from(list(';,=<>"\\()@:/*%[]&? \t\r\n\0-.019az')) | st.just(text)
    return st.builds(lambda start, end, piece: text[:start] + piece + text[end:], places, places, pieces)


hostile = (
    st.text(max_size=40)
    | st.text(';,=<>"\\()@:/ \t\r\n\0a1', max_size=12)
    | st.sampled_from(PAIRS).flatmap(lambda pair: _mutations(pair[1]))
)


@given(hostile)
def test_any_text_gives_a_value_or_a_parse_error(text: str) -> None:
    found: Notes = []
    for row in ROWS.values():
        for notes in (None, found):
            try:
                typed = row.codec(text, notes)
            except ParseError:
                continue
            str(typed)
            hash(typed)


@given(st.sampled_from(PAIRS).flatmap(lambda pair: st.tuples(st.just(pair[0]), _mutations(pair[1]))))
def test_what_was_read_is_read_the_same_once_written(pair: tuple[Row[object], str]) -> None:
    row, text = pair
    notes: Notes = []
    try:
        typed = row.codec(text, notes)
    except ParseError:
        return
    assert row.codec(str(typed), notes) == typed
