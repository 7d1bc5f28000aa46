"""A ladder as an SVG picture that stands by itself: no script, no font or style from elsewhere, both colour schemes.

Each message shows its whole text when it is pointed at. Times stand on the left, in milliseconds since the beginning.
"""

from html import escape

from probes.report.ladder import Arrow, Ladder, Note, Tone

LEFT, LANE, ROW, TOP, BOTTOM = 96, 380, 30, 64, 24
"""Pixels: the column of times, between two life lines, between two lines, above and below them."""
RIGHT = 130
"""Pixels to the right of the last life line, for half of its name."""
DETAIL = 44
"""Characters of detail that fit between two life lines beside a label; the whole is shown when pointed at."""
NOTE_DETAIL = 64
"""Characters of a note, which goes to the right of its life line."""

_STYLE = """
  .paper { fill: #ffffff; }
  text { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #1c2733; }
  .name { font-weight: 600; text-anchor: middle; }
  .time { fill: #68788a; font-size: 11px; text-anchor: end; }
  .detail { fill: #68788a; font-size: 11px; font-weight: 400; }
  .life { stroke: #b9c4cf; }
  .note, .mark { fill: #68788a; }
  .arrow { stroke-width: 1.6; fill: none; }
  .again { stroke-dasharray: 5 4; }
  .stream { stroke-width: 5; stroke-opacity: 0.55; }
  .label { text-anchor: middle; font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #12181f; }
    text { fill: #e4ebf2; }
    .time, .detail, .note, .mark { fill: #93a3b4; }
    .life { stroke: #45525f; }
  }
"""
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
    """The picture; `title` is its name for those who do not see it."""
    width = LEFT + LANE * (len(ladder.participants) - 1) + RIGHT
    if len(ladder.participants) == 1:
        width += LANE  # notes need the room though nobody answered
    height = TOP + ROW * len(ladder.lines) + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' role="img"><title>{escape(title)}</title>',
        f"<style>{_STYLE}</style>",
        "<defs>" + "".join(_head(tone) for tone in Tone) + "</defs>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
    ]
    for lane, name in enumerate(ladder.participants):
        parts.append(f'<text class="name" x="{_x(lane)}" y="30">{escape(name)}</text>')
        parts.append(f'<line class="life" x1="{_x(lane)}" x2="{_x(lane)}" y1="40" y2="{height - BOTTOM // 2}"/>')
    for row, line in enumerate(ladder.lines):
        y = TOP + ROW * row + ROW // 2
        parts.append(f'<text class="time" x="{LEFT - 14}" y="{y + 4}">{line.offset_ms:.1f} ms</text>')
        parts.append(_arrow(line, y) if isinstance(line, Arrow) else _note(line, y))
    return "\n".join([*parts, "</svg>", ""])


def _x(lane: int) -> int:
    return LEFT + LANE * lane


def _head(tone: Tone) -> str:
    """The head of an arrow, one for each colour."""
    return (
        f'<marker id="{tone.value}" markerUnits="userSpaceOnUse" viewBox="0 0 9 8" markerWidth="14" markerHeight="13"'
        ' refX="8" refY="4" orient="auto">'
        f'<path d="M0,0 L9,4 L0,8 z" fill="{_COLOURS[tone]}"/></marker>'
    )


def _arrow(line: Arrow, y: int) -> str:
    begin, end = _x(line.source), _x(line.target)
    again = " again" if line.again else " stream" if line.tone is Tone.MEDIA else ""
    shown = _cut(line.detail, DETAIL - len(line.label))
    detail = f'<tspan class="detail" dx="8">{escape(shown)}</tspan>' if shown else ""
    return (
        f"<g><title>{escape(line.text)}</title>"
        f'<path class="arrow{again}" stroke="{_COLOURS[line.tone]}" d="M{begin},{y} H{end}"'
        f' marker-end="url(#{line.tone.value})"/>'
        f'<text class="label" x="{(begin + end) // 2}" y="{y - 6}">{escape(line.label)}{detail}</text></g>'
    )


def _note(line: Note, y: int) -> str:
    told = f"{line.label} {line.detail}".strip()
    return (
        f'<g><title>{escape(told)}</title><circle class="mark" cx="{_x(0)}" cy="{y}" r="3.5"/>'
        f'<text class="note" x="{_x(0) + 12}" y="{y + 4}">{escape(_cut(told, NOTE_DETAIL))}</text></g>'
    )


def _cut(text: str, length: int) -> str:
    """`text`, or as much of it as fits."""
    return text if len(text) <= length else text[: max(length - 1, 0)] + "…" if length > 1 else ""
