"""When silence may be a filter's doing, and what one port explains about another."""

from dataclasses import replace

import pytest

from probes.checks.options import PLAIN_SIP, TLS
from probes.discovery.retry import (
    LARGE_HELLO,
    USER_AGENT,
    explained,
    is_worth_retrying,
    may_be_filtered,
    what_was_left_out,
)
from probes.result import Attempt, Reach
from sipcore.resolve.target import Hop
from sipcore.trace import FlowTrace, TraceRecord
from sipcore.transports.tls_failure import TlsProblem
from tests.probes.discovery.attempts import answered, failed, hop
from tests.probes.discovery.exchanges import exchanged

UDP, TCP, SECURE = "udp 192.0.2.1:5060", "tcp 192.0.2.1:5060", "tls 192.0.2.1:5060"


def happened(where: Hop, *events: str) -> tuple[TraceRecord, ...]:
    return tuple(FlowTrace(0.0, where, event) for event in events)


@pytest.mark.parametrize(
    ("where", "events", "expected"),
    [(UDP, (), True), (TCP, (), False), (TCP, ("opened",), True), (SECURE, ("opened",), True), (SECURE, (), False)],
)
def test_silence_under_way(where: str, events: tuple[str, ...], expected: bool) -> None:
    assert may_be_filtered(happened(hop(where), *events), hop(where)) is expected


@pytest.mark.parametrize("where", [UDP, TCP, SECURE])
def test_what_was_answered_is_not_filtered(where: str) -> None:
    """A provisional answer, too: whoever sends one did not drop the request."""
    attempt = exchanged(where)
    assert not may_be_filtered((*happened(hop(where), "opened"), *attempt.records), attempt.hop)


@pytest.mark.parametrize(
    ("attempt", "others", "expected"),
    [
        (failed(UDP, Reach.NO_ANSWER), [], True),
        (failed(UDP, Reach.NO_ANSWER), [answered(TCP)], True),
        (failed(UDP, Reach.REFUSED), [], False),
        (failed(TCP, Reach.SILENT), [], True),
        (failed(TCP, Reach.SILENT), [answered(SECURE)], False),
        (failed(TCP, Reach.FILTERED), [], False),
        (failed("ws 192.0.2.1:80", Reach.SILENT), [], False),
        (failed(SECURE, Reach.TLS_FAILED, f"{TlsProblem.SILENT.text} (closed)"), [], True),
        (failed(SECURE, Reach.TLS_FAILED, f"{TlsProblem.SILENT.text} (closed)"), [answered(TCP)], False),
        (failed(SECURE, Reach.TLS_FAILED, TlsProblem.EXPIRED.text), [], False),
        (answered(UDP), [], False),
    ],
)
def test_what_is_worth_another_request(attempt: Attempt, others: list[Attempt], expected: bool) -> None:
    assert is_worth_retrying(attempt, others) is expected


@pytest.mark.parametrize(
    ("where", "events", "expected"),
    [(UDP, (), USER_AGENT), (SECURE, ("opened",), LARGE_HELLO), (SECURE, ("opened", "secured"), USER_AGENT)],
)
def test_what_the_second_request_did_without(where: str, events: tuple[str, ...], expected: str) -> None:
    assert what_was_left_out(happened(hop(where), *events), hop(where)) == expected


def test_tls_explains_a_silent_port_of_tcp() -> None:
    silent, secured = failed(TCP, Reach.SILENT, "closed"), answered(SECURE)
    first, second = explained([silent, secured])
    assert (first.reach, first.instead) == (Reach.NOT_SIP, TLS)
    assert first.detail == "closed; a TLS handshake is answered there"
    assert second == secured


def test_a_greeting_explains_why_the_connection_was_gone() -> None:
    told = FlowTrace(0.1, hop(TCP), "failed", f"{TCP}: not SIP but an SSH greeting")
    (found,) = explained([replace(failed(TCP, Reach.SILENT, "the connection is gone"), records=(told,))])
    assert (found.reach, found.instead, found.detail) == (Reach.NOT_SIP, "SSH", "not SIP but an SSH greeting")


def test_plain_sip_explains_that_tls_fails() -> None:
    _, found = explained([answered(TCP), failed(SECURE, Reach.TLS_FAILED)])
    assert (found.reach, found.instead) == (Reach.TLS_FAILED, PLAIN_SIP)


def test_another_port_explains_nothing() -> None:
    unanswered = failed(SECURE, Reach.TLS_FAILED, TlsProblem.SILENT.text)
    attempts = [failed(TCP, Reach.SILENT), answered("tls 192.0.2.1:5061"), unanswered]
    assert explained(attempts) == attempts
    assert explained([replace(attempts[0])]) == attempts[:1]
