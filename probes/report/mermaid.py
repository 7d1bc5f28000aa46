"""A ladder as a Mermaid sequence diagram, for documents and tickets that draw it."""

from probes.report.ladder import Arrow, Ladder, Summary

_SPECIAL = str.maketrans({character: f"#{ord(character)};" for character in '#;<>{}"%:&\\`'})
"""What has a meaning in the language, as its entity codes."""


def mermaid(ladder: Ladder) -> str:
    """The diagram's source; participants are P0, P1, … and this end is the first."""
    lines = ["sequenceDiagram"]
    lines += [f"    participant P{lane} as {_text(name)}" for lane, name in enumerate(ladder.participants)]
    for line in ladder.lines:
        if isinstance(line, Summary):
            told = "<br/>".join(map(_text, line.lines))
            lines.append(f"    Note over P0,P{line.target}: {told}")
            continue
        told = _text(f"{line.label} {line.detail}".strip())
        if isinstance(line, Arrow):
            arrow = "-->>" if line.again else "->>"
            lines.append(f"    P{line.source}{arrow}P{line.target}: {told} ({line.offset_ms:.1f} ms)")
        else:
            lines.append(f"    Note over P0: {told} ({line.offset_ms:.1f} ms)")
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    return text.translate(_SPECIAL)
