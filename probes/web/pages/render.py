"""Pages out of templates: every text in them is escaped, and made safe as in reports (`probes.report.html.shown`).

What the viewer's browser may load or run is `POLICY`: the style sheets and the one script of this package, and nothing
that stands in the page itself but the style of ladders, by its hash.
"""

import base64
import hashlib
from datetime import UTC
from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from probes.product import PRODUCT
from probes.report.html import SYMBOLS, plural, shown, style_sheet
from probes.report.svg import STYLE
from probes.report.times import moment, span
from probes.report.units import timestamp
from probes.web.pages.tones import tone_of_alert

_LADDER = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        f"style-src 'self' 'sha256-{_LADDER}'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Content Security Policy Level 3."""
STATIC = {"app.css": "text/css", "report.css": "text/css", "app.js": "text/javascript", "icon.svg": "image/svg+xml"}
"""What pages load, with its media type."""


def render(template: str, **values: object) -> str:
    """A page by one of the templates."""
    return _environment().get_template(template).render(**values)


def static(name: str) -> bytes:
    """One of `STATIC`. Reports have their style from where their own pages have it."""
    if name == "report.css":
        return style_sheet().encode()
    return (files("probes.web") / "static" / name).read_bytes()


def when(at: float | None) -> Markup:
    """A time in seconds since 1970: in UTC as text, which the script shows in the viewer's zone; a dash for none."""
    if at is None:
        return Markup("–")
    told = timestamp(at)
    return Markup('<time datetime="{}">{}</time>').format(told, f"{moment(at, UTC):%Y-%m-%d %H:%M:%S} UTC")


def sentence(text: str) -> str:
    """A message as it stands by itself; nothing for nothing."""
    if not text:
        return ""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?', '!')) else '.'}"


def exact(text: object) -> Markup:
    """A text as it is, escaped and nothing else: what stands in a field that somebody edits and sends back."""
    return Markup(escape(text))  # noqa: S704  # it is escaped here


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {
        "plural": plural,
        "product": PRODUCT,
        "span": span,
        "symbols": SYMBOLS,
        "tone_of_alert": tone_of_alert,
        "when": when,
        "version": _version(),
    }
    environment.filters["exact"] = exact
    return environment


def _version() -> str:
    """Of the static files: it is a part of their addresses, so that browsers may keep them for long."""
    return hashlib.sha256(b"".join(static(name) for name in STATIC)).hexdigest()[:12]


def _source(name: str) -> str:
    return (files("probes.web") / "templates" / name).read_text("utf-8")
