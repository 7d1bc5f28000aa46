"""The service's own interface, `/api/v1`."""

from functools import cache, partial

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from probes.service.run import Service
from probes.web.mount import Mount
from probes.web.native import health, jobs, tools, trunks
from probes.web.native.known import only_known
from probes.web.native.openapi import described
from probes.web.native.shown import shown

PREFIX = "/api/v1"


def router(service: Service) -> APIRouter:
    """Its routes."""
    routes = APIRouter(dependencies=[Depends(only_known)])
    for part in (tools, trunks, jobs, health):
        part.add(routes, service)
    description = cache(partial(described, routes, PREFIX))

    @routes.get("/openapi.json", include_in_schema=False)
    def openapi() -> JSONResponse:
        """Made when somebody first asks for it, which takes a tenth of a second: in a thread, being no coroutine."""
        return JSONResponse(description())

    return routes


MOUNT = Mount((PREFIX,), router, shown)
