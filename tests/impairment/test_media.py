"""How right the measures of media are: through a bad network, against the relay's own account of what it did."""

import struct
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from statistics import median

import pytest
import trio

from sipcore.endpoint.media.media import Line, open_media
from sipcore.media.plan import MediaPlan
from sipcore.media.report import MediaResult
from sipcore.sdp.attributes import PCMU
from tests.impairment.network import Network, open_network
from tests.impairment.path import Impairment, Passage
from tests.impairment.switch import Way

pytestmark = pytest.mark.usefixtures("privileged")

OUT, BACK = ("alice", "bob"), ("bob", "alice")
SEED = 5
JITTER_SECONDS = RTT_SECONDS = 0.001
PROMPT_SECONDS = 0.02
"""At least one of many reports must leave so soon after the time for which it is made."""
UNIX_EPOCH = 2_208_988_800
"""In seconds of NTP (RFC 868)."""
HEADERS = 28
"""Octets of IPv4 and UDP before each packet of RTP or RTCP."""
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


async def logged(network: Network, way: Way) -> tuple[list[Passage], list[Passage]]:
    """What became of the packets of RTP and of RTCP on one way; RFC 5761 §4 tells them apart."""
    rtp: list[Passage] = []
    rtcp: list[Passage] = []
    for passage in await network.log(way):
        (rtcp if 192 <= passage.head[HEADERS + 1] <= 223 else rtp).append(passage)
    return rtp, rtcp


def missing(rtp: Sequence[Passage]) -> tuple[int, int]:
    """How many packets were lost between the first and the last of each stream that got through, and of how many."""
    streams: dict[bytes, list[int]] = defaultdict(list)
    begins: dict[bytes, int] = {}
    for passage in rtp:
        number, _, source = struct.unpack_from("!HI4s", passage.head, HEADERS + 2)
        begin = begins.setdefault(source, number)
        if passage.left is not None:
            streams[source].append((number - begin + 0x8000 & 0xFFFF) - 0x8000)
    expected = sum(max(numbers) - min(numbers) + 1 for numbers in streams.values())
    return expected - sum(map(len, streams.values())), expected


async def test_loss_and_what_it_would_sound_like() -> None:
    opinions = []
    for share in (0.0, 0.02, 0.1, 0.3):
        async with open_network(seed=SEED) as network, calls(network, 10) as pairs:
            await network.impair(Impairment(loss=share, delay=0.01), way=OUT)
            results = await talk(pairs, 2.0, 0.01, 60.0)
            rtp, _ = await logged(network, OUT)
        sources = [result.received for result in results if result.received is not None]
        assert (sum(each.lost for each in sources), sum(each.expected for each in sources)) == missing(rtp)
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
    """Against what RFC 3550 §A.8 makes of the times at which the relay really let go of the packets."""
    async with open_network(seed=SEED) as network, calls(network, 1) as pairs:
        await network.impair(Impairment(delay=0.02, jitter=0.015), way=OUT)
        (result,) = await talk(pairs, 4.0, 0.02, 60.0)
        rtp, _ = await logged(network, OUT)
    received = result.received
    assert received is not None
    assert received.packets == len(rtp)
    jitter, before = 0.0, None
    for passage in rtp:
        (timestamp,) = struct.unpack_from("!I", passage.head, HEADERS + 4)
        transit = (passage.left or 0.0) - timestamp / PCMU.clock_rate
        jitter += (abs(transit - (transit if before is None else before)) - jitter) / 16
        before = transit
    assert jitter > 3 * JITTER_SECONDS
    assert received.jitter == pytest.approx(jitter, abs=JITTER_SECONDS)


@pytest.mark.parametrize("delay", [0.0, 0.05])
async def test_round_trip(delay: float) -> None:
    """Against how long the two reports that each is measured by were on their way, by the relay's clock."""
    async with open_network(seed=SEED) as network, calls(network, 1) as pairs:
        await network.impair(Impairment(delay=delay))
        epoch = time.time() - time.monotonic()
        await talk(pairs, 3.0, 0.02, 0.05)
        measured = pairs[0][0].result().control.round_trips
        (_, there), (_, back) = [await logged(network, way) for way in (OUT, BACK)]
    made = {passage.head[HEADERS + 10 : HEADERS + 14]: passage for passage in there}
    told = [made[stamp] for passage in back if any(stamp := last_report(passage))]
    answers = [passage for passage in back if any(last_report(passage))]
    assert len(answers) >= len(measured) > 20
    errors, waits = [], []
    for seconds, report, answer in zip(measured, told, answers, strict=False):
        at, fraction = struct.unpack_from("!II", report.head, HEADERS + 8)
        (held,) = struct.unpack_from("!I", answer.head, HEADERS + 28)
        # Between the time that a report is made for and that at which the relay had it, a processor was waited for.
        waited = report.came + epoch - (at - UNIX_EPOCH + fraction / 2**32)
        waited += answer.came - (report.left or 0.0) - held / 65536
        waits.append(waited)
        errors.append(abs(seconds - waited - taken(report) - taken(answer)))
    assert min(taken(passage) for passage in there + back) >= delay
    assert -RTT_SECONDS <= min(waits) <= PROMPT_SECONDS
    assert median(errors) <= RTT_SECONDS


def last_report(passage: Passage) -> bytes:
    """What the first report block in RTCP says of the last report that the peer has got (RFC 3550 §6.4.1)."""
    has_block = passage.head[HEADERS] & 31
    return passage.head[HEADERS + 24 : HEADERS + 28] if has_block else b""


def taken(passage: Passage) -> float:
    """Seconds that a packet has spent at the relay."""
    assert passage.left is not None
    return passage.left - passage.came
