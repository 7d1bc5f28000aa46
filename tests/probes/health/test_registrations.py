"""Tests of registrations in a watch: what they say beside OPTIONS, when they come, and that nothing is left behind."""

from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from probes.cli.exit_codes import ExitCode
from probes.cli.watch_codes import exit_code
from probes.destination import Destination
from probes.health.checking import run as module
from probes.health.checking.run import MAX_REGISTRATIONS
from probes.health.run import Watch
from probes.health.terms import Check, Happening, Health, Kind, Verdict
from probes.health.trunk import Route, Rules
from probes.registration.judge import RegistrationKind, RegistrationReport
from probes.registration.plan import RegistrationProbe
from sipcore.endpoint.endpoint import EndpointConfig
from sipcore.transports.base import TlsConfig
from tests.probes.discovery.network import HOST, ok, silent, udp
from tests.probes.health.watching import Peer, Told, once, route, trunk, watch
from tests.probes.registration.desk import Desk

RULES = Rules(interval=20.0, retry=5.0, timeout=1.0, recoveries=1, registration_interval=30.0, registration_misses=2)
OTHER = "sip:alice@198.51.100.7"


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms."""
    return MockClock(autojump_threshold=0.05)


class Server:
    """Answers OPTIONS, and REGISTER as the desk does."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def __call__(self, data: bytes) -> bytes | None:
        return self.desk(data) if data.startswith(b"REGISTER ") else ok(data)


def registering(port: int, expects_contact: bool = False, name: str = "main") -> Route:
    probe = RegistrationProbe(Destination.parse(f"sip:alice@{HOST}:{port};transport=udp"), timeout=2.0)
    return replace(route(port, name), registration=replace(probe, expects_contact=expects_contact))


def is_registration(happening: Happening) -> bool:
    return isinstance(happening, Check) and happening.kind is Kind.REGISTRATION


def registration_of(told: Told) -> Check:
    (found,) = (check for check in told.checks if check.kind is Kind.REGISTRATION)
    return found


async def test_a_user_may_register_and_nothing_stays(clock: MockClock) -> None:
    desk = Desk()
    async with udp(Server(desk)) as port:
        told = await once([trunk(registering(port), rules=RULES)])
    check = registration_of(told)
    assert (check.verdict, check.reason, check.status, check.place) == (
        *(Verdict.GOOD, "answered", 200),
        f"udp {HOST}:{port}",
    )
    assert check.detail == "accepted for 60 s, and removed again"
    assert check.registration is not None
    assert check.registration.kind is RegistrationKind.REGISTERED
    assert (desk.came, desk.contacts) == (["ask", "bind", "remove"], {})
    assert {each.kind for each in told.checks} == {Kind.OPTIONS, Kind.REGISTRATION}
    assert told.story == ["main healthy"]


async def test_a_pbx_that_loses_its_registration_is_down_and_up_again_with_it(clock: MockClock) -> None:
    desk = Desk({OTHER: 300})
    async with udp(Server(desk)) as port, trio.open_nursery() as nursery:
        told = Told()
        watching = Watch([trunk(registering(port, expects_contact=True), rules=RULES)], told)
        nursery.start_soon(watching.run)
        await trio.sleep(10)
        assert told.story == ["main healthy"]
        desk.contacts.clear()
        await trio.sleep(30)
        assert told.story == ["main healthy", "main degraded"]
        await trio.sleep(30)
        assert told.story[1:] == ["main degraded", "main unreachable", "failover to None"]
        assert told.changes[-1].check.reason == "nobody"
        assert exit_code(watching.states()) == ExitCode.FAILED
        desk.contacts[OTHER] = 300
        await trio.sleep(30)
        assert told.story[4:] == ["main healthy", "failback to main"]
        nursery.cancel_scope.cancel()
    assert set(desk.came) == {"ask"}
    assert told.seconds(is_registration) == pytest.approx([0, 30, 60, 90], abs=1.0)


async def test_silence_of_a_registrar_is_a_failure_although_options_were_never_answered(clock: MockClock) -> None:
    async with udp(silent) as port:
        told = await watch([trunk(registering(port), rules=RULES)], 45)
    assert told.story == ["main unknown", "main degraded", "main unreachable", "failover to None"]
    check = next(each for each in told.checks if each.kind is Kind.REGISTRATION)
    assert (check.verdict, check.reason, check.status) == (Verdict.BAD, "registration", None)


async def test_a_route_that_drops_options_is_healthy_by_its_registration(clock: MockClock) -> None:
    desk = Desk({OTHER: 300})
    peer = Peer(lambda data: desk(data) if data.startswith(b"REGISTER ") else None)
    async with udp(peer) as port:
        told = await watch([trunk(registering(port), rules=RULES)], 100)
    assert told.story[-1] == "main healthy"
    assert told.changes[-1].after is Health.HEALTHY


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ({"ask": "401 Unauthorized\nWWW-Authenticate: Digest realm=r, nonce=n"}, ExitCode.AUTHENTICATION),
        ({"ask": "404 Not Found"}, ExitCode.FAILED),
        ({"ask": ""}, ExitCode.NO_ANSWER),
        ({}, ExitCode.OK),
    ],
)
async def test_what_it_means_to_a_script(statuses: dict[str, str], code: ExitCode, clock: MockClock) -> None:
    async with udp(Server(Desk(statuses=statuses))) as port:
        watching = Watch([trunk(registering(port), rules=RULES)], Told())
        await watching.check_once()
    assert exit_code(watching.states()) == code


async def test_a_registration_that_cannot_be_tested_here_is_an_own_fault(clock: MockClock) -> None:
    probe = RegistrationProbe(Destination.parse(f"sip:alice@{HOST}:1;transport=tls"))
    async with udp(ok) as port:
        broken = replace(route(port, tls=TlsConfig(certificate=b"none")), registration=probe)
        told = await once([trunk(broken, rules=RULES)])
    check = registration_of(told)
    assert (check.verdict, check.reason) == (Verdict.OWN, "own")
    assert "certificate" in check.detail


async def test_a_contact_under_way_is_removed_when_the_watch_is_cancelled(clock: MockClock) -> None:
    bound = trio.Event()
    desk = Desk()

    def answer(data: bytes) -> bytes | None:
        answered = Server(desk)(data)
        if "bind" in desk.came and not bound.is_set():
            bound.set()
            return None  # it is registered, and nobody knows yet
        return answered

    async with udp(answer) as port, trio.open_nursery() as nursery:
        nursery.start_soon(Watch([trunk(registering(port), rules=RULES)], Told()).run)
        await bound.wait()
        assert len(desk.contacts) == 1
        nursery.cancel_scope.cancel()
    assert (desk.came[-1], desk.contacts) == ("remove", {})


async def test_few_are_tested_at_once(clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    under_way, most = 0, 0

    async def probe(probe: RegistrationProbe, config: EndpointConfig) -> RegistrationReport:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await trio.sleep(5)
        under_way -= 1
        return RegistrationReport(probe.destination.aor, None, RegistrationKind.ACCEPTED, "so it is")

    monkeypatch.setattr(module, "probe_registration", probe)
    async with udp(ok) as port:
        trunks = [trunk(registering(port), rules=RULES, name=f"t{number}") for number in range(3 * MAX_REGISTRATIONS)]
        told = await once(trunks)
    assert most == MAX_REGISTRATIONS
    assert len(told.seconds(is_registration)) == len(trunks)
