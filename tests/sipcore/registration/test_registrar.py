"""The registrar: RFC 3261 §10.3 step by step."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sipcore.errors import LocalError
from sipcore.message.address import Address
from sipcore.message.build import response as build_response
from sipcore.message.headers import headers_of
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.message.uri import SipUri, parse_uri
from sipcore.registration import registrar
from sipcore.registration.registrar import MAX_BINDINGS, SWEEP, Answer, Change, Registrar, RegistrarPolicy, canonical

AOR = parse_uri("sip:alice@example.com")
URN = '+sip.instance="<urn:uuid:1>"'
HERE, THERE = "<sip:alice@192.0.2.1>", "<sip:alice@192.0.2.2>"
ADDED, UPDATED, REMOVED = Change


def register(
    *fields: str, call_id: str = "a", cseq: int = 1, to: str = "sip:alice@example.com", vias: int = 1
) -> Request:
    lines = [
        "REGISTER sip:example.com SIP/2.0",
        *(f"Via: SIP/2.0/UDP 192.0.2.{number};branch=z9hG4bK{number}" for number in range(vias)),
        f"From: <{to}>;tag=1",
        f"To: <{to}>",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} REGISTER",
        *fields,
        "Content-Length: 0",
    ]
    message = parse_message("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
    assert isinstance(message, Request)
    return message


def contacts(answer: Answer) -> list[str]:
    return [str(value) for name, value in answer.fields if name == "Contact"]


def field(answer: Answer, wanted: str) -> object:
    return next((value for name, value in answer.fields if name == wanted), None)


def kinds(answer: Answer) -> list[Change]:
    return [change for change, _ in answer.changes]


def test_bound_refreshed_and_removed() -> None:
    desk = Registrar()
    first = desk.process(register(f"Contact: {HERE}", "Expires: 600"), 0)
    assert (first.status, contacts(first), kinds(first)) == (200, [f"{HERE};expires=600"], [ADDED])
    again = desk.process(register(f"Contact: {HERE}", "Expires: 600", cseq=2), 100.5)
    assert (contacts(again), kinds(again)) == ([f"{HERE};expires=600"], [UPDATED])
    fetched = desk.process(register(cseq=3), 200)
    assert (contacts(fetched), kinds(fetched)) == ([f"{HERE};expires=501"], [])  # what is left, rounded up
    gone = desk.process(register(f"Contact: {HERE};expires=0", cseq=4), 300)
    assert (gone.status, contacts(gone), kinds(gone)) == (200, [], [REMOVED])
    assert len(desk) == 0
    assert kinds(desk.process(register(f"Contact: {HERE};expires=0", cseq=5), 300)) == []


@given(st.floats(0, 1e9), st.integers(60, 3600))
@example(31568.01443297204, 3600)
def test_what_was_asked_for_is_granted_at_any_time(now: float, seconds: int) -> None:
    answer = Registrar().process(register(f"Contact: {HERE};expires={seconds}"), now)
    assert contacts(answer) == [f"{HERE};expires={seconds}"]


@pytest.mark.parametrize(
    ("fields", "granted"),
    [
        ([f"Contact: {HERE};expires=90", "Expires: 600"], 90),
        ([f"Contact: {HERE}", "Expires: 600"], 600),
        ([f"Contact: {HERE}"], 1800),
        ([f"Contact: {HERE}", "Expires: 4000000000"], 3600),
        ([f"Contact: {HERE};expires=soon"], 3600),
    ],
)
def test_how_long(fields: list[str], granted: int) -> None:
    answer = Registrar(RegistrarPolicy(default=1800)).process(register(*fields), 0)
    assert contacts(answer)[0].endswith(f";expires={granted}")


def test_too_brief_for_all_or_none() -> None:
    desk = Registrar(RegistrarPolicy(minimum=60))
    answer = desk.process(register(f"Contact: {HERE}", f"Contact: {THERE};expires=59", "Expires: 600"), 0)
    assert (answer.status, field(answer, "Min-Expires")) == (423, 60)
    assert desk.bindings(AOR, 0) == ()


def test_the_same_client_goes_forward_only() -> None:
    desk = Registrar()
    desk.process(register(f"Contact: {HERE}", cseq=5), 0)
    late = desk.process(register(f"Contact: {THERE}", f"Contact: {HERE};expires=0", cseq=5), 1)
    assert (late.status, late.changes) == (500, ())
    assert len(desk.bindings(AOR, 1)) == 1  # neither was done
    rebooted = desk.process(register(f"Contact: {HERE};expires=0", call_id="b", cseq=1), 2)
    assert kinds(rebooted) == [REMOVED]


def test_contacts_are_compared_as_uris() -> None:
    desk = Registrar()
    desk.process(register("Contact: <sip:%61lice@192.0.2.1;x=y>"), 0)
    assert kinds(desk.process(register(f"Contact: {HERE}", cseq=2), 0)) == [UPDATED]
    assert kinds(desk.process(register("Contact: <sip:alice@192.0.2.1:5060>", cseq=3), 0)) == [ADDED]


def test_everything_is_removed() -> None:
    desk = Registrar()
    desk.process(register(f"Contact: {HERE}", f"Contact: {THERE}"), 0)
    assert desk.process(register("Contact: *", "Expires: 0", cseq=1), 1).status == 500
    answer = desk.process(register("Contact: *", "Expires: 0", cseq=2), 1)
    assert (answer.status, kinds(answer), contacts(answer)) == (200, [REMOVED, REMOVED], [])


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (["Contact: *"], 400),
        (["Contact: *", "Expires: 60"], 400),
        (["Contact: *", f"Contact: {HERE}", "Expires: 0"], 400),
        (["Contact: <["], 400),
        ([f"Contact: {HERE}", "Expires: x"], 400),
    ],
)
def test_what_is_wrong(fields: list[str], status: int) -> None:
    desk = Registrar()
    desk.process(register(f"Contact: {THERE}"), 0)
    answer = desk.process(register(*fields, cseq=2), 0)
    assert (answer.status, answer.changes) == (status, ())
    assert len(desk.bindings(AOR, 0)) == 1


def test_most_preferred_first_then_newest() -> None:
    desk = Registrar()
    for number, q in enumerate(("0.5", "1", "0.5"), start=1):
        desk.process(register(f"Contact: <sip:192.0.2.{number}>;q={q}", cseq=number), 0)
    assert [str(record.contact.uri) for record in desk.bindings(AOR, 0)] == [
        "sip:192.0.2.2",
        "sip:192.0.2.3",
        "sip:192.0.2.1",
    ]


def test_bindings_run_out() -> None:
    desk = Registrar()
    assert desk.next_timeout() is None
    desk.process(register(f"Contact: {HERE};expires=60", f"Contact: {THERE};expires=90"), 0)
    assert desk.next_timeout() == SWEEP
    assert len(desk.bindings(AOR, 59.9)) == 2
    assert [str(record.contact) for record in desk.bindings(AOR, 60)] == [THERE]
    assert [str(record.contact) for record in desk.expire(60)] == [HERE]
    assert desk.expire(61) == ()
    assert len(desk.expire(90)) == 1
    assert desk.next_timeout() is None


@pytest.mark.parametrize(
    ("to", "username", "status"),
    [
        ("sip:alice@example.com", "alice", 200),
        ("sip:%61lice@example.com", "alice", 200),
        ("sip:alice@example.com", None, 200),
        ("sip:bob@example.com", "alice", 403),
        ("sip:alice@example.net", None, 404),
        ("tel:+1555", None, 404),
    ],
)
def test_who_may(to: str, username: str | None, status: int) -> None:
    desk = Registrar(RegistrarPolicy(domains=("example.com",)))
    assert desk.process(register(f"Contact: {HERE}", to=to), 0, username=username).status == status


def test_another_domain() -> None:
    request = register(f"Contact: {HERE}").with_uri(SipUri("example.net"))
    assert Registrar(RegistrarPolicy(domains=("example.com",))).process(request, 0).status == 404
    assert Registrar().process(request.with_uri(parse_uri("tel:+1")), 0).status == 404


@pytest.mark.parametrize(
    ("aor", "name"),
    [
        ("sip:%61lice@EXAMPLE.com;user=phone", "sip:alice@example.com"),
        ("sips:alice@example.com:5061", "sips:alice@example.com:5061"),
        ("sip:example.com", "sip:example.com"),
        ("tel:+1", "tel:+1"),
    ],
)
def test_canonical(aor: str, name: str) -> None:
    assert canonical(parse_uri(aor)) == name


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Registrar()
    many = [f"Contact: <sip:{number}@192.0.2.1>" for number in range(MAX_BINDINGS)]
    assert desk.process(register(*many), 0).status == 200
    assert desk.process(register(f"Contact: {HERE}", cseq=2), 0).status == 403
    assert desk.process(register(*many, f"Contact: {HERE}", cseq=3), 0).status == 403
    assert len(desk.bindings(AOR, 0)) == MAX_BINDINGS
    monkeypatch.setattr(registrar, "MAX_RECORDS", 1)
    assert desk.process(register(f"Contact: {HERE}", to="sip:bob@example.com"), 0).status == 503
    assert desk.process(register(to="sip:bob@example.com"), 0).status == 200


def test_path_and_service_route() -> None:
    policy = RegistrarPolicy(service_route=(Address.parse("<sip:home.example.com;lr>"),))
    desk = Registrar(policy)
    fields = [f"Contact: {HERE}", "Path: <sip:edge.example.com;lr>"]
    answer = desk.process(register(*fields, "Supported: path"), 0)
    assert str(field(answer, "Path")) == "<sip:edge.example.com;lr>"
    assert str(field(answer, "Service-Route")) == "<sip:home.example.com;lr>"
    (record,) = desk.bindings(AOR, 0)
    assert [str(address) for address in record.path] == ["<sip:edge.example.com;lr>"]
    assert field(desk.process(register(*fields, cseq=2), 0), "Path") is None


# RFC 5626 §6

FLOW = f"{HERE};{URN};reg-id=1"


def test_a_flow_is_bound_and_replaced() -> None:
    desk = Registrar(RegistrarPolicy(flow_timer=90))
    answer = desk.process(register(f"Contact: {FLOW}", "Supported: path, outbound"), 0)
    assert (field(answer, "Require"), field(answer, "Flow-Timer")) == ("outbound", 90)
    moved = desk.process(register(f"Contact: {THERE};{URN};reg-id=1", "Supported: outbound", call_id="b"), 1)
    assert kinds(moved) == [UPDATED]
    assert [str(record.contact.uri) for record in desk.bindings(AOR, 1)] == ["sip:alice@192.0.2.2"]
    other = desk.process(register(f"Contact: {THERE};{URN};reg-id=2", "Supported: outbound", call_id="c"), 1)
    assert kinds(other) == [ADDED]


@pytest.mark.parametrize(
    ("fields", "vias", "status", "required"),
    [
        ([f"Contact: {FLOW}"], 1, 200, None),  # no one said that it is supported
        ([f"Contact: {HERE};reg-id=1", "Supported: outbound"], 1, 200, None),  # no instance
        ([f"Contact: {HERE};{URN}", "Supported: outbound"], 1, 200, None),
        ([f"Contact: {FLOW}", "Supported: outbound"], 2, 439, None),
        ([f"Contact: {FLOW}", "Supported: outbound", "Path: <sip:edge;lr>"], 2, 439, None),
        ([f"Contact: {FLOW}", "Supported: outbound", "Path: <sip:edge;lr;ob>"], 2, 200, "outbound"),
        ([f"Contact: {FLOW}"], 2, 200, None),
        ([f"Contact: {FLOW}", f"Contact: {THERE}", "Supported: outbound"], 1, 400, None),
        ([f"Contact: {FLOW}", f"Contact: {THERE};expires=0", "Supported: outbound"], 1, 200, "outbound"),
    ],
)
def test_when_a_flow_counts(fields: list[str], vias: int, status: int, required: str | None) -> None:
    answer = Registrar().process(register(*fields, vias=vias), 0)
    assert (answer.status, field(answer, "Require")) == (status, required)


def test_outbound_switched_off() -> None:
    desk = Registrar(RegistrarPolicy(outbound=False))
    answer = desk.process(register(f"Contact: {FLOW}", "Supported: outbound"), 0)
    assert field(answer, "Require") is None
    assert "reg-id" not in contacts(answer)[0]


@pytest.mark.parametrize("wrong", [{"minimum": 4000}, {"maximum": 30}, {"default": 0}, {"minimum": -1}])
def test_a_policy_that_contradicts_itself(wrong: dict[str, int]) -> None:
    with pytest.raises(LocalError):
        RegistrarPolicy(**wrong)  # type: ignore[arg-type]


CONTACT = st.sampled_from(
    [f"Contact: <sip:{number}@192.0.2.1>{expires}" for number in "abc" for expires in ("", ";expires=0", ";expires=60")]
)


@given(st.lists(st.tuples(st.lists(CONTACT, max_size=3), st.integers(1, 5), st.sampled_from("xy"), st.integers(0, 90))))
def test_what_is_told_is_what_is_kept(requests: list[tuple[list[str], int, str, int]]) -> None:
    desk, now = Registrar(), 0.0
    for fields, cseq, call_id, seconds in requests:
        now += seconds
        before = desk.bindings(AOR, now)
        answer = desk.process(register(*fields, cseq=cseq, call_id=call_id), now)
        after = desk.bindings(AOR, now)
        if answer.status == 200:
            assert sorted(text.partition(";expires")[0] for text in contacts(answer)) == sorted(
                str(record.contact) for record in after
            )
        else:
            assert after == before


PIECES = st.sampled_from(
    [
        "<sip:a@b>",
        "<sip:[>",
        "*",
        ";expires=",
        "0",
        "99999999999",
        ";q=x",
        ", ",
        ";reg-id=",
        ";+sip.instance=",
        '"',
        "\xff",
    ]
)
NAMES = st.sampled_from(["Contact", "Expires", "Path", "Supported", "m", "To", "CSeq"])


@example([("Path", "<sip:a@b>"), ("Supported", "<sip:a@b>")])  # Supported is read only for what the 200 is to say
@given(st.lists(st.tuples(NAMES, st.lists(PIECES, max_size=6).map("".join)), max_size=4))
def test_whatever_comes_is_answered(fields: list[tuple[str, str]]) -> None:
    request = register(f"Contact: {HERE}")
    for name, text in fields:
        request = request.with_headers(request.headers + headers_of((name, text)))
    desk = Registrar()
    answer = desk.process(request, 0)
    assert 200 <= answer.status < 600
    bytes(build_response(request, answer.status, answer.reason, fields=answer.fields))
    assert (answer.status == 200) or not len(desk)
