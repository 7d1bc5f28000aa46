"""The interop matrix from the command line: `python -m tests.interop.matrix [PART OF A NAME]`.

Prints a line for each cell, writes the table of them when all were played and are right, and prints last
`N cells, M as expected, P programs`.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import trio

from probes.result import CallRole
from tests.interop import certificates
from tests.interop.lab import Lab
from tests.interop.matrix_cells import CELLS, Cell
from tests.interop.matrix_run import Outcome, play, started

TABLE = Path(__file__).parents[2] / "docs" / "interop.md"
PROGRAMS = {
    "asterisk": "Asterisk",
    "chan_sip": "Asterisk with chan_sip",
    "baresip": "baresip",
    "linphone": "linphone",
    "sipp": "SIPp",
    "kamailio": "Kamailio",
    "sippy": "Sippy B2BUA",
}
"""What the programs are called."""
_HEAD = """\
# What real programs make of our calls, and we of theirs

Each row is a call over the loopback, made by `make interop-matrix`: what is expected of it in outcome, codec,
encryption and media, and what the run obtained. *Echo* is the known signal that was sent, found again in what came
back; *heard there* is what the other side says of itself: its recording holds the signal, or it has counted packets, of
SRTP only those that it could decrypt.

| program | version, by itself |
| --- | --- |
"""
_COLUMNS = """\
| program | variant | over | outcome | codec | encryption | media | obtained |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""
_SECTIONS = {CallRole.CALLER: "We call", CallRole.CALLEE: "They call"}


def tell(line: object) -> None:
    """Print a line at once: it takes half a minute until the last."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def summary(outcomes: Sequence[Outcome]) -> str:
    """The last line."""
    right, programs = sum(one.right for one in outcomes), {one.cell.program for one in outcomes}
    return f"{len(outcomes)} cells, {right} as expected, {len(programs)} programs"


def expectation(cell: Cell) -> str:
    """A row of the table, but for what was obtained."""
    expected = cell.expected
    facets = [expected.outcome, expected.codec, expected.encryption, expected.media]
    columns = [PROGRAMS[cell.program], cell.variant, cell.transport.name, *[facet or "–" for facet in facets]]
    return f"| {' | '.join(columns)} |"


def obtained(outcome: Outcome) -> str:
    """The rest of the row."""
    return f"{'as expected' if outcome.right else outcome.obtained}: {outcome.measured}"


def table(outcomes: Sequence[Outcome], versions: Mapping[str, str]) -> str:
    """The outcomes as a document."""
    text = _HEAD + "".join(f"| {title} | {versions[name]} |\n" for name, title in PROGRAMS.items() if name in versions)
    for role, title in _SECTIONS.items():
        rows = [f"{expectation(one.cell)} {obtained(one)} |\n" for one in outcomes if one.cell.role is role]
        text += f"\n## {title}\n\n{_COLUMNS}{''.join(rows)}"
    return f"{text}\n{summary(outcomes)}\n"


def main(part: str = "") -> int:
    """Play all cells with `part` in their names; 0 when all are right."""
    cells = [cell for cell in CELLS if part in cell.name]
    with tempfile.TemporaryDirectory() as name:
        lab = Lab(Path(name), certificates.make(Path(name)))
        with started(lab, {cell.program for cell in cells}, fetch=True) as programs:
            for missing in programs.missing.values():
                tell(f"left out: {missing}")
            outcomes = trio.run(play, programs, cells, tell)
    right = bool(outcomes) and all(one.right for one in outcomes)
    if right and len(outcomes) == len(CELLS):
        TABLE.write_text(table(outcomes, programs.versions))
    elif not part:
        tell(f"{TABLE.name} is left as it was")
    tell(summary(outcomes))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
