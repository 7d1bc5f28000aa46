"""Discovery carried out: DNS asked, every candidate probed side by side, all of it within one deadline.

found = await discover("sip.example.com")

async with open_discovery("sip.example.com") as events:
    async for event in events:
        print(event)

One OPTIONS goes to each candidate (repeated over UDP until it is answered: RFC 3261 §17.1.2.1), of which there is a
bounded number. One that stays silent gets a second, inconspicuous request, and where that is answered the first one
again, in case it was lost. Where something answers, a few more tell what it can do, and a few handshakes what its TLS
server accepts.

What starts what, and until when, is decided here; how DNS is asked, a place tried, a TLS server looked at and a habit
found out is in `lookups`, `attempts`, `handshakes` and `habits`, each of which keeps what it found.
"""

import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import field, replace

import trio

from probes.calls.number import require_callable
from probes.checks import options
from probes.checks.io import Observation
from probes.destination import Destination
from probes.discovery.asking.run import EndpointIO, endpoint_config
from probes.discovery.attempts.run import QUIET, Attempts
from probes.discovery.candidates import Candidate, Key, Scope
from probes.discovery.events import (
    AttemptBegun,
    AttemptEnded,
    CallBegun,
    CallEnded,
    Concluded,
    Event,
    FindingMade,
    HabitsBegun,
    HabitsEnded,
    LookupEnded,
    TlsBegun,
    TlsEnded,
)
from probes.discovery.findings import Seen
from probes.discovery.habits.run import HabitsOf
from probes.discovery.handshakes.run import TlsReports
from probes.discovery.lookups.run import Lookups
from probes.discovery.outcome import Discovery, step_of
from probes.discovery.places import Places, is_silent
from probes.discovery.recommend import conclude
from probes.discovery.retry import explained
from probes.product import PRODUCT
from probes.reach import ReachPolicy, refusal_of
from probes.result import Attempt, Reach
from sipcore.endpoint.endpoint import Endpoint
from sipcore.errors import LocalError, NotAllowed
from sipcore.resolve.records import Result
from sipcore.resolve.target import Transport
from sipcore.trace import MessageTrace, TraceRecord
from sipcore.transports.base import TlsConfig
from sipcore.transports.gate import gate_of
from sipcore.transports.handshake import check_tls
from sipcore.transports.lookup import LookupConfig
from sipcore.value import value

DEFAULT_TIMEOUT = 4.0
"""Seconds for everything that stays silent: by then four requests were sent over UDP (at 0, 0.5, 1.5 and 3.5 s), three
SYNs over TCP."""
LATE = 0.1
"""The part of all the time that a place gets at least, however late DNS names it: what the deadline may be passed by.
By default that is enough for a round trip around the world, or a few for TLS to anywhere near; the finding `dns-slow`
says what became of the rest."""
GRACE = 0.5
"""Seconds that TLS gets at an address where plain TCP was answered, or the other way round: no server that speaks both
on one port takes longer to say so, and the others keep silent until the end."""
GUESSED = {False: 0.6, True: 1.5}
"""Seconds that a place gets that nobody names, once its address has answered elsewhere: over UDP and, True, over
streams. A second datagram, or SYN, was sent by then: firewalls that drop what they do not know are common."""
LINGER = 0.05
"""Seconds that answers over UDP are waited for after the last one, in case they come twice."""
MAX_CALLED = 3
"""Silent places of one run that are called, where somebody allows that: the usual ports of one address."""
_OTHER_STREAM = {Transport.TCP: Transport.TLS, Transport.TLS: Transport.TCP}
_SMALL_GROUP = "P-256"
"""The one group that the inconspicuous request offers, so that its first flight is small."""
Tell = Callable[[Event], None]


@value
class DiscoveryConfig:
    """How to discover. `timeout` is in seconds, for DNS and for whatever gets no answer, both together; what is asked
    where something answers comes on top.

    `ports` and `transports` replace the usual ones, and what the destination says; empty for those. Of `tls`, `verify`
    is not used: certificates are judged and reported, and SIP is asked all the same.
    """

    ports: tuple[int, ...] = ()
    transports: tuple[Transport, ...] = ()
    timeout: float = DEFAULT_TIMEOUT
    tls: TlsConfig = field(default_factory=TlsConfig)
    lookup: LookupConfig = field(default_factory=LookupConfig)
    """How DNS is asked."""
    retry: bool = True
    """Whether places that stay silent get a second, inconspicuous request."""
    habits: bool = True
    """Whether a place that answers gets a few requests more: large ones, keep-alives, one that may go no further."""
    challenge: bool = False
    """Whether a REGISTER that changes nothing is sent, to see what it is challenged with."""
    deep: bool = False
    """Whether a place that answers gets one each of the odd requests of `fingerprint.deep`, that REGISTER among them.
    They may be logged there, and count with whoever bans by logs."""
    invite: bool = False
    """Whether a place that answers gets an INVITE, or else those that keep silent, hung up when it is answered. A phone
    may ring. Emergency and premium numbers are refused."""
    tls_report: bool = True
    """Whether a few more handshakes are made with a TLS server."""
    reach: ReachPolicy | None = None
    """Which addresses may be reached, for whoever discovers on behalf of others; all of them without one."""


async def discover(target: Destination | str, config: DiscoveryConfig | None = None) -> Discovery:
    """Find out whether and how SIP is spoken at a destination, or at whatever a text names.

    Whatever the network and the peers do is in the result. Raises DestinationError where a text cannot be read, and
    LocalError when the configuration cannot be used.
    """
    async with open_discovery(target, config) as events:
        found = [event.discovery async for event in events if isinstance(event, Concluded)]
    return found[0]


@asynccontextmanager
async def open_discovery(
    target: Destination | str, config: DiscoveryConfig | None = None
) -> AsyncIterator[AsyncIterator[Event]]:
    """The same, step by step: what the block gets is to be iterated over, and `Concluded` has the result.

    Reading slowly slows nothing down. A block that is left earlier gives the discovery up. Raises as `discover` does.
    """
    config = config or DiscoveryConfig()
    destination = Destination.of(target)
    if config.invite and destination.user:
        require_callable(destination.user, frozenset())
    if not 0 < config.timeout < math.inf:
        message = f"a discovery cannot take {config.timeout} s; give a number above 0"
        raise LocalError(message, section="RFC 3261 §17.1.2.1")
    scope = Scope.of(destination, config.ports, config.transports)
    if any(transport.secure for transport in scope.named):
        check_tls(config.tls)
    send, events = trio.open_memory_channel[Event](math.inf)  # what one run does is bounded
    failures: list[BaseException] = []  # raised at the end, outside of the nursery, which would wrap them in a group

    async def carry_out() -> None:
        with send:
            try:
                await _carry_out(destination, scope, config, send.send_nowait)
            except Exception as error:  # noqa: BLE001  # carried past the nursery
                failures.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(carry_out)
        try:
            yield events
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001  # carried past the nursery
            failures.insert(0, error)
        finally:
            nursery.cancel_scope.cancel()
    if failures:
        raise failures[0]


async def _carry_out(destination: Destination, scope: Scope, config: DiscoveryConfig, tell: Tell) -> None:
    started = trio.current_time()
    small = replace(config.tls, group=config.tls.group or _SMALL_GROUP)
    refusal = refusal_of(config.reach)
    async with (
        Endpoint(endpoint_config(config.tls, PRODUCT, config.timeout, refusal)) as endpoint,
        Endpoint(endpoint_config(small, "", config.timeout, refusal)) as inconspicuous,
    ):
        run = _Run(destination, scope, config, (EndpointIO(endpoint), EndpointIO(inconspicuous)), tell)
        await run.everything()
        now = trio.current_time() - started
        discovery = replace(run.result(now), epoch_ns=endpoint.epoch_ns)
        for finding in discovery.findings:
            tell(FindingMade(now, finding))
        tell(Concluded(now, discovery))


class _Run:
    """One discovery in progress: what is known, and what was started because of it."""

    def __init__(
        self,
        destination: Destination,
        scope: Scope,
        config: DiscoveryConfig,
        ios: tuple[EndpointIO, EndpointIO],
        tell: Tell,
    ) -> None:
        self._destination = destination
        self._scope = scope
        self._config = config
        self._ios = ios
        self._tell = tell
        self._started = trio.current_time()
        self._end = self._started + config.timeout
        self._io, inconspicuous = ios
        self._lookups = Lookups(destination, scope, config.lookup, config.timeout, deep=config.deep)
        self._places = Places()
        refusal = refusal_of(config.reach)
        self._attempts = Attempts(
            destination, self._io, inconspicuous, self._places, config.tls, retry=config.retry, refusal=refusal
        )
        self._habits = HabitsOf(self._io, challenge=config.challenge, deep=config.deep)
        self._gate = gate_of(refusal)
        self._tls = TlsReports(config.tls, deep=config.deep, refusal=refusal)
        self._called: set[Key] = set()

    async def everything(self) -> None:
        """Ask and probe until there is nothing more to do; each answer of DNS may start more of both."""
        async with trio.open_nursery() as nursery:

            def take(results: Sequence[Result]) -> None:
                for result in results:
                    self._tell(LookupEnded(self._now, step_of(result)))
                self._start(nursery)

            self._start(nursery)
            await self._lookups.carry_out(self._end, take)
        attempts = self._places.attempts
        if any(attempt.response is not None and not attempt.hop.transport.reliable for attempt in attempts):
            await trio.sleep(LINGER)

    def result(self, duration: float) -> Discovery:
        """What everything adds up to, in the order of the candidates. `duration` is in seconds."""
        candidates = self._lookups.candidates()
        over = [(one, attempt) for one in candidates if (attempt := self._places.attempt(one.key)) is not None]
        attempts = explained([self._attempts.with_evidence(attempt, candidate) for candidate, attempt in over])
        asked = sorted((one for io in self._ios for one in io.exchanges()), key=lambda one: one.messages[0].at)
        seen = Seen(
            self._lookups.report,
            self._tls.found,
            self._habits.found,
            self._scope,
            time.time(),
            omitted=len(candidates) - len(over),
            asked=tuple(asked),
        )
        results = self._lookups.results
        steps = [step_of(result) for result in results]
        return conclude(self._destination, steps, results, attempts, duration=duration, seen=seen)

    @property
    def _now(self) -> float:
        return trio.current_time() - self._started

    # Attempts

    def _start(self, nursery: trio.Nursery) -> None:
        """Try the candidates that are new."""
        for candidate in self._lookups.candidates():
            if self._places.begin(candidate):
                self._tell(AttemptBegun(self._now, candidate))
                nursery.start_soon(self._try, candidate, nursery)

    async def _try(self, candidate: Candidate, nursery: trio.Nursery) -> None:
        """Try a place, look closer at one that keeps silent, and start what its answer makes worth knowing."""
        end = self._end_of_new()
        refused = self._refused(candidate)
        if refused is not None:
            self._conclude(candidate, refused)
            return
        of_call: list[TraceRecord] = []
        async with trio.open_nursery() as meanwhile:
            if self._config.tls_report and candidate.hop.transport.secure:
                meanwhile.start_soon(self._report_tls_if_silent, candidate, nursery, end)
            if self._config.invite:
                meanwhile.start_soon(self._call_if_silent, candidate, of_call, end)
            attempt = await self._attempts.carry_out(candidate, end)
            if not self._awaits_call(attempt, candidate):
                meanwhile.cancel_scope.cancel()
        if is_silent(attempt):
            attempt = options.judge_call(attempt, of_call)
        attempt = self._conclude(candidate, attempt)
        if attempt.response is not None:
            self._hurry_others(attempt)
        self._start_tls_report(attempt, candidate, nursery, end)
        self._start_asking_more(attempt, nursery)

    def _refused(self, candidate: Candidate) -> Attempt | None:
        """The attempt at a place that must not be reached, which sends nothing; None for any other."""
        try:
            if self._gate is not None:
                self._gate.require(candidate.hop)
        except NotAllowed as error:
            query = options.plan(candidate.uri, candidate.hop, 0.0)
            return options.judge(Observation(query, 0.0, failure=error.as_failure()))
        return None

    def _conclude(self, candidate: Candidate, attempt: Attempt) -> Attempt:
        """The attempt at a place is over."""
        attempt = replace(attempt, published=candidate.published)
        self._places.end(candidate, attempt)
        self._tell(AttemptEnded(self._now, attempt))
        return attempt

    def _end_of_new(self) -> float:
        """Until when what is begun now is waited for: to the deadline, but for a moment at least."""
        return max(self._end, trio.current_time() + self._config.timeout * LATE)

    async def _until_nearly(self, end: float) -> float:
        """Let the first part of the time until `end` go by, and tell how many seconds are left then: a moment's where
        this process was stopped meanwhile, and `end` is past.
        """
        begun = trio.current_time()
        await trio.sleep_until(begun + (end - begun) * QUIET)
        return max(end - trio.current_time(), self._config.timeout * LATE)

    def _hurry_others(self, answered: Attempt) -> None:
        """Wait less for what an answer makes unlikely: another kind of stream on the same port, and guessed places.

        Those are what neither DNS nor whoever asks names, at an address that is known to answer.
        """
        remote = answered.hop.remote
        other = _OTHER_STREAM.get(answered.hop.transport)
        if other is not None:
            self._attempts.hurry((other, remote), GRACE)
        if self._destination.port is not None or self._config.ports or self._config.transports:
            return
        for candidate in self._lookups.candidates():
            hop = candidate.hop
            guessed = not candidate.published and hop.remote.port != remote.port
            if guessed and hop.remote.host == remote.host and self._places.attempt(candidate.key) is None:
                seconds = max(GUESSED[hop.transport.reliable], 2 * (answered.rtt or 0.0))
                self._attempts.give_up_soon(candidate, seconds)

    def _start_asking_more(self, attempt: Attempt, nursery: trio.Nursery) -> None:
        """Have habits found out where a request was answered, and the one call made that somebody allowed."""
        # An answer that does not fit its request has no time: no further one would be taken for an answer either.
        final = attempt.rtt is not None and attempt.response is not None and not attempt.response.is_provisional
        if not final or attempt.detail == options.ONLY_CALLS:
            return
        if self._config.invite and not self._called:
            nursery.start_soon(self._call, attempt, self._config.timeout * (1 - QUIET))
        if self._config.habits and not attempt.only:
            nursery.start_soon(self._find_out_habits, attempt)

    async def _find_out_habits(self, attempt: Attempt) -> None:
        self._tell(HabitsBegun(self._now, attempt.hop))
        await self._habits.find_out(attempt)
        self._tell(HabitsEnded(self._now, attempt.hop))

    # Calls

    def _awaits_call(self, attempt: Attempt, candidate: Candidate) -> bool:
        """Whether a place that kept silent is being called, or will be unless another one answers."""
        may_be_called = candidate.key in self._called or not self._places.is_answered
        return self._config.invite and is_silent(attempt) and may_be_called

    async def _call_if_silent(self, candidate: Candidate, of_call: list[TraceRecord], end: float) -> None:
        """Call a place that is silent for long, if nobody answers anywhere: some answer calls alone."""
        left = await self._until_nearly(end)
        silent = [place for place in self._places.without_a_word if self._was_sent(place)]
        if candidate.key in silent[:MAX_CALLED] and not self._places.is_answered:
            of_call += await self._call(self._so_far(candidate), left)

    def _was_sent(self, place: Key) -> bool:
        """Whether a request, and not only a connection, was on its way there."""
        return any(isinstance(one, MessageTrace) for one in self._io.records(place))

    async def _call(self, attempt: Attempt, seconds: float) -> tuple[TraceRecord, ...]:
        hop = attempt.hop
        self._called.add((hop.transport, hop.remote))
        self._tell(CallBegun(self._now, hop))
        records = await self._habits.call(attempt, seconds)
        self._tell(CallEnded(self._now, hop, bool(records)))
        return records

    def _so_far(self, candidate: Candidate) -> Attempt:
        """What an attempt under way would be if it ended now."""
        records = self._io.records(candidate.key)
        return Attempt(candidate.hop, candidate.uri, Reach.NO_ANSWER, records=records)

    # TLS

    def _start_tls_report(self, attempt: Attempt, candidate: Candidate, nursery: trio.Nursery, end: float) -> None:
        """Look at a TLS server more closely whose attempt is over.

        One that is said to be there, and hangs up on versions that are offered usually, may speak an older one; one
        that says nothing at all has had its time.
        """
        if not self._config.tls_report or not candidate.hop.transport.secure:
            return
        now = trio.current_time()
        seconds = self._config.timeout if attempt.response is not None else end - now
        hung_up = attempt.reach is Reach.TLS_FAILED and now < end
        if seconds > 0 and (options.speaks_tls(attempt) or (hung_up and self._is_wanted(candidate))):
            nursery.start_soon(self._report_tls, candidate, seconds)

    def _is_wanted(self, candidate: Candidate) -> bool:
        """Whether somebody says that this transport is spoken there: DNS, or whoever asks for nothing else."""
        return candidate.published or self._scope.transports == (candidate.hop.transport,)

    async def _report_tls_if_silent(self, candidate: Candidate, nursery: trio.Nursery, end: float) -> None:
        """Look at a TLS server that says nothing more while its answer is waited for: then its time is over."""
        left = await self._until_nearly(end)
        if options.speaks_tls(self._so_far(candidate)):
            nursery.start_soon(self._report_tls, candidate, left)

    async def _report_tls(self, candidate: Candidate, seconds: float) -> None:
        if self._tls.begin(candidate.hop):
            self._tell(TlsBegun(self._now, candidate.hop))
            report = await self._tls.carry_out(candidate.hop, seconds)
            self._tell(TlsEnded(self._now, report))
