"""The page about how routes are is what its script makes of the tables."""

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "draw_health.py"


def test_the_page_is_drawn_from_the_tables() -> None:
    drawn = runpy.run_path(str(SCRIPT))
    if drawn["page"]() != drawn["PAGE"].read_text(encoding="utf-8"):
        pytest.fail("docs/health.md is not what the tables say; run `python docs/draw_health.py`")
