"""Which header fields may be added to an INVITE."""

import pytest

from probes.calls.headers import MAX_NAME, MAX_VALUE, check_header, require_header
from sipcore.errors import LocalError


@pytest.mark.parametrize(
    ("name", "value"),
    [("X-Trunk", "7"), ("Subject", "a test"), ("P-Charge-Info", "<sip:1@a>"), ("X" * MAX_NAME, "v" * MAX_VALUE)],
)
def test_what_may_be_added(name: str, value: str) -> None:
    assert check_header(name, value) == ""
    require_header(name, value)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        *((name, "x", "written by the call itself") for name in ("Call-ID", "CSeq", "Contact", "FROM", "To", "Via")),
        *((name, "x", "written by the call itself") for name in ("Record-Route", "Content-Type", "content-foo", "m")),
        *((name, "x", "written by the call itself") for name in ("Max-Forwards", "Allow", "Refer-To", "i", "V")),
        *((name, "x", "no name of a header field") for name in ("", "X Y", "X:Y", "Ü", "X\r\nY", "X" * (MAX_NAME + 1))),
        *(("X-A", value, "not printable ASCII") for value in ("a\r\nb", "\x00", "ü", "v" * (MAX_VALUE + 1), "\x7f")),
    ],
)
def test_what_may_not_be_added(name: str, value: str, told: str) -> None:
    assert told in check_header(name, value)
    with pytest.raises(LocalError, match=told):
        require_header(name, value)
