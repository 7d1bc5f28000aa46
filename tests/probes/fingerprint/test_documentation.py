"""The page about products is what its script makes of the signatures."""

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "docs" / "list_products.py"


def test_the_page_lists_what_the_signatures_tell() -> None:
    listed = runpy.run_path(str(SCRIPT))
    if listed["page"]() != listed["PAGE"].read_text(encoding="utf-8"):
        pytest.fail("docs/products.md is not what the signatures say; run `python docs/list_products.py`")
