"""The course of an incident as a table: from the first sign of a trouble to the word that it is over.

A trouble has to last before it is told, and one that comes and goes (*flaps*) has to stay away before it is told as
over: then it is one incident, and not one for each time. An incident that was told is told as over, once.
"""

import math
from collections import deque
from enum import Enum

from sipcore.value import value

GATHER = 1.0
"""Seconds for which a word waits at the least, so that what follows from the same check is told with it."""
FLAPS = 3
"""How often a trouble begins within FLAP_WINDOW until it counts as flapping."""
FLAP_WINDOW = 3600.0
"""Seconds."""
FLAP_CALM = 1800.0
"""Seconds for which a trouble that flaps has to stay away until it is over."""


class IncidentState(Enum):
    """How far an incident is."""

    CLEAR = "clear"
    """There is no trouble."""
    WAITING = "waiting"
    """There is some, and it has not been told yet."""
    TOLD = "told"
    EASING = "easing"
    """It was told, it is gone, and it has not stayed away for long enough yet to be told as over."""


class Sign(Enum):
    """What is learnt of a trouble."""

    ON = "on"
    OFF = "off"
    TIME = "time"
    """The time is up for which a state is waited in."""


class Deed(Enum):
    """What is done on the way to the next state."""

    NOTHING = "nothing"
    DELAY = "wait until it is told"
    BEGIN = "tell it"
    REMIND = "tell it again"
    EASE = "wait until it is told as over"
    RETURN = "go on as before"
    FORGET = "forget it, since nobody was told"
    END = "tell that it is over"


_S, _I, _DO = IncidentState, Sign, Deed

TABLE: dict[tuple[IncidentState, Sign], tuple[IncidentState, Deed]] = {
    (_S.CLEAR, _I.ON): (_S.WAITING, _DO.DELAY),
    (_S.WAITING, _I.OFF): (_S.CLEAR, _DO.FORGET),
    (_S.WAITING, _I.TIME): (_S.TOLD, _DO.BEGIN),
    (_S.TOLD, _I.OFF): (_S.EASING, _DO.EASE),
    (_S.TOLD, _I.TIME): (_S.TOLD, _DO.REMIND),
    (_S.EASING, _I.ON): (_S.TOLD, _DO.RETURN),
    (_S.EASING, _I.TIME): (_S.CLEAR, _DO.END),
}
IGNORED = {
    (_S.CLEAR, _I.OFF),
    (_S.WAITING, _I.ON),
    (_S.TOLD, _I.ON),
    (_S.EASING, _I.OFF),
}
"""What says nothing new."""
IMPOSSIBLE = {(_S.CLEAR, _I.TIME)}
"""Nothing is waited for there."""


@value
class Pace:
    """How long an incident is waited with, in seconds."""

    delay: float = 0.0
    """For which a trouble has to last until it is told."""
    repeat: float = 0.0
    """After which it is told again while it lasts; 0 for never."""
    counts_untold: bool = False
    """Whether beginnings count as flapping that were over before they were told: those of grave troubles do."""


class Incident:
    """One trouble of one route or trunk, over and over again. Times are in seconds since 1970."""

    def __init__(self, pace: Pace) -> None:
        self.state = IncidentState.CLEAR
        self.since = 0.0
        """When the trouble began first, of the present incident or the last one."""
        self.on_since = 0.0
        """When it began the last time, which is later where it flaps."""
        self.until = 0.0
        """When the trouble was gone, once it eases."""
        self.id = ""
        """What its owner has named it, once it was told."""
        self.number = 0
        """How many alerts this incident has had."""
        self.flapping = False
        self.due = math.inf
        self._pace = pace
        self._begun: deque[float] = deque(maxlen=FLAPS)
        """When it began the last times, as far as that counts as flapping."""

    @property
    def is_open(self) -> bool:
        """Whether its end is still to be told."""
        return self.state in (_S.TOLD, _S.EASING)

    @property
    def is_on(self) -> bool:
        """Whether the trouble is there."""
        return self.state in (_S.WAITING, _S.TOLD)

    def take(self, sign: Sign, now: float, since: float | None = None) -> Deed:
        """What a sign makes of it; `since` is when the trouble began or went, `now` without one."""
        place = (self.state, sign)
        if place in IGNORED:
            return _DO.NOTHING
        at = now if since is None else min(since, now)  # later where the clock was set back: it would wait for that
        _, deed = TABLE[place]
        self._do(deed, now, at)
        self.state, _ = TABLE[place]
        return deed

    def _do(self, deed: Deed, now: float, at: float) -> None:
        """What a deed does here, while the state is still the one before."""
        if deed is _DO.DELAY:
            self.since, self.on_since, self.number, self.flapping = at, at, 0, False
            if self._pace.counts_untold:
                self._count(now)
            self.due = self._begins(now)
        elif deed is _DO.EASE:
            self.until = at
            self.due = now + (FLAP_CALM if self.flapping else GATHER)
        elif deed is _DO.RETURN:
            self.on_since = at
            self._count(now)
            self.due = self._again(now)
        elif deed is _DO.BEGIN:
            self.number += 1
            if not self._pace.counts_untold:
                self._count(now)
            self.due = self._again(now)
        elif deed is _DO.REMIND:
            self.number += 1
            self.flapping = False  # it has stayed
            self.due = self._again(now)
        else:
            self.number += deed is _DO.END
            self.due = math.inf
            if self.flapping:
                self._begun.clear()

    def follow(self, pace: Pace, now: float) -> None:
        """Be waited with in another way from now on."""
        if pace == self._pace:
            return
        self._pace = pace
        if self.state is _S.WAITING and self.due < math.inf:
            self.due = self._begins(now)
        elif self.state is _S.TOLD and not self.flapping:
            self.due = self._again(now)

    def postpone(self) -> None:
        """Wait with what is due until `resume`, since something graver is told."""
        self.due = math.inf

    def resume(self, now: float) -> None:
        """Go on after `postpone`."""
        if self.due == math.inf and self.state is _S.WAITING:
            self.due = self._begins(now)
        elif self.due == math.inf and self.state is _S.TOLD:
            self.due = self._again(now)

    def shift(self, seconds: float) -> None:
        """The clock was set back by that."""
        self.due -= seconds
        self.on_since -= seconds
        self._begun.clear()

    def adopt(self, name: str, number: int, since: float, flapping: bool, now: float) -> None:
        """Take over an incident that was told in an earlier run, and whose trouble is taken to last."""
        self.state, self.id, self.number, self.flapping = _S.TOLD, name, number, flapping
        self.since = self.on_since = since
        self.due = self._again(now)

    def _begins(self, now: float) -> float:
        """When it is told that waits: what flaps at once, however short it lasts each time."""
        return now + GATHER if self.flapping else max(now + GATHER, self.on_since + self._pace.delay)

    def _again(self, now: float) -> float:
        """When it is told again that was told: once it has stayed, where it flaps."""
        if self.flapping:
            return now + FLAP_CALM
        return now + self._pace.repeat if self._pace.repeat else math.inf

    def _count(self, now: float) -> None:
        """One more beginning, which may be one too many."""
        while self._begun and self._begun[0] <= now - FLAP_WINDOW:
            self._begun.popleft()
        self._begun.append(now)
        self.flapping = self.flapping or len(self._begun) == FLAPS
