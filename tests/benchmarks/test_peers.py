"""Each peer reads every message right, or the table says what it gets wrong: nobody is timed doing the wrong thing."""

import re

import pytest

from benchmarks.harness.measure import Contender, Excluded
from benchmarks.peers.messages import NAMES, load
from benchmarks.peers.peer import PEERS, SUBJECT, Peer, full_contender, load_peer, route_contender

FAULTS = {("sippy", "full", "invite_407"): "writes proxy-authenticate as .*qop=auth,"}
"""What peers are excluded for: sippy leaves out the quotes that RFC 3261 §25.1 qop-options demands."""


def present(name: str) -> Peer:
    peer = load_peer(name)
    if isinstance(peer, Excluded):
        pytest.skip(f"{peer.name} is {peer.reason}")
    return peer


@pytest.mark.parametrize("message", NAMES)
@pytest.mark.parametrize("name", [SUBJECT, *PEERS])
def test_route(name: str, message: str) -> None:
    assert isinstance(route_contender(present(name), load(message)), Contender)


@pytest.mark.parametrize("message", NAMES)
@pytest.mark.parametrize("name", [SUBJECT, *PEERS])
def test_full(name: str, message: str) -> None:
    contender = full_contender(present(name), load(message), everything=name == SUBJECT)
    fault = FAULTS.get((name, "full", message))
    if fault is None:
        assert isinstance(contender, Contender), contender
    else:
        assert isinstance(contender, Excluded)
        assert re.match(fault, contender.reason)


def test_an_absent_library_is_excluded_by_name() -> None:
    peer = load_peer("no-such-library")
    assert isinstance(peer, Excluded)
    assert peer.name == "no-such-library"
    assert peer.reason.startswith("not there: ")


def test_a_reader_that_raises_or_reads_wrong_is_excluded() -> None:
    def raising(data: bytes) -> tuple[object, ...]:
        raise KeyError("via")

    messages = load("options")
    right = messages[0].route
    peers = {
        "cannot read it: KeyError('via')": raising,
        "reads call_id as x, not ": lambda _: (*right[:5], "x", *right[6:]),
        "reads branch as ": lambda _: right,  # right for the first variant only
    }
    for reason, read in peers.items():
        contender = route_contender(Peer("x", "0", read, lambda _: ({}, b""), lambda _: None), messages)  # type: ignore[arg-type]
        assert isinstance(contender, Excluded)
        assert contender.reason.startswith(reason)
