"""Locating SIP servers as other stacks' tests and the RFCs have it: the same places, or the rule that a test breaks.

The zones are read here and answer without a network; the interop tests ask the same of a real name server.
"""

import random
from collections import Counter
from collections.abc import Iterator
from itertools import permutations
from math import prod

import pytest

from sipcore.resolve.plan import order_srv
from sipcore.resolve.records import Answer, Question, RecordType, Srv
from tests.conformance.corpus import needs_corpus
from tests.conformance.dns_cases import FOLDER, Zone, orders, rows, scenarios
from tests.conformance.dns_disagreements import DISAGREEMENTS
from tests.conformance.dns_outcomes import OUTCOMES, SERVED

KINDS = ("rfc3263-scenario", "srv-lookup")
FOOBAR = Question(RecordType.SRV, "_foobar._tcp.example.com")
DRAWS = 5_000
CHI_SQUARED = {1: 10.83, 5: 20.52, 23: 49.73}
"""What chi-squared stays below in 999 of 1,000 fair samples, by degrees of freedom."""


@needs_corpus
@pytest.mark.parametrize("kind", KINDS)
def test_every_case_leads_where_its_source_or_the_rfc_says(kind: str) -> None:
    differing = {}
    for scenario in scenarios(kind):
        rule, expected = DISAGREEMENTS.get(scenario.id, ("", scenario.expected))
        if expected not in (found := orders(scenario)):
            differing[scenario.id] = (rule, expected, found)
    assert differing == {}


@needs_corpus
def test_every_disagreement_is_one() -> None:
    known = {scenario.id: scenario for kind in KINDS for scenario in scenarios(kind)}
    assert DISAGREEMENTS.keys() <= known.keys()
    for name in DISAGREEMENTS:
        assert known[name].expected not in orders(known[name]), name


@needs_corpus
def test_only_what_cannot_be_read_off_a_case_is_transcribed() -> None:
    cases = {row["id"]: row for row in rows(*KINDS)}
    unreadable = {name for name, row in cases.items() if not isinstance(row.get("expect"), list)}
    assert OUTCOMES.keys() == unreadable
    assert SERVED.keys() <= unreadable


@needs_corpus
def test_what_is_transcribed_agrees_with_what_the_case_states() -> None:
    """Sofia-SIP's cases state the transports in order, and where they have one the order of the families."""
    for row in rows("rfc3263-scenario"):
        if "expect_protocol_order" in row:
            places = [place for outcome in OUTCOMES[row["id"]] for place in outcome.places]
            assert [place.split()[0].upper() for place in places] == row["expect_protocol_order"], row["id"]
            families = ["AF_INET6" if "[" in place else "AF_INET" for place in places]
            assert row["expect_families"] in ([], families), row["id"]


@needs_corpus
def test_the_weights_of_the_rfcs_own_example() -> None:
    answer = Zone(FOLDER / "zones" / "rfc2782_foobar.zone").ask(FOOBAR)
    assert isinstance(answer, Answer)
    records = [record for record in answer.records if isinstance(record, Srv)]
    source = random.Random(2782)
    drawn = Counter(tuple(record.target for record in order_srv(records, source.random)) for _ in range(DRAWS))
    backups = [("sysadmins-box.example.com", "server.example.com"), ("server.example.com", "sysadmins-box.example.com")]
    fast, slow = "new-fast-box.example.com", "old-slow-box.example.com"
    assert {order[2:] for order in drawn} <= set(backups)
    expected: dict[tuple[str, ...], float] = {(fast, slow): 3 / 4, (slow, fast): 1 / 4}
    assert chi_squared(Counter(order[:2] for order in drawn.elements()), expected) < CHI_SQUARED[1]


@pytest.mark.parametrize("weights", [(1, 3), (1, 1, 1), (10, 20, 70), (1, 2, 3, 4), (1, 65535)], ids=str)
@pytest.mark.parametrize("zeros", [0, 2])
def test_every_order_comes_out_as_often_as_its_weights_say(weights: tuple[int, ...], zeros: int) -> None:
    """RFC 2782: each is drawn with a probability of its weight in the sum of those that are left, 0 hardly ever."""
    records = [Srv(0, 0, 5060 + number, "idle.test") for number in range(zeros)]
    records += [Srv(0, weight, 5060, f"{number}.test") for number, weight in enumerate(weights)]
    source = random.Random(f"{weights} {zeros}")
    drawn: Counter[tuple[str, ...]] = Counter()
    for _ in range(DRAWS):
        source.shuffle(records)
        ordered = order_srv(records, source.random)
        assert all(record.weight == 0 for record in ordered[len(weights) :])
        drawn[tuple(record.target for record in ordered[: len(weights)])] += 1
    expected = dict(shares(weights))
    likely = {
        order: share for order, share in expected.items() if share * DRAWS >= 5
    }  # else the statistic says nothing
    assert chi_squared(drawn, likely) < CHI_SQUARED[max(1, len(likely) - 1)]
    assert drawn.keys() <= expected.keys()


def test_priorities_are_not_left_to_chance() -> None:
    records = [Srv(priority, weight, 5060, "a.test") for priority in (20, 10, 30) for weight in (0, 100)]
    source = random.Random(2782)
    drawn = Counter(tuple(map(str, order_srv(records, source.random))) for _ in range(1000))
    assert list(drawn) == [
        tuple(f"{priority} {weight} 5060 a.test." for priority in (10, 20, 30) for weight in (100, 0))
    ]


def test_records_of_weight_zero_alone_keep_the_order_that_dns_gave() -> None:
    """RFC 2782 has them arranged in any order, and a number drawn from 0 to 0 takes the first."""
    records = [Srv(0, 0, port, "a.test") for port in (5063, 5060, 5062, 5061)]
    assert order_srv(records, random.Random(2782).random) == records


def shares(weights: tuple[int, ...]) -> Iterator[tuple[tuple[str, ...], float]]:
    """The probability of each order of targets, which are the positions of the weights."""
    for order in permutations(range(len(weights))):
        left = [sum(weights[number] for number in order[place:]) for place in range(len(order))]
        chances = (weights[number] / rest for number, rest in zip(order, left, strict=True))
        yield tuple(f"{number}.test" for number in order), prod(chances)


def chi_squared(drawn: Counter[tuple[str, ...]], expected: dict[tuple[str, ...], float]) -> float:
    """How far a sample is from what is expected of it (Pearson's statistic)."""
    total = drawn.total()
    return sum((drawn[order] - share * total) ** 2 / (share * total) for order, share in expected.items())
