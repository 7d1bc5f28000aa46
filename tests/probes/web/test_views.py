"""What pages show, as values."""

from collections.abc import Iterator

import pytest

from probes.health.alerts import Phase
from probes.health.board import TrunkState
from probes.health.days import Part
from probes.health.recent import Recent, Slot
from probes.health.terms import Check, Health
from probes.health.uptime import Spent
from probes.trunks.model import Trunk
from probes.web.pages import charts
from probes.web.pages.overview import overview
from probes.web.pages.past import DAY, DayBook, spent_in
from probes.web.pages.tones import badge_of_trunk, name_of_route, open_alerts
from probes.web.pages.trunk import past_of
from probes.web.pages.under_way import under_way
from tests.probes.web.dashboard import NOW, History, alert, route_state

H = Health


def _state(name: str, *healths: Health, active: int | None = 0, held: bool = False) -> TrunkState:
    routes = tuple(route_state(name, f"sip:sbc{number}.example.com", health) for number, health in enumerate(healths))
    return TrunkState(name, routes[active].route if active is not None else None, routes, held)


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (None, "not watched"),
        (_state("t", H.HEALTHY), "healthy"),
        (_state("t", H.DEGRADED, H.HEALTHY), "degraded"),
        (_state("t", H.HEALTHY, H.UNREACHABLE), "degraded"),
        (_state("t", H.UNREACHABLE, H.HEALTHY, active=1), "on a backup route"),
        (_state("t", H.HEALTHY, H.HEALTHY, active=1, held=True), "healthy"),
        (_state("t", H.UNREACHABLE, H.UNREACHABLE, active=None), "down"),
        (_state("t", H.UNKNOWN), "unknown"),
        (_state("t", H.UNCHECKED), "unknown"),
    ],
)
def test_how_a_trunk_is(state: TrunkState | None, word: str) -> None:
    assert badge_of_trunk(state).word == word


def test_the_worst_stands_first_and_is_found_by_its_words() -> None:
    trunks = [
        (Trunk(id="1", name="Good"), _state("1", H.HEALTHY)),
        (Trunk(id="2", name="Gone", provider="twilio"), _state("2", H.UNREACHABLE, active=None)),
        (Trunk(id="3", name="Also good"), _state("3", H.HEALTHY)),
        (Trunk(id="4", name="Poor"), _state("4", H.DEGRADED)),
        (Trunk(id="5", name="Inbound"), None),
    ]
    alerts = [alert("3", "old")]
    whole = overview(trunks, alerts, Recent(), NOW)
    assert [line.name for line in whole.trunks] == ["Gone", "Poor", "Inbound", "Also good", "Good"]
    assert [(badge.word, count) for badge, count in whole.counts] == [
        ("down", 1),
        ("degraded", 1),
        ("not watched", 1),
        ("healthy", 2),
    ]
    assert [line.name for line in overview(trunks, (), Recent(), NOW, "TWILIO gone").trunks] == ["Gone"]
    assert [line.name for line in overview(trunks, (), Recent(), NOW, "good", "healthy").trunks] == [
        "Also good",
        "Good",
    ]
    assert overview(trunks, (), Recent(), NOW, "good", "down").trunks == ()
    assert overview([], (), Recent(), NOW).total == 0


def test_alerts_are_open_until_their_end_was_told() -> None:
    ended, begun = alert("t", "one", phase=Phase.ENDED), alert("t", "one")
    other, lasting = alert("t", "two"), alert("t", "two", phase=Phase.LASTS)
    assert open_alerts((ended, lasting, other, begun)) == (lasting,)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("sip:sbc.example.com;transport=tls", "tls://sbc.example.com"),
        ("sip:[2001:db8::1]:5070", "[2001:db8::1]:5070"),
        ("main", "main"),
        ("sip:what is this", "sip:what is this"),
    ],
)
def test_a_route_is_called_as_people_write_it(name: str, told: str) -> None:
    assert name_of_route(name) == told


def test_a_line_is_broken_where_nothing_is_known_and_marked_where_checks_failed() -> None:
    picture = charts.spark([Slot(0.1), Slot(0.2), Slot(), Slot(0.1), Slot(None, 2)])
    assert picture.count("M") == 2
    assert picture.count("miss") == 1
    assert "100 ms to 200 ms; checks that failed: 2" in picture
    assert charts.spark([Slot(), Slot()]) == ""
    assert charts.spark([]) == ""
    assert "none was measured" in charts.spark([Slot(None, 1)])
    assert "nan" not in charts.spark([Slot(0.0)])


def test_a_day_is_as_good_as_its_availability() -> None:
    spents = [Spent(), Spent(healthy=DAY), Spent(healthy=DAY - 300, unreachable=300), Spent(healthy=1, unreachable=1)]
    parts = [Part(number * DAY, spent) for number, spent in enumerate(spents)]
    assert [charts.tone_of_day(part) for part in parts] == ["none", "good", "fair", "bad"]
    picture = charts.days(parts)
    assert picture.count("<rect") == 4
    assert "1970-01-01: not known" in picture
    assert "1970-01-03: up 99.652 %, 5 min down" in picture
    assert spent_in(parts).availability == pytest.approx(100 * (2 * DAY - 299) / (2 * DAY + 2))


def test_days_that_are_over_are_read_once_and_an_incident_over_midnight_is_one() -> None:
    route = "sip:sbc1.example.com"
    midnight = NOW - NOW % DAY - 5 * DAY

    class Counting(History):
        reads = 0

        def changes_before(self, at: float, trunk: str = "", route: str = "") -> tuple[object, ...]:  # type: ignore[override]
            Counting.reads += 1
            return super().changes_before(at, trunk, route)

    history = Counting({route: ((midnight - 7200, midnight + 3600),)})
    book = DayBook(history)  # type: ignore[arg-type]
    found = book.look_up("t", (route,), 1804.0, NOW)
    assert len(found.days) == 90
    assert [(each.since, each.until) for each in found.incidents] == [(midnight - 7200, midnight + 3600)]
    assert found.incidents[0].seconds == pytest.approx(3 * 3600)
    first, Counting.reads = Counting.reads, 0
    assert book.look_up("t", (route,), 1804.0, NOW + 30) is found
    assert Counting.reads == 0
    book.look_up("t", (route,), 1804.0, NOW + 120)
    assert first == 91
    assert Counting.reads == 2  # today, and the last week


def test_how_much_is_known_is_told_beside_how_available_it_was() -> None:
    begun = NOW - 2.1 * DAY

    class Young(History):
        def _changes(self, route: str) -> Iterator[tuple[float, Health, Health]]:
            yield begun, Health.UNCHECKED, Health.HEALTHY

        def checks(self, since: float, until: float, trunk: str = "", route: str = "") -> Iterator[Check]:
            return (each for each in super().checks(since, until, trunk, route) if each.at >= begun)

    history = Young()
    history.routes = [("t", "sip:sbc1.example.com")]
    past = past_of(DayBook(history).look_up("t", ("sip:sbc1.example.com",), 1804.0, NOW))
    assert dict(past.available) == {
        "today": "100 %",
        "7 days, 2 d known": "100 %",
        "30 days, 2 d known": "100 %",
        "90 days, 2 d known": "100 %",
    }
    assert len(past.checks) == 15


def test_a_discovery_under_way_says_what_was_tried() -> None:
    place = {"transport": "tls", "address": "2001:db8::1", "port": 5061}
    other = {"transport": "udp", "address": "192.0.2.1", "port": 5060}
    begun = [{"event": "attempt-begun", "place": each} for each in (place, other)]
    assert under_way([]).told == "finding out where to ask"
    assert under_way(begun).told == "0 of 2 places tried"
    ended = {"result": "answered", "response": {"status": 200, "reason": "OK"}, "detail": ""}
    silent = {"result": "no_answer", "response": None, "detail": "nothing within 4 s"}
    events = [*begun, {"event": "attempt", "attempt": place | ended}, {"event": "attempt", "attempt": other | silent}]
    found = under_way([*events, {"event": "tls-begun", "place": place}])
    assert found.told == "2 of 2 places tried; making handshakes with tls [2001:db8::1]:5061"
    assert [(each.place, each.tone, each.word) for each in found.lines] == [
        ("tls [2001:db8::1]:5061", "good", "200 OK"),
        ("udp 192.0.2.1:5060", "none", "no answer"),
    ]
    assert under_way([*events, {"event": "tls-begun", "place": place}, {"event": "tls", "tls": place}]).told == (
        "2 of 2 places tried"
    )
