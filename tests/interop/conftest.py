"""The lab's servers as fixtures, each started once, when the first test asks for it.

A server that is not installed skips the tests that need it, or, with SIPCORE_INTEROP=required, fails them.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

import pytest

from tests.interop import certificates, servers
from tests.interop.lab import Lab, MissingError, Server
from tests.interop.nameserver import FIXTURES, Nameserver, nsd

Running = TypeVar("Running")

REQUIRED = os.environ.get("SIPCORE_INTEROP") == "required"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("lab")
    return Lab(folder, certificates.make(folder))


@pytest.fixture(scope="session")
def asterisk(lab: Lab) -> Iterator[Server]:
    yield from _provide(servers.asterisk, lab)


@pytest.fixture(scope="session")
def baresip(lab: Lab) -> Iterator[Server]:
    yield from _provide(servers.baresip, lab)


@pytest.fixture(scope="session")
def kamailio(lab: Lab, baresip: Server) -> Iterator[Server]:
    yield from _provide(servers.kamailio, lab, baresip)


@pytest.fixture(scope="session")
def sipp(lab: Lab) -> Iterator[Server]:
    yield from _provide(servers.sipp, lab)


@pytest.fixture(scope="session")
def nameserver(lab: Lab) -> Iterator[Nameserver]:
    """One with the zones of `fixtures/zones`."""
    for running in _provide(nsd, lab, FIXTURES):
        yield running[0]


@pytest.fixture(scope="session", params=["asterisk", "baresip", "kamailio", "sipp"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each server in turn."""
    running: Server = request.getfixturevalue(request.param)
    return running


def _provide(prepare: Callable[..., AbstractContextManager[Running]], *arguments: object) -> Iterator[Running]:
    try:
        running = prepare(*arguments)
    except MissingError as missing:
        if REQUIRED:
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
    with running as server:
        yield server
