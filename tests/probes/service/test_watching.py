"""What is watched, whom it is told to, and how that follows the directory and the file."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from probes.health.alerts import Alert, AlertKind, AppriseChannel, Channel, Phase, Severity, WebhookChannel
from probes.health.file import read_watch
from probes.health.trunk import Rules
from probes.reach import ReachPolicy
from probes.service.config import FileTrunks, Means, Receiver
from probes.service.run import Service
from probes.store import alerts as stored_alerts
from probes.store.alerts import MAX_ALERTS
from probes.trunks.model import AlertTerms, Failover, Gateway, Number, Outbound, Trunk
from tests.probes.service.opened import service_in

SECONDS = 10.0
BEGUN = time.time() // 1 - 3600.0
GATEWAY = Gateway("127.0.0.1", 9)


def named(service: Service, tenant: str) -> list[tuple[str, str]]:
    return [(each.name, each.title) for each in service.watching.watched(tenant)]


async def until(service: Service, tenant: str, expected: list[tuple[str, str]]) -> None:
    with trio.fail_after(SECONDS):
        while named(service, tenant) != expected:  # noqa: ASYNC110
            await trio.sleep(0.02)


def channels(service: Service) -> dict[str, Channel]:
    return {each.name: each for each in service.watching._channels()}


async def test_it_follows_the_directory(tmp_path: Path) -> None:
    outbound = Outbound((GATEWAY,))
    async with service_in(tmp_path) as service:
        directory = service.directory
        trunk = await directory.add_trunk("acme", Trunk(name="carrier", outbound=outbound))
        await directory.add_trunk("acme", Trunk(name="without a gateway"))
        await until(service, "acme", [(trunk.id, "carrier")])
        found = await directory.add_numbers(
            "acme",
            [Number(identity="2001", trunk_id=trunk.id), Number(identity="2002", outbound=outbound)],
        )
        bound, own = (each for each in found if isinstance(each, Number))
        await until(service, "acme", [(trunk.id, "carrier"), (own.id, "2002")])
        assert service.health_of("acme", bound) == service.health_of("acme", trunk.id) is not None
        assert service.health_of("acme", own) is not service.health_of("acme", trunk) is not None
        assert service.health_of("globex", trunk) is None
        assert service.health("globex") == ()
        await directory.change_trunk("acme", trunk.id, lambda now: replace(now, name="other"))
        await until(service, "acme", [(trunk.id, "other"), (own.id, "2002")])
        await directory.remove_trunk("acme", trunk.id)
        await until(service, "acme", [(own.id, "2002")])
    async with service_in(tmp_path) as service:
        assert named(service, "acme") == [(own.id, "2002")]


async def test_how_it_is_watched_is_the_operators_and_the_trunks(tmp_path: Path) -> None:
    rules = Rules(interval=30, retry=5, refusals=(480,))
    async with service_in(tmp_path, rules=rules) as service:
        failing = Outbound((GATEWAY,), failover=Failover(is_enabled=True, fails_back=False))
        trunk = await service.directory.add_trunk("acme", Trunk(name="t", outbound=failing))
        await until(service, "acme", [(trunk.id, "t")])
        (watched,) = service.watching.watched("acme")
        assert watched.rules == replace(rules, refusals=(480, 403), fails_back=False)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # which Apprise loads
async def test_alerts_go_to_whom_the_trunk_and_the_operator_name(tmp_path: Path) -> None:
    mail = AppriseChannel("acme email", "json://127.0.0.1:9/")
    receivers = (
        Receiver("acme", Means.EMAIL, mail),
        Receiver("globex", Means.EMAIL, replace(mail, name="globex email")),
    )
    terms = AlertTerms(True, unreachable_minutes=5.0, email=True, webhook="https://alerts.example.com/x")
    async with service_in(tmp_path, receivers=receivers) as service:
        told = Trunk(name="told", outbound=Outbound((GATEWAY,), alerts=terms))
        silent = Trunk(name="silent", outbound=Outbound((GATEWAY,), alerts=replace(terms, is_enabled=False)))
        first = await service.directory.add_trunk("acme", told)
        second = await service.directory.add_trunk("acme", silent)
        await until(service, "acme", [(first.id, "told"), (second.id, "silent")])
        found = channels(service)
        assert found["acme email"].trunks == (first.id,)
        assert found["globex email"].trunks == ()
        webhook = found[f"{first.id} webhook"]
        assert isinstance(webhook, WebhookChannel)
        assert (webhook.trunks, webhook.url) == ((first.id,), terms.webhook)
        assert f"{second.id} webhook" not in found
        assert service.watching._rules()[first.id].unreachable_minutes == 5.0


async def test_trunks_of_a_file_are_one_tenants_and_stay(tmp_path: Path) -> None:
    text = '[[trunk]]\nname = "pbx"\ntarget = "127.0.0.1:9"\n[[alert]]\nname = "all"\nwebhook = "http://127.0.0.1:9/"'
    plan = read_watch(text, "trunks.toml", lambda *_: "", lambda _: b"")
    file = FileTrunks("operations", plan.trunks, plan.alerts, plan.channels)
    async with service_in(tmp_path, file=file, reach=ReachPolicy.of(["127.0.0.0/8"])) as service:
        assert [name for name, _ in named(service, "operations")] == ["pbx"]
        trunk = await service.directory.add_trunk("operations", Trunk(name="t", outbound=Outbound((GATEWAY,))))
        await until(service, "operations", [("pbx", ""), (trunk.id, "t")])
        assert channels(service)["all"].trunks == ("pbx",)
        assert service.health("acme") == ()
        assert await service.directory.trunks("acme") == ()


def told(trunk: str, number: int) -> Alert:
    text = f"alert {number}"
    about = (trunk, "", AlertKind.ALL_DOWN, Phase.BEGUN, Severity.CRITICAL)
    return Alert(f"id {number}", f"incident {number}", BEGUN + number, BEGUN, None, *about, text, ("a line",))


async def test_alerts_outlive_a_restart_so_many_of_each_tenant(tmp_path: Path) -> None:
    async with service_in(tmp_path) as service:
        trunks = {
            tenant: (await service.directory.add_trunk(tenant, Trunk(name="t", outbound=Outbound((GATEWAY,))))).id
            for tenant in ("acme", "globex")
        }
        for tenant, trunk in trunks.items():
            await until(service, tenant, [(trunk, "t")])
        for number in range(MAX_ALERTS + 5):
            service.watching._tell_alert(told(trunks["acme"], number))
        service.watching._tell_alert(told(trunks["globex"], 7))
    async with service_in(tmp_path) as service:
        found = service.watching.alerts("acme")
        assert found == tuple(told(trunks["acme"], number) for number in reversed(range(5, MAX_ALERTS + 5)))
        assert service.watching.alerts("globex") == (told(trunks["globex"], 7),)
        assert len(service.store.look(stored_alerts.every)) == MAX_ALERTS + 1
