"""What discovery asks, in words."""

import pytest

from probes.checks.io import PLAIN
from probes.discovery.attempts import run as attempts
from probes.discovery.habits import judge
from probes.fingerprint.signatures import ASKS
from probes.report.purposes import TITLES, evidence_told, title_of


def test_all_that_is_asked_has_a_title() -> None:
    others = {PLAIN, judge.SMALL, judge.OWN, judge.CALL, attempts._INCONSPICUOUS, attempts._REPEATED}
    assert {*TITLES} == {*ASKS, *others, *judge.OF_FORWARDING}
    assert title_of(judge.sized(1300)) == "an OPTIONS of 1,300 bytes"
    assert title_of("of a later version") == "of a later version"


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (
            "to no-hops: status-line '483 Too Many Hops'",
            "to an OPTIONS that may go no further (no-hops): status-line '483 Too Many Hops'",
        ),
        ("banner 'to no-hops: x'", "banner 'to no-hops: x'"),
        ("to-tag 'as[0-9a-f]{8}'", "to-tag 'as[0-9a-f]{8}'"),
        ("to nowhere: no answer", "to nowhere: no answer"),
    ],
)
def test_evidence_names_what_was_asked(told: str, shown: str) -> None:
    assert evidence_told(told) == shown
