"""Event, Subscription-State, Refer-Sub."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation
from sipcore.message.fields.event import Event, ReferSub, SubscriptionState
from sipcore.message.params import Params
from tests.sipcore.message.fields.reading import assert_reads, assert_refuses, assert_survives, params, tokens


def test_event() -> None:
    read = Event("presence.winfo", Params((("id", "1"), ("x", None))))
    assert_reads(Event.parse, "presence.winfo;id=1;x", read)
    assert Event.parse(" dialog ; id = 7") == Event("dialog", Params((("id", "7"),)))
    assert (read.package, read.id) == ("presence", "1")
    assert Event("dialog").id is None


@pytest.mark.parametrize("text", ["", "a b", ";id=1", ".winfo", '"presence"', "a,b"])
def test_event_refuses(text: str) -> None:
    assert_refuses(Event.parse, text)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("dialog", "dialog;shared", True),
        ("dialog;id=a", "dialog;ID=a", True),
        ("dialog;id=a", "dialog;id=A", False),
        ("dialog;id=a", "dialog", False),
        ("dialog", "Dialog", False),
        ("presence", "presence.winfo", False),
    ],
)
def test_events_match(first: str, second: str, same: bool) -> None:
    assert Event.parse(first).matches(Event.parse(second)) is same
    assert Event.parse(second).matches(Event.parse(first)) is same


def test_subscription_state() -> None:
    text = "terminated;reason=probation;retry-after=30"
    read = SubscriptionState("terminated", Params((("reason", "probation"), ("retry-after", "30"))))
    assert_reads(SubscriptionState.parse, text, read)
    assert (read.is_terminated, read.reason, read.retry_after, read.expires) == (True, "probation", 30, None)
    active = SubscriptionState.parse("Active;expires=600")
    assert (active.is_terminated, active.expires, active.reason) == (False, 600, None)


def test_odd_subscription_state() -> None:
    expected = SubscriptionState("active", Params((("expires", "soon"),)))
    assert_reads(SubscriptionState.parse, "active;expires=soon", expected, [Deviation.ODD_SECONDS])
    for text in ("", "active expires=1", ";expires=1"):
        assert_refuses(SubscriptionState.parse, text)


def test_refer_sub() -> None:
    assert_reads(ReferSub.parse, "false", ReferSub(False))
    assert_reads(ReferSub.parse, "TRUE;x=1", ReferSub(True, Params((("x", "1"),))), written="true;x=1")
    for text in ("", "maybe", "0", "true false"):
        assert_refuses(ReferSub.parse, text)


types = st.lists(st.text("abc-_1", min_size=1, max_size=6), min_size=1, max_size=3).map(".".join)


@given(
    st.builds(Event, types, params),
    st.builds(SubscriptionState, tokens, params),
    st.builds(ReferSub, st.booleans(), params),
)
def test_survive(event: Event, state: SubscriptionState, refer_sub: ReferSub) -> None:
    assert_survives(Event.parse, event)
    assert_survives(SubscriptionState.parse, state)
    assert_survives(ReferSub.parse, refer_sub)
