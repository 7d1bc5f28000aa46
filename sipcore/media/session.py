"""The media of one call, without its sockets: datagrams and times go in; datagrams, events and measures come out.

session.receive_untrusted(Component.RTP, data, remote, at, now)      session.handle_timeout(now)
session.drain() -> [Datagram | MediaEvent]                           session.result(now)

`now` and `at`, the time at which a datagram came, are on one monotonic clock.
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

from sipcore.errors import ParseError
from sipcore.media.control import Controller
from sipcore.media.emodel import estimate
from sipcore.media.ice import CheckOutcome, LiteAgent
from sipcore.media.keys import Handshake
from sipcore.media.listen import Heard, Steps, finished, listening
from sipcore.media.plan import MediaPlan
from sipcore.media.receiver import Receiver
from sipcore.media.report import MediaEvent, MediaEventKind, MediaResult, Unexpected
from sipcore.media.rtp import Kind, RtpPacket, kind_of
from sipcore.media.sender import Sender
from sipcore.media.srtp import SrtpSession
from sipcore.media.voice import played, reference_of
from sipcore.resolve.target import SocketAddress
from sipcore.tokens import RandomBytes
from sipcore.value import maker, value

WATCH_SECONDS = 0.5
"""How often it is looked whether packets still come."""
MAX_ELSEWHERE = 16
"""Addresses that are told of, from which datagrams came that are not the peer's."""
FORGET_SECONDS = 1.0
"""Without a packet, after which the peer may send from another address than before."""


UNSPECIFIED = ("0.0.0.0", "::")  # noqa: S104  # nothing is bound to them here
"""Where nothing can be sent: how RFC 2543 put a call on hold (RFC 3264 §8.4)."""


class Component(Enum):
    """One of the two ports of a stream (RFC 3550 §11)."""

    RTP = 1
    RTCP = 2


@value
class Datagram:
    """To be sent from a component's port."""

    component: Component
    data: bytes
    remote: SocketAddress


Output = Datagram | MediaEvent

_NOTHING: Sequence[Output] = ()
_make_datagram = maker(Datagram)


class MediaSession:
    """The media of one call, from `now` on. `epoch` is the time of day at 0 of the clock that `now` is on."""

    def __init__(self, plan: MediaPlan, random_bytes: RandomBytes, now: float, epoch: float) -> None:
        self.plan = plan
        self._output: list[Output] = []
        self._sender = Sender(plan.codec, plan.events, plan.ptime, random_bytes)
        self._receiver = Receiver(plan.codec, plan.all_events, plan.others)
        self._control = Controller(
            self._sender,
            self._receiver,
            plan.codec.clock_rate,
            epoch,
            plan.rtcp_interval,
            plan.cname,
            random_bytes,
            now,
        )
        self._agent = LiteAgent(plan.ice) if plan.ice else None
        self._nominated: SocketAddress | None = None
        self._srtp = SrtpSession(*plan.keys) if plan.keys else None
        self._srtcp = self._srtp
        """That of RTCP: the same, but for DTLS on two ports."""
        self._handshake = plan.handshake
        self._rtcp_handshake = plan.rtcp_handshake
        self._under_way = tuple(each for each in (plan.handshake, plan.rtcp_handshake) if each is not None)
        self._security_failure = ""
        self._withheld: set[SocketAddress] = set()
        """Where nothing may be sent, as far as it is known."""
        self._is_refused = False
        """Whether it was told that a packet was refused."""
        self.remote = plan.remote
        """Where media is sent, as of now."""
        self._remote_rtcp = self._control_address(plan)
        self._heard_from: SocketAddress | None = None
        self._heard_at = 0.0
        self._left: tuple[SocketAddress | None, ...] = ()
        self._left_at = 0.0
        """From where the peer sent before it moved, and when that was."""
        self._elsewhere: dict[SocketAddress, int] = {}
        self._malformed = self._unready = self._after_end = self._handshakes = self._checks = 0
        self._watch_at = now + WATCH_SECONDS
        self._ended = False
        if self._is_ready:
            self._begin(now)

    def receive_untrusted(
        self, component: Component, data: bytes, remote: SocketAddress, at: float, now: float
    ) -> None:
        """Take a datagram that came `at` from `remote`."""
        kind = kind_of(data)
        if kind is Kind.RTP:
            self._receive_rtp(data, remote, at, now)
        elif kind is Kind.RTCP:
            self._receive_rtcp(data, remote, at)
        elif kind is Kind.STUN:
            self._answer_check(component, data, remote, at)
        elif kind is Kind.DTLS:
            handshake = self._handshake if component is Component.RTP else self._rtcp_handshake
            if handshake is None:
                self._handshakes += 1
            else:
                handshake.receive_untrusted(data, now)
                self._follow_handshakes(now)
        elif kind is not Kind.KEEP_ALIVE:
            self._malformed += 1

    def next_timeout(self) -> float | None:
        """When to call `handle_timeout` next; None once there is nothing left to do."""
        if self._ended:
            return None
        soonest = self._watch_at
        if self._sender.due < soonest:
            soonest = self._sender.due
        if self._control.next_timeout < soonest and self._can_control:
            soonest = self._control.next_timeout
        for handshake in self._under_way:
            if (at := handshake.next_timeout()) is not None and at < soonest:
                soonest = at
        return soonest

    def handle_timeout(self, now: float) -> None:
        """Send what is due."""
        if self._ended:
            return
        if self._under_way:
            for handshake in self._under_way:
                handshake.handle_timeout(now)
            self._follow_handshakes(now)
        sender = self._sender
        pressed = len(sender.keys)
        for data in sender.take_due(now):
            self._send(data, now)
        if len(sender.keys) > pressed:
            self._output.extend(MediaEvent(now, MediaEventKind.KEY_SENT, key) for key in sender.keys[pressed:])
        if now >= self._watch_at:
            self._watch_at = now + WATCH_SECONDS
            if self.plan.receives:
                self._output.extend(self._receiver.watch(now))
        if now >= self._control.next_timeout and self._can_control:
            self._send_control(self._control.take_due(now) or b"")

    def drain(self) -> Sequence[Output]:
        """What is to be sent and told, in order; each once."""
        output = self._output
        if not output:
            return _NOTHING
        self._output = []
        return output

    def press(self, keys: str) -> None:
        """Send keys, as telephone events. Raises LocalError for what is none, or where events were not agreed on."""
        self._sender.press(keys)

    def move(self, plan: MediaPlan, now: float) -> None:
        """Go on with a plan that differs in where the peer wants media, and whether, and in nothing else.

        Who is put on hold sends nothing until the call is taken off hold (RFC 3264 §8.4); RTCP goes on (§5.1).
        """
        before = self.plan
        self.plan = replace(plan, handshake=before.handshake, rtcp_handshake=before.rtcp_handshake)
        moves = (plan.remote, plan.remote_rtcp) != (before.remote, before.remote_rtcp)
        if moves and plan.remote.host not in UNSPECIFIED:
            self._left, self._left_at = (self._heard_from, self.remote, self._remote_rtcp), now
            self.remote = plan.remote
            self._remote_rtcp = self._control_address(plan)
            self._heard_from = None
        if plan.sends == before.sends:
            return
        if not plan.sends:
            self._sender.pause()
            self._output.append(MediaEvent(now, MediaEventKind.HELD, "the peer wants no media"))
            return
        self._output.append(MediaEvent(now, MediaEventKind.TAKEN_OFF_HOLD, ""))
        if self._sender.began is not None:
            self._sender.resume(now)
        elif self._is_ready:
            self._begin(now)

    def finish(self, now: float) -> None:
        """The call is over: say goodbye. What comes from now on came too late."""
        if self._ended:
            return
        self._ended = True
        self._output.extend(self._receiver.finish(now))
        if self._can_control:
            self._send_control(self._control.goodbye_now(now))

    def unreachable(self, why: str, now: float) -> None:
        """The network, or the kernel, has refused a datagram."""
        self._sender.refused += 1
        if self._sender.refused == 1:
            self._output.append(MediaEvent(now, MediaEventKind.UNREACHABLE, why))

    def withhold(self, remote: SocketAddress, why: str, now: float) -> None:
        """Send nothing to an address any more, since it must not be reached from here; the first of a host is told."""
        if len(self._withheld) >= MAX_ELSEWHERE:
            return
        if all(remote.host != each.host for each in self._withheld):
            self._output.append(MediaEvent(now, MediaEventKind.NOT_ALLOWED, why))
        self._withheld.add(remote)

    def listen(self) -> Heard | None:
        """What the last seconds of sound hold; None when none that can be heard came. Takes up to 0.3 s."""
        return finished(self.listening())

    def listening(self) -> Steps[Heard | None]:
        """The same in steps of some 2 ms."""
        recordings = list(self._receiver.recordings.values())
        if not recordings:
            return None
        plays = reference_of(self.plan.codec) if not self.plan.echo and self.plan.frames is None else None
        longest = max(recordings, key=lambda recording: recording.size)
        heard = yield from listening(longest, plays, self._sender.began or 0.0, self.plan.sweep)
        return heard

    def result(self, now: float, heard: Heard | None = None) -> MediaResult:
        """The measures, so far or altogether, with what was `heard`."""
        sources = sorted((each.result() for each in self._receiver.receptions), key=lambda each: -each.packets)
        control = self._control.result()
        codec = self._receiver.codec
        opinion = None
        if sources:
            main = sources[0]
            delay = (control.round_trip or 0.0) / 2
            opinion = estimate(codec, loss=main.loss, delay=delay, jitter=main.jitter)
        return MediaResult(
            self._sender.result(),
            tuple(sources),
            control,
            Unexpected(
                self._malformed + self._receiver.malformed,
                self._receiver.wrong_type,
                tuple(self._elsewhere.items()),
                self._after_end,
                self._unready,
                self._handshakes,
                self._checks,
                self._receiver.switches,
            ),
            tuple(self._receiver.keys),
            tuple(sorted(self._receiver.payload_types.items())),
            codec,
            self._srtp.suite.name if self._srtp else "",
            self._security_failure,
            self._srtp.failures if self._srtp else None,
            self._receiver.silent_seconds(now),
            self.remote,
            self.plan.remote,
            opinion,
            heard,
        )

    @property
    def _is_ready(self) -> bool:
        return self._handshake is None or self._srtp is not None

    def _begin(self, now: float) -> None:
        plan = self.plan
        if plan.sends and not plan.echo:
            self._sender.begin(now, plan.frames or played(plan.codec, plan.ptime, plan.sweep))

    @property
    def _can_control(self) -> bool:
        """Whether RTCP may flow: in the clear beside RTP in the clear, else with keys."""
        return self._handshake is None or self._srtcp is not None

    def _follow_handshakes(self, now: float) -> None:
        for component, handshake, remote in (
            (Component.RTP, self._handshake, self.remote),
            (Component.RTCP, self._rtcp_handshake, self._remote_rtcp),
        ):
            if handshake is None:
                continue
            self._output.extend(Datagram(component, data, remote) for data in handshake.drain())
            if component is Component.RTP:
                self._follow_handshake(handshake, now)
            elif handshake.keys is not None and self._srtcp is None:
                self._srtcp = SrtpSession(*handshake.keys)

    def _follow_handshake(self, handshake: Handshake, now: float) -> None:
        if handshake.failure and not self._security_failure:
            self._security_failure = handshake.failure
            self._output.append(MediaEvent(now, MediaEventKind.SECURITY_FAILED, handshake.failure))
        elif handshake.keys is not None and self._srtp is None:
            self._srtp = SrtpSession(*handshake.keys)
            if self.plan.rtcp_mux:
                self._srtcp = self._srtp
            self._output.append(MediaEvent(now, MediaEventKind.SECURED, self._srtp.suite.name))
            self._begin(now)

    def _control_address(self, plan: MediaPlan) -> SocketAddress:
        if plan.rtcp_mux:
            return plan.remote
        return plan.remote_rtcp or SocketAddress(plan.remote.host, plan.remote.port + 1)

    def _receive_rtp(self, data: bytes, remote: SocketAddress, at: float, now: float) -> None:
        is_known = remote is self._heard_from  # nearly always: a port keeps the address that it heard last
        if not is_known and not self._is_expected(remote, at):
            self._note_elsewhere(remote)
            return
        if self._ended:
            self._after_end += 1
            return
        plain = data
        if self._srtp is not None:
            unprotected = self._srtp.unprotect_untrusted(data)
            if unprotected is None:
                if self._srtp.failures.authentication and not self._is_refused:
                    self._is_refused = True
                    self._output.append(MediaEvent(at, MediaEventKind.SECURITY_FAILED, "a packet was refused"))
                return
            plain = unprotected
        elif self._handshake is not None:
            self._unready += 1
            return
        try:
            packet = RtpPacket.parse(plain)
        except ParseError:
            self._malformed += 1
            return
        self._heard_at = at
        if not is_known:
            self._follow(remote, at)
        events = self._receiver.add(packet, at)
        if events:
            self._output.extend(events)
        if self.plan.echo and self.plan.sends:
            self._send(self._sender.echo(packet, now), now)

    def _is_expected(self, remote: SocketAddress, at: float) -> bool:
        """Whether a datagram may be the peer's: from where it sends, or said that it would, or anywhere to begin with.

        Who forges packets must not be able to take over a stream that flows.
        """
        if remote in (self._heard_from, self.plan.remote):
            return True
        return self.plan.symmetric and (self._heard_from is None or at - self._heard_at > FORGET_SECONDS)

    def _follow(self, remote: SocketAddress, at: float) -> None:
        """Symmetric RTP: media is sent to where it comes from (RFC 4961), unless that was left just now."""
        if remote == self._heard_from or self._is_left(remote, at):
            return
        if self.plan.remote.port and (remote != self.plan.remote or self._heard_from is not None):
            self._output.append(MediaEvent(at, MediaEventKind.REMOTE_MOVED, str(remote)))
        self._heard_from = remote
        if self.plan.symmetric:
            if self.plan.rtcp_mux:
                self._remote_rtcp = remote
            elif self._remote_rtcp == SocketAddress(self.remote.host, self.remote.port + 1):
                self._remote_rtcp = SocketAddress(remote.host, remote.port + 1)
            self.remote = remote

    def _is_left(self, remote: SocketAddress, at: float) -> bool:
        """Whether what comes from there was under way when the peer moved, and does not take it back."""
        return remote in self._left and remote != self.plan.remote and at - self._left_at <= FORGET_SECONDS

    def _receive_rtcp(self, data: bytes, remote: SocketAddress, at: float) -> None:
        known = remote.host in (self.remote.host, self.plan.remote.host, self._remote_rtcp.host)
        if not known and not (self.plan.symmetric and self._heard_from is None):
            self._note_elsewhere(remote)
            return
        if self._ended:
            return  # its reports, and its goodbye, may well come after ours
        plain: bytes | None = data
        if self._srtcp is not None:
            plain = self._srtcp.unprotect_untrusted(data, rtcp=True)
        elif self._handshake is not None:
            self._unready += 1
            return
        if plain is None:
            return
        if self.plan.symmetric and not self.plan.rtcp_mux and not self._is_left(remote, at):
            self._remote_rtcp = remote
        if self._control.receive_untrusted(plain, at):
            self._output.append(MediaEvent(at, MediaEventKind.GOODBYE, ""))

    def _answer_check(self, component: Component, data: bytes, remote: SocketAddress, at: float) -> None:
        if self._agent is None:
            self._checks += 1
            return  # a keep-alive, or a peer that has not read that there is no ICE here
        answer = self._agent.answer_untrusted(data, remote)
        if answer.data:
            self._output.append(Datagram(component, answer.data, remote))
        if answer.outcome is CheckOutcome.NOMINATED and component is Component.RTP and remote != self._nominated:
            self.remote = self._heard_from = self._nominated = remote
            self._heard_at = at
            self._output.append(MediaEvent(at, MediaEventKind.NOMINATED, str(remote)))

    def _note_elsewhere(self, remote: SocketAddress) -> None:
        if remote in self._elsewhere or len(self._elsewhere) < MAX_ELSEWHERE:
            self._elsewhere[remote] = self._elsewhere.get(remote, 0) + 1

    def _send(self, plain: bytes, now: float) -> None:
        if not self.remote.port or (self._withheld and self.remote in self._withheld):
            return
        if self._sender.first_at is None:
            self._output.append(MediaEvent(now, MediaEventKind.FIRST_SENT, str(self.remote)))
        data = plain if self._srtp is None else self._srtp.protect(plain)
        self._output.append(_make_datagram(Component.RTP, data, self.remote))
        self._sender.note_sent(plain, now)

    def _send_control(self, data: bytes) -> None:
        if not self.remote.port or self._remote_rtcp.host in UNSPECIFIED:
            return
        if self._srtcp is not None:
            data = self._srtcp.protect_rtcp(data)
        component = Component.RTP if self.plan.rtcp_mux else Component.RTCP
        self._output.append(Datagram(component, data, self._remote_rtcp))
