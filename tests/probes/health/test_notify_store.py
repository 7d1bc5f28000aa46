"""Alerts from a file that outlives a restart, to an HTTP server on loopback that fails at first."""

from pathlib import Path

import pytest
import trio

from probes.health.alerts import WebhookChannel
from probes.health.notify import JOURNAL, Notifier
from probes.health.sending import NotifyConfig
from tests.probes.health.happenings import Scene
from tests.probes.health.http_servers import serving, status


async def test_alerts_go_from_a_store_to_a_server(tmp_path: Path, nursery: trio.Nursery) -> None:
    scene = Scene("sbc1")
    scene.drops("sbc1")
    scene.wait(60)
    (alert,) = scene.told
    store = pytest.importorskip("probes.store.store")

    async def lead_here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    with serving(status(500), status(204)) as receiver:
        ops = WebhookChannel("ops", f"http://hooks.example.com:{receiver.port}/", "hush", allow_private=True)
        config = NotifyConfig(first_wait=0.05, give_up=1e12)
        with store.Store.open(tmp_path / "watch.db") as kept:
            notifier = Notifier([ops], kept, None, config, resolve=lead_here)
            notifier.send(alert)
            await kept.flush()
        with store.Store.open(tmp_path / "watch.db") as kept:
            notifier = Notifier([ops], kept, None, config, resolve=lead_here)
            assert [found.text for found in notifier.open_alerts] == [alert.text]
            nursery.start_soon(notifier.run)
            with trio.fail_after(10):
                await notifier.drained()
            await kept.flush()
            assert [delivery.channel for delivery in kept.unsent()] == [JOURNAL]
    assert [got.headers["webhook-id"] for got in receiver.received] == [alert.id, alert.id]
    nursery.cancel_scope.cancel()
