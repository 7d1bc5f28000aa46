"""Identifiers out of a random source: fresh, long enough, and the same for the same seed."""

import random

from sipcore.grammar import is_token
from sipcore.tokens import MAGIC_COOKIE, POOL, Tokens, pooled


def seeded(seed: int) -> Tokens:
    return Tokens(random.Random(seed).randbytes)


def all_of(tokens: Tokens) -> list[str]:
    return [tokens.branch(), tokens.tag(), tokens.call_id(), tokens.cnonce()]


def test_the_same_seed_gives_the_same_identifiers() -> None:
    assert all_of(seeded(1)) == all_of(seeded(1))
    assert all_of(seeded(1)) != all_of(seeded(2))


def test_each_is_a_token() -> None:
    assert all(is_token(text) for text in all_of(seeded(1)))


def test_a_branch_begins_with_the_cookie_and_has_96_random_bits() -> None:
    branch = seeded(1).branch()
    assert branch.startswith(MAGIC_COOKIE)
    assert len(branch) == len(MAGIC_COOKIE) + 96 // 4


def test_a_tag_has_at_least_the_32_random_bits_of_section_19_3() -> None:
    assert len(seeded(1).tag()) * 4 >= 32


def test_nothing_comes_twice() -> None:
    tokens = seeded(1)
    assert len({tokens.tag() for _ in range(1000)}) == 1000


def test_numbers_stay_below_their_bound_and_reach_it() -> None:
    tokens = seeded(1)
    assert {tokens.number(3) for _ in range(100)} == {0, 1, 2}


def test_chance_is_evenly_spread_below_one() -> None:
    tokens = seeded(1)
    drawn = sorted(tokens.chance() for _ in range(1000))
    assert 0 <= drawn[0] < 0.01 < 0.45 < drawn[500] < 0.55 < 0.99 < drawn[-1] < 1


def test_a_pool_asks_seldom_and_gives_nothing_twice() -> None:
    asked: list[int] = []
    source = random.Random(1).randbytes

    def counted(count: int) -> bytes:
        asked.append(count)
        return source(count)

    take = pooled(counted)
    taken = [take(12) for _ in range(POOL // 12 + 1)]
    assert asked == [POOL, POOL]
    assert len(set(taken)) == len(taken)
    assert {len(piece) for piece in taken} == {12}


def test_a_pool_gives_more_than_it_holds() -> None:
    take = pooled(random.Random(1).randbytes)
    assert [len(take(count)) for count in (1, POOL + 1, POOL, 0)] == [1, POOL + 1, POOL, 0]
