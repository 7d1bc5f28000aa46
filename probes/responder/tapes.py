"""What is said at the responder, sorted into the stories of its calls: an INVITE begins one, its Call-ID tells it."""

from probes.calls.machine import CallState
from probes.calls.story import OnEntry, Story
from probes.timeline import FAILED, SENT
from sipcore.errors import ParseError
from sipcore.message.address import Address
from sipcore.message.message import Message, Request
from sipcore.message.method import INVITE
from sipcore.message.parser import parse_message
from sipcore.message.registry import CONTACT, RECORD_ROUTE
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Flow, SocketAddress
from sipcore.trace import Direction, FlowTrace, MessageTrace, ResolveTrace, TraceRecord, TransitionTrace

MAX_WAITING = 1000
"""Stories of INVITEs that have not become calls, such as those that were challenged; the oldest goes first."""
MAX_CONNECTIONS = 1000
"""Connections whose beginning is kept for a call over them; the oldest goes first."""
_OVER = ("closed", FAILED)
"""The events of a connection that is there no more."""
FRESH = 10.0
"""Seconds before a call for which a connection's beginning is part of its story: one that is older was for others."""


class Tapes:
    """The stories of the calls that go on. `on_entry` is called with each line of any of them as it happens."""

    def __init__(self, on_entry: OnEntry | None = None) -> None:
        self._on_entry = on_entry
        self._waiting: dict[str, Story] = {}
        self._running: dict[str, Story] = {}
        self._connections: dict[SocketAddress, list[FlowTrace]] = {}
        self._named: dict[str, set[str]] = {}

    def take(self, record: TraceRecord) -> None:
        """A trace record: a line of the call that it belongs to, if there is one.

        What transactions go through is nobody's: they are not known by a Call-ID.
        """
        if isinstance(record, FlowTrace):
            self._connect(record)
        if isinstance(record, FlowTrace | ResolveTrace):
            self._try(record)
        if isinstance(record, TransitionTrace) and (story := self._of(record.call_id)) is not None:
            story.take(record)
        if not isinstance(record, MessageTrace):
            return
        try:
            message = parse_message(record.data)
            call_id = message.call_id
        except ParseError:
            return
        story = self._of(call_id)
        if story is None and _begins(record, message):
            if len(self._waiting) >= MAX_WAITING:
                del self._waiting[next(iter(self._waiting))]
            story = self._waiting[call_id] = self._begun(record.at, record.flow)
        if story is not None:
            story.take(record)

    def begin(self, call_id: str, at: float, flow: Flow) -> Story:
        """The story of a call that is dealt with from now on, with what has been said of it so far."""
        story = self._waiting.pop(call_id, None) or self._begun(at, flow)
        self._named[call_id] = _hosts_in(story)
        return self._running.setdefault(call_id, story)

    def turned_away(self, since: float) -> str:
        """The answer to the last INVITE that came since then and has not become a call; empty where there was none."""
        entries = [entry for story in self._waiting.values() if story.start >= since for entry in story.timeline]
        said = [entry.label for entry in entries if entry.direction == SENT]
        return said[-1] if said else ""

    def end(self, call_id: str) -> None:
        """Nothing more is told of a call."""
        self._running.pop(call_id, None)
        self._named.pop(call_id, None)

    def _of(self, call_id: str) -> Story | None:
        return self._running.get(call_id) or self._waiting.get(call_id)

    def _begun(self, at: float, flow: Flow) -> Story:
        story = Story(at, self._on_entry)
        for record in self._connections.pop(flow.remote, ()) if flow.transport.reliable else ():
            if at - record.at < FRESH:
                story.take(record)
        story.tell(CallState.INITIATED.value, at, f"by {flow.remote}")
        story.reach(CallState.INITIATED, at, str(flow.remote))
        return story

    def _try(self, record: FlowTrace | ResolveTrace) -> None:
        """What came of looking for a host that the callers of some calls have named, and of connecting to it."""
        if isinstance(record, FlowTrace) and (record.hop.accepted or record.event != FAILED):
            return
        host = record.hop.remote.host if isinstance(record, FlowTrace) else record.question.rpartition(" ")[2]
        for call_id, named in self._named.items():
            if host.lower() in named:
                self._running[call_id].take(record)
                if isinstance(record, ResolveTrace):
                    named.update(answer.partition(" ")[0] for answer in record.answers)

    def _connect(self, record: FlowTrace) -> None:
        """Keep how a connection began until a call comes over it."""
        remote = record.hop.remote
        if remote not in self._connections and len(self._connections) >= MAX_CONNECTIONS:
            del self._connections[next(iter(self._connections))]
        if record.event in _OVER:
            self._connections.pop(remote, None)
        else:
            self._connections.setdefault(remote, []).append(record)


def _begins(record: MessageTrace, message: Message) -> bool:
    return record.direction is Direction.RECEIVED and isinstance(message, Request) and message.method == INVITE


def _hosts_in(story: Story) -> set[str]:
    """Where a caller wants to be reached in the call: the hosts in the Contact and Record-Route of its INVITE."""
    record = next((each.record for each in story.timeline if isinstance(each.record, MessageTrace)), None)
    try:
        invite = parse_message(record.data) if record is not None else None
        addresses = [*invite[CONTACT], *invite[RECORD_ROUTE]] if invite is not None else []
    except ParseError:
        return set()
    uris = [each.uri for each in addresses if isinstance(each, Address)]
    return {SocketAddress(uri.address, 0).host.lower() for uri in uris if isinstance(uri, SipUri)}
