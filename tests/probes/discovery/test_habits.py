"""Habits: what is sent to find them out, and what comes of it, against small peers on loopback."""

import random
from dataclasses import replace

import trio

from probes.checks.io import Observation, Query
from probes.discovery.habits.judge import CALL, SIZES, Habits, final, learnt, measured, padded, silent_offer
from probes.discovery.habits.run import HabitsOf, answers_ping, answers_stun
from probes.fingerprint.deep import Ask, Sender
from probes.result import Attempt, Reach
from sipcore.endpoint.endpoint import ANONYMOUS
from sipcore.media.stun import StunMessage, StunType
from sipcore.message.build import response
from sipcore.message.headers import headers_of
from sipcore.message.message import Request, Response
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.sdp.description import SessionDescription
from sipcore.tokens import Tokens
from sipcore.trace import Direction, MessageTrace
from tests.probes.discovery.attempts import ANY_URI
from tests.probes.discovery.network import HOST, free_port, hang_up, saying, silent, tcp, udp

PLACE = Hop(Transport.UDP, SocketAddress(HOST, 5060))


class Recorded:
    """`HabitsIO` that answers with some statuses in turn, and then always the last; 0 is silence."""

    def __init__(self, *statuses: int) -> None:
        self.asked: list[Query] = []
        self.sent: list[Request] = []
        self.called: list[tuple[SipUri, SessionDescription]] = []
        self._statuses = statuses or (200,)

    @property
    def sender(self) -> Sender:
        return Sender(ANONYMOUS, Tokens(random.Random(1).randbytes))

    async def send(self, ask: Ask, hop: Hop, seconds: float) -> tuple[MessageTrace, ...]:
        await trio.lowlevel.checkpoint()
        request = ask.request
        self.sent.append(request)
        status = self._statuses[min(len(self.sent), len(self._statuses)) - 1]
        registers = request.method == "REGISTER"
        challenge = [("WWW-Authenticate", 'Digest realm="here", nonce="x"')] if registers else []
        status = 401 if registers and status else status
        answer = response(request.with_headers(request.headers), status, fields=challenge) if status else None
        return (received(bytes(answer)),) if answer is not None else ()

    async def call(self, uri: SipUri, hop: Hop, seconds: float, offer: SessionDescription) -> tuple[MessageTrace, ...]:
        await trio.lowlevel.checkpoint()
        self.called.append((uri, offer))
        return (received(CHALLENGED),) if self._statuses[0] else ()

    async def ask(self, query: Query) -> Observation:
        await trio.lowlevel.checkpoint()
        self.asked.append(query)
        status = self._statuses[min(len(self.asked), len(self._statuses)) - 1]
        status = 401 if query.method == "REGISTER" and status else status
        challenge = ("WWW-Authenticate", 'Digest realm="here", nonce="x", algorithm=SHA-256, qop="auth"')
        return Observation(query, 0.0, Response(status, "Whatever", headers_of(challenge)) if status else None)


CHALLENGED = (
    b"SIP/2.0 407 Proxy Authentication Required\r\n"
    b'Proxy-Authenticate: Digest realm="gate", nonce="y"\r\nContent-Length: 0\r\n\r\n'
)


def received(data: bytes) -> MessageTrace:
    return MessageTrace(0.1, Direction.RECEIVED, Flow(PLACE.transport, SocketAddress(HOST, 1), PLACE.remote), data)


def sent(data: bytes = b"OPTIONS") -> MessageTrace:
    return replace(received(data), direction=Direction.SENT)


def test_a_padded_request_has_about_the_size() -> None:
    for size in SIZES:
        query = padded(ANY_URI, PLACE, 1.0, size, 400)
        lines = [f"{name}: {content}\r\n" for name, content in query.fields]
        assert abs(400 + len("".join(lines)) - size) < 20
        assert max(map(len, lines)) <= 220


def test_a_request_that_is_refused_for_its_size_is_not_answered() -> None:
    query = Query("OPTIONS", ANY_URI, PLACE, 1.0)
    seen = {size: Observation(query, 0.0, Response(size, "x", headers_of())) for size in (200, 413, 513)}
    habits = measured(Habits(), {**seen, 600: Observation(query, 1.0)})
    assert habits == Habits((200, 413, 513, 600), (200,), (413, 513))
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


async def test_who_answers_nothing_more_says_nothing_of_sizes() -> None:
    """Some answer so many requests a second, and some shut out who sends that many."""
    io = Recorded(200, 0)  # the one that goes no further comes with the first of the large ones
    attempt = Attempt(Hop(Transport.UDP, SocketAddress(HOST, free_port())), ANY_URI, Reach.ANSWERED, rtt=0.001)
    habits = HabitsOf(io)
    await habits.find_out(attempt)
    assert [query.purpose for query in io.asked].count("small") == 1
    assert io.asked[-1].purpose == "small"
    assert habits.found.sent_sizes == ()


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


async def test_what_got_lost_is_asked_once_more() -> None:
    io = Recorded(0, 0, 0, 200)
    attempt = Attempt(Hop(Transport.WS, PLACE.remote, path="/ws"), SipUri("example.com", "bob"), Reach.ANSWERED)
    habits = HabitsOf(io, challenge=True)
    await habits.find_out(attempt)
    assert len(io.asked) == 6
    assert habits.found.far is not None
    assert habits.found.own is not None
    assert habits.found.authentication


async def test_what_stays_silent_is_not_asked_for_ever() -> None:
    io = Recorded(0)
    habits = HabitsOf(io)
    await habits.find_out(Attempt(Hop(Transport.WS, PLACE.remote, path="/ws"), ANY_URI, Reach.ANSWERED))
    assert len(io.asked) == 2
    assert habits.found == Habits()


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


async def test_deep_mode_asks_each_odd_thing_once_and_nothing_that_it_asks_anyway() -> None:
    io = Recorded()
    habits = HabitsOf(io, challenge=True, deep=True)
    attempt = Attempt(Hop(Transport.WS, PLACE.remote, path="/ws"), ANY_URI, Reach.ANSWERED)
    for _ in range(2):
        await habits.find_out(attempt)
    assert not io.asked
    assert len(io.sent) == len({str(request.call_id) for request in io.sent}) == 10
    assert [request.headers.get("Max-Forwards") for request in io.sent].count("0") == 1
    found = habits.found
    assert found.interview is not None
    assert found.interview.remote == PLACE.remote
    assert all(len(responses) == 1 for responses in found.interview.heard.values())
    assert found.far is found.interview.heard["no-hops"][0]
    assert [(one.method, one.realm) for one in found.authentication] == [("REGISTER", "here")]


async def test_deep_mode_asks_for_a_user_who_may_be_behind_a_proxy_too() -> None:
    io = Recorded(483, 200)
    habits = HabitsOf(io, deep=True)
    attempt = Attempt(Hop(Transport.WS, PLACE.remote, path="/ws"), SipUri("example.com", "bob"), Reach.ANSWERED)
    await habits.find_out(attempt)
    (query,) = io.asked
    assert (str(query.uri), query.max_forwards) == ("sip:bob@example.com", 0)
    assert habits.found.interview is not None
    assert habits.found.own is final(habits.found.interview.heard["timestamp"])


async def test_silence_is_heard_too() -> None:
    habits = HabitsOf(Recorded(0), deep=True)
    await habits.find_out(Attempt(Hop(Transport.WS, PLACE.remote, path="/ws"), ANY_URI, Reach.ANSWERED))
    assert habits.found.interview is not None
    assert set(habits.found.interview.heard.values()) == {()}
    assert (habits.found.far, habits.found.authentication) == (None, ())


async def test_a_call_tells_its_challenge() -> None:
    io = Recorded()
    habits = HabitsOf(io)
    attempt = Attempt(PLACE, ANY_URI, Reach.ANSWERED, records=(sent(),))
    assert await habits.call(attempt, 1.0)
    ((uri, offer),) = io.called
    assert uri == ANY_URI
    assert b"a=inactive" in bytes(offer)
    assert [(one.method, one.status, one.realm) for one in habits.found.authentication] == [("INVITE", 407, "gate")]
    assert habits.found.interview is not None
    assert list(habits.found.interview.heard) == [CALL]


async def test_a_call_that_nothing_comes_of() -> None:
    habits = HabitsOf(Recorded(0))
    assert not await habits.call(Attempt(PLACE, ANY_URI, Reach.NO_ANSWER), 1.0)
    assert not await habits.call(Attempt(PLACE, ANY_URI, Reach.NO_ANSWER, records=(sent(),)), 1.0)
    assert habits.found == Habits()


def test_what_is_heard_adds_up() -> None:
    plain, odd = Response(200, "OK", headers_of()), Response(404, "No", headers_of())
    attempt = Attempt(PLACE, ANY_URI, Reach.ANSWERED, response=plain)
    habits = learnt(learnt(Habits(), attempt, {"method": [odd]}), attempt, {CALL: [odd]})
    assert habits.interview is not None
    assert (habits.interview.plain, dict(habits.interview.heard)) == ((plain,), {"method": [odd], CALL: [odd]})


def test_a_call_offers_no_media() -> None:
    text = str(silent_offer("192.0.2.1", 7))
    assert "m=audio 9 RTP/AVP 8 0" in text
    assert "a=inactive" in text


def test_a_phone_behind_a_server_is_not_the_server() -> None:
    phone, server = Response(200, "OK", headers_of()), Response(483, "No", headers_of())
    attempt = Attempt(PLACE, SipUri("example.com", "bob"), Reach.ANSWERED, response=phone)
    deep = {"no-hops": [server], "timestamp": [server]}
    habits = learnt(learnt(Habits(), attempt, deep), attempt, {CALL: [phone]})
    assert habits.interview is not None
    assert (habits.interview.plain, dict(habits.interview.heard)) == ((), deep)
    called = learnt(Habits(), attempt, {CALL: [phone]}).interview
    assert called is not None
    assert (called.plain, dict(called.heard)) == ((phone,), {CALL: [phone]})
