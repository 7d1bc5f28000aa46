"""`sipprobe respond --register TARGET`: the calls of a user of somebody's server are answered here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from probes.cli.call_codes import registration_exit_code
from probes.cli.common import read_destination, stop, tell
from probes.cli.printing import print_event
from probes.cli.register import account_of, with_user
from sipcore.value import value

if TYPE_CHECKING:
    import trio

    from probes.destination import Destination
    from probes.registration.judge import RegistrationReport
    from probes.responder.run import Responder
    from sipcore.auth.choice import Account
    from sipcore.auth.session import AuthError
    from sipcore.endpoint.registration import Registering
    from sipcore.errors import TransportFailure
    from sipcore.message.message import Response
    from sipcore.registration.binding import Binding


@value
class Enrolment:
    """The user whose calls are wanted, and the credentials that its registrar may want."""

    user: "Destination"
    account: "Account | None"


def read_enrolment(target: str, name: str, realm: str, password_file: Path | None) -> Enrolment:
    """What --register says, with credentials as `sipprobe register` takes them. Ends the program for what cannot be
    used.
    """
    user = with_user(read_destination(target), name)
    return Enrolment(user, account_of(user, name, realm, password_file))


@asynccontextmanager
async def enrolled(
    responder: "Responder", enrolment: Enrolment | None, *, as_json: bool
) -> "AsyncIterator[RegistrationReport | None]":
    """Have the user's calls come here for the length of a block, if there is a user, and tell of it. Gives why that
    cannot be, or None.
    """
    import trio

    from sipcore.endpoint.registration import RegistrationFailure

    if enrolment is None:
        yield None
        return
    refusal: RegistrationReport | None = None
    async with responder.register(enrolment.user, enrolment.account) as registering, trio.open_nursery() as nursery:
        await nursery.start(partial(_tell_all, registering, enrolment, as_json=as_json))
        try:
            await registering.binding()
        except RegistrationFailure as failure:
            refusal = _judged(enrolment, failure.response, failure.cause)
        yield refusal
        nursery.cancel_scope.cancel()


def end_refused(refusal: "RegistrationReport") -> NoReturn:
    """End the program, since no call will come."""
    from probes.report.registration_text import registration_failure_line

    stop(registration_exit_code(refusal), registration_failure_line(refusal))


async def _tell_all(
    registering: "Registering", enrolment: Enrolment, *, as_json: bool, task_status: "trio.TaskStatus[None]"
) -> None:
    """Tell when the user is registered, and, until that is so again, why not; refreshes are nobody's news. It has
    started once the user is registered, or will not be.
    """
    import trio

    from sipcore.registration.keeper import Registered, RegistrationFailed

    stands = has_started = False
    async for event in registering:
        if isinstance(event, Registered):
            if not stands:
                _tell_binding(enrolment, event.binding, as_json=as_json)
            if not has_started:
                task_status.started()
            stands = has_started = True
        elif isinstance(event, RegistrationFailed) and event.retry_at is not None:
            stands = False
            wait = max(event.retry_at - trio.current_time(), 0.0)
            _tell_failure(_judged(enrolment, event.response, event.failure), wait, as_json=as_json)
    if not has_started:
        task_status.started()


def _tell_binding(enrolment: Enrolment, binding: "Binding", *, as_json: bool) -> None:
    from sipcore.errors import encodable

    aor, contact = str(enrolment.user.aor), encodable(str(binding.contacts[0].uri))
    if as_json:
        print_event({"event": "registered", "aor": aor, "contact": contact, "granted_s": binding.granted})
    else:
        typer.echo(f"registered as {aor} for {binding.granted} s at a time, at {contact}")


def _tell_failure(report: "RegistrationReport", wait: float, *, as_json: bool) -> None:
    """On standard error, since it is nothing that came in; a program gets it in its line, too."""
    from probes.report.registration_text import registration_failure_line
    from sipcore.errors import encodable

    if as_json:
        told = {"event": "registration_failed", "aor": str(report.aor), "why": encodable(report.why)}
        print_event({**told, "advice": encodable(report.advice), "retry_s": round(wait, 3)})
    tell(f"{registration_failure_line(report)}; tried again in {wait:.0f} s")


def _judged(
    enrolment: Enrolment, response: "Response | None", failure: "TransportFailure | AuthError | None"
) -> "RegistrationReport":
    """Why a registration did not come about, and what to try."""
    from probes.registration.judge import judge
    from probes.registration.plan import Question, RegistrationProbe, Reply, Step
    from probes.responder.run import REGISTERED_FOR

    reply = Reply(Question(Step.BIND, REGISTERED_FOR), 0.0, response, failure)
    return judge(RegistrationProbe(enrolment.user, enrolment.account), None, [reply])
