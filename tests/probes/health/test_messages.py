"""Messages by Apprise: mail to a server on loopback, and services that fail."""

import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
import trio

from probes.health.alerts import Alert, AppriseChannel
from probes.health.messages import Messenger
from probes.health.sending import NotifyConfig, SendFailure
from probes.health.trunk import WatchError
from tests.probes.health.happenings import Scene
from tests.probes.health.http_servers import serving, status

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # what services of Apprise import


ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks a resolver what this machine is called, as mail clients and servers do."""
    monkeypatch.setattr(socket, "getfqdn", lambda name="": name or "watch.example.com")


def an_alert() -> Alert:
    scene = Scene("sbc1")
    scene.drops("sbc1")
    scene.wait(60)
    return scene.told[0]


def messenger(url: str, **config: float) -> Messenger:
    return Messenger(AppriseChannel("mail", url), NotifyConfig(**config))  # type: ignore[arg-type]


class Mailbox:
    """Takes what is delivered, or refuses it."""

    def __init__(self, refuses: bool) -> None:
        self.refuses = refuses
        self.mails: list[Any] = []

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: ANN401, N802  # aiosmtpd's
        if self.refuses:
            return "554 5.7.1 not here"
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@contextmanager
def mail_server(refuses: bool = False) -> Iterator[tuple[int, Mailbox]]:
    from aiosmtpd.controller import Controller

    class OnAnyPort(Controller):  # type: ignore[misc]  # it has no types
        def _trigger_server(self) -> None:
            self.port = self.server.sockets[0].getsockname()[1]
            super()._trigger_server()

    mailbox = Mailbox(refuses)
    controller = OnAnyPort(mailbox, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        yield controller.port, mailbox
    finally:
        controller.stop()


async def test_an_alert_is_a_mail() -> None:
    alert = an_alert()
    with mail_server() as (port, mailbox):
        await messenger(f"mailto://127.0.0.1:{port}/?from=watch@example.com&to=ops@example.com").send([alert])
    (mail,) = mailbox.mails
    assert mail["Subject"] == "carrier: no route is left, calls fail (refused)"
    assert "ops@example.com" in mail["To"]
    text = mail.get_body(("plain",)).get_content()
    assert [line for line in text.splitlines() if line] == list(alert.lines)


async def test_a_mail_that_is_refused_is_a_failure_that_shows_no_part_of_the_url() -> None:
    with mail_server(refuses=True) as (port, _):
        url = f"mailto://127.0.0.1:{port}/?from=watch@example.com&to=ops@example.com"
        with pytest.raises(SendFailure) as caught:
            await messenger(url).send([an_alert()])
    assert caught.value.why
    assert not caught.value.is_final
    assert not any(part in caught.value.why for part in ("ops", "watch@", str(port), "127.0.0.1"))


async def test_nobody_else_hears_what_apprise_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    with serving(status(500)) as receiver:
        hidden = messenger(f"json://user:pa55w0rd@127.0.0.1:{receiver.port}/T0K3N")
        with pytest.raises(SendFailure) as caught:
            await hidden.send([an_alert()])
    assert len(receiver.received) == 1
    assert not any(secret in caplog.text + caught.value.why for secret in ("T0K3N", "pa55w0rd"))
    assert not any(record.name == "apprise" and record.levelno > logging.DEBUG for record in caplog.records)
    logging.getLogger("apprise").warning("said by somebody else")
    assert "said by somebody else" in caplog.text


async def test_a_service_that_hangs_is_given_up_and_takes_one_thread() -> None:
    over = threading.Event()
    hanging = messenger("json://127.0.0.1:9/", message_timeout=0.2)
    calls = []

    class Hanging:
        def notify(self, **_: object) -> bool:
            calls.append(1)
            over.wait()
            return True

    hanging._apprise = Hanging()
    try:
        for _ in range(3):
            with pytest.raises(SendFailure, match=r"Apprise did not come back within 0\.2 s"):
                await hanging.send([an_alert()])
    finally:
        over.set()
    assert len(calls) == 1
    with trio.fail_after(10):
        while True:
            try:
                await hanging.send([an_alert()])
                break
            except SendFailure:  # the thread that hung is not over yet
                await trio.sleep(0.01)


HANGS = """
import socket, threading, time, trio
from probes.health.alerts import AppriseChannel
from probes.health.messages import Messenger
from probes.health.sending import NotifyConfig
from tests.probes.health.test_messages import an_alert

listener, asked = socket.create_server(("127.0.0.1", 0)), threading.Event()

def drip():
    connection, _ = listener.accept()
    connection.sendall(b"HTTP/1.1 200 OK\\r\\n")
    asked.set()
    while True:
        connection.sendall(b"X-Drop: 1\\r\\n")
        time.sleep(0.1)

async def main():
    hanging = Messenger(AppriseChannel("mail", f"json://127.0.0.1:{listener.getsockname()[1]}/"), NotifyConfig())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hanging.send, [an_alert()])
        await trio.to_thread.run_sync(asked.wait)
        nursery.cancel_scope.cancel()

threading.Thread(target=drip, daemon=True).start()
trio.run(main)
print("over")
"""


def test_a_service_that_hangs_does_not_hold_up_the_end_of_the_program() -> None:
    command = [sys.executable, "-c", HANGS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=ROOT)
    assert done.stdout == "over\n"


@pytest.mark.parametrize("scheme", ["file", "python", "include", "config"])
def test_no_url_has_code_or_a_configuration_loaded(scheme: str, tmp_path: Path) -> None:
    code = tmp_path / "plugin.py"
    code.write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    with pytest.raises(WatchError, match="Apprise makes nothing of"):
        messenger(f"{scheme}://{code}")
    messenger(f"json://127.0.0.1:9/?include={code}&config={code}&plugin_paths={code}")
    assert list(tmp_path.iterdir()) == [code]


async def test_whatever_a_service_raises_is_a_failure() -> None:
    broken = messenger("json://127.0.0.1:9/")

    class Broken:
        def notify(self, **_: object) -> bool:
            raise RuntimeError("json://user:pa55w0rd@example.com")

    broken._apprise = Broken()
    with pytest.raises(SendFailure, match=r"^Apprise failed with RuntimeError$"):
        await broken.send([an_alert()])


@pytest.mark.parametrize("url", ["unheard://user:pa55w0rd@example.com", "slack://pa55w0rd", "mailto://"])
def test_what_apprise_does_not_know_is_told_without_the_url(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(WatchError, match=r"channel mail: Apprise makes nothing of its [a-z]+:// URL") as caught:
        messenger(url)
    assert "pa55w0rd" not in str(caught.value) + caplog.text


def test_without_its_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(WatchError, match=r"channel mail: mail, SMS and chats need Apprise: pip install '\.\[daemon\]'"):
        messenger("json://127.0.0.1/")


async def test_an_alert_without_particulars_has_its_headline_as_text() -> None:
    with serving(status(200)) as receiver:
        await messenger(f"json://127.0.0.1:{receiver.port}/").send([replace(an_alert(), lines=())])
    assert receiver.received[0].body.count(b"no route is left, calls fail") == 2


async def test_several_alerts_are_one_message_about_the_gravest() -> None:
    scene = Scene("sbc1", "sbc2")
    scene.drops("sbc1")
    scene.wait(60)
    scene.drops("sbc2")
    scene.wait(60)
    scene.rises("sbc1")
    scene.wait(60)
    with serving(status(200)) as receiver:
        to = messenger(f"json://127.0.0.1:{receiver.port}/")
        await to.send(scene.told[:2])
        await to.send(scene.told)
    two, all_of_them = (json.loads(got.body) for got in receiver.received)
    assert (two["title"], two["type"]) == (
        "carrier: no route is left, calls fail (refused) (and one more alert)",
        "failure",
    )
    assert two["message"].splitlines() == [alert.text for alert in scene.told[:2]]
    assert all_of_them["title"] == "carrier: no route is left, calls fail (refused) (and 4 more alerts)"
