"""Flows as files: the same seed and the same clock give the same bytes."""

import inspect
from collections.abc import Callable
from pathlib import Path

from tests.flows.network import Network

Flow = Callable[[], Network]
"""Lets a flow happen on a network of its own, and gives that; its docstring says what happens."""
FOLDER = Path(__file__).parents[2] / "fixtures" / "golden"


def render(flow: Flow) -> str:
    """A flow as text."""
    return f"{inspect.getdoc(flow)}\n\n{flow().ladder()}"


def write(flows: dict[str, Flow]) -> None:
    """Write the file of each flow anew."""
    for name, flow in flows.items():
        (FOLDER / f"{name}.ladder").write_text(render(flow))
