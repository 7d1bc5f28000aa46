"""How fast is everything: the message parsed, every header field typed, and the message written again?

A library that has no type for a header field leaves it as text, which costs it nothing: the printed remark says how
many it typed. Ours must type them all. Bodies are carried, not parsed.
"""

from collections.abc import Iterator

from benchmarks.harness.measure import Benchmark
from benchmarks.peers.messages import NAMES, load
from benchmarks.peers.peer import PEERS, SUBJECT, full_contender, load_peer


def benchmarks() -> Iterator[Benchmark]:
    """One for each message."""
    subject, *peers = (load_peer(name) for name in (SUBJECT, *PEERS))
    for name in NAMES:
        messages = load(name)
        yield Benchmark(
            f"parse.full.{name}",
            full_contender(subject, messages, everything=True),
            tuple(full_contender(peer, messages) for peer in peers),
            [message.data for message in messages],
        )
