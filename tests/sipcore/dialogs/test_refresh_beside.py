"""A session whose refresh is due while a re-INVITE of this side is on its way (RFC 4028 §7.4, §10)."""

import pytest

from sipcore.dialogs.effects import EndReason
from sipcore.events import CallChanged, CallEnded, CallOffered, CallUnchanged
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.sdp.terms import Direction
from sipcore.stack_config import StackConfig
from tests.sipcore.dialogs.test_changes import direction, hold
from tests.sipcore.wire import BOB, DELAY, Wire, description

INTERVAL = 90
DUE, END = INTERVAL / 2, INTERVAL * 2 / 3
THINKING = StackConfig(answers_offers=False)


def held(*, without_update: bool = False) -> tuple[Wire, int, int]:
    """Alice, who has to refresh, wants to hold, and Bob's owner thinks about it: the numbers of the call."""
    hidden = b", UPDATE" if without_update else b"\0"
    wire = Wire(
        config=StackConfig(session_interval=INTERVAL),
        bobs_config=THINKING,
        alter=lambda data: data.replace(hidden, b""),
    )
    call, at_bob = wire.up()
    hold(wire, wire.alice, call)
    wire.run(0.1)
    assert wire.bob.told(CallOffered)
    return wire, call, at_bob


def long_held() -> tuple[Wire, float]:
    """A session of 1800 s whose refresh, by re-INVITE only, is due while Bob's owner thinks about a hold; and when that
    is cancelled for it.
    """
    wire = Wire(
        config=StackConfig(session_interval=1800),
        bobs_config=THINKING,
        alter=lambda data: data.replace(b", UPDATE", b""),
    )
    call, _ = wire.up()
    wire.run(890 - wire.now)
    hold(wire, wire.alice, call)
    cancelled = (900 + 1800 - 32) / 2
    wire.run(cancelled - 1 - wire.now)
    return wire, cancelled


def requests(wire: Wire) -> list[str]:
    """What Alice asked for, each once."""
    sent = [one for one in wire.alice.messages() if isinstance(one, Request)]
    return [method for method, _ in dict.fromkeys((one.method, one.cseq.number) for one in sent)]


def answer_updates(wire: Wire, *statuses: int, fields: tuple[tuple[str, object], ...] = ()) -> None:
    """Answer Alice's UPDATEs so, 0 is for nothing, in place of Bob; those that are left over are his."""
    left = list(statuses)

    def lose(_: int, data: bytes) -> bool:
        request = parse_message(data) if data.startswith(b"UPDATE") and left else None
        if not isinstance(request, Request):
            return False
        if left[0]:
            told = bytes(build_response(request, left.pop(0), fields=fields))
            wire.flying.append((wire.now + DELAY, 0, wire.alice, told))
        return True

    wire.lose = lose


def test_a_reinvite_that_takes_long_lets_an_update_go_first() -> None:
    wire, call, at_bob = held()
    wire.run((DUE + END) / 2 - 1)
    assert requests(wire) == ["INVITE", "ACK", "INVITE"]  # it is a refresh as well, so it has its time
    wire.run(600)
    assert requests(wire)[:4] == ["INVITE", "ACK", "INVITE", "UPDATE"]
    assert not wire.alice.told(CallChanged)  # nobody who waits for the hold is told of anything else
    assert not wire.alice.told(CallEnded)
    assert not wire.bob.told(CallEnded)
    update = next(one for one in wire.alice.messages() if isinstance(one, Request) and one.method == "UPDATE")
    assert update.headers.get("Session-Expires") == f"{INTERVAL};refresher=uac"
    assert not update.body
    assert "Contact" in update.headers
    wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    wire.run(1)
    assert [event.local for event in wire.alice.told(CallChanged)] == [True]
    assert direction(wire.alice.stack.session(call).local) is Direction.SENDONLY


def test_a_reinvite_that_takes_long_ends_for_the_refresh_where_there_is_no_update() -> None:
    wire, call, at_bob = held(without_update=True)
    wire.run((DUE + END) / 2 + 1)
    (unchanged,) = wire.alice.told(CallUnchanged)
    assert unchanged.response is not None
    assert unchanged.response.status == 487
    wire.run(5)
    assert requests(wire)[-1] == "INVITE"
    wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    wire.run(30)
    assert direction(wire.alice.stack.session(call).local) is Direction.SENDRECV
    assert not wire.alice.told(CallEnded)


@pytest.mark.parametrize("comes_back", [True, False])
def test_whether_the_peer_is_gone_that_leaves_a_cancelled_reinvite_open_is_left_to_the_refresh(
    comes_back: bool,
) -> None:
    """RFC 3261 §9.1: what nobody refuses after its CANCEL is considered cancelled."""
    wire, cancelled = long_held()
    wire.lose = lambda _, data: data.startswith(b"SIP/2.0") or not comes_back
    wire.run(cancelled + 1 - wire.now)
    assert wire.alice.starts()[-1] == "CANCEL"
    wire.run(32)
    assert [event.response for event in wire.alice.told(CallUnchanged)] == [None]
    assert not wire.alice.told(CallEnded)
    wire.lose = lambda _, data: not comes_back
    wire.run(5)
    assert requests(wire)[-1] == "INVITE"
    if comes_back:
        wire.bob.stack.answer(wire.bob.told(CallOffered)[-1].call, description(BOB), wire.now)
    wire.run(100)
    assert [event.reason for event in wire.alice.told(CallEnded)] == ([] if comes_back else [EndReason.GONE])
    wire.run(1000)
    assert not wire.alice.told(CallEnded) or not comes_back


def test_a_reinvite_that_is_answered_in_time_is_the_refresh() -> None:
    wire, _, at_bob = held()
    wire.run(DUE + 2 - wire.now)
    wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    answered = wire.now
    wire.run(DUE - 1)
    assert requests(wire) == ["INVITE", "ACK", "INVITE", "ACK"]
    wire.run(2)
    assert requests(wire)[-1] == "UPDATE"
    assert wire.now == pytest.approx(answered + DUE + 1)


def test_another_change_after_one_that_a_refresh_was_left_to_has_its_own_time() -> None:
    wire, call, at_bob = held(without_update=True)
    wire.run(DUE + 1 - wire.now)
    wire.bob.stack.decline(at_bob, wire.now)
    wire.run(0.1)
    hold(wire, wire.alice, call)
    wire.run(5)  # the refresh is due once more, and left to this one
    assert not wire.bob.starts().count("487 INVITE")
    wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    wire.run(DUE - 1)
    assert [type(event) for event in wire.alice.events if isinstance(event, CallChanged | CallUnchanged)] == [
        CallUnchanged,
        CallChanged,
    ]
    assert not wire.alice.told(CallEnded)


@pytest.mark.parametrize(
    ("statuses", "fields"),
    [
        ((500,), ()),
        ((422, 422), (("Min-SE", "100"),)),
        ((422,), ()),
        ((405,), (("Allow", "INVITE, ACK, BYE, CANCEL"),)),
    ],
)
def test_an_update_that_was_refused_is_not_the_end(
    statuses: tuple[int, ...], fields: tuple[tuple[str, object], ...]
) -> None:
    wire, _, at_bob = held()
    answer_updates(wire, *statuses, fields=fields)
    wire.run(END - 1 - wire.now)
    if len(wire.bob.told(CallOffered)) > 1:  # the refresh by re-INVITE, where UPDATE is unknown after all
        wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    wire.run(30)
    assert not wire.alice.told(CallEnded)
    assert not wire.bob.told(CallEnded)


@pytest.mark.parametrize("status", [481, 408, 0])
def test_an_update_that_tells_that_the_call_is_gone_ends_it(status: int) -> None:
    wire, _, _ = held()
    answer_updates(wire, status)
    wire.run(100)
    (ended,) = wire.alice.told(CallEnded)
    too_late = (EndReason.EXPIRED, EndReason.REMOTE_HANG_UP)  # which comes before 64 T1 of silence
    assert ended.reason in ((EndReason.GONE,) if status else too_late)
    assert len(wire.alice.told(CallUnchanged)) == 1
    wire.run(100)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_silence_to_an_update_ends_a_call_that_would_last_longer() -> None:
    wire = Wire(config=StackConfig(session_interval=1800), bobs_config=THINKING)
    call, _ = wire.up()
    wire.run(890)
    hold(wire, wire.alice, call)
    answer_updates(wire, 0)
    wire.run(500)
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.GONE]


@pytest.mark.parametrize("status", [200, 481, 0])
def test_what_comes_of_an_update_after_the_end_of_the_call_does_nothing(status: int) -> None:
    wire, call, _ = held()
    answer_updates(wire, status)
    wire.run((DUE + END) / 2 - wire.now)
    while requests(wire)[-1] != "UPDATE" and wire.now < END:  # whose answer is on its way then
        wire.run(DELAY / 2)
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(200)
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.LOCAL_HANG_UP]
    assert requests(wire).count("BYE") == 1
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_a_reinvite_that_waits_after_a_491_waits_no_shorter_for_a_refresh() -> None:
    """RFC 3261 §14.1: the side that made the Call-ID waits for 2.1 to 4 s; the re-INVITE refreshes then."""
    wire, _, at_bob = held(without_update=True)
    due = (DUE + END) / 2
    wire.run(due - 1 - wire.now)
    wire.bob.stack.decline(at_bob, wire.now, status=491)
    refused = wire.now
    wire.run(4.2)
    again = [at for at, data in wire.alice.sent if data.startswith(b"INVITE") and at > refused]
    assert refused + 2.1 <= again[0] <= refused + 4.1
    assert not wire.bob.starts().count("487 INVITE")
    wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    wire.run(1)
    assert not wire.alice.told(CallEnded)
