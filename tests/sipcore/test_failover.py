"""Which server of a domain is tried next, and when none is any more: RFC 3263 §4.3."""

from collections.abc import Callable

import pytest

from tests.sipcore.edge import DOMAIN, FIRST, SECOND, Edge

Ask = Callable[[Edge], None]


def options(edge: Edge) -> None:
    edge.send(DOMAIN)


def call(edge: Edge) -> None:
    edge.call(DOMAIN)


def places(edge: Edge, method: str) -> list[object]:
    return [remote for _, remote, data in edge.sent if data.startswith(method.encode())]


@pytest.mark.parametrize(("ask", "method"), [(options, "OPTIONS"), (call, "INVITE")])
@pytest.mark.parametrize("how", ["503", "refused"])
def test_the_next_one_may_be_another_port_of_the_same_host(ask: Ask, method: str, how: str) -> None:
    edge = Edge()
    ask(edge)
    if how == "503":
        edge.answer(503)
    else:
        edge.refuse()
    assert places(edge, method) == [FIRST, SECOND]


@pytest.mark.parametrize(("heard", "tried"), [((), [FIRST, SECOND]), ((100,), [FIRST, SECOND]), ((180,), [FIRST])])
def test_nobody_else_is_called_once_somebody_rings(heard: tuple[int, ...], tried: list[object]) -> None:
    """Else there would be two calls, one of which its caller does not know of."""
    edge = Edge()
    edge.call(DOMAIN)
    for status in heard:
        edge.answer(status)
    edge.refuse()
    assert places(edge, "INVITE") == tried
