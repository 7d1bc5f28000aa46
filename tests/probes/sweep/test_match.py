"""Whose answer it is, told from what stands in it; whatever comes is a match, or nobody's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.sweep.answers import REFLECTED
from probes.sweep.match import NOT_FITTING, Matcher
from probes.sweep.order import Shuffle
from probes.sweep.ranges import Range, Targets
from probes.sweep.run import template
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.resolve.target import SocketAddress
from tests.probes.discovery.network import ok

TARGETS = Targets([Range.parse("192.0.2.0/28"), Range.parse("2001:db8::/125")], [5060, 5070])
STRANGER = SocketAddress("203.0.113.1", 5060)
indexes = st.integers(0, TARGETS.count - 1)


def made(key: bytes = b"k" * 16) -> Matcher:
    return Matcher(TARGETS, Shuffle(TARGETS.count, 1), key)


def request(matcher: Matcher, index: int) -> tuple[bytes, SocketAddress]:
    remote = matcher.place(index)
    return template("198.51.100.1", 40000).render(matcher.target(index, remote)), remote


@given(indexes)
def test_an_answer_finds_its_request(index: int) -> None:
    matcher = made()
    data, remote = request(matcher, index)
    found = matcher.match_untrusted(ok(data), remote)
    assert found is not None
    assert (found.index, found.remote, found.detail, found.elsewhere) == (index, remote, "", None)
    assert found.answer is not None
    assert matcher.index_of(remote) == index


def test_requests_are_by_the_rfc_and_differ_in_all_that_has_to() -> None:
    messages = []
    for index in range(TARGETS.count):
        data, remote = request(made(), index)
        assert data == request(made(), index)[0]  # a retransmission is the same bytes (RFC 3261 §17.1.2.2)
        message = parse_message(data)
        assert isinstance(message, Request)
        assert not message.noted
        host = f"[{remote.host}]" if remote.is_ipv6 else remote.host
        assert message.uri_text == (f"sip:{host}" if remote.port == 5060 else f"sip:{host}:{remote.port}")
        assert str(message.to.uri) == message.uri_text
        assert message.via.wants_rport
        assert message.via.has_cookie
        messages.append(message)
    columns = list(zip(*((each.branch, each.from_tag, each.call_id, each.uri_text) for each in messages), strict=True))
    assert all(len(set(column)) == TARGETS.count for column in columns)


@given(indexes)
def test_an_answer_from_elsewhere(index: int) -> None:
    matcher = made()
    data, remote = request(matcher, index)
    for source in (STRANGER, SocketAddress(remote.host, 40000), matcher.place((index + 1) % TARGETS.count)):
        found = matcher.match_untrusted(ok(data), source)
        assert found is not None
        assert (found.index, found.remote, found.elsewhere) == (index, remote, source)


def test_an_answer_that_was_made_up() -> None:
    data, remote = request(made(b"other" * 3), 3)
    matcher = made()
    assert matcher.match_untrusted(ok(data), STRANGER) is None
    found = matcher.match_untrusted(ok(data), remote)
    assert found is not None
    assert (found.index, found.detail) == (matcher.index_of(remote), NOT_FITTING)


@pytest.mark.parametrize(
    "branch",
    ["", "z9hG4bK", "z9hG4bK3.", "z9hG4bK-1.00", "z9hG4bKg.00", "z9hG4bKffffffffffffffff.0", "3", "z9hG4bK².0"],
)
def test_a_branch_of_something_else(branch: str) -> None:
    answer = f"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch={branch}\r\nContent-Length: 0\r\n\r\n".encode()
    assert made().match_untrusted(answer, STRANGER) is None
    found = made().match_untrusted(answer, SocketAddress("192.0.2.1", 5060))
    assert found is not None
    assert found.detail == NOT_FITTING


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "28 bytes: HTTP/1.1 400 Bad Request"),
        (b"\x00\x01\x02", "3 bytes"),
        (b"", "0 bytes"),
        (b"SIP/2.0 2000 What\r\n\r\n", "a response that cannot be read: "),
    ],
)
def test_what_is_not_sip(data: bytes, told: str) -> None:
    matcher = made()
    remote = SocketAddress("192.0.2.1", 5070)
    found = matcher.match_untrusted(data, remote)
    assert found is not None
    assert (found.index, found.answer) == (matcher.index_of(remote), None)
    assert found.detail.startswith(told)


def test_a_host_that_sends_back_what_it_receives() -> None:
    data, remote = request(made(), 5)
    found = made().match_untrusted(data, remote)
    assert found is not None
    assert (found.answer, found.detail) == (None, REFLECTED)


@given(st.binary(max_size=300), st.sampled_from([STRANGER, SocketAddress("192.0.2.1", 5060)]))
def test_any_bytes_are_a_match_or_nobodys(data: bytes, remote: SocketAddress) -> None:
    for each in (data, b"SIP/2.0 200 OK\r\n" + data, b"SIP/2.0 200 OK\r\nVia: " + data + b"\r\n\r\n"):
        found = made().match_untrusted(each, remote)
        assert (found is None) == (remote == STRANGER)
