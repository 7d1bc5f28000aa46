"""Calls to be answered, out of a scenario file (`calls.scenario`): one `[[answer]]` for each, in the order they come.

[[answer]]
name = "the carrier calls, and we pick up after two rings"
wait = 60
ring = 8
codecs = ["PCMA"]
expect = "connected"
"""

from collections.abc import Mapping
from dataclasses import fields, replace

from probes.calls.keys import ANSWER_KEYS, NAME
from probes.calls.scenario import ANSWER, Part, PasswordOf, credentials_of
from probes.entries import fields_of
from probes.responder.personas import DEFAULT_REALM, MOVED_TEMPORARILY, OK, Guard, Manner, Persona
from sipcore.auth.server import ServerPolicy, UserTable
from sipcore.errors import SipError
from sipcore.sdp.codecs import codecs_named
from sipcore.value import value

DEFAULT_WAIT = 60.0
"""Seconds that a call is waited for: time to go to a phone and dial."""
_MANNER = frozenset(each.name for each in fields(Manner))


@value
class PlannedAnswer:
    """A call that is to come within `wait` seconds, by its name or else its number, and who deals with it."""

    name: str
    wait: float
    persona: Persona


def read_answers(
    text: str,
    source: str,
    base: Persona,
    password_of: PasswordOf,
    overriding: Mapping[str, object] | None = None,
) -> tuple[PlannedAnswer, ...]:
    """The calls that the file `source` has answered, in their order, by personas like `base` but for what it says.

    What is `overriding` stands above what the file says. Raises EntryError.
    """
    part = Part(text, source, ANSWER, ANSWER_KEYS, overriding or {})
    return tuple(_answer(part, read, number, base, password_of) for number, read in part.entries())


def _answer(
    part: Part, read: Mapping[str, object], number: int, base: Persona, password_of: PasswordOf
) -> PlannedAnswer:
    given = fields_of(ANSWER_KEYS, read)
    found = credentials_of(read, password_of, lambda problem, key: part.error(problem, number, key))
    if found is not None:
        policy = base.guard.policy if base.guard is not None else ServerPolicy(DEFAULT_REALM)
        policy = replace(policy, realm=found.realm) if found.realm else policy
        given["guard"] = Guard(policy, UserTable({found.user: found.password}))
    wait = given.pop("wait", DEFAULT_WAIT)
    if not wait >= 0:
        raise part.error("wait is a number of seconds, 0 or more", number, "wait")
    if given.get("status") == OK:
        raise part.error(f"{OK} is no refusal; leave refuse out to have the call answered", number, "refuse")
    if "contact" in given and "status" not in given:
        given["status"] = MOVED_TEMPORARILY
    try:
        manner = Manner(**{name: value for name, value in given.items() if name in _MANNER})
        more = {name: value for name, value in given.items() if name not in _MANNER}
        if "codecs" in more:
            more["codecs"] = codecs_named(more["codecs"])
        persona = replace(base, manner=manner, **more)
    except SipError as error:
        raise part.error(error.message, number) from None
    return PlannedAnswer(str(read.get(NAME, f"answer {number}")), wait, persona)
