"""Asterisk 16 with its old SIP channel, which many still run: called, and calling."""

import pytest
import trio

from sipcore.auth.choice import Account
from sipcore.auth.session import AuthSession
from sipcore.dialogs.effects import EndReason
from sipcore.events import CallConfirmed, CallEnded, CallFailed, CallOffered, CallRedirected, CallRequested
from sipcore.message.registry import REFER_TO, SESSION_EXPIRES
from sipcore.message.uri import parse_uri
from sipcore.resolve.target import Transport
from sipcore.sdp.terms import SDP, Direction
from tests.interop.lab import HOST, Lab, Server
from tests.interop.pbx import joined, run
from tests.interop.phone import AUDIO, PATIENCE, TRANSPORTS, UDP, at, direction, phone, told
from tests.interop.servers import CHAN_SIP_SUITE, told_to

RECVONLY = Direction.RECVONLY
each_transport = pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.name)


async def dial(lab: Lab, port: int, extension: str = "echo") -> None:
    """Have it call bob at a port of this machine."""
    line = f"channel originate SIP/bob@{HOST}:{port} extension {extension}@public"
    await run(told_to(CHAN_SIP_SUITE, lab.folder / "chan-sip", line))


# It is called


@each_transport
async def test_answered_held_resumed_and_ended(lab: Lab, old: Server, transport: Transport) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller:
            async with caller.call(at(old, "echo", transport)) as call:
                await call.answered()
                assert direction(await call.hold()) is RECVONLY
                assert direction(await call.resume()) is Direction.SENDRECV
            assert call.end_reason is EndReason.LOCAL_HANG_UP
    assert caller.story("BYE") == ["→BYE", "←200 BYE"]


@each_transport
async def test_cancelled(lab: Lab, old: Server, transport: Transport) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller:
            async with caller.call(at(old, "ring", transport)):
                await caller.sees("←180 INVITE")
            await caller.sees("←200 CANCEL")  # which may come behind the 487
    assert caller.story("CANCEL") == ["→CANCEL", "←200 CANCEL"]
    assert "←487 INVITE" in caller.story()


@pytest.mark.parametrize(("user", "status"), [("busy", 486), ("reject", 403), ("nobody-here", 404)])
async def test_refused(lab: Lab, old: Server, user: str, status: int) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, caller.call(at(old, user)) as call:
            failed = await told(call, CallFailed)
            assert failed.response is not None
            assert failed.response.status == status
            await caller.sees("→ACK")


async def test_early_media(lab: Lab, old: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, caller.call(at(old, "earlier")) as call:
            await caller.sees("←183 INVITE")
            await call.answered()
            assert direction(await call.hold()) is RECVONLY


@each_transport
async def test_an_invite_without_an_offer(lab: Lab, old: Server, transport: Transport) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, caller.call(at(old, "echo", transport), offer=b"") as call:
            await told(call, CallOffered)
            call.answer(AUDIO)
            await caller.sees("→ACK")
            assert direction(await call.hold()) is RECVONLY


@each_transport
async def test_authenticated(lab: Lab, old: Server, transport: Transport) -> None:
    auth = AuthSession(Account("alice", "secret", hosts=[old.host]))
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, caller.call(at(old, "echo", transport), caller="alice", auth=auth) as call:
            await call.answered()
            assert direction(await call.hold()) is RECVONLY
    assert "←401 INVITE" in caller.story("INVITE")


async def test_redirected(lab: Lab, old: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, phone(lab) as carol, trio.open_nursery() as nursery:
            nursery.start_soon(carol.picks_up)
            async with caller.call(at(old, f"moved-{carol.port(UDP)}"), redirects=1) as call:
                await told(call, CallRedirected)
                await call.answered()
    assert caller.story("INVITE") == ["→INVITE", "←100 INVITE", "←302 INVITE", "→INVITE", "←200 INVITE"]


async def test_its_sessions_are_longer_and_it_refreshes_them(lab: Lab, old: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab, session_interval=90) as caller, caller.call(at(old, "echo"), caller="timed") as call:
            expires = (await call.answered())[SESSION_EXPIRES]
            assert expires is not None
            assert (expires.seconds, expires.refresher) == (120, "uas")
    assert caller.story("INVITE")[:2] == ["→INVITE", "←422 INVITE"]


async def test_it_asks_for_a_transfer(lab: Lab, old: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, phone(lab) as carol, trio.open_nursery() as nursery:
            nursery.start_soon(carol.picks_up)
            async with caller.call(at(old, f"refer-{carol.port(UDP)}")) as call:
                asked = await told(call, CallRequested)
                refer_to = asked.request[REFER_TO]
                assert refer_to is not None
                call.respond(asked, 202)
                async with caller.call(str(refer_to.uri)) as new:
                    await new.answered()
                    await call.notify_refer(200)


async def test_it_transfers(lab: Lab, old: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, phone(lab) as callee:
            async with caller.call(at(old, f"call-{callee.port(UDP)}")) as call:
                other = await callee.picks_up()
                await call.answered()
                await joined(lab, callee.port(UDP), suite=CHAN_SIP_SUITE, name="chan-sip")
                assert await call.transfer(parse_uri(at(old, "echo"))) in (200, 202)
            assert not other.is_over
            await other.hang_up()


# It calls


async def test_we_answer_hold_and_end(lab: Lab, old: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee:
            await dial(lab, callee.port(UDP))
            call = await callee.rings()
            call.ring()
            call.accept(body=AUDIO, content_type=SDP)
            await told(call, CallConfirmed)
            assert direction(await call.hold()) is RECVONLY
            await call.resume()
            await call.hang_up()
    assert callee.story("BYE") == ["→BYE", "←200 BYE"]


async def test_it_hangs_up(lab: Lab, old: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee:
            await dial(lab, callee.port(UDP), "bye")
            call = await callee.picks_up()
            assert (await told(call, CallEnded)).reason is EndReason.REMOTE_HANG_UP


async def test_we_are_busy(lab: Lab, old: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee:
            await dial(lab, callee.port(UDP))
            (await callee.rings()).reject(486)
            await callee.sees("←ACK")


async def test_it_cancels(lab: Lab, old: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, phone(lab) as callee:
            async with caller.call(at(old, f"call-{callee.port(UDP)}")):
                ringing = await callee.rings()
                ringing.ring()
                await caller.sees("←180 INVITE")
            assert (await told(ringing, CallEnded)).reason is EndReason.CANCELLED
            await callee.sees("←ACK")


async def test_the_hold_of_one_side_does_not_harm_the_other(lab: Lab, old: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, phone(lab) as callee:
            async with caller.call(at(old, f"call-{callee.port(UDP)}")) as call:
                other = await callee.picks_up()
                await call.answered()
                await call.hold()
                await call.resume()
                assert direction(await other.hold()) in (RECVONLY, Direction.INACTIVE)
                await other.resume()
            assert (await told(other, CallEnded)).reason is EndReason.REMOTE_HANG_UP
