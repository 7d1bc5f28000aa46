"""How well trunks may have been."""

from probes.health.days import Part
from probes.health.terms import Kind
from probes.health.uptime import Incident, RouteUptime, Spent, TrunkUptime
from probes.ping.round_trips import Spread
from tests.probes.report.watched import BEGIN, DAY, RESET

SPREAD = Spread(43_000, 0.001, 0.0125, 0.9, 0.01, 0.0123, 0.0401)
WEEK = 7 * DAY


def incident(route: str, day: float, minutes: float, *, lasts: bool = False, kind: Kind = Kind.OPTIONS) -> Incident:
    """One that began after so many days."""
    down = BEGIN + day * DAY + 60
    until = None if lasts else down + minutes * 60
    return Incident("carrier", route, down - 60, down, until, minutes * 60, kind, "refused", RESET, None)


PRIMARY = RouteUptime(
    "primary",
    Spent(healthy=WEEK - 2 * DAY - 7320, degraded=120, unreachable=7200, unwatched=2 * DAY),
    43_210,
    SPREAD,
    (("refused", 180), ("status", 3)),
    ((503, 3),),
    *(24, 23, 22),
    tuple(incident("primary", day, 20) for day in range(5)),
    6,
)
BACKUP = RouteUptime(
    *("backup", Spent(healthy=WEEK - 2 * DAY, unwatched=2 * DAY), 43_000, SPREAD, (), (), 0, 0, 0, (), 0),
)
CARRIER = TrunkUptime(
    "carrier",
    BEGIN,
    BEGIN + WEEK,
    Spent(healthy=WEEK - 2 * DAY - 61, unreachable=61, unwatched=2 * DAY),
    (PRIMARY, BACKUP),
    (incident("", 3, 1, lasts=True, kind=Kind.CALL),),
    1,
)
SILENT = TrunkUptime(
    "office",
    BEGIN,
    BEGIN + WEEK,
    Spent(unknown=DAY, unwatched=6 * DAY),
    (RouteUptime("pbx", Spent(unknown=DAY, unwatched=6 * DAY), 9, None, (("silent", 9),), (), 0, 0, 0, (), 0),),
    (),
    0,
)
DAYS = tuple(
    Part(BEGIN + number * DAY, spent)
    for number, spent in enumerate(
        (
            Spent(healthy=DAY),
            Spent(healthy=DAY - 60, unreachable=60),
            Spent(healthy=DAY - 6000, unreachable=6000),
            Spent(healthy=60, unreachable=DAY - 60),
            Spent(unreachable=DAY),
            Spent(unwatched=DAY),
            Spent(unknown=DAY),
        )
    )
)
