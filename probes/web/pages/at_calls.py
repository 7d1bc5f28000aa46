"""Test calls: their form, how far they are, and their reports."""

import json
from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from probes.capture.stored import result_of, timeline_of
from probes.product import PRODUCT
from probes.report.html import Frame
from probes.report.html_call import MAX_LADDER, call_page, title_of_call
from probes.report.ladder import HERE, Ladder, ladder_of
from probes.report.mermaid import mermaid
from probes.report.packets import packets
from probes.report.pcapng import pcapng
from probes.report.svg import svg
from probes.result import CallResult
from probes.service.job import CallJob, CallRefused, CallRequest, JobState
from probes.trunks.model import Outbound, Trunk
from probes.web.errors import refused
from probes.web.pages.site import Site, Visit, aside, download, first, to
from probes.web.pages.view import PROGRESS, call_line

SOON = 0.7
"""Seconds after which one that goes on is looked at again."""
EVERY = 5.0
"""Likewise, the list of them."""
MOST = 25
"""Of them in the list."""
TRUNK = "trunk"
TYPED = ("to", "caller", "digits")
"""Fields of the form: what is chosen, and what people type in."""
TYPES = {
    "pcapng": "application/x-pcapng",
    "json": "application/json",
    "svg": "image/svg+xml",
    "mmd": "text/vnd.mermaid",
}
"""The files that one can be had as."""


def router(site: Site) -> APIRouter:
    """Its routes."""
    routes = APIRouter()
    _begin(site, routes)
    _show(site, routes)
    return routes


def _begin(site: Site, routes: APIRouter) -> None:
    service = site.service

    @routes.get("/calls")
    async def calls(request: Request, trunk: str = "", before: str = "") -> Response:
        visit = await site.visit(request)
        return await _list(site, request, visit, {TRUNK: trunk, "before": before}, {})

    @routes.post("/calls")
    async def begin(request: Request) -> Response:
        visit, fields = await site.form(request)
        tenant = visit.caller.tenant
        trunk = await service.directory.trunk(tenant, first(fields, TRUNK))
        wanted = CallRequest(
            trunk.outbound or Outbound(),
            first(fields, "to"),
            first(fields, "caller"),
            trunk.id,
            digits=first(fields, "digits"),
        )
        try:
            job = await service.calls.start(tenant, wanted)
        except CallRefused as error:
            kept = {TRUNK: trunk.id} | {name: first(fields, name) for name in TYPED}
            return await _list(site, request, visit, kept, {error.field or TRUNK: error.message})
        return to(f"/calls/{job.id}")


def _show(site: Site, routes: APIRouter) -> None:
    service = site.service

    @routes.get("/calls/{job_id}.{kind}")
    async def file(request: Request, job_id: str, kind: str) -> Response:
        visit = await site.visit(request)
        job = await service.calls.get(visit.caller.tenant, job_id)
        if kind not in TYPES or (job.data is None and job.result is None):
            raise refused(404, "there is no such file of this call")
        return download(f"{job.id}.{kind}", content_of(job, kind), TYPES[kind])

    @routes.get("/calls/{job_id}")
    async def show(request: Request, job_id: str) -> Response:
        visit = await site.visit(request)
        tenant = visit.caller.tenant
        job = await service.calls.get(tenant, job_id)
        trunk = next((each for each in await service.directory.trunks(tenant) if each.id == job.trunk_id), None)
        view = site.view(request, visit, f"Test call to {job.target}", "/calls")

        def make() -> Response:
            result = result_in(job) if job.state is JobState.COMPLETED else None
            report = Markup("")
            if result is not None:
                page = call_page(result, job.completed_at or job.started_at, Frame.PART)
                report = Markup(page)  # noqa: S704  # who makes the report escapes what stands in it
            return site.page(
                visit,
                "call.html",
                view,
                every=SOON,
                job=job,
                report=report,
                trunk=(trunk.id, trunk.name or trunk.id) if trunk is not None else None,
                progress=PROGRESS.get(job.progress, job.progress),
                ladder=_picture(job),
            )

        return await aside(make)


async def _list(
    site: Site, request: Request, visit: Visit, given: Mapping[str, str], errors: Mapping[str, str]
) -> Response:
    """The list of calls, and the form with what was `given` in it and what is wrong with that."""
    tenant = visit.caller.tenant
    jobs = await site.service.calls.recent(tenant, limit=MOST, before=given.get("before", ""))
    trunks = [each for each in await site.service.directory.trunks(tenant) if _can_call(each)]
    return site.page(
        visit,
        "calls.html",
        site.view(request, visit, "Test calls", "/calls"),
        status=422 if errors else 200,
        every=0 if given.get("before") else EVERY,
        calls=[call_line(job) for job in jobs],
        older=jobs[-1].id if len(jobs) == MOST else "",
        trunks=sorted(((each.id, each.name or each.id) for each in trunks), key=lambda one: one[1].lower()),
        chosen=given.get(TRUNK, ""),
        typed={name: given.get(name, "") for name in TYPED},
        errors=errors,
    )


def _can_call(trunk: Trunk) -> bool:
    return trunk.outbound is not None and bool(trunk.outbound.gateways)


def result_in(job: CallJob) -> CallResult | None:
    """What came of a call, as a value."""
    if job.result is not None:
        return job.result
    return result_of(job.data) if job.data is not None else None


def content_of(job: CallJob, kind: str) -> bytes:
    """A call as a file: `json`, `pcapng`, `svg` or `mmd`, what proves an identity covered in all of them."""
    if kind == "json":
        return json.dumps(job.data, indent=2).encode()
    result = result_in(job)
    if result is None:
        return b""
    if kind == "pcapng":
        records = [entry.record for entry in result.timeline if entry.record is not None]
        return pcapng(packets(records), epoch_ns=result.epoch_ns, application=PRODUCT)
    ladder = ladder_of(result.timeline, media=result.media)
    return mermaid(ladder).encode() if kind == "mmd" else svg(ladder, title_of_call(result)).encode()


def _picture(job: CallJob) -> Markup:
    """The ladder of a call that goes on."""
    if job.state is not JobState.RUNNING:
        return Markup("")
    lines = timeline_of({"timeline": list(job.timeline)})[:MAX_LADDER]
    ladder = ladder_of(lines) if lines else Ladder((HERE,), ())
    return Markup(svg(ladder, f"Test call to {job.target}"))  # noqa: S704  # who draws it escapes what stands in it
