"""Which calls a stack has, and by what each is found: its number, its tickets, its dialogs, its timer."""

import heapq
from dataclasses import dataclass
from enum import Enum

from sipcore.auth.session import AuthError, AuthSession
from sipcore.dialogs.callee import Callee
from sipcore.dialogs.caller import Caller
from sipcore.dialogs.dialog import DialogId
from sipcore.dialogs.effects import Purpose
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow, Hop
from sipcore.transactions.key import AnyServerKey
from sipcore.transactions.timers import NEVER

MAX_STALE = 64
"""Timers of calls that are over, or were set anew, which may lie about before they are swept up."""


class Invite(Enum):
    """What a ticket is for that is no request inside a dialog."""

    INVITE = "the INVITE of a call"


@dataclass(slots=True)
class Entry:
    """One call. `user` is whom its Contact names, `hop` where its dialog goes, `tickets` its requests on the way."""

    number: int
    machine: Caller | Callee
    user: str
    order: Order | None = None
    """What the INVITE was sent with, until its transaction is over."""
    auth: AuthSession | None = None
    invite_ticket: int | None = None
    tickets: tuple[int, ...] = ()
    hop: Hop | Flow | None = None
    keys: tuple[AnyServerKey, ...] = ()
    """The server transactions that a CANCEL may be for."""
    dialog_ids: tuple[DialogId, ...] = ()
    auth_error: AuthError | None = None
    replaces: int | None = None
    referring: bool = False
    due: float = NEVER
    over: bool = False


class CallBook:
    """The entries of all calls. Look-ups go to the four tables themselves; they are filled and emptied here only."""

    __slots__ = ("_heap", "_last_number", "by_dialog", "by_key", "by_number", "by_ticket")

    def __init__(self) -> None:
        """Begin without any call."""
        self.by_number: dict[int, Entry] = {}
        self.by_ticket: dict[int, tuple[Entry, Invite | Purpose]] = {}
        self.by_dialog: dict[DialogId, Entry] = {}
        self.by_key: dict[AnyServerKey, Entry] = {}
        self._heap: list[tuple[float, int]] = []
        self._last_number = 0

    def __len__(self) -> int:
        return len(self.by_number)

    def add(self, machine: Caller | Callee, user: str) -> Entry:
        """Enter one more call."""
        self._last_number += 1
        call = Entry(self._last_number, machine, user)
        self.by_number[call.number] = call
        return call

    def remove(self, call: Entry) -> None:
        """Strike a call out, and all by which it is found, save what another call is found by since.

        An INVITE that comes again after its transaction is over begins another call, and has the same key.
        """
        self.by_number.pop(call.number, None)
        for dialog_id in call.dialog_ids:
            if self.by_dialog.get(dialog_id) is call:
                del self.by_dialog[dialog_id]
        self._forget_keys(call, call.keys)

    def know(self, call: Entry, dialog_id: DialogId) -> None:
        """Find the call by one more dialog."""
        if self.by_dialog.get(dialog_id) is not call:
            call.dialog_ids = (*call.dialog_ids, dialog_id)
            self.by_dialog[dialog_id] = call

    def watch(self, call: Entry, ticket: int, purpose: Invite | Purpose) -> None:
        """Find the call by a request that it has sent."""
        self.by_ticket[ticket] = (call, purpose)
        call.tickets = (*call.tickets, ticket)

    def unwatch(self, ticket: int) -> tuple[Entry, Invite | Purpose] | None:
        """Find the call by that request no more; gives it, and what the request was for."""
        found = self.by_ticket.pop(ticket, None)
        if found is not None:
            found[0].tickets = tuple(other for other in found[0].tickets if other != ticket)
        return found

    def receive(self, call: Entry, key: AnyServerKey) -> None:
        """Find the call by the last INVITE or UPDATE that came inside it, and by its first INVITE still."""
        self._forget_keys(call, call.keys[1:])
        self.by_key[key] = call
        call.keys = (*call.keys[:1], key)

    def _forget_keys(self, call: Entry, keys: tuple[AnyServerKey, ...]) -> None:
        for key in keys:
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

    def pop_due(self, now: float) -> Entry | None:
        """A call that is due, once; None when there is none any more."""
        while self._heap and self._heap[0][0] <= now:
            _, number = heapq.heappop(self._heap)
            call = self.by_number.get(number)
            if call is not None and call.due <= now:
                call.due = NEVER
                return call
        return None

    def schedule(self, call: Entry) -> None:
        """See to it that a call is due when its machine wants to be woken."""
        due = call.machine.next_timeout()
        if due >= call.due:
            return
        call.due = due
        heapq.heappush(self._heap, (due, call.number))
        if len(self._heap) > 2 * len(self.by_number) + MAX_STALE:
            self._heap = [(each.due, each.number) for each in self.by_number.values() if each.due < NEVER]
            heapq.heapify(self._heap)
