"""Discoveries as jobs: begun, watched, limited, ended, and kept over restarts."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from probes.destination import Destination
from probes.discovery.run import open_discovery
from probes.service import discoveries as module
from probes.service.job import STOPPED, Busy, DiscoveryJob, DiscoveryRequest, JobState, Unavailable, UnknownJob
from probes.service.jobs import OWN_FAULT
from probes.service.run import Service
from sipcore.errors import LocalError
from sipcore.resolve.target import Transport
from tests.probes.discovery.network import ok, silent, udp
from tests.probes.report.schemas import load, violations
from tests.probes.service.opened import service_in

SECONDS = 20.0
NOWHERE = "127.0.0.1:9"


def request(target: str, transport: Transport = Transport.UDP) -> DiscoveryRequest:
    return DiscoveryRequest(Destination.parse(target), transports=(transport,))


async def done(service: Service, job: DiscoveryJob) -> DiscoveryJob:
    with trio.fail_after(SECONDS):
        return await service.discoveries.wait(job, SECONDS)


async def test_a_result_is_what_the_command_line_prints_and_outlives_a_restart(tmp_path: Path) -> None:
    async with service_in(tmp_path) as service, udp(ok) as port:
        job = await service.discoveries.start("acme", request(f"127.0.0.1:{port}"))
        assert job.state is JobState.RUNNING
        over = await done(service, job)
        assert over.state is JobState.COMPLETED
        assert over.data is not None
        assert violations(over.data, load("discovery")) == []
        assert over.data["outcome"] == "answered"
        assert over.result is not None
    async with service_in(tmp_path) as service:
        kept = await service.discoveries.get("acme", job.id)
        assert (kept.data, kept.state, kept.completed_at) == (over.data, over.state, over.completed_at)
        assert [each.id for each in await service.discoveries.recent("acme")] == [job.id]


async def test_what_has_happened_by_now_is_told_at_once(tmp_path: Path) -> None:
    async with service_in(tmp_path) as service, udp(ok) as port:
        job = await service.discoveries.start("acme", request(f"127.0.0.1:{port}"))
        assert service.discoveries.jobs.told(job) == ()
        over = await done(service, job)
        events = [event async for event in service.discoveries.events(job)]
        assert list(service.discoveries.jobs.told(over)) == events[:-1]
    async with service_in(tmp_path) as service:
        assert service.discoveries.jobs.told(over) == ()


async def test_a_tenant_has_one_at_a_time(tmp_path: Path) -> None:
    async with service_in(tmp_path) as service, udp(silent) as port:
        asked = request(f"127.0.0.1:{port}")
        job = await service.discoveries.start("acme", asked)
        with pytest.raises(Busy) as refused:
            await service.discoveries.start("acme", asked)
        assert refused.value.running == job.id
        await service.discoveries.start("globex", asked)


async def test_it_is_listed_as_soon_as_it_is_told(tmp_path: Path) -> None:
    async with service_in(tmp_path) as service, udp(silent) as port:
        job = await service.discoveries.start("acme", request(f"127.0.0.1:{port}"))
        (listed,) = await service.discoveries.recent("acme")
        assert (listed.id, listed.state) == (job.id, JobState.RUNNING)


async def test_nobody_sees_those_of_others(tmp_path: Path) -> None:
    async with service_in(tmp_path) as service:
        job = await service.discoveries.start("acme", request(NOWHERE, Transport.TCP))
        for moment in ("under way", "over"):
            with pytest.raises(UnknownJob):
                await service.discoveries.get("globex", job.id)
            assert await service.discoveries.recent("globex") == (), moment
            await done(service, job)


async def test_all_events_are_told_to_whoever_watches_and_whenever(tmp_path: Path) -> None:
    async with service_in(tmp_path) as service, udp(ok) as port, trio.open_nursery() as nursery:
        job = await service.discoveries.start("acme", request(f"127.0.0.1:{port}"))
        told: list[list[str]] = []

        async def watch() -> None:
            told.append([str(event["event"]) async for event in service.discoveries.events(job)])

        nursery.start_soon(watch)
        nursery.start_soon(watch)
        await done(service, job)
        await watch()
    assert told[0] == told[1] == told[2]
    assert {"attempt-begun", "attempt", "habits"} <= {*told[0]}
    assert told[0][-1] == "end"


async def test_who_stops_waiting_ends_nothing(tmp_path: Path) -> None:
    async with service_in(tmp_path) as service, udp(ok) as port:
        with trio.CancelScope() as scope:
            job = await service.discoveries.start("acme", request(f"127.0.0.1:{port}"))
            scope.cancel()
            await service.discoveries.wait(job, SECONDS)
        assert scope.cancelled_caught
        assert (await done(service, job)).state is JobState.COMPLETED


async def test_one_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    async with service_in(tmp_path, discovery_time=0.3) as service, udp(silent) as port:
        job = await done(service, await service.discoveries.start("acme", request(f"127.0.0.1:{port}")))
        assert job.state is JobState.FAILED
        assert job.error == "nothing was concluded within 0.3 s: give a port and a transport, so that less is asked"


async def test_a_stop_is_told_as_one(tmp_path: Path) -> None:
    async with service_in(tmp_path) as service, udp(silent) as port:
        job = await service.discoveries.start("acme", request(f"127.0.0.1:{port}"))
        await trio.sleep(0.2)
        discoveries = service.discoveries
    with pytest.raises(Unavailable):
        await discoveries.start("acme", request(NOWHERE))
    async with service_in(tmp_path) as service:
        over = await service.discoveries.get("acme", job.id)
        assert (over.state, over.error) == (JobState.FAILED, STOPPED)


async def test_what_a_crash_has_cut_off_is_told_after_it(tmp_path: Path) -> None:
    """The store is left as a process leaves it that is killed."""
    async with service_in(tmp_path) as service:
        job = await done(service, await service.discoveries.start("acme", request(NOWHERE, Transport.TCP)))
        kept = await service.jobs.find("acme", "discovery", job.id)
        assert kept is not None
        await service.jobs.put(replace(kept, state="running", data="", completed_at=None))
    async with service_in(tmp_path) as service:
        over = await service.discoveries.get("acme", job.id)
        assert (over.state, over.error) == (JobState.FAILED, STOPPED)
        assert over.completed_at is not None


async def test_what_must_not_be_reached_is_told(tmp_path: Path) -> None:
    async with service_in(tmp_path) as service:
        job = await done(service, await service.discoveries.start("acme", request("192.168.1.1:5060")))
        assert job.data is not None
        assert "private" in job.data["attempts"][0]["detail"]


@pytest.mark.parametrize(
    "asked",
    [
        DiscoveryRequest(Destination.parse("127.0.0.1"), ports=(0,)),
        DiscoveryRequest(Destination.parse("127.0.0.1"), ports=tuple(range(1, 100))),
        DiscoveryRequest(Destination.parse("sips:127.0.0.1"), transports=(Transport.UDP,)),
    ],
)
async def test_what_cannot_be_is_refused_at_once(asked: DiscoveryRequest, tmp_path: Path) -> None:
    async with service_in(tmp_path) as service:
        with pytest.raises(LocalError):
            await service.discoveries.start("acme", asked)
        assert service.discoveries.running == ()


async def test_a_mistake_of_ours_costs_one_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ValueError(NOWHERE)

    async with service_in(tmp_path) as service:
        monkeypatch.setattr(module, "open_discovery", fail)
        job = await done(service, await service.discoveries.start("acme", request(NOWHERE)))
        assert (job.state, job.error) == (JobState.FAILED, OWN_FAULT)
        assert "ValueError" in caplog.text
        assert f"discovery {job.id} of acme" in caplog.text
        assert NOWHERE not in caplog.text  # what errors quote may be a secret
        monkeypatch.setattr(module, "open_discovery", open_discovery)
        again = await done(service, await service.discoveries.start("acme", request(NOWHERE, Transport.TCP)))
        assert again.state is JobState.COMPLETED
        assert service.discoveries.jobs.ended == {("acme", "failed"): 1, ("acme", "completed"): 1}


async def test_those_of_long_ago_are_found_in_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probes.service.jobs.MAX_REMEMBERED", 1)
    async with service_in(tmp_path) as service:
        asked = request(NOWHERE, Transport.TCP)
        ids = [(await done(service, await service.discoveries.start("acme", asked))).id for _ in range(3)]
        assert list(service.discoveries.jobs.known) == ids[-1:]
        first = await service.discoveries.get("acme", ids[0])
        assert first.data is not None
        assert first.result is None
        assert [each.id for each in await service.discoveries.recent("acme", limit=2)] == ids[:0:-1]
        assert [each.id for each in await service.discoveries.recent("acme", before=ids[1])] == ids[:1]
        with pytest.raises(UnknownJob):
            await service.discoveries.recent("acme", before="disc_of_nobody")
