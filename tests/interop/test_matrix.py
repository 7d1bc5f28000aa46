"""The interop matrix: what comes of each call between us and a real program, and that the document says the same.

All cells that were asked for are played before the first is looked at, some at the same time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import trio

from tests.interop import certificates
from tests.interop.conftest import REQUIRED, do_without
from tests.interop.lab import Lab, MissingError
from tests.interop.matrix import PROGRAMS, TABLE, expectation, summary, table
from tests.interop.matrix_cells import CELLS, ECHO, Cell, Verdict
from tests.interop.matrix_run import Outcome, play, started

OPTIONAL = ("chan_sip",)
"""Its suite is old, and may be gone one day."""


@dataclass(frozen=True, slots=True)
class Played:
    """What came of the cells, by their names, and what is missing, by program."""

    outcomes: dict[str, Outcome]
    missing: dict[str, str]


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Those cells that this run of the tests is to look at."""
    folder = tmp_path_factory.mktemp("matrix")
    lab = Lab(folder, certificates.make(folder))
    wanted = {item.name for item in request.session.items}
    cells = [cell for cell in CELLS if f"{test_what_comes_of_a_call.__name__}[{cell.name}]" in wanted]
    with started(lab, {cell.program for cell in cells}, fetch=REQUIRED) as programs:
        outcomes = trio.run(play, programs, cells, lambda _: None)
    return Played({outcome.cell.name: outcome for outcome in outcomes}, programs.missing)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_what_comes_of_a_call(played: Played, cell: Cell) -> None:
    if why := played.missing.get(cell.program):
        if cell.program in OPTIONAL:
            pytest.skip(why)
        do_without(MissingError(why))
    outcome = played.outcomes[cell.name]
    obtained, expected = outcome.obtained, cell.expected
    assert obtained.outcome == expected.outcome, outcome
    assert obtained.codec == expected.codec, outcome
    assert obtained.encryption == expected.encryption, outcome
    assert obtained.media == expected.media, outcome


def rows() -> Iterator[tuple[str, str]]:
    """The rows of the committed document: what was expected, and what was obtained."""
    for line in TABLE.read_text().splitlines():
        *expected, obtained = line.split(" | ")
        if len(expected) == 7 and expected[0] not in ("| program", "| ---"):
            yield f"{' | '.join(expected)} |", obtained


def test_the_document_has_a_row_for_each_cell_and_expects_and_obtained_the_same() -> None:
    assert [expected for expected, _ in rows()] == [expectation(cell) for cell in CELLS]
    assert all(obtained.startswith("as expected: ") for _, obtained in rows())
    assert TABLE.read_text().endswith(f"\n{len(CELLS)} cells, {len(CELLS)} as expected, {len(PROGRAMS)} programs\n")


def test_each_cell_has_a_name_of_its_own_and_a_program() -> None:
    assert len({cell.name for cell in CELLS}) == len(CELLS)
    assert {cell.program for cell in CELLS} == set(PROGRAMS)


@pytest.mark.parametrize("changes", [{"codec": "PCMA"}, {"outcome": "x"}, {"encryption": "x"}, {"media": "x"}])
def test_the_checks_can_fail(changes: dict[str, str]) -> None:
    cell = Cell("asterisk", "made up", ECHO)
    right, wrong = Outcome(cell, ECHO), Outcome(cell, replace(ECHO, **changes))
    assert (right.right, wrong.right) == (True, False)
    assert str(ECHO) in str(wrong)
    assert summary([right, wrong]) == "2 cells, 1 as expected, 1 programs"
    assert table([right], {"asterisk": "1.0"}).count("| made up |") == 1


def test_a_call_without_media_says_so() -> None:
    assert str(Verdict("busy, 486")) == "busy, 486"
    assert expectation(Cell("sipp", "made up", Verdict("busy, 486"))).endswith("| busy, 486 | – | – | – |")
