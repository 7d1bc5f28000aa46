"""The facts of a call in somebody's capture: its messages seen from the caller, and the media that was captured."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from probes.calls.judge.facts import CallFacts, MediaFacts, audio_of, jitter_of, read
from probes.capture.calls import CapturedCall
from probes.capture.network import Datagram, Segment
from sipcore.errors import ParseError
from sipcore.media.reception import Received, Reception
from sipcore.media.rtcp import Report, parse_rtcp
from sipcore.media.rtp import Kind, RtpPacket, kind_of
from sipcore.message.message import Request
from sipcore.message.method import INVITE
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Flow, SocketAddress
from sipcore.sdp.attributes import Codec
from sipcore.sdp.description import SessionDescription
from sipcore.trace import Direction, MessageTrace

NS = 10**9
RATE = 8000
"""Hz: the clock of RTP where the description does not say another."""
LINGER_NS = NS // 10
"""How long what is under way when the BYE is confirmed may take."""


def facts_of_capture(call: CapturedCall, payloads: Iterable[Datagram | Segment]) -> CallFacts:
    """The facts of a captured call. `payloads` are all of the capture, of which its media is looked for."""
    caller, peer = _ends(call)
    if caller is None:
        return CallFacts([])
    said = list(read((record, record.direction is Direction.SENT) for record in _seen_from(caller, peer, call.records)))
    facts = CallFacts(said)
    return CallFacts(said, _media(facts, call.began_ns, payloads))


def _ends(call: CapturedCall) -> tuple[SocketAddress | None, SocketAddress | None]:
    """Where the first INVITE came from, and where it went: of a call that was captured more than once, the first."""
    for record in call.records:
        message = parse_message(record.data)
        if isinstance(message, Request) and message.method == INVITE:
            return record.flow.local, record.flow.remote
    return None, None


def _seen_from(
    caller: SocketAddress, peer: SocketAddress | None, records: Iterable[MessageTrace]
) -> Iterable[MessageTrace]:
    """The messages that the caller sent and got. In a capture, `local` is where a packet came from."""
    same_host = peer is not None and caller.host == peer.host
    for record in records:
        source, target = record.flow.local, record.flow.remote
        if source == caller if same_host else source.host == caller.host:
            yield record
        elif target == caller if same_host else target.host == caller.host:
            flow = Flow(record.flow.transport, target, source)
            yield MessageTrace(record.at, Direction.RECEIVED, flow, record.data, record.kernel, record.attempt)


@dataclass(slots=True)
class _Stream:
    """What went one way."""

    receptions: dict[int, Reception] = field(default_factory=dict)
    types: dict[int, int] = field(default_factory=dict)
    sources: dict[SocketAddress, int] = field(default_factory=dict)
    reports: int = 0
    lost: int | None = None
    late: int = 0
    first_ns: int = 0
    last_ns: int = 0

    def add(self, packet: RtpPacket, datagram: Datagram, rate: int) -> None:
        reception = self.receptions.setdefault(packet.ssrc, Reception(packet.ssrc, rate))
        timed = packet.payload_type not in _events(self.types)
        reception.add(packet.sequence, packet.timestamp, len(packet.payload), datagram.at_ns / NS, timed=timed)
        self.types[packet.payload_type] = self.types.get(packet.payload_type, 0) + 1
        self.sources[datagram.source] = self.sources.get(datagram.source, 0) + 1
        self.first_ns = self.first_ns or datagram.at_ns
        self.last_ns = datagram.at_ns

    @property
    def main(self) -> Received | None:
        results = [reception.result() for reception in self.receptions.values()]
        return max(results, key=lambda each: each.packets, default=None)


def _events(types: dict[int, int]) -> set[int]:
    """Payload types that come beside the main one: events, whose packets do not follow the clock."""
    main = max(types, key=types.__getitem__, default=None)
    return {each for each in types if each != main}


def _media(facts: CallFacts, began_ns: int, payloads: Iterable[Datagram | Segment]) -> MediaFacts | None:
    """What was captured of the audio; None where nothing was, or nothing was agreed on."""
    here, there = _place(facts.offer), _place(facts.answer)
    audio = audio_of(facts.answer)
    if here is None or there is None or audio is None:
        return None
    over = _over(facts)
    end_ns = began_ns + round(over * NS) + LINGER_NS if over is not None else None
    codec = audio.codecs[0] if audio.codecs else Codec(0, "PCMU", RATE)
    sent, came = _Stream(), _Stream()
    for datagram in payloads:
        if isinstance(datagram, Datagram):
            _sort(datagram, (here, there), (sent, came), codec.clock_rate, end_ns)
    outbound, inbound = sent.main, came.main
    if outbound is None and inbound is None:
        return None
    return _measured(facts, (here, there), (sent, came), codec, began_ns)


def _sort(
    datagram: Datagram,
    places: tuple[SocketAddress, SocketAddress],
    streams: tuple[_Stream, _Stream],
    rate: int,
    end_ns: int | None,
) -> None:
    """Count a datagram for the way that it went, if it is of this call."""
    here, there = places
    if _is_at(datagram.destination, here):
        stream = streams[1]
    elif _is_at(datagram.source, here) or _is_at(datagram.destination, there):
        stream = streams[0]
    else:
        return
    try:
        if kind_of(datagram.data) is Kind.RTCP:
            stream.reports += 1
            for packet in parse_rtcp(datagram.data, []):
                if isinstance(packet, Report) and packet.blocks:
                    stream.lost = packet.blocks[0].lost
        elif kind_of(datagram.data) is Kind.RTP:
            if end_ns is not None and datagram.at_ns > end_ns:
                stream.late += 1
            stream.add(RtpPacket.parse(datagram.data), datagram, rate)
    except ParseError:
        return


def _is_at(address: SocketAddress, place: SocketAddress) -> bool:
    """Whether it is that place, or its port for RTCP."""
    return address.host == place.host and address.port in (place.port, place.port + 1)


def _measured(
    facts: CallFacts,
    places: tuple[SocketAddress, SocketAddress],
    streams: tuple[_Stream, _Stream],
    codec: Codec,
    began_ns: int,
) -> MediaFacts:
    sent, came = streams
    outbound, inbound = sent.main, came.main
    audio = audio_of(facts.answer)
    known = {each.payload_type: each.encoding for each in audio.codecs} if audio is not None else {}
    main = max(came.types, key=came.types.__getitem__, default=-1)
    wrong = sum(count for kind, count in came.types.items() if kind not in known and kind < _DYNAMIC)
    packets = outbound.packets if outbound is not None else 0
    media = MediaFacts(
        codec=codec.encoding,
        announced=places[1],
        remote=max(came.sources, key=came.sources.__getitem__, default=places[1]),
        sent=packets,
        sent_seconds=(sent.last_ns - sent.first_ns) / NS,
        reports=came.reports,
        reported_loss=min(max(came.lost, 0) / max(packets, 1), 1.0) if came.lost is not None else None,
        late=came.late,
        wrong_type=wrong,
        seen_codec=known.get(main, ""),
    )
    if inbound is None:
        return media
    count = max(inbound.packets, 1)
    answered = facts.answered.at if facts.answered is not None else None
    return replace(
        media,
        received=inbound.packets,
        seen_ptime=inbound.ptime,
        loss=inbound.loss,
        jitter=jitter_of(inbound),
        drift=inbound.drift,
        reordered=inbound.late / count,
        duplicates=inbound.duplicates / count,
        longest_gap=inbound.longest_gap,
        restarts=inbound.restarts,
        first_in=(came.first_ns - began_ns) / NS - answered if answered is not None else None,
    )


_DYNAMIC = 96
"""RFC 3551 §3: payload types from here on mean what a description says, maybe one that was not captured."""


def _place(description: SessionDescription | None) -> SocketAddress | None:
    audio = audio_of(description)
    connection = description.connection_of(audio) if description is not None and audio is not None else None
    return SocketAddress(connection.address, audio.port) if audio is not None and connection is not None else None


def _over(facts: CallFacts) -> float | None:
    """When the BYE was confirmed."""
    return next((said.at for said, response in facts.responses("BYE") if response.is_success), None) or next(
        (said.at for said in facts.said if facts.over is not None and said.at > facts.over.at and said.sent), None
    )
