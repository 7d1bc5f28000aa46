"""A call that is over, judged: what it was, how it ended, and what is wrong with it."""

from probes.calls.judge.captured import Datagrams, by_place, facts_of_capture, media_of_capture, wire_of_capture
from probes.calls.judge.facts import CallFacts
from probes.calls.judge.find import find, status_of
from probes.calls.judge.stored import facts_of_data
from probes.capture.calls import CapturedCall, read_calls
from probes.capture.files import read_key_log, read_packets
from probes.capture.network import read_payloads
from probes.capture.stored import is_stored, results_in
from probes.capture.tls_keys import KeyLog
from probes.capture.unread import Unread
from probes.findings.finding import Finding
from probes.result import CallKind, CallStatus
from sipcore.message.method import INVITE
from sipcore.trace import WireTrace
from sipcore.value import value


@value
class Diagnosis:
    """`title` is who called whom, `said` the final response; empty where none came, or none was captured. `unknown` is
    why what would have become of it is not known; empty where it came to its end.
    """

    call_id: str
    title: str
    status: CallStatus
    said: str
    findings: tuple[Finding, ...]
    unknown: str = ""


def diagnosis_of(facts: CallFacts) -> Diagnosis:
    """Judge the facts of one call."""
    invite, final, status = facts.invite, facts.final, status_of(facts)
    interrupted = facts.why if facts.kind is CallKind.INTERRUPTED else ""
    return Diagnosis(
        invite.call_id if invite is not None else "",
        f"{invite.method} {invite.uri_text}" if invite is not None else "no INVITE",
        status,
        final[1].start_line.removeprefix("SIP/2.0 ") if final is not None else "",
        find(facts),
        interrupted or ("no final response was seen" if status is CallStatus.PENDING else ""),
    )


def diagnoses_of_results(text: bytes) -> list[Diagnosis]:
    """Judge the test calls whose results a file holds. Raises LocalError when it holds none."""
    return [diagnosis_of(facts_of_data(data)) for data in results_in(text)]


def diagnoses_of_capture(data: bytes, key_log: bytes = b"", unread: list[Unread] | None = None) -> list[Diagnosis]:
    """Judge every call of a capture file; `key_log` and `unread` as for `calls_of_capture`. Raises CaptureError when it
    is none.
    """
    calls = [call for call in _calls(data, key_log, unread) if _is_call(call)]
    datagrams = _datagrams(data, calls)
    return [diagnosis_of(facts_of_capture(call, datagrams)) for call in calls]


def calls_of_capture(data: bytes, key_log: bytes = b"", unread: list[Unread] | None = None) -> list[CapturedCall]:
    """The calls, registrations and other exchanges of a capture file, with their audio. Raises CaptureError when it is
    none.

    TLS is decrypted with the keys in the file and those of `key_log`; connections that are not read, or not all of
    them, are added to `unread`.
    """
    calls = _calls(data, key_log, unread)
    datagrams = _datagrams(data, calls)
    for call in calls:
        if _is_call(call):
            call.media = media_of_capture(call, datagrams)
    return calls


def wire_of(call: CapturedCall, data: bytes) -> list[WireTrace]:
    """What was captured of the audio of one of the `calls_of_capture`, packet by packet."""
    return wire_of_capture(call, _datagrams(data, [call]))


def findings_of(call: CapturedCall, data: bytes, key_log: bytes = b"") -> tuple[Finding, ...] | None:
    """What is wrong with one of the calls of a file, whose content is `data`; None for what is no call."""
    found = diagnoses_of_results(data) if is_stored(data) else diagnoses_of_capture(data, key_log)
    return next((each.findings for each in found if each.call_id == call.call_id), None)


def _calls(data: bytes, key_log: bytes, unread: list[Unread] | None) -> list[CapturedCall]:
    return read_calls(read_packets(data), KeyLog(read_key_log(data), key_log), unread)


def _is_call(call: CapturedCall) -> bool:
    return call.first is not None and call.first.method == INVITE


def _datagrams(data: bytes, calls: list[CapturedCall]) -> Datagrams:
    """What was captured, where there are calls whose audio is looked for."""
    return by_place(read_payloads(read_packets(data)) if any(map(_is_call, calls)) else ())
