"""Discovery carried out: DNS asked, every candidate probed side by side, all of it within one deadline.

found = await discover("sip.example.com")

async with open_discovery("sip.example.com") as events:
    async for event in events:
        print(event)

One OPTIONS goes to each candidate (repeated over UDP until it is answered: RFC 3261 §17.1.2.1), of which there is a
bounded number. One that stays silent gets a second, inconspicuous request, and where that is answered the first one
again, in case it was lost. Where something answers, a few more tell what it can do, and a few handshakes what its TLS
server accepts.
"""

import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import trio

from probes.calls.number import require_callable
from probes.checks import options
from probes.checks.dns.judge import DnsReport
from probes.checks.dns.judge import judge as judge_dns
from probes.checks.dns.judge import told as told_by_dns
from probes.checks.dns.plan import DEFAULT_PAUSE, DnsQuestion, Reply
from probes.checks.dns.plan import Query as DnsQuery
from probes.checks.dns.plan import plan as plan_dns
from probes.checks.dns.run import DnsSockets, system_resolvers
from probes.checks.io import Query
from probes.checks.run import TlsSockets
from probes.checks.tls import SHOW, TlsQuestion
from probes.checks.tls import act as shake_hands
from probes.checks.tls_judge import TlsReport
from probes.checks.tls_judge import judge as judge_tls
from probes.destination import Destination
from probes.discovery.asking.run import EndpointIO, check_tls, endpoint_config
from probes.discovery.candidates import Candidate, Key, Scope, candidates, has_room, is_without_records
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
from probes.discovery.outcome import Discovery, step_of
from probes.discovery.recommend import conclude
from probes.discovery.retry import explained, is_worth_retrying, may_be_filtered, speaking_tls, what_was_left_out
from probes.product import PRODUCT
from probes.result import Attempt, Reach
from sipcore.endpoint.endpoint import open_endpoint
from sipcore.resolve.plan import Answer, Question, RecordType, Result
from sipcore.resolve.target import Transport
from sipcore.trace import MessageTrace, TraceRecord
from sipcore.transports.base import TlsConfig
from sipcore.transports.lookup import Lookup, LookupConfig, read_hosts

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
QUIET = 0.4
"""The part of the time after which silence is taken for one: three requests were sent over UDP by then, and another one
has time for as many."""
REPEATED = 1.2
"""Seconds for the first request once more, where only the inconspicuous one was answered: by then it was sent twice."""
LINGER = 0.05
"""Seconds that answers over UDP are waited for after the last one, in case they come twice."""
TLS_PATIENCE = 1.5
"""Seconds for a handshake with a server that has just made one."""
CIPHER_SECONDS = 0.3
"""Seconds in which the ciphers of a version are asked for: enough for all of a host nearby, and for a few of one that
is far away or slow. Deep mode asks for all of them."""
MAX_TLS_REPORTS = 8
"""TLS servers that one run looks at more closely, as many as SRV targets; more are looked at by the TLS report itself.
What is wrong with the certificates of those is told all the same, by their attempts."""
MAX_CALLED = 3
"""Silent places of one run that are called, where somebody allows that: the usual ports of one address."""
_SILENT = (Reach.NO_ANSWER, Reach.SILENT)
_OTHER_STREAM = {Transport.TCP: Transport.TLS, Transport.TLS: Transport.TCP}
_FAMILIES = (RecordType.A, RecordType.AAAA)
_SMALL_GROUP = "P-256"
"""The one group that the inconspicuous request offers, so that its first flight is small."""

_INCONSPICUOUS, _REPEATED = "inconspicuous", "repeated"
"""The purposes of the second request to a place that stays silent, and of the one that tells a filter from loss."""
Tell = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
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
    destination = Destination.parse(target) if isinstance(target, str) else target
    if config.invite and destination.user:
        require_callable(destination.user, frozenset())
    scope = Scope.of(destination, config.ports, config.transports)
    if any(transport.secure for transport in scope.named):
        check_tls(config.tls)
    send, events = trio.open_memory_channel[Event](math.inf)  # what one run does is bounded
    failures: list[Exception] = []  # raised at the end, outside of the nursery, which would wrap them in a group

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
        except Exception as error:  # noqa: BLE001  # carried past the nursery
            failures.insert(0, error)
        finally:
            nursery.cancel_scope.cancel()
    if failures:
        raise failures[0]


async def _carry_out(destination: Destination, scope: Scope, config: DiscoveryConfig, tell: Tell) -> None:
    started = trio.current_time()
    small = replace(config.tls, group=config.tls.group or _SMALL_GROUP)
    async with (
        open_endpoint(endpoint_config(config.tls, PRODUCT, config.timeout)) as endpoint,
        open_endpoint(endpoint_config(small, "", config.timeout)) as inconspicuous,
    ):
        run = _Run(destination, scope, config, (EndpointIO(endpoint), EndpointIO(inconspicuous)), tell)
        await run.everything()
        now = trio.current_time() - started
        discovery = run.result(now)
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
        self._io, self._inconspicuous = ios
        self._tell = tell
        self._started = trio.current_time()
        self._end = self._started + config.timeout
        self._results: dict[Question, Result] = {}
        self._dns: DnsReport | None = None
        self._attempts: dict[Key, Attempt | None] = {}
        self._tls: dict[Key, TlsReport | None] = {}
        self._habits = HabitsOf(self._io, challenge=config.challenge, deep=config.deep)
        self._called: set[Key] = set()
        self._lost: set[Key] = set()
        self._hurried: set[Key] = set()

    async def everything(self) -> None:
        """Ask and probe until there is nothing more to do; each answer of DNS may start more of both."""
        async with trio.open_nursery() as nursery:
            self._start(nursery)
            if not self._destination.is_numeric:
                nursery.start_soon(self._ask_dns, nursery)
        if any(attempt.response is not None and not attempt.hop.transport.reliable for attempt in self._seen()):
            await trio.sleep(LINGER)

    def result(self, duration: float) -> Discovery:
        """What everything adds up to, in the order of the candidates. `duration` is in seconds."""
        attempts = []
        omitted = 0
        for candidate in self._candidates():
            attempt = self._attempts.get(candidate.key)
            if attempt is None:
                omitted += 1
                continue
            io = self._inconspicuous if attempt.only else self._io
            by_call = attempt.detail == options.ONLY_CALLS
            by_another = by_call or candidate.key in self._lost
            records = attempt.records if by_another else io.records(candidate.key) or attempt.records
            ignored = self._io.records(candidate.key) if attempt.only or by_another else ()
            # What DNS told later may be one more reason for a place that was being tried already.
            hop = replace(attempt.hop, why=candidate.hop.why)
            published = candidate.published
            attempts.append(replace(attempt, hop=hop, published=published, records=records, ignored=ignored))
        reports = tuple(report for report in self._tls.values() if report is not None)
        asked = [*self._io.exchanges(), *self._inconspicuous.exchanges()]
        asked.sort(key=lambda one: one.messages[0].at)
        habits = self._habits.found
        seen = Seen(self._dns, reports, habits, self._scope, time.time(), omitted, tuple(asked))
        results = self._results.values()
        return conclude(
            self._destination, list(map(step_of, results)), results, explained(attempts), duration=duration, seen=seen
        )

    @property
    def _now(self) -> float:
        return trio.current_time() - self._started

    def _seen(self) -> list[Attempt]:
        return [attempt for attempt in self._attempts.values() if attempt is not None]

    def _candidates(self) -> tuple[Candidate, ...]:
        return candidates(self._destination, self._scope, self._results)

    # DNS

    async def _ask_dns(self, nursery: trio.Nursery) -> None:
        """The whole ladder; whatever each answer leads to is tried at once."""
        lookup, destination = self._config.lookup, self._destination
        if not self._scope.follows_srv or is_without_records(destination.server):
            # What is asked then are its addresses, as for a destination with a port (RFC 3263 §4.2).
            destination = replace(destination, port=destination.port or self._scope.ports[0])
        # Each question is asked twice, in case a datagram is lost, and must be over a little before the end.
        patience = min(lookup.timeout, self._config.timeout * 0.45)
        resolvers = lookup.nameservers or system_resolvers()
        # What deep mode asks for takes at least as long as it takes DNS to be asked again.
        pause = min(DEFAULT_PAUSE, self._config.timeout / 2) if self._config.deep else 0.0
        question = DnsQuestion(destination, resolvers, patience, pause, self._end - trio.current_time() - pause)

        def plan(replies: Sequence[Reply]) -> Sequence[DnsQuery]:
            self._take_replies(question, replies, nursery)
            return plan_dns(question, replies)

        replies = await DnsSockets(read_hosts(lookup.hosts_file)).carry_out(question, plan)
        self._take_replies(question, replies, nursery)
        self._dns = judge_dns(question, replies)
        if not lookup.nameservers and not self._candidates():
            with trio.move_on_at(self._end):
                await self._ask_system()
            self._start(nursery)

    def _take_replies(self, question: DnsQuestion, replies: Sequence[Reply], nursery: trio.Nursery) -> None:
        for asked, reply in told_by_dns(question, replies).items():
            known = self._results.get(asked)
            if known != reply.result:
                self._results[asked] = reply.result
                self._tell(LookupEnded(self._now, step_of(reply.result)))
        self._start(nursery)

    async def _ask_system(self) -> None:
        """The system's own resolver, which has search domains, multicast DNS and the like."""
        lookup = Lookup(self._config.lookup)
        for family in _FAMILIES:
            result = await lookup.ask(Question(family, self._destination.target.host))
            if isinstance(result, Answer):
                self._results[result.question] = result
                self._tell(LookupEnded(self._now, step_of(result)))

    # Attempts

    def _start(self, nursery: trio.Nursery) -> None:
        """Try the candidates that are new."""
        for candidate in self._candidates():
            if candidate.key not in self._attempts and has_room(candidate, len(self._attempts)):
                self._attempts[candidate.key] = None
                self._tell(AttemptBegun(self._now, candidate))
                nursery.start_soon(self._try, candidate, nursery)

    async def _try(self, candidate: Candidate, nursery: trio.Nursery) -> None:
        end = self._end_of_new()
        async with trio.open_nursery() as meanwhile:
            if self._config.tls_report and candidate.hop.transport.secure:
                meanwhile.start_soon(self._report_tls_if_silent, candidate, nursery, end)
            attempt = replace(await self._attempt(candidate, end), published=candidate.published)
            meanwhile.cancel_scope.cancel()
        self._attempts[candidate.key] = attempt
        self._tell(AttemptEnded(self._now, attempt))
        hop = candidate.hop
        other = _OTHER_STREAM.get(hop.transport)
        if other is not None and attempt.response is not None:
            self._io.hurry((other, hop.remote), GRACE)
        if attempt.response is not None:
            self._hurry_guesses(attempt)
        # One that is said to be there, and hangs up on versions that are offered usually, may speak an older one; one
        # that says nothing at all has had its time.
        hung_up = attempt.reach is Reach.TLS_FAILED and trio.current_time() < end
        worth = options.speaks_tls(attempt) or (hung_up and self._is_wanted(candidate))
        seconds = self._config.timeout if attempt.response is not None else end - trio.current_time()
        if self._config.tls_report and hop.transport.secure and worth and seconds > 0:
            nursery.start_soon(self._report_tls, candidate, seconds)
        # An answer that does not fit its request has no time: no further one would be taken for an answer either.
        final = attempt.rtt is not None and attempt.response is not None and not attempt.response.is_provisional
        if final and attempt.detail != options.ONLY_CALLS:
            if self._config.invite and not self._called:
                nursery.start_soon(self._call, attempt, self._config.timeout * (1 - QUIET))
            if self._config.habits and not attempt.only:
                nursery.start_soon(self._find_out_habits, attempt)

    async def _find_out_habits(self, attempt: Attempt) -> None:
        self._tell(HabitsBegun(self._now, attempt.hop))
        await self._habits.find_out(attempt)
        self._tell(HabitsEnded(self._now, attempt.hop))

    def _hurry_guesses(self, answered: Attempt) -> None:
        """Wait less for what neither DNS nor whoever asks names, at an address that is known to answer."""
        if self._destination.port is not None or self._config.ports or self._config.transports:
            return
        for candidate in self._candidates():
            hop = candidate.hop
            guessed = not candidate.published and hop.remote.port != answered.hop.remote.port
            if guessed and hop.remote.host == answered.hop.remote.host and self._attempts.get(candidate.key) is None:
                self._hurried.add(candidate.key)
                self._io.hurry(candidate.key, max(GUESSED[hop.transport.reliable], 2 * (answered.rtt or 0.0)))

    def _end_of_new(self) -> float:
        """Until when what is begun now is waited for: to the deadline, but for a moment at least."""
        return max(self._end, trio.current_time() + self._config.timeout * LATE)

    async def _attempt(self, candidate: Candidate, end: float) -> Attempt:
        """What one place does with a request; where it stays silent, with an inconspicuous one too."""
        seconds = end - trio.current_time()
        query = options.plan(candidate.uri, candidate.hop, seconds)
        over = trio.Event()
        found: list[Attempt] = []

        async def try_inconspicuously() -> None:
            with trio.move_on_after(seconds * QUIET):
                await over.wait()
            rest = end - trio.current_time()
            if rest <= 0 or (found and not self._is_worth(found[0])) or not self._may_be_filtered(candidate, found):
                return
            again = replace(query, timeout=rest, purpose=_INCONSPICUOUS)
            second = options.judge(await options.act(self._inconspicuous, again))
            if second.response is not None:
                only = what_was_left_out(self._io.records(candidate.key), candidate.hop)
                found.insert(0, await self._repeated(candidate, query, end) or replace(second, only=only))
                nursery.cancel_scope.cancel()

        of_call: list[TraceRecord] = []
        async with trio.open_nursery() as calling:
            if self._config.invite:
                calling.start_soon(self._call_if_silent, candidate, of_call, end)
            async with trio.open_nursery() as nursery:
                if self._config.retry:
                    nursery.start_soon(try_inconspicuously)
                found.append(options.judge(await options.act(self._io, query)))
                over.set()
                if not self._config.retry or not self._is_worth(found[0]):
                    nursery.cancel_scope.cancel()
            attempt = await self._over_tls(found[0], end)
            if attempt.reach not in _SILENT or (self._is_answered and candidate.key not in self._called):
                calling.cancel_scope.cancel()
        return options.judge_call(attempt, of_call) if attempt.reach in _SILENT else attempt

    async def _repeated(self, candidate: Candidate, query: Query, end: float) -> Attempt | None:
        """The same request over UDP once more, if it is answered: then no filter kept the first one back, but loss."""
        seconds = min(end - trio.current_time(), REPEATED)
        if candidate.hop.transport.reliable or seconds <= 0:
            return None
        again = replace(query, timeout=seconds, purpose=_REPEATED)
        attempt = options.judge(await options.act(self._io, again))
        if attempt.response is None:
            return None
        self._lost.add(candidate.key)
        return attempt

    async def _over_tls(self, attempt: Attempt, end: float) -> Attempt:
        """The same attempt, unless its port of TCP speaks TLS and that is not tried there anyway."""
        hop, rest = attempt.hop, end - trio.current_time()
        is_silent = hop.transport is Transport.TCP and attempt.reach is Reach.SILENT and rest > 0
        if not is_silent or not self._config.retry or (Transport.TLS, hop.remote) in self._attempts:
            return attempt
        secured = replace(hop, transport=Transport.TLS, tls_name=self._destination.server)
        question = TlsQuestion(secured, rest, rest)
        handshakes = await TlsSockets(self._config.tls).carry_out(question, lambda _: (SHOW,))
        return speaking_tls(attempt) if any(one.cipher for one in handshakes) else attempt

    async def _call_if_silent(self, candidate: Candidate, of_call: list[TraceRecord], end: float) -> None:
        """Call a place that is silent for long, if nobody answers anywhere: some answer calls alone."""
        await trio.sleep((end - trio.current_time()) * QUIET)
        silent = [key for key in self._attempts if self._is_silent(key)]
        if candidate.key in silent[:MAX_CALLED] and not self._is_answered:
            so_far = Attempt(candidate.hop, candidate.uri, Reach.NO_ANSWER, records=self._io.records(candidate.key))
            of_call += await self._call(so_far, end - trio.current_time())

    @property
    def _is_answered(self) -> bool:
        return any(attempt.response is not None for attempt in self._seen())

    def _is_silent(self, place: Key) -> bool:
        """Whether a place was sent a request, and has said nothing yet, or not in time."""
        attempt = self._attempts[place]
        was_sent = any(isinstance(one, MessageTrace) for one in self._io.records(place))
        return was_sent and (attempt is None or attempt.reach in _SILENT)

    async def _call(self, attempt: Attempt, seconds: float) -> tuple[TraceRecord, ...]:
        hop = attempt.hop
        self._called.add((hop.transport, hop.remote))
        self._tell(CallBegun(self._now, hop))
        records = await self._habits.call(attempt, seconds)
        self._tell(CallEnded(self._now, hop, bool(records)))
        return records

    def _is_wanted(self, candidate: Candidate) -> bool:
        """Whether somebody says that this transport is spoken there: DNS, or whoever asks for nothing else."""
        return candidate.published or self._scope.transports == (candidate.hop.transport,)

    def _is_worth(self, attempt: Attempt) -> bool:
        if (attempt.hop.transport, attempt.hop.remote) in self._hurried:
            return False
        return is_worth_retrying(attempt, [one for one in self._seen() if one.hop.remote == attempt.hop.remote])

    def _may_be_filtered(self, candidate: Candidate, found: Sequence[Attempt]) -> bool:
        return bool(found) or may_be_filtered(self._io.records(candidate.key), candidate.hop)

    # TLS

    async def _report_tls_if_silent(self, candidate: Candidate, nursery: trio.Nursery, end: float) -> None:
        """Look at a TLS server that says nothing more while its answer is waited for: then its time is over."""
        await trio.sleep((end - trio.current_time()) * QUIET)
        so_far = Attempt(candidate.hop, candidate.uri, Reach.NO_ANSWER, records=self._io.records(candidate.key))
        if options.speaks_tls(so_far):
            nursery.start_soon(self._report_tls, candidate, end - trio.current_time())

    async def _report_tls(self, candidate: Candidate, seconds: float) -> None:
        if candidate.key in self._tls or len(self._tls) >= MAX_TLS_REPORTS:
            return
        self._tls[candidate.key] = None
        self._tell(TlsBegun(self._now, candidate.hop))
        deep = self._config.deep
        of_ciphers = math.inf if deep else CIPHER_SECONDS
        question = TlsQuestion(candidate.hop, min(seconds, TLS_PATIENCE), seconds, of_ciphers)
        seen = await shake_hands(TlsSockets(self._config.tls), question)
        report = judge_tls(candidate.hop, seen, time.time(), every_cipher=deep)
        self._tls[candidate.key] = report
        self._tell(TlsEnded(self._now, report))
