"""Trunks watched at real servers: those that go down and come back, stay silent, refuse, or have certificates that end.

Times are short: each server is asked once in a second, and two misses bring it down.
"""

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from probes.calls.script import CallScript
from probes.destination import Destination
from probes.health.run import Watch
from probes.health.terms import Change, Check, Health, Kind, SwitchCause, Verdict
from probes.health.trunk import LEAST_REGISTRATION_INTERVAL, Route, Rules, Trunk
from probes.registration.plan import RegistrationProbe
from sipcore.auth.choice import Account
from sipcore.resolve.target import Transport
from sipcore.transports.base import TlsConfig
from tests.interop import servers, softphones
from tests.interop.clients import PASSWORD
from tests.interop.conftest import do_without, installed
from tests.interop.lab import HOST, POLL_SECONDS, START_SECONDS, Lab, MissingError, Server, process
from tests.interop.test_registration import at_each_registrar
from tests.probes.health.watching import Told
from tests.sipcore.transports.authority import Identity, issue

RULES = Rules(interval=1.0, retry=1.0, timeout=0.8, misses=2, recoveries=2, certificate_days=0.0)
DOWN = 2 * RULES.interval + RULES.retry * (RULES.misses - 1) + RULES.timeout
"""Seconds within which the rules have a server down that has gone: the check after that, and one more miss."""
SLACK = 3.0
"""Seconds for a machine that is busy, and for what a server takes to go."""
NOWHERE = Server("nowhere", "", HOST, 9, 9)
"""A gateway that gets no calls."""


def to(server: Server, name: str = "main", transport: Transport = Transport.UDP, user: str | None = None) -> Route:
    port = server.tls_port if transport is Transport.TLS else server.udp_port
    destination = Destination(server.host, port, transport, user)
    return Route(name, destination, TlsConfig(ca_file=str(server.ca_file) if server.ca_file else None))


def trunk(*routes: Route, rules: Rules = RULES) -> Trunk:
    return Trunk("acme", routes, rules)


async def once(watched: Trunk) -> Told:
    told = Told()
    with trio.fail_after(30):
        await Watch([watched], told).check_once()
    return told


@asynccontextmanager
async def watching(watched: Trunk) -> AsyncIterator[Told]:
    told = Told()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Watch([watched], told).run)
        yield told
        nursery.cancel_scope.cancel()


async def until(met: Callable[[], bool], seconds: float) -> float:
    """Wait for something; gives the seconds that it took."""
    began = trio.current_time()
    with trio.fail_after(seconds):
        while not met():  # noqa: ASYNC110  # whatever it is, it does not tell
            await trio.sleep(POLL_SECONDS)
    return trio.current_time() - began


@asynccontextmanager
async def up(command: list[str], folder: Path) -> AsyncIterator["subprocess.Popen[bytes]"]:
    """A server that runs for a block. The watch goes on while it starts and ends."""
    with process(command, folder) as started:
        yield started
        started.terminate()
        with trio.CancelScope(shield=True):
            await until(lambda: started.poll() is not None, 10)


@pytest.fixture
def restartable(lab: Lab, tmp_path: Path) -> tuple[Server, list[str], Path]:
    """A Kamailio that does not run yet, what to run, and where."""
    try:
        server, command = servers.kamailio_command(replace(lab, folder=tmp_path), NOWHERE)
    except MissingError as missing:
        do_without(missing)
    return server, command, tmp_path / "kamailio"


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP, Transport.TLS])
@pytest.mark.parametrize("name", ["kamailio", "asterisk"])
async def test_a_server_that_is_well(name: str, transport: Transport, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(name)
    (check,) = (await once(trunk(to(server, transport=transport)))).checks
    assert (check.verdict, check.reason) == (Verdict.GOOD, "answered"), check.detail
    assert check.rtt is not None
    assert (check.certificate_ends is not None) is (transport is Transport.TLS)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_over_a_websocket(asterisk: Server, scheme: str) -> None:
    """Over one connection, which is known for open by each check."""
    port = asterisk.ws_port if scheme == "ws" else asterisk.wss_port
    destination = Destination.parse(f"{scheme}://{asterisk.host}:{port}/ws")
    route = Route("main", destination, TlsConfig(ca_file=str(asterisk.ca_file)))
    async with watching(trunk(route)) as told:
        await until(lambda: len(told.checks) >= 3, 10)
    assert {(each.verdict, each.place) for each in told.checks} == {(Verdict.GOOD, f"{scheme} {HOST}:{port}/ws")}
    opened = [each.attempt.records[0].at for each in told.checks if each.attempt is not None]
    assert len(set(opened)) == 1


async def test_another_status_is_alive(asterisk: Server) -> None:
    """404 to who is nobody there, unless the operator takes that for a refusal."""
    nobody = to(asterisk, user="nobody-of-that-name")
    (check,) = (await once(trunk(nobody))).checks
    assert (check.verdict, check.status) == (Verdict.GOOD, 404)
    (check,) = (await once(trunk(nobody, rules=replace(RULES, refusals=(404,))))).checks
    assert (check.verdict, check.reason, check.status) == (Verdict.BAD, "status", 404)


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP, Transport.TLS])
async def test_a_server_that_goes_and_comes_back(
    transport: Transport, restartable: tuple[Server, list[str], Path], asterisk: Server
) -> None:
    """Its calls take another server meanwhile, all within the times of the rules."""
    server, command, folder = restartable
    watched = trunk(to(server, transport=transport), to(asterisk, "backup", transport))
    async with watching(watched) as told:
        async with up(command, folder):
            await until(lambda: told.story.count("main healthy") == 1, START_SECONDS)
            begun = len(told.timed)
        taken = await until(lambda: bool(told.story) and told.story[-1] == "failover to backup", DOWN + SLACK)
        assert taken < DOWN + SLACK
        assert [each.after.value for each in told.changes if each.route == "main"][-2:] == ["degraded", "unreachable"]
        missed = [each for _, each in told.timed[begun:] if isinstance(each, Check) and each.route == "main"]
        assert {each.reason for each in missed} <= {"answered", "refused", "silent"}
        async with up(command, folder):
            await until(lambda: told.story[-1] == "failback to main", START_SECONDS)
    assert [(each.after, each.cause) for each in told.switches][-2:] == [
        ("backup", SwitchCause.FAILOVER),
        ("main", SwitchCause.FAILBACK),
    ]
    assert told.story[-2:] == ["main healthy", "failback to main"]
    assert {each.verdict for each in told.checks if each.route == "backup"} == {Verdict.GOOD}


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
async def test_a_server_that_stands_still(transport: Transport, restartable: tuple[Server, list[str], Path]) -> None:
    """Its kernel takes what comes, and it says nothing: silence is a miss at who has answered before."""
    server, command, folder = restartable
    async with up(command, folder) as running, watching(trunk(to(server, transport=transport))) as told:
        await until(lambda: "main healthy" in told.story, START_SECONDS)
        os.killpg(running.pid, signal.SIGSTOP)
        try:
            await until(lambda: "main unreachable" in told.story, DOWN + 2 * RULES.timeout + SLACK)
        finally:
            os.killpg(running.pid, signal.SIGCONT)
        await until(lambda: told.story[-2:] == ["main healthy", "failback to main"], 10)
    missed = [each.reason for each in told.checks if each.verdict in (Verdict.SILENT, Verdict.BAD)]
    assert "silent" in missed


async def test_trunks_that_change_while_one_of_their_servers_is_down(
    restartable: tuple[Server, list[str], Path], asterisk: Server
) -> None:
    """What is down stays so, the connection to what is up is kept, what is new is asked; and a route that is led to a
    server that is up takes calls again at once.
    """
    server, command, folder = restartable
    first = trunk(to(server, transport=Transport.TCP), to(asterisk, "backup", Transport.TCP))
    told = Told()
    watch = Watch([first], told)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        async with up(command, folder):
            await until(lambda: {"main healthy", "backup healthy"} <= set(told.story), START_SECONDS)
        await until(lambda: told.story[-1] == "failover to backup", DOWN + SLACK)
        down, begun = watch.states()[0].routes[0], len(told.all)

        other = replace(trunk(to(asterisk, "new", Transport.TLS)), name="other")
        found = watch.change([other, first])
        assert (found.added, found.changed, found.removed) == (("other",), (), ())
        await until(lambda: told.story[-1] == "new healthy", SLACK)
        await trio.sleep(2 * RULES.interval)
        state = watch.states()[1]
        assert (state.active, state.routes[0].health, state.routes[0].since) == ("backup", down.health, down.since)
        assert state.routes[0].misses > down.misses
        opened = {each.attempt.records[0].at for each in told.checks if each.route == "backup" and each.attempt}
        assert len(opened) == 1

        rules = replace(RULES, interval=10 * SLACK, retry=10 * SLACK)  # so that what comes by then was asked at once
        watch.change([replace(first, routes=(to(asterisk, transport=Transport.TLS), first.routes[1]), rules=rules)])
        await until(lambda: told.story[-1] == "failback to main", SLACK)
        nursery.cancel_scope.cancel()
    after = [each for each in told.all[begun:] if not isinstance(each, Check)]
    assert [(type(each).__name__, each.trunk) for each in after] == [
        ("Change", "other"),
        *(("Change", "acme"), ("Change", "acme"), ("Switch", "acme")),
    ]
    assert told.story[-3:] == ["main unchecked", "main healthy", "failback to main"]


# SIPp, by scenarios of its own


@asynccontextmanager
async def sipp(lab: Lab, folder: Path, old: str, new: str) -> AsyncIterator[Server]:
    """SIPp, whose usual scenario has a part replaced behind the answer to a call."""
    program, port, rtp = installed("sipp", "sip-tester"), lab.ports(1), lab.ports(20)
    home = replace(lab, folder=folder).configure("sipp")
    scenario = home / "answer.xml"
    text = scenario.read_text()
    head, label, options = text.partition('<label id="options"/>')
    assert old in options
    scenario.write_text(head + label + options.replace(old, new))
    where = ["-i", HOST, "-p", str(port), "-mi", HOST, "-mp", str(rtp)]
    async with up([program, "-sf", str(scenario), *where, "-t", "u1", "-nostdin", "-rtp_echo"], home):
        yield Server("sipp", "", HOST, port, port)


async def test_maintenance(lab: Lab, tmp_path: Path) -> None:
    busy = "503 Service Unavailable\nRetry-After: 30"
    async with sipp(lab, tmp_path, "200 OK", busy) as server, watching(trunk(to(server))) as told:
        await until(lambda: told.story[-2:] == ["main unreachable", "failover to None"], START_SECONDS + DOWN)
    check, *_ = (each for each in told.checks if each.status == 503)
    assert (check.verdict, check.reason) == (Verdict.BAD, "maintenance")
    assert "asks to wait 30 s" in check.detail


async def test_kamailio_that_asks_to_be_left_alone(kamailio: Server) -> None:
    """For half a minute, of which three intervals are kept to; and it is down at once (RFC 3261 §21.5.4)."""
    async with watching(trunk(to(kamailio, user="later"), rules=replace(RULES, timeout=2.0))) as told:
        await until(lambda: len(told.checks) >= 2, 3 * RULES.interval + SLACK)
    first, second = told.seconds(lambda each: isinstance(each, Check))[:2]
    assert 3 * RULES.interval - 0.1 < second - first < 3 * RULES.interval + 1
    assert told.story == ["main unreachable", "failover to None"]
    assert "asks to wait 30 s (Retry-After); it is not asked again for 3 s" in told.checks[0].detail


async def test_a_server_that_drops_options_and_takes_calls(lab: Lab, tmp_path: Path) -> None:
    """Unknown by OPTIONS, and healthy by its call."""
    async with sipp(lab, tmp_path, "<send>", '<nop next="end"/><send>') as server:
        plain = to(server, user="echo")
        await trio.sleep(0.5)
        told = await once(trunk(plain))
        assert (told.story, told.checks[0].verdict) == (["main unknown"], Verdict.SILENT)
        script = CallScript(plain.destination, hold=1.0)
        told = await once(trunk(replace(plain, call=script)))
    assert told.story == ["main unknown", "main healthy"]
    (call,) = (each for each in told.checks if each.kind is Kind.CALL)
    assert (call.verdict, call.status) == (Verdict.GOOD, 200), call.detail


# Registrations at real registrars


REGISTERING = replace(RULES, registration_interval=LEAST_REGISTRATION_INTERVAL, registration_misses=1)


def registering(server: Server, transport: Transport, password: str = PASSWORD, *, expected: bool = False) -> Route:
    """A route whose registration is tested: alice's."""
    route = to(server, transport=transport, user="alice")
    account = Account("alice", password, hosts=route.destination.hosts)
    probe = RegistrationProbe(route.destination, account, timeout=4.0, expects_contact=expected)
    return replace(route, registration=probe)


@at_each_registrar
async def test_a_user_who_may_register(request: pytest.FixtureRequest, name: str, transport: Transport) -> None:
    server: Server = request.getfixturevalue(name)
    found = {}
    for case, route in {
        "right": registering(server, transport),
        "wrong": registering(server, transport, "wrong"),
        "nobody": registering(server, transport, expected=True),
    }.items():
        told = await once(trunk(route, rules=REGISTERING))
        (found[case],) = (check for check in told.checks if check.kind is Kind.REGISTRATION)
    assert {case: (check.verdict, check.reason) for case, check in found.items()} == {
        "right": (Verdict.GOOD, "answered"),
        "wrong": (Verdict.BAD, "registration"),
        "nobody": (Verdict.BAD, "nobody"),  # the right one has left nothing behind
    }
    assert found["right"].detail.endswith("and removed again"), found["right"].detail
    assert PASSWORD not in repr(found)


async def test_a_phone_that_is_registered_no_more(asterisk: Server, lab: Lab, tmp_path: Path) -> None:
    """OPTIONS are answered all the while: it is the registration alone that tells."""
    watched = trunk(registering(asterisk, Transport.UDP, expected=True), rules=REGISTERING)
    async with AsyncExitStack() as running:
        phone = await running.enter_async_context(
            softphones.baresip(lab, tmp_path / "one", "alice", registrar=asterisk)
        )
        told = await running.enter_async_context(watching(watched))
        await until(lambda: any(check.kind is Kind.REGISTRATION for check in told.checks), 10)
        (check,) = (check for check in told.checks if check.kind is Kind.REGISTRATION)
        assert (check.verdict, "as expected" in check.detail) == (Verdict.GOOD, True), check.detail
        await phone.do("quit")
        await until(lambda: "main unreachable" in told.story, LEAST_REGISTRATION_INTERVAL + SLACK)
        change = next(change for change in told.changes if change.after is Health.UNREACHABLE)
        assert (change.check.kind, change.check.reason) == (Kind.REGISTRATION, "nobody")
        assert {check.verdict for check in told.checks if check.kind is Kind.OPTIONS} == {Verdict.GOOD}
        again = softphones.baresip(lab, tmp_path / "two", "alice", registrar=asterisk)
        phone = await running.enter_async_context(again)
        await until(lambda: told.story[-1] == "failback to main", LEAST_REGISTRATION_INTERVAL + SLACK)
        await phone.do("quit")
        await trio.sleep(0.5)


# Certificates of a real server


ROOT = issue("root", ca=True, days=(-30, 400))


def certificate(days: float) -> Identity:
    return issue("sut.example", ROOT, names=(HOST, "localhost"), days=(-20, days))


@pytest.mark.parametrize(
    ("days", "verify", "verdict", "reason", "told"),
    [
        (60, True, Verdict.GOOD, "answered", "200"),
        (5, True, Verdict.POOR, "certificate", "in 5 days"),
        (-1, True, Verdict.BAD, "tls", "the certificate has expired"),
        (-1, False, Verdict.POOR, "certificate", "the certificate has expired"),
    ],
)
async def test_certificates(
    days: float,
    verify: bool,
    verdict: Verdict,
    reason: str,
    told: str,
    restartable: tuple[Server, list[str], Path],
) -> None:
    server, command, folder = restartable
    shown = certificate(days)
    (folder / "certificate.pem").write_bytes(shown.chain)
    (folder / "key.pem").write_bytes(shown.key)
    rules = replace(RULES, certificate_days=14.0)
    route = replace(to(server, transport=Transport.TLS), tls=TlsConfig(verify=verify, ca_data=ROOT.pem))
    async with up(command, folder), watching(trunk(route, rules=rules)) as found:
        await until(lambda: any(each.reason == reason for each in found.checks), START_SECONDS)
    check = next(each for each in found.checks if each.reason == reason)
    assert (check.verdict, told in check.detail) == (verdict, True), check.detail
    assert check.certificate_ends == shown.certificate.not_valid_after_utc.timestamp()
    assert isinstance(found.changes[-1], Change)
