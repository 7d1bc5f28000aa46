"""The progress of a test call as a table, seen from who places it: what may happen, and what is done about it.

The dialog has its own machine below (`sipcore.dialogs.caller`); this one is about the script. The names of the states
are the events that people are told of.
"""

from enum import Enum

NAME = "test call"
"""What the machine is called in traces."""


class CallState(Enum):
    """How far a test call is."""

    INITIATED = "initiated"
    TRYING = "trying"
    RINGING = "ringing"
    EARLY_MEDIA = "early_media"
    ANSWERED = "answered"
    MEDIA = "media"
    """Answered, and the peer's media comes in."""
    HANGING_UP = "hanging_up"
    COMPLETED = "completed"


class Happening(Enum):
    """What may happen to a test call."""

    TRYING = "100"
    RINGING = "1xx"
    EARLY_MEDIA = "1xx with a session"
    ANSWERED = "2xx"
    FAILED = "refused, or failed"
    MEDIA = "first packet of media"
    TIME_UP = "waited for long enough"
    OVER = "over"


class Step(Enum):
    """What is done on the way to the next state."""

    LISTEN = "begin media before the answer"
    TALK = "begin media"
    DIAL = "send the digits"
    WAIT = "wait for as long as the call is to last"
    GIVE_UP = "stop waiting for an answer"
    HANG_UP = "hang up"


_S, _H, _DO = CallState, Happening, Step
_UNANSWERED = (_S.INITIATED, _S.TRYING, _S.RINGING, _S.EARLY_MEDIA)
_TALKING = (_S.ANSWERED, _S.MEDIA)

TABLE: dict[tuple[CallState, Happening], tuple[CallState, tuple[Step, ...]]] = {
    (_S.INITIATED, _H.TRYING): (_S.TRYING, ()),
    (_S.INITIATED, _H.RINGING): (_S.RINGING, ()),
    (_S.TRYING, _H.RINGING): (_S.RINGING, ()),
    **{
        (state, _H.EARLY_MEDIA): (_S.EARLY_MEDIA, (_DO.LISTEN,))  # of a fork that rings elsewhere, too
        for state in _UNANSWERED
    },
    **{
        cell: target
        for state in _UNANSWERED
        for cell, target in (
            ((state, _H.ANSWERED), (_S.ANSWERED, (_DO.TALK, _DO.DIAL, _DO.WAIT))),
            ((state, _H.FAILED), (_S.COMPLETED, ())),
            ((state, _H.TIME_UP), (_S.HANGING_UP, (_DO.GIVE_UP, _DO.HANG_UP))),
            ((state, _H.OVER), (_S.COMPLETED, ())),
        )
    },
    (_S.ANSWERED, _H.MEDIA): (_S.MEDIA, ()),
    **{(state, _H.TIME_UP): (_S.HANGING_UP, (_DO.HANG_UP,)) for state in _TALKING},
    **{(state, _H.OVER): (_S.COMPLETED, ()) for state in (*_TALKING, _S.HANGING_UP)},
    (_S.HANGING_UP, _H.FAILED): (_S.COMPLETED, ()),  # the refusal was on its way already
}
IGNORED = {
    (_S.TRYING, _H.TRYING),
    *((state, _H.TRYING) for state in (_S.RINGING, _S.EARLY_MEDIA)),  # overtaken
    *((state, _H.RINGING) for state in (_S.RINGING, _S.EARLY_MEDIA)),
    (_S.EARLY_MEDIA, _H.MEDIA),  # that it came is told when the call is answered
    (_S.MEDIA, _H.MEDIA),
    # What was told before the call was given up, and not looked at yet
    *((_S.HANGING_UP, each) for each in (_H.TRYING, _H.RINGING, _H.EARLY_MEDIA, _H.ANSWERED, _H.MEDIA)),
    *((_S.COMPLETED, each) for each in Happening),
}
IMPOSSIBLE = {
    *((state, _H.MEDIA) for state in (_S.INITIATED, _S.TRYING, _S.RINGING)),  # there is none before it begins
    # The dialog tells of one final response, and of nothing before it any more
    *((state, each) for state in _TALKING for each in (_H.TRYING, _H.RINGING, _H.EARLY_MEDIA, _H.ANSWERED, _H.FAILED)),
    (_S.HANGING_UP, _H.TIME_UP),  # nothing is waited for
}


def advance(state: CallState, happening: Happening) -> tuple[CallState, tuple[Step, ...]]:
    """The next state and what is to be done on the way; nothing for what is ignored."""
    return TABLE.get((state, happening), (state, ()))
