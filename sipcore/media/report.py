"""What happened to the media of a call: events as they come, and the measures at the end. Times are in seconds."""

from enum import Enum

from sipcore.media.dtmf import ReceivedKey
from sipcore.media.listen import Heard
from sipcore.media.reception import Received
from sipcore.media.srtp import SrtpFailures
from sipcore.resolve.target import SocketAddress
from sipcore.value import value


class MediaEventKind(Enum):
    """What happened."""

    FIRST_SENT = "first packet sent"
    FIRST_RECEIVED = "first packet received"
    STALLED = "no packets any more"
    RESUMED = "packets again"
    SILENCE_BEGAN = "silence"
    SILENCE_ENDED = "sound again"
    KEY_RECEIVED = "key received"
    KEY_SENT = "key sent"
    CODEC_CHANGED = "codec changed"
    SOURCE_CHANGED = "another source"
    REMOTE_MOVED = "media from another address"
    SECURED = "secured"
    SECURITY_FAILED = "security failed"
    NOMINATED = "path chosen by ICE"
    HELD = "on hold"
    TAKEN_OFF_HOLD = "off hold"
    GOODBYE = "goodbye"
    UNREACHABLE = "unreachable"
    NOT_ALLOWED = "not allowed"


@value
class MediaEvent:
    """Something happened `at`; `detail` says with what, for people."""

    at: float
    kind: MediaEventKind
    detail: str = ""


@value
class Sent:
    """What was sent. `skipped` are packets that were not, since their time had long gone by when the pacer came round.

    `lateness` is the 99th percentile of how late packets left here, `latest` the worst: jitter that is not the
    network's. `first_at` and `last_at` are None when nothing was sent.
    """

    ssrc: int
    packets: int
    octets: int
    skipped: int
    refused: int
    keys: str
    lateness: float
    latest: float
    first_at: float | None
    last_at: float | None


@value
class RemoteView:
    """What the peer last reported of the stream sent to it (RFC 3550 §6.4.1): `fraction_lost` of its last interval,
    `lost` altogether, jitter in seconds."""

    at: float
    fraction_lost: float
    lost: int
    jitter: float


@value
class Control:
    """What RTCP told. `reports` are the packets among those received that have reports (RFC 3550 §6.4), whatever these
    say; `round_trips` are in the order in which they were measured.
    """

    sent: int
    received: int
    malformed: int
    round_trips: tuple[float, ...]
    remote: RemoteView | None
    cname: str
    goodbye: bool
    reports: int = 0

    @property
    def round_trip(self) -> float | None:
        """The median of the round trips; None without any."""
        ordered = sorted(self.round_trips)
        return ordered[len(ordered) // 2] if ordered else None


@value
class Unexpected:
    """Datagrams that are no part of the stream: what could not be read, of unknown payload types, from other addresses
    than the peer's (each with how many), after the end, and before keys were there; DTLS where no handshake was agreed
    on, and checks of ICE where no ICE was. `switches` is how often another source sent than before, `faults` how often
    this program made a mistake over a packet, which was lost by that."""

    malformed: int = 0
    wrong_type: int = 0
    elsewhere: tuple[tuple[SocketAddress, int], ...] = ()
    after_end: int = 0
    unready: int = 0
    handshakes: int = 0
    checks: int = 0
    switches: int = 0
    faults: int = 0


@value
class MediaResult:
    """The media of one call. `sources` are what came, the one with the most packets first.

    `codec` is the encoding met in most packets; `suite` the SRTP suite, empty for plain RTP. `opinion` is the estimate
    of the mean opinion score (`emodel`) of what was received; None where nothing was, or the model has no values.
    """

    sent: Sent
    """What was sent, and how late it left here."""
    sources: tuple[Received, ...]
    control: Control
    """What RTCP told, the round trip among it."""
    unexpected: Unexpected
    """What came that was no part of the stream."""
    keys: tuple[ReceivedKey, ...]
    """DTMF that came (RFC 4733), in order."""
    payload_types: tuple[tuple[int, int], ...]
    """Each payload type that came, and in how many packets."""
    codec: str
    suite: str
    security_failure: str
    """Why media could not be protected as agreed, empty where it could."""
    srtp: SrtpFailures | None
    """How many packets did not decrypt; None without SRTP."""
    silent_seconds: float
    """For how long there was silence in what came, pauses of speech left out."""
    remote: SocketAddress
    """Where packets went last."""
    announced: SocketAddress
    """Where the peer's description wanted them."""
    opinion: float | None
    heard: Heard | None = None
    """What was listened to: echo, tones, silence; None where nobody listened."""

    @property
    def received(self) -> Received | None:
        """The main source; None when nothing came."""
        return self.sources[0] if self.sources else None

    @property
    def one_way(self) -> bool:
        """Whether media was sent and none came."""
        return self.sent.packets > 0 and not self.sources
