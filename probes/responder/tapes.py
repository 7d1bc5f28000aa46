"""What is said at the responder, sorted into the stories of its calls: an INVITE begins one, its Call-ID tells it."""

from probes.calls.machine import CallState
from probes.calls.story import OnEntry, Story
from sipcore.errors import ParseError
from sipcore.message.message import Message, Request
from sipcore.message.method import INVITE
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Flow
from sipcore.trace import Direction, MessageTrace, TraceRecord

MAX_WAITING = 1000
"""Stories of INVITEs that have not become calls, such as those that were challenged; the oldest goes first."""


class Tapes:
    """The stories of the calls that go on. `on_entry` is called with each line of any of them as it happens."""

    def __init__(self, on_entry: OnEntry | None = None) -> None:
        self._on_entry = on_entry
        self._waiting: dict[str, Story] = {}
        self._running: dict[str, Story] = {}

    def take(self, record: TraceRecord) -> None:
        """A trace record: a line of the call that it belongs to, if there is one."""
        if not isinstance(record, MessageTrace):
            return
        try:
            message = parse_message(record.data)
            call_id = message.call_id
        except ParseError:
            return
        story = self._running.get(call_id) or self._waiting.get(call_id)
        if story is None and _begins(record, message):
            if len(self._waiting) >= MAX_WAITING:
                del self._waiting[next(iter(self._waiting))]
            story = self._waiting[call_id] = self._begun(record.at, record.flow)
        if story is not None:
            story.take(record)

    def begin(self, call_id: str, at: float, flow: Flow) -> Story:
        """The story of a call that is dealt with from now on, with what has been said of it so far."""
        story = self._waiting.pop(call_id, None) or self._begun(at, flow)
        return self._running.setdefault(call_id, story)

    def end(self, call_id: str) -> None:
        """Nothing more is told of a call."""
        self._running.pop(call_id, None)

    def _begun(self, at: float, flow: Flow) -> Story:
        story = Story(at, self._on_entry)
        story.tell(CallState.INITIATED.value, at, f"by {flow.remote}")
        story.reach(CallState.INITIATED, at, str(flow.remote))
        return story


def _begins(record: MessageTrace, message: Message) -> bool:
    return record.direction is Direction.RECEIVED and isinstance(message, Request) and message.method == INVITE
