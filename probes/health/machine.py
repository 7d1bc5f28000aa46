"""How a route is, as a table: what a check may say about it, and what follows; every cell is decided.

OPTIONS, test calls and tests of a registration are told apart: each kind has a `Track` of its own, by the same table,
and `JOINT` says what they come to. In one row they would hide each other: OPTIONS that are answered each minute would
take back a test call that fails each hour, and one call that succeeds would make failures out of OPTIONS that are
dropped, as they always were.
"""

from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from probes.health.terms import Change, Check, Health, Kind, Verdict
from probes.health.trunk import Rules
from sipcore.value import Member, value

CALL_RECOVERIES = 1
"""Test calls, or tests of a registration, in a row that have to succeed before that counts as possible again: one that
is answered has gone all the way, and the next may be an hour off.
"""


class Input(Member):
    """What a check may say, once it is known what those before it said."""

    GOOD = "good"
    """It answers as it should, and often enough in a row where it was down."""
    POOR = "poor"
    """Likewise, but something is wrong."""
    RECOVERING = "good or poor, not yet often enough"
    """Only where it was down."""
    MISS = "a miss, not yet the last"
    """Refused, or silent where it has answered before."""
    LAST_MISS = "as many misses in a row as the rules have"
    SILENCE = "silent, and it never answered"
    LASTING_SILENCE = "silent often enough, and it never answered"
    """As often in a row as it would have to answer to count as up."""
    PROVED = "silent, but a test call or a registration succeeds"
    OWN = "could not be checked"


class Step(Enum):
    """What becomes of what is counted, on the way to the next state."""

    CLEAR = "count anew"
    COUNT_MISS = "count the miss"
    COUNT_PASS = "count the answer"
    """And the misses anew, since they are no longer in a row."""
    COUNT_SILENCE = "count the silence"
    """It takes nothing back until it lasts: refused is refused."""
    EXPECT = "expect answers"
    """From now on silence is a miss."""
    EXPECT_NOTHING = "expect no answers"
    """From now on silence says nothing, until something is answered."""


_H, _I, _DO = Health, Input, Step
_UP = (_DO.CLEAR, _DO.EXPECT)
_WITHOUT_ANSWER = (_H.UNCHECKED, _H.UNKNOWN)
_IN_DOUBT = (_H.DEGRADED, _H.UNREACHABLE)

TABLE: dict[tuple[Health, Input], tuple[Health, tuple[Step, ...]]] = {
    **{(health, _I.GOOD): (_H.HEALTHY, _UP) for health in Health if health is not _H.HEALTHY},
    **{(health, _I.POOR): (_H.DEGRADED, _UP) for health in Health},
    **{(health, _I.MISS): (_H.DEGRADED, (_DO.COUNT_MISS,)) for health in Health if health is not _H.UNREACHABLE},
    **{(health, _I.LAST_MISS): (_H.UNREACHABLE, (_DO.COUNT_MISS,)) for health in Health},
    (_H.UNREACHABLE, _I.MISS): (_H.UNREACHABLE, (_DO.COUNT_MISS,)),  # it had begun to come up
    (_H.UNREACHABLE, _I.RECOVERING): (_H.UNREACHABLE, (_DO.COUNT_PASS, _DO.EXPECT)),
    (_H.UNCHECKED, _I.SILENCE): (_H.UNKNOWN, ()),
    (_H.UNCHECKED, _I.LASTING_SILENCE): (_H.UNKNOWN, ()),
    # It was refused, and is silent as before: whoever drops OPTIONS never comes up in another way.
    **{(health, _I.SILENCE): (health, (_DO.COUNT_SILENCE,)) for health in _IN_DOUBT},
    **{(health, _I.LASTING_SILENCE): (_H.UNKNOWN, (_DO.CLEAR,)) for health in _IN_DOUBT},
    # It began to drop OPTIONS. Not before it is down by them: a lost datagram beside a call that succeeds is no sign.
    (_H.UNREACHABLE, _I.PROVED): (_H.UNKNOWN, (_DO.CLEAR, _DO.EXPECT_NOTHING)),
}
IGNORED = {
    *((health, _I.OWN) for health in Health),  # a fault of this host says nothing about the route
    (_H.HEALTHY, _I.GOOD),
    (_H.UNKNOWN, _I.SILENCE),
    (_H.UNKNOWN, _I.LASTING_SILENCE),
    (_H.UNKNOWN, _I.PROVED),
    (_H.DEGRADED, _I.PROVED),
}
IMPOSSIBLE = {
    *((health, _I.RECOVERING) for health in Health if health is not _H.UNREACHABLE),
    *((_H.HEALTHY, silence) for silence in (_I.SILENCE, _I.LASTING_SILENCE)),  # it has answered
    *((health, _I.PROVED) for health in (_H.UNCHECKED, _H.HEALTHY)),  # its last check was no silence
}


@value
class Track:
    """What the checks of one kind say about a route."""

    health: Health = Health.UNCHECKED
    misses: int = 0
    """Failures in a row; what says nothing breaks no row."""
    passes: int = 0
    """Since it was in doubt: answers in a row, or silences in a row where it never answered."""
    expected: bool = False
    """Whether silence is a failure, since it has answered before."""
    silent: bool = False
    """Whether the last check that said anything was silent."""

    @property
    def answers(self) -> int:
        """Answers in a row since it was in doubt."""
        return self.passes if self.expected else 0

    @property
    def in_doubt(self) -> bool:
        """Whether the next check should come sooner: it failed of late and is not down, or it is coming up."""
        return self.passes > 0 if self.health is Health.UNREACHABLE else self.misses > 0


@value
class Limits:
    """How many checks of one kind in a row bring a route down, and up."""

    misses: int
    recoveries: int


def limits(rules: Rules, kind: Kind) -> Limits:
    """The limits for checks of one kind."""
    match kind:
        case Kind.OPTIONS:
            return Limits(rules.misses, rules.recoveries)
        case Kind.CALL:
            return Limits(rules.call_misses, CALL_RECOVERIES)
        case Kind.REGISTRATION:
            return Limits(rules.registration_misses, CALL_RECOVERIES)


def input_of(track: Track, verdict: Verdict, limit: Limits) -> Input:
    """What a verdict comes to after those that the track has seen."""
    if verdict is Verdict.OWN:
        return Input.OWN
    if verdict in (Verdict.GOOD, Verdict.POOR):
        if track.health is Health.UNREACHABLE and track.answers + 1 < limit.recoveries:
            return Input.RECOVERING
        return Input.GOOD if verdict is Verdict.GOOD else Input.POOR
    if verdict is Verdict.SILENT and not track.expected:
        return Input.SILENCE if track.passes + 1 < limit.recoveries else Input.LASTING_SILENCE
    return Input.LAST_MISS if track.misses + 1 >= limit.misses else Input.MISS


_STEPS: dict[Step, Callable[[Track], Track]] = {
    Step.CLEAR: lambda track: replace(track, misses=0, passes=0),
    Step.COUNT_MISS: lambda track: replace(track, misses=track.misses + 1, passes=0),
    Step.COUNT_PASS: lambda track: replace(track, misses=0, passes=track.answers + 1),
    Step.COUNT_SILENCE: lambda track: replace(track, passes=track.passes + 1),
    Step.EXPECT: lambda track: replace(track, expected=True),
    Step.EXPECT_NOTHING: lambda track: replace(track, expected=False),
}


def advance(track: Track, happening: Input) -> Track:
    """The track after an input, by the table."""
    cell = track.health, happening
    if cell in IGNORED:
        return track
    health, steps = TABLE[cell]
    for step in steps:
        track = _STEPS[step](track)
    return replace(track, health=health)


JOINT: dict[tuple[Health, Health], Health] = {
    # By OPTIONS, then by test calls; by both, then by registrations. Without these OPTIONS alone count, and what was
    # answered is known to work.
    **{(health, _H.UNCHECKED): health for health in Health},
    **{(health, _H.HEALTHY): _H.HEALTHY for health in (*_WITHOUT_ANSWER, _H.HEALTHY)},
    **{(health, _H.HEALTHY): health for health in _IN_DOUBT},
    **{(health, _H.DEGRADED): _H.DEGRADED for health in Health if health is not _H.UNREACHABLE},
    (_H.UNREACHABLE, _H.DEGRADED): _H.UNREACHABLE,
    **{(health, _H.UNREACHABLE): _H.UNREACHABLE for health in Health},
}
"""What two kinds of checks come to: the worse, and what is known before what is not. A test call is never silent, nor
is a test of a registration (`Condition.after`), so nothing stands for UNKNOWN there.
"""


NONE_MADE = Track(expected=True)
"""As long as no test call, or of a registration, was made. Silence is no answer to these: they have failed."""


@value
class Condition:
    """What all checks say about a route."""

    options: Track = Track()
    calls: Track = NONE_MADE
    registrations: Track = NONE_MADE

    @property
    def health(self) -> Health:
        """How the route is."""
        return JOINT[JOINT[self.options.health, self.calls.health], self.registrations.health]

    @property
    def in_doubt(self) -> bool:
        """Whether OPTIONS should be sent sooner than usual. Other checks are not: calls ring somewhere, and registrars
        count who comes often.
        """
        return self.options.in_doubt

    @property
    def misses(self) -> int:
        """Checks of one kind in a row that failed: of the kind that fails more."""
        return max(self.options.misses, self.calls.misses, self.registrations.misses)

    def after(self, check: Check, rules: Rules) -> "Condition":
        """What they say once there is one more."""
        track = self._of(check.kind)
        for _ in range(_stands_for(check, rules)):
            track = advance(track, input_of(track, check.verdict, limits(rules, check.kind)))
        if check.verdict is not Verdict.OWN:
            # A refusal is an answer as well, after which silence is none.
            answered = track.expected or check.status is not None
            track = replace(track, expected=answered, silent=check.verdict is Verdict.SILENT)
        made = self._with(check.kind, track)
        if check.kind is not Kind.OPTIONS:
            return made._heard(check)
        if track.health is Health.UNREACHABLE is not self.options.health:
            # What a call or a registration showed before that holds no longer.
            for kind in (Kind.CALL, Kind.REGISTRATION):
                if made._of(kind).health is Health.HEALTHY:
                    made = made.without(kind)
        return made

    def _heard(self, check: Check) -> "Condition":
        """Whether that shows that the silence of OPTIONS says nothing."""
        if check.verdict in (Verdict.GOOD, Verdict.POOR) and self.options.silent:
            return replace(self, options=advance(self.options, Input.PROVED))
        return self

    def without(self, kind: Kind) -> "Condition":
        """What they say where nothing counts that test calls, or registrations, have found."""
        return self._with(kind, NONE_MADE)

    def told(self, change: Change, rules: Rules) -> "Condition":
        """What they said after a change that is remembered, where not every check before it is: counters are what is
        known of them, and at least what the health needs.
        """
        kind, after = change.check.kind, change.after
        if after is Health.UNCHECKED:
            return Condition()  # the route was changed
        if self.health is after:
            return self
        if kind is Kind.OPTIONS or after is not Health.UNKNOWN:  # which the others never are
            made = self._with(kind, _remembered(self._of(kind), change, limits(rules, kind)))
            if made.health is after:
                return made
        # What is known of the other kinds says otherwise, so that is what is wrong.
        return Condition(options=_remembered(self.options, change, limits(rules, Kind.OPTIONS)))

    def _of(self, kind: Kind) -> Track:
        match kind:
            case Kind.OPTIONS:
                return self.options
            case Kind.CALL:
                return self.calls
            case Kind.REGISTRATION:
                return self.registrations

    def _with(self, kind: Kind, track: Track) -> "Condition":
        match kind:
            case Kind.OPTIONS:
                return replace(self, options=track)
            case Kind.CALL:
                return replace(self, calls=track)
            case Kind.REGISTRATION:
                return replace(self, registrations=track)


def _stands_for(check: Check, rules: Rules) -> int:
    """How many checks one counts as: a peer that refuses and asks to be left alone for a time has refused what would
    have been asked within that as well. Or a route that takes no calls (RFC 3261 §21.5.4) would take longer to go down
    the longer it says that it takes none.
    """
    if check.verdict is not Verdict.BAD:
        return 1
    return min(1 + int(check.wait // rules.retry), rules.misses)


def _remembered(track: Track, change: Change, limit: Limits) -> Track:
    """A track with the health that a change gave it, and the rest as that makes it."""
    health, verdict = change.after, change.check.verdict
    missed = verdict in (Verdict.BAD, Verdict.SILENT)
    least = {Health.UNREACHABLE: limit.misses, Health.DEGRADED: int(missed)}.get(health, 0)
    return Track(
        health,
        misses=max(least, track.misses) if least else 0,
        expected=health is not Health.UNKNOWN
        and (track.expected or health is Health.HEALTHY or verdict is not Verdict.BAD),
        silent=health in (Health.UNKNOWN, *_IN_DOUBT) and track.silent,
    )
