"""All that is wrong with a call, the worst first: each rule reads the facts, and says what it finds."""

import re
from collections.abc import Callable, Iterator

from probes.calls.judge import dialog, fallback, incoming, media, refusal, session
from probes.calls.judge.facts import CallFacts
from probes.calls.judge.hint import Hint
from probes.findings.catalogue import catalogue
from probes.findings.finding import Finding, Severity
from probes.report.safe_text import cover_lines
from probes.result import CallKind, CallRole, CallStatus
from sipcore.covering import cover_uris
from sipcore.endpoint.faults import Faults
from sipcore.errors import ParseError

Rule = Callable[[CallFacts], Iterator[Hint]]

RULES: dict[CallRole, tuple[Rule, ...]] = {
    CallRole.CALLER: (
        *(refusal.refused, refusal.silent, refusal.cancelled, refusal.discarded),
        *(dialog.rewritten, dialog.acknowledged, dialog.addressed, dialog.hung_up, dialog.timers),
        *(fallback.fell_back, dialog.repeated, dialog.slow, dialog.mistaken),
        *(session.described, session.exposed),
        *(media.withheld, media.none, media.flowing, media.heard),
    ),
    CallRole.CALLEE: (
        *(incoming.waited, incoming.unusable, incoming.given_up, incoming.unacknowledged, incoming.offered),
        *(dialog.rewritten, dialog.addressed, fallback.fell_back, dialog.hung_up, dialog.repeated, dialog.mistaken),
        *(session.exposed, media.withheld, media.none, media.flowing),
    ),
}
"""The rules of each side."""
EXPLAINED = {
    "answer-does-not-fit": {"nothing-answers", "cancel-lost"},
    "sip-alg": {
        "contact-narrow",
        "record-route-narrow",
        "contact-unreachable",
        "dialog-falls-back",
        "ack-lost",
        "no-rtp-in",
        "bye-lost",
        "cancel-lost",
    },
    "contact-narrow": {"contact-unreachable", "dialog-falls-back", "ack-lost", "bye-lost"},
    "record-route-narrow": {
        *("record-route-unreachable", "contact-unreachable", "dialog-falls-back", "ack-lost", "bye-lost"),
    },
    "contact-unreachable": {"bye-lost"},
    "record-route-unreachable": {"bye-lost"},
    "ack-lost": {"bye-lost"},
    "ack-not-received": {"bye-lost", "no-rtp-in", "caller-describes-nothing"},
    "sdp-private-address": {"no-rtp-in", "no-rtp-out", "rtp-from-elsewhere", "media-port-closed"},
    "sdp-address-family": {"no-rtp-in", "no-rtp-out", "rtp-from-elsewhere", "media-port-closed"},
    "media-not-allowed": {"no-rtp-in", "no-rtp-out", "media-port-closed"},
    "media-held": {"no-rtp-in", "no-rtp-out", "rtp-from-elsewhere"},
    "ice-only": {"no-rtp-in", "no-rtp-out", "sdp-private-address", "media-port-closed"},
    "media-refused": {"answer-unusable"},
    "profile-changed": {"answer-unusable"},
    "srtp-keys-missing": {"answer-unusable"},
    "codec-not-offered": {"answer-unusable", "codec-not-agreed"},
    "answer-missing": {"answer-unusable"},
    "rtp-stops": {"rtp-gaps"},
    "rtp-loss": {"rtp-gaps"},
}
"""What needs no telling once its cause is told."""
_PASSING = Severity.WARNING
"""How bad a mistake is that the call did not suffer from."""
_word = re.compile(r"[A-Za-z0-9]+")


def find(facts: CallFacts) -> tuple[Finding, ...]:
    """The findings of a call, the worst first; what another one explains is left out.

    A mistake of this program in a rule is logged, and found (`own-fault`); the other rules are followed all the same.
    """
    faults = Faults()
    hints = [hint for rule in RULES[facts.role] for hint in _applied(rule, facts, faults)]
    found = {hint.code for hint in hints}
    explained = {code for cause in found for code in EXPLAINED.get(cause, ())}
    known = catalogue()
    systems = _word.findall(facts.banner)
    return known.ranked(
        known.finding(
            hint.code,
            cover_uris(hint.what),  # a URI of a peer may have a password (RFC 3261 §19.1.1)
            tuple(map(cover_lines, hint.evidence)),
            systems=systems,
            severity=hint.severity,
            records=hint.records,
        )
        for hint in hints
        if hint.code not in explained
    )


def _applied(rule: Rule, facts: CallFacts, faults: Faults) -> list[Hint]:
    """What a rule finds, until it meets a message that it cannot read, or a mistake of its own."""
    hints: list[Hint] = []
    try:
        hints += rule(facts)
    except ParseError:
        return hints
    except Exception as error:  # noqa: BLE001  # see sipcore.endpoint.faults: it costs this rule, for this call
        told = faults.record(error, f"the rule {rule.__module__.rpartition('.')[2]}.{rule.__name__}", 0.0)
        evidence = f"over {told.what}: {told.error} ({told.place})"
        what = f"{told.what} made a mistake: what it would have found is not told"
        hints.append(Hint("own-fault", what, (evidence,), (), _PASSING))
    return hints


def status_of(facts: CallFacts) -> CallStatus:
    """How a call ended: as the test call knows it, or else by what was said alone, and pending while there is no final
    response.
    """
    if facts.kind is not None:
        return facts.kind.status
    if facts.final is None:
        return CallStatus.PENDING
    status = facts.final[1].status
    return CallStatus.CONNECTED if status < 300 else CallKind.of_refusal(status).status


def progress_of(status: CallStatus, *, rang: bool, answered: bool, over: bool) -> str:
    """The word of the HTTP interface for how far a call is: its `status`, whose `result` is a `CallStatus`."""
    if status is CallStatus.PENDING or not over:
        return "in-progress" if answered else "ringing" if rang else "initiated"
    words = {CallStatus.CONNECTED: "completed", CallStatus.BUSY: "busy", CallStatus.NO_ANSWER: "no-answer"}
    return words.get(status, "failed")
