"""Test calls of tenants: so many at once and in a while, whose results are kept."""

import hashlib
import json
import re
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from functools import partial

import trio

from probes.calls.limit import SERVICE, Limiter, Limits
from probes.calls.run import place_call
from probes.calls.script import CallScript
from probes.capture.stored import result_of
from probes.report.call_json import call_data, entry_data
from probes.result import TimelineEntry
from probes.service.job import CallJob, CallRefused, CallRequest, Data, JobError, JobState, Kind, Limited
from probes.service.jobs import Asked, Jobs
from probes.service.scripts import script_of
from probes.service.under_way import Runner, UnderWay, new_id
from probes.store.jobs import Jobs as StoredJobs
from probes.store.jobs import StoredJob
from probes.trunks.model import Gateway
from sipcore.endpoint.endpoint import EndpointConfig
from sipcore.trace import Direction, MessageTrace

Choose = Callable[[str, CallRequest], Gateway | None]
"""The gateway that a tenant's call goes to; None where there is none to call."""
_about_invite = re.compile(rb"^cseq[ \t]*:[ \t]*[0-9]+[ \t]+INVITE", re.IGNORECASE | re.MULTILINE).search


class UsedToken(JobError):
    """A token by which something else was asked for before."""


class TestCalls:
    """Test calls of all tenants. Who starts one does not wait for it, and who stops waiting does not end it."""

    __test__ = False  # to pytest, which looks at names

    def __init__(
        self,
        runner: Runner,
        stored: StoredJobs,
        config: EndpointConfig,
        choose: Choose,
        limits: Limits = SERVICE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`config` is what all of them have in common."""
        self.jobs: Jobs[CallJob] = Jobs(runner, stored, Kind.CALL, _job_of, clock)
        self._stored, self._config, self._choose, self._limits = stored, config, choose, limits
        self._limiters: dict[str, Limiter] = {}
        self._asked: dict[tuple[str, str], tuple[str, str]] = {}
        """What was asked for by calls that are under way, which may not be on the disk yet: tenant and token of each,
        the digest and the id."""

    @property
    def running(self) -> tuple[CallJob, ...]:
        """Those that are under way, of all tenants."""
        return self.jobs.running

    async def start(self, tenant: str, request: CallRequest, token: str = "") -> CallJob:
        """Place one. Who asks again under the same `token` gets the same call, and UsedToken where another one was
        meant. Raises Limited, CallRefused for a call that cannot or must not be placed, Unavailable while the service
        ends.
        """
        await trio.lowlevel.checkpoint()
        gateway = self._choose(tenant, request)
        if gateway is None:
            raise CallRefused("there is no gateway to call: give the trunk, or the number, an outbound gateway")
        script = script_of(request, gateway)
        asked = Asked(token, _digest(script, request))
        earlier = await self._earlier(tenant, asked) if token else ""
        if earlier:
            return await self.jobs.get(tenant, earlier)
        self._admit(tenant)
        target, who = str(script.destination), (request.trunk_id, request.number_id)
        job = CallJob(new_id("tc"), tenant, target, JobState.RUNNING, self.jobs.clock(), *who)
        try:
            self.jobs.start(job, partial(self._call, script, asked), asked)
        except BaseException:
            self._limiters[tenant].release()
            raise
        self._asked[tenant, token] = (asked.digest, job.id)
        await self.jobs.recorded(job)
        return job

    async def _earlier(self, tenant: str, asked: Asked) -> str:
        """The id of the call that was asked for before under a token; empty for none. Raises UsedToken."""
        kept = await self._stored.find_token(tenant, asked.token)
        # What is under way is looked at last, since nobody else gets in between that and what follows.
        found = self._asked.get((tenant, asked.token)) or (kept and (kept.asked, kept.id))
        if not found:
            return ""
        if found[0] != asked.digest:
            raise UsedToken("this Idempotency-Key was used for another call: take a new one for each")
        return found[1]

    async def get(self, tenant: str, job_id: str) -> CallJob:
        """How one is. Raises UnknownJob."""
        return await self.jobs.get(tenant, job_id)

    async def wait(self, job: CallJob, seconds: float) -> CallJob:
        """How it is when it is over, or after so many seconds."""
        return await self.jobs.wait(job, seconds)

    def events(self, job: CallJob) -> AsyncGenerator[Data, None]:
        """What happens in it, from the beginning, as it does, until it is over or the service ends: each line of the
        story as `timeline` of `call.schema.json` has it, `{"event": "entry", "progress": ..., "entry": ...}`, and last
        `{"event": "end", "state": ..., "error": ...}`.
        """
        return self.jobs.events(job)

    async def recent(
        self,
        tenant: str,
        number_id: str | None = None,
        trunk_id: str | None = None,
        limit: int = 50,
        before: str = "",
    ) -> tuple[CallJob, ...]:
        """The last ones, newest first: of a number, of a trunk, or of all; those that were placed before the one of the
        id `before`. Raises UnknownJob.
        """
        return await self.jobs.recent(tenant, number_id, trunk_id, limit, before)

    def _admit(self, tenant: str) -> None:
        limiter = self._limiters.setdefault(tenant, Limiter(self._limits))
        seconds = limiter.admit(trio.current_time())
        if seconds is None:
            return
        if seconds:
            period = f"{self._limits.per_period} test calls in {self._limits.period / 60:g} minutes"
            raise Limited(f"{period} were placed: ask again in {seconds:.0f} s", seconds)
        raise Limited(f"{self._limits.at_once} test calls are under way: wait until one is over", 0.0)

    async def _call(self, script: CallScript, asked: Asked, under_way: UnderWay[CallJob]) -> CallJob:
        def take(entry: TimelineEntry) -> None:
            line, job = entry_data(entry), under_way.job
            progress = _progress(entry) or ("initiated" if job.progress == "queued" else job.progress)
            under_way.job = replace(job, timeline=(*job.timeline, line), progress=progress)
            under_way.tell({"event": "entry", "progress": progress, "entry": line})

        try:
            result = await place_call(script, self._config, take)
        finally:
            self._limiters[under_way.job.tenant].release()
            self._asked.pop((under_way.job.tenant, asked.token), None)
        data = call_data(result)
        return _with_data(replace(under_way.job, result=result), data)


def _progress(entry: TimelineEntry) -> str:
    """How far a call is with a line of its story; empty for as far as before."""
    record = entry.record
    if not isinstance(record, MessageTrace) or record.direction is not Direction.RECEIVED:
        return ""
    if not record.data.startswith(b"SIP/2.0 ") or not _about_invite(record.data):
        return ""
    status = record.data[8:11]
    return "in-progress" if status[:1] == b"2" else "ringing" if status[:1] == b"1" and status != b"100" else ""


def _digest(script: CallScript, request: CallRequest) -> str:
    """What was asked for; two calls that differ differ in it."""
    told = (
        str(script.destination),
        str(script.caller),
        script.hold,
        script.digits,
        request.trunk_id,
        request.number_id,
    )
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _job_of(record: StoredJob) -> CallJob:
    job = CallJob(
        record.id,
        record.tenant,
        record.target,
        JobState(record.state),
        record.started_at,
        record.trunk_id,
        record.number_id,
        record.completed_at,
        progress="initiated" if record.state == JobState.RUNNING.value else "failed",
        error=record.error,
    )
    return _with_data(job, json.loads(record.data)) if record.data else job


def _with_data(job: CallJob, data: Data) -> CallJob:
    """A job with its result."""
    result = job.result or result_of(data)
    progress, timeline = str(data.get("progress", "failed")), tuple(data.get("timeline", ()))
    return replace(job, data=data, result=result, progress=progress, timeline=timeline)
