"""A call that Kamailio forks to two baresips which have registered as the same user (RFC 3261 §13.2.2.4, §16.7)."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio

from sipcore.dialogs.effects import EndReason
from sipcore.events import CallEnded, CallFailed
from sipcore.resolve.target import Transport
from tests.interop.lab import Lab, Server
from tests.interop.phone import PATIENCE, TRANSPORTS, Phone, at, phone, told
from tests.interop.softphones import Baresip, baresip


@asynccontextmanager
async def two_phones(
    lab: Lab, folder: Path, kamailio: Server, user: str, answers: str = "manual"
) -> AsyncIterator[list[Baresip]]:
    """Two baresips that one call reaches. Each test has a user of its own, since bindings outlive it."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(baresip(lab, folder / name, user, registrar=kamailio, answers=answers))
            for name in ("desk", "mobile")
        ]


def tags(caller: Phone, status: int) -> set[str | None]:
    """The To tags of the responses to INVITE with a status."""
    heard = caller.tap.log
    responses = [message for way, _, message in heard if way.value == "received"]
    return {each.to_tag for each in responses if each.cseq.method == "INVITE" and getattr(each, "status", 0) == status}


@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.name)
async def test_both_ring_and_one_answers(lab: Lab, kamailio: Server, tmp_path: Path, transport: Transport) -> None:
    user = f"forked-{transport.name.lower()}"
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, two_phones(lab, tmp_path, kamailio, user) as (desk, mobile):
            async with caller.call(at(kamailio, user, transport)) as call:
                await desk.tells("CALL_INCOMING")
                await caller.sees("←180 INVITE", 2)
                assert len(tags(caller, 180)) == 2
                await mobile.answer()
                answered = await call.answered()
                await desk.tells("CALL_CLOSED")
                assert "CALL_ESTABLISHED" not in desk.events
                assert tags(caller, 200) == {answered.to_tag} < tags(caller, 180)
                await call.hold()
                await call.resume()
            await mobile.tells("CALL_CLOSED")
    assert len(caller.tap.sent("BYE")) == 1
    assert not caller.tap.sent("CANCEL")


async def test_both_answer_at_once(lab: Lab, kamailio: Server, tmp_path: Path) -> None:
    """They pick up by themselves, before any CANCEL can get there. The second 2xx is acknowledged and ended."""
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, two_phones(lab, tmp_path, kamailio, "both-answer", "auto") as both:
            async with caller.call(at(kamailio, "both-answer")) as call:
                answered = await call.answered()
                await caller.sees("←200 INVITE", 2)
                await caller.sees("←200 BYE")
                (other,) = tags(caller, 200) - {answered.to_tag}
                assert [bye.to_tag for bye in caller.tap.sent("BYE")] == [other]
                assert {ack.to_tag for ack in caller.tap.sent("ACK")} == {other, answered.to_tag}
                await call.hold()
                assert not call.is_over
            assert call.end_reason is EndReason.LOCAL_HANG_UP
            for each in both:
                await each.tells("CALL_CLOSED")


async def test_the_caller_gives_up_while_both_ring(lab: Lab, kamailio: Server, tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as caller, two_phones(lab, tmp_path, kamailio, "given-up") as (desk, mobile):
            async with caller.call(at(kamailio, "given-up")) as call:
                await caller.sees("←180 INVITE", 2)
            assert (await told(call, CallEnded)).reason is EndReason.LOCAL_HANG_UP
            await desk.tells("CALL_CLOSED")
            await mobile.tells("CALL_CLOSED")
    assert caller.story("CANCEL") == ["→CANCEL", "←200 CANCEL"]
    assert caller.story("INVITE").count("←487 INVITE") == 1


async def test_both_refuse(lab: Lab, kamailio: Server, tmp_path: Path) -> None:
    """Kamailio waits for both, and passes one refusal on."""
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab) as caller,
            two_phones(lab, tmp_path, kamailio, "refused") as (desk, mobile),
            caller.call(at(kamailio, "refused")) as call,
        ):
            await caller.sees("←180 INVITE", 2)
            await desk.hang_up()
            await desk.tells("CALL_CLOSED")
            assert not call.is_over
            await mobile.hang_up()
            failed = await told(call, CallFailed)
            assert failed.response is not None
            assert failed.response.status >= 400
    assert len([entry for entry in caller.story("INVITE") if entry[1] in "456"]) == 1
