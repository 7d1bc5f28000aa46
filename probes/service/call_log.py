"""Test calls that are over, as a log: read from the newest back, page by page."""

import re
import time
from collections.abc import Callable

from probes.service.calls import TestCalls
from probes.service.job import CallJob, UnknownJob
from sipcore.value import value

AT_ONCE = 200
"""Calls that are read together."""
MAX_LOOKED_THROUGH = 5000
"""Calls among which the one of a cursor is looked for."""
DAY = 86_400.0
_call_id = re.compile(r"^(?:Call-ID|i)[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE).search


@value
class Whose:
    """Which calls: those of a number, of a trunk, or all of a tenant's."""

    tenant: str
    number_id: str | None = None
    trunk_id: str | None = None


def sip_call_id(job: CallJob) -> str:
    """The Call-ID of its first INVITE; its own id where none was sent."""
    for line in (job.data or {}).get("timeline", ()):
        found = _call_id(line["message"]["text"]) if line["message"] else None
        if found is not None:
            return found[1]
    return job.id


async def page_of(calls: TestCalls, whose: Whose, limit: int, before: str = "") -> list[CallJob]:
    """The newest, or those that were placed before the one with a Call-ID. Raises UnknownJob."""
    page: list[CallJob] = []
    begun, looked_through = not before, 0

    def take(job: CallJob) -> bool:
        nonlocal begun, looked_through
        looked_through += 1
        if begun:
            page.append(job)
        begun = begun or before in (sip_call_id(job), job.id)
        return len(page) < limit and (begun or looked_through < MAX_LOOKED_THROUGH)

    await _each(calls, whose, take)
    if not begun:
        raise UnknownJob("there is no such call: give the call_id of a row, or leave it out")
    return page


async def of_days(calls: TestCalls, whose: Whose, days: float, clock: Callable[[], float] = time.time) -> list[CallJob]:
    """Those of the last days."""
    since = clock() - days * DAY
    found: list[CallJob] = []

    def take(job: CallJob) -> bool:
        if job.started_at >= since:
            found.append(job)
        return job.started_at >= since

    await _each(calls, whose, take)
    return found


async def _each(calls: TestCalls, whose: Whose, take: Callable[[CallJob], bool]) -> None:
    """Give all of them that have a result to `take`, until it has enough."""
    last = ""
    while True:
        found = await calls.recent(whose.tenant, whose.number_id, whose.trunk_id, AT_ONCE, last)
        for job in found:
            if job.data is not None and not take(job):
                return
        if len(found) < AT_ONCE:
            return
        last = found[-1].id
