"""What a stack is told once is looked at when it is told, and not by whoever answers the first request with it."""

from typing import Any

import pytest

from sipcore.dialogs.manner import METHODS
from sipcore.errors import LocalError
from sipcore.stack_config import StackConfig


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"product": "phone\r\nEvil: 1"}, "the name of a product holds CR"),
        ({"user": "alice\n"}, "the user of a Contact holds CR"),
        ({"extensions": ("100rel, timer",)}, "an option tag '100rel, timer' is not a token"),
        ({"methods": ("",)}, "a method '' is not a token"),
        ({"methods": ("REFER")}, r"'REFER' is one name, where several are wanted: \(\"REFER\",\)"),
        ({"extensions": "timer"}, "'timer' is one name"),
        ({"session_interval": 89}, "90 s at least, and 4294967295 s at most, not 89"),
        ({"session_interval": -1}, "not -1"),
        ({"session_interval": 2**32}, "not 4294967296"),
        ({"min_session_interval": 0}, "not 0"),
    ],
)
def test_what_cannot_be_sent_is_refused(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(LocalError, match=text):
        StackConfig(**wrong)


def test_calls_are_told_what_the_stack_is() -> None:
    manner = StackConfig(product="phone/1.0 (blue)", methods=("REFER", "BYE"), extensions=("timer",)).manner
    assert (manner.product, manner.methods, manner.extensions) == ("phone/1.0 (blue)", (*METHODS, "REFER"), ("timer",))
