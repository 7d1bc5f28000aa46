"""Asterisk calls: what becomes of a call that came in, over every transport."""

import secrets

import pytest
import trio

from sipcore.auth.digest import Algorithm
from sipcore.auth.server import Accepted, Authenticator, Refused, ServerPolicy, UserTable
from sipcore.dialogs.effects import EndReason
from sipcore.endpoint.call import IncomingCall
from sipcore.events import CallChanged, CallConfirmed, CallEnded
from sipcore.message.address import Address
from sipcore.message.message import Request
from sipcore.message.registry import SESSION_EXPIRES
from sipcore.message.uri import parse_uri
from sipcore.resolve.target import Transport
from sipcore.sdp.terms import SDP, Direction
from tests.interop.lab import Lab, Server
from tests.interop.pbx import dial
from tests.interop.phone import AUDIO, PATIENCE, TRANSPORTS, UDP, Phone, at, direction, phone, told

SENDONLY, RECVONLY = Direction.SENDONLY, Direction.RECVONLY
each_transport = pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.name)


@each_transport
async def test_rings_is_answered_held_resumed_and_ended_here(lab: Lab, asterisk: Server, transport: Transport) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee:
            await dial(lab, callee.uri(transport=transport))
            call = await callee.rings()
            call.ring()
            call.accept(body=AUDIO, content_type=SDP)
            await told(call, CallConfirmed)
            assert direction(await call.hold()) is RECVONLY
            await call.resume()
            await call.hang_up()
            assert call.end_reason is EndReason.LOCAL_HANG_UP
    assert callee.story() == [
        *["←INVITE", "→180 INVITE", "→200 INVITE", "←ACK"],
        *["→INVITE", "←200 INVITE", "→ACK"] * 2,
        *["→BYE", "←200 BYE"],
    ]


@each_transport
async def test_ended_there(lab: Lab, asterisk: Server, transport: Transport) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee:
            await dial(lab, callee.uri(transport=transport), extension="bye")
            call = await callee.picks_up()
            assert (await told(call, CallEnded)).reason is EndReason.REMOTE_HANG_UP
    assert callee.story() == ["←INVITE", "→200 INVITE", "←ACK", "←BYE", "→200 BYE"]


@each_transport
async def test_rejected(lab: Lab, asterisk: Server, transport: Transport) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee:
            await dial(lab, callee.uri(transport=transport))
            (await callee.rings()).reject(486)
            await callee.sees("←ACK")
    assert callee.story() == ["←INVITE", "→486 INVITE", "←ACK"]


@each_transport
async def test_cancelled(lab: Lab, asterisk: Server, transport: Transport) -> None:
    """Somebody calls through Asterisk, and gives up."""
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, phone(lab) as callee:
            port = callee.port(transport)
            async with caller.call(at(asterisk, f"call-{transport.name.lower()}-{port}"), caller="plain"):
                ringing = await callee.rings()
                ringing.ring()
                await caller.sees("←180 INVITE")
            ended = await told(ringing, CallEnded)
            assert ended.reason is EndReason.CANCELLED
            assert ended.request is not None
            assert ended.request.method == "CANCEL"
            await callee.sees("←ACK")
    assert callee.story()[:2] == ["←INVITE", "→180 INVITE"]
    assert sorted(callee.story()[2:]) == sorted(["←CANCEL", "→200 CANCEL", "→487 INVITE", "←ACK"])


@each_transport
async def test_reliable_ringing_and_early_media(lab: Lab, asterisk: Server, transport: Transport) -> None:
    """Asterisk requires that each 1xx is reliable; the 200 waits for the PRACK of the one with the answer."""
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee:
            await dial(lab, callee.uri(transport=transport), kind="reliable")
            call = await callee.rings()
            call.ring()
            call.ring(183, body=AUDIO, content_type=SDP)
            call.accept()
            await told(call, CallConfirmed)
            assert direction(await call.hold()) is RECVONLY
            await call.hang_up()
    first, second = callee.received("PRACK")
    assert second.headers.get("RAck") != first.headers.get("RAck")
    assert callee.story("INVITE", "PRACK")[:8] == [
        *["←INVITE", "→180 INVITE", "←PRACK", "→200 PRACK"],
        *["→183 INVITE", "←PRACK", "→200 PRACK", "→200 INVITE"],
    ]


async def test_early_media_is_reliable_where_asterisk_may_acknowledge_it(lab: Lab, asterisk: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee:
            await dial(lab, callee.uri(), kind="acknowledged")
            call = await callee.rings()
            call.ring()
            call.ring(183, body=AUDIO, content_type=SDP)
            await callee.sees("→200 PRACK")
            call.accept()
            await told(call, CallConfirmed)
            await call.hang_up()
    assert callee.story("INVITE", "PRACK")[:6] == [
        *["←INVITE", "→180 INVITE", "→183 INVITE", "←PRACK", "→200 PRACK", "→200 INVITE"],
    ]


async def test_cancelled_while_a_reliable_1xx_waits(lab: Lab, asterisk: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, phone(lab) as callee:
            uri = at(asterisk, f"call-reliable-{callee.port(UDP)}")
            async with caller.call(uri, caller="plain"):
                ringing = await callee.rings()
                ringing.ring(183, body=AUDIO, content_type=SDP)
                await callee.sees("→200 PRACK")
                ringing.ring(180)
            assert (await told(ringing, CallEnded)).reason is EndReason.CANCELLED
            await callee.sees("←ACK")
    assert "→487 INVITE" in callee.story()


async def test_an_update_before_the_answer(lab: Lab, asterisk: Server) -> None:
    """Offer and answer are done with the 183 and its PRACK, so the callee may offer anew (RFC 3311 §5.1)."""
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee:
            await dial(lab, callee.uri(), kind="reliable")
            call = await callee.rings()
            call.ring(183, body=AUDIO, content_type=SDP)
            await callee.sees("→200 PRACK")
            changed = await call.change()
            assert changed.body
            call.accept()
            await told(call, CallConfirmed)
            await call.hang_up()
    assert callee.story("UPDATE") == ["→UPDATE", "←200 UPDATE"]


async def test_asterisk_changes_a_call(lab: Lab, asterisk: Server) -> None:
    """It tells who is there now, in an UPDATE without an offer."""
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee:
            await dial(lab, callee.uri(), kind="updating", extension="update")
            call = await callee.picks_up()
            changed = await told(call, CallChanged)
            assert isinstance(changed.message, Request)
            assert changed.message.method == "UPDATE"
            assert not changed.local
            assert direction(await call.hold()) is RECVONLY
            await call.hang_up()


async def test_asterisk_is_redirected(lab: Lab, asterisk: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee, phone(lab) as carol:
            await dial(lab, callee.uri(), kind="redirected")
            first = await callee.rings()
            first.reject(302, fields=[("Contact", Address(parse_uri(carol.uri("carol"))))])
            second = await carol.picks_up()
            await second.hang_up()
            assert second.invite.call_id == first.invite.call_id
            await callee.sees("←ACK")
    assert callee.story() == ["←INVITE", "→302 INVITE", "←ACK"]


async def test_asterisk_is_challenged(lab: Lab, asterisk: Server) -> None:
    """What a server may ask of a caller (RFC 3261 §22.2); the INVITE comes again with the answer."""
    users = UserTable({"proven": "secret"})
    policy = ServerPolicy("sut.example", (Algorithm.MD5,))
    authenticator = Authenticator(policy, users, secrets.token_bytes(32), secrets.token_bytes)
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee:
            await dial(lab, callee.uri(), kind="proven")
            challenged = await callee.rings()
            outcome = authenticator.verify(challenged.invite, trio.current_time())
            assert isinstance(outcome, Refused)
            refusal = authenticator.refusal(challenged.invite, outcome, trio.current_time())
            told_by = [(name, text) for name, text in refusal.headers if name.endswith("-Authenticate")]
            challenged.reject(refusal.status, fields=told_by)
            call = await callee.picks_up()
            assert isinstance(authenticator.verify(call.invite, trio.current_time()), Accepted)
            await call.hang_up()
    assert callee.story("INVITE") == ["←INVITE", "→401 INVITE", "←INVITE", "→200 INVITE"]


async def test_a_session_interval_that_is_too_small(lab: Lab, asterisk: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab, min_session_interval=180) as callee:
            await dial(lab, callee.uri(), kind="timed")
            call = await callee.picks_up()
            expires = call.invite[SESSION_EXPIRES]
            assert expires is not None
            assert expires.seconds == 180
            await call.hang_up()
    assert callee.story("INVITE") == ["←INVITE", "→422 INVITE", "←INVITE", "→200 INVITE"]


async def test_the_session_that_asterisk_asks_for_ends_unless_it_refreshes_it(lab: Lab, asterisk: Server) -> None:
    """Asterisk is to refresh, since it is able to; it has no time for it here."""
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee:
            await dial(lab, callee.uri(), kind="timed")
            call = await callee.picks_up()
            callee.pass_time(120 - 32)
            assert (await told(call, CallEnded)).reason is EndReason.EXPIRED
            await callee.sees("←200 BYE")


async def held_by_asterisk(callee: Phone, call: IncomingCall) -> list[Direction]:
    """Which way media goes after each of the next two changes that Asterisk asks for."""
    directions: list[Direction] = []
    while len(directions) < 2:
        changed = await told(call, CallChanged)
        assert not changed.local
        if changed.message.body:
            way = direction(changed.message)
            directions += [way] if not directions or directions[-1] is not way else []
    return directions


async def test_asterisk_passes_on_a_hold_and_its_end(lab: Lab, asterisk: Server) -> None:
    """Two of us with Asterisk between: what one of them does to the session, Asterisk does to the other's."""
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, phone(lab) as callee:
            uri = at(asterisk, f"call-holding-{callee.port(UDP)}")
            async with caller.call(uri, caller="holding") as call:
                other = await callee.picks_up()
                await call.answered()
                await call.hold()
                await call.resume()
                assert await held_by_asterisk(callee, other) == [SENDONLY, Direction.SENDRECV]
            assert (await told(other, CallEnded)).reason is EndReason.REMOTE_HANG_UP
    assert callee.story("BYE") == ["←BYE", "→200 BYE"]
