"""The OPTIONS check: what is sent, and what each thing that can be seen means."""

from dataclasses import replace

import pytest

from probes.checks import options
from probes.checks.io import Observation, Query, TlsFacts
from probes.result import Attempt, Reach
from sipcore.errors import FailureReason, ParseError, TransportFailure
from sipcore.message.framing import Unfinished
from sipcore.message.parser import parse_message
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.trace import Direction, FlowTrace, MessageTrace, TraceRecord
from sipcore.transports.tls_failure import CertificateFault, TlsFailure, TlsProblem
from sipcore.transports.ws_failure import WsFailure, WsProblem

LOCAL, REMOTE = SocketAddress("192.0.2.9", 40000), SocketAddress("192.0.2.1", 5060)
URI = SipUri("example.com")
HOPS = {transport: Hop(transport, REMOTE) for transport in Transport}
UDP, TCP, TLS = HOPS[Transport.UDP], HOPS[Transport.TCP], HOPS[Transport.TLS]
WS = HOPS[Transport.WS]
WANTED = TlsProblem.CLIENT_CERTIFICATE_REQUIRED
EXPIRED = CertificateFault(TlsProblem.EXPIRED, 0, 10, "on 2024-01-01")


def bytes_of(status: str, *extra: str) -> bytes:
    lines = [f"SIP/2.0 {status}", "Via: SIP/2.0/UDP x;branch=z9hG4bKx", "CSeq: 1 OPTIONS", *extra, "", ""]
    return "\r\n".join(lines).encode()


def received(hop: Hop, data: bytes) -> MessageTrace:
    return MessageTrace(1.0, Direction.RECEIVED, Flow(hop.transport, LOCAL, REMOTE), data)


def sent(hop: Hop, attempt: int = 0) -> MessageTrace:
    return MessageTrace(0.0, Direction.SENT, Flow(hop.transport, LOCAL, REMOTE), b"OPTIONS", attempt=attempt)


def judged(hop: Hop, *records: TraceRecord, **seen: object) -> Attempt:
    query = Query("OPTIONS", URI, hop, 4.0)
    return options.judge(Observation(query, 4.0, records=records, **seen))  # type: ignore[arg-type]


def opened(hop: Hop, *events: str) -> tuple[FlowTrace, ...]:
    return tuple(FlowTrace(0.0, hop, event) for event in ("opened", *events))


def failure(reason: FailureReason, text: str = "so it is") -> TransportFailure:
    return TransportFailure(reason, text)


class Recorded:
    """A network that answers with one observation."""

    def __init__(self, seen: Observation) -> None:
        self.seen = seen
        self.asked: list[Query] = []

    async def ask(self, query: Query) -> Observation:
        self.asked.append(query)
        return self.seen


def test_plan() -> None:
    query = options.plan(URI, TCP, 2.5)
    assert query == Query("OPTIONS", URI, TCP, 2.5, (("Accept", "application/sdp"),))


async def test_act() -> None:
    query = options.plan(URI, TCP, 2.5)
    network = Recorded(Observation(query, 0.1))
    assert await options.act(network, query) is network.seen
    assert network.asked == [query]


@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden", "405 Method Not Allowed", "503 Busy", "404", "600 No"])
def test_any_final_response_is_an_answer(status: str) -> None:
    response = parse_message(bytes_of(status))
    attempt = judged(UDP, sent(UDP), sent(UDP, 1), response=response, rtt=0.7, kernel_stamped=True)
    assert (attempt.reach, attempt.detail, attempt.advice) == (Reach.ANSWERED, "", "")
    assert attempt.response is response
    assert (attempt.rtt, attempt.kernel_stamped, attempt.retransmissions) == (0.7, True, 1)
    assert (attempt.hop, attempt.uri, len(attempt.records)) == (UDP, URI, 2)


@pytest.mark.parametrize(
    ("data", "seen", "detail"),
    [
        (bytes_of("100 Trying"), {}, "only a provisional answer came"),
        (bytes_of("200 OK"), {}, "the answer does not fit the request, its Via, Call-ID or CSeq differs"),
        (
            b"SIP/2.0 200 OK\r\n\r\n",
            {"failure": failure(FailureReason.GARBAGE, "To is missing")},
            "the answer does not fit the request: To is missing",
        ),
    ],
)
def test_odd_answers_are_answers(data: bytes, seen: dict[str, object], detail: str) -> None:
    attempt = judged(UDP, sent(UDP), received(UDP, data), **seen)
    assert (attempt.reach, attempt.detail) == (Reach.ANSWERED, detail)
    assert attempt.response is not None
    assert bytes(attempt.response) == data


@pytest.mark.parametrize(
    ("reason", "hop", "reach"),
    [
        (FailureReason.REFUSED, UDP, Reach.REFUSED),
        (FailureReason.REFUSED, TCP, Reach.REFUSED),
        (FailureReason.UNREACHABLE, UDP, Reach.UNREACHABLE),
        (FailureReason.PROHIBITED, UDP, Reach.UNREACHABLE),
        (FailureReason.TIMED_OUT, UDP, Reach.NO_ANSWER),
        (FailureReason.TIMED_OUT, TCP, Reach.FILTERED),
        (FailureReason.RESET, TCP, Reach.FILTERED),
        (FailureReason.CLOSED, TCP, Reach.FILTERED),
        (FailureReason.TLS, TLS, Reach.TLS_FAILED),
        (FailureReason.TOO_LARGE, UDP, Reach.FAILED),
        (FailureReason.UNRESOLVABLE, UDP, Reach.FAILED),
        (FailureReason.GARBAGE, TCP, Reach.NOT_SIP),
    ],
)
def test_each_failure_has_its_reach_and_advice(reason: FailureReason, hop: Hop, reach: Reach) -> None:
    told = TlsFailure(TlsProblem.VERSION, hop) if reason is FailureReason.TLS else failure(reason)
    attempt = judged(hop, failure=told)
    assert attempt.reach is reach
    assert attempt.detail
    assert attempt.advice
    assert attempt.response is None


def test_every_reason_is_decided() -> None:
    assert options.REACH.keys() == set(FailureReason)


@pytest.mark.parametrize(
    ("hop", "events", "seen", "reach", "detail"),
    [
        (UDP, (), {}, Reach.NO_ANSWER, "no answer within 4.0 s"),
        (TCP, (), {}, Reach.FILTERED, "no answer within 4.0 s"),
        (TCP, opened(TCP), {}, Reach.SILENT, "no answer within 4.0 s"),
        (TCP, opened(TCP), {"failure": failure(FailureReason.CLOSED)}, Reach.SILENT, "so it is"),
        (TCP, opened(TCP), {"failure": failure(FailureReason.RESET)}, Reach.SILENT, "so it is"),
        (TLS, (), {}, Reach.FILTERED, "no answer within 4.0 s"),
        (TLS, opened(TLS), {}, Reach.TLS_FAILED, f"{TlsProblem.SILENT.text} (within 4.0 s)"),
        (TLS, opened(TLS, "secured"), {}, Reach.SILENT, "no answer within 4.0 s"),
        (WS, opened(WS), {}, Reach.SILENT, f"{WsProblem.SILENT.text} (within 4.0 s)"),
        (WS, opened(WS, "upgraded"), {}, Reach.SILENT, "no answer within 4.0 s"),
        (
            TLS,
            opened(TLS, "secured"),
            {"tls": TlsFacts("TLSv1.3", (EXPIRED,))},
            Reach.SILENT,
            "no answer within 4.0 s; the certificate has expired (on 2024-01-01)",
        ),
    ],
)
def test_silence(hop: Hop, events: tuple[FlowTrace, ...], seen: dict[str, object], reach: Reach, detail: str) -> None:
    attempt = judged(hop, *events, **seen)
    assert (attempt.reach, attempt.detail) == (reach, detail)
    assert attempt.advice


CUT_OFF = failure(FailureReason.CLOSED, f"{TCP}: the peer closed the connection in the middle of a message")


@pytest.mark.parametrize(
    ("came", "ended", "detail"),
    [
        (
            Unfinished(b"SIP/2.0 200 OK\r\n", 16),
            None,
            "the answer has no end: 16 bytes came, 'SIP/2.0 200 OK' first; nothing more within 4.0 s",
        ),
        (
            Unfinished(b"\r\nSIP/2.0 200 OK\r\n\r\nabc", 23, 547),
            CUT_OFF,
            "the answer has no end: 23 of 547 bytes came, 'SIP/2.0 200 OK' first; "
            "the peer closed the connection in the middle of a message",
        ),
        (Unfinished(b"SIP", 3), None, "the answer has no end: 3 bytes came, 'SIP' first; nothing more within 4.0 s"),
        (
            Unfinished(b"BYE sip:a@b SIP/2.0\r\n", 21),
            None,
            "a request comes, and has no end: 21 bytes came, 'BYE sip:a@b SIP/2.0' first; nothing more within 4.0 s",
        ),
        (
            Unfinished(b"he\x1b[2J\xff", 7),
            None,
            "not SIP but 7 bytes, 'he\\x1b[2J\\xff' first; nothing more within 4.0 s",
        ),
        (Unfinished(b"220 mail", 8), None, "not SIP but an FTP or SMTP greeting; nothing more within 4.0 s"),
    ],
)
def test_what_is_begun_and_not_ended_is_no_silence(
    came: Unfinished, ended: TransportFailure | None, detail: str
) -> None:
    attempt = judged(TCP, *opened(TCP), unfinished=came, failure=ended)
    assert (attempt.reach, attempt.detail) == (Reach.NOT_SIP, detail)
    assert attempt.advice


def test_a_stream_that_is_no_answer_although_it_begins_as_one() -> None:
    garbage = failure(FailureReason.GARBAGE, f"{TCP}: header fields beyond 65536 bytes")
    attempt = judged(TCP, *opened(TCP), unfinished=Unfinished(b"SIP/2.0 200 OK\r\n", 70000), failure=garbage)
    assert (attempt.reach, attempt.detail) == (
        Reach.NOT_SIP,
        "the answer cannot be read: header fields beyond 65536 bytes",
    )


@pytest.mark.parametrize(
    ("told", "reach", "instead"),
    [
        ("not SIP but an SSH greeting", Reach.NOT_SIP, "SSH"),
        (f"{WANTED.text} (alert)", Reach.CERTIFICATE_WANTED, ""),
        ("connection reset", Reach.SILENT, ""),
    ],
)
def test_what_a_connection_was_told_before_the_request_was_sent(told: str, reach: Reach, instead: str) -> None:
    gone = judged(TLS, *opened(TLS, "secured"), failure=failure(FailureReason.CLOSED, f"{TLS}: the connection is gone"))
    assert gone.reach is Reach.SILENT
    assert options.told_since(gone) is gone
    advice = f": {WANTED.advice}" if reach is Reach.CERTIFICATE_WANTED else ""
    failed = FlowTrace(0.1, TLS, "failed", f"{TLS}: {told}{advice}")
    found = options.told_since(replace(gone, records=(*gone.records, failed)))
    assert (found.reach, found.instead) == (reach, instead)
    assert found.detail == (told if reach is not Reach.SILENT else gone.detail)
    assert (found.advice != gone.advice) is (reach is not Reach.SILENT)


def test_silence_of_one_who_wanted_a_certificate() -> None:
    attempt = judged(TLS, *opened(TLS, "secured"), tls=TlsFacts("TLSv1.3", certificate_requested=True))
    assert attempt.reach is Reach.SILENT
    assert "client certificate" in attempt.advice


@pytest.mark.parametrize("problem", TlsProblem)
def test_each_tls_problem_is_told_with_what_to_try(problem: TlsProblem) -> None:
    attempt = judged(TLS, *opened(TLS), failure=TlsFailure(problem, TLS, "it says so"))
    wanted = problem is TlsProblem.CLIENT_CERTIFICATE_REQUIRED
    reach = Reach.CERTIFICATE_WANTED if wanted else Reach.TLS_FAILED
    assert (attempt.reach, attempt.detail) == (reach, f"{problem.text} (it says so)")
    assert attempt.advice == problem.advice


@pytest.mark.parametrize("problem", WsProblem)
def test_each_problem_of_a_websocket_is_told_with_what_to_try(problem: WsProblem) -> None:
    hop = HOPS[Transport.WS]
    attempt = judged(hop, *opened(hop), failure=WsFailure(problem, hop, "HTTP 404 Not Found"))
    assert (attempt.reach, attempt.detail) == (Reach.NOT_SIP, f"{problem.text} (HTTP 404 Not Found)")
    assert attempt.advice == problem.advice


@pytest.mark.parametrize(
    ("problem", "detail", "instead"),
    [
        (WsProblem.NOT_HTTP, "an SSH greeting", "SSH"),
        (WsProblem.NOT_HTTP, "it speaks SIP without WebSocket", options.PLAIN_SIP),
        (WsProblem.NOT_HTTP, "it says 'x'", ""),
        (WsProblem.NOT_FOUND, "HTTP 404 Not Found", options.HTTP),
        (WsProblem.NO_SIP, "its answer names no subprotocol", ""),
    ],
)
def test_what_is_spoken_in_the_place_of_a_websocket(problem: WsProblem, detail: str, instead: str) -> None:
    hop = HOPS[Transport.WS]
    assert judged(hop, *opened(hop), failure=WsFailure(problem, hop, detail)).instead == instead


@pytest.mark.parametrize("reason", [FailureReason.TIMED_OUT, FailureReason.CLOSED, FailureReason.RESET])
def test_a_websocket_that_is_never_answered(reason: FailureReason) -> None:
    hop = HOPS[Transport.WSS]
    attempt = judged(hop, *opened(hop, "secured"), failure=WsFailure(WsProblem.SILENT, hop, reason=reason))
    assert (attempt.reach, attempt.detail) == (Reach.SILENT, WsProblem.SILENT.text)
    assert attempt.advice == WsProblem.SILENT.advice


def test_an_answer_with_a_bad_certificate_says_what_is_wrong_and_what_to_try() -> None:
    untrusted = CertificateFault(TlsProblem.UNTRUSTED_ROOT, 1, 19)
    facts = TlsFacts("TLSv1.3 AES", (EXPIRED, untrusted, EXPIRED))
    attempt = judged(TLS, response=parse_message(bytes_of("200 OK")), rtt=0.1, tls=facts)
    told = ("the certificate has expired (on 2024-01-01)", TlsProblem.UNTRUSTED_ROOT.text)
    assert (attempt.reach, attempt.tls, attempt.tls_problems) == (Reach.ANSWERED, "TLSv1.3 AES", told)
    assert attempt.detail == "; ".join(told)
    assert attempt.advice == f"{TlsProblem.EXPIRED.advice}; {TlsProblem.UNTRUSTED_ROOT.advice}"


@pytest.mark.parametrize(
    ("hop", "text"),
    [(UDP, "udp 192.0.2.1:5060: nothing listens there"), (TCP, "tcp 192.0.2.1:5060: nothing listens there")],
)
def test_the_detail_does_not_repeat_the_place(hop: Hop, text: str) -> None:
    assert judged(hop, failure=failure(FailureReason.REFUSED, text)).detail == "nothing listens there"


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"OPTIONS sip:x SIP/2.0\r\n\r\n", b"\xff" * 20, b""]
)
def test_what_is_no_response_is_no_answer(data: bytes) -> None:
    attempt = judged(UDP, received(UDP, data), failure=failure(FailureReason.GARBAGE, "not SIP"))
    assert (attempt.reach, attempt.response) == (Reach.NOT_SIP, None)


PAGES = (
    b"<html><body>Bad request</body></html>",
    b"\n<!DOCTYPE HTML>\n<HTML>",
    b'<?xml version="1.0"?>\n<!DOCTYPE html>\n<html>',
)


def page(hop: Hop, data: bytes) -> Attempt:
    """An answer that is a web page: a datagram is seen whole, and a stream cannot be cut into messages."""
    garbage = failure(FailureReason.GARBAGE, f"{hop}: not a SIP start line")
    if hop.transport.reliable:
        garbage.__cause__ = ParseError("not a SIP start line", section="RFC 3261 §7", text=data.decode())
        return judged(hop, *opened(hop), sent(hop), failure=garbage)
    return judged(hop, sent(hop), received(hop, data), failure=garbage)


@pytest.mark.parametrize("data", PAGES)
@pytest.mark.parametrize("hop", [UDP, TCP])
def test_a_web_page_without_a_status_line_is_http(hop: Hop, data: bytes) -> None:
    attempt = page(hop, data)
    assert (attempt.reach, attempt.instead) == (Reach.NOT_SIP, "HTTP")
    assert attempt.detail == "not SIP but a web page: the peer is a web server"


@pytest.mark.parametrize("hop", [UDP, TCP])
def test_a_request_that_comes_back_is_no_answer(hop: Hop) -> None:
    """An echo service (RFC 862) is no SIP server, although this side answers what comes back, and hears that too."""
    own = bytes_of("200 OK")
    response = parse_message(own)
    records = (sent(hop), received(hop, b"OPTIONS"), replace(sent(hop), data=own), received(hop, own))
    found = judged(hop, *opened(hop), *records, response=response)
    assert (found.reach, found.instead, found.response) == (Reach.NOT_SIP, options.ECHO, None)
    assert found.detail == "the peer sends back what it receives"


@pytest.mark.parametrize("hop", [UDP, TCP])
def test_what_is_nothing_that_is_known_is_called_nothing(hop: Hop) -> None:
    attempt = page(hop, b"hello")
    assert (attempt.reach, attempt.instead, attempt.detail) == (Reach.NOT_SIP, "", "not a SIP start line")


def test_a_silent_server_that_wanted_a_certificate_and_hung_up() -> None:
    wanted = TlsFacts("TLSv1.3", certificate_requested=True)
    attempt = judged(TLS, *opened(TLS, "secured"), tls=wanted, failure=failure(FailureReason.CLOSED))
    assert attempt.reach is Reach.CERTIFICATE_WANTED
    assert "client certificate" in attempt.advice


def test_what_shows_that_tls_is_spoken() -> None:
    assert options.speaks_tls(judged(TLS, *opened(TLS, "secured")))
    assert options.speaks_tls(judged(TLS, *opened(TLS), failure=TlsFailure(TlsProblem.VERSION, TLS)))
    assert not options.speaks_tls(judged(TLS, *opened(TLS), failure=TlsFailure(TlsProblem.NOT_TLS, TLS)))
    assert not options.speaks_tls(judged(TLS, *opened(TLS)))
    assert not options.speaks_tls(judged(TCP, *opened(TCP)))


@pytest.mark.parametrize(
    ("detail", "instead"),
    [
        ("an HTTP response: the peer is a web server", "HTTP"),
        ("a TLS alert: the peer speaks TLS on this port", "TLS"),
        ("an SSH greeting", "SSH"),
        ("something else", ""),
    ],
)
def test_what_is_spoken_instead(detail: str, instead: str) -> None:
    garbage = TransportFailure(FailureReason.GARBAGE, f"it answers with something that is not SIP: {detail}")
    assert judged(TCP, *opened(TCP), failure=garbage).instead == instead
    plain = TlsFailure(TlsProblem.NOT_TLS, TLS, "it speaks SIP without TLS")
    assert judged(TLS, *opened(TLS), failure=plain).instead == "plain SIP"
