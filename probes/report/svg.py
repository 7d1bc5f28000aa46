"""A ladder as an SVG picture that stands by itself: no script, no font or style from elsewhere, both colour schemes.

Each message shows its whole text when it is pointed at. Times stand on the left, in milliseconds since the beginning
and since the line above. What is dashed was sent again; a band connects the beginning of media with what became of it.
"""

from html import escape
from itertools import pairwise

from rich.cells import cell_len, set_cell_size

from probes.report.ladder import Arrow, Ladder, Line, Note, Summary, Tone

LEFT, ROW, TOP, BOTTOM = 176, 30, 64, 24
"""Pixels: the columns of times, between two lines, above and below them."""
LEAST_LANE, MOST_LANE = 180, 460
"""Pixels between two life lines, whatever stands there."""
WIDE, NARROW = 7.9, 6.7
"""Pixels of a character of a label or name, and of a detail; the fonts are of one width."""
MAX_NAME = 40
"""Characters of a participant's name, which may be a long IPv6 address; the whole is shown when pointed at."""
NOTE_SPACE = 440
"""Pixels that a note has at least, to the right of its life line."""
LOOP, OWN = 28, 320
"""Pixels: how far a message to oneself goes, and the room for what stands beside it."""
BOX_LINE, BOX_MARGIN = 17, 10
"""Pixels of a line of a summary, and around it."""
MAX_LINES = 2000
"""Lines that are drawn: a hostile peer may send without end."""
MAX_HOVER = 2000
"""Characters that are shown of a message when it is pointed at."""

_SHAPES = """
  .ladder text { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; stroke-width: 4px;
    stroke-linejoin: round; paint-order: stroke; }
  .ladder .name { font-weight: 600; text-anchor: middle; }
  .ladder .time, .ladder .since { font-size: 11px; text-anchor: end; }
  .ladder .detail, .ladder .told { font-size: 11px; font-weight: 400; }
  .ladder .repeat { font-size: 11px; font-weight: 600; }
  .ladder .arrow { stroke-width: 1.6; fill: none; }
  .ladder .again { stroke-dasharray: 5 4; }
  .ladder .stream { stroke-width: 4; }
  .ladder .label { text-anchor: middle; font-weight: 600; }
  .ladder .own { text-anchor: start; }
  .ladder .band { fill-opacity: 0.08; }"""


def _colours(paper: str, ink: str, soft: str, life: str, band: str, again: str) -> str:
    """The rules that give colours. No CSS variables: most programs that draw SVG outside of a browser know none."""
    return f"""
  .ladder {{ background: {paper}; }}
  .ladder .paper {{ fill: {paper}; }}
  .ladder text {{ fill: {ink}; stroke: {paper}; }}
  .ladder .time, .ladder .since, .ladder .detail, .ladder .told, .ladder .note, .ladder .mark {{ fill: {soft}; }}
  .ladder .repeat {{ fill: {again}; }}
  .ladder .life {{ stroke: {life}; }}
  .ladder .band {{ fill: {band}; }}
  .ladder .box {{ fill: {paper}; stroke: {band}; }}"""


STYLE = "\n".join(
    (
        _SHAPES + _colours("#ffffff", "#1c2733", "#5b6b7b", "#b9c4cf", "#0e8f9c", "#9a5b00"),
        "  @media (prefers-color-scheme: dark) {"
        + _colours("#12181f", "#e4ebf2", "#a3b1bf", "#45525f", "#35b5c2", "#f0b849")
        + " }",
        "  @media print {" + _colours("#ffffff", "#000000", "#333333", "#999999", "#0e8f9c", "#6b4600") + " }",
        "",
    )
)
"""What stands in each picture, the same in all of them."""
_COLOURS = {
    Tone.REQUEST: "#2f7ed8",
    Tone.PROVISIONAL: "#8a94a0",
    Tone.SUCCESS: "#2a9d55",
    Tone.REDIRECTION: "#c08a1e",
    Tone.FAILURE: "#d64545",
    Tone.MEDIA: "#0e8f9c",
    Tone.ODD: "#a04fc4",
}


def svg(ladder: Ladder, title: str) -> str:
    """The picture; `title` is its name for those who do not see it, and may not hold control characters."""
    return _Picture(ladder).draw(title)


class _Picture:
    """Where everything stands: the life lines from left to right, the lines from top to bottom."""

    def __init__(self, ladder: Ladder) -> None:
        self._names = ladder.participants
        self._lines = ladder.lines[:MAX_LINES]
        self._omitted = len(ladder.lines) - len(self._lines)
        self._lanes = _lanes(self._names, self._lines)
        self._tops = [TOP]
        for line in self._lines:
            self._tops.append(self._tops[-1] + _height(line))
        self._height = self._tops[-1] + BOTTOM + (ROW if self._omitted else 0)
        notes = NOTE_SPACE if any(isinstance(line, Note) for line in self._lines) else 0
        boxes = [_box_width(line) + 2 * BOX_MARGIN for line in self._lines if isinstance(line, Summary)]
        last = round(cell_len(_cut(self._names[-1], MAX_NAME)) * WIDE / 2) + 2 * BOX_MARGIN if self._names else 0
        owns = [
            self._lanes[line.source] + LOOP + OWN for line in self._lines if isinstance(line, Arrow) and _is_own(line)
        ]
        self._width = max([self._lanes[-1] + max(last, 4 * BOX_MARGIN), LEFT + max([notes, *boxes]), *owns])

    def draw(self, title: str) -> str:
        """The whole picture."""
        width, height = self._width, self._height
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="ladder" width="{width}" height="{height}"'
            f' viewBox="0 0 {width} {height}" role="img"><title>{escape(title)}</title>',
            f"<style>{STYLE}</style>",
            "<defs>" + "".join(_head(tone) for tone in Tone) + "</defs>",
            f'<rect class="paper" width="{width}" height="{height}"/>',
            *self._bands(),
        ]
        foot = height - BOTTOM // 2
        parts += [f'<line class="life" x1="{x}" x2="{x}" y1="40" y2="{foot}"/>' for x in self._lanes]
        for x, name in zip(self._lanes, self._names, strict=False):
            shown = escape(_cut(name, MAX_NAME))
            parts.append(f'<g><title>{escape(name)}</title><text class="name" x="{x}" y="30">{shown}</text></g>')
        before = 0.0
        for line, top in zip(self._lines, self._tops, strict=False):
            parts += [*_times(line.offset_ms, before, top + ROW // 2 + 4), self._line(line, top)]
            before = line.offset_ms
        if self._omitted:
            y = self._tops[-1] + ROW // 2 + 4
            parts.append(f'<text class="note" x="{LEFT + 12}" y="{y}">{self._omitted} lines more</text>')
        return "\n".join([*parts, "</svg>", ""])

    def _bands(self) -> list[str]:
        """What lies behind the lines while media flows."""
        ends = [number for number, line in enumerate(self._lines) if isinstance(line, Summary)]
        begins = [
            number for number, line in enumerate(self._lines) if isinstance(line, Arrow) and line.tone is Tone.MEDIA
        ]
        if not ends or not begins:
            return []
        box = self._lines[ends[0]]
        top, bottom = self._tops[begins[0]] + ROW // 2, self._tops[ends[0]]
        right = self._lanes[box.target] if isinstance(box, Summary) else LEFT
        return [f'<rect class="band" x="{LEFT}" y="{top}" width="{right - LEFT}" height="{bottom - top}"/>']

    def _line(self, line: Line, top: int) -> str:
        y = top + ROW // 2
        match line:
            case Arrow():
                return self._arrow(line, y)
            case Note():
                return self._note(line, y)
        return _box(line, top)

    def _arrow(self, line: Arrow, y: int) -> str:
        begin, end = self._lanes[line.source], self._lanes[line.target]
        if begin != end:
            path, kind, x, above, room = f"M{begin},{y} H{end}", "label", (begin + end) // 2, 6, abs(end - begin)
        else:  # to itself
            path, kind, x, above, room = (
                f"M{begin},{y - 6} h{LOOP} v12 h-{LOOP}",
                "label own",
                begin + LOOP + 8,
                -4,
                OWN,
            )
        style = " again" if line.again else " stream" if line.tone is Tone.MEDIA else ""
        return (
            f"<g><title>{escape(line.text[:MAX_HOVER])}</title>"
            f'<path class="arrow{style}" stroke="{_COLOURS[line.tone]}" d="{path}"'
            f' marker-end="url(#head-{line.tone.value})"/>'
            f'<text class="{kind}" x="{x}" y="{y - above}">{_told(line, room - 3 * BOX_MARGIN)}</text></g>'
        )

    def _note(self, line: Note, y: int) -> str:
        told = f"{line.label} {line.detail}".strip()
        x = LEFT + 12
        shown = escape(_cut(told, int((self._width - x) / WIDE)))
        return (
            f'<g><title>{escape(told[:MAX_HOVER])}</title><circle class="mark" cx="{LEFT}" cy="{y}" r="3.5"/>'
            f'<text class="note" x="{x}" y="{y + 4}">{shown}</text></g>'
        )


def _lanes(names: tuple[str, ...], lines: tuple[Line, ...]) -> list[int]:
    """Where the life lines stand: as far apart as names and labels need, within limits."""
    widths = [cell_len(_cut(name, MAX_NAME)) * WIDE for name in names]
    gaps = [max(LEAST_LANE, round((left + right) / 2) + 2 * BOX_MARGIN) for left, right in pairwise(widths)]
    for line in lines:
        if isinstance(line, Arrow) and abs(line.source - line.target) == 1:
            gap = min(line.source, line.target)
            gaps[gap] = max(gaps[gap], min(_label_width(line) + 4 * BOX_MARGIN, MOST_LANE))
    places = [LEFT]
    for gap in gaps:
        places.append(places[-1] + gap)
    return places


def _height(line: Line) -> int:
    return ROW if not isinstance(line, Summary) else len(line.lines) * BOX_LINE + 3 * BOX_MARGIN


def _is_own(line: Arrow) -> bool:
    return line.source == line.target


def _label_width(line: Arrow) -> int:
    return round(cell_len(line.label) * WIDE + (cell_len(line.plain_detail) + len(line.repeated) + 4) * NARROW)


def _told(line: Arrow, room: int) -> str:
    """What stands on an arrow, as much of it as there is room for: the label, whether it came again, the detail."""
    label = _cut(line.label, int(room / WIDE))
    told, room = escape(label), round(room - cell_len(label) * WIDE)
    for style, text in (("repeat", line.repeated), ("detail", line.plain_detail)):
        shown = _cut(text, int((room - BOX_MARGIN) / NARROW))
        if shown:
            told += f'<tspan class="{style}" dx="8">{escape(shown)}</tspan>'
            room -= round(cell_len(shown) * NARROW) + BOX_MARGIN
    return told


def _times(offset_ms: float, before_ms: float, y: int) -> list[str]:
    """When it was, and how long after the line above."""
    return [
        f'<text class="time" x="{LEFT - 84}" y="{y}">{offset_ms:.1f} ms</text>',
        f'<text class="since" x="{LEFT - 14}" y="{y}">{offset_ms - before_ms:+.1f}</text>',
    ]


def _head(tone: Tone) -> str:
    """The head of an arrow, one for each colour."""
    return (
        f'<marker id="head-{tone.value}" markerUnits="userSpaceOnUse" viewBox="0 0 9 8" markerWidth="14"'
        ' markerHeight="13" refX="8" refY="4" orient="auto">'
        f'<path d="M0,0 L9,4 L0,8 z" fill="{_COLOURS[tone]}"/></marker>'
    )


def _box(line: Summary, top: int) -> str:
    """A box over the life lines, with a line of text for each of its own."""
    x, y = LEFT + BOX_MARGIN, top + BOX_MARGIN // 2
    width, height = _box_width(line), len(line.lines) * BOX_LINE + BOX_MARGIN
    texts = "".join(
        f'<text class="told" x="{x + BOX_MARGIN}" y="{y + BOX_LINE * number + 16}">{escape(text)}</text>'
        for number, text in enumerate(line.lines)
    )
    return f'<g><rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" rx="5"/>{texts}</g>'


def _box_width(line: Summary) -> int:
    return round(max(map(cell_len, line.lines), default=0) * NARROW) + 2 * BOX_MARGIN


def _cut(text: str, columns: int) -> str:
    """`text`, or as much of it as fits; letters of East Asia take two columns."""
    if cell_len(text) <= columns:
        return text
    return f"{set_cell_size(text, columns - 1).rstrip()}…" if columns > 1 else ""
