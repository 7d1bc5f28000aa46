"""The layer: what goes to which transaction, what goes to the transaction user, and that nothing is left over."""

import pytest

from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.trace import TransitionTrace
from sipcore.transactions.effects import (
    AckReceived,
    CancelReceived,
    Effect,
    MergedRequest,
    Overloaded,
    RequestReceived,
    ResponseReceived,
    StrayResponse,
    TransactionFailed,
    Transmit,
)
from sipcore.transactions.key import AnyServerKey, ClientKey, LegacyKey
from sipcore.transactions.layer import NOT_AWAITED, SEVERAL_VIAS, TransactionLayer
from sipcore.transactions.timers import Timers
from tests.sipcore.transactions.rig import BRANCH, REMOTE, Rig, answer, flow, hop, names, request

KEY = ClientKey(BRANCH.lower(), "OPTIONS")
ERROR = TransportFailure(FailureReason.REFUSED, "nothing listens there")
LOCAL_ENDS = [("192.0.2.1", 40000), ("192.0.2.1", 40001), ("192.0.2.9", 40000)]
OLD_VIA = "SIP/2.0/UDP 192.0.2.2"


def received(effects: list[Effect]) -> AnyServerKey:
    (effect,) = effects
    assert isinstance(effect, RequestReceived | MergedRequest | CancelReceived)
    return effect.key


# Sending


def test_a_branch_serves_one_request() -> None:
    rig = Rig()
    rig.send(request())
    with pytest.raises(LocalError, match=r"§8\.1\.1\.7"):
        rig.send(request())
    rig.send(request("REGISTER"))  # another method: nothing can be mixed up
    with pytest.raises(LocalError, match=r"§8\.1\.1\.7"):
        rig.send(request(via="SIP/2.0/UDP 192.0.2.1"))
    assert len(rig.layer) == 2


def test_an_ack_has_no_transaction() -> None:
    with pytest.raises(LocalError, match=r"§17\.1"):
        Rig().send(request("ACK"))


def test_a_request_without_a_via_is_the_callers_fault() -> None:
    with pytest.raises(LocalError, match="Via"):
        Rig().send(request().without("Via"))


def test_a_request_may_go_out_on_a_flow() -> None:
    rig = Rig()
    rig.layer.send_request(request(), flow(Transport.TCP), 0)
    (transmit,) = rig.take()
    assert isinstance(transmit, Transmit)
    assert transmit.to == flow(Transport.TCP)
    rig.layer.flow_failed(flow(Transport.TCP), ERROR, 0)
    assert names(rig.take()) == ["TransactionFailed", "Terminated"]


def test_rendered_bytes_are_sent_as_they_are() -> None:
    rig = Rig()
    rig.layer.send_rendered(KEY, bytes(request()), hop(), 0)
    assert rig.take() == [Transmit(KEY, hop(), bytes(request()), 0)]
    assert names(rig.receive(answer(request(), 200))) == ["ResponseReceived"]
    with pytest.raises(LocalError, match=r"§17\.1\.1\.3"):
        rig.layer.send_rendered(ClientKey("z9hg4bk-2", "INVITE"), b"", hop(), 0)


# Responses


def test_a_response_finds_its_request_by_branch_and_method() -> None:
    rig = Rig()
    sent = {method: request(method) for method in ("INVITE", "OPTIONS", "REGISTER")}
    for message in sent.values():
        rig.send(message)
    for method, message in sent.items():
        response = answer(message, 100)
        assert rig.receive(response) == [ResponseReceived(ClientKey(BRANCH.lower(), method), response, flow())]


@pytest.mark.parametrize("other", [request(branch="z9hG4bK-2"), request("REGISTER")])
def test_a_stray_response_is_handed_up_as_such(other: Request) -> None:
    rig = Rig()
    rig.send(request())
    response = answer(other, 200)
    assert rig.receive(response) == [StrayResponse(response, flow(), NOT_AWAITED)]


@pytest.mark.parametrize(
    ("sent", "came", "is_taken"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.1:5060", True),
        ("192.0.2.1:5060", "192.0.2.1", True),
        ("Host.example", "hOST.EXAMPLE:5060", True),
        ("[2001:db8::1]", "[2001:DB8::1]:5060", True),
        ("[2001:db8::1]:5070", "[2001:0db8:0:0::1]:5070", True),
        ("[2001:db8::1]", "[2001:0db8:0:0::1]:5060", True),
        ("[2001:db8::1]", "[2001:db8::2]", False),
        ("[2001:db8::1]:5070", "[2001:0db8:0:0::1]:5071", False),
        ("[2001:db8::1]:5070", "192.0.2.1:5070", False),
        ("192.0.2.1", "192.0.2.1:5061", False),
        ("192.0.2.1:5080", "192.0.2.1", False),
        ("192.0.2.1", "192.0.2.9", False),
    ],
)
def test_a_response_to_what_somebody_else_sent_is_discarded(sent: str, came: str, is_taken: bool) -> None:
    """RFC 3261 §18.1.2; nothing becomes of it, and the right one is still taken."""
    rig = Rig()
    rig.send(request(via=f"SIP/2.0/UDP {sent};branch={BRANCH}"))
    response = answer(request(via=f"SIP/2.0/UDP {came};branch={BRANCH}"), 200)
    assert names(rig.receive(response)) == (["ResponseReceived"] if is_taken else ["StrayResponse"])
    right = answer(request(via=f"SIP/2.0/UDP {sent};branch={BRANCH}"), 200)
    assert names(rig.receive(right)) == ([] if is_taken else ["ResponseReceived"])


@pytest.mark.parametrize(
    "second",
    [
        f"\r\nVia: SIP/2.0/UDP 203.0.113.9;branch={BRANCH}",
        "\r\nv: SIP/2.0/UDP 203.0.113.9",
        ", SIP/2.0/UDP 203.0.113.9",
        "\r\nVia: whatever",
    ],
)
@pytest.mark.parametrize("before", ["", "Server: Via: x\r\n"])
def test_a_response_with_the_via_of_somebody_else_is_discarded(before: str, second: str) -> None:
    """RFC 3261 §8.1.3.3; the right one is still taken."""
    rig = Rig()
    rig.send(request())
    right = bytes(answer(request(), 200)).decode()
    line, _, fields = right.partition("\r\n")
    via, _, others = fields.partition("\r\n")
    response = parse_message(f"{line}\r\n{before}{via}{second}\r\n{others}".encode())
    assert isinstance(response, Response)
    assert rig.receive(response) == [StrayResponse(response, flow(), SEVERAL_VIAS)]
    plain = parse_message(f"{line}\r\n{before}{fields}".encode())
    assert isinstance(plain, Response)
    assert names(rig.receive(plain)) == ["ResponseReceived"]


def test_over_tls_the_port_that_is_not_written_is_another_one() -> None:
    rig = Rig(transport=Transport.TLS)
    rig.send(request(via=f"SIP/2.0/TLS a.example;branch={BRANCH}"))
    assert names(rig.receive(answer(request(via=f"SIP/2.0/TLS a.example:5060;branch={BRANCH}"), 200))) == [
        "StrayResponse"
    ]
    right = answer(request(via=f"SIP/2.0/TLS a.example:5061;branch={BRANCH}"), 200)
    assert names(rig.receive(right)) == ["ResponseReceived", "Terminated"]


def test_a_response_after_the_end_is_stray() -> None:
    rig = Rig()
    rig.send(request())
    rig.advance(1000)
    assert names(rig.receive(answer(request(), 200))) == ["StrayResponse"]


# Requests


def test_a_request_is_delivered_once_and_with_its_via_stamped() -> None:
    rig = Rig()
    (effect,) = rig.receive(request())
    assert isinstance(effect, RequestReceived)
    assert effect.flow == flow()
    assert (effect.request.via.received, effect.request.via.rport) == (REMOTE.host, REMOTE.port)
    assert rig.receive(request()) == []


def test_equal_branches_of_different_clients_are_different_transactions() -> None:
    rig = Rig()
    one = received(rig.receive(request(via="SIP/2.0/UDP a.example.com;branch=z9hG4bK1", call_id="1")))
    other = received(rig.receive(request(via="SIP/2.0/UDP b.example.com;branch=z9hG4bK1", call_id="2")))
    assert one != other
    assert len(rig.layer) == 2


def test_an_ack_that_matches_nothing_is_handed_up() -> None:
    rig = Rig()
    ack = request("ACK", "z9hG4bK-other", to_tag="t")
    assert rig.receive(ack) == [AckReceived(ack, flow())]
    assert len(rig.layer) == 0


def test_the_ack_of_an_old_client_is_told_apart_by_its_to_tag() -> None:
    """RFC 3261 §17.2.3: a proxy that forked may send ACKs to answers of others along the same way."""
    rig = Rig()
    invite = request("INVITE", via=OLD_VIA)
    key = received(rig.receive(invite))
    assert isinstance(key, LegacyKey)
    rig.respond(key, answer(invite, 486, "here"))
    other = request("ACK", via=OLD_VIA, to_tag="elsewhere")
    assert rig.receive(other) == [AckReceived(other, flow())]
    assert rig.receive(request("ACK", via=OLD_VIA, to_tag="here")) == []
    assert rig.receive(request("ACK", via=OLD_VIA, to_tag="here")) == []
    rig.advance(1000)
    assert rig.ended_at(key) == 5, "Timer I: the right one has arrived"


def test_the_ack_of_an_old_client_before_any_answer_is_ignored() -> None:
    rig = Rig()
    rig.receive(request("INVITE", via=OLD_VIA))
    assert rig.receive(request("ACK", via=OLD_VIA, to_tag="here")) == []


def test_an_old_client_is_served() -> None:
    rig = Rig()
    key = received(rig.receive(request(via=OLD_VIA)))
    assert rig.receive(request(via=OLD_VIA)) == []
    rig.respond(key, answer(request(via=OLD_VIA), 200))
    assert names(rig.receive(request(via=OLD_VIA))) == ["Transmit"]
    assert names(rig.receive(request(via=OLD_VIA, cseq=2))) == ["RequestReceived"]


@pytest.mark.parametrize("via", ["", OLD_VIA])
def test_a_cancel_names_what_it_cancels(via: str) -> None:
    rig = Rig()
    invite = received(rig.receive(request("INVITE", via=via)))
    (effect,) = rig.receive(request("CANCEL", via=via))
    assert isinstance(effect, CancelReceived)
    assert effect.cancelled == invite
    rig.respond(effect.key, answer(request("CANCEL", via=via), 200))
    assert names(rig.receive(request("CANCEL", via=via))) == ["Transmit"], "retransmitted"
    rig.respond(invite, answer(request("INVITE", via=via), 487))
    assert [word for _, word, _ in rig.sent()] == ["200", "200", "487"]


def test_a_cancel_of_another_method_names_it_too() -> None:
    rig = Rig()
    options = received(rig.receive(request("OPTIONS")))
    (effect,) = rig.receive(request("CANCEL"))
    assert isinstance(effect, CancelReceived)
    assert effect.cancelled == options


@pytest.mark.parametrize("branch", ["z9hG4bK-2", BRANCH])
def test_a_cancel_of_nothing_says_so(branch: str) -> None:
    rig = Rig()
    rig.layer.send_request(request("INVITE"), hop(), 0)  # a client transaction with that branch is no match
    rig.take()
    (effect,) = rig.receive(request("CANCEL", branch))
    assert isinstance(effect, CancelReceived)
    assert effect.cancelled is None


def test_a_merged_request_is_told_and_answered_in_its_own_transaction() -> None:
    rig = Rig()
    first = received(rig.receive(request("INVITE", "z9hG4bK-1")))
    (second,) = rig.receive(request("INVITE", "z9hG4bK-2"))
    assert isinstance(second, MergedRequest)
    assert names(rig.respond(second.key, answer(request("INVITE", "z9hG4bK-2"), 482))) == ["Transmit"]
    assert names(rig.receive(request("INVITE", "z9hG4bK-3"))) == ["MergedRequest"]
    assert rig.receive(request("INVITE", "z9hG4bK-1")) == [], "the first goes on"
    rig.layer.abandon(first, rig.now)
    rig.take()
    assert names(rig.receive(request("INVITE", "z9hG4bK-4"))) == ["RequestReceived"], "no longer ongoing"


def test_a_request_within_a_dialog_is_never_merged() -> None:
    rig = Rig()
    rig.receive(request("INVITE", "z9hG4bK-1", to_tag="t"))
    assert names(rig.receive(request("INVITE", "z9hG4bK-2", to_tag="t"))) == ["RequestReceived"]


def test_the_cancels_of_merged_requests_are_no_merged_requests() -> None:
    rig = Rig()
    for branch in ("z9hG4bK-1", "z9hG4bK-2"):
        rig.receive(request("INVITE", branch))
        assert names(rig.receive(request("CANCEL", branch))) == ["CancelReceived"]


def test_too_many_requests_get_no_transaction() -> None:
    layer = TransactionLayer(max_server_transactions=2)
    for number in range(4):
        layer.receive(request(branch=f"z9hG4bK-{number}", cseq=number), flow(), 0)
    layer.receive(request(branch="z9hG4bK-0"), flow(), 0)
    layer.send_request(request(branch="z9hG4bK-5"), hop(), 0)
    assert names(layer.drain()) == ["RequestReceived", "RequestReceived", "Overloaded", "Overloaded", "Transmit"]
    assert len(layer) == 3


def test_what_is_refused_for_want_of_room_comes_as_it_was() -> None:
    layer = TransactionLayer(max_server_transactions=0)
    message = request()
    layer.receive(message, flow(), 0)
    assert layer.drain() == [Overloaded(message, flow())]


def test_a_hostile_header_field_goes_back_as_it_came() -> None:
    """A NUL is legal in a quoted pair, and what is copied into a 100 or an ACK was checked by nobody."""
    quoted = b'"\\\0" <sip:alice@example.com>;tag=f'
    rig = Rig()
    invite = parse_message(bytes(request("INVITE")).replace(b"<sip:alice@example.com>;tag=f", quoted))
    rig.receive(invite)
    rig.advance(1)
    assert [word for _, word, _ in rig.sent()] == ["100"]
    rig = Rig()
    rig.send(request("INVITE"))
    hostile = bytes(answer(request("INVITE"), 486)).replace(b"To: <", b'To: "\\\0" <')
    assert names(rig.receive(parse_message(hostile))) == ["Transmit", "ResponseReceived"]


# Answering


def test_no_response_goes_out_after_the_end() -> None:
    rig = Rig()
    key = received(rig.receive(request()))
    rig.respond(key, answer(request(), 200))
    rig.advance(1000)
    assert rig.respond(key, answer(request(), 200)) == []
    assert names(rig.receive(request())) == ["RequestReceived"], "it is a new one now"


def test_a_response_that_could_not_be_sent_may_take_another_way() -> None:
    rig = Rig()
    key = received(rig.receive(request()))
    rig.respond(key, answer(request(), 200))
    rig.layer.transport_failed(key, ERROR, rig.now)
    assert rig.take() == [TransactionFailed(key, ERROR)]
    other = Hop(Transport.UDP, SocketAddress("192.0.2.3", 5060))
    rig.layer.reroute(key, other)
    assert rig.take() == [Transmit(key, other, bytes(answer(request(), 200)), 1)]
    (again,) = rig.receive(request())
    assert isinstance(again, Transmit)
    assert again.to == other


def test_rerouting_before_an_answer_sends_nothing() -> None:
    rig = Rig()
    key = received(rig.receive(request()))
    rig.layer.reroute(key, hop())
    assert rig.take() == []


# Failures, and giving up


def test_icmp_fails_what_is_being_sent_there_and_nothing_else() -> None:
    rig = Rig()
    places = {
        "z9hG4bK-1": hop(),
        "z9hG4bK-2": hop(),
        "z9hG4bK-3": hop(remote=SocketAddress(REMOTE.host, 5080)),
        "z9hG4bK-4": hop(Transport.TCP),
        "z9hG4bK-5": hop(remote=SocketAddress("192.0.2.3", 5060)),
    }
    for branch, place in places.items():
        rig.layer.send_request(request(branch=branch), place, 0)
    rig.receive(request(branch="z9hG4bK-6"))
    rig.take()
    rig.layer.unreachable(REMOTE, ERROR, 1)
    failed = [effect.key for effect in rig.take() if isinstance(effect, TransactionFailed)]
    assert failed == [ClientKey("z9hg4bk-1", "OPTIONS"), ClientKey("z9hg4bk-2", "OPTIONS")]
    rig.layer.unreachable(REMOTE, ERROR, 1)
    assert rig.take() == []
    rig.layer.flow_failed(flow(Transport.TCP), ERROR, 1)
    assert names(rig.take()) == ["TransactionFailed", "Terminated"]
    assert len(rig.layer) == 3


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_a_transaction_hears_that_its_response_is_refused(method: str) -> None:
    rig, elsewhere, keys = Rig(), SocketAddress(REMOTE.host, 5080), []
    flows = [flow(), flow(remote=elsewhere), flow(Transport.TCP)]
    for number, each in enumerate(flows):
        asked = request(method, branch=f"z9hG4bK-{number}", call_id=f"{number}")
        rig.layer.receive(asked, each, 0)
        keys.append(received(rig.take()))
        rig.respond(keys[-1], answer(asked, 200))
    key, other, _ = keys
    rig.layer.unreachable(REMOTE, ERROR, 1)
    assert rig.take() == [TransactionFailed(key, ERROR)]
    rig.layer.reroute(key, hop(remote=elsewhere))
    rig.take()
    rig.layer.unreachable(REMOTE, ERROR, 1)
    assert rig.take() == []
    rig.layer.unreachable(elsewhere, ERROR, 1)
    assert rig.take() == [TransactionFailed(each, ERROR) for each in (key, other)]
    rig.advance(1000)
    rig.take()
    rig.assert_empty()


def test_one_error_fails_the_last_responses_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipcore.transactions.layer.MAX_REFUSED", 2)
    rig, keys = Rig(), []
    for number in range(3):
        asked = request(branch=f"z9hG4bK-{number}", call_id=f"{number}")
        keys.append(received(rig.receive(asked)))
        rig.respond(keys[-1], answer(asked, 200))
    rig.layer.unreachable(REMOTE, ERROR, 1)
    assert rig.take() == [TransactionFailed(key, ERROR) for key in (keys[2], keys[1])]


def test_a_connection_that_breaks_takes_no_other_one_along() -> None:
    rig = Rig()
    flows = [Flow(Transport.TCP, SocketAddress(host, port), REMOTE) for host, port in LOCAL_ENDS]
    for number, each in enumerate(flows):
        rig.layer.send_request(request(branch=f"z9hG4bK-{number}"), each.hop, 0)
    rig.take()
    for number, each in enumerate(flows):
        rig.layer.flow_failed(each, ERROR, 1)
        failed = [effect.key for effect in rig.take() if isinstance(effect, TransactionFailed)]
        assert failed == [ClientKey(f"z9hg4bk-{number}", "OPTIONS")]
    rig.assert_empty()


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_an_abandoned_transaction_is_gone(method: str) -> None:
    rig = Rig()
    key = ClientKey(BRANCH.lower(), method)
    rig.send(request(method))
    rig.layer.abandon(key, 1)
    assert rig.take() == [key]
    rig.layer.abandon(key, 1)
    assert rig.take() == []
    rig.assert_empty()


def test_nothing_happens_to_transactions_that_do_not_exist() -> None:
    rig = Rig()
    layer, server_key = rig.layer, received(Rig().receive(request()))
    layer.transport_failed(KEY, ERROR, 0)
    layer.unreachable(REMOTE, ERROR, 0)
    layer.cancel(ClientKey("z9hg4bk-1", "INVITE"), 0)
    layer.reroute(server_key, hop())
    layer.handle_timeout(1000)
    assert rig.respond(server_key, answer(request(), 200)) == []
    assert KEY not in layer
    rig.assert_empty()


# Timers, memory and traces


def test_thousands_of_transactions_leave_nothing_behind() -> None:
    rig = Rig(transport=Transport.TCP)
    for number in range(2_000):
        message = request(branch=f"z9hG4bK-{number}")
        rig.send(message)
        rig.receive(answer(message, 200))
        rig.log.clear()
    assert len(rig.layer._alarms) <= 1
    rig.assert_empty()


@pytest.mark.parametrize(("method", "statuses"), [("INVITE", [200]), ("INVITE", [180, 200]), ("OPTIONS", [100, 200])])
def test_a_request_that_was_answered_is_not_kept(method: str, statuses: list[int]) -> None:
    rig = Rig()
    rig.send(request(method))
    for status in statuses:
        rig.receive(answer(request(method), status))
    (transaction,) = rig.layer._transactions.values()
    assert transaction.data == b""


def test_a_failure_that_was_acknowledged_is_not_kept() -> None:
    rig = Rig()
    key = received(rig.receive(request("INVITE")))
    rig.respond(key, answer(request("INVITE"), 486))
    rig.receive(request("ACK", to_tag="t"))
    assert rig.layer._transactions[key].data == b""


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 200), ("INVITE", 200), ("INVITE", 486)])
def test_a_request_is_not_kept_once_it_is_answered(method: str, status: int) -> None:
    rig = Rig()
    key = received(rig.receive(request(method)))
    assert rig.layer._transactions[key].request is not None, "a 100 may be built from it"
    rig.respond(key, answer(request(method), status))
    assert rig.layer._transactions[key].request is None


def test_an_invite_is_not_kept_once_its_failure_is_acknowledged() -> None:
    rig = Rig()
    rig.send(request("INVITE"))
    rig.receive(answer(request("INVITE"), 180))
    (transaction,) = rig.layer._transactions.values()
    assert transaction.request is not None, "a CANCEL may be built from it"
    rig.receive(answer(request("INVITE"), 486))
    rig.receive(answer(request("INVITE"), 486))
    assert [word for _, word, _ in rig.sent()] == ["INVITE", "ACK", "ACK"]
    assert transaction.request is None


def test_all_that_is_due_fires_in_one_call() -> None:
    rig = Rig()
    for number in range(3):
        rig.send(request(branch=f"z9hG4bK-{number}"))
    rig.layer.handle_timeout(0.5)
    assert names(rig.take()) == ["Transmit"] * 3
    rig.layer.handle_timeout(0.6)
    assert rig.take() == []


def test_timers_are_configuration() -> None:
    rig = Rig(Timers(t1=0.1, t2=0.2, t4=0.3, d=1.0))
    rig.send(request())
    rig.advance(1000)
    assert rig.sent_at()[:5] == pytest.approx([0, 0.1, 0.3, 0.5, 0.7])
    assert rig.ended_at(KEY) == pytest.approx(6.4)


def test_every_input_is_traced_when_tracing_is_on_and_only_then() -> None:
    rig = Rig(tracing=True)
    rig.send(request("INVITE"))
    rig.advance(0.5)
    rig.receive(answer(request("INVITE"), 486))
    rig.receive(answer(request("INVITE"), 180))
    rig.layer.abandon(ClientKey(BRANCH.lower(), "INVITE"), rig.now)
    rig.take()
    traces = [effect for _, effect in rig.log if isinstance(effect, TransitionTrace)]
    assert {trace.machine for trace in traces} == {"INVITE client"}
    assert {trace.key for trace in traces} == {"z9hg4bk-1 INVITE"}
    assert [(trace.at, trace.input, trace.before, trace.after) for trace in traces] == [
        (0.0, "START", "", "CALLING"),
        (0.5, "TIMER_A", "CALLING", "CALLING"),
        (0.5, "R3XX_6XX", "CALLING", "COMPLETED"),
        (0.5, "R1XX", "COMPLETED", "COMPLETED"),
        (0.5, "ABANDON", "COMPLETED", "TERMINATED"),
    ]
    quiet = Rig()
    quiet.send(request("INVITE"))
    assert names(quiet.take()) == []
