"""Two layers against each other, over a network that loses, doubles and reorders: every transaction ends right."""

from itertools import pairwise

import pytest

from sipcore.resolve.target import Transport
from sipcore.transactions.effects import Transmit
from sipcore.transactions.key import ClientKey
from tests.sipcore.transactions.network import Network


def assert_all_over(network: Network) -> None:
    for user in (network.caller, network.callee):
        assert len(user.layer) == 0
        assert user.layer.next_timeout() is None


@pytest.mark.parametrize("seed", range(3))
def test_requests_other_than_invite_survive_a_bad_network(seed: int) -> None:
    network = Network(seed=seed, loss=0.1, duplication=0.05, delay=(0.005, 0.3))
    keys = [network.caller.send("OPTIONS", user) for user in ["200", "404", "503"] * 50]
    network.run(200)
    assert [network.caller.finals[key] for key in keys] == [[200], [404], [503]] * 50
    assert len(network.callee.delivered) == len(set(network.callee.delivered)) == len(keys), "each came once"
    assert_all_over(network)


@pytest.mark.parametrize("seed", range(3))
def test_calls_survive_a_bad_network(seed: int) -> None:
    network = Network(seed=seed, loss=0.1, duplication=0.05, delay=(0.005, 0.3))
    busy = [network.caller.send("INVITE", "486") for _ in range(40)]
    good = [network.caller.send("INVITE", "bob") for _ in range(40)]
    network.run(300)
    assert [network.caller.finals[key] for key in busy] == [[486]] * 40
    assert all(set(network.caller.finals[key]) == {200} for key in good)
    assert network.callee.waiting == {}, "every 2xx was acknowledged"
    assert len(network.callee.delivered) == 80
    assert network.caller.failed == {}
    assert_all_over(network)


@pytest.mark.parametrize("seed", range(3))
def test_cancelled_calls_survive_a_bad_network(seed: int) -> None:
    network = Network(seed=seed, loss=0.1, duplication=0.05, delay=(0.005, 0.3))
    keys = [network.caller.send("INVITE", "nobody") for _ in range(40)]
    network.run(0.1)
    for key in keys:
        network.caller.cancel(key)
    network.run(300)
    assert [network.caller.finals[key] for key in keys] == [[487]] * 40
    cancels = [key for key in network.caller.finals if key.method == "CANCEL"]
    assert len(cancels) == 40
    assert {final for key in cancels for final in network.caller.finals[key]} <= {200, 481}
    assert_all_over(network)


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])
def test_over_a_reliable_transport_nothing_is_sent_twice(transport: Transport) -> None:
    network = Network(transport=transport)
    for user in ("bob", "486"):
        network.caller.send("INVITE", user)
        network.caller.send("OPTIONS", user)
    network.run(300)
    sent = [effect for _, _, effect in network.log if isinstance(effect, Transmit)]
    assert {effect.attempt for effect in sent} == {0}
    assert_all_over(network)


@pytest.mark.parametrize(
    ("method", "intervals"), [("INVITE", [0.5, 1, 2, 4, 8, 16]), ("OPTIONS", [0.5, 1, 2, *[4] * 7])]
)
def test_into_the_void_it_is_sent_at_the_times_of_section_17(method: str, intervals: list[float]) -> None:
    network = Network(loss=1.0)
    network.run(10)
    key = network.caller.send(method)
    network.run(100)
    times = [at for at, _, effect in network.log if isinstance(effect, Transmit)]
    assert [after - before for before, after in pairwise(times)] == pytest.approx(intervals)
    assert isinstance(key, ClientKey)
    assert key in network.caller.failed
    assert_all_over(network)
