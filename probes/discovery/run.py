"""Discovery carried out: DNS asked, every candidate probed side by side, each with the same time to answer.

Nothing is sent but the DNS questions and one OPTIONS to each candidate (repeated over UDP until it is answered: RFC
3261 §17.1.2.1), and there are never more than `MAX_CANDIDATES` of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import trio

from probes.checks import options
from probes.checks.io import Observation, Query, TlsFacts
from probes.destination import Destination
from probes.discovery.candidates import MAX_CANDIDATES, Candidate, Key, Scope, candidates, further_questions, questions
from probes.discovery.recommend import conclude
from probes.product import PRODUCT
from probes.result import Attempt, Discovery, LookupStep
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig, open_endpoint
from sipcore.errors import TransportFailure
from sipcore.events import Exchange
from sipcore.outgoing import Order
from sipcore.resolve.plan import Answer, LookupFailure, LookupFault, Question, Result
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.stack import StackConfig
from sipcore.trace import FlowTrace, MessageTrace, TraceRecord
from sipcore.transports.base import TlsConfig, TransportConfig
from sipcore.transports.lookup import Lookup, LookupConfig

DEFAULT_TIMEOUT = 4.0
"""Seconds for each answer: by then four requests were sent over UDP (at 0, 0.5, 1.5 and 3.5 s), three SYNs over TCP."""
GRACE = 0.5
"""Seconds that TLS gets at an address where plain TCP was answered, or the other way round: no server that speaks both
on one port takes longer to say so, and the others keep silent until the end."""
_OTHER_STREAM = {Transport.TCP: Transport.TLS, Transport.TLS: Transport.TCP}

Progress = LookupStep | Candidate | Attempt
"""What is told while discovery runs: a lookup is done, a candidate is being tried, an attempt is over."""
OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class DiscoveryConfig:
    """How to discover. `timeout` is in seconds, for DNS and then for each attempt.

    `ports` and `transports` replace the usual ones, and what the destination says; empty for those. Of `tls`, `verify`
    is not used: certificates are judged and reported, and SIP is asked all the same.
    """

    ports: tuple[int, ...] = ()
    transports: tuple[Transport, ...] = ()
    timeout: float = DEFAULT_TIMEOUT
    tls: TlsConfig = field(default_factory=TlsConfig)
    lookup: LookupConfig = field(default_factory=LookupConfig)


async def discover(
    destination: Destination, config: DiscoveryConfig | None = None, on_progress: OnProgress | None = None
) -> Discovery:
    """Find out whether and how SIP is spoken at a destination; `on_progress` is told of each step.

    Whatever the network and the peers do is in the result. Raises LocalError when the configuration cannot be used.
    """
    config = config or DiscoveryConfig()
    scope = Scope.of(destination, config.ports, config.transports)
    if any(transport.secure for transport in scope.transports):
        _check_tls(config.tls)
    started = trio.current_time()
    async with open_endpoint(_endpoint_config(config)) as endpoint:
        run = _Run(destination, scope, config, EndpointIO(endpoint), on_progress)
        await run.everything()
    return run.result(trio.current_time() - started)


def _check_tls(config: TlsConfig) -> None:
    """Raise LocalError for TLS settings that cannot be used, which each attempt would meet for itself otherwise.

    OpenSSL takes a tenth of a second to load, and is loaded here: later it would add to the answers' times.
    """
    from sipcore.transports.tls import TlsContexts

    TlsContexts(config).client(Hop(Transport.TLS, SocketAddress("192.0.2.1", Transport.TLS.default_port)))


def _endpoint_config(config: DiscoveryConfig) -> EndpointConfig:
    # An attempt's own time ends before the transport gives its connection up: it is the one that is told.
    transports = TransportConfig(tls=replace(config.tls, verify=False), connect_timeout=config.timeout + 1.0)
    return EndpointConfig(transports, stack=StackConfig(product=PRODUCT, tracing=False), garbage_fails=True)


class _Run:
    """One discovery in progress: what is known, and what was started because of it."""

    def __init__(
        self,
        destination: Destination,
        scope: Scope,
        config: DiscoveryConfig,
        io: "EndpointIO",
        on_progress: OnProgress | None,
    ) -> None:
        self._destination = destination
        self._scope = scope
        self._config = config
        self._io = io
        self._tell = on_progress or _ignore
        self._lookup = Lookup(config.lookup)
        self._asked: dict[Question, Result | None] = {}
        self._attempts: dict[Key, Attempt | None] = {}

    async def everything(self) -> None:
        """Ask and probe until there is nothing more to do; each answer of DNS may start more of both."""
        async with trio.open_nursery() as nursery:
            self._start(nursery)
            self._ask(questions(self._destination, self._scope), nursery)

    def result(self, duration: float) -> Discovery:
        """What everything adds up to, in the order of the candidates. `duration` is in seconds."""
        attempts = []
        omitted = 0
        for candidate in self._candidates():
            attempt = self._attempts.get(candidate.key)
            if attempt is None:
                omitted += 1
            else:
                # What DNS told later may be one more reason for a place that was being tried already.
                hop = replace(attempt.hop, why=candidate.hop.why)
                attempts.append(replace(attempt, hop=hop, published=candidate.published))
        steps = [_step(result) for result in self._results().values()]
        results = self._results().values()
        return conclude(self._destination, steps, results, attempts, duration=duration, omitted=omitted)

    def _results(self) -> dict[Question, Result]:
        return {question: result for question, result in self._asked.items() if result is not None}

    def _candidates(self) -> tuple[Candidate, ...]:
        return candidates(self._destination, self._scope, self._results())

    def _ask(self, wanted: tuple[Question, ...], nursery: trio.Nursery) -> None:
        for question in wanted:
            if question not in self._asked:
                self._asked[question] = None
                nursery.start_soon(self._look_up, question, nursery)

    async def _look_up(self, question: Question, nursery: trio.Nursery) -> None:
        timeout = self._config.timeout
        result: Result = LookupFailure(question, LookupFault.TIMED_OUT, f"within {timeout:g} s")
        with trio.move_on_after(timeout):
            result = await self._lookup.ask(question)
        self._asked[question] = result
        self._tell(_step(result))
        self._ask(further_questions([result]), nursery)
        self._start(nursery)

    def _start(self, nursery: trio.Nursery) -> None:
        """Try the candidates that are new."""
        for candidate in self._candidates():
            if candidate.key not in self._attempts and len(self._attempts) < MAX_CANDIDATES:
                self._attempts[candidate.key] = None
                self._tell(candidate)
                nursery.start_soon(self._try, candidate)

    async def _try(self, candidate: Candidate) -> None:
        query = options.plan(candidate.uri, candidate.hop, self._config.timeout)
        seen = await options.act(self._io, query)
        attempt = replace(options.judge(seen), published=candidate.published)
        self._attempts[candidate.key] = attempt
        self._tell(attempt)
        other = _OTHER_STREAM.get(candidate.hop.transport)
        if other is not None and attempt.response is not None:
            self._io.hurry((other, candidate.hop.remote), GRACE)


class EndpointIO:
    """`ProbeIO` over an endpoint: sends a query, and keeps the trace of its hop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._records: dict[Key, list[TraceRecord]] = {}
        self._waiting: dict[Key, trio.CancelScope] = {}
        endpoint.subscribe(self._take)

    async def ask(self, query: Query) -> Observation:
        """Send the query and wait for its final response, as long as it says. Whatever happens is a value."""
        hop, endpoint = query.hop, self._endpoint
        key = hop.transport, hop.remote
        records = self._records.setdefault(key, [])
        request = endpoint.new_request(query.method, query.uri, fields=query.fields)
        exchange: Exchange | None = None
        failure: TransportFailure | None = None
        started = trio.current_time()
        with trio.move_on_after(query.timeout) as self._waiting[key]:
            try:
                exchange = await endpoint.send(Order(request, hop, endpoint.config.stack.user))
            except TransportFailure as error:
                failure = error
        return Observation(
            query,
            waited=trio.current_time() - started,
            response=exchange.response if exchange else None,
            failure=failure,
            rtt=exchange.rtt if exchange else None,
            kernel_stamped=exchange.stamp.kernel if exchange else False,
            tls=self._tls_facts(exchange.hop if exchange else hop),
            records=tuple(records),
        )

    def hurry(self, key: Key, seconds: float) -> None:
        """Wait no longer than `seconds` from now for the answer to the last query to a place."""
        scope = self._waiting.get(key)
        if scope is not None:
            scope.deadline = min(scope.deadline, trio.current_time() + seconds)

    def _take(self, record: TraceRecord) -> None:
        match record:
            case MessageTrace(flow=place) | FlowTrace(hop=place):
                records = self._records.get((place.transport, place.remote))
                if records is not None:
                    records.append(record)

    def _tls_facts(self, hop: Hop) -> TlsFacts | None:
        session = self._endpoint.transports.tls_session(hop)
        if session is None:
            return None
        return TlsFacts(str(session), session.faults, session.certificate_requested)


def _ignore(_: Progress) -> None:
    """What is told when nobody listens."""


def _step(result: Result) -> LookupStep:
    """A lookup's result as people read it."""
    if isinstance(result, LookupFailure):
        detail = f" ({result.detail})" if result.detail else ""
        return LookupStep(str(result.question), error=f"{result.fault.value}{detail}")
    return LookupStep(str(result.question), tuple(f"{record}{_source(result)}" for record in result.records))


def _source(answer: Answer) -> str:
    return f" ({answer.ttl:.0f} s)" if answer.source == "DNS" else f" ({answer.source})"
