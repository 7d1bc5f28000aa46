"""What the answers of a registrar come to: whether a user may register there, how, and what is odd about it. Pure."""

from collections.abc import Iterator, Sequence
from enum import Enum

from probes.calls.verdict import asked_to_wait, of_failure
from probes.registration.plan import (
    CANNOT_TELL,
    RegistrationProbe,
    Reply,
    Step,
    contacts_in,
    least_of,
    own_in,
)
from probes.result import CallKind, TimelineEntry, records_of
from sipcore.auth.session import AuthError
from sipcore.errors import FailureReason, ParseError, TransportFailure
from sipcore.message.address import Address
from sipcore.message.fields.contact import contact_expires
from sipcore.message.message import Response
from sipcore.message.registry import EXPIRES, P_ASSOCIATED_URI, PATH, SERVICE_ROUTE, Row
from sipcore.message.uri import SipUri
from sipcore.registration.binding import is_same, read_or_none
from sipcore.registration.keeper import INTERVAL_TOO_BRIEF
from sipcore.resolve.target import Hop
from sipcore.trace import TraceRecord
from sipcore.value import value


class RegistrationKind(Enum):
    """How a test of a registration ended; but for the first three, as test calls end (`CallKind`)."""

    REGISTERED = "registered"
    """A contact was registered."""
    ACCEPTED = "accepted"
    """The registrar told who is registered, which it tells to the user only; nothing was changed."""
    NOBODY = "nobody"
    """The registrar told that nobody is registered, and somebody has to be."""
    REJECTED = CallKind.REJECTED.value
    AUTHENTICATION = CallKind.AUTHENTICATION.value
    UNRESOLVABLE = CallKind.UNRESOLVABLE.value
    REFUSED = CallKind.REFUSED.value
    UNREACHABLE = CallKind.UNREACHABLE.value
    NO_ANSWER = CallKind.NO_ANSWER.value
    TLS_FAILED = CallKind.TLS_FAILED.value
    NOT_SIP = CallKind.NOT_SIP.value
    NOT_ALLOWED = CallKind.NOT_ALLOWED.value
    OWN_FAULT = CallKind.OWN_FAULT.value
    INTERRUPTED = CallKind.INTERRUPTED.value


class Oddity(Enum):
    """What is odd about the answers, and the section that says so."""

    OPEN = ("no credentials were wanted: whoever gets here may be registered as this user", "RFC 3261 §10.3")
    UNLISTED = ("the answer does not list the contact that was registered", "RFC 3261 §10.3")
    UNDATED = ("the answer does not say for how long the contact is registered", "RFC 3261 §10.3")
    DISPLACED = ("a contact that was registered before is gone: the registrar takes no more beside", "RFC 3261 §10.3")
    STAYS = ("the contact could not be removed: calls go there until it runs out", "RFC 3261 §10.2.2")

    def __init__(self, text: str, section: str) -> None:
        self.text = text
        self.section = section

    @property
    def code(self) -> str:
        """Its name, for programs."""
        return self.name.lower()


@value
class Contact:
    """A contact that a registrar lists, and for how many seconds more; None where it does not say."""

    uri: str
    expires: int | None


@value
class RegistrationReport:
    """What was found out about one user at one registrar.

    `before` are the contacts that were registered before, None where that was not told. `granted` is for how many
    seconds the contact was registered, `least` the shortest interval where the one asked for was too short for the
    registrar. `removed` is whether the contact was removed, None where none was registered. `seen_as` is the address
    that requests come from as the registrar sees it.
    """

    aor: SipUri
    hop: Hop | None
    kind: RegistrationKind
    why: str
    advice: str = ""
    replies: tuple[Reply, ...] = ()
    before: tuple[Contact, ...] | None = None
    contact: str = ""
    asked: int = 0
    granted: int | None = None
    least: int | None = None
    removed: bool | None = None
    seen_as: str = ""
    service_route: tuple[str, ...] = ()
    """By which requests of the user go (RFC 3608)."""
    path: tuple[str, ...] = ()
    """By which requests to the contact come (RFC 3327)."""
    associated: tuple[str, ...] = ()
    """Other addresses of the same user (RFC 7315 §4.1)."""
    oddities: tuple[Oddity, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    epoch_ns: int = 0
    """Nanoseconds from 1970, UTC, to where the times of trace records begin: what makes dates out of them."""

    @property
    def records(self) -> tuple[TraceRecord, ...]:
        """The evidence behind the timeline, in its order."""
        return records_of(self.timeline)

    @property
    def works(self) -> bool:
        """Whether the user may register, and somebody is registered where that is expected."""
        return self.kind in (RegistrationKind.REGISTERED, RegistrationKind.ACCEPTED)


_Ending = tuple[RegistrationKind, str, str]
"""The kind, why, and what to try."""

_PASSWORD = "give the user's password"
_ADVICE = {
    400: "the registrar finds the request malformed; its reason phrase or Warning says what",
    401: _PASSWORD,
    403: "the registrar knows the user and refuses: is the account locked, or tied to another address or transport?",
    404: "the user is unknown there: check the user, and the domain behind the @",
    405: "it takes no registrations: register with the domain's registrar",
    406: "the registrar wants something else; its Warning may say what",
    407: _PASSWORD,
    408: "a server behind it did not answer in time",
    420: "the registrar wants an extension that is not offered",
    480: "the registrar is not available at the moment",
    500: "the registrar failed; its log says why",
    501: "it takes no registrations: register with the domain's registrar",
    503: "the registrar is overloaded, or in maintenance; try later, or another one",
    504: "a server behind the registrar did not answer",
}
_ADVICE_OF_NOBODY = "see at the phone or PBX why it no longer registers: its password, its network, its interval"
_BESIDE = "--beside registers beside them; a registrar that takes one contact only removes the others then"
_BESIDE_ANYHOW = "--beside registers without knowing who is; a registrar that takes one contact only removes the others"


def judge(
    probe: RegistrationProbe,
    hop: Hop | None,
    replies: Sequence[Reply],
    failure: TransportFailure | None = None,
    *,
    interrupted: bool = False,
) -> RegistrationReport:
    """What all the replies come to. `failure` is why nothing could be asked, where nothing could; `interrupted` is
    whether it was given up before its end.
    """
    kind, why, advice = _ending(probe, replies, failure, interrupted=interrupted)
    asked, bound, removal = (_last(replies, step) for step in Step)
    done = bound is not None and bound.is_success
    own = own_in(bound, bound.contact) if bound is not None else None
    answer = next((reply.response for reply in reversed(replies) if reply.response is not None), None)
    granted = _granted(bound, own) if bound is not None and done else None
    return RegistrationReport(
        probe.destination.aor,
        hop,
        kind,
        why,
        advice,
        tuple(replies),
        before=tuple(map(_listed, contacts_in(asked))) if asked is not None and asked.is_success else None,
        contact=str(bound.contact.uri) if bound is not None and bound.contact is not None else "",
        asked=probe.expires,
        granted=granted,
        least=next((least for reply in replies if (least := least_of(reply))), None),
        removed=_is_removed(removal) if removal is not None else False if done else None,
        seen_as=_seen_as(answer) if answer is not None else "",
        service_route=_texts(bound, SERVICE_ROUTE),
        path=_texts(bound, PATH),
        associated=_texts(bound if done else asked, P_ASSOCIATED_URI),
        oddities=tuple(_oddities(asked, bound, removal)),
    )


def _last(replies: Sequence[Reply], step: Step) -> Reply | None:
    return next((reply for reply in reversed(replies) if reply.question.step is step), None)


def _ending(
    probe: RegistrationProbe, replies: Sequence[Reply], failure: TransportFailure | None, *, interrupted: bool
) -> _Ending:
    if failure is not None:
        return _of_failure(failure)
    bound = _last(replies, Step.BIND)
    if bound is not None and bound.is_success:
        return _of_binding(bound, _last(replies, Step.REMOVE))
    if interrupted or not replies:
        return RegistrationKind.INTERRUPTED, "interrupted here", ""
    last = bound or replies[-1]
    if not last.is_success:
        return _of_refusal(probe, last)
    count = len(contacts_in(last))
    if probe.expects_contact:
        return _of_expected(count)
    if probe.asks_only or not count:
        return RegistrationKind.ACCEPTED, "the registrar tells who is registered; nothing was changed", ""
    told = f"{_several(count)} registered already, so nothing was changed"
    return RegistrationKind.ACCEPTED, told, _BESIDE


def _of_expected(count: int) -> _Ending:
    """Whether somebody is registered who has to be."""
    if count:
        return RegistrationKind.ACCEPTED, f"{_several(count)} registered, as expected; nothing was changed", ""
    return RegistrationKind.NOBODY, "nobody is registered, so that no call gets there", _ADVICE_OF_NOBODY


def _several(count: int) -> str:
    return "1 contact is" if count == 1 else f"{count} contacts are"


def _of_failure(failure: TransportFailure) -> _Ending:
    verdict = of_failure(failure)
    return RegistrationKind(verdict.kind.value), verdict.why, verdict.advice


def _of_binding(bound: Reply, removal: Reply | None) -> _Ending:
    granted = _granted(bound, own_in(bound, bound.contact))
    lasts = f"accepted for {granted} s"
    if removal is None:
        return RegistrationKind.REGISTERED, f"{lasts}, and interrupted before it was removed", ""
    if _is_removed(removal):
        return RegistrationKind.REGISTERED, f"{lasts}, and removed again", ""
    return RegistrationKind.REGISTERED, f"{lasts}, but not removed: {_said(removal)}", "remove it at the registrar"


def _of_refusal(probe: RegistrationProbe, last: Reply) -> _Ending:
    """What a REGISTER comes to that was not done."""
    response, failure = last.response, last.failure
    if isinstance(failure, TransportFailure):
        return _of_failure(failure)
    if response is None:
        silence = TransportFailure(FailureReason.TIMED_OUT, f"no answer within {probe.timeout:g} s", section="")
        return _of_failure(silence)
    said = _said(last)
    if isinstance(failure, AuthError):
        return RegistrationKind.AUTHENTICATION, said, failure.advice
    if response.status in (401, 407):
        return RegistrationKind.AUTHENTICATION, f"{said}: credentials are wanted", _ADVICE[response.status]
    if 300 <= response.status < 400:
        where = ", ".join(response.headers.get_all("Contact")) or "no Contact given"
        return RegistrationKind.REJECTED, f"{said}: {where}", "register there"
    warning = response.headers.get("Warning")
    advice = f"the registrar says: {warning}" if warning else _ADVICE.get(response.status, "")
    if response.status == INTERVAL_TOO_BRIEF:
        least = response.headers.get("Min-Expires")
        advice = f"ask for --expires {least}" if least and least.isdecimal() else "ask for a longer --expires"
        said = f"{said}: {last.question.expires} s are too short" + (f", {least} s the least" if least else "")
    elif last.question.step is Step.ASK and response.status in CANNOT_TELL:
        advice = advice or ("" if probe.expects_contact else _BESIDE_ANYHOW)
        said = f"{said}, to who asks which contacts are registered"
    return RegistrationKind.REJECTED, f"{said}{asked_to_wait(response)}", advice


def _said(reply: Reply) -> str:
    """What came back, in a few words."""
    told = f"{reply.response.status} {reply.response.reason}".strip() if reply.response is not None else ""
    if reply.failure is not None:
        return f"{told}: {reply.failure.message}".removeprefix(": ")
    return told or "no answer"


def _granted(bound: Reply, own: Address | None) -> int:
    """Seconds that a contact was registered for (§10.2.4): its own, else those of the message, else those asked for."""
    given = _told_expires(bound.response, own)
    return bound.question.expires if given is None else given


def _told_expires(response: Response | None, own: Address | None) -> int | None:
    given = contact_expires(own) if own is not None else None
    if given is None and response is not None:
        header = read_or_none(response, EXPIRES)
        given = header if isinstance(header, int) else None
    return given


def _is_removed(removal: Reply) -> bool:
    return removal.is_success and own_in(removal, removal.contact) is None


def _listed(contact: Address) -> Contact:
    return Contact(str(contact.uri), contact_expires(contact))


def _seen_as(response: Response) -> str:
    """Where our requests come from, by the topmost Via of an answer (RFC 3261 §18.2.1, RFC 3581 §4); empty where it
    does not tell.
    """
    try:
        via = response.via
    except ParseError:
        return ""
    if via.received is None and via.rport is None:
        return ""
    host = via.received or via.host
    host = f"[{host.strip('[]')}]" if ":" in host else host
    return f"{host}:{via.rport}" if via.rport is not None else host


def _texts(reply: Reply | None, row: Row[object]) -> tuple[str, ...]:
    if reply is None or reply.response is None or not reply.is_success:
        return ()
    found = read_or_none(reply.response, row)
    return tuple(str(each) for each in found) if isinstance(found, tuple) else ()


def _oddities(asked: Reply | None, bound: Reply | None, removal: Reply | None) -> Iterator[Oddity]:
    if bound is None or not bound.is_success:
        return
    own = own_in(bound, bound.contact)
    if own is None:
        yield Oddity.UNLISTED
    elif _told_expires(bound.response, own) is None:
        yield Oddity.UNDATED
    if not bound.authenticated:
        yield Oddity.OPEN
    after = contacts_in(bound)
    if asked is not None and any(not any(is_same(one, each) for each in after) for one in contacts_in(asked)):
        yield Oddity.DISPLACED
    if removal is not None and not _is_removed(removal):
        yield Oddity.STAYS
