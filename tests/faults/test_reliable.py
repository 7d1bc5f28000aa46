"""TCP and TLS over a bad network: what is lost there comes late, and what a way swallows harms no other connection."""

import pytest
import trio

from sipcore.resolve.target import Transport
from tests.faults.agent import Batch, show, started, two
from tests.impairment.network import open_network
from tests.impairment.path import Impairment

pytestmark = pytest.mark.usefixtures("privileged")

RELIABLE = (Transport.TCP, Transport.TLS)
T1 = 0.1
SHORT_T1 = 0.05
SEED = 3261
BAD = Impairment(loss=0.02, duplication=0.05, reordering=0.05, held_back=0.002, delay=0.001)


async def test_losses_are_made_good_by_the_transport(request: pytest.FixtureRequest) -> None:
    """Nothing is repeated by the transactions (RFC 3261 §17.1.1.2, §17.1.2.2), and all end in the right state."""
    async with open_network(seed=SEED) as network, two(network, T1) as (agent, other):
        await network.impair(BAD)
        hosts = (network["bob"].ipv4, network["bob"].ipv6)
        kinds = ("OPTIONS 200", "MESSAGE 480", "INVITE leave", "INVITE refuse")
        caller, callee = await agent.ask(Batch(kinds, 400, 200.0, hosts, RELIABLE)), await other.ask()
        ways = (await network.report()).ways
    show(request, f"seed {SEED}", caller, callee, *ways.items())
    right = ("OPTIONS 200: 200", "MESSAGE 480: 480", "INVITE leave: hung up there", "INVITE refuse: 486")
    assert caller.outcomes == dict.fromkeys(right, 100)
    assert (caller.left, callee.left) == (0, 0)
    assert caller.attempts == {"OPTIONS": {1: 100}, "MESSAGE": {1: 100}, "INVITE": {1: 200}}
    assert min(way.lost for way in ways.values()) > 0


async def test_a_way_that_swallows_everything(request: pytest.FixtureRequest) -> None:
    """Requests to one server fail after Timer F, those to another do not; and it all goes on afterwards."""
    async with open_network("alice", "bob", "carol") as network:
        alice, bob, carol = (network[name] for name in ("alice", "bob", "carol"))
        async with (
            started(bob, "callee.main", str(SHORT_T1), bob.ipv4),
            started(carol, "callee.main", str(SHORT_T1), carol.ipv4),
            started(alice, "caller.main", str(SHORT_T1)) as agent,
        ):
            batch = Batch(("OPTIONS 200",), 40, 200.0, (bob.ipv4, carol.ipv4), RELIABLE)
            before = await agent.ask(batch)
            await network.impair(Impairment(blocked=True), way=("bob", "alice"))
            meanwhile = await agent.ask(batch)
            await network.clean()
            await trio.sleep(64 * SHORT_T1)  # TCP's own next retransmission is due after as long as it was stuck
            after = await agent.ask(batch)
    show(request, "before, meanwhile, after", before, meanwhile, after)
    assert before.outcomes == after.outcomes == {"OPTIONS 200: 200": 40}
    assert meanwhile.outcomes.pop("OPTIONS 200: 200") == 20
    assert list(meanwhile.outcomes.values()) == [10, 10]
    for transport, outcome in zip(("tcp", "tls"), sorted(meanwhile.outcomes), strict=True):
        assert outcome.startswith(f"OPTIONS 200: {transport} {bob.ipv4}")
        assert f"no final response within {64 * SHORT_T1:g} s" in outcome
    assert (before.left, meanwhile.left, after.left) == (0, 0, 0)
