"""What tests of figures share: a way to print them."""

import pytest

from tests.conformance.batteries import Show


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    """Prints past what pytest captures: the figures are what such a test is run for."""

    def printed(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}", end="")  # noqa: T201

    return printed
