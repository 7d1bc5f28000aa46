"""A responder as a user of somebody's registrar: for as long as a block lasts, and not without a user."""

import pytest

from probes.destination import Destination
from probes.responder.personas import Persona
from probes.responder.run import REGISTERED_FOR, open_responder
from sipcore.errors import LocalError
from sipcore.resolve.target import SocketAddress, Transport
from tests.probes.discovery.network import HOST, udp
from tests.probes.registration.desk import Desk

BINDS = [(Transport.UDP, SocketAddress(HOST, 0))]


async def test_for_the_length_of_a_block() -> None:
    desk = Desk()
    async with udp(desk) as port, open_responder(Persona(), BINDS) as responder:
        alice = Destination.parse(f"sip:alice@{HOST}:{port};transport=udp")
        async with responder.register(alice) as registered:
            binding = await registered.binding()
            assert desk.contacts == {f"sip:alice@{responder.address(Transport.UDP)}": REGISTERED_FOR}
        assert (desk.came, desk.contacts) == (["bind", "remove"], {})
    assert (binding.granted, binding.listed) == (REGISTERED_FOR, True)


async def test_what_ends_a_responder_takes_it_back() -> None:
    desk = Desk()

    async def break_off(port: int) -> None:
        async with open_responder(Persona(), BINDS) as responder:
            alice = Destination.parse(f"sip:alice@{HOST}:{port};transport=udp")
            async with responder.register(alice, expires=60) as registered:
                assert (await registered.binding()).granted == 60
                raise ValueError("of the owner")

    async with udp(desk) as port:
        with pytest.raises(ValueError, match="of the owner"):
            await break_off(port)
    assert (desk.came, desk.contacts) == (["bind", "remove"], {})


async def test_who_cannot_be_registered() -> None:
    async with open_responder(Persona(), BINDS) as responder:
        with pytest.raises(LocalError, match="whom to register"):
            responder.register(Destination.parse("example.com"))
    async with open_responder(Persona(silent=True), BINDS) as responder:
        with pytest.raises(LocalError, match="who answers nothing"):
            responder.register(Destination.parse("sip:alice@example.com"))
