"""The server over real sockets."""

import httpx
import trio

from probes.service.config import ServiceConfig
from probes.service.run import open_service
from probes.web.run import serve
from sipcore.resolve.target import SocketAddress


async def test_it_serves(tmp_path) -> None:
    config = ServiceConfig(tmp_path / "s.db", bind=SocketAddress("127.0.0.1", 0))
    async with open_service(config, watching=False) as service:
        made = await service.keys.add("acme", "first")
        async with trio.open_nursery() as nursery:
            where = await nursery.start(serve, service)
            async with httpx.AsyncClient(base_url=f"http://{where}") as client:
                answer = await client.get("/api/v1/whoami", headers={"Authorization": made.text.reveal()})
                assert answer.json() == {"tenant": "acme", "key_id": made.key.id, "may_write": True}
                service.stopping.set()
