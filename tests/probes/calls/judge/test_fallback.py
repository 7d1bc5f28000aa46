"""What is told of a Contact, or a Record-Route, where nobody gets, so that the call went on the way that it came."""

from dataclasses import replace

import pytest
import trio

from probes.calls.judge.facts import CallFacts, facts_of
from probes.calls.judge.fallback import fell_back
from probes.calls.judge.find import find
from probes.calls.judge.said import read
from probes.calls.run import place_call
from probes.calls.script import CallScript
from probes.capture.stored import result_of
from probes.destination import Destination
from probes.findings.finding import Severity, Side
from probes.report.call_json import call_data
from probes.responder.personas import Manner, Persona
from probes.responder.run import open_responder
from probes.result import CallRole
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.message.uri import SipUri
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.trace import Direction
from sipcore.transports.base import FAILURES, OWN_SIDE, TlsConfig, TransportConfig
from sipcore.transports.certificates import self_signed
from tests.probes.calls.judge.said import ANSWER, BYE_OK, OFFER, records, request, response
from tests.probes.discovery.network import HOST, free_port, ok, udp
from tests.probes.responder.calling import Told
from tests.probes.responder.calling import result_of as heard

REFUSED = "nothing listens there"
WORKING = "A pbx.lan: 198.51.100.1 (60 s, DNS)"
UNKNOWN = "A pbx.lan: the name does not exist", "AAAA pbx.lan: the name does not exist"


def call(
    uri: str,
    *,
    refusals: tuple[str, ...] = (),
    lookups: tuple[str, ...] = (),
    role: CallRole = CallRole.CALLER,
    transport: Transport = Transport.TCP,
    reached: str = "198.51.100.1",
    route: str = "",
) -> CallFacts:
    """A call over a connection whose peer names `uri` as its Contact, seen from one side."""
    is_caller = role is CallRole.CALLER
    peer, routed = f"Contact: <{uri}>", [f"Record-Route: <{route}>"] if route else []
    along = [f"Route: <{route}>"] if route else []
    ours = "Contact: <sip:me@192.0.2.1>"
    later = [
        (sent, text.replace("sip:bob@198.51.100.1 SIP", f"{uri} SIP", 1))
        for sent, text in (request("ACK", *along), request("BYE", *along, cseq=2), request("BYE", *along, cseq=2))
    ]
    invite = request("INVITE", ours if is_caller else peer, *([] if is_caller else routed), body=OFFER, sent=is_caller)
    sent, text = response("200 OK", peer if is_caller else ours, *(routed if is_caller else []), body=ANSWER)
    ok = (sent is is_caller, text)
    said = [invite, ok, *(later[:1] if is_caller else []), later[1], BYE_OK]
    flow = Flow(transport, SocketAddress("192.0.2.1", 40000), SocketAddress("198.51.100.1", 5060))
    first, *rest = [replace(each, flow=flow) for each in records(*said, pace=2.0)]
    way = replace(flow, remote=SocketAddress(reached, 5060))
    rest = [replace(each, flow=way if each.data.startswith((b"ACK", b"BYE")) else flow) for each in rest]
    messages = [(each, each.direction is Direction.SENT) for each in (first, *rest)]
    return CallFacts(list(read(messages)), role=role, refusals=refusals, lookups=lookups)


FOUND: dict[str, tuple[str, dict[str, tuple[str, ...]], str]] = {
    "closed port": (
        "sip:bob@198.51.100.1:5099",
        {"refusals": (f"tcp 198.51.100.1:5099 {REFUSED}",)},
        "Contact says 198.51.100.1:5099",
    ),
    "port that nobody names": (
        "sips:bob@203.0.113.9",
        {"refusals": ("tls 203.0.113.9:5061 the peer did not answer",)},
        "Contact says 203.0.113.9",
    ),
    "certificate for another name": (
        "sip:bob@198.51.100.1:5071;transport=tls",
        {"refusals": ("tls 198.51.100.1:5071 the certificate is for another name (alice.example)",)},
        "the certificate is for another name",
    ),
    "IPv6": (
        "sip:bob@[2001:DB8::0:9]:5070",
        {"refusals": (f"tcp [2001:db8::9]:5070 {REFUSED}",)},
        "nothing listens there",
    ),
    "name that DNS does not know": ("sip:bob@PBX.lan", {"lookups": UNKNOWN}, "the name does not exist"),
    "name of a closed port": (
        "sip:bob@pbx.lan:5070",
        {"lookups": ("A pbx.lan: 203.0.113.9 (60 s, DNS)",), "refusals": (f"tcp 203.0.113.9:5070 {REFUSED}",)},
        "tcp 203.0.113.9:5070",
    ),
    "group": ("sip:bob@224.0.1.75", {}, "224.0.1.75 is no host's address"),
}


@pytest.mark.parametrize("role", CallRole)
@pytest.mark.parametrize("name", FOUND)
def test_where_nobody_gets(name: str, role: CallRole) -> None:
    uri, told, what = FOUND[name]
    (found,) = (each for each in find(call(uri, role=role, **told)) if each.code == "dialog-falls-back")  # type: ignore[arg-type]  # the ways that were tried
    assert (found.severity, found.side) == (Severity.WARNING, Side.PEER)
    assert what in found.what
    assert "went to 198.51.100.1:5060 instead" in found.what
    assert f"Contact: <{uri}>" in found.evidence
    assert found.records


def test_a_route_is_named_before_the_contact() -> None:
    route, refused = "sip:203.0.113.7:5070;lr", f"tcp 203.0.113.7:5070 {REFUSED}"
    (found,) = fell_back(call("sip:bob@198.51.100.9", route=route, refusals=(refused,)))
    assert found.what.startswith("Record-Route says 203.0.113.7:5070")
    assert f"Record-Route: <{route}>" in found.evidence


@pytest.mark.parametrize("role", CallRole)
def test_another_transport_at_the_same_place(role: CallRole) -> None:
    uri, refused = "sip:bob@198.51.100.1;transport=tcp", f"tcp 198.51.100.1:5060 {REFUSED}"
    (found,) = fell_back(call(uri, role=role, transport=Transport.UDP, refusals=(refused,)))
    assert refused in found.what


WELL: dict[str, tuple[str, dict[str, object]]] = {
    "the place that it came from": (
        "sip:bob@198.51.100.1",
        {"refusals": (f"tcp 198.51.100.1:5060 {REFUSED}",)},  # and was connected to later
    ),
    "nothing is known to have failed": ("sip:bob@198.51.100.1:5099", {}),
    "another port failed": ("sip:bob@198.51.100.1:5099", {"refusals": (f"tcp 198.51.100.1:5060 {REFUSED}",)}),
    "the Contact was reached": (
        "sip:bob@203.0.113.9",
        {"reached": "203.0.113.9", "refusals": (f"tls 203.0.113.9:5060 {REFUSED}",)},
    ),
    "a name that leads there": ("sip:bob@pbx.lan", {"lookups": (f"AAAA{UNKNOWN[1][4:]}", WORKING)}),
    "no name server": ("sip:bob@pbx.lan", {"lookups": ("A pbx.lan: no name server answered",)}),
    "a service without an address of its own": ("sip:bob@pbx.lan", {"lookups": ("SRV _sip._tcp.pbx.lan: x",)}),
    "a WebSocket": (
        "sip:bob@198.51.100.1:5099;transport=ws",
        {"transport": Transport.WS, "refusals": (f"ws 198.51.100.1:5099 {REFUSED}",)},
    ),
}


@pytest.mark.parametrize("role", CallRole)
@pytest.mark.parametrize("name", WELL)
def test_no_false_alarm(name: str, role: CallRole) -> None:
    uri, told = WELL[name]
    assert list(fell_back(call(uri, role=role, **told))) == []  # type: ignore[arg-type]  # the ways that were tried


@pytest.mark.parametrize("number", sorted(OWN_SIDE))
def test_what_fails_here_is_not_the_fault_of_the_peer(number: int) -> None:
    refused = f"tcp 203.0.113.9:5060 {FAILURES[number][1]}"
    assert list(fell_back(call("sip:bob@203.0.113.9", refusals=(refused,)))) == []


def test_an_address_that_does_not_reach_as_far_is_told_once() -> None:
    told = call("sip:bob@10.0.0.9", refusals=("tcp 10.0.0.9:5060 the peer did not answer",))
    assert list(fell_back(told))
    assert [each.code for each in find(told) if each.severity is Severity.WARNING] == ["contact-narrow"]


async def test_a_callee_that_nobody_can_connect_to() -> None:
    closed = free_port()

    def respond(data: bytes) -> bytes | None:
        contact = f"Contact: <sip:bob@{HOST}:{closed};transport=tcp>"
        described = "Content-Type: application/sdp"
        if data.startswith(b"ACK"):
            return None
        return ok(data, contact, described, body=ANSWER.encode()) if data.startswith(b"INVITE") else ok(data)

    with trio.fail_after(20):
        async with udp(respond) as port:
            result = await place_call(CallScript(Destination(HOST, port, Transport.UDP), hold=0.1))
    (found,) = (each for each in result.findings if each.code == "dialog-falls-back")
    assert f"Contact says {HOST}:{closed}" in found.what
    assert "nothing listens there" in found.what
    assert "bye-lost" not in [each.code for each in result.findings]
    stored = find(facts_of(result_of(call_data(result))))
    assert [each.what for each in stored if each.code == found.code] == [found.what]


async def test_a_caller_whose_certificate_is_for_another_name() -> None:
    """Its certificate is for its name, and its Contact is an address."""
    certificate, key = self_signed(["alice.example"])
    local = SocketAddress(HOST, 0)
    caller = TransportConfig(
        bind=((Transport.TLS, local),), tls=TlsConfig(certificate=certificate, key=key, verify=False)
    )
    persona = Persona(Manner(hang_up_after=0.1))
    told = Told()
    verifies = TlsConfig(ca_data=certificate)
    with trio.fail_after(20):
        async with (
            open_responder(persona, [(Transport.TLS, local)], told.append, verifies) as responder,
            Endpoint(EndpointConfig(transports=caller)) as client,
        ):
            uri = SipUri(HOST, "bob")
            invite = client.new_request("INVITE", uri, body=OFFER.encode(), content_type="application/sdp")
            hop = Hop(Transport.TLS, responder.address(Transport.TLS))
            async with client.call(Order(invite, hop, "alice")) as placed:
                await placed.answered()
                await placed.over()
            await told.reach(1)
    (found,) = (each for each in heard(told[0]).findings if each.code == "dialog-falls-back")
    assert "the BYE went to" in found.what
    assert "tls 127.0.0.1:" in found.what
    assert "certificate" in found.what
