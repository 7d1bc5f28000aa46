"""SIPp at the other end: its own scenarios, and those of `fixtures/lab/sipp-peers` for what no phone does at will."""

from pathlib import Path

import pytest
import trio

from sipcore.dialogs.effects import EndReason
from sipcore.endpoint.call import CallFailure
from sipcore.endpoint.incoming import IncomingRequest
from sipcore.events import CallChanged, CallConfirmed, CallEnded, CallUnchanged
from sipcore.message.address import Address
from sipcore.message.build import Identity
from sipcore.message.build import request as build_request
from sipcore.message.uri import SipUri, parse_uri
from sipcore.outgoing import Order
from sipcore.sdp.terms import SDP
from sipcore.transactions.timers import Timers
from tests.interop.lab import HOST, Lab
from tests.interop.phone import AUDIO, PATIENCE, TCP, UDP, phone, told, uri
from tests.interop.sipp import Sipp, listening


@pytest.fixture(params=[UDP, TCP], ids=lambda transport: transport.name)
def sipp(request: pytest.FixtureRequest, lab: Lab, tmp_path: Path) -> Sipp:
    """SIPp over each transport that it has as packaged."""
    return Sipp(lab, tmp_path, request.param)


def bob(port: int, sipp: Sipp) -> str:
    return uri("bob", port, sipp.transport)


# It calls


async def test_uac(lab: Lab, sipp: Sipp) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee, trio.open_nursery() as nursery:
            nursery.start_soon(sipp.call, callee.port(sipp.transport), ["-sn", "uac", "-d", "100"])
            call = await callee.rings()
            call.ring()
            call.accept(body=AUDIO, content_type=SDP)
            assert (await told(call, CallEnded)).reason is EndReason.REMOTE_HANG_UP
    assert callee.story() == ["←INVITE", "→180 INVITE", "→200 INVITE", "←ACK", "←BYE", "→200 BYE"]


async def test_branchc(lab: Lab, sipp: Sipp) -> None:
    """It registers, then calls; its pauses are shortened."""
    scenario = sipp.stock("branchc", **{'"5000"': '"100"', '"4000"': '"100"'})
    with trio.fail_after(PATIENCE):
        async with phone(lab, passes_unknown=True) as callee, trio.open_nursery() as nursery:
            nursery.start_soon(sipp.call, callee.port(sipp.transport), scenario)
            registering = await callee.endpoint.incoming().receive()
            assert isinstance(registering, IncomingRequest)
            registering.respond(200)
            call = await callee.rings()
            call.ring()
            call.accept(body=AUDIO, content_type=SDP)
            assert (await told(call, CallEnded)).reason is EndReason.REMOTE_HANG_UP
    assert callee.story("REGISTER") == ["←REGISTER", "→200 REGISTER"]


async def test_3pcc(lab: Lab, sipp: Sipp) -> None:
    """Two controllers join two phones: the offer of one becomes the offer to the other (RFC 3725 §4.1, flow I)."""
    port = lab.ports(1)
    between = f"{HOST}:{port}"
    with trio.fail_after(PATIENCE):
        async with phone(lab) as alice, phone(lab) as carol, trio.open_nursery() as nursery:
            nursery.start_soon(sipp.call, carol.port(sipp.transport), [*sipp.stock("3pcc-C-B"), "-3pcc", between])
            await listening(port, TCP)  # the other controller connects to this one, and tries once
            nursery.start_soon(sipp.call, alice.port(sipp.transport), [*sipp.stock("3pcc-C-A"), "-3pcc", between])
            first = await alice.rings()
            assert not first.invite.body
            first.accept(body=AUDIO, content_type=SDP)
            second = await carol.rings()
            assert second.invite.body.startswith(b"v=0")
            second.accept(body=AUDIO, content_type=SDP)
            await told(first, CallConfirmed)
            await told(second, CallConfirmed)
            assert first.remote.startswith(b"v=0")
            assert (await told(first, CallEnded)).reason is EndReason.REMOTE_HANG_UP
            assert (await told(second, CallEnded)).reason is EndReason.REMOTE_HANG_UP


async def test_it_requires_reliable_1xx_and_updates(lab: Lab, sipp: Sipp) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee, trio.open_nursery() as nursery:
            nursery.start_soon(sipp.call, callee.port(sipp.transport), sipp.scenario("caller-prack"))
            call = await callee.rings()
            call.ring(183, body=AUDIO, content_type=SDP)
            assert not (await told(call, CallChanged)).local
            call.accept()
            await told(call, CallConfirmed)
            assert not (await told(call, CallChanged)).local
            assert (await told(call, CallEnded)).reason is EndReason.REMOTE_HANG_UP
    assert callee.story("PRACK", "UPDATE") == [
        *["←PRACK", "→200 PRACK"],
        *["←UPDATE", "→200 UPDATE"] * 2,
    ]


async def test_it_leaves_the_offer_to_us(lab: Lab, sipp: Sipp) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee, trio.open_nursery() as nursery:
            nursery.start_soon(sipp.call, callee.port(sipp.transport), sipp.scenario("caller-delayed"))
            call = await callee.picks_up()
            assert call.remote.startswith(b"v=0\r\no=sipp")
            changed = await told(call, CallChanged)
            assert changed.message.body == call.remote
            await call.hang_up()
    assert [ack.body[:11] for ack in callee.received("ACK")] == [b"v=0\r\no=sipp"] * 2


async def test_its_session_is_too_short_and_it_refreshes(lab: Lab, sipp: Sipp) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab, min_session_interval=120) as callee, trio.open_nursery() as nursery:
            nursery.start_soon(sipp.call, callee.port(sipp.transport), sipp.scenario("caller-timer"))
            call = await callee.picks_up()
            await told(call, CallChanged)
            await told(call, CallChanged)
            assert (await told(call, CallEnded)).reason is EndReason.REMOTE_HANG_UP
    *accepted, ended = [response.headers.get("Session-Expires") for response in callee.answers(200)]
    assert accepted == ["120;refresher=uac"] * 3
    assert ended is None


async def test_it_gives_the_stream_up_and_wants_it_back(lab: Lab, sipp: Sipp) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee, trio.open_nursery() as nursery:
            nursery.start_soon(sipp.call, callee.port(sipp.transport), sipp.scenario("caller-streams"))
            call = await callee.picks_up()
            for _ in range(3):
                await told(call, CallChanged)
            assert (await told(call, CallEnded)).reason is EndReason.REMOTE_HANG_UP
    taken = [b"m=audio 0 " not in response.body for response in callee.answers(200)[:4]]
    assert taken == [True, False, True, True]


async def test_its_cancel_is_too_late(lab: Lab, sipp: Sipp) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee, trio.open_nursery() as nursery:
            nursery.start_soon(sipp.call, callee.port(sipp.transport), sipp.scenario("caller-late-cancel"))
            call = await callee.picks_up()
            ended = await told(call, CallEnded)
            assert ended.request is not None
            assert (ended.reason, ended.request.method) == (EndReason.REMOTE_HANG_UP, "BYE")
    assert callee.story("CANCEL") == ["←CANCEL", "→200 CANCEL"]
    assert "→487 INVITE" not in callee.story()


async def test_it_cancels(lab: Lab, sipp: Sipp) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as callee, trio.open_nursery() as nursery:
            nursery.start_soon(sipp.call, callee.port(sipp.transport), sipp.scenario("caller-early-cancel"))
            call = await callee.rings()
            call.ring()
            assert (await told(call, CallEnded)).reason is EndReason.CANCELLED
            await callee.sees("←ACK")


async def test_it_is_slow_to_acknowledge(lab: Lab, sipp: Sipp) -> None:
    """Over TCP, too, the 200 is repeated until the ACK comes (RFC 3261 §13.3.1.4): here, several times in a second."""
    scenario = [*sipp.scenario("caller-slow"), "-pause_msg_ign"]
    with trio.fail_after(PATIENCE):
        async with phone(lab, timers=Timers(t1=0.1)) as callee, trio.open_nursery() as nursery:
            nursery.start_soon(sipp.call, callee.port(sipp.transport), scenario)
            call = await callee.picks_up()
            assert (await told(call, CallEnded)).reason is EndReason.REMOTE_HANG_UP
    assert "→200 INVITE" in callee.repeated


# It is called


async def test_uas(lab: Lab, sipp: Sipp) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, sipp.answer(sipp.stock("uas", **{'"4000"': '"100"'})) as port:
            async with caller.call(bob(port, sipp)) as call:
                await call.answered()
            assert call.end_reason is EndReason.LOCAL_HANG_UP
    assert caller.story() == ["→INVITE", "←180 INVITE", "←200 INVITE", "→ACK", "→BYE", "←200 BYE"]


async def test_branchs(lab: Lab, sipp: Sipp) -> None:
    """The registration and the call have one Call-ID, by which SIPp tells calls apart."""
    scenario = sipp.stock("branchs", **{'"4000"': '"100"'})
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, sipp.answer(scenario) as port:
            target = parse_uri(bob(port, sipp))
            sender = Address(SipUri("nnl.cym", "ua2")).with_tag("1")
            to = Address(target)
            register = build_request("REGISTER", target, Identity(sender, to, "branchs", 1))
            assert (await caller.endpoint.request(Order(register, target, "ua2"))).response.status == 200
            identity = Identity(sender, to, "branchs", 2)
            invite = build_request("INVITE", target, identity, body=AUDIO, content_type=SDP)
            async with caller.endpoint.call(Order(invite, target, "ua2")) as call:
                await call.answered()
    assert caller.story("INVITE", "BYE")[-3:] == ["←200 INVITE", "→BYE", "←200 BYE"]


async def test_its_1xx_are_reliable_and_it_updates_before_the_answer(lab: Lab, sipp: Sipp) -> None:
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab) as caller,
            sipp.answer(sipp.scenario("callee-prack")) as port,
            caller.call(bob(port, sipp)) as call,
        ):
            assert not (await told(call, CallChanged)).local
            assert not (await call.answered()).body
    assert [prack.headers.get("RAck") for prack in caller.tap.sent("PRACK")] == ["7 1 INVITE", "8 1 INVITE"]
    assert caller.story("UPDATE") == ["←UPDATE", "→200 UPDATE"]


async def test_its_1xx_to_a_reinvite_are_reliable_and_another_one_is_taken_back(lab: Lab, sipp: Sipp) -> None:
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab) as caller,
            sipp.answer(sipp.scenario("callee-reinvite-prack")) as port,
            caller.call(bob(port, sipp)) as call,
        ):
            await call.answered()
            await call.hold()
            assert not call.is_over
            async with trio.open_nursery() as nursery:
                nursery.start_soon(call.resume)
                await caller.sees("←180 INVITE")
                nursery.cancel_scope.cancel()
            refused = await told(call, CallUnchanged)
            assert refused.response is not None
            assert refused.response.status == 487
        assert call.end_reason is EndReason.LOCAL_HANG_UP
    assert [prack.headers.get("RAck") for prack in caller.tap.sent("PRACK")] == ["7 2 INVITE"]
    assert caller.story("CANCEL") == ["→CANCEL", "←200 CANCEL"]


async def test_it_wants_longer_sessions_and_refreshes_one(lab: Lab, sipp: Sipp) -> None:
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab, session_interval=100) as caller,
            sipp.answer(sipp.scenario("callee-min-se")) as port,
            caller.call(bob(port, sipp)) as call,
        ):
            await call.answered()
            assert not (await told(call, CallChanged)).local
    first, second = caller.tap.sent("INVITE")
    assert (first.headers.get("Session-Expires"), second.headers.get("Session-Expires")) == ("100", "200")


async def test_two_changes_cross(lab: Lab, sipp: Sipp) -> None:
    """The caller made the Call-ID, so it waits for 2.1 to 4 seconds before it tries again (RFC 3261 §14.1)."""
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab) as caller,
            sipp.answer(sipp.scenario("callee-glare")) as port,
            caller.call(bob(port, sipp)) as call,
        ):
            await call.answered()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(call.hold)
                await caller.sees("←491 INVITE")
                caller.pass_time(4)
    assert caller.story("INVITE")[-5:] == ["←INVITE", "→491 INVITE", "←491 INVITE", "→INVITE", "←200 INVITE"]


async def test_it_has_not_heard_the_ack(lab: Lab, sipp: Sipp) -> None:
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab) as caller,
            sipp.answer([*sipp.scenario("callee-deaf"), "-pause_msg_ign"]) as port,
            caller.call(bob(port, sipp)) as call,
        ):
            await call.answered()
            await caller.sees("→ACK", 2)
    first, second = caller.tap.sent("ACK")
    assert bytes(first) == bytes(second)


async def test_it_does_not_know_the_call_any_more(lab: Lab, sipp: Sipp) -> None:
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab) as caller,
            sipp.answer(sipp.scenario("callee-rude")) as port,
            caller.call(bob(port, sipp)) as call,
        ):
            await call.answered()
            with pytest.raises(CallFailure, match="481"):
                await call.hold()
            await told(call, CallUnchanged)
            assert (await told(call, CallEnded)).reason is EndReason.GONE
