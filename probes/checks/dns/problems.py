"""What is broken in the DNS of a SIP domain, and how each problem is found in replies. RFC 2782, RFC 3263.

Pure: a problem is found in the replies of one resolver, or between those of several, or of one at two times.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from itertools import groupby

from probes.checks.dns.plan import FAMILIES, PREFIXES, SCTP_SERVICES, SERVICES, USUAL_ALIASES, Reply, normal
from probes.destination import is_private_address
from probes.findings.catalogue import Entry, catalogue
from probes.findings.finding import Finding, Severity
from sipcore.resolve.records import Address, LookupFault, Naptr, Question, Record, RecordType, Srv
from sipcore.resolve.target import is_host_address, is_numeric
from sipcore.value import value


class DnsProblem(Enum):
    """One thing that is wrong, by its code in the catalogue of findings, which tells everything else about it."""

    TIMED_OUT = "dns-timed-out"
    UNREACHABLE = "dns-unreachable"
    SERVFAIL = "dns-servfail"
    REFUSED = "dns-refused"
    INVALID_NAME = "dns-invalid-name"
    TRUNCATED_ONLY = "dns-truncated-only"
    ALIAS_LOOP = "dns-alias-loop"
    ALIAS_LONG = "dns-alias-long"
    ALIAS_NOWHERE = "dns-alias-nowhere"
    NAPTR_SERVICE = "dns-naptr-service"
    NAPTR_MISMATCH = "dns-naptr-mismatch"
    NAPTR_FLAG = "dns-naptr-flag"
    NAPTR_REGEXP = "dns-naptr-regexp"
    NAPTR_NOWHERE = "dns-naptr-nowhere"
    SRV_NOWHERE = "dns-srv-nowhere"
    SRV_NO_ADDRESS = "dns-srv-no-address"
    SRV_PORT_ZERO = "dns-srv-port-zero"
    SRV_ADDRESS = "dns-srv-address"
    SRV_ALIAS = "dns-srv-alias"
    SRV_CONTRADICTION = "dns-srv-contradiction"
    DISAGREEMENT = "dns-disagreement"
    CHANGED = "dns-changed"
    NO_HOST = "dns-no-host"
    SLOW = "dns-slow"
    SRV_NOT_OFFERED = "dns-srv-not-offered"
    TRUNCATED = "dns-truncated"
    PRIVATE_ADDRESS = "dns-private-address"
    UNFINISHED = "dns-unfinished"

    @property
    def entry(self) -> Entry:
        """What is known of it: how bad it is, what to do about it, the rule."""
        return catalogue()[self.value]


@value
class DnsFault:
    """A problem, and where it is: in a record of an answer, or in the whole of it; `detail` tells what was seen.

    `covered` is whether another resolver answered instead, or there are addresses of the other family.
    """

    problem: DnsProblem
    question: Question
    record: Record | None = None
    detail: str = ""
    covered: bool = False

    @property
    def severity(self) -> Severity:
        """How bad it is, here: what something else makes up for costs time alone."""
        return Severity.WARNING if self.covered else self.problem.entry.severity

    @property
    def finding(self) -> Finding:
        """The same as every other finding is told."""
        record = f"{self.question} {self.record}" if self.record is not None else f"{self.question}"
        evidence = [part for part in (record, self.detail) if part]
        return catalogue().finding(self.problem.value, str(self), evidence, severity=self.severity)

    def __str__(self) -> str:
        record = f" {self.record}" if self.record is not None else ""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.question}{record}: {self.problem.entry.title}{detail}"


Replies = dict[Question, Reply]
"""The reply to each question that counts, of whichever resolver."""
Found = Iterator[DnsFault]

_FAILURES = {
    LookupFault.TIMED_OUT: DnsProblem.TIMED_OUT,
    LookupFault.UNREACHABLE: DnsProblem.UNREACHABLE,
    LookupFault.SERVFAIL: DnsProblem.SERVFAIL,
    LookupFault.REFUSED: DnsProblem.REFUSED,
    LookupFault.TRUNCATED: DnsProblem.TRUNCATED_ONLY,
    LookupFault.INVALID_NAME: DnsProblem.INVALID_NAME,
}
SLOW = 1.0
"""Seconds in which DNS has told where to go: for so long whoever calls hears nothing, before anything is sent."""
_MAX_SHOWN = 4
"""Records of an answer that a disagreement quotes."""


def find(seen: Sequence[Reply], told: Replies) -> tuple[DnsFault, ...]:
    """All that is wrong, the worst first; `told` are the replies that the ladder is made of."""
    faults = [*_in_records(told), *_aliases(told), *_failures(seen, told), *_truncations(seen)]
    faults += [*_disagreements(seen, told), *_changes(seen), *_slowness(told), *_unrouted(told)]
    severities = list(Severity)
    return tuple(sorted(dict.fromkeys(faults), key=lambda fault: severities.index(fault.severity)))


def is_of_sip(record: Naptr) -> bool:
    """Whether the record speaks of SIP at all: a domain's NAPTR records serve other applications too."""
    return record.service.upper().startswith(("SIP+", "SIPS+"))


def _failures(seen: Sequence[Reply], told: Replies) -> Found:
    """One for each resolver and each way to fail: a resolver that is down fails with every question."""
    failed = [reply for reply in seen if reply.fault in _FAILURES]
    for _, group in groupby(sorted(failed, key=_way_to_fail), key=_way_to_fail):
        first, *others = group
        assert first.fault is not None  # noqa: S101  # it is among the failures
        more = f", and likewise to {len(others)} more" if others else ""
        detail = f"{first.query.resolver}: {first.detail or first.fault.name}{more}"
        covered = all(_is_covered(reply.query.question, told) for reply in (first, *others))
        yield DnsFault(_FAILURES[first.fault], first.query.question, detail=detail, covered=covered)


def _is_covered(question: Question, told: Replies) -> bool:
    """Whether a failure leaves clients with something: with what another resolver says, or with the other family."""
    others = [Question(family, question.name) for family in FAMILIES if question.type in FAMILIES]
    return told[question].told or any(told[other].records for other in others if other in told)


def _way_to_fail(reply: Reply) -> tuple[str, str]:
    return str(reply.query.resolver), reply.fault.name if reply.fault else ""


def _truncations(seen: Sequence[Reply]) -> Found:
    for reply in seen:
        if reply.truncated and reply.told and not reply.query.again:
            yield DnsFault(DnsProblem.TRUNCATED, reply.query.question, detail=f"{reply.query.resolver}")


def _in_records(told: Replies) -> Found:
    for question, reply in told.items():
        for record in reply.records:
            if isinstance(record, Naptr) and is_of_sip(record):
                yield from _in_naptr(question, record, told)
            elif isinstance(record, Srv):
                yield from _in_srv(question, record, told)
        offered = [isinstance(record, Srv) and bool(record.target) for record in reply.records]
        if question.type is RecordType.SRV and any(offered) and not all(offered):
            yield DnsFault(DnsProblem.SRV_CONTRADICTION, question)


def _in_naptr(question: Question, record: Naptr, told: Replies) -> Found:
    flag, transport = record.flags.upper(), SERVICES.get(record.service.upper())
    if record.service.upper() in SCTP_SERVICES:
        return
    if transport is None:
        yield DnsFault(DnsProblem.NAPTR_SERVICE, question, record)
        return
    if flag not in ("S", "A"):
        yield DnsFault(DnsProblem.NAPTR_FLAG, question, record)
    if record.regexp:
        yield DnsFault(DnsProblem.NAPTR_REGEXP, question, record)
    if flag not in ("S", "A") or record.regexp:
        return
    prefix = ".".join(record.replacement.lower().split(".")[:2])
    if flag == "S" and prefix.startswith(("_sip.", "_sips.")) and prefix != PREFIXES[transport]:
        yield DnsFault(DnsProblem.NAPTR_MISMATCH, question, record, f"{PREFIXES[transport]} is its own")
    types = (RecordType.SRV,) if flag == "S" else FAMILIES
    behind = [told.get(normal(Question(kind, record.replacement))) for kind in types]
    if not record.replacement or _is_nothing(behind):
        yield DnsFault(DnsProblem.NAPTR_NOWHERE, question, record)


def _in_srv(question: Question, record: Srv, told: Replies) -> Found:
    if not record.target:
        yield DnsFault(DnsProblem.SRV_NOT_OFFERED, question, record)
        return
    if record.port == 0:
        yield DnsFault(DnsProblem.SRV_PORT_ZERO, question, record)
    if is_numeric(record.target):
        yield DnsFault(DnsProblem.SRV_ADDRESS, question, record)
        return
    behind = [told.get(normal(Question(family, record.target))) for family in FAMILIES]
    aliased = next((reply for reply in behind if reply is not None and reply.aliases), None)
    if aliased is not None and (aliased.loops or _is_cut_off(aliased)):
        return  # no end in sight: `_aliases` tells
    if aliased is not None:
        yield DnsFault(DnsProblem.SRV_ALIAS, question, record, " -> ".join(aliased.chain))
    if _is_nothing(behind):
        absent = any(reply is not None and reply.fault is LookupFault.NXDOMAIN for reply in behind)
        yield DnsFault(DnsProblem.SRV_NOWHERE if absent else DnsProblem.SRV_NO_ADDRESS, question, record)


def _is_nothing(behind: Iterable[Reply | None]) -> bool:
    """Whether all was asked, and nothing is there; a resolver that failed does not say so."""
    return all(reply is not None and reply.told and not reply.records for reply in behind)


def _aliases(told: Replies) -> Found:
    """Each once, whatever was asked for by its name."""
    ends: dict[tuple[str, ...], Question] = {}
    leading = set()
    for question, reply in reversed(told.items()):
        if reply.aliases and reply.records:
            leading.add(reply.chain)
        if reply.aliases and (not reply.records or len(reply.aliases) > USUAL_ALIASES):
            ends[reply.chain] = question
    for chain, question in ends.items():
        reply, shown = told[question], " -> ".join(chain)
        if reply.loops:
            yield DnsFault(DnsProblem.ALIAS_LOOP, question, detail=shown)
        elif reply.fault is LookupFault.NXDOMAIN:
            yield DnsFault(DnsProblem.ALIAS_NOWHERE, question, detail=shown)
        elif len(reply.aliases) > USUAL_ALIASES:
            detail = f"{len(reply.aliases)} in a row: {shown}"
            yield DnsFault(DnsProblem.ALIAS_LONG, question, detail=detail, covered=chain in leading)


def _is_cut_off(reply: Reply) -> bool:
    """Whether the aliases are so many that the resolver, or this side, followed them no further, as far as is known."""
    return len(reply.aliases) > USUAL_ALIASES and reply.fault is LookupFault.NODATA


def _disagreements(seen: Sequence[Reply], told: Replies) -> Found:
    """What others than the resolver that counts say, where it is something else; failures say nothing."""
    for other in filter(_is_comparable, seen):
        counting = told[other.query.question]
        if set(counting.records) != set(other.records):
            detail = f"{counting.query.resolver}: {_listed(counting)}; {other.query.resolver}: {_listed(other)}"
            yield DnsFault(DnsProblem.DISAGREEMENT, other.query.question, detail=detail)


def _is_comparable(reply: Reply) -> bool:
    return reply.told and reply.source == "DNS" and not reply.query.again


def _changes(seen: Sequence[Reply]) -> Found:
    first = {(reply.query.resolver, reply.query.question): reply for reply in seen if not reply.query.again}
    for reply in seen:
        before = first.get((reply.query.resolver, reply.query.question))
        if not reply.query.again or before is None or not reply.told or set(before.records) == set(reply.records):
            continue
        elapsed = reply.at - before.at
        if elapsed < before.ttl:
            detail = f"{reply.query.resolver}: {_listed(before)}, and {elapsed:.1f} s of {before.ttl:.0f} later"
            yield DnsFault(DnsProblem.CHANGED, reply.query.question, detail=f"{detail} {_listed(reply)}")


def last_to_tell(told: Replies) -> Reply | None:
    """The reply of DNS with records that came last; None without any."""
    telling = [reply for reply in told.values() if reply.records and reply.source == "DNS"]
    return max(telling, key=lambda reply: reply.at, default=None)


def _slowness(told: Replies) -> Found:
    last = last_to_tell(told)
    if last is not None and last.at >= SLOW:
        detail = f"{last.query.resolver}: after {last.at:.1f} s"
        yield DnsFault(DnsProblem.SLOW, last.query.question, detail=detail)


def _listed(reply: Reply) -> str:
    """Its records, in an order of their own: that in which they come changes with each answer."""
    texts = sorted(map(str, reply.records))
    more = f" and {len(texts) - _MAX_SHOWN} more" if len(texts) > _MAX_SHOWN else ""
    return f"{', '.join(texts[:_MAX_SHOWN])}{more}" or "nothing"


def _unrouted(told: Replies) -> Found:
    for question, reply in told.items():
        for record in reply.records if reply.source == "DNS" else ():
            if isinstance(record, Address) and not is_host_address(record.host):
                yield DnsFault(DnsProblem.NO_HOST, question, record)
            elif isinstance(record, Address) and is_private_address(record.host):
                yield DnsFault(DnsProblem.PRIVATE_ADDRESS, question, record)
