"""What came in at the responder and what became of it: one value, one line for people, one object for programs."""

from collections.abc import Callable
from datetime import datetime

from rich.console import RenderableType

from probes.report.call_json import call_data, media_data
from probes.report.call_text import result_lines
from probes.report.lines import WIDTH, folded
from probes.report.safe_text import printable
from probes.result import CallResult
from sipcore.covering import cover_uris
from sipcore.errors import encodable
from sipcore.message.message import Request
from sipcore.message.status import reason_for
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.value import value

Binding = tuple[Transport, SocketAddress]


@value
class Happening:
    """A request or a call that is over. `seconds` is how long it took, `status` the final one sent, None for none.

    `result` is what became of a call; an INVITE that was challenged is none yet.
    """

    when: datetime
    method: str
    caller: str
    called: str
    flow: Flow
    status: int | None
    outcome: str
    seconds: float = 0.0
    result: CallResult | None = None


Report = Callable[[Happening], None]


def parties(request: Request) -> tuple[str, str]:
    """The URI in From and the Request-URI, as they may be shown."""
    return cover_uris(str(request.from_.uri)), cover_uris(request.uri_text)


def bindings_line(bindings: tuple[Binding, ...]) -> str:
    """Where the responder can be reached: its first line."""
    return "listening on " + ", ".join(f"{transport.value.lower()} {address}" for transport, address in bindings)


def bindings_data(bindings: tuple[Binding, ...]) -> dict[str, object]:
    """The same for programs."""
    addresses = [
        {"transport": transport.value.lower(), "host": address.host, "port": address.port}
        for transport, address in bindings
    ]
    return {"event": "listening", "addresses": addresses}


def happening_line(happening: Happening) -> str:
    """A happening for people, in one line."""
    time = happening.when.astimezone().strftime("%H:%M:%S")
    where = f"{happening.flow.transport.value.lower()} {happening.flow.remote}"
    status = "no answer" if happening.status is None else f"{happening.status} {reason_for(happening.status)}"
    told = f"{time} {happening.method} {happening.called} from {happening.caller} over {where}: {status}"
    return printable(f"{told}, {happening.outcome}" if happening.outcome else told)


def happening_lines(happening: Happening, width: int = WIDTH) -> list[RenderableType]:
    """The same with what became of a call, as a test call tells it."""
    if happening.result is None:
        return [*folded(happening_line(happening), width)]
    time = happening.when.astimezone().strftime("%H:%M:%S")
    where = f"{happening.flow.transport.value.lower()} {happening.flow.remote}"
    head = [f"{time} {happening.method} {happening.called} over {where}", f"         from {happening.caller}"]
    return [*(part for line in head for part in folded(line, width)), *result_lines(happening.result, width)]


def happening_data(happening: Happening) -> dict[str, object]:
    """A happening for programs. Fields are only ever added."""
    result = happening.result
    answer_time, media = (result.answer_time, result.media) if result else (None, None)
    return {
        "event": "call" if happening.method == "INVITE" else "request",
        "at": happening.when.isoformat(timespec="milliseconds"),
        "method": encodable(happening.method),
        "called": encodable(happening.called),
        "caller": encodable(happening.caller),
        "transport": happening.flow.transport.value.lower(),
        "remote": str(happening.flow.remote),
        "status": happening.status,
        "outcome": happening.outcome,
        "codec": encodable(result.codec) or None if result else None,
        "duration_ms": round(happening.seconds * 1000),
        "answer_time_ms": None if answer_time is None else round(answer_time * 1000, 3),
        "ended_by": (result.ended_by or None) if result else None,
        "media": media_data(media) if media else None,
        "result": call_data(result) if result else None,
    }
