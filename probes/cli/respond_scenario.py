"""`sipprobe respond --scenario FILE`: the calls of a file are waited for and answered, one after the other."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from probes.cli.call_scenario import SeriesTold, overriding, passwords_for, read_file
from probes.cli.common import run_to_the_end, stop
from probes.cli.exit_codes import ExitCode
from probes.cli.respond_options import Served
from probes.cli.respond_register import end_refused, enrolled
from probes.cli.respond_told import say
from probes.cli.saving import HepSender

if TYPE_CHECKING:
    from probes.calls.story import OnEntry
    from probes.registration.judge import RegistrationReport
    from probes.responder.personas import Persona
    from probes.responder.scenario import PlannedAnswer

OPTIONS = {
    **{name: name for name in ("ring", "answer_after", "early_media", "refuse", "redirect", "hang_up_after")},
    **{name: name for name in ("ptime", "encryption", "ice", "dtmf", "prack", "max_hold", "expect")},
    **{name: name for name in ("user", "realm", "password_file", "session_timer", "min_se", "refresher")},
    "codec": "codecs",
    "header": "headers",
}
"""The options that stand above what the file says, and its keys for them."""
OPTIONS_BESIDE_A_REGISTRAR = {
    option: key for option, key in OPTIONS.items() if option not in ("user", "realm", "password_file")
}
"""The same where the others are for the registrar."""


def run_answers(
    file: Path,
    context: typer.Context,
    persona: "Persona",
    served: Served,
    sender: HepSender | None,
    *,
    as_json: bool,
) -> NoReturn:
    """Answer the calls of `file` and print them, and end with the exit code of the first that is not as it should be.

    The options in the `context` of the command stand above what the file says. Raises LocalError as the responder does.
    """
    from probes.responder.scenario import read_answers

    for name in ("calls", "busy", "silent"):
        if context.params[name]:
            stop(ExitCode.USAGE, f"--{name} says nothing with --scenario: the file does")
    changes = overriding(context, OPTIONS if served.enrolment is None else OPTIONS_BESIDE_A_REGISTRAR)
    answers = read_file(file, lambda text: read_answers(text, str(file), persona, passwords_for(file), changes))
    told = SeriesTold(len(answers), sender, as_json=as_json)
    refusal = run_to_the_end(partial(told.during, partial(_answer, answers, persona, served, told)))
    if refusal is not None:
        end_refused(refusal)
    told.end()


async def _answer(
    answers: "tuple[PlannedAnswer, ...]",
    persona: "Persona",
    served: Served,
    told: SeriesTold,
    on_entry: "OnEntry | None",
) -> "RegistrationReport | None":
    """Each call in its turn, told as it happens; gives why none will come, where its registrar refuses."""
    from probes.responder.run import open_responder

    async with open_responder(persona, served.binds, tls=served.tls, on_entry=on_entry) as responder:
        say(responder.addresses, as_json=told.as_json)
        turns = [responder.expect(answer.persona) for answer in answers]
        async with enrolled(responder, served.enrolment, as_json=told.as_json) as refusal:
            for answer, turn in zip(answers, turns, strict=True):
                if refusal is None:
                    told.begin(answer.name)
                    told.over(await turn.result(answer.wait))
    return refusal
