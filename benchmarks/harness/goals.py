"""What the figures have to reach: ratios to a peer in the same run. Absolute figures belong to a machine, and are told
beside the ratio that says what this one can give."""

import sys
from dataclasses import dataclass

from benchmarks.linear import CASES, SDP_CASES


@dataclass(frozen=True, slots=True)
class Goal:
    """`peer` must take at least `ratio` times as long as the subject of the benchmark `name`."""

    name: str
    peer: str
    ratio: float

    def is_met(self, ratio: float) -> bool:
        """Whether the measured `ratio` reaches the goal."""
        return ratio >= self.ratio


@dataclass(frozen=True, slots=True)
class Limit:
    """The figure of the benchmark `name` is to be at most `most`, in its unit."""

    name: str
    most: float


GOALS = (
    Goal("parse.route.invite", "sippy", 5.0),
    Goal("parse.route.invite", "aiosipua", 7.0),
    Goal("parse.route.invite", "sofia-sip", 0.5),  # C, and no more than twice as fast
    *(
        Goal(f"parse.route.{message}", peer, 1.0)
        for message in ("options", "options_200", "invite_407")
        for peer in ("sipmessage", "aiosipua", "sippy")
    ),
    *(Goal("parse.full.invite", peer, 2.0) for peer in ("sipmessage", "aiosipua", "sippy")),
    *(
        Goal(f"linear.{case}", "ordinary", 0.5) for case in (*CASES, *SDP_CASES)
    ),  # no byte costs twice as much as an ordinary one
    Goal("template.options", "typed values", 10.0),
    Goal("options.tcp.coalesced", "C client", 0.3),
    Goal("sweep.memory", "a sixteenth", 0.95),  # of the range takes no less
    Goal("calls.caller", "SIPp", 0.5),
    Goal("calls.awaited", "SIPp", 0.25),
    Goal("calls.callee", "SIPp", 0.5),
)

LIMITS = (
    Limit("transaction.client.udp", 3.0),
    Limit("transaction.client.tcp", 3.0),
    Limit("transaction.client.memory", 1200.0),
    Limit("options.udp.awaited", 1e6 / 30_000),
    Limit("options.tls.handshake", 1e6 / 600),
    Limit("calls.held", 3000.0),
    Limit("imports.endpoint", 60.0),
    Limit("timers.t1.lateness", 3000.0),
    Limit("discovery.answering", 1000.0),
    Limit("discovery.refusing", 200.0),
    Limit("discovery.silent", 4000.0 * 1.1),
    Limit("discovery.called", 4000.0 * 1.1),
    Limit("sweep.rate", 1e6 / 5000),
    Limit("sweep.cpu", 120.0),
    Limit("sweep.lossy", 100 / 0.999),
    Limit("sweep.sparse", 4.0 + 1.5),
    Limit("media.pacing.p99", 2000.0),
    Limit("rtt.accuracy.idle", 20.0),
    Limit("rtt.accuracy.loaded", 20.0),
    *(
        Limit(f"bytecodes.{name}", most)  # what was reached, so that nothing is lost unseen; other Pythons have others
        for name, most in (("asked", 2600.0), ("placed", 15_500.0), ("answered", 17_900.0))
        if sys.version_info[:2] == (3, 11)
    ),
)
