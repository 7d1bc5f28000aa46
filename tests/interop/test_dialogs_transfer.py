"""Transfers: Asterisk is asked for them, and asks for them (RFC 3515, RFC 3891, RFC 5589)."""

import pytest
import trio

from sipcore.dialogs.effects import EndReason
from sipcore.events import CallEnded, CallRequested
from sipcore.message.registry import REFER_TO
from sipcore.message.uri import parse_uri
from sipcore.resolve.target import Transport
from sipcore.sdp.terms import Direction
from tests.interop.lab import Lab, Server
from tests.interop.pbx import joined
from tests.interop.phone import PATIENCE, TCP, TRANSPORTS, UDP, Phone, at, direction, phone, told

each_transport = pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.name)


def through(asterisk: Server, callee: Phone, transport: Transport = UDP) -> str:
    """What to call so that Asterisk calls `callee` on."""
    return at(asterisk, f"call-plain-{callee.port(UDP)}", transport)


@each_transport
async def test_asterisk_transfers_blindly(lab: Lab, asterisk: Server, transport: Transport) -> None:
    """Asterisk says that it fares well once there is media for the one who was transferred. Now and then its threads
    send 200 before 100: that comes out of order, which is refused (RFC 3261 §12.2.2).
    """
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, phone(lab) as callee:
            async with caller.call(through(asterisk, callee, transport), caller="plain") as call:
                other = await callee.picks_up()
                await call.answered()
                await joined(lab, callee.port(UDP))
                assert await call.transfer(parse_uri(at(asterisk, "tone"))) == 200
            assert not other.is_over
            assert direction(await other.hold()) is Direction.RECVONLY
            await other.hang_up()
    assert caller.story("REFER") == ["→REFER", "←202 REFER"]
    numbers = [request.cseq.number for request in caller.received("NOTIFY")]
    in_order = [number for place, number in enumerate(numbers) if number == max(numbers[: place + 1])]
    assert numbers
    assert caller.story("NOTIFY").count("→200 NOTIFY") == len(in_order)
    assert len(caller.answers(500)) == len(numbers) - len(in_order)


async def test_asterisk_refuses_a_transfer(lab: Lab, asterisk: Server) -> None:
    """It accepts the REFER, and finds that nobody is there who could be transferred."""
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, caller.call(at(asterisk, "silent"), caller="plain") as call:
            await call.answered()
            assert await call.transfer(parse_uri(at(asterisk, "nobody-here"))) == 404
            assert not call.is_over
            assert direction(await call.hold()) is Direction.RECVONLY


@pytest.mark.parametrize("transport", [UDP, TCP], ids=lambda transport: transport.name)
async def test_asterisk_joins_two_calls(lab: Lab, asterisk: Server, transport: Transport) -> None:
    """Attended: who was called first gets the place that the second call has at Asterisk (Replaces)."""
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, phone(lab) as bob, phone(lab) as carol:
            async with caller.call(through(asterisk, bob, transport), caller="plain") as first:
                at_bob = await bob.picks_up()
                await first.answered()
                await first.hold()
                async with caller.call(through(asterisk, carol, transport), caller="plain") as second:
                    at_carol = await carol.picks_up()
                    await second.answered()
                    await joined(lab, carol.port(UDP))
                    assert await first.transfer(second) == 200
                    assert (await told(second, CallEnded)).reason is EndReason.REMOTE_HANG_UP
            assert not at_bob.is_over
            assert not at_carol.is_over
            await at_bob.hang_up()
            assert (await told(at_carol, CallEnded)).reason is EndReason.REMOTE_HANG_UP
    refer_to = caller.last("REFER")[REFER_TO]
    assert refer_to is not None
    assert "Replaces=" in str(refer_to)


@each_transport
async def test_asterisk_asks_for_a_transfer(lab: Lab, asterisk: Server, transport: Transport) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, phone(lab) as carol, trio.open_nursery() as nursery:
            nursery.start_soon(carol.picks_up)
            uri = at(asterisk, f"refer-{carol.port(UDP)}", transport)
            async with caller.call(uri, caller="plain") as call:
                asked = await told(call, CallRequested)
                refer_to = asked.request[REFER_TO]
                assert refer_to is not None
                assert str(refer_to.uri) == carol.uri("carol")
                call.respond(asked, 202)
                assert (await call.notify_refer(100)).response.status == 200
                async with caller.call(str(refer_to.uri)) as new:
                    await new.answered()
                    assert (await call.notify_refer(200)).response.status == 200
                    assert (await told(call, CallEnded)).reason is EndReason.REMOTE_HANG_UP
                    assert not new.is_over
    assert caller.story("NOTIFY") == ["→NOTIFY", "←200 NOTIFY"] * 2


async def test_a_transfer_that_asterisk_asks_for_is_declined(lab: Lab, asterisk: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, caller.call(at(asterisk, "refer-9"), caller="plain") as call:
            call.respond(await told(call, CallRequested), 603)
            assert direction(await call.hold()) is Direction.RECVONLY
            assert (await told(call, CallEnded)).reason is EndReason.REMOTE_HANG_UP
