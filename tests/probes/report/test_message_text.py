"""What people get to see, line by line."""

import pytest

from probes.report.message_diff import differences
from probes.report.message_text import difference_lines, message_lines, plain
from probes.report.message_view import view_of
from tests.probes.report.messages import fixture

LINES = """\
OPTIONS sip:trunk.example.net SIP/2.0
    method OPTIONS · scheme sip · host trunk.example.net
Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-3f1c9a7e52d84b06;rport
    transport UDP · host 192.0.2.10 · port 5060
    branch z9hG4bK-3f1c9a7e52d84b06 · rport
Max-Forwards: 70
From: "Probe" <sip:probe@probe.example.org>;tag=8a41c0f2d93e
    display name Probe · scheme sip · user probe · host probe.example.org
    tag 8a41c0f2d93e
To: <sip:trunk.example.net>
    scheme sip · host trunk.example.net
Call-ID: 5d0e2f9b7c6a4e31b8d2@192.0.2.10
CSeq: 4711 OPTIONS
    number 4711 · method OPTIONS
Contact: <sip:probe@192.0.2.10;transport=udp>
    scheme sip · user probe · host 192.0.2.10 · URI transport udp
Accept: application/sdp
Supported: timer, path
User-Agent: Example-Probe/1.0 (monitoring)
Content-Length: 0

a request of 443 bytes: 11 header fields, 0 bytes of body, 0 deviations, 0
  errors
"""

BODY = """\
220 bytes of application/sdp
v=0
o=alice 2890844526 2890844526 IN IP4 198.51.100.7
s=-
c=IN IP4 198.51.100.7
t=0 0
m=audio 49172 RTP/AVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20
a=sendrecv
    session 2890844526, version 2890844526, from alice@198.51.100.7
    audio at 198.51.100.7:49172, RTP/AVP, sendrecv (both ways), 20 ms a packet
        8 PCMA/8000
        0 PCMU/8000
      101 telephone-event/8000 (0-16)
"""

FAULTS = r"""
deviation: message: a line ends in LF instead of CRLF [RFC 3261 §7]
error: To, byte 196: neither a host name nor an address [RFC 3261 §25.1]
    <sip:trunk/\u202eexample.net>
         ^
"""

DIFFERENCES = """\
- OPTIONS sip:trunk.example.net SIP/2.0
+ OPTIONS sip:trunk.example.com SIP/2.0
    host trunk.example.net → trunk.example.com
- From: "Probe" <sip:probe@probe.example.org>;tag=8a41c0f2d93e
+ f: "Probe" <sip:probe@probe.example.org>;tag=8a41c0f2d93e
    spelled differently, with the same value
- Accept: application/sdp
- Supported: timer, path
+ Supported: timer
+ Subject: hi
~ Max-Forwards: moved from place 2 to place 11
6 differences: 2 changed, 1 spelled differently, 1 removed, 1 added, 1 moved
"""


def text(data: bytes, width: int = 80) -> str:
    return plain(message_lines(view_of(data), width))


def test_a_whole_message() -> None:
    assert text(fixture("options")) == LINES


def test_a_session_description() -> None:
    assert BODY in text(fixture("invite"))


def test_a_response_is_not_told_twice() -> None:
    assert text(fixture("options_200")).startswith("SIP/2.0 200 OK\nVia: ")


def test_deviations_and_errors() -> None:
    data = fixture("options").replace(b"\r\n", b"\n").replace(b"To: <sip:trunk.", b"To: <sip:trunk/\xe2\x80\xae")
    assert FAULTS in text(data.replace(b"Call-ID", b"X-Call-ID"))


def test_the_caret_stands_below_the_fault() -> None:
    lines = text(fixture("options").replace(b"4711 OPTIONS", b"\xc3\xa4\xff 4711 OPTIONS")).splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("error: CSeq"))
    assert lines[at + 1 : at + 3] == [r"    ä\xff 4711 OPTIONS", "    ^"]
    via = text(fixture("options").replace(b"10:5060;branch", b"10:506x;branch")).splitlines()
    at = next(place for place, line in enumerate(via) if line.startswith("error: Via"))
    assert via[at + 1 : at + 3] == [
        "    SIP/2.0/UDP 192.0.2.10:506x;branch=z9hG4bK-3f1c9a7e52d84b06;rport",
        "    " + " " * len("SIP/2.0/UDP 192.0.2.10:") + "^",
    ]


def test_long_values_show_the_part_at_fault() -> None:
    data = fixture("options").replace(b"4711 OPTIONS", b"4711 " + b"O" * 200 + b"(")
    assert max(map(len, text(data).splitlines())) <= 80


def test_what_is_no_message() -> None:
    assert text(b"GET / HTTP/1.0\r\n\r\n").endswith(
        "error: message, byte 6: not a SIP version [RFC 3261 §7.1]\n"
        "    GET / HTTP/1.0\n"
        "          ^\n"
        "not a SIP message: 18 bytes, 0 deviations, 1 error\n"
    )


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_too_long(width: int) -> None:
    for name in ("invite", "invite_407", "options_200"):
        assert max(map(len, text(fixture(name), width).splitlines())) <= width


def test_a_body_that_is_no_text() -> None:
    options = fixture("options").replace(b"Content-Length: 0", b"Content-Type: image/png\r\nContent-Length: 1")
    assert "1 bytes of image/png\n    not text\n" in text(options + b"\xff")


def test_a_body_in_one_line_is_cut() -> None:
    options = fixture("options").replace(b"Content-Length: 0", b"Content-Type: text/plain\r\nContent-Length: 20000")
    shown = text(options + b"x" * 20000)
    assert shown.count("x") < 16400
    assert "(and 3616 characters more)" in shown


def test_differences() -> None:
    left = fixture("options")
    right = (
        left.replace(b"trunk.example.net SIP", b"trunk.example.com SIP")
        .replace(b"From:", b"f:")
        .replace(b"Accept: application/sdp\r\n", b"")
        .replace(b", path", b"\r\nSubject: hi")
        .replace(b"Max-Forwards: 70\r\n", b"")
        .replace(b"Content-Length: 0\r\n", b"Content-Length: 0\r\nMax-Forwards: 70\r\n")
    )
    assert plain(difference_lines(differences(view_of(left), view_of(right)))) == DIFFERENCES


def test_no_differences() -> None:
    view = view_of(fixture("options"))
    assert plain(difference_lines(differences(view, view))) == "no differences\n"
