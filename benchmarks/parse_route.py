"""How fast is what every message needs: start line, top branch, both tags, Call-ID and CSeq?

These eight values are what it takes to find the transaction and the dialog of a message (RFC 3261 §17.1.3, §12.2).
"""

from collections.abc import Iterator

from benchmarks.harness.measure import Benchmark
from benchmarks.peers.messages import NAMES, load
from benchmarks.peers.peer import PEERS, SUBJECT, load_peer, route_contender


def benchmarks() -> Iterator[Benchmark]:
    """One for each message."""
    subject, *peers = (load_peer(name) for name in (SUBJECT, *PEERS))
    for name in NAMES:
        messages = load(name)
        yield Benchmark(
            f"parse.route.{name}",
            route_contender(subject, messages),
            tuple(route_contender(peer, messages) for peer in peers),
            [message.data for message in messages],
        )
