"""Discoveries and test calls: kept as they are, found by their tenant, deleted when they are old."""

import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from probes.store.config import DAY, StoreConfig
from probes.store.database import writing_engine
from probes.store.jobs import LARGE, Jobs, StoredJob
from probes.store.retention import steps
from probes.store.schema import jobs as table
from probes.store.store import Store
from tests.probes.store.samples import NOW, Clock, texts, times

JOB = StoredJob("tc_1", "acme", "call", "sip:echo@example.net", "running", NOW)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "service.db", clock=Clock(0)) as store:
        yield store


@pytest.fixture
def jobs(store: Store) -> Jobs:
    return Jobs(store)


async def test_job_is_kept_as_it_is_now(jobs: Jobs) -> None:
    await jobs.put(JOB)
    assert await jobs.find("acme", "call", "tc_1") == JOB
    done = replace(JOB, state="completed", completed_at=NOW + 3, data='{"outcome": "connected"}')
    await jobs.put(done)
    assert await jobs.find("acme", "call", "tc_1") == done
    for tenant, kind, job_id in (("other", "call", "tc_1"), ("acme", "discovery", "tc_1"), ("acme", "call", "tc_2")):
        assert await jobs.find(tenant, kind, job_id) is None


def test_any_job_comes_back(tmp_path: Path) -> None:
    numbers = iter(range(10_000))

    @settings(max_examples=30)
    @given(
        st.builds(
            StoredJob,
            st.just(""),
            st.just("acme"),
            kind=st.sampled_from(["call", "discovery"]),
            target=texts,
            state=st.just("failed"),
            started_at=times,
            completed_at=st.none() | times,
            trunk_id=st.none() | st.just("t"),
            number_id=st.none() | st.just("n"),
            token=texts,
            asked=st.just("digest"),
            data=texts | texts.map(lambda text: text * LARGE),
            error=texts,
        )
    )
    def comes_back(job: StoredJob) -> None:
        job = replace(job, id=f"{next(numbers)}")

        async def main() -> None:
            with Store.open(tmp_path / "service.db", clock=Clock(0)) as store:
                await Jobs(store).put(job)
                assert await Jobs(store).find("acme", job.kind, job.id) == job

        trio.run(main)

    comes_back()


async def test_large_result_is_compressed(jobs: Jobs, store: Store) -> None:
    text = '{"messages": "' + "INVITE sip:echo@example.net SIP/2.0 " * 1000 + '"}'
    await jobs.put(replace(JOB, data=text))
    kept = await store.ask(lambda connection: connection.execute(select(table.c.data)).scalar_one())
    assert len(kept) < len(text) / 20
    assert zlib.decompress(kept[1:]).decode() == text


async def test_last_ones_are_read_in_pages(jobs: Jobs) -> None:
    made = [replace(JOB, id=f"tc_{n}", started_at=NOW + n // 2, number_id=f"n{n % 2}") for n in range(7)]
    for job in made:
        await jobs.put(job)
    await jobs.put(replace(JOB, id="d_1", kind="discovery", started_at=NOW + 100))
    await jobs.put(replace(JOB, id="foreign", tenant="other", started_at=NOW + 100))
    newest_first = sorted(made, key=lambda job: (job.started_at, job.id), reverse=True)
    pages, before = [], ""
    while page := await jobs.recent("acme", "call", limit=3, before=before):
        pages.append(page)
        before = page[-1].id
    assert [job for page in pages for job in page] == newest_first
    assert [len(page) for page in pages] == [3, 3, 1]
    odd = await jobs.recent("acme", "call", number_id="n1")
    assert odd == tuple(job for job in newest_first if job.number_id == "n1")
    assert await jobs.recent("acme", "call", trunk_id="none") == ()
    assert await jobs.recent("acme", "call", before="none") is None
    assert await jobs.recent("other", "call", before="tc_1") is None


async def test_job_is_found_by_its_token(jobs: Jobs) -> None:
    await jobs.put(replace(JOB, token="once", asked="this"))
    await jobs.put(replace(JOB, id="tc_2"))
    found = await jobs.find_token("acme", "once")
    assert found is not None
    assert (found.id, found.asked) == ("tc_1", "this")
    assert await jobs.find_token("other", "once") is None
    assert await jobs.find_token("acme", "") is None


async def test_jobs_that_ran_when_the_process_ended_are_ended(jobs: Jobs) -> None:
    await jobs.put(JOB)
    await jobs.put(replace(JOB, id="tc_2", state="completed"))
    assert await jobs.end_all("running", "failed", "the service was stopped", NOW + 9) == 1
    found = await jobs.find("acme", "call", "tc_1")
    assert found == replace(JOB, state="failed", error="the service was stopped", completed_at=NOW + 9)
    assert await jobs.end_all("running", "failed", "again", NOW) == 0


async def test_old_jobs_are_deleted(jobs: Jobs, store: Store) -> None:
    for number in range(5):
        await jobs.put(replace(JOB, id=f"tc_{number}", started_at=NOW - number * DAY))
    engine = writing_engine(store.path)
    for _ in steps(engine, StoreConfig(keep_jobs=2.5 * DAY), NOW):
        pass
    engine.dispose()
    found = await jobs.recent("acme", "call")
    assert found is not None
    assert [job.id for job in found] == ["tc_0", "tc_1", "tc_2"]
