"""The responder at work, on sockets of the loopback. Times are real, and short."""

import errno
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from itertools import count

import pytest
import trio

from probes.findings.finding import Severity
from probes.responder import run
from probes.responder.happening import Happening
from probes.responder.personas import Guard, Manner, Persona
from probes.responder.run import CannotListenError, open_responder
from probes.result import CallStatus
from sipcore.auth.choice import Account
from sipcore.auth.digest import Algorithm
from sipcore.auth.server import ServerPolicy, UserTable
from sipcore.auth.session import AuthSession
from sipcore.dialogs.effects import EndReason
from sipcore.endpoint.call import CallFailure, IncomingCall
from sipcore.endpoint.endpoint import Endpoint
from sipcore.endpoint.media import media
from sipcore.endpoint.media.media import open_media
from sipcore.errors import LocalError, TransportFailure
from sipcore.events import CallProgress
from sipcore.media.plan import MediaPlan
from sipcore.media.report import MediaEventKind
from sipcore.media.rtp import RtpPacket, pack
from sipcore.message.message import Response
from sipcore.message.registry import ALLOW, AUTHENTICATION_INFO, CONTENT_TYPE, SERVER, WWW_AUTHENTICATE
from sipcore.message.uri import parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.sdp.attributes import G729, PCMA, PCMU
from sipcore.sdp.build import audio_description, telephone_event_codec
from sipcore.sdp.description import SessionDescription
from sipcore.transports.connections import Transports
from tests.conftest import Injected
from tests.probes.responder.calling import (
    EVERYWHERE,
    HOST,
    MOMENT,
    QUICK,
    UDP,
    ask,
    dial,
    order_of,
    responding,
    result_of,
)
from tests.probes.responder.requests import offer


async def test_options_over_every_transport() -> None:
    async with responding(Persona(server="Demo/1"), EVERYWHERE) as (responder, endpoint, told):
        assert [transport for transport, _ in responder.addresses] == [Transport.UDP, Transport.TCP, Transport.TLS]
        for transport, address in responder.addresses:
            response = (await ask(endpoint, address, transport)).response
            assert response.status == 200
            assert response[SERVER] == "Demo/1"
            assert "INVITE" in response[ALLOW]
            description = SessionDescription.parse(response.body)
            assert [codec.encoding for codec in description.media[0].codecs[:2]] == ["PCMU", "PCMA"]
        assert [(each.method, each.status, each.flow.transport) for each in told] == [
            ("OPTIONS", 200, transport) for transport, _ in responder.addresses
        ]


async def test_options_without_a_body_where_none_is_accepted() -> None:
    async with responding(Persona(server="")) as (responder, endpoint, _):
        uri = parse_uri(f"sip:{responder.address(Transport.UDP)}")
        exchange = await endpoint.request(
            Order(endpoint.new_request("OPTIONS", uri, fields=[("Accept", "text/plain")]), uri)
        )
        assert exchange.response.status == 200
        assert exchange.response[CONTENT_TYPE] is None
        assert exchange.response[SERVER] is None


async def test_other_requests_are_refused() -> None:
    async with responding(Persona()) as (responder, endpoint, told):
        uri = parse_uri(f"sip:{responder.address(Transport.UDP)}")
        exchange = await endpoint.request(Order(endpoint.new_request("MESSAGE", uri), uri))
        assert (exchange.response.status, "INVITE" in exchange.response[ALLOW]) == (405, True)
        assert [(each.method, each.status) for each in told] == [("MESSAGE", 405)]


async def test_call_is_answered() -> None:
    async with responding(Persona(QUICK)) as (responder, _, told):
        placed = await dial(responder, "alice")
        assert (placed.status, placed.codec) == (CallStatus.CONNECTED, "PCMU")
        assert [entry.label for entry in placed.timeline if entry.label[0].isdigit()][-3:-1] == [
            "180 Ringing",
            "200 OK",
        ]
        await told.reach(1)
        result = result_of(told[0])
        assert (told[0].status, result.final_status, result.codec) == (200, 200, "PCMU")
        assert told[0].outcome.endswith("hung up there")


@pytest.mark.parametrize(("user", "status"), [("busy", 486), ("404", 404), ("reject", 403)])
async def test_call_is_refused(user: str, status: int) -> None:
    async with responding(Persona()) as (responder, _, told):
        assert (await dial(responder, user)).final_status == status
        await told.reach(1)
        assert [(each.called.split("@")[0], each.status) for each in told] == [(f"sip:{user}", status)]


async def test_call_is_sent_elsewhere() -> None:
    persona = Persona(Manner(status=302, contact=parse_uri("sip:bob@example.com")))
    async with responding(persona) as (responder, _, _):
        result = await dial(responder, "alice")
        assert result.final_status == 302
        assert "sip:bob@example.com" in result.why


async def test_call_is_hung_up_here() -> None:
    async with responding(Persona(Manner(hang_up_after=0.05))) as (responder, _, told):
        result = await dial(responder, "alice", hold=10.0)
        assert result.status is CallStatus.CONNECTED
        assert "hung up there" in result.why
        await told.reach(1)
        assert "hung up here" in told[0].outcome


async def test_call_that_nobody_answers_is_cancelled() -> None:
    async with responding(Persona()) as (responder, _, told):
        assert (await dial(responder, "ring", ring_timeout=0.1)).status is CallStatus.NO_ANSWER
        await told.reach(1)
        assert told[0].status == 487
        assert told[0].outcome.startswith("cancelled by the caller after 0.")


async def test_early_media() -> None:
    async with responding(Persona(Manner(early_media=True, delay=0.1))) as (responder, endpoint, _):
        early: list[Response] = []
        async with endpoint.call(order_of(endpoint, responder, "a", offer())) as call:
            async for event in call:
                if isinstance(event, CallProgress):
                    early.append(event.response)
                else:
                    break
        assert [response.status for response in early if response.body] == [183]


async def test_call_without_an_offer_gets_one() -> None:
    async with responding(Persona()) as (responder, endpoint, _):
        async with endpoint.call(order_of(endpoint, responder, "a", b"")) as call:
            answered = await call.answered()
        assert SessionDescription.parse(answered.body).media[0].is_reachable


async def test_no_common_codec() -> None:
    async with responding(Persona(codecs=(G729,))) as (responder, _, _):
        result = await dial(responder, "alice")
        assert result.final_status == 488
        assert "none of the codecs here: G729" in result.advice


async def test_an_offer_that_cannot_be_answered_is_refused() -> None:
    odd = offer(PCMU) + b"m=x[y 1 RTP/AVP 0\r\n"
    async with responding(Persona()) as (responder, endpoint, told):
        async with endpoint.call(order_of(endpoint, responder, "a", odd)) as call:
            await call.over()
        await told.reach(1)
        assert [each.status for each in told] == [488]
        assert told[0].outcome


@pytest.mark.parametrize("offers", [True, False])
async def test_media_is_sent_back(offers: bool) -> None:
    """By the offer, and, where there is none, by the answer in the ACK."""
    async with responding(Persona()) as (responder, endpoint, _), open_media() as lines:
        with lines.open(HOST) as line:
            body = described(line.address) if offers else b""
            async with endpoint.call(order_of(endpoint, responder, "a", body)) as call:
                answer = SessionDescription.parse((await call.answered()).body)
                if not offers:
                    call.answer(described(line.address))
                line.start(
                    MediaPlan(SocketAddress(HOST, answer.media[0].port), PCMU, telephone_event_codec(101, [PCMU]))
                )
                line.press("5")
                while not line.result().keys:  # noqa: ASYNC110  # a line tells of few things as they happen
                    await trio.sleep(0.01)
                assert line.result().codec in ("PCMU", "")
                await call.hang_up()


def described(address: SocketAddress) -> bytes:
    return bytes(
        audio_description(address=address.host, port=address.port, session_id=1, session_version=1, codecs=[PCMU])
    )


async def test_a_call_that_cannot_be_served_ends_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    accept = IncomingCall.accept

    def accept_but_once(call: IncomingCall, **parts: object) -> None:
        monkeypatch.setattr(IncomingCall, "accept", accept)
        raise LocalError("it cannot be accepted", section="RFC 3261 §13.3.1.4")

    monkeypatch.setattr(IncomingCall, "accept", accept_but_once)
    async with responding(Persona()) as (responder, _, told):
        assert (await dial(responder, "a")).status is not CallStatus.CONNECTED
        await told.reach(1)
        assert (told[0].status, "cannot be accepted" in told[0].outcome) == (480, True)
        assert (await dial(responder, "b")).status is CallStatus.CONNECTED


async def test_a_mistake_over_a_change_costs_that_change(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise Injected("of a peer")

    async with responding(Persona()) as (responder, endpoint, told), trio_udp() as (_, port):
        body = offer(PCMU, address=HOST, port=port)
        async with endpoint.call(order_of(endpoint, responder, "a", body)) as call:
            await call.answered()
            monkeypatch.setattr("sipcore.endpoint.media.leg.agreement", broken)
            await call.hold()
            await call.resume()
        await told.reach(1)
        assert "own-fault" in [finding.code for finding in result_of(told[0]).findings]
        monkeypatch.undo()
        assert (await dial(responder, "b")).status is CallStatus.CONNECTED


@pytest.mark.parametrize("where", ["plan_call", "visit.run.concluded", "visit.run.Leg"])
async def test_a_mistake_over_a_call_costs_that_call(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise Injected("of a peer")

    name = where if "." in where else f"run.{where}"
    async with responding(Persona()) as (responder, _, told):
        turn = responder.expect(Persona())
        monkeypatch.setattr(f"probes.responder.{name}", broken)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(dial, responder, "a", hold=0.05))
            await told.reach(1)
            monkeypatch.undo()
            if turn.began.is_set():
                assert "made a mistake" in (await turn.result(5.0)).why
        assert told[0].status == (None if where == "visit.run.concluded" else 500)
        assert "made a mistake" in told[0].outcome
        assert (await dial(responder, "b")).status is CallStatus.CONNECTED


async def test_a_mistake_over_a_request_costs_that_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise Injected("of a peer")

    async with responding(Persona()) as (responder, endpoint, told):
        address = responder.address(Transport.UDP)
        monkeypatch.setattr("probes.responder.run.answer_options", broken)
        assert (await ask(endpoint, address)).response.status == 500
        monkeypatch.undo()
        assert (await ask(endpoint, address)).response.status == 200
        assert [each.status for each in told] == [500, 200]


async def test_a_mistake_of_who_says_nothing_costs_that_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise Injected("of a peer")

    async with responding(Persona(silent=True)) as (responder, endpoint, told):
        address = responder.address(Transport.UDP)
        monkeypatch.setattr("probes.responder.silence.parties", broken)
        with trio.move_on_after(MOMENT):
            await ask(endpoint, address)
        monkeypatch.undo()
        with trio.move_on_after(2):
            await ask(endpoint, address)
        assert told


@pytest.mark.parametrize(("listener", "silent"), [("report", False), ("report", True), ("on_entry", False)])
async def test_what_an_owners_listener_raises_is_raised(listener: str, silent: bool) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("of the owner's")

    async def serve() -> None:
        async with (
            open_responder(Persona(silent=silent), UDP, **{listener: broken}) as responder,  # type: ignore[arg-type]
            Endpoint() as endpoint,
        ):
            with suppress(TransportFailure):
                if listener == "report":
                    await ask(endpoint, responder.address(Transport.UDP))
                else:
                    await dial(responder, "a")
            await trio.sleep_forever()

    with trio.fail_after(20), pytest.raises(ZeroDivisionError, match="of the owner's"):
        await serve()


async def test_media_goes_back_to_its_sender() -> None:
    async with responding(Persona()) as (responder, endpoint, _), trio_udp() as (rtp, port), trio_udp() as (other, _):
        body = offer(PCMU, address=HOST, port=port)
        async with endpoint.call(order_of(endpoint, responder, "a", body)) as call:
            description = SessionDescription.parse((await call.answered()).body)
            where = (HOST, description.media[0].port)
            assert where[1] % 2 == 0
            packet = pack(0, 7, 160, 1, b"sound")
            await rtp.sendto(b"not RTP, for it has another version", where)
            await rtp.sendto(packet, where)
            data, sender = await rtp.recvfrom(100)
            first = RtpPacket.parse(data)
            assert (first.payload, sender) == (b"sound", where)
            assert first.ssrc != 1, "it is another stream, and counted apart"
            await other.sendto(packet, where)  # forged: whoever comes second gets nothing
            await rtp.sendto(b"RTCP", (HOST, where[1] + 1))
            await rtp.sendto(pack(0, 9, 480, 1, b"more"), where)
            second = RtpPacket.parse((await rtp.recvfrom(100))[0])
            assert (second.payload, (second.timestamp - first.timestamp) % 2**32) == (b"more", 320)
            assert (second.sequence - first.sequence) % 2**16 == 1
            with trio.move_on_after(MOMENT) as waiting:
                await other.recvfrom(100)
            assert waiting.cancelled_caught


async def test_media_stays_away_from_who_wants_none() -> None:
    async with responding(Persona()) as (responder, endpoint, _), trio_udp() as (rtp, port):
        body = offer(PCMU, address=HOST, port=port).replace(b"sendrecv", b"sendonly")
        async with endpoint.call(order_of(endpoint, responder, "a", body)) as call:
            description = SessionDescription.parse((await call.answered()).body)
            await rtp.sendto(bytes([0x80]) + bytes(20), (HOST, description.media[0].port))
            with trio.move_on_after(MOMENT) as waiting:
                await rtp.recvfrom(100)
            assert waiting.cancelled_caught


@pytest.mark.parametrize("offers", [True, False])
async def test_who_is_held_sends_nothing(offers: bool) -> None:
    async with responding(Persona()) as (responder, endpoint, told), trio_udp() as (rtp, port):
        body = offer(PCMU, address=HOST, port=port)
        async with endpoint.call(order_of(endpoint, responder, "a", body if offers else b"")) as call:
            description = SessionDescription.parse((await call.answered()).body)
            if not offers:
                call.answer(body)

            async def comes_back(sequence: int) -> bool:
                await rtp.sendto(pack(0, sequence, 160 * sequence, 1, b"sound"), (HOST, description.media[0].port))
                with trio.move_on_after(MOMENT) as waiting:
                    await rtp.recvfrom(100)
                return not waiting.cancelled_caught

            sequences = count()
            assert await comes_back(next(sequences))
            await call.hold()
            while await comes_back(next(sequences)):
                pass  # one that crosses the re-INVITE
            await call.resume()
            while not await comes_back(next(sequences)):
                pass
        await told.reach(1)
        result = result_of(told[0])
        assert not result.media_problem
        assert [finding.code for finding in result.findings if finding.severity is Severity.ERROR] == []
        changes = [entry.event.kind for entry in result.timeline if entry.event is not None]
        assert {MediaEventKind.HELD, MediaEventKind.TAKEN_OFF_HOLD} <= set(changes)


@asynccontextmanager
async def trio_udp() -> AsyncIterator[tuple[trio.socket.SocketType, int]]:
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        await sock.bind((HOST, 0))
        yield sock, sock.getsockname()[1]


def guarded(*, proxy: bool = False, algorithms: tuple[Algorithm, ...] = (Algorithm.SHA_256, Algorithm.MD5)) -> Persona:
    return Persona(guard=Guard(ServerPolicy("demo", algorithms, proxy=proxy), UserTable({"alice": "secret"})))


@pytest.mark.parametrize("proxy", [False, True])
@pytest.mark.parametrize("algorithm", [Algorithm.MD5, Algorithm.SHA_256, Algorithm.SHA_512_256])
async def test_digest(proxy: bool, algorithm: Algorithm) -> None:
    account = Account("alice", "secret", hosts=[HOST], realm="demo")
    async with responding(guarded(proxy=proxy, algorithms=(algorithm,))) as (responder, endpoint, told):
        exchange = await ask(endpoint, responder.address(Transport.UDP), auth=AuthSession(account))
        assert exchange.response.status == 200
        assert ("Proxy-Authentication-Info" if proxy else AUTHENTICATION_INFO.name) in exchange.response.headers
        assert (await dial(responder, "echo", account=account)).status is CallStatus.CONNECTED
        await told.reach(4)
        challenge = 407 if proxy else 401
        assert [each.status for each in told] == [challenge, 200, challenge, 200]
        assert told[0].outcome == "no credentials for this realm"


async def test_digest_with_a_wrong_password() -> None:
    account = Account("alice", "wrong", hosts=[HOST])
    async with responding(guarded()) as (responder, endpoint, told):
        exchange = await ask(endpoint, responder.address(Transport.UDP), auth=AuthSession(account))
        assert exchange.response.status == 401
        assert [challenge.algorithm for challenge in exchange.response[WWW_AUTHENTICATE]] == ["SHA-256", "MD5"]
        assert told[-1].outcome == "the proof is wrong"
        assert (await dial(responder, "echo", account=account)).status is CallStatus.FAILED


async def test_digest_that_cannot_be_read() -> None:
    async with responding(guarded()) as (responder, endpoint, _):
        uri = parse_uri(f"sip:{responder.address(Transport.UDP)}")
        odd = endpoint.new_request("OPTIONS", uri, fields=[("Authorization", "???")])
        assert (await endpoint.request(Order(odd, uri))).response.status == 400


async def test_silence() -> None:
    async with responding(Persona(silent=True), EVERYWHERE) as (responder, endpoint, told):
        for transport, address in responder.addresses:
            with trio.move_on_after(MOMENT + 0.3) as waiting:
                await ask(endpoint, address, transport)
            assert waiting.cancelled_caught
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
            plain.sendto(b"nonsense", (HOST, responder.address(Transport.UDP).port))
        assert {each.flow.transport for each in told} == {Transport.UDP, Transport.TCP, Transport.TLS}
        assert {each.status for each in told} == {None}


async def test_calls_are_ended_when_it_stops() -> None:
    told: list[Happening] = []
    with trio.fail_after(20):
        async with Endpoint() as endpoint, AsyncExitStack() as calls:
            async with open_responder(Persona(), UDP, told.append) as responder:
                up = await calls.enter_async_context(endpoint.call(order_of(endpoint, responder, "echo", offer())))
                await up.answered()
                ringing = await calls.enter_async_context(endpoint.call(order_of(endpoint, responder, "ring", offer())))
                async for event in ringing:
                    if isinstance(event, CallProgress) and event.response.status == 180:
                        break
            await up.over()
            await ringing.over()
            assert up.end_reason is EndReason.REMOTE_HANG_UP
    assert sorted((result_of(each).final_status, result_of(each).ended_by) for each in told) == [
        (200, "hung up here"),
        (480, "rejected here"),
    ]


async def test_an_address_in_use() -> None:
    async with open_responder(Persona(), UDP) as responder:
        taken = responder.address(Transport.UDP)
        with pytest.raises(CannotListenError, match=rf"udp {taken}: .*; stop the program that listens there"):
            async with open_responder(Persona(), [(Transport.UDP, taken)]):
                pytest.fail("it is taken")


@pytest.mark.parametrize("silent", [False, True])
async def test_an_address_of_another_machine(silent: bool) -> None:
    with pytest.raises(CannotListenError, match="no address of this machine"):
        async with open_responder(Persona(silent=silent), [(Transport.TCP, SocketAddress("192.0.2.1", 0))]):
            pytest.fail("there is no such address")


async def test_a_port_for_the_privileged(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(transports: Transports, transport: Transport, address: SocketAddress) -> SocketAddress:
        cause = PermissionError(errno.EACCES, "Permission denied")
        raise LocalError(f"cannot receive at {address}: {cause.strerror}", section="RFC 3261 §18.2.1") from cause

    monkeypatch.setattr(Transports, "bind", refuse)
    with pytest.raises(CannotListenError, match=r"denied; ports below 1024 need privileges"):
        async with open_responder(Persona(), [(Transport.UDP, SocketAddress(HOST, 80))]):
            pytest.fail("it is not allowed")


async def test_no_more_calls_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MAX_CALLS", 1)
    async with responding(Persona()) as (responder, endpoint, told):
        async with endpoint.call(order_of(endpoint, responder, "a", offer())) as call:
            await call.answered()
            assert (await dial(responder, "b")).final_status == 503
            await told.reach(1)
        assert (told[0].status, "too many calls at once" in told[0].outcome) == (503, True)
        await told.reach(2)
        assert (await dial(responder, "c")).status is CallStatus.CONNECTED


async def test_no_call_lasts_for_ever() -> None:
    async with responding(Persona(longest=0.05)) as (responder, _, told):
        assert "hung up there" in (await dial(responder, "a", hold=10.0)).why
        await told.reach(1)
        assert "hung up here" in told[0].outcome


async def test_the_media_of_a_call_is_measured_here_too() -> None:
    async with responding(Persona(codecs=(PCMA,))) as (responder, _, told):
        placed = await dial(responder, "a", hold=0.4)
        await told.reach(1)
    answered = result_of(told[0])
    media = answered.media
    assert media is not None
    assert placed.media is not None
    assert (media.codec, media.keying, media.ptime) == ("PCMA", "none", 0.02)
    received = media.measured.received
    assert received is not None
    assert received.packets == placed.media.measured.sent.packets == media.measured.sent.packets
    assert received.lost == 0
    assert media.first_received is not None
    assert (answered.answer_time is None, answered.ended_by) == (False, "hung up there")


async def test_a_call_that_is_refused_has_no_media() -> None:
    async with responding(Persona()) as (responder, _, told):
        await dial(responder, "busy")
        await told.reach(1)
        refused = result_of(told[0])
        assert (refused.media, refused.answer_time) == (None, None)


async def test_no_port_for_media(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "PORT_ATTEMPTS", 0)
    async with responding(Persona()) as (responder, endpoint, told):
        async with endpoint.call(order_of(endpoint, responder, "a", offer())) as call:
            with pytest.raises(CallFailure, match="503"):
                await call.answered()
        await told.reach(1)
        assert "no two free ports" in told[0].outcome


async def test_what_goes_wrong_beside_it_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_responder(Persona(), UDP):
            raise ZeroDivisionError


async def test_a_transport_that_is_not_served() -> None:
    async with open_responder(Persona(), UDP) as responder:
        with pytest.raises(LocalError, match="does not listen on tcp"):
            responder.address(Transport.TCP)
