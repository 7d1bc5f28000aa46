"""The audio of one call: ports for it, the offer or answer that names them, and media once both are known.

with Leg(media, "192.0.2.1", Wishes((PCMU,)), tokens) as leg:
    offer = leg.offer()
    agreed = leg.start(SessionDescription.parse(answer))
    print(leg.line.result())
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType

from sipcore.endpoint.media.dtls import DtlsHandshake, DtlsIdentity
from sipcore.endpoint.media.media import Media, OnEvent, OnFault
from sipcore.errors import LocalError
from sipcore.media.ice import new_credentials
from sipcore.media.plan import DEFAULT_PTIME, MediaPlan
from sipcore.media.sound import Sweep
from sipcore.media.terms import (
    PROFILES,
    Agreement,
    Encryption,
    Keying,
    Terms,
    Wishes,
    agreement,
    new_terms,
    offer_of,
    refusal_of,
    terms_for,
)
from sipcore.media.voice import packet_time, played, require_spoken
from sipcore.resolve.target import SocketAddress, has_zone, in_zone_of, without_zone
from sipcore.sdp.attributes import Codec, Fingerprint
from sipcore.sdp.build import origin_of
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.negotiation import Capability, Choice, Place, answer_to, choose
from sipcore.tokens import RandomBytes, Tokens
from sipcore.transports.base import Refusal

MAX_SESSION_ID = 2**31
"""Session ids are drawn below it: some peers read them as 32 bits with a sign."""


def capability_of(wishes: Wishes) -> Capability:
    """What of an offer can be taken, keys aside: one codec, over any profile."""
    return Capability(wishes.codecs, protocols=PROFILES, single=True)


def prepare_sound(codecs: Sequence[Codec], ptime: float | None = None, sweep: Sweep = Sweep.CALLER) -> None:
    """Make what is to be played with codecs, before anybody waits for it: 40 ms for each, the first time in a process.

    `ptime` is in milliseconds. Raises LocalError for what cannot be made.
    """
    require_spoken(codecs)
    for codec in codecs:
        played(codec, packet_time(codec, (ptime or 1000 * DEFAULT_PTIME) / 1000), sweep)


class Leg:
    """The audio of one call, bound until `close`. `plan` holds what every plan of it is to have besides what is agreed.

    Nothing is sent where `refusal` says why not: that of the endpoint's transports, as a rule. Raises OSError where
    there are no ports.
    """

    def __init__(
        self,
        media: Media,
        host: str,
        wishes: Wishes,
        tokens: Tokens,
        on_event: OnEvent | None = None,
        random_bytes: RandomBytes = secrets.token_bytes,
        sweep: Sweep = Sweep.CALLER,
        on_fault: OnFault | None = None,
        refusal: Refusal | None = None,
        **plan: object,
    ) -> None:
        self.line = media.open(host, on_event, on_fault, refusal)
        self.agreed: Agreement | None = None
        """What the descriptions came to last; None while they have not."""
        self.local: SessionDescription | None = None
        """The description of this side; None before it is made."""
        self._wishes = wishes
        self._tokens = tokens
        self._random_bytes = random_bytes
        self._sweep = sweep
        self._extra = plan | {"sweep": sweep}
        self._identity: DtlsIdentity | None = None
        self._peers: tuple[Fingerprint, ...] = ()
        """Of whose certificates the handshake is that was begun; empty where none was."""
        self._terms = Terms()

    def offer(self) -> SessionDescription:
        """The offer. Raises LocalError as `audio_description` does, and for a codec to speak that is not installed."""
        wishes = self._wishes
        self._prepare(wishes.codecs)
        by_handshake = wishes.encryption is not Encryption.DISABLE and wishes.keying is Keying.DTLS
        ice = new_credentials(self._tokens) if wishes.ice else None
        self._terms = new_terms(wishes, self._random_bytes, self._fingerprint() if by_handshake else None, ice)
        session_id = self._tokens.number(MAX_SESSION_ID)
        self.local = offer_of(wishes, self._terms, self.line.address, session_id)
        return self.local

    def answer(self, offer: SessionDescription, choice: Choice | None = None) -> SessionDescription:
        """The answer to an offer, of which `choice` is taken, by default the best. Raises LocalError for one that has
        nothing to be taken, and for a codec to speak that is not installed.
        """
        choice = choice or next(iter(choose(offer, [capability_of(self._wishes)])), None)
        if choice is None:
            raise LocalError("the offer has no codec that is known here", section="RFC 3264 §6")
        self._prepare(choice.codecs)
        offered = offer.media[choice.stream]
        fingerprint = self._fingerprint() if offer.fingerprints_of(offered) else None
        terms = terms_for(offered, offer, self._wishes, self._random_bytes, fingerprint)
        if terms is None:
            raise LocalError(refusal_of(offered, self._wishes), section="RFC 3264 §6")
        does_ice = self._wishes.ice and offer.ice_credentials_of(offered) is not None
        self._terms = terms = replace(terms, ice=new_credentials(self._tokens)) if does_ice else terms
        place = self.line.address
        named = Place(without_zone(place.host), place.port, terms.attributes(place))
        muxed = replace(choice, rtcp_mux=terms.fingerprint is not None and offered.rtcp_mux)
        origin = origin_of(named.address, self._tokens.number(MAX_SESSION_ID))
        answer = answer_to(offer, [(muxed, named)], origin)
        self.local = answer.with_attribute("ice-lite") if does_ice else answer
        return self.local

    def start(self, remote: SessionDescription, local: SessionDescription | None = None) -> Agreement:
        """Begin as agreed, or go on as agreed anew: with another address, or on or off hold; or, for anything else, as
        another stream. A peer that has given its streams up gets nothing more (RFC 3264 §8.2).

        `local` is what this side has said to `remote`, where that is no longer what was made here: the answer to a
        change has the streams and payload types of its offer. Raises ParseError as `agreement` does, and LocalError
        before there is a description of this side.
        """
        if self.local is None:
            raise LocalError("nothing was offered or answered yet", section="RFC 3264 §5")
        self.local = local or self.local
        if self.agreed is not None and remote.media and all(stream.is_rejected for stream in remote.media):
            self.agreed = replace(self.agreed, plan=replace(self.agreed.plan, sends=False, receives=False))
            self.line.move(self.agreed.plan)
            return self.agreed
        agreed = agreement(self.local, remote, self._terms)
        plan: MediaPlan = replace(agreed.plan, **self._extra)  # type: ignore[arg-type]  # the fields of a plan
        plan = _within_reach(plan, self.line.address)
        agreed = replace(agreed, plan=plan)
        before = self.agreed
        if before is None or _moved(before.plan, plan) != plan or self._needs_keys(before, agreed):
            self.line.start(self._with_handshake(agreed), again=before is not None)
            self._peers = agreed.dtls.fingerprints if agreed.dtls is not None else ()
        elif plan != before.plan:
            self.line.move(plan)
        self.agreed = agreed
        return agreed

    def _needs_keys(self, before: Agreement, agreed: Agreement) -> bool:
        """Whether keys come from elsewhere than before: there is a handshake now, or none, or with another peer
        (RFC 8842 §5.1). One that is only postponed keeps the keys that there are.
        """
        is_other = agreed.dtls is not None and agreed.dtls.fingerprints != self._peers
        return is_other or agreed.keying is not before.keying

    def close(self) -> None:
        """Give the ports back."""
        self.line.close()

    def __enter__(self) -> "Leg":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prepare(self, codecs: Sequence[Codec]) -> None:
        if not self._extra.get("echo") and self._extra.get("frames") is None:
            prepare_sound(codecs, self._wishes.ptime, self._sweep)

    def _fingerprint(self) -> Fingerprint:
        if self._identity is None:
            self._identity = DtlsIdentity.make()
        return self._identity.fingerprint

    def _with_handshake(self, agreed: Agreement) -> MediaPlan:
        role = agreed.dtls
        if role is None or self._identity is None:
            return agreed.plan
        handshake = DtlsHandshake(self._identity, role.fingerprints, client=role.client)
        second = None
        if not agreed.plan.rtcp_mux:  # RFC 5764 §4.1: then RTCP has an association of its own
            second = DtlsHandshake(self._identity, role.fingerprints, client=role.client)
        return replace(agreed.plan, handshake=handshake, rtcp_handshake=second)


def _within_reach(plan: MediaPlan, local: SocketAddress) -> MediaPlan:
    """A plan whose link-local addresses can be sent to from `local`."""
    if not has_zone(local.host):
        return plan
    rtcp = plan.remote_rtcp
    return replace(
        plan,
        remote=in_zone_of(local, plan.remote),
        remote_rtcp=in_zone_of(local, rtcp) if rtcp is not None else None,
    )


def _moved(plan: MediaPlan, to: MediaPlan) -> MediaPlan:
    """A plan with that of another which a stream can be told while it goes on."""
    return replace(plan, remote=to.remote, remote_rtcp=to.remote_rtcp, sends=to.sends, receives=to.receives)
