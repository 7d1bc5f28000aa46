"""Session timers: RFC 4028. Who refreshes a session, when, and when it is given up that nobody refreshes.

"uac" and "uas" are the sides of one request, so they change places with each refresh that the other side sends (§7.4);
`Expiry` remembers who it is as "here" or "there".
"""

from enum import Enum

from sipcore.dialogs.manner import MIN_INTERVAL, Manner, is_supported
from sipcore.errors import ParseError
from sipcore.message.message import Request, Response
from sipcore.message.registry import MIN_SE, RETRY_AFTER, SESSION_EXPIRES
from sipcore.transactions.timers import NEVER

TIMER = "timer"
"""The option tag."""
LEAD = 32.0
"""Seconds before its end that a session is given up, unless a third of it is less (§10)."""
RETRY = 4.0
"""Seconds after which a refresh that was refused is tried again, and twice as long each time: it is due until one goes
through, but a peer that goes on refusing is not to be asked without end (§10)."""
TOO_SMALL = 422
"""Session Interval Too Small (§6)."""
MAX_RAISES = 3
"""422 in a row that are believed: each proxy on the way may want more than the one before, but there are not many."""

_FieldList = list[tuple[str, object]]


class Due(Enum):
    """What the time has come for."""

    NOTHING = "nothing"
    REFRESH = "refresh"
    END = "end"


class Expiry:
    """The session timer of one dialog. `due` is when `wake` is to be called, NEVER while no timer runs."""

    __slots__ = ("_end", "_raises", "_retry", "_wanted", "due", "interval", "minimum", "refreshed_here")

    def __init__(self, interval: int = 0, minimum: int = MIN_INTERVAL) -> None:
        """Take the seconds to ask for, 0 for nothing, and those that must not be gone below."""
        self.interval = interval
        self.minimum = minimum
        self._wanted = interval
        self._raises = 0
        self.refreshed_here: bool | None = None
        """Whether this side refreshes; None while there is no timer."""
        self.due = NEVER
        self._end = NEVER
        self._retry = 0.0
        """Seconds to wait after the next refusal of a refresh; 0 while none is due."""

    # As client

    def asked(self) -> _FieldList:
        """What a request asks for that sets up or refreshes the session (§7.1, §7.4)."""
        if not self.interval:
            return []
        role = {None: "", True: ";refresher=uac", False: ";refresher=uas"}[self.refreshed_here]
        fields: _FieldList = [("Session-Expires", f"{max(self.interval, self.minimum)}{role}")]
        if self.minimum > MIN_INTERVAL:  # the most that any 422, or any refresh of the peer, has asked for
            fields.append(("Min-SE", self.minimum))
        return fields

    def too_small(self, refusal: Response) -> bool:
        """Take a 422; False when it tells nothing new, or too often, so that asking again is of no use (§7.3)."""
        wanted = _lowest(refusal)
        if wanted <= self.minimum or self._raises >= MAX_RAISES:
            return False
        self._raises += 1
        self.minimum = wanted
        self.interval = max(self.interval, self.minimum)
        return True

    def agreed(self, success: Response, now: float) -> None:
        """Take the 2xx of a request that was sent: it tells how long the session lasts now (§7.2).

        A peer that knows no session timers says nothing. Then the timer that is wanted here is kept here. One that has
        this side refresh a session of less than MIN_INTERVAL, which nobody may ask for (§4), has it refresh at the rate
        of that: no peer sets how often this side sends (§11). How often it sends itself is its own affair.
        """
        self._raises = 0
        try:
            expires = success[SESSION_EXPIRES]
        except ParseError:
            expires = None
        if expires is not None and expires.seconds:
            here = expires.refresher != "uas"
            self._run(max(expires.seconds, MIN_INTERVAL) if here else expires.seconds, now, here=here)
        elif self._wanted:
            self._run(max(self._wanted, self.minimum), now, here=True)
        else:
            self.stop()

    def unchanged(self, refusal: Response | None, now: float) -> None:
        """A change failed, with `refusal` or without any answer: a refresh that is due is tried again later (§10).

        Later is what Retry-After says, RETRY at least, and no wait that would outlast the session.
        """
        if not self._retry:
            return
        asked = _asked_to_wait(refusal)
        wait = max(self._retry, asked if now + asked < self._end else 0.0)
        self._retry *= 2
        self.due = min(now + wait, self._end)

    # As server

    def hear(self, request: Request) -> None:
        """Take the Min-SE of a request of the peer for the session: no refresh from here goes below it (§7.4)."""
        self.minimum = max(self.minimum, _lowest(request))

    def refusal(self, request: Request, manner: Manner) -> int | None:
        """The Min-SE of the 422 that a request is to be refused with, None for one that is not (§9)."""
        expires = request[SESSION_EXPIRES]
        if expires is None or expires.seconds >= manner.min_interval or not is_supported(TIMER, request):
            return None
        return manner.min_interval

    def accept(self, request: Request, manner: Manner, now: float) -> _FieldList:
        """What the 2xx to a request says of the session's length; the timer runs from now (§9).

        That is MIN_INTERVAL at least, even where a client that could not be told so by a 422 has asked for less.
        """
        expires = request[SESSION_EXPIRES]
        if not manner.supports(TIMER) or (expires is None and not manner.interval):
            self.stop()
            return []
        wanted = max(manner.interval, manner.min_interval, _lowest(request))
        interval = wanted if expires is None else min(expires.seconds, wanted if manner.interval else expires.seconds)
        interval = max(interval, MIN_INTERVAL)
        role = (expires.refresher if expires else None) or (manner.refresher if is_supported(TIMER, request) else "uas")
        self._run(interval, now, here=role == "uas")
        fields: _FieldList = [("Session-Expires", f"{interval};refresher={role}")]
        return [("Require", TIMER), *fields] if role == "uac" else fields

    # Time

    def wake(self, now: float) -> Due:
        """What there is to do now. A refresh is told once: `agreed` or `unchanged` tell how the next change fared."""
        if now < self.due:
            return Due.NOTHING
        if now >= self._end:
            self.stop()
            return Due.END
        self.due, self._retry = self._end, self._retry or RETRY
        return Due.REFRESH

    def put_off(self, now: float) -> None:
        """A refresh that is due is left to a request that is on its way, for half of the time until the end."""
        self.due = (now + self._end) / 2

    def _run(self, interval: int, now: float, *, here: bool) -> None:
        self.interval = interval
        self.refreshed_here = here
        self._end = now + interval - min(LEAD, interval / 3)
        self.due = now + interval / 2 if here else self._end
        self._retry = 0.0

    def stop(self) -> None:
        """Let no timer run."""
        self.refreshed_here = None
        self.due = self._end = NEVER
        self._retry = 0.0


def _lowest(message: Request | Response) -> int:
    """The seconds that Min-SE asks for at least; 0 where it is not there, or cannot be read (RFC 3261 §8.2.2)."""
    try:
        lowest = message[MIN_SE]
    except ParseError:
        return 0
    return lowest.seconds if lowest is not None else 0


def _asked_to_wait(refusal: Response | None) -> int:
    """The seconds that Retry-After asks for; 0 where it is not there, or cannot be read."""
    try:
        asked = refusal[RETRY_AFTER] if refusal is not None else None
    except ParseError:
        return 0
    return asked.seconds if asked is not None else 0
