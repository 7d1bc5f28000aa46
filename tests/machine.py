"""What the machine that the tests run on has."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def one_port(host: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A UDP and a TCP socket at the same port: one that is free for UDP may be held for TCP by a closed connection."""
    while True:
        with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind((host, 0))
            try:
                tcp.bind(udp.getsockname())
            except OSError:
                continue
            yield udp, tcp
            return
