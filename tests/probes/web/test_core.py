"""What all interfaces have in common, asked through the application itself."""

import httpx

from probes.service.config import ServiceConfig
from probes.service.run import open_service
from probes.web.app import make_app


async def test_a_key_is_wanted(tmp_path) -> None:
    async with open_service(ServiceConfig(tmp_path / "s.db"), watching=False) as service:
        made = await service.keys.add("acme", "first")
        app = make_app(service)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            answer = await client.get("/api/v1/whoami")
            assert answer.status_code == 401
            print(answer.headers, answer.text)
            answer = await client.get("/api/v1/whoami", headers={"Authorization": made.text.reveal()})
            assert answer.json() == {"tenant": "acme", "key": made.key.id, "may_write": True}
            answer = await client.get("/nowhere")
            print(answer.headers, answer.text)
            answer = await client.put("/api/v1/whoami", content=b"a" * 2_000_000)
            print(answer.status_code, answer.headers, answer.text)
