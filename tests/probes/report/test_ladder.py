"""A ladder and the pictures of it."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from probes.report.ladder import MAX_PARTICIPANTS, OTHERS, Arrow, Note, Summary, Tone, ladder_of
from probes.report.mermaid import mermaid
from probes.report.svg import MAX_LINES, NARROW, WIDE, svg
from probes.result import CallMedia, TimelineEntry
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.trace import TraceRecord
from tests.probes.calls.judge.said import OK
from tests.probes.report.audio import audio, lines, secured
from tests.probes.report.recorded import RECORDS, REMOTE, SECRET, received, sent, timeline
from tests.sipcore.media.talk import ALICE, BOB

SVG = "{http://www.w3.org/2000/svg}"
LADDER = ladder_of(timeline(*RECORDS))
EVIL = b"SIP/2.0 200 \x1b]0;x\x07\xff<script>;--&\r\nCSeq: 1 INVITE\r\n\r\n"


def test_who_took_part_and_what_passed_between_them() -> None:
    assert LADDER.participants == ("sipprobe", "udp 192.0.2.2:5060")
    assert [(line.label, line.offset_ms) for line in LADDER.lines if not isinstance(line, Summary)] == [
        ("initiated", 0.0),
        ("DNS", pytest.approx(1.0)),
        ("INVITE", pytest.approx(2.0)),
        ("INVITE", pytest.approx(502.0)),
        ("486 Busy <Here> & there", pytest.approx(510.0)),
        ("connection failed", pytest.approx(520.0)),
        ("completed", 1000.0),
    ]
    arrows = [line for line in LADDER.lines if isinstance(line, Arrow)]
    assert [(line.source, line.target, line.again, line.tone) for line in arrows] == [
        (0, 1, 0, Tone.REQUEST),
        (0, 1, 1, Tone.REQUEST),
        (1, 0, 0, Tone.FAILURE),
    ]


@pytest.mark.parametrize(
    ("label", "tone"),
    [
        ("BYE", Tone.REQUEST),
        ("100 Trying", Tone.PROVISIONAL),
        ("200 OK", Tone.SUCCESS),
        ("302", Tone.REDIRECTION),
        ("404 Not Found", Tone.FAILURE),
        ("603", Tone.FAILURE),
        ("not SIP", Tone.ODD),
    ],
)
def test_the_tone_of_an_arrow(label: str, tone: Tone) -> None:
    (line,) = ladder_of([TimelineEntry(0.0, label, record=received(0.0))]).lines
    assert isinstance(line, Arrow)
    assert line.tone is tone


def test_a_password_in_a_uri_is_covered() -> None:
    (line,) = ladder_of([TimelineEntry(0.0, "INVITE", "sip:bob:s3cret@biloxi.example", "→", record=sent(0.0))]).lines
    assert isinstance(line, Arrow)
    assert line.detail == "sip:bob:******@biloxi.example"


def streams(media: CallMedia, *, beside: str) -> tuple[tuple[str, ...], list[Arrow]]:
    """The participants, and the arrows of the streams, in a ladder with somebody who signals at `beside`."""
    hop = Flow(Transport.UDP, SocketAddress("192.0.2.1", 5060), SocketAddress(beside, 5060))
    told = [TimelineEntry(0.0, "INVITE", "", "→", record=sent(0.0, flow=hop)), *lines()]
    ladder = ladder_of(told, media=media)
    return ladder.participants, [line for line in ladder.lines if isinstance(line, Arrow) and line.tone is Tone.MEDIA]


def test_media_is_a_stream_each_way() -> None:
    participants, (there, back) = streams(audio(), beside=BOB.host)
    assert participants == ("sipprobe", f"udp {BOB.host}:5060")
    assert (there.label, there.detail, there.source, there.target) == ("RTP PCMU", "151 packets", 0, 1)
    assert (back.label, back.source, back.target) == ("RTP PCMU", 1, 0)
    assert "% lost" in back.detail
    assert "MOS" in back.text


def test_media_from_another_host_has_a_line_of_its_own() -> None:
    participants, (there, _) = streams(secured(), beside="198.51.100.10")
    assert participants == ("sipprobe", "udp 198.51.100.10:5060", f"rtp {BOB}")
    assert (there.label, there.target) == ("SRTP PCMU", 2)
    assert " stream" in svg(ladder_of(lines(), media=secured()), "t")


def test_what_became_of_media_stands_where_it_ended() -> None:
    told = [*lines(), TimelineEntry(9_000.0, "BYE", "", "→", record=sent(9.0))]
    *_, last, summary, bye = ladder_of(told, media=audio()).lines
    assert isinstance(summary, Summary)
    assert last.offset_ms <= summary.offset_ms < bye.offset_ms
    assert any(line.startswith("received 1") and "lost" in line for line in summary.lines)
    assert summary.lines[-1].startswith("RTCP: 8 sent, 6 received; the peer lost")
    text = svg(ladder_of(told, media=audio()), "t")
    assert text.count('class="band"') == text.count('class="box"') == 1
    assert f"Note over P0,P{summary.target}: media PCMU" in mermaid(ladder_of(told, media=audio()))


def test_a_flood_of_participants_shares_the_last_line() -> None:
    flows = [Flow(Transport.UDP, REMOTE, SocketAddress("192.0.2.9", port)) for port in range(1, 100)]
    ladder = ladder_of([TimelineEntry(0.0, "INVITE", record=sent(0.0, flow=flow)) for flow in flows])
    assert len(ladder.participants) == MAX_PARTICIPANTS
    assert ladder.participants[-1] == OTHERS


def extents(text: str) -> list[tuple[float, float]]:
    """How wide each label is at most, and how wide the arrow that it stands on."""
    found = []
    for group in ElementTree.fromstring(text).iter(f"{SVG}g"):
        path, label = group.find(f"{SVG}path"), group.find(f"{SVG}text")
        if path is not None and label is not None and "H" in path.get("d", ""):
            begin, end = path.get("d", "").removeprefix("M").split(" H")
            details = sum(cell_len(part.text or "") * NARROW + 8 for part in label)
            found.append((cell_len(label.text or "") * WIDE + details, abs(float(begin.split(",")[0]) - float(end))))
    return found


@example([(0, 1, "4", "", 0), (0, 1, "012 x", "", 0), (0, 1, "٣٣٣", "", 0)])  # methods may be digits
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 6), st.text(max_size=90), st.text(max_size=200), st.integers(0, 3)),
        max_size=12,
    )
)
def test_no_label_is_wider_than_its_arrow(messages: list[tuple[int, int, str, str, int]]) -> None:
    hosts = [SocketAddress(f"2001:db8:1111:2222:3333:4444:5555:{number:04x}", 5060) for number in range(7)]
    told = [
        TimelineEntry(0.0, label, detail, record=sent(0.0, flow=Flow(Transport.UDP, hosts[a], hosts[b]), attempt=again))
        for a, b, label, detail, again in messages
    ]
    text = svg(ladder_of(told, here=""), "t")
    assert all(label < arrow for label, arrow in extents(text))


def test_a_retransmission_is_marked_however_long_its_detail_is() -> None:
    entry = TimelineEntry(0.0, "INVITE", "x" * 200 + " (retransmission 2)", record=sent(0.0, attempt=2))
    text = svg(ladder_of([entry]), "t")
    assert '<tspan class="repeat" dx="8">retransmission 2</tspan>' in text
    assert 'class="arrow again"' in text


def test_each_line_has_its_time_and_how_long_after_the_last() -> None:
    text = svg(LADDER, "t")
    assert ">502.0 ms</text>" in text
    assert ">+500.0</text>" in text


def test_a_message_to_oneself_is_a_loop() -> None:
    entry = TimelineEntry(0.0, "INVITE", record=sent(0.0, flow=Flow(Transport.UDP, REMOTE, REMOTE)))
    assert 'class="label own"' in svg(ladder_of([entry], here=""), "t")


def test_more_lines_than_anybody_scrolls_through_are_counted() -> None:
    text = svg(ladder_of([TimelineEntry(0.0, "x")] * (MAX_LINES + 5)), "t")
    assert ">5 lines more</text>" in text
    assert text.count("<circle") == MAX_LINES


def test_streams_without_measures_are_arrows_from_the_first_packet_on() -> None:
    ladder = ladder_of(lines())
    assert ladder.participants == ("sipprobe", f"rtp {BOB}")
    there, back, *others = ladder.lines
    assert isinstance(there, Arrow)
    assert isinstance(back, Arrow)
    assert (there.label, there.source, there.target, there.tone) == ("RTP", 0, 1, Tone.MEDIA)
    assert (back.label, back.source, back.target) == ("RTP telephone-event", 1, 0)
    assert all(isinstance(line, Note) for line in others)
    assert all(isinstance(line, Note) for line in ladder_of(lines(), here="").lines)  # between whom, nobody knows
    assert all(isinstance(line, Note) for line in ladder_of(lines()[1:]).lines)


def test_a_stream_that_comes_first_is_beside_whoever_has_announced_it() -> None:
    (_, text), flow = OK, Flow(Transport.UDP, SocketAddress("192.0.2.1", 5060), SocketAddress("198.51.100.1", 5060))
    answer = TimelineEntry(0.0, "200 OK", "", "←", record=received(0.0, text.encode(), flow))
    _, back = ladder_of([answer, lines()[1]]).lines
    assert isinstance(back, Arrow)
    assert (back.source, back.target, back.tone) == (1, 0, Tone.MEDIA)
    elsewhere = replace(
        answer, record=received(0.0, text.encode().replace(b"IN IP4 198.51.100.1", b"IN IP4 198.51.100.9"), flow)
    )
    assert ladder_of([elsewhere, lines()[1]]).participants[2] == "rtp 198.51.100.9:5000"


def test_media_seen_from_outside_is_beside_those_who_signal() -> None:
    hop = Flow(Transport.UDP, SocketAddress(ALICE.host, 5060), SocketAddress("203.0.113.1", 5060))
    on = Flow(Transport.UDP, SocketAddress("203.0.113.1", 5060), SocketAddress(BOB.host, 5060))
    told = [TimelineEntry(n, "INVITE", "", "→", record=sent(0.0, flow=flow)) for n, flow in enumerate((hop, on))]
    ladder = ladder_of([*told, *lines()], here="", media=audio())
    assert ladder.participants == (ALICE.host, "203.0.113.1", BOB.host)
    streams = [line for line in ladder.lines if isinstance(line, Arrow) and line.tone is Tone.MEDIA]
    assert [(line.source, line.target) for line in streams] == [(0, 2), (2, 0)]
    (summary,) = (line for line in ladder.lines if isinstance(line, Summary))
    assert summary.target == 2


def test_media_on_the_host_of_both_stays_between_both() -> None:
    here, there = SocketAddress(BOB.host, 40000), SocketAddress(BOB.host, 5060)
    invite = TimelineEntry(0.0, "INVITE", "", "→", record=sent(0.0, flow=Flow(Transport.UDP, here, there)))
    ladder = ladder_of([invite, *lines()], here="", media=replace(audio(), local=BOB))
    assert ladder.participants == (str(here), str(there))
    assert [(line.source, line.target) for line in ladder.lines if isinstance(line, Arrow)] == [(0, 1), (0, 1), (1, 0)]


def test_nothing_at_all() -> None:
    assert ladder_of([]).participants == ("sipprobe",)
    ElementTree.fromstring(svg(ladder_of([]), "nothing"))


@pytest.mark.parametrize("records", [RECORDS, (sent(0.0), received(0.1, EVIL)), ()], ids=["call", "hostile", "none"])
def test_the_picture_is_well_formed_and_secret_free(records: tuple[TraceRecord, ...]) -> None:
    text = svg(ladder_of(timeline(*records)), 'call to "<x>"')
    root = ElementTree.fromstring(text)
    assert root.findtext("{http://www.w3.org/2000/svg}title") == 'call to "<x>"'
    arrows = [path for path in root.iter("{http://www.w3.org/2000/svg}path") if "arrow" in path.get("class", "")]
    assert len(arrows) == sum(isinstance(line, Arrow) for line in ladder_of(timeline(*records)).lines)
    assert SECRET not in text
    assert "<script" not in text
    assert "\x1b" not in text


def test_a_long_detail_is_cut_and_whole_when_pointed_at() -> None:
    note = Note(0.0, "DNS", "x" * 200)
    text = svg(ladder_of([TimelineEntry(0.0, note.label, note.detail)]), "t")
    assert "…" in text
    assert "x" * 200 in text


def test_the_diagram() -> None:
    assert mermaid(LADDER) == (
        "sequenceDiagram\n"
        "    participant P0 as sipprobe\n"
        "    participant P1 as udp 192.0.2.2#58;5060\n"
        "    Note over P0: initiated sip#58;bob@biloxi.example (0.0 ms)\n"
        "    Note over P0: DNS A biloxi.example#58; 192.0.2.2 (TTL 60) (1.0 ms)\n"
        "    P0->>P1: INVITE sip#58;bob@biloxi.example (2.0 ms)\n"
        "    P0-->>P1: INVITE sip#58;bob@biloxi.example (retransmission 1) (502.0 ms)\n"
        "    P1->>P0: 486 Busy #60;Here#62; #38; there to 1 INVITE (510.0 ms)\n"
        "    Note over P0: connection failed tcp 192.0.2.3#58;5060 nothing listens there (520.0 ms)\n"
        "    Note over P0: completed (1000.0 ms)\n"
    )


def test_nobody_writes_commands_into_a_diagram() -> None:
    text = mermaid(ladder_of(timeline(received(0.0, EVIL))))
    assert text.count("\n") == 6
    assert "<script>" not in text
