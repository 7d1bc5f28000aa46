"""Whole calls over a bad network, of all kinds that a user agent knows, until the network works again.

Two endpoints, each in a process and a network namespace of its own, talk over UDP. With SIPCORE_SOAK=1, T1 has its real
length, and there are ten times as many calls.
"""

from collections import Counter

import pytest
import trio

from tests.faults.agent import Agent, Batch, show, two
from tests.faults.observer import Report
from tests.faults.test_transactions import BAD, MORE_BYTES, SEED, SOAK, STALE_BLOCKS, T1, UNLUCKY
from tests.impairment.network import Network, open_network

pytestmark = pytest.mark.usefixtures("privileged")

CALLS = {
    "INVITE answer": ("hung up here", "hung up there"),
    "INVITE leave": ("hung up there", "hung up here"),
    "INVITE refuse": ("486", "rejected here"),
    "INVITE cancel": ("hung up here", "cancelled by the caller"),
    "INVITE early": ("hung up here", "hung up there"),
    "INVITE hold": ("hung up here", "hung up there"),
    "INVITE held": ("hung up there", "hung up here"),
}
"""Kinds of calls, and how each must end for the caller and for the callee. "early" has a session before the answer, in
a reliable 1xx; "hold" and "held" have a re-INVITE, of the caller and of the callee."""
PER_KIND = 720 if SOAK else 72
"""In one of two rounds: 1,008 calls in all, ten times that for a soak."""
PER_SECOND = 42.0


async def test_many_calls_end_in_the_same_state_on_both_sides(request: pytest.FixtureRequest) -> None:
    async with open_network(seed=SEED) as network, two(network, T1) as (caller, callee):
        rounds = []
        for number in (1, 2):
            rounds.append(await place_calls(network, caller, callee))
            ways = (await network.report()).ways
            show(request, f"seed {SEED}, round {number}", *rounds[-1], *ways.items())
            assert_same_states(*rounds[-1])
    assert min(min(way.lost, way.duplicated, way.reordered) for way in ways.values()) > 0
    for first, second in zip(*rounds, strict=True):
        assert second.blocks - first.blocks <= STALE_BLOCKS  # thirty calls that are kept would be more
        assert second.resident - first.resident <= MORE_BYTES


async def place_calls(network: Network, caller: Agent, callee: Agent) -> tuple[Report, Report]:
    """One round: the network is bad for as long as calls begin, and the last ones end when it works again."""
    batch = Batch(tuple(CALLS), PER_KIND * len(CALLS), PER_SECOND, (network["bob"].ipv4, network["bob"].ipv6))
    reports = []

    async def place() -> None:
        reports.append(await caller.ask(batch))

    await network.impair(BAD)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(place)
        await trio.sleep(batch.count / batch.rate)
        await network.clean()
    return reports[0], await callee.ask()


def assert_same_states(caller: Report, callee: Report) -> None:
    """Each call has ended for both as it should, after one change where there was one; nothing is left of any."""
    assert (caller.left, callee.left) == (0, 0)
    assert (caller.needless, callee.needless) == (0, 0)
    wrong = caller.outcomes - Counter({f"{kind}: {end}": PER_KIND for kind, (end, _) in CALLS.items()})
    assert all("within" in outcome or "not answered" in outcome for outcome in wrong), wrong
    assert wrong.total() <= UNLUCKY
    right = Counter({f"{kind}: {end}": PER_KIND for kind, (_, end) in CALLS.items()})
    right += Counter({f"{kind}: changed": PER_KIND for kind in ("INVITE hold", "INVITE held")})
    assert (callee.outcomes - right).total() <= wrong.total(), callee.outcomes - right
    assert (right - callee.outcomes).total() <= 2 * wrong.total(), right - callee.outcomes
    assert caller.attempts["PRACK"].total() >= PER_KIND - wrong.total()
