"""What the description says of the native interface is so: whatever fits it is taken, and each answer fits it."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
import trio
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from probes.web.run import open_server
from tests.probes.service.opened import config_in

EXAMPLES = 12
"""Of each operation; more of them in CI, by the profile's seed."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SENDS = [("POST", "/discoveries"), ("POST", "/calls")]
"""What would look up and call whatever is made up here."""
STREAMS = "/events"
"""Has no end while the service runs."""
PREFIX = "/api/v1"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A service in a thread, nothing of which is watched: where it is, and a key."""
    folder: Path = tmp_path_factory.mktemp("service")
    ready, told = threading.Event(), dict[str, str]()
    stop: list[trio.Event] = []
    token: list[trio.lowlevel.TrioToken] = []

    async def serve() -> None:
        async with open_server(config_in(folder), watching=False) as (service, listening):
            told["url"], told["key"] = listening.url, (await service.keys.add("acme", "test")).text.reveal()
            stop.append(trio.Event())
            token.append(trio.lowlevel.current_trio_token())
            ready.set()
            await stop[0].wait()

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    assert ready.wait(20)
    yield told["url"], told["key"]
    token[0].run_sync_soon(stop[0].set)
    thread.join(20)


def test_the_description_needs_no_key_and_names_all_results(served: tuple[str, str]) -> None:
    url, _ = served
    told = httpx.get(f"{url}{PREFIX}/openapi.json").json()
    assert told["openapi"].startswith("3.1")
    assert told["servers"] == [{"url": PREFIX}]
    call = told["components"]["schemas"]["Call"]["properties"]["result"]
    assert call["oneOf"] == [{"type": "null"}, {"$ref": "#/components/schemas/call"}]
    assert {"call", "discovery", "uptime", "watch.states", "finding"} <= told["components"]["schemas"].keys()
    references = [text for text in str(told).split("'") if text.startswith("#/components/schemas/")]
    assert references
    named = {each.removeprefix("#/components/schemas/").partition("/")[0] for each in references}
    assert named <= told["components"]["schemas"].keys()


def test_each_operation_answers_as_it_is_described(served: tuple[str, str]) -> None:
    url, key = served
    schema = schemathesis.openapi.from_url(f"{url}{PREFIX}/openapi.json")
    headers = {"Authorization": f"Bearer {key}"}
    session, tried = requests.Session(), []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if (operation.method.upper(), operation.path) in SENDS or operation.path.endswith(STREAMS):
            continue

        @settings(max_examples=EXAMPLES, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:  # noqa: ANN401  # generic in what no test knows
            case.call_and_validate(base_url=f"{url}{PREFIX}", headers=headers, checks=CHECKS, session=session)

        ask()
        tried.append(operation.label)
    session.close()
    assert len(tried) > 20
