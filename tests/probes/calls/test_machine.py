"""The table of a test call's progress: every cell is decided, and once."""

import itertools

import pytest

from probes.calls.machine import IGNORED, IMPOSSIBLE, TABLE, CallState, Happening, Step, advance


def test_every_cell_is_decided_once() -> None:
    assert set(TABLE) | IGNORED | IMPOSSIBLE == set(itertools.product(CallState, Happening))
    assert len(TABLE) + len(IGNORED) + len(IMPOSSIBLE) == len(CallState) * len(Happening)


def story(*happenings: Happening) -> tuple[list[CallState], list[Step]]:
    state, states = CallState.INITIATED, [CallState.INITIATED]
    steps: list[Step] = []
    for happening in happenings:
        state, taken = advance(state, happening)
        steps += taken
        if state is not states[-1]:
            states.append(state)
    return states, steps


H, S = Happening, CallState


@pytest.mark.parametrize(
    ("happenings", "states", "steps"),
    [
        (
            [H.TRYING, H.RINGING, H.ANSWERED, H.MEDIA, H.TIME_UP, H.OVER],
            [S.INITIATED, S.TRYING, S.RINGING, S.ANSWERED, S.MEDIA, S.HANGING_UP, S.COMPLETED],
            [Step.TALK, Step.DIAL, Step.WAIT, Step.HANG_UP],
        ),
        (
            [H.EARLY_MEDIA, H.MEDIA, H.RINGING, H.ANSWERED, H.MEDIA, H.OVER],
            [S.INITIATED, S.EARLY_MEDIA, S.ANSWERED, S.MEDIA, S.COMPLETED],
            [Step.LISTEN, Step.TALK, Step.DIAL, Step.WAIT],
        ),
        (
            [H.RINGING, H.TIME_UP, H.ANSWERED, H.OVER],
            [S.INITIATED, S.RINGING, S.HANGING_UP, S.COMPLETED],
            [Step.GIVE_UP, Step.HANG_UP],
        ),
        ([H.TRYING, H.FAILED], [S.INITIATED, S.TRYING, S.COMPLETED], []),
    ],
)
def test_the_story_of_a_call(happenings: list[Happening], states: list[CallState], steps: list[Step]) -> None:
    assert story(*happenings) == (states, steps)


def test_nothing_begins_again_once_it_is_over() -> None:
    assert all(advance(CallState.COMPLETED, happening) == (CallState.COMPLETED, ()) for happening in Happening)
