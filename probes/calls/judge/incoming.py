"""What is wrong with a call that came in here, besides what is wrong with any call."""

from collections.abc import Iterator

from probes.calls.judge.dialog import MANY_COPIES
from probes.calls.judge.facts import CallFacts
from probes.calls.judge.hint import Hint, lines
from probes.calls.judge.said import audio_of
from probes.calls.judge.session import placed, shown_of
from probes.findings.finding import Severity
from sipcore.dialogs.effects import EndReason
from sipcore.dialogs.session import description_of
from sipcore.message.method import INVITE

Hints = Iterator[Hint]

UNUSABLE = frozenset({400, 415, 488, 606})
"""What an INVITE is refused with here for what it offers; any other refusal is what was asked for."""


def waited(facts: CallFacts) -> Hints:
    """Whether there was a call at all."""
    if facts.invite is None:
        yield Hint("no-call-came", facts.why or "no INVITE came")


def unusable(facts: CallFacts) -> Hints:
    """An offer of which nothing can be taken."""
    if facts.final is None or facts.final[1].status not in UNUSABLE or facts.invite is None or not facts.media_problem:
        return
    offer = facts.offer
    offered = shown_of(offer, audio_of(offer)) if offer is not None else lines(facts.invite, "Content-Type")
    yield Hint("offer-not-accepted", f"refused with {facts.final[1].status}: {facts.media_problem}", offered)


def given_up(facts: CallFacts) -> Hints:
    """A caller that did not wait for the answer."""
    cancels = facts.requests("CANCEL", sent=False)
    if facts.answered is not None or not cancels:
        return
    said, request = cancels[0]
    waited = said.at - facts.invites[0][0].at
    yield Hint("caller-gave-up", f"the caller cancelled after {waited:.1f} s", lines(request, "Reason"), (said.record,))


def unacknowledged(facts: CallFacts) -> Hints:
    """RFC 3261 §13.3.1.4: a 2xx is sent again until its ACK comes, and the call is over when none does."""
    if facts.answered is None:
        return
    copies = [
        said
        for said, response in facts.responses(INVITE, again=True, sent=True)
        if response.is_success and said.message == facts.answered.message
    ]
    ack, last = facts.acknowledged, copies[-1]
    told = f"the 200 was sent {len(copies)} times to {last.record.flow.remote}"
    evidence = lines(facts.answered.message, "Contact", "Record-Route")
    if ack is None and (facts.ended_by == EndReason.NO_ACK.value or len(copies) > 1):
        yield Hint("ack-not-received", f"{told}, and no ACK came", evidence, (last.record,))
    elif ack is not None and len(copies) >= MANY_COPIES:
        what = f"{told} until an ACK came"
        yield Hint("ack-not-received", what, evidence, (last.record, ack.record), Severity.WARNING)


def offered(facts: CallFacts) -> Hints:
    """What the caller describes of its media."""
    if facts.answered is None:
        return
    if facts.remote_description is None and facts.acknowledged is not None:
        what = "neither its INVITE nor its ACK has a session description"
        if description_of(facts.acknowledged.message):
            what = f"the session description in its ACK cannot be read: {facts.media_problem}"
        yield Hint("caller-describes-nothing", what, lines(facts.acknowledged.message))
    yield from placed(facts)
