"""What the media of one call is to be, before there is any: out of two descriptions, or as somebody wants it."""

from dataclasses import field

from sipcore.errors import LocalError, ParseError
from sipcore.media.control import INTERVAL
from sipcore.media.ice import IceCredentials
from sipcore.media.keys import Handshake, SrtpKeys
from sipcore.media.sound import Frames, Sweep, signal
from sipcore.media.srtp import SrtpSession
from sipcore.media.voice import packet_time, played, reference_of
from sipcore.resolve.target import SocketAddress, has_zone, is_numeric
from sipcore.sdp.attributes import Codec
from sipcore.sdp.negotiation import Stream
from sipcore.value import value

DEFAULT_PTIME = 0.02
"""Seconds of sound in a packet where nobody says otherwise (RFC 3551 §4.2)."""
LEAST_PTIME, MOST_PTIME = 0.01, 0.1
"""Whatever a peer wishes for: a hundred packets a second at most, and no call that is mostly delay."""


@value
class MediaPlan:
    """What two descriptions agreed on: where to, which codec, how protected; and what is to be sent.

    `remote` is where the peer's description wants RTP; with port 0 that is not known yet, and nothing is sent before
    something has come. RTCP goes to `remote_rtcp`, by default the port behind it, or,
    with `rtcp_mux`, along with RTP. `codec` is sent, `others` may come as well, `events` is the payload type of keys.
    `ptime` is in seconds. `keys` are the local and the remote ones of SDES, `handshake` is DTLS's; with neither, RTP is
    plain. Without `rtcp_mux`, `rtcp_handshake` makes the keys of RTCP, which has a DTLS association of its own
    (RFC 5764 §4.1); beside DTLS, RTCP is neither sent nor read before it is done. `ice` are the local credentials,
    where the peer does ICE. With `symmetric`, media is sent to where it comes from, whatever was announced.

    `sends` and `receives` are what the descriptions' directions come to.

    What is sent: back what comes, with `echo`; else `frames`; else the known signal that is the `sweep`, where the
    codec can be spoken here (`voice`), silence in G.729, and nothing in others.
    """

    remote: SocketAddress
    codec: Codec
    events: Codec | None = None
    other_events: tuple[Codec, ...] = ()
    """Keys may come in these, too: at another clock rate."""
    others: tuple[Codec, ...] = ()
    remote_rtcp: SocketAddress | None = None
    rtcp_mux: bool = False
    ptime: float = DEFAULT_PTIME
    sends: bool = True
    receives: bool = True
    symmetric: bool = True
    echo: bool = False
    frames: Frames | None = None
    sweep: Sweep = Sweep.CALLER
    keys: tuple[SrtpKeys, SrtpKeys] | None = None
    handshake: Handshake | None = field(default=None, compare=False)
    rtcp_handshake: Handshake | None = field(default=None, compare=False)
    ice: IceCredentials | None = None
    rtcp_interval: float = INTERVAL
    cname: str = "sipcore"

    @classmethod
    def of(cls, stream: Stream, *, ptime: float | None = None) -> "MediaPlan":
        """What a stream of two descriptions calls for; `ptime`, in seconds, is for a peer that has no wish of its own.

        Raises ParseError for one that is not to IP addresses, or has no codec; keys and ICE are the caller's to add.
        """
        if not _leads_somewhere(stream.connection.address):
            text = "media is sent to IP addresses alone, and the c= line has none"
            raise ParseError(text, section="RFC 3264 §6", text=stream.connection.address, status=488)
        if not stream.codecs:
            raise ParseError("there is no codec to send with", section="RFC 3264 §6", status=488)
        rtcp = None
        if stream.rtcp is not None and _leads_somewhere(stream.rtcp[0].address):
            rtcp = SocketAddress(stream.rtcp[0].address, stream.rtcp[1])
        wished = stream.ptime / 1000 if stream.ptime is not None else ptime
        return cls(
            SocketAddress(stream.connection.address, stream.port),
            stream.codecs[0],
            stream.events,
            others=(*stream.codecs[1:], *stream.receives),
            other_events=stream.other_events,
            remote_rtcp=rtcp,
            rtcp_mux=stream.rtcp_mux,
            ptime=packet_time(stream.codecs[0], min(max(wished or DEFAULT_PTIME, LEAST_PTIME), MOST_PTIME)),
            sends=stream.direction.sends and not stream.held,
            receives=stream.direction.receives,
        )

    @property
    def all_events(self) -> tuple[Codec, ...]:
        """In what keys may come."""
        return () if self.events is None else (self.events, *self.other_events)

    def __post_init__(self) -> None:
        if not 0.001 <= self.ptime <= 1.0:
            raise LocalError("a packet lasts a millisecond to a second", section="RFC 3551 §4.2")


def _leads_somewhere(host: str) -> bool:
    """Whether what a peer calls its address can be sent to."""
    return is_numeric(host) and not has_zone(host)


def prepare(plan: MediaPlan) -> None:
    """Make now what is made once and takes long: the tables of the codec, the known signal, the library for SRTP.

    A session that has to make them makes its first packets late.
    """
    if not plan.echo and plan.frames is None:
        played(plan.codec, plan.ptime, plan.sweep)
    law = reference_of(plan.codec)
    if law is not None:
        law.is_silent(signal(law, plan.sweep))
    if plan.keys is not None:
        SrtpSession(*plan.keys)
