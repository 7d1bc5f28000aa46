"""A discovery that is under way in words."""

import pytest

from probes.discovery.candidates import Candidate
from probes.discovery.events import (
    AttemptBegun,
    AttemptEnded,
    CallBegun,
    CallEnded,
    Event,
    HabitsBegun,
    HabitsEnded,
    TlsBegun,
)
from probes.report.progress_text import Progress
from sipcore.message.uri import SipUri
from tests.probes.discovery.attempts import answered

PLACE = "udp 192.0.2.1:5060"
ATTEMPT = answered(PLACE)
HOP = ATTEMPT.hop
BEGUN = AttemptBegun(0.0, Candidate(HOP, SipUri("example.com")))
ENDED = AttemptEnded(0.1, ATTEMPT)


def shown(*events: Event, width: int = 80) -> list[str]:
    progress = Progress("sip:example.com")
    for event in events:
        progress.take(event)
    return [line.plain for line in progress.lines(0.5, width)]


@pytest.mark.parametrize(
    ("events", "first"),
    [
        ([], "sip:example.com: asking DNS, 0.5 s"),
        ([BEGUN], "sip:example.com: 0 of 1 probes done, 0.5 s"),
        ([BEGUN, ENDED], "sip:example.com: 1 of 1 probes done, 0.5 s"),
    ],
)
def test_how_far_it_is(events: list[Event], first: str) -> None:
    lines = shown(*events)
    assert lines[0] == first
    assert any("200 in 1.2 ms" in line for line in lines) == (ENDED in events)


@pytest.mark.parametrize(
    ("begun", "told"),
    [
        (HabitsBegun(0.1, HOP), f"  asking more of {HOP}"),
        (TlsBegun(0.1, HOP), f"  making handshakes with {HOP}"),
        (CallBegun(0.1, HOP), f"  calling {HOP}"),
    ],
)
def test_what_it_is_about(begun: Event, told: str) -> None:
    assert told in shown(BEGUN, ENDED, begun)


@pytest.mark.parametrize(
    ("begun", "ended"),
    [(HabitsBegun(0.1, HOP), HabitsEnded(0.2, HOP)), (CallBegun(0.1, HOP), CallEnded(0.2, HOP, heard=False))],
)
def test_what_is_over_is_told_no_more(begun: Event, ended: Event) -> None:
    assert shown(BEGUN, ENDED, begun, ended) == shown(BEGUN, ENDED)


def test_it_fits_the_terminal() -> None:
    assert all(len(line) <= 30 for line in shown(BEGUN, ENDED, HabitsBegun(0.1, HOP), width=30))
