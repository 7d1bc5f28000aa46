"""Two of us with Sippy's B2BUA between: it is a callee to one and a caller to the other, and has a mind of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from sipcore.dialogs.effects import EndReason
from sipcore.endpoint.call import CallFailure
from sipcore.events import CallConfirmed, CallEnded, CallOffered, CallRedirected
from sipcore.message.address import Address
from sipcore.message.uri import parse_uri
from sipcore.sdp.terms import SDP, Direction
from tests.interop.b2bua import command
from tests.interop.conftest import REQUIRED, do_without
from tests.interop.lab import HOST, POLL_SECONDS, Lab, MissingError, Server, answers, process
from tests.interop.phone import AUDIO, PATIENCE, UDP, Phone, changed_remotely, direction, phone, told, uri

SENDRECV, SENDONLY, RECVONLY = Direction.SENDRECV, Direction.SENDONLY, Direction.RECVONLY


@dataclass(frozen=True, slots=True)
class Between:
    """A caller, a callee, and what the caller has to call to get to it through the B2BUA."""

    caller: Phone
    callee: Phone
    uri: str


@pytest.fixture
def between(lab: Lab, tmp_path: Path) -> "Opens":
    return Opens(lab, tmp_path)


@dataclass(frozen=True, slots=True)
class Opens:
    """What it takes to open both phones, with the B2BUA between."""

    lab: Lab
    folder: Path

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Between]:
        port = self.lab.ports(1)
        with trio.fail_after(PATIENCE):
            async with phone(self.lab) as caller, phone(self.lab) as callee:
                with process(_command(port, callee.port(UDP)), self.folder):
                    server = Server("sippy", "", HOST, port, tcp_port=0)
                    # It takes datagrams before it can do something with them, and never says a word on such an INVITE.
                    while not await trio.to_thread.run_sync(answers, server):  # noqa: ASYNC110  # it does not tell
                        await trio.sleep(POLL_SECONDS)
                    yield Between(caller, callee, uri("bob", port, UDP))


def _command(own: int, port: int) -> list[str]:
    try:
        return command(own, port, fetch=REQUIRED)
    except MissingError as missing:
        do_without(missing)


async def test_held_and_resumed_from_both_sides(between: Opens) -> None:
    async with between() as both:
        async with both.caller.call(both.uri) as call:
            other = await both.callee.rings()
            other.ring()
            await both.caller.sees("←180 INVITE")
            other.accept(body=AUDIO, content_type=SDP)
            await call.answered()
            await told(other, CallConfirmed)
            for holder, held in ((call, other), (other, call)):
                assert direction(await holder.hold()) in (RECVONLY, Direction.INACTIVE)
                assert direction((await changed_remotely(held)).message) is SENDONLY
                assert direction(await holder.resume()) is SENDRECV
                assert direction((await changed_remotely(held)).message) is SENDRECV
        assert (await told(other, CallEnded)).reason is EndReason.REMOTE_HANG_UP
        assert both.callee.story("BYE") == ["←BYE", "→200 BYE"]


async def test_the_callee_hangs_up(between: Opens) -> None:
    async with between() as both, both.caller.call(both.uri) as call:
        other = await both.callee.picks_up()
        await call.answered()
        await other.hang_up()
        assert (await told(call, CallEnded)).reason is EndReason.REMOTE_HANG_UP


@pytest.mark.parametrize("status", [486, 603])
async def test_refused(between: Opens, status: int) -> None:
    async with between() as both, both.caller.call(both.uri) as call:
        (await both.callee.rings()).reject(status)
        with pytest.raises(CallFailure, match=str(status)):
            await call.answered()
        await both.callee.sees("←ACK")


async def test_cancelled(between: Opens) -> None:
    async with between() as both:
        async with both.caller.call(both.uri):
            ringing = await both.callee.rings()
            ringing.ring()
            await both.caller.sees("←180 INVITE")
        assert (await told(ringing, CallEnded)).reason is EndReason.CANCELLED
        await both.callee.sees("←ACK")


async def test_redirected(between: Opens) -> None:
    """It passes the 302 on, and the caller goes where that says."""
    async with between() as both:
        carol = Address(parse_uri(both.callee.uri("carol")))
        async with both.caller.call(both.uri, redirects=1) as call:
            (await both.callee.rings()).reject(302, fields=[("Contact", carol)])
            assert (await told(call, CallRedirected)).target == carol.uri
            second = await both.callee.picks_up()
            await call.answered()
            assert str(second.invite.uri) == both.callee.uri("carol")


async def test_an_invite_without_an_offer(between: Opens) -> None:
    async with between() as both, both.caller.call(both.uri, offer=b"") as call:
        other = await both.callee.rings()
        other.accept(body=AUDIO, content_type=SDP)
        await told(call, CallOffered)
        call.answer(AUDIO)
        await told(other, CallConfirmed)
        assert other.remote
