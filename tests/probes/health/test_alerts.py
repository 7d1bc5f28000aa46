"""What an alert is as data, and what rules and channels take."""

import itertools
import json

import pytest

from probes.health.alert_text import lasting
from probes.health.alerts import (
    AlertKind,
    AlertRules,
    AppriseChannel,
    Phase,
    Severity,
    WebhookChannel,
    alert_data,
    alert_of,
    wants,
)
from probes.health.incidents import IGNORED, IMPOSSIBLE, TABLE, IncidentState, Sign
from probes.health.terms import Health, Switch, SwitchCause
from probes.health.trunk import WatchError
from tests.probes.health.happenings import START, Scene

URL = "https://hooks.example.com/T0/secret"


def test_each_cell_of_the_table_is_decided_once() -> None:
    cells = [*TABLE, *IGNORED, *IMPOSSIBLE]
    assert len(cells) == len(set(cells))
    assert set(cells) == set(itertools.product(IncidentState, Sign))


def test_an_alert_as_data() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.becomes("sbc1", Health.UNREACHABLE, detail="nothing listens there", status=None)
    scene.wait(60)
    data = json.loads(json.dumps(alert_data(scene.told[0])))
    assert {name: data[name] for name in ("kind", "phase", "severity", "trunk", "route", "active_route")} == {
        "kind": "down",
        "phase": "begun",
        "severity": "warning",
        "trunk": "carrier",
        "route": "sbc1",
        "active_route": "sbc2",
    }
    assert data["since"] == "2023-11-14T22:13:20.000+00:00"
    assert data["at"] == "2023-11-14T22:13:21.000+00:00"
    assert (data["until"], data["duration_s"], data["also"]) == (None, None, ["failover"])
    assert data["id"] == f"{data['incident']}-1"
    assert data["check"] == {
        "at": "2023-11-14T22:13:20.000+00:00",
        "kind": "OPTIONS",
        "verdict": "bad",
        "reason": "refused",
        "detail": "nothing listens there",
        "status": None,
        "rtt_ms": None,
        "place": "udp 192.0.2.1:5060",
        "certificate_ends": None,
    }
    assert data["lines"] == [
        "Trunk carrier, route sbc1 (udp 192.0.2.1:5060)",
        "Since 2023-11-14 22:13:20 UTC, for 1 s now",
        "Seen: refused, nothing listens there",
        "Calls: they take route sbc2 in place of sbc1, and return by themselves when it is well again",
        "Try: check that the peer's SIP service runs, and that the port is the right one",
    ]


def test_a_switch_as_data() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.take(Switch("carrier", START, "sbc1", "sbc2", SwitchCause.BY_HAND))
    scene.wait(60)
    data = alert_data(scene.told[0])
    assert data["check"] is None
    assert data["switch"] == {
        "at": "2023-11-14T22:13:20.000+00:00",
        "before": "sbc1",
        "after": "sbc2",
        "cause": "by hand",
    }


def test_an_alert_is_read_back_but_for_what_it_was_told_by() -> None:
    scene = Scene("sbc1", "sbcé2")
    scene.drops("sbc1")
    scene.wait(60)
    scene.drops("sbcé2")
    scene.wait(60)
    for alert in scene.told:
        data = json.loads(json.dumps(alert_data(alert)))
        read = alert_of(data)
        assert read is not None
        assert read.happening is None
        again = alert_data(read)
        assert {**again, "check": data["check"], "switch": data["switch"]} == data


@pytest.mark.parametrize("data", [None, 1, [], {}, "text", {"id": "x"}])
def test_what_is_no_alert_is_not_read(data: object) -> None:
    assert alert_of(data) is None


def test_an_alert_of_another_version_is_not_read() -> None:
    scene = Scene("sbc1")
    scene.drops("sbc1")
    scene.wait(60)
    assert alert_of(alert_data(scene.told[0]) | {"kind": "unheard-of"}) is None


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"unreachable_minutes": -1}, "unreachable_minutes of -1: give 0 or more"),
        ({"degraded_minutes": float("nan")}, "degraded_minutes of nan"),
        ({"repeat_minutes": float("inf")}, "repeat_minutes of inf"),
        ({"repeat_minutes": 0.5}, "give 1 or more, or 0 for no reminders"),
        ({"failure_rate_percent": 101}, "give 0 to 100"),
        ({"failure_rate_percent": float("nan")}, "give 0 to 100"),
        ({"failure_rate_window_minutes": 0}, "give 1 to 1440"),
        ({"response_time_checks": 0}, "are 1 or more"),
        ({"call_failures": 0}, "are 1 or more"),
    ],
)
def test_rules_that_cannot_be(fields: dict[str, float], told: str) -> None:
    with pytest.raises(WatchError, match=told):
        AlertRules(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com",
        "ftp://a.example/",
        "https://",
        "https://[::1",
        "https://a b.example",
        "https://a:99999/",
    ],
)
def test_a_webhook_needs_a_url_which_no_error_shows(url: str) -> None:
    with pytest.raises(WatchError, match="channel ops: its url is no http or https URL with a host") as caught:
        WebhookChannel("ops", url)
    assert not url or url not in str(caught.value)


def test_channels_need_names_and_apprise_needs_urls() -> None:
    with pytest.raises(WatchError, match="needs a name"):
        WebhookChannel("", URL)
    with pytest.raises(WatchError, match="needs a name"):
        AppriseChannel("a\nb", "json://localhost")
    with pytest.raises(WatchError, match="channel mail: its url is none of Apprise's"):
        AppriseChannel("mail", "someone@example.com")


def test_secrets_are_never_shown() -> None:
    shown = repr(WebhookChannel("ops", URL, secret="hush")) + repr(
        AppriseChannel("mail", "mailtos://u:hush@example.com")
    )
    assert "hush" not in shown
    assert "hooks" not in shown
    assert "example.com" not in shown


def test_a_channel_is_told_what_it_wants() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.drops("sbc1")
    scene.wait(60)
    scene.drops("sbc2")
    scene.wait(60)
    down, all_down = scene.told
    assert wants(WebhookChannel("a", URL), down)
    assert wants(WebhookChannel("a", URL, kinds=(AlertKind.FAILOVER,)), down)  # it tells that as well
    assert wants(WebhookChannel("a", URL, kinds=(AlertKind.DOWN,)), all_down)
    assert not wants(WebhookChannel("a", URL, kinds=(AlertKind.SLOW,)), down)
    assert not wants(AppriseChannel("a", "json://x", severity=Severity.CRITICAL), down)
    assert wants(AppriseChannel("a", "json://x", severity=Severity.CRITICAL), all_down)
    scene.rises("sbc1")
    scene.wait(60)
    over = next(alert for alert in scene.told if (alert.kind, alert.phase) == (AlertKind.ALL_DOWN, Phase.ENDED))
    assert wants(AppriseChannel("a", "json://x", severity=Severity.CRITICAL), over)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        *((-1, "0 s"), (0.4, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h")),
        *((12_060, "3 h 21 min"), (47 * 3600, "47 h"), (48 * 3600, "2 days"), (14 * 86_400 + 3600, "14 days 1 h")),
    ],
)
def test_how_long_something_took(seconds: float, told: str) -> None:
    assert lasting(seconds) == told
