"""The benchmark of discoveries: its hosts answer, refuse and keep silent as they should."""

import socket

import pytest

from benchmarks import discovery
from benchmarks.harness.measure import Sampled
from probes.result import Reach


def test_a_host_that_refuses() -> None:
    assert discovery.taken(discovery.REFUSING, Reach.REFUSED) > 0


def test_a_host_that_does_not_do_what_it_should() -> None:
    with pytest.raises(AssertionError):
        discovery.taken(discovery.REFUSING, Reach.ANSWERED)


def test_silence_drops_what_comes() -> None:
    with discovery.silence(), socket.socket() as late:
        late.settimeout(0.05)
        with pytest.raises(TimeoutError):
            late.connect((discovery.SILENT, 5060))


def test_each_has_a_name_and_a_figure_of_its_own() -> None:
    found = list(discovery.benchmarks())
    assert [each.name.removeprefix("discovery.") for each in found] == [
        *("refusing", "answering", "command", "silent", "called"),
    ]
    assert all(isinstance(each.subject, Sampled) and each.unit == "ms" for each in found)
