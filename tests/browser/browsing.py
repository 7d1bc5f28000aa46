"""A browser at the pages of a service that runs in the test, which lets nothing pass that pages must not do."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trio
from playwright.sync_api import Page, Request, sync_playwright

from probes.reach import ReachPolicy
from probes.service.config import ServiceConfig
from probes.service.run import Service
from probes.web.run import open_server
from sipcore.resolve.target import SocketAddress

ACME = "acme"
WIDE, NARROW = (1280, 900), (375, 720)
PATIENCE = 20_000
"""Milliseconds for what takes a moment."""


@asynccontextmanager
async def running(folder: Path, port: int = 0) -> AsyncIterator[tuple[Service, str, str]]:
    """A service with an address and a key for its pages, that may reach this host alone."""
    reach = ReachPolicy.of(allow=["127.0.0.0/8"])
    config = ServiceConfig(folder / "service.db", bind=SocketAddress("127.0.0.1", port), reach=reach)
    async with open_server(config) as (service, listening):
        key = await service.keys.add(ACME, "operations")
        yield service, listening.url, key.text.reveal()


async def browse(chromium: str, base: str, key: str, look: Callable[[Page], None], **wishes: Any) -> None:  # noqa: ANN401
    """Have somebody who is logged in look at pages, in a thread."""

    def visit() -> None:
        with browser(chromium, base, **wishes) as page:
            log_in(page, key)
            look(page)

    await trio.to_thread.run_sync(visit)


def log_in(page: Page, key: str) -> None:
    page.goto("/login")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/")


@contextmanager
def browser(
    chromium: str,
    base: str,
    size: tuple[int, int] = WIDE,
    scheme: str = "light",
    *,
    script: bool = True,
    may_fail: tuple[str, ...] = (),
) -> Iterator[Page]:
    """A page of a browser. What fails the test: an error on its console, as each breach of the policy is, a mistake of
    a script, an answer of 500, a request to another host. `may_fail` are parts of errors that are expected.
    """
    wrong: list[str] = []

    def look_at(request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(base).netloc and not request.url.startswith(("data:", "about:")):
            wrong.append(f"asked another host: {request.url}")

    with sync_playwright() as tool:
        running = tool.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        width, height = size
        wishes: Any = {"color_scheme": scheme, "viewport": {"width": width, "height": height}}
        context = running.new_context(base_url=base, java_script_enabled=script, **wishes)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("console", lambda each: wrong.append(f"console: {each.text}") if each.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        page.on("dialog", lambda each: wrong.append(f"dialog: {each.message}"))
        page.on("request", look_at)
        page.on("response", lambda each: wrong.append(f"{each.status} {each.url}") if each.status >= 500 else None)
        try:
            yield page
        finally:
            context.close()
            running.close()
    unexpected = [each for each in wrong if not any(part in each for part in may_fail)]
    assert not unexpected, unexpected
