"""Session descriptions out of RFCs and of other stacks' tests: the same verdict, the same bytes back."""

import base64

from sipcore.deviation import Deviation, Notes
from sipcore.errors import ParseError
from sipcore.sdp.description import SessionDescription
from tests.conformance.corpus import ROOT, Case, labelled, needs_corpus, read_jsonl

pytestmark = needs_corpus

DISAGREEMENTS = {
    "sdp-7a5c9a4a78e1ca": "username SP sess-id SP sess-version SP nettype SP addrtype SP unicast-address "
    "(RFC 8866 §9): the o= line holds a name and a mail address instead",
    "sdp-8a0f1b9d7ea956": "port = 1*DIGIT (RFC 8866 §9): the m= line holds a placeholder of the RFC's prose",
    "sdp-d80fad69009318": "port = 1*DIGIT (RFC 8866 §9): the m= line holds a placeholder of the RFC's prose",
    "sdp-c5dcc38ef6097c": 'media SP port ["/" integer] SP proto 1*(SP fmt) (RFC 8866 §9): the m= lines are cut off',
    "sdp-9fba914b32209c": "c= is needed in each media description or once for the session (RFC 8866 §5.7): there is no "
    "media description, and no other fault",
}
"""Labels that we do not follow, each with the rule that backs us."""
AGREEMENT = 0.98
"""The share of the labelled cases that must agree or stand in DISAGREEMENTS."""
MAX_DISAGREEMENTS = 0.05


def verdict(case: Case) -> str:
    try:
        SessionDescription.parse(case.data, [])
    except ParseError:
        return "reject"
    return "accept"


def test_labelled_cases_agree() -> None:
    cases = labelled("sdp")
    differing = {case.id: case.source for case in cases if verdict(case) != case.expect}
    unexplained = {case: source for case, source in differing.items() if case not in DISAGREEMENTS}
    assert len(unexplained) <= (1 - AGREEMENT) * len(cases), unexplained
    assert len(DISAGREEMENTS) <= MAX_DISAGREEMENTS * len(cases)


def test_every_disagreement_is_one() -> None:
    for case in labelled("sdp"):
        assert case.id not in DISAGREEMENTS or verdict(case) != case.expect, case.id


def test_every_case_is_a_description_with_the_same_bytes_or_our_error() -> None:
    for row in read_jsonl(ROOT / "cases" / "sdp.jsonl"):
        data, notes = base64.b64decode(row["bytes_b64"]), Notes()
        try:
            description = SessionDescription.parse(data, notes)
        except ParseError:
            continue
        assert bytes(description) == data, row["id"]
        description.check_attributes([])
        for media in description.media:
            assert len(media.codecs) <= len(media.formats), row["id"]
        check(row["id"], row.get("checks") or {}, description, notes)


def check(case: str, checks: dict[str, object], description: SessionDescription, notes: Notes) -> None:
    """What the source says about the case: how its lines end, and whether it is whole."""
    if checks.get("line_endings") in ("crlf", "lf->crlf"):
        assert Deviation.SDP_BARE_LF not in notes, case
    if checks.get("complete_session"):
        assert description.timings, case
        assert description.name is not None, case
