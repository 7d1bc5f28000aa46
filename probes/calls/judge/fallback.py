"""Whether what came later in a call had to go the way that the call came, since nobody gets where the peer said."""

import errno
from collections.abc import Iterator

from probes.calls.judge.facts import CallFacts
from probes.calls.judge.hint import MAX_SHOWN, Hint, lines
from probes.calls.judge.said import Said
from sipcore.errors import ParseError, own_fault
from sipcore.message.message import Request
from sipcore.message.registry import ROUTE
from sipcore.message.uri import SipUri
from sipcore.resolve.records import LookupFault
from sipcore.resolve.target import Flow, SocketAddress, Transport, is_host_address, is_numeric, without_zone
from sipcore.transports.base import FAILURES, OWN_SIDE

_ABSENT = tuple(fault.value for fault in (LookupFault.NXDOMAIN, LookupFault.NODATA, LookupFault.INVALID_NAME))
"""What DNS says of a name that leads nowhere; all else tells of DNS, or of this machine."""
_OURS = (*(FAILURES[number][1] for number in sorted(OWN_SIDE)), FAILURES[errno.EMSGSIZE][1], own_fault().message)
"""What fails at this side, which says nothing about the place."""
_PORTS = {transport.value.lower(): transport.default_port for transport in Transport}


def fell_back(facts: CallFacts) -> Iterator[Hint]:
    """RFC 3261 §8.1.1.8, §12.1.1: Contact, and Record-Route, are for what comes later in the dialog."""
    start = facts.answered if facts.calls else next((said for said, _ in facts.invites), None)
    if start is None or facts.answered is None or start.record.flow.transport.websocket:  # RFC 7118 appendix B
        return
    flow, seen = start.record.flow, set[str]()
    for said in facts.said:
        if not said.sent or said.again or said.at < facts.answered.at or not isinstance(said.message, Request):
            continue
        name, uri = _next_hop(said.message)
        way = said.record.flow
        if uri is None or (way.transport, way.remote) != (flow.transport, flow.remote) or str(uri) in seen:
            continue
        seen.add(str(uri))
        why = "" if _leads(uri, flow) else _why(uri, facts, flow)
        if why:
            yield _hint(start, said, name, uri, why)


def _hint(start: Said, said: Said, name: str, uri: SipUri, why: str) -> Hint:
    method = said.message.method if isinstance(said.message, Request) else ""
    place = f"{uri.address}:{uri.port}" if uri.port else uri.address
    what = f"{name} says {place}, where nobody gets ({why}): the {method} went to {said.record.flow.remote} instead"
    field = "Contact" if name == "Contact" else "Record-Route"
    evidence = (*lines(start.message, field), *lines(said.message, "Route"), why[:MAX_SHOWN])
    return Hint("dialog-falls-back", what, evidence, (start.record, said.record))


def _next_hop(request: Request) -> tuple[str, SipUri | None]:
    """Whose hop a request is for, and which header field of the peer had named it (RFC 3261 §12.2.1.1)."""
    try:
        routes = request[ROUTE]
        uri = routes[0].uri if routes else request.uri
    except ParseError:
        return "", None
    return "Record-Route" if routes else "Contact", uri if isinstance(uri, SipUri) else None


def _leads(uri: SipUri, flow: Flow) -> bool:
    """Whether a URI names the very place that a call came from, and the way there."""
    place = SocketAddress(uri.address, uri.port or flow.transport.default_port)
    is_there = place == SocketAddress(without_zone(flow.remote.host), flow.remote.port)
    return is_there and (uri.transport or flow.transport.value).upper() == flow.transport.value


def _why(uri: SipUri, facts: CallFacts, flow: Flow) -> str:
    """What failed on the way to a URI; empty where nothing is known to have."""
    host = SocketAddress(uri.address, 0).host
    if is_numeric(host):
        if not is_host_address(host):
            return f"{host} is no host's address"
        return _refusal({host}, uri.port, facts)
    found = [each for each in facts.lookups if _asked(each).lower() == host.lower()]
    addresses = {word.strip("(),") for each in found for word in each.partition(": ")[2].split()}
    places = {word for word in addresses if is_numeric(word)}
    if places:
        return _refusal(places, uri.port, facts) if without_zone(flow.remote.host) not in places else ""
    hosts = [each for each in found if each.startswith(("A ", "AAAA "))]
    absent = all(each.partition(": ")[2].startswith(_ABSENT) for each in hosts)
    return hosts[0] if hosts and absent else ""


def _asked(lookup: str) -> str:
    """The name that DNS was asked for."""
    return lookup.partition(": ")[0].partition(" ")[2].rstrip(".")


def _refusal(hosts: set[str], port: int | None, facts: CallFacts) -> str:
    """The connection to one of some addresses that failed, and not at this side."""
    for each in facts.refusals:
        transport, _, rest = each.partition(" ")
        place = rest.partition(" ")[0].partition("/")[0]
        wanted = port or _PORTS.get(transport, 0)
        if place in {str(SocketAddress(host, wanted)) for host in hosts} and not any(ours in each for ours in _OURS):
            return each
    return ""
