"""Mistakes of this program, where they are caught: at the edge, so that none ends what it has nothing to do with.

A message of some peer that meets a mistake in here would end every call of its endpoint, and anybody could send it
again. So whatever comes from outside is dealt with behind a broad `except`: what was being done is given up alone (see
`sipcore.recovery`), and the mistake is counted, traced, and logged with its traceback. What an owner asks for is not:
it gets what was raised.
"""

from sipcore.errors import EXCERPT_CHARACTERS, ParseError, SipError, encodable
from sipcore.trace import FaultTrace

LOGGER = "sipcore"
"""The logger's name. Where logging is not set up, Python writes to standard error."""
MAX_TOLD = 4 * EXCERPT_CHARACTERS
"""Characters of an error that are traced, and of what it was met over: a start line may have thousands."""


class Faults:
    """The mistakes that one endpoint has met with."""

    def __init__(self) -> None:
        """None so far."""
        self.count = 0
        self._places: set[str] = set()

    def record(self, error: Exception, what: str, now: float) -> FaultTrace:
        """Count a mistake; one at a place of the code that none was at before is logged, too."""
        self.count += 1
        while isinstance(error, ExceptionGroup):  # as a nursery wraps what its tasks raise
            error = error.exceptions[0]
        what = encodable(what)[:MAX_TOLD]
        place = _place_of(error)
        if place not in self._places:
            self._places.add(place)
            _log(error, what)
        told = error.message if isinstance(error, SipError) else error  # which quotes no header field
        return FaultTrace(now, what, encodable(f"{type(error).__name__}: {told}")[:MAX_TOLD], place)


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
    import logging  # loaded by those only who need it

    if isinstance(error, ParseError):  # which quotes a header field, that may have credentials
        error = error.within(text="").with_traceback(error.__traceback__)
    logging.getLogger(LOGGER).error("a mistake in sipcore over %r: please report it", what, exc_info=error)
