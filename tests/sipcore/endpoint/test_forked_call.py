"""A call that several callees ring for, as an object: what comes of each belongs to each (RFC 3261 §12.1.2)."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from sipcore.endpoint.call import Call, CallFailure
from sipcore.errors import LocalError
from sipcore.events import CallChanged, CallProgress, CallRequested, CallUnchanged
from sipcore.message.build import Identity
from sipcore.message.build import request as build_request
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.message.method import INVITE
from sipcore.message.parser import parse_message
from sipcore.message.uri import SipUri, parse_uri
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.sdp.terms import SDP, Direction
from tests.sipcore.endpoint.test_call import CALLEE, direction, endpoint, invite

TAGS = ("b", "c")


class Callees:
    """At one address, two who ring. Both are as talkative as the test makes them."""

    def __init__(self, sock: trio.socket.SocketType, *, agree: bool = False) -> None:
        """With `agree`, each has agreed on a session before the call is answered."""
        self._sock = sock
        self._agree = agree
        self._own = SocketAddress(*sock.getsockname())
        self._caller: tuple[str, int] | None = None
        self._invite: Request | None = None
        self.came: list[Request] = []
        """The requests inside a dialog."""
        self.answers: Callable[[Request], int] = lambda _: 200
        """With what they are answered; 0 for nothing."""
        self._asked = {tag: trio.Event() for tag in TAGS}

    async def run(self) -> None:
        while True:
            data, self._caller = await self._sock.recvfrom(65536)
            message = parse_message(data)
            if isinstance(message, Request) and message.method == INVITE:
                self._invite = message
                for tag in TAGS:
                    reliable = (("Require", "100rel"), ("RSeq", 1)) if self._agree else ()
                    await self.respond(message, 180, tag, ("Allow", "UPDATE"), *reliable)
            elif isinstance(message, Request) and message.to_tag:
                self.came.append(message)
                self._asked[message.to_tag].set()
                if status := self.answers(message):
                    await self.respond(message, status)

    async def respond(self, request: Request, status: int, tag: str = "", *fields: tuple[str, object]) -> None:
        told = [("Contact", f"<sip:{self._own}>"), *fields]
        body = bytes(CALLEE) if self._agree and request.body and status < 300 else b""
        await self._send(
            build_response(request, status, tag=tag, fields=told, body=body, content_type=SDP if body else "")
        )

    async def asked(self, tag: str) -> None:
        """Wait until one of them is asked for something."""
        await self._asked[tag].wait()

    async def answer_late(self, status: int, tag: str) -> None:
        """Answer the last request to one of them."""
        await self.respond([request for request in self.came if request.to_tag == tag][-1], status)

    async def refuse(self) -> None:
        """Refuse the call, as the proxy that has forked it does for all of them."""
        assert self._invite is not None
        await self.respond(self._invite, 603, TAGS[0])

    async def refer(self, tag: str, number: int) -> None:
        """A REFER of one of them."""
        invite = self._invite
        assert invite is not None
        assert self._caller is not None
        identity = Identity(invite.to.with_tag(tag), invite.from_, invite.call_id, number)
        fields = [
            ("Via", f"SIP/2.0/UDP {self._own};branch=z9hG4bK{tag}{number}"),
            ("Contact", f"<sip:{self._own}>"),
            ("Refer-To", "<sip:dave@192.0.2.9>"),
        ]
        target = parse_uri(f"sip:{SocketAddress(*self._caller)}")
        await self._send(build_request("REFER", target, identity, fields=fields))

    async def _send(self, message: Request | Response) -> None:
        assert self._caller is not None
        await self._sock.sendto(bytes(message), self._caller)


@asynccontextmanager
async def ringing(*, agree: bool = False) -> AsyncIterator[tuple[Call, Callees]]:
    """A call that rings at both of them."""
    with trio.fail_after(10), trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("127.0.0.1", 0))
        callees = Callees(sock, agree=agree)
        hop = Hop(Transport.UDP, SocketAddress(*sock.getsockname()))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(callees.run)
            async with endpoint(methods=("REFER",)) as (alice, _), alice.call(invite(alice, hop)) as call:
                call.patience = 0.0
                for _ in TAGS:
                    assert isinstance(await anext(call), CallProgress)
                yield call, callees
            nursery.cancel_scope.cancel()


async def test_whoever_sent_a_refer_is_told_of_it() -> None:
    async with ringing() as (call, callees):
        asked = []
        for tag in TAGS:
            await callees.refer(tag, 5)
            event = await anext(call)
            assert isinstance(event, CallRequested)
            call.respond(event, 202)
            asked.append(event)
        for event, status in zip(asked[::-1], (486, 200), strict=True):
            await call.notify_refer(status, event)
        assert [(request.to_tag, request.body[:11]) for request in callees.came] == [
            ("c", b"SIP/2.0 486"),
            ("b", b"SIP/2.0 200"),
        ]


@pytest.mark.parametrize("given_up", [200, 488])
async def test_what_comes_of_a_change_that_was_given_up_is_not_that_of_one_with_another_callee(given_up: int) -> None:
    async with ringing() as (call, callees):
        callees.answers = lambda _: 0
        outcomes: list[Request | Response] = []

        async def change(tag: str) -> None:
            outcomes.append(await call.change(remote_tag=tag))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(change, "b")
            await callees.asked("b")
            nursery.cancel_scope.cancel()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(change, "c")
            await callees.asked("c")
            await callees.answer_late(given_up, "b")
            assert isinstance(await anext(call), CallChanged if given_up == 200 else CallUnchanged)
            assert not outcomes
            await callees.answer_late(200, "c")
        assert [(response.status, response.to_tag) for response in outcomes if isinstance(response, Response)] == [
            (200, "c")
        ]


@pytest.mark.parametrize("ends", ["answered", "refused"])
async def test_who_waits_for_a_change_that_was_given_up_waits_no_longer_for_one_with_another_callee(ends: str) -> None:
    async with ringing() as (call, callees):
        callees.answers = lambda _: 0
        outcomes: list[tuple[str, object]] = []

        async def change(tag: str) -> None:
            try:
                outcomes.append((tag, await call.change(remote_tag=tag)))
            except (CallFailure, LocalError) as error:
                outcomes.append((tag, error))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(change, "b")
            await callees.asked("b")
            nursery.cancel_scope.cancel()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(change, "b")
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(change, "c")
            await callees.asked("c")
            if ends == "answered":
                callees.answers = lambda _: 200
                await callees.answer_late(200, "b")
                await callees.answer_late(200, "c")
            else:
                await callees.refuse()
        assert sorted(tag for tag, _ in outcomes) == ["b", "c"]
        if ends == "refused":
            assert all(isinstance(outcome, CallFailure | LocalError) for _, outcome in outcomes)


async def test_one_of_them_is_held_and_resumed_and_no_other() -> None:
    async with ringing(agree=True) as (call, callees):
        for tag, change, wanted in (
            ("b", call.hold, Direction.SENDONLY),
            ("c", call.hold, Direction.SENDONLY),
            ("b", call.resume, Direction.SENDRECV),
        ):
            await change(remote_tag=tag)
            assert callees.came[-1].to_tag == tag
            assert direction(callees.came[-1].body) is wanted
            assert direction(call.session(remote_tag=tag).local) is wanted
        assert direction(call.session(remote_tag="c").local) is Direction.SENDONLY
        assert call.session(remote_tag="c").remote == bytes(CALLEE)
        assert (call.local, call.remote) == (call.session().local, call.session().remote)
        with pytest.raises(LocalError, match="'d'"):
            call.session(remote_tag="d")
        with pytest.raises(LocalError, match="'d'"):
            await call.hold(remote_tag="d")


async def test_one_of_them_is_to_call_somebody_else() -> None:
    async with ringing() as (call, callees):
        callees.answers = lambda _: 603
        for tag in TAGS:
            with pytest.raises(CallFailure, match="603"):
                await call.transfer(SipUri("192.0.2.9", "carol"), remote_tag=tag)
        assert [(request.method, request.to_tag) for request in callees.came] == [("REFER", tag) for tag in TAGS]
