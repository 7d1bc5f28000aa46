"""What replies of DNS mean to a SIP client: the ladder as a tree, the places in the order in which they are tried, and
what is wrong. RFC 3263.

The order is that of `sipcore.resolve.plan`, which the engine itself goes by; here it is only told why.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from probes.checks.dns.plan import (
    FAMILIES,
    PREFIXES,
    SCTP_SERVICES,
    SERVICES,
    DnsQuestion,
    Reply,
    first_questions,
    followed,
    leading,
    normal,
    plan,
)
from probes.checks.dns.problems import DnsFault, DnsProblem, Replies, find, is_of_sip, last_to_tell
from probes.findings.finding import Severity
from sipcore.errors import FailureReason, TransportFailure
from sipcore.resolve.plan import Plan as LookupPlan
from sipcore.resolve.records import (
    Address,
    Answer,
    LookupFailure,
    LookupFault,
    Naptr,
    Question,
    Record,
    RecordType,
    Result,
    Srv,
)
from sipcore.resolve.target import Hop, SocketAddress, Transport, is_numeric
from sipcore.value import value


@value
class Step:
    """A record of the ladder, and what it leads to.

    `order` are the places below it in the order in which they are tried, from 1; empty where none is. `share` is the
    part of clients that an SRV record is the first for, among those of its priority (RFC 2782). `note` says why it is
    not followed.
    """

    record: Record
    order: tuple[int, ...] = ()
    share: float | None = None
    note: str = ""
    rungs: tuple["Rung", ...] = ()


@value
class Rung:
    """A question of the ladder, why it is there, and the records that answer it.

    `reply` is None where it was not asked; `omitted` counts records that were not followed.
    """

    question: Question
    why: str
    reply: Reply | None = None
    steps: tuple[Step, ...] = ()
    omitted: int = 0

    @property
    def order(self) -> tuple[int, ...]:
        """The places below it, in the order in which they are tried."""
        return tuple(sorted({place for step in self.steps for place in step.order}))


@value
class DnsReport:
    """All that was found out about the DNS of a destination. `places` are tried in this order, as most clients draw it.

    `failure` is why there are none. `ladder` is made of the replies that count, `replies` are all of them.
    """

    question: DnsQuestion
    replies: tuple[Reply, ...]
    ladder: tuple[Rung, ...]
    places: tuple[Hop, ...]
    faults: tuple[DnsFault, ...] = ()
    failure: TransportFailure | None = None

    @property
    def works(self) -> bool:
        """Whether there is a place to try, and nothing is wrong that calls fail by."""
        return bool(self.places) and not any(fault.severity is Severity.ERROR for fault in self.faults)

    @property
    def took(self) -> float:
        """Seconds until the last of the records that count was known; 0 without any."""
        last = last_to_tell(told(self.question, self.replies))
        return last.at if last is not None else 0.0


def judge(question: DnsQuestion, seen: Sequence[Reply]) -> DnsReport:
    """What the replies mean."""
    counting = told(question, seen)
    lookup = _located(question, counting)
    places = tuple(lookup.hops())
    faults = find(seen, counting)
    answered = {reply.query for reply in seen}
    missing = [query for query in plan(question, seen) if query not in answered]
    if missing:
        detail = f"{len(missing)} queries more"
        faults += (DnsFault(DnsProblem.UNFINISHED, missing[0].question, detail=detail),)
    ladder = _Ladder(question, counting, places).rungs()
    failure = None if places else _failure(lookup, faults)
    return DnsReport(question, tuple(seen), ladder, places, faults, failure)


def told(question: DnsQuestion, seen: Sequence[Reply]) -> Replies:
    """The reply to each question that counts: that of the first resolver, in their order, that did not fail."""
    order = {resolver: place for place, resolver in enumerate(question.resolvers)}
    first = [reply for reply in seen if not reply.query.again]
    counting: Replies = {}
    # The best last: a later one with the same key takes the place of an earlier one.
    for reply in sorted(first, key=lambda reply: (not reply.told, order[reply.query.resolver]), reverse=True):
        counting[reply.query.question] = reply
    return counting


def _failure(lookup: LookupPlan, faults: Sequence[DnsFault]) -> TransportFailure:
    """Why there is no place: the worst fault, or what the procedure has to say where nothing is wrong but missing.

    Of what is worth a notice only, that a service is not offered explains it.
    """
    telling = (
        fault for fault in faults if fault.severity is Severity.ERROR or fault.problem is DnsProblem.SRV_NOT_OFFERED
    )
    worst = next(telling, None)
    if worst is None:
        return lookup.failure()
    message = f"no address for {lookup.target}: {worst}"
    return TransportFailure(FailureReason.UNRESOLVABLE, message, section=worst.problem.entry.rule)


def _located(question: DnsQuestion, told: Replies) -> LookupPlan:
    """The procedure of RFC 3263 with these answers. Its draw among equals is not made but the likeliest outcome taken,
    the heaviest first: the one that most clients have.
    """
    lookup = LookupPlan(question.destination.target, chance=_no_chance)
    while not lookup.done:
        for asked in lookup.next_questions():
            reply = told.get(normal(asked))
            result: Result = LookupFailure(asked, LookupFault.TIMED_OUT, "not asked")
            lookup.answer(_ranked(replace(reply.result, question=asked)) if reply else result)
    return lookup


def _no_chance() -> float:
    """For records of different priority, as `_ranked` has made them, nothing is drawn."""
    return 0.0


def _ranked(result: Result) -> Result:
    """The same answer, each SRV record with a priority of its own: its place by priority and weight."""
    if not isinstance(result, Answer) or result.question.type is not RecordType.SRV:
        return result
    ordered = enumerate(record for record in leading(result.records) if isinstance(record, Srv))
    return replace(result, records=tuple(replace(record, priority=place) for place, record in ordered))


@value
class _Path:
    """How the ladder came to a name: the transport, and the port; None for whichever the procedure chose."""

    transport: Transport | None = None
    port: int | None = None


class _Ladder:
    """The tree, put together out of replies and of the places that they come to."""

    def __init__(self, question: DnsQuestion, told: Replies, places: Iterable[Hop]) -> None:
        self._destination = question.destination
        self._told = told
        self._order = {(hop.transport, hop.remote): place for place, hop in enumerate(places, 1)}

    def rungs(self) -> tuple[Rung, ...]:
        """NAPTR, then the SRV records that it does not lead to, then the domain's own addresses."""
        first = first_questions(self._destination)
        naptr = [self._naptr(one) for one in first if one.type is RecordType.NAPTR]
        below = {rung.question for top in naptr for step in top.steps for rung in step.rungs}
        records = [step.record for top in naptr for step in top.steps]
        decided = any(isinstance(record, Naptr) and is_of_sip(record) for record in records)
        services = {normal(Question(RecordType.SRV, f"{PREFIXES[t]}.{self._destination.server}")): t for t in PREFIXES}
        srv = [
            self._service(one, services[one], decided=decided)
            for one in first
            if one.type is RecordType.SRV and one not in below
        ]
        behind = [rung for top in naptr for step in top.steps for rung in step.rungs]
        counting = behind if decided else [rung for rung in srv if not services[rung.question].websocket]
        if any(rung.steps or rung.question.type in FAMILIES for rung in counting):
            instead = "SRV leads elsewhere"
        else:
            instead = "NAPTR decides" if decided and not behind else ""
        return (*naptr, *srv, *(self._own(one, instead) for one in first if one.type in FAMILIES))

    def _naptr(self, question: Question) -> Rung:
        reply = self._told.get(question)
        records = leading(reply.records) if reply else []
        steps = [self._behind_naptr(record) for record in records if isinstance(record, Naptr)]
        # RFC 3403 §4.1: once an order leads somewhere, the later ones are not considered.
        best = next((_order_of(step) for step in steps if step.order), None)
        kept = [step if best is None or _order_of(step) <= best else _unused(step, best) for step in steps]
        return self._rung(question, "no port or transport given", kept)

    def _behind_naptr(self, record: Naptr) -> Step:
        transport = SERVICES.get(record.service.upper())
        questions = tuple(followed([record]))
        if not is_of_sip(record):
            return Step(record, note="of another application")
        if record.service.upper() in SCTP_SERVICES:
            return Step(record, note="SCTP, which is not spoken here")
        if transport is None or not questions:
            return Step(record, note="of no use to SIP")
        if self._destination.secure and not transport.secure:
            return Step(record, note="not for a sips URI")
        why = f"NAPTR {record.order} {record.preference} {record.service}"
        if questions[0].type is RecordType.SRV:
            return _above(record, [self._srv(questions[0], transport, why)])
        return _above(
            record, [self._addresses(one, _Path(transport, transport.default_port), why) for one in questions]
        )

    def _service(self, question: Question, transport: Transport, *, decided: bool) -> Rung:
        stated = f"{transport.value.lower()} is given" if self._destination.transport else "no NAPTR"
        if transport.websocket:
            why = "few clients look here (RFC 7118 §5.5)"
        else:
            why = "not tried: NAPTR decides" if decided else stated
        rung = self._srv(question, transport, why)
        return _without_order(rung) if decided or transport.websocket else rung

    def _srv(self, question: Question, transport: Transport, why: str) -> Rung:
        reply = self._told.get(question)
        records = [record for record in leading(reply.records if reply else ()) if isinstance(record, Srv)]
        steps = []
        for record in records:
            weights = sum(other.weight for other in records if other.priority == record.priority)
            equals = sum(other.priority == record.priority for other in records)
            share = record.weight / weights if weights else 1.0 / equals
            path = _Path(transport, record.port)
            rungs = [self._addresses(one, path, f"{question} {record}") for one in followed([record])]
            step = _above(record, rungs, share)
            if is_numeric(record.target):
                step = replace(step, order=self._places(path, record.target))
            steps.append(step)
        return self._rung(question, why, steps)

    def _own(self, question: Question, instead: str) -> Rung:
        """RFC 3263 §4.2: the addresses of the domain itself, for when there is nothing else."""
        if instead:
            return _without_order(self._addresses(question, _Path(), f"not tried: {instead}"))
        port = self._destination.port
        return self._addresses(question, _Path(), "no SRV, default port" if port is None else f"port {port} is given")

    def _addresses(self, question: Question, path: _Path, why: str) -> Rung:
        reply = self._told.get(question)
        records = [record for record in reply.records if isinstance(record, Address)] if reply else []
        return self._rung(question, why, [Step(record, self._places(path, record.host)) for record in records])

    def _rung(self, question: Question, why: str, steps: Sequence[Step]) -> Rung:
        reply = self._told.get(question)
        omitted = len(reply.records) - len(steps) if reply else 0
        return Rung(question, why, reply, tuple(steps), omitted)

    def _places(self, path: _Path, host: str) -> tuple[int, ...]:
        remote = SocketAddress(host, path.port or 0).host  # in its one spelling
        return tuple(
            place
            for (transport, where), place in self._order.items()
            if where.host == remote and path.transport in (None, transport) and path.port in (None, where.port)
        )


def _above(record: Record, rungs: Sequence[Rung], share: float | None = None) -> Step:
    order = tuple(sorted({place for rung in rungs for place in rung.order}))
    return Step(record, order, share, rungs=tuple(rungs))


def _order_of(step: Step) -> int:
    """RFC 3403 §4.1: the order of a NAPTR record."""
    return step.record.order if isinstance(step.record, Naptr) else 0


def _unused(step: Step, best: int) -> Step:
    return replace(_stripped(step), note=step.note or f"not considered: order {best} leads to servers")


def _without_order(rung: Rung) -> Rung:
    """The same, although places below it may be tried for another reason."""
    return replace(rung, steps=tuple(map(_stripped, rung.steps)))


def _stripped(step: Step) -> Step:
    return replace(step, order=(), rungs=tuple(map(_without_order, step.rungs)))
