"""The responder at work: sockets, time, media, and the carrying out of what `personas` plans.

async with open_responder(Persona(), [(Transport.UDP, SocketAddress("127.0.0.1", 0))]) as responder:
    print(responder.addresses)
"""

import errno
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

import trio

from probes.calls import verdict
from probes.calls.judge.conclude import concluded
from probes.calls.run import pass_on_cancellation
from probes.calls.story import OnEntry
from probes.calls.verdict import Verdict
from probes.calls.wire import Wire
from probes.destination import Destination
from probes.responder.guards import Guards
from probes.responder.happening import Binding, Happening, Report, parties
from probes.responder.personas import (
    INTERNAL_ERROR,
    OK,
    UNAVAILABLE,
    CallPlan,
    Field,
    Persona,
    Reply,
    answer_options,
    plan_call,
    refuse_method,
)
from probes.responder.silence import Silence
from probes.responder.tapes import Tapes
from probes.responder.visit.run import Visit
from probes.result import CallResult, CallRole
from sipcore.auth.choice import Account
from sipcore.auth.server import Accepted
from sipcore.auth.session import AuthSession
from sipcore.dialogs.manner import METHODS
from sipcore.endpoint.call import IncomingCall
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.incoming import Incoming, IncomingRequest
from sipcore.endpoint.media.leg import MAX_SESSION_ID
from sipcore.endpoint.media.media import Media, open_media
from sipcore.endpoint.registration import Registering
from sipcore.errors import LocalError, own_fault
from sipcore.message.address import Address
from sipcore.message.message import Request
from sipcore.message.method import INVITE, OPTIONS
from sipcore.registration.binding import Registration
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.sdp.build import audio_description
from sipcore.sdp.terms import SDP
from sipcore.stack_config import StackConfig
from sipcore.transports.base import TlsConfig, TransportConfig
from sipcore.transports.certificates import self_signed
from sipcore.transports.connections import Transports, open_transports

MAX_CALLS = 200
"""Calls at once, each with two media sockets: they stay well below the usual limit of 1,024 descriptors."""
CONTACT_USER = "sipprobe"
REGISTERED_FOR = 300
"""Seconds that a registrar is asked for at a time: what is left behind by a machine that fails is soon gone."""
ALLOWED = ", ".join(METHODS)

T = TypeVar("T")


class CannotListenError(LocalError):
    """An address cannot be bound; the message says why and what to do."""


class Responder:
    """A running responder. Made by `open_responder`."""

    def __init__(self, addresses: tuple[Binding, ...], tapes: Tapes, endpoint: Endpoint | None = None) -> None:
        self._endpoint = endpoint
        """What answers; None where nothing is answered."""
        self.addresses = addresses
        """Where it can be reached, with the real ports, in the order in which they were asked for."""
        self.tapes = tapes
        """What is said in calls."""
        self.turns: deque[Turn] = deque()
        """Those that wait for a call, the first of them for the next one."""

    def expect(self, persona: Persona) -> "Turn":
        """Have a persona of its own take the next call that nobody else waits for."""
        turn = Turn(persona, self)
        self.turns.append(turn)
        return turn

    def register(
        self, user: Destination, account: Account | None = None, *, expires: int = REGISTERED_FOR
    ) -> AbstractAsyncContextManager[Registering]:
        """Have a user's calls come here as well, by way of its registrar, for the length of a block (RFC 3261 §10).

        `account` answers its challenges, and `expires` is for how many seconds it is asked at a time. Await `binding`
        in the block to know that it is so. Raises LocalError without a user, and for who answers nothing.
        """
        if self._endpoint is None:
            raise LocalError("who answers nothing is not registered for calls either", section="RFC 3261 §10")
        if not user.user:
            raise LocalError("whom to register? give sip:user@host", section="RFC 3261 §10.2")
        registration = Registration(Address(user.aor), registrar=user.uri(), expires=expires)
        return self._endpoint.register(registration, auth=AuthSession(account) if account is not None else None)

    def address(self, transport: Transport) -> SocketAddress:
        """The first address for `transport`. Raises LocalError when there is none."""
        for kind, address in self.addresses:
            if kind is transport:
                return address
        raise LocalError(f"the responder does not listen on {transport.value.lower()}", section="RFC 3261 §18.2.1")


class Turn:
    """A call that is waited for. Made by `Responder.expect`."""

    def __init__(self, persona: Persona, responder: Responder) -> None:
        self.persona = persona
        self.began = trio.Event()
        """Set once the call is there."""
        self._responder = responder
        self._over = trio.Event()
        self._result: CallResult | None = None

    def finish(self, result: CallResult | None) -> None:
        """The call is over."""
        self._result = result
        self._over.set()

    async def result(self, wait: float) -> CallResult:
        """The call, once it is over; one that does not come within `wait` seconds is a result, too."""
        since = trio.current_time()
        with trio.move_on_after(wait):
            await self.began.wait()
        if not self.began.is_set():
            self._responder.turns.remove(self)
            return self._nobody(wait, self._responder.tapes.turned_away(since))
        await self._over.wait()
        return self._result or self._without(verdict.of_failure(own_fault()))

    def _nobody(self, wait: float, refusal: str) -> CallResult:
        none = verdict.of_no_call(wait)
        why = f"{none.why}: an INVITE was answered {refusal}, and none came after it" if refusal else none.why
        return self._without(replace(none, why=why))

    def _without(self, none: Verdict) -> CallResult:
        """The result where nothing is known of a call."""
        transport, address = self._responder.addresses[0]
        here = Destination(address.host, address.port, transport)
        result = CallResult(here, None, none.status, none.kind, none.why, none.advice, role=CallRole.CALLEE)
        return concluded(result, self.persona.expect)


@asynccontextmanager
async def open_responder(
    persona: Persona,
    binds: Sequence[Binding],
    report: Report | None = None,
    tls: TlsConfig | None = None,
    on_entry: OnEntry | None = None,
    wire: Wire | None = None,
) -> AsyncIterator[Responder]:
    """Answer at `binds` (port 0: any free one) as `persona` until the block ends; calls are hung up then.

    A mistake of this program over what a visitor sends is logged and told, and costs that visitor's call or request
    alone. What `report` or `on_entry` raise ends the block.

    `report` is called with each request and call once it is over, `on_entry` with each line of any call's timeline as
    it happens, and `wire` keeps what it is meant to keep. Where `tls` has no certificate, one is made for the run if it
    is needed. Raises CannotListenError when an address cannot be bound.
    """
    service = _Service(persona, binds, report or (lambda _: None), on_entry, wire)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.run, _transports(_certified(tls or TlsConfig(), binds), wire), nursery.cancel_scope)
        try:
            await service.ready.wait()
            if service.responder is not None:
                yield service.responder
        except Exception as error:  # noqa: BLE001  # carried past the nursery, which would wrap it in a group
            service.failure = error
        finally:
            service.stop.cancel()
    if service.failure is not None:
        raise service.failure


class _Service:
    """What runs beside the block. Whoever cancels the block has the calls hung up properly first: the transports, which
    hanging up needs, are shielded, and end once the calls have.
    """

    def __init__(
        self, persona: Persona, binds: Sequence[Binding], report: Report, on_entry: OnEntry | None, wire: Wire | None
    ) -> None:
        self._persona = persona
        self._binds = binds
        self._report = self._heeding(report)
        self._on_entry = self._heeding(on_entry) if on_entry is not None else None
        self._wire = wire
        self.responder: Responder | None = None
        self.ready = trio.Event()
        """Set once there is a responder, or a failure."""
        self.stop = trio.CancelScope()
        """Is cancelled to end it."""
        self.failure: Exception | None = None

    async def run(self, transports: TransportConfig, block: trio.CancelScope) -> None:
        """Serve until stopped, or cancelled; then end the calls, and the block with them."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pass_on_cancellation, self.stop, trio.Event())
            with trio.CancelScope(shield=True):
                try:
                    async with AsyncExitStack() as stack:
                        await (self._take if self._persona.silent else self._answer)(stack, transports)
                        self.ready.set()
                        with self.stop:
                            await trio.sleep_forever()
                except Exception as error:  # noqa: BLE001  # raised by the block, outside of the nurseries
                    self.failure = error
            nursery.cancel_scope.cancel()
        self.ready.set()
        block.cancel()

    def _heeding(self, listener: Callable[[T], None]) -> Callable[[T], None]:
        """`listener`, which the owner has given: what it raises ends the block, and is no fault of a visitor's."""

        def heed(told: T) -> None:
            try:
                listener(told)
            except Exception as error:  # noqa: BLE001  # raised by the block
                self.failure = self.failure or error
                self.stop.cancel()

        return heed

    async def _take(self, stack: AsyncExitStack, transports: TransportConfig) -> None:
        """Take everything, and answer nothing."""
        opened = await stack.enter_async_context(open_transports(transports, Silence(self._report, trio.current_time)))
        self.responder = Responder(_bind_all(opened, self._binds), Tapes())

    async def _answer(self, stack: AsyncExitStack, transports: TransportConfig) -> None:
        persona, wire = self._persona, self._wire
        config = EndpointConfig(transports, stack=_stack_config(persona), takes_incoming=True)
        endpoint = await stack.enter_async_context(Endpoint(config))
        tapes = Tapes(self._on_entry)
        responder = Responder(_bind_all(endpoint.transports, self._binds), tapes, endpoint)
        taps = wire.take if wire is not None and wire.media else None
        media = await stack.enter_async_context(open_media(on_packet=taps))
        stack.callback(endpoint.subscribe(tapes.take))
        nursery = await stack.enter_async_context(trio.open_nursery())
        nursery.start_soon(_Desk(persona, endpoint, media, self._report, tapes, responder.turns).run)
        stack.callback(nursery.cancel_scope.cancel)
        self.responder = responder


def _stack_config(persona: Persona) -> StackConfig:
    return StackConfig(user=CONTACT_USER, product=persona.server, passes_unknown=True)


def _transports(tls: TlsConfig, wire: Wire | None) -> TransportConfig:
    if wire is None or not wire.tls:
        return TransportConfig(tls=tls)
    return TransportConfig(tls=replace(tls, keylog=wire.key), on_wire=wire.take)


def _certified(tls: TlsConfig, binds: Sequence[Binding]) -> TlsConfig:
    """The same with a certificate for the run, if TLS is served without one: for the addresses that it is served on."""
    hosts = [address.host for transport, address in binds if transport.secure]
    if tls.certificate or not hosts:
        return tls
    certificate, key = self_signed(tuple(dict.fromkeys(["localhost", "127.0.0.1", "::1", *hosts])))
    return replace(tls, certificate=certificate, key=key)


def _bind_all(transports: Transports, binds: Sequence[Binding]) -> tuple[Binding, ...]:
    bound = []
    for transport, address in binds:
        try:
            bound.append((transport, transports.bind(transport, address)))
        except LocalError as error:
            cause = error.__cause__
            advice = _ADVICE.get(cause.errno or 0, "") if isinstance(cause, OSError) else ""
            raise CannotListenError(f"{error.message}{advice}", section=error.section) from error
    return tuple(bound)


_ADVICE = {
    errno.EADDRINUSE: "; stop the program that listens there, or choose another port",
    errno.EACCES: "; ports below 1024 need privileges: choose a higher one",
    errno.EADDRNOTAVAIL: "; it is no address of this machine",
}


class _Desk:
    """Takes in what comes, one task for each call."""

    def __init__(
        self, persona: Persona, endpoint: Endpoint, media: Media, report: Report, tapes: Tapes, turns: "deque[Turn]"
    ) -> None:
        self.persona = persona
        self.endpoint = endpoint
        self.media = media
        self.report = report
        self.tapes = tapes
        self.epoch_ns = endpoint.epoch_ns
        self._turns = turns
        self._calls = 0
        self._guards = Guards(trio.current_time, secrets.token_bytes)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            async for incoming in self.endpoint.incoming():
                if isinstance(incoming, IncomingCall):
                    nursery.start_soon(self._serve_alone, incoming)
                else:
                    self._answer_alone(incoming)

    async def _serve_alone(self, call: IncomingCall) -> None:
        when = datetime.now(UTC)
        try:
            await self._serve_call(call)
        except Exception as error:  # noqa: BLE001  # see Faults
            self._note_fault(error, call, call.invite, when)
            try:
                await call.hang_up()
            except Exception as another:  # noqa: BLE001  # it is that which cannot be done
                self.endpoint.note_fault(another, call.invite.start_line)

    def _answer_alone(self, incoming: IncomingRequest) -> None:
        when = datetime.now(UTC)
        try:
            self._serve_request(incoming)
        except Exception as error:  # noqa: BLE001  # see Faults
            self._note_fault(error, incoming, incoming.request, when)

    def _note_fault(self, error: Exception, incoming: Incoming, request: Request, when: datetime) -> None:
        """Refuse what this program has made a mistake over, as far as it is not answered yet, and tell of it."""
        self.endpoint.note_fault(error, request.start_line)
        status = None
        try:
            (incoming.reject if isinstance(incoming, IncomingCall) else incoming.respond)(INTERNAL_ERROR)
            status = INTERNAL_ERROR
        except LocalError:
            pass  # it is answered
        except Exception as another:  # noqa: BLE001  # it is that which cannot be done
            self.endpoint.note_fault(another, request.start_line)
        caller, called = parties(request)
        self.report(Happening(when, request.method, caller, called, incoming.flow, status, own_fault().message))

    def _serve_request(self, incoming: IncomingRequest) -> None:
        request = incoming.request
        refused, accepted = self._guards.admit(self.persona, request)
        if refused is not None:
            reply, why = refused
        elif request.method == OPTIONS:
            reply, why = answer_options(self.persona, request, ALLOWED), ""
        else:
            reply, why = refuse_method(ALLOWED), ""
        body = self._capabilities(incoming.flow) if reply.describes else b""
        fields = self.fields(self.persona, reply.fields, accepted if reply.status == OK else None, body)
        incoming.respond(reply.status, fields=fields, body=body, content_type=SDP if body else "")
        caller, called = parties(request)
        when = datetime.now(UTC)
        self.report(Happening(when, request.method, caller, called, incoming.flow, reply.status, why))

    async def _serve_call(self, call: IncomingCall) -> None:
        when, began = datetime.now(UTC), trio.current_time()
        turn = self._turns[0] if self._turns and self._calls < MAX_CALLS else None
        persona = turn.persona if turn is not None else self.persona
        refused, accepted = self._guards.admit(persona, call.invite)
        if refused is not None:
            self._turn_back(persona, call, when, *refused)
            return
        plan = CallPlan((Reply(UNAVAILABLE),), problem="too many calls at once")
        if self._calls < MAX_CALLS:
            plan = plan_call(persona, call.invite)
        if plan.asks_again and isinstance(plan.steps[0], Reply):
            self._turn_back(persona, call, when, plan.steps[0], plan.problem)
            return
        if turn is not None:
            self._turns.popleft()
            turn.began.set()
        visit = Visit(self, call, persona, plan, self.tapes.begin(call.invite.call_id, began, call.flow))
        self._calls += 1
        try:
            await visit.run(accepted)
        finally:
            self._calls -= 1
            self.tapes.end(call.invite.call_id)
            if visit.result is not None:
                self._tell(call, when, visit.result, trio.current_time() - began)
            if turn is not None:
                turn.finish(visit.result)

    def _turn_back(self, persona: Persona, call: IncomingCall, when: datetime, reply: Reply, why: str) -> None:
        """Refuse an INVITE that proves nothing, or asks for too little; the call is the one that follows."""
        if not call.is_over:
            call.reject(reply.status, fields=self.fields(persona, reply.fields, None, b""))
        caller, called = parties(call.invite)
        self.report(Happening(when, INVITE, caller, called, call.flow, reply.status, why))

    def _tell(self, call: IncomingCall, when: datetime, result: CallResult, seconds: float) -> None:
        caller, called = parties(call.invite)
        told = Happening(when, INVITE, caller, called, call.flow, result.final_status, result.why, seconds, result)
        self.report(told)

    def fields(
        self, persona: Persona, fields: Sequence[Field], accepted: Accepted | None, body: bytes
    ) -> Sequence[Field]:
        """The header fields of a response, with the banner and, for a user who has proven it, the proof from here."""
        told: list[Field] = [*fields, *([("Server", persona.server)] if persona.server else [])]
        return [*told, *(self._guards.proof(persona, accepted, body) if accepted is not None else ())]

    def _capabilities(self, flow: Flow) -> bytes:
        """What the body of an answer to OPTIONS says (RFC 3264 §9): all codecs, and port 0, so that nobody calls it."""
        told = audio_description(
            address=flow.local.host,
            port=0,
            session_id=self.endpoint.tokens.number(MAX_SESSION_ID),
            session_version=1,
            codecs=self.persona.codecs,
        )
        return bytes(told)
