"""The browser that the tests look at pages with: Debian's Chromium, driven by playwright.

Where one of them is missing, the tests are skipped, or, with SIPCORE_INTEROP=required, fail.
"""

import importlib.util
import os
import shutil

import pytest

REQUIRED = os.environ.get("SIPCORE_INTEROP") == "required"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser."""
    path = shutil.which("chromium")
    missing = "chromium, which the package of this name has" if path is None else ""
    if importlib.util.find_spec("playwright") is None:
        missing = "playwright, which `make` installs"
    if missing or path is None:
        (pytest.fail if REQUIRED else pytest.skip)(f"not installed: {missing}")
    return path
