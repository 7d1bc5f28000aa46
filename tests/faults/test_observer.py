"""What is made of a trace: the series that retransmissions form, how late they are, and which were needless."""

import pytest

from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.trace import Direction, MessageTrace
from sipcore.transactions.timers import Timers
from tests.faults.observer import SUCCESS, TIMER_A, TIMER_E, TIMER_G, Lateness, Report, summary

FLOW = Flow(Transport.UDP, SocketAddress("192.0.2.1", 5060), SocketAddress("198.51.100.1", 5060))
TIMERS = Timers(t1=0.5, t2=4.0)
SENT, RECEIVED = Direction.SENT, Direction.RECEIVED
REQUEST, OK, REFUSED, RINGING = "{0} sip:b SIP/2.0", "SIP/2.0 200 OK", "SIP/2.0 486 Busy Here", "SIP/2.0 180 Ringing"


def seen(at: float, direction: Direction, start: str, method: str, branch: str = "1") -> MessageTrace:
    text = f"{start.format(method)}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{branch}\r\nCSeq: 1 {method}\r\n\r\n"
    return MessageTrace(at, direction, FLOW, text.encode())


def repeated(start: str, method: str, *times: float) -> Report:
    return summary([seen(at, SENT, start, method) for at in times], TIMERS)


@pytest.mark.parametrize(
    ("start", "method", "timer", "times"),
    [
        (REQUEST, "INVITE", TIMER_A, (0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5)),
        (REQUEST, "OPTIONS", TIMER_E, (0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5)),
        (REFUSED, "INVITE", TIMER_G, (0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5)),
        (OK, "INVITE", SUCCESS, (0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5)),
    ],
)
def test_each_series_has_its_intervals(start: str, method: str, timer: str, times: tuple[float, ...]) -> None:
    punctual = repeated(start, method, *times).lateness
    assert punctual.pop(timer) == Lateness(count=6)
    assert set(punctual.values()) == {Lateness()}
    late = repeated(start, method, *(at + 0.25 * number for number, at in enumerate(times))).lateness[timer]
    assert late == Lateness(6, 0.25, 0.25, 0.25, 0.25)


@pytest.mark.parametrize(("start", "method"), [(REQUEST, "ACK"), (RINGING, "INVITE"), (OK, "OPTIONS")])
def test_what_no_timer_repeats(start: str, method: str) -> None:
    assert set(repeated(start, method, 0.0, 9.0).lateness.values()) == {Lateness()}


def test_attempts_are_counted_by_method_and_branch() -> None:
    messages = [
        seen(0.0, SENT, REQUEST, method, branch) for method, branch in (("BYE", "1"), ("BYE", "2"), ("BYE", "2"))
    ]
    messages += [seen(0.0, SENT, REQUEST, "INVITE", "3"), seen(0.0, SENT, REQUEST, "CANCEL", "3")]
    report = summary(messages, TIMERS)
    assert report.attempts == {"BYE": {1: 1, 2: 1}, "INVITE": {1: 1}, "CANCEL": {1: 1}}
    assert (report.sent, report.received) == (5, 0)


@pytest.mark.parametrize(
    ("start", "method", "answer", "needless"),
    [
        (REQUEST, "INVITE", RINGING, 1),
        (REQUEST, "OPTIONS", RINGING, 0),
        (REQUEST, "OPTIONS", OK, 1),
        (REQUEST, "CANCEL", REFUSED, 1),
        (OK, "INVITE", OK, 0),
    ],
)
def test_needless_after_an_answer(start: str, method: str, answer: str, needless: int) -> None:
    messages = [seen(0.0, SENT, start, method), seen(0.1, RECEIVED, answer, method), seen(0.5, SENT, start, method)]
    assert summary(messages, TIMERS).needless == needless
    assert summary([*messages[::2], messages[1]], TIMERS).needless == 0


def test_needless_after_an_ack() -> None:
    ack = seen(0.1, RECEIVED, REQUEST, "ACK")
    refusal = seen(0.0, SENT, REFUSED, "INVITE"), seen(0.5, SENT, REFUSED, "INVITE")
    assert summary([refusal[0], ack, refusal[1]], TIMERS).needless == 1
    other = seen(0.5, SENT, REFUSED, "INVITE", "2")
    assert summary([refusal[0], ack, other], TIMERS).needless == 0


def test_lateness_in_words() -> None:
    assert str(Lateness.of([0.001, 0.003, 0.002])) == "3 late by 1.0 / 2.0 / 2.0 / 3.0 ms"
