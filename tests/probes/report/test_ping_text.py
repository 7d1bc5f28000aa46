"""Pings in words: columns, what is remarkable, and what all of them came to."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from probes.destination import Destination
from probes.ping.results import Connected, Counts, Disconnected, Happening, Late, Renamed, Returned, Tally, Unnamed
from probes.report.ping_text import begin_lines, failure_line, happening_lines, tally_lines
from probes.result import Reach
from sipcore.resolve.target import SocketAddress
from tests.probes.ping.values import BEGIN, TLS, UDP, answered, lost, told

TARGET = Destination("example.com")
AGREED = "TLSv1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose time of day is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def lines_of(happening: Happening, width: int = 80) -> list[str]:
    return [line.plain for line in happening_lines(happening, width)]


def counted(*happenings: Happening, duration: float = 60.0, sent: int = 0) -> Tally:
    counts = Counts()
    for each in happenings:
        counts.take(each)
    return counts.tally(duration, sent or counts.tally(0, 0).over)


@pytest.mark.parametrize(
    ("happening", "lines"),
    [
        (answered(1, 0.00123), ["00:00:01    1  200 OK                   1.23 ms  udp 192.0.2.1:5060"]),
        (
            answered(12, 0.512, again=1, status=503),
            [
                "00:00:12   12  503 OK                    512 ms  udp 192.0.2.1:5060",
                "               after 2 requests: the first, or its answer, was lost or slow",
            ],
        ),
        (
            told(answered(2), "the answer does not fit", SocketAddress("192.0.2.9", 5060)),
            [
                "00:00:02    2  200 OK                   10.0 ms  udp 192.0.2.1:5060",
                "               answered from 192.0.2.9:5060",
                "               the answer does not fit",
            ],
        ),
        (lost(3), ["00:00:03    3  LOST  udp 192.0.2.1:5060: no answer within 4.0 s, 4 requests"]),
        (
            lost(3, Reach.TLS_FAILED, hop=TLS, again=0),
            ["00:00:03    3  LOST  tls [2001:db8::7]:5061: no answer within 4.0 s"],
        ),
        (
            replace(lost(3, again=0), attempt=replace(lost(3).attempt, detail="192.0.2.1 says by ICMP: no route")),
            ["00:00:03    3  LOST  udp 192.0.2.1:5060: ICMP: no route, 4 requests"],
        ),
        (
            Connected(BEGIN, TLS, 0.0234, AGREED),
            [
                "00:00:00    ·  connected to tls [2001:db8::7]:5061 in 23.4 ms: TLSv1.3",
                "               TLS_AES_256_GCM_SHA384 X25519MLKEM768",
            ],
        ),
        (Connected(BEGIN, TLS, None, again=True), ["00:00:00    ·  connected again to tls [2001:db8::7]:5061"]),
        (
            Disconnected(BEGIN, TLS, "the peer reset it\x1b"),
            ["00:00:00    ·  the connection to tls [2001:db8::7]:5061 ended: the peer reset", 15 * " " + "it\\x1b"],
        ),
        (
            Renamed(BEGIN, (UDP,), (TLS,)),
            [
                "00:00:00    ·  DNS has changed: now udp 192.0.2.1:5060, no longer tls",
                "               [2001:db8::7]:5061",
            ],
        ),
        (Renamed(BEGIN, (), (UDP,)), ["00:00:00    ·  DNS has changed: no longer udp 192.0.2.1:5060"]),
        (
            Unnamed(BEGIN, "no such name"),
            ["00:00:00    ·  DNS fails, and what it told before is asked on: no such name"],
        ),
        (Unnamed(BEGIN, ""), ["00:00:00    ·  DNS answers again"]),
        (
            Returned(BEGIN, UDP, 3725.0, 3725),
            [
                "00:00:00    ·  udp 192.0.2.1:5060 answers again, after 1:02:05 h and 3,725 pings",
                "               without an answer",
            ],
        ),
        (
            Late(BEGIN, 7, 5.25),
            ["00:00:00    ·  an answer to ping 7 came too late, after 5.2 s: raise --timeout"],
        ),
    ],
)
def test_lines(happening: Happening, lines: list[str]) -> None:
    assert lines_of(happening) == lines


def test_a_log_has_one_line_for_each() -> None:
    assert len(happening_lines(Connected(BEGIN, TLS, 0.0234, AGREED))) == 1
    assert len(happening_lines(lost(1, hop=TLS))) == 1


def test_the_sum() -> None:
    tally = counted(
        answered(1, 0.001),
        answered(2, 0.003),
        answered(3, 0.512, again=1),
        answered(4, 0.002, status=503),
        lost(5),
        Connected(BEGIN, TLS, 0.1),
        Disconnected(BEGIN, TLS, "gone"),
        Late(BEGIN, 5, 4.5),
        duration=5.0,
        sent=6,
    )
    assert [line.plain for line in tally_lines(TARGET, tally, 80)] == [
        "",
        "sip:example.com in 5.0 s: 6 sent, 4 answered, 1 lost (20.0 %), 1 not waited for",
        "  round trip  min 1.00 ms, mean 2.00 ms, max 3.00 ms, deviation 0.82 ms",
        "              half within 1.99 ms, 95 % within 3.00 ms, of 3 timed answers",
        "  answers     3 × 200 OK, 1 × 503 OK",
        "  lost        1 × no answer",
        "  repeated    4 requests repeated; 1 answer needed it",
        "  too late    1 answer, counted as lost",
        "  connections 1 opened, 1 lost",
    ]


def test_the_sum_of_several_places_and_days() -> None:
    tally = counted(answered(1, 0.001), lost(1, hop=TLS), duration=2 * 86_400 + 3661.0)
    shown = [line.plain for line in tally_lines(TARGET, tally, 80)]
    assert shown[1] == "sip:example.com in 2 d 1:01:01: 2 sent, 1 answered, 1 lost (50.0 %)"
    assert shown[-3:] == [
        "  places      tls [2001:db8::7]:5061: 0 of 1 answered",
        "              udp 192.0.2.1:5060: 1 of 1 answered, min 1.00 ms, mean 1.00 ms,",
        "              max 1.00 ms, deviation 0.00 ms",
    ]


def test_nothing_answered() -> None:
    tally = counted(lost(1), lost(2), duration=9.0)
    assert [line.plain for line in tally_lines(TARGET, tally, 80)][-1] == "  try         try TCP"
    assert failure_line(TARGET, tally) == "sip:example.com: no ping was answered: 2 × no answer"
    assert failure_line(TARGET, counted(answered(1))) == failure_line(TARGET, counted()) == ""


def test_the_beginning() -> None:
    told = "OPTIONS to sip:example.com every 0.5 s, waiting 4 s for each answer"
    assert [line.plain for line in begin_lines(TARGET, 0.5, 4.0)] == [told]
    assert len(begin_lines(TARGET, 0.5, 4.0, 40)) == 2
