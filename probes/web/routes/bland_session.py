"""Bland's variables for a call that is to come in, `/v1/inbound`, which are of use to an agent alone."""

from fastapi import APIRouter

from probes.service.run import Service
from probes.web.auth import Authenticated
from probes.web.bland.common import RESPONSES, Data
from probes.web.bland.envelope import Failed, refused, shown
from probes.web.mount import Mount

NO_SESSIONS = "SESSIONS_NOT_AVAILABLE"


def router(_: Service) -> APIRouter:
    """Its one route."""
    routes = APIRouter(tags=["bland"])
    described = RESPONSES | {501: {"model": Failed, "description": "No agent takes calls here"}}
    routes.add_api_route("/session", no_session, methods=["POST"], status_code=501, responses=described)
    return routes


async def no_session(_: Authenticated) -> Data:
    """Sessions hand variables to the agent that takes a call, and there is none."""
    text = "a session hands variables to an agent, and this service has none: ask the platform that the agent runs on"
    raise refused(501, NO_SESSIONS, text)


MOUNT = Mount(("/v1/inbound",), router, shown)
