"""Requests on a connection that its peer closes: when they go out again over a new one, and when they fail."""

from dataclasses import replace

import pytest

from sipcore.auth.choice import Account
from sipcore.auth.session import AuthSession
from sipcore.errors import FailureReason, TransportFailure
from sipcore.events import Prepare, RequestFailed, Resolve, ResponseReceived
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.message.registry import AUTHORIZATION
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.stack import Stack
from sipcore.stack_config import StackConfig
from sipcore.trace import Stamp
from sipcore.transactions.effects import Transmit
from tests.sipcore.wire import ALICE, BOB, Wire, seeded

UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS
CHALLENGE = [("WWW-Authenticate", 'Digest realm="biloxi", nonce="n1", algorithm=SHA-256, qop="auth"')]


class Line:
    """One request of Alice's, and connections to Bob that are told apart by their ports."""

    def __init__(self, hop: Hop, *, method: str = "OPTIONS", auth: AuthSession | None = None) -> None:
        self.stack = Stack(StackConfig(), seeded(1))
        self.asked: list[Hop] = []
        self.port = 40_000
        order = Order(Wire().request(method), hop, "alice", auth)
        if method == "INVITE":
            self.stack.call(order, 0.0)
        else:
            self.stack.request(order, 0.0)

    def sent(self, *, reused: bool) -> Request | None:
        """What goes out next, over a connection that was open before or is new."""
        for output in self.stack.drain():
            if isinstance(output, Resolve):
                assert isinstance(output.question, Prepare)
                self.asked.append(output.question.hop)
                self.port += not reused
                self.stack.resolved(output.ticket, replace(self.asked[-1], local=self.local), 0.0, reused=reused)
                return self.sent(reused=reused)
            if isinstance(output, Transmit):
                message = parse_message(output.data)
                assert isinstance(message, Request)
                return message
            if isinstance(output, RequestFailed | ResponseReceived):
                self.outcome = output
        return None

    @property
    def local(self) -> SocketAddress:
        return replace(ALICE, port=self.port)

    @property
    def flow(self) -> Flow:
        return Flow(self.asked[-1].transport, self.local, BOB)

    def answer(self, request: Request, status: int) -> None:
        fields = CHALLENGE if status == 401 else []
        data = bytes(build_response(request, status, tag="b1", fields=fields))
        self.stack.receive(data, self.flow, Stamp(0.0), 0.0)

    def close(self, reason: FailureReason = FailureReason.CLOSED) -> None:
        self.stack.flow_failed(self.flow, TransportFailure(reason, "the peer closed the connection"), 0.0)


@pytest.mark.parametrize("method", ["OPTIONS", "MESSAGE", "INVITE"])
@pytest.mark.parametrize("reason", [FailureReason.CLOSED, FailureReason.RESET])
def test_what_a_dying_connection_may_have_lost_goes_out_again_once(method: str, reason: FailureReason) -> None:
    line = Line(Hop(TLS, BOB, tls_name="biloxi.example"), method=method)
    first = line.sent(reused=True)
    line.close(reason)
    second = line.sent(reused=False)
    assert first is not None
    assert second is not None
    assert (first.call_id, first.cseq, first.from_tag) == (second.call_id, second.cseq, second.from_tag)
    assert first.via.branch != second.via.branch
    assert line.asked[0] == line.asked[1]
    line.close(reason)
    assert line.sent(reused=False) is None


def test_once_is_all_even_if_the_next_connection_was_open_too() -> None:
    line = Line(Hop(TCP, BOB))
    for _ in range(2):
        assert line.sent(reused=True) is not None
        line.close()
    assert line.sent(reused=True) is None
    assert isinstance(line.outcome, RequestFailed)
    assert line.outcome.failure.reason is FailureReason.CLOSED


@pytest.mark.parametrize(
    ("hop", "reused", "provisional", "reason"),
    [
        (Hop(TCP, BOB), False, False, FailureReason.CLOSED),  # Bob closes whatever is opened
        (Hop(TCP, BOB), True, True, FailureReason.CLOSED),  # Bob has the request
        (Hop(TCP, BOB), True, False, FailureReason.TIMED_OUT),  # that took long enough
        (Hop(TCP, BOB), True, False, FailureReason.GARBAGE),
        (Hop(TCP, BOB, accepted=True), True, False, FailureReason.CLOSED),  # nobody listens there
        (Hop(UDP, BOB), True, False, FailureReason.CLOSED),
    ],
)
def test_what_goes_out_once_only(hop: Hop, reused: bool, provisional: bool, reason: FailureReason) -> None:
    line = Line(hop)
    request = line.sent(reused=reused)
    assert request is not None
    if provisional:
        line.answer(request, 100)
    line.close(reason)
    assert line.sent(reused=False) is None
    assert isinstance(line.outcome, RequestFailed)
    assert line.outcome.failure.reason is reason


def test_a_server_that_closes_after_each_answer_gets_the_proof_all_the_same() -> None:
    line = Line(Hop(TCP, BOB), auth=AuthSession(Account("alice", "secret", hosts=[BOB.host])))
    request = line.sent(reused=False)
    assert request is not None
    line.answer(request, 401)
    proven = line.sent(reused=True)
    line.close()
    again = line.sent(reused=False)
    assert proven is not None
    assert again is not None
    # RFC 7616 §3.4: a proof that may have been read is not given twice.
    assert [[each.nc for each in sent[AUTHORIZATION]] for sent in (proven, again)] == [["00000001"], ["00000002"]]
    line.answer(again, 200)
    line.sent(reused=False)
    assert isinstance(line.outcome, ResponseReceived)
    assert line.outcome.response.status == 200


def test_a_local_address_that_was_chosen_stays_chosen() -> None:
    chosen = replace(ALICE, port=0)
    line = Line(Hop(TCP, BOB, chosen))
    line.sent(reused=True)
    line.close()
    line.sent(reused=False)
    assert [hop.local for hop in line.asked] == [chosen, chosen]


def test_a_request_that_was_cancelled_is_not_sent_again() -> None:
    line = Line(Hop(TCP, BOB), method="INVITE")
    assert line.sent(reused=True) is not None
    line.stack.hang_up(1, 0.0)
    line.close()
    assert line.sent(reused=False) is None
