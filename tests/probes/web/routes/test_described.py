"""The description of both contracts (OpenAPI) holds: whatever it lets be sent is answered as it says."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from probes.service.run import Service
from probes.web.routes import diga, watsonx, watsonx_internal
from tests.probes.web.contracts import Case, Portal

EXAMPLES = 20
"""Of each operation."""


def described() -> dict[str, object]:
    """The description of these contracts alone, each under its usual path."""
    app = FastAPI()
    for module in (watsonx, watsonx_internal, diga):
        service = cast(Service, None)  # of which nothing is asked
        app.include_router(module.MOUNT.router(service), prefix=module.MOUNT.prefixes[0])
    return app.openapi()


schema = schemathesis.openapi.from_dict(described())


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    with tempfile.TemporaryDirectory() as path:
        opened = Portal(Path(path))
        try:
            yield opened
        finally:
            opened.close()


def test_each_path_is_described_once() -> None:
    assert sorted(schema.raw_schema["paths"]) == [
        "/api/v1/channels/phone",
        "/api/v1/channels/phone/{config_id}",
        "/api/v1/channels/phone/{config_id}/numbers",
        "/api/v1/channels/phone/{config_id}/numbers/{number}",
        "/api/v1/internal/channels/phone",
        "/v1/phone/",
        "/v1/phone/import",
        "/v1/phone/{phone_id}",
        "/v1/phone/{phone_id}/sip-config",
    ]


@schema.parametrize()
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_answers_are_those_that_are_described(case: Case, portal: Portal) -> None:
    response = portal.call(case)
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    case.validate_response(response, checks=checks)
