"""DTLS handshakes between two ends, datagram by datagram; time is a number."""

from collections.abc import Sequence

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from sipcore.endpoint.media.dtls import MTU, PATIENCE, DtlsHandshake, DtlsIdentity
from sipcore.media.keys import SUITES, Suite
from sipcore.sdp.attributes import Fingerprint

ALICE, BOB = DtlsIdentity.make(), DtlsIdentity.make()


def pair(
    client: Sequence[Suite] = SUITES, server: Sequence[Suite] = SUITES, shown: Fingerprint | None = None
) -> tuple[DtlsHandshake, DtlsHandshake]:
    return (
        DtlsHandshake(ALICE, [BOB.fingerprint], client=True, suites=client),
        DtlsHandshake(BOB, [shown or ALICE.fingerprint], client=False, suites=server),
    )


def shake(client: DtlsHandshake, server: DtlsHandshake, begin: float = 0.0) -> None:
    """Until both are done, or one has failed."""
    now = begin
    for _ in range(20):
        for one, other in ((client, server), (server, client)):
            one.handle_timeout(now)
            for data in one.drain():
                assert len(data) <= MTU
                other.receive_untrusted(data, now)
        if (client.keys and server.keys) or client.failure or server.failure:
            for data in server.drain():
                client.receive_untrusted(data, now)
            return
        now += 0.001
    pytest.fail("it does not come to an end")


@pytest.mark.parametrize("suite", SUITES)
def test_both_have_the_same_keys(suite: Suite) -> None:
    client, server = pair(server=[suite])
    shake(client, server)
    assert client.keys is not None
    assert server.keys is not None
    assert client.keys == server.keys[::-1]
    assert client.keys[0].suite == suite
    assert client.next_timeout() is None


async def test_a_datagram_that_is_lost_is_sent_again() -> None:
    """In real time, which the library's own timers are on."""
    client, server = pair()
    client.handle_timeout(trio.current_time())
    assert client.drain()
    at = client.next_timeout()
    assert at is not None
    await trio.sleep_until(at + 0.01)
    shake(client, server, begin=trio.current_time())
    assert client.keys is not None
    assert server.keys is not None


def test_another_certificate_than_the_one_described() -> None:
    client, server = pair(shown=Fingerprint("sha-256", bytes(32)))
    shake(client, server)
    assert "not the one of the description" in server.failure
    assert server.keys is None


@pytest.mark.parametrize("algorithm", ["md5", "unknown"])
def test_a_fingerprint_by_a_hash_that_does_not_count(algorithm: str) -> None:
    client, server = pair(shown=Fingerprint(algorithm, ALICE.fingerprint.digest))
    shake(client, server)
    assert server.failure


def test_no_profile_in_common() -> None:
    client, server = pair(client=SUITES[:1], server=SUITES[3:])
    shake(client, server)
    assert "no SRTP profile" in server.failure + client.failure


def test_nobody_answers() -> None:
    client, _ = pair()
    now = 0.0
    sent = 0
    while (at := client.next_timeout()) is not None:
        now = max(now, at) + 0.001
        client.handle_timeout(now)
        sent += len(client.drain())
    assert f"{PATIENCE:.0f} s" in client.failure
    assert sent > 0
    client.receive_untrusted(b"\x16", now)


def test_a_server_waits() -> None:
    _, server = pair()
    assert server.next_timeout() is None
    server.handle_timeout(5.0)
    assert server.drain() == []


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=60).map(lambda rest: b"\x16" + rest), max_size=5))
def test_any_bytes(datagrams: list[bytes]) -> None:
    for handshake in pair():
        handshake.handle_timeout(0.0)
        for data in datagrams:
            handshake.receive_untrusted(data, 1.0)
            handshake.drain()


def test_keys_are_not_shown() -> None:
    assert repr(ALICE) == "DtlsIdentity()"
