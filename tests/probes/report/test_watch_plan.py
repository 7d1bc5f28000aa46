"""What a file of trunks means, in words."""

from dataclasses import replace

from probes.destination import Destination
from probes.health.trunk import Rules
from probes.registration.plan import RegistrationProbe
from probes.report.watch_plan import plan_lines
from tests.probes.report.watched import CARRIER, OFFICE


def test_a_plan() -> None:
    rules = Rules(slow=0.5, refusals=(403, 488), certificate_days=0, fails_back=False, call_interval=1800)
    lines = plan_lines([replace(CARRIER, rules=rules), OFFICE], "/var/lib/watch.db", ("ops", "night"), 80)
    assert [line.plain for line in lines] == [
        "2 trunks, 3 routes",
        "",
        "carrier",
        "  routes       primary: sip:sbc1.carrier.example;transport=tls",
        "               backup: sip:sbc2.carrier.example:5070;transport=tcp, test calls",
        "               to sip:echo@sbc2.carrier.example:5070;transport=tcp",
        "  checks       OPTIONS every 60 s, every 10 s while in doubt; each is given up",
        "               after 4 s",
        "  down         after 5 failed checks in a row, 1 min 44 s at the latest, or 2",
        "               failed test calls; up after 2 good checks",
        "  poor         a 503; an answer after 500 ms",
        "  refusals     403, 488",
        "  test calls   every 30 min over each route that has one, 48 a day",
        "  failover     from primary to backup; calls return when somebody says so",
        "",
        "office",
        "  route        sip:pbx.example.com",
        "  checks       OPTIONS every 60 s, every 10 s while in doubt; each is given up",
        "               after 4 s",
        "  down         after 5 failed checks in a row, 1 min 44 s at the latest; up",
        "               after 2 good checks",
        "  poor         a certificate with less than 14 days left",
        "  refusals     503",
        "",
        "  history      /var/lib/watch.db",
        "  alerts       to ops and night",
        "",
        "odd",
        "  trunk carrier: while primary is down, calls go in the clear over backup",
    ]


def test_registrations() -> None:
    probe = RegistrationProbe(Destination.parse("sip:pbx7@pbx.example.com"))
    given = [
        replace(OFFICE.routes[0], registration=replace(probe, expects_contact=expected)) for expected in (False, True)
    ]
    trunk = replace(OFFICE, routes=(given[0], replace(given[1], name="other")))
    lines = [line.plain for line in plan_lines([trunk], "", width=90)]
    assert lines[3:5] == [
        "  routes       sip:pbx.example.com, whether sip:pbx7@pbx.example.com can register",
        "               other: sip:pbx.example.com, whether sip:pbx7@pbx.example.com is registered",
    ]
    assert "or 2 failed registrations; up after" in " ".join(line.strip() for line in lines)
    assert "  registration tested every 10 min" in lines


def test_without_history_and_alerts() -> None:
    lines = [line.plain for line in plan_lines([OFFICE], "")]
    assert lines[0] == "1 trunk, 1 route"
    assert lines[-2:] == [
        '  history      kept nowhere: nothing outlives the end of the watch; write store = "watch.db"',
        "  alerts       nobody is told but who looks",
    ]


def test_it_fits_a_screen() -> None:
    lines = plan_lines([CARRIER, replace(OFFICE, name="o" * 30)], "/" + "s" * 40, ("ops",), 60)
    assert max(len(line.plain) for line in lines) <= 60
