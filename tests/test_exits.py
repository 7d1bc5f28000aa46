"""Where something leaves this machine: each place in the code that can send or connect, and what stands before it.

Whoever adds another one says here why nobody can be made to reach a refused address by it (`sipcore.transports.gate`).
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.test_architecture import ROOT, Module, Modules, load

LEAVING = {
    *("connect", "connect_ex", "sendto", "sendmsg", "create_connection"),
    *("open_tcp_stream", "open_ssl_over_tcp_stream", "AsyncHTTPTransport", "AsyncClient", "Client"),
}
"""What is called to reach an address, by any library that is used here."""
EXITS = {
    "sipcore.transports.base": "asks the kernel for a route, and sends nothing",
    "sipcore.transports.udp": "behind UdpSockets.send, or an answer to where something came from",
    "sipcore.transports.tcp": "open_socket, behind the gate that it takes",
    "sipcore.endpoint.media.port": "Port.send, behind the gate of its line",
    "probes.discovery.habits.run": "asks a place that has answered, which passed the gate",
    "probes.checks.dns.run": "asks the name servers that the operator names",
    "probes.health.webhook": "to the very address that the gate let through",
    "probes.cli.saving": "sends captures to where the command line says",
    "probes.store.database": "opens a file",
    "probes.store.migrate": "opens a file",
}


def exits(modules: Modules) -> Iterator[str]:
    """Calls that reach an address, from modules that are not in EXITS."""
    for module in modules.values():
        calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call) and module.name not in EXITS]
        for call in calls:
            if isinstance(call.func, ast.Attribute) and call.func.attr in LEAVING:
                yield module.at(call.lineno, f"{module.name} calls {call.func.attr}: what stands before it?")


def test_each_way_out_is_known() -> None:
    modules = load(ROOT)
    assert list(exits(modules)) == []
    assert [name for name in EXITS if name not in modules] == []


def test_another_one_is_noticed() -> None:
    text = "import socket\n\nsocket.socket().connect(('192.0.2.1', 1))\n"
    other = Module("probes.other", Path("probes/other.py"), text, ast.parse(text))
    told = "probes/other.py:3: probes.other calls connect: what stands before it?"
    assert list(exits({other.name: other})) == [told]
