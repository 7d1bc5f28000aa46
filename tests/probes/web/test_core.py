"""What all interfaces have in common: who may ask, how much, and how failures are told."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.requests import Request

from probes.health.trunk import WatchError
from probes.service.config import ServiceConfig
from probes.web.auth import MAX_WRONG, PERIOD, Guesses, client_address
from probes.web.errors import MAX_FLAWS
from probes.web.guard import HEADERS
from probes.web.native.shown import SEE
from tests.probes.web.asking import asking


async def test_a_key_is_asked_for(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        answer = await (await asked.stranger()).get("/whoami")
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="sipprobe"'
        assert answer.headers["Content-Type"] == "application/problem+json"
        told = answer.json()
        assert (told["type"], told["status"]) == ("urn:sipprobe:unauthorized", 401)
        assert "Authorization: Bearer KEY" in told["detail"]
        answer = await (await asked.stranger("spk_wrong")).get("/whoami")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="sipprobe", error="invalid_token"'


@pytest.mark.parametrize("form", ["Bearer {}", "bearer  {}", "{}"])
async def test_a_key_is_taken_in_each_form(form: str, tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        made = await asked.service.keys.add("acme", "first")
        client = await asked.stranger()
        answer = await client.get("/whoami", headers={"Authorization": form.format(made.text.reveal())})
        assert answer.json() == {"tenant": "acme", "key_id": made.key.id, "may_write": True}


async def test_a_key_that_was_revoked_is_none(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        made = await asked.service.keys.add("acme", "first")
        client = await asked.stranger(made.text.reveal())
        assert (await client.get("/whoami")).status_code == 200
        await asked.service.keys.revoke("acme", made.key.id, even_last=True)
        assert (await client.get("/whoami")).status_code == 401


async def test_a_key_that_only_reads_changes_nothing(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client(may_write=False)
        assert (await client.get("/trunks")).status_code == 200
        for method, path in (("POST", "/trunks"), ("POST", "/discoveries"), ("POST", "/calls"), ("DELETE", "/keys/x")):
            answer = await client.request(method, path, json={"name": "t", "target": "127.0.0.1"})
            assert (answer.status_code, answer.json()["type"]) == (403, "urn:sipprobe:forbidden"), path


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/trunks"),
        ("PATCH", "/api/v1/trunks/x"),
        ("POST", "/v1/sip/attach"),
        ("POST", "/v1/inbound/session"),
        ("POST", "/api/v1/channels/phone"),
        ("POST", "/v1/channels/phone"),
        ("POST", "/v1/phone/import"),
    ],
)
async def test_a_body_of_nobody_is_not_read(method: str, path: str, tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        read = []

        async def body() -> AsyncIterator[bytes]:
            read.append(path)
            yield b"{"

        headers = {"Content-Type": "application/json"}
        for client, status in ((await asked.stranger(), 401), (await asked.stranger("spk_wrong"), 401)):
            answer = await client.request(method, f"http://service{path}", content=body(), headers=headers)
            assert (answer.status_code, read) == (status, [])
        answer = await (await asked.client()).request(method, f"http://service{path}", content=b"{", headers=headers)
        assert answer.status_code in (400, 422, 501)


async def test_a_wrong_key_with_a_body_is_counted_once(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        guessing = await asked.stranger("spk_guess")
        statuses = [(await guessing.post("/trunks", json={})).status_code for _ in range(MAX_WRONG + 1)]
        assert statuses == [401] * MAX_WRONG + [429]


async def test_who_guesses_waits_and_nobody_else(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        made = await asked.service.keys.add("acme", "first")
        guessing = await asked.stranger("spk_guess", "192.0.2.7")
        for _ in range(MAX_WRONG):
            assert (await guessing.get("/whoami")).status_code == 401
        for key in ("spk_guess", made.text.reveal()):
            answer = await (await asked.stranger(key, "192.0.2.7")).get("/whoami")
            assert answer.status_code == 429
            assert 0 < int(answer.headers["Retry-After"]) <= PERIOD + 1
        other = await asked.stranger(made.text.reveal(), "192.0.2.8")
        assert (await other.get("/whoami")).status_code == 200


def test_guesses_are_forgotten_and_counted_by_network() -> None:
    guesses = Guesses()
    for number in range(MAX_WRONG):
        guesses.add(f"2001:db8:1:2::{number:x}", 1000.0)
    assert guesses.wait("2001:db8:1:2:ffff::1", 1000.0) == PERIOD
    assert guesses.wait("2001:db8:1:3::1", 1000.0) == 0.0
    assert guesses.wait("2001:db8:1:2::1", 1000.0 + PERIOD) == 0.0


@pytest.mark.parametrize(
    ("peer", "forwarded", "behind_proxy", "found"),
    [
        ("192.0.2.1", "198.51.100.1", False, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.1", True, "192.0.2.1"),
        ("127.0.0.1", "198.51.100.1", True, "198.51.100.1"),
        ("127.0.0.1", "203.0.113.9, 198.51.100.1", True, "198.51.100.1"),
        ("127.0.0.1", "198.51.100.1, ::1", True, "198.51.100.1"),
        ("127.0.0.1", "nonsense", True, "127.0.0.1"),
        ("127.0.0.1", "", True, "127.0.0.1"),
    ],
)
def test_a_proxy_is_believed_only_where_it_is_trusted(
    peer: str, forwarded: str, behind_proxy: bool, found: str
) -> None:
    """Whoever wants to be somebody else writes the field, but the last trusted proxy adds what it sees."""
    headers = [(b"x-forwarded-for", forwarded.encode())]
    request = Request({"type": "http", "headers": headers, "client": (peer, 1)})
    assert client_address(request, ServiceConfig(behind_proxy=behind_proxy)) == found


async def test_each_answer_says_that_nobody_keeps_or_frames_it(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        for client in (await asked.client(), await asked.stranger()):
            answer = await client.get("/whoami")
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS
            assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/nowhere", 404, f"there is nothing at this path: {SEE}"),
        ("GET", "/", 404, f"there is nothing at this path: {SEE}"),
        ("GET", "", 404, f"there is nothing at this path: {SEE}"),
        ("GET", "http://service/v1/nowhere", 404, "there is nothing at this path"),
        ("PUT", "/whoami", 405, "this path does not take this method: see Allow"),
        ("GET", "/trunks/of-nobody", 404, "there is no such trunk"),
        ("GET", "/calls/of-nobody", 404, "there is no call of this id, or it is no longer kept"),
    ],
)
async def test_what_is_not_there_is_told(method: str, path: str, status: int, detail: str, tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        answer = await (await asked.client()).request(method, path)
        assert answer.status_code == status
        if not path.startswith("http"):
            assert answer.json()["detail"] == detail
        assert ("Allow" in answer.headers) is (status == 405)


@pytest.mark.parametrize(
    ("content", "status", "told"),
    [
        (b"{", 400, "the body is no JSON: line 1, column 2: a name in double quotes is wanted here"),
        (b"\xff{}", 400, "the body cannot be read: send JSON in UTF-8"),
        (b"[" * 50_000, 400, "without deep nesting"),
        (b'{"name": ' + b"9" * 5000 + b"}", 400, "numbers of thousands of digits"),
        (b'"text"', 422, "the body is a text: send a JSON object, as {}"),
        (b'{"name": 3}', 422, "/name: a text is wanted: write it in double quotes"),
        (b'{"name": "t", "nmae": "t"}', 422, "/nmae: there is no field of this name; did you mean name?"),
        (b'{"name": "' + b"a" * 2_000_000 + b'"}', 413, "a body has 1048576 octets at most"),
    ],
)
async def test_a_body_that_cannot_be_is_told(content: bytes, status: int, told: str, tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()
        headers = {"Content-Type": "application/json"}
        answer = await client.post("/trunks", content=content, headers=headers)
        assert answer.status_code == status
        assert told in answer.json()["detail"]


async def test_nothing_that_was_sent_is_quoted(tmp_path: Path) -> None:
    """What is wrong may be a secret, or stand beside one."""
    async with asking(tmp_path) as asked:
        client = await asked.client()
        outbound = {"credentials": {"username": "u", "password": "s3cret" * 100}, "encryption": "s3cret"}
        for body in ({"name": "t", "outbound": outbound}, {"name": "t", "outbound": {"credentials": "s3cret"}}):
            answer = await client.post("/trunks", json=body)
            assert answer.status_code == 422
            assert "s3cret" not in answer.text


async def test_a_mistake_of_ours_is_told_and_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()

        async def fail(_: str) -> None:
            raise ZeroDivisionError("s3cret")

        monkeypatch.setattr(asked.service.directory, "trunks", fail)
        answer = await client.get("/trunks?cursor=s3cret")
        assert (answer.status_code, answer.json()["type"]) == (500, "urn:sipprobe:own")
        assert "s3cret" not in answer.text
        assert "GET /api/v1/trunks" in caplog.text
        assert (await client.get("/whoami")).status_code == 200


async def test_a_store_that_cannot_be_read_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()

        async def fail(_: str) -> None:
            raise WatchError("history service.db: the disk is full")

        monkeypatch.setattr(asked.service.directory, "trunks", fail)
        answer = await client.get("/trunks")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("path", ["/api/v1/trunks", "/v1/channels/phone", "/v1/phone/import", "/v1/sip/attach"])
async def test_a_body_with_thousands_of_flaws_has_a_short_answer(path: str, tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()
        answer = await client.post(f"http://service{path}", json={f"key{number}": 1 for number in range(5000)})
        assert answer.status_code in (400, 422)
        told = answer.json()
        assert len(told.get("errors") or told["detail"]) == MAX_FLAWS
        assert len(answer.content) < 10_000


async def test_a_slash_at_the_end_of_a_path_changes_nothing(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        client, base = await asked.client(), "http://service"
        native = (await client.get("/openapi.json")).json()["paths"]
        bland = (await client.get(f"{base}/v1/sip/openapi.json")).json()["paths"]
        del native["/events"]  # which has no end
        paths = {f"/api/v1{path}": told for path, told in native.items()} | bland | {"/v1/phone": ("get", "post")}
        for path, methods in (paths | {"/api/v1/channels/phone": ("get", "post"), "/login": ("get",)}).items():
            for method in methods:
                place = base + path.replace("{", "").replace("}", "")
                without, behind = [await client.request(method, place + end, json={}) for end in ("", "/")]
                assert without.status_code == behind.status_code, (method, path)
                assert "nothing at this path" not in behind.text, (method, path)
        made = await client.post("/trunks/", json={"name": "t"})
        assert made.headers["Location"] == f"/api/v1/trunks/{made.json()['id']}"
        assert (await client.get("/trunks//")).status_code == 404
        assert (await client.get(f"{base}/healthz/")).status_code == 200
