"""The calls of a capture in words."""

from collections.abc import Sequence

from rich.text import Text

from probes.capture.calls import CapturedCall
from probes.capture.network import Missed
from probes.capture.unread import Unread
from probes.report.ladder import HERE, Ladder, ladder_of
from probes.report.ladder_text import ladder_rows
from probes.report.lines import WIDTH, listed
from probes.report.safe_text import printable
from probes.report.times import duration
from sipcore.covering import cover_uris
from sipcore.errors import ParseError
from sipcore.resolve.target import Transport

MAX_UNREAD = 8
"""Connections that are told of one by one: a capture of a whole host has many that are not of SIP."""


def call_lines(number: int, call: CapturedCall, width: int = WIDTH, *, whole: bool) -> list[Text]:
    """A call: who asked whom for what, how it ended, and with `whole` all that is known of it, as a ladder."""
    lines = [Text.assemble((f"{number:>4}  ", "dim"), (printable(title_of(call)), "bold"))]
    lines.append(Text(f"      {printable(ending(call))}", style="dim"))
    if whole:
        lines += ladder_rows(ladder_of_call(call), width)
    return lines


def ladder_of_call(call: CapturedCall) -> Ladder:
    """Its ladder, with what became of its audio: seen from outside, unless it was a test call of this program."""
    return ladder_of(call.timeline(), here="" if call.result is None else HERE, media=call.media)


def missed_words(missed: Missed) -> str:
    """What is to be said of packets that nobody can read; empty where there are none."""
    told = []
    if missed.cut:
        told.append(f"{_packets(missed.cut)} cut off, and what they said is not known: capture whole ones (snaplen 0)")
    if missed.links:
        kinds = listed([str(kind) for kind, _ in missed.links])
        count = _packets(sum(count for _, count in missed.links))
        told.append(
            f"{count} of link type {kinds}, which is not read here: capture on a network interface, or on `any`"
        )
    return "; ".join(told)


def _packets(count: int) -> str:
    return "one packet is" if count == 1 else f"{count} packets are"


def unread_lines(unread: Sequence[Unread]) -> list[str]:
    """What is to be said of connections that are not read, or not all of them: those to the ports of SIP first, and not
    too many.
    """
    ports = {Transport.TCP.default_port, Transport.TLS.default_port}
    told = sorted(unread, key=lambda each: each.server.port not in ports)[:MAX_UNREAD]
    more = len(unread) - len(told)
    rest = [f"{more} more connections are not read, or not all of them"] if more else []
    return [*map(str, told), *rest]


def title_of(call: CapturedCall) -> str:
    """Who asked whom for what, passwords covered."""
    request = call.first
    if request is None:
        return f"(its beginning was not captured) Call-ID {call.call_id}"
    try:
        caller = f" from {request.from_.uri}"
    except ParseError:
        caller = ""
    return cover_uris(f"{request.method} {request.uri_text}{caller}")


def ending(call: CapturedCall) -> str:
    """How it ended, and how long that took."""
    begin = call.records[0].at if call.records else 0.0
    if call.answer is None:
        told = "no final response was captured"
    else:
        at = next((record.at for record in call.records if record.data == bytes(call.answer)), begin)
        told = f"{call.answer.status} {call.answer.reason} after {duration(at - begin)}"
    repeated = sum(record.attempt > 0 for record in call.records)
    lasted = call.records[-1].at - begin if call.records else 0.0
    count = f"{len(call.records)} messages in {lasted:.3f} s"
    return f"{told}; {count}" + (f", {repeated} of them repeated" if repeated else "")
