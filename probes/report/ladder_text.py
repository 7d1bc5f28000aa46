"""A ladder in characters, line by line as a call goes on, for a terminal of any width that is worth the name.

    0.0  │ initiated sip:bob@biloxi.example
    2.0  ├── INVITE sip:bob@biloxi.example ────────────────────▶│
  502.0  ├╌╌ INVITE retransmission 1 sip:bob@biloxi.example ╌╌╌▶│
  510.0  │◀─ 486 Busy Here to 1 INVITE ─────────────────────────┤

Who takes part stands above, again whenever somebody joins. Nothing is told by colour alone, and what has no room on its
arrow stands below it.
"""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.text import Text

from probes.report.ladder import Arrow, Drawing, Ladder, Line, Note, Tone
from probes.report.lines import WIDTH
from probes.result import TimelineEntry

TIME = 9
"""Columns of the time, in milliseconds."""
LEFT = TIME + 2
"""The column of the first life line."""
LEAST_GAP = 16
"""Columns between two life lines: room for `INVITE`, and for most of `180 Ringing`. Who has waited longest goes, where
somebody joins and there are no columns left."""
LEAST_WIDTH = LEFT + 2 * LEAST_GAP
"""Columns that are drawn however narrow the terminal is, which then cuts the lines off."""
MAX_ROWS = 4
"""Rows of one text: nobody reads the rest of a URI of eight thousand characters."""
MIDDLE = 8
"""Columns from which on a name is shortened in its middle: hosts differ at their ends."""
_STYLES = {
    Tone.REQUEST: "cyan",
    Tone.PROVISIONAL: "yellow",
    Tone.SUCCESS: "green",
    Tone.REDIRECTION: "yellow",
    Tone.FAILURE: "red",
    Tone.MEDIA: "magenta",
    Tone.ODD: "red",
}
_LIFE = "│"
_AHEAD = 3
"""Columns of an arrow before what stands on it."""

_Pieces = Sequence[tuple[str, str]]
"""Texts and their styles."""


def ladder_rows(ladder: Ladder, width: int = WIDTH) -> Iterator[Text]:
    """The rows of a ladder that is whole, whose participants are known from the start."""
    rows = TextLadder(width, ladder.participants)
    for line in ladder.lines:
        yield from rows.rows_of(line, ladder.participants)


class LiveLadder:
    """The rows of a call's ladder as it goes on."""

    def __init__(self, width: int = WIDTH) -> None:
        self._drawing = Drawing()
        self._rows = TextLadder(width)

    def rows_of(self, entry: TimelineEntry) -> list[Text]:
        """The rows of the next line of the timeline."""
        line = self._drawing.line_of(entry)
        return list(self._rows.rows_of(line, self._drawing.participants))


class TextLadder:
    """Where the life lines stand, and what is drawn between them."""

    def __init__(self, width: int = WIDTH, participants: Sequence[str] = ()) -> None:
        self._width = max(width, LEAST_WIDTH)
        self._room = 1 + (self._width - LEFT - 1) // LEAST_GAP
        """Life lines that there is room for."""
        self._lanes = list(range(len(participants)))[: self._room] or [0]
        """The participants that are shown, by their places among all of them."""
        self._waited: list[int] = []
        """Those that said something, the last of them last."""
        self._headed: list[int] = []
        """Those that the names above the rows are of."""

    def rows_of(self, line: Line, participants: Sequence[str]) -> Iterator[Text]:
        """The rows of a line; `participants` are all who took part so far."""
        if isinstance(line, Arrow):
            for lane in (line.source, line.target):
                self._show(lane, but=(line.source, line.target))
        if self._headed != self._lanes:
            self._headed = list(self._lanes)
            yield from self._names(participants)
        match line:
            case Arrow() if line.source != line.target:
                yield from self._arrow(line)
            case Arrow():
                name = f"{participants[line.source]} to itself: "
                pieces = ((name, ""), (line.label, _STYLES[line.tone]), (line.repeated, "bold"), (line.detail, "dim"))
                yield from self._free(line.offset_ms, pieces)
            case Note():
                yield from self._free(line.offset_ms, ((line.label, "bold"), (line.detail, "dim")))
            case _:
                yield from self._box(line.offset_ms, line.lines)

    def _show(self, lane: int, but: tuple[int, int]) -> None:
        """Have a life line for a participant, in the place of who has waited longest where there is no other."""
        if lane in self._waited:
            self._waited.remove(lane)
        self._waited.append(lane)
        if lane in self._lanes:
            return
        if len(self._lanes) >= self._room:
            others = [each for each in self._lanes[1:] if each not in but]
            self._lanes.remove(min(others, key=lambda each: self._waited.index(each) if each in self._waited else -1))
        self._lanes = sorted([*self._lanes, lane])

    @property
    def _columns(self) -> list[int]:
        """The columns of the life lines, the last at the edge."""
        gaps, reach = max(len(self._lanes) - 1, 1), self._width - 1 - LEFT
        return [LEFT + round(reach * number / gaps) for number in range(len(self._lanes))]

    @property
    def _edge(self) -> int:
        """The column that texts end before: the last life line, where there is more than one, stays whole."""
        return self._columns[-1] - 1 if len(self._lanes) > 1 else self._width

    def _names(self, participants: Sequence[str]) -> Iterator[Text]:
        """Who takes part. Of more than two, every other one stands in a second row, so that there is twice the room."""
        names = [participants[lane] if lane < len(participants) else "" for lane in self._lanes]
        columns = self._columns
        step = 1 if len(names) <= 2 else 2
        for first in range(step):
            row = Text("ms".rjust(TIME) if not first else "", style="dim", no_wrap=True, overflow="ellipsis")
            told = _placed(names[first::step], columns[first::step], self._width, before=first)
            for column in columns[::2] if first else ():  # those whose names stand above already
                if all(not begin - 1 <= column <= begin + cell_len(name) for begin, name in told):
                    told.append((column, _LIFE))
            for begin, name in sorted(told):
                row.append(" " * (begin - row.cell_len))
                row.append(name, style="dim" if name == _LIFE else "bold")
            yield row

    def _row(self, offset_ms: float | None) -> "_Row":
        life = [" "] * self._width
        for column in self._columns:
            life[column] = _LIFE
        return _Row(f"{offset_ms:{TIME}.1f}" if offset_ms is not None else " " * TIME, life)

    def _arrow(self, line: Arrow) -> Iterator[Text]:
        columns = self._columns
        begin, end = (columns[self._lanes.index(lane)] for lane in (line.source, line.target))
        left, right = min(begin, end), max(begin, end)
        row = self._row(line.offset_ms)
        dash = "━" if line.tone is Tone.MEDIA else "╌" if line.again else "─"
        for column in range(left + 1, right):
            row.life[column] = dash if row.life[column] == " " else "┼"
        row.life[begin] = "├" if begin < end else "┤"
        row.life[right - 1 if begin < end else left + 1] = "▶" if begin < end else "◀"
        row.drawn = left, right, _STYLES[line.tone]
        room = right - left - _AHEAD - 3
        pieces = [(line.label, f"bold {_STYLES[line.tone]}"), (line.repeated, "bold yellow")]
        told = " ".join(text for text, _ in [*pieces, (line.plain_detail, "")] if text)
        if fits := cell_len(told) <= room:
            pieces.append((line.plain_detail, "dim"))
        yield row.text(left + _AHEAD, _cut(pieces, room), spaced=True)
        if line.plain_detail and not fits:
            yield from self._free(None, ((line.plain_detail, "dim"),), indent=4)

    def _free(self, offset_ms: float | None, pieces: _Pieces, indent: int = 0) -> Iterator[Text]:
        """Rows of text beside the first life line."""
        begin = LEFT + 2 + indent
        for number, words in enumerate(_wrapped(pieces, self._edge - begin - 4)):
            yield self._row(offset_ms if not number else None).text(begin + (4 if number else 0), words)

    def _box(self, offset_ms: float, texts: Sequence[str]) -> Iterator[Text]:
        """A box with a line of text, or more, for each of its own."""
        begin = LEFT + 2
        room = self._edge - begin - 5
        rows = [row for text in texts for row in _wrapped(((text, ""),), room)]
        inner = max((sum(cell_len(text) for text, _ in row) for row in rows), default=0)
        style = _STYLES[Tone.MEDIA]
        yield self._row(offset_ms).text(begin, [(f"┌{'─' * (inner + 2)}┐", style)])
        for row in rows:
            told = "".join(text for text, _ in row)
            filled = set_cell_size(told, inner)
            yield self._row(None).text(begin, [("│ ", style), (filled, ""), (" │", style)])
        yield self._row(None).text(begin, [(f"└{'─' * (inner + 2)}┘", style)])


class _Row:
    """One row: the time, the life lines, and what is drawn over them."""

    def __init__(self, time: str, life: list[str]) -> None:
        self._time = time
        self.life = life
        self.drawn: tuple[int, int, str] = (0, 0, "")
        """The columns from and to which an arrow goes, and its style."""

    def text(self, begin: int, pieces: _Pieces, *, spaced: bool = False) -> Text:
        """The row with a text from the column `begin` on and a space behind it; one before it, too, where `spaced`."""
        row = Text(self._time.ljust(LEFT), no_wrap=True, overflow="ellipsis")
        over = [(text, style) for text, style in pieces if text]
        self._life(row, LEFT, begin)
        for text, style in [(" " if spaced else "", ""), *over, (" ", "")]:
            row.append(text, style=style)
        self._life(row, row.cell_len, len(self.life))
        row.rstrip()
        return row

    def _life(self, row: Text, begin: int, end: int) -> None:
        left, right, style = self.drawn
        for column in range(begin, end):
            arrow = left <= column <= right and self.life[column] != _LIFE
            row.append(self.life[column], style=style if arrow else "dim")


def _placed(names: Sequence[str], columns: Sequence[int], width: int, before: int) -> list[tuple[int, str]]:
    """Names in one row and where they begin: that of the first life line to its right, of the last one to its left, of
    all else around theirs. `before` is how many of them stand in the row above.
    """
    told: list[tuple[int, str]] = []
    at = LEFT
    for number, (name, column) in enumerate(zip(names, columns, strict=True)):
        behind = columns[number + 1] if number + 1 < len(columns) else width
        if not number and not before:
            shown = shortened(name, (behind - column) // (2 if behind < width else 1) - 1)
            begin = column
        elif column == width - 1:
            shown = shortened(name, width - at)
            begin = width - cell_len(shown)
        else:
            half = min(column - at, (behind - column) // 2 - 1 if behind < width else width - column - 2)
            shown = shortened(name, 2 * half + 1)
            begin = column - cell_len(shown) // 2
        told.append((begin, shown))
        at = begin + cell_len(shown) + 1
    return told


def shortened(name: str, columns: int) -> str:
    """A name in at most so many columns: without its middle where it is too long, since hosts differ at their ends."""
    if cell_len(name) <= columns:
        return name
    if columns < MIDDLE:
        return set_cell_size(name, max(columns - 1, 0)).rstrip() + "…" * (columns > 0)
    tail = columns * 3 // 5
    end = set_cell_size(name[::-1], tail)[::-1]  # by columns, too, of which some characters take two
    return f"{set_cell_size(name, columns - tail - 1).rstrip()}…{end.lstrip()}"


def _cut(pieces: _Pieces, room: int) -> list[tuple[str, str]]:
    """The pieces with spaces between them, and as much of them as there is room for."""
    shown: list[tuple[str, str]] = []
    for text, style in pieces:
        space = " " if shown else ""
        if not text or room <= len(space):
            continue
        whole = space + text
        told = whole if cell_len(whole) <= room else set_cell_size(whole, room - 1).rstrip() + "…"
        shown.append((told, style))
        room -= cell_len(told)
    return shown


def _wrapped(pieces: _Pieces, columns: int) -> Iterator[list[tuple[str, str]]]:
    """The pieces in rows of so many columns, broken at spaces, and inside of words that are longer than that."""
    row: list[tuple[str, str]] = []
    used, count, columns = 0, 1, columns - 1  # the last one is for what tells that there is more
    for text, style in pieces:
        for word in text.split():
            for part in chop_cells(word, columns):
                wide = cell_len(part) + bool(row)
                if used + wide > columns:
                    if count == MAX_ROWS:
                        yield [*row, ("…", "dim")]
                        return
                    yield row
                    row, used, count = [], 0, count + 1
                    wide = cell_len(part)
                row.append((f" {part}" if row else part, style))
                used += wide
    yield row
