"""What the session descriptions of a call say that goes wrong with media, before any packet is looked at."""

from collections.abc import Iterator

from probes.calls.judge.facts import CallFacts
from probes.calls.judge.hint import MAX_SHOWN, Hint
from probes.calls.judge.media_facts import MediaFacts
from probes.calls.judge.said import audio_of
from probes.discovery.answers import reaches_less
from probes.findings.finding import Severity
from sipcore.dialogs.session import description_of
from sipcore.errors import ParseError
from sipcore.media.session import UNSPECIFIED
from sipcore.media.terms import WITH_HANDSHAKE, WITH_KEYS
from sipcore.resolve.target import is_numeric
from sipcore.sdp.attributes import CRYPTO
from sipcore.sdp.description import MediaDescription, SessionDescription
from sipcore.sdp.negotiation import PLAIN

Hints = Iterator[Hint]
DISCARD = 9
"""The port that is written where ICE is to find another (RFC 8839 §4.2.1.2)."""


def described(facts: CallFacts) -> Hints:
    """The peer's answer to the offer, where the call was answered."""
    if facts.answered is None:
        return
    answer, offered = facts.answer, audio_of(facts.offer)
    if answer is None:
        problem = _unreadable(facts)
        if problem:
            yield Hint("answer-unusable", f"the session description of the answer cannot be read: {problem}")
        else:
            yield Hint("answer-missing", "the call was answered without a session description")
        return
    audio = audio_of(answer)
    if audio is None or audio.is_rejected:
        yield Hint("media-refused", "the answer takes no audio", shown_of(answer, audio))
        return
    if offered is not None:
        flows = facts.media is not None and facts.media.received > 0
        yield from _compared(offered, audio, answer, flows=flows)
    yield from placed(facts)
    if facts.media_problem:
        yield Hint("answer-unusable", f"the answer cannot be used: {facts.media_problem}", shown_of(answer, audio))


def _unreadable(facts: CallFacts) -> str:
    """Why the last description of the callee cannot be read; empty where there is none."""
    problem = ""
    for body in filter(None, (description_of(response) for _, response in facts.answers)):
        try:
            SessionDescription.parse(body, [])
        except ParseError as error:
            problem = error.message
    return problem


def _compared(offered: MediaDescription, audio: MediaDescription, answer: SessionDescription, *, flows: bool) -> Hints:
    """What was taken of the offer (RFC 3264 §6)."""
    shown = shown_of(answer, audio)
    if audio.protocol != offered.protocol:
        what = f"offered was {offered.protocol}, and the answer says {audio.protocol}"
        works = flows and {audio.protocol, offered.protocol} <= set(PLAIN)
        yield Hint("profile-changed", what, shown, (), Severity.WARNING if works else None)
    elif audio.protocol in WITH_KEYS and not audio.has(CRYPTO.name) and not answer.fingerprints_of(audio):
        yield Hint("srtp-keys-missing", "the answer takes SRTP, and has no keys for it", shown)
    elif audio.protocol in WITH_HANDSHAKE and not answer.fingerprints_of(audio):
        yield Hint("srtp-keys-missing", "the answer takes DTLS-SRTP, and has no fingerprint", shown)
    names = {codec.encoding.upper() for codec in offered.codecs}
    chosen = [codec.encoding for codec in audio.codecs]
    if chosen and not names & {name.upper() for name in chosen}:
        yield Hint("codec-not-offered", f"the answer has {', '.join(chosen)}, which was not offered", shown)


def placed(facts: CallFacts) -> Hints:
    """Which way the peer wants media to flow and where, and whether that is a place at all."""
    described, remote, media = facts.remote_description, facts.remote, facts.media
    audio = audio_of(described)
    if facts.answered is None or described is None or audio is None or audio.is_rejected:
        return
    direction, shown = described.direction_of(audio), shown_of(described, audio)
    if not direction.sends:  # which it may: it says so, and nothing is missing then
        told = f"the peer says a={direction.value}: it will send nothing"
        yield Hint("media-held", told, shown, (), Severity.NOTICE)
    elif not direction.receives and facts.calls:
        yield Hint("media-held", f"the peer says a={direction.value}: it takes nothing", shown)
    connection = described.connection_of(audio)
    host = connection.address if connection is not None else ""
    does_ice = described.ice_credentials_of(audio) is not None
    own = facts.local_description
    own_ice = own is not None and any(each.ice_ufrag for each in (*own.media, own))
    flows = media is not None and media.received > 0
    if does_ice and not own_ice and not flows and (audio.port == DISCARD or _has_checks(media) or host in UNSPECIFIED):
        step = "offered" if facts.calls else "answered"
        what = f"the peer does ICE, which was not {step}, and sends nothing without it"
        yield Hint("ice-only", what, shown)
    elif host in UNSPECIFIED:
        yield Hint("media-held", f"the peer wants its media at {host}, which is nowhere", shown)
    elif does_ice and own_ice and flows:
        return  # by candidates, whatever the c= line says (RFC 8839 §4.2.1.2)
    elif own is not None and _is_of_other_family(host, own):
        what = f"the peer wants its media at {host}, and the description of this side has the other kind of address"
        yield Hint("sdp-address-family", what, shown, (), Severity.WARNING if flows else None)
    elif remote is not None and reaches_less(host, remote.host):
        what = f"the peer wants its media at {host}, which does not reach as far as the way to {remote.host}"
        severity = Severity.WARNING if flows else None
        yield Hint("sdp-private-address", what, shown, (), severity)


def _is_of_other_family(host: str, own: SessionDescription) -> bool:
    """Whether one is an address of IPv6, and the other side's one of IPv4."""
    audio = audio_of(own)
    connection = own.connection_of(audio) if audio is not None else None
    if connection is None or not is_numeric(host) or not is_numeric(connection.address):
        return False
    return (":" in host) is not (":" in connection.address)


def _has_checks(media: MediaFacts | None) -> bool:
    return media is not None and media.checks > 0


def exposed(facts: CallFacts) -> Hints:
    """Keys that anybody on the way can read (RFC 4568 §7.1)."""
    audio = audio_of(facts.answer)
    if facts.answered is None or facts.secure or audio is None or audio.protocol in PLAIN:
        return
    if audio.has(CRYPTO.name):  # of a stored call, its keys are covered
        yield Hint("srtp-keys-exposed", "the keys of SRTP were sent over a way that is not encrypted")


def shown_of(answer: SessionDescription, audio: MediaDescription | None) -> tuple[str, ...]:
    """The lines of a description that media goes by."""
    if audio is None:
        return ("no m=audio",)
    connection = answer.connection_of(audio)
    told = [f"c={connection}"] if connection is not None else []
    told += [line for line in audio.lines() if not line.startswith(("c=", "a=crypto"))][:4]
    return tuple(line.rstrip("\r")[:MAX_SHOWN] for line in told)
