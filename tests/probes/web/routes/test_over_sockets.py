"""Both contracts as clients meet them: over a connection, by the server itself."""

from pathlib import Path

from tests.probes.web.contracts import asking


async def test_a_config_and_its_numbers(tmp_path: Path) -> None:
    async with asking(tmp_path, over_socket=True) as ask:
        status, made = await ask("POST", "/v1/channels/phone/", {"name": "pbx", "security": {}})
        assert status == 201
        path = f"/api/v1/channels/phone/{made['id']}"
        assert (await ask("POST", f"{path}/numbers", {"phone_number": "+15550100002"}))[0] == 201
        assert (await ask("PATCH", f"{path}/numbers/%2B15550100002", {"phone_number": "2001"}))[0] == 200
        assert (await ask("PATCH", f"{path}?append=true", {"phone_numbers": [{"phone_number": "a/b"}]}))[0] == 200
        assert await ask("DELETE", f"{path}/numbers/a%2Fb") == (204, None)
        status, found = await ask("GET", "/api/v1/internal/channels/phone?number=2001")
        assert (status, found["id"]) == (200, made["id"])
        assert await ask("DELETE", path) == (204, None)


async def test_a_phone(tmp_path: Path) -> None:
    async with asking(tmp_path, over_socket=True) as ask:
        status, made = await ask("POST", "/v1/phone/import", {"phone_number": "+15550100001"})
        assert status == 201
        for path in ("/v1/phone", "/v1/phone/"):
            assert (await ask("GET", f"{path}?limit=1"))[1]["data"] == [made]
        body = {"inbound_config": {"allowed_addresses": ["192.0.2.0/28", "gw.example.net"]}}
        status, told = await ask("PATCH", f"/v1/phone/{made['id']}/sip-config", body)
        assert (status, told["detail"][0]["loc"]) == (422, ["body", "inbound_config", "allowed_addresses", 1])
        assert await ask("DELETE", f"/v1/phone/{made['id']}") == (204, None)


async def test_ten_thousand_numbers_in_one_list(tmp_path: Path) -> None:
    async with asking(tmp_path, over_socket=True) as ask:
        _, made = await ask("POST", "/api/v1/channels/phone", {"name": "pbx", "security": {}})
        path = f"/api/v1/channels/phone/{made['id']}"
        items = [{"phone_number": str(number)} for number in range(10_000, 20_000)]
        status, found = await ask("PATCH", path, {"phone_numbers": items})
        assert (status, len(found["phone_numbers"])) == (200, 10_000)
        assert [each["phone_number"] for each in found["phone_numbers"]] == [each["phone_number"] for each in items]
        status, told = await ask("GET", "/v1/phone/?limit=100&page=100")
        assert (status, told["total_pages"], len(told["data"]), told["has_more"]) == (200, 100, 100, False)
        status, found = await ask("PATCH", path, {"phone_numbers": items[:1]})
        assert (status, len(found["phone_numbers"])) == (200, 1)
