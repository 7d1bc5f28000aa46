"""baresip and linphone: called by us and calling us, directly and through Kamailio, over each transport they have."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from sipcore.auth.choice import Account
from sipcore.auth.session import AuthSession
from sipcore.dialogs.effects import EndReason
from sipcore.events import CallEnded, CallFailed, CallOffered, CallRequested
from sipcore.message.address import Address
from sipcore.message.registry import REFER_TO, SESSION_EXPIRES
from sipcore.message.uri import SipUri, parse_uri
from sipcore.registration.binding import Registration
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.sdp.terms import SDP, Direction
from tests.interop.clients import PASSWORD
from tests.interop.lab import Lab, Server
from tests.interop.phone import AUDIO, PATIENCE, TCP, TLS, UDP, Phone, at, changed_remotely, direction, phone, told
from tests.interop.softphones import Baresip, Linphone, baresip, linphone

SENDRECV, SENDONLY, RECVONLY = Direction.SENDRECV, Direction.SENDONLY, Direction.RECVONLY
Softphone = Baresip | Linphone
Opens = Callable[..., AbstractAsyncContextManager[Softphone]]


@dataclass(frozen=True, slots=True)
class Way:
    """How two phones reach each other."""

    opens: Opens
    transport: Transport
    proxy: Server | None

    @property
    def registrar(self) -> dict[str, object]:
        """Where the other phone registers."""
        return {"registrar": self.proxy, "transport": self.transport} if self.proxy else {}

    def to(self, other: Softphone) -> str:
        """What to call the other phone by."""
        return at(self.proxy, "other", self.transport) if self.proxy else other.uri("other", self.transport)

    @asynccontextmanager
    async def registered(self, own: Phone) -> AsyncIterator[str]:
        """What the other phone is to call `own` by."""
        if self.proxy is None:
            yield own.uri(transport=self.transport)
            return
        aor = Address(SipUri(self.proxy.host, "bob", self.proxy.udp_port))
        auth = AuthSession(Account("bob", PASSWORD, hosts=[self.proxy.host]))
        port = self.proxy.tls_port if self.transport is TLS else self.proxy.udp_port
        assert port is not None
        hop = Hop(self.transport, SocketAddress(self.proxy.host, port))
        async with own.endpoint.register(Registration(aor), auth=auth, user="bob", hop=hop) as registered:
            await registered.binding()
            yield str(aor.uri)


@pytest.fixture(
    params=[
        *[(opens, transport, "") for opens, transport in ((baresip, UDP), (baresip, TCP), (baresip, TLS))],
        *[(opens, transport, "") for opens, transport in ((linphone, UDP), (linphone, TCP))],
        *[(baresip, transport, "kamailio") for transport in (UDP, TCP, TLS)],
        *[(linphone, transport, "kamailio") for transport in (UDP, TCP)],
    ],
    ids=lambda each: f"{each[0].__name__}-{each[1].name}{'-' if each[2] else ''}{each[2]}",
)
def way(request: pytest.FixtureRequest) -> Way:
    """Each phone over each transport that it has as packaged, directly or through Kamailio."""
    opens, transport, proxy = request.param
    return Way(opens, transport, request.getfixturevalue(proxy) if proxy else None)


async def test_the_other_phone_is_called(lab: Lab, tmp_path: Path, way: Way) -> None:
    """Both sides hold and resume; the other phone hangs up."""
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab) as own,
            way.opens(lab, tmp_path, "other", **way.registrar) as other,
            own.call(way.to(other)) as call,
        ):
            await own.sees("←180 INVITE")
            await other.answer()
            await call.answered()
            await other.hold()
            assert direction((await changed_remotely(call)).message) is SENDONLY
            await other.resume()
            assert direction((await changed_remotely(call)).message) is SENDRECV
            assert direction(await call.hold()) in (RECVONLY, Direction.INACTIVE)
            assert direction(await call.resume()) is SENDRECV
            await other.hang_up()
            assert (await told(call, CallEnded)).reason is EndReason.REMOTE_HANG_UP
    assert own.story("BYE")[:2] == ["←BYE", "→200 BYE"]  # linphone may say it more than once
    assert not own.tap.sent("BYE")
    assert own.story("CANCEL") == []


async def test_the_other_phone_calls(lab: Lab, tmp_path: Path, way: Way) -> None:
    """Both sides hold and resume; we hang up."""
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab) as own,
            way.opens(lab, tmp_path, "other", **way.registrar) as other,
            way.registered(own) as uri,
        ):
            await other.dial(uri)
            call = await own.rings()
            call.ring()
            call.accept(body=AUDIO, content_type=SDP)
            await own.sees("←ACK")
            assert direction(await call.hold()) in (RECVONLY, Direction.INACTIVE)
            assert direction(await call.resume()) is SENDRECV
            await other.hold()
            assert direction((await changed_remotely(call)).message) is SENDONLY
            await other.resume()
            assert direction((await changed_remotely(call)).message) is SENDRECV
            await call.hang_up()
            assert call.end_reason is EndReason.LOCAL_HANG_UP
    assert own.story("INVITE")[:3] == ["←INVITE", "→180 INVITE", "→200 INVITE"]
    assert own.story("BYE") == ["→BYE", "←200 BYE"]


# What becomes of a call otherwise


@pytest.fixture(params=[(baresip, UDP), (linphone, TCP)], ids=lambda each: f"{each[0].__name__}-{each[1].name}")
def direct(request: pytest.FixtureRequest) -> Way:
    """Each phone, over one transport."""
    opens, transport = request.param
    return Way(opens, transport, None)


async def test_it_refuses(lab: Lab, tmp_path: Path, direct: Way) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as own, direct.opens(lab, tmp_path, "other") as other, own.call(direct.to(other)) as call:
            await own.sees("←180 INVITE")
            await other.hang_up()
            failed = await told(call, CallFailed)
            assert failed.response is not None
            assert failed.response.status in (486, 603)


async def test_we_give_up(lab: Lab, tmp_path: Path, direct: Way) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as own, direct.opens(lab, tmp_path, "other") as other:
            async with own.call(direct.to(other)):
                await own.sees("←180 INVITE")
            await own.sees("→ACK")
    assert own.story("CANCEL") == ["→CANCEL", "←200 CANCEL"]
    assert "←487 INVITE" in own.story()


async def test_it_gives_up(lab: Lab, tmp_path: Path, direct: Way) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as own, direct.opens(lab, tmp_path, "other") as other:
            await other.dial(own.uri(transport=direct.transport))
            call = await own.rings()
            call.ring()
            await other.hears_ringing()
            await other.hang_up()
            assert (await told(call, CallEnded)).reason is EndReason.CANCELLED
            await own.sees("←ACK")


async def test_we_refuse(lab: Lab, tmp_path: Path, direct: Way) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as own, direct.opens(lab, tmp_path, "other") as other:
            await other.dial(own.uri(transport=direct.transport))
            (await own.rings()).reject(486)
            await own.sees("←ACK")


async def test_we_redirect_it(lab: Lab, tmp_path: Path, direct: Way) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as own, phone(lab) as carol, direct.opens(lab, tmp_path, "other") as other:
            await other.dial(own.uri(transport=direct.transport))
            moved = Address(parse_uri(carol.uri("carol", direct.transport)))
            (await own.rings()).reject(302, fields=[("Contact", moved)])
            call = await carol.picks_up()
            await call.hang_up()


async def test_we_leave_the_offer_to_it(lab: Lab, tmp_path: Path, direct: Way) -> None:
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab) as own,
            direct.opens(lab, tmp_path, "other") as other,
            own.call(direct.to(other), offer=b"") as call,
        ):
            await other.answer()
            await told(call, CallOffered)
            call.answer(AUDIO)
            await own.sees("→ACK")
            assert direction(await call.hold()) in (RECVONLY, Direction.INACTIVE)


async def test_we_transfer_it(lab: Lab, tmp_path: Path, direct: Way) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as own, phone(lab) as carol, direct.opens(lab, tmp_path, "other") as other:
            async with own.call(direct.to(other)) as call, trio.open_nursery() as nursery:
                await other.answer()
                await call.answered()
                nursery.start_soon(carol.picks_up)
                assert await call.transfer(parse_uri(carol.uri("carol", direct.transport))) in (200, 202)
            assert carol.received("INVITE")


async def test_it_transfers_us(lab: Lab, tmp_path: Path, direct: Way) -> None:
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab) as own,
            phone(lab) as carol,
            direct.opens(lab, tmp_path, "other") as other,
            trio.open_nursery() as nursery,
            own.call(direct.to(other)) as call,
        ):
            await other.answer()
            await call.answered()
            nursery.start_soon(carol.picks_up)
            await other.transfer(carol.uri("carol"))
            asked = await told(call, CallRequested)
            refer_to = asked.request[REFER_TO]
            assert refer_to is not None
            call.respond(asked, 202)
            async with own.call(str(refer_to.uri)) as new:
                await new.answered()
                assert (await call.notify_refer(200)).response.status == 200


async def test_linphone_leaves_the_offer_to_us(lab: Lab, tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with phone(lab) as own, linphone(lab, tmp_path, "other", sdp_200_ack=1) as other:
            await other.dial(own.uri())
            call = await own.picks_up()
            assert not call.invite.body
            assert call.remote.startswith(b"v=0")
            await call.hang_up()


async def test_linphone_wants_a_longer_session(lab: Lab, tmp_path: Path) -> None:
    enabled: dict[str, Any] = {"session_expires_enabled": 1, "session_expires_value": 200}
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab, session_interval=100) as own,
            linphone(lab, tmp_path, "other", **enabled, session_expires_min_value=200) as other,
            own.call(other.uri("other")) as call,
        ):
            await other.answer()
            expires = (await call.answered())[SESSION_EXPIRES]
            assert expires is not None
            assert expires.seconds == 200
    assert own.story("INVITE")[:3] == ["→INVITE", "←100 INVITE", "←422 INVITE"]


async def test_the_session_of_linphone_is_too_short(lab: Lab, tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with (
            phone(lab, min_session_interval=180) as own,
            linphone(lab, tmp_path, "other", session_expires_enabled=1, session_expires_value=120) as other,
        ):
            await other.dial(own.uri())
            call = await own.picks_up()
            await call.hang_up()
    assert own.story("INVITE")[:2] == ["←INVITE", "→422 INVITE"]
