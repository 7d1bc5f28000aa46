"""Mistakes of this program, where they are caught: at the edge, so that none ends what it has nothing to do with.

A message of some peer that meets a mistake in here would end every call of its endpoint, and anybody could send it
again. So whatever comes from outside is dealt with behind a broad `except`: what was being done is given up alone (see
`sipcore.recovery`), and the mistake is counted, traced, and logged with its traceback. What an owner asks for is not:
it gets what was raised.

Neither trace nor log has a text that may be a peer's: `KeyError` and `ValueError` quote what they were met over, which
may have been credentials or a key. The kind of an error and its place tell what to look for.
"""

from sipcore.covering import cover_uris
from sipcore.errors import EXCERPT_CHARACTERS, SipError, encodable
from sipcore.trace import FaultTrace

LOGGER = "sipcore"
"""The logger's name. Where logging is not set up, Python writes to standard error."""
MAX_TOLD = 4 * EXCERPT_CHARACTERS
"""Characters of an error that are traced, and of what it was met over: a start line may have thousands."""
MAX_CAUSES, MAX_FRAMES = 4, 40
"""Errors that are told as the causes of one, and calls that led to each of them."""


class Faults:
    """The mistakes that one endpoint has met with."""

    def __init__(self) -> None:
        """None so far."""
        self.count = 0
        self._places: set[str] = set()

    def record(self, error: Exception, what: str, now: float) -> FaultTrace:
        """Count a mistake; one at a place of the code that none was at before is logged, too."""
        self.count += 1
        error = _first_of(error)
        what = cover_uris(encodable(what))[:MAX_TOLD]
        place = _place_of(error)
        if place not in self._places:
            self._places.add(place)
            _log(error, what)
        return FaultTrace(now, what, _named(error)[:MAX_TOLD], place)


def _first_of(error: Exception) -> Exception:
    """What went wrong first, of what a nursery wraps that its tasks raise."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _named(error: BaseException) -> str:
    """What kind of error it is, and what it says in words of this package, or of the operating system."""
    said = error.message if isinstance(error, SipError) else error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {encodable(said)}" if said else type(error).__name__


def _place_of(error: Exception) -> str:
    """Where an error was raised: function, module and line."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None:
        return ""
    frame = last.tb_frame
    return f"{frame.f_code.co_name} in {frame.f_globals.get('__name__', '')}, line {last.tb_lineno}"


def _log(error: Exception, what: str) -> None:
    """Log a mistake with its traceback, written here: what writes one elsewhere writes what errors quote, and may write
    the values of variables.
    """
    import logging  # loaded by those only who need it

    text = "a mistake in sipcore over %r: please report it\n%s"
    logging.getLogger(LOGGER).error(text, what, traceback_of(error), extra={"mistake": type(error)})


def traceback_of(error: Exception) -> str:
    """The lines of code that led to an error, and to what caused it, that first: without what errors quote."""
    import traceback

    told: list[str] = []
    cause: BaseException | None = _first_of(error)
    while cause is not None and len(told) < MAX_CAUSES:
        lines = traceback.format_tb(cause.__traceback__, -MAX_FRAMES)
        told.insert(0, f"Traceback (most recent call last):\n{''.join(lines)}{_named(cause)}")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\n\n".join(told)
