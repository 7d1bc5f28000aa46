"""Made-up requests to every route, by what the description of the interface says, and beyond it. A program: what is
made up may have this host send somewhere, so it runs in a network namespace that has loopback and nothing else.

unshare -rn python -m tests.probes.web.bland.fuzz [seed] [requests for each route]
"""

import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import requests
import trio
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from probes.calls.limit import Limits
from probes.reach import ReachPolicy
from probes.service.config import ServiceConfig
from probes.web.app import make_app
from probes.web.run import open_server
from sipcore.resolve.target import SocketAddress
from tests.probes.web.bland.asking import OWN

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
NOT_SERVED = 501
"""The answer to what is described as not served, which is no mistake of the server."""
Told = tuple[str, str, dict[str, object]]
"""Where the server is, a key of it, and its description."""


async def serving(told: "Queue[Told]", stop: trio.Event) -> None:
    """A service with a number and a trunk, until it is stopped."""
    with tempfile.TemporaryDirectory() as folder:
        config = ServiceConfig(
            Path(folder) / "service.db",
            bind=SocketAddress("127.0.0.1", 0),
            own=OWN,
            reach=ReachPolicy.of(refuse=["0.0.0.0/0", "::/0"]),
            nameservers=(SocketAddress("127.0.0.1", 9),),
            calls=Limits(at_once=4),
        )
        async with open_server(config) as (service, listening):
            key = (await service.keys.add("acme", "fuzz")).text.reveal()
            told.put((listening.url, key, make_app(service).openapi()))
            await stop.wait()


def ask(operation: APIOperation[Any, Any, Any, Any], where: str, key: str, number: int, examples: int) -> None:
    """Requests to one route. Raises what is wrong with an answer."""

    session = requests.Session()  # one connection, of which an address has only so many

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(case=operation.as_strategy())
    def each(case: Case[Any]) -> None:
        answer = case.call(base_url=where, session=session, headers={"Authorization": f"Bearer {key}"})
        checks = [check for check in CHECKS if answer.status_code != NOT_SERVED or check is not not_a_server_error]
        case.validate_response(answer, checks=checks)
        assert answer.json().keys() == {"data", "errors"}, answer.text

    each()


def main(number: int, examples: int) -> None:
    """Ask every route of the interface."""
    print(f"seed {number}, {examples} requests for each route", flush=True)  # noqa: T201
    told: Queue[Told] = Queue()
    stop: list[tuple[trio.lowlevel.TrioToken, trio.Event]] = []

    async def serve_until_stopped() -> None:
        stop.append((trio.lowlevel.current_trio_token(), trio.Event()))
        await serving(told, stop[0][1])

    thread = threading.Thread(target=trio.run, args=[serve_until_stopped], daemon=True)
    thread.start()
    where, key, description = told.get(timeout=30)
    httpx.get(f"{where}/v1/sip/numbers", headers={"Authorization": key}).raise_for_status()
    asked = 0
    for found in openapi.from_dict(description).get_all_operations():
        operation = found.ok() if isinstance(found, Ok) else None
        if operation is not None and operation.path.startswith(("/v1/sip", "/v1/inbound")):
            ask(operation, where, key, number, examples)
            asked += 1
    token, event = stop[0]
    token.run_sync_soon(event.set)
    thread.join(timeout=30)
    print(f"{asked} routes")  # noqa: T201


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    main(*(int(text) for text in sys.argv[1:3]))
