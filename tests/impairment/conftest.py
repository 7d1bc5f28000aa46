"""What tests of the bad network share."""

import os

import pytest

from tests.impairment import namespace


@pytest.fixture(scope="session")
def privileged() -> None:
    """Skip where no namespaces can be made; fail where they must be to be had, and root is there."""
    try:
        namespace.check_available()
    except namespace.UnavailableError as error:
        if os.environ.get("SIPCORE_INTEROP") == "required" and os.geteuid() == 0:
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
