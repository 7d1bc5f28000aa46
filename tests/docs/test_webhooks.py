"""The receiver in docs/examples takes what a watch sends, and docs/webhooks.md says what that is."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from probes.health.alerts import AlertKind, Phase, WebhookChannel, alert_data
from probes.health.sending import NotifyConfig, SendFailure
from probes.health.webhook import Webhook, signature
from tests.docs.test_examples import load
from tests.probes.health.happenings import Scene

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
example = load("webhook_receiver")
NOW = 1_700_000_000
BODY = b'{"text": "x"}'


def headers_of(secret: str, name: str = "a-1", timestamp: str = str(NOW)) -> dict[str, str]:
    told = signature(secret, name, int(timestamp), BODY)
    return {"webhook-id": name, "webhook-timestamp": timestamp, "webhook-signature": told}


@pytest.mark.parametrize("secret", ["hush", "whsec_aHVzaA=="])
def test_what_is_signed_is_taken_once(secret: str) -> None:
    taken: list[dict[str, object]] = []
    alerts = example.Alerts(secret, taken.append)
    assert [alerts.receive(headers_of(secret, name), BODY, NOW) for name in ("a-1", "a-1", "a-2")] == [204] * 3
    assert len(taken) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-id": "a-2"},
        {"webhook-timestamp": str(NOW + 1)},
        {"webhook-timestamp": "²"},
        {"webhook-timestamp": ""},
    ],
)
def test_what_is_not_signed_is_refused(changed: dict[str, str]) -> None:
    alerts = example.Alerts("hush", lambda _: pytest.fail("taken"))
    assert alerts.receive(headers_of("hush") | changed, BODY, NOW) == 401


def test_what_is_old_is_refused() -> None:
    alerts = example.Alerts("hush", lambda _: pytest.fail("taken"))
    assert alerts.receive(headers_of("hush"), BODY, NOW + example.TOLERANCE + 1) == 401


@contextmanager
def running(alerts: object) -> Iterator[int]:
    server = example.server(alerts, ("127.0.0.1", 0))
    server.RequestHandlerClass.log_message = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def test_the_receiver_takes_what_a_watch_sends() -> None:
    async def lead_here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    taken: list[dict[str, object]] = []
    with running(example.Alerts("hush", taken.append)) as port:
        url, body = f"http://hooks.example.com:{port}/", json.dumps(data()).encode()
        ours, another = (
            Webhook(WebhookChannel("ops", url, secret, allow_private=True), NotifyConfig(), lead_here)
            for secret in ("hush", "another")
        )
        await ours.send("a-1", body, time.time())
        with pytest.raises(SendFailure, match="it answers 401"):
            await another.send("a-2", body, time.time())
    assert taken == [data()]


def data() -> dict[str, object]:
    scene = Scene("sbc1", "sbc2")
    scene.drops("sbc1")
    scene.wait(60)
    return alert_data(scene.told[0])


def test_the_page_names_each_field_and_word() -> None:
    block = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert block
    shown = json.loads(block[1])
    made = data()
    assert list(shown) == list(made)
    assert isinstance(made["check"], dict)
    assert list(shown["check"]) == list(made["check"])
    assert all(f"`{word.value}`" in PAGE for words in (AlertKind, Phase) for word in words)
    assert all(f"`{name}`" in PAGE for name in made if name not in ("at", "trunk"))
