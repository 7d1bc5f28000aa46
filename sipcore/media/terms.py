"""How the audio of a call is offered, and what an offer and its answer come to: codecs, keys, paths.

wished = Wishes((PCMU, PCMA), Encryption.REQUIRE)
offer_of(wished, terms, place, session_id)  ->  the offer
terms_for(offer, wished, ...)           ->  what an answer says of keys; None where it must refuse
agreement(local, remote, terms)         ->  the plan for a `MediaSession`, and who begins a DTLS handshake

Keys come in the descriptions themselves (SDES, RFC 4568) or out of a handshake along the path of the media (RFC 5763).
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

from sipcore.errors import ParseError
from sipcore.media.ice import IceCredentials
from sipcore.media.keys import SUITES, Postponed, SrtpKeys, Suite, choose_crypto, keys_of, new_crypto
from sipcore.media.plan import MediaPlan
from sipcore.resolve.target import SocketAddress
from sipcore.sdp.attributes import Candidate, Codec, Crypto, Fingerprint, Setup
from sipcore.sdp.build import audio_description
from sipcore.sdp.description import MediaDescription, SessionDescription
from sipcore.sdp.fields import Attribute
from sipcore.sdp.negotiation import PLAIN, RTCP_MUX, Stream, agree
from sipcore.tokens import RandomBytes
from sipcore.value import value

WITH_KEYS = ("RTP/SAVP", "RTP/SAVPF")
"""The profiles of SRTP whose keys are in the descriptions (RFC 4568 §3.1); some gateways mean DTLS by them, too."""
WITH_HANDSHAKE = ("UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF")
"""Those whose keys a DTLS handshake makes (RFC 5764 §9)."""
PROFILES = (*PLAIN, *WITH_KEYS, *WITH_HANDSHAKE)
HOST_PRIORITY = (126 << 24) + (65535 << 8)
"""RFC 8445 §5.1.2.1: that of a host candidate where there is one address, less the number of its component from 256."""
_ANSWERS = {Setup.ACTIVE: Setup.PASSIVE, Setup.HOLDCONN: Setup.HOLDCONN}
"""RFC 4145 §4.1: what an answer says to an offer; to any other one, that the handshake begins here (RFC 5763 §5)."""
_UNACCEPTABLE = 488


class Encryption(Enum):
    """Whether media is encrypted."""

    DISABLE = "disable"
    ALLOW = "allow"
    """Keys go along with an offer of plain RTP, as many gateways understand it; who does not, ignores them."""
    REQUIRE = "require"


class Keying(Enum):
    """Where the keys of SRTP come from."""

    NONE = "none"
    SDES = "SDES"
    DTLS = "DTLS"


@value
class Wishes:
    """What this side would like of a call's audio. `ptime` is in milliseconds.

    `keying` is how keys are offered. With `ice`, checks of a peer that does ICE are answered (RFC 8445 §2.5).
    """

    codecs: tuple[Codec, ...]
    """In the order in which they are offered; of an offer, its own order counts."""
    encryption: Encryption = Encryption.DISABLE
    """Whether SRTP is offered, and taken."""
    keying: Keying = Keying.SDES
    ptime: float | None = 20
    ice: bool = False
    suites: tuple[Suite, ...] = SUITES
    """Of SRTP, in the order in which they are offered."""


@value
class Terms:
    """What a description of this side says of keys and paths: nothing, for plain RTP.

    `required` is whether plain RTP will not do.
    """

    cryptos: tuple[Crypto, ...] = ()
    fingerprint: Fingerprint | None = None
    setup: Setup = Setup.ACTPASS
    ice: IceCredentials | None = None
    required: bool = False

    @property
    def profile(self) -> str:
        """The transport profile of an offer."""
        if not self.required:
            return PLAIN[0]
        return WITH_KEYS[0] if self.fingerprint is None else WITH_HANDSHAKE[0]

    def attributes(self, place: SocketAddress) -> tuple[Attribute, ...]:
        """What a media description says of it, whose RTP comes to `place`."""
        said = [Attribute("crypto", str(crypto)) for crypto in self.cryptos]
        if self.fingerprint is not None:
            said += [Attribute("setup", self.setup.value), Attribute("fingerprint", str(self.fingerprint))]
        if self.ice is not None:
            said += [Attribute("ice-ufrag", self.ice.ufrag), Attribute("ice-pwd", self.ice.password)]
            said += [Attribute("candidate", str(_candidate(place, component))) for component in (1, 2)]
        return tuple(said)


@value
class DtlsRole:
    """Who begins the handshake, and the hashes of the certificates that the peer may show in it."""

    client: bool
    fingerprints: tuple[Fingerprint, ...]


@value
class Agreement:
    """What an offer and its answer come to. With a `dtls` role, the plan still needs its handshake; without one, there
    is none for now.
    """

    stream: Stream
    plan: MediaPlan
    keying: Keying
    dtls: DtlsRole | None = None


def new_terms(
    wishes: Wishes, random_bytes: RandomBytes, fingerprint: Fingerprint | None, ice: IceCredentials | None
) -> Terms:
    """The terms of an offer. `fingerprint` is that of the certificate for DTLS, where keys are to come from there."""
    required = wishes.encryption is Encryption.REQUIRE
    if wishes.encryption is Encryption.DISABLE:
        return Terms(ice=ice)
    if wishes.keying is Keying.DTLS:
        return Terms(fingerprint=fingerprint, ice=ice, required=required)
    cryptos = tuple(new_crypto(suite, tag, random_bytes) for tag, suite in enumerate(wishes.suites, 1))
    return Terms(cryptos, ice=ice, required=required)


def offer_of(wishes: Wishes, terms: Terms, place: SocketAddress, session_id: int) -> SessionDescription:
    """An offer of one audio stream that is received at `place`. Raises LocalError as `audio_description` does."""
    muxed = (RTCP_MUX,) if terms.fingerprint is not None else ()
    offer = audio_description(
        address=place.host.partition("%")[0],
        port=place.port,
        session_id=session_id,
        session_version=1,
        codecs=wishes.codecs,
        ptime=wishes.ptime,
        protocol=terms.profile,
        attributes=(*terms.attributes(place), *muxed),
    )
    return offer.with_attribute("ice-lite") if terms.ice is not None else offer


def terms_for(
    offered: MediaDescription,
    offer: SessionDescription,
    wishes: Wishes,
    random_bytes: RandomBytes,
    fingerprint: Fingerprint | None,
) -> Terms | None:
    """The terms of the answer to a stream of an offer; None where it must be refused: for plain RTP that will not do,
    for encryption that is not wanted, and for keys that are not understood.
    """
    secure = offered.protocol not in PLAIN
    required = wishes.encryption is Encryption.REQUIRE
    if wishes.encryption is Encryption.DISABLE:
        return None if secure else Terms()
    crypto = choose_crypto(offered.crypto) if offered.protocol not in WITH_HANDSHAKE else None
    if crypto is not None:
        suite = keys_of(crypto).suite
        return Terms((new_crypto(suite, crypto.tag, random_bytes),), required=required)
    if fingerprint is not None and offer.fingerprints_of(offered):
        setup = _ANSWERS.get(offer.setup_of(offered) or Setup.ACTPASS, Setup.ACTIVE)
        return Terms(fingerprint=fingerprint, setup=setup, required=required)
    return None if secure or required else Terms()


def refusal_of(offered: MediaDescription, wishes: Wishes) -> str:
    """Why `terms_for` has none for the stream of an offer, in words."""
    what = f"media over {offered.protocol} cannot be taken"
    if wishes.encryption is Encryption.DISABLE or offered.protocol not in WITH_KEYS:
        return f"{what}: encryption is to {wishes.encryption.value}"
    known = [suite.name for suite in SUITES]
    unknown = dict.fromkeys(crypto.suite for crypto in offered.crypto if crypto.suite not in known)
    if not unknown:
        return f"{what}: it has no keys that can be used"
    return f"{what}: SRTP with {', '.join(unknown)} is not supported here, but {', '.join(known)} is"


def agreement(local: SessionDescription, remote: SessionDescription, terms: Terms) -> Agreement:
    """What the first audio stream of two descriptions comes to.

    Raises ParseError when there is none, when it cannot be sent to, and when the keys of the peer are missing or wrong.
    """
    stream = next((each for each in agree(local, remote) if each is not None and each.media == "audio"), None)
    if stream is None:
        raise ParseError("no audio was agreed on", section="RFC 3264 §6", status=_UNACCEPTABLE)
    here, there = local.media[stream.index], remote.media[stream.index]
    plan = MediaPlan.of(stream, ptime=here.ptime / 1000 if here.ptime is not None else None)
    if terms.ice is not None and remote.ice_credentials_of(there) is not None:
        plan = replace(plan, ice=terms.ice)
    keys = _keys(here.crypto, there.crypto)
    if keys is not None:
        return Agreement(stream, replace(plan, keys=keys), Keying.SDES)
    fingerprints = remote.fingerprints_of(there)
    if terms.fingerprint is not None and fingerprints:
        setups = local.setup_of(here), remote.setup_of(there)
        if Setup.HOLDCONN in setups:
            postponed = replace(plan, sends=False, receives=False, handshake=Postponed())
            return Agreement(stream, postponed, Keying.DTLS)
        role = DtlsRole(_is_client(*setups), fingerprints)
        return Agreement(stream, plan, Keying.DTLS, role)
    if terms.required or there.protocol not in PLAIN:
        text = "the peer's description has no keys for SRTP that go with those of this side"
        raise ParseError(text, section="RFC 4568 §5.1.3", status=_UNACCEPTABLE)
    return Agreement(stream, plan, Keying.NONE)


def keying_of(plan: MediaPlan) -> Keying:
    """Where the keys of a plan come from."""
    return Keying.SDES if plan.keys is not None else Keying.DTLS if plan.handshake is not None else Keying.NONE


def _keys(local: Sequence[Crypto], remote: Sequence[Crypto]) -> tuple[SrtpKeys, SrtpKeys] | None:
    """The keys of the attribute that was taken: the answer has its tag and suite again (RFC 4568 §5.1.2)."""
    for theirs in remote:
        for own in local:
            if (own.tag, own.suite) == (theirs.tag, theirs.suite):
                return keys_of(own), keys_of(theirs)
    return None


def _is_client(local: Setup | None, remote: Setup | None) -> bool:
    """Whether this side begins the handshake: who is active does (RFC 5763 §5)."""
    return local is Setup.ACTIVE or (local is not Setup.PASSIVE and remote is not Setup.ACTIVE)


def _candidate(place: SocketAddress, component: int) -> Candidate:
    """The one candidate of a lite agent for a component (RFC 8445 §5.2), whose port is that many behind the first."""
    host = place.host.partition("%")[0]
    return Candidate("1", component, "UDP", HOST_PRIORITY + 256 - component, host, place.port + component - 1, "host")
