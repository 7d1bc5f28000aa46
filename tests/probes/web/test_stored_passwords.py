"""A password that is stored goes to no other host than it was given for, whichever interface changes the trunk."""

import re
from pathlib import Path
from typing import Any

import httpx

from probes.trunks.model import Credentials, Gateway, Number, Outbound, Secret, Trunk
from tests.probes.web.contracts import Asking, asking

PASSWORD = "correct horse battery"
TRUNK = Trunk(name="carrier", outbound=Outbound((Gateway("gw.example.net"),), Credentials("acme", Secret(PASSWORD))))
NUMBER = "+4930901820"
THEIRS = "sip.example.org"


async def given(ask: Asking) -> tuple[Trunk, Number]:
    """A trunk and a number of its own, both with a password."""
    trunk = await ask.service.directory.add_trunk("acme", TRUNK)
    (number,) = await ask.service.directory.add_numbers("acme", [Number(identity=NUMBER, outbound=TRUNK.outbound)])
    assert isinstance(number, Number)
    return trunk, number


async def accounts(ask: Asking) -> list[tuple[str, str]]:
    """Every password that is stored, and each host that it goes to."""
    directory = ask.service.directory
    sides = [each.outbound for each in await directory.trunks("acme")]
    sides += [each.outbound for each in await directory.numbers("acme")]
    return [
        (each.credentials.password.reveal(), gateway.host)
        for each in sides
        if each is not None and each.credentials is not None
        for gateway in each.gateways
    ]


async def refused(ask: Asking, method: str, path: str, body: object, status: int) -> str:
    told = await ask(method, path, body)
    assert told[0] == status, told
    assert (PASSWORD, THEIRS) not in await accounts(ask)
    assert PASSWORD not in str(told)
    assert "send the password again" in str(told)
    return str(told[1])


async def test_native(tmp_path: Path) -> None:
    async with asking(tmp_path) as ask:
        trunk, number = await given(ask)
        for path in (f"/api/v1/trunks/{trunk.id}", f"/api/v1/numbers/{number.id}"):
            gateways: list[dict[str, Any]] = [{"host": THEIRS}]
            hidden = {"username": "acme", "password": "********"}
            for more in ({}, {"credentials": hidden}):
                body = {"outbound": {"gateways": [{"host": "gw.example.net"}, *gateways]} | more}
                told = await refused(ask, "PATCH", path, body, 422)
                assert "outbound.credentials.password" in told.replace("/", ".")
            again = {"gateways": gateways, "credentials": hidden | {"password": "another one"}}
            assert (await ask("PATCH", path, {"outbound": again}))[0] == 200
            assert ("another one", THEIRS) in await accounts(ask)


async def test_bland(tmp_path: Path) -> None:
    async with asking(tmp_path) as ask:
        trunk, _ = await given(ask)
        path = f"/v1/sip/trunks/trk_{trunk.id.replace('-', '')}"
        for more in ({}, {"register_auth": {"username": "acme", "password": "********"}}):
            assert "register_auth" in await refused(ask, "PATCH", path, {"sip_endpoint": THEIRS} | more, 400)
        again: dict[str, Any] = {"register_auth": {"username": "acme", "password": "another one"}}
        assert (await ask("PATCH", path, {"sip_endpoint": THEIRS} | again))[0] == 200
        for options in ({}, {"options": {"sip_username": "acme", "sip_password": "********"}}):
            updates = {"type": "outbound", "sip_endpoint": f"sip:{THEIRS}"} | options
            body = {"phone_number": NUMBER, "updates": updates}
            assert "options.sip_password" in await refused(ask, "POST", "/v1/sip/update", body, 400)
        backup = {"enabled": True, "endpoints": [{"host": THEIRS}]}
        body = {"phone_number": NUMBER, "direction": "outbound", "failover_config": backup}
        assert "options.sip_password" in await refused(ask, "PATCH", "/v1/sip/config", body, 400)
        body |= {"options": {"sip_password": PASSWORD}}
        status, told = await ask("PATCH", "/v1/sip/config", body)
        assert (status, PASSWORD in str(told)) == (200, False)
        assert (PASSWORD, THEIRS) in await accounts(ask)


async def test_a_number_is_bound_to_another_trunk(tmp_path: Path) -> None:
    async with asking(tmp_path) as ask:
        directory = ask.service.directory
        theirs = await directory.add_trunk("acme", Trunk(name="theirs", outbound=Outbound((Gateway(THEIRS),))))
        trunk, _ = await given(ask)
        own = Outbound(credentials=Credentials("acme", Secret("its own password")))
        (bound,) = await directory.add_numbers("acme", [Number(identity="2001", trunk_id=trunk.id, outbound=own)])
        assert isinstance(bound, Number)
        number, path = f"/api/v1/numbers/{bound.id}", f"/api/v1/trunks/{trunk.id}"
        assert (await ask("PATCH", number, {"trunk_id": theirs.id}))[0] == 422
        assert (await ask("PATCH", number, {"trunk_id": None}))[0] == 200
        assert (await ask("PATCH", number, {"trunk_id": theirs.id}))[0] == 422, "it was given for no host by now"
        again = {"credentials": {"username": "acme", "password": "its own password"}}
        assert (await ask("PATCH", number, {"trunk_id": trunk.id, "outbound": again}))[0] == 200
        moved = {"outbound": {"gateways": [{"host": THEIRS}], "credentials": None}}
        status, told = await ask("PATCH", path, moved)
        assert status == 422
        assert "2001" in str(told)
        assert (await ask("PATCH", number, {"outbound": {"credentials": None}}))[0] == 200
        assert (await ask("PATCH", path, moved))[0] == 200


async def test_diga(tmp_path: Path) -> None:
    async with asking(tmp_path) as ask:
        _, number = await given(ask)
        path = f"/v1/phone/{number.id}/sip-config"
        body: dict[str, Any] = {"outbound_config": {"termination_uri": THEIRS}}
        assert "'outbound_config', 'password'" in await refused(ask, "PATCH", path, body, 422)
        body["outbound_config"]["username"] = "another"
        await refused(ask, "PATCH", path, body, 422)
        body["outbound_config"]["password"] = "another one"
        assert (await ask("PATCH", path, body))[0] == 200
        assert ("another one", THEIRS) in await accounts(ask)


async def test_dashboard(tmp_path: Path) -> None:
    async with asking(tmp_path) as ask:
        trunk, _ = await given(ask)
        own = {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}
        await ask.client.post("/login", data={"key": ask.keys["acme"]}, headers=own)
        path = f"/trunks/{trunk.id}/edit"
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', (await ask.client.get(path)).text)
        assert found is not None
        changed = {"csrf": found[1], "revision": "1", "name": "carrier", "outbound": "on", "gateway": THEIRS}
        changed |= {"outbound_username": "acme", "outbound_encryption": "allow"}
        changed |= {"authentication": "ip", "inbound_encryption": "allow"}

        async def save(**more: str) -> httpx.Response:
            return await ask.client.post(path, data=changed | more, headers=own)

        answer = await save()
        assert answer.status_code == 422
        assert "send the password again" in answer.text
        assert 'href="#outbound_password"' in answer.text
        assert (PASSWORD, THEIRS) not in await accounts(ask)
        assert (await save(outbound_password="another one")).status_code == 303
        assert ("another one", THEIRS) in await accounts(ask)
