"""Where offers and answers may stand: both tables cell by cell, and the flows of RFC 6337."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import LocalError
from sipcore.sdp.offer_answer import (
    IMPOSSIBLE,
    INNER,
    INNER_CARRIERS,
    TABLE,
    Carrier,
    Inner,
    Meaning,
    OfferAnswer,
    Side,
    State,
)

C, M, L, R = Carrier, Meaning, Side.LOCAL, Side.REMOTE
OFFER, ANSWER, PREVIEW, COPY, NOTHING = M.OFFER, M.ANSWER, M.PREVIEW, M.COPY, M.NOTHING

Flow = list[tuple[Side, Carrier, bool, Meaning]]


def test_every_cell_is_decided_once() -> None:
    bodies = (True, False)
    cells = {(state, carrier, body) for state in State for carrier in set(C) - INNER_CARRIERS for body in bodies}
    assert set(TABLE) | IMPOSSIBLE == cells
    assert not set(TABLE) & IMPOSSIBLE
    assert set(INNER) == {(inner, carrier, body) for inner in Inner for carrier in INNER_CARRIERS for body in bodies}


def test_every_state_is_reached_and_every_meaning_is_met() -> None:
    assert {cell.after for cell in TABLE.values()} == set(State)
    assert {cell.after for cell in INNER.values()} | {Inner.PRACK} == set(Inner)  # which a PRACK's offer leads to
    assert {cell.meaning for cell in TABLE.values()} == set(Meaning)


def test_every_cell_names_its_rule() -> None:
    rules = [cell.rule for cell in TABLE.values()] + [cell.rule for cell in INNER.values()]
    assert all(rule.startswith("RFC ") for rule in rules)


PATTERNS = {
    # RFC 6337 §2.2, table 1
    "1: INVITE, 2xx": [(L, C.INVITE, True, OFFER), (R, C.SUCCESS, True, ANSWER), (L, C.ACK, False, NOTHING)],
    "2: 2xx, ACK": [(L, C.INVITE, False, NOTHING), (R, C.SUCCESS, True, OFFER), (L, C.ACK, True, ANSWER)],
    "3: INVITE, 1xx-rel": [(L, C.INVITE, True, OFFER), (R, C.RELIABLE, True, ANSWER), (L, C.PRACK, False, NOTHING)],
    "4: 1xx-rel, PRACK": [(L, C.INVITE, False, NOTHING), (R, C.RELIABLE, True, OFFER), (L, C.PRACK, True, ANSWER)],
    "5: PRACK, 200": [
        (L, C.INVITE, True, OFFER),
        (R, C.RELIABLE, True, ANSWER),
        (L, C.PRACK, True, OFFER),
        (R, C.PRACK_SUCCESS, True, ANSWER),
        (R, C.SUCCESS, False, NOTHING),
    ],
    "6: UPDATE, 200": [(L, C.UPDATE, True, OFFER), (R, C.UPDATE_SUCCESS, True, ANSWER)],
    # RFC 6337 §3.1.1, figure 1
    "figure 1": [
        (L, C.INVITE, True, OFFER),
        (R, C.PROVISIONAL, True, PREVIEW),
        (R, C.RELIABLE, False, NOTHING),
        (L, C.PRACK, False, NOTHING),
        (R, C.PRACK_SUCCESS, False, NOTHING),
        (R, C.RELIABLE, True, ANSWER),
        (L, C.PRACK, True, OFFER),
        (R, C.PRACK_SUCCESS, True, ANSWER),
        (R, C.UPDATE, True, OFFER),
        (L, C.UPDATE_SUCCESS, True, ANSWER),
        (R, C.RELIABLE, False, NOTHING),
        (L, C.PRACK, False, NOTHING),
        (R, C.SUCCESS, True, COPY),
        (L, C.ACK, False, NOTHING),
    ],
    # RFC 6337 §3.1.2, figure 2
    "figure 2": [
        (L, C.INVITE, False, NOTHING),
        (R, C.PROVISIONAL, False, NOTHING),
        (R, C.RELIABLE, True, OFFER),
        (R, C.PROVISIONAL, True, COPY),
        (L, C.PRACK, True, ANSWER),
        (R, C.PRACK_SUCCESS, False, NOTHING),
        (L, C.UPDATE, True, OFFER),
        (R, C.UPDATE_SUCCESS, True, ANSWER),
        (R, C.SUCCESS, False, NOTHING),
        (L, C.ACK, False, NOTHING),
    ],
    "copies are ignored": [
        (L, C.INVITE, True, OFFER),
        (R, C.PROVISIONAL, True, PREVIEW),
        (R, C.PROVISIONAL, True, PREVIEW),
        (R, C.SUCCESS, True, ANSWER),
        (R, C.PROVISIONAL, True, COPY),
        (R, C.SUCCESS, True, COPY),
    ],
    "a refused INVITE": [
        (L, C.INVITE, True, OFFER),
        (R, C.FAILURE, True, NOTHING),
        (R, C.INVITE, True, OFFER),
        (L, C.SUCCESS, True, ANSWER),
    ],
    "a refused UPDATE": [
        (L, C.UPDATE, True, OFFER),
        (R, C.UPDATE_FAILURE, False, NOTHING),
        (L, C.UPDATE, False, NOTHING),
        (R, C.UPDATE_SUCCESS, False, NOTHING),
        (R, C.UPDATE, True, OFFER),
    ],
    "a 2xx before the 2xx to an UPDATE": [
        (L, C.INVITE, True, OFFER),
        (R, C.RELIABLE, True, ANSWER),
        (L, C.PRACK, False, NOTHING),
        (R, C.UPDATE, True, OFFER),
        (R, C.SUCCESS, False, NOTHING),
        (L, C.UPDATE_SUCCESS, True, ANSWER),
    ],
}


def turned(side: Side, mirrored: bool) -> Side:
    return side.other if mirrored else side


@pytest.mark.parametrize("mirrored", [False, True], ids=["local", "remote"])
@pytest.mark.parametrize("flow", PATTERNS.values(), ids=PATTERNS)
def test_flow(flow: Flow, mirrored: bool) -> None:
    """Each flow, from where it begins here and from where it comes in."""
    state = OfferAnswer()
    for side, carrier, has_body, meaning in flow:
        sender = turned(side, mirrored)
        verdict = (state.sent if sender is L else state.received)(carrier, has_body=has_body)
        assert verdict.meaning is meaning
        state = verdict.after
        expected = sender if meaning is OFFER else None if meaning is ANSWER else state.offerer
        assert state.offerer is expected


def after(*messages: tuple[Side, Carrier, bool]) -> OfferAnswer:
    state = OfferAnswer()
    for side, carrier, has_body in messages:
        state = state.judge(side, carrier, has_body=has_body).after
    return state


OFFERED = (L, C.INVITE, True)
INVITED = (R, C.INVITE, True)
ASKED = (L, C.INVITE, False)
UPDATED = (L, C.UPDATE, True)

CROSSINGS = [
    # What is in the way, what comes, and how RFC 6337 §4.3 has it refused.
    ([OFFERED], C.INVITE, True, 491),  # UAS-IcI
    ([(L, C.INVITE, False)], C.INVITE, False, 491),
    ([INVITED], C.INVITE, True, 500),  # UAS-IsI
    ([UPDATED], C.UPDATE, True, 491),  # UAS-UcU, figure 14
    ([(R, C.UPDATE, True)], C.UPDATE, True, 500),  # UAS-UsU, figure 15
    ([UPDATED], C.INVITE, False, 491),  # UAS-UcI, figure 16
    ([(R, C.UPDATE, True)], C.INVITE, False, 500),  # UAS-UsI, figure 17
    ([OFFERED], C.UPDATE, True, 491),  # UAS-IcU, figures 7 and 8
    ([ASKED, (R, C.RELIABLE, True)], C.UPDATE, True, 491),  # UAS-IcU, figure 18
    ([(R, C.INVITE, False), (L, C.RELIABLE, True)], C.UPDATE, True, 500),  # UAS-IsU, figures 6 and 19
    ([(R, C.INVITE, False)], C.UPDATE, True, 500),  # figure 5
    ([OFFERED, (R, C.RELIABLE, True), (L, C.PRACK, True)], C.UPDATE, True, 491),  # figures 9 and 11
    ([INVITED], C.PRACK, True, 488),
]


@pytest.mark.parametrize(("before", "carrier", "has_body", "status"), CROSSINGS)
def test_crossing(before: list[tuple[Side, Carrier, bool]], carrier: Carrier, has_body: bool, status: int) -> None:
    state = after(*before)
    verdict = state.received(carrier, has_body=has_body)
    assert (verdict.meaning, verdict.status, verdict.after) == (M.ILLEGAL, status, state)


@pytest.mark.parametrize(
    ("before", "carrier", "has_body", "section"),
    [
        ([OFFERED], C.INVITE, True, "RFC 6337 §4.3"),
        ([OFFERED], C.UPDATE, True, "RFC 6337 §4.3"),
        ([INVITED], C.SUCCESS, False, "RFC 3261 §13.2.1"),
        ([(R, C.INVITE, False)], C.RELIABLE, False, "RFC 3262 §5"),
        ([(R, C.INVITE, False)], C.PROVISIONAL, True, "RFC 3261 §13.2.1"),
        ([INVITED, (L, C.RELIABLE, True)], C.SUCCESS, False, "RFC 3262 §5"),
        ([INVITED, (L, C.RELIABLE, True)], C.UPDATE, True, "RFC 6337 §4.3"),
        ([ASKED, (R, C.SUCCESS, True)], C.ACK, False, "RFC 3261 §13.2.1"),
        ([OFFERED, (R, C.SUCCESS, True)], C.ACK, True, "RFC 3261 §13.2.1"),
        ([OFFERED, (R, C.RELIABLE, False)], C.PRACK, True, "RFC 6337 §2.2"),
        ([(R, C.UPDATE, True)], C.UPDATE_SUCCESS, False, "RFC 3311 §5.2"),
        ([OFFERED], C.SUCCESS, True, "RFC 3261 §13.2.1"),
        ([OFFERED], C.ACK, True, "RFC 3261 §13.2.1"),
    ],
)
def test_what_must_not_be_sent(
    before: list[tuple[Side, Carrier, bool]], carrier: Carrier, has_body: bool, section: str
) -> None:
    with pytest.raises(LocalError) as caught:
        after(*before).sent(carrier, has_body=has_body)
    assert caught.value.section == section


def test_refusing_what_crossed_leaves_the_own_offer_pending() -> None:
    invited, updated = after(OFFERED), after(UPDATED)
    assert invited.sent(C.FAILURE, has_body=False).after == invited
    assert updated.sent(C.UPDATE_FAILURE, has_body=False).after == updated
    assert updated.received(C.UPDATE_FAILURE, has_body=False).after.offerer is None


def test_when_an_offer_may_be_made() -> None:
    assert OfferAnswer().may_invite
    assert OfferAnswer().may_offer
    early = after(OFFERED, (R, C.RELIABLE, True))
    assert not early.may_offer
    assert after(OFFERED, (R, C.RELIABLE, True), (L, C.PRACK, False)).may_offer
    assert not after(OFFERED, (R, C.RELIABLE, True), (L, C.PRACK, False)).may_invite
    assert not after(UPDATED).may_offer
    assert not after(UPDATED).may_invite


MESSAGES = st.tuples(st.sampled_from(Side), st.sampled_from(Carrier), st.booleans())


@given(st.lists(MESSAGES, max_size=30))
def test_both_sides_see_the_same(messages: list[tuple[Side, Carrier, bool]]) -> None:
    """Whatever is sent and not refused to its sender: the other side takes it for the same."""
    sides = {L: OfferAnswer(), R: OfferAnswer()}
    for who, carrier, has_body in messages:
        try:
            sent = sides[who].sent(carrier, has_body=has_body)
        except LocalError:
            continue
        received = sides[who.other].received(carrier, has_body=has_body)
        sides[who], sides[who.other] = sent.after, received.after
        assert sent.meaning is received.meaning
        assert sides[L].state is sides[R].state
        assert sides[L].inner is sides[R].inner
        assert (sides[L].offerer is None) == (sides[R].offerer is None)
        assert sides[L].offerer is None or sides[L].offerer is not sides[R].offerer


@given(st.lists(MESSAGES, max_size=30))
def test_nothing_a_peer_sends_is_too_much(messages: list[tuple[Side, Carrier, bool]]) -> None:
    state = OfferAnswer()
    for who, carrier, has_body in messages:
        verdict = state.judge(who, carrier, has_body=has_body)
        assert (verdict.status is None) or verdict.meaning is M.ILLEGAL
        state = verdict.after
