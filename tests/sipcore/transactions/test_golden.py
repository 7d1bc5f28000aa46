"""The same seed and the same clock give the same bytes, at the same times: the files in fixtures/golden."""

import pytest

from tests.sipcore.transactions.golden import FLOWS, FOLDER, render


@pytest.mark.parametrize("name", FLOWS)
def test_the_flow_is_as_recorded(name: str) -> None:
    assert render(FLOWS[name]) == (FOLDER / f"{name}.txt").read_text()


def test_no_file_is_left_over() -> None:
    assert {path.stem for path in FOLDER.glob("transactions-*.txt")} == set(FLOWS)
