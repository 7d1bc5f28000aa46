"""Test calls as jobs: placed over a trunk's gateways, limited, asked for twice, hung up, and kept."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from probes.calls.limit import Limits
from probes.destination import Destination
from probes.health.trunk import Rules
from probes.service import calls as calls_module
from probes.service.calls import UsedToken
from probes.service.job import (
    STOPPED,
    CallJob,
    CallRefused,
    CallRequest,
    Data,
    JobState,
    Limited,
    Unavailable,
    UnknownJob,
)
from probes.service.run import Service
from probes.service.scripts import script_of
from probes.store.jobs import StoredJob
from probes.trunks.model import (
    Credentials,
    Encryption,
    Gateway,
    HeaderKind,
    HeaderRule,
    Outbound,
    Secret,
    Trunk,
)
from sipcore.endpoint.call import IncomingCall
from sipcore.media.terms import Encryption as MediaEncryption
from sipcore.resolve.target import Transport
from tests.probes.calls.test_run import accept, callee, ring
from tests.probes.discovery.network import ok, udp
from tests.probes.report.schemas import load, violations
from tests.probes.service.opened import service_in

SECONDS = 40.0
_FORBIDDEN = HeaderRule(kind=HeaderKind.CUSTOM, key="Call-ID", value="mine", passthrough=True)


def request(destination: Destination, **changes: object) -> CallRequest:
    gateway = Gateway(destination.host, destination.port, Transport.UDP)
    asked = CallRequest(Outbound((gateway,), encryption=Encryption.DISABLE), "bob", hold=0.0)
    return replace(asked, **changes)  # type: ignore[arg-type]  # as the test says


async def done(service: Service, job: CallJob) -> CallJob:
    with trio.fail_after(SECONDS):
        return await service.calls.wait(job, SECONDS)


async def test_a_result_is_what_the_command_line_prints_and_outlives_a_restart(tmp_path: Path) -> None:
    async with callee(accept) as destination:
        async with service_in(tmp_path) as service:
            job = await service.calls.start("acme", request(destination, trunk_id="t1", number_id="n1"))
            assert (job.state, job.progress) == (JobState.RUNNING, "queued")
            over = await done(service, job)
            assert (over.state, over.progress) == (JobState.COMPLETED, "completed")
            assert over.data is not None
            assert violations(over.data, load("call")) == []
            assert list(over.timeline) == over.data["timeline"]
        async with service_in(tmp_path) as service:
            kept = await service.calls.get("acme", job.id)
            assert (kept.data, kept.progress, kept.timeline) == (over.data, "completed", over.timeline)
            assert kept.result is not None
            assert kept.result.status is over.result.status if over.result else None
            assert [each.id for each in await service.calls.recent("acme", number_id="n1")] == [job.id]
            assert [each.id for each in await service.calls.recent("acme", trunk_id="t1")] == [job.id]
            assert await service.calls.recent("acme", trunk_id="t2") == ()
            with pytest.raises(UnknownJob):
                await service.calls.get("globex", job.id)


async def test_results_that_were_kept_are_read_where_no_timer_waits_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = list[threading.Thread]()

    def read(job: CallJob, data: Data) -> CallJob:
        threads.append(threading.current_thread())
        return replace(job, data=data)

    monkeypatch.setattr(calls_module, "_with_data", read)
    async with service_in(tmp_path) as service:
        for at in range(3):
            kept = StoredJob(f"tc_{at}", "acme", "call", "sip:x", "completed", time.time() + at, data='{"a": 1}')
            await service.jobs.put(kept)
        found = await service.calls.recent("acme", limit=2)
        assert [(each.id, each.data) for each in found] == [("tc_2", {"a": 1}), ("tc_1", {"a": 1})]
        assert (await service.calls.get("acme", "tc_0")).data == {"a": 1}
    assert len(threads) == 3
    assert threading.current_thread() not in threads


async def test_how_far_it_is_is_told_as_it_happens(tmp_path: Path) -> None:
    async def late(call: IncomingCall) -> None:
        call.ring()
        await trio.sleep(0.2)
        await accept(call)

    async with callee(late) as destination, service_in(tmp_path) as service:
        job = await service.calls.start("acme", request(destination, hold=0.2))
        told = [event async for event in service.calls.events(job)]
    assert list(dict.fromkeys(event["progress"] for event in told[:-1])) == ["initiated", "ringing", "in-progress"]
    assert told[-1] == {"event": "end", "state": "completed", "error": ""}


async def test_so_many_are_placed_in_a_while(tmp_path: Path) -> None:
    limits = Limits(at_once=2, per_period=3, period=900.0)
    async with callee(ring) as destination, service_in(tmp_path, calls=limits) as service:
        asked = request(destination)
        for _ in range(2):
            await service.calls.start("acme", asked)
        with pytest.raises(Limited, match="2 test calls are under way") as refused:
            await service.calls.start("acme", asked)
        assert refused.value.seconds == 0
        await service.calls.start("globex", asked)
    async with callee(accept) as destination, service_in(tmp_path, calls=limits) as service:
        for _ in range(3):
            await done(service, await service.calls.start("acme", request(destination)))
        with pytest.raises(Limited, match="3 test calls in 15 minutes were placed") as refused:
            await service.calls.start("acme", request(destination))
        assert 800 < refused.value.seconds <= 900


async def test_who_asks_again_gets_the_same_call_also_after_a_restart(tmp_path: Path) -> None:
    async with callee(accept) as destination:
        asked = request(destination)
        async with service_in(tmp_path) as service:
            jobs: list[CallJob] = []

            async def ask() -> None:
                jobs.append(await service.calls.start("acme", asked, "token"))

            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(ask)
            assert len({job.id for job in jobs}) == 1
            with pytest.raises(UsedToken):
                await service.calls.start("acme", replace(asked, to="alice"), "token")
            other = await service.calls.start("globex", asked, "token")
            assert other.id != jobs[0].id
            await done(service, jobs[0])
            assert (await service.calls.start("acme", asked, "token")).id == jobs[0].id
            await done(service, other)
        async with service_in(tmp_path) as service:
            assert (await service.calls.start("acme", asked, "token")).id == jobs[0].id
            with pytest.raises(UsedToken):
                await service.calls.start("acme", replace(asked, to="alice"), "token")
            assert len(await service.calls.recent("acme")) == 1


async def test_a_stop_hangs_up(tmp_path: Path) -> None:
    ended: list[str] = []

    async def take(call: IncomingCall) -> None:
        await accept(call)
        ended.append("bye")

    async with callee(take) as destination:
        async with service_in(tmp_path) as service:
            job = await service.calls.start("acme", request(destination, hold=60.0))
            with trio.fail_after(SECONDS):
                while (await service.calls.get("acme", job.id)).progress != "in-progress":  # noqa: ASYNC110
                    await trio.sleep(0.02)
            calls, began = service.calls, trio.current_time()
        assert trio.current_time() - began < 5
        with pytest.raises(Unavailable):
            await calls.start("acme", request(destination))
        with trio.fail_after(SECONDS):
            while not ended:  # noqa: ASYNC110
                await trio.sleep(0.02)
    async with service_in(tmp_path) as service:
        over = await service.calls.get("acme", job.id)
        assert (over.state, over.error, over.progress) == (JobState.FAILED, STOPPED, "failed")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"to": "911"}, "to"),
        ({"to": "+1 900 555 0100"}, "to"),
        ({"to": ""}, "to"),
        ({"digits": "9x"}, "digits"),
        ({"digits": "1" * 65}, "digits"),
        ({"outbound": Outbound()}, ""),
        ({"outbound": Outbound((Gateway("127.0.0.1", 9),), headers=(_FORBIDDEN,))}, ""),
    ],
)
async def test_what_must_not_be_called_is_not(changes: dict[str, object], field: str, tmp_path: Path) -> None:
    async with service_in(tmp_path) as service:
        with pytest.raises(CallRefused) as caught:
            await service.calls.start("acme", request(Destination("127.0.0.1", 9), **changes))
        assert caught.value.field == field
        assert service.calls.running == ()


async def test_what_must_not_be_reached_is_not(tmp_path: Path) -> None:
    async with service_in(tmp_path) as service:
        over = await done(service, await service.calls.start("acme", request(Destination("10.0.0.1", 5060))))
        assert over.data is not None
        assert "it is private" in over.data["why"]


async def test_it_goes_by_the_first_gateway_that_is_up(tmp_path: Path) -> None:
    rules = Rules(interval=1.0, retry=1.0, timeout=0.5, misses=1)
    async with udp(ok) as port, service_in(tmp_path, watching=True, rules=rules) as service:
        gateways = (Gateway("127.0.0.1", port, Transport.UDP, 2), Gateway("127.0.0.1", 9, Transport.TCP, 1))
        trunk = await service.directory.add_trunk("acme", Trunk(name="carrier", outbound=Outbound(gateways)))
        asked = CallRequest(Outbound(gateways), "bob", trunk_id=trunk.id)
        assert service.gateway_of("acme", asked) == gateways[1]
        with trio.fail_after(SECONDS):
            while service.gateway_of("acme", asked) != gateways[0]:  # noqa: ASYNC110
                await trio.sleep(0.05)
        assert service.gateway_of("globex", asked) == gateways[1]
        assert service.gateway_of("acme", replace(asked, outbound=Outbound())) is None


def test_a_script_is_what_the_trunk_says() -> None:
    outbound = Outbound(
        (Gateway("sbc.example.net", None, Transport.TLS),),
        Credentials("alice", Secret("word"), "here"),
        Encryption.REQUIRE,
        codecs=("PCMA", "G.729"),
    )
    script = script_of(CallRequest(outbound, "+1 (555) 010-0001", "2001", hold=1.5, digits="1#"), outbound.gateways[0])
    assert str(script.destination) == "sip:+1%20(555)%20010-0001@sbc.example.net;transport=tls"
    assert str(script.caller) == "<sip:2001@sbc.example.net>"
    assert (script.hold, script.digits, script.codecs) == (1.5, "1#", ("PCMA", "G729"))
    assert script.encryption is MediaEncryption.REQUIRE
    assert script.account is not None
    assert (script.account.username, script.account.realm, script.account.hosts) == (
        "alice",
        "here",
        frozenset({"sbc.example.net"}),
    )


def test_a_script_has_the_header_fields_that_every_call_of_the_trunk_has() -> None:
    rules = (
        HeaderRule(key="X-Account", value="7", passthrough=True),
        HeaderRule(key="X-Call", value="{call_id}", passthrough=True),
        HeaderRule(key="agent", value="X-Agent"),
        HeaderRule(HeaderKind.UUI, target="agent"),
    )
    gateway = Gateway("sbc.example.net", None, None)
    script = script_of(CallRequest(Outbound((gateway,), headers=rules), "bob"), gateway)
    assert script.headers == (("X-Account", "7"),)
    assert ("X-Account", "7") in script.fields
