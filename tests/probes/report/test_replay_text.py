"""What is told of a capture besides its calls."""

from probes.capture.unread import Problem, Unread
from probes.report.replay_text import MAX_UNREAD, unread_lines
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
