"""Calls as objects to await: `Call` for one placed here, `IncomingCall` for one that came in."""

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

import trio

from sipcore.dialogs.effects import EndReason
from sipcore.dialogs.manner import Manner
from sipcore.dialogs.refer import subscribes
from sipcore.dialogs.session import Session
from sipcore.endpoint.change import Change
from sipcore.endpoint.transfer import Transfer
from sipcore.errors import LocalError, RemoteError, TransportFailure, blamed, require_kind
from sipcore.events import (
    CallAnswered,
    CallChanged,
    CallConfirmed,
    CallEnded,
    CallEvent,
    CallFailed,
    CallNotified,
    CallProgress,
    CallReceived,
    CallRequested,
    CallUnchanged,
    Exchange,
    ReferLapsed,
)
from sipcore.message.address import Address
from sipcore.message.build import Fields, require_further
from sipcore.message.build import response as build_response
from sipcore.message.given import uri_given
from sipcore.message.message import Request, Response
from sipcore.message.method import REFER
from sipcore.message.uri import SipUri, Uri, escape_header
from sipcore.resolve.target import Flow
from sipcore.stack import Stack

if TYPE_CHECKING:
    from sipcore.auth.session import AuthError
    from sipcore.sdp.description import SessionDescription

HANG_UP_TIMEOUT = 8.0
"""Seconds that leaving a call waits for the answer to BYE or CANCEL; the stack goes on repeating it after that."""
MAX_UNREAD = 256
"""Events of a call that wait to be read. Requests of the peer beyond that are answered 503 (RFC 3261 §21.5.4), and of
what only tells how the call fares nothing more is kept: a peer may send that for as long as it likes."""
_MAY_BE_MISSED = (CallProgress, CallChanged, CallUnchanged, CallNotified, ReferLapsed)
_OUTCOMES = (CallChanged, CallUnchanged)
_UP = (CallAnswered, CallConfirmed)
_LAST = (CallEnded, CallFailed)

T = TypeVar("T")


class CallFailure(RemoteError):
    """A call did not come about, or a request in it was refused.

    `response` is the final one if there was one, `cause` the error if there was one.
    """

    def __init__(self, response: Response | None, cause: "TransportFailure | AuthError | None") -> None:
        told = str(cause.message) if cause else f"{response.status} {response.reason}" if response else "no answer"
        super().__init__(told, section=cause.section if cause else "RFC 3261 §13.2.2")
        self.response = response
        self.cause = cause


class Driver(Protocol):
    """What a call needs of its endpoint."""

    transfers: dict[int, Transfer]
    """Who waits for what is told of a REFER, by its ticket."""

    def act(self, action: Callable[[Stack, float], T]) -> T:
        """Have `action` do something with the stack, at the time that it is told, and carry out what comes of it."""

    def require_here(self) -> None:
        """Raises LocalError in another thread than the endpoint's."""

    async def exchange(self, send: Callable[[Stack, float], int]) -> Exchange:
        """Have `send` send a request, and wait for its final response."""


class _Events:
    """The events of one call, in order, until the last one; and what either side may do once there is a dialog."""

    def __init__(self, driver: Driver, number: int) -> None:
        self._driver = driver
        self._unread: deque[CallEvent] = deque()
        self._waiting: trio.lowlevel.ParkingLot | None = None
        """Who waits for the next event; None until somebody does, which nobody does for most calls that come in."""
        self._changes: tuple[Change, ...] = ()
        """Those that something is still to come of; of each dialog one at most."""
        self._up = False
        self._given_up_at: float | None = None
        self._closed_by: TransportFailure | None = None
        self.number = number
        self.is_over = False
        """Whether the last event has been."""
        self.end_reason: EndReason | None = None
        """How the call ended; None while it lasts, or when it never came about."""
        self.patience = HANG_UP_TIMEOUT
        """Seconds that hanging up waits at most, from the first time; 0 where nobody is expected to be there."""

    def deliver(self, event: CallEvent) -> None:
        """Take an event from the endpoint."""
        if isinstance(event, CallRequested) and self._is_full:
            self.respond(event, 503)
            return
        if isinstance(event, CallEnded):
            self.end_reason = event.reason
        elif isinstance(event, _UP):
            self._up = True
        elif self._changes and isinstance(event, _OUTCOMES):
            for change in self._changes:
                change.take(event)
            self._changes = tuple(change for change in self._changes if change.is_under_way)
        if not isinstance(event, _MAY_BE_MISSED) or not self._is_full:
            self._unread.append(event)
        if isinstance(event, _LAST):
            for change in self._changes:
                change.close(self.number, self._closed_by)
            self._changes = ()
            self.is_over = True
        if self._waiting:
            self._waiting.unpark_all()

    def close(self, failure: TransportFailure) -> None:
        """Tell the last event: nothing more is heard of the call, because of `failure`."""
        self._closed_by = failure
        self.deliver(self._last())

    def _last(self) -> CallEvent:
        """How a call ends that was hung up, and of which nothing more is heard."""
        return CallEnded(self.number, EndReason.BYE_UNANSWERED if self._up else EndReason.NO_ACK)

    @property
    def _is_full(self) -> bool:
        return len(self._unread) >= MAX_UNREAD

    async def over(self) -> None:
        """Wait until the call is over."""
        if self.is_over:
            await trio.lowlevel.checkpoint()
        while not self.is_over:
            await self._next()

    async def _next(self) -> None:
        """Wait for one more event."""
        self._driver.require_here()
        if self._waiting is None:
            self._waiting = trio.lowlevel.ParkingLot()
        await self._waiting.park()

    async def hang_up(self, *, fields: Fields = ()) -> None:
        """End the call and wait until it is over, `patience` at most, whatever is cancelled around it.

        `fields` go into the BYE, CANCEL or refusal: a Reason for example (RFC 3326). Raises LocalError for those that
        cannot be sent.
        """
        if self._given_up_at is None:
            if not self.is_over:
                self._driver.act(lambda stack, now: stack.hang_up(self.number, now, fields=fields))
            self._given_up_at = trio.current_time()
        with trio.CancelScope(shield=True, deadline=self._given_up_at + self.patience):
            await self.over()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> CallEvent:
        await trio.lowlevel.checkpoint_if_cancelled()  # no more: so few wait unread that nobody starves meanwhile
        while not self._unread:
            if self.is_over:
                raise StopAsyncIteration
            await self._next()
        return self._unread.popleft()

    # The session

    def session(self, *, remote_tag: str | None = None) -> Session:
        """What was offered and agreed on; `local` and `remote` are the descriptions in force.

        Raises LocalError when the call is over, or has no dialog yet.

        Here and below, `remote_tag` tells with whom, of several callees that ring; without it, it is the one who was
        heard of last (see `Stack.session`).
        """
        return self._driver.act(lambda stack, _: stack.session(self.number, remote_tag=remote_tag))

    @property
    def local(self) -> bytes:
        """The session description of this side that is in force, as `session` has it without a tag; empty while there
        is none. Raises LocalError.
        """
        return self.session().local

    @property
    def remote(self) -> bytes:
        """The peer's session description that is in force, as `local` is this side's. Raises LocalError."""
        return self.session().remote

    async def change(
        self, description: "SessionDescription | None" = None, *, method: str = "", remote_tag: str | None = None
    ) -> Request | Response:
        """Offer another session by re-INVITE, or by UPDATE or PRACK while it rings; without one, what is in force.

        Returns what completed it. Raises CallFailure when it is refused, and LocalError where none may be sent now.
        Cancelling it takes it back: a re-INVITE gets a CANCEL, and no request is sent again. What the peer has agreed
        to by then counts, as a `CallChanged` tells, and the next change in the same dialog waits until that is clear.
        So it does for one that the call makes by itself: a refresh of the session, or what brings it back once refused.
        """

        if description is not None:
            from sipcore.sdp.description import SessionDescription  # loaded by those only who change a session

            require_kind(description, SessionDescription, "SessionDescription.parse(body)", section="RFC 3264 §8")

        def offer(stack: Stack, now: float) -> str:
            session = stack.session(self.number, remote_tag=remote_tag)
            body = session.renewed() if description is None else session.next_offer(description)
            return stack.change(self.number, body, now, method=method, remote_tag=remote_tag)

        return await self._changed(offer, remote_tag)

    async def hold(self, *, remote_tag: str | None = None) -> Request | Response:
        """Put the call on hold (RFC 3264 §8.4): the peer is to send nothing, this side goes on. Raises as `change`.

        It counts once the peer has agreed: until then, and after a refusal, all goes on as before (RFC 3261 §14.1).
        Cancelling it takes it back as far as that goes; see `change`.
        LocalError is raised as well while no session is agreed on, as in most calls that ring.
        """
        return await self._directed(receives=False, remote_tag=remote_tag)

    async def resume(self, *, remote_tag: str | None = None) -> Request | Response:
        """Take the call off hold: the peer may send again. Raises as `change` does."""
        return await self._directed(receives=True, remote_tag=remote_tag)

    def answer(self, description: "SessionDescription | bytes", *, remote_tag: str | None = None) -> None:
        """Answer the offer of a `CallOffered`: the only one that waits, or the one with this `remote_tag`.

        Raises LocalError where there is none, or where several callees have made one and no tag says which.
        """
        self._driver.act(lambda stack, now: stack.answer(self.number, bytes(description), now, remote_tag=remote_tag))

    def decline(self, status: int = 488, *, remote_tag: str | None = None) -> None:
        """Refuse the offer of a `CallOffered`. Raises LocalError as `answer` does."""
        self._driver.act(lambda stack, now: stack.decline(self.number, now, status=status, remote_tag=remote_tag))

    def acknowledge(self, *, remote_tag: str | None = None) -> None:
        """Send the PRACK of a `CallProgress` that waits for it, without the offer that `change` would put into it.

        Raises LocalError as `answer` does.
        """
        self._driver.act(lambda stack, now: stack.acknowledge(self.number, now, remote_tag=remote_tag))

    async def _directed(self, *, receives: bool, remote_tag: str | None) -> Request | Response:
        from sipcore.sdp.negotiation import allowed  # loaded by those only who hold a call

        def offer(stack: Stack, now: float) -> str:
            session = stack.session(self.number, remote_tag=remote_tag)
            body = session.renewed(allowed(session.wanted.sends, receives))
            if not body:
                text = "there is no session yet to be put on hold or taken off it; wait until the call is answered"
                raise LocalError(text, section="RFC 3311 §5.1")
            return stack.change(self.number, body, now, remote_tag=remote_tag)

        return await self._changed(offer, remote_tag)

    async def _changed(self, ask: Callable[[Stack, float], str], remote_tag: str | None) -> Request | Response:
        """Wait for what comes of a change that `ask` asks for; that gives the remote tag of its dialog."""
        await self._unhindered(remote_tag)

        def begin(stack: Stack, now: float) -> Change:
            return self._follow(ask(stack, now), is_awaited=True)

        change = self._driver.act(begin)
        try:
            outcome = await change.outcome()
        finally:
            if change.is_under_way:
                change.is_awaited = False
                self._driver.act(lambda stack, now: stack.withdraw(self.number, now, remote_tag=change.remote_tag))
        if isinstance(outcome, CallUnchanged):
            raise CallFailure(outcome.response, outcome.failure)
        return outcome.message

    async def _unhindered(self, remote_tag: str | None) -> None:
        """Wait until a change that nobody waits for, if not in another dialog, has come to its end.

        Raises LocalError while somebody waits for one.
        """
        while before := self._change_before(remote_tag):
            if before.is_awaited:
                raise LocalError("a change of this call is on its way already", section="RFC 3261 §14.1")
            await before.over()

    def _change_before(self, remote_tag: str | None) -> Change | None:
        """A change that is on its way: one that was asked for here, or one that the call makes by itself."""
        for change in self._changes:
            if remote_tag in (None, change.remote_tag):
                return change
        tag = self._driver.act(lambda stack, _: stack.changing(self.number, remote_tag=remote_tag))
        return None if tag is None else self._follow(tag, is_awaited=False)

    def _follow(self, remote_tag: str, *, is_awaited: bool) -> Change:
        change = Change(remote_tag, is_awaited=is_awaited)
        self._changes += (change,)
        return change

    # Requests inside the call

    async def request(
        self,
        method: str,
        *,
        fields: Fields = (),
        body: bytes = b"",
        content_type: str = "",
        remote_tag: str | None = None,
    ) -> Exchange:
        """Send a request inside the call, such as INFO. Raises TransportFailure and LocalError.

        Cancelling it gives up on the answer; one that says that the peer does not know the call ends that all the same.
        """
        return await self._driver.exchange(
            lambda stack, now: stack.request_within(
                self.number,
                method,
                now,
                fields=fields,
                body=body,
                content_type=content_type,
                remote_tag=remote_tag,
            )
        )

    def respond(self, event: CallRequested, status: int, *, fields: Fields = ()) -> None:
        """Answer a request of the peer inside the call.

        Raises LocalError for a status outside 100 to 699, and for fields that a response has in any case.
        """
        told = list(fields)
        require_further(told, "the answer", "leave it out")
        response = build_response(event.request, status, fields=told)
        self._driver.act(lambda stack, now: stack.respond(event.key, response, now))

    async def transfer(
        self, target: "Uri | str | Call | IncomingCall", *, subscribe: bool = True, remote_tag: str | None = None
    ) -> int:
        """Have the peer call somebody else, or take over another call's peer (RFC 3515, RFC 5589).

        Returns the last status that the peer tells of its own call, which may be after the end of this one; or that of
        its answer, 202 as a rule, when it agrees and tells nothing more. With `subscribe` False it is asked not to
        (RFC 4488). Raises CallFailure when it does not agree, or falls silent before it has told how its call went: a
        minute after the end of this one, unless it said otherwise.
        """
        fields: list[tuple[str, object]] = [
            ("Refer-To", self._replacing(target) if isinstance(target, _Events) else Address(uri_given(target))),
            *(() if subscribe else (("Refer-Sub", "false"),)),
        ]
        transfers, transfer, tickets = self._driver.transfers, Transfer(), list[int]()

        def refer(stack: Stack, now: float) -> int:
            ticket = stack.request_within(self.number, REFER, now, fields=fields, remote_tag=remote_tag)
            transfers[ticket] = transfer
            tickets.append(ticket)
            return ticket

        try:
            exchange = await self._driver.exchange(refer)
            if not exchange.response.is_success:
                raise CallFailure(exchange.response, exchange.auth_error)
            if not subscribe or not subscribes(exchange.response):
                return exchange.response.status
            outcome = await transfer.outcome()
            if not isinstance(outcome, int):
                raise CallFailure(None, outcome)
            return outcome
        finally:
            for ticket in tickets:
                del transfers[ticket]

    async def notify_refer(self, status: int, refer: CallRequested | None = None) -> Exchange:
        """Tell the peer how the call fares that its REFER asked for (RFC 3515 §2.4.4): a final status is the last.

        `refer` is that REFER; None stands for the oldest one that is not told of to the end. It works after the end of
        this call, too, for a minute since the last time. Raises TransportFailure and LocalError.
        """
        number = None if refer is None else refer.request.cseq.number
        remote_tag = None if refer is None else refer.request.from_tag or ""
        return await self._driver.exchange(
            lambda stack, now: stack.notify_refer(self.number, status, now, refer=number, remote_tag=remote_tag)
        )

    def _replacing(self, other: "_Events") -> Address:
        """Where the peer of `other` is, with the Replaces that makes the new call take the place of it (RFC 3891).

        That may be a call of another endpoint, which has numbers of its own for its calls.
        """
        if other is self:
            raise LocalError("the other call is this one; a peer takes over another's", section="RFC 3891 §3")
        uri, replaces = other._driver.act(lambda stack, _: (stack.peer(other.number), stack.replaces(other.number)))
        if not isinstance(uri, SipUri):
            raise LocalError("the other call has no SIP URI to be taken over at", section="RFC 3891 §4")
        return Address(uri.replace(headers=f"Replaces={escape_header(replaces)}"))


class Call(_Events):
    """A call placed here. Iterate over it for its events: progress, then answered or failed, then ended."""

    async def answered(self) -> Response:
        """Wait for the 2xx. Raises CallFailure when the call does not come about, or ends before, LocalError when the
        settings of this side keep it from being placed.

        Where the INVITE made no offer, the 2xx makes one, and `answer` must follow: without it there is no ACK.
        """
        async for event in self:
            match event:
                case CallAnswered(response=response):
                    return response
                case CallFailed(response=refusal, failure=failure):
                    if failure is not None and isinstance(local := blamed(failure), LocalError):
                        raise local
                    raise CallFailure(refusal, failure)
        raise CallFailure(None, self._closed_by)

    def _last(self) -> CallEvent:
        return super()._last() if self._up else CallFailed(self.number, None, self._closed_by)


class IncomingCall(_Events):
    """A call that came in. Ring, then accept or reject; iterate over it for its events: confirmed, ended.

    `async with` sees to it that it is hung up, or refused, when the block ends, however it ends:

        async with incoming as call:
            call.accept(body=answer, content_type=SDP)
            await call.over()
    """

    def __init__(self, driver: Driver, received: CallReceived) -> None:
        super().__init__(driver, received.call)
        self.invite: Request = received.invite
        self.flow: Flow = received.flow
        self.replaces = received.replaces
        """The number of the call whose place this one takes when it is accepted; None for none."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.hang_up()

    def adopt(self, change: Callable[[Manner], Manner]) -> None:
        """Deal with this call in another manner than with all others: with what `change` makes of that.

        Raises LocalError when the call is answered or over.
        """
        self._driver.act(lambda stack, _: stack.adopt(self.number, change(stack.manner)))

    def ring(
        self,
        status: int = 180,
        *,
        reliably: bool | None = None,
        fields: Fields = (),
        body: bytes = b"",
        content_type: str = "",
    ) -> None:
        """Send a 1xx, reliably (RFC 3262) where the caller requires it, or supports it and there is a body.

        It is sent again each minute until the call is answered or over, so that no proxy gives up; a 100 is not.
        Raises LocalError when the call is answered or over, and when it is to be reliable and cannot.
        """
        self._driver.act(
            lambda stack, now: stack.ring(
                self.number, status, now, reliably=reliably, fields=fields, body=body, content_type=content_type
            )
        )

    def accept(self, *, fields: Fields = (), body: bytes = b"", content_type: str = "") -> None:
        """Answer with a 200. Raises LocalError when the call is answered or over."""
        self._driver.act(
            lambda stack, now: stack.accept(self.number, now, fields=fields, body=body, content_type=content_type)
        )

    def reject(self, status: int = 603, *, reason: str = "", fields: Fields = ()) -> None:
        """Refuse with a 3xx to 6xx.

        Raises LocalError for another status, when the call is answered or over, and for fields that it has in any case.
        """
        self._driver.act(lambda stack, now: stack.reject(self.number, status, now, reason=reason, fields=fields))
