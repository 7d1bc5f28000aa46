"""Every finding leads to its messages: real discoveries on loopback, and the data that they are told in."""

import math
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from probes.discovery.asking.run import MAX_KEPT, MAX_KEPT_BYTES
from probes.discovery.run import DiscoveryConfig, discover
from probes.report.json import discovery_data
from sipcore.resolve.target import Transport
from tests.probes.discovery.network import HOST, free_port, hang_up, ok, saying, tcp, tls, udp
from tests.probes.report.schemas import load, violations
from tests.sipcore.transports.authority import issue

PRIVATE = "Contact: <sip:0.0.0.0>"
BANNER = "Server: Asterisk PBX 20.5.0"
Data = dict[str, Any]


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms: no test waits for its timeouts."""
    return MockClock(autojump_threshold=0.05)


async def told(target: str, *transports: Transport, **config: object) -> dict[str, tuple[Data, list[Data]]]:
    """The findings of a discovery by their codes, each with its messages and what they are among."""
    settings = DiscoveryConfig(transports=transports, **config)  # type: ignore[arg-type]
    with trio.fail_after(60):
        data = cast(Data, discovery_data(await discover(target, settings)))
    assert violations(data, load("discovery")) == []
    found = {}
    for finding in data["findings"]:
        messages = []
        for place in finding["messages"]:
            exchange = data["exchanges"][place["exchange"]]
            messages.append({"purpose": exchange["purpose"], **exchange["messages"][place["message"]]})
        found[finding["code"]] = finding, messages
    return found


def ways(messages: list[Data]) -> list[tuple[str, str]]:
    return [(one["purpose"], one["direction"]) for one in messages]


async def test_what_is_wrong_with_an_answer(clock: MockClock) -> None:
    async with udp(lambda data: ok(data, PRIVATE, BANNER, status="503 Busy")) as port:
        found = await told(f"{HOST}:{port}", Transport.UDP)
    assert found.keys() == {"server-error", "rport-ignored", "telling-banner"}
    for _, messages in found.values():
        assert ways(messages) == [("options", "sent"), ("options", "received")]
        assert messages[1]["text"].startswith("SIP/2.0 503 Busy")


async def test_large_requests_that_are_lost(clock: MockClock) -> None:
    async with udp(lambda data: ok(data) if len(data) < 1400 else None) as port:
        found = await told(f"{HOST}:{port}", Transport.UDP)
    _, messages = found["udp-size-limited"]
    sizes = [purpose for purpose, way in ways(messages) if way == "sent"]
    lost = ["1452 bytes", "2000 bytes", "3900 bytes"]
    assert sorted(sizes) == sorted(["1300 bytes", *lost, *lost, "small"])
    assert [purpose for purpose, way in ways(messages) if way == "received"] == ["1300 bytes", "small"]


async def test_large_requests_that_are_refused(clock: MockClock) -> None:
    async with udp(lambda data: ok(data, status="200 OK" if len(data) < 1400 else "513 Too Large")) as port:
        found = await told(f"{HOST}:{port}", Transport.UDP)
    finding, messages = found["udp-size-limited"]
    assert finding["what"] == "requests over UDP of 1452, 2000, 3900 bytes are refused as too large"
    assert [way for _, way in ways(messages)].count("received") == 4


@pytest.mark.parametrize("seconds", [0.1, 10.0])
async def test_who_answers_so_many_requests_a_second_loses_none_for_their_size(
    seconds: float, clock: MockClock
) -> None:
    answered = -math.inf

    def limited(data: bytes) -> bytes | None:
        nonlocal answered
        if trio.current_time() - answered < seconds:
            return None
        answered = trio.current_time()
        return ok(data)

    async with udp(limited) as port:
        assert "udp-size-limited" not in await told(f"{HOST}:{port}", Transport.UDP)


async def test_large_requests_that_are_lost_once(clock: MockClock) -> None:
    seen: set[int] = set()

    def lossy(data: bytes) -> bytes | None:
        is_new = len(data) not in seen
        seen.add(len(data))
        return None if is_new and len(data) > 1400 else ok(data)

    async with udp(lossy) as port:
        assert "udp-size-limited" not in await told(f"{HOST}:{port}", Transport.UDP)


@pytest.mark.parametrize("deep", [False, True])
async def test_a_request_that_went_too_far(deep: bool, clock: MockClock) -> None:
    def relay(data: bytes) -> bytes | None:
        if b"\r\nCall-ID:" not in data:
            return None  # one of the odd requests of deep mode, which `ok` does not understand
        return ok(data, "Server: Phone" if b"@" in data.partition(b"\r\n")[0] else "Server: Proxy")

    async with udp(relay) as port:
        found = await told(f"bob@{HOST}:{port}", Transport.UDP, deep=deep)
    _, messages = found["max-forwards-ignored"]
    assert any("Max-Forwards: 0" in one["text"] and " sip:bob@" in one["text"] for one in messages)
    assert any("Server: Phone" in one["text"] for one in messages)
    assert any("Server: Proxy" in one["text"] for one in messages)


async def test_a_filter_shows_by_the_request_that_it_dropped_and_the_one_that_it_did_not(clock: MockClock) -> None:
    async with udp(lambda data: None if b"User-Agent" in data else ok(data)) as port:
        found = await told(f"{HOST}:{port}", Transport.UDP)
    _, messages = found["user-agent-filtered"]
    assert ways(messages) == [("options", "sent"), ("inconspicuous", "sent"), ("inconspicuous", "received")]
    assert ["User-Agent" in one["text"] for one in messages] == [True, False, False]


async def test_calls_that_are_answered_alone(clock: MockClock) -> None:
    def respond(data: bytes) -> bytes | None:
        return ok(data, status="486 Busy Here") if data.startswith(b"INVITE") else None

    async with udp(respond) as port:
        found = await told(f"{HOST}:{port}", Transport.UDP, invite=True)
    _, messages = found["options-ignored"]
    assert ("options", "sent") in ways(messages)
    assert ("call", "received") in ways(messages)


async def test_a_refusal_of_a_connection_has_no_message(clock: MockClock) -> None:
    port = free_port()
    found = await told(f"{HOST}:{port}", Transport.TCP)
    finding, messages = found["refused"]
    assert messages == []
    (flow,) = finding["flows"]
    assert (flow["transport"], flow["port"], flow["event"], flow["offset_ms"]) == ("tcp", port, "failed", 0.0)
    assert "nothing listens there" in flow["detail"]


async def test_how_a_connection_ended_is_told_beside_what_was_sent(clock: MockClock) -> None:
    async with tcp(hang_up) as port:
        found = await told(f"{HOST}:{port}", Transport.TCP, retry=False)
    finding, messages = found["open-but-silent"]
    assert ways(messages) == [("options", "sent")]
    assert [flow["event"] for flow in finding["flows"]] == ["opened", "closed"]


async def test_what_is_open_in_the_clear_leads_to_both_answers(clock: MockClock, tmp_path: Path) -> None:
    async with udp(ok) as plain, tls(saying(ok), issue("sip.test"), tmp_path) as secured:
        found = await told(HOST, Transport.UDP, Transport.TLS, ports=(plain, secured))
    _, messages = found["plain-beside-tls"]
    received = [one["remote"] for one in messages if one["direction"] == "received"]
    assert received == [f"{HOST}:{plain}", f"{HOST}:{secured}"]


@pytest.mark.parametrize("padding", [0, 8000])
async def test_a_peer_that_floods_is_not_kept_in_memory(padding: int, clock: MockClock) -> None:
    """What it sends besides its answer is nobody's but its own."""

    def flood(data: bytes) -> bytes:
        return ok(data, f"X-Padding: {'x' * padding}", status="100 Trying") * 1000

    async with tcp(saying(flood)) as port:
        found = await discover(f"{HOST}:{port}", DiscoveryConfig(transports=(Transport.TCP,), habits=False))
    (attempt,) = found.attempts
    assert attempt.response is not None
    messages = [message for one in found.asked for message in one.messages]
    assert 0 < len(messages) <= MAX_KEPT
    assert sum(len(message.data) for message in messages) <= MAX_KEPT_BYTES
