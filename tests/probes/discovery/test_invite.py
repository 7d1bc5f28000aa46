"""Calls and odd requests that somebody allowed discovery to send, against small peers on loopback."""

from collections import Counter

import pytest
import trio
from trio.testing import MockClock

from probes.calls.number import RefusedNumber
from probes.destination import Destination
from probes.discovery.attempts.run import QUIET
from probes.discovery.outcome import Discovery
from probes.discovery.run import DEFAULT_TIMEOUT, DiscoveryConfig, discover
from probes.findings.catalogue import catalogue
from probes.result import Reach
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Transport
from tests.probes.discovery.network import HOST, hang_up, ok, tcp, udp

SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=inactive\r\n"


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 150 ms."""
    return MockClock(autojump_threshold=0.15)


class Peer:
    """Answers each method as it is told; what is not named gets silence."""

    def __init__(self, **answers: str) -> None:
        self.asked: list[Request] = []
        self._answers = answers

    def __call__(self, data: bytes) -> bytes | None:
        request = parse_message(data) if data.strip() and data[:1].isalpha() else None
        if not isinstance(request, Request):
            return None
        self.asked.append(request)
        status = self._answers.get(request.method)
        if status is None:
            return None
        is_accepted = request.method == "INVITE" and status.startswith("2")
        more = [f"Contact: <{request.uri}>", "Content-Type: application/sdp"] if is_accepted else []
        return ok(data, *more, status=status, body=SDP if is_accepted else b"")

    @property
    def methods(self) -> Counter[str]:
        """Requests by their methods, those that were repeated once."""
        return Counter(method for method, _ in {(one.method, str(one.call_id)) for one in self.asked})


async def discovered(peer: Peer, **config: object) -> Discovery:
    settings = DiscoveryConfig(transports=(Transport.UDP,), **config)  # type: ignore[arg-type]
    async with udp(peer) as port:
        with trio.fail_after(90):
            return await discover(Destination.parse(f"{HOST}:{port}"), settings)


async def test_emergency_numbers_are_not_called() -> None:
    peer = Peer(OPTIONS="200 OK", INVITE="200 OK")
    async with udp(peer) as port:
        with pytest.raises(RefusedNumber, match="911 may be an emergency number"):
            await discover(f"sip:911@{HOST}:{port}", DiscoveryConfig(invite=True))
    assert not peer.asked


async def test_nobody_is_called_unless_that_is_allowed(clock: MockClock) -> None:
    for peer in (Peer(OPTIONS="200 OK", INVITE="200 OK"), Peer(INVITE="200 OK")):
        await discovered(peer)
        assert set(peer.methods) == {"OPTIONS"}


async def test_who_answers_calls_alone_is_alive(clock: MockClock) -> None:
    peer = Peer(INVITE="200 OK", BYE="200 OK")
    found = await discovered(peer, invite=True)
    (attempt,) = found.attempts
    assert attempt.reach is Reach.ANSWERED
    assert attempt.response is not None
    assert attempt.response.cseq.method == "INVITE"
    assert found.codecs == ("PCMU/8000",)
    assert "options-ignored" in {finding.code for finding in found.findings}
    assert peer.methods["INVITE"] == 1
    assert peer.methods["ACK"] == peer.methods["BYE"] == 1


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("200 OK", "a call is answered with 200 OK"),
        ("180 Ringing", "a call is answered with 180 Ringing"),
        ("302 Moved Temporarily", "a call is refused with 302 Moved Temporarily"),
        ("401 Unauthorized", "a call is challenged with 401 Unauthorized"),
        ("407 Proxy Authentication Required", "a call is challenged with 407 Proxy Authentication Required"),
        ("403 Forbidden", "a call is refused with 403 Forbidden"),
    ],
)
async def test_only_what_was_seen_of_the_call_is_told(status: str, told: str, clock: MockClock) -> None:
    found = await discovered(Peer(INVITE=status, BYE="200 OK", CANCEL="200 OK"), invite=True)
    (finding,) = [one for one in found.findings if one.code == "options-ignored"]
    assert finding.what == f"{told}, and OPTIONS is not answered"
    entry = catalogue()["options-ignored"]
    assert "takes calls" not in entry.title
    assert "succeed" not in entry.why


async def test_who_never_answers_the_bye_is_not_waited_for_beyond_the_deadline(clock: MockClock) -> None:
    peer = Peer(OPTIONS="200 OK", INVITE="200 OK")
    found = await discovered(peer, invite=True)
    assert peer.methods["BYE"] == 1
    assert found.duration <= DEFAULT_TIMEOUT * 1.1


async def test_a_phone_that_rings_is_alive_and_left_alone(clock: MockClock) -> None:
    peer = Peer(INVITE="180 Ringing", CANCEL="200 OK")
    found = await discovered(peer, invite=True)
    (attempt,) = found.attempts
    assert attempt.reach is Reach.ANSWERED
    assert attempt.response is not None
    assert attempt.response.status == 180
    assert peer.methods["CANCEL"] == 1
    assert {finding.code for finding in found.findings} >= {"options-ignored"}
    assert "only-provisional" not in {finding.code for finding in found.findings}


async def test_who_answers_nothing_stays_silent(clock: MockClock) -> None:
    peer = Peer()
    found = await discovered(peer, invite=True)
    (attempt,) = found.attempts
    assert attempt.reach is Reach.NO_ANSWER
    assert peer.methods["INVITE"] == 1
    assert peer.methods["CANCEL"] == 0  # RFC 3261 §9.1: nothing may be cancelled that nobody has answered
    (invite,) = {str(one.call_id): one for one in peer.asked if one.method == "INVITE"}.values()
    assert invite.headers.get("Expires") == "3"
    assert found.duration <= DEFAULT_TIMEOUT * 1.1


async def test_who_answers_calls_with_silence_takes_no_longer(clock: MockClock) -> None:
    found = await discovered(Peer(OPTIONS="200 OK"), invite=True)
    assert found.answered
    assert found.duration <= DEFAULT_TIMEOUT * 1.1


async def test_where_somebody_answers_a_silent_port_is_not_waited_for(clock: MockClock) -> None:
    async with udp(Peer(OPTIONS="200 OK", INVITE="403 Forbidden")) as port, tcp(hang_up) as mute:
        with trio.fail_after(90):
            found = await discover(HOST, DiscoveryConfig(ports=(port, mute), tls_report=False, invite=True))
    assert found.answered
    assert [one.purpose for one in found.asked].count("call") == 1
    assert found.duration < DEFAULT_TIMEOUT * QUIET


async def test_who_answers_late_is_called_no_second_time(clock: MockClock) -> None:
    """A call to a silent place is under way when OPTIONS is answered after all."""
    peer = Peer(INVITE="180 Ringing", CANCEL="200 OK")

    def late(data: bytes) -> bytes | None:
        answer = peer(data)
        told = [one for one in peer.asked if one.method == "OPTIONS"]
        return ok(data) if data.startswith(b"OPTIONS") and len(told) >= 6 else answer

    async with udp(late) as port:
        with trio.fail_after(90):
            found = await discover(f"udp://{HOST}:{port}", DiscoveryConfig(invite=True))
    (attempt,) = found.attempts
    assert attempt.response is not None
    assert attempt.response.cseq.method == "OPTIONS"
    assert peer.methods["INVITE"] == peer.methods["CANCEL"] == 1


async def test_a_call_shows_what_it_is_challenged_with(clock: MockClock) -> None:
    peer = Peer(OPTIONS="200 OK", INVITE="403 Forbidden")
    found = await discovered(peer, invite=True)
    (attempt,) = found.attempts
    assert attempt.response is not None
    assert attempt.response.cseq.method == "OPTIONS"
    assert peer.methods["INVITE"] == 1
    assert peer.methods["BYE"] == 0


async def test_deep_mode_sends_one_of_each(clock: MockClock) -> None:
    plain, deep = Peer(OPTIONS="200 OK"), Peer(OPTIONS="200 OK", REGISTER="403 Forbidden", FOO="501 Not Implemented")
    await discovered(plain)
    found = await discovered(deep, deep=True, challenge=True)
    # Without deep mode one may go no further; with it that is one of its own, and a REGISTER comes once.
    assert deep.methods["OPTIONS"] == plain.methods["OPTIONS"] + 7
    assert (deep.methods["REGISTER"], deep.methods["FOO"]) == (1, 1)
    requests = [parse_message(one.messages[0].data) for one in found.asked]
    assert sum(isinstance(one, Request) for one in requests) == deep.methods.total()
    purposes = [one.purpose for one in found.asked]
    assert purposes[0] == "options"
    assert {"1300 bytes", "no-hops", "spelling", "registrations", "method"} <= set(purposes)
    assert found.attempts[0].reach is Reach.ANSWERED
    # An answer by which its request cannot be told is no second answer to the first.
    assert "duplicated-answers" not in {finding.code for finding in found.findings}
