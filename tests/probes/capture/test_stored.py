"""Stored results as calls again: what is there is read, and nothing that is not ours breaks it."""

import json
from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.capture.stored import call_of, is_stored, result_of, results_in
from probes.destination import Destination
from probes.report.call_json import call_data
from probes.report.html_call import call_page, title_of_call, title_of_replay
from probes.report.ladder import ladder_of
from probes.report.ladder_text import ladder_rows
from probes.report.replay_text import ladder_of_call
from probes.report.svg import svg
from probes.result import AuthenticationStep, CallEvent, CallKind, CallResult, CallRole, TimelineEntry
from probes.timeline import media_entry
from sipcore.errors import LocalError
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.resolve.target import Hop, Transport
from sipcore.trace import Direction, MessageTrace, TransitionTrace
from tests.probes.calls.judge.said import WHOLE
from tests.probes.calls.judge.test_diagnosis import stored
from tests.probes.report.audio import audio, changed, secured
from tests.probes.report.recorded import LOCAL, RECORDS, REMOTE, START, timeline
from tests.sipcore.media.talk import BOB

RESULT = stored(*WHOLE, kind=CallKind.CONNECTED)
EVENTS = (
    MediaEvent(0.0, MediaEventKind.FIRST_SENT, str(BOB)),
    MediaEvent(0.0, MediaEventKind.FIRST_RECEIVED, "PCMU"),
    MediaEvent(0.0, MediaEventKind.GOODBYE),
)


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
    assert len(ladder_of_call(call).participants) == 2


SECONDS = st.floats(0, 100, allow_subnormal=False) | st.sampled_from((0.01204996, 1.00014996, 0.0000499))
"""Some of which would be rounded in another way if they were rounded twice."""


@st.composite
def results(draw: st.DrawFn) -> CallResult:
    """A test call whose times and measures are any, with messages, DNS, connections and media."""
    begin, *steps = draw(st.lists(SECONDS, min_size=8, max_size=8))
    at = [round(begin, 6), *accumulate(steps, initial=begin)]
    records = [replace(record, at=START + when) for record, when in zip(RECORDS, at, strict=False)]
    media = draw(st.sampled_from([None, audio(), audio(deaf=True), secured(), changed()]))
    heard = [replace(event, at=START + when) for event, when in zip(EVENTS, at[3:], strict=False)]
    if media is not None:
        main = [replace(each, jitter=draw(SECONDS)) for each in media.measured.sources]
        trips = (draw(SECONDS),)
        control = replace(media.measured.control, round_trips=trips)
        measured = replace(media.measured, sources=tuple(main), control=control, opinion=draw(st.floats(1, 4.5)))
        media = replace(media, measured=measured, last=draw(st.none() | SECONDS))
    told = [*timeline(*records), *(media_entry(event, START) for event in heard)]
    return replace(
        RESULT,
        timeline=tuple(sorted(told, key=lambda entry: entry.offset_ms)),
        media=media,
        destination=Destination.parse(draw(st.sampled_from(["sip:bob@biloxi.example;transport=tcp", "[::1]:5070"]))),
        role=draw(st.sampled_from(CallRole)),
    )


@given(results())
def test_a_stored_call_is_drawn_as_it_was_when_it_happened(result: CallResult) -> None:
    (data,) = results_in(text_of(result))
    ladder = ladder_of(result.timeline, media=result.media)
    call = call_of(data)
    assert ladder_of_call(call) == ladder
    assert svg(ladder_of_call(call), title_of_replay(call)) == svg(ladder, title_of_call(result))
    assert [row.plain for row in ladder_rows(ladder_of_call(call))] == [row.plain for row in ladder_rows(ladder)]


def test_all_that_is_stored_is_read_again() -> None:
    """What is not is judged anew (findings), or stands nowhere else (the beginning of times without messages)."""
    whole = replace(
        stored(*WHOLE, kind=CallKind.CONNECTED),
        media=secured(),
        hop=Hop(Transport.TLS, REMOTE, LOCAL, why="SRV", path="/x"),
        events=(CallEvent("ringing", 1.0, "x"),),
        transitions=(
            TransitionTrace(1.0, "INVITE client", "z9hG4bK1", "R1XX", "CALLING", "PROCEEDING"),
            TransitionTrace(1.0, "caller", "", "R1XX", "CALLING", "PROCEEDING", "call-1", "a", "b"),
        ),
        unmet="busy",
        epoch_ns=1_700_000_000 * 10**9,
        final_status=200,
        **dict.fromkeys(("post_dial_delay", "answer_time", "duration", "ring_time", "invited"), 0.25),  # type: ignore[arg-type]
        **dict.fromkeys(("reason", "codec", "advice", "media_problem", "ended_by", "authentication", "caller"), "x"),  # type: ignore[arg-type]
    )
    data = json.loads(json.dumps(call_data(whole)))
    again = json.loads(json.dumps(call_data(result_of(data))))
    assert {name for name in data if again[name] != data[name]} <= {"findings"}


def test_a_challenge_and_its_answer_are_read_again() -> None:
    step = AuthenticationStep("x", True, ("Digest MD5 auth",), answers=False, again="the nonce was stale")
    entry = TimelineEntry(1.0, "challenge", "d", authentication=step)
    (found,) = call_of(json.loads(text_of(replace(RESULT, timeline=(entry,))))).timeline()
    assert found.authentication == step


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
    ladder_of_call(call)


MEDIA = json.loads(json.dumps(call_data(replace(RESULT, media=secured()))))
"""What a result has, of which anything may be missing, or be something else."""


@given(st.data())
def test_whatever_stands_for_what_was_measured_is_read(data: st.DataObject) -> None:
    broken = json.loads(json.dumps(MEDIA))
    for part in (broken, broken["media"], *(each for each in broken["media"].values() if isinstance(each, dict))):
        for name in data.draw(st.lists(st.sampled_from(sorted(part)), max_size=3)):
            part[name] = data.draw(ANYTHING | st.lists(ANYTHING | st.just({}), max_size=3))
    call = call_of({"timeline": [], **{k: v for k, v in broken.items() if k != "timeline"}})
    ladder_of_call(call)
    if call.result is not None:
        call_page(call.result, 0.0)
