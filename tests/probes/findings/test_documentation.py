"""The page about findings is what its script makes of the catalogue."""

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "docs" / "list_findings.py"


def test_the_page_has_every_finding_of_the_catalogue() -> None:
    listed = runpy.run_path(str(SCRIPT))
    if listed["page"]() != listed["PAGE"].read_text(encoding="utf-8"):
        pytest.fail("docs/findings.md is not what the catalogue says; run `python docs/list_findings.py`")
