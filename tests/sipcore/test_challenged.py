"""Requests that are challenged on their way: what goes out again, where to, and what a call makes of it."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from sipcore.auth.choice import Account
from sipcore.auth.session import MAX_STALE, AuthRefusal, AuthSession
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.events import (
    CallChanged,
    CallEnded,
    CallReceived,
    CallUnchanged,
    Output,
    Prepare,
    RequestReceived,
    Resolve,
    ResponseReceived,
)
from sipcore.message.build import Fields
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.message.registry import AUTHORIZATION
from sipcore.message.uri import SipUri, Uri
from sipcore.outgoing import Order
from sipcore.resolve.records import Address as HostAddress
from sipcore.resolve.records import Answer, LookupFailure, LookupFault, Question, RecordType
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.stack import Stack
from sipcore.stack_config import StackConfig
from sipcore.trace import Stamp
from sipcore.transactions.effects import Transmit
from tests.sipcore.wire import ALICE, BOB, SDP, Wire, description, seeded

CHALLENGE: Fields = [("WWW-Authenticate", 'Digest realm="biloxi", nonce="n1", algorithm=SHA-256, qop="auth"')]
UDP, TCP = Transport.UDP, Transport.TCP


def session(*hosts: str) -> AuthSession:
    return AuthSession(Account("alice", "secret", hosts=hosts or [BOB.host]))


def counts(requests: Sequence[Request]) -> list[list[str | None]]:
    """The nonce counts of each request's credentials."""
    return [[credentials.nc for credentials in request[AUTHORIZATION]] for request in requests]


def sent(wire: Wire, method: str) -> list[Request]:
    """What Alice sent of a method."""
    messages = [parse_message(data) for _, data in wire.alice.sent]
    return [message for message in messages if isinstance(message, Request) and message.method == method]


@pytest.mark.parametrize("transport", [UDP, TCP])
def test_a_call_goes_on_from_the_invite_that_was_accepted(transport: Transport) -> None:
    wire = Wire(transport)
    order = Order(wire.request("INVITE", description(ALICE), SDP), Hop(transport, BOB), "alice", session())
    number = wire.alice.stack.call(order, wire.now)
    for status in (401, 200):
        wire.run(0.1)
        received = wire.bob.told(CallReceived)[-1]
        assert isinstance(received, CallReceived)
        if status == 401:
            wire.bob.stack.reject(received.call, status, wire.now, fields=CHALLENGE)
        else:
            wire.accept(received.call)
    wire.run(0.1)
    wire.alice.stack.hang_up(number, wire.now)
    wire.run(0.1)
    invite, ack, (bye,) = sent(wire, "INVITE")[-1], sent(wire, "ACK")[-1], sent(wire, "BYE")
    # RFC 3261 §13.2.2.4 and §12.2.1.1: the ACK has the INVITE's number and credentials, the BYE the next number.
    assert (invite.cseq.number, ack.cseq.number, bye.cseq.number) == (2, 2, 3)
    assert ack.headers.get_all("Authorization") == invite.headers.get_all("Authorization")
    assert counts([invite, ack, bye]) == [["00000001"], ["00000001"], ["00000002"]]


FIRST, SECOND = description(BOB), description(BOB).replace(b" 40000 ", b" 50000 ")
RELIABLE: Fields = [("Require", "100rel"), ("RSeq", 1)]


def says(wire: Wire, status: int, tag: str, fields: Fields = (), body: bytes = b"") -> None:
    """A response of the callee with this tag to the INVITE that Alice has sent last."""
    told, kind = [("Contact", f"<sip:{tag}@{BOB}>"), *fields], SDP if body else ""
    built = build_response(sent(wire, "INVITE")[-1], status, tag=tag, fields=told, body=body, content_type=kind)
    wire.deliver(wire.alice, bytes(built))


def challenged_early() -> tuple[Wire, int]:
    """A call that is challenged by a callee who has answered its offer before, and whose session is being changed."""
    wire = Wire(lose=lambda _, data: True)  # there is no Bob: the tests write what two callees say
    order = Order(wire.request("INVITE", description(ALICE), SDP), Hop(UDP, BOB), "alice", session())
    call = wire.alice.stack.call(order, wire.now)
    wire.run(0.1)
    says(wire, 180, "c")
    says(wire, 183, "b", RELIABLE, FIRST)
    wire.alice.stack.change(call, description(ALICE), wire.now)
    says(wire, 401, "b", CHALLENGE)
    return wire, call


def test_the_early_dialogs_of_an_invite_end_with_its_challenge() -> None:
    """RFC 3261 §13.2.2.3. A gateway that has one tag for all it does describes another session in the next one."""
    wire, call = challenged_early()
    assert len(sent(wire, "INVITE")) == 2
    assert [event.remote_tag for event in wire.alice.told(CallUnchanged)] == ["b"]
    with pytest.raises(LocalError, match="no dialog"):
        wire.alice.stack.session(call)
    says(wire, 183, "b", RELIABLE, SECOND)
    says(wire, 200, "b")
    assert wire.alice.stack.session(call).remote == SECOND
    assert [prack.headers.get("RAck") for prack in sent(wire, "PRACK")] == ["1 1 INVITE", "1 4 INVITE"]
    wire.run(60)
    assert not wire.alice.told(CallEnded)


def test_what_a_callee_answered_before_it_challenged_a_re_invite_is_undone() -> None:
    """RFC 6141 §3.3: it was refused, and the answer to the one with credentials is what counts."""
    wire = Wire()
    order = Order(wire.request("INVITE", description(ALICE), SDP), Hop(UDP, BOB), "alice", session())
    call = wire.alice.stack.call(order, wire.now)
    wire.run(0.1)
    wire.accept(wire.bob.told(CallReceived)[-1].call)
    wire.run(0.1)
    wire.lose = lambda _, data: True
    offer = wire.alice.stack.session(call).renewed()
    wire.alice.stack.change(call, offer, wire.now)
    wire.pump()
    tag = sent(wire, "INVITE")[-1].to_tag or ""
    says(wire, 183, tag, RELIABLE, SECOND)
    assert wire.alice.stack.session(call).remote == SECOND
    says(wire, 401, tag, CHALLENGE)
    assert wire.alice.stack.session(call).remote == FIRST
    assert (sent(wire, "INVITE")[-1].body, wire.alice.stack.session(call).offer) == (offer, offer)
    third = FIRST.replace(b" 40000 ", b" 60000 ")
    says(wire, 200, tag, body=third)
    assert (wire.alice.stack.session(call).local, wire.alice.stack.session(call).remote) == (offer, third)
    assert len(wire.alice.told(CallChanged)) == 1


def test_what_was_asked_for_before_a_challenge_answers_nothing_that_is_asked_for_after_it() -> None:
    wire, call = challenged_early()
    says(wire, 183, "b", RELIABLE, SECOND)
    wire.alice.stack.change(call, description(ALICE), wire.now)
    wire.pump()
    for update, body in zip(sent(wire, "UPDATE"), (FIRST, SECOND), strict=True):
        assert not wire.alice.told(CallChanged)
        wire.deliver(wire.alice, bytes(build_response(update, 200, body=body, content_type=SDP)))
    assert len(wire.alice.told(CallChanged)) == 1
    assert wire.alice.stack.session(call).remote == SECOND


@pytest.mark.parametrize(
    "named",
    [
        b"Contact: <sip:bob@trusted.example:0>",  # which cannot be located, so that the dialog's flow is gone along
        b"Contact: <sip:bob@trusted.example:5060>",  # which DNS does not know: the same
        b"Record-Route: <sip:192.0.2.2>\r\nContact: <sip:bob@trusted.example>",  # a strict router (RFC 3261 §16.12.1.2)
    ],
)
def test_whom_a_callee_names_in_the_dialog_is_not_whom_the_password_is_for(named: bytes) -> None:
    """RFC 3261 §22.3: in a dialog the URI and the Routes are what the peer wrote."""

    def lie(data: bytes) -> bytes:
        if data.startswith(b"SIP/2.0 200") and b" BYE\r\n" in data:
            (name, value), *_ = CHALLENGE
            return data.replace(b"200 OK\r\n", f"401 Unauthorized\r\n{name}: {value}\r\n".encode(), 1)
        return re.sub(rb"Contact: <sip:[^>]*>", named, data) if data.startswith(b"SIP/2.0 200") else data

    wire = Wire(alter=lie)
    order = Order(wire.request("INVITE", description(ALICE), SDP), Hop(UDP, BOB), "alice", session("trusted.example"))
    number = wire.alice.stack.call(order, wire.now)
    wire.run(0.1)
    received = wire.bob.told(CallReceived)[-1]
    assert isinstance(received, CallReceived)
    wire.accept(received.call)
    wire.run(0.1)
    wire.alice.stack.hang_up(number, wire.now)
    for method in ("ACK", "BYE"):
        wire.run(0.1)
        for asked in wire.alice.told(Resolve):
            if isinstance(asked.question, Question):
                failure = LookupFailure(asked.question, LookupFault.NXDOMAIN)
                wire.alice.stack.resolved(asked.ticket, failure, wire.now)
        wire.run(0.1)
        assert sent(wire, method)
    wire.run(10)
    assert not any(bye[AUTHORIZATION] for bye in sent(wire, "BYE"))


def test_a_challenged_re_invite_is_waited_for_until_its_transaction_is_over() -> None:
    """And no longer: a call that has ended meanwhile would keep its dialog for it."""
    wire = Wire()
    order = Order(wire.request("INVITE", description(ALICE), SDP), Hop(UDP, BOB), "alice", session())
    number = wire.alice.stack.call(order, wire.now)
    wire.run(0.1)
    wire.accept(wire.bob.told(CallReceived)[-1].call)
    wire.run(0.1)
    wire.lose = lambda ordinal, data: data.startswith(b"INVITE") and b"Authorization" not in data
    wire.alice.stack.change(number, wire.alice.stack.session(number).renewed(), wire.now)
    wire.pump()
    wire.deliver(wire.alice, bytes(build_response(sent(wire, "INVITE")[-1], 401, fields=CHALLENGE)))
    usage = wire.alice.stack._calls.machine(number).require_usage()
    for seconds, awaited in ((0.1, True), (40, False)):
        wire.run(seconds)
        assert usage.awaits_success is awaited
    assert len(sent(wire, "INVITE")) == 3
    assert wire.alice.told(CallChanged)


def test_credentials_that_make_it_too_large_are_counted_once() -> None:
    """RFC 7616 §3.4: the count is of requests that were sent, and over UDP none was (RFC 3261 §18.1.1)."""
    wire = Wire()
    body = b"x" * 900
    request = wire.request("OPTIONS", body, "text/plain")
    wire.alice.stack.request(Order(request, Hop(UDP, BOB), "alice", session()), wire.now)
    wire.run(0.1)
    received = wire.bob.told(RequestReceived)[-1]
    assert isinstance(received, RequestReceived)
    wire.bob.stack.respond(received.key, build_response(received.request, 401, tag="b1", fields=CHALLENGE), wire.now)
    wire.run(0.1)
    first, second = sent(wire, "OPTIONS")
    assert (first.via.transport, second.via.transport) == ("UDP", "TCP")
    assert counts([first, second]) == [[], ["00000001"]]


class Ladder:
    """A stack before two hosts of one name; each request is given the hops and what comes of it by hand."""

    HOSTS = (SocketAddress("192.0.2.2", 5060), SocketAddress("192.0.2.3", 5060))

    def __init__(self, auth: AuthSession) -> None:
        self.stack = Stack(StackConfig(), seeded(1))
        self._auth = auth

    def start(self, host: str, target: Uri | Hop | None = None, route: str = "") -> int:
        uri = SipUri(host, "bob", 5060)
        request = Wire().request("OPTIONS").with_uri(uri)
        if route:
            request = request.with_first("Route", f"<sip:{route};lr>")
        return self.stack.request(Order(request, target or uri, auth=self._auth), 0.0)

    def sent(self, ticket: int) -> Request:
        """Answer what is asked until a request goes out, and give it."""
        while True:
            for output in self.stack.drain():
                if isinstance(output, Transmit):
                    message = parse_message(output.data)
                    assert isinstance(message, Request)
                    return message
                self._resolve(ticket, output)

    def _resolve(self, ticket: int, output: Output) -> None:
        match output:
            case Resolve(_, Prepare(hop)):
                self.stack.resolved(ticket, replace(hop, local=ALICE), 0.0)
            case Resolve(_, Question(RecordType.A) as question):
                self.stack.resolved(ticket, Answer(question, tuple(HostAddress(at.host) for at in self.HOSTS)), 0.0)
            case Resolve(_, Question() as question):
                self.stack.resolved(ticket, Answer(question, ()), 0.0)

    def answer(self, request: Request, status: int, fields: Fields = ()) -> None:
        data = bytes(build_response(request, status, tag="b1", fields=fields))
        self.stack.receive(data, Flow(UDP, ALICE, self.HOSTS[0]), Stamp(0.0), 0.0)


def test_a_proof_for_one_host_does_not_go_on_to_the_next() -> None:
    """An address is trusted since a trusted host was there; another address of a name that is not is another matter."""
    ladder = Ladder(session("trusted.example"))
    ticket = ladder.start("trusted.example")
    ladder.answer(ladder.sent(ticket), 401, CHALLENGE)
    ladder.answer(ladder.sent(ticket), 200)
    ladder.stack.drain()
    ticket = ladder.start("other.example")
    assert counts([ladder.sent(ticket)]) == [["00000002"]]
    gone = TransportFailure(FailureReason.REFUSED, "refused")
    ladder.stack.unreachable(ladder.HOSTS[0], gone, 0.0)
    assert counts([ladder.sent(ticket)]) == [[]]


def test_a_trusted_host_gets_a_proof_of_its_own_at_each_address() -> None:
    ladder = Ladder(session("trusted.example"))
    ticket = ladder.start("trusted.example")
    ladder.answer(ladder.sent(ticket), 401, CHALLENGE)
    first = ladder.sent(ticket)
    ladder.stack.unreachable(ladder.HOSTS[0], TransportFailure(FailureReason.REFUSED, "refused"), 0.0)
    second = ladder.sent(ticket)
    assert counts([first, second]) == [["00000001"], ["00000002"]]
    assert (first.call_id, first.cseq.number) == (second.call_id, second.cseq.number)
    assert first.via.branch != second.via.branch


ELSEWHERE = SipUri("proxy.example", None, 5060)
"""An outbound proxy. All names lead to the hosts of `Ladder`."""
NUMERIC = SipUri(Ladder.HOSTS[0].host, None, 5060)


@pytest.mark.parametrize(
    ("hosts", "target", "route", "answered"),
    [
        (["trusted.example"], None, "", True),
        (["trusted.example"], ELSEWHERE, "", False),
        (["trusted.example"], NUMERIC, "", False),
        (["trusted.example"], ELSEWHERE, "trusted.example", False),
        (["proxy.example"], ELSEWHERE, "", True),
        (["trusted.example", "proxy.example"], ELSEWHERE, "", True),
        (["192.0.2.2"], NUMERIC, "", True),
        (["192.0.2.2"], None, "", True),
        (["192.0.2.3"], None, "", False),
        (["trusted.example"], Hop(TCP, Ladder.HOSTS[0]), "", True),
        (["trusted.example"], Hop(TCP, Ladder.HOSTS[0]), "proxy.example", False),
        (["trusted.example"], Hop(Transport.TLS, Ladder.HOSTS[0], tls_name="proxy.example"), "", False),
    ],
)
@pytest.mark.parametrize("status", [401, 407])
def test_who_gets_the_proof_is_judged_by_where_the_request_goes(
    hosts: list[str], target: Uri | Hop | None, route: str, *, answered: bool, status: int
) -> None:
    """RFC 3261 §22.3: what a proxy asks for is the proxy's, whatever host the URI names."""
    ladder = Ladder(session(*hosts))
    ticket = ladder.start("trusted.example", target, route)
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    ladder.answer(ladder.sent(ticket), status, [(name, value) for _, value in CHALLENGE])
    sent_again = [output for output in ladder.stack.drain() if isinstance(output, Transmit)]
    assert bool(sent_again) == answered


def test_a_server_whose_nonces_are_always_stale_is_asked_a_few_times_by_each_of_many_requests() -> None:
    """A service has one AuthSession for all that it has under way at its trunk."""
    wire, shared = Wire(), session()
    count = 32
    for number in range(count):
        request = wire.request("OPTIONS").with_header("Call-ID", f"call-{number}")
        wire.alice.stack.request(Order(request, Hop(UDP, BOB), auth=shared), wire.now)
    for round_ in range(10):
        wire.run(0.1)
        asked, wire.bob.events[:] = wire.bob.told(RequestReceived), []
        for each in asked:
            stale = f'Digest realm="biloxi", nonce="{round_}.{each.request.call_id}", stale=true'
            refusal = build_response(each.request, 401, tag="b", fields=[("WWW-Authenticate", stale)])
            wire.bob.stack.respond(each.key, refusal, wire.now)
    wire.run(0.1)
    assert len(sent(wire, "OPTIONS")) == count * (2 + MAX_STALE)
    errors = [event.auth for event in wire.alice.told(ResponseReceived)]
    assert [error.reason for error in errors if error] == [AuthRefusal.LOOP] * count
