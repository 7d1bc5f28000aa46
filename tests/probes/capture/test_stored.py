"""Stored results as calls again: what is there is read, and nothing that is not ours breaks it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.capture.stored import call_of, is_stored, results_in
from probes.report.call_json import call_data
from probes.report.ladder import ladder_of
from probes.result import CallKind, CallResult
from sipcore.errors import LocalError
from sipcore.trace import Direction, MessageTrace
from tests.probes.calls.judge.said import WHOLE
from tests.probes.calls.judge.test_diagnosis import stored

RESULT = stored(*WHOLE, kind=CallKind.CONNECTED)


def text_of(result: CallResult) -> bytes:
    return json.dumps(call_data(result)).encode()


def test_a_result_is_the_same_story_again() -> None:
    (data,) = results_in(text_of(RESULT))
    call = call_of(data)
    told = [(entry.label, entry.detail, entry.direction) for entry in RESULT.timeline]
    assert [(entry.label, entry.detail, entry.direction) for entry in call.timeline()] == told
    assert call.first is not None
    assert (call.first.method, call.call_id) == ("INVITE", call.first.call_id)
    assert call.answer is not None
    assert call.answer.status == 200
    sent = [record for record in RESULT.records if isinstance(record, MessageTrace)]
    assert [record.direction for record in call.records] == [record.direction for record in sent]
    assert {record.direction for record in call.records} == {Direction.SENT, Direction.RECEIVED}
    assert len(ladder_of(call.timeline(), here="").participants) == 2


def test_results_stand_in_lines_among_others_and_inside_of_what_the_responder_tells() -> None:
    data = call_data(RESULT)
    lines = [{"event": "listening"}, {"event": "call", "result": data}, data, {"event": "summary", "calls": 2}, 3]
    assert len(results_in("\n".join(map(json.dumps, lines)).encode())) == 2


@pytest.mark.parametrize(
    "text", [b"", b"{", b"{}", b"[]", b'{"timeline": 3}', b'"x"', b"[" * 100_000, b'{"a":' * 100_000]
)
def test_what_holds_no_result_is_refused(text: bytes) -> None:
    with pytest.raises(LocalError):
        results_in(text)


@pytest.mark.parametrize(("text", "is_so"), [(b' {"a": 1}', True), (b"[", True), (b"\n\r\r\n", False), (b"", False)])
def test_json_is_known_by_how_it_begins(text: bytes, is_so: bool) -> None:
    assert is_stored(text) is is_so


ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400)
MESSAGES = st.fixed_dictionaries(
    {"text": st.sampled_from([record.data.decode() for record in RESULT.records if isinstance(record, MessageTrace)])},
    optional={
        "transport": st.sampled_from(["udp", "tls", "x"]) | ANYTHING,
        "local": st.sampled_from(["192.0.2.1:5060", "[::1]:5060", "x"]) | ANYTHING,
        "remote": st.sampled_from(["192.0.2.2:5060", "a b"]) | ANYTHING,
        "attempt": ANYTHING,
    },
)
ENTRIES = st.dictionaries(st.sampled_from(["offset_ms", "label", "detail", "event"]), ANYTHING) | st.fixed_dictionaries(
    {"message": MESSAGES | ANYTHING, "direction": st.sampled_from(["sent", "received", "x"])},
    optional={"offset_ms": ANYTHING},
)


@given(st.lists(ENTRIES | ANYTHING, max_size=5), ANYTHING)
def test_whatever_stands_in_it_becomes_a_call(timeline: list[object], began: object) -> None:
    call = call_of({"timeline": timeline, "began_at": began})
    ladder_of(call.timeline(), here="")
