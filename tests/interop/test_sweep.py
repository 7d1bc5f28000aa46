"""A sweep over real servers: all of them are found, each answers once, and each is named."""

from probes.result import Reach
from probes.sweep.found import Found
from probes.sweep.ranges import Range, Targets
from probes.sweep.run import Sweep, SweepConfig
from tests.interop.lab import HOST, Server


async def test_servers_are_found_and_named(asterisk: Server, kamailio: Server, baresip: Server) -> None:
    servers = {asterisk.udp_port: "Asterisk", kamailio.udp_port: "Kamailio", baresip.udp_port: "baresip"}
    told: list[Found] = []
    sweep = Sweep(Targets([Range.parse(HOST)], list(servers)), SweepConfig(), told.append)
    await sweep.run()
    assert {found.remote.port for found in told} == set(servers)
    assert {found.reach for found in told} == {Reach.ANSWERED}
    products = {kind.number: kind.system.product for kind in sweep.kinds() if kind.system is not None}
    named = {found.remote.port: products[found.kind] for found in told if found.kind is not None}
    assert named == servers
    assert (sweep.tally.duplicated, sweep.tally.strangers, sweep.tally.elsewhere) == (0, 0, 0)
