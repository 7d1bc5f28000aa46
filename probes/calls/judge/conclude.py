"""A test call that is over, with what its evidence says of it: the last step of placing a call, and of taking one."""

from dataclasses import replace

from probes.calls import verdict
from probes.calls.expect import Expectation
from probes.calls.judge.facts import facts_of
from probes.calls.judge.find import find
from probes.result import CallKind, CallResult
from sipcore.errors import ParseError
from sipcore.message.message import Request


def concluded(result: CallResult, expect: Expectation | None = None) -> CallResult:
    """The result with its parties, whether media is missing, what is wrong, and what differs from what was expected."""
    facts = facts_of(result)
    if facts.invite is not None:
        result = replace(result, called=facts.invite.uri_text, caller=_caller(facts.invite))
    if result.kind is CallKind.CONNECTED:
        measured = result.media.latest if result.media else None
        held = result.duration or 0.0
        # Who takes no audio at all is not due to send any, and the call has none all the same.
        due = held if result.media_problem else min(held, facts.due)
        withheld = facts.media_now.withheld if facts.media_now is not None else ""
        missing = verdict.of_media(measured, result.media_problem, due, withheld)
        if missing is not None:
            why = f"{result.why}; {missing.why}"
            result = replace(result, kind=missing.kind, why=why, advice=missing.advice)
            facts.kind = missing.kind
    result = replace(result, findings=find(facts))
    return replace(result, unmet=expect.unmet(result)) if expect is not None else result


def _caller(invite: Request) -> str:
    try:
        return str(invite.from_.uri)
    except ParseError:
        return ""
