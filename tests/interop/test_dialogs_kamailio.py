"""Calls through Kamailio: its own answers, its challenge, and the route set that it leaves (RFC 3261 §12.2.1.1)."""

import pytest
import trio

from sipcore.auth.choice import Account
from sipcore.auth.session import AuthSession
from sipcore.dialogs.effects import EndReason
from sipcore.endpoint.call import CallFailure
from sipcore.events import CallOffered
from sipcore.resolve.target import Transport
from sipcore.sdp.terms import Direction
from tests.interop.lab import Lab, Server
from tests.interop.phone import AUDIO, PATIENCE, TRANSPORTS, at, direction, phone, told

HELD = (Direction.RECVONLY, Direction.INACTIVE)
each_transport = pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.name)


@each_transport
async def test_authenticated_held_resumed_and_ended(lab: Lab, kamailio: Server, transport: Transport) -> None:
    """All that follows the INVITE takes the proxy's route, and only what the proxy challenges brings credentials."""
    auth = AuthSession(Account("alice", "secret", hosts=[kamailio.host]))
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller:
            async with caller.call(at(kamailio, "auth", transport), caller="alice", auth=auth) as call:
                await call.answered()
                assert direction(await call.hold()) in HELD
                assert direction(await call.resume()) is Direction.SENDRECV
            assert call.end_reason is EndReason.LOCAL_HANG_UP
    assert [entry for entry in caller.story("INVITE") if entry[1] != "1"][:3] == ["→INVITE", "←407 INVITE", "→INVITE"]
    assert "Proxy-Authorization" in caller.tap.sent("INVITE")[1].headers
    assert all("Route" in request.headers for request in [*caller.tap.sent("INVITE")[2:], caller.last("BYE")])
    assert caller.story("BYE") == ["→BYE", "←200 BYE"]


@each_transport
async def test_an_invite_without_an_offer(lab: Lab, kamailio: Server, transport: Transport) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, caller.call(at(kamailio, "echo", transport), offer=b"") as call:
            await told(call, CallOffered)
            call.answer(AUDIO)
            await caller.sees("→ACK")
            assert "Route" in caller.last("ACK").headers
            assert direction(await call.hold()) in HELD


@each_transport
async def test_busy(lab: Lab, kamailio: Server, transport: Transport) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, caller.call(at(kamailio, "busy", transport)) as call:
            with pytest.raises(CallFailure, match="486"):
                await call.answered()
            await caller.sees("→ACK")
