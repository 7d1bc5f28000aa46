"""The subscriptions that REFERs make: which NOTIFY belongs to which, after the call's end as well, and for how long."""

from collections.abc import Sequence

import pytest

from sipcore.auth.choice import Account
from sipcore.auth.session import AuthSession
from sipcore.callbook import PlacedCall
from sipcore.dialogs.refer import (
    ACTIVE_SECONDS,
    LAST_WORD,
    MAX_ACTIVE_SECONDS,
    MAX_REFERRALS,
    SIPFRAG,
    TIMED_OUT,
    is_last,
    notification,
    told_status,
)
from sipcore.errors import LocalError
from sipcore.events import (
    CallEnded,
    CallNotified,
    CallReceived,
    CallRequested,
    ReferLapsed,
    RequestFailed,
    ResponseReceived,
)
from sipcore.message.build import Fields
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop, Transport
from sipcore.stack_config import StackConfig
from tests.sipcore.wire import ALICE, BOB, SDP, Side, Wire, description

TALKATIVE = StackConfig(methods=("REFER",))
WINDOW = 64 * 0.5
"""Timers F and J: seconds in which what is over may come again."""


def ready() -> tuple[Wire, int, int]:
    """A call that is up between two who know REFER."""
    wire = Wire(config=TALKATIVE)
    return wire, *wire.up()


def refer(wire: Wire, call: int, answer: int = 202, fields: Fields = ()) -> int:
    """Alice sends a REFER, which Bob answers; gives its ticket. An `answer` of 0 is none."""
    target = [("Refer-To", "<sip:carol@192.0.2.9>")]
    ticket = wire.alice.stack.request_within(call, "REFER", wire.now, fields=target)
    wire.run(0.1)
    if answer:
        respond(wire, answer, fields)
    return ticket


def respond(wire: Wire, status: int, fields: Fields = ()) -> None:
    """Bob answers the last REFER."""
    asked = wire.bob.told(CallRequested)[-1]
    wire.bob.stack.respond(asked.key, build_response(asked.request, status, fields=fields), wire.now)
    wire.run(0.1)


def numbers(side: Side) -> list[int]:
    """The CSeq numbers of the REFERs that came."""
    return [event.request.cseq.number for event in side.told(CallRequested)]


def notify(wire: Wire, call: int, status: int, event: str = "refer", state: str = "") -> int | None:
    """Bob tells of a REFER as he likes; gives what the answer is."""
    fields, body = notification(status, event)
    if state:
        fields[1] = ("Subscription-State", state)
    wire.bob.stack.request_within(call, "NOTIFY", wire.now, fields=fields, body=body, content_type=SIPFRAG)
    wire.run(0.1)
    return wire.bob.told(ResponseReceived)[-1].response.status


def tell(wire: Wire, call: int, status: int, number: int | None = None) -> None:
    """Bob tells of a REFER as the stack does it."""
    wire.bob.stack.notify_refer(call, status, wire.now, refer=number)
    wire.run(0.1)


def told(wire: Wire) -> list[tuple[int, int | None]]:
    """What Alice was told: of which REFER, and which status."""
    return [(event.refer, told_status(event.request)) for event in wire.alice.told(CallNotified)]


def events_of(requests: Sequence[object]) -> list[str | None]:
    """The Event of each NOTIFY."""
    sent = [message for message in requests if isinstance(message, Request) and message.method == "NOTIFY"]
    return [message.headers.get("Event") for message in sent]


def test_each_notification_says_which_refer_it_is_about() -> None:
    """RFC 3515 §2.4.6: by the CSeq number of the REFER, from the second one in a dialog on."""
    wire, call, at_bob = ready()
    first, second = refer(wire, call), refer(wire, call)
    for number, status in zip(numbers(wire.bob)[::-1], (486, 200), strict=True):
        tell(wire, at_bob, 100, number)
        tell(wire, at_bob, status, number)
    assert told(wire) == [(second, 100), (second, 486), (first, 100), (first, 200)]
    named = f"refer;id={numbers(wire.bob)[1]}"
    assert events_of(wire.bob.messages()) == [named, named, "refer", "refer"]


def test_of_several_the_oldest_is_told_of_first() -> None:
    wire, call, at_bob = ready()
    first, second = refer(wire, call), refer(wire, call)
    tell(wire, at_bob, 200)
    tell(wire, at_bob, 486)
    assert told(wire) == [(first, 200), (second, 486)]
    with pytest.raises(LocalError, match="no REFER of the peer is to be told of"):
        tell(wire, at_bob, 200)
    with pytest.raises(LocalError, match="no REFER with CSeq 99"):
        tell(wire, at_bob, 200, 99)


def test_what_is_no_final_answer_leaves_a_refer_to_be_told_of() -> None:
    """Nor does a mistake in answering it: 408 is no answer to a REFER (RFC 4320 §4.2)."""
    wire = Wire(Transport.TCP, config=TALKATIVE)
    call, at_bob = wire.up()
    ticket = refer(wire, call, 100)
    with pytest.raises(LocalError, match="408 is no answer"):
        respond(wire, 408)
    respond(wire, 202)
    tell(wire, at_bob, 200)
    assert told(wire) == [(ticket, 200)]


def test_a_peer_that_names_no_refer_tells_of_one_after_the_other() -> None:
    wire, call, at_bob = ready()
    tickets = [refer(wire, call), refer(wire, call)]
    assert [notify(wire, at_bob, status) for status in (486, 200)] == [200, 200]
    assert told(wire) == list(zip(tickets, (486, 200), strict=True))


@pytest.mark.parametrize("event", ["refer;id=99", "refer;id=", "refer;id=02"])
def test_a_notification_of_a_refer_that_nobody_sent_is_refused(event: str) -> None:
    """RFC 6665 §4.1.3, and §8.2.1: what names a subscription is compared byte by byte."""
    wire, call, at_bob = ready()
    refer(wire, call)
    assert notify(wire, at_bob, 100, event) in (400, 481)
    assert not told(wire)
    assert not wire.bob.told(CallEnded)


@pytest.mark.parametrize(("answer", "fields"), [(603, []), (202, [("Refer-Sub", "false")])])
def test_a_refer_that_makes_no_subscription_is_not_told_of(answer: int, fields: Fields) -> None:
    wire, call, at_bob = ready()
    refer(wire, call, answer, fields)
    assert notify(wire, at_bob, 200) == 481
    with pytest.raises(LocalError, match="to be told of"):
        tell(wire, at_bob, 200)


def test_a_notification_may_come_before_the_answer() -> None:
    wire, call, at_bob = ready()
    ticket = refer(wire, call, answer=0)
    tell(wire, at_bob, 100)
    respond(wire, 202)
    tell(wire, at_bob, 200)
    assert told(wire) == [(ticket, 100), (ticket, 200)]


@pytest.mark.parametrize("early", [True, False])
def test_a_refer_that_is_challenged_is_named_by_the_number_that_it_has_then(early: bool) -> None:
    """Whether its first NOTIFY comes before its answer or after."""
    wire = Wire(config=TALKATIVE)
    auth = AuthSession(Account("alice", "secret", hosts=[BOB.host]))
    invite = wire.request("INVITE", description(ALICE), SDP)
    call = wire.alice.stack.call(Order(invite, Hop(wire.transport, BOB), "alice", auth), wire.now)
    wire.run(0.1)
    at_bob = wire.bob.told(CallReceived)[-1].call
    wire.accept(at_bob)
    wire.run(0.1)
    ticket = refer(wire, call, 401, [("WWW-Authenticate", 'Digest realm="biloxi", nonce="n1", qop="auth"')])
    assert numbers(wire.bob) == [2, 3]
    if early:
        tell(wire, at_bob, 100)
    respond(wire, 202)
    if not early:
        tell(wire, at_bob, 100)
    tell(wire, at_bob, 200)
    assert events_of(wire.bob.messages()) == ["refer;id=3"] * 2
    assert told(wire) == [(ticket, 100), (ticket, 200)]


def test_nothing_is_told_of_a_refer_that_nobody_has_answered() -> None:
    wire, call, at_bob = ready()
    refer(wire, call)
    wire.lose = lambda _, data: data.startswith(b"REFER")
    lost = wire.alice.stack.request_within(call, "REFER", wire.now, fields=[("Refer-To", "<sip:carol@192.0.2.9>")])
    wire.run(WINDOW + 1)
    assert [failed.ticket for failed in wire.alice.told(RequestFailed)] == [lost]
    (number,) = {one.cseq.number for one in wire.alice.messages()[-2:] if one.cseq.method == "REFER"}
    assert notify(wire, at_bob, 200, f"refer;id={number}") == 481
    assert not told(wire)


@pytest.mark.parametrize("name", [b"X-Event", b"Event: presence\r\nX-Event"])
def test_a_notification_of_nothing_that_was_asked_for_is_refused(name: bytes) -> None:
    wire, call, at_bob = ready()
    refer(wire, call)
    wire.alter = lambda data: data.replace(b"\r\nEvent", b"\r\n" + name)
    assert notify(wire, at_bob, 200) == 489
    assert not told(wire)


def test_an_answer_that_says_that_it_subscribes_does() -> None:
    """RFC 4488 §4: Refer-Sub is there for saying that it does not, and may say that it does."""
    wire, call, at_bob = ready()
    ticket = refer(wire, call, 202, [("Refer-Sub", "true")])
    tell(wire, at_bob, 200)
    assert told(wire) == [(ticket, 200)]


def test_whoever_agrees_to_a_refer_says_where_it_is_reached() -> None:
    """RFC 3515 §2.2: a REFER and its 2xx refresh the target of the dialog."""
    wire, call, _ = ready()
    refer(wire, call)
    assert wire.bob.messages()[-1].headers.get("Contact") == f"<sip:sipcore@{BOB}>"
    refer(wire, call, fields=[("Contact", "<sip:elsewhere@192.0.2.7>")])
    assert wire.bob.messages()[-1].headers.get_all("Contact") == ["<sip:elsewhere@192.0.2.7>"]
    refer(wire, call, 603)
    assert wire.bob.messages()[-1].headers.get("Contact") is None


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_the_outcome_is_told_after_the_end_of_the_call(who: str) -> None:
    """RFC 5057 §4, RFC 5359 §2.4: whoever transfers a call may hang up at once."""
    wire, call, at_bob = ready()
    ticket = refer(wire, call)
    side, number = (wire.alice, call) if who == "alice" else (wire.bob, at_bob)
    side.stack.hang_up(number, wire.now)
    wire.run(0.1)
    assert wire.alice.told(CallEnded)
    assert wire.bob.told(CallEnded)
    tell(wire, at_bob, 180)
    wire.run(50)
    tell(wire, at_bob, 200)
    assert told(wire) == [(ticket, 180), (ticket, 200)]
    assert [event.response.status for event in wire.bob.told(ResponseReceived)] == [200, 200]
    with pytest.raises(LocalError, match="over"):
        tell(wire, at_bob, 200)
    wire.run(WINDOW)
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)
    assert not wire.alice.told(ReferLapsed)


def test_what_is_sent_in_a_call_that_is_over_may_be_a_notification_only() -> None:
    wire, call, at_bob = ready()
    refer(wire, call)
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(0.1)
    for number, stack in ((call, wire.alice.stack), (at_bob, wire.bob.stack)):
        with pytest.raises(LocalError, match="over"):
            stack.request_within(number, "INFO", wire.now)
    with pytest.raises(LocalError, match="over"):
        wire.alice.stack.notify_refer(call, 200, wire.now)
    assert notify(wire, at_bob, 100, "refer;id=99") == 481
    assert notify(wire, at_bob, 100, "dialog") == 481
    assert not told(wire)


@pytest.mark.parametrize(
    ("state", "seconds"),
    [
        ("", ACTIVE_SECONDS),
        ("active", ACTIVE_SECONDS),
        ("active;expires=5", 5),
        ("active;expires=200", 200),
        ("active;expires=4000000000", MAX_ACTIVE_SECONDS),
        ("nonsense;expires=x", ACTIVE_SECONDS),
    ],
)
def test_once_the_call_is_over_a_peer_that_falls_silent_is_not_waited_for_for_good(state: str, seconds: float) -> None:
    wire, call, at_bob = ready()
    ticket = refer(wire, call)
    if state:
        notify(wire, at_bob, 100, state=state)
    wire.alice.stack.hang_up(call, wire.now)
    wire.lose = lambda _, data: data.startswith(b"NOTIFY")
    wire.run(seconds + LAST_WORD - 1)
    assert not wire.alice.told(ReferLapsed)
    wire.run(1)
    assert [(event.call, event.refer) for event in wire.alice.told(ReferLapsed)] == [(call, ticket)]
    wire.run(WINDOW)
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)
    with pytest.raises(LocalError, match="over"):
        tell(wire, at_bob, 200)


def test_notifications_after_the_end_do_not_keep_it_for_good() -> None:
    wire, call, at_bob = ready()
    refer(wire, call)
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(0.1)
    for _ in range(19):
        wire.run(MAX_ACTIVE_SECONDS / 20)
        notify(wire, at_bob, 100)
    wire.lose = lambda _, data: data.startswith(b"NOTIFY")
    wire.run(MAX_ACTIVE_SECONDS / 20 + LAST_WORD)
    assert len(wire.alice.told(ReferLapsed)) == 1


def test_while_the_call_lasts_so_does_the_subscription() -> None:
    wire, call, at_bob = ready()
    ticket = refer(wire, call)
    wire.run(2 * MAX_ACTIVE_SECONDS)
    tell(wire, at_bob, 200)
    assert told(wire) == [(ticket, 200)]


@pytest.mark.parametrize("lasts", [ACTIVE_SECONDS + 1, 2 * MAX_ACTIVE_SECONDS])
@pytest.mark.parametrize("who", ["alice", "bob"])
def test_what_has_run_out_while_the_call_lasted_begins_anew_at_its_end(who: str, lasts: float) -> None:
    """A transferee that has rung for long hangs up once it is answered, and tells of that afterwards."""
    wire, call, at_bob = ready()
    ticket = refer(wire, call)
    tell(wire, at_bob, 180)
    wire.run(lasts)
    side, number = (wire.alice, call) if who == "alice" else (wire.bob, at_bob)
    side.stack.hang_up(number, wire.now)
    wire.run(ACTIVE_SECONDS - 1)
    tell(wire, at_bob, 180)  # from which on it lasts as any other
    wire.run(ACTIVE_SECONDS - 1)
    tell(wire, at_bob, 200)
    assert told(wire) == [(ticket, 180), (ticket, 180), (ticket, 200)]
    wire.run(WINDOW)
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)


def test_what_has_run_out_while_the_call_lasted_is_not_waited_for_for_good() -> None:
    wire, call, _ = ready()
    ticket = refer(wire, call)
    wire.run(ACTIVE_SECONDS + 1)
    wire.alice.stack.hang_up(call, wire.now)
    wire.lose = lambda _, data: data.startswith(b"NOTIFY")
    wire.run(ACTIVE_SECONDS + LAST_WORD - 1)
    assert not wire.alice.told(ReferLapsed)
    wire.run(1.1)
    assert [event.refer for event in wire.alice.told(ReferLapsed)] == [ticket]
    wire.run(WINDOW)
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)


def last_words(wire: Wire) -> list[tuple[str | None, str | None, bytes]]:
    """Of the last NOTIFY in each subscription that Bob sent: its Event, its state, and what it tells."""
    sent = {one.cseq.number: one for one in wire.bob.messages() if isinstance(one, Request) and one.method == "NOTIFY"}
    return [
        (one.headers.get("Event"), one.headers.get("Subscription-State"), one.body)
        for one in sent.values()
        if is_last(one)
    ]


@pytest.mark.parametrize("who", ["alice", "bob"])
@pytest.mark.parametrize("answer", [200, 481, None])
def test_whoever_has_subscribed_is_told_that_the_time_has_run_out(who: str, answer: int | None) -> None:
    """RFC 6665 §4.2.2: with what was told last, or, where that is nothing, with a 100."""
    wire, call, at_bob = ready()
    first, second = refer(wire, call), refer(wire, call)
    tell(wire, at_bob, 180, numbers(wire.bob)[1])
    answered = len(wire.bob.told(ResponseReceived))
    side, number = (wire.alice, call) if who == "alice" else (wire.bob, at_bob)
    side.stack.hang_up(number, wire.now)
    if answer != 200:
        wire.lose = lambda _, data: data.startswith(b"NOTIFY")
    wire.run(ACTIVE_SECONDS - 2)
    assert not last_words(wire)
    wire.run(2)
    assert last_words(wire) == [
        ("refer", TIMED_OUT, b"SIP/2.0 100 Trying\r\n"),
        (f"refer;id={numbers(wire.bob)[1]}", TIMED_OUT, b"SIP/2.0 180 Ringing\r\n"),
    ]
    notify = wire.bob.messages()[-1]
    assert isinstance(notify, Request)
    assert "Contact" in notify.headers
    assert notify.headers.get("Content-Type") == "message/sipfrag;version=2.0"
    if answer == 481:
        wire.deliver(wire.bob, bytes(build_response(notify, answer)))
    wire.run(LAST_WORD)
    assert told(wire)[1:] == [(first, 100), (second, 180)] * (answer == 200)
    assert [event.refer for event in wire.alice.told(ReferLapsed)] == [first, second] * (answer != 200)
    wire.run(2 * WINDOW)
    assert len(wire.bob.told(ResponseReceived)) == answered  # nobody asked for these
    assert len(last_words(wire)) == 2
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)


@pytest.mark.parametrize("answer", [202, 603])
def test_of_what_is_told_to_the_end_or_was_refused_no_more_is_told(answer: int) -> None:
    wire, call, at_bob = ready()
    refer(wire, call, answer)
    if answer == 202:
        tell(wire, at_bob, 200)
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(2 * ACTIVE_SECONDS)
    assert [state for _, state, _ in last_words(wire)] == ["terminated;reason=noresource"] * (answer == 202)


def test_of_many_refers_the_oldest_is_forgotten() -> None:
    wire, call, at_bob = ready()
    tickets = [refer(wire, call) for _ in range(MAX_REFERRALS + 1)]
    assert [event.refer for event in wire.alice.told(ReferLapsed)] == tickets[:1]
    first, second, *_ = numbers(wire.bob)
    with pytest.raises(LocalError, match="to be told of"):
        tell(wire, at_bob, 200, first)
    tell(wire, at_bob, 200, second)
    assert told(wire) == [(tickets[1], 200)]


@pytest.mark.parametrize("status", [481, None])
def test_a_peer_that_does_not_want_to_know_is_told_nothing_more(status: int | None) -> None:
    """RFC 6665 §4.2.2."""
    wire, call, at_bob = ready()
    refer(wire, call)
    wire.lose = lambda _, data: data.startswith(b"NOTIFY")
    wire.bob.stack.notify_refer(at_bob, 100, wire.now)
    wire.run(0.05)
    if status is not None:
        sent = wire.bob.messages()[-1]
        assert isinstance(sent, Request)
        wire.deliver(wire.bob, bytes(build_response(sent, status)))
    wire.run(40)
    with pytest.raises(LocalError, match="to be told of"):
        tell(wire, at_bob, 200)
    assert not wire.bob.told(CallEnded)


def test_a_refer_that_its_sender_gave_up_on_is_told_of_once_it_is_agreed_to() -> None:
    """So that what is told of it is not taken for what is told of the next one."""
    wire, call, at_bob = ready()
    first = refer(wire, call, answer=0)
    wire.alice.stack.abandon(first, wire.now)
    respond(wire, 202)
    second = refer(wire, call)
    assert [notify(wire, at_bob, status) for status in (486, 200)] == [200, 200]
    assert told(wire) == [(first, 486), (second, 200)]


@pytest.mark.parametrize("abandoned", [False, True])
def test_a_refer_that_is_not_answered_when_the_call_ends_is_not_told_of(abandoned: bool) -> None:
    wire, call, at_bob = ready()
    ticket = refer(wire, call, answer=0)
    if abandoned:
        wire.alice.stack.abandon(ticket, wire.now)
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(0.1)
    assert wire.bob.starts().count("487 REFER") == 1
    with pytest.raises(LocalError, match="over"):
        tell(wire, at_bob, 200)
    wire.run(WINDOW)
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)
    assert not wire.alice.told(ReferLapsed)


@pytest.mark.parametrize("status", [200, 481])
def test_a_notification_that_its_owner_has_written_badly_is_sent_as_it_is(status: int) -> None:
    wire, call, at_bob = ready()
    refer(wire, call)
    wire.lose = lambda _, data: data.startswith(b"NOTIFY")
    wire.bob.stack.request_within(at_bob, "NOTIFY", wire.now, fields=[("Event", "@")])
    wire.pump()
    sent = wire.bob.messages()[-1]
    assert isinstance(sent, Request)
    wire.deliver(wire.bob, bytes(build_response(sent, status)))
    assert [event.response.status for event in wire.bob.told(ResponseReceived)] == [status]


def test_a_call_that_is_over_keeps_its_dialog_for_a_subscription_only() -> None:
    wire, call, at_bob = ready()
    refer(wire, call)
    tell(wire, at_bob, 200)
    wire.bob.stack.hang_up(at_bob, wire.now)
    wire.run(0.1)
    found = wire.alice.stack._calls._book.by_number[call]
    assert isinstance(found, PlacedCall)
    assert found.machine.usage is None
    assert not found.machine.referrals
