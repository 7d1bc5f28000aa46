"""The responder as a phone of somebody else's server: registered there, called by way of it, and taken back."""

import pytest
import trio

from probes.calls.run import call_config, place_call
from probes.calls.script import CallScript
from probes.destination import Destination
from probes.responder.happening import Happening
from probes.responder.personas import Persona
from probes.responder.run import open_responder
from probes.result import CallKind
from sipcore.auth.choice import Account
from sipcore.endpoint.registration import RegistrationFailure
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.transports.base import TlsConfig
from tests.interop.clients import PASSWORD
from tests.interop.lab import HOST, Server
from tests.interop.test_registration import TCP, TLS, UDP, hop_to

BINDS = [(transport, SocketAddress(HOST, 0)) for transport in (UDP, TCP)]


def user_at(server: Server, transport: Transport, user: str = "alice") -> Destination:
    port = hop_to(server, transport).remote.port
    return Destination.parse(f"sip:{user}@{server.host}:{port};transport={transport.value.lower()}")


@pytest.mark.parametrize("transport", [UDP, TCP, TLS], ids=lambda each: each.name)
async def test_called_by_way_of_the_proxy(kamailio: Server, transport: Transport) -> None:
    alice = user_at(kamailio, transport)
    told: list[Happening] = []
    answered = trio.Event()

    def tell(happening: Happening) -> None:
        told.append(happening)
        if happening.result is not None:
            answered.set()

    trusted = TlsConfig(ca_file=str(kamailio.ca_file))
    with trio.fail_after(30):
        async with open_responder(Persona(), BINDS, tell, trusted) as responder:
            async with responder.register(alice, Account("alice", PASSWORD, hosts=alice.hosts)) as registered:
                binding = await registered.binding()
                assert binding.listed
                script = CallScript(
                    user_at(kamailio, UDP), account=Account("bob", PASSWORD, hosts=alice.hosts), hold=0.3
                )
                result = await place_call(script, call_config())
                await answered.wait()
            again = await place_call(script, call_config())
    assert result.kind is CallKind.CONNECTED, result.why
    assert again.final_status == 404
    call = next(each.result for each in told if each.result is not None)
    assert call.kind is CallKind.CONNECTED
    assert "alice" in call.called


@pytest.mark.parametrize("transport", [UDP, TCP], ids=lambda each: each.name)
async def test_refused_for_good(asterisk: Server, transport: Transport) -> None:
    alice = user_at(asterisk, transport)
    async with open_responder(Persona(), BINDS) as responder:
        with trio.fail_after(20):
            async with responder.register(alice, Account("alice", "wrong", hosts=alice.hosts)) as registered:
                with pytest.raises(RegistrationFailure):
                    await registered.binding()
