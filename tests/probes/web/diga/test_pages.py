"""Pages of a list: by number, and from a place on in either direction, against lists that are cut by hand."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.trunks.model import Number
from probes.web.diga.bodies import ListQuery, Order, Phone, PhonePage, Status
from probes.web.diga.mapping import shown
from probes.web.diga.pages import page_of
from probes.web.errors import RequestFailure

BEGIN = datetime(2026, 5, 1, 9, tzinfo=UTC)


def id_of(number: int) -> UUID:
    return UUID(int=number)


def phones(count: int, agents: frozenset[int] = frozenset()) -> list[Phone]:
    """So many phones, a minute between them, those of `agents` with the agent 0."""
    made = []
    for number in range(count):
        extras = (
            {"diga": {"inbound_agent_id": str(id_of(0)), "inbound_version_id": str(id_of(1))}}
            if number in agents
            else {}
        )
        at = (BEGIN + timedelta(minutes=number)).timestamp()
        made.append(shown(Number(str(id_of(number + 100)), "acme", str(number), extras=extras, created_at=at), None))
    return made


def listed(page: PhonePage) -> list[int]:
    return [int(phone.number) for phone in page.data]


def cursor(number: int) -> UUID:
    return id_of(number + 100)


@pytest.mark.parametrize(
    ("query", "numbers", "has_more", "pages"),
    [
        (ListQuery(limit=3), [6, 5, 4], True, (1, 3)),
        (ListQuery(limit=3, page=1), [6, 5, 4], True, (1, 3)),
        (ListQuery(limit=3, page=3), [0], False, (3, 3)),
        (ListQuery(limit=3, page=4), [], False, (4, 3)),
        (ListQuery(limit=7), [6, 5, 4, 3, 2, 1, 0], False, (1, 1)),
        (ListQuery(limit=3, order=Order.ASC), [0, 1, 2], True, (1, 3)),
        (ListQuery(limit=3, after=cursor(4)), [3, 2, 1], True, (None, None)),
        (ListQuery(limit=3, after=cursor(3)), [2, 1, 0], False, (None, None)),
        (ListQuery(limit=3, after=cursor(0)), [], False, (None, None)),
        (ListQuery(limit=3, before=cursor(2)), [5, 4, 3], True, (None, None)),
        (ListQuery(limit=3, before=cursor(3)), [6, 5, 4], False, (None, None)),
        (ListQuery(limit=3, before=cursor(6)), [], False, (None, None)),
        (ListQuery(limit=3, after=cursor(2), order=Order.ASC), [3, 4, 5], True, (None, None)),
        (ListQuery(limit=3, before=cursor(4), order=Order.ASC), [1, 2, 3], True, (None, None)),
    ],
)
def test_a_page(query: ListQuery, numbers: list[int], has_more: bool, pages: tuple[int | None, int | None]) -> None:
    found = page_of(phones(7), query)
    assert (listed(found), found.has_more, (found.current_page, found.total_pages)) == (numbers, has_more, pages)
    assert (found.first_id, found.last_id) == ((cursor(numbers[0]), cursor(numbers[-1])) if numbers else (None, None))


def test_of_nothing_there_is_one_empty_page() -> None:
    found = page_of([], ListQuery())
    assert found == PhonePage(data=[], has_more=False, first_id=None, last_id=None, current_page=1, total_pages=0)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        (ListQuery(inbound_agent_id=id_of(0)), [3, 1]),
        (ListQuery(outbound_agent_id=id_of(0)), []),
        (ListQuery(status=Status.ASSIGNED), [4, 3, 2, 1, 0]),
        (ListQuery(status=Status.RESERVED), []),
        (ListQuery(start_assigned_at=BEGIN + timedelta(minutes=3)), [4, 3]),
        (ListQuery(end_assigned_at=BEGIN + timedelta(minutes=1)), [1, 0]),
        (ListQuery(start_assigned_at=BEGIN, end_assigned_at=BEGIN), [0]),
        (ListQuery(inbound_agent_id=id_of(0), after=cursor(3)), [1]),
        (ListQuery(inbound_agent_id=id_of(0), after=cursor(2)), [1]),
    ],
)
def test_filters(query: ListQuery, numbers: list[int]) -> None:
    assert listed(page_of(phones(5, frozenset({1, 3})), query)) == numbers


@pytest.mark.parametrize(
    ("query", "place", "why"),
    [
        (ListQuery(after=id_of(7)), "after", "begin again without it"),
        (ListQuery(before=id_of(7)), "before", "begin again without it"),
        (ListQuery(after=cursor(1), before=cursor(2)), "before", "two ways to turn pages"),
        (ListQuery(after=cursor(1), page=2), "after", "two ways to turn pages"),
    ],
)
def test_what_cannot_be_asked(query: ListQuery, place: str, why: str) -> None:
    with pytest.raises(RequestFailure) as caught:
        page_of(phones(3), query)
    (flaw,) = caught.value.failure.flaws
    assert (caught.value.failure.status, flaw.place) == (422, ("query", place))
    assert why in flaw.message


@given(
    st.integers(0, 30),
    st.integers(1, 10),
    st.sampled_from(["asc", "desc"]),
    st.frozensets(st.integers(0, 29)),
    st.booleans(),
)
def test_turning_pages_either_way_shows_each_phone_once(
    count: int, limit: int, order: str, agents: frozenset[int], filtered: bool
) -> None:
    all_phones = phones(count, agents)
    agent = id_of(0) if filtered else None
    wanted = [int(each.number) for each in all_phones if not filtered or int(each.number) in agents]
    wanted = wanted if order == "asc" else wanted[::-1]

    def page(**more: object) -> PhonePage:
        return page_of(
            all_phones, ListQuery.model_validate({"limit": limit, "order": order, "inbound_agent_id": agent} | more)
        )

    seen, found = [], page()
    total = found.total_pages
    while True:
        seen += listed(found)
        if not found.has_more:
            break
        found = page(after=found.last_id)
    assert seen == wanted
    numbered = [number for each in range(1, (total or 0) + 1) for number in listed(page(page=each))]
    assert numbered == wanted
    if wanted:
        seen, found = [wanted[-1]], page(before=cursor(wanted[-1]))
        while True:
            seen = listed(found) + seen
            if not found.has_more:
                break
            found = page(before=found.first_id)
        assert seen == wanted
