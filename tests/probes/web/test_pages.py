"""Pages over HTTP: who is let in, what forms may do, and what no page shows."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from probes.health.board import TrunkState
from probes.health.terms import Health
from probes.health.trunk import Route
from probes.health.trunk import Trunk as WatchedTrunk
from probes.report.svg import STYLE
from probes.service.config import FileTrunks
from probes.service.job import Busy, CallJob, CallRefused, DiscoveryJob, JobState, Limited
from probes.service.run import Service
from probes.store.store import Store
from probes.trunks.model import Credentials, Gateway, Number, Outbound, Secret, Trunk
from probes.web.app import make_app
from probes.web.pages.at_trunks import CHOICES, field_of
from probes.web.pages.form import TrunkForm
from probes.web.pages.render import POLICY, STATIC, _environment, render, static
from probes.web.pages.site import local_path
from probes.web.pages.view import View
from probes.web.sessions import COOKIE
from tests.probes.web.dashboard import ACME, NOW, Fake, alert, route_state

BASE = "http://127.0.0.1"
OWN = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
PATHS = ("/", "/trunks/new", "/discover", "/calls", "/alerts", "/keys")
TEMPLATES = sorted((Path(__file__).parents[3] / "probes" / "web" / "templates").glob("*.html"))


class Visitor:
    """Somebody's browser, without a script."""

    def __init__(self, fake: Fake, client: httpx.AsyncClient) -> None:
        self.fake, self.client = fake, client
        self.csrf = ""

    async def log_in(self, tenant: str = ACME, *, may_write: bool = True) -> "Visitor":
        made = await self.fake.keys.add(tenant, "test", may_write=may_write)
        answer = await self.client.post("/login", data={"key": made.text.reveal()}, headers=OWN)
        assert answer.status_code == 303
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', await self.page("/"))
        assert found is not None
        self.csrf = found[1]
        return self

    async def page(self, path: str, status: int = 200) -> str:
        answer = await self.client.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    async def send(self, path: str, **fields: Any) -> httpx.Response:  # noqa: ANN401
        return await self.client.post(path, data={"csrf": self.csrf, **fields}, headers=OWN)


@asynccontextmanager
async def visiting(folder: Path) -> AsyncIterator[Visitor]:
    with Store.open(folder / "service.db") as store:
        fake = Fake(store)
        app = make_app(cast(Service, fake))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
            yield Visitor(fake, client)


async def test_nobody_sees_a_page_without_a_key(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        for path in (*PATHS, "/trunks/x", "/calls/x", "/discoveries/x", "/calls/x.json"):
            answer = await visitor.client.get(path)
            assert answer.status_code == 303
            assert answer.headers["Location"].startswith("/login")
        assert (await visitor.client.post("/keys", data={"label": "x"}, headers=OWN)).status_code == 303


async def test_a_session_is_a_cookie_that_no_script_and_no_other_site_has(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        made = await visitor.fake.keys.add(ACME, "test")
        answer = await visitor.client.post("/login", data={"key": made.text.reveal(), "next": "/keys"}, headers=OWN)
        assert answer.headers["Location"] == "/keys"
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie
        assert made.text.reveal() not in cookie
        assert made.text.reveal() not in await visitor.page("/keys")
        await visitor.fake.keys.revoke(ACME, made.key.id, even_last=True)
        assert (await visitor.client.get("/keys")).status_code == 303
        visitor.fake.config = replace(visitor.fake.config, behind_proxy=True)
        made = await visitor.fake.keys.add(ACME, "test")
        answer = await visitor.client.post("/login", data={"key": made.text.reveal()}, headers=OWN)
        assert "Secure" in answer.headers["Set-Cookie"]


async def test_logging_out_ends_the_session_wherever_its_cookie_is(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        kept = visitor.client.cookies[COOKIE]
        assert (await visitor.send("/logout")).headers["Location"] == "/login"
        visitor.client.cookies.set(COOKIE, kept)
        assert (await visitor.client.get("/")).status_code == 303


async def test_a_form_of_another_site_does_nothing(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        trunk = await visitor.fake.add("Mine", [Health.HEALTHY])
        path, good = f"/trunks/{trunk.id}/delete", {"csrf": visitor.csrf}
        for headers in ({}, {"Origin": "http://evil.example"}, OWN | {"Sec-Fetch-Site": "cross-site"}):
            assert (await visitor.client.post(path, data=good, headers=headers)).status_code == 403
        for data in ({"x": ""}, {"csrf": ""}, {"csrf": "0" * 64}):
            assert (await visitor.client.post(path, data=data, headers=OWN)).status_code == 403
        assert (await visitor.client.post("/login", data={"key": "x"})).status_code == 403
        assert await visitor.fake.directory.trunk(ACME, trunk.id) == trunk
        assert (await visitor.client.post(path, data=good, headers={"Origin": BASE})).status_code == 303


async def test_who_only_reads_changes_nothing_and_is_offered_nothing(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        trunk = await visitor.fake.add("Mine", [Health.UNREACHABLE, Health.HEALTHY], active=1)
        await visitor.log_in(may_write=False)
        shown = await visitor.page(f"/trunks/{trunk.id}")
        assert "Delete" not in shown
        assert "Take this route" not in shown
        for path in (f"/trunks/{trunk.id}/delete", f"/trunks/{trunk.id}/switch", "/calls", "/keys", "/discover"):
            answer = await visitor.send(path, route="x", to="1", label="x", target="x", trunk=trunk.id)
            assert answer.status_code == 403
            assert "only reads" in answer.text


async def test_the_last_key_that_may_write_stays(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        await visitor.fake.keys.add(ACME, "reader", may_write=False)
        (own,) = [each for each in await visitor.fake.keys.known(ACME) if each.may_write]
        answer = await visitor.send(f"/keys/{own.id}/revoke")
        assert answer.status_code == 409
        assert "make another one first" in answer.text
        assert "this session" in await visitor.page("/keys")
        await visitor.fake.keys.add(ACME, "another")
        assert (await visitor.send(f"/keys/{own.id}/revoke")).headers["Location"] == "/login"


async def test_what_cannot_be_taken_back_is_asked_for_first(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        fake = visitor.fake
        trunk, other = await fake.add("carrier", [Health.HEALTHY]), await fake.add("other", [Health.HEALTHY])
        (number,) = await fake.directory.add_numbers(ACME, [Number(identity="2001", trunk_id=trunk.id)])
        assert isinstance(number, Number)
        place = f"/trunks/{trunk.id}/numbers/{number.id}/remove"
        assert f'href="{place}"' in await visitor.page(f"/trunks/{trunk.id}")
        shown = await visitor.page(place)
        assert "Remove the number 2001?" in shown
        assert "Keep it" in shown
        elsewhere = f"/trunks/{other.id}/numbers/{number.id}/remove"
        assert "There is nothing here" in await visitor.page(elsewhere, 404)
        assert (await visitor.send(elsewhere)).status_code == 404
        assert await fake.directory.numbers(ACME, trunk.id) == (number,)
        assert (await visitor.send(place)).status_code == 303
        assert await fake.directory.numbers(ACME) == ()
        key = (await fake.keys.add(ACME, "billing")).key
        assert f'href="/keys/{key.id}/revoke"' in await visitor.page("/keys")
        assert "logged out" not in await visitor.page(f"/keys/{key.id}/revoke")
        (own,) = [each for each in await fake.keys.known(ACME) if each.id != key.id]
        assert "you are logged out" in await visitor.page(f"/keys/{own.id}/revoke")
        assert (await visitor.send(f"/keys/{key.id}/revoke")).status_code == 303
        assert "There is nothing here" in await visitor.page(f"/keys/{key.id}/revoke", 404)


async def test_what_is_anothers_is_nowhere(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        fake = visitor.fake
        trunk = await fake.add("Secret Carrier", [Health.HEALTHY])
        (number,) = await fake.directory.add_numbers(ACME, [Number(identity="2001", trunk_id=trunk.id)])
        assert isinstance(number, Number)
        key = await fake.keys.add(ACME, "their key")
        fake.calls.known["tc_1"] = CallJob(
            "tc_1", ACME, "sip:x@y", JobState.COMPLETED, NOW, data={"status": "connected"}
        )
        fake.discoveries.known["disc_1"] = DiscoveryJob("disc_1", ACME, "sip:y", JobState.COMPLETED, NOW, data={})
        fake.watching.told = [alert(trunk.id, "down")]
        await visitor.log_in("others")
        for path in PATHS:
            assert "Secret Carrier" not in await visitor.page(path)
        places = (
            f"/trunks/{trunk.id}",
            f"/trunks/{trunk.id}/edit",
            "/calls/tc_1",
            "/calls/tc_1.json",
            "/discoveries/disc_1",
        )
        asked = (f"/trunks/{trunk.id}/numbers/{number.id}/remove", f"/keys/{key.key.id}/revoke")
        for path in (*places, *asked, f"/trunks/{trunk.id}/delete", "/trunks/none"):
            assert "There is nothing here" in await visitor.page(path, 404)
        for path in (f"/trunks/{trunk.id}/delete", f"/trunks/{trunk.id}/edit", f"/keys/{key.key.id}/revoke"):
            assert (await visitor.send(path, name="x", outbound="on")).status_code == 404
        assert (await visitor.send(f"/trunks/{trunk.id}/numbers/{number.id}/remove")).status_code == 404
        assert (await visitor.send("/calls", trunk=trunk.id, to="1")).status_code == 404
        assert fake.calls.asked == []


async def test_no_page_shows_a_secret(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        outbound = Outbound(credentials=Credentials("user", Secret("a password of theirs")))
        trunk = await visitor.fake.add("Mine", [Health.HEALTHY], outbound=outbound)
        for path in (*PATHS, f"/trunks/{trunk.id}", f"/trunks/{trunk.id}/edit"):
            assert "a password of theirs" not in await visitor.page(path)
        sent = {"name": "", "outbound": "on", "outbound_username": "user", "outbound_password": "a new one of theirs"}
        answer = await visitor.send(f"/trunks/{trunk.id}/edit", revision="1", **sent)
        assert answer.status_code == 422
        assert "a new one of theirs" not in answer.text


async def test_two_who_edit_do_not_undo_each_other(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        trunk = await visitor.fake.add("Mine", [Health.HEALTHY])
        sent = {"revision": "1", "outbound": "on", "gateway": "tls://sbc.example.com", "outbound_encryption": "allow"}
        sent |= {"authentication": "ip", "inbound_encryption": "allow"}
        assert (await visitor.send(f"/trunks/{trunk.id}/edit", name="First", **sent)).status_code == 303
        answer = await visitor.send(f"/trunks/{trunk.id}/edit", name="Second", **sent)
        assert answer.status_code == 422
        assert "somebody else has changed it since" in answer.text
        assert (await visitor.fake.directory.trunk(ACME, trunk.id)).name == "First"


async def test_what_the_directory_refuses_is_told_at_its_field(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        sent = {"name": "Mine", "inbound": "on", "allowed_addresses": "everywhere", "inbound_encryption": "allow"}
        answer = await visitor.send("/trunks/new", authentication="ip", outbound_encryption="allow", **sent)
        assert answer.status_code == 422
        assert 'href="#allowed_addresses"' in answer.text
        assert await visitor.fake.directory.trunks(ACME) == ()


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ({"gateway": ["", "ok.example.com", "127.0.0.999"]}, "gateway-2"),
        ({"gateway": ["ok.example.com"], "priority": ["-1"]}, "priority-0"),
        ({"inbound": "on", "authentication": "register"}, "inbound_username"),
        ({"inbound": "on", "authentication": "digest", "inbound_username": "us"}, "inbound_password"),
        ({"inbound": "on", "inbound_encryption": "much"}, "inbound_encryption"),
        ({"alerts": "on", "webhook": "ftp://example.com"}, "webhook"),
        ({"alerts": "on", "response_time_ms": "60001"}, "response_time_ms"),
    ],
)
async def test_an_error_of_a_trunk_stands_at_its_field(sent: dict[str, Any], name: str, tmp_path: Path) -> None:
    plain = {"name": "Mine", "outbound": "on", "authentication": "ip"}
    plain |= {f"{side}_encryption": "allow" for side in ("outbound", "inbound")}
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        answer = await visitor.send("/trunks/new", **(plain | sent))
        assert answer.status_code == 422
        assert re.findall(r'<li><a href="#([^"]+)">', answer.text) == [name]
        assert told_at(answer.text) == [name]


def told_at(page: str) -> list[str]:
    """The fields of a page at which something is wrong, by their ids."""
    fields = re.findall(r'<(?:input|select|textarea)[^>]* id="([^"]+)"[^>]* aria-invalid="true"[^>]*>', page)
    for name in fields:
        assert re.search(rf'id="{name}"[^>]* aria-describedby="(?:{name}-hint )?{name}-error"', page), name
        assert page.count(f'id="{name}-error"') == 1
    return fields


def test_every_field_of_a_trunk_has_a_place_for_its_error() -> None:
    names = {field_of(name, TrunkForm()) for name in ("outbound", "inbound.credentials.password", "outbound.codecs.0")}
    for name in TrunkForm.__dataclass_fields__:
        names.add({"gateways": "gateway-0"}.get(name, name.replace("has_", "")))
    form = replace(TrunkForm(), has_webhook=True)
    errors = {name: f"wrong: {name}" for name in sorted(names)} | {"": "all of it"}
    view = View("Edit", tenant=ACME, may_write=True)
    page = render("edit.html", view=view, every=0, id="t", revision=1, form=form, errors=errors, choices=CHOICES)
    for name in names:
        assert len(re.findall(f'id="{name}"', page)) == 1, name
        assert len(re.findall(f'id="{name}-error"', page)) == 1, name
        assert re.search(rf'id="{name}"[^>]* aria-describedby="(?:{name}-hint )?{name}-error"', page), name
    assert "<li>all of it</li>" in page


@pytest.mark.parametrize("field", ["", "to", "digits"])
async def test_an_error_of_a_call_stands_at_its_field(field: str, tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        trunk = await visitor.fake.add("Mine", [Health.HEALTHY])
        visitor.fake.calls.failure = CallRefused("this cannot be", field)
        answer = await visitor.send("/calls", trunk=trunk.id, to="bob", digits="1")
        assert answer.status_code == 422
        assert told_at(answer.text) == [field or "trunk"]
        assert re.findall(r'id="([^"]+)"[^>]* autofocus', answer.text) == [field or "trunk"]


async def test_too_many_calls_and_discoveries_are_told_in_plain_words(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        trunk = await visitor.fake.add("Mine", [Health.HEALTHY])
        visitor.fake.calls.failure = Limited("ten calls in a quarter of an hour are allowed", 90.0)
        answer = await visitor.send("/calls", trunk=trunk.id, to="1")
        assert answer.status_code == 429
        assert "Try again in 1 min 30 s" in answer.text
        visitor.fake.discoveries.failure = Busy("one is under way", "disc_7")
        answer = await visitor.send("/discover", target="sip.example.com")
        assert answer.headers["Location"] == "/discoveries/disc_7"
        answer = await visitor.send("/discover", target="not a host")
        assert answer.status_code == 422
        assert 'value="not a host"' in answer.text


async def test_numbers_of_which_one_is_wrong_come_back_as_they_were_typed(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        directory = visitor.fake.directory
        trunk = await visitor.fake.add("Mine", [Health.HEALTHY])
        await directory.add_numbers(ACME, [Number(identity="2003")])
        place = f"/trunks/{trunk.id}/numbers"
        typed = "2001\n+1, 2002; 2003 <b>"
        answer = await visitor.send(place, numbers=typed)
        assert answer.status_code == 422
        assert f">{typed.replace('<b>', '&lt;b&gt;')}</textarea>" in answer.text.replace("\r", "")
        told = re.findall(r"<li>([^<]*(?:\+1|2001|2002|2003)[^<]*)</li>", answer.text)
        assert [each.replace("&#39;", "'") for each in told] == [
            "'+1' has no country code that exists: write +15550100001 for example",
            "2003 is configured already",
        ]
        assert await directory.numbers(ACME, trunk.id) == ()
        assert (await visitor.send(place, numbers="2001\n2002, 2001")).status_code == 303
        assert {each.identity for each in await directory.numbers(ACME, trunk.id)} == {"2001", "2002"}
        assert (await visitor.client.get(place)).headers["Location"] == f"/trunks/{trunk.id}#numbers"


async def test_a_form_that_comes_twice_and_a_number_that_is_spelled_twice_are_no_fault(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        directory = visitor.fake.directory
        trunk, other = await visitor.fake.add("Mine", [Health.HEALTHY]), await visitor.fake.add("Other", [])
        place = f"/trunks/{trunk.id}/numbers"
        for typed in ("2001, +15550100001", "2001, +15550100001", "+1-555-010-0001 2002 +1-555-010-0002 +15550100002"):
            assert (await visitor.send(place, numbers=typed)).status_code == 303
        found = {each.identity for each in await directory.numbers(ACME, trunk.id)}
        assert found == {"2001", "2002", "+15550100001", "+15550100002"}
        answer = await visitor.send(f"/trunks/{other.id}/numbers", numbers="2001")
        assert "<li>2001 is configured already</li>" in answer.text


async def test_a_form_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        trunk = await visitor.fake.add("Mine", [Health.HEALTHY])
        content = f"csrf={visitor.csrf}&numbers=%FF"
        headers = OWN | {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await visitor.client.post(f"/trunks/{trunk.id}/numbers", content=content, headers=headers)
        assert answer.status_code == 400
        assert await visitor.fake.directory.numbers(ACME) == ()


async def test_numbers_that_are_none_or_too_many_are_told(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        trunk = await visitor.fake.add("Mine", [Health.HEALTHY])
        place = f"/trunks/{trunk.id}/numbers"
        assert "Give one number at least." in (await visitor.send(place, numbers=" , ;")).text
        many = " ".join(str(2001 + number) for number in range(1001))
        answer = await visitor.send(place, numbers=many)
        assert "These are 1001 numbers: add 1000 at once, at most." in answer.text
        assert f">{many}</textarea>" in answer.text
        wrong = await visitor.send(place, numbers=" ".join(f"+{number}" for number in range(25)))
        assert "<li>and 5 more</li>" in wrong.text
        for sign in ("2", "+2"):
            wrong = await visitor.send(place, numbers=sign + "0" * 5000)
            assert re.search(rf"<li>[+0-9]{{40}}…: a number of {5000 + len(sign)} characters: give 128", wrong.text)
        assert await visitor.fake.directory.numbers(ACME) == ()
        assert (await visitor.send("/trunks/none/numbers", numbers="2001")).status_code == 404


async def test_a_form_that_is_refused_keeps_what_was_typed(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        trunk = await visitor.fake.add("Mine", [Health.HEALTHY])
        visitor.fake.calls.failure = CallRefused("no such key to press", "digits")
        answer = await visitor.send("/calls", trunk=trunk.id, to="bob", caller="2<1", digits="9x")
        assert answer.status_code == 422
        for text in ('value="bob"', 'value="2&lt;1"', 'value="9x"', "no such key to press"):
            assert text in answer.text
        answer = await visitor.send("/discover", target="not a host", deep="on")
        assert re.search(r'name="deep"[^>]* checked', answer.text)
        answer = await visitor.send("/keys", label="x" * 101, reads_only="on")
        assert answer.status_code == 422
        assert f'value="{"x" * 101}"' in answer.text
        assert re.search(r'name="reads_only"[^>]* checked', answer.text)


async def test_the_reference_is_for_everybody_and_has_all_operations(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        shown = await visitor.page("/reference")
        assert "Log out" not in shown
        described = (await visitor.client.get("/api/v1/openapi.json")).json()["paths"]
        operations = [f"{method.upper()} {path}" for path, told in described.items() for method in told]
        assert len(operations) > 30
        assert [each for each in operations if f">{each}</th>" not in shown] == []
        assert f"{BASE}/api/v1/trunks" in shown
        await visitor.log_in()
        assert "Log out" in await visitor.page("/reference")
        assert 'href="/reference"' in await visitor.page("/keys")


async def test_a_route_is_taken_by_hand(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        trunk = await visitor.fake.add("Mine", [Health.HEALTHY, Health.HEALTHY])
        backup = "sip:sbc2.mine.example.com;transport=tls"
        assert f'value="{backup}"' in await visitor.page(f"/trunks/{trunk.id}")
        assert (await visitor.send(f"/trunks/{trunk.id}/switch", route=backup)).status_code == 303
        assert visitor.fake.watching.switched == [(trunk.id, backup)]


async def test_a_trunk_is_made_of_what_was_discovered(tmp_path: Path) -> None:
    way = {"uri": "sip:sip.example.com:5061;transport=tls", "by_dns": False}
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("sip:sip.example.com", {"recommendation": way}, "tls://sip.example.com:5061"),
        ("sip:sip.example.com", {"recommendation": way | {"by_dns": True}}, "sip.example.com"),
        ("sip:192.0.2.1:5070;transport=udp", {"recommendation": None}, "udp://192.0.2.1:5070"),
        ("sip:100@192.0.2.1", {"recommendation": None}, "192.0.2.1"),
    ]
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        for target, data, gateway in cases:
            job = DiscoveryJob("disc_1", ACME, target, JobState.COMPLETED, NOW, data=data)
            visitor.fake.discoveries.known["disc_1"] = job
            assert f'value="{gateway}"' in await visitor.page("/trunks/new?discovery=disc_1")


async def test_every_answer_has_the_policy_and_is_kept_by_nobody(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        for path in (*PATHS, "/login", "/trunks/none", "/nothing"):
            headers = (await visitor.client.get(path)).headers
            assert headers["Content-Security-Policy"] == POLICY
            assert headers["Cache-Control"] == "no-store"
        assert "unsafe" not in POLICY
        for name, kind in STATIC.items():
            answer = await visitor.client.get(f"/static/{name}")
            assert answer.headers["Content-Type"].startswith(kind)
            assert "immutable" in answer.headers["Cache-Control"]
        assert (await visitor.client.get("/static/../app.py")).status_code == 404


@pytest.mark.parametrize(
    "path", ["//evil.example", "/\\evil.example", "https://evil.example", "evil", "/a\nb", "\\/evil", "/a\\b", ""]
)
def test_nobody_is_led_away_by_the_login(path: str) -> None:
    assert local_path(path) == "/"
    assert local_path("/trunks/x?y=1") == "/trunks/x?y=1"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_neither_script_nor_style_in_it(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"<style|<script(?! src=)|\bstyle=|\son[a-z]+=|javascript:|\|\s*safe\b|autoescape", text)
    assert _environment().get_template(template.name) is not None


def test_what_is_loaded_is_from_here() -> None:
    for name in STATIC:
        if name != "icon.svg":
            assert not re.search(rb"https?://|@import|url\(|eval\(|innerHTML|document\.write", static(name)), name
    assert "<" not in STYLE  # so that the hash is of all that stands between its tags
    assert "&" not in STYLE


async def test_a_call_is_downloaded_with_its_name(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        data = {"status": "failed", "target": "sip:x@example.com", "timeline": []}
        visitor.fake.calls.known["tc_1"] = CallJob("tc_1", ACME, "x", JobState.COMPLETED, NOW, data=data)
        for kind in ("json", "svg", "mmd", "pcapng"):
            answer = await visitor.client.get(f"/calls/tc_1.{kind}")
            assert answer.headers["Content-Disposition"] == f'attachment; filename="tc_1.{kind}"'
            assert answer.content
        await visitor.page("/calls/tc_1.exe", 404)
        assert "failed" in await visitor.page("/calls/tc_1")


async def test_a_trunk_that_only_comes_in_is_shown(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        made = await visitor.fake.directory.add_trunk(ACME, Trunk(name="Empty", outbound=Outbound()))
        assert "No gateway is configured" in await visitor.page(f"/trunks/{made.id}")
        assert "not watched" in await visitor.page("/")


async def test_a_mistake_of_this_program_is_told_in_plain_words(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()

        def fail(tenant: str) -> tuple[()]:
            raise ZeroDivisionError("a secret")

        visitor.fake.watching.watched = fail  # type: ignore[method-assign]
        shown = await visitor.page("/", 500)
        assert "Something went wrong here" in shown
        assert "a secret" not in shown
        assert "Traceback" not in shown


async def test_what_was_just_deleted_is_gone_although_it_is_watched_for_a_moment(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        trunk = await visitor.fake.add("Mine", [Health.HEALTHY])
        await visitor.send(f"/trunks/{trunk.id}/delete")
        assert trunk.id in visitor.fake.watching.known
        assert "Nothing is watched yet" in await visitor.page("/")
        await visitor.page(f"/trunks/{trunk.id}", 404)


async def test_numbers_and_trunks_of_the_file_that_are_watched_are_shown_and_not_changed(tmp_path: Path) -> None:
    async with visiting(tmp_path) as visitor:
        await visitor.log_in()
        fake = visitor.fake
        gateway = Gateway.parse("tls://sbc1.example.com")
        told = await fake.directory.add_numbers(ACME, [Number(identity="2001", outbound=Outbound((gateway,)))])
        assert isinstance(told[0], Number)
        route = Route(str(gateway), gateway.destination())
        fake.config = replace(fake.config, file=FileTrunks(ACME, (WatchedTrunk("of the file", (route,)),)))
        for name in (told[0].id, "of the file"):
            state = route_state(name, str(gateway), Health.HEALTHY)
            fake.watching.known[name] = TrunkState(name, str(gateway), (state,))
        shown = await visitor.page("/")
        assert ">2001</a>" in shown
        assert ">of the file</a>" in shown
        for name in (told[0].id, "of%20the%20file"):
            page = await visitor.page(f"/trunks/{name}")
            assert "configured elsewhere" in page
            assert "Delete" not in page
            for typed in ("", "2002"):
                assert (await visitor.send(f"/trunks/{name}/numbers", numbers=typed)).status_code == 404
