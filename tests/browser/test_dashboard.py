"""What a person does with the pages, in a real browser: from an empty service to a trunk that is watched and called."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from playwright.sync_api import Page, expect

from probes.responder.personas import Persona
from probes.responder.run import open_responder
from probes.trunks.model import Gateway, Outbound, Trunk
from probes.web.pages import at_trunks
from sipcore.resolve.target import SocketAddress, Transport
from tests.browser.browsing import ACME, NARROW, PATIENCE, WIDE, browse, browser, running

HOSTILE = "<script>alert('banner')</script><b>x</b>"
_LOCAL = SocketAddress("127.0.0.1", 0)


@asynccontextmanager
async def answering(banner: str = "test peer") -> AsyncIterator[str]:
    """A SIP endpoint; its address, as somebody types it."""
    async with open_responder(Persona(server=banner), [(Transport.UDP, _LOCAL)]) as responder:
        yield f"udp://{responder.address(Transport.UDP)}"


async def test_from_an_empty_service_to_a_trunk_that_is_called(tmp_path: Path, chromium: str) -> None:
    def look(page: Page) -> None:
        expect(page.get_by_role("heading", name="Nothing is watched yet")).to_be_visible()
        page.get_by_label("SIP address").fill(target)
        page.get_by_role("button", name="Discover").click()  # leads to the form, since an address alone starts nothing
        page.get_by_role("button", name="Discover").click()
        expect(page.get_by_role("heading", name="What was tried")).to_be_visible(timeout=PATIENCE)
        page.get_by_role("link", name="Make a trunk of this").click()
        page.get_by_label("Name", exact=True).fill("Office")
        page.get_by_role("button", name="Add the trunk").click()
        expect(page.locator("#how .badge")).to_have_text("✓ healthy", timeout=PATIENCE)  # without being loaded again
        page.get_by_label("Number or user to call").fill("echo")
        page.get_by_role("button", name="Test call now").click()
        expect(page.locator("[data-state=running] svg.ladder .label").first).to_be_visible()  # while it goes on
        expect(page.get_by_role("link", name="pcapng")).to_be_visible(timeout=PATIENCE)
        expect(page.locator(".verdict .lead")).to_contain_text("connected")
        expect(page.locator("svg.ladder")).to_contain_text("INVITE")
        with page.expect_download() as download:
            page.get_by_role("link", name="JSON").click()
        assert json.loads(Path(download.value.path()).read_text())["status"] == "connected"
        for kind, begin in (("pcapng", b"\n\r\r\n"), ("SVG", b"<svg"), ("Mermaid", b"sequenceDiagram")):
            with page.expect_download() as download:
                page.get_by_role("link", name=kind, exact=True).click()
            assert Path(download.value.path()).read_bytes().startswith(begin)
        page.get_by_role("link", name="Trunks").first.click()
        expect(page.get_by_role("link", name="Office")).to_be_visible()

    async with running(tmp_path) as (_, base, key), answering() as target:
        await browse(chromium, base, key, look)


async def test_what_a_peer_says_is_text(tmp_path: Path, chromium: str) -> None:
    def look(page: Page) -> None:
        page.goto("/discover")
        page.get_by_label("SIP address").fill(target)
        page.get_by_role("main").get_by_role("button", name="Discover").click()
        expect(page.get_by_role("heading", name="What was tried")).to_be_visible(timeout=PATIENCE)
        expect(page.get_by_role("main")).to_contain_text(HOSTILE)
        assert page.locator("main script, main b:text-is('x')").count() == 0
        page.goto("/discover")
        assert page.locator("main script, main b:text-is('x')").count() == 0

    async with running(tmp_path) as (_, base, key), answering(HOSTILE) as target:
        await browse(chromium, base, key, look)


async def test_what_an_owner_writes_is_text(tmp_path: Path, chromium: str) -> None:
    name = "\"><img src=x onerror=alert(1)>' {{ 7*7 }}"

    def look(page: Page) -> None:
        expect(page.get_by_role("link", name=name)).to_be_visible()
        page.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name=name)).to_be_visible()
        page.get_by_role("link", name="Edit").click()
        expect(page.get_by_label("Name", exact=True)).to_have_value(name)
        page.goto("/calls")
        assert page.locator("img").count() == 0

    async with running(tmp_path) as (service, base, key):
        gateway = Gateway.parse("tcp://127.0.0.1:9")
        await service.directory.add_trunk(ACME, Trunk(name=name, description=name, outbound=Outbound((gateway,))))
        await browse(chromium, base, key, look)


async def test_pages_live_on_over_a_restart_of_the_service(
    tmp_path: Path, chromium: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_trunks, "EVERY", 1.0)  # what a page waits for grows with it while nobody answers
    stop, again, done = trio.Event(), trio.Event(), trio.Event()

    def look(page: Page) -> None:
        expect(page.get_by_role("link", name="First")).to_be_visible()
        trio.from_thread.run_sync(stop.set)
        expect(page.get_by_text("Not connected.")).to_be_visible(timeout=2 * PATIENCE)
        trio.from_thread.run_sync(again.set)
        expect(page.get_by_role("link", name="Second")).to_be_visible(timeout=2 * PATIENCE)
        expect(page.get_by_text("Not connected.")).to_be_hidden()
        trio.from_thread.run_sync(done.set)

    async with trio.open_nursery() as nursery:
        async with running(tmp_path) as (service, base, key):
            await service.directory.add_trunk(ACME, Trunk(name="First", outbound=Outbound()))
            refused = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "503")

            async def browsing() -> None:
                await browse(chromium, base, key, look, may_fail=refused)

            nursery.start_soon(browsing)
            await stop.wait()
        await again.wait()
        async with running(tmp_path, int(base.rpartition(":")[2])) as (service, _, _):
            await service.directory.add_trunk(ACME, Trunk(name="Second", outbound=Outbound()))
            await done.wait()


async def test_everything_but_liveness_works_without_a_script(tmp_path: Path, chromium: str) -> None:
    def look(page: Page) -> None:
        page.get_by_role("link", name="Add a trunk by hand").click()
        page.get_by_label("Name", exact=True).fill("Office")
        page.get_by_label("Gateway 1", exact=True).fill("tcp://127.0.0.1:9")
        page.get_by_role("button", name="Add a gateway").click()
        page.get_by_label("Gateway 2", exact=True).fill("a host that is none")
        page.get_by_role("button", name="Add the trunk").click()
        expect(page.get_by_role("alert")).to_contain_text("Not saved: 1 field to change")
        expect(page.get_by_label("Gateway 2", exact=True)).to_have_attribute("aria-invalid", "true")
        page.get_by_role("button", name="Remove gateway 2").click()
        page.get_by_label("Username").first.fill("acme")
        page.get_by_label("Password").first.fill("s3cret-s3cret-s3cret")
        page.get_by_role("button", name="Add the trunk").click()
        expect(page.get_by_role("status")).to_contain_text("The trunk is there")
        assert "s3cret" not in page.content()
        assert re.search(r"made [0-9-]{10} [0-9:]{8} UTC", page.get_by_role("main").inner_text())
        page.get_by_label("Numbers to add").fill("2001, +1")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("'+1' has no country code that exists")
        expect(page.get_by_label("Numbers to add")).to_be_focused()
        expect(page.get_by_label("Numbers to add")).to_have_value("2001, +1")
        expect(page.get_by_text("None belongs to this trunk yet")).to_be_visible()
        page.get_by_label("Numbers to add").fill("2001")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_role("status")).to_contain_text("The numbers are there")
        page.get_by_role("link", name="Remove 2001").click()
        page.get_by_role("button", name="Remove it").click()
        page.get_by_role("link", name="Edit").click()
        page.get_by_label("Description").fill("changed")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_contain_text("Saved")
        page.goto("/?q=nothing+like+it")
        expect(page.get_by_text("No trunk is like that.")).to_be_visible()
        page.goto("/?q=office")
        page.get_by_role("link", name="Office").click()
        page.get_by_role("link", name="Delete").click()
        page.get_by_role("button", name="Delete it").click()
        expect(page.get_by_role("heading", name="Nothing is watched yet")).to_be_visible()
        page.get_by_role("link", name="API keys").click()
        page.get_by_label("What it is for").fill("billing")
        page.get_by_role("button", name="Make a key").click()
        made = page.locator("#made").inner_text()
        page.get_by_role("link", name="API keys").click()
        assert made not in page.content()
        page.get_by_role("link", name="Revoke billing").click()
        page.get_by_role("button", name="Revoke it").click()
        expect(page.get_by_role("status")).to_contain_text("holds no longer")
        page.get_by_role("button", name="Log out").click()
        page.goto("/keys")
        expect(page.get_by_label("API key")).to_be_visible()

    async with running(tmp_path) as (_, base, key):
        expected = ("422", "Unprocessable")  # what the browser says of a form that is shown again
        await browse(chromium, base, key, look, script=False, may_fail=expected)


async def test_a_job_is_followed_by_hand_without_a_script(tmp_path: Path, chromium: str) -> None:
    def look(page: Page) -> None:
        page.goto("/discover")
        page.get_by_label("SIP address").focus()
        page.keyboard.type(target)
        page.keyboard.press("Enter")
        again = page.get_by_role("link", name="Load it again")
        heading = page.get_by_role("heading", name="What was tried")
        expect(again.or_(heading)).to_be_visible()
        while again.is_visible():
            page.wait_for_timeout(200)
            again.click()
            expect(again.or_(heading)).to_be_visible()
        expect(heading).to_be_visible()

    async with running(tmp_path) as (_, base, key), answering() as target:
        await browse(chromium, base, key, look, script=False)


async def test_pages_fit_a_narrow_screen_and_name_their_fields(tmp_path: Path, chromium: str) -> None:
    def look(page: Page) -> None:
        for path in (
            "/",
            trunk,
            f"{trunk}/edit",
            f"{trunk}/delete",
            "/discover",
            "/calls",
            "/alerts",
            "/keys",
            "/reference",
        ):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0], path
            assert page.locator("h1").count() == 1, path
            assert page.evaluate(UNNAMED) == [], path
        page.goto("/")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.get_by_role("searchbox").fill("nothing like it")  # which hides as somebody types
        expect(page.get_by_role("link", name="Long")).to_be_hidden()
        page.get_by_role("searchbox").fill("long")
        expect(page.get_by_role("link", name="Long")).to_be_visible()

    async with running(tmp_path) as (service, base, key):
        gateway = Gateway.parse("tls://a-very-long-name-of-a-gateway.in-a-very-long-domain.example.invalid:15061")
        made = await service.directory.add_trunk(ACME, Trunk(name="Long " + "n" * 80, outbound=Outbound((gateway,))))
        trunk = f"/trunks/{made.id}"
        for scheme in ("light", "dark"):
            await browse(chromium, base, key, look, size=NARROW, scheme=scheme)


async def test_who_errs_is_led_to_the_field_by_keyboard(tmp_path: Path, chromium: str) -> None:
    def look(page: Page) -> None:
        page.goto("/trunks/new")
        page.get_by_label("Name", exact=True).fill("Mine")
        page.get_by_label("Gateway 1", exact=True).fill("sbc.example.com:x")
        page.get_by_label("Calls go out over this trunk").press("Space")
        page.get_by_role("button", name="Add the trunk").click()
        expect(page.get_by_role("alert")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        outbound = page.get_by_label("Calls go out over this trunk")
        expect(outbound).to_be_focused()
        expect(outbound).to_have_accessible_description(re.compile("choose one at least"))
        outbound.press("Space")
        page.get_by_role("button", name="Add the trunk").click()
        expect(page.get_by_role("alert")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Gateway 1", exact=True)).to_be_focused()
        expect(page.get_by_label("Gateway 1", exact=True)).to_have_accessible_description(
            re.compile("sbc.example.com:x")
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")

        page.goto("/calls")
        page.get_by_label("Number or user to call").fill("bob")
        page.get_by_label("Digits").fill("9x")
        page.get_by_role("button", name="Call", exact=True).click()
        expect(page.get_by_label("Digits")).to_be_focused()
        expect(page.get_by_label("Digits")).to_have_accessible_description(re.compile("digits are up to 64"))
        expect(page.get_by_label("Number or user to call")).to_have_value("bob")
        assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")

    async with running(tmp_path) as (service, base, key):
        gateway = Gateway.parse("udp://127.0.0.1:9")
        await service.directory.add_trunk(ACME, Trunk(name="Way", outbound=Outbound((gateway,))))
        for size in (WIDE, NARROW):
            await browse(chromium, base, key, look, size=size, may_fail=("422",))


UNNAMED = """[...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a")]
    .filter((one) => !(one.labels?.length || one.textContent.trim() || one.getAttribute("aria-label")))
    .map((one) => one.outerHTML)"""
"""Fields, buttons and links that have no name."""


async def test_a_wrong_key_is_told_and_a_wrong_address_is_a_page(tmp_path: Path, chromium: str) -> None:
    def look() -> None:
        with browser(chromium, base, may_fail=("401", "404")) as page:
            page.goto("/keys")
            page.get_by_label("API key").fill("spk_of-nobody")
            page.get_by_role("button", name="Log in").click()
            expect(page.get_by_text("This is no key that holds")).to_be_visible()
            page.get_by_label("API key").fill(key)
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url("**/keys")  # where somebody wanted to go
            for path in ("/trunks/none", "/calls/none", "/nothing/at/all"):
                page.goto(path)
                expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()

    async with running(tmp_path) as (_, base, key):
        await trio.to_thread.run_sync(look)
