"""For which hosts a password was given. One that is stored goes to no others: whoever may point a trunk elsewhere would
have its answers to the challenges of a host of theirs, and guess at it there (RFC 7616 §5.10).
"""

from collections.abc import Iterable, Iterator, Sequence

from probes.trunks.model import Number, Outbound, Secret, Trunk
from probes.trunks.problem import Problem, error
from sipcore.errors import quoted

CODE = "password-again"
_PASSWORD, _GATEWAYS = "outbound.credentials.password", "outbound.gateways"
_AGAIN = "send the password again with this change"
_FIRST = "take its username and password away first, and give them again after"


def trunk_leaks(before: Trunk, after: Trunk) -> tuple[Problem, ...]:
    """What is wrong with a change of a trunk: a password that is stored would go to other hosts than before."""
    return _leaks(after.outbound, _outbounds(before), _PASSWORD, _AGAIN)


def number_leaks(
    before: Number | None, old_trunk: Trunk | None, after: Number, trunk: Trunk | None
) -> tuple[Problem, ...]:
    """Likewise, of a change of a number, or of one that is new; `old_trunk` is the trunk that it was bound to, which
    may be another one than that of now.
    """
    known = [*_outbounds(old_trunk), *_outbounds(trunk)]
    was = before.outbound_by(old_trunk) if before is not None else None
    return _leaks(after.outbound_by(trunk), [*known, was] if was is not None else known, _PASSWORD, _AGAIN)


def bound_leaks(before: Trunk, after: Trunk, bound: Iterable[Number]) -> Iterator[Problem]:
    """Likewise, for the numbers of a trunk that have a password of their own and take its gateways."""
    for number in bound:
        was, now = number.outbound_by(before), number.outbound_by(after)
        if number.outbound is not None and number.outbound.credentials is not None and was is not None:
            for each in _leaks(now, [was], _GATEWAYS, _FIRST):
                yield error(CODE, each.field, f"of {quoted(number.identity)}, {each.cause}", each.cure)


def gained(before: Trunk, after: Trunk) -> bool:
    """Whether a trunk has a gateway at another host than before."""
    return bool(_hosts(after.outbound) - _hosts(before.outbound))


def _leaks(after: Outbound | None, before: Sequence[Outbound], field: str, cure: str) -> tuple[Problem, ...]:
    password = after.credentials.password if after is not None and after.credentials is not None else Secret("")
    if not password.is_stored or not password:
        return ()
    known = frozenset[str]().union(*(_hosts(each) for each in before if _password_of(each) == password))
    others = sorted(_hosts(after) - known)
    if not others:
        return ()
    given = ", ".join(map(quoted, sorted(known))) or "no host yet"
    return (error(CODE, field, f"the stored password was given for {given}, not for {quoted(others[0])}", cure),)


def _outbounds(trunk: Trunk | None) -> list[Outbound]:
    return [trunk.outbound] if trunk is not None and trunk.outbound is not None else []


def _password_of(outbound: Outbound) -> Secret | None:
    return outbound.credentials.password if outbound.credentials is not None else None


def _hosts(outbound: Outbound | None) -> frozenset[str]:
    return frozenset(each.host for each in outbound.gateways) if outbound is not None else frozenset()
