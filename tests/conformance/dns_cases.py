"""The DNS part of the outside corpus as scenarios: a zone, a target, and the places that the source expects, in order.

A case that states its outcome in prose, or not all of it, is read with `dns_outcomes`.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import dns.name
import dns.rdata
import dns.rdatatype
import dns.rdtypes.IN.NAPTR
import dns.rdtypes.IN.SRV
import dns.zone

from sipcore.errors import ParseError
from sipcore.message.uri import parse_uri
from sipcore.outgoing import target_of
from sipcore.resolve.plan import Plan
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
from sipcore.resolve.target import Target, Transport
from tests.conformance.corpus import ROOT, read_jsonl
from tests.conformance.dns_outcomes import OUTCOMES, SERVED, UDP_TCP, Outcome

FOLDER = ROOT / "dns"
DRAWS = 16
"""Orders that are tried: a draw between two equal records comes out one way each time with a probability of 2**-15."""
HEADER = "$ORIGIN {origin}\n$TTL 60\n@ SOA ns root 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\n"
"""What a zone needs that a case gives as bare records."""
SIPX_TRANSPORTS = {"UDP": Transport.UDP, "TCP": Transport.TCP, "TLS": Transport.TLS, "SSL_SOCKET": Transport.TLS}
"""How the sources call them."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing to locate. `zone` is a zone file or the text of one, None for a name server that is silent."""

    id: str
    zone: Path | str | None
    asked: Target | str
    expected: tuple[str, ...]
    supported: tuple[Transport, ...]
    families: tuple[RecordType, ...]

    def plan(self, chance: Callable[[], float]) -> Plan:
        """A plan to be answered. Raises ParseError for a URI that is none."""
        target = self.asked if isinstance(self.asked, Target) else target_of(parse_uri(self.asked, []))
        return Plan(target, chance=chance, supported=self.supported, families=self.families)


class Zone:
    """A zone that answers as a resolver would: aliases are followed, and what is missing is said to be missing."""

    def __init__(self, source: Path | str | None) -> None:
        self._zone = None if source is None else read_zone(source)
        self._told: dict[Question, Result] = {}

    def ask(self, question: Question) -> Result:
        if question not in self._told:
            self._told[question] = self._look_up(question)
        return self._told[question]

    def _look_up(self, question: Question) -> Result:
        if self._zone is None:
            return LookupFailure(question, LookupFault.TIMED_OUT)
        kind = dns.rdatatype.from_text(question.type.value)
        name = dns.name.from_text(question.name)
        while node := self._zone.get_node(name):
            if found := node.get_rdataset(self._zone.rdclass, kind):
                return Answer(question, tuple(map(read_record, found)), ttl=found.ttl)
            alias = node.get_rdataset(self._zone.rdclass, dns.rdatatype.CNAME)
            if alias is None:
                return LookupFailure(question, LookupFault.NODATA)
            name = alias[0].target
        below = any(known.is_subdomain(name) for known in self._zone.nodes)
        return LookupFailure(question, LookupFault.NODATA if below else LookupFault.NXDOMAIN)


@cache
def read_zone(source: Path | str) -> dns.zone.Zone:
    """A zone by its file or its text; its name is its first $ORIGIN."""
    text = source.read_text() if isinstance(source, Path) else source
    return dns.zone.from_text(text, relativize=False, check_origin=False)


def read_record(data: dns.rdata.Rdata) -> Record:
    """A record of the four kinds as a value."""
    if isinstance(data, dns.rdtypes.IN.NAPTR.NAPTR):
        texts = (data.flags.decode(), data.service.decode(), data.regexp.decode())
        return Naptr(data.order, data.preference, *texts, data.replacement.to_text(omit_final_dot=True).strip("."))
    if isinstance(data, dns.rdtypes.IN.SRV.SRV):
        return Srv(data.priority, data.weight, data.port, data.target.to_text(omit_final_dot=True).strip("."))
    return Address(data.to_text())


def solve(scenario: Scenario, ask: Callable[[Question], Result], seed: int = 0) -> tuple[str, ...]:
    """The places that a plan comes to, in order; none for a URI that is none."""
    try:
        plan = scenario.plan(random.Random(seed).random)
    except ParseError:
        return ()
    while questions := plan.next_questions():
        for question in questions:
            plan.answer(ask(question))
    return tuple(map(str, plan.hops()))


@cache
def orders(scenario: Scenario) -> set[tuple[str, ...]]:
    """Every outcome that chance may come to, as far as `DRAWS` draws find them."""
    zone = Zone(scenario.zone)
    return {solve(scenario, zone.ask, seed) for seed in range(DRAWS)}


def rows(*kinds: str) -> Iterator[dict[str, Any]]:
    """The cases of these kinds as they stand in the corpus."""
    return (row for row in read_jsonl(FOLDER / "cases.jsonl") if row["kind"] in kinds)


def scenarios(kind: str) -> list[Scenario]:
    """The cases of a kind. One that asks several things becomes several scenarios, with `/1`, `/2` behind the id."""
    found = []
    for row in rows(kind):
        outcomes = OUTCOMES.get(row["id"])
        if outcomes is None:
            found.append(_as_stated(row))
        else:
            found += _as_transcribed(row, outcomes)
    return found


def _as_stated(row: dict[str, Any]) -> Scenario:
    """A case whose outcome can be read off it."""
    expected = tuple(f"{place['transport'].lower()} {place['addr']}:{place['port']}" for place in row["expect"])
    transport = SIPX_TRANSPORTS[row["transport"]] if row["transport"] else None
    alone = row.get("options") == "options_no_TCP" and transport is None
    supported = (Transport.UDP,) if alone else (*UDP_TCP, Transport.TLS)
    target = Target(row["domain"], row["port"], transport)
    return Scenario(row["id"], _zone(row), target, expected, supported, (RecordType.A,))


def _as_transcribed(row: dict[str, Any], outcomes: Sequence[Outcome]) -> Iterator[Scenario]:
    for number, outcome in enumerate(outcomes, start=1):
        name = row["id"] if len(outcomes) == 1 else f"{row['id']}/{number}"
        yield Scenario(name, _zone(row), outcome.uri, outcome.places, outcome.supported, outcome.families)


def _zone(row: dict[str, Any]) -> Path | str | None:
    if row.get("zone_file"):
        return FOLDER / "zones" / str(row["zone_file"])
    records = SERVED.get(row["id"], row.get("records", ()))
    return None if records is None else HEADER.format(origin="example.com.") + "\n".join(records)
