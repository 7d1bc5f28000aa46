"""What was said in a call: its messages in order, and what each of them describes of a session."""

from collections.abc import Iterable, Iterator

from sipcore.deviation import Notes
from sipcore.dialogs.session import description_of
from sipcore.errors import ParseError
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.resolve.target import SocketAddress
from sipcore.sdp.description import MediaDescription, SessionDescription
from sipcore.trace import MessageTrace
from sipcore.value import value


@value
class Said:
    """One message: `sent` is whether this side sent it, `again` whether the same had been on its way before."""

    at: float
    sent: bool
    message: Request | Response
    record: MessageTrace
    again: bool = False


def read(records: Iterable[tuple[MessageTrace, bool]]) -> Iterator[Said]:
    """What was said, out of messages and whether this side sent each; what is not SIP is left out."""
    known: set[tuple[bool, bytes]] = set()
    for record, sent in records:
        try:
            message = parse_message(record.data)
        except ParseError:
            continue
        yield Said(record.at, sent, message, record, record.attempt > 0 or (sent, record.data) in known)
        known.add((sent, record.data))


def method_of(response: Response) -> str:
    """The method that a response answers; empty where that cannot be read."""
    try:
        return response.cseq.method
    except ParseError:
        return ""


def audio_of(description: SessionDescription | None) -> MediaDescription | None:
    """The first audio stream of a description."""
    return next((each for each in description.media if each.media == "audio"), None) if description else None


def place_of(description: SessionDescription | None) -> SocketAddress | None:
    """Where a description wants audio; None where it says nothing about it."""
    audio = audio_of(description)
    connection = description.connection_of(audio) if description is not None and audio is not None else None
    return SocketAddress(connection.address, audio.port) if audio is not None and connection is not None else None


def description_in(message: Request | Response) -> SessionDescription | None:
    """What a message describes of a session; None where it describes none, or none that can be read."""
    notes: Notes = []
    try:
        body = description_of(message)
        return SessionDescription.parse(body, notes) if body else None
    except ParseError:
        return None
