"""What the machine that the tests run on has."""

import socket

import pytest

HOST6 = "::1"


def has_ipv6() -> bool:
    """Whether this machine has ::1; containers often have not."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind((HOST6, 0))
    except OSError:
        return False
    return True


# A mark and no `pytest.skip`: that of a test which is awaited loses its reason in pytest-trio.
needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason=f"this machine has no {HOST6}")
