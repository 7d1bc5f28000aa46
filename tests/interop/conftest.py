"""The lab's servers as fixtures, each started once, when the first test asks for it.

A server that is not installed skips the tests that need it, or, with SIPCORE_INTEROP=required, fails them.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import NoReturn, TypeVar

import pytest

from tests.interop import certificates, servers
from tests.interop.lab import Lab, MissingError, Server, program
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
def old(lab: Lab) -> Iterator[Server]:
    """Asterisk 16 with its old SIP channel. Its suite is old, so it may be missing even where nothing else may."""
    try:
        running = servers.chan_sip(lab)
    except MissingError as missing:
        pytest.skip(str(missing))
    with running as server:
        yield server


@pytest.fixture(scope="session")
def baresip(lab: Lab) -> Iterator[Server]:
    yield from _provide(servers.baresip, lab)


@pytest.fixture(scope="session")
def kamailio(lab: Lab, baresip: Server) -> Iterator[Server]:
    yield from _provide(servers.kamailio, lab, baresip)


@pytest.fixture(scope="session")
def kamailio_sha256(lab: Lab, asterisk: Server) -> Iterator[Server]:
    """Another one, which asks for SHA-256, in front of a server that asks as well."""
    (folder := lab.folder / "sha256").mkdir()
    yield from _provide(servers.kamailio, replace(lab, folder=folder), asterisk, "SHA-256")


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


def installed(name: str, package: str) -> str:
    """The path of a program; where it is missing, the test is skipped, or fails where nothing may be missing."""
    try:
        return program(name, package)
    except MissingError as missing:
        do_without(missing)


def _provide(prepare: Callable[..., AbstractContextManager[Running]], *arguments: object) -> Iterator[Running]:
    try:
        running = prepare(*arguments)
    except MissingError as missing:
        do_without(missing)
    with running as server:
        yield server


def do_without(missing: MissingError) -> NoReturn:
    """Skip the test, or fail it where nothing may be missing."""
    if REQUIRED:
        pytest.fail(str(missing), pytrace=False)
    pytest.skip(str(missing))
