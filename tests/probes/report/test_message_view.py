"""What is found out about the bytes of a message, whatever they are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.report.message_diff import differences
from probes.report.message_json import diff_data, message_data
from probes.report.message_text import difference_lines, message_lines, plain
from probes.report.message_view import REQUEST, RESPONSE, MessageView, view_of
from sipcore.deviation import Deviation
from tests.probes.report.messages import SECRETS, WITH_SECRETS, fixture


def header(view: MessageView, name: str) -> list[str]:
    return [field.text for field in view.fields if field.header == name]


@pytest.mark.parametrize(("name", "kind"), [("invite", REQUEST), ("options_200", RESPONSE), ("invite_407", RESPONSE)])
def test_good_message(name: str, kind: str) -> None:
    data = fixture(name)
    view = view_of(data)
    assert (view.kind, view.size, view.noted, view.faults) == (kind, len(data), (), ())
    assert not any(field.problem for field in view.fields)
    assert [f"{field.name}:{field.raw}" for field in view.fields] == data.decode().split("\r\n\r\n")[0].split("\r\n")[
        1:
    ]


def test_fields_are_read() -> None:
    view = view_of(fixture("invite"))
    via = view.fields[0]
    assert (via.name, via.header, via.key, via.section) == ("Via", "Via", "via", "RFC 3261 §20.42")
    assert via.values[0] == {
        "transport": "UDP",
        "host": "edge.example.net",
        "port": 5060,
        "params": {"branch": "z9hG4bK4b43c2ff8d01.1"},
    }
    assert view.start == {
        "method": "INVITE",
        "uri": {"scheme": "sip", "user": "bob", "host": "203.0.113.4", "params": {"transport": "udp"}},
    }
    assert view.body is not None
    assert view.body.description is not None
    assert view.body.description.media[0].port == 49172


def test_unknown_and_folded_fields() -> None:
    data = fixture("options").replace(b"Accept:", b"X-New: a,\r\n  b\r\nv : SIP/2.0/UDP h;branch=z9hG4bK2\r\nAccept:")
    view = view_of(data)
    new = next(field for field in view.fields if field.name == "X-New")
    assert (new.header, new.section, new.values, new.text, new.raw) == ("", "", (), "a, b", " a,\r\n  b")
    short = next(field for field in view.fields if field.name == "v")
    assert (short.header, short.key) == ("Via", "via")


def test_file_with_bare_line_feeds() -> None:
    """Content-Length counts the line ends that an editor took away; the message is read as it was sent."""
    view = view_of(fixture("invite").replace(b"\r\n", b"\n"))
    assert view.kind == REQUEST
    assert view.faults == ()
    assert [noted.deviation for noted in view.noted] == [Deviation.BARE_LF]
    assert view.body is not None
    assert view.body.description is not None


def test_line_feeds_that_content_length_counts() -> None:
    data = fixture("options").replace(b"\r\n", b"\n").replace(b"Content-Length: 0\n\n", b"Content-Length: 3\n\na\nb")
    view = view_of(data)
    assert view.body is not None
    assert view.body.lines == ("a", "b")
    assert [noted.deviation for noted in view.noted] == [Deviation.BARE_LF]


def test_all_faults_at_once() -> None:
    data = fixture("options").replace(b"4711 OPTIONS", b"4711").replace(b"SIP/2.0/UDP 192", b"SIP/2.0 192")
    view = view_of(data.replace(b"sip:trunk.example.net SIP", b"sip:%%@[1 SIP"))
    assert {fault.where for fault in view.faults} == {"Via", "CSeq", "Request-URI"}
    assert view.start == {"method": "OPTIONS"}
    cseq = next(fault for fault in view.faults if fault.where == "CSeq")
    assert (cseq.message, cseq.section, cseq.text) == ("CSeq is a number and a method", "RFC 3261 §20.16", "4711")
    assert cseq.position is not None
    unread = next(field for field in view.fields if field.header == "CSeq")
    assert unread.problem == "CSeq is a number and a method"


def test_missing_field() -> None:
    view = view_of(fixture("options").replace(b"Call-ID", b"X-Call-ID"))
    assert [(fault.where, fault.message, fault.position) for fault in view.faults] == [("Call-ID", "missing", None)]


def test_body_that_is_no_session_description() -> None:
    view = view_of(fixture("invite").replace(b"v=0", b"x=0"))
    assert view.body is not None
    assert view.body.description is None
    assert view.body.lines is not None
    assert view.body.lines[0] == "x=0"
    assert [fault.where for fault in view.faults] == ["body"]


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a\0b"])
def test_body_that_is_no_text(body: bytes) -> None:
    options = fixture("options").replace(
        b"Content-Length: 0", b"Content-Type: image/png\r\nContent-Length: %d" % len(body)
    )
    view = view_of(options + body)
    assert view.body is not None
    assert (view.body.media_type, view.body.lines, view.body.size) == ("image/png", None, len(body))


def test_body_without_a_readable_type() -> None:
    options = fixture("options").replace(b"Content-Length: 0", b"Content-Type: ?\r\nContent-Length: 2")
    body = view_of(options + b"hi").body
    assert body is not None
    assert (body.media_type, body.lines) == ("", ("hi",))


def test_message_that_cannot_be_parsed_is_shown_as_far_as_it_goes() -> None:
    data = (
        fixture("invite").replace(b"Content-Length: 220", b"Content-Length: 999").replace(b"Min-SE: 90", b"Min SE 90")
    )
    view = view_of(data)
    assert not view.is_message
    assert view.start_line.startswith("INVITE sip:bob@")
    assert view.start is None
    assert len(header(view, "Via")) == 3
    odd = next(field for field in view.fields if not field.name)
    assert (odd.text, odd.problem) == ("Min SE 90", "not a header field")
    assert view.body is not None
    assert view.body.description is not None
    assert [fault.message for fault in view.faults] == ["not a header field"]


def test_line_feeds_alone_do_not_save_a_broken_message() -> None:
    data = fixture("invite").replace(b"\r\n", b"\n").replace(b"Content-Length: 220", b"Content-Length: 999")
    assert [fault.where for fault in view_of(data).faults] == ["Content-Length"]


def test_nothing_at_all() -> None:
    view = view_of(b"")
    assert (view.kind, view.start_line, view.fields, view.body) == ("", "", (), None)
    assert [fault.message for fault in view.faults] == ["empty"]


def everything_shown(data: bytes, other: bytes = b"") -> str:
    left, right = view_of(data), view_of(other)
    found = differences(left, right)
    texts = [plain(message_lines(left)), plain(difference_lines(found)), repr(left), repr(found)]
    return "".join((*texts, json.dumps(message_data(left)), json.dumps(diff_data(left, right, found))))


def test_secrets_are_not_shown() -> None:
    shown = everything_shown(WITH_SECRETS, WITH_SECRETS.replace(b"5", b"6").replace(b"c2Vj", b"d2Vj"))
    assert view_of(WITH_SECRETS).faults == ()
    assert not [secret for secret in SECRETS if secret in shown]


def test_secrets_are_not_shown_of_a_message_within() -> None:
    """RFC 3420 message/sipfrag: header fields in a body."""
    fragment = WITH_SECRETS.partition(b"\r\n\r\n")[0]
    length = b"Content-Type: message/sipfrag\r\nContent-Length: %d" % len(fragment)
    shown = everything_shown(fixture("options").replace(b"Content-Length: 0", length) + fragment)
    assert "Authorization: Digest" in shown
    assert not [secret for secret in SECRETS if secret in shown]


WHOLE = tuple(
    part.encode()
    for part in (
        f"sip:bob:{SECRETS[0]}@",
        f": Basic {SECRETS[0]}",
        f'response="{SECRETS[1]}"',
        f"inline:{SECRETS[2]}",
        f"ice-pwd:{SECRETS[3]}",
    )
)
"""What is recognised as a secret; damage to it makes it something else."""


@given(
    st.integers(0, len(WITH_SECRETS)),
    st.sampled_from([b"\0", b"\r", b"\n", b"x\r\n", b"\r\n\r\n", b"\xff", b",", b" "]),
)
def test_secrets_are_not_shown_of_broken_messages(at: int, inserted: bytes) -> None:
    damaged = WITH_SECRETS[:at] + inserted + WITH_SECRETS[at:]
    names = (b"\r\nAuthorization: Digest", b"\r\nProxy-Authorization: ", b"\r\na=crypto:", *WHOLE)
    if all(damaged.count(name) == WITH_SECRETS.count(name) for name in names):
        shown = everything_shown(damaged)
        assert not [secret for secret in SECRETS if secret in shown]


@given(st.binary(max_size=300) | st.binary(max_size=40).map(lambda noise: fixture("invite")[:900] + noise))
def test_any_bytes_give_a_view(data: bytes) -> None:
    everything_shown(data, fixture("options"))
