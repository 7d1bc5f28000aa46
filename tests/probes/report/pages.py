"""An HTML page taken apart, and held to what every page of ours promises."""

import re
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "br", "hr", "img", "input", "link", "base"}
"""Elements without an end tag."""
ACTIVE = {
    "script",
    "iframe",
    "object",
    "embed",
    "form",
    "link",
    "base",
    "img",
    "image",
    "audio",
    "video",
    "use",
    "foreignobject",
}
"""Elements that run, send or load something."""


class Page(HTMLParser):
    """A page: its elements in order, and its text. Raises AssertionError where it is not well-formed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = text
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.styles = ""
        self.headings: list[tuple[int, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"{tag} has an attribute twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"{tag} is closed, and was not opened"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            self.styles += data
            return
        self.text += data
        if self._open and re.fullmatch(r"h[1-6]", self._open[-1]):
            level, told = self.headings[-1]
            self.headings[-1] = level, told + data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of one name."""
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(text: str) -> Page:
    """The page, once it has been held to its promises."""
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>")
    assert all(character.isprintable() or character == "\n" for character in text)
    _stands_by_itself(page)
    _is_accessible(page)
    return page


def _stands_by_itself(page: Page) -> None:
    (policy,) = [meta["content"] for meta in page.named("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")
    assert not ACTIVE & {tag for tag, _ in page.elements}
    assert "@import" not in page.styles
    assert "url(" not in page.styles
    for tag, attributes in page.elements:
        for name, content in attributes.items():
            assert not name.startswith("on"), f"{tag} {name}"
            assert name not in ("src", "srcset", "background", "action", "formaction", "data", "ping"), f"{tag} {name}"
            assert not name.endswith("href") or (content or "").startswith("#"), f"{tag} {name}={content}"
            assert "url(" not in (content or "") or re.fullmatch(r"url\(#[\w-]+\)", content or ""), f"{tag} {name}"


def _is_accessible(page: Page) -> None:
    assert page.named("html") == [{"lang": "en"}]
    assert [level for level, _ in page.headings].count(1) == 1
    levels = [level for level, _ in page.headings]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(told.strip() for _, told in page.headings)
    assert all("scope" in cell for cell in page.named("th"))
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(names)) == len(names)
    for _, attributes in page.elements:
        assert attributes.get("aria-labelledby", next(iter(names), None)) in names
    assert all(picture.get("role") == "img" for picture in page.named("svg"))
