"""Which way a call would take, and why: number, trunk and gateways, without placing it."""

from collections.abc import Sequence

from probes.trunks.admission import admits
from probes.trunks.model import Authentication, Gateway, Inbound, Number, Outbound, Trunk
from probes.trunks.number import NumberError, identity_of, spellings
from sipcore.errors import quoted
from sipcore.value import Member, value


class Direction(Member):
    """Which way a call goes, as the trunk sees it."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    NONE = "none"
    """Nobody takes it."""


@value
class RoutePlan:
    """What would become of a call."""

    direction: Direction
    steps: tuple[str, ...]
    """Why, one decision in each, for people."""
    number: Number | None = None
    """Ours, which it is for, or from."""
    trunk: Trunk | None = None
    gateways: tuple[Gateway, ...] = ()
    """Of a call that goes out, in the order in which they are tried: one, where failover is off."""
    forward_to: str = ""
    """Of a call that comes in, where to; empty where it ends here."""
    refusal: str = ""
    """Why it would not be carried, in one sentence; empty for one that is."""


def dry_run(
    numbers: Sequence[Number], trunks: Sequence[Trunk], caller: str, callee: str, source: str = ""
) -> RoutePlan:
    """The way of a call from `caller` to `callee`, among those numbers and trunks of one tenant that they may mean. A
    call for one of the numbers comes in, whoever places it; `source` is the address that it comes from, empty where
    that is not known. Any other call goes out by the number that it is from.
    """
    by_id = {trunk.id: trunk for trunk in trunks}
    called, calling = _found(numbers, callee), _found(numbers, caller)
    number = called or calling
    if number is None:
        step = f"neither {quoted(caller[:64])} nor {quoted(callee[:64])} is a number here"
        return RoutePlan(Direction.NONE, (step,), refusal="no number of this account is called, or calls")
    trunk = by_id.get(number.trunk_id) if number.trunk_id is not None else None
    if called is not None:
        spelled = "" if called.identity == callee else f", as {quoted(callee[:64])} means"
        return _inbound(called, trunk, source, [f"{called.identity} is a number here{spelled}: the call comes in"])
    first = f"{quoted(callee[:64])} is no number here, and {number.identity} is: the call goes out by it"
    return _outbound(number, trunk, [first])


def _found(numbers: Sequence[Number], given: str) -> Number | None:
    """The number that somebody means, with or without `+`."""
    by_identity = {number.identity: number for number in numbers}
    try:
        names = spellings(identity_of(given))
    except NumberError:
        return None
    return next((by_identity[name] for name in names if name in by_identity), None)


def _belongs(number: Number, trunk: Trunk | None, *, is_own: bool) -> str:
    """Whose terms hold for a number."""
    if trunk is None:
        return f"{number.identity} is bound to no trunk; its own terms hold"
    whose = "its own terms hold before the trunk's" if is_own else "the trunk's terms hold"
    return f"{number.identity} is bound to trunk {quoted(trunk.name)}; {whose}"


def _inbound(number: Number, trunk: Trunk | None, source: str, steps: list[str]) -> RoutePlan:
    terms = number.inbound_by(trunk)
    if terms is None:
        refusal = f"no call is taken for {number.identity}: neither it nor a trunk of it has an inbound direction"
        return RoutePlan(Direction.INBOUND, tuple(steps), number, trunk, refusal=refusal)
    steps.append(_belongs(number, trunk, is_own=number.inbound is not None))
    refusal = _refusal(terms, source, steps)
    if not refusal:
        steps.append(f"it is forwarded to {terms.forward_to}" if terms.forward_to else "it ends here")
    return RoutePlan(Direction.INBOUND, tuple(steps), number, trunk, forward_to=terms.forward_to, refusal=refusal)


def _refusal(terms: Inbound, source: str, steps: list[str]) -> str:
    """Why a caller is not let in, if he is not."""
    if terms.authentication is not Authentication.IP:
        way = "registered" if terms.authentication is Authentication.REGISTER else "challenged"
        if terms.credentials is None:
            return "no caller is let in: there are no credentials to prove who one is"
        steps.append(f"the caller has to be {way} as {quoted(terms.credentials.username)}")
        return ""
    if not terms.allowed_addresses:
        return "no caller is let in: no address is allowed"
    if not source:
        steps.append(f"the caller has to come from {', '.join(terms.allowed_addresses[:4])}{_more(terms)}")
        return ""
    if not admits(terms.allowed_addresses, source):
        return f"the caller is not let in: {source} is not among the addresses that are allowed"
    steps.append(f"{source} is among the addresses that are allowed")
    return ""


def _more(terms: Inbound) -> str:
    left = len(terms.allowed_addresses) - 4
    return f" or {left} more" if left > 0 else ""


def _outbound(number: Number, trunk: Trunk | None, steps: list[str]) -> RoutePlan:
    terms = number.outbound_by(trunk)
    if terms is None or not terms.gateways:
        what = "an outbound direction" if terms is None else "a gateway"
        refusal = f"no call goes out by {number.identity}: neither it nor a trunk of it has {what}"
        return RoutePlan(Direction.OUTBOUND, tuple(steps), number, trunk, refusal=refusal)
    steps.append(_belongs(number, trunk, is_own=number.outbound is not None))
    gateways = terms.ordered if terms.failover.is_enabled else terms.ordered[:1]
    steps.append(f"{gateways[0]} is tried first: {_why_first(terms)}")
    if len(gateways) > 1:
        triggers = " or ".join(sorted(each.value for each in terms.failover.triggers)) or "any failure"
        then = ", ".join(map(str, gateways[1:]))
        steps.append(f"after {triggers}: {then}")
    elif len(terms.gateways) > 1:
        steps.append(f"{len(terms.gateways) - 1} more gateways are not tried: failover is off")
    return RoutePlan(Direction.OUTBOUND, tuple(steps), number, trunk, gateways)


def _why_first(terms: Outbound) -> str:
    if len(terms.gateways) == 1:
        return "it is the only gateway"
    first, second, *_ = terms.ordered
    if first.priority == second.priority:
        return f"it is the first of those with priority {first.priority}, the lowest"
    return f"its priority of {first.priority} is the lowest"
