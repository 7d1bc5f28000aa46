"""What is registered, and what a registrar made of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import LocalError, UnsafeValue
from sipcore.message.address import Address
from sipcore.message.build import Identity
from sipcore.message.build import request as build_request
from sipcore.message.build import response as build_response
from sipcore.message.message import Response
from sipcore.message.uri import SipUri, TelUri, parse_uri
from sipcore.registration.binding import Registration, is_same, read_binding

AOR = Address.parse("<sip:alice@example.com>")
URN = "urn:uuid:00000000-0000-1000-8000-000A95A0E128"
HERE = "sip:alice@192.0.2.1:5060"


def answer(*fields: tuple[str, str]) -> Response:
    request = build_request("REGISTER", SipUri("example.com"), Identity(AOR.with_tag("1"), AOR, "c"))
    return build_response(request, 200, fields=fields)


def contact(text: str) -> Address:
    return Address.parse(text)


@pytest.mark.parametrize(
    ("registration", "domain"),
    [
        (Registration(AOR), "sip:example.com"),
        (Registration(Address.parse("<sips:alice@example.com:5071;user=phone>")), "sips:example.com:5071"),
        (Registration(AOR, SipUri("192.0.2.9", "nobody", 5062)), "sip:192.0.2.9:5062"),
    ],
)
def test_the_request_uri_is_a_domain(registration: Registration, domain: str) -> None:
    assert str(registration.domain) == domain


@pytest.mark.parametrize(
    ("registration", "outbound", "expected"),
    [
        (Registration(AOR), True, f"<{HERE}>"),
        (Registration(AOR, q=0.5), True, f"<{HERE}>;q=0.5"),
        (Registration(AOR, instance=URN), True, f'<{HERE}>;+sip.instance="<{URN}>"'),
        (Registration(AOR, instance=URN, reg_id=1), True, f'<{HERE}>;+sip.instance="<{URN}>";reg-id=1'),
        (Registration(AOR, instance=URN, reg_id=1), False, f'<{HERE}>;+sip.instance="<{URN}>"'),
    ],
)
def test_contact(registration: Registration, outbound: bool, expected: str) -> None:
    assert str(registration.contact(parse_uri(HERE), outbound=outbound)) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"aor": Address(TelUri("+1"))},
        {"expires": 0},
        {"expires": 2**32},
        {"expires": float("nan")},
        {"contacts": ("sip:alice@example.com",)},
        {"route": ("sip:proxy.example.com;lr",)},
        {"from_": "sip:alice@example.com"},
        {"q": 1.5},
        {"reg_id": 1},
        {"instance": URN, "reg_id": 0},
        {"instance": URN, "reg_id": 1, "contacts": (AOR,)},
    ],
)
def test_what_cannot_be_registered(wrong: dict[str, object]) -> None:
    with pytest.raises(LocalError):
        Registration(**({"aor": AOR} | wrong))  # type: ignore[arg-type]


def test_an_unsafe_instance() -> None:
    with pytest.raises(UnsafeValue):
        Registration(AOR, instance="urn:x\r\nEvil: 1")


@pytest.mark.parametrize(
    ("fields", "granted", "listed", "others"),
    [
        ([("Contact", f"<{HERE}>;expires=60")], 60, True, 0),
        ([("Contact", "<sip:alice@192.0.2.1:5060>;EXPIRES=60")], 60, True, 0),
        ([("Contact", "<sip:%61lice@192.0.2.1:5060;x=y>;expires=60")], 60, True, 0),  # RFC 3261 §19.1.4
        ([("Contact", f"<{HERE}>"), ("Expires", "70")], 70, True, 0),
        ([("Contact", f"<{HERE}>")], 3600, True, 0),
        ([("Contact", f"<{HERE}>;expires=soon")], 3600, True, 0),
        ([("Contact", "<sip:alice@192.0.2.1>;expires=60")], 3600, False, 1),  # not the same: no port
        ([("Contact", f"<sip:bob@192.0.2.7>;expires=5, <{HERE}>;expires=60")], 60, True, 1),
        ([("Contact", f"<sip:[>, <{HERE}>;expires=60")], 60, True, 0),
        ([("Contact", f"*, <{HERE}>;expires=60")], 60, True, 0),
        ([("Contact", f"<{HERE}>;expires=0")], 0, True, 0),
        ([], 3600, False, 0),
        ([("Expires", "soon")], 3600, False, 0),
    ],
)
def test_what_is_granted(fields: list[tuple[str, str]], granted: int, listed: bool, others: int) -> None:
    binding = read_binding(answer(*fields), (contact(f"<{HERE}>"),), 3600, 100.0)
    assert (binding.granted, binding.until, binding.listed) == (granted, 100.0 + granted, listed)
    assert len(binding.others) == others


def test_the_shortest_of_several_counts() -> None:
    both = (contact(f"<{HERE}>"), contact("<tel:+15551234>"))
    binding = read_binding(answer(("Contact", f"<{HERE}>;expires=60, <tel:+1-555-1234>;expires=30")), both, 3600, 0)
    assert (binding.granted, binding.listed) == (30, True)
    assert not read_binding(answer(("Contact", f"<{HERE}>;expires=60")), both, 3600, 0).listed


def test_what_else_a_response_tells() -> None:
    binding = read_binding(
        answer(
            ("Service-Route", "<sip:p1.example.com;lr>, <sip:p2.example.com;lr>"),
            ("Path", "<sip:edge.example.com;lr;ob>"),
            ("Require", "outbound"),
            ("Flow-Timer", "120"),
        ),
        (contact(f"<{HERE}>"),),
        3600,
        0,
    )
    assert [str(route) for route in binding.service_route] == ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]
    assert [str(route) for route in binding.path] == ["<sip:edge.example.com;lr;ob>"]
    assert (binding.outbound, binding.flow_timer) == (True, 120)


def test_what_cannot_be_read_is_taken_for_absent() -> None:
    fields = [("Service-Route", "<["), ("Path", "<["), ("Require", "a b"), ("Flow-Timer", "x")]
    binding = read_binding(answer(*fields), (contact(f"<{HERE}>"),), 3600, 0)
    assert (binding.service_route, binding.path, binding.outbound, binding.flow_timer) == ((), (), False, None)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (
            f'<sip:a@1.2.3.4>;+sip.instance="<{URN}>";reg-id=1',
            f'<sip:a@5.6.7.8>;+sip.instance="<{URN}>";reg-id=1',
            True,
        ),
        (
            f'<sip:a@1.2.3.4>;+sip.instance="<{URN}>";reg-id=1',
            f'<sip:a@1.2.3.4>;+sip.instance="<{URN}>";reg-id=2',
            False,
        ),
        (f'<sip:a@1.2.3.4>;+sip.instance="<{URN}>"', "<sip:a@1.2.3.4>", True),
        ("<sip:a@1.2.3.4>", "<sip:a@1.2.3.4;transport=tcp>", False),
    ],
)
def test_is_same(left: str, right: str, same: bool) -> None:
    assert is_same(contact(left), contact(right)) is same


PIECES = st.sampled_from(["<sip:a@b>", "<sip:[>", "*", ";expires=", "0", "9" * 12, ", ", ";reg-id=", '"', "lr", "\xff"])
NAMES = st.sampled_from(["Contact", "Expires", "Path", "Service-Route", "Require", "Flow-Timer"])


@given(st.lists(st.tuples(NAMES, st.lists(PIECES, max_size=6).map("".join)), max_size=6))
def test_whatever_a_registrar_says_is_read(fields: list[tuple[str, str]]) -> None:
    binding = read_binding(answer(*fields), (contact(f"<{HERE}>"),), 3600, 0.0)
    assert 0 <= binding.granted < 2**32
