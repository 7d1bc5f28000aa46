"""The ladder in characters: how it looks, and that it never looks worse, whatever a peer writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from probes.report.ladder import Arrow, ladder_of
from probes.report.ladder_text import LEAST_WIDTH, MAX_ROWS, LiveLadder, ladder_rows, shortened
from probes.result import TimelineEntry
from sipcore.resolve.target import Flow, SocketAddress, Transport
from tests.probes.report.audio import audio, lines
from tests.probes.report.recorded import LOCAL, RECORDS, SECRET, received, sent, timeline

CALL = timeline(*RECORDS)


def flow(host: str, transport: Transport = Transport.UDP) -> Flow:
    return Flow(transport, LOCAL, SocketAddress(host, 5060))


def live(*entries: TimelineEntry, width: int = 80) -> list[str]:
    ladder = LiveLadder(width)
    return [row.plain for entry in entries for row in ladder.rows_of(entry)]


def whole(*entries: TimelineEntry, width: int = 80, here: str = "sipprobe") -> list[str]:
    return [row.plain for row in ladder_rows(ladder_of(entries, here), width)]


def test_a_call_at_eighty_columns() -> None:
    assert live(*CALL) == [
        "       ms  sipprobe",
        "      0.0  │ initiated sip:bob@biloxi.example",
        "      1.0  │ DNS A biloxi.example: 192.0.2.2 (TTL 60)",
        "       ms  sipprobe                                           udp 192.0.2.2:5060",
        "      2.0  ├── INVITE sip:bob@biloxi.example ─────────────────────────────────▶│",
        "    502.0  ├╌╌ INVITE retransmission 1 sip:bob@biloxi.example ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌▶│",
        "    510.0  │◀─ 486 Busy <Here> & there to 1 INVITE ────────────────────────────┤",
        "    520.0  │ connection failed tcp 192.0.2.3:5060 nothing listens there        │",
        "   1000.0  │ completed                                                         │",
    ]


def test_the_same_at_sixty_columns() -> None:
    assert live(*CALL, width=60)[4:] == [
        "      2.0  ├── INVITE sip:bob@biloxi.example ─────────────▶│",
        "    502.0  ├╌╌ INVITE retransmission 1 ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌▶│",
        "           │     sip:bob@biloxi.example                    │",
        "    510.0  │◀─ 486 Busy <Here> & there to 1 INVITE ────────┤",
        "    520.0  │ connection failed tcp 192.0.2.3:5060          │",
        "           │     nothing listens there                     │",
        "   1000.0  │ completed                                     │",
    ]


def test_one_that_is_over_has_all_its_names_from_the_start() -> None:
    rows = whole(*CALL)
    assert rows[0] == "       ms  sipprobe                                           udp 192.0.2.2:5060"
    assert sum(row.startswith("       ms") for row in rows) == 1
    assert rows[3:] == live(*CALL)[4:]


def test_whoever_joins_gets_a_life_line() -> None:
    moved = TimelineEntry(600.0, "INVITE", "sip:bob@192.0.2.9", record=sent(0.6, flow=flow("192.0.2.9")))
    rows = live(*CALL[:3], moved)
    assert rows[-3:] == [
        "       ms  sipprobe                                           udp 192.0.2.9:5060",
        "           │                        udp 192.0.2.2:5060                         │",
        "    600.0  ├── INVITE sip:bob@192.0.2.9 ─────┼────────────────────────────────▶│",
    ]


def test_who_has_waited_longest_makes_room() -> None:
    told = [TimelineEntry(n, "INVITE", record=sent(0.0, flow=flow(f"192.0.2.{n}"))) for n in (1, 2, 3, 4, 5, 6)]
    names = "".join(live(*told, told[1])[-3:-1])
    assert all(f"192.0.2.{n}" in names for n in (2, 4, 5, 6))
    assert "192.0.2.1:" not in names
    assert "192.0.2.3" not in names
    assert (
        live(*told, told[1])[-1] == "      2.0  ├── INVITE ─────▶│                │                │                │"
    )


def test_media_goes_along_the_same_lines() -> None:
    invited = TimelineEntry(0.0, "INVITE", record=sent(0.0, flow=flow("198.51.100.1")))
    rows = live(invited, *lines()[:2])
    assert rows[-2].startswith("      0.0  ├━━ RTP ━━━")
    assert rows[-1].startswith("     20.0  │◀━ RTP telephone-event ━━━")
    assert len([row for row in rows if "ms  sipprobe" in row]) == 1


def test_what_became_of_media_stands_in_a_box() -> None:
    rows = [row.plain for row in ladder_rows(ladder_of([CALL[2], *lines()], media=audio()))]
    (top,) = (number for number, row in enumerate(rows) if "┌" in row)
    assert "│ │ media PCMU, 20 ms: sent 151 packets" in rows[top + 1]
    assert "└" in rows[-1]
    box = rows[top:]
    assert len({row.index("┌" if "┌" in row else "└" if "└" in row else "│", 13) for row in box}) == 1
    assert "telephone-event" not in "".join(row for row in rows if row.endswith("-"))


def test_seen_from_outside() -> None:
    rows = whole(*CALL[2:5], here="")
    assert rows[0].split() == ["ms", "192.0.2.1", "192.0.2.2"]
    to_itself = TimelineEntry(0.0, "INVITE", record=sent(0.0, flow=Flow(Transport.UDP, LOCAL, LOCAL)))
    assert "192.0.2.1:40000 to itself: INVITE" in whole(to_itself, here="")[-1]


def test_times_and_endings_have_no_blanks_behind_them() -> None:
    goodbye = TimelineEntry(3.0, "RTCP BYE")
    assert all(row == row.rstrip() for row in live(*CALL, goodbye) + live(goodbye))
    assert live(goodbye)[-1] == "      3.0  │ RTCP BYE"


def test_it_is_coloured_and_says_nothing_by_colour_alone() -> None:
    (arrow,) = (row for row in ladder_rows(ladder_of(CALL)) if "486" in row.plain)
    assert any("red" in str(span.style) for span in arrow.spans)


def test_nobody_drives_the_terminal() -> None:
    evil = "200 \x1b[2J\x9b\u202e\udcff"
    for entry in (TimelineEntry(0.0, evil, evil, "←", record=received(0.0)), TimelineEntry(0.0, evil, evil)):
        assert all(row.isprintable() for row in live(entry))
    covered = TimelineEntry(0.0, "INVITE", f"sip:bob:{SECRET}@biloxi.example", record=sent(0.0))
    assert SECRET not in "".join(live(covered))


def test_a_text_without_end_has_one() -> None:
    assert len(live(TimelineEntry(0.0, "DNS", "x " * 9000))) == 1 + MAX_ROWS


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (40, "udp [2001:db8::1]:5060"),
        (16, "udp [2…::1]:5060"),
        (5, "udp…"),
        (1, "…"),
        (0, ""),
    ],
)
def test_a_name_without_room_lacks_its_middle(columns: int, told: str) -> None:
    name = shortened("udp [2001:db8::1]:5060", columns)
    assert cell_len(name) <= columns
    assert name == told


@given(st.text(), st.integers(0, 60))
def test_no_name_is_wider_than_its_room(name: str, columns: int) -> None:
    assert cell_len(shortened(name, columns)) <= columns


ENTRIES = st.lists(
    st.tuples(
        st.sampled_from(["", "192.0.2.1", "192.0.2.2", "2001:db8:1111:2222:3333:4444:5555:6666", "192.0.2.7", "::1"]),
        st.text(max_size=40) | st.sampled_from(["INVITE", "180 Ringing", "日本語" * 9]),
        st.text(max_size=200),
        st.integers(0, 2),
        st.floats(0, 1e6),
    ),
    max_size=8,
)


@given(ENTRIES, st.integers(20, 140))
def test_no_row_is_wider_than_the_terminal_and_life_lines_stay_where_they_are(
    told: list[tuple[str, str, str, int, float]], width: int
) -> None:
    entries = [
        TimelineEntry(at, label, detail, record=sent(0.0, flow=flow(host), attempt=again) if host else None)
        for host, label, detail, again, at in told
    ]
    ladder, drawn = LiveLadder(width), ladder_of(entries)
    for entry, line in zip(entries, drawn.lines, strict=True):
        rows: list[Text] = ladder.rows_of(entry)
        assert all(row.cell_len <= max(width, LEAST_WIDTH) for row in rows)
        assert all(row.plain[11] in "│├┤" for row in rows if row.plain[:11].strip() not in ("", "ms"))
        if isinstance(line, Arrow):
            assert any("▶" in row.plain or "◀" in row.plain for row in rows)
    for row in ladder_rows(drawn, width):
        assert row.cell_len <= max(width, LEAST_WIDTH)
