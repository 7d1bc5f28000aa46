"""A sweep in words: one line for each place, whatever it says, and sums that tell what was odd."""

from dataclasses import replace

import pytest

from probes.report.sweep_text import found_line, progress_text, sweep_lines
from probes.result import Reach, System
from probes.sweep.found import Found, Kind, Tally
from sipcore.resolve.target import SocketAddress

PLACE = SocketAddress("192.0.2.7", 5060)


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (
            Found(PLACE, Reach.ANSWERED, 1, 0.01234, True, 200, "OK", "Asterisk PBX 22", 0),
            "192.0.2.7:5060        200 OK                     12.3 ms     Asterisk PBX 22",
        ),
        (
            Found(PLACE, Reach.ANSWERED, 1, 0.0001234, status=404, reason=""),
            "192.0.2.7:5060        404                        0.12 ms",
        ),
        (Found(PLACE, Reach.ANSWERED, 1, 1.2, status=200), "192.0.2.7:5060        200                        1200 ms"),
        (
            Found(PLACE, Reach.ANSWERED, 3, status=200, elsewhere=SocketAddress("192.0.2.9", 5062), is_late=True),
            "192.0.2.7:5060        200                        3 requests  answered from 192.0.2.9:5062; too late",
        ),
        (
            Found(PLACE, Reach.NOT_SIP, 1, 0.002, detail="28 bytes: HTTP/1.1"),
            "192.0.2.7:5060        not SIP                    2.0 ms      28 bytes: HTTP/1.1",
        ),
        (
            Found(PLACE, Reach.REFUSED, 1, detail="port unreachable"),
            "192.0.2.7:5060        refused: port unreachable",
        ),
        (
            Found(PLACE, Reach.UNREACHABLE, 4, detail="no route\x07", is_late=True),
            "192.0.2.7:5060        unreachable: no route\\x07, too late",
        ),
    ],
)
def test_a_place_is_one_line(found: Found, line: str) -> None:
    assert found_line(found) == line


def test_what_a_peer_wrote_is_made_printable_and_cut() -> None:
    line = found_line(
        Found(PLACE, Reach.ANSWERED, 1, 0.1, status=200, reason="\x1b[2J" * 20, banner="\r\n" + "x" * 999)
    )
    assert line.isprintable()
    assert len(line) < 200


def test_the_sum() -> None:
    tally = Tally(4096, 4096, 217, answered=3995, refused=1, silent=100, late=1, duplicated=2, lost=3)
    kinds = [
        Kind(0, 90, "kamailio (5.6.3 (x86_64/linux))", System("kamailio (5.6.3)", "Kamailio", "5.6.3")),
        Kind(1, 3900, "Asterisk PBX 22.0.0", System("Asterisk PBX 22.0.0", "Asterisk", "22.0.0")),
        Kind(2, 2, "", System("", "baresip", confidence=0.97)),
        Kind(3, 1, "SBC\x07", System("SBC\x07")),
        Kind(4, 1),
        Kind(5, 1),
    ]
    lines = sweep_lines(tally, kinds, 77, 4.56)
    short = replace(tally, short_of_buffer="the kernel grants too little: sysctl -w net.core.rmem_max=7, as root")
    assert sweep_lines(replace(short, lost=0), kinds, 77, 4.56) == sweep_lines(replace(tally, lost=0), kinds, 77, 4.56)
    cures = ["    the kernel grants too little", "    sysctl -w net.core.rmem_max=7, as root"]
    assert sweep_lines(short, kinds, 77, 4.56) == [*lines[:5], *cures, *lines[5:]]
    assert lines == [
        "4,096 places asked in 4.6 s: 3,995 answered, 1 refused or unreachable, 100 silent",
        "  217 requests repeated",
        "  1 place answered after the deadline",
        "  2 answers duplicated on the way or by the peer",
        "  3 answers lost here: this machine was too slow, lower the rate",
        "  --seed 77 asks in the same order",
        "",
        "  Asterisk 22.0.0                3,900",
        "  Kamailio 5.6.3                    90",
        "  baresip (97% sure)                 2",
        "  unknown, without a banner          2",
        "  unknown: SBC\\x07                   1",
    ]


def test_a_sweep_that_was_stopped() -> None:
    told = "1 place asked in 0.0 s: 0 answered, 9 not asked, 1 still waited for"
    assert sweep_lines(Tally(10, 1), [], 5, 0.0)[0] == told
    assert progress_text(Tally(4096, answered=1234, silent=5)) == "1,234 answered, 5 silent"
