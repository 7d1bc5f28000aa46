"""A route that is taken by hand."""

from pathlib import Path

import pytest
import trio

from probes.health.trunk import WatchError
from probes.trunks.model import Gateway, Outbound, Trunk
from tests.probes.service.opened import service_in


async def test_calls_take_the_route_that_somebody_chose_of_his_own_trunk(tmp_path: Path) -> None:
    gateways = (Gateway.parse("udp://127.0.0.1:9"), Gateway.parse("udp://127.0.0.1:10", 1))
    async with service_in(tmp_path) as service:
        trunk = await service.directory.add_trunk("acme", Trunk(name="office", outbound=Outbound(gateways)))
        with trio.fail_after(20):
            while service.health_of("acme", trunk) is None:  # noqa: ASYNC110
                await trio.sleep(0.01)
        for tenant, name, route in (
            ("globex", trunk.id, str(gateways[1])),
            ("acme", "nothing", str(gateways[1])),
            ("acme", trunk.id, "nowhere"),
        ):
            with pytest.raises(WatchError):
                service.watching.switch(tenant, name, route)
        state = service.health_of("acme", trunk)
        assert state is not None
        assert (state.active, state.held) == (str(gateways[0]), False)
        service.watching.switch("acme", trunk.id, str(gateways[1]))
        state = service.health_of("acme", trunk)
        assert state is not None
        assert (state.active, state.held) == (str(gateways[1]), True)
