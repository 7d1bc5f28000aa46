"""The user agents' part of RFC 3665: the same seed and the same clock give the same bytes, those in fixtures/golden."""

import pytest

from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.message.require import require
from tests.flows.rfc3665 import FLOWS, FOLDER, render


@pytest.mark.parametrize("name", FLOWS)
def test_the_flow_is_as_recorded(name: str) -> None:
    assert render(FLOWS[name]) == (FOLDER / f"{name}.ladder").read_text()


def test_no_file_is_left_over() -> None:
    assert {path.stem for path in FOLDER.glob("rfc3665-*.ladder")} == set(FLOWS)


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
