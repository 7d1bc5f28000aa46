"""Tests of registrations against real registrars: what each is told to be, and that nothing is left behind."""

import pytest
import trio

from probes.calls.run import call_config
from probes.destination import Destination
from probes.registration.judge import Oddity, RegistrationKind, RegistrationReport
from probes.registration.plan import RegistrationProbe, Step
from probes.registration.run import probe_registration
from sipcore.auth.choice import Account
from sipcore.endpoint.endpoint import Endpoint
from sipcore.endpoint.registration import keep_registered
from sipcore.message.address import Address
from sipcore.resolve.target import Transport
from sipcore.transports.base import TlsConfig
from tests.interop.clients import PASSWORD
from tests.interop.lab import Server
from tests.interop.test_registration import UDP, account, at_each_registrar, hop_to, registration, trusting


async def probed(server: Server, transport: Transport, user: str = "alice", **options: object) -> RegistrationReport:
    port = hop_to(server, transport).remote.port
    destination = Destination.parse(f"sip:{user}@{server.host}:{port};transport={transport.value.lower()}")
    given = {"account": Account(user, PASSWORD, hosts=destination.hosts), **options}
    with trio.fail_after(30):
        return await probe_registration(
            RegistrationProbe(destination, **given),  # type: ignore[arg-type]
            call_config(TlsConfig(ca_file=str(server.ca_file))),
        )


@at_each_registrar
async def test_a_user_registers(request: pytest.FixtureRequest, name: str, transport: Transport) -> None:
    server: Server = request.getfixturevalue(name)
    report = await probed(server, transport)
    assert report.kind is RegistrationKind.REGISTERED, report.why
    assert [reply.question.step for reply in report.replies] == [Step.ASK, Step.BIND, Step.REMOVE]
    assert all(reply.is_success and reply.authenticated for reply in report.replies)
    assert (report.before, report.removed, report.oddities) == ((), True, ())
    assert report.granted is not None
    assert 0 < report.granted <= 60
    assert (await probed(server, transport, asks_only=True)).before == ()


@at_each_registrar
async def test_the_phone_that_is_registered_stays(
    request: pytest.FixtureRequest, name: str, transport: Transport
) -> None:
    server: Server = request.getfixturevalue(name)
    async with (
        Endpoint(trusting(server)) as client,
        keep_registered(client, registration(server), auth=account(server), hop=hop_to(server, UDP)) as registered,
    ):
        binding = await registered.binding()
        report = await probed(server, transport)
        beside = await probed(server, transport, beside=True)
        assert (await registered.refresh()).listed
    assert report.kind is RegistrationKind.ACCEPTED
    assert [each.uri for each in report.before or ()] == [str(binding.contacts[0].uri)]
    assert [reply.question.step for reply in report.replies] == [Step.ASK]
    assert beside.kind is RegistrationKind.REGISTERED
    assert (beside.removed, beside.oddities) == (True, ())


@at_each_registrar
async def test_who_is_refused(request: pytest.FixtureRequest, name: str, transport: Transport) -> None:
    server: Server = request.getfixturevalue(name)
    wrong = await probed(server, transport, account=Account("alice", "wrong", hosts=[server.host]))
    assert wrong.kind is RegistrationKind.AUTHENTICATION
    without = await probed(server, transport, account=None)
    assert without.kind is RegistrationKind.AUTHENTICATION
    assert wrong.advice
    assert without.advice


async def test_an_unknown_user(asterisk: Server) -> None:
    report = await probed(asterisk, UDP, "nobody")
    assert report.kind in (RegistrationKind.AUTHENTICATION, RegistrationKind.REJECTED)
    assert report.advice


async def test_a_registrar_that_makes_room(asterisk: Server) -> None:
    """It takes five contacts of a user, and removes the oldest for the next one."""
    others = tuple(Address.parse(f"<sip:dave@127.0.0.2:{port}>;expires=300") for port in range(5071, 5075))
    five, auth = registration(asterisk, "dave", contacts=others), account(asterisk, "dave")
    async with (
        Endpoint(trusting(asterisk)) as client,
        keep_registered(client, five, auth=auth, hop=hop_to(asterisk, UDP)) as registered,
    ):
        assert (await registered.binding()).listed
        report = await probed(asterisk, UDP, "dave", beside=True)
        await registered.stop(everything=True)
    assert report.kind is RegistrationKind.REGISTERED, report.why
    assert len(report.before or ()) == 5
    assert report.oddities == (Oddity.DISPLACED,)


async def test_chan_sip(old: Server) -> None:
    report = await probed(old, UDP)
    assert (report.kind, report.removed) == (RegistrationKind.REGISTERED, True), report.why


async def test_a_phone_is_no_registrar(baresip: Server) -> None:
    report = await probed(baresip, UDP)
    assert not report.works
    assert report.advice
