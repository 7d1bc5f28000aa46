"""Discoveries: their form, how far they are, and their reports."""

import json

from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from probes.destination import Destination
from probes.report.html import Frame
from probes.report.html_discovery import discovery_page
from probes.service.job import Busy, DiscoveryRequest, JobState
from probes.web.pages.site import Site, Visit, aside, download, first, to
from probes.web.pages.under_way import under_way
from probes.web.pages.view import discovery_line
from sipcore.errors import SipError

SOON = 0.7
"""Seconds after which one that is under way is looked at again."""
EVERY = 5.0
"""Likewise, the list of them."""
MOST = 25
"""Of them in the list."""


def router(site: Site) -> APIRouter:
    """Its routes."""
    routes = APIRouter()
    service = site.service

    @routes.get("/discover")
    async def ask(request: Request, target: str = "") -> Response:
        visit = await site.visit(request)
        return await _ask(site, request, visit, target[:300])

    @routes.post("/discover")
    async def begin(request: Request) -> Response:
        visit, fields = await site.form(request)
        target = first(fields, "target")
        try:
            wanted = DiscoveryRequest(Destination.parse(target), deep="deep" in fields)
            job = await service.discoveries.start(visit.caller.tenant, wanted)
        except Busy as busy:
            return to(f"/discoveries/{busy.running}")
        except SipError as error:
            return await _ask(site, request, visit, target, error.message, is_deep="deep" in fields)
        return to(f"/discoveries/{job.id}")

    @routes.get("/discoveries/{job_id}.json")
    async def data(request: Request, job_id: str) -> Response:
        visit = await site.visit(request)
        job = await service.discoveries.get(visit.caller.tenant, job_id)
        return download(f"{job.id}.json", json.dumps(job.data, indent=2).encode(), "application/json")

    @routes.get("/discoveries/{job_id}")
    async def show(request: Request, job_id: str) -> Response:
        visit = await site.visit(request)
        job = await service.discoveries.get(visit.caller.tenant, job_id)
        view = site.view(request, visit, f"Discovery of {job.target}", "/discover")
        is_running = job.state is JobState.RUNNING

        def make() -> Response:
            report = Markup("")
            if job.result is not None:
                page = discovery_page(job.result, job.completed_at or job.started_at, Frame.PART)
                report = Markup(page)  # noqa: S704  # who makes the report escapes what stands in it
            return site.page(
                visit,
                "discovery.html",
                view,
                every=SOON,
                job=job,
                report=report,
                summary=discovery_line(job).why,
                progress=under_way(service.discoveries.jobs.told(job)) if is_running else None,
            )

        return await aside(make)

    return routes


async def _ask(
    site: Site, request: Request, visit: Visit, target: str, error: str = "", *, is_deep: bool = False
) -> Response:
    jobs = await site.service.discoveries.recent(visit.caller.tenant, MOST)
    return site.page(
        visit,
        "discover.html",
        site.view(request, visit, "Discover", "/discover"),
        status=422 if error else 200,
        every=EVERY,
        target=target,
        is_deep=is_deep,
        errors={"target": error} if error else {},
        recent=[discovery_line(job) for job in jobs],
    )
