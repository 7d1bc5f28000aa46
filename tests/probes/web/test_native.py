"""The native interface: trunks, numbers, jobs, health, keys."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from probes.calls.limit import Limits
from probes.health.trunk import Rules
from tests.probes.calls.test_run import accept, callee
from tests.probes.discovery.network import ok, silent, udp
from tests.probes.report.schemas import load, violations
from tests.probes.web.asking import asking

SECONDS = 20.0
CREDENTIALS = {"username": "alice", "password": "s3cret-word", "realm": ""}
GATEWAY = {"host": "sbc.example.net", "port": 5061, "transport": "tls", "priority": 1}
TRUNK: dict[str, Any] = {
    "name": "carrier",
    "description": "the first one",
    "provider": "custom",
    "inbound": {
        "authentication": "digest",
        "credentials": CREDENTIALS,
        "allowed_addresses": ["198.51.100.0/28"],
        "forward_to": "sip:pbx.example.com",
        "encryption": "require",
        "headers": [],
        "codecs": ["PCMA"],
        "transcodes": True,
        "alerts": None,
    },
    "outbound": {
        "gateways": [GATEWAY, {**GATEWAY, "host": "127.0.0.9", "port": None, "transport": None, "priority": 2}],
        "failover": {"enabled": True, "triggers": ["timeout", "unreachable"], "fails_back": False},
        "credentials": CREDENTIALS,
        "encryption": "allow",
        "headers": [
            {
                "kind": "custom",
                "key": "X-Account",
                "value": "acme",
                "passthrough": True,
                "target": "",
                "purpose": "",
                "content": "",
                "encoding": "hex",
            }
        ],
        "codecs": ["G.722", "PCMU"],
        "transcodes": False,
        "alerts": {
            "enabled": True,
            "unreachable_minutes": 5.0,
            "failure_rate_percent": 20.0,
            "failure_rate_window_minutes": 60.0,
            "response_time_ms": 500.0,
            "email": True,
            "sms": False,
            "webhook": "https://alerts.example.com/s3cret-path",
        },
    },
}
KEPT = ("id", "created_at", "updated_at", "revision", "warnings")


def hidden(told: Any) -> Any:  # noqa: ANN401  # JSON
    """As something is shown: secrets covered."""
    if isinstance(told, dict):
        covered = {name: "********" for name in ("password", "webhook") if told.get(name)}
        return {name: covered.get(name, hidden(each)) for name, each in told.items()}
    return [hidden(each) for each in told] if isinstance(told, list) else told


def written(shown: dict[str, Any]) -> dict[str, Any]:
    """What of something that is shown can be written back."""
    return {name: each for name, each in shown.items() if name not in KEPT}


async def made(client: httpx.AsyncClient, path: str, body: object) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def test_a_trunk_comes_back_as_it_was_written(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()
        answer = await client.post("/trunks", json=TRUNK)
        shown = answer.json()
        assert answer.headers["Location"] == f"/api/v1/trunks/{shown['id']}"
        assert answer.headers["ETag"] == '"1"'
        assert written(shown) == hidden(TRUNK)
        assert (await client.get(f"/trunks/{shown['id']}")).json() == shown
        assert "s3cret" not in answer.text
        (kept,) = await asked.service.directory.trunks("acme")
        assert kept.outbound is not None
        assert kept.outbound.credentials is not None
        assert kept.outbound.credentials.password.reveal() == "s3cret-word"


async def test_what_is_shown_can_be_written_back_and_keeps_its_secrets(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()
        shown = await made(client, "/trunks", TRUNK)
        at = f"/trunks/{shown['id']}"
        changed = {**written(shown), "name": "other"}
        assert (await client.put(at, json=changed)).json()["name"] == "other"
        patch = {"outbound": {"codecs": ["Opus"], "alerts": {"sms": True}}, "description": None}
        answer = await client.patch(at, json=patch)
        assert answer.json()["outbound"]["codecs"] == ["Opus"]
        assert answer.json()["description"] == ""
        assert answer.json()["outbound"]["alerts"] == {**hidden(TRUNK["outbound"]["alerts"]), "sms": True}
        kept = await asked.service.directory.trunk("acme", shown["id"])
        assert kept.revision == 3
        assert kept.outbound is not None
        assert kept.outbound.credentials is not None
        assert kept.outbound.credentials.password.reveal() == "s3cret-word"
        assert kept.outbound.alerts is not None
        assert kept.outbound.alerts.webhook.endswith("/s3cret-path")
        answer = await client.patch(at, json={"outbound": {"credentials": {"password": "another-word"}}})
        kept = await asked.service.directory.trunk("acme", shown["id"])
        assert kept.outbound is not None
        assert kept.outbound.credentials is not None
        assert kept.outbound.credentials.password.reveal() == "another-word"


async def test_nobody_overwrites_what_he_has_not_seen(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()
        shown = await made(client, "/trunks", TRUNK)
        at = f"/trunks/{shown['id']}"
        assert (await client.patch(at, json={"name": "a"}, headers={"If-Match": '"1"'})).headers["ETag"] == '"2"'
        for method in ("PATCH", "PUT", "DELETE"):
            answer = await client.request(method, at, json=TRUNK, headers={"If-Match": '"1"'})
            assert (answer.status_code, answer.json()["type"]) == (412, "urn:sipprobe:changed"), method
            assert '"2"' in answer.json()["detail"]
        assert (await client.delete(at, headers={"If-Match": '"1", "2"'})).status_code == 204
        assert (await client.get(at)).status_code == 404


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"outbound": {"gateways": [{"host": "sbc.example.net", "port": 0}]}}, "/outbound/gateways/0/port"),
        ({"outbound": {"gateways": [{"host": "10.0.0.1"}]}}, "/outbound/gateways/0/host"),
        ({"outbound": {"gateways": [{"host": "a b"}]}}, "/outbound/gateways/0/host"),
        ({"outbound": {"codecs": ["GSM"]}}, "/outbound/codecs/0"),
        ({"inbound": {"allowed_addresses": ["0.0.0.0/0"]}}, "/inbound/allowed_addresses/0"),
        ({"nonsense": 1}, "/nonsense"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_place(change: dict[str, Any], pointer: str, tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()
        answer = await client.post("/trunks", json={"name": "t", **change})
        assert answer.status_code == 422
        assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
        shown = await made(client, "/trunks", {"name": "t"})
        patched = await client.patch(f"/trunks/{shown['id']}", json=change)
        assert patched.status_code == 422
        assert [each["pointer"] for each in patched.json()["errors"]] == [pointer]
        preflight = await client.post("/preflight", json={"trunk": {"name": "t", **change}})
        assert preflight.status_code == 422 or preflight.json()["problems"][0]["gravity"] == "error"
        assert len((await client.get("/trunks")).json()["items"]) == 1


async def test_nothing_of_one_tenant_is_seen_or_changed_by_another(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        acme, globex = await asked.client("acme"), await asked.client("globex")
        trunk = await made(acme, "/trunks", TRUNK)
        number = await made(acme, "/numbers", {"identity": "2001", "trunk_id": trunk["id"]})
        key = (await acme.get("/keys")).json()["items"][0]
        for path in ("/trunks", "/numbers", "/calls", "/discoveries", "/alerts"):
            assert (await globex.get(path)).json()["items"] == [], path
        for path in (f"/trunks/{trunk['id']}", f"/numbers/{number['id']}"):
            for method in ("GET", "PUT", "PATCH", "DELETE"):
                body = {"identity": "1"} if "numbers" in path and method == "PUT" else {"name": "x"}
                answer = await globex.request(method, path, json=body if method == "PUT" else {})
                there_is_none = await globex.request(method, f"{path}x", json=body if method == "PUT" else {})
                assert (answer.status_code, answer.json()) == (404, there_is_none.json()), (method, path)
        for path in (f"/health/{trunk['id']}", f"/history/{trunk['id']}", f"/uptime?watched_id={trunk['id']}"):
            assert (await globex.get(path)).status_code == 404, path
        assert (await globex.delete(f"/keys/{key['id']}")).status_code == 404
        assert (await globex.post("/calls", json={"trunk_id": trunk["id"], "to": "1"})).status_code == 404
        assert (await globex.post("/numbers", json={"identity": "3", "trunk_id": trunk["id"]})).status_code == 404
        assert (await acme.get(f"/trunks/{trunk['id']}")).json() == trunk
        await made(globex, "/numbers", {"identity": "2001"})


async def test_lists_come_in_pages(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()
        names = [(await made(client, "/numbers", {"identity": str(2001 + n)}))["identity"] for n in range(5)]
        told: list[str] = []
        cursor: str | None = ""
        for _ in range(3):
            page = (await client.get("/numbers", params={"limit": 2, "cursor": cursor})).json()
            told += [each["identity"] for each in page["items"]]
            cursor = page["next"]
        assert told == names
        assert cursor is None
        assert (await client.get("/numbers?cursor=nobody")).status_code == 422
        assert (await client.get("/numbers?limit=0")).status_code == 422


async def test_destinations_and_ways_are_told(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()
        parsed = (await client.post("/parse", json={"input": "sip:bob@192.168.1.1:5062;transport=tcp"})).json()
        assert parsed == {
            "valid": True,
            "problem": None,
            "host": "192.168.1.1",
            "port": 5062,
            "user": "bob",
            "transport": "tcp",
            "private": True,
            "uri": "sip:bob@192.168.1.1:5062;transport=tcp",
        }
        parsed = (await client.post("/parse", json={"input": "sip:"})).json()
        assert not parsed["valid"]
        assert parsed["problem"]
        trunk = await made(client, "/trunks", TRUNK)
        number = await made(client, "/numbers", {"identity": "2001", "trunk_id": trunk["id"]})
        way = (await client.post("/route", json={"caller": "2001", "callee": "+15550100001"})).json()
        assert (way["direction"], way["number_id"], way["trunk_id"]) == ("outbound", number["id"], trunk["id"])
        assert way["gateways"][0] == "sip:sbc.example.net:5061;transport=tls"


async def test_a_discovery_by_request(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked, udp(ok) as port, udp(silent) as quiet:
        client = await asked.client()
        body = {"target": f"127.0.0.1:{port}", "transports": ["udp"]}
        answer = await client.post("/discoveries?wait=20", json=body)
        job = answer.json()
        assert answer.status_code == 200
        assert answer.headers["Location"] == f"/api/v1/discoveries/{job['id']}"
        assert violations(job["result"], load("discovery")) == []
        assert (await client.get(f"/discoveries/{job['id']}")).json() == job
        stream = await client.get(f"/discoveries/{job['id']}/events")
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        last = stream.text.strip().split("\n\n")[-1].splitlines()
        assert last[1:] == ["event: end", 'data: {"event": "end", "state": "completed", "error": ""}']
        answer = await client.post("/discoveries", json={"target": f"127.0.0.1:{quiet}", "transports": ["udp"]})
        assert answer.status_code == 202
        busy = await client.post("/discoveries", json=body)
        assert (busy.status_code, busy.json()["type"]) == (409, "urn:sipprobe:busy")
        assert busy.json()["running"] == answer.json()["id"]
        listed = (await client.get("/discoveries?limit=1")).json()
        assert [each["id"] for each in listed["items"]] == [answer.json()["id"]]
        following = (await client.get(f"/discoveries?cursor={listed['next']}")).json()
        assert [each["id"] for each in following["items"]] == [job["id"]]


@pytest.mark.parametrize("target", ["", "sip:", "http://[::", "a b"])
async def test_what_is_no_destination_is_refused(target: str, tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        answer = await (await asked.client()).post("/discoveries", json={"target": target})
        assert answer.status_code == 422
        assert answer.json()["detail"]


async def test_a_call_by_request(tmp_path: Path) -> None:
    limits = Limits(at_once=2, per_period=2, period=900.0)
    async with asking(tmp_path, calls=limits) as asked, callee(accept) as there:
        client = await asked.client()
        gateway = {"host": there.host, "port": there.port, "transport": "udp"}
        outbound = {"gateways": [gateway], "encryption": "disable"}
        trunk = await made(client, "/trunks", {"name": "t", "outbound": outbound})
        number = await made(client, "/numbers", {"identity": "2001", "trunk_id": trunk["id"]})
        body = {"number_id": number["id"], "hold_seconds": 0}
        for _ in range(2):
            answer = await client.post("/calls?wait=20", json=body, headers={"Idempotency-Key": "one"})
            assert answer.status_code == 200, answer.text
        job = answer.json()
        assert violations(job["result"], load("call")) == []
        assert (job["progress"], job["trunk_id"], job["number_id"]) == ("completed", trunk["id"], number["id"])
        assert job["target"] == f"sip:2001@127.0.0.1:{there.port};transport=udp"
        assert (await client.get("/calls")).json()["items"][0]["id"] == job["id"]
        assert len((await client.get("/calls")).json()["items"]) == 1
        other = await client.post("/calls", json={**body, "to": "bob"}, headers={"Idempotency-Key": "one"})
        assert (other.status_code, "take a new one" in other.json()["detail"]) == (422, True)
        assert (await client.post("/calls?wait=20", json=body)).status_code == 200
        limited = await client.post("/calls", json=body)
        assert limited.status_code == 429
        assert 800 < int(limited.headers["Retry-After"]) <= 900


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "give one of trunk_id and number_id"),
        ({"trunk_id": "T"}, "whom? give the number"),
        ({"trunk_id": "T", "to": "911"}, "emergency"),
        ({"trunk_id": "EMPTY", "to": "bob"}, "it has no gateway to call"),
    ],
)
async def test_a_call_that_cannot_be_placed_is_refused(body: dict[str, str], detail: str, tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()
        ids = {
            "T": (await made(client, "/trunks", {"name": "t", "outbound": {"gateways": [GATEWAY]}}))["id"],
            "EMPTY": (await made(client, "/trunks", {"name": "t"}))["id"],
        }
        answer = await client.post("/calls", json={name: ids.get(each, each) for name, each in body.items()})
        assert answer.status_code == 422
        assert detail in answer.json()["detail"]


async def watched(client: httpx.AsyncClient, port: int) -> dict[str, Any]:
    """A trunk that was found well."""
    gateways = [{"host": "127.0.0.1", "port": port, "transport": "udp"}]
    trunk = await made(client, "/trunks", {"name": "carrier", "outbound": {"gateways": gateways}})
    with trio.fail_after(SECONDS):
        while True:
            found = await client.get(f"/health/{trunk['id']}")
            if found.status_code == 200 and found.json()["trunks"][0]["routes"][0]["health"] == "healthy":
                return trunk
            await trio.sleep(0.05)


async def test_health_and_history(tmp_path: Path) -> None:
    rules = Rules(interval=1.0, retry=1.0, timeout=0.5, misses=1)
    async with asking(tmp_path, watching=True, rules=rules) as asked, udp(ok) as port:
        client, other = await asked.client(), await asked.client("globex")
        events: list[str] = []

        async def listen(at: httpx.AsyncClient) -> None:
            events.append((await at.get("/events")).text)

        trunk = await watched(client, port)
        number = await made(client, "/numbers", {"identity": "2001", "trunk_id": trunk["id"]})
        health = (await client.get("/health")).json()
        assert violations(health, load("watch")["$defs"]["states"], load("watch")) == []
        assert [each["trunk"] for each in health["trunks"]] == [trunk["id"]]
        assert (await client.get(f"/health/{number['id']}")).json()["trunks"][0]["trunk"] == trunk["id"]
        uptime = (await client.get(f"/uptime?watched_id={trunk['id']}")).json()
        assert violations(uptime, load("uptime")) == []
        await asked.service.store.flush()
        history = (await client.get(f"/history/{trunk['id']}")).json()
        assert {each["event"] for each in history["items"]} == {"check", "change"}
        first = (await client.get(f"/history/{trunk['id']}?limit=1")).json()
        assert first["items"] == history["items"][:1]
        assert first["next"]
        for query in ("since=yesterday", "since=2026-11-02&until=2026-11-01", "since=1999-01-01"):
            assert (await client.get(f"/uptime?{query}")).status_code == 422, query
        metrics = (await client.get("http://service/metrics")).text
        assert f'sipprobe_route_up{{route="sip:127.0.0.1:{port};transport=udp"' in metrics
        assert 'sipprobe_checks_total{kind="options",tenant="acme",verdict="good"}' in metrics
        assert "acme" not in (await other.get("http://service/metrics")).text
        assert (await (await asked.stranger()).get("http://service/metrics")).status_code == 401
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, client)
            nursery.start_soon(listen, other)
            await trio.sleep(1.5)
            asked.service.stopping.set()
        told = [each for each in events if trunk["id"] in each]
        assert len(told) == 1
        assert "event: check" in told[0]


async def test_metrics_are_open_where_the_operator_says_so(tmp_path: Path) -> None:
    async with asking(tmp_path, open_metrics=True) as asked:
        answer = await (await asked.stranger()).get("http://service/metrics")
        assert answer.status_code == 200
        assert "sipprobe_loop_lag_seconds" in answer.text


async def test_healthz_tells_of_parts_that_fail(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked, trio.open_nursery() as nursery:

        async def fail() -> None:
            raise OSError

        stranger = await asked.stranger()
        assert (await stranger.get("http://service/healthz")).json()["status"] == "ok"
        nursery.start_soon(asked.service.supervisor.keep, "broken", fail)
        await trio.sleep(0.1)
        answer = await stranger.get("http://service/healthz")
        assert answer.status_code == 503
        assert {"name": "broken", "running": False, "failures": 1} in answer.json()["parts"]
        nursery.cancel_scope.cancel()


async def test_keys_by_request(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()
        own = (await client.get("/whoami")).json()["key_id"]
        assert (await client.delete(f"/keys/{own}")).status_code == 409
        new = await made(client, "/keys", {"name": "second"})
        assert new["key"].startswith("spk_")
        assert "spk_" not in (await client.get("/keys")).text
        other = await asked.stranger(new["key"])
        assert (await other.delete(f"/keys/{own}")).status_code == 204
        assert (await client.get("/whoami")).status_code == 401


@pytest.mark.parametrize("depth", [40, 900])
async def test_a_patch_of_objects_in_each_other_is_refused(depth: int, tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()
        at = f"/trunks/{(await client.post('/trunks', json={'name': 'a'})).json()['id']}"
        body = '{"a":' * depth + "1" + "}" * depth
        answer = await client.patch(at, content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:sipprobe:invalid")
        assert "more than 32 objects in each other" in answer.json()["detail"]
        assert (await client.get(at)).json()["revision"] == 1


async def test_json_without_its_content_type_is_told_what_to_send(tmp_path: Path) -> None:
    async with asking(tmp_path) as opened:
        client = await opened.client()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await client.post("/trunks", content='{"name": "pbx"}', headers=form)
        assert answer.status_code == 422
        assert "Content-Type: application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "pointer", "told"),
    [
        ("/calls?limt=1", "/limt", "there is no parameter of this name here; did you mean limit?"),
        ("/trunks?x=s3cret", "/x", "there is no parameter of this name here: there are limit, cursor"),
        ("/whoami?limit=1", "/limit", "there is no parameter of this name here: leave it out"),
        ("/trunks?limit=1&cursro=", "/cursro", "there is no parameter of this name here; did you mean cursor?"),
    ],
)
async def test_a_parameter_that_there_is_not_is_refused(path: str, pointer: str, told: str, tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()
        answer = await client.get(path)
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert (error["pointer"], error["detail"]) == (pointer, told)
        assert "s3cret" not in answer.text


async def test_parameters_that_a_foreign_contract_does_not_name_are_ignored(tmp_path: Path) -> None:
    """None of them says what becomes of such, and programs of others may send more than is known here."""
    async with asking(tmp_path) as asked:
        client = await asked.client()
        for path in (
            "/v1/sip/trunks?spec_version=v1",
            "/v1/phone?spec_version=v1",
            "/v1/channels/phone?spec_version=v1",
        ):
            assert (await client.get(f"http://service{path}")).status_code == 200, path
