"""Every message of RFC 4475 and RFC 5118 that the corpus holds meets what the RFC says about it."""

import pytest

from sipcore.deviation import Deviation
from sipcore.errors import ParseError
from sipcore.message.parser import parse_message
from sipcore.message.require import inspect
from tests.conformance.corpus import ROOT, needs_corpus
from tests.conformance.torture import RFC4475, RFC5118, Torture

pytestmark = needs_corpus

LINE_ENDS_CONVERTED = {Deviation.TRAILING_OCTETS}
"""RFC 5118's messages came with bare line feeds; with CRLF their bodies are longer than their Content-Length says."""


def present(folder: str, rows: tuple[Torture, ...]) -> list[Torture]:
    return [row for row in rows if (ROOT / folder / f"{row.name}.dat").exists()]


def named(rows: list[Torture]) -> list[object]:
    return [pytest.param(row, id=f"{row.section} {row.name}") for row in rows]


@pytest.mark.parametrize("row", named(present("rfc4475", RFC4475)))
def test_rfc4475(row: Torture) -> None:
    check(row, (ROOT / "rfc4475" / f"{row.name}.dat").read_bytes(), set())


@pytest.mark.parametrize("row", named(present("rfc5118", RFC5118)))
def test_rfc5118(row: Torture) -> None:
    check(row, (ROOT / "rfc5118" / f"{row.name}.dat").read_bytes(), LINE_ENDS_CONVERTED)


def test_every_message_has_a_verdict() -> None:
    for folder, rows in (("rfc4475", RFC4475), ("rfc5118", RFC5118)):
        assert {path.stem for path in (ROOT / folder).glob("*.dat")} <= {row.name for row in rows}


def check(row: Torture, data: bytes, overlooked: set[Deviation]) -> None:
    if row.refused is not None:
        with pytest.raises(ParseError) as refusal:
            parse_message(data)
        assert refusal.value.status == row.refused[0]
        assert refusal.value.excerpt.startswith(row.refused[1])
        position = refusal.value.position
        assert position is not None
        assert data[position:].startswith(row.refused[1].encode())
        return
    message = parse_message(data)
    assert bytes(message) == data
    inspection = inspect(message)
    assert {(error.header, error.status) for error in inspection.errors} == set(row.errors)
    assert {note.deviation for note in inspection.noted} - overlooked == {Deviation[name] for name in row.noted}
    for read, expected in row.values:
        assert read(message) == expected
