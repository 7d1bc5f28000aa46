"""Expected endings, and the ones that came."""

import pytest

from probes.calls.expect import WORDS, Expectation
from probes.destination import Destination
from probes.result import CallKind, CallResult, CallStatus
from sipcore.errors import LocalError


def ended(status: CallStatus, kind: CallKind, code: int | None = None) -> CallResult:
    return CallResult(Destination("example.com"), None, status, kind, "why", final_status=code)


CONNECTED = ended(CallStatus.CONNECTED, CallKind.CONNECTED, 200)
SILENT = ended(CallStatus.CONNECTED, CallKind.NO_MEDIA, 200)
BUSY = ended(CallStatus.BUSY, CallKind.BUSY, 486)
RANG = ended(CallStatus.NO_ANSWER, CallKind.NOT_ANSWERED, 487)
REFUSED = ended(CallStatus.FAILED, CallKind.REFUSED)


@pytest.mark.parametrize(
    ("text", "met", "unmet"),
    [
        ("connected", [CONNECTED], [SILENT, BUSY, RANG, REFUSED]),
        ("no media", [SILENT], [CONNECTED]),
        ("Busy", [BUSY], [CONNECTED, RANG]),
        ("no-answer", [RANG], [CONNECTED]),
        ("not_answered", [RANG], [BUSY]),
        ("failed", [REFUSED], [CONNECTED, BUSY]),
        ("refused", [REFUSED], [BUSY]),
        ("486", [BUSY], [CONNECTED, REFUSED]),
    ],
)
def test_what_meets_an_expectation(text: str, met: list[CallResult], unmet: list[CallResult]) -> None:
    expectation = Expectation.parse(text)
    assert [expectation.unmet(result) for result in met] == [""] * len(met)
    assert all(expectation.unmet(result) for result in unmet)


def test_what_is_different_is_told() -> None:
    assert Expectation.parse("busy").unmet(CONNECTED) == "expected was busy, and it ended with connected (200)"
    assert Expectation.parse("603").unmet(REFUSED) == "expected was 603, and it ended with refused"


@pytest.mark.parametrize("text", ["", "well", "199", "700", "4866", "٤٨٦"])
def test_what_is_no_ending(text: str) -> None:
    with pytest.raises(LocalError, match="give a status from 200 to 699, or connected, busy"):
        Expectation.parse(text)


@pytest.mark.parametrize("text", ["pending", "Pending", " PENDING "])
def test_no_call_ends_with_pending(text: str) -> None:
    assert "pending" not in WORDS
    with pytest.raises(LocalError, match="no call ends with pending: that is what is told of it while it goes on"):
        Expectation.parse(text)


def test_every_ending_has_a_word() -> None:
    endings = set(CallKind) - {CallKind.INTERRUPTED}
    assert {kind.value.lower().replace(" ", "_") for kind in endings} <= set(WORDS)
    assert not {"pending", "interrupted"} & set(WORDS)
