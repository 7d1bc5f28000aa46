"""Webhooks against HTTP servers on loopback, with a resolver that the test is."""

import base64
import hashlib
import hmac
import logging
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from probes.health.alerts import WebhookChannel
from probes.health.sending import NotifyConfig, SendFailure, retry_after
from probes.health.trunk import WatchError
from probes.health.webhook import Webhook, signature
from probes.reach import ReachPolicy
from tests.interop.certificates import make
from tests.probes.health.http_servers import Answer, Receiver, endless, serving, status

PATIENT = NotifyConfig(connect_timeout=10, timeout=20)
QUICK = NotifyConfig(connect_timeout=0.3, timeout=0.6)
"""For receivers that are given up."""
NOW = 1_700_000_000.0
BODY = b'{"text": "carrier: no route is left"}'


class Names:
    """A resolver: each lookup gives the next answer, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


LOOPBACK = Names(["127.0.0.1"])


def webhook(url: str, names: Names = LOOPBACK, config: NotifyConfig = PATIENT, **fields: object) -> Webhook:
    given = {"allow_private": True} | fields
    return Webhook(WebhookChannel("ops", url, **given), config, names)  # type: ignore[arg-type]


async def failure_of(hook: Webhook) -> SendFailure:
    with pytest.raises(SendFailure) as caught:
        await hook.send("x-1", BODY, NOW)
    return caught.value


async def test_an_alert_arrives_signed() -> None:
    with serving() as receiver:
        hook = webhook(f"http://hooks.example.com:{receiver.port}/T0/x?y=z", secret="hush")
        await hook.send("abc-1", BODY, NOW + 0.7)
    (got,) = receiver.received
    assert got.path == "/T0/x?y=z"
    assert got.body == BODY
    assert got.headers["host"] == f"hooks.example.com:{receiver.port}"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == "abc-1"
    assert got.headers["webhook-timestamp"] == "1700000000"
    digest = hmac.new(b"hush", b"abc-1.1700000000." + BODY, hashlib.sha256).digest()
    assert got.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


def test_the_signature_is_the_one_of_standard_webhooks() -> None:
    # From the specification's reference implementations.
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    told = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert told == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_without_a_secret_nothing_is_signed_and_credentials_of_the_url_are_basic() -> None:
    with serving() as receiver:
        await webhook(f"http://us%40er:p%C3%A4ss@hooks.example.com:{receiver.port}/").send("x-1", BODY, NOW)
    headers = receiver.received[0].headers
    assert "webhook-signature" not in headers
    assert headers["authorization"] == "Basic " + base64.b64encode("us@er:päss".encode()).decode()
    assert headers["host"] == f"hooks.example.com:{receiver.port}"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1", "it is loopback"),
        ("::ffff:127.0.0.1", "it is loopback"),
        ("169.254.169.254", "it is link-local, where clouds have their metadata"),
        ("fd00:ec2::254", "it is private, where clouds have their metadata"),
        ("10.0.0.1", "it is private"),
    ],
)
async def test_private_receivers_are_refused_unless_allowed(address: str, told: str) -> None:
    names = Names([address])
    failure = await failure_of(webhook("http://hooks.example.com/", names, allow_private=False))
    assert failure.why == (
        f"hooks.example.com leads to {address}, and {told}: allow_private = true lets this channel send there"
    )
    assert failure.is_final


async def test_an_operator_allows_networks_and_keeps_this_program_out() -> None:
    with serving() as receiver:
        url = f"http://hooks.example.com:{receiver.port}/"
        allowed = ReachPolicy.of(["127.0.0.0/8"])
        await webhook(url, allow_private=False, reach=allowed).send("x-1", BODY, NOW)
        assert len(receiver.received) == 1
        serves = replace(allowed, own_ports=frozenset({receiver.port}))
        failure = await failure_of(webhook(url, allow_private=False, reach=serves))
        assert "this program itself serves there" in failure.why
    assert len(receiver.received) == 1


async def test_nothing_arrives_where_it_is_refused() -> None:
    with serving() as receiver:
        for host in ("127.0.0.1", "localhost", "hooks.example.com", "0x7f.1", "2130706433"):
            await failure_of(webhook(f"http://{host}:{receiver.port}/", allow_private=False))
    assert receiver.received == []


async def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads elsewhere when it is looked up again (DNS rebinding) is looked up once."""

    ask, looked_up = socket.getaddrinfo, []

    def note(host: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # the library's own
        looked_up.append(host)
        return ask(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", note)
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    with serving() as receiver:
        await webhook(f"http://rebound.example.com:{receiver.port}/", names).send("x-1", BODY, NOW)
    assert len(receiver.received) == 1
    assert names.asked == [("rebound.example.com", receiver.port)]
    assert set(looked_up) == {"127.0.0.1"}  # an address is an address


async def test_of_several_addresses_the_private_ones_are_left_out() -> None:
    names = Names(["127.0.0.1", "::1"])
    failure = await failure_of(webhook("https://hooks.example.com/", names, allow_private=False))
    assert failure.is_final
    with serving() as receiver:  # and of those that are allowed, the next is tried
        names = Names(["127.0.0.3", "127.0.0.1"])
        await webhook(f"http://hooks.example.com:{receiver.port}/", names).send("x-1", BODY, NOW)
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("answer", "why", "waits", "is_final"),
    [
        (status(500), "it answers 500", None, False),
        (status(503, Retry_After="7"), "it answers 503", 7.0, False),
        (status(429, Retry_After="Tue, 14 Nov 2023 22:13:30 GMT"), "it answers 429", 10.0, False),
        (status(408), "it answers 408", None, False),
        (status(404), "it answers 404", None, True),
        (status(302, Location="http://169.254.169.254/"), "it redirects (302), which is not followed", None, True),
    ],
)
async def test_answers_that_are_no_success(answer: Answer, why: str, waits: float | None, is_final: bool) -> None:
    with serving(answer) as receiver:
        failure = await failure_of(webhook(f"http://hooks.example.com:{receiver.port}/"))
    assert failure.why.startswith(why)
    assert (failure.retry_after, failure.is_final) == (waits, is_final)
    assert len(receiver.received) == 1


async def test_a_body_without_end_is_not_read() -> None:
    with serving(endless) as receiver:
        await webhook(f"http://hooks.example.com:{receiver.port}/").send("x-1", BODY, NOW)
    assert len(receiver.received) == 1


@contextmanager
def deaf() -> Iterator[int]:
    """A port where connections come about, and nobody says anything."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_receiver_that_hangs_is_given_up(scheme: str) -> None:
    with deaf() as port:
        failure = await failure_of(webhook(f"{scheme}://hooks.example.com:{port}/", config=QUICK))
    assert not failure.is_final
    assert "hooks" not in failure.why


async def test_a_receiver_that_drips_is_given_up() -> None:
    """Each byte comes in time, and the answer never ends."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        over = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not over.wait(0.05):
                    try:
                        connection.sendall(b"X-Drop: 1\r\n")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            with trio.fail_after(5):
                url = f"http://hooks.example.com:{listener.getsockname()[1]}/"
                failure = await failure_of(webhook(url, config=QUICK))
        finally:
            over.set()
            thread.join()
    assert failure.why == "no answer within 0.6 s"


async def test_nobody_listens() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    failure = await failure_of(webhook(f"http://hooks.example.com:{port}/secret"))
    assert failure.why == "no connection to 127.0.0.1: Connection refused"


async def test_what_is_no_http() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"220 mail.example.com ESMTP\r\n")
                connection.recv(65536)

        thread = threading.Thread(target=greet)
        thread.start()
        failure = await failure_of(webhook(f"http://hooks.example.com:{listener.getsockname()[1]}/"))
        thread.join()
    assert failure.why.startswith("127.0.0.1 does not answer: ")


async def test_a_server_that_sends_back_what_it_gets_has_nothing_secret_told() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def echo() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(connection.recv(65536))

        thread = threading.Thread(target=echo)
        thread.start()
        url = f"http://user:pa55@hooks.example.com:{listener.getsockname()[1]}/T0K3N"
        failure = await failure_of(webhook(url))
        thread.join()
    assert failure.why == "127.0.0.1 does not answer: illegal status line"


async def test_a_name_without_address() -> None:
    assert (await failure_of(webhook("http://hooks.example.com/", Names([])))).why == "no address for hooks.example.com"

    class Failing(Names):
        async def __call__(self, host: str, port: int) -> list[str]:
            raise socket.gaierror(-2, "Name or service not known")

    failure = await failure_of(webhook("http://hooks.example.com/", Failing()))
    assert failure.why == "no address for hooks.example.com: Name or service not known"
    assert not failure.is_final


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    make(folder)
    return folder


@contextmanager
def serving_tls(folder: Path, seen: list[str | None]) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    context.sni_callback = lambda _, name, __: seen.append(name)
    with serving(context=context) as receiver:
        yield receiver


async def test_tls_is_verified_by_the_name_and_not_by_the_address(certificates: Path) -> None:
    seen: list[str | None] = []
    ca_data = (certificates / "ca.pem").read_bytes()
    with serving_tls(certificates, seen) as receiver:
        await webhook(f"https://sut.example:{receiver.port}/", ca_data=ca_data).send("x-1", BODY, NOW)
        wrong = await failure_of(webhook(f"https://hooks.example.com:{receiver.port}/", ca_data=ca_data))
        unknown = await failure_of(webhook(f"https://sut.example:{receiver.port}/"))
    assert seen == ["sut.example", "hooks.example.com", "sut.example"]
    assert len(receiver.received) == 1
    assert wrong.why.startswith("no connection to 127.0.0.1: TLS fails, Hostname mismatch")
    assert unknown.why.startswith("no connection to 127.0.0.1: TLS fails, unable to get local issuer")


async def test_a_name_may_end_with_the_dot_that_its_certificate_does_not_have(certificates: Path) -> None:
    seen: list[str | None] = []
    ca_data = "# Größte CA\n".encode() + (certificates / "ca.pem").read_bytes()
    with serving_tls(certificates, seen) as receiver:
        await webhook(f"https://sut.example.:{receiver.port}/", ca_data=ca_data).send("x-1", BODY, NOW)
    assert seen == ["sut.example"]
    assert len(receiver.received) == 1


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as proxy, serving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await webhook(f"http://hooks.example.com:{receiver.port}/").send("x-1", BODY, NOW)
    assert (len(proxy.received), len(receiver.received)) == (0, 1)


async def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(status(204), status(500)) as receiver:
        hook = webhook(f"http://user:pa55@hooks.example.com:{receiver.port}/T0K3N", secret="hush")
        await hook.send("x-1", BODY, NOW)
        failure = await failure_of(hook)
    logged = caplog.text + failure.why
    assert not any(secret in logged for secret in ("T0K3N", "pa55", "hush"))


def test_what_cannot_be_used_is_told_at_once() -> None:
    with pytest.raises(WatchError, match="channel ops: what follows whsec_ is no Base64"):
        webhook("https://hooks.example.com/", secret="whsec_*")
    with pytest.raises(WatchError, match="channel ops: no certificates in PEM in its CA file"):
        webhook("https://hooks.example.com/", ca_data=b"nothing")
    with pytest.raises(WatchError, match="channel ops: no certificates in PEM in its CA file"):
        webhook("https://hooks.example.com/", ca_data=b"\xff")


def test_without_its_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(WatchError, match=r"channel ops: webhooks need httpx: pip install '\.\[daemon\]'"):
        webhook("https://hooks.example.com/")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tue, 14 Nov 2023 22:13:10 GMT", 0.0),
        ("9" * 400, 999_999_999.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("²", None),
        ("Tue, 14 Nov 99999 22:13:30 GMT", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after(text, NOW) == seconds
