"""What an endpoint that answers does with messages beyond a plain OPTIONS: what is sent, and what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from probes.checks.io import Observation, Query
from probes.discovery.capabilities import Authentication, challenges_of
from probes.fingerprint.deep import Heard
from probes.result import Attempt
from sipcore.message.message import Response
from sipcore.message.method import INVITE, OPTIONS, REGISTER
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Hop, SocketAddress
from sipcore.sdp.attributes import PCMA, PCMU
from sipcore.sdp.build import audio_description
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.terms import Direction
from sipcore.value import value

SIZES = (1300, 1452, 2000, 3900)
"""Bytes of the requests that are tried over UDP: the most that RFC 3261 §18.1.1 allows, what fits into one packet of
Ethernet over IPv6, what takes two, and nearly the 4,000 that some stacks are built for."""
SMALL = "small"
"""The purpose of the request without padding beside which large ones stay unanswered."""
PADDING = "X-Padding"
LINE = 200
"""Characters of a header field that pads: no stack refuses lines of that length."""
_TOO_LARGE = frozenset({413, 513})
"""RFC 3261 §21.4.11, §21.5.7: understood, and refused for its size."""


CALL = "call"
"""The name of an INVITE among the requests to which reactions are known."""
OWN = "server"
"""The purpose of an OPTIONS for the server itself, where the first one was for a user of it."""
_NO_HOPS, _REGISTRATIONS, _FOR_ITSELF = "no-hops", "registrations", "timestamp"
"""Requests of deep mode that answer what is asked without it too, so that each is sent once."""
OF_FORWARDING = frozenset({_NO_HOPS, OWN, _FOR_ITSELF})
"""The purposes of the requests that show whether what may go no further hop does."""
_DISCARD = 9
"""The port of an offer that wants no media (RFC 863)."""


@value
class Interview:
    """What one place said to odd requests: `plain` to the ordinary OPTIONS, `heard` to each other by its name."""

    remote: SocketAddress
    plain: tuple[Response, ...]
    heard: Heard


@value
class Habits:
    """What was seen. `sizes` are those of requests over UDP, in bytes: that were sent, that were answered, that were
    refused as too large. None are there where too little was answered to tell.

    `far` is the answer to a request that may go no further hop, `own` the one to a request for the server itself;
    both None where that was not asked, or not answered.
    """

    sent_sizes: tuple[int, ...] = ()
    answered_sizes: tuple[int, ...] = ()
    refused_sizes: tuple[int, ...] = ()
    stun: bool | None = None
    crlf: bool | None = None
    own: Response | None = None
    far: Response | None = None
    authentication: tuple[Authentication, ...] = ()
    interview: Interview | None = None

    @property
    def largest(self) -> int | None:
        """The largest request that was answered, in bytes; None where none was tried."""
        return max(self.answered_sizes, default=0) if self.sent_sizes else None


def padded(uri: SipUri, hop: Hop, timeout: float, size: int, head: int) -> Query:
    """OPTIONS of about `size` bytes, where one without padding has `head`."""
    fields = []
    missing = size - head
    while missing > len(PADDING) + 4:
        length = min(LINE, missing - len(PADDING) - 4)
        fields.append((PADDING, "x" * length))
        missing -= length + len(PADDING) + 4
    return Query(OPTIONS, uri, hop, timeout, tuple(fields), purpose=sized(size))


def sized(size: int) -> str:
    """The purpose of a request of so many bytes."""
    return f"{size} bytes"


def small(attempt: Attempt, timeout: float) -> Query:
    """The OPTIONS that was answered, once more."""
    return Query(OPTIONS, attempt.uri, attempt.hop, timeout, purpose=SMALL)


def no_further(attempt: Attempt, timeout: float) -> Query:
    """The OPTIONS that was answered, to go no further hop (RFC 3261 §16.3)."""
    return Query(OPTIONS, attempt.uri, attempt.hop, timeout, max_forwards=0, purpose=_NO_HOPS)


def for_itself(attempt: Attempt, timeout: float) -> Query:
    """OPTIONS for the server itself, without a user."""
    return Query(OPTIONS, replace(attempt.uri, user=None), attempt.hop, timeout, purpose=OWN)


def registrations(attempt: Attempt, timeout: float) -> Query:
    """REGISTER that asks what is registered, and changes nothing (RFC 3261 §10.2.3)."""
    return Query(REGISTER, attempt.uri, attempt.hop, timeout, purpose=_REGISTRATIONS)


def silent_offer(address: str, session_id: int) -> SessionDescription:
    """What a call offers that is not meant to last: audio in the codecs that everybody has, and in no direction."""
    return audio_description(
        address=address,
        port=_DISCARD,
        session_id=session_id,
        session_version=1,
        codecs=(PCMA, PCMU),
        direction=Direction.INACTIVE,
        telephone_event=None,
    )


def measured(habits: Habits, seen: Mapping[int, Observation]) -> Habits:
    """The same habits with what came of requests by their size."""
    came = {size: one.response.status for size, one in seen.items() if one.response is not None}
    answered = tuple(size for size, status in came.items() if status not in _TOO_LARGE)
    refused = tuple(size for size, status in came.items() if status in _TOO_LARGE)
    return replace(habits, sent_sizes=tuple(seen), answered_sizes=answered, refused_sizes=refused)


def asked_for(seen: Observation) -> tuple[Authentication, ...]:
    """What the answer to REGISTER challenges with."""
    return challenges_of(seen.response, REGISTER) if seen.response is not None else ()


def learnt(habits: Habits, attempt: Attempt, heard: Heard) -> Habits:
    """The same habits with what a place said to odd requests. `attempt` is the one that it answered before."""
    response, named = attempt.response, attempt.uri.user is not None
    before = habits.interview or Interview(attempt.hop.remote, (response,) if response is not None else (), {})
    interview = replace(before, heard={**before.heard, **heard})
    if named and _FOR_ITSELF in interview.heard:
        # What was for a user may have been answered by a phone behind the server, whose product it is not.
        told = {name: responses for name, responses in interview.heard.items() if name != CALL}
        interview = replace(interview, plain=(), heard=told)
    challenges = [one for name in heard for one in _challenges(name, heard)]
    habits = replace(habits, interview=interview, authentication=(*habits.authentication, *challenges))
    if _NO_HOPS not in heard:
        return habits
    if named:
        return replace(habits, own=final(heard[_FOR_ITSELF]))
    return replace(habits, far=final(heard[_NO_HOPS]))


def final(responses: Sequence[Response]) -> Response | None:
    """The final response among those to one request, if it came."""
    return next((one for one in responses if not one.is_provisional), None)


def _challenges(name: str, heard: Heard) -> tuple[Authentication, ...]:
    method = {_REGISTRATIONS: REGISTER, CALL: INVITE}.get(name)
    response = final(heard[name])
    return challenges_of(response, method) if method is not None and response is not None else ()
