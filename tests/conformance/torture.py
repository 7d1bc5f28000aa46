"""What RFC 4475 and RFC 5118 say about each of their messages, in their order.

Each row is read out of the RFC's prose: whether the message is well formed, what a liberal element may overlook, what
it must be refused for, and which values a right reading finds. `noted` are all deviations that a full inspection gives,
`errors` the header fields that it finds faulty with the status for each, `refused` the status of a message that cannot
be read at all, with the text that the error must point at.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sipcore.message.message import Request, Response
from sipcore.message.registry import (
    ACCEPT,
    CONTACT,
    CONTENT_TYPE,
    DATE,
    MAX_FORWARDS,
    PROXY_REQUIRE,
    RECORD_ROUTE,
    REQUIRE,
    ROUTE,
    SUBJECT,
    VIA,
)
from sipcore.message.uri import OtherUri, SipUri, Uri, unescape

Read = Callable[[Any], object]
"""Takes a value out of a Request or Response."""


@dataclass(frozen=True, slots=True)
class Torture:
    """One message and its verdict."""

    name: str
    section: str
    noted: tuple[str, ...] = ()
    errors: tuple[tuple[str, int], ...] = ()
    refused: tuple[int, str] | None = None
    values: tuple[tuple[Read, object], ...] = ()


def user(uri: Uri) -> str | None:
    assert isinstance(uri, SipUri)
    return uri.decoded_user


def where(uri: Uri) -> tuple[str, int | None]:
    assert isinstance(uri, SipUri)
    return uri.address, uri.port


def host(message: Request | Response) -> tuple[tuple[str, int | None], ...]:
    return tuple((via.host, via.port) for via in message[VIA])


RFC4475 = (
    # 3.1.1 valid messages
    Torture(
        "wsinv",
        "3.1.1.1",
        noted=("NO_MAGIC_COOKIE",),
        values=(
            (lambda m: (m.method, m.uri_text), ("INVITE", "sip:vivekg@chair-dnrc.example.com;unknownparam")),
            (lambda m: (m.to.bracketed, m.to.tag), (False, "1918181833n")),
            (lambda m: (m.from_.display_name, m.from_.tag), ('J Rosenberg \\"', "98asjd8")),
            (lambda m: (m[MAX_FORWARDS], m.cseq.number, m.cseq.method), (68, 9, "INVITE")),
            (lambda m: m[SUBJECT], ""),
            (
                lambda m: [(via.transport, via.host) for via in m[VIA]],
                [("UDP", "192.0.2.2"), ("TCP", "spindle.example.com"), ("UDP", "192.168.255.111")],
            ),
            (lambda m: [via.branch for via in m[VIA]], ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]),
            (lambda m: m.headers.get("UnknownHeaderWithUnusualValue"), ";;,,;;,;"),
            (lambda m: m.headers.get("NewFangledHeader"), "newfangled value continued newfangled value"),
            (
                lambda m: list(m[ROUTE][0].uri.params),
                [("lr", None), ("unknownwith", "value"), ("unknown-no-value", None)],
            ),
            (lambda m: m[CONTACT][0].display_name, 'Quoted string ""'),
            (lambda m: list(m[CONTACT][0].params), [("newparam", "newvalue"), ("secondparam", None), ("q", "0.33")]),
            (lambda m: len(m.body), 150),
        ),
    ),
    Torture(
        "intmeth",
        "3.1.1.2",
        values=(
            (lambda m: m.method, "!interesting-Method0123456789_*+`.%indeed'~"),
            (lambda m: m.cseq.method, "!interesting-Method0123456789_*+`.%indeed'~"),
            (lambda m: m.uri.host, "example.com"),
            (lambda m: m.via.branch, "z9hG4bK-.!%66*_+`'~"),
            (lambda m: m.to.display_name, "BEL:\a NUL:\0 DEL:\x7f"),
            (lambda m: m.from_.display, "token1~` token2'+_ token3*%!.-"),
            (lambda m: m.from_.params.text("fromparam''~+*_!.-%"), "работающий"),
            (lambda m: m.from_.tag, "_token~1'+`*%!-."),
            (lambda m: m.call_id, "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"),
            (lambda m: m.headers.get("extensionHeader-!.%*+_`'~"), "\ufeff大停電"),
            (lambda m: m[MAX_FORWARDS], 255),
        ),
    ),
    Torture(
        "esc01",
        "3.1.1.3",
        values=(
            (lambda m: user(m.uri), "sips:user@example.com"),
            (lambda m: (user(m.to.uri), user(m.from_.uri)), ("user", "I have spaces")),
            (lambda m: user(m[CONTACT][0].uri), "caller"),
            (
                lambda m: [(unescape(n), v and unescape(v)) for n, v in m[CONTACT][0].uri.params],
                [("lr", None), ("name", "value%41")],
            ),
        ),
    ),
    Torture(
        "escnull",
        "3.1.1.4",
        values=(
            (lambda m: user(m.to.uri), "null-\0-null"),
            (lambda m: [user(contact.uri) for contact in m[CONTACT]], ["\0", "\0\0"]),
        ),
    ),
    Torture(
        "esc02",
        "3.1.1.5",
        values=(
            (lambda m: m.method, "RE%47IST%45R"),
            (lambda m: (m.to.display_name, m.from_.display_name), ("%Z%45", "%Z%45")),
            (lambda m: len(m[CONTACT]), 2),
            (lambda m: m.headers.get("C%6Fntact"), "<sip:alias2@host2.example.com>"),
        ),
    ),
    Torture("lwsdisp", "3.1.1.6", values=((lambda m: m.from_.display_name, "caller"),)),
    Torture(
        "longreq",
        "3.1.1.7",
        noted=("NO_BRANCH", "PARAMETER_NOT_LEGAL_HERE"),  # a port in To, which §19.1.1 Table 1 does not allow
        values=(
            (lambda m: m.to.display_name, "I have a user name of " + "extreme" * 10 + " proportion"),
            (lambda m: m.to.uri.params.get("unknownparam1"), "very" + "long" * 20 + "value"),
            (lambda m: m.from_.tag, "12" + "982" * 50 + "424"),
            (lambda m: m.call_id, "longreq.one" + "really" * 20 + "longcallid"),
            (lambda m: (m.via.host, m[VIA][-1].params.get("received")), ("sip33.example.com", "192.0.2.5")),
            (lambda m: m[VIA][-1].branch, "very" + "long" * 50 + "branchvalue"),
            (lambda m: len(m[VIA]), 34),
        ),
    ),
    Torture(
        "dblreq",
        "3.1.1.8",
        noted=("TRAILING_OCTETS",),
        values=((lambda m: (m.method, m.body), ("REGISTER", b"")),),
    ),
    Torture(
        "semiuri",
        "3.1.1.9",
        values=(
            (lambda m: user(m.uri), "user;par=u@example.net"),
            (lambda m: (m.uri.host, len(m.uri.params)), ("example.com", 0)),
            (lambda m: len(m[ACCEPT]), 6),
        ),
    ),
    Torture(
        "transports",
        "3.1.1.10",
        values=((lambda m: [via.transport for via in m[VIA]], ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]),),
    ),
    Torture(
        "mpart01",
        "3.1.1.11",
        noted=("IDENTITY_WITHOUT_INFO",),  # it is older than RFC 8224, which made the parameter mandatory
        values=(
            (lambda m: str(m[CONTENT_TYPE]), "multipart/mixed;boundary=7a9cbec02ceef655"),
            (lambda m: (len(m.body), b"\0" in m.body), (553, True)),
        ),
    ),
    Torture(
        "unreason",
        "3.1.1.12",
        values=((lambda m: (m.status, m.reason), (200, "= 2**3 * 5**2 но сто девяносто девять - простое")),),
    ),
    Torture("noreason", "3.1.1.13", values=((lambda m: (m.status, m.reason), (100, "")),)),
    # 3.1.2 invalid messages
    Torture("badinv01", "3.1.2.1", noted=("EMPTY_PARAMETER",), errors=(("Via", 400),)),
    Torture("clerr", "3.1.2.2", refused=(400, "9999")),
    Torture("ncl", "3.1.2.3", refused=(400, "-999")),
    Torture(
        "scalar02",
        "3.1.2.4",
        noted=("EXPIRY_TOO_LARGE", "ODD_SECONDS"),
        errors=(("CSeq", 400), ("Max-Forwards", 400)),
    ),
    Torture("scalarlg", "3.1.2.5", noted=("EXPIRY_TOO_LARGE",), errors=(("CSeq", 400), ("Warning", 400))),
    Torture("quotbal", "3.1.2.6", errors=(("To", 400),)),
    Torture(
        "ltgtruri",
        "3.1.2.7",
        noted=("BRACKETED_REQUEST_URI", "NO_BRANCH"),
        values=((lambda m: (m.uri_text, user(m.uri)), ("sip:user@example.com", "user")),),
    ),
    Torture("lwsruri", "3.1.2.8", refused=(400, " lr SIP/2.0")),
    Torture("lwsstart", "3.1.2.9", noted=("SPACING_IN_START_LINE",), values=((lambda m: user(m.uri), "user"),)),
    Torture("trws", "3.1.2.10", noted=("SPACING_IN_START_LINE",), values=((lambda m: m.uri.host, "example.com"),)),
    Torture(
        "escruri",
        "3.1.2.11",
        noted=("HEADERS_IN_REQUEST_URI",),
        values=((lambda m: m.uri.header_items(), (("Route", "<sip:example.com>"),)),),
    ),
    Torture("baddate", "3.1.2.12", noted=("DATE_NOT_GMT",), values=((lambda m: m[DATE] is not None, True),)),
    Torture(
        "regbadct",
        "3.1.2.13",
        noted=("URI_WITHOUT_BRACKETS",),
        values=((lambda m: (user(m[CONTACT][0].uri), m[CONTACT][0].bracketed), ("user", False)),),
    ),
    Torture(
        "badaspec",
        "3.1.2.14",
        noted=("SPACE_IN_URI",),
        values=((lambda m: (m.to.display_name, user(m.to.uri)), ("Watson, Thomas", "t.watson")),),
    ),
    Torture(
        "baddn",
        "3.1.2.15",
        noted=("NO_BLANK_LINE", "DISPLAY_NAME_NEEDS_QUOTES"),
        values=((lambda m: (m.from_.display_name, m.to.display_name), ("Bell, Alexander", "Watson, Thomas")),),
    ),
    Torture("badvers", "3.1.2.16", refused=(505, "SIP/7.0")),
    Torture("mismatch01", "3.1.2.17", errors=(("CSeq", 400),)),
    Torture("mismatch02", "3.1.2.18", errors=(("CSeq", 501),)),
    Torture("bigcode", "3.1.2.19", refused=(400, "4294967301 better not break the receiver")),
    # 3.2 to 3.4: what happens above the parser
    Torture("badbranch", "3.2.1", noted=("NO_BRANCH",), values=((lambda m: m.branch, "z9hG4bK"),)),
    Torture("insuf", "3.3.1", noted=("NO_MAX_FORWARDS",), errors=(("From", 400), ("To", 400), ("Call-ID", 400))),
    Torture("unkscm", "3.3.2", values=((lambda m: m.uri, OtherUri("nobodyKnowsThisScheme", "totallyopaquecontent")),)),
    Torture("novelsc", "3.3.3", values=((lambda m: m.uri, OtherUri("soap.beep", "//192.0.2.103:3002")),)),
    Torture(
        "unksm2",
        "3.3.4",
        values=(
            (
                lambda m: [str(address.uri) for address in (m.to, m.from_, m[CONTACT][0])],
                ["isbn:2983792873", "http://www.example.com", "name:John_Smith"],
            ),
        ),
    ),
    Torture(
        "bext01",
        "3.3.5",
        values=(
            (lambda m: m[REQUIRE], ("nothingSupportsThis", "nothingSupportsThisEither")),
            (lambda m: m[PROXY_REQUIRE], ("noProxiesSupportThis", "norDoAnyProxiesSupportThis")),
        ),
    ),
    Torture("invut", "3.3.6", values=((lambda m: str(m[CONTENT_TYPE]), "application/unknownformat"),)),
    Torture("regaut01", "3.3.7", values=((lambda m: m.headers.get("Authorization") is not None, True),)),
    Torture(
        "multi01", "3.3.8", errors=(("From", 400), ("To", 400), ("Call-ID", 400), ("CSeq", 400), ("Max-Forwards", 400))
    ),
    Torture("mcl01", "3.3.9", refused=(400, "")),
    Torture("bcast", "3.3.10", values=((host, (("192.0.2.198", None), ("255.255.255.255", None))),)),
    Torture("zeromf", "3.3.11", values=((lambda m: m[MAX_FORWARDS], 0),)),
    Torture(
        "cparam01",
        "3.3.12",
        values=(
            (lambda m: (list(m[CONTACT][0].params), len(m[CONTACT][0].uri.params)), ([("unknownparam", None)], 0)),
        ),
    ),
    Torture(
        "cparam02",
        "3.3.13",
        values=(
            (lambda m: (len(m[CONTACT][0].params), list(m[CONTACT][0].uri.params)), (0, [("unknownparam", None)])),
        ),
    ),
    Torture(
        "regescrt",
        "3.3.14",
        values=((lambda m: m[CONTACT][0].uri.header_items(), (("Route", "<sip:sip.example.com>"),)),),
    ),
    Torture("sdp01", "3.3.15"),
    Torture(
        "inv2543",
        "3.4.1",
        noted=("NO_BRANCH", "NO_TAG", "NO_MAX_FORWARDS"),
        values=(
            (lambda m: (m.to_tag, m.from_tag), (None, None)),
            (lambda m: m[RECORD_ROUTE][0].uri.params.get("maddr"), "ss1.example.com"),
            (lambda m: len(m.body) > 0, True),
        ),
    ),
)

RFC5118 = (
    Torture(
        "ipv6-good",
        "4.1",
        values=(
            (lambda m: (where(m.uri), host(m)), (("2001:db8::10", None), (("[2001:db8::9:1]", None),))),
            (lambda m: where(m[CONTACT][0].uri), ("2001:db8::1", None)),
        ),
    ),
    Torture("ipv6-bad", "4.2", errors=(("Request-URI", 400),)),
    Torture("port-ambiguous", "4.3", values=((lambda m: where(m.uri), ("2001:db8::10:5070", None)),)),
    Torture("port-unambiguous", "4.4", values=((lambda m: where(m.uri), ("2001:db8::10", 5070)),)),
    Torture(
        "via-received-param-with-delim",
        "4.5",
        noted=("BRACKETED_ADDRESS_PARAMETER",),
        values=((lambda m: m.via.received, "2001:db8::9:255"),),
    ),
    Torture("via-received-param-no-delim", "4.5", values=((lambda m: m.via.received, "2001:db8::9:255"),)),
    Torture("ipv6-in-sdp", "4.6", values=((lambda m: where(m.uri), ("2001:db8::10", None)),)),
    Torture(
        "mult-ip-in-header",
        "4.7",
        values=(
            (host, (("[2001:db8::9:1]", 6050), ("192.0.2.1", None), ("[2001:db8::9:255]", None))),
            (lambda m: m[VIA][2].received, "192.0.2.200"),
        ),
    ),
    Torture("mult-ip-in-sdp", "4.8", values=((lambda m: where(m.uri), ("2001:db8::10", None)),)),
    Torture(
        "ipv4-mapped-ipv6",
        "4.9",
        values=(
            (host, (("[::ffff:192.0.2.10]", 19823), ("[::ffff:192.0.2.2]", None))),
            (lambda m: where(m[CONTACT][0].uri), ("::ffff:192.0.2.2", None)),
        ),
    ),
    Torture(
        "ipv6-bug-abnf-3-colons",
        "4.10",
        noted=("EXTRA_COLON_IN_ADDRESS",),
        values=((lambda m: where(m.uri), ("2001:db8::192.0.2.1", None)),),
    ),
    Torture("ipv6-correct-abnf-2-colons", "4.10", values=((lambda m: where(m.uri), ("2001:db8::192.0.2.1", None)),)),
)
