"""Habits: what is sent to find them out, and what comes of it, against small peers on loopback."""

import trio

from probes.checks.io import Observation, Query
from probes.discovery.habits.judge import SIZES, Habits, answered_sizes, padded
from probes.discovery.habits.run import HabitsOf, answers_ping, answers_stun
from probes.result import Attempt, Reach
from sipcore.media.stun import StunMessage, StunType
from sipcore.message.headers import headers_of
from sipcore.message.message import Response
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Hop, SocketAddress, Transport
from tests.probes.discovery.attempts import ANY_URI
from tests.probes.discovery.network import HOST, free_port, hang_up, saying, silent, tcp, udp

PLACE = Hop(Transport.UDP, SocketAddress(HOST, 5060))


class Recorded:
    """`ProbeIO` that answers what `respond` says."""

    def __init__(self, *statuses: int) -> None:
        self.asked: list[Query] = []
        self._statuses = statuses or (200,)

    async def ask(self, query: Query) -> Observation:
        await trio.lowlevel.checkpoint()
        self.asked.append(query)
        status = self._statuses[min(len(self.asked), len(self._statuses)) - 1]
        challenge = ("WWW-Authenticate", 'Digest realm="here", nonce="x", algorithm=SHA-256, qop="auth"')
        return Observation(query, 0.0, Response(status, "Whatever", headers_of(challenge)) if status else None)


def test_a_padded_request_has_about_the_size() -> None:
    for size in SIZES:
        query = padded(ANY_URI, PLACE, 1.0, size, 400)
        lines = [f"{name}: {content}\r\n" for name, content in query.fields]
        assert abs(400 + len("".join(lines)) - size) < 20
        assert max(map(len, lines)) <= 220


def test_a_request_that_is_refused_for_its_size_is_not_answered() -> None:
    query = Query("OPTIONS", ANY_URI, PLACE, 1.0)
    seen = [Observation(query, 0.0, Response(status, "x", headers_of())) for status in (200, 513, 413)]
    assert answered_sizes((1, 2, 3, 4), [*seen, Observation(query, 1.0)]) == (1,)
    assert (Habits().largest, Habits((1, 2)).largest, Habits((1, 2), (1,)).largest) == (None, 0, 1)


async def test_each_habit_is_found_out_once() -> None:
    io = Recorded()
    port = free_port()
    habits = HabitsOf(io, challenge=False)
    attempt = Attempt(Hop(Transport.UDP, SocketAddress(HOST, port)), ANY_URI, Reach.ANSWERED, rtt=0.001)
    for _ in range(2):
        await habits.find_out(attempt)
    assert [query.max_forwards for query in io.asked].count(0) == 1
    assert len(io.asked) == len(SIZES) + 1
    assert (habits.found.answered_sizes, habits.found.stun, habits.found.crlf) == (SIZES, False, None)
    assert (habits.found.own, habits.found.authentication) == (None, ())


async def test_a_user_is_asked_for_what_may_go_no_further() -> None:
    io = Recorded(483, 200)
    uri = SipUri("example.com", "bob")
    attempt = Attempt(Hop(Transport.WS, SocketAddress(HOST, 80), path="/ws"), uri, Reach.ANSWERED)
    habits = HabitsOf(io, challenge=True)
    await habits.find_out(attempt)
    asked = {(query.method, str(query.uri), query.max_forwards) for query in io.asked}
    assert asked == {
        ("OPTIONS", "sip:bob@example.com", 0),
        ("OPTIONS", "sip:example.com", None),
        ("REGISTER", "sip:bob@example.com", None),
    }
    (told,) = habits.found.authentication
    assert (told.method, told.scheme, told.realm, told.algorithm, told.qop) == (
        *("REGISTER", "Digest", "here", "SHA-256", "auth"),
    )


async def test_keep_alives_over_udp() -> None:
    def respond(data: bytes) -> bytes:
        return StunMessage(StunType.SUCCESS, StunMessage.parse(data).transaction).encode()

    async with udp(respond) as port:
        with trio.fail_after(5):
            assert await answers_stun(SocketAddress(HOST, port))
    assert not await answers_stun(SocketAddress(HOST, free_port()))


async def test_who_complains_in_sip_does_not_speak_stun() -> None:
    async with udp(lambda _: b"SIP/2.0 400 Bad Request\r\n\r\n") as port:
        with trio.move_on_after(0.1) as waited:
            await answers_stun(SocketAddress(HOST, port))
    assert waited.cancelled_caught


async def test_keep_alives_over_a_connection() -> None:
    async with tcp(saying(lambda data: b"\r\n" if data == b"\r\n\r\n" else None)) as port:
        assert await answers_ping(SocketAddress(HOST, port))
    async with tcp(hang_up) as port:
        assert not await answers_ping(SocketAddress(HOST, port))
    assert not await answers_ping(SocketAddress(HOST, free_port()))


async def test_silence_is_none() -> None:
    async with tcp(saying(silent)) as port:
        attempt = Attempt(Hop(Transport.TCP, SocketAddress(HOST, port)), ANY_URI, Reach.ANSWERED, rtt=0.001)
        habits = HabitsOf(Recorded(), challenge=False)
        await habits.find_out(attempt)
    assert habits.found.crlf is False
