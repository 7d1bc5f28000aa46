"""Test calls as a log: page by page from the newest, and those of the last days."""

from typing import cast

import pytest

from probes.service.call_log import AT_ONCE, DAY, Whose, of_days, page_of, sip_call_id
from probes.service.calls import TestCalls
from probes.service.job import CallJob, Data, JobState, UnknownJob

NOW = 1_777_626_000.0
HOUR = 3600.0
WHOSE = Whose("acme", number_id="n")


def job(number: int, *, is_over: bool = True) -> CallJob:
    """The one that was placed so many hours ago; of every third one no INVITE was sent."""
    text = f"INVITE sip:x@gw SIP/2.0\r\nCall-ID : call-{number}\r\n\r\n"
    line: Data = {"message": {"text": text} if number % 3 else None}
    data: Data = {"timeline": [{"message": None}, line]}
    state = JobState.COMPLETED if is_over else JobState.RUNNING
    began = NOW - number * HOUR
    return CallJob(f"tc_{number}", "acme", "sip:x@gw", state, began, data=data if is_over else None)


class Kept:
    """Calls as the service has them, and how often it was asked."""

    def __init__(self, jobs: list[CallJob]) -> None:
        self.jobs, self.asked = jobs, 0

    async def recent(
        self, tenant: str, number_id: str | None, trunk_id: str | None, limit: int, before: str
    ) -> tuple[CallJob, ...]:
        assert (tenant, number_id, trunk_id) == ("acme", "n", None)
        self.asked += 1
        begin = next((place for place, each in enumerate(self.jobs, 1) if each.id == before), 0)
        return tuple(self.jobs[begin : begin + limit])


def kept(*jobs: CallJob) -> TestCalls:
    return cast(TestCalls, Kept(list(jobs)))


JOBS = [job(0, is_over=False), *map(job, range(1, 2 * AT_ONCE + 50))]


@pytest.mark.parametrize("limit", [1, 7, AT_ONCE, 3 * AT_ONCE])
async def test_pages_add_up_to_all_that_are_over(limit: int) -> None:
    calls, found, before = kept(*JOBS), list[CallJob](), ""
    while page := await page_of(calls, WHOSE, limit, before):
        assert len(page) <= limit
        found += page
        before = sip_call_id(page[-1])
        if limit == 1 and len(found) > 10:
            break
    assert found == JOBS[1:][: len(found)]
    assert limit == 1 or len(found) == len(JOBS) - 1


async def test_a_call_goes_by_either_of_its_ids() -> None:
    assert sip_call_id(job(1)) == "call-1"
    assert sip_call_id(job(3)) == "tc_3"
    calls = kept(*JOBS)
    assert await page_of(calls, WHOSE, 1, "tc_1") == await page_of(calls, WHOSE, 1, "call-1") == [job(2)]


async def test_a_call_that_is_not_there() -> None:
    with pytest.raises(UnknownJob, match="call_id of a row"):
        await page_of(kept(*JOBS), WHOSE, 10, "nothing")
    assert await page_of(kept(), WHOSE, 10) == []


@pytest.mark.parametrize(("days", "count"), [(1, 24), (7, 168), (1000, len(JOBS) - 1)])
async def test_calls_of_the_last_days(days: float, count: int) -> None:
    found = await of_days(kept(*JOBS), WHOSE, days, lambda: NOW)
    assert found == JOBS[1 : count + 1]
    assert all(each.started_at >= NOW - days * DAY for each in found)
