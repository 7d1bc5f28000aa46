"""What is known of a call, as the rules read it: what was said, in order, and what was measured of its media.

Where it comes from does not matter: a test call of this program, the stored result of one, or somebody's capture. It
is told from one side: that of the caller, unless the call came in here.
"""

import math
from collections.abc import Sequence
from functools import cached_property

from probes.calls.judge.media_facts import MediaFacts, media_facts
from probes.calls.judge.said import Said, audio_of, description_in, method_of, place_of, read
from probes.checks.options import OPENED
from probes.result import CallKind, CallResult, CallRole
from probes.timeline import CONNECTION_FAILED, LOOKUP, OWN_FAULT
from sipcore.dialogs.session import description_of
from sipcore.errors import ParseError
from sipcore.media.session import UNSPECIFIED
from sipcore.message.message import Request, Response
from sipcore.message.method import INVITE
from sipcore.message.registry import AUTHORIZATION, PROXY_AUTHORIZATION
from sipcore.resolve.target import SocketAddress
from sipcore.sdp.description import SessionDescription
from sipcore.trace import Direction, FlowTrace, MessageTrace

FINAL = 200
SECURE_TRANSPORTS = frozenset({"TLS", "WSS"})
"""As Via writes them (RFC 3261 §20.42, RFC 7118 §5.2)."""


class CallFacts:
    """One call. `role` is which side it is told from, and `kind`, `why`, `authentication` and `ended_by` are what the
    test call itself knows; empty otherwise.
    """

    def __init__(
        self,
        said: Sequence[Said],
        media: MediaFacts | None = None,
        *,
        kind: CallKind | None = None,
        why: str = "",
        authentication: str = "",
        ended_by: str = "",
        media_problem: str = "",
        given_up: bool = False,
        faults: Sequence[str] = (),
        lookups: Sequence[str] = (),
        refusals: Sequence[str] = (),
        was_open: bool = False,
        role: CallRole = CallRole.CALLER,
    ) -> None:
        self.role = role
        self.calls = role is CallRole.CALLER
        """Whether this side is the caller."""
        self.said = tuple(said)
        self.media = media
        self.kind = kind
        self.why = why
        self.authentication = authentication
        self.ended_by = ended_by
        self.media_problem = media_problem
        self.given_up = given_up
        self.faults = tuple(faults)
        """The mistakes of this program that were met in the call, in words."""
        self.lookups = tuple(lookups)
        """What DNS was asked for it, and what came back, in the words of the timeline."""
        self.refusals = tuple(refusals)
        """The connections for it that failed: transport, place, and why, in the words of the timeline."""
        self.was_open = was_open
        """Whether a connection for it was accepted: something listens there."""

    def requests(self, method: str, *, sent: bool | None = None) -> list[tuple[Said, Request]]:
        """The requests of a method in order, those that were sent again left out."""
        return [
            (each, each.message)
            for each in self.said
            if isinstance(each.message, Request) and each.message.method == method and not each.again
            if sent is None or each.sent is sent
        ]

    def responses(self, method: str, *, again: bool = False, sent: bool = False) -> list[tuple[Said, Response]]:
        """The responses to a method that came here, or were `sent`; with `again`, those as well that were before."""
        return [
            (each, each.message)
            for each in self.said
            if isinstance(each.message, Response) and each.sent is sent and method_of(each.message) == method
            if (again or not each.again) and not self._is_discarded(each.message)
        ]

    @cached_property
    def discarded(self) -> list[tuple[Said, Response]]:
        """The responses that came and that no client takes: they have Vias that the caller's requests had not (RFC 3261
        §8.1.3.3).
        """
        return [
            (each, each.message)
            for each in self.said
            if isinstance(each.message, Response) and not each.again and self._is_discarded(each.message)
        ]

    def _is_discarded(self, response: Response) -> bool:
        return self.calls and response.has_several_vias and not (self.invite and self.invite.has_several_vias)

    @cached_property
    def invite(self) -> Request | None:
        """The first INVITE of the caller."""
        return next((request for _, request in self.invites), None)

    @cached_property
    def invites(self) -> list[tuple[Said, Request]]:
        """The INVITEs of the caller."""
        return self.requests(INVITE, sent=self.calls)

    @cached_property
    def answers(self) -> list[tuple[Said, Response]]:
        """What was answered to the caller's INVITEs before the call was set up, each once."""
        found = self.responses(INVITE, sent=not self.calls)
        answered = next((n for n, (_, response) in enumerate(found) if response.is_success), len(found))
        return found[: answered + 1]

    @cached_property
    def final(self) -> tuple[Said, Response] | None:
        """The final response that decided how the call ended."""
        finals = [each for each in self.answers if not each[1].is_provisional]
        return finals[-1] if finals else None

    @cached_property
    def answered(self) -> Said | None:
        """The 2xx."""
        return self.final[0] if self.final and self.final[1].is_success else None

    @cached_property
    def rang(self) -> bool:
        """Whether there was a 1xx above 100."""
        return any(100 < response.status < FINAL for _, response in self.answers)

    @cached_property
    def proven(self) -> list[Request]:
        """The INVITEs with credentials."""
        invites = [request for _, request in self.invites]
        return [each for each in invites if {AUTHORIZATION.name, PROXY_AUTHORIZATION.name} & names(each)]

    @cached_property
    def remote(self) -> SocketAddress | None:
        """Where the peer is: where the INVITE went, or came from."""
        return next((said.record.flow.remote for said, _ in self.invites), None)

    @cached_property
    def secure(self) -> bool:
        """Whether nobody on the way can read, or change, the messages. Of a capture that has them in the clear, their
        Via tells (RFC 3261 §18.1.1): who captured them was at one end, or had the keys.
        """
        return any(each.record.flow.transport.secure for each in self.said) or self._is_via_tls

    @cached_property
    def _is_via_tls(self) -> bool:
        try:
            return self.invite is not None and self.invite.via.transport.upper() in SECURE_TRANSPORTS
        except ParseError:
            return False

    @cached_property
    def banner(self) -> str:
        """What the peer calls itself."""
        for each in self.said:
            banner = "" if each.sent else each.message.headers.get("Server") or each.message.headers.get("User-Agent")
            if banner:
                return banner
        return ""

    @cached_property
    def offer(self) -> SessionDescription | None:
        """The description in the INVITE."""
        return description_in(self.invite) if self.invite else None

    @cached_property
    def answer(self) -> SessionDescription | None:
        """The callee's description, that of the 2xx before those of 1xx."""
        with_one = [each for each in (description_in(response) for _, response in self.answers) if each is not None]
        return with_one[-1] if with_one else None

    @cached_property
    def acknowledged(self) -> Said | None:
        """The first ACK of the caller."""
        return next((said for said, _ in self.requests("ACK", sent=self.calls)), None)

    @property
    def local_description(self) -> SessionDescription | None:
        """What this side described first."""
        return self.offer if self.calls else self.answer

    @cached_property
    def remote_description(self) -> SessionDescription | None:
        """What the peer described first; a caller that made no offer does so in its ACK."""
        if self.calls:
            return self.answer
        in_ack = description_in(self.acknowledged.message) if self.acknowledged is not None else None
        return self.offer or in_ack

    @cached_property
    def phases(self) -> tuple[tuple[float, bool], ...]:
        """The call in parts: how many seconds each lasted, and whether the peer was to send media in it, by its own
        descriptions (RFC 3264 §6.1) and a hold of the old kind of this side. The last has no end where no BYE is known.
        """
        if self.answered is None:
            return ()
        end = self.over.at if self.over is not None else math.inf
        found, since, sends, held = [], self.answered.at, True, False
        for said in self.said:
            described = _described(said.message) if said.at < end else None
            on_hold = _is_hold(said.message) if said.sent else held
            if described is not None and (on_hold is not held or not said.sent):
                at = max(said.at, self.answered.at)
                found.append((at - since, sends and not held))
                since, sends, held = at, sends if said.sent else described, on_hold
        return (*found, (max(end - since, 0.0), sends and not held))

    @property
    def due(self) -> float:
        """For how many seconds the peer was to send the media that was measured."""
        phases = self.phases[-1:] if self.began_anew else self.phases
        return sum(seconds for seconds, sends in phases if sends)

    @property
    def began_anew(self) -> bool:
        """Whether media came, and then was changed to another stream, of which nothing came: it is the one measured."""
        media = self.media_now
        return media is not None and media.first_in is not None and not media.received

    @property
    def media_now(self) -> MediaFacts | None:
        """What was measured of the stream that was agreed on last."""
        return self.media.changed or self.media if self.media is not None else None

    @property
    def excused(self) -> float:
        """For how many seconds it was not."""
        return sum(seconds for seconds, sends in self.phases if not sends)

    @cached_property
    def early(self) -> bool:
        """Whether a 1xx had a description."""
        return any(response.is_provisional and description_of(response) for _, response in self.answers)

    @cached_property
    def byes(self) -> list[tuple[Said, Request]]:
        """The BYEs of the call, whoever sent them: of a forked one, those to other callees end nothing here."""
        dialog = _tags_of(self.answered.message) if self.answered is not None else frozenset[str]()
        return [each for each in self.requests("BYE") if len(dialog | _tags_of(each[1])) <= 2]

    @cached_property
    def over(self) -> Said | None:
        """The first BYE."""
        return next((each for each, _ in self.byes), None)


def facts_of(result: CallResult) -> CallFacts:
    """The facts of a test call, seen from here."""
    messages = (record for record in result.records if isinstance(record, MessageTrace))
    said = list(read((record, record.direction is Direction.SENT) for record in messages))
    answered = None if result.answer_time is None else result.invited + result.answer_time
    return CallFacts(
        said,
        media_facts(result.media, result.timeline, answered) if result.media else None,
        kind=result.kind,
        why=result.why,
        authentication=result.authentication,
        ended_by=result.ended_by,
        media_problem=result.media_problem,
        given_up=any(entry.label == "given up" for entry in result.timeline),
        faults=_told(result, OWN_FAULT),
        lookups=_told(result, LOOKUP),
        refusals=_told(result, CONNECTION_FAILED),
        was_open=any(isinstance(record, FlowTrace) and record.event == OPENED for record in result.records),
        role=result.role,
    )


def _told(result: CallResult, label: str) -> list[str]:
    return [entry.detail for entry in result.timeline if entry.label == label]


def names(message: Request | Response) -> set[str]:
    """The names of the header fields of a message, as the registry writes them, of those with credentials."""
    return {row.name for row in (AUTHORIZATION, PROXY_AUTHORIZATION) if row.name in message.headers}


def _tags_of(message: Request | Response) -> frozenset[str]:
    """The tags of a dialog, as far as they can be read (RFC 3261 §12)."""
    try:
        return frozenset(tag for tag in (message.from_.tag, message.to.tag) if tag)
    except ParseError:
        return frozenset()


def _described(message: Request | Response) -> bool | None:
    """Whether whoever wrote this will send audio, as none does who has other media alone, such as a fax; None where
    nothing is said of media.
    """
    description = description_in(message)
    if description is None:
        return None
    audio = audio_of(description)
    return audio is not None and not audio.is_rejected and description.direction_of(audio).sends


def _is_hold(message: Request | Response) -> bool:
    """Whether whoever wrote this wants no media by the address of nowhere, as was done before RFC 3264 (§8.4)."""
    description, place = description_in(message), place_of(description_in(message))
    audio = audio_of(description)
    if description is None or audio is None or place is None:
        return False
    return place.host in UNSPECIFIED and description.ice_credentials_of(audio) is None
