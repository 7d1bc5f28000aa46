"""What finds the transaction and the dialog of a message: asked for of each, before anything else. RFC 3261 §12, §17.

Where it is written as most write it, one pattern reads all of it in one go.
"""

from functools import lru_cache

from sipcore.grammar import TOKEN
from sipcore.message.fields.simple import CALL_ID_WORDS, CSeq
from sipcore.pattern import Pattern
from sipcore.tokens import MAGIC_COOKIE

MAX_CSEQS = 1024
"""CSeqs that are remembered: nearly all are a small number and one of few methods, and a look-up is a third of one."""
Top = tuple[str, CSeq, str, bool]
"""What finds the transaction of a message: branch and CSeq; then the sent-by of its topmost Via, and whether it has
several."""
Ids = tuple[str | None, str | None, str]
"""What finds its dialog: From tag, To tag and Call-ID."""
Cut = tuple[bytes, bytes, bytes, bytes]
"""Ids as they were cut out of the message: an empty tag is none, and the Call-ID is in two parts. Many ask for none of
them, and to make texts of them takes as long as to cut them out."""

_PARAM = rf"{TOKEN}++(?>(?:=(?:{TOKEN}++(?!:)|\[[0-9A-Fa-f:.]++\]|[0-9A-Fa-f:.]++))?)"
PLAIN_ENVELOPE = (
    rf' [^;,"<\r\n\0 ]++ ([^;,"<\r\n\0 ]++)'
    rf"(?>(?:;(?!(?i:branch)[;=]){_PARAM})*);(?i:branch)=({MAGIC_COOKIE}{TOKEN}++)(?>(?:;{_PARAM})*)",
    rf"[^>\r\n\0]*+>;tag=({TOKEN}++)",
    rf"[^>\r\n\0]*+>(?>(?:;tag=({TOKEN}++))?)",
    rf" ({CALL_ID_WORDS})",
    rf" ([0-9]{{1,9}}) ({TOKEN}++)",
)
"""Via, From, To, Call-ID and CSeq as most are written, each a pattern for what follows the colon, without line ends.

Their groups are the sent-by and what an envelope holds; the branch is one of RFC 3261. One pattern made of all is twice
as fast as one for each."""
_plain_envelope = Pattern("\n".join(f"[^:\n]*+:{value}" for value in PLAIN_ENVELOPE))


@lru_cache(MAX_CSEQS)
def known_cseq(number: str, method: str) -> CSeq:
    """The CSeq of two texts that are of its grammar."""
    return CSeq(int(number), method)


def read_envelope(fields: str, *, has_several_vias: bool) -> tuple[Top, Ids] | None:
    """What finds a message's transaction, and its dialog, out of its first Via, From, To, Call-ID and CSeq as written,
    a line each; None where one of them is not plain.
    """
    plain = _plain_envelope.fullmatch(fields)
    if plain is None:
        return None
    sent_by, branch, from_tag, to_tag, call_id, number, method = plain.groups()
    return (branch, known_cseq(number, method), sent_by, has_several_vias), (from_tag, to_tag, call_id)


def texts_of(cut: Cut) -> Ids:
    """What finds the dialog, as texts."""
    from_tag, to_tag, local, rest = cut
    return from_tag.decode() or None, to_tag.decode() or None, (local + rest).decode()
