"""What --port takes."""

import pytest
import typer

from probes.cli.ports import read_ports


@pytest.mark.parametrize(
    ("texts", "ports"),
    [
        ([], ()),
        (["5060"], (5060,)),
        (["5080", "5060"], (5080, 5060)),
        (["5060,5080-5082", "1, 65535"], (5060, 5080, 5081, 5082, 1, 65535)),
        (["5060-5060"], (5060,)),
    ],
)
def test_ports(texts: list[str], ports: tuple[int, ...]) -> None:
    assert read_ports(texts) == ports


@pytest.mark.parametrize("text", ["0", "65536", "5062-5060", "5060-", "-5060", "5060,", "", "sip", "0x13c4", "+5060"])
def test_what_is_no_port(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="neither a port from 1 to 65535 nor a range of them"):
        read_ports(["5060", text])
