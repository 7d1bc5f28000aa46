"""One page of a list, by number or from a place in it on."""

from collections.abc import Sequence
from datetime import datetime

from probes.web.diga.bodies import ListQuery, Order, Phone, PhonePage
from probes.web.errors import flawed
from probes.web.ids import Id


def page_of(phones: Sequence[Phone], query: ListQuery) -> PhonePage:
    """The page that is asked for, of phones oldest first. `has_more` is about the direction in which pages are turned:
    towards the beginning for `before`, towards the end otherwise. Raises RequestFailure for what cannot be asked.
    """
    _require_one_way(query)
    ordered = list(reversed(phones)) if query.order is Order.DESC else list(phones)
    places = {phone.id: place for place, phone in enumerate(ordered)}  # of all: what a cursor names may not be listed
    cursor = _place(places, query)
    listed = [(place, phone) for place, phone in enumerate(ordered) if _is_asked_for(phone, query)]
    if query.before is not None:
        behind = [phone for place, phone in listed if place < cursor]
        page, has_more = behind[-query.limit :], len(behind) > query.limit
    elif query.after is not None:
        behind = [phone for place, phone in listed if place > cursor]
        page, has_more = behind[: query.limit], len(behind) > query.limit
    else:
        first = ((query.page or 1) - 1) * query.limit
        page = [phone for _, phone in listed[first : first + query.limit]]
        has_more = len(listed) > first + query.limit
    is_numbered = query.before is None and query.after is None
    return PhonePage(
        data=page,
        has_more=has_more,
        first_id=page[0].id if page else None,
        last_id=page[-1].id if page else None,
        current_page=(query.page or 1) if is_numbered else None,
        total_pages=-(-len(listed) // query.limit) if is_numbered else None,
    )


def _require_one_way(query: ListQuery) -> None:
    given = [name for name in ("page", "after", "before") if getattr(query, name) is not None]
    if len(given) > 1:
        text = f"{given[1]} and {given[0]} are two ways to turn pages: give one of them"
        raise flawed(("query", given[1]), text, "two_ways")


def _place(places: dict[Id, int], query: ListQuery) -> int:
    for name in ("after", "before"):
        cursor: Id | None = getattr(query, name)
        if cursor is None:
            continue
        if cursor not in places:
            text = "no phone has this id, or it has been deleted since: begin again without it"
            raise flawed(("query", name), text, "unknown_cursor")
        return places[cursor]
    return 0


def _is_asked_for(phone: Phone, query: ListQuery) -> bool:
    return (
        (query.status is None or phone.status is query.status)
        and (query.inbound_agent_id is None or phone.inbound_agent_id == query.inbound_agent_id)
        and (query.outbound_agent_id is None or phone.outbound_agent_id == query.outbound_agent_id)
        and _is_between(phone.assigned_at, query.start_assigned_at, query.end_assigned_at)
    )


def _is_between(when: datetime | None, start: datetime | None, end: datetime | None) -> bool:
    if when is None:
        return start is None and end is None
    return (start is None or when >= start) and (end is None or when <= end)
