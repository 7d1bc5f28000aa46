"""How right the measures of media are: through a bad network, against the relay's own account of what it did."""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager

import pytest
import trio

from sipcore.endpoint.media.media import Line, open_media
from sipcore.media.report import MediaResult
from sipcore.media.session import MediaPlan
from sipcore.sdp.attributes import PCMU
from tests.impairment.network import Network, open_network
from tests.impairment.path import Impairment, Path

pytestmark = pytest.mark.usefixtures("privileged")

OUT, BACK = ("alice", "bob"), ("bob", "alice")
SEED = 5
LOSS_POINTS = 0.005
JITTER_SECONDS = RTT_SECONDS = 0.001
SETTLED = 0.3
"""Seconds in which all that is under way arrives."""


@asynccontextmanager
async def calls(network: Network, count: int) -> AsyncIterator[list[tuple[Line, Line]]]:
    """Pairs of lines, one end of each in either site."""
    with trio.fail_after(60), ExitStack() as lines:
        async with open_media() as media:
            pairs = []
            for _ in range(count):
                ends = []
                for name in OUT:
                    with network[name].entered():
                        ends.append(lines.enter_context(media.open(network[name].ipv4)))
                pairs.append((ends[0], ends[1]))
            yield pairs


async def talk(pairs: Sequence[tuple[Line, Line]], seconds: float, ptime: float, interval: float) -> list[MediaResult]:
    """Have the first of each pair send to the second: what the second ones say of it."""
    for alice, bob in pairs:
        bob.start(MediaPlan(alice.address, PCMU, sends=False, rtcp_interval=interval))
        alice.start(MediaPlan(bob.address, PCMU, ptime=ptime, rtcp_interval=interval))
        await trio.sleep(ptime / len(pairs))
    await trio.sleep(seconds)
    for alice, _ in pairs:
        alice.finish()
    await trio.sleep(SETTLED)
    return [bob.result() for _, bob in pairs]


async def test_loss_and_what_it_would_sound_like() -> None:
    opinions = []
    for share in (0.0, 0.02, 0.1, 0.3):
        async with open_network(seed=SEED) as network, calls(network, 10) as pairs:
            await network.impair(Impairment(loss=share, delay=0.01), way=OUT)
            results = await talk(pairs, 2.0, 0.01, 60.0)
            way = (await network.report()).ways[OUT]
        sources = [result.received for result in results if result.received is not None]
        lost, expected = sum(each.lost for each in sources), sum(each.expected for each in sources)
        assert lost / expected == pytest.approx(way.loss, abs=LOSS_POINTS)
        opinions.append(sum(result.opinion or 1.0 for result in results) / len(results))
    assert opinions == sorted(set(opinions), reverse=True)


@pytest.mark.parametrize(
    ("impairment", "name"),
    [(Impairment(duplication=0.1), "duplicates"), (Impairment(reordering=0.1, held_back=0.015), "late")],
)
async def test_duplicates_and_late_packets(impairment: Impairment, name: str) -> None:
    async with open_network(seed=SEED) as network, calls(network, 1) as pairs:
        await network.impair(impairment, way=OUT)
        (result,) = await talk(pairs, 2.0, 0.01, 60.0)
        way = (await network.report()).ways[OUT]
    received = result.received
    assert received is not None
    assert received.lost == 0
    happened = way.duplicated + way.reordered
    assert happened > 10
    assert getattr(received, name) == pytest.approx(happened, abs=2)  # of which RTCP may have had some


async def test_jitter() -> None:
    """Against what RFC 3550 §A.8 makes of the very delays that the relay gave the packets."""
    impairment = Impairment(delay=0.02, jitter=0.015)
    async with open_network(seed=SEED) as network, calls(network, 1) as pairs:
        await network.impair(impairment, way=OUT)
        (result,) = await talk(pairs, 4.0, 0.02, 60.0)
    received = result.received
    assert received is not None
    path = Path(f"{SEED} alice bob", impairment)
    delays = [path.offer(200, 0.02 * number)[0].due - 0.02 * number for number in range(received.packets)]
    jitter = 0.0
    for before, after in itertools.pairwise(delays):
        jitter += (abs(after - before) - jitter) / 16
    assert received.jitter == pytest.approx(jitter, abs=JITTER_SECONDS)


@pytest.mark.parametrize("delay", [0.0, 0.05])
async def test_round_trip(delay: float) -> None:
    async with open_network(seed=SEED) as network, calls(network, 1) as pairs:
        await network.impair(Impairment(delay=delay))
        await talk(pairs, 2.0, 0.02, 0.2)
        result = pairs[0][0].result()
    assert len(result.control.round_trips) > 3
    least = min(result.control.round_trips)  # the others may have waited for a processor, here or at the relay
    assert least == pytest.approx(2 * delay, abs=RTT_SECONDS)
