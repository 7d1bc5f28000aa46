"""How trunks are and were: health, history, availability, alerts, and all that happens as it does."""

import math
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

import trio
from fastapi import APIRouter, Query

from probes.health.alerts import Alert, alert_data
from probes.health.board import TrunkState
from probes.health.days import Part, borders, parts
from probes.health.terms import Happening
from probes.health.trunk import Trunk as WatchedTrunk
from probes.health.uptime import longest_gap, trunk_uptime
from probes.report.uptime_json import uptime_data
from probes.report.watch_json import alert_event, happening_data, states_data
from probes.service.errors import NotFound
from probes.service.run import Service
from probes.web.auth import Authenticated
from probes.web.errors import flawed
from probes.web.native.shown import MAX_LIMIT, Data, Limit
from probes.web.stream import EventStream

DAY = 86_400.0
LONGEST = 400 * DAY
"""Seconds of one window."""
LOOK = 1.0
"""Seconds after which it is seen that the service stops."""
BEHIND = 1000
"""Events that wait for a client, at most: one that is further behind is left, and has to read anew."""
When = Annotated[
    str, Query(max_length=40, description="a time, as 2026-11-01T08:00:00Z", examples=["2026-11-01T08:00:00Z"])
]
REPORT = "x-result"


def add(routes: APIRouter, service: Service) -> None:
    """The routes."""
    _add_now(routes, service)
    _add_past(routes, service)


def _add_now(routes: APIRouter, service: Service) -> None:
    @routes.get("/health", tags=["health"], openapi_extra={REPORT: "states"})
    async def read_health(caller: Authenticated) -> Data:
        """How everything is that is watched, by the ids of trunks, and of numbers with gateways of their own."""
        return states_data(service.health(caller.tenant), time.time())

    @routes.get("/health/{watched_id}", tags=["health"], openapi_extra={REPORT: "states"})
    async def read_health_of(caller: Authenticated, watched_id: str) -> Data:
        """How one of them is; a number that goes by its trunk's gateways is as its trunk is."""
        return states_data([await _state(service, caller.tenant, watched_id)], time.time())

    @routes.get("/alerts", tags=["health"])
    async def list_alerts(caller: Authenticated, limit: Limit = 50) -> Data:
        """The last alerts, newest first, whoever else was told of them; `check` and `switch` are null in older ones."""
        return {"items": [alert_data(each) for each in service.watching.alerts(caller.tenant)[:limit]]}

    @routes.get("/events", tags=["health"], response_class=EventStream, status_code=200)
    async def watch_all(caller: Authenticated) -> EventStream:
        """All checks, changes, switches and alerts from now on, as `sipprobe watch --json` tells them."""
        return EventStream(caller.tenant, _happenings(service, caller.tenant))


def _add_past(routes: APIRouter, service: Service) -> None:
    @routes.get("/uptime", tags=["health"], openapi_extra={REPORT: "uptime"})
    async def read_uptime(caller: Authenticated, watched_id: str = "", since: When = "", until: When = "") -> Data:
        """Availability and incidents of what is watched, or of one of it, by days; of the last 30 without times."""
        begin, end = _window(since, until)
        known = service.watching.watched(caller.tenant)
        chosen = [each for each in known if watched_id in ("", each.name)]
        if watched_id and not chosen:
            raise NotFound("nothing is watched under this id")
        return await trio.to_thread.run_sync(lambda: _uptime(service, chosen, begin, end), abandon_on_cancel=True)

    @routes.get("/history/{watched_id}", tags=["health"])
    async def read_history(
        caller: Authenticated, watched_id: str, since: When = "", until: When = "", limit: Limit = MAX_LIMIT
    ) -> Data:
        """The checks, changes and switches of a window, oldest first; `next` is the `since` of what follows."""
        begin, end = _window(since, until)
        if watched_id not in [each.name for each in service.watching.watched(caller.tenant)]:
            raise NotFound("nothing is watched under this id")
        return await trio.to_thread.run_sync(lambda: _history(service, watched_id, begin, end, limit))


async def _state(service: Service, tenant: str, watched_id: str) -> TrunkState:
    found = service.health_of(tenant, watched_id)
    if found is None:
        try:
            found = service.health_of(tenant, await service.directory.number(tenant, watched_id))
        except NotFound:
            pass
    if found is None:
        raise NotFound("nothing is watched under this id: it is a trunk's, or a number's, that has a gateway")
    return found


def _window(since: str, until: str) -> tuple[float, float]:
    """The times that are meant, in seconds since 1970. Raises RequestFailure."""
    now = time.time()
    end = min(_seconds("until", until), now) if until else now
    begin = _seconds("since", since) if since else end - 30 * DAY
    if not 0 <= begin < end or end - begin > LONGEST:
        raise flawed(("query", "since"), f"a window begins before it ends, and has {LONGEST / DAY:g} days at most")
    return begin, end


def _seconds(name: str, text: str) -> float:
    try:
        told = datetime.fromisoformat(text)
        seconds = (told if told.tzinfo is not None else told.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        seconds = math.nan
    if math.isnan(seconds):
        raise flawed(("query", name), "this is no time: write 2026-11-01T08:00:00Z")
    return seconds


def _uptime(service: Service, trunks: Iterable[WatchedTrunk], begin: float, end: float) -> Data:
    bounds, history, found = borders(begin, end, UTC), service.store, []
    for each in trunks:
        names, gap = [route.name for route in each.routes], longest_gap(each.rules)
        whole = trunk_uptime(history, each.name, names, begin, end, gap)
        days = parts(history, each.name, names, bounds, gap) if len(bounds) > 2 else ()
        found.append((whole, days or (Part(begin, whole.spent),)))
    return uptime_data(found, begin, end)


def _history(service: Service, name: str, begin: float, end: float, limit: int) -> Data:
    store = service.store
    ways: tuple[Callable[[float, float, str], Iterable[Happening]], ...] = (store.checks, store.changes, store.switches)
    found = [each for way in ways for each in islice(way(begin, end, name), limit + 1)]
    found.sort(key=lambda each: each.at)
    following = datetime.fromtimestamp(found[limit].at, UTC).isoformat() if len(found) > limit else None
    return {"items": [happening_data(each) for each in found[:limit]], "next": following}


async def _happenings(service: Service, tenant: str) -> AsyncGenerator[dict[str, Any], None]:
    """What happens to the trunks of a tenant, until the service stops, or the client is too far behind."""
    waiting: deque[Happening | Alert] = deque()
    changed = trio.Event()

    def take(whose: str, what: Happening | Alert) -> None:
        if whose == tenant and len(waiting) < BEHIND:
            waiting.append(what)
            changed.set()

    listeners = service.watching.listeners
    listeners.add(take)
    try:
        yield states_data(service.health(tenant), time.time())
        while not service.stopping.is_set() and len(waiting) < BEHIND:
            while waiting:
                what = waiting.popleft()
                yield alert_event(what) if isinstance(what, Alert) else happening_data(what)
            changed = trio.Event()
            with trio.move_on_after(LOOK):
                await changed.wait()
    finally:
        listeners.discard(take)
