"""Registrations as objects to await.

    async with keep_registered(endpoint, Registration(alice), auth=AuthSession(account)) as registered:
        binding = await registered.binding()
        ...

The binding is refreshed while the block lasts and taken back when it ends, which takes UNREGISTER_TIMEOUT at most.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

import trio

from sipcore.auth.session import AuthError, AuthSession
from sipcore.dialogs.route_set import routing_for
from sipcore.endpoint.loop import as_failure
from sipcore.errors import RemoteError, SipError, TransportFailure, require_kind
from sipcore.events import Exchange
from sipcore.grammar import require_safe
from sipcore.message.build import Fields, require_sendable
from sipcore.message.message import Response
from sipcore.message.uri import SipUri, Uri
from sipcore.outgoing import Order, contact_for, require_address, require_session, target_of
from sipcore.registration.binding import Binding, Registration
from sipcore.registration.keeper import (
    Effect,
    Keeper,
    Registered,
    RegistrationEnded,
    RegistrationFailed,
    Send,
)
from sipcore.registration.waits import BASE_WAIT, ping_after, retry_after
from sipcore.resolve.plan import Plan
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.tokens import Tokens
from sipcore.trace import TraceSwitch, TransitionTrace
from sipcore.transports.base import was_closed
from sipcore.transports.connections import Transports

UNREGISTER_TIMEOUT = 8.0
"""Seconds that leaving a registration waits for the answer to the REGISTER that takes it back."""
KEEP_ALIVE = b"\r\n\r\n"
"""What user agents send over UDP for that; RFC 5626 §4.4.1 has it on connections."""
BACKLOG = 64
"""Events that wait to be read; the oldest one is dropped for the next: a registration may last for years."""
UNAVAILABLE = 503

RegistrationEvent = Registered | RegistrationFailed | RegistrationEnded


class RegistrationFailure(RemoteError):
    """A registration will not come about. `response` is the one that refused it, `cause` the error if there was one."""

    def __init__(self, response: Response | None, cause: TransportFailure | AuthError | None) -> None:
        told = cause.message if cause else f"{response.status} {response.reason}" if response else "stopped"
        super().__init__(told, section=cause.section if cause else "RFC 3261 §10.2")
        self.response = response
        self.cause = cause


class Driver(Protocol):
    """What a registration needs of its endpoint."""

    tokens: Tokens

    @property
    def transports(self) -> Transports:
        """The sockets."""

    @property
    def trace_switch(self) -> TraceSwitch:
        """Whether the registration's machine tells its transitions."""

    def publish(self, record: TransitionTrace) -> None:
        """Tell whoever has subscribed."""

    def require_here(self) -> None:
        """Raises LocalError in another thread than the endpoint's."""

    async def request(self, order: Order) -> Exchange:
        """Send a request and wait for its final response."""

    async def locate(self, uri: Uri) -> list[Hop]:
        """Where a request for `uri` would go, best first."""

    def told(self, hop: Hop) -> SocketAddress:
        """The local address of a prepared hop that peers are told."""

    def watch_flows(self, watcher: Callable[[Flow], None]) -> Callable[[], None]:
        """Have `watcher` called with each connection that ends; gives a function that ends it."""

    def on_leaving(self, leave: Callable[[], Awaitable[None]]) -> Callable[[], None]:
        """Have `leave` awaited before the endpoint is closed; gives a function that ends it. Raises LocalError."""


@asynccontextmanager
async def keep_registered(
    driver: Driver,
    registration: Registration,
    *,
    auth: AuthSession | None = None,
    user: str = "",
    hop: Hop | None = None,
    fields: Fields = (),
) -> AsyncIterator["Registering"]:
    """Register, and stay registered until the block ends; the binding is taken back then.

    `auth` answers challenges, `user` is the user part of the contact, and empty for that of the address of record,
    which tells calls for one from calls for another; a `hop` skips locating the registrar, `fields` are added to each
    request. The block begins at once: await `binding` in it to know that somebody has registered it.

    Raises LocalError for a registrar or a hop that no request can be sent to, for a `user` or `fields` that cannot be
    sent, and outside of the endpoint's block.
    """
    require_kind(registration, Registration, 'Registration(Address.parse("sip:user@host"))', section="RFC 3261 §10.2")
    user, told = user or _user_of(registration.aor.uri), tuple(fields)
    require_safe(user, "the user of a Contact")  # else the REGISTER would be tried again and again
    require_sendable(told)
    if auth is not None:
        require_session(auth)
    if hop is None:
        _require_locatable(registration)
    else:
        require_kind(hop, Hop, 'Hop(Transport.UDP, SocketAddress("192.0.2.1", 5060))', section="RFC 3263 §4")
        require_address(hop.remote, "to")
    keeper = Keeper(registration, driver.tokens, driver.trace_switch)
    registering = Registering(driver, keeper, auth, user, hop, told)
    failure: BaseException | None = None
    forget = driver.on_leaving(registering.leave)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(registering.run)
        try:
            yield registering
        except Exception as error:  # noqa: BLE001  # carried past the nursery, which would wrap it in a group
            failure = error
        finally:
            await registering.stop()
            registering.abandon()
            forget()
    if failure is not None:
        raise failure


def _user_of(uri: Uri) -> str:
    """The user part of an address of record; empty where it has none."""
    return uri.user or "" if isinstance(uri, SipUri) else ""


def _require_locatable(registration: Registration) -> None:
    """Raises LocalError for a registrar that no request can be sent to, whatever DNS says of it."""
    Plan(target_of(routing_for(registration.domain, registration.route).next_hop), chance=lambda: 0.0)


class Registering:
    """A registration that is kept up. Iterate over it for its events: registered or failed, again and again, ended."""

    def __init__(
        self,
        driver: Driver,
        keeper: Keeper,
        auth: AuthSession | None,
        user: str,
        hop: Hop | None,
        fields: tuple[tuple[str, object], ...],
    ) -> None:
        self.keeper = keeper
        self._driver = driver
        self._auth = auth
        self._user = user
        self._given = hop
        self._fields = fields
        self._hop: Hop | None = None
        self._flow: Flow | None = None
        self._since = 0.0
        self._ping_at: float | None = None
        self._pending: list[Send | RegistrationEvent] = []
        self._wake = trio.Event()
        self._over = trio.Event()
        self._changed = trio.Event()
        self._failed: RegistrationFailed | None = None
        self._send, self._receive = trio.open_memory_channel[RegistrationEvent](BACKLOG)
        self._alias = f"{driver.tokens.tag()}.invalid"
        # What takes the binding back is to go out while everything around is cancelled already.
        self._scope = trio.CancelScope(shield=True)

    def __aiter__(self) -> AsyncIterator[RegistrationEvent]:
        return self._receive.__aiter__()

    async def binding(self) -> Binding:
        """Wait until there is a binding, and give it. Raises RegistrationFailure when there will be none.

        A registrar that does not answer, or refuses for now only, is asked again and again, which this waits for.
        """
        self._driver.require_here()
        while True:
            binding = self.keeper.binding
            if binding is not None and binding.until > trio.current_time():
                return binding
            if self._over.is_set():
                raise self._failure()
            await self._changed.wait()

    async def refresh(self) -> Binding:
        """Refresh the binding now, or try again now, and wait for it. Raises RegistrationFailure as `binding` does.

        One that is being refreshed already is waited for.
        """
        self._driver.require_here()
        before = self.keeper.binding
        self._take(self.keeper.refresh(trio.current_time()))
        self._wake.set()
        while self.keeper.binding is before and not self._over.is_set():
            await self._changed.wait()
        if self._over.is_set():
            raise self._failure()  # an older binding may hold for a while, but this one did not come about
        return await self.binding()

    def _failure(self) -> RegistrationFailure:
        failed = self._failed
        return RegistrationFailure(failed.response if failed else None, failed.failure if failed else None)

    async def stop(self, *, everything: bool = False) -> None:
        """Take the binding back, and wait for it, UNREGISTER_TIMEOUT at most, whatever is cancelled around it.

        With `everything`, all bindings of the address of record are removed, whoever made them (RFC 3261 §10.2.2).
        """
        self._driver.require_here()
        self._take(self.keeper.stop(trio.current_time(), everything=everything))
        self._wake.set()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + UNREGISTER_TIMEOUT):
            await self._over.wait()

    async def run(self) -> None:
        """Keep the registration up until it has ended, or is abandoned; `keep_registered` calls it."""
        unwatch = self._driver.watch_flows(self._flow_ended)
        try:
            with self._scope:
                self._take(self.keeper.start(trio.current_time()))
                while not self._over.is_set():
                    while self._pending:
                        await self._carry_out(self._pending.pop(0))
                    if not self._over.is_set():
                        await self._wait()
        finally:
            unwatch()
            if not self._over.is_set():
                self._tell(RegistrationEnded(removed=False))

    def abandon(self) -> None:
        """Stop at once, and leave the binding to run out."""
        self._scope.cancel()

    async def leave(self) -> None:
        """Take the binding back, since the endpoint is about to be closed, and tell so whoever waits for it."""
        if not self._over.is_set():
            self._failed = RegistrationFailed(None, was_closed(), None, None)
        await self.stop()
        self.abandon()

    async def _wait(self) -> None:
        """Sleep until the keeper's time, the next keep-alive, or a stop."""
        due = [when for when in (self.keeper.next_timeout(), self._ping_at) if when is not None]
        with trio.move_on_at(min(due, default=float("inf"))):
            await self._wake.wait()
        self._wake = trio.Event()
        now = trio.current_time()
        if self._ping_at is not None and self._ping_at <= now:
            self._take(self._keep_alive(now))
        self._take(self.keeper.handle_timeout(now))

    def _take(self, effects: list[Effect]) -> None:
        """Keep what is to be done for `run`; what is traced is told now, since that may wait for an answer."""
        for effect in effects:
            if isinstance(effect, TransitionTrace):
                self._driver.publish(effect)
            else:
                self._pending.append(effect)

    async def _carry_out(self, effect: Send | RegistrationEvent) -> None:
        if isinstance(effect, Send):
            self._take(await self._register(effect))
            return
        if isinstance(effect, Registered):
            self._plan_keep_alive(effect.binding)
        self._tell(effect)

    async def _register(self, send: Send) -> list[Effect]:
        """Send the REGISTER that the keeper wants, to one hop after the other until one answers (RFC 3263 §4.3)."""
        outcome: Exchange | TransportFailure | None = None
        try:
            hops = await self._hops(send)
        except SipError as error:  # LocalError: a redirection to what cannot be located
            return self.keeper.fail(as_failure(error), trio.current_time())
        for hop in hops:
            outcome = await self._try(hop, send.next_hop)
            if isinstance(outcome, Exchange) and outcome.response.status != UNAVAILABLE:
                break
        now = trio.current_time()
        if isinstance(outcome, Exchange):
            return self.keeper.receive(outcome.response, now, outcome.auth_error)
        assert outcome is not None  # there is a hop, or locating fails  # noqa: S101
        return self.keeper.fail(outcome, now)

    async def _hops(self, send: Send) -> list[Hop]:
        """The hop of the last REGISTER that was answered (RFC 5626 §4.2.2), or those that are found now."""
        if self._hop is not None and not send.anew:
            return [self._hop]
        return [self._given] if self._given is not None else await self._driver.locate(send.next_hop)

    async def _try(self, hop: Hop, next_hop: Uri) -> Exchange | TransportFailure:
        try:
            located = target_of(next_hop).host  # a strict router's, which no Route of the request names any more
            prepared = await self._driver.transports.prepare(hop)
            end = replace(prepared, local=self._driver.told(prepared))
            contact = contact_for(self._user, end, self._alias if hop.transport.websocket else "")
            request = self.keeper.request(contact.uri, fields=self._fields)
            order = Order(request, prepared, auth=self._auth, numbers=self.keeper.numbers, located=located)
            exchange = await self._driver.request(order)
        except SipError as error:  # LocalError: the configuration cannot be used for this hop
            return as_failure(error)
        if exchange.flow != self._flow:
            self._since = trio.current_time()
        self._hop, self._flow = exchange.hop, exchange.flow
        return exchange

    def _flow_ended(self, flow: Flow) -> None:
        """Register anew over another flow: at once, unless this one was so short that the next may end like it.

        RFC 5626 §4.5 counts a flow as successful by its keep-alives; it is as well told by how long it lasted.
        """
        if flow != self._flow:
            return
        now = trio.current_time()
        if now - self._since >= BASE_WAIT:
            self._take(self.keeper.flow_failed(now))
        else:
            self._ping_at = now + retry_after(1, None, self._driver.tokens.chance())
        self._wake.set()

    def _plan_keep_alive(self, binding: Binding) -> None:
        """RFC 5626 §4.4.1 for connections, §4.4.2 for UDP."""
        datagrams = self._flow is not None and self._flow.transport is Transport.UDP
        self._ping_at = trio.current_time() + ping_after(
            binding.flow_timer, self._driver.tokens.chance(), datagrams=datagrams
        )

    def _keep_alive(self, now: float) -> list[Effect]:
        """Ask whether the flow still works, where the registrar said that it answers.

        Else a connection is looked at, and over UDP something is sent that a SIP element ignores: a translator of
        addresses on the way would forget this side long before the binding ends.
        """
        self._ping_at = None
        binding, flow = self.keeper.binding, self._flow
        if binding is None or flow is None:
            return []
        try:
            if binding.outbound:
                self._driver.transports.ping(flow)
            elif flow.transport is Transport.UDP:
                self._driver.transports.send(flow, KEEP_ALIVE)
            elif self._driver.transports.prepared(flow.hop) is None:
                return self.keeper.flow_failed(now)
        except TransportFailure:
            return self.keeper.flow_failed(now)
        self._plan_keep_alive(binding)
        return []

    def _tell(self, event: RegistrationEvent) -> None:
        if isinstance(event, RegistrationFailed):
            self._failed = event
        try:
            self._send.send_nowait(event)
        except trio.WouldBlock:
            self._receive.receive_nowait()
            self._send.send_nowait(event)
        if isinstance(event, RegistrationEnded):
            self._send.close()
            self._ping_at = None
            self._over.set()
        self._changed.set()
        self._changed = trio.Event()
