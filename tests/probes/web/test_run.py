"""The server over real sockets: who takes too long, too much or too many connections, and how it ends."""

import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio
from anycorn.tcp_server import TCPServer
from trio.testing import wait_all_tasks_blocked

from probes.service.config import HttpLimits
from probes.service.run import Service
from probes.web import run as module
from probes.web import stream as stream_module
from probes.web.run import Listening, open_server
from sipcore.errors import LocalError
from sipcore.resolve.target import SocketAddress
from tests.probes.discovery.network import silent, udp
from tests.probes.service.opened import config_in
from tests.sipcore.transports.authority import Identity, issue

SECONDS = 10.0
"""For whatever is waited for."""
QUICK = HttpLimits(head_time=0.4, body_time=0.4, end_time=0.4)


class Served:
    """A service, and where it is served."""

    def __init__(self, service: Service, listening: Listening, key: str) -> None:
        self.service, self.address, self.url = service, listening.address, listening.url
        self.headers = {"Authorization": f"Bearer {key}"}
        self.streams: list[trio.SocketStream] = []

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"{self.url}/api/v1", headers=self.headers, timeout=SECONDS)

    async def connected(self) -> trio.SocketStream:
        stream = await trio.open_tcp_stream(self.address.host, self.address.port)
        self.streams.append(stream)
        return stream

    def head(self, method: str = "GET", path: str = "/api/v1/whoami", *fields: str) -> bytes:
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: service",
            *(f"{name}: {text}" for name, text in self.headers.items()),
        ]
        return "\r\n".join([*lines, *fields, "", ""]).encode()


@asynccontextmanager
async def served(folder: Path, **changes: object) -> AsyncIterator[Served]:
    async with open_server(config_in(folder, **changes)) as (service, listening):
        made = await service.keys.add("acme", "test")
        server = Served(service, listening, made.text.reveal())
        try:
            yield server
        finally:
            for stream in server.streams:
                await trio.aclose_forcefully(stream)


async def rest(stream: trio.SocketStream) -> bytes:
    """All that comes until the server closes."""
    found = b""
    with trio.fail_after(SECONDS):
        try:
            while more := await stream.receive_some():
                found += more
        except trio.BrokenResourceError:
            pass
    return found


async def test_requests_are_answered_over_one_connection(tmp_path: Path) -> None:
    async with served(tmp_path) as server, server.client() as client:
        for _ in range(3):
            answer = await client.get("/whoami")
            assert answer.json()["tenant"] == "acme"
            assert "server" not in answer.headers


async def test_a_head_that_does_not_come_ends_the_connection(tmp_path: Path) -> None:
    """However it is fed: octet by octet, each in time, too (slowloris)."""
    async with served(tmp_path, http=QUICK) as server:
        stream = await server.connected()
        began = time.monotonic()

        async def feed() -> None:
            for octet in server.head():
                try:
                    await stream.send_all(bytes([octet]))
                except trio.BrokenResourceError:
                    return
                await trio.sleep(0.1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed)
            assert await rest(stream) == b""
            nursery.cancel_scope.cancel()
        assert time.monotonic() - began < SECONDS / 2
        async with server.client() as client:
            assert (await client.get("/whoami")).status_code == 200


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    async with served(tmp_path, http=QUICK) as server:
        stream = await server.connected()
        await stream.send_all(server.head("POST", "/api/v1/trunks", "Content-Length: 1000") + b"{")
        answer = await rest(stream)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"the body did not come within 0.4 s" in answer


async def test_a_body_without_a_length_is_cut_where_it_is_too_long(tmp_path: Path) -> None:
    async with served(tmp_path, http=HttpLimits(body=2000)) as server:
        stream = await server.connected()
        chunk = b"3e8\r\n" + b"a" * 1000 + b"\r\n"
        await stream.send_all(server.head("POST", "/api/v1/trunks", "Transfer-Encoding: chunked") + 3 * chunk)
        assert (await rest(stream)).startswith(b"HTTP/1.1 413 ")


async def test_a_head_that_is_too_long_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        stream = await server.connected()
        await stream.send_all(server.head("GET", "/api/v1/whoami", f"X-Long: {'a' * 200_000}"))
        assert (await rest(stream)).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    ("sent", "begin"),
    [
        (
            b"GET /healthz HTTP/1.1\r\nHost: service\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings, close\r\n"
            b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
            b"HTTP/1.1 200 ",
        ),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", b"HTTP/1.1 4"),
    ],
)
async def test_nobody_leaves_http_1(sent: bytes, begin: bytes, tmp_path: Path) -> None:
    """A proxy that passes an upgrade on would no longer see what is asked behind it."""
    async with served(tmp_path) as server:
        stream = await server.connected()
        await stream.send_all(sent)
        assert (await rest(stream)).startswith(begin)


async def test_who_wants_a_websocket_is_told_that_there_is_none(tmp_path: Path) -> None:
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    async with served(tmp_path) as server:
        for path, kind in (("/api/v1/events", b"problem+json"), ("/", b"text/html"), ("/v1/sip", b"application/json")):
            stream = await server.connected()
            await stream.send_all(server.head("GET", path, *upgrade, key))
            found = await rest(stream)
            assert found.startswith(b"HTTP/1.1 400 "), found
            assert kind in found
            assert b"x-content-type-options: nosniff" in found.lower()
            assert b"WebSocket" in found


async def test_one_address_has_so_many_connections(tmp_path: Path) -> None:
    async with served(tmp_path, http=HttpLimits(connections_each=2)) as server:
        first, second, third = [await server.connected() for _ in range(3)]
        assert await rest(third) == b""
        await first.aclose()
        with trio.fail_after(SECONDS):
            while True:
                fourth = await server.connected()
                await fourth.send_all(server.head("GET", "/api/v1/whoami", "Connection: close"))
                if (await rest(fourth)).startswith(b"HTTP/1.1 200 "):
                    break
        await second.aclose()


async def test_who_has_gone_makes_room_at_once(tmp_path: Path) -> None:
    async with served(tmp_path, http=HttpLimits(connections=2)) as server:
        with trio.fail_after(SECONDS / 2):
            for _ in range(20):
                async with server.client() as client:
                    assert (await client.get("/whoami")).status_code == 200
            for _ in range(20):
                await (await server.connected()).aclose()


async def test_all_have_so_many_connections_and_others_wait(tmp_path: Path) -> None:
    async with served(tmp_path, http=HttpLimits(connections=2)) as server:
        busy = [await server.connected() for _ in range(2)]
        waiting = await server.connected()
        await waiting.send_all(server.head("GET", "/api/v1/whoami", "Connection: close"))
        with trio.move_on_after(0.3) as waited:
            await waiting.receive_some()
        assert waited.cancelled_caught
        await busy[0].aclose()
        assert (await rest(waiting)).startswith(b"HTTP/1.1 200 ")


async def test_who_does_not_read_is_left(tmp_path: Path) -> None:
    """An answer that is larger than what the kernel takes waits in memory for its reader, for a while."""
    async with served(tmp_path, http=QUICK) as server:
        stream = await server.connected()
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
        many = server.head("GET", "/api/v1/openapi.json") * 60
        await stream.send_all(many)
        with trio.fail_after(SECONDS):
            while server.service.supervisor.parts and await _connections(server):  # noqa: ASYNC110
                await trio.sleep(0.05)


async def _connections(server: Served) -> int:
    """How many connections the server has open, as the kernel knows."""
    told = (await trio.Path("/proc/net/tcp").read_text()).splitlines()[1:]
    local = f":{server.address.port:04X}"
    return sum(row.split()[1].endswith(local) and row.split()[3] == "01" for row in told)


async def test_a_mistake_in_one_connection_ends_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path) as server:

        async def fail(*_: object) -> None:
            raise ZeroDivisionError

        with monkeypatch.context() as patch:
            patch.setattr(TCPServer, "run", fail)
            assert await rest(await server.connected()) == b""
        assert "ZeroDivisionError" in caplog.text
        async with server.client() as client:
            assert (await client.get("/whoami")).status_code == 200
            assert (await client.get(f"{server.url}/healthz")).json()["status"] == "ok"


async def test_a_lack_of_descriptors_is_outlived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(tmp_path) as server, server.client() as client:
        accept, failures = module.accepted, [OSError(24, "Too many open files")] * 3

        async def fail(listener: object) -> object:
            if failures:
                raise failures.pop()
            return await accept(listener)  # type: ignore[arg-type]  # what the server gives

        monkeypatch.setattr(module, "accepted", fail)
        await (await server.connected()).aclose()
        assert (await client.get("/whoami")).status_code == 200
        assert not failures


async def test_streams_end_with_the_service_and_requests_are_answered(tmp_path: Path) -> None:
    async with udp(silent) as port, trio.open_nursery() as nursery:
        told: dict[str, str] = {}

        async def ask(client: httpx.AsyncClient, method: str, path: str) -> None:
            told[path] = (await client.request(method, path, json={"target": f"127.0.0.1:{port}"})).text

        began = 0.0
        async with served(tmp_path) as server, server.client() as client:
            job = (await client.post("/discoveries", json={"target": f"127.0.0.1:{port}"})).json()
            for path in ("/events", f"/discoveries/{job['id']}/events", f"/discoveries/{job['id']}?wait=30"):
                nursery.start_soon(ask, client, "GET", path)
            await wait_all_tasks_blocked(0.2)  # all three wait for something to be told
            server.service.stopping.set()
            began = trio.current_time()
            with trio.fail_after(3):
                while len(told) < 3:  # noqa: ASYNC110
                    await trio.sleep(0.02)
        assert trio.current_time() - began < 4
    assert told["/events"].startswith("id: 1\nevent: states\ndata: {")
    assert "event: end" in told[f"/discoveries/{job['id']}/events"]
    assert '"state":"running"' in told[f"/discoveries/{job['id']}?wait=30"]


async def test_a_tenant_has_so_many_streams_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "MAX_STREAMS", 2)
    async with served(tmp_path) as server, server.client() as client:
        other = {"Authorization": f"Bearer {(await server.service.keys.add('globex', 'test')).text.reveal()}"}
        async with client.stream("GET", "/events") as first, client.stream("GET", "/events") as second:
            for each in (first, second):
                assert each.status_code == 200
            refused = await client.get("/events")
            assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
            assert refused.headers["Content-Type"] == "application/problem+json"
            assert "2 streams of events are open" in refused.json()["detail"]
            async with client.stream("GET", "/events", headers=other) as theirs:
                assert theirs.status_code == 200
        with trio.fail_after(SECONDS):
            while True:
                async with client.stream("GET", "/events") as again:
                    if again.status_code == 200:
                        break
                await trio.sleep(0.02)


async def test_an_end_waits_for_nobody_who_does_not_go(tmp_path: Path) -> None:
    async with served(tmp_path, http=HttpLimits(end_time=0.3)) as server:
        idle = await server.connected()
        half = await server.connected()
        await half.send_all(server.head("POST", "/api/v1/trunks", "Content-Length: 1000"))
        await wait_all_tasks_blocked(0.1)  # the head is there, and its body is waited for
        server.service.stopping.set()
        began = time.monotonic()
        assert await rest(idle) == b""
        await rest(half)
    assert time.monotonic() - began < 3


@pytest.fixture
def identity() -> Identity:
    return issue("service.example")


async def test_over_tls(tmp_path: Path, identity: Identity) -> None:
    (tmp_path / "server.pem").write_bytes(identity.pem)
    (tmp_path / "server.key").write_bytes(identity.key)
    files = {"certificate": tmp_path / "server.pem", "key": tmp_path / "server.key"}
    async with served(tmp_path, **files) as server:
        assert server.url.startswith("https://")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        async with httpx.AsyncClient(base_url=server.url, headers=server.headers, verify=context) as client:
            answer = await client.get("/api/v1/whoami")
            assert answer.json()["tenant"] == "acme"
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        plain = await server.connected()
        await plain.send_all(server.head())
        assert b"HTTP" not in await rest(plain)


async def test_a_renewed_certificate_is_shown_to_who_connects_from_then_on(tmp_path: Path, identity: Identity) -> None:
    def write(one: Identity) -> None:
        (tmp_path / "server.pem").write_bytes(one.pem)
        (tmp_path / "server.key").write_bytes(one.key)

    def shown(listening: Listening) -> bytes:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["http/1.1"])
        address = (listening.address.host, listening.address.port)
        with socket.create_connection(address, 5) as plain, context.wrap_socket(plain) as over:
            return ssl.DER_cert_to_PEM_cert(over.getpeercert(binary_form=True) or b"").encode()

    write(identity)
    config = config_in(tmp_path, certificate=tmp_path / "server.pem", key=tmp_path / "server.key")
    async with open_server(config, watching=False) as (_, listening):
        assert await trio.to_thread.run_sync(shown, listening) in identity.pem
        renewed = issue("service.example")
        write(renewed)
        listening.renew()
        assert await trio.to_thread.run_sync(shown, listening) in renewed.pem
        (tmp_path / "server.key").write_bytes(identity.key)
        with pytest.raises(LocalError, match="no certificate and its key"):
            listening.renew()
        assert await trio.to_thread.run_sync(shown, listening) in renewed.pem


async def test_a_handshake_that_does_not_come_ends_the_connection(tmp_path: Path, identity: Identity) -> None:
    (tmp_path / "server.pem").write_bytes(identity.pem)
    (tmp_path / "server.key").write_bytes(identity.key)
    files = {"certificate": tmp_path / "server.pem", "key": tmp_path / "server.key"}
    async with served(tmp_path, http=QUICK, **files) as server:
        assert await rest(await server.connected()) == b""


def test_what_cannot_be_served_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_bytes(b"")
    with Listening(config_in(tmp_path)) as taken:
        for changes, told in (
            ({"bind": taken.address}, f"cannot serve at {taken.address}: Address already in use"),
            ({"bind": SocketAddress("192.0.2.1", 80)}, "cannot serve at 192.0.2.1:80: Cannot assign requested address"),
            (
                {"certificate": tmp_path / "none.pem", "key": tmp_path / "none.key"},
                "none.key: No such file or directory",
            ),
            (
                {"certificate": tmp_path / "empty.pem", "key": tmp_path / "empty.pem"},
                "they are no certificate and its key, in PEM",
            ),
        ):
            with pytest.raises(LocalError) as refused:
                Listening(config_in(tmp_path, **changes))
            assert told in refused.value.message
