"""Which calls a stack has, and by what each is found: its number, its tickets, its dialogs, its timer."""

import heapq
from typing import TYPE_CHECKING

from sipcore.dialogs.callee import Callee
from sipcore.dialogs.caller import Caller
from sipcore.dialogs.dialog import DialogId
from sipcore.dialogs.effects import Effect, Purpose
from sipcore.dialogs.side import Side
from sipcore.invite import OutgoingInvite
from sipcore.message.message import Request, Response
from sipcore.resolve.target import Flow
from sipcore.transactions.key import AnyServerKey
from sipcore.transactions.timers import NEVER, Soonest

if TYPE_CHECKING:
    from sipcore.auth.session import AuthError, AuthSession

MAX_STALE = 64
"""Timers of calls that are over, or were set anew, which may lie about before they are swept up."""


class Call:
    """One call, whoever has placed it. `user` is whom its Contact names, `tickets` are its requests on the way."""

    __slots__ = (
        "asked",
        "auth",
        "dialog_ids",
        "due",
        "flow",
        "machine",
        "number",
        "over",
        "part_by",
        "referring",
        "tickets",
        "user",
    )

    def __init__(self, number: int, machine: Side, user: str) -> None:
        """Begin with nothing on the way."""
        self.number = number
        self.machine = machine
        self.user = user
        self.auth: AuthSession | None = None
        """What answers the challenges to its requests."""
        self.flow: Flow | None = None
        """Where its dialog was heard of."""
        self.tickets: tuple[int, ...] = ()
        self.asked: dict[AnyServerKey, Request] | None = None
        """The peer's requests that are its owner's to answer, until they are; None while there was none."""
        self.dialog_ids: tuple[DialogId, ...] = ()
        self.referring = False
        """Whether a REFER was sent in it, so that it may get notifications."""
        self.due = NEVER
        self.over = False
        """Whether its end has been told."""
        self.part_by = NEVER
        """When its BYE has had its time."""

    @property
    def lapses_at(self) -> float:
        """When the next of its REFERs has nothing to be told of any more, once it is over."""
        referrals = self.machine.referrals
        return NEVER if referrals is None else referrals.next_timeout()

    @property
    def auth_error(self) -> "AuthError | None":
        """Why the last challenge to its INVITE was not answered, if it sent one."""
        return None

    @property
    def is_awaited(self) -> bool:
        """Whether something may come for it although it is over: a 2xx once more (RFC 6026 §7.2), or the NOTIFY about
        a REFER, which may be due from here as well.
        """
        return bool(self.tickets) or bool(self.machine.referrals)


class PlacedCall(Call):
    """A call that was placed here."""

    __slots__ = ("invite",)
    machine: Caller

    def __init__(
        self, number: int, machine: Caller, user: str, auth: "AuthSession | None", invite: OutgoingInvite
    ) -> None:
        """Begin with its INVITE on the way."""
        super().__init__(number, machine, user)
        self.auth = auth
        self.invite: OutgoingInvite | None = invite
        """What it was placed with; None once that is answered, so that it cannot go out any more."""

    @property
    def auth_error(self) -> "AuthError | None":
        """Why the last challenge to its INVITE was not answered."""
        return self.invite.auth_error if self.invite is not None else None

    def receive(self, response: Response, flow: Flow, now: float) -> list[Effect]:
        """A response to its INVITE."""
        invite = self.invite
        if invite is not None:
            self.machine.resent(invite.request)
        if self.flow is not flow and (response.is_success or (response.to_tag and self.flow is None)):
            self.flow = flow
            if invite is not None:  # a 2xx that comes again says nothing new of where this side can be reached
                self.machine.reached_at(invite.contact(self.user, flow))
        return self.machine.receive(response, now)


class ReceivedCall(Call):
    """A call that came in.

    `invite_key` is the server transaction of its INVITE, `replaces` the call that it takes the place of (RFC 3891).
    """

    __slots__ = ("invite_key", "replaces")
    machine: Callee

    def __init__(
        self,
        number: int,
        machine: Callee,
        user: str,
        flow: Flow | None,
        invite_key: AnyServerKey,
        *,
        replaces: int | None = None,
    ) -> None:
        """Begin where its INVITE came from."""
        super().__init__(number, machine, user)
        self.flow = flow
        self.invite_key = invite_key
        self.replaces = replaces

    @property
    def is_awaited(self) -> bool:
        """Whether something may come for it although it is over, which a PRACK is as well (RFC 3262 §3)."""
        return bool(self.tickets) or self.machine.awaits_prack or bool(self.machine.referrals)


class CallBook:
    """The calls of one stack. Look-ups go to the five tables themselves; they are filled and emptied here only."""

    __slots__ = ("_heap", "_last_number", "_soonest", "by_dialog", "by_invite", "by_key", "by_number", "by_ticket")

    def __init__(self, soonest: Soonest | None = None) -> None:
        """Begin without any call, and tell `soonest` of each time that one is due."""
        self._soonest = soonest or Soonest()
        self.by_number: dict[int, Call] = {}
        self.by_invite: dict[int, PlacedCall] = {}
        """By the tickets of the INVITEs that calls were placed with."""
        self.by_ticket: dict[int, tuple[Call, Purpose]] = {}
        """By the tickets of requests inside a dialog, with what these are for."""
        self.by_dialog: dict[DialogId, Call] = {}
        self.by_key: dict[AnyServerKey, Call] = {}
        """By the server transactions of the INVITEs that they came in with, and of what is its owner's to answer."""
        self._heap: list[tuple[float, int]] = []
        self._last_number = 0

    def __len__(self) -> int:
        return len(self.by_number)

    def next_number(self) -> int:
        """The number of one more call."""
        self._last_number += 1
        return self._last_number

    def add(self, call: Call) -> None:
        """Enter one more call."""
        self.by_number[call.number] = call
        if isinstance(call, ReceivedCall):
            self.by_key[call.invite_key] = call

    def remove(self, call: Call) -> None:
        """Strike a call out, and all by which it is found, save what another call is found by since.

        An INVITE that comes again after its transaction is over begins another call, and has the same key.
        """
        self.by_number.pop(call.number, None)
        for dialog_id in call.dialog_ids:
            if self.by_dialog.get(dialog_id) is call:
                del self.by_dialog[dialog_id]
        for key in call.asked or ():
            self._forget_key(call, key)
        if isinstance(call, ReceivedCall):
            self._forget_key(call, call.invite_key)

    def know(self, call: Call, dialog_id: DialogId) -> None:
        """Find the call by one more dialog."""
        if self.by_dialog.get(dialog_id) is not call:
            call.dialog_ids = (*call.dialog_ids, dialog_id)
            self.by_dialog[dialog_id] = call

    def watch_invite(self, call: PlacedCall, ticket: int) -> None:
        """Find the call by its INVITE, as that goes out now."""
        self.by_invite[ticket] = call
        call.tickets = (*call.tickets, ticket)

    def watch(self, call: Call, ticket: int, purpose: Purpose) -> None:
        """Find the call by a request that it has sent inside a dialog."""
        self.by_ticket[ticket] = (call, purpose)
        call.tickets = (*call.tickets, ticket)

    def give_up(self, call: Call, ticket: int) -> None:
        """Nobody waits for the answer to that request any more, but for the dialog."""
        self.by_ticket[ticket] = (call, Purpose.GIVEN_UP)

    def unwatch(self, call: Call, ticket: int) -> None:
        """Find the call by that request no more."""
        self.by_ticket.pop(ticket, None)
        self.by_invite.pop(ticket, None)
        call.tickets = tuple(other for other in call.tickets if other != ticket)

    def ask(self, call: Call, key: AnyServerKey, request: Request) -> None:
        """A request came inside the call that is its owner's to answer."""
        self.by_key[key] = call
        call.asked = call.asked or {}
        call.asked[key] = request

    def answered(self, key: AnyServerKey) -> None:
        """A request has its final response, which may be one that `ask` was told of."""
        call = self.by_key.get(key)
        if call is not None and call.asked and call.asked.pop(key, None) is not None:
            self._forget_key(call, key)

    def _forget_key(self, call: Call, key: AnyServerKey) -> None:
        if self.by_key.get(key) is call:
            del self.by_key[key]

    # Time

    def next_timeout(self) -> float | None:
        """When the first call is due; None while no call is waiting for a time."""
        heap = self._heap
        while heap:
            due, number = heap[0]
            call = self.by_number.get(number)
            if call is not None and call.due == due:
                return due
            heapq.heappop(heap)  # that call is over, or due earlier: nobody should wake for it
        return None

    def pop_due(self, now: float) -> Call | None:
        """A call that is due, once; None when there is none any more."""
        while self._heap and self._heap[0][0] <= now:
            _, number = heapq.heappop(self._heap)
            call = self.by_number.get(number)
            if call is not None and call.due <= now:
                call.due = NEVER
                return call
        return None

    def schedule(self, call: Call) -> None:
        """See to it that a call is due when its machine wants to be woken, or, after its end, its subscriptions do; and
        when its BYE has had its time.
        """
        due = min(call.part_by, call.lapses_at if call.over else call.machine.next_timeout())
        if due >= call.due:
            return
        call.due = due
        heapq.heappush(self._heap, (due, call.number))
        if due < self._soonest.at:
            self._soonest.at = due
        if len(self._heap) > 2 * len(self.by_number) + MAX_STALE:
            self._heap = [(each.due, each.number) for each in self.by_number.values() if each.due < NEVER]
            heapq.heapify(self._heap)
