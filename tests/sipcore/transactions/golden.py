"""Whole flows as text: what both layers sent, delivered and went through, from a seed and a clock.

`python -m tests.sipcore.transactions.golden` writes the files anew; read what changed before you keep it.
"""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

from sipcore.resolve.target import Transport
from sipcore.trace import TransitionTrace
from sipcore.transactions.effects import Effect, Terminated, TransactionFailed, Transmit
from tests.sipcore.transactions.network import Network

FOLDER = Path(__file__).parents[3] / "fixtures" / "golden"


def options() -> Network:
    """OPTIONS over UDP: the request is lost once, then its answer."""
    network = Network(lost=("OPTIONS", "200"), tracing=True)
    network.caller.send("OPTIONS")
    return network


def options_tcp() -> Network:
    """OPTIONS over TCP."""
    network = Network(transport=Transport.TCP, tracing=True)
    network.caller.send("OPTIONS")
    return network


def options_unanswered() -> Network:
    """OPTIONS into the void."""
    network = Network(loss=1.0, tracing=True)
    network.caller.send("OPTIONS")
    return network


def invite_accepted() -> Network:
    """A call over UDP: the 200 is lost once, then its ACK."""
    network = Network(lost=("200", "ACK"), tracing=True)
    network.caller.send("INVITE")
    return network


def invite_refused() -> Network:
    """A busy callee over UDP: the INVITE is lost once, then the 486, then its ACK."""
    network = Network(lost=("INVITE", "486", "ACK"), tracing=True)
    network.caller.send("INVITE", "486")
    return network


def invite_refused_tcp() -> Network:
    """A busy callee over TCP."""
    network = Network(transport=Transport.TCP, tracing=True)
    network.caller.send("INVITE", "486")
    return network


def invite_cancelled() -> Network:
    """A call over UDP that is given up before anything was heard of the callee."""
    network = Network(tracing=True)
    key = network.caller.send("INVITE", "nobody")
    network.at(0.03, lambda: network.caller.cancel(key))
    return network


def invite_unanswered() -> Network:
    """A call into the void."""
    network = Network(loss=1.0, tracing=True)
    network.caller.send("INVITE")
    return network


FLOWS: dict[str, Callable[[], Network]] = {
    "transactions-options": options,
    "transactions-options-tcp": options_tcp,
    "transactions-options-unanswered": options_unanswered,
    "transactions-invite-accepted": invite_accepted,
    "transactions-invite-refused": invite_refused,
    "transactions-invite-refused-tcp": invite_refused_tcp,
    "transactions-invite-cancelled": invite_cancelled,
    "transactions-invite-unanswered": invite_unanswered,
}


def render(flow: Callable[[], Network]) -> str:
    """The flow as text, until nothing more happens."""
    network = flow()
    network.run(200)
    lines = [line for at, name, effect in network.log for line in described(at, name, effect)]
    return "\n".join([str(inspect.getdoc(flow)), "", *lines, ""])


def described(at: float, name: str, effect: Effect) -> Iterator[str]:
    """An effect in one line, and below it the bytes that were sent for the first time."""
    head = f"{at:7.3f} {name} "
    if isinstance(effect, TransitionTrace):
        yield f"{head}= {effect.machine} {effect.input}: {effect.before or '-'} -> {effect.after}"
    elif isinstance(effect, Transmit):
        first, *others = effect.data.decode().removesuffix("\r\n\r\n").split("\r\n")
        where = f"{effect.to.transport.value.lower()} {effect.to.remote}"
        yield f"{head}> {where} {first}" + (f" ({effect.attempt})" if effect.attempt else "")
        if effect.attempt == 0:
            yield from (f"{'':10}{line}" for line in others)
    elif isinstance(effect, TransactionFailed):
        yield f"{head}! {effect.failure}"
    elif isinstance(effect, Terminated):
        yield f"{head}< Terminated {effect}"
    else:
        message = getattr(effect, "request", None) or getattr(effect, "response", None)
        yield f"{head}< {type(effect).__name__} " + (message.start_line if message else str(getattr(effect, "key", "")))


def main() -> None:
    """Write every file anew."""
    FOLDER.mkdir(exist_ok=True)
    for name, flow in FLOWS.items():
        (FOLDER / f"{name}.txt").write_text(render(flow))


if __name__ == "__main__":
    main()
