"""What is told must be so: alarms that would be false, or come too late, and words that would mislead."""

from probes.health.alerts import AlertKind, AlertRules
from probes.health.terms import Change, Health, Switch, SwitchCause, Verdict
from tests.probes.health.happenings import START, Scene, check_of

HOUR = 3600.0


def test_one_or_two_checks_that_are_lost_soon_after_the_start_are_no_rate() -> None:
    scene = Scene("sbc1", rules=AlertRules(failure_rate_percent=20))
    scene.rises("sbc1")
    for failed in (False, False, True, False, True, False, False):
        scene.take(check_of("sbc1", scene.now, Verdict.BAD if failed else Verdict.GOOD))
        scene.wait(60)
    assert scene.words == []
    scene.take(check_of("sbc1", scene.now, Verdict.BAD))
    scene.wait(60)
    assert scene.words == ["failure-rate begun sbc1"]


def test_a_failure_rate_shows_a_check_that_failed() -> None:
    scene = Scene("sbc1", rules=AlertRules(failure_rate_percent=20))
    scene.rises("sbc1")
    for verdict in (Verdict.GOOD, Verdict.BAD, Verdict.BAD, Verdict.BAD, Verdict.GOOD):
        reason = "refused" if verdict is Verdict.BAD else "answered"
        scene.take(check_of("sbc1", scene.now, verdict, reason=reason))
    scene.wait(60)
    (told,) = scene.told
    assert told.kind is AlertKind.FAILURE_RATE
    assert not any("Seen: answered" in line for line in told.lines)


def test_what_is_dated_later_than_now_is_told_now() -> None:
    """The clock was set back, and a change is dated as the one before it."""
    scene = Scene("sbc1")
    check = check_of("sbc1", START, Verdict.BAD, reason="refused")
    later = START + HOUR / 2
    scene.take(Change("carrier", "sbc1", later, Health.DEGRADED, Health.UNREACHABLE, later, check))
    scene.take(Switch("carrier", later, "sbc1", None, SwitchCause.FAILOVER))
    scene.wait(10)
    assert [told.kind for told in scene.told] == [AlertKind.ALL_DOWN]
    assert scene.told[0].since <= scene.now


def test_a_route_that_was_chosen_by_hand_is_kept_and_that_is_said() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.take(Switch("carrier", START, "sbc1", "sbc2", SwitchCause.BY_HAND))
    scene.wait(60)
    kept = (
        "Calls: they take route sbc2 in place of sbc1, by hand, and keep it until it is down or somebody switches them"
    )
    assert scene.told[0].lines[-1] == kept
    scene.take(Switch("carrier", scene.now, "sbc2", "sbc1", SwitchCause.FAILOVER))
    scene.wait(60)
    assert len(scene.told) == 2
    assert not any("by hand" in line for line in scene.told[-1].lines)


def test_a_route_that_is_no_longer_watched_is_not_told_as_down() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.take(Switch("carrier", START, "gone", "sbc2", SwitchCause.FAILOVER))
    scene.wait(60)
    assert scene.told[0].text == "carrier: calls take route sbc2 now, since gone is no longer watched"
