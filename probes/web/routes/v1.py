"""The service's own interface, `/api/v1`."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from probes.service.run import Service
from probes.web.auth import Authenticated
from probes.web.errors import Failure
from probes.web.mount import Mount


def router(service: Service) -> APIRouter:
    """Its routes."""
    routes = APIRouter()

    @routes.get("/whoami")
    async def whoami(caller: Authenticated) -> dict[str, object]:
        return {"tenant": caller.tenant, "key": caller.key_id, "may_write": caller.may_write}

    return routes


def shown(failure: Failure) -> Response:
    """Problem details (RFC 9457)."""
    data = {"type": f"urn:sipprobe:{failure.code}", "title": failure.code, "status": failure.status}
    content = {**data, "detail": failure.message}
    return JSONResponse(content, failure.status, dict(failure.headers), "application/problem+json")


MOUNT = Mount(("/api/v1",), router, shown)
