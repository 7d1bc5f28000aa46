"""What a rule finds: the code, and the facts of the case. The catalogue has the rest."""

from probes.findings.finding import Severity
from sipcore.message.message import Message
from sipcore.trace import TraceRecord
from sipcore.value import value

MAX_SHOWN = 200
"""Characters of one piece of evidence: a line of a message, not a page."""


@value
class Hint:
    """A finding to be made. `severity` is for a case that is less bad than the catalogue has it."""

    code: str
    what: str
    evidence: tuple[str, ...] = ()
    records: tuple[TraceRecord, ...] = ()
    severity: Severity | None = None


def lines(message: Message, *fields: str) -> tuple[str, ...]:
    """The start line of a message, and some of its header fields, as evidence."""
    told = [f"{name}: {content}" for name in fields for content in message.headers.get_all(name)]
    return tuple(line[:MAX_SHOWN] for line in (message.start_line, *told))
