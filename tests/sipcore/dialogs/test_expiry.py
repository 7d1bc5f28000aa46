"""Session timers (RFC 4028): who refreshes, when, and what happens when nobody does."""

from itertools import pairwise

import pytest

from sipcore.dialogs.dialog import Numbers, dialog_of_callee
from sipcore.dialogs.effects import EndReason
from sipcore.dialogs.expiry import MAX_RAISES, RETRY, Due, Expiry
from sipcore.dialogs.manner import Manner
from sipcore.dialogs.session import Session
from sipcore.dialogs.usage import InviteUsage
from sipcore.events import CallChanged, CallEnded, CallFailed, CallReceived
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.stack_config import StackConfig
from sipcore.transactions.timers import NEVER
from tests.sipcore.wire import BOB, DELAY, Side, Wire, description, seeded

ABLE = Manner(extensions=("timer",))
HERE = Manner(extensions=("timer",), refresher="uas")


def invite(*fields: tuple[str, object]) -> Request:
    request = Wire().request("INVITE")
    for name, content in fields:
        request = request.with_header(name, content)
    return request


@pytest.mark.parametrize(
    ("fields", "manner", "told", "here"),
    [
        ((), ABLE, [], None),
        ((("Supported", "timer"), ("Session-Expires", "1800")), ABLE, ["timer", "1800;refresher=uac"], False),
        ((("Supported", "timer"), ("Session-Expires", "1800;refresher=uas")), ABLE, ["1800;refresher=uas"], True),
        ((("Session-Expires", "1800"),), ABLE, ["1800;refresher=uas"], True),  # put in by a proxy (section 8.1)
        ((("Session-Expires", "1"),), ABLE, ["90;refresher=uas"], True),  # no 422 for one that does not know it
        ((), Manner(extensions=("timer",), interval=600), ["600;refresher=uas"], True),
        ((("Supported", "timer"),), Manner(extensions=("timer",), interval=600), ["timer", "600;refresher=uac"], False),
        (
            (("Supported", "timer"), ("Session-Expires", "1800")),
            Manner(extensions=("timer",), interval=600),
            ["timer", "600;refresher=uac"],
            False,
        ),
        (
            (("Supported", "timer"), ("Session-Expires", "1800"), ("Min-SE", "900")),
            Manner(extensions=("timer",), interval=600),
            ["timer", "900;refresher=uac"],
            False,
        ),
        ((("Supported", "timer"), ("Session-Expires", "1800")), HERE, ["1800;refresher=uas"], True),
        (
            (("Supported", "timer"), ("Session-Expires", "1800;refresher=uac")),
            HERE,
            ["timer", "1800;refresher=uac"],
            False,
        ),
        ((("Supported", "timer"), ("Session-Expires", "1800")), Manner(), [], None),
        ((("Supported", '"timer'), ("Session-Expires", "1800")), ABLE, ["1800;refresher=uas"], True),
        (
            (("Supported", "timer"), ("Session-Expires", "1800"), ("Min-SE", "?")),
            ABLE,
            ["timer", "1800;refresher=uac"],
            False,
        ),
    ],
)
def test_what_the_callee_agrees_to(
    fields: tuple[tuple[str, object], ...], manner: Manner, told: list[str], here: bool | None
) -> None:
    expiry = Expiry(manner.interval)
    assert [str(content) for _, content in expiry.accept(invite(*fields), manner, 0.0)] == told
    assert expiry.refreshed_here is here


@pytest.mark.parametrize(
    ("seconds", "supported", "shortest"),
    [(90, "timer", None), (89, "timer", 90), (30, "timer", 90), (30, "100rel", None)],
)
def test_what_is_too_short(seconds: int, supported: str, shortest: int | None) -> None:
    request = invite(("Supported", supported), ("Session-Expires", seconds))
    assert Expiry().refusal(request, ABLE) == shortest


@pytest.mark.parametrize(
    ("text", "here", "due"),
    [
        ("1800;refresher=uac", True, 900.0),
        ("1800;refresher=uas", False, 1768.0),
        ("1800", True, 900.0),
        ("90;refresher=uas", False, 60.0),
        ("1;refresher=uac", True, 45.0),  # as if it were 90 s: nobody may grant less (section 4)
        ("1", True, 45.0),
        ("6;refresher=uas", False, 4.0),  # whoever refreshes may do so as often as it likes
        ("0", True, 900.0),
        (None, True, 900.0),
        ("nonsense", True, 900.0),
    ],
)
def test_when_the_caller_acts(text: str | None, here: bool | None, due: float) -> None:
    expiry = Expiry(1800)
    fields = [("Session-Expires", text)] if text else []
    expiry.agreed(build_response(invite(), 200, fields=fields), 0.0)
    assert (expiry.refreshed_here, expiry.due) == (here, due)


def test_the_refresh_comes_first_and_the_end_if_it_does_not_help() -> None:
    expiry = Expiry(600)
    expiry.agreed(build_response(invite(), 200, fields=[("Session-Expires", "600;refresher=uac")]), 0.0)
    assert expiry.wake(299.0) is Due.NOTHING
    assert expiry.wake(300.0) is Due.REFRESH
    assert expiry.wake(500.0) is Due.NOTHING
    assert expiry.wake(568.0) is Due.END
    assert expiry.due == NEVER


def test_a_peer_that_grants_next_to_nothing_does_not_set_the_rate() -> None:
    def shortened(data: bytes) -> bytes:
        return data.replace(b"Session-Expires: 600", b"Session-Expires: 1") if data.startswith(b"SIP/2.0 200") else data

    bob = StackConfig(session_interval=600)
    wire = Wire(config=StackConfig(session_interval=600), bobs_config=bob, alter=shortened)
    wire.up()
    before = len(wire.alice.sent)
    wire.run(100.0)
    assert wire.alice.starts()[before:] == ["UPDATE"] * 2  # RFC 4028 §4: after 45 s, and after 45 s more
    assert not wire.alice.told(CallEnded)


def test_a_timer_that_only_the_peer_wanted_ends_when_it_says_so() -> None:
    expiry = Expiry()
    request = invite(("Supported", "timer"), ("Session-Expires", "1800;refresher=uas"))
    expiry.accept(request, ABLE, 0.0)
    assert expiry.due == 900.0
    expiry.agreed(build_response(request, 200), 900.0)
    assert expiry.due == NEVER


def test_the_same_side_goes_on_refreshing() -> None:
    expiry = Expiry(600)
    assert expiry.asked() == [("Session-Expires", "600")]
    expiry.agreed(build_response(invite(), 200, fields=[("Session-Expires", "600;refresher=uas")]), 0.0)
    assert expiry.asked() == [("Session-Expires", "600;refresher=uas")]


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_call_is_kept_alive(method: str) -> None:
    """With UPDATE where the peer knows it, else with a re-INVITE; for as long as it takes."""
    hidden = b", UPDATE" if method == "INVITE" else b"\0"
    wire = Wire(config=StackConfig(session_interval=600), alter=lambda data: data.replace(hidden, b""))
    wire.up()
    wire.run(3600)
    assert not wire.alice.told(CallEnded)
    assert not wire.bob.told(CallEnded)
    assert wire.alice.starts().count(method) >= 11
    assert len(wire.bob.told(CallChanged)) >= 11


def test_a_callee_that_is_to_refresh_does() -> None:
    wire = Wire(config=StackConfig(extensions=()), bobs_config=StackConfig(session_interval=600))
    _, _ = wire.up()
    wire.run(3600)
    assert wire.bob.starts().count("UPDATE") >= 11
    assert not wire.bob.told(CallEnded)


def test_a_call_that_nobody_refreshes_ends() -> None:
    wire = Wire(config=StackConfig(session_interval=600), lose=lambda _, data: data.startswith(b"UPDATE"))
    wire.up()
    wire.run(700)
    reasons = {event.reason for side in (wire.alice, wire.bob) for event in side.told(CallEnded)}
    assert reasons <= {EndReason.GONE, EndReason.EXPIRED, EndReason.REMOTE_HANG_UP}
    assert len(wire.alice.told(CallEnded)) == len(wire.bob.told(CallEnded)) == 1
    wire.run(100)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_a_peer_that_went_silent_is_noticed() -> None:
    silent = [False]
    wire = Wire(config=StackConfig(session_interval=600), lose=lambda _, data: silent[0])
    wire.up()
    silent[0] = True
    wire.run(1000)
    assert [event.reason for event in wire.bob.told(CallEnded)] == [EndReason.EXPIRED]
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.GONE]


def test_an_interval_that_is_too_short_is_asked_for_anew() -> None:
    wire = Wire(config=StackConfig(session_interval=100), bobs_config=StackConfig(min_session_interval=500))
    wire.up()
    assert wire.alice.starts() == ["INVITE", "ACK", "INVITE", "ACK"]
    second = wire.alice.messages()[2]
    assert (second.headers.get("Session-Expires"), second.headers.get("Min-SE")) == ("500", "500")
    assert second.cseq.number == 2
    assert len(wire.bob.told(CallReceived)) == 1


def test_a_422_that_asks_for_nothing_new_ends_the_call() -> None:
    wire = Wire(config=StackConfig(session_interval=600))
    wire.call()
    wire.run(0.1)
    wire.bob.stack.reject(1, 422, wire.now, fields=[("Min-SE", 90)])
    wire.run(0.1)
    (failed,) = wire.alice.told(CallFailed)
    assert failed.response
    assert failed.response.status == 422


def test_a_peer_that_always_wants_more_is_given_up() -> None:
    wire = Wire(config=StackConfig(session_interval=600), lose=lambda ordinal, data: True)
    wire.call()
    wire.pump()
    for interval in range(601, 603 + MAX_RAISES):
        invite = next(message for message in reversed(wire.alice.messages()) if message.cseq.method == "INVITE")
        assert isinstance(invite, Request)
        refusal = build_response(invite, 422, tag=f"b{interval}", fields=[("Min-SE", interval)])
        wire.deliver(wire.alice, bytes(refusal))
    assert wire.alice.starts().count("INVITE") == 1 + MAX_RAISES == 4
    assert wire.alice.told(CallFailed)


def refreshed_at(side: Side, after: float) -> list[float]:
    """When a side sent re-INVITEs and UPDATEs after that, each for the first time."""
    first: dict[tuple[str, int], float] = {}
    for when, message in zip((when for when, _ in side.sent), side.messages(), strict=True):
        if isinstance(message, Request) and message.method in ("INVITE", "UPDATE") and when > after:
            first.setdefault((message.method, message.cseq.number), round(when, 2))
    return list(first.values())


def refusing(wire: Wire, status: int, *fields: tuple[str, object], times: int = 1_000) -> None:
    """Refuse what Alice changes with `status`, so many `times`; Bob never sees it."""
    left = [times]

    def refused(_: int, data: bytes) -> bool:
        request = parse_message(data)
        if not (isinstance(request, Request) and request.method in ("INVITE", "UPDATE") and left[0]):
            return False
        left[0] -= 1
        refusal = bytes(build_response(request, status, fields=fields))
        wire.flying.append((wire.now + 2 * DELAY, 0, wire.alice, refusal))
        return True

    wire.lose = refused


@pytest.mark.parametrize(
    ("fields", "wait"),
    [
        ((), RETRY),
        ((("Retry-After", 3),), RETRY),  # 500 to what comes too early has 0 to 10 s (RFC 3311 §5.2)
        ((("Retry-After", 10),), 10.0),
        ((("Retry-After", "30 (busy);duration=60"),), 30.0),
        ((("Retry-After", 86400),), RETRY),  # by then the session is over
        ((("Retry-After", "soon"),), RETRY),
    ],
)
@pytest.mark.parametrize("status", [500, 503, 488])
def test_a_refresh_that_was_refused_is_tried_again(
    status: int, fields: tuple[tuple[str, object], ...], wait: float
) -> None:
    """RFC 4028 §10: once is not enough to give up a session that has half of its time left."""
    wire = Wire(config=StackConfig(session_interval=1800))
    wire.up()
    began = wire.now
    refusing(wire, status, *fields, times=1)
    wire.run(1700)
    first, second, *_ = refreshed_at(wire.alice, began)
    assert second - first == pytest.approx(wait + 2 * DELAY, abs=0.02)
    wire.run(10_000)
    assert not wire.alice.told(CallEnded)
    assert not wire.bob.told(CallEnded)


def test_a_peer_that_goes_on_refusing_is_not_asked_without_end() -> None:
    """RFC 4028 §10: "the UAC SHOULD NOT continuously retry the request"."""
    wire = Wire(config=StackConfig(session_interval=1800))
    wire.up()
    began = wire.now
    refusing(wire, 500, ("Retry-After", 0))
    wire.run(1800)
    moments = refreshed_at(wire.alice, began)
    waits = [round(later - earlier) for earlier, later in pairwise(moments)]
    assert waits == [4, 8, 16, 32, 64, 128, 256]
    assert [event.reason for event in wire.bob.told(CallEnded)] == [EndReason.EXPIRED]


def test_a_refresh_is_made_up_for_that_fell_due_while_a_change_was_on_its_way() -> None:
    wire = Wire(config=StackConfig(session_interval=90), bobs_config=StackConfig(answers_offers=False))
    call, at_bob = wire.up()
    wire.run(44.0 - wire.now)
    wire.alice.stack.change(call, wire.alice.stack.session(call).renewed(), wire.now)
    wire.run(4)
    wire.bob.stack.decline(at_bob, wire.now)
    wire.run(1000)
    assert wire.alice.starts()[2:6] == ["INVITE", "ACK", "UPDATE", "UPDATE"]
    assert not wire.alice.told(CallEnded)
    assert not wire.bob.told(CallEnded)


def test_a_change_that_goes_through_is_a_refresh_as_well() -> None:
    wire = Wire(config=StackConfig(session_interval=90), bobs_config=StackConfig(answers_offers=False))
    call, at_bob = wire.up()
    wire.run(44.0 - wire.now)
    wire.alice.stack.change(call, wire.alice.stack.session(call).renewed(), wire.now)
    wire.run(4)
    wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    answered = wire.now
    wire.run(50)
    assert refreshed_at(wire.alice, answered) == [pytest.approx(answered + 45, abs=0.1)]


def test_a_change_that_is_refused_when_no_refresh_is_due_brings_none() -> None:
    wire = Wire(config=StackConfig(session_interval=1800), bobs_config=StackConfig(answers_offers=False))
    call, at_bob = wire.up()
    wire.alice.stack.change(call, wire.alice.stack.session(call).renewed(), wire.now)
    wire.run(1)
    wire.bob.stack.decline(at_bob, wire.now)
    began = wire.now
    wire.run(800)
    assert refreshed_at(wire.alice, began) == []


def test_a_peer_that_says_it_knows_no_update_after_all_gets_a_reinvite() -> None:
    wire = Wire(config=StackConfig(session_interval=600))
    wire.up()
    refusing(wire, 405, ("Allow", "INVITE, ACK, BYE, CANCEL"), times=1)
    wire.run(400)
    assert wire.alice.starts()[2:] == ["UPDATE", "INVITE", "ACK"]


def test_a_refresh_asks_for_no_less_than_the_peers_did() -> None:
    """RFC 4028 §7.4: Min-SE is the largest that was heard in this dialog, in refreshes and in 422."""
    wire = Wire()
    call, _ = wire.up()
    alice = wire.alice.stack.session(call)
    wire.alter = lambda data: (
        data.replace(b"Content-Type", b"Session-Expires: 400;refresher=uas\r\nMin-SE: 400\r\nContent-Type")
        if data.startswith(b"INVITE")
        else data
    )
    wire.alice.stack.change(call, alice.renewed(), wire.now)
    wire.run(300)
    (refresh,) = [one for one in wire.bob.messages() if isinstance(one, Request)]
    assert [refresh.headers.get(name) for name in ("Session-Expires", "Min-SE")] == ["400;refresher=uac", "400"]


def test_a_422_to_the_first_invite_counts_for_the_refreshes_as_well() -> None:
    wire = Wire(config=StackConfig(session_interval=100), bobs_config=StackConfig(min_session_interval=500))
    wire.up()
    wire.run(300)
    refresh = wire.alice.messages()[-1]
    assert refresh.start_line.startswith("UPDATE")
    assert [refresh.headers.get(name) for name in ("Session-Expires", "Min-SE")] == ["500;refresher=uac", "500"]


def test_a_min_se_is_remembered_by_a_call_that_is_dealt_with_in_another_manner() -> None:
    usage = InviteUsage(
        dialog_of_callee(invite(("Contact", "<sip:a@192.0.2.1>")), "b"),
        Session(),
        Numbers(),
        ABLE,
        seeded(1),
        owner=False,
    )
    usage.hear(invite(("Min-SE", "400")))
    usage.hear(invite(("Min-SE", "x")))
    usage.adopt(Manner(extensions=("timer",), interval=200))
    assert usage.expiry.asked() == [("Session-Expires", "400"), ("Min-SE", 400)]


@pytest.mark.parametrize("extensions", [("100rel", "timer"), ()])
def test_every_request_but_the_ack_tells_what_is_supported(extensions: tuple[str, ...]) -> None:
    """RFC 4028 §7.1."""
    wire = Wire(config=StackConfig(extensions=extensions, methods=("INFO",)))
    call = wire.call()
    wire.run(0.1)
    (received,) = wire.bob.told(CallReceived)
    wire.bob.stack.ring(received.call, 183, wire.now, body=description(BOB), content_type="application/sdp")
    wire.run(0.1)
    wire.accept(received.call)
    wire.run(0.1)
    wire.alice.stack.change(call, b"", wire.now, method="UPDATE")
    wire.alice.stack.request_within(call, "INFO", wire.now)
    wire.alice.stack.request_within(call, "OPTIONS", wire.now, fields=[("supported", "x")])
    wire.pump()
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(1)
    sent = {one.method: one.headers.get_all("Supported") for one in wire.alice.messages() if isinstance(one, Request)}
    told = [", ".join(extensions)] if extensions else []
    assert sent.pop("ACK") == []
    assert sent.pop("OPTIONS") == ["x"]
    assert sent == dict.fromkeys(["INVITE", *(["PRACK"] if extensions else []), "UPDATE", "INFO", "BYE"], told)
