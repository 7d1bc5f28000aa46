"""URIs, header fields and messages out of RFCs and of other stacks' tests: nearly always the same verdict."""

import base64

import pytest

from sipcore.errors import ParseError
from sipcore.message.parser import parse_message
from sipcore.message.require import inspect
from sipcore.message.uri import parse_uri
from tests.conformance.corpus import ROOT, labelled, needs_corpus, read_jsonl
from tests.conformance.verdict import judge

pytestmark = needs_corpus

AGREEMENT = 0.98
"""The share of the labelled cases that must agree, or have a sentence of an RFC on our side."""
MAX_BACKED = 0.05
"""The share that may differ with such a sentence."""


@pytest.mark.parametrize("kind", ["uri", "header", "message"])
def test_labelled_cases_agree(kind: str) -> None:
    verdicts = [judge(case, kind) for case in labelled(kind)]
    differing = [verdict for verdict in verdicts if not verdict.agrees]
    unbacked = {verdict.case.id: str(verdict.error) for verdict in differing if verdict.backing is None}
    assert len(unbacked) <= (1 - AGREEMENT) * len(verdicts), unbacked
    assert len(differing) - len(unbacked) <= MAX_BACKED * len(verdicts)


@pytest.mark.parametrize("kind", ["uri", "header", "message"])
def test_whatever_the_label_nothing_breaks_and_all_comes_back(kind: str) -> None:
    """Every case of the corpus, sure label or not: read in full and as it came, or our own error."""
    for row in read_jsonl(ROOT / "cases" / f"{kind}.jsonl"):
        data = base64.b64decode(row["bytes_b64"])
        try:
            if kind == "uri":
                text = data.decode("utf-8", "surrogateescape")
                assert str(parse_uri(text, [])) == text.strip(" \t"), row["id"]
            else:
                framed = data if kind == "message" else b"OPTIONS sip:a@b SIP/2.0\r\n" + data.rstrip() + b"\r\n\r\n"
                message = parse_message(framed)
                inspect(message)
                assert bytes(message) == framed, row["id"]
        except ParseError:
            continue
