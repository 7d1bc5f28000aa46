"""What is told of a capture besides its calls."""

import pytest

from probes.capture.network import Missed
from probes.capture.unread import Problem, Unread
from probes.report.replay_text import MAX_UNREAD, missed_words, unread_lines
from sipcore.resolve.target import SocketAddress


def connection(port: int, number: int = 0) -> Unread:
    return Unread(SocketAddress("192.0.2.1", 40_000 + number), SocketAddress("192.0.2.2", port), Problem.NO_KEYS)


def test_each_connection_that_is_not_read_has_its_line() -> None:
    assert unread_lines([]) == []
    assert unread_lines([connection(443)]) == [str(connection(443))]


def test_connections_of_sip_come_first_and_there_are_not_too_many() -> None:
    """As in the capture of a whole host, most of which is the web."""
    web, sip = [connection(443, number) for number in range(30)], connection(5061)
    lines = unread_lines([*web, sip])
    assert lines[:2] == [str(sip), str(web[0])]
    assert lines[MAX_UNREAD:] == ["23 more connections are not read, or not all of them"]


CUT = "cut off, and what they said is not known: capture whole ones (snaplen 0)"
OTHER = "which is not read here: capture on a network interface, or on `any`"


@pytest.mark.parametrize(
    ("missed", "told"),
    [
        (Missed(), ""),
        (Missed(cut=1), f"one packet is {CUT}"),
        (Missed(links=((105, 2), (147, 3))), f"5 packets are of link type 105 and 147, {OTHER}"),
        (Missed(2, ((147, 1),)), f"2 packets are {CUT}; one packet is of link type 147, {OTHER}"),
    ],
)
def test_packets_that_nobody_can_read(missed: Missed, told: str) -> None:
    assert missed_words(missed) == told
