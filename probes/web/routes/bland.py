"""Bland's SIP interface, `/v1/sip`."""

from functools import cache

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse

from probes.service.run import Service
from probes.web.auth import Authenticated
from probes.web.bland import answers, numbers, probing, trunks
from probes.web.bland.common import RESPONSES, Data
from probes.web.bland.envelope import Failed, Succeeded, refused, shown
from probes.web.mount import Mount

PREFIX = "/v1/sip"
TITLE = "Bland's SIP interface, as sipprobe serves it"
NO_PORTING = "PORTING_NOT_AVAILABLE"
PORTING = (("GET", "/port/check"), ("POST", "/port/document"), ("POST", "/port/initiate"), ("GET", "/port"))
CANCELLING = ("DELETE", "/port/{port_id}")


def router(_: Service) -> APIRouter:
    """Its routes."""
    routes = APIRouter(tags=["bland"])
    routes.add_api_route(
        "",
        numbers.read,
        responses=RESPONSES,
        response_model=Succeeded[answers.Configs],
        response_model_exclude_unset=True,
    )
    for part in (numbers.routes, probing.routes, trunks.routes):
        routes.include_router(part)
    described = RESPONSES | {501: {"model": Failed, "description": "Numbers are not ported here"}}
    for method, path in (*PORTING, CANCELLING):
        routes.add_api_route(path, no_porting, methods=[method], status_code=501, responses=described)
    whole = APIRouter()
    whole.include_router(routes, prefix=PREFIX)
    description = cache(lambda: get_openapi(title=TITLE, version="1", routes=whole.routes))

    @routes.get("/openapi.json", include_in_schema=False)
    async def openapi() -> JSONResponse:
        return JSONResponse(description())

    return routes


async def no_porting(_: Authenticated) -> Data:
    """Numbers are ported by a carrier, which this service is not."""
    text = "numbers are ported by a carrier, and none is behind this service: ask the one that is to have the number"
    raise refused(501, NO_PORTING, text)


MOUNT = Mount((PREFIX,), router, shown)
