"""Checks of routes that DNS names: the place that comes first, those behind it, and what holds while DNS is silent."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from probes.destination import Destination
from probes.health.naming import run as naming
from probes.health.run import Watch, WatchConfig
from probes.health.terms import Verdict
from probes.health.trunk import Route, Rules
from sipcore.endpoint.endpoint import Endpoint
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.lookup import LookupConfig
from tests.probes.discovery.network import HOST, free_port, name_server, ok, silent, udp
from tests.probes.health.watching import RULES, Peer, Told, once, trunk, watch

SITE = Route("main", Destination.parse("udp://site.test"))
TWO_SECONDS = Rules(interval=10.0, retry=2.0, timeout=2.0)


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms."""
    return MockClock(autojump_threshold=0.05)


def asking(server: SocketAddress, **times: float) -> WatchConfig:
    return WatchConfig(LookupConfig(nameservers=(server,), hosts_file="", **times))  # type: ignore[arg-type]


def zone(*ports: int) -> Mapping[str, Sequence[str]]:
    servers = [f"{number} 0 {port} host.test." for number, port in enumerate(ports)]
    return {"SRV _sip._udp.site.test": servers, "A host.test": [HOST]}


def busy(data: bytes) -> bytes:
    return ok(data, "Retry-After: 30", status="503 Service Unavailable")


async def test_only_the_first_place_is_asked_while_it_answers(clock: MockClock) -> None:
    second = Peer()
    async with udp(ok) as one, udp(second) as two, name_server(zone(one, two)) as dns:
        told = await watch([trunk(SITE)], 25, asking(dns))
    assert [(each.verdict, each.place) for each in told.checks] == [(Verdict.GOOD, f"udp {HOST}:{one}")] * 3
    assert second.asked == []


async def test_the_next_one_answers_where_the_first_refuses(clock: MockClock) -> None:
    closed = free_port()
    async with udp(ok) as two, name_server(zone(closed, two)) as dns:
        told = await once([trunk(SITE)], asking(dns))
    (check,) = told.checks
    assert (check.verdict, check.reason, check.place) == (Verdict.POOR, "place", f"udp {HOST}:{two}")
    assert f"udp {HOST}:{closed}: refused" in check.detail
    assert told.story == ["main degraded"]


async def test_one_of_two_equal_servers_that_is_down_is_told_by_each_check(
    clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever DNS puts first at the time (RFC 2782); one that is second by its priority is not asked for that."""
    down, told = Peer(silent), Told()
    async with udp(down) as one, udp(ok) as two, trio.open_nursery() as nursery:
        orders = [[two, one], [one, two], [two, one], [two, one], [two, one], [two, one]]

        async def locate(_: Destination, __: Endpoint) -> list[Hop]:
            return [Hop(Transport.UDP, SocketAddress(HOST, port)) for port in orders.pop(0)]

        monkeypatch.setattr(naming, "locate", locate)
        nursery.start_soon(Watch([trunk(SITE, rules=TWO_SECONDS)], told).run)
        await trio.sleep(35)
        down.respond = ok
        await trio.sleep(20)
        nursery.cancel_scope.cancel()
    assert [each.reason for each in told.checks] == ["answered", *["place"] * 3, "answered", "answered"]
    assert told.story == ["main healthy", "main degraded", "main healthy"]
    assert [each.place for each in told.checks][-2:] == [f"udp {HOST}:{one}", f"udp {HOST}:{two}"]


async def test_a_second_server_that_is_down_with_the_first_is_not_asked_once_that_is_up(clock: MockClock) -> None:
    first, told = Peer(silent), Told()
    async with (
        udp(first) as one,
        udp(silent) as two,
        name_server(zone(one, two)) as dns,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(Watch([trunk(SITE, rules=TWO_SECONDS)], told, asking(dns)).run)
        await trio.sleep(5)
        first.respond = ok
        await trio.sleep(30)
        nursery.cancel_scope.cancel()
    assert [each.reason for each in told.checks] == ["silent", "answered", "answered", "answered"]


async def test_a_silent_place_has_its_share_of_the_time(clock: MockClock) -> None:
    async with udp(silent) as one, udp(ok) as two, name_server(zone(one, two)) as dns:
        told = await once([trunk(SITE, rules=TWO_SECONDS)], asking(dns))
        assert [each.reason for each in told.checks] == ["place"]
        assert told.timed[0][0] == pytest.approx(1.0, abs=0.4)
        # One second is not enough for two.
        told = await once([trunk(SITE, rules=RULES)], asking(dns))
    assert [each.verdict for each in told.checks] == [Verdict.SILENT]


async def test_a_503_goes_on_to_another_address_only(clock: MockClock) -> None:
    """RFC 3263 §4.3; it stands for the whole server."""
    second = Peer()
    async with udp(busy) as one, udp(second) as two:
        async with name_server(zone(one, two)) as dns:
            told = await once([trunk(SITE)], asking(dns, timeout=0.5))
        assert [each.reason for each in told.checks] == ["place"]
        async with name_server(zone(one)) as dns:
            told = await once([trunk(SITE)], asking(dns))
    (check,) = told.checks
    assert (check.verdict, check.reason, check.status) == (Verdict.BAD, "maintenance", 503)
    assert check.detail.endswith("asks to wait 30 s (Retry-After)")  # and nobody asks again


async def test_only_who_asked_to_be_left_alone_is(clock: MockClock) -> None:
    """And what it said counts until it is asked again."""
    first, second = Peer(busy), Peer(lambda data: ok(data, status="503 Service Unavailable"))
    async with udp(first) as one, udp(second) as two, name_server(zone(one, two)) as dns:
        told = await watch([trunk(SITE)], 25, asking(dns))
        assert (len(first.asked), len(second.asked)) == (1, len(told.checks))
        assert len(told.checks) >= 4
        assert {(check.verdict, check.wait) for check in told.checks} == {(Verdict.BAD, 0.0)}
        first.asked.clear()
        told = await watch([trunk(SITE)], 45, asking(dns))
    assert len(first.asked) == 2


async def test_the_route_is_in_order_again_only_once_who_comes_first_is(clock: MockClock) -> None:
    first, second, told = Peer(busy), Peer(), Told()
    async with (
        udp(first) as one,
        udp(second) as two,
        name_server(zone(one, two)) as dns,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(Watch([trunk(SITE)], told, asking(dns)).run)
        await trio.sleep(25)
        first.respond = ok
        await trio.sleep(20)
        nursery.cancel_scope.cancel()
    assert [check.reason for check in told.checks] == ["place"] * 3 + ["answered"] * 2
    assert told.story == ["main degraded", "main healthy"]


async def test_other_refusals_go_on_to_nobody(clock: MockClock) -> None:
    second = Peer()
    forbidden = Peer(lambda data: ok(data, status="403 Forbidden"))
    async with udp(forbidden) as one, udp(second) as two, name_server(zone(one, two)) as dns:
        told = await once([trunk(SITE, rules=Rules(refusals=(403,)))], asking(dns))
    assert [(each.verdict, each.reason) for each in told.checks] == [(Verdict.BAD, "status")]
    assert second.asked == []


async def test_a_name_that_does_not_exist(clock: MockClock) -> None:
    async with name_server({"A other.test": [HOST]}) as dns:
        told = await once([trunk(SITE)], asking(dns))
    (check,) = told.checks
    assert (check.verdict, check.reason, check.place) == (Verdict.BAD, "name", "")
    assert "the name does not exist" in check.detail


@asynccontextmanager
async def changing(records: dict[str, Sequence[str]], refused: list[str]) -> AsyncIterator[SocketAddress]:
    """A name server whose answers may change; dnspython's cache is told to keep none."""
    async with name_server(records, refused) as dns:
        yield dns


async def test_what_was_known_holds_while_dns_is_silent(clock: MockClock) -> None:
    records, refused = dict(zone()), list[str]()
    told = Told()
    async with udp(ok) as port, changing(records, refused) as dns, trio.open_nursery() as nursery:
        records.update(zone(port))
        config = asking(dns, timeout=0.2, lifetime=0.4, cache_size=0)
        nursery.start_soon(Watch([trunk(SITE)], told, config).run)
        await trio.sleep(5)
        refused += list(records)
        await trio.sleep(10)
        refused.clear()
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    reasons = [(each.verdict, each.reason) for each in told.checks]
    assert reasons == [(Verdict.GOOD, "answered"), (Verdict.POOR, "name"), (Verdict.GOOD, "answered")]
    assert "asked where it was known to be, since DNS does not tell" in told.checks[1].detail


async def test_a_name_that_is_deleted_is_gone(clock: MockClock) -> None:
    records = dict(zone())
    told = Told()
    async with udp(ok) as port, changing(records, []) as dns, trio.open_nursery() as nursery:
        records.update(zone(port))
        nursery.start_soon(Watch([trunk(SITE)], told, asking(dns, cache_size=0)).run)
        await trio.sleep(5)
        records.clear()
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    reasons = [(each.verdict, each.reason) for each in told.checks]
    assert reasons[:2] == [(Verdict.GOOD, "answered"), (Verdict.BAD, "name")]
    assert set(reasons[2:]) == {(Verdict.BAD, "name")}


async def test_a_slow_name_server_delays_the_first_check_only(clock: MockClock) -> None:
    """What it says after the first check has given up is known to the second one."""
    told = Told()
    async with udp(ok) as port, name_server(zone(port), delay=0.7) as dns, trio.open_nursery() as nursery:
        nursery.start_soon(Watch([trunk(SITE)], told, asking(dns, timeout=5.0)).run)
        await trio.sleep(15)
        nursery.cancel_scope.cancel()
    assert [(each.verdict, each.reason) for each in told.checks][-1] == (Verdict.GOOD, "answered")
    assert "DNS did not tell within 1 s" in told.checks[0].detail


async def test_names_are_asked_for_once_by_all_routes(clock: MockClock) -> None:
    asked: list[str] = []

    class Counted(dict[str, Sequence[str]]):
        def __contains__(self, key: object) -> bool:
            asked.append(str(key))
            return super().__contains__(key)

    async with udp(ok) as port, name_server(Counted(zone(port))) as dns:
        trunks = [trunk(SITE, name=f"t{number}") for number in range(20)]
        told = await once(trunks, asking(dns))
    assert {each.verdict for each in told.checks} == {Verdict.GOOD}
    assert len(told.checks) == 20
    assert sum(each == "SRV _sip._udp.site.test" for each in asked) == 1
