"""Who there is in the flows of RFC 5359, and what they do besides calling: REFER, and the dialog event package."""

from xml.etree import ElementTree

from sipcore.auth.choice import Account
from sipcore.dialogs.dialog import Dialog
from sipcore.dialogs.refer import SIPFRAG, notification
from sipcore.events import CallAnswered, CallRequested, RequestReceived
from sipcore.message.address import Address
from sipcore.message.build import Fields
from sipcore.message.fields.dialog_reference import Replaces
from sipcore.message.message import Request, Response
from sipcore.message.method import MESSAGE, NOTIFY, REFER, SUBSCRIBE
from sipcore.message.parser import parse_message
from sipcore.message.registry import REFER_TO, REFERRED_BY
from sipcore.message.uri import SipUri, Uri, escape_header
from sipcore.resolve.records import Address as HostAddress
from sipcore.sdp.terms import Direction
from tests.flows.agent import Agent
from tests.flows.network import Network

METHODS = (REFER, SUBSCRIBE, NOTIFY, MESSAGE)
ATLANTA, BILOXI, CHICAGO = "atlanta.example.com", "biloxi.example.com", "chicago.example.com"
SERVER, GATEWAY, ANNOUNCEMENTS = "server.example.com", "gw1.example.com", "ms.biloxi.example.com"
PEOPLE = {
    "alice": (ATLANTA, "192.0.2.103"),
    "bob": (BILOXI, "192.0.2.105"),
    "carol": (CHICAGO, "192.0.2.113"),
    "bill": ("pc.biloxi.example.com", "192.0.2.114"),
    "pc": ("pc.biloxi.example.com", "192.0.2.115"),
    "music": (SERVER, "192.0.2.60"),
    "park": (SERVER, "192.0.2.60"),
    "gateway": (GATEWAY, "192.0.2.70"),
    "announcements": (ANNOUNCEMENTS, "192.0.2.80"),
    "b1": (BILOXI, "192.0.2.151"),
    "b2": (BILOXI, "192.0.2.152"),
    "b3": (BILOXI, "192.0.2.153"),
    "b4": (BILOXI, "192.0.2.154"),
}
"""Whose phone is where: its domain, which DNS leads to it where no proxy stands before it, and its address."""
DIALOG_INFO = "application/dialog-info+xml"
NAMESPACE = "urn:ietf:params:xml:ns:dialog-info"


def people(*names: str, accounts: tuple[Account, ...] = ()) -> tuple[Network, list[Agent]]:
    """A network with these people on it, who have these accounts."""
    network = Network()
    network.zone = {f"A {PEOPLE[name][0]}": (HostAddress(PEOPLE[name][1]),) for name in names}
    agents = [Agent(network, name, *PEOPLE[name], seed, accounts, METHODS) for seed, name in enumerate(names, 1)]
    return network, agents


def uri_of(name: str) -> SipUri:
    """What somebody's address of record is."""
    return SipUri(PEOPLE[name][0], name)


# REFER


def in_place_of(agent: Agent, call: int) -> SipUri:
    """The peer of a call, to be called in place of this agent (RFC 3891 §4)."""
    peer = agent.stack.peer(call)
    assert isinstance(peer, SipUri)
    return peer.replace(headers=f"Replaces={escape_header(agent.stack.replaces(call))}&Require=replaces")


def referring(agent: Agent, target: Uri) -> Fields:
    """The header fields of a REFER."""
    return [("Refer-To", Address(target)), ("Referred-By", agent.aor)]


def asked(agent: Agent) -> Request:
    """The last request that came for the owner of an agent."""
    return [event.request for event in agent.events if isinstance(event, (RequestReceived, CallRequested))][-1]


def do_as_asked(agent: Agent, refer: Request, direction: Direction = Direction.SENDRECV) -> int:
    """Call whom a REFER names; gives the call."""
    refer_to = refer[REFER_TO]
    assert refer_to is not None
    fields = [("Referred-By", refer[REFERRED_BY])] if refer[REFERRED_BY] else []
    return agent.call(refer_to.uri, fields=fields, direction=direction)


def outcome(agent: Agent, call: int) -> tuple[Fields, bytes]:
    """The header fields and the body of the last NOTIFY about a call that a REFER has asked for.

    It has the whole head of the 2xx, out of which its dialog can be known (RFC 3515 §2.4.5).
    """
    (response,) = (event.response for event in agent.told(CallAnswered) if event.call == call)
    fields, _ = notification(response.status)
    return fields, bytes(response.without("Content-Type").with_body(b""))


def tell_outcome(agent: Agent, subscription: Dialog, call: int) -> None:
    """Send the last NOTIFY of a REFER, in the dialog that the REFER has made."""
    fields, body = outcome(agent, call)
    agent.request_in(subscription, NOTIFY, fields, body, SIPFRAG)


def agree_to_refer(agent: Agent) -> Dialog:
    """Answer a REFER outside of any call with 202, and tell that it is being tried (RFC 3515 §2.4.4)."""
    subscription = agent.subscribed(202)
    fields, body = notification(100)
    agent.request_in(subscription, NOTIFY, fields, body, SIPFRAG)
    return subscription


def dialog_told(notify: Request) -> str:
    """The Replaces that takes the place of whoever told, in a NOTIFY, of the 2xx to the call that it made."""
    response = parse_message(notify.body)
    assert isinstance(response, Response)
    return f"{response.call_id};to-tag={response.to_tag};from-tag={response.from_tag}"


# The dialog event package (RFC 4235)


def dialog_info(agent: Agent, call: int, state: str, direction: str = "recipient") -> bytes:
    """What there is to know of a call, at the side of `agent`."""
    other = Replaces.parse(agent.stack.replaces(call))
    tags = {"call-id": other.call_id, "local-tag": other.from_tag or "", "remote-tag": other.to_tag or ""}
    return _dialog_info(agent, 0, state, {**tags, "direction": direction}, str(agent.stack.peer(call)))


def dialog_state(agent: Agent, version: int, state: str) -> bytes:
    """Whether somebody is busy, and no more. The version counts what is told in one subscription."""
    return _dialog_info(agent, version, state, {}, "")


def _dialog_info(agent: Agent, version: int, state: str, attributes: dict[str, str], target: str) -> bytes:
    root = ElementTree.Element(
        "dialog-info", {"xmlns": NAMESPACE, "version": str(version), "state": "full", "entity": str(agent.aor.uri)}
    )
    dialog = ElementTree.SubElement(root, "dialog", {"id": "1", **attributes})
    if target:
        remote = ElementTree.SubElement(dialog, "remote")
        ElementTree.SubElement(remote, "target", {"uri": target})
    ElementTree.SubElement(dialog, "state").text = state
    return b'<?xml version="1.0"?>\n' + ElementTree.tostring(root) + b"\n"


def state_told(notify: Request) -> str:
    """The state of the one dialog that a NOTIFY tells of."""
    state = ElementTree.fromstring(notify.body).find(f"{{{NAMESPACE}}}dialog/{{{NAMESPACE}}}state")
    assert state is not None
    return state.text or ""


def taking_over(notify: Request, *, early_only: bool = False) -> tuple[SipUri, Fields]:
    """Whom to call in place of the sender of a NOTIFY, and with which header fields."""
    dialog = ElementTree.fromstring(notify.body).find(f"{{{NAMESPACE}}}dialog")
    assert dialog is not None
    target = dialog.find(f"{{{NAMESPACE}}}remote/{{{NAMESPACE}}}target")
    assert target is not None
    ids = [dialog.get(name) for name in ("call-id", "remote-tag", "local-tag")]
    replaces = f"{ids[0]};to-tag={ids[1]};from-tag={ids[2]}{';early-only' if early_only else ''}"
    uri = Address.parse(f"<{target.get('uri')}>").uri
    assert isinstance(uri, SipUri)
    return uri, [("Require", "replaces"), ("Replaces", replaces)]
