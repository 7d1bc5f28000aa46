"""The round trips of the last hours."""

from probes.health.recent import SLOT_SECONDS, SLOTS, Recent, Slot
from probes.health.terms import Check, Kind, Verdict

BEGIN = 1_000_000 * SLOT_SECONDS


def _check(at: float, rtt: float | None = None, verdict: Verdict = Verdict.GOOD) -> Check:
    return Check("t", "r", Kind.OPTIONS, BEGIN + at, verdict, "x", rtt=rtt)


def test_a_slot_has_the_mean_of_its_round_trips_and_its_failures() -> None:
    recent = Recent([_check(0, 0.1), _check(60, 0.3), _check(SLOT_SECONDS, None, Verdict.BAD)])
    slots = recent.slots("t", "r", BEGIN + SLOT_SECONDS)
    assert len(slots) == SLOTS
    assert slots[-2:] == (Slot(0.2, 0), Slot(None, 1))
    assert set(slots[:-2]) == {Slot()}


def test_what_could_not_be_carried_out_says_nothing() -> None:
    assert Recent([_check(0, None, Verdict.OWN)]).slots("t", "r", BEGIN) == ()


def test_what_is_old_is_forgotten() -> None:
    recent = Recent([_check(0, 0.1)])
    recent.take(_check((SLOTS + 5) * SLOT_SECONDS, 0.5))
    recent.take(_check(0, 0.2))  # too late
    slots = recent.slots("t", "r", BEGIN + (SLOTS + 5) * SLOT_SECONDS)
    assert slots[-1] == Slot(0.5, 0)
    assert set(slots[:-1]) == {Slot()}
    assert set(recent.slots("t", "r", BEGIN + (3 * SLOTS) * SLOT_SECONDS)) == {Slot()}


def test_two_are_one_whichever_is_older() -> None:
    checks = [_check(number * 100.0, 0.001 * number) for number in range(200)]
    for cut in (0, 20, 150, 200):
        for first, second in ((checks[:cut], checks[cut:]), (checks[cut:], checks[:cut])):
            recent = Recent(first)
            recent.absorb(Recent(second))
            found, wanted = (each.slots("t", "r", BEGIN + 20_000) for each in (recent, Recent(checks)))
            assert [one.failures for one in found] == [one.failures for one in wanted]
            for one, other in zip(found, wanted, strict=True):
                assert (one.rtt is None) == (other.rtt is None)
                assert abs((one.rtt or 0.0) - (other.rtt or 0.0)) < 1e-9


def test_a_trunk_that_is_no_more_is_forgotten() -> None:
    recent = Recent([_check(0, 0.1)])
    recent.forget("t")
    assert recent.slots("t", "r", BEGIN) == ()
