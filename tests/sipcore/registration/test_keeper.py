"""A registration kept alive: the table, and the keeper with a registrar made of a few lines."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.auth.session import AuthError, AuthRefusal
from sipcore.errors import FailureReason, TransportFailure
from sipcore.message.address import Address
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.uri import SipUri, parse_uri
from sipcore.registration import keeper as keeper_module
from sipcore.registration.binding import Registration
from sipcore.registration.keeper import (
    IGNORED,
    IMPOSSIBLE,
    MAX_ADJUSTMENTS,
    TABLE,
    Effect,
    Input,
    Keeper,
    Registered,
    RegistrationEnded,
    RegistrationFailed,
    Send,
    State,
    Step,
)
from sipcore.tokens import Tokens
from sipcore.trace import TraceSwitch, TransitionTrace

AOR = Address.parse("Alice <sip:alice@example.com>")
HERE, THERE = parse_uri("sip:alice@192.0.2.1:5060"), parse_uri("sip:alice@192.0.2.2:5060")
URN = "urn:uuid:00000000-0000-1000-8000-000A95A0E128"
SILENCE = TransportFailure(FailureReason.TIMED_OUT, "no answer")


def test_every_cell_is_decided_once() -> None:
    assert set(TABLE) | IGNORED | IMPOSSIBLE == {(state, happening) for state in State for happening in Input}
    assert not set(TABLE) & IGNORED
    assert not set(TABLE) & IMPOSSIBLE
    assert not IGNORED & IMPOSSIBLE


def test_every_state_is_reached_and_every_step_is_taken() -> None:
    assert {state for state, _ in TABLE.values()} | {State.IDLE} == set(State)
    assert {step for _, steps in TABLE.values() for step in steps} == set(Step)
    assert len(State) <= 8


class Desk:
    """A keeper, the time, and whoever answers its requests."""

    def __init__(self, registration: Registration | None = None, *, tracing: bool = False) -> None:
        self.now = 0.0
        tokens, switch = Tokens(random.Random(1).randbytes), TraceSwitch(on=tracing)
        self.keeper = Keeper(registration or Registration(AOR), tokens, switch)
        self.requests: list[Request] = []
        self.told: list[Effect] = []
        self.contact = HERE

    def take(self, effects: list[Effect]) -> "Desk":
        """Make the request that an effect asks for, keep the others."""
        for effect in effects:
            if isinstance(effect, Send):
                self.requests.append(self.keeper.request(self.contact))
            self.told.append(effect)
        return self

    def start(self) -> "Desk":
        return self.take(self.keeper.start(self.now))

    def answer(self, status: int, *fields: tuple[str, str], auth: AuthError | None = None) -> "Desk":
        response = build_response(self.last, status, tag="r", fields=fields)
        return self.take(self.keeper.receive(response, self.now, auth))

    def accept(self, expires: int = 3600) -> "Desk":
        contacts = [text.partition(";expires")[0] for text in self.last.headers.get_all("Contact")]
        return self.answer(200, *(("Contact", f"{text};expires={expires}") for text in contacts if text != "*"))

    def wait(self) -> "Desk":
        """Until the keeper's next time."""
        due = self.keeper.next_timeout()
        assert due is not None
        self.now = due
        return self.take(self.keeper.handle_timeout(self.now))

    @property
    def last(self) -> Request:
        return self.requests[-1]

    @property
    def state(self) -> State:
        return self.keeper.state

    @property
    def failed(self) -> RegistrationFailed:
        found = [effect for effect in self.told if isinstance(effect, RegistrationFailed)]
        return found[-1]

    @property
    def kinds(self) -> list[type]:
        return [type(effect) for effect in self.told]


def test_the_first_request() -> None:
    request = Desk().start().last
    assert request.method == "REGISTER"
    assert request.uri_text == "sip:example.com"
    shown = [f"{name}: {text}" for name, text in request.headers]
    tag, call_id = request.from_tag, request.call_id
    assert shown == [
        "Max-Forwards: 70",
        f"From: Alice <sip:alice@example.com>;tag={tag}",
        "To: Alice <sip:alice@example.com>",
        f"Call-ID: {call_id}",
        "CSeq: 1 REGISTER",
        "Contact: <sip:alice@192.0.2.1:5060>",
        "Expires: 3600",
        "Supported: path",
        "Content-Length: 0",
    ]


def test_registered_refreshed_and_removed() -> None:
    desk = Desk().start().accept(300).wait().accept(300)
    assert 200 < desk.now < 240
    desk.take(desk.keeper.stop(desk.now)).answer(200)
    assert desk.kinds == [Send, Registered, Send, Registered, Send, RegistrationEnded]
    assert [effect.anew for effect in desk.told if isinstance(effect, Send)] == [True, False, False]
    first, second, third = desk.requests
    assert first.call_id == second.call_id == third.call_id  # RFC 3261 §10.2.4
    assert [request.cseq.number for request in desk.requests] == [1, 2, 3]
    assert first.headers.get_all("Contact") == third.headers.get_all("Contact")
    assert third.headers.get("Expires") == "0"
    assert desk.told[-1] == RegistrationEnded(removed=True)
    assert desk.keeper.next_timeout() is None


def test_refreshed_before_it_is_time() -> None:
    desk = Desk().start()
    assert desk.keeper.refresh(1) == []  # a request is under way
    desk.accept().take(desk.keeper.refresh(2))
    assert desk.state is State.REFRESHING
    desk.answer(503).take(desk.keeper.refresh(3))
    assert len(desk.requests) == 3


def test_the_sequence_goes_on_after_challenges() -> None:
    """What went out last counts, and not what was asked for: answered or not."""
    desk = Desk().start()
    desk.keeper.numbers.next()
    desk.take(desk.keeper.fail(SILENCE, 0)).wait()
    assert desk.last.cseq.number == 3


def test_too_brief() -> None:
    desk = Desk(Registration(AOR, expires=30, contacts=(Address.parse("<tel:+15551234>;expires=20"),)))
    desk.start().answer(423, ("Min-Expires", "60"))
    assert desk.last.headers.get("Expires") == "60"
    assert desk.last.headers.get_all("Contact")[1] == "<tel:+15551234>;expires=60"
    assert desk.state is State.REGISTERING
    assert desk.accept(60).state is State.REGISTERED


@pytest.mark.parametrize("least", [None, "0", "x"])
def test_too_brief_without_a_usable_minimum(least: str | None) -> None:
    desk = Desk().start().answer(423, *([("Min-Expires", least)] if least else []))
    assert desk.state is State.ENDED


def test_a_registrar_that_always_wants_more() -> None:
    desk = Desk().start()
    for number in range(1, 10):
        if desk.state is State.REGISTERING:
            desk.answer(423, ("Min-Expires", str(10_000 * number)))
    assert len(desk.requests) == 1 + MAX_ADJUSTMENTS
    assert desk.state is State.ENDED


def test_a_registrar_that_redirects_to_one_that_is_down_is_asked_again_for_as_long_as_that_lasts() -> None:
    desk = Desk().start()
    for _ in range(MAX_ADJUSTMENTS + 2):
        desk.answer(302, ("Contact", "<sip:second.example.com>"))
        assert str(desk.last.uri) == "sip:second.example.com"
        desk.answer(503).wait()
        assert str(desk.last.uri) == "sip:example.com"
    desk.answer(302, ("Contact", "<sip:second.example.com>")).accept()
    assert desk.state is State.REGISTERED


def test_several_contacts() -> None:
    others = (Address.parse("<tel:+15551234>;q=0.2"), Address.parse("<sip:alice@192.0.2.9>;expires=600"))
    desk = Desk(Registration(AOR, q=1, contacts=others)).start()
    assert desk.last.headers.get_all("Contact") == [
        f"<{HERE}>;q=1",
        "<tel:+15551234>;q=0.2",
        "<sip:alice@192.0.2.9>;expires=600",
    ]
    desk.accept().take(desk.keeper.stop(0))
    assert desk.last.headers.get_all("Contact") == [f"<{HERE}>;q=1", "<tel:+15551234>;q=0.2", "<sip:alice@192.0.2.9>"]


def test_everything_is_removed() -> None:
    desk = Desk(Registration(AOR, instance=URN)).start().accept()
    desk.take(desk.keeper.stop(0, everything=True)).answer(200)
    assert desk.last.headers.get_all("Contact") == ["*"]
    assert desk.last.headers.get("Expires") == "0"
    only = Desk()
    only.take(only.keeper.stop(0, everything=True))
    assert only.last.headers.get_all("Contact") == ["*"]


def test_everything_is_removed_though_it_is_stopped_once_more() -> None:
    """While the first REGISTER is still under way, its endpoint ends."""
    desk = Desk().start()
    desk.take(desk.keeper.stop(0, everything=True)).take(desk.keeper.stop(0)).accept()
    assert desk.last.headers.get_all("Contact") == ["*"]


@pytest.mark.parametrize("status", [200, 302, 423, 503, 0])
def test_everything_is_removed_that_is_asked_for_while_its_own_binding_is_being_removed(status: int) -> None:
    desk = Desk().start().accept()
    desk.take(desk.keeper.stop(0))
    assert desk.last.headers.get_all("Contact") == [f"<{HERE}>"]
    desk.take(desk.keeper.stop(1, everything=True)).take(desk.keeper.stop(2))
    sent = len(desk.requests)
    if status:
        desk.answer(status, ("Min-Expires", "9"), ("Contact", "<sip:x.example.com>"))
    else:
        desk.take(desk.keeper.fail(SILENCE, 2))
    assert (desk.state, len(desk.requests)) == (State.REMOVING, sent + 1)
    assert desk.last.headers.get_all("Contact") == ["*"]
    assert desk.last.headers.get("Expires") == "0"
    desk.answer(200)
    assert desk.told[-1] == RegistrationEnded(removed=True)
    assert len(desk.requests) == sent + 1


def test_a_registrar_that_refuses_to_remove_one_binding_is_not_asked_to_remove_all() -> None:
    desk = Desk().start().accept()
    desk.take(desk.keeper.stop(0)).take(desk.keeper.stop(0, everything=True)).answer(403)
    assert desk.told[-1] == RegistrationEnded(removed=False)


def test_outbound() -> None:
    desk = Desk(Registration(AOR, instance=URN, reg_id=2)).start()
    assert desk.last.headers.get("Contact") == f'<{HERE}>;+sip.instance="<{URN}>";reg-id=2'
    assert desk.last.headers.get("Supported") == "path, outbound"
    desk.answer(439)
    assert "reg-id" not in (desk.last.headers.get("Contact") or "")
    assert desk.last.headers.get("Supported") == "path"
    desk.answer(439)
    assert desk.state is State.ENDED


def test_a_flow_that_failed() -> None:
    desk = Desk().start().accept()
    desk.contact = THERE
    desk.take(desk.keeper.flow_failed(10))
    assert desk.told[-1] == Send(SipUri("example.com"), anew=True)
    # The old contact is still bound, and would take calls to nowhere.
    assert desk.last.headers.get_all("Contact") == [f"<{THERE}>", f"<{HERE}>;expires=0"]
    desk.answer(200, ("Contact", f"<{THERE}>;expires=60"))
    assert desk.keeper.binding is not None
    assert (desk.keeper.binding.listed, desk.keeper.binding.granted) == (True, 60)
    desk.wait()
    assert desk.last.headers.get_all("Contact") == [f"<{THERE}>"]


def test_what_was_bound_is_not_forgotten_when_the_move_fails() -> None:
    desk = Desk().start().accept()
    desk.contact = THERE
    desk.take(desk.keeper.flow_failed(10)).answer(503).wait()
    assert desk.last.headers.get_all("Contact") == [f"<{THERE}>", f"<{HERE}>;expires=0"]
    desk.answer(503)
    stop(desk)
    assert desk.last.headers.get_all("Contact") == [f"<{THERE}>", f"<{HERE}>;expires=0"]
    assert desk.last.headers.get("Expires") == "0"


def test_stopped_before_anything_could_be_sent() -> None:
    keeper = Keeper(Registration(AOR), Tokens(random.Random(1).randbytes))
    keeper.start(0)
    keeper.stop(0)
    (send,) = keeper.fail(SILENCE, 0)
    assert isinstance(send, Send)
    assert keeper.request(HERE).headers.get_all("Contact") == [f"<{HERE}>"]


@pytest.mark.parametrize(("fields", "contacts"), [([("Require", "outbound")], 1), ([], 2)])
def test_a_registrar_that_knows_flows_leaves_nothing_behind(fields: list[tuple[str, str]], contacts: int) -> None:
    desk = Desk(Registration(AOR, instance=URN, reg_id=1)).start().answer(200, *fields)
    desk.contact = THERE
    desk.take(desk.keeper.flow_failed(10))
    assert len(desk.last.headers.get_all("Contact")) == contacts


@pytest.mark.parametrize("status", [408, 500, 503, 504])
def test_failed_for_now(status: int) -> None:
    desk = Desk().start().answer(status)
    assert desk.state is State.WAITING
    assert desk.failed.bound_until is None
    assert desk.failed.retry_at is not None
    assert 30 <= desk.failed.retry_at <= 60
    desk.wait()
    assert desk.told[-1] == Send(SipUri("example.com"), anew=True)
    desk.answer(status)
    assert desk.keeper.next_timeout() is not None
    assert 60 <= (desk.keeper.next_timeout() or 0) - desk.now <= 120
    assert desk.wait().accept().kinds[-1] is Registered


def test_no_answer_to_a_refresh() -> None:
    desk = Desk().start().accept(300).wait()
    desk.take(desk.keeper.fail(SILENCE, desk.now))
    assert desk.failed.failure is SILENCE
    assert desk.failed.bound_until == 300


def test_retry_after() -> None:
    desk = Desk().start().answer(404, ("Retry-After", "7 (in a moment)"))
    assert desk.failed.retry_at == 7
    desk.wait().answer(503, ("Retry-After", "0"))
    assert (desk.failed.retry_at or 0) >= desk.now + 60


@pytest.mark.parametrize("status", [400, 403, 404, 405, 423, 501, 603])
def test_refused_for_good(status: int) -> None:
    desk = Desk().start().answer(status)
    assert desk.kinds == [Send, RegistrationFailed, RegistrationEnded]
    assert desk.failed.retry_at is None
    assert desk.keeper.next_timeout() is None


def test_a_wrong_password_is_not_tried_again() -> None:
    error = AuthError(AuthRefusal.REJECTED, "wrong", advice="", section="RFC 3261 §22.1")
    desk = Desk().start().answer(401, ("Retry-After", "1"), auth=error)
    assert desk.failed.failure is error
    assert desk.state is State.ENDED


def test_a_redirection() -> None:
    desk = Desk().start().answer(302, ("Contact", "<tel:+1>, <sip:other.example.com>"))
    assert desk.told[-1] == Send(SipUri("other.example.com"), anew=True)
    assert desk.last.uri_text == "sip:other.example.com"


def test_where_it_was_redirected_in_vain_is_not_where_it_is_tried_again() -> None:
    desk = Desk().start().answer(302, ("Contact", "<sip:other.example.com>")).answer(503).wait()
    assert desk.last.uri_text == "sip:example.com"
    desk.answer(302, ("Contact", "<sip:other.example.com>")).accept(300).wait().answer(503)
    stop(desk)  # what was bound there is taken back there
    assert desk.last.uri_text == "sip:other.example.com"


@pytest.mark.parametrize(
    ("aor", "fields"),
    [
        (AOR, ()),
        (AOR, [("Contact", "<tel:+1>")]),
        (AOR, [("Contact", "<sip:b.c;transport=zz>")]),
        (AOR, [("Contact", "<sip:b.c:0>")]),
        (Address.parse("<sips:a@b.c>"), [("Contact", "<sip:b.c>")]),
    ],
)
def test_a_redirection_to_nowhere(aor: Address, fields: list[tuple[str, str]]) -> None:
    assert Desk(Registration(aor)).start().answer(302, *fields).state is State.ENDED


def test_a_2xx_without_a_binding() -> None:
    desk = Desk().start().accept(0)
    assert desk.state is State.WAITING
    assert desk.keeper.binding is None


def test_routes() -> None:
    route = (Address.parse("<sip:edge.example.com;lr>"),)
    desk = Desk(Registration(AOR, route=route)).start()
    assert desk.last.headers.get("Route") == "<sip:edge.example.com;lr>"
    (send,) = desk.told
    assert isinstance(send, Send)
    assert str(send.next_hop) == "sip:edge.example.com;lr"


def test_somebody_else_registers() -> None:
    desk = Desk(Registration(AOR, from_=Address.parse("<sip:secretary@example.com>"))).start()
    assert (desk.last.headers.get("From") or "").startswith("<sip:secretary@example.com>;tag=")


def stop(desk: Desk) -> Desk:
    return desk.take(desk.keeper.stop(desk.now))


def test_stopping() -> None:
    assert stop(Desk()).told == [RegistrationEnded(removed=False)]
    waiting = Desk().start().answer(503)
    assert stop(waiting).told[-1] == RegistrationEnded(removed=False)
    bound = Desk().start().accept(300).wait().answer(503)
    assert stop(bound).last.headers.get("Expires") == "0"
    under_way = Desk().start()
    assert stop(under_way).requests == under_way.requests[:1]  # RFC 3261 §10.2: one at a time
    under_way.accept()
    assert under_way.last.headers.get("Expires") == "0"
    assert stop(under_way).answer(500).told[-1] == RegistrationEnded(removed=False)
    refused = stop(Desk().start()).answer(403)
    assert refused.told[-1] == RegistrationEnded(removed=False)


@pytest.mark.parametrize(("reason", "removes"), [(FailureReason.TIMED_OUT, True), (FailureReason.REFUSED, False)])
def test_what_a_lost_answer_may_have_bound_is_removed(reason: FailureReason, removes: bool) -> None:
    desk = Desk().start()
    desk.take(desk.keeper.fail(TransportFailure(reason, "no answer"), desk.now))
    stop(desk)
    assert (desk.last.headers.get("Expires") == "0") == removes
    assert (desk.state is State.REMOVING) == removes
    if removes:
        assert desk.accept().told[-1] == RegistrationEnded(removed=True)


def test_what_a_lost_answer_may_have_bound_runs_out() -> None:
    desk = Desk(Registration(AOR, expires=60)).start()
    desk.take(desk.keeper.fail(SILENCE, desk.now))
    desk.now += 61
    assert stop(desk).told[-1] == RegistrationEnded(removed=False)


def test_a_binding_that_ran_out_needs_no_removal() -> None:
    desk = Desk().start().accept(300)
    desk.now = 400.0
    assert stop(desk).told[-1] == RegistrationEnded(removed=False)


ACTIONS = st.sampled_from(["200", "0", "423", "302", "439", "503", "403", "silence", "wait", "stop", "all", "flow"])


@given(st.lists(ACTIONS, max_size=25))
def test_any_sequence(actions: list[str]) -> None:
    """One request at a time, always something to wait for, and an end that stays."""
    desk = Desk(Registration(AOR, instance=URN, reg_id=1)).start()
    for action in actions:
        sent = len(desk.requests)
        answerable = desk.state in (State.REGISTERING, State.REFRESHING, State.STOPPING, State.REMOVING)
        if action == "wait" and desk.keeper.next_timeout() is not None:
            desk.wait()
        elif action in ("stop", "all"):
            desk.take(desk.keeper.stop(desk.now, everything=action == "all"))
        elif action == "flow":
            desk.take(desk.keeper.flow_failed(desk.now))
        elif answerable and action == "silence":
            desk.take(desk.keeper.fail(SILENCE, desk.now))
        elif answerable and action.isdigit():
            fields = [("Min-Expires", "9999"), ("Contact", "<sip:x.example.com>")]
            desk.accept(60 * int(action == "200")) if action in ("0", "200") else desk.answer(int(action), *fields)
        assert len(desk.requests) <= sent + 1
        state = desk.state
        assert (desk.keeper.next_timeout() is not None) == (state in (State.REGISTERED, State.WAITING))
        assert (state is State.ENDED) == any(isinstance(effect, RegistrationEnded) for effect in desk.told)
        assert desk.kinds.count(RegistrationEnded) <= 1


@pytest.mark.parametrize(("state", "happening"), [(state, happening) for state in State for happening in Input])
def test_every_cell_is_told_once(state: State, happening: Input, monkeypatch: pytest.MonkeyPatch) -> None:
    """What changes nothing is told with the state that it leaves as it was, as transactions tell it."""
    desk = Desk(tracing=True).start()
    request = desk.last
    after, _ = TABLE.get((state, happening), (state, ()))
    bare: dict[tuple[State, Input], tuple[State, tuple[Step, ...]]] = {
        cell: (target, ()) for cell, (target, _) in TABLE.items()
    }
    monkeypatch.setattr(keeper_module, "TABLE", bare)  # without what is done on the way, which needs a response
    desk.keeper.state = state
    told = desk.keeper._move(happening, 7.5)
    about = (request.call_id, request.from_tag or "", "")
    assert told == [TransitionTrace(7.5, "registration", "", happening.name, state.name, after.name, *about)]


def test_a_registration_is_told_of_from_its_start_to_its_end() -> None:
    desk = Desk(tracing=True).start().accept().wait().answer(503).wait().accept()
    desk.take(desk.keeper.stop(desk.now)).accept()
    told = [effect for effect in desk.told if isinstance(effect, TransitionTrace)]
    assert [(one.input, one.before, one.after) for one in told] == [
        ("START", "IDLE", "REGISTERING"),
        ("ACCEPTED", "REGISTERING", "REGISTERED"),
        ("DUE", "REGISTERED", "REFRESHING"),
        ("FAILED", "REFRESHING", "WAITING"),
        ("DUE", "WAITING", "REGISTERING"),
        ("ACCEPTED", "REGISTERING", "REGISTERED"),
        ("STOP", "REGISTERED", "REMOVING"),
        ("ACCEPTED", "REMOVING", "ENDED"),
    ]
    assert {one.call_id for one in told} == {request.call_id for request in desk.requests}
    assert TransitionTrace not in Desk().start().accept().kinds
