"""Lists in docs/products.md what the fingerprint knows. Run it as `python docs/list_products.py`.

A test compares the file with what this makes, so the two cannot drift apart.
"""

from collections.abc import Iterator
from pathlib import Path

from probes.fingerprint.signatures import Support, support

PAGE = Path(__file__).with_name("products.md")
INTRODUCTION = """\
# Products that discovery tells

Listed by `docs/list_products.py` out of `probes/fingerprint/signatures.toml`, which has the source of each. *Banner*:
by its Server or User-Agent. *Shape*: by how its messages look, with the banner hidden; where another product's name
stands there, it has that one's SIP stack, and is told as it. *Deep*: by its answers to the odd requests of `--deep` as
well.

| product | vendor | banner | shape | deep |
| --- | --- | --- | --- | --- |
"""
UNSUPPORTED = """
## Not told

No source that can be had shows the banner of these, or how their messages look:"""


def page() -> str:
    """The whole page."""
    known = support()
    missing = ", ".join(sorted(one.product for one in known if not one.banner and not one.hidden))
    return INTRODUCTION + "\n".join(rows(known)) + f"\n{UNSUPPORTED} {missing}.\n"


def rows(known: tuple[Support, ...]) -> Iterator[str]:
    """One for each product that is told in some way."""
    for one in sorted(known, key=lambda one: (one.vendor.lower(), one.product.lower())):
        if one.banner or one.hidden:
            shape = "yes" if one.shape else f"as {one.stack}" if one.stack else "no"
            yield f"| {one.product} | {one.vendor} | {_word(one.banner)} | {shape} | {_word(one.reactions)} |"


def _word(is_so: bool) -> str:
    return "yes" if is_so else "no"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
