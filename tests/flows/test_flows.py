"""The user agents' part of RFC 3665 and RFC 5359: the same seed and clock give the same bytes, those in fixtures."""

import pytest

from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.message.require import require
from tests.flows import rfc3665, rfc5359
from tests.flows.figures import FIGURES
from tests.flows.golden import FOLDER, render

FLOWS = {**rfc3665.FLOWS, **rfc5359.FLOWS}


@pytest.mark.parametrize("name", FLOWS)
def test_the_flow_is_as_recorded(name: str) -> None:
    assert render(FLOWS[name]) == (FOLDER / f"{name}.ladder").read_text()


def test_no_file_is_left_over() -> None:
    assert {path.stem for path in FOLDER.glob("rfc*.ladder")} == set(FLOWS) == set(FIGURES)


@pytest.mark.parametrize("name", FLOWS)
def test_the_flow_is_that_of_the_figure(name: str) -> None:
    messages = [parse_message(data) for *_, data in FLOWS[name]().rows]
    starts = [message.method if isinstance(message, Request) else str(message.status) for message in messages]
    assert [start for start in starts if start != "100"] == FIGURES[name].replace("|", "").split()


@pytest.mark.parametrize("name", FLOWS)
def test_every_message_is_whole(name: str) -> None:
    """Nothing is tolerated of what is sent, and each request but an ACK ends with a final response."""
    open_requests = set()
    for _, _source, target, data in FLOWS[name]().rows:
        message = parse_message(data)
        require(message)
        assert message.noted == ()
        key = (message.branch, message.cseq.method)
        if isinstance(message, Request):
            if message.method != "ACK" and not target.startswith("192."):  # who has an address only is not there
                open_requests.add(key)
        elif not message.is_provisional:
            open_requests.discard(key)
    assert not open_requests
