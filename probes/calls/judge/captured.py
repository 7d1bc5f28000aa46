"""The facts of a call in somebody's capture: its messages seen from the caller, and the media that was captured."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TypeAlias

from probes.calls.judge.facts import CallFacts
from probes.calls.judge.media_facts import media_facts
from probes.calls.judge.said import audio_of, description_in, place_of, read
from probes.capture.calls import COPY_NS, CapturedCall
from probes.capture.network import Datagram, Segment
from probes.result import CallMedia
from sipcore.errors import ParseError
from sipcore.media.emodel import estimate
from sipcore.media.receiver import COMFORT_NOISE, STALL_SECONDS, announces_silence
from sipcore.media.reception import Received, Reception
from sipcore.media.report import Control, MediaResult, RemoteView, Sent, Unexpected
from sipcore.media.rtcp import Report, parse_rtcp
from sipcore.media.rtp import Kind, RtpPacket, kind_of
from sipcore.media.terms import WITH_HANDSHAKE, Keying
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.sdp.attributes import Codec
from sipcore.sdp.build import TELEPHONE_EVENT
from sipcore.sdp.description import MediaDescription, SessionDescription
from sipcore.trace import Direction, MessageTrace, WireTrace

NS = 10**9
RATE = 8000
"""Hz: the clock of RTP where the description says no other that time can be measured by."""
PTIME = 20.0
"""Milliseconds of sound in a packet where the description does not say how many (RFC 3551 §4.2)."""
_SECURE = "SAVP"
"""What stands in the names of the profiles of SRTP, whose RTCP cannot be read either (RFC 3711 §3.4)."""
_DYNAMIC = 96
"""RFC 3551 §3: payload types from here on mean what a description says, maybe one that was not captured."""
LINGER_NS = NS // 10
"""How long what is under way when the BYE is confirmed may take."""
WATCHED_NS = 2 * NS
"""How long behind that it is looked whether a stream goes on: afterwards the ports may be those of another call."""

Datagrams: TypeAlias = Mapping[SocketAddress, Sequence[Datagram]]
"""All of a capture, by where they came from, and by where they went, in the order of time."""


_time = attrgetter("at_ns")


def by_place(payloads: Iterable[Datagram | Segment]) -> Datagrams:
    """Sort what was captured, so that each call finds its media among that of many."""
    found = defaultdict[SocketAddress, list[Datagram]](list)
    for each in payloads:
        if isinstance(each, Datagram):
            for place in {each.source, each.destination}:
                found[place].append(each)
    for there in found.values():
        there.sort(key=_time)
    return found


def facts_of_capture(call: CapturedCall, datagrams: Datagrams) -> CallFacts:
    """The facts of a captured call, whose media is among the `datagrams` of the capture."""
    facts = _signalled(call)
    found = _media(call, facts, datagrams)
    if found is None:
        return facts
    media, streams = found
    measured = media_facts(media, (), facts.answered.at if facts.answered is not None else None)
    if facts.over is not None:
        measured = replace(measured, stalled=_is_stalled(streams, call.began_ns + round(facts.over.at * NS)))
    return CallFacts(facts.said, measured)


def _is_stalled(streams: tuple["_Stream", "_Stream"], over_ns: int) -> bool:
    """Whether nothing came any more before the end, while this side went on: else the capture may have ended."""
    sent, came = streams
    silent_ns = min(sent.last_ns, over_ns) - came.last_ns
    return came.last_ns > 0 and silent_ns > STALL_SECONDS * NS and not came.quiet


def media_of_capture(call: CapturedCall, datagrams: Datagrams) -> CallMedia | None:
    """What was captured of a call's audio, as a test call of the caller would have measured it; None for nothing."""
    found = _media(call, _signalled(call), datagrams)
    return found[0] if found is not None else None


def wire_of_capture(call: CapturedCall, datagrams: Datagrams) -> list[WireTrace]:
    """The datagrams of a call's audio, RTP and RTCP, as they were captured; on the clock of its messages."""
    facts = _signalled(call)
    places = tuple(place for place in (place_of(facts.offer), place_of(facts.answer)) if place is not None)
    return [
        WireTrace(
            (each.at_ns - call.began_ns) / NS,
            Direction.SENT,
            Flow(Transport.UDP, each.source, each.destination),
            each.data,
        )
        for each in _packets(call, datagrams, places, _end_ns(facts, call.began_ns))
    ]


def _signalled(call: CapturedCall) -> CallFacts:
    """What the caller's messages say of a call."""
    return CallFacts(list(read((record, record.direction is Direction.SENT) for record in _seen_by_caller(call))))


def _seen_by_caller(call: CapturedCall) -> Iterator[MessageTrace]:
    """The messages that the caller sent and got. In a capture, `local` is where a packet came from.

    Of a call that was captured more than once, the first place counts.
    """
    for record in call.records:
        source, target = record.flow.local, record.flow.remote
        if call.is_caller(source):
            yield record
        elif call.is_caller(target):
            flow = Flow(record.flow.transport, target, source)
            yield MessageTrace(record.at, Direction.RECEIVED, flow, record.data, record.kernel, record.attempt)


@dataclass(slots=True)
class _Stream:
    """What went one way, by a clock of `rate` Hz, or that of its payload type in `codecs`. `events` are the payload
    types of digits, whose packets do not follow it, and `others` those of other media that has the same ports.
    """

    rate: int
    codecs: Mapping[int, Codec]
    events: frozenset[int]
    others: frozenset[int]
    alone: bool
    """Whether nothing but RTP was agreed on: a fax, say, has packets of its own (ITU-T T.38)."""
    receptions: dict[int, Reception] = field(default_factory=dict)
    types: dict[int, int] = field(default_factory=dict)
    sources: dict[SocketAddress, int] = field(default_factory=dict)
    control: int = 0
    """Packets of RTCP."""
    reports: int = 0
    """Of them those with reports."""
    lost: int | None = None
    jitter: float = 0.0
    late: int = 0
    malformed: int = 0
    switches: int = 0
    source: int | None = None
    """That of the last packet."""
    first_ns: int = 0
    last_ns: int = 0
    quiet: bool = False
    """Whether the last packet has announced silence."""

    def take(self, datagram: Datagram, end_ns: int | None) -> None:
        """Count a datagram, also one that is nothing which belongs to a port for media."""
        kind = kind_of(datagram.data)
        try:
            self._take(kind, datagram, end_ns)
        except ParseError:
            self.malformed += kind is not Kind.RTCP and self.alone
        self.malformed += kind is Kind.UNKNOWN and self.alone

    def _take(self, kind: Kind, datagram: Datagram, end_ns: int | None) -> None:
        """Raises ParseError for what cannot be read."""
        if kind is Kind.RTCP:
            self._take_control(datagram.data)
        elif kind is Kind.RTP:
            packet = RtpPacket.parse(datagram.data)
            if packet.payload_type in self.others:
                return
            if end_ns is not None and datagram.at_ns > end_ns:
                if packet.ssrc not in self.receptions:
                    return  # of the call that has the port now
                self.late += 1
            self._take_packet(packet, datagram)

    def _take_control(self, data: bytes) -> None:
        self.control += 1
        told = [each for each in parse_rtcp(data, []) if isinstance(each, Report)]
        self.reports += bool(told)
        for each in told:
            if each.blocks:
                self.lost, self.jitter = each.blocks[0].lost, each.blocks[0].jitter / self.rate

    def _take_packet(self, packet: RtpPacket, datagram: Datagram) -> None:
        reception = self.receptions.setdefault(packet.ssrc, Reception(packet.ssrc, self.rate))
        codec = self.codecs.get(packet.payload_type)
        self.quiet = announces_silence(packet, codec.encoding if codec is not None else "")
        timed = packet.payload_type not in (*self.events, COMFORT_NOISE)
        if timed:
            reception.tick(codec.clock_rate or RATE if codec is not None else self.rate)
        at, size, begins = datagram.at_ns / NS, len(packet.payload), timed and packet.marker
        if not timed:
            reception.pause()
        reception.add(packet.sequence, packet.timestamp, size, at, timed=timed, begins=begins)
        if self.quiet:
            reception.pause()
        self.switches += self.source not in (None, packet.ssrc)
        self.source = packet.ssrc
        if packet.payload or codec is not None:  # else it keeps a way open (RFC 6263 §4.6)
            self.types[packet.payload_type] = self.types.get(packet.payload_type, 0) + 1
        self.sources[datagram.source] = self.sources.get(datagram.source, 0) + 1
        self.first_ns = self.first_ns or datagram.at_ns
        self.last_ns = datagram.at_ns

    @property
    def ranked(self) -> tuple[Received, ...]:
        """What came of each source, the one with the most packets first."""
        results = [reception.result() for reception in self.receptions.values()]
        return tuple(sorted(results, key=lambda each: each.packets, reverse=True))

    @property
    def main(self) -> Received | None:
        return next(iter(self.ranked), None)

    def first_since(self, began_ns: int) -> float | None:
        """When the first packet was, in seconds; None without any."""
        return (self.first_ns - began_ns) / NS if self.first_ns else None


def _changes(facts: CallFacts) -> list[MediaDescription]:
    """The audio of the descriptions by which the call was changed later, of both sides."""
    later = [each for each in facts.said if facts.answered is not None and each.at > facts.answered.at]
    return [audio for each in later if (audio := audio_of(description_in(each.message))) is not None]


def _codecs(facts: CallFacts) -> dict[int, Codec]:
    """What the payload types of a call mean, by its answer and by what was said later."""
    answer = audio_of(facts.answer)
    said = [*([answer] if answer is not None else []), *_changes(facts)]
    return {codec.payload_type: codec for audio in reversed(said) for codec in audio.codecs}


def _events(*audio: MediaDescription | None) -> frozenset[int]:
    """The payload types of digits (RFC 4733) in both descriptions: each side sends by the other's."""
    codecs = [codec for each in audio if each is not None for codec in each.codecs]
    return frozenset(codec.payload_type for codec in codecs if codec.encoding.lower() == TELEPHONE_EVENT)


def _is_alone(facts: CallFacts) -> bool:
    """Whether all that was described at any time goes over RTP."""
    described = [found for each in facts.said if (found := description_in(each.message)) is not None]
    return all(media.is_rtp or media.is_rejected for each in described for media in each.media)


def _other_types(*described: SessionDescription | None) -> frozenset[int]:
    """The payload types of other media, which may go over the ports of the audio (RFC 9143), but for those of both."""
    streams = [media for each in described if each is not None for media in each.media if media.is_rtp]
    kinds = {is_audio: _numbers(streams, is_audio=is_audio) for is_audio in (True, False)}
    return kinds[False] - kinds[True]


def _numbers(streams: Iterable[MediaDescription], *, is_audio: bool) -> frozenset[int]:
    return frozenset(
        codec.payload_type for each in streams if (each.media == "audio") is is_audio for codec in each.codecs
    )


def _media(
    call: CapturedCall, facts: CallFacts, datagrams: Datagrams
) -> tuple[CallMedia, tuple[_Stream, _Stream]] | None:
    """What was captured of the audio, and its streams; None where nothing was, or nothing was agreed on."""
    began_ns, here, there = call.began_ns, place_of(facts.offer), place_of(facts.answer)
    audio = audio_of(facts.answer)
    if here is None or there is None or audio is None:
        return None
    end_ns = _end_ns(facts, began_ns)
    codec = audio.codecs[0] if audio.codecs else Codec(0, "PCMU", RATE)
    events, rate = _events(audio_of(facts.offer), audio, *_changes(facts)), codec.clock_rate or RATE
    codecs, others, alone = _codecs(facts), _other_types(facts.offer, facts.answer), _is_alone(facts)
    sent, came = (_Stream(rate, codecs, events, others, alone) for _ in (here, there))
    secured = _SECURE in audio.protocol
    for datagram in _packets(call, datagrams, (here, there), end_ns):
        if not (secured and kind_of(datagram.data) is Kind.RTCP):  # encrypted
            _sort(datagram, (here, there), (sent, came), end_ns)
    if not sent.receptions and not came.receptions:
        return None
    suite, measured = _suite_of(audio), _measured(facts, there, (sent, came))
    firsts = [codec.encoding, *(each.codecs[0].encoding for each in _changes(facts) if each.codecs)]
    media = CallMedia(
        replace(measured, suite=suite),
        measured.codec if measured.codec in firsts else codec.encoding,
        _ptime_of(audio) / 1000,
        (Keying.SDES if suite else Keying.DTLS if audio.protocol in WITH_HANDSHAKE else Keying.NONE).value,
        here,
        sent.first_since(began_ns),
        came.first_since(began_ns),
        facts.early,
        came.late,
        last=(max(sent.last_ns, came.last_ns) - began_ns) / NS,
    )
    return media, (sent, came)


def _end_ns(facts: CallFacts, began_ns: int) -> int | None:
    """When nothing of a call should be under way any more; None where its end is not known."""
    over = _over(facts)
    return began_ns + round(over * NS) + LINGER_NS if over is not None else None


def _ptime_of(audio: MediaDescription) -> float:
    """The packet time that an answer tells, in milliseconds, or else the usual one."""
    try:
        return audio.ptime or PTIME
    except ParseError:
        return PTIME


def _suite_of(audio: MediaDescription) -> str:
    """The suite of SDES that an answer tells; "" for none."""
    try:
        return next((each.suite for each in audio.crypto), "")
    except ParseError:
        return ""


def _sort(
    datagram: Datagram,
    places: tuple[SocketAddress, SocketAddress],
    streams: tuple[_Stream, _Stream],
    end_ns: int | None,
) -> None:
    """Count a datagram for the way that it went, if it is of this call."""
    here, there = places
    sent, came = streams
    if _is_at(datagram.destination, here):
        came.take(datagram, end_ns)
    elif _is_at(datagram.source, here) or _is_at(datagram.destination, there):
        sent.take(datagram, end_ns)


def _at(datagrams: Datagrams, places: tuple[SocketAddress, ...], began_ns: int, last_ns: int | None) -> list[Datagram]:
    """What came from any of those places or went there, or to or from their ports for RTCP, in order, from one time to
    another. Other calls have the ports before and after: of all that was there, no more is looked at.
    """
    ports = [SocketAddress(place.host, place.port + beside) for place in places for beside in (0, 1)]
    found: dict[int, Datagram] = {}
    for there in (datagrams.get(port, ()) for port in ports):
        end = len(there) if last_ns is None else bisect_right(there, last_ns, key=_time)
        found |= {id(each): each for each in there[bisect_left(there, began_ns, key=_time) : end]}
    return sorted(found.values(), key=_time)


def _packets(
    call: CapturedCall, datagrams: Datagrams, places: tuple[SocketAddress, ...], end_ns: int | None
) -> Iterator[Datagram]:
    """What may be of a call of all that was at its places, since others had them before and after it. None for an end
    that is not known. What was captured more than once is there once, if the messages were, too.
    """
    last_ns = end_ns + WATCHED_NS if end_ns is not None else None
    seen: dict[tuple[SocketAddress, SocketAddress, bytes], int] = {}
    for each in _at(datagrams, places, call.began_ns, last_ns):
        if call.is_doubled:
            key = each.source, each.destination, each.data
            if each.at_ns - seen.get(key, -COPY_NS) < COPY_NS:
                continue
            seen[key] = each.at_ns
        yield each


def _is_at(address: SocketAddress, place: SocketAddress) -> bool:
    """Whether it is that place, or its port for RTCP."""
    return address.host == place.host and address.port in (place.port, place.port + 1)


def _measured(facts: CallFacts, there: SocketAddress, streams: tuple[_Stream, _Stream]) -> MediaResult:
    """The measures of both streams, where they were captured."""
    sent, came = streams
    known = {number: codec.encoding for number, codec in _codecs(facts).items()}
    main = max(came.types, key=came.types.__getitem__, default=-1)
    wrong = sum(count for kind, count in came.types.items() if kind not in {*known, COMFORT_NOISE} and kind < _DYNAMIC)
    sources, remote = came.ranked, max(came.sources, key=came.sources.__getitem__, default=there)
    codec = known.get(main, "")
    score = estimate(codec, loss=sources[0].loss, delay=0.0, jitter=sources[0].jitter) if sources else None
    return MediaResult(
        sent=_sent(sent),
        sources=sources,
        control=_control(sent, came),
        unexpected=Unexpected(came.malformed, wrong, switches=came.switches),
        keys=(),
        payload_types=tuple(came.types.items()),
        codec=codec,
        suite="",
        security_failure="",
        srtp=None,
        silent_seconds=0.0,
        remote=remote,
        announced=remote if remote in _announced(facts) else there,
        opinion=score,
    )


def _announced(facts: CallFacts) -> set[SocketAddress | None]:
    """All places of audio that the callee has described: of early media, in its answer, and when it moved later."""
    return {place_of(description_in(each.message)) for each in facts.said if not each.sent}


def _sent(stream: _Stream) -> Sent:
    """What the caller sent; how it came to that, only the caller knows."""
    main = stream.main
    return Sent(
        ssrc=main.ssrc if main is not None else 0,
        packets=main.packets if main is not None else 0,
        octets=main.octets if main is not None else 0,
        skipped=0,
        refused=0,
        keys="",
        lateness=0.0,
        latest=0.0,
        first_at=stream.first_ns / NS if main is not None else None,
        last_at=stream.last_ns / NS if main is not None else None,
    )


def _control(sent: _Stream, came: _Stream) -> Control:
    """What was captured of RTCP."""
    return Control(
        sent=sent.control,
        received=came.control,
        malformed=0,
        round_trips=(),
        remote=RemoteView(0.0, 0.0, came.lost, came.jitter) if came.lost is not None else None,
        cname="",
        goodbye=False,
        reports=came.reports,
    )


def _over(facts: CallFacts) -> float | None:
    """When the BYE was confirmed."""
    return next((said.at for said, response in facts.responses("BYE") if response.is_success), None) or next(
        (said.at for said in facts.said if facts.over is not None and said.at > facts.over.at and said.sent), None
    )
