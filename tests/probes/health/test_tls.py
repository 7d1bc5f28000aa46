"""Checks over TLS: what certificates say, and that they are looked at again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from probes.health.run import Watch
from probes.health.terms import Verdict
from probes.health.trunk import Rules
from sipcore.transports.base import TlsConfig
from tests.probes.discovery.network import HOST, free_port, ok, saying, tcp, tls
from tests.probes.health.watching import RULES, Told, once, route, trunk, watch
from tests.sipcore.transports.authority import Identity, issue

ROOT = issue("root", ca=True, days=(-1, 400))
DAY = 86400.0


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms."""
    return MockClock(autojump_threshold=0.05)


def trusting(*, verify: bool = True) -> TlsConfig:
    return TlsConfig(verify=verify, ca_data=ROOT.pem)


def valid_for(days: float, names: tuple[str, ...] = (HOST,)) -> Identity:
    return issue("peer", ROOT, names=names, days=(-2, days))


@pytest.mark.parametrize(
    ("days", "verdict", "reason", "told"),
    [
        (90, Verdict.GOOD, "answered", "200 OK"),
        (10, Verdict.POOR, "certificate", "have the peer's operator renew it"),
        (-1, Verdict.BAD, "tls", "the certificate has expired"),
    ],
)
async def test_a_certificate(
    days: float, verdict: Verdict, reason: str, told: str, tmp_path: Path, clock: MockClock
) -> None:
    identity = valid_for(days)
    async with tls(saying(ok), identity, tmp_path) as port:
        found = await once([trunk(route(port, scheme="tls", tls=trusting()))])
    (check,) = found.checks
    assert (check.verdict, check.reason, check.place) == (verdict, reason, f"tls {HOST}:{port}")
    assert check.certificate_ends == identity.certificate.not_valid_after_utc.timestamp()
    assert told in check.detail


@pytest.mark.parametrize(
    ("identity", "told"),
    [
        (valid_for(-1), "the certificate has expired"),
        (valid_for(90, ("other.test",)), "the certificate is for another name"),
        (issue("peer", names=(HOST,)), "the certificate is self-signed"),
    ],
)
async def test_a_certificate_that_is_wrong_is_poor_where_nobody_verifies(
    identity: Identity, told: str, tmp_path: Path, clock: MockClock
) -> None:
    async with tls(saying(ok), identity, tmp_path) as port:
        found = await once([trunk(route(port, scheme="tls", tls=trusting(verify=False)))])
    (check,) = found.checks
    assert (check.verdict, check.reason, check.status) == (Verdict.POOR, "certificate", 200)
    assert told in check.detail


async def test_what_is_wrong_is_told_by_each_check_over_the_connection(tmp_path: Path, clock: MockClock) -> None:
    async with tls(saying(ok), valid_for(10), tmp_path) as port:
        found = await watch([trunk(route(port, scheme="tls", tls=trusting()))], 35)
    assert [(each.verdict, each.reason) for each in found.checks] == [(Verdict.POOR, "certificate")] * 4
    assert len({each.certificate_ends for each in found.checks}) == 1


async def test_a_client_certificate_that_is_wanted(tmp_path: Path, clock: MockClock) -> None:
    async with tls(saying(ok), valid_for(90), tmp_path, wants_certificate=True) as port:
        found = await once([trunk(route(port, scheme="tls", tls=trusting()))])
    assert [(each.verdict, each.reason) for each in found.checks] == [(Verdict.BAD, "client-certificate")]


async def test_a_port_without_tls(clock: MockClock) -> None:
    async with tcp(saying(ok)) as port:
        found = await once([trunk(route(port, scheme="tls", tls=trusting()))])
    assert [(each.verdict, each.reason, each.certificate_ends) for each in found.checks] == [(Verdict.BAD, "tls", None)]


@asynccontextmanager
async def counted(identity: Identity, folder: Path) -> AsyncIterator[tuple[int, list[float]]]:
    """A TLS peer, and when connections to it were opened."""
    opened: list[float] = []

    async def serve(stream: trio.abc.Stream) -> None:
        opened.append(trio.current_time())
        await saying(lambda data: b"".join(ok(one) for one in data.split(b"\r\n\r\n") if one))(stream)

    async with tls(serve, identity, folder) as port:
        yield port, opened


async def test_each_hour_a_connection_is_opened_anew_so_that_the_certificate_is_seen(
    tmp_path: Path, clock: MockClock
) -> None:
    rules = Rules(interval=100.0, retry=100.0)
    async with counted(valid_for(90), tmp_path) as (port, opened):
        found = await watch([trunk(route(port, scheme="tls", tls=trusting()), rules=rules)], 7950)
    assert {each.verdict for each in found.checks} == {Verdict.GOOD}
    assert [at - opened[0] for at in opened] == pytest.approx([0, 3600, 7200], abs=101)


async def test_each_connection_shows_its_certificate(tmp_path: Path, clock: MockClock) -> None:
    """A session that was resumed would show the one of an earlier connection."""

    async def answer_once(stream: trio.abc.Stream) -> None:
        await stream.send_all(ok(bytes(await stream.receive_some())))
        await trio.sleep(0.5)
        await stream.aclose()

    async with tls(answer_once, valid_for(90), tmp_path) as port:
        found = await watch([trunk(route(port, scheme="tls", tls=trusting()))], 35)
    attempts = [each.attempt for each in found.checks if each.attempt is not None]
    assert len(attempts) == 4
    assert not [attempt.tls for attempt in attempts if "TLSv1.3" not in attempt.tls or "resumed" in attempt.tls]


async def test_routes_with_the_same_tls_share_an_endpoint_and_others_do_not(tmp_path: Path, clock: MockClock) -> None:
    """Who trusts the root and who does not are told apart, at the same place."""
    async with counted(valid_for(90), tmp_path) as (port, opened):
        one, two, three = (route(port, name, "tls", trusting()) for name in ("one", "two", "three"))
        other = route(port, "other", "tls", TlsConfig(ca_data=issue("another", ca=True).pem))
        found = await once([trunk(one, two, three, other)])
    assert sorted((each.route, each.reason) for each in found.checks) == [
        ("one", "answered"),
        ("other", "tls"),
        ("three", "answered"),
        ("two", "answered"),
    ]
    assert len(opened) == 1  # one for all three; the other one came to no connection


async def test_what_is_known_of_an_earlier_connection_is_not_told_of_a_refusal(
    tmp_path: Path, clock: MockClock
) -> None:
    told, port = Told(), free_port()
    context = valid_for(90)

    async with trio.open_nursery() as nursery:
        async with tls(saying(ok), context, tmp_path) as port:
            nursery.start_soon(Watch([trunk(route(port, scheme="tls", tls=trusting()))], told).run)
            await trio.sleep(5)
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    first, second, *_ = told.checks
    assert (first.verdict, second.verdict, second.reason) == (Verdict.GOOD, Verdict.BAD, "refused")
    assert second.certificate_ends is None
    assert second.attempt is not None
    assert second.attempt.tls == ""
    assert RULES.interval == 10
