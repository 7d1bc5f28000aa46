"""Asterisk is called: what becomes of a call after its INVITE, over every transport."""

import pytest
import trio

from sipcore.auth.choice import Account
from sipcore.auth.session import AuthSession
from sipcore.dialogs.effects import EndReason
from sipcore.endpoint.call import CallFailure
from sipcore.events import CallChanged, CallEnded, CallFailed, CallOffered, CallRedirected
from sipcore.message.message import Request
from sipcore.message.registry import MIN_SE, SESSION_EXPIRES
from sipcore.resolve.target import Transport
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.terms import Direction
from tests.interop.lab import Lab, Server
from tests.interop.phone import AUDIO, PATIENCE, TRANSPORTS, UDP, at, direction, phone, told

SENDRECV, SENDONLY, RECVONLY = Direction.SENDRECV, Direction.SENDONLY, Direction.RECVONLY
each_transport = pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.name)


@each_transport
async def test_answered_held_resumed_and_ended(lab: Lab, asterisk: Server, transport: Transport) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller:
            async with caller.call(at(asterisk, "echo", transport), caller="plain") as call:
                await call.answered()
                held = await call.hold()
                assert (direction(caller.last("INVITE")), direction(held)) == (SENDONLY, RECVONLY)
                resumed = await call.resume()
                assert (direction(caller.last("INVITE")), direction(resumed)) == (SENDRECV, SENDRECV)
            assert call.end_reason is EndReason.LOCAL_HANG_UP
    assert caller.story("INVITE") == ["→INVITE", "←100 INVITE", "←200 INVITE", *["→INVITE", "←200 INVITE"] * 2]
    assert caller.story()[-2:] == ["→BYE", "←200 BYE"]
    assert [request.cseq.number for request in caller.tap.sent("INVITE", "BYE")] == [1, 2, 3, 4]
    assert len({request.headers.get("Contact") for request in caller.tap.sent("INVITE")}) == 1


@each_transport
async def test_cancelled(lab: Lab, asterisk: Server, transport: Transport) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller:
            async with caller.call(at(asterisk, "ring", transport), caller="plain") as call:
                await caller.sees("←180 INVITE")
            events = [event async for event in call]
    assert [event.reason for event in events if isinstance(event, CallEnded)] == [EndReason.LOCAL_HANG_UP]
    story = caller.story()
    assert story[:3] == ["→INVITE", "←100 INVITE", "←180 INVITE"]
    assert sorted(story[3:]) == sorted(["→CANCEL", "←200 CANCEL", "←487 INVITE", "→ACK"])


async def test_hung_up_before_anything_is_heard(lab: Lab, asterisk: Server) -> None:
    """The CANCEL waits for the first 1xx (RFC 3261 §9.1), and may lose to the 200."""
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller:
            async with caller.call(at(asterisk, "echo"), caller="plain") as call:
                await caller.sees("→INVITE")
            assert call.end_reason is EndReason.LOCAL_HANG_UP
            story = caller.story()
            assert story.index("←100 INVITE") < story.index("→CANCEL") if "→CANCEL" in story else "→BYE" in story
            assert ("←487 INVITE" in story) is not ("→BYE" in story)


@pytest.mark.parametrize(("user", "status"), [("busy", 486), ("reject", 403), ("nobody-here", 404)])
async def test_refused(lab: Lab, asterisk: Server, user: str, status: int) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, caller.call(at(asterisk, user), caller="plain") as call:
            failed = await told(call, CallFailed)
            assert failed.response is not None
            assert failed.response.status == status
            await caller.sees("→ACK")
    assert caller.story()[-2:] == [f"←{status} INVITE", "→ACK"]


@each_transport
async def test_reliable_early_media(lab: Lab, asterisk: Server, transport: Transport) -> None:
    """Asterisk's 200 brings no session description once the 183 has brought the answer."""
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab) as caller,
            caller.call(at(asterisk, "earlier", transport), caller="reliable") as call,
        ):
            await caller.sees("←200 PRACK")
            early = call.remote
            assert early.startswith(b"v=0")
            answered = await call.answered()
            assert not answered.body
            assert call.remote == early
            assert direction(await call.hold()) is RECVONLY
    rack = caller.last("PRACK").headers.get("RAck")
    assert rack is not None
    assert rack.endswith(" 1 INVITE")
    assert caller.story("INVITE", "PRACK", "ACK")[:7] == [
        "→INVITE",
        "←100 INVITE",
        "←183 INVITE",
        "→PRACK",
        "←200 PRACK",
        "←200 INVITE",
        "→ACK",
    ]


async def test_early_media_that_is_not_reliable(lab: Lab, asterisk: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, caller.call(at(asterisk, "earlier"), caller="plain") as call:
            await caller.sees("←183 INVITE")
            assert (await call.answered()).body
    assert not caller.tap.sent("PRACK")


@each_transport
async def test_an_invite_without_an_offer(lab: Lab, asterisk: Server, transport: Transport) -> None:
    """The 2xx brings the offer, the ACK the answer (RFC 3261 §13.2.1); after that all goes on as usual."""
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab) as caller,
            caller.call(at(asterisk, "echo", transport), caller="plain", offer=b"") as call,
        ):
            offered = await told(call, CallOffered)
            assert offered.message.body
            assert not caller.tap.sent("ACK")
            call.answer(AUDIO)
            await caller.sees("→ACK")
            assert caller.last("ACK").body == AUDIO == call.local
            assert direction(await call.hold()) is RECVONLY


async def test_an_offer_in_a_reliable_183_is_answered_in_the_prack(lab: Lab, asterisk: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, caller.call(at(asterisk, "earlier"), caller="reliable", offer=b"") as call:
            await told(call, CallOffered)
            call.answer(AUDIO)
            assert not (await call.answered()).body
            await caller.sees("→ACK")
            assert caller.last("PRACK").body == AUDIO
            assert not caller.last("ACK").body
            assert direction(await call.hold()) is RECVONLY


async def test_the_offer_of_a_200_is_declined(lab: Lab, asterisk: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, caller.call(at(asterisk, "echo"), caller="plain", offer=b"") as call:
            await told(call, CallOffered)
            call.decline()
            await told(call, CallEnded)
    assert SessionDescription.parse(caller.last("ACK").body).media[0].is_rejected
    story = caller.story()
    assert story.index("→ACK") < story.index("→BYE") < story.index("←200 BYE")  # Asterisk's own BYE may cross it


@each_transport
async def test_changed_by_update(lab: Lab, asterisk: Server, transport: Transport) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, caller.call(at(asterisk, "echo", transport), caller="plain") as call:
            await call.answered()
            changed = await call.change(method="UPDATE")
            assert direction(changed) is SENDRECV
    assert caller.story("UPDATE") == ["→UPDATE", "←200 UPDATE"]


@pytest.mark.parametrize(("kind", "method"), [("updating", "UPDATE"), ("reinviting", "INVITE")])
async def test_asterisk_changes_a_call(lab: Lab, asterisk: Server, kind: str, method: str) -> None:
    """It tells who is there now: in an UPDATE without an offer, or, to those who know none, in a re-INVITE with one."""
    fields = [] if method == "UPDATE" else [("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS")]
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab) as caller,
            caller.call(at(asterisk, "update"), caller=kind, fields=fields) as call,
        ):
            changed = await told(call, CallChanged)
            assert isinstance(changed.message, Request)
            assert changed.message.headers.get("P-Asserted-Identity") == '"Somebody" <sip:123@127.0.0.1>'
            assert not changed.local
            assert direction(await call.hold()) is RECVONLY
    assert f"→200 {method}" in caller.story(method)
    assert not caller.received("BYE")


@each_transport
async def test_redirected(lab: Lab, asterisk: Server, transport: Transport) -> None:
    """Asterisk's Contact names no transport, so Carol is called over UDP."""
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, phone(lab) as carol, trio.open_nursery() as nursery:
            moved = at(asterisk, f"moved-{carol.port(UDP)}", transport)
            nursery.start_soon(carol.picks_up)
            async with caller.call(moved, caller="plain", redirects=1) as call:
                redirected = await told(call, CallRedirected)
                assert str(redirected.target) == carol.uri("carol")
                await call.answered()
            assert carol.received("INVITE")[0].headers.get("Contact") is not None
    assert caller.story("INVITE") == ["→INVITE", "←100 INVITE", "←302 INVITE", "→INVITE", "←200 INVITE"]
    assert caller.story("BYE") == ["→BYE", "←200 BYE"]


async def test_not_redirected_unless_asked_for(lab: Lab, asterisk: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, caller.call(at(asterisk, "moved-9"), caller="plain") as call:
            with pytest.raises(CallFailure, match="302"):
                await call.answered()


@each_transport
@pytest.mark.parametrize("user", ["alice", "dave"])
async def test_authenticated(lab: Lab, asterisk: Server, user: str, transport: Transport) -> None:
    auth = AuthSession(Account(user, "secret", hosts=[asterisk.host]))
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller:
            async with caller.call(at(asterisk, "echo", transport), caller=user, auth=auth) as call:
                await call.answered()
                assert direction(await call.hold()) is RECVONLY
            assert call.end_reason is EndReason.LOCAL_HANG_UP
    first, *others = caller.tap.sent("INVITE")
    assert caller.story("INVITE")[:3] == ["→INVITE", "←401 INVITE", "→INVITE"]
    assert "Authorization" not in first.headers
    assert all("Authorization" in each.headers for each in others)
    assert caller.last("ACK").cseq.number == others[-1].cseq.number
    numbers = [each.cseq.number for each in caller.tap.sent("INVITE", "BYE")]
    assert numbers == sorted(set(numbers))


async def test_a_session_interval_that_is_too_small(lab: Lab, asterisk: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab, session_interval=90) as caller,
            caller.call(at(asterisk, "echo"), caller="timed") as call,
        ):
            answered = await call.answered()
            expires = answered[SESSION_EXPIRES]
            assert expires is not None
            assert (expires.seconds, expires.refresher) == (120, "uac")
    first, second = caller.tap.sent("INVITE")
    assert caller.story("INVITE")[:3] == ["→INVITE", "←422 INVITE", "→INVITE"]
    assert (first.headers.get("Session-Expires"), second.headers.get("Session-Expires")) == ("90", "120")
    shortest = second[MIN_SE]
    assert shortest is not None
    assert shortest.seconds == 120


@each_transport
async def test_the_session_is_refreshed(lab: Lab, asterisk: Server, transport: Transport) -> None:
    """By UPDATE, which Asterisk knows; half of the interval later, and that again."""
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab, session_interval=90) as caller,
            caller.call(at(asterisk, "echo", transport), caller="brief") as call,
        ):
            await call.answered()
            for count in (1, 2):
                caller.pass_time(46)
                await caller.sees("←200 UPDATE", count)
                assert (await told(call, CallChanged)).local
            assert not call.is_over
    assert {each.headers.get("Session-Expires") for each in caller.tap.sent("UPDATE")} == {"90;refresher=uac"}


async def test_a_session_without_timers_is_refreshed_all_the_same(lab: Lab, asterisk: Server) -> None:
    """Whoever wants a timer keeps it alone (RFC 4028 §7.2)."""
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab, session_interval=90) as caller,
            caller.call(at(asterisk, "echo"), caller="plain") as call,
        ):
            assert "Session-Expires" not in (await call.answered()).headers
            caller.pass_time(46)
            await caller.sees("←200 UPDATE")


async def test_one_call_at_a_time(lab: Lab, asterisk: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, caller.call(at(asterisk, "once"), caller="plain") as first:
            await first.answered()
            async with caller.call(at(asterisk, "once"), caller="plain") as second:
                with pytest.raises(CallFailure, match="486"):
                    await second.answered()
            assert not first.is_over
            assert direction(await first.hold()) is RECVONLY


async def test_asterisk_hangs_up(lab: Lab, asterisk: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, caller.call(at(asterisk, "bye"), caller="plain") as call:
            ended = await told(call, CallEnded)
            assert ended.reason is EndReason.REMOTE_HANG_UP
            assert ended.request is not None
            assert (ended.request.headers.get("Reason") or "").startswith("Q.850;cause=16")
    assert caller.story()[-2:] == ["←BYE", "→200 BYE"]
