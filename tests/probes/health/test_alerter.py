"""Which alerts follow from what happens, by a trunk whose routes come and go."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.health.alerter import Alerter
from probes.health.alerts import Alert, AlertKind, AlertRules, Phase, Severity
from probes.health.incidents import FLAP_CALM, FLAPS, GATHER
from probes.health.terms import Health, Kind, Switch, SwitchCause, Verdict
from probes.health.trunk import Rules
from tests.probes.health.happenings import START, Scene, check_of, trunk_of

HOUR = 3600.0
DAY = 24 * HOUR
MOST_AN_HOUR = 12
"""Alerts of one route and kind, whatever it does, without reminders."""


def test_a_route_that_goes_down_is_one_alert_with_the_failover_because_of_it() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.drops("sbc1")
    assert scene.told == []  # what follows from the check is gathered
    scene.wait(GATHER)
    assert scene.words == ["down begun sbc1"]
    alert = scene.told[0]
    assert alert.also == (AlertKind.FAILOVER,)
    assert alert.severity is Severity.WARNING
    assert alert.active == "sbc2"
    assert alert.text == "carrier: route sbc1 is down (refused); calls take sbc2"
    scene.wait(HOUR)
    scene.rises("sbc1")
    scene.wait(GATHER)
    assert scene.words == ["down begun sbc1", "down ended sbc1"]
    assert scene.told[1].incident == alert.incident
    assert scene.told[1].id != alert.id
    assert scene.told[1].also == (AlertKind.FAILBACK,)
    assert scene.told[1].text == "carrier: route sbc1 is up again after 1 h"


def test_the_last_route_that_goes_down_is_told_as_the_whole_trunk() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.drops("sbc1")
    scene.wait(60)
    scene.drops("sbc2")
    scene.wait(60)
    assert scene.words == ["down begun sbc1", "all-down begun"]
    assert scene.told[1].severity is Severity.CRITICAL
    assert scene.told[1].also == (AlertKind.DOWN,)
    assert scene.told[1].text == "carrier: no route is left, calls fail (refused)"
    assert [line for line in scene.told[1].lines if line.startswith("Route")] == [
        "Route sbc1: refused",
        "Route sbc2: refused",
    ]
    scene.rises("sbc1")
    scene.wait(60)
    # The other one is down still, and was hidden by what was graver.
    assert scene.words[2:] == ["all-down ended", "down ended sbc1", "down begun sbc2"]
    assert "over route sbc1, after 1 min" in scene.told[2].text


def test_a_trunk_of_one_route_is_told_once() -> None:
    scene = Scene("sbc1")
    scene.drops("sbc1")
    scene.wait(HOUR)
    scene.rises("sbc1")
    scene.wait(HOUR)
    assert scene.words == ["all-down begun", "all-down ended"]


def test_all_at_once_is_one_alert() -> None:
    scene = Scene("sbc1", "sbc2", "sbc3")
    for route in ("sbc1", "sbc2", "sbc3"):
        scene.drops(route)
    scene.wait(HOUR)
    assert scene.words == ["all-down begun"]


def test_what_is_short_is_not_told_where_only_long_failures_are_to_be() -> None:
    scene = Scene("sbc1", "sbc2", rules=AlertRules(unreachable_minutes=5))
    scene.drops("sbc1")
    scene.wait(299)
    scene.rises("sbc1")
    scene.wait(HOUR)
    assert scene.told == []  # the failover and the failback neither
    scene.drops("sbc1")
    scene.wait(300)
    assert scene.words == ["down begun sbc1"]


def test_a_route_that_falls_while_the_last_one_is_waited_with_is_told_in_time() -> None:
    scene = Scene("sbc1", "sbc2", rules=AlertRules(unreachable_minutes=5))
    scene.drops("sbc1")
    scene.wait(240)
    scene.drops("sbc2")
    scene.wait(60)
    assert scene.words == ["down begun sbc1"]
    scene.wait(240)
    assert scene.words == ["down begun sbc1", "all-down begun"]


def test_calls_that_stay_on_another_route_are_told_although_the_failure_was_short() -> None:
    scene = Scene("sbc1", "sbc2", rules=AlertRules(unreachable_minutes=5))
    scene.active = "sbc1"
    scene.drops("sbc1")
    scene.wait(60)
    scene._settle = lambda: None  # type: ignore[method-assign]  # they return by hand
    scene.rises("sbc1")
    scene.wait(HOUR)
    assert scene.words == ["failover once sbc2"]
    assert scene.told[0].text == "carrier: calls take route sbc2 now, since sbc1 is down"


def test_a_switch_by_hand_is_told_by_itself() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.take(Switch("carrier", START, "sbc1", "sbc2", SwitchCause.BY_HAND))
    scene.wait(60)
    assert scene.words == ["switched once sbc2"]
    assert scene.told[0].severity is Severity.INFO


def test_a_route_that_flaps_is_told_once_and_when_it_has_calmed_down() -> None:
    scene = Scene("sbc1", "sbc2")
    for _ in range(20):
        scene.drops("sbc1")
        scene.wait(30)
        scene.rises("sbc1")
        scene.wait(30)
    assert scene.words == ["down begun sbc1", "down ended sbc1"] * (FLAPS - 1) + ["down begun sbc1"]
    assert scene.told[-1].flapping
    assert "time and again" in scene.told[-1].text
    scene.wait(FLAP_CALM)
    assert scene.words[-1] == "down ended sbc1"
    scene.drops("sbc1")  # which is one time, and not one more
    scene.wait(60)
    assert not scene.told[-1].flapping


def test_a_route_that_flaps_and_stays_down_is_told_so() -> None:
    scene = Scene("sbc1", "sbc2")
    for _ in range(FLAPS):
        scene.rises("sbc1")
        scene.wait(30)
        scene.drops("sbc1")
        scene.wait(30)
    scene.wait(FLAP_CALM)
    assert scene.words[-2:] == ["down begun sbc1", "down lasts sbc1"]
    assert not scene.told[-1].flapping


def test_a_route_that_flaps_too_quickly_for_its_delay_is_told_as_flapping() -> None:
    scene = Scene("sbc1", "sbc2", rules=AlertRules(unreachable_minutes=5))
    for _ in range(5):
        scene.drops("sbc1")
        scene.wait(60)
        scene.rises("sbc1")
        scene.wait(60)
    assert scene.words == ["down begun sbc1"]
    assert scene.told[0].flapping


def test_a_trunk_of_one_route_that_flaps_is_told_once() -> None:
    scene = Scene("sbc1")
    for _ in range(10):
        scene.drops("sbc1")
        scene.wait(60)
        scene.rises("sbc1")
        scene.wait(60)
    assert scene.words == ["all-down begun", "all-down ended"] * (FLAPS - 1) + ["all-down begun"]
    scene.wait(HOUR)
    assert scene.words[-1] == "all-down ended"


def test_routes_that_take_turns_are_a_trunk_that_flaps() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.drops("sbc1")
    scene.drops("sbc2")
    for route in ("sbc1", "sbc2") * 4:
        scene.wait(60)
        scene.rises(route)
        scene.wait(60)
        scene.drops(route)
    scene.wait(60)
    whole = [alert for alert in scene.told if alert.kind is AlertKind.ALL_DOWN]
    assert [alert.phase for alert in whole] == [Phase.BEGUN, Phase.ENDED] * (FLAPS - 1) + [Phase.BEGUN]
    assert whole[-1].flapping
    after = [alert for alert in scene.told if alert.at > whole[-1].at]
    assert not any(alert.phase is Phase.ONCE for alert in after)  # who takes the calls changes too often to be told


def test_reminders_come_while_it_lasts() -> None:
    scene = Scene("sbc1", "sbc2", rules=AlertRules(repeat_minutes=30))
    scene.drops("sbc1")
    scene.wait(2 * HOUR)
    assert scene.words == ["down begun sbc1"] + ["down lasts sbc1"] * 3
    assert len({alert.id for alert in scene.told}) == 4
    assert len({alert.incident for alert in scene.told}) == 1
    assert scene.told[1].text.startswith("carrier: still so after 30 min: route sbc1 is down")
    scene.drops("sbc2")
    scene.wait(HOUR)
    assert scene.words[4:].count("down lasts sbc1") == 0  # the whole trunk is told


def test_degraded_is_told_when_it_lasts() -> None:
    scene = Scene("sbc1")
    scene.becomes("sbc1", Health.DEGRADED)
    scene.wait(899)
    scene.rises("sbc1")
    scene.wait(HOUR)
    assert scene.told == []
    scene.becomes("sbc1", Health.DEGRADED)
    scene.wait(HOUR)
    scene.rises("sbc1")
    scene.wait(HOUR)
    assert scene.words == ["degraded begun sbc1", "degraded ended sbc1"]
    assert scene.told[0].text == "carrier: route sbc1 has been degraded for 15 min (maintenance)"


def test_a_route_on_its_way_down_is_not_told_as_degraded_afterwards() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.becomes("sbc1", Health.DEGRADED)
    scene.wait(60)
    scene.drops("sbc1")
    scene.wait(HOUR)
    scene.becomes("sbc1", Health.DEGRADED)
    scene.wait(60)
    assert scene.words == ["down begun sbc1", "down ended sbc1"]
    scene.wait(HOUR)
    assert scene.words[2:] == ["degraded begun sbc1"]


def test_a_failing_test_call_hides_that_the_route_is_degraded() -> None:
    scene = Scene("sbc1")
    scene.take(check_of("sbc1", scene.now, Verdict.BAD, kind=Kind.CALL, reason="call", detail="486 Busy Here"))
    scene.becomes("sbc1", Health.DEGRADED)
    scene.wait(HOUR)
    assert scene.words == ["call begun sbc1"]
    assert "Seen: call, 486 Busy Here" in scene.told[0].lines
    scene.take(check_of("sbc1", scene.now, kind=Kind.CALL))
    scene.wait(GATHER)
    assert scene.words == ["call begun sbc1", "call ended sbc1", "degraded begun sbc1"]


@pytest.mark.parametrize(("failures", "told"), [(1, []), (2, ["call begun sbc1"]), (5, ["call begun sbc1"])])
def test_as_many_calls_fail_as_the_rules_say(failures: int, told: list[str]) -> None:
    scene = Scene("sbc1", rules=AlertRules(call_failures=2))
    for _ in range(failures):
        scene.take(check_of("sbc1", scene.now, Verdict.BAD, kind=Kind.CALL))
        scene.wait(60)
    assert scene.words == told


def test_a_registration_that_fails_is_told_and_that_it_works_again() -> None:
    scene = Scene("sbc1", rules=AlertRules(registration_failures=2))
    for _ in range(3):
        scene.take(
            check_of("sbc1", scene.now, Verdict.BAD, kind=Kind.REGISTRATION, reason="nobody", detail="nobody is")
        )
        scene.wait(600)
    assert scene.words == ["registration begun sbc1"]
    assert scene.told[0].text == "carrier: the registration by route sbc1 fails (nobody)"
    assert scene.told[0].lines[-1].startswith("Try: see at the phone or PBX why it no longer registers")
    scene.take(check_of("sbc1", scene.now, kind=Kind.REGISTRATION))
    scene.wait(GATHER)
    assert scene.words[1:] == ["registration ended sbc1"]
    assert scene.told[1].text.startswith("carrier: the registration by route sbc1 works again after")


def test_a_registration_that_fails_is_not_told_of_a_route_that_is_down() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.drops("sbc1")
    scene.take(check_of("sbc1", scene.now, Verdict.BAD, kind=Kind.REGISTRATION, reason="registration"))
    scene.wait(HOUR)
    assert scene.words == ["down begun sbc1"]


def test_a_slow_route_is_told_after_some_checks_in_a_row_and_is_quick_after_as_many() -> None:
    scene = Scene("sbc1", rules=AlertRules(response_time_ms=500, response_time_checks=3))
    for rtt in (0.6, 0.6, 0.1, 0.5, None, 0.9, 0.7, 0.1, 0.1, 0.8, 0.1, 0.1):
        scene.take(check_of("sbc1", scene.now, rtt=rtt))
        scene.wait(60)
    assert scene.words == ["slow begun sbc1"]
    assert scene.told[0].text == "carrier: route sbc1 is slow, 700 ms"
    scene.take(check_of("sbc1", scene.now, rtt=0.1))
    scene.wait(60)
    assert scene.words == ["slow begun sbc1", "slow ended sbc1"]


def test_a_reminder_needs_no_figures() -> None:
    scene = Scene("sbc1", rules=AlertRules(response_time_ms=500, response_time_checks=1, repeat_minutes=30))
    scene.take(check_of("sbc1", scene.now, rtt=0.6))
    scene.wait(60)
    scene.take(check_of("sbc1", scene.now, Verdict.SILENT, reason="silent"))
    scene.wait(HOUR / 2)
    assert scene.told[1].text == "carrier: still so after 30 min: route sbc1 is slow"


def test_a_failure_rate_is_told_although_no_two_checks_fail_in_a_row() -> None:
    scene = Scene("sbc1", rules=AlertRules(failure_rate_percent=30, failure_rate_window_minutes=10))
    scene.rises("sbc1")
    for place in range(12):
        scene.take(check_of("sbc1", scene.now, Verdict.BAD if place % 3 == 2 else Verdict.GOOD))
        scene.take(check_of("sbc1", scene.now, Verdict.OWN))
        scene.wait(60)
    assert scene.words == ["failure-rate begun sbc1"]
    assert "checks of route sbc1 fail, " in scene.told[0].text
    for _ in range(9):
        scene.take(check_of("sbc1", scene.now))
        scene.wait(60)
    assert scene.words == ["failure-rate begun sbc1", "failure-rate ended sbc1"]


def test_silence_of_a_route_that_never_answered_is_no_failure() -> None:
    scene = Scene("sbc1", rules=AlertRules(failure_rate_percent=10))
    for _ in range(30):
        scene.take(check_of("sbc1", scene.now, Verdict.SILENT, reason="silent"))
        scene.wait(60)
    assert scene.told == []


def test_a_certificate_is_told_at_last_as_its_end_comes_nearer() -> None:
    scene = Scene("sbc1", rules=AlertRules(repeat_minutes=60))
    ends = START + 20 * DAY
    for _ in range(21 * 24):
        scene.take(check_of("sbc1", scene.now, certificate_ends=ends))
        scene.wait(HOUR)
    assert [round((ends - alert.at) / DAY, 1) for alert in scene.told] == [14.0, 7.0, 3.0, 1.0, 0.0]
    assert [alert.severity for alert in scene.told] == [Severity.WARNING] * 3 + [Severity.CRITICAL] * 2
    assert scene.told[1].text == "carrier: the certificate of route sbc1 ends in 7 days"
    for _ in range(10):
        scene.take(check_of("sbc1", scene.now, certificate_ends=scene.now + 90 * DAY))
        scene.wait(60)
    assert scene.words[-1] == "certificate ended sbc1"
    assert scene.told[-1].severity is Severity.CRITICAL  # whoever was told of it is told that it is over


def test_a_certificate_is_told_at_last_over_a_restart_too() -> None:
    scene = Scene("sbc1")
    ends = START + 10 * DAY
    for hour in range(8 * 24):
        if hour == 24:
            scene.restart()
        scene.take(check_of("sbc1", scene.now, certificate_ends=ends))
        scene.wait(HOUR)
    assert [round((ends - alert.at) / DAY, 1) for alert in scene.told] == [10.0, 7.0, 3.0]
    assert len({alert.incident for alert in scene.told}) == 1


def test_hosts_with_certificates_of_their_own_do_not_come_and_go() -> None:
    scene = Scene("sbc1")
    for place in range(100):
        scene.take(check_of("sbc1", scene.now, certificate_ends=START + (5 if place % 2 else 90) * DAY))
        scene.wait(60)
    assert scene.words == ["certificate begun sbc1"]


def test_certificates_are_not_looked_at_where_nobody_wants_it() -> None:
    scene = Scene(trunk=trunk_of("sbc1", rules=Rules(certificate_days=0)))
    scene.take(check_of("sbc1", scene.now, certificate_ends=START))
    scene.wait(HOUR)
    assert scene.told == []


def test_what_ends_while_nobody_watched_is_told_as_over() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.drops("sbc1")
    scene.wait(60)
    scene.restart()
    scene.wait(HOUR)
    assert scene.words == ["down begun sbc1"]  # and not told anew
    scene.rises("sbc1")
    scene.wait(60)
    assert scene.words == ["down begun sbc1", "down ended sbc1"]
    assert scene.told[0].incident == scene.told[1].incident
    assert len({alert.id for alert in scene.told}) == 2


def test_what_a_restored_incident_hides_is_told_when_it_is_over() -> None:
    scene = Scene("sbc1")
    scene.drops("sbc1")
    scene.wait(60)
    scene.history.clear()  # nothing is known but what was told
    scene.restart()
    scene.take(check_of("sbc1", scene.now, Verdict.BAD, kind=Kind.CALL))
    scene.take(Switch("carrier", scene.now, "sbc1", None, SwitchCause.FAILOVER))
    scene.wait(60)
    assert scene.words == ["all-down begun"]
    scene.take(Switch("carrier", scene.now, None, "sbc1", SwitchCause.FAILBACK))
    scene.wait(60)
    assert scene.words == ["all-down begun", "all-down ended", "call begun sbc1"]


def test_what_was_not_told_before_the_end_of_a_run_is_told_in_the_next() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.drops("sbc1")
    scene.restart()
    scene.wait(60)
    assert scene.words == ["down begun sbc1"]
    assert scene.told[0].active == "sbc2"


def test_what_was_over_and_not_told_so_is_told_in_the_next_run() -> None:
    scene = Scene("sbc1")
    scene.drops("sbc1")
    scene.wait(60)
    scene.rises("sbc1")
    scene.restart()
    scene.wait(60)
    assert scene.words == ["all-down begun", "all-down ended"]


def test_an_incident_of_what_is_no_longer_watched_is_over() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.drops("sbc1")
    scene.wait(60)
    scene.trunk = trunk_of("sbc2", "sbc3")
    scene.restart()
    assert scene.words == ["down begun sbc1", "down ended sbc1"]
    assert scene.told[1].text == "carrier: route sbc1 is no longer watched"
    assert scene.told[1].id == f"{scene.told[0].incident}-2"
    scene.wait(HOUR)
    assert len(scene.told) == 2


def test_a_clock_that_is_set_back_holds_up_nothing() -> None:
    scene = Scene("sbc1", "sbc2", rules=AlertRules(unreachable_minutes=5, repeat_minutes=60))
    scene.drops("sbc1")
    scene.wait(120)
    scene.now -= 365 * DAY
    scene.take(check_of("sbc2", scene.now))
    scene.wait(300)
    assert scene.words == ["down begun sbc1"]
    scene.now -= 365 * DAY
    scene.take(check_of("sbc2", scene.now))
    scene.wait(HOUR)
    assert scene.words == ["down begun sbc1", "down lasts sbc1"]
    scene.rises("sbc1")
    scene.wait(60)
    assert scene.words[2:] == ["down ended sbc1"]


def test_trunks_have_rules_of_their_own_and_unknown_ones_are_ignored() -> None:
    trunks = [trunk_of("sbc1"), trunk_of("sbc1", name="other")]
    alerter = Alerter(trunks, AlertRules(), {"other": AlertRules(unreachable_minutes=5)})
    for name in ("carrier", "other", "unknown"):
        alerter.take(Switch(name, START, "sbc1", None, SwitchCause.FAILOVER), START)
    assert [alert.trunk for alert in alerter.handle_timeout(START + 60)] == ["carrier"]
    assert [alert.trunk for alert in alerter.handle_timeout(START + 300)] == ["other"]
    assert alerter.next_timeout() is None


def test_texts_have_nothing_that_drives_a_terminal_or_ends_a_header_field() -> None:
    scene = Scene("sbc1")
    scene.becomes("sbc1", Health.UNREACHABLE, detail="\x1b[31mowned\r\nBcc: someone@example.com")
    scene.wait(60)
    assert all(text.isprintable() for text in (scene.told[0].text, *scene.told[0].lines))


ROUTES = ("sbc1", "sbc2")
steps = st.lists(
    st.tuples(
        st.sampled_from(ROUTES),
        st.sampled_from([Health.HEALTHY, Health.DEGRADED, Health.UNREACHABLE]),
        st.sampled_from([0.0, 0.5, 1.0, 20.0, 90.0, 400.0, 2000.0]),
        st.booleans(),
    ),
    max_size=60,
)
rules = st.builds(
    AlertRules,
    unreachable_minutes=st.sampled_from([0.0, 1.0, 5.0]),
    degraded_minutes=st.sampled_from([0.0, 1.0, 15.0]),
    repeat_minutes=st.sampled_from([0.0, 30.0]),
)


@settings(max_examples=150, deadline=None)
@given(steps=steps, rules=rules)
def test_each_beginning_has_one_end_and_nobody_is_flooded(
    steps: list[tuple[str, Health, float, bool]], rules: AlertRules
) -> None:
    scene = Scene(*ROUTES, rules=rules)
    for route, health, seconds, restarts in steps:
        scene.becomes(route, health)
        scene.wait(seconds)
        if restarts:
            scene.restart()
    for route in ROUTES:
        scene.rises(route)
    scene.wait(DAY)
    assert scene.alerter.next_timeout() is None
    assert len({alert.id for alert in scene.told}) == len(scene.told)
    for incident in {alert.incident for alert in scene.told}:
        phases = [alert.phase for alert in scene.told if alert.incident == incident]
        if phases != [Phase.ONCE]:
            assert phases[0] is Phase.BEGUN
            assert phases[-1] is Phase.ENDED
            assert set(phases[1:-1]) <= {Phase.LASTS}
    if not any(restarts for *_, restarts in steps) and not rules.repeat_minutes:
        assert most_an_hour(scene.told) <= MOST_AN_HOUR


def most_an_hour(told: list[Alert]) -> int:
    """The most alerts of one route and kind within an hour."""
    counted = [alert for alert in told if alert.phase is not Phase.ONCE]
    return max(
        (
            sum(
                (other.route, other.kind) == (alert.route, alert.kind) and 0 <= other.at - alert.at < HOUR
                for other in counted
            )
            for alert in counted
        ),
        default=0,
    )


def test_a_trunk_with_one_route_is_told_of_without_its_name() -> None:
    """Which is the whole of its target, where nobody gave it another."""
    scene = Scene("pbx")
    scene.becomes("pbx", Health.UNREACHABLE, detail="refused: nothing listens there")
    scene.wait(60)
    assert "Route pbx: refused: nothing listens there" in scene.told[0].lines
    scene.rises("pbx")
    scene.wait(60)
    assert scene.told[1].text == "carrier: calls work again after 1 min"
