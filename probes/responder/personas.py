"""What the responder does with what comes in, as values: who it is, and the plan for each request and call.

A `Persona` says how calls are dealt with. Left to the caller, the user part of the called URI decides, by MANNERS: a
phone can then try every ending of a call by dialling it.
"""

import math
from dataclasses import replace
from typing import TypeAlias

from probes.calls.expect import Expectation
from probes.calls.headers import require_header
from probes.calls.script import DIGIT_SECONDS, MAX_INTERVAL, RELIABLE, Ends, Reliable, require_digits, require_ptime
from sipcore.auth.server import ServerPolicy, Users
from sipcore.dialogs.expiry import Expiry
from sipcore.dialogs.manner import MIN_INTERVAL, is_supported
from sipcore.dialogs.manner import Manner as DialogManner
from sipcore.errors import LocalError, ParseError
from sipcore.grammar import require_safe
from sipcore.media.terms import PROFILES, Encryption, Wishes
from sipcore.message.fields.media_type import MediaType
from sipcore.message.fields.reason import warning_of
from sipcore.message.message import Request
from sipcore.message.registry import ACCEPT, CONTENT_TYPE, REQUIRE
from sipcore.message.uri import SipUri, Uri
from sipcore.sdp.attributes import G722, PCMA, PCMU, Codec
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.negotiation import Capability, Choice, choose
from sipcore.sdp.terms import SDP
from sipcore.value import value

RINGING, SESSION_PROGRESS, OK, MOVED_TEMPORARILY = 180, 183, 200, 302
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, METHOD_NOT_ALLOWED, PROXY_AUTHENTICATION_REQUIRED = 401, 403, 404, 405, 407
UNSUPPORTED_MEDIA_TYPE, BUSY, REQUEST_TERMINATED, NOT_ACCEPTABLE = 415, 486, 487, 488
BAD_EXTENSION, EXTENSION_REQUIRED, INTERVAL_TOO_SMALL = 420, 421, 422
INTERNAL_ERROR = 500
UNAVAILABLE = 503
INCOMPATIBLE_PROTOCOL, INCOMPATIBLE_FORMAT = 302, 305
"""RFC 3261 §20.43: the warnings that go with a 488, for RTP where it is to be SRTP or the other way round, and for want
of a common codec."""
AGENT = "sipprobe"
"""Who warns."""
DEFAULT_SERVER = DEFAULT_REALM = "sipprobe"
OWN_FIELDS = frozenset({"server", "authentication-info", "proxy-authentication-info"})
"""What responses have from the responder itself, besides what no call lets be added (`headers.REFUSED`)."""
MAX_CALL_SECONDS = 3600.0
DEFAULT_CODECS = (PCMU, PCMA, G722)

Field: TypeAlias = tuple[str, object]


@value
class Manner:
    """How a call is dealt with. Times are in seconds.

    After `delay` it rings for `ring` (None: not at all), then gets its final response: `status` 200 answers, 3xx to
    6xx refuses, None never comes. `contact` is where a 3xx sends the caller.
    """

    ring: float | None = None
    delay: float = 0.0
    early_media: bool = False
    """Whether a 183 with a session description comes first, before `delay`."""
    status: int | None = OK
    contact: Uri | None = None
    hang_up_after: float | None = None
    """When an answered call is hung up here; None leaves that to the caller."""
    fields: tuple[Field, ...] = ()
    """Further header fields of a refusal."""

    def __post_init__(self) -> None:
        if self.status not in (None, OK) and not 300 <= self.status <= 699:
            raise LocalError(
                f"a call is refused with a status from 300 to 699, not {self.status}", section="RFC 3261 §21"
            )
        if not all(seconds is None or seconds >= 0 for seconds in (self.ring, self.delay, self.hang_up_after)):
            raise LocalError("a time is a number of seconds, 0 or more", section="RFC 3261 §13.3.1")


ANSWER = Manner()
MANNERS: dict[str, Manner] = {
    "echo": ANSWER,
    "ringecho": Manner(ring=1.0),
    "ring": Manner(ring=0.0, status=None),
    "early": Manner(early_media=True, delay=3.0),
    "hangup": Manner(hang_up_after=2.0),
    "busy": Manner(status=BUSY),
    "reject": Manner(status=FORBIDDEN),
    "unknown": Manner(status=NOT_FOUND),
    "congestion": Manner(status=UNAVAILABLE),
    "overloaded": Manner(status=UNAVAILABLE, fields=(("Retry-After", 120),)),
    "unready": Manner(status=BAD_EXTENSION, fields=(("Unsupported", "100rel"),)),
    "demanding": Manner(status=EXTENSION_REQUIRED, fields=(("Require", "100rel"),)),
    "picky": Manner(status=INTERVAL_TOO_SMALL, fields=(("Min-SE", 86_400),)),
    "stalled": Manner(early_media=True, status=None),
}
"""What the user part of a called URI selects, in lower case; a status code from 300 to 699 selects that refusal, and
any other user answers at once. `ring` rings until the caller gives up, `hangup` hangs up after two seconds; the last
five are callees that no caller can please, or only one that knows better."""


@value
class Guard:
    """Who may call: what is asked for, and who can answer it."""

    policy: ServerPolicy
    users: Users


@value
class Persona:
    """Who the responder is. `manner` None leaves it to the called user; `server` is its banner, "" for none."""

    manner: Manner | None = None
    silent: bool = False
    """Whether nothing at all is answered: connections are taken, TLS is spoken, and that is all."""
    codecs: tuple[Codec, ...] = DEFAULT_CODECS
    guard: Guard | None = None
    server: str = DEFAULT_SERVER
    encryption: Encryption = Encryption.ALLOW
    """Whether SRTP is taken where it is offered, refused, or demanded (488 for plain RTP)."""
    longest: float = MAX_CALL_SECONDS
    """Seconds after which a call is hung up here, so that callers who vanish do not stay for ever."""
    reliable: Reliable = Reliable.ON
    """Whether provisional responses are acknowledged (RFC 3262): never, where the caller wants it, or always, so that
    calls of those that cannot are refused."""
    session_interval: int = 0
    """For how long a session lasts without a refresh (RFC 4028), where the caller does not ask for less; 0 leaves it to
    the caller."""
    min_interval: int = MIN_INTERVAL
    """Seconds: callers that ask for less have to ask again."""
    refresher: Ends | None = None
    """Who is to refresh the session, where the caller leaves it open; None: the caller, if it can."""
    ice: bool = False
    """Whether the checks of a caller that does ICE are answered (RFC 8445 §2.5)."""
    ptime: float | None = None
    """Milliseconds of sound that the caller is asked to put into a packet; None asks for nothing."""
    digits: str = ""
    """Keys to send once the call is up (RFC 4733). Who sends some plays the known signal, and sends nothing back."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further header fields of the responses to an INVITE."""
    expect: Expectation | None = None
    """How calls are expected to end."""

    def __post_init__(self) -> None:
        """Raises UnsafeValue for texts that cannot stand in a header field, LocalError without any codec, and for a
        length, a packet time, digits or header fields that no call can have.
        """
        require_safe(self.server, "the banner")
        if self.guard is not None:
            require_safe(self.guard.policy.realm, "the realm")
        if not self.codecs:
            raise LocalError("a responder needs a codec", section="RFC 3264 §6")
        if not 0 < self.longest < math.inf:
            raise LocalError(f"no call can be hung up after {self.longest:g} s", section="RFC 3261 §15")
        for seconds in (self.session_interval or self.min_interval, self.min_interval):
            if not MIN_INTERVAL <= seconds <= MAX_INTERVAL:
                text = f"a session lasts {MIN_INTERVAL} s at least, and {MAX_INTERVAL} s at most"
                raise LocalError(text, section="RFC 4028 §4")
        if self.ptime is not None:
            require_ptime(self.ptime)
        require_digits(self.digits)
        for name, told in self.headers:
            require_header(name, told)
            if name.lower() in OWN_FIELDS:
                raise LocalError(f"{name} is written by the responder itself", section="RFC 3261 §7.3.1")

    @property
    def wishes(self) -> Wishes:
        """What is taken, or offered, of media."""
        return Wishes(self.codecs, self.encryption, ptime=self.ptime, ice=self.ice)

    def manner_of(self, manner: DialogManner) -> DialogManner:
        """How the engine is to deal with a call."""
        extensions = tuple(each for each in manner.extensions if each != RELIABLE or self.reliable is not Reliable.OFF)
        refresher = "uas" if self.refresher is Ends.US else "uac"
        interval = self.session_interval
        return replace(
            manner,
            extensions=extensions,
            interval=interval,
            min_interval=self.min_interval,
            refresher=refresher,
            codecs=self.codecs,
        )

    @property
    def reliably(self) -> bool | None:
        """Whether a 1xx is to be acknowledged; None leaves that to the caller, and to what the 1xx says."""
        return {Reliable.OFF: False, Reliable.ON: None, Reliable.REQUIRED: True}[self.reliable]

    def manner_for(self, called: Uri) -> Manner:
        """How a call to `called` is dealt with."""
        if self.manner is not None:
            return self.manner
        user = (called.decoded_user or "").lower() if isinstance(called, SipUri) else ""
        if len(user) == 3 and user.isascii() and user.isdecimal() and "300" <= user < "700":
            return Manner(status=int(user))
        return MANNERS.get(user, ANSWER)


@value
class Reply:
    """A response: its status, and header fields beyond those that every response has."""

    status: int
    fields: tuple[Field, ...] = ()
    describes: bool = False
    """Whether the body tells what the responder can do."""


@value
class Provisional:
    """Send a 1xx, with the session description or without, and to be acknowledged or not (`Persona.reliably`)."""

    status: int
    describes: bool = False
    reliably: bool | None = None


@value
class Wait:
    """Wait so many seconds, or until the call is over; None waits for that alone."""

    seconds: float | None


@value
class Accept:
    """Answer the call."""


@value
class HangUp:
    """End the answered call."""


Step: TypeAlias = Provisional | Wait | Accept | HangUp | Reply


@value
class CallPlan:
    """What to do with a call, step by step, until it is over; and what its offer comes down to.

    `offer` and `choice` are None for an INVITE without a session description: the responder offers then. `problem` is
    why an offer is refused.
    """

    steps: tuple[Step, ...]
    offer: SessionDescription | None = None
    choice: Choice | None = None
    problem: str = ""
    asks_again: bool = False
    """Whether the caller is to call again otherwise, and that is the call (RFC 4028 §7.3)."""


def plan_call(persona: Persona, invite: Request) -> CallPlan:
    """What to do with a call."""
    looked = _look_at_extensions(persona, invite) or _look_at_offer(persona, invite)
    if isinstance(looked, CallPlan):
        return looked
    offer, choice = looked
    manner, reliably = persona.manner_for(invite.uri), persona.reliably
    steps: list[Step] = []
    if manner.early_media:
        # RFC 3261 §13.2.1: an offer may not stand in a 1xx that can get lost, an answer may.
        steps.append(Provisional(SESSION_PROGRESS, offer is not None, reliably))
    if manner.delay:
        steps.append(Wait(manner.delay))
    if manner.ring is not None:
        steps.append(Provisional(RINGING, reliably=reliably))
    if manner.ring:
        steps.append(Wait(manner.ring))
    return CallPlan((*steps, *_ending(persona, manner)), offer, choice)


def answer_options(persona: Persona, request: Request, allow: str) -> Reply:
    """What to answer to OPTIONS: the status that an INVITE would get (RFC 3261 §11.2), and what can be done here."""
    fields: tuple[Field, ...] = (("Allow", allow), ("Accept", SDP), ("Supported", ""))
    manner = persona.manner_for(request.uri)
    if manner.status is None or manner.status == OK:
        return Reply(OK, fields, describes=accepts_sdp(request))
    return Reply(manner.status, (*fields, *_contact(manner), *manner.fields))


def refuse_method(allow: str) -> Reply:
    """What to answer to any other request (RFC 3261 §8.2.1)."""
    return Reply(METHOD_NOT_ALLOWED, (("Allow", allow),))


def accepts_sdp(request: Request) -> bool:
    """Whether a session description may come back: Accept covers it, or there is none (RFC 3261 §20.1)."""
    if ACCEPT.name not in request.headers:
        return True
    try:
        ranges = request[ACCEPT]
    except ParseError:
        return False
    covering = sorted(
        (media for media in ranges if media.covers(_SDP_TYPE)), key=lambda media: media.essence.count("*")
    )
    # Of several that cover it the most specific decides (RFC 2616 §14.1, which RFC 3261 §20.1 refers to).
    return bool(covering) and covering[0].q > 0


_SDP_TYPE = MediaType("application", "sdp")


def _ending(persona: Persona, manner: Manner) -> tuple[Step, ...]:
    if manner.status is None:
        return (Wait(None),)
    if manner.status != OK:
        return (Reply(manner.status, (*_contact(manner), *manner.fields)),)
    if manner.hang_up_after is None:
        return (Accept(), Wait(None))
    dialling = DIGIT_SECONDS * len(persona.digits) + 1.0 if persona.digits else 0.0
    return (Accept(), Wait(max(manner.hang_up_after, dialling)), HangUp())


def _contact(manner: Manner) -> tuple[Field, ...]:
    return () if manner.contact is None else (("Contact", f"<{manner.contact}>"),)


def _look_at_extensions(persona: Persona, invite: Request) -> CallPlan | None:
    """How a call must be refused for the session timer that its caller asks for (RFC 4028 §9), or what it can do, or
    demands, of provisional responses (RFC 3262 §3).
    """
    shortest = Expiry().refusal(invite, DialogManner(min_interval=persona.min_interval))
    if shortest is not None:
        problem = f"a session shorter than {shortest} s"
        return CallPlan((Reply(INTERVAL_TOO_SMALL, (("Min-SE", shortest),)),), problem=problem, asks_again=True)
    required = RELIABLE in invite[REQUIRE]
    if persona.reliable is Reliable.OFF and required:
        problem = "the caller demands that provisional responses are acknowledged"
        return CallPlan((Reply(BAD_EXTENSION, (("Unsupported", RELIABLE),)),), problem=problem)
    if persona.reliable is Reliable.REQUIRED and not required and not is_supported(RELIABLE, invite):
        problem = "the caller does not acknowledge provisional responses"
        return CallPlan((Reply(EXTENSION_REQUIRED, (("Require", RELIABLE),)),), problem=problem)
    return None


def _look_at_offer(persona: Persona, invite: Request) -> tuple[SessionDescription | None, Choice | None] | CallPlan:
    """The offer and what is taken of it, or how the call must be refused (RFC 3261 §8.2.3, §13.3.1.3)."""
    if not invite.body:
        return None, None
    try:
        media_type = invite[CONTENT_TYPE]
        if media_type is None or media_type.essence != SDP:
            told = media_type.essence if media_type is not None else "a body of no known type"
            return CallPlan((Reply(UNSUPPORTED_MEDIA_TYPE, (("Accept", SDP),)),), problem=f"{told} is no offer")
        offer = SessionDescription.parse(invite.body, [])
    except ParseError as error:
        return CallPlan((Reply(error.status),), problem=error.message)
    choices = choose(offer, [Capability(persona.codecs, protocols=PROFILES, single=True, ptime=persona.ptime)])
    if not choices:
        problem = f"none of the codecs here: {', '.join(codec.encoding for codec in persona.codecs)}"
        warning = warning_of(INCOMPATIBLE_FORMAT, AGENT, problem)
        return CallPlan((Reply(NOT_ACCEPTABLE, (("Warning", warning),)),), problem=problem)
    return offer, choices[0]
