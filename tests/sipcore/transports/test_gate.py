"""The gate before addresses: what it asks, how often, and what it says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from sipcore.errors import FailureReason, NotAllowed, TransportFailure
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports import gate
from sipcore.transports.gate import LIFETIME, MAX_JUDGED, Gate, gate_of

ROOT = Path(__file__).parents[3]
PUBLIC, OTHER = SocketAddress("192.0.2.1", 5060), SocketAddress("192.0.2.2", 5060)


def has_namespaces() -> bool:
    """Whether a network namespace with addresses of its own can be made here."""
    if not shutil.which("unshare") or not shutil.which("ip"):
        return False
    words = ["unshare", "-rn", "ip", "link", "set", "lo", "up"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


class Policy:
    """Lets through what is not of this machine, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []

    def __call__(self, remote: SocketAddress, is_own: bool) -> str:
        self.asked.append((remote.host, is_own))
        return "it is this machine" if is_own else ""


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """By remote host, the local one that the kernel sends from; none has no route."""
    found: dict[str, str] = {}

    def route_host(hop: Hop) -> str:
        if hop.remote.host not in found:
            raise TransportFailure(FailureReason.UNREACHABLE, "no route")
        return found[hop.remote.host]

    monkeypatch.setattr(gate, "route_host", route_host)
    return found


@pytest.mark.parametrize(
    ("remote", "local", "is_own"),
    [
        ("192.0.2.1", "192.0.2.9", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("2001:db8::1", "2001:db8::1", True),
        ("192.0.2.1", None, False),
        ("127.0.0.5", "127.0.0.1", True),
        ("::1", "::1", True),
    ],
)
async def test_an_address_that_this_machine_sends_from_to_itself_is_its_own(
    remote: str, local: str | None, is_own: bool, routes: dict[str, str]
) -> None:
    if local is not None:
        routes[remote] = local
    assert bool(Gate(Policy()).why_not(SocketAddress(remote, 5060))) is is_own


ADDRESSES = """
ip link set lo up && ip address add 198.51.100.7/32 dev lo && ip -6 address add 2001:db8::7/128 dev lo || exit
exec "$1" -c "$2"
"""
ASKS = """
import trio
from sipcore.resolve.target import SocketAddress
from sipcore.transports.gate import Gate

async def main():
    told = Gate(lambda remote, own: "own" if own else "")
    print([told.why_not(SocketAddress(host, 5060)) for host in HOSTS])

HOSTS = ["198.51.100.7", "198.51.100.8", "2001:db8::7", "2001:db8::8", "127.0.0.9"]
trio.run(main)
"""


@pytest.mark.skipif(not has_namespaces(), reason="addresses of its own take a network namespace: allow user namespaces")
def test_the_kernel_tells_which_addresses_are_of_this_machine() -> None:
    command = ["unshare", "-rn", "sh", "-c", ADDRESSES, "sh", sys.executable, ASKS]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == str(["own", "", "own", "", "own"])


async def test_what_is_refused_anyway_is_not_looked_for_among_routes(routes: dict[str, str]) -> None:
    asked = []

    def refuse(remote: SocketAddress, is_own: bool) -> str:
        asked.append(is_own)
        return "never"

    assert Gate(refuse).why_not(PUBLIC) == "never"
    assert asked == [False]


async def test_an_address_is_judged_again_after_a_while(routes: dict[str, str], autojump_clock: MockClock) -> None:
    """One may become this machine's while it runs, as those do that move from host to host."""
    policy = Policy()
    judge = Gate(policy)
    for _ in range(3):
        assert judge.why_not(PUBLIC) == ""
    assert policy.asked == [("192.0.2.1", False)] * 2
    routes["192.0.2.1"] = "192.0.2.1"
    await trio.sleep(LIFETIME)
    assert judge.why_not(PUBLIC) == "it is this machine"
    assert judge.why_not(OTHER) == ""


async def test_no_more_are_remembered_than_there_is_room_for(routes: dict[str, str]) -> None:
    judge = Gate(Policy())
    for port in range(2 * MAX_JUDGED):
        judge.why_not(SocketAddress("192.0.2.1", port))
        assert len(judge._judged) <= MAX_JUDGED


async def test_who_asks_gets_the_error_that_it_expects(routes: dict[str, str]) -> None:
    judge = Gate(lambda *_: "it is private")
    with pytest.raises(NotAllowed) as refused:
        judge.require(Hop(Transport.TLS, PUBLIC))
    assert (refused.value.where, refused.value.why) == ("tls 192.0.2.1:5060", "it is private")
    with pytest.raises(TransportFailure) as failed:
        judge.require_datagram(PUBLIC)
    assert failed.value.reason is FailureReason.NOT_ALLOWED
    assert failed.value.message == "udp 192.0.2.1:5060: must not be reached from here, it is private"
    assert isinstance(failed.value.__cause__, NotAllowed)


def test_without_a_policy_there_is_no_gate() -> None:
    assert gate_of(None) is None
