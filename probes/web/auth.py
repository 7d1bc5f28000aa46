"""Who asks: by `Authorization: Bearer KEY`, or the bare key. Whoever guesses is made to wait."""

import ipaddress
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Annotated

import trio
from fastapi import Depends, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from probes.service.config import ServiceConfig
from probes.service.keys import ApiKey
from probes.service.run import Service
from probes.web.errors import RequestFailure, refused
from sipcore.value import value

MAX_WRONG = 20
"""Wrong keys of one address within PERIOD, after which it waits."""
PERIOD = 300.0
"""Seconds."""
MAX_ADDRESSES = 10_000
"""Addresses whose wrong keys are counted: those of longest ago are forgotten."""
MAX_KEY = 256
"""Characters that may be a key."""
SCHEME = "bearer"
CHANGING = ("POST", "PUT", "PATCH", "DELETE")
"""Methods of requests that may have a body."""
KNOWN = "sipprobe.caller"
"""Who asks, in the scope of a request (as ASGI calls it), once that is known."""
CHALLENGE = 'Bearer realm="sipprobe"'


@value
class Caller:
    """Who asks."""

    tenant: str
    key_id: str
    may_write: bool
    """Whether the key changes anything, places calls among it; others only read."""


class Guesses:
    """Counts wrong keys of each address. Times are in seconds."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, address: str, now: float) -> float:
        """For how long an address has to wait; 0 for not at all."""
        times = self._wrong.get(_network(address), ())
        recent = [at for at in times if at > now - PERIOD]
        return recent[0] + PERIOD - now if len(recent) >= MAX_WRONG else 0.0

    def add(self, address: str, now: float) -> None:
        """One more wrong key."""
        network = _network(address)
        self._wrong.setdefault(network, deque(maxlen=MAX_WRONG)).append(now)
        self._wrong.move_to_end(network)
        while len(self._wrong) > MAX_ADDRESSES:
            self._wrong.popitem(last=False)


async def known_key(request: Request, text: str) -> ApiKey:
    """The key that a text is. Raises RequestFailure for one that is none, and after several of them."""
    service: Service = request.app.state.service
    guesses: Guesses = request.app.state.guesses
    address, now = client_address(request, service.config), trio.current_time()
    seconds = guesses.wait(address, now)
    if seconds:
        text = f"{MAX_WRONG} wrong keys came from your address: ask again in {seconds:.0f} s"
        raise refused(429, text, headers={"Retry-After": f"{seconds + 1:.0f}"})
    key = await service.keys.check(text) if 0 < len(text) <= MAX_KEY else None
    if key is None:
        guesses.add(address, now)
        raise _unauthorized("this API key is not known, or was revoked", ', error="invalid_token"')
    return key


async def require_caller(request: Request) -> Caller:
    """Who asks. Raises RequestFailure: 401, and 429 after several wrong keys from one address."""
    known: Caller | None = request.scope.get(KNOWN)
    if known is not None:
        return known
    told = request.headers.get("authorization", "").strip()
    scheme, _, rest = told.partition(" ")
    text = rest.strip() if scheme.lower() == SCHEME else told
    if not text:
        raise _unauthorized("an API key is wanted: send it as `Authorization: Bearer KEY`", "")
    key = await known_key(request, text)
    return Caller(key.tenant, key.id, key.may_write)


class Door:
    """An application that takes a body of nobody whose key is not known: that is refused first, and not read."""

    def __init__(self, app: ASGIApp, prefixes: Sequence[str]) -> None:
        """`prefixes` are those of interfaces of which all that changes something wants a key."""
        self._app = app
        self._begins = tuple(f"{prefix}/" for prefix in prefixes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it. Raises RequestFailure."""
        if scope["type"] == "http" and scope["method"] in CHANGING and f"{scope['path']}/".startswith(self._begins):
            scope[KNOWN] = await require_caller(Request(scope))
        await self._app(scope, receive, send)


async def require_writer(caller: Annotated[Caller, Depends(require_caller)]) -> Caller:
    """Who asks, and may change something. Raises RequestFailure: 403, too."""
    if not caller.may_write:
        raise refused(403, "this API key only reads: use one that was made without --read-only")
    return caller


Authenticated = Annotated[Caller, Depends(require_caller)]
"""The parameter of a route that reads: `async def route(caller: Authenticated) -> ...`."""
Writing = Annotated[Caller, Depends(require_writer)]
"""The parameter of a route that changes something."""


def client_address(request: Request, config: ServiceConfig) -> str:
    """The address of who asks: what a proxy tells is believed of the ones that are trusted, and of nobody else."""
    address = request.client.host if request.client is not None else ""
    if not config.behind_proxy:
        return address
    told = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    for each in reversed([each.strip() for each in told if each.strip()]):
        if not _is_one_of(address, config.trusted_proxies) or not _is_address(each):
            break
        address = each
    return address


def _is_one_of(address: str, others: tuple[str, ...]) -> bool:
    return _is_address(address) and str(ipaddress.ip_address(address)) in others


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _network(address: str) -> str:
    """What one host may change its address within: a network of IPv6 has them all for itself (RFC 6177)."""
    if not _is_address(address):
        return ""
    found = ipaddress.ip_address(address)
    return str(found) if found.version == 4 else str(ipaddress.ip_network(f"{found}/64", strict=False))


def _unauthorized(text: str, more: str) -> RequestFailure:
    return refused(401, text, headers={"WWW-Authenticate": CHALLENGE + more})
