"""Calls that came in, as results: timeline, steps, measures and verdict of the callee."""

import socket
from typing import Any

import pytest
import trio

from probes.calls.expect import Expectation
from probes.calls.judge.diagnosis import diagnosis_of
from probes.calls.judge.stored import facts_of_data
from probes.calls.script import Ends, Reliable
from probes.calls.wire import Wire
from probes.report.call_json import call_data
from probes.responder.personas import Guard, Manner, Persona
from probes.responder.run import open_responder
from probes.result import CallKind, CallResult, CallRole, CallStatus, TimelineEntry
from sipcore.auth.choice import Account
from sipcore.auth.server import ServerPolicy, UserTable
from sipcore.media.terms import Encryption
from sipcore.resolve.target import Transport
from sipcore.sdp.attributes import G729, PCMA
from sipcore.trace import MessageTrace
from tests.probes.report import schemas
from tests.probes.responder.calling import UDP, dial, order_of, responding, result_of
from tests.probes.responder.requests import offer, request

SCHEMA = schemas.load("call")


async def answered(persona: Persona, user: str = "alice", **script: object) -> CallResult:
    """What the callee tells of a call."""
    async with responding(persona) as (responder, _, told):
        await dial(responder, user, **script)  # type: ignore[arg-type]
        await told.reach(1)
        result = result_of(told[-1])
    assert schemas.violations(call_data(result), SCHEMA) == []
    assert result.role is CallRole.CALLEE
    return result


async def test_an_answered_call_is_a_test_call() -> None:
    result = await answered(Persona(Manner(ring=0.05)), hold=0.3)
    assert (result.status, result.kind, result.final_status) == (CallStatus.CONNECTED, CallKind.CONNECTED, 200)
    messages = [(entry.direction, entry.label) for entry in result.timeline if entry.direction]
    assert messages == [
        *(("←", "INVITE"), ("→", "180 Ringing"), ("→", "200 OK"), ("←", "ACK"), ("←", "BYE"), ("→", "200 OK")),
    ]
    assert [event.name for event in result.events] == ["initiated", "ringing", "answered", "media", "completed"]
    assert result.timeline[0].label == "initiated"
    times = (result.post_dial_delay, result.ring_time, result.answer_time, result.duration)
    assert all(seconds is not None and seconds >= 0 for seconds in times)
    assert result.called.startswith("sip:alice@127.0.0.1:")
    assert result.caller == "sip:anonymous@anonymous.invalid"
    assert result.destination.host == "127.0.0.1"
    assert result.ended_by == "hung up there"
    assert result.epoch_ns > 0
    told = [(step.machine, step.input) for step in result.transitions if step.before != step.after]
    for step in (("callee", "ACCEPT"), ("callee", "REMOTE_BYE"), ("test call", "ANSWERED"), ("test call", "MEDIA")):
        assert step in told
    assert {step.call_id for step in result.transitions} == {result.transitions[0].call_id} != {""}


async def test_what_is_stored_of_it_is_judged_the_same() -> None:
    result = await answered(Persona(encryption=Encryption.REQUIRE))
    found = diagnosis_of(facts_of_data(call_data(result)))
    assert [one.code for one in found.findings] == [one.code for one in result.findings] == ["offer-not-accepted"]
    assert "encryption is to require" in result.why


async def test_early_media_comes_before_the_answer() -> None:
    result = await answered(Persona(Manner(early_media=True, delay=0.15)), hold=0.2)
    assert [event.name for event in result.events] == ["initiated", "early_media", "answered", "media", "completed"]
    assert result.media is not None
    assert result.media.early


@pytest.mark.parametrize(
    ("persona", "user", "kind", "status", "codes"),
    [
        (Persona(), "busy", CallKind.BUSY, 486, []),
        (Persona(), "reject", CallKind.REJECTED, 403, []),
        (Persona(), "480", CallKind.NOT_ANSWERED, 480, []),
        (Persona(codecs=(G729,)), "a", CallKind.REJECTED, 488, ["offer-not-accepted"]),
    ],
)
async def test_a_call_that_is_refused(
    persona: Persona, user: str, kind: CallKind, status: int, codes: list[str]
) -> None:
    result = await answered(persona, user)
    assert (result.kind, result.final_status) == (kind, status)
    assert [finding.code for finding in result.findings] == codes
    assert [entry.label for entry in result.timeline if entry.direction][-1] == "ACK"
    assert f"refused here with {status}" in result.why


async def test_a_caller_that_gives_up() -> None:
    result = await answered(Persona(), "ring", ring_timeout=0.1)
    assert (result.status, result.kind, result.final_status) == (CallStatus.NO_ANSWER, CallKind.NOT_ANSWERED, 487)
    assert [finding.code for finding in result.findings] == ["caller-gave-up"]


async def test_a_caller_that_offers_nothing_that_can_be_used_in_its_ack() -> None:
    async with responding(Persona(codecs=(PCMA,))) as (responder, endpoint, told):
        async with endpoint.call(order_of(endpoint, responder, "a", b"")) as call:
            await call.answered()
            call.answer(offer(PCMA, port=0))
            await trio.sleep(0.1)
        await told.reach(1)
        result = result_of(told[0])
    assert (result.media, result.media_problem) == (None, "no audio was agreed on")
    assert "no media" in [entry.label for entry in result.timeline]


@pytest.mark.parametrize(
    ("reliable", "caller", "messages"),
    [
        (Reliable.REQUIRED, Reliable.ON, ["INVITE", "180 Ringing", "PRACK", "200 OK", "200 OK", "ACK"]),
        (Reliable.OFF, Reliable.ON, ["INVITE", "180 Ringing", "200 OK", "ACK"]),
        (Reliable.ON, Reliable.REQUIRED, ["INVITE", "180 Ringing", "PRACK", "200 OK", "200 OK", "ACK"]),
        (Reliable.OFF, Reliable.REQUIRED, ["INVITE", "420 Bad Extension", "ACK"]),
        (Reliable.REQUIRED, Reliable.OFF, ["INVITE", "421 Extension Required", "ACK"]),
    ],
)
async def test_provisional_responses_are_acknowledged(
    reliable: Reliable, caller: Reliable, messages: list[str]
) -> None:
    result = await answered(Persona(Manner(ring=0.1), reliable=reliable), hold=0.05, reliable=caller)
    assert [entry.label for entry in result.timeline if entry.direction][: len(messages)] == messages


async def test_digits_are_sent_once_the_call_is_up() -> None:
    """And a sound that no caller takes for the echo of its own, to one that listens for that."""
    async with responding(Persona(Manner(hang_up_after=1.2), digits="15#")) as (responder, _, told):
        placed = await dial(responder, "a", hangs_up=Ends.THEM)
        await told.reach(1)
        result = result_of(told[0])
    assert placed.media is not None
    assert "".join(key.key for key in placed.media.measured.keys) == "15#"
    assert placed.media.measured.heard is not None
    assert placed.media.measured.heard.echo is None
    assert result.media is not None
    assert result.media.digits == "15#"
    assert result.media.measured.heard is not None


async def test_a_caller_that_takes_no_digits_is_told_of() -> None:
    async with responding(Persona(digits="1")) as (responder, endpoint, told):
        async with endpoint.call(order_of(endpoint, responder, "a", offer(PCMA, telephone_event=None))) as call:
            await call.answered()
            await trio.sleep(0.1)
        await told.reach(1)
        result = result_of(told[0])
    assert "no DTMF" in [entry.label for entry in result.timeline]


async def test_header_fields_and_packet_time_are_told() -> None:
    persona = Persona(Manner(ring=0.05), ptime=40, headers=(("X-Trunk", "7"), ("X-Trunk", "8")))
    result = await answered(persona, hold=0.3)
    responses = [record.data for record in result.records if isinstance(record, MessageTrace)]
    own = [data for data in responses if data.startswith((b"SIP/2.0 180", b"SIP/2.0 200")) and b"INVITE" in data]
    assert len(own) == 2
    assert all(b"X-Trunk: 7\r\nX-Trunk: 8\r\n" in data for data in own)
    assert b"a=ptime:40\r\n" in own[1]
    assert result.media is not None
    assert result.media.measured.received is not None
    assert result.media.measured.received.ptime == 0.04


async def test_refusals_have_header_fields_too() -> None:
    result = await answered(Persona(Manner(status=486), headers=(("X-Why", "lunch"),)))
    (refusal,) = [one for one in result.records if isinstance(one, MessageTrace) and b"SIP/2.0 486" in one.data]
    assert b"X-Why: lunch\r\n" in refusal.data


@pytest.mark.parametrize(
    ("persona", "script", "told"),
    [
        (Persona(session_interval=1800), {}, b"Session-Expires: 1800;refresher=uac"),
        (Persona(session_interval=1800, refresher=Ends.US), {}, b"Session-Expires: 1800;refresher=uas"),
        (Persona(session_interval=600), {"session_interval": 1800}, b"Session-Expires: 600;refresher=uac"),
        (Persona(refresher=Ends.US), {"session_interval": 1800}, b"Session-Expires: 1800;refresher=uas"),
    ],
)
async def test_session_timers(persona: Persona, script: dict[str, Any], told: bytes) -> None:
    result = await answered(persona, hold=0.05, **script)
    answers = [one.data for one in result.records if isinstance(one, MessageTrace) and b"SIP/2.0 200" in one.data]
    assert told in answers[0]


async def test_a_session_that_is_too_short_is_to_be_asked_for_again() -> None:
    """The call is the one that follows, and what was said before is a part of it."""
    async with responding(Persona()) as (responder, _, told):
        turn = responder.expect(Persona(min_interval=120))
        placed = await dial(responder, "a", session_interval=90)
        result = await turn.result(1.0)
    labels = [entry.label for entry in result.timeline if entry.direction]
    assert labels[:5] == ["INVITE", "422 Session Interval Too Small", "ACK", "INVITE", "200 OK"]
    assert (told[0].status, told[0].result) == (422, None)
    assert placed.final_status == 200


@pytest.mark.parametrize(("reliable", "told"), [(Reliable.OFF, b"replaces, timer"), (Reliable.ON, b"100rel, replaces")])
async def test_what_is_not_done_is_not_said_to_be_supported(reliable: Reliable, told: bytes) -> None:
    async with responding(Persona()) as (responder, _, _):
        turn = responder.expect(Persona(reliable=reliable))
        await dial(responder, "a")
        result = await turn.result(1.0)
    answers = [one.data for one in result.records if isinstance(one, MessageTrace) and b"SIP/2.0 200" in one.data]
    assert b"Supported: " + told in answers[0]


async def test_checks_of_ice_are_answered() -> None:
    """Of a caller that does ICE, and of no other."""
    result = await answered(Persona(ice=True), ice=True, hold=0.2)
    (answer,) = {
        one.data
        for one in result.records
        if isinstance(one, MessageTrace) and b"SIP/2.0 200" in one.data and b"v=0" in one.data
    }
    assert b"a=ice-lite" in answer
    assert answer.count(b"a=candidate:") == 2
    plain = await answered(Persona(ice=True), hold=0.2)
    assert not any(b"ice-lite" in one.data for one in plain.records if isinstance(one, MessageTrace))


async def test_each_call_has_credentials_of_its_own() -> None:
    """What does not prove to come from whom it should does not use the turn up."""
    alice, bob = (Guard(ServerPolicy("demo"), UserTable({name: f"{name}'s"})) for name in ("alice", "bob"))
    async with responding(Persona()) as (responder, _, told):
        turns = [responder.expect(Persona(guard=guard)) for guard in (alice, bob)]
        for name in ("bob", "alice", "bob"):
            await dial(responder, "a", account=Account(name, f"{name}'s", hosts=["127.0.0.1"]))
        results = [await turn.result(1.0) for turn in turns]
        anybody = await dial(responder, "a")
    assert [result.kind for result in results] == [CallKind.CONNECTED] * 2
    assert [each.status for each in told] == [401, 401, 401, 200, 401, 200, 200]
    assert anybody.final_status == 200
    assert all(f"{name}'s" not in str(call_data(result)) for name in ("alice", "bob") for result in results)


@pytest.mark.parametrize(("text", "unmet"), [("busy", ""), ("connected", "expected was connected, and it ended with")])
async def test_what_is_expected(text: str, unmet: str) -> None:
    result = await answered(Persona(Manner(status=486), expect=Expectation.parse(text)))
    assert result.unmet is not None
    assert result.unmet.startswith(unmet)
    assert bool(result.unmet) is bool(unmet)


async def test_a_challenge_is_a_part_of_the_call_that_follows_it() -> None:
    guard = Guard(ServerPolicy("demo"), UserTable({"alice": "secret"}))
    async with responding(Persona(guard=guard)) as (responder, _, told):
        await dial(responder, "a", account=Account("alice", "secret", hosts=["127.0.0.1"]))
        await told.reach(2)
    assert (told[0].result, told[0].status) == (None, 401)
    labels = [entry.label for entry in result_of(told[1]).timeline if entry.direction]
    assert labels[:4] == ["INVITE", "401 Unauthorized", "ACK", "INVITE"]
    assert "secret" not in str(call_data(result_of(told[1])))


async def test_calls_are_taken_in_turn() -> None:
    async with responding(Persona(Manner(status=603))) as (responder, _, _):
        turns = [responder.expect(Persona(Manner(status=status))) for status in (486, 480)]
        never = responder.expect(Persona(expect=Expectation.parse("no-call")))
        statuses = [(await dial(responder, "a")).final_status for _ in range(2)]
        assert statuses == [486, 480]
        assert [(await turn.result(1.0)).final_status for turn in turns] == statuses
        nobody = await never.result(0.05)
        assert (nobody.kind, nobody.status, nobody.unmet) == (CallKind.NO_CALL, CallStatus.FAILED, "")
        assert [finding.code for finding in nobody.findings] == ["no-call-came"]
        assert schemas.violations(call_data(nobody), SCHEMA) == []
        assert (await dial(responder, "a")).final_status == 603


async def test_an_invite_that_became_no_call_is_told_of() -> None:
    guard = Guard(ServerPolicy("demo"), UserTable({"alice": "secret"}))
    async with responding(Persona(guard=guard)) as (responder, _, _):
        await dial(responder, "a", account=Account("alice", "guess", hosts=["127.0.0.1"]))
        early = responder.expect(Persona(guard=guard))
        assert (await early.result(0.05)).why == "no call came within 0.05 s"
        late = responder.expect(Persona(guard=guard))
        results: list[CallResult] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(dial, responder, "a")
            results.append(await late.result(0.5))
    told = "no call came within 0.5 s: an INVITE was answered 401 Unauthorized, and none came after it"
    assert results[0].why == told
    assert [finding.code for finding in results[0].findings] == ["no-call-came"]


async def test_lines_are_told_as_they_happen_and_packets_kept() -> None:
    entries: list[TimelineEntry] = []
    wire = Wire(media=True)
    results: list[CallResult] = []
    with trio.fail_after(20):
        async with open_responder(
            Persona(), UDP, lambda one: results.append(result_of(one)), on_entry=entries.append, wire=wire
        ) as responder:
            await dial(responder, "a", hold=0.2)
            while not results:  # noqa: ASYNC110  # it tells by a call
                await trio.sleep(0.01)
    assert sorted(entries, key=lambda entry: entry.offset_ms) == list(results[0].timeline)
    assert {record.flow.transport for record in wire.records} == {Transport.UDP}
    assert len(wire.records) > 10


async def test_a_caller_that_never_acknowledges() -> None:
    """It hangs up instead, which ends the call; that its ACK was missing is told."""
    async with responding(Persona()) as (responder, _, told):
        place = responder.address(Transport.UDP)
        with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            await caller.bind((place.host, 0))

            async def send(method: str, to: bytes = b"To: ") -> None:
                text = bytes(request(method, f"sip:a@{place}")).replace(b";branch", b";rport;branch")
                text = (
                    text.replace(b"To: ", to)
                    .replace(b"1 BYE", b"2 BYE")
                    .replace(b"z9hG4bK1", b"z9hG4bK" + method.encode())
                )
                await caller.sendto(text, (place.host, place.port))

            await send("INVITE")
            answers: list[bytes] = []
            while len(answers) < 2:
                data = await caller.recv(65535)
                answers += [data] if data.startswith(b"SIP/2.0 200") else []
            tag = answers[0].partition(b"\r\nTo: ")[2].partition(b"tag=")[2].partition(b"\r\n")[0]
            await send("BYE", b"To: <sip:a@b>;tag=" + tag + b"\r\nX-To: ")
        await told.reach(1)
        result = result_of(told[0])
    assert [finding.code for finding in result.findings] == ["ack-not-received", "hung-up-at-once"]
    assert not [entry for entry in result.timeline if entry.label == "ACK"]
