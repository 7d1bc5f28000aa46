"""Why a call was not set up: by its final response, or by there being none."""

import re
from collections.abc import Iterator

from probes.calls.judge.facts import CallFacts
from probes.calls.judge.hint import Hint, lines
from probes.calls.judge.said import Said, audio_of
from probes.calls.verdict import asked_to_wait
from probes.findings.finding import Severity
from probes.result import CallKind
from sipcore.auth.session import AuthRefusal
from sipcore.dialogs.session import description_of
from sipcore.errors import ParseError
from sipcore.media.terms import WITH_HANDSHAKE, WITH_KEYS
from sipcore.message.fields.challenge import Challenge
from sipcore.message.message import Response
from sipcore.message.method import CANCEL, INVITE
from sipcore.message.registry import (
    PROXY_AUTHENTICATE,
    REQUIRE,
    UNSUPPORTED,
    WARNING,
    WWW_AUTHENTICATE,
)
from sipcore.message.status import TRYING
from sipcore.sdp.description import MediaDescription, SessionDescription
from sipcore.transports.tls_failure import TlsProblem

Hints = Iterator[Hint]
CROSSED = 1.0
"""Seconds within which an answer may have been under way when a CANCEL was answered (RFC 3261 §9.1)."""
WAITED = 2.0
"""Seconds of a capture behind a CANCEL from which on something should have come of it."""

_CODES = {
    400: "request-malformed",
    402: "call-refused",
    404: "number-unknown",
    405: "calls-not-taken",
    406: "body-refused",
    408: "callee-timeout",
    410: "number-gone",
    413: "request-too-large",
    414: "request-too-large",
    415: "body-refused",
    416: "scheme-refused",
    422: "session-timer-too-small",
    428: "identity-wanted",
    433: "anonymity-refused",
    436: "identity-wanted",
    437: "identity-wanted",
    438: "identity-wanted",
    480: "callee-unavailable",
    481: "call-state-lost",
    482: "call-loops",
    483: "call-loops",
    484: "number-incomplete",
    485: "number-ambiguous",
    486: "callee-busy",
    487: "call-cancelled",
    493: "body-refused",
    500: "peer-failed",
    501: "calls-not-taken",
    502: "route-failed",
    504: "route-failed",
    505: "version-refused",
    513: "request-too-large",
    580: "media-refused",
    600: "callee-busy",
    603: "call-declined",
    604: "number-unknown",
    607: "call-blocked",
    608: "call-blocked",
}
_SHOWN = (
    "Warning",
    "Reason",
    "Retry-After",
    "Require",
    "Unsupported",
    "Contact",
    "Accept",
    "Min-SE",
    "Allow",
    "Server",
)
"""The header fields of a refusal that say why."""
_NOBODY = {
    CallKind.UNRESOLVABLE: "no-address",
    CallKind.REFUSED: "refused",
    CallKind.UNREACHABLE: "no-way-there",
    CallKind.NO_ANSWER: "nothing-answers",
    CallKind.NOT_SIP: "not-sip",
    CallKind.NOT_ALLOWED: "not-allowed",
    CallKind.CERTIFICATE_WANTED: "tls-client-certificate-required",
}
_SECURITY = re.compile(r"srtp|crypto|encrypt|secure|savp|dtls|transport protocol|fingerprint", re.IGNORECASE)
_FORMATS = re.compile(r"codec|format|media type|payload|transcod", re.IGNORECASE)
_PROTOCOL_WARNING, _FORMAT_WARNING = 302, 305
"""RFC 3261 §20.43: transport protocols, and formats of media, that do not go together."""
_USUAL = {"PCMU", "PCMA"}
"""Codecs that everybody has: who refuses them most likely refuses something else."""
_EVENTS = "TELEPHONE-EVENT"
"""What stands among the codecs, and is none."""
MANY_ROUNDS = 3
"""Challenges of one call, from which on they are a circle: two servers in a row may ask once each."""


def refused(facts: CallFacts) -> Hints:
    """What is behind a final response from 300 to 699."""
    if facts.final is None or facts.final[1].is_success or _given_up(facts):
        return
    said, response = facts.final
    status = response.status
    if status in (401, 407):
        yield _challenged(facts, said, response)
    elif status == 403:
        yield _forbidden(facts, said, response)
    elif status in (488, 606):
        yield _media(facts, said, response)
    elif status == 420:
        yield _tags(said, response, UNSUPPORTED.name, "prack-refused", "extension-refused", "does not know")
    elif status == 421:
        yield _tags(said, response, REQUIRE.name, "prack-required", "extension-wanted", "requires")
    elif status == 503:
        yield _unavailable(said, response)
    elif 300 <= status < 400:
        contacts = ", ".join(response.headers.get_all("Contact")) or "nowhere: it has no Contact"
        yield _hint("call-redirected", f"{_start(response)}: the call is to go to {contacts}", said, response)
    else:
        family = "call-refused" if status < 500 or status >= 600 else "peer-failed"
        code = _CODES.get(status, family)
        yield _hint(code, _refusal(response), said, response)


def silent(facts: CallFacts) -> Hints:
    """Why there is no final response, or only the one that giving up brought about."""
    if facts.kind is CallKind.OWN_FAULT:
        return
    if facts.kind is CallKind.INTERRUPTED or (facts.final is not None and not _given_up(facts)):
        return
    if facts.kind is CallKind.TLS_FAILED:
        problem = next((one for one in TlsProblem if one.text in facts.why), TlsProblem.HANDSHAKE)
        what = facts.why.removesuffix(f": {problem.advice}")  # which is the cure
        yield Hint(f"tls-{problem.name}", what, severity=Severity.ERROR)  # whatever it would be beside a way that works
    elif not facts.answers:
        code = _NOBODY.get(facts.kind) if facts.kind else None
        if code is not None or (facts.kind is None and facts.invite is not None):
            nothing = "open-but-silent" if facts.was_open else "nothing-answers"
            yield Hint(nothing if code in (None, "nothing-answers") else code, facts.why or "no response to the INVITE")
    elif facts.kind is not None or _given_up(facts):
        before = [response for _, response in facts.answers if response.is_provisional]
        evidence = tuple(line for each in before[-1:] for line in lines(each))
        if facts.early:
            yield Hint("early-media-only", "media came before an answer, and the answer never did", evidence)
        elif facts.rang:
            yield Hint("nobody-answers", "it rang, and nobody answered", evidence)
        else:
            yield Hint("no-progress", "the peer is trying, and says no more", evidence)


def cancelled(facts: CallFacts) -> Hints:
    """Whether a CANCEL has ended the call, as RFC 3261 §9.2 has it: by a final response to the INVITE."""
    sent = facts.requests(CANCEL, sent=True)
    if not sent:
        return
    said, request = sent[0]
    finals = [(each, one) for each, one in facts.answers if not one.is_provisional]
    final = next((each for each, one in finals if one.cseq.number == request.cseq.number), None)
    answer = next((each for each in facts.responses(CANCEL) if not each[1].is_provisional), None)
    if answer is None:
        copies = len([each for each in facts.said if each.sent and each.message == request])
        if final is None and _has_waited(facts, said):
            what = f"the CANCEL was sent {copies} times to {said.record.flow.remote}, and never answered"
            yield Hint("cancel-lost", what, lines(request, "Route"), (said.record,))
        return
    came, confirmed = answer
    evidence, records = (*lines(request), *lines(confirmed)), (said.record, came.record)
    if final is None and _has_waited(facts, came):
        later = [one.status for each, one in facts.responses(INVITE, again=True) if each.at > came.at]
        rings = max(later, default=TRYING) > TRYING
        still = "and it goes on ringing" if rings else "and the INVITE has no final response"
        yield Hint("cancel-ignored", f"the CANCEL was answered {_start(confirmed)}, {still}", evidence, records)
    elif final is not None and final is facts.answered and final.at - came.at > CROSSED:
        after = final.at - came.at
        what = f"the call was answered {after:.1f} s after the CANCEL had been answered {_start(confirmed)}"
        yield Hint("cancel-ignored", what, evidence, records)


def _has_waited(facts: CallFacts, since: Said) -> bool:
    """Whether it was seen that nothing more came: a test call waits for it, and a capture may end before."""
    return facts.kind is not None or facts.said[-1].at - since.at >= WAITED


def discarded(facts: CallFacts) -> Hints:
    """What came and was no answer to this client, where nothing else was."""
    if facts.discarded and facts.final is None:
        said, response = facts.discarded[-1]
        what = f"{_start(response)} came with more than one Via, and was discarded: it belongs to somebody else"
        yield _hint("answer-does-not-fit", what, said, response, "Via")


def _given_up(facts: CallFacts) -> bool:
    """Whether the caller did not wait any longer, whatever came then."""
    return facts.given_up or bool(facts.requests("CANCEL", sent=True))


# By status


def _challenged(facts: CallFacts, said: Said, response: Response) -> Hint:
    asked = [challenge for _, each in facts.answers for challenge in challenges(each)]
    realms = list(dict.fromkeys(challenge.realm or "" for challenge in challenges(response)))
    named = ", ".join(f'"{realm}"' for realm in realms)
    rounds = sum(each.status in (401, 407) for _, each in facts.answers)
    shown = (PROXY_AUTHENTICATE.name, WWW_AUTHENTICATE.name)
    if not asked:
        return _hint("challenge-missing", f"{_start(response)}, and no challenge with it", said, response)
    if facts.authentication == AuthRefusal.UNSUPPORTED.value:
        return _hint("auth-unsupported", facts.why, said, response, *shown)
    if not facts.proven:
        what = f"{_start(response)}: credentials are wanted for the realm {named}"
        if facts.authentication == AuthRefusal.WRONG_HOST.value:
            withheld = f"{facts.why or what}; the request had gone to a host that they are not for"
            return _hint("credentials-not-for-host", withheld, said, response, *shown)
        if facts.authentication == AuthRefusal.NO_ACCOUNT.value:
            return _hint("realm-mismatch", f"{what}, and those given are for another", said, response, *shown)
        return _hint("credentials-wanted", f"{what}, and none were given", said, response, *shown)
    stale = [challenge for challenge in challenges(response) if challenge.stale]
    if rounds >= MANY_ROUNDS or stale or facts.authentication == AuthRefusal.LOOP.value:
        what = f"the peer asked for credentials {rounds} times, and never took them"
        return _hint("auth-loop", what, said, response, *shown)
    what = f"{_start(response)}: the credentials for the realm {named} were not accepted"
    return _hint("credentials-refused", what, said, response, *shown)


def challenges(response: Response) -> list[Challenge]:
    """What a response asks for; what cannot be read of it is left out."""
    found: list[Challenge] = []
    for row in (WWW_AUTHENTICATE, PROXY_AUTHENTICATE):
        for text in response.headers.get_all(row.name):
            try:
                first = Challenge.parse(text, [])
            except ParseError:
                continue
            found += (first, *first.combined)
    return found


def _forbidden(facts: CallFacts, said: Said, response: Response) -> Hint:
    words = _own_words(response)
    if facts.proven:
        return _hint("caller-not-allowed", f"{_start(response)} after credentials were given{words}", said, response)
    if facts.rang:
        return _hint("call-declined", f"{_start(response)} after it had rung{words}", said, response)
    what = f"{_start(response)} at once, and no credentials were asked for{words}"
    return _hint("source-not-trusted", what, said, response)


def _media(facts: CallFacts, said: Said, response: Response) -> Hint:
    """488: encryption or codecs, by what the peer says; where it says nothing, both in the order that is likely."""
    audio = audio_of(facts.offer)
    secure = audio is not None and audio.protocol in (*WITH_KEYS, *WITH_HANDSHAKE)
    codecs = [codec.encoding for codec in audio.codecs] if audio is not None else []
    usual = bool(_USUAL & {codec.upper() for codec in codecs})
    codes, text = _warning(response)
    offered = f"offered was {audio.protocol} with {', '.join(codecs)}" if audio is not None else "nothing was offered"
    what = f"{_start(response)}{_own_words(response)}; {offered}"
    code = _by_description(response, audio) if audio is not None else ""
    if code:
        return _hint(code, what, said, response)
    if _PROTOCOL_WARNING in codes or _SECURITY.search(text):
        code = "srtp-refused" if secure else "srtp-demanded"
    elif _FORMAT_WARNING in codes or _FORMATS.search(text):
        code = "codec-refused"
    elif secure:
        code, what = "secure-offer-refused", f"{what}, and nothing is said about why"
    elif usual:
        code, what = "offer-refused", f"{what}, and nothing is said about why"
    else:
        code, what = "codec-offer-refused", f"{what}, and nothing is said about why"
    return _hint(code, what, said, response)


def _by_description(response: Response, offered: MediaDescription) -> str:
    """What a peer refuses that describes what it would take (RFC 3261 §21.4.26); empty where it does not say."""
    try:
        body = description_of(response)
        audio = audio_of(SessionDescription.parse(body, [])) if body else None
    except ParseError:
        return ""
    if audio is None:
        return ""
    secure, wanted = (each.protocol in (*WITH_KEYS, *WITH_HANDSHAKE) for each in (offered, audio))
    if secure is not wanted:
        return "srtp-demanded" if wanted else "srtp-refused"
    names, others = ({codec.encoding.upper() for codec in each.codecs} for each in (offered, audio))
    return "codec-refused" if others - {_EVENTS} and not (names & others) - {_EVENTS} else ""


def _tags(said: Said, response: Response, field: str, prack: str, other: str, verb: str) -> Hint:
    """420 and 421: an extension that one of both sides lacks."""
    tags = ", ".join(response.headers.get_all(field)) or "something that it does not name"
    code = prack if "100rel" in tags.lower() else other
    return _hint(code, f"{_start(response)}: the peer {verb} {tags}", said, response)


def _unavailable(said: Said, response: Response) -> Hint:
    code = "peer-overloaded" if asked_to_wait(response) else "service-unavailable"
    return _hint(code, _refusal(response), said, response)


def _refusal(response: Response) -> str:
    """A refusal, with what it says itself of when to come back, and why."""
    return f"{_start(response)}{asked_to_wait(response)}{_own_words(response)}"


def _start(response: Response) -> str:
    return f"{response.status} {response.reason}".strip()


def _warning(response: Response) -> tuple[set[int], str]:
    """The codes of its warnings, and all that it says in words."""
    try:
        codes = {warning.code for warning in response[WARNING]}
    except ParseError:
        codes = set()
    words = [response.reason.removeprefix("Not Acceptable Here"), *response.headers.get_all("Warning")]
    return codes, " ".join(words)


def _own_words(response: Response) -> str:
    """What the peer itself says is wrong (RFC 3261 §20.43), which beats any guess."""
    told = response.headers.get_all("Warning") or response.headers.get_all("Reason")
    return f"; the peer says: {told[0]}" if told else ""


def _hint(code: str, what: str, said: Said, response: Response, *shown: str, severity: Severity | None = None) -> Hint:
    return Hint(code, what, lines(response, *shown, *_SHOWN), (said.record,), severity)
