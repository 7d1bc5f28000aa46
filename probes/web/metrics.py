"""How the service is, for monitors: `/healthz` for load balancers, `/metrics` for Prometheus."""

from collections.abc import Iterable

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from probes.health.terms import Health
from probes.service.run import Service
from probes.web.auth import require_caller

MAX_ROUTES = 2000
"""Routes that are told of: each has three lines. The others are only counted."""
UP = {Health.HEALTHY: 1.0, Health.DEGRADED: 1.0, Health.UNREACHABLE: 0.0}
"""Whether a route works, where that is known."""


def router(service: Service) -> APIRouter:
    """Both of them."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/healthz")
    async def healthz() -> JSONResponse:
        """200 while everything goes on, 503 else. Nothing of any tenant is in it."""
        parts = service.supervisor.parts
        is_well = all(part.is_running for part in parts) and not service.store.trouble
        told = {
            "status": "ok" if is_well else "degraded",
            "store": "ok" if not service.store.trouble else "not written",
            "parts": [{"name": each.name, "running": each.is_running, "failures": each.failures} for each in parts],
        }
        return JSONResponse(told, 200 if is_well else 503)

    @routes.get("/metrics")
    async def metrics(request: Request) -> Response:
        """Of the tenant whose key it is; of all of them, and without a key, where the operator says so."""
        tenant = None if service.config.open_metrics else (await require_caller(request)).tenant
        registry = CollectorRegistry()
        registry.register(_Collector(service, tenant))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return routes


class _Collector(Collector):
    """What is known at the moment, of one tenant or of all."""

    def __init__(self, service: Service, tenant: str | None) -> None:
        self._service, self._tenant = service, tenant

    def describe(self) -> Iterable[Metric]:
        """Nothing that is known before."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """All of it."""
        yield from self._routes()
        yield from self._counts()
        yield from self._own()

    def _routes(self) -> Iterable[Metric]:
        labels = ("tenant", "trunk", "title", "route")
        text = "0 for a route that is down, by several failed checks in a row; absent while nobody knows."
        up = GaugeMetricFamily("sipprobe_route_up", text, labels=labels)
        rtt = GaugeMetricFamily("sipprobe_route_round_trip_seconds", "The last round trip of OPTIONS.", labels=labels)
        health = GaugeMetricFamily("sipprobe_routes", "Routes by how they are.", labels=("tenant", "health"))
        counts: dict[tuple[str, str], int] = {}
        told = 0
        for tenant, state in self._service.watching.all_states():
            for route in state.routes if self._tenant in (None, tenant) else ():
                counts[tenant, route.health.value] = counts.get((tenant, route.health.value), 0) + 1
                told += 1
                if told > MAX_ROUTES:
                    continue
                named = (tenant, state.trunk, state.title, route.route)
                if route.health in UP:
                    up.add_metric(named, UP[route.health])
                if route.options is not None and route.options.rtt is not None:
                    rtt.add_metric(named, route.options.rtt)
        for key, count in sorted(counts.items()):
            health.add_metric(key, count)
        yield from (up, rtt, health)

    def _counts(self) -> Iterable[Metric]:
        checks = CounterMetricFamily("sipprobe_checks", "Checks since the start.", labels=("tenant", "kind", "verdict"))
        for (tenant, kind, verdict), count in sorted(self._service.watching.checked.items()):
            if self._tenant in (None, tenant):
                checks.add_metric((tenant, kind, verdict), count)
        jobs = CounterMetricFamily("sipprobe_jobs", "Jobs since the start.", labels=("tenant", "kind", "state"))
        running = GaugeMetricFamily("sipprobe_jobs_running", "Jobs that are under way.", labels=("tenant", "kind"))
        for each in (self._service.discoveries.jobs, self._service.calls.jobs):
            for (tenant, state), count in sorted(each.ended.items()):
                if self._tenant in (None, tenant):
                    jobs.add_metric((tenant, each.kind.value, state), count)
            own = [job.tenant for job in each.running if self._tenant in (None, job.tenant)]
            for tenant in sorted(set(own)):
                running.add_metric((tenant, each.kind.value), own.count(tenant))
        yield from (checks, jobs, running)

    def _own(self) -> Iterable[Metric]:
        """Of the process."""
        lag = GaugeMetricFamily("sipprobe_loop_lag_seconds", "How late the event loop was at worst within a minute.")
        lag.add_metric((), self._service.lag.worst)
        store = GaugeMetricFamily("sipprobe_store_written", "Whether the store can be written.")
        store.add_metric((), 0 if self._service.store.trouble else 1)
        part = GaugeMetricFamily("sipprobe_part_running", "Whether a part of the service runs.", labels=("part",))
        failures = CounterMetricFamily("sipprobe_part_failures", "How often a part has failed.", labels=("part",))
        for each in self._service.supervisor.parts:
            part.add_metric((each.name,), 1 if each.is_running else 0)
            failures.add_metric((each.name,), each.failures)
        yield from (lag, store, part, failures)
