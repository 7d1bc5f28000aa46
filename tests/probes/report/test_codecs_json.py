"""A codec report as data: it is what the schema says, whatever was found."""

import json

import pytest

from probes.checks.codecs import Asking, Offer, Question, Reply, Standing, Way, act
from probes.checks.codecs_answer import NO_DESCRIPTION, Security, read_untrusted
from probes.checks.codecs_judge import CodecReport, Support, judge
from probes.report.codecs_json import codecs_data
from probes.result import CallKind
from sipcore.auth.session import AuthError, AuthRefusal
from sipcore.errors import FailureReason, TransportFailure
from sipcore.sdp.codecs import CODECS
from tests.probes.checks.codecs_values import HOP, SUITE, URI, Peer, answered, offered
from tests.probes.report.schemas import load, violations

SCHEMA = load("codecs")
WITHOUT = {CallKind.NO_MEDIA, CallKind.CERTIFICATE_WANTED, CallKind.NO_CALL, CallKind.INTERRUPTED}
"""What a report never comes to."""
FIRST = Question(Offer(codecs=tuple(CODECS)), Way.INVITE)


def data_of(report: CodecReport) -> dict[str, object]:
    made = codecs_data(report)
    read: dict[str, object] = json.loads(json.dumps(made, allow_nan=False))
    assert violations(read, SCHEMA) == []
    assert json.loads(json.dumps(made, ensure_ascii=False).encode()) == read  # nothing in it that is not Unicode
    return read


async def asked(peer: Peer) -> CodecReport:
    return judge(URI, HOP, await act(peer, Asking()), Asking())


async def test_what_was_found() -> None:
    data = data_of(await asked(Peer(("PCMU",), (Security.NONE, Security.SDES))))
    assert (data["uri"], data["transport"], data["works"], data["kind"]) == (str(URI), "udp", True, "connected")
    first, last = data["codecs"][0], data["codecs"][-1]  # type: ignore[index]
    assert (first["name"], first["support"], first["evidence"]) == ("PCMU", "accepted", [1])
    assert first["format"] == {"payload_type": 0, "encoding": "PCMU", "clock_rate": 8000, "channels": 1, "fmtp": None}
    assert last["name"] == "telephone-event"
    assert [one["support"] for one in data["securities"]] == ["accepted", "accepted", "refused", "refused"]  # type: ignore[attr-defined]
    assert data["securities"][1]["key"] == SUITE  # type: ignore[index]
    questions = data["questions"]
    assert [one["way"] for one in questions] == ["INVITE", *["re-INVITE"] * 5]  # type: ignore[attr-defined]
    assert questions[2]["profile"] is None  # type: ignore[index]
    assert "inline" not in json.dumps(data)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(FIRST, 0.1, Standing.OVER),
        Reply(FIRST, 0.1, Standing.OVER, answered(488, 'Warning: 304 x "\xff"'), statuses=(100, 488)),
        Reply(FIRST, 0.1, Standing.OVER, failure=TransportFailure(FailureReason.RESET, "gone")),
        Reply(
            *(FIRST, 0.1, Standing.OVER, answered(401)),
            failure=AuthError(AuthRefusal.NO_CHALLENGE, "no", advice="yes", section="RFC 3261 §22.2"),
        ),
        Reply(FIRST, 0.1, Standing.UP, answered(200), NO_DESCRIPTION, (100, 200)),
        Reply(FIRST, 0.1, Standing.UP, answered(200), read_untrusted(b"v=1\xff", offered(FIRST.offer))),
    ],
)
def test_whatever_came(reply: Reply) -> None:
    data_of(judge(URI, HOP, [reply], Asking()))


def test_nowhere() -> None:
    data = data_of(judge(URI, None, (), Asking(), TransportFailure(FailureReason.UNRESOLVABLE, "no such name")))
    assert (data["address"], data["kind"], data["unfinished"]) == (None, "unresolvable", "no such name")


def test_every_word_is_in_the_schema() -> None:
    definitions = SCHEMA["$defs"]
    question = definitions["question"]["properties"]
    assert set(definitions["capability"]["properties"]["support"]["enum"]) == {each.value for each in Support}
    assert set(question["way"]["enum"]) == {each.value for each in Way}
    assert set(question["call"]["enum"]) == {each.value for each in Standing}
    assert set(question["profile"]["enum"]) == {each.profile for each in Security} | {None}
    assert set(SCHEMA["properties"]["kind"]["enum"]) == {kind.name.lower() for kind in set(CallKind) - WITHOUT}
