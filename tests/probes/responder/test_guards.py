"""Guards with values: whom they let in, and by when."""

import random

import pytest

from probes.responder.guards import Guards
from probes.responder.personas import Guard, Persona
from sipcore.auth.choice import Account
from sipcore.auth.server import ServerPolicy, UserTable
from sipcore.auth.session import AuthSession
from sipcore.message.build import response
from sipcore.tokens import Tokens
from tests.probes.responder.requests import invite

USERS = UserTable({"alice": "secret"})


@pytest.mark.parametrize("proxy", [False, True])
def test_who_answers_in_time_is_let_in(proxy: bool) -> None:
    now, chance = 0.0, random.Random(1).randbytes
    guards = Guards(lambda: now, chance)
    persona = Persona(guard=Guard(ServerPolicy("demo", proxy=proxy), USERS))
    refused, accepted = guards.admit(persona, invite())
    assert refused is not None
    assert accepted is None
    reply, why = refused
    assert (reply.status, why) == (407 if proxy else 401, "no credentials for this realm")
    session = AuthSession(Account("alice", "secret", hosts=["192.0.2.4"]))
    asked = response(invite(), reply.status, fields=reply.fields)
    answered = session.answer(invite(), asked, Tokens(chance))
    refused, accepted = guards.admit(persona, answered)
    assert refused is None
    assert accepted is not None
    names = [name for name, _ in guards.proof(persona, accepted, b"")]
    assert names == ["Proxy-Authentication-Info" if proxy else "Authentication-Info"]
    now = 1e6
    refused, _ = guards.admit(persona, answered)
    assert refused is not None
    assert "stale=true" in str(refused[0].fields[0][1])


def test_nobody_is_asked_without_a_guard() -> None:
    guards = Guards(lambda: 0.0, random.Random(1).randbytes)
    assert guards.admit(Persona(), invite()) == (None, None)
