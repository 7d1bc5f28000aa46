"""What is asked of DNS: for each kind of destination, of each resolver, again, and never too much."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.checks.dns.plan import (
    MAX_FOLLOWED,
    MAX_RESOLVERS,
    DnsQuestion,
    Query,
    Reply,
    act,
    first_questions,
    followed,
    patience,
    plan,
)
from probes.destination import Destination
from sipcore.resolve.records import Address, LookupFault, Naptr, Question, Record, RecordType, Srv
from sipcore.resolve.target import SocketAddress
from tests.probes.checks.dns_values import FIRST, GOOD, SECOND, Table

ADDRESSES = ["AAAA example.com", "A example.com"]
UDP, TCP, TLS, WS, WSS = (
    f"SRV {prefix}.example.com" for prefix in ["_sip._udp", "_sip._tcp", "_sips._tcp", "_sip._ws", "_sips._ws"]
)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("Example.com.", ["NAPTR example.com", UDP, TCP, TLS, WS, WSS, *ADDRESSES]),
        ("sips:example.com", ["NAPTR example.com", TLS, WSS, *ADDRESSES]),
        ("tcp://example.com", [TCP, *ADDRESSES]),
        ("sips:example.com;transport=tcp", [TLS, *ADDRESSES]),
        ("ws://example.com", [WS, *ADDRESSES]),
        ("example.com:5060", ADDRESSES),
        ("sip:x.test;maddr=example.com;transport=udp", [UDP, *ADDRESSES]),
        ("192.0.2.1", []),
        ("[2001:db8::1]:5060", []),
    ],
)
def test_what_is_asked_first(target: str, expected: list[str]) -> None:
    assert list(map(str, first_questions(Destination.parse(target)))) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (Srv(0, 0, 5060, "H.example.com"), ["AAAA h.example.com", "A h.example.com"]),
        (Srv(0, 0, 5060, "192.0.2.1"), []),
        (Srv(0, 0, 0, ""), []),
        (Naptr(0, 0, "S", "sip+d2u", "", "_sip._udp.x"), ["SRV _sip._udp.x"]),
        (Naptr(0, 0, "a", "SIPS+D2W", "", "x"), ["AAAA x", "A x"]),
        (Naptr(0, 0, "s", "SIP+D2Z", "", "x"), []),
        (Naptr(0, 0, "s", "SIP+D2U", "!x!y!", "x"), []),
        (Naptr(0, 0, "s", "SIP+D2U", "", ""), []),
        (Naptr(0, 0, "", "SIP+D2U", "", "x"), []),
        (Address("192.0.2.1"), []),
    ],
)
def test_what_a_record_leads_to(record: Record, expected: list[str]) -> None:
    assert list(map(str, followed([record]))) == expected


def test_not_all_of_too_many_records_are_followed() -> None:
    records = [Srv(priority, 0, 5060, f"h{priority}") for priority in range(99, 0, -1)]
    found = {question.name for question in followed(records)}
    assert found == {f"h{priority}" for priority in range(1, MAX_FOLLOWED + 1)}


def test_every_resolver_is_asked_everything_and_again() -> None:
    table = Table({FIRST: GOOD, SECOND: {}})
    replies = table.replies(DnsQuestion(Destination.parse("example.com"), (FIRST, SECOND), pause=1.0))
    assert len(table.asked) == len(set(table.asked)) == len(replies)
    first, second, again = (
        {query.question for query in table.asked if (query.resolver, query.again) == kind}
        for kind in ((FIRST, False), (SECOND, False), (FIRST, True))
    )
    assert first == second
    assert {Question(RecordType.SRV, "_sips._tcp.example.com"), Question(RecordType.A, "h2.example.com")} <= first
    assert again == {Question(RecordType(key.split()[0]), key.split()[1]) for key in GOOD}


def test_nothing_is_asked_again_without_a_pause() -> None:
    table = Table({FIRST: GOOD})
    table.replies(DnsQuestion(Destination.parse("example.com"), (FIRST,), pause=0.0))
    assert not any(query.again for query in table.asked)


def test_too_many_resolvers_are_not_asked() -> None:
    resolvers = tuple(SocketAddress("192.0.2.53", port) for port in range(53, 63))
    queries = plan(DnsQuestion(Destination.parse("example.com"), resolvers), ())
    assert {query.resolver for query in queries} == set(resolvers[:MAX_RESOLVERS])


QUERY = Query(Question(RecordType.A, "example.com"), FIRST)
QUICK = Reply(QUERY, took=0.1, records=(Address("192.0.2.1"),))
SLOW = Reply(QUERY, took=3.0, fault=LookupFault.NODATA)


@pytest.mark.parametrize(
    ("replies", "seconds"),
    [
        ([], math.inf),
        ([QUICK], 1.0),
        ([QUICK, SLOW], 3.0),
        ([QUICK, None], math.inf),
        ([QUICK, Reply(QUERY, took=0.1, fault=LookupFault.SERVFAIL)], math.inf),
        ([SLOW], math.inf),
        ([Reply(QUERY, took=0.1, records=(Srv(0, 0, 5060, "h"),))], math.inf),
    ],
)
def test_how_long_the_others_are_waited_for(replies: list[Reply | None], seconds: float) -> None:
    assert patience(DnsQuestion(Destination.parse("example.com"), (FIRST, SECOND), grace=1.0), replies) == seconds


async def test_act_asks_by_the_plan() -> None:
    question = DnsQuestion(Destination.parse("example.com"), (FIRST,))
    replies = await act(Table({FIRST: GOOD}), question)
    assert {reply.query for reply in replies} == set(plan(question, replies))


ENOUGH = 24
"""Replies after which a property test has seen enough: each makes a plan anew."""
names = st.sampled_from(["a", "b.example.com", "_sip._udp.example.com", "_sips._tcp.c", "", "192.0.2.7", "A", "h"])
numbers = st.integers(0, 65535)
naptrs = st.builds(
    Naptr,
    numbers,
    numbers,
    st.sampled_from("sSaAuU") | st.text(),
    st.sampled_from(["SIP+D2U", "SIPS+D2T"]),
    st.text(),
    names,
)
records = st.lists(
    naptrs | st.builds(Srv, numbers, numbers, numbers, names) | st.just(Address("192.0.2.1")), max_size=40
)


@given(st.lists(st.tuples(records | st.sampled_from(LookupFault)), min_size=1, max_size=30))
def test_more_knowledge_only_adds(told: list[tuple[object]]) -> None:
    question = DnsQuestion(Destination.parse("example.com"), (FIRST, SECOND))
    seen: list[Reply] = []
    wanted = plan(question, seen)
    while waiting := [query for query in wanted if query not in {reply.query for reply in seen}]:
        if len(seen) >= ENOUGH:
            break
        seen.append(_reply(waiting[0], told[len(seen) % len(told)][0]))
        before, wanted = set(wanted), plan(question, seen)
        assert before <= set(wanted)
    assert len({reply.query for reply in seen}) == len(seen)


def _reply(query: Query, told: object) -> Reply:
    if isinstance(told, LookupFault):
        return Reply(query, fault=told)
    assert isinstance(told, list)
    return Reply(query, records=tuple(told), ttl=60.0, fault=None if told else LookupFault.NODATA)
