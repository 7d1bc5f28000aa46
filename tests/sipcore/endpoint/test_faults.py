"""A mistake of this program, injected wherever something from outside is dealt with: it costs what it was made over,
is told, and everything else goes on.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import trio

from sipcore.dialogs.caller import Caller
from sipcore.dialogs.effects import EndReason
from sipcore.endpoint import endpoint as endpoint_module
from sipcore.endpoint.call import CallFailure
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.faults import MAX_TOLD, Faults
from sipcore.endpoint.incoming import IncomingRequest
from sipcore.errors import FailureReason, ParseError, TransportFailure
from sipcore.message.uri import parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow, Hop, Transport
from sipcore.tickets import Tickets
from sipcore.trace import FaultTrace, TraceRecord
from sipcore.transactions.layer import TransactionLayer
from sipcore.transports.base import TransportConfig
from sipcore.transports.lookup import Lookup
from sipcore.uas_core import UasCore
from tests.conftest import Injected
from tests.sipcore.endpoint.test_broken_connections import peer
from tests.sipcore.endpoint.test_endpoint import invite, two

URI = parse_uri("sip:bob@127.0.0.1")


class InjectedParseError(ParseError, Injected):
    """One of the package's own errors, where nobody expects it."""


ERRORS: list[Exception] = [
    Injected("no such thing"),
    InjectedParseError("not a number", section="RFC 3261 §20.16", text="x"),
]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """What is logged is looked at where it matters, and not written to standard error."""
    logger = logging.getLogger("sipcore")
    logger.propagate, before = False, logger.propagate
    logger.addHandler(silent := logging.NullHandler())
    yield
    logger.removeHandler(silent)
    logger.propagate = before


def once(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str, error: Exception, when: Callable[..., bool]
) -> None:
    """Have a function raise, once, what it should never raise, when `when` says so of its arguments."""
    work, left = getattr(where, name), [error]

    def broken(*args: Any, **named: Any) -> Any:  # noqa: ANN401  # whatever it takes and gives
        if left and when(*args):
            raise left.pop()
        return work(*args, **named)

    monkeypatch.setattr(where, name, broken)


def always(*_: object) -> bool:
    return True


async def serve(server: Endpoint) -> None:
    """Answer whatever comes in."""
    with trio.CancelScope() as scope:
        async for incoming in server.incoming():
            if isinstance(incoming, IncomingRequest):
                incoming.respond(200)
            else:
                incoming.patience = 0.1  # for a caller that has given up and sends nothing any more
                incoming.accept(body=b"v=0\r\n", content_type="application/sdp")
    assert not scope.cancelled_caught


async def is_well(client: Endpoint, hop: Hop) -> bool:
    """Whether two endpoints still deal with each other, and nothing is left of what was given up."""
    exchange = await client.options(URI, hop=hop)
    async with client.call(invite(client, hop)) as call:
        await call.answered()
    return exchange.response.status == 200 and call.end_reason is EndReason.LOCAL_HANG_UP


@pytest.mark.parametrize("error", ERRORS, ids=["bug", "ParseError"])
@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
async def test_a_request_that_a_mistake_is_made_over_is_refused(
    monkeypatch: pytest.MonkeyPatch, transport: Transport, error: Exception
) -> None:
    once(monkeypatch, UasCore, "_is_owners", error, always)
    records: list[TraceRecord] = []
    async with two(transport) as (client, server, hop), trio.open_nursery() as nursery:
        server.subscribe(records.append)
        nursery.start_soon(serve, server)
        broken = client.new_request("MESSAGE", URI, to=None)
        broken = broken.with_header("To", "<sip:bob@127.0.0.1>;tag=none")
        refused = await client.request(Order(broken, hop))
        assert await is_well(client, hop)
        nursery.cancel_scope.cancel()
    told = [record for record in records if isinstance(record, FaultTrace)]
    if isinstance(error, ParseError):  # which the stack answers, as the peer's mistake
        assert (refused.response.status, told) == (400, [])
        return
    assert (refused.response.status, server.faults, client.faults) == (500, 1, 0)
    (fault,) = told
    assert (fault.what, fault.error) == ("MESSAGE sip:bob@127.0.0.1 SIP/2.0", "Injected")
    assert "broken in tests" in fault.place


@pytest.mark.parametrize("error", ERRORS, ids=["bug", "ParseError"])
@pytest.mark.parametrize(
    ("where", "name"), [(TransactionLayer, "receive"), (TransactionLayer, "_accept")], ids=["receive", "accept"]
)
async def test_a_message_that_is_lost_to_a_mistake_costs_nothing_else(
    monkeypatch: pytest.MonkeyPatch, where: type, name: str, error: Exception
) -> None:
    """Its sender, which gets no answer, sends it again."""
    once(monkeypatch, where, name, error, always)
    async with two() as (client, server, hop), trio.open_nursery() as nursery:
        nursery.start_soon(serve, server)
        assert await is_well(client, hop)
        assert (server.faults, client.faults) == (1, 0)
        nursery.cancel_scope.cancel()


async def test_what_cannot_even_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from sipcore import stack

    once(monkeypatch, stack, "parse_message", RecursionErrorInjected("too deep"), always)
    async with two() as (client, server, hop), trio.open_nursery() as nursery:
        nursery.start_soon(serve, server)
        assert await is_well(client, hop)
        assert server.faults == 1
        nursery.cancel_scope.cancel()


class RecursionErrorInjected(RecursionError, Injected):
    """A hostile depth."""


@pytest.mark.parametrize("error", ERRORS, ids=["bug", "ParseError"])
async def test_a_response_that_a_mistake_is_made_over_fails_its_request(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    once(monkeypatch, Tickets, "take", error, lambda tickets, ticket, response, now: response.status == 200)
    async with two() as (client, server, hop), trio.open_nursery() as nursery:
        nursery.start_soon(serve, server)
        with pytest.raises(TransportFailure, match="made a mistake") as caught:
            await client.options(URI, hop=hop)
        assert caught.value.reason is FailureReason.FAULT
        assert await is_well(client, hop)
        assert (server.faults, client.faults) == (0, 1)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("error", ERRORS, ids=["bug", "ParseError"])
@pytest.mark.parametrize(("where", "name"), [(Tickets, "take"), (Caller, "receive"), (Caller, "resent")])
async def test_an_answer_that_a_mistake_is_made_over_fails_its_call(
    monkeypatch: pytest.MonkeyPatch, where: type, name: str, error: Exception
) -> None:
    once(monkeypatch, where, name, error, always)
    async with two() as (client, server, hop), trio.open_nursery() as nursery:
        nursery.start_soon(serve, server)
        with pytest.raises(CallFailure, match="made a mistake"):
            async with client.call(invite(client, hop)) as call:
                await call.answered()
        assert await is_well(client, hop)
        assert (server.faults, client.faults) == (0, 1)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("error", ERRORS, ids=["bug", "ParseError"])
@pytest.mark.parametrize(("where", "name"), [(endpoint_module, "IncomingCall"), (UasCore, "_take_request")])
async def test_a_call_that_a_mistake_is_made_over_is_turned_away(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str, error: Exception
) -> None:
    once(monkeypatch, where, name, error, always)
    async with two() as (client, server, hop), trio.open_nursery() as nursery:
        nursery.start_soon(serve, server)
        with pytest.raises(CallFailure, match=r"480|500|400"):
            async with client.call(invite(client, hop)) as call:
                await call.answered()
        assert await is_well(client, hop)
        nursery.cancel_scope.cancel()
    assert len(server.loop.stack) <= len(client.loop.stack) + 4  # transactions that are over linger, no call does


async def test_a_lookup_that_a_mistake_is_made_over_fails_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    once(monkeypatch, Lookup, "ask", Injected("a record that nobody has seen before"), always)
    async with two() as (client, server, hop), trio.open_nursery() as nursery:
        nursery.start_soon(serve, server)
        with pytest.raises(TransportFailure, match="made a mistake") as caught:
            await client.options(parse_uri("sip:bob@example.invalid"))
        assert caught.value.reason is FailureReason.FAULT
        assert await is_well(client, hop)
        assert client.faults == 1
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("error", [OSError(28, "no space left"), KeyError("of the owner's")])
@pytest.mark.parametrize("listener", ["on_wire", "watcher"])
async def test_what_an_owners_listener_raises_ends_the_block_and_is_no_mistake_of_ours(
    listener: str, error: Exception
) -> None:
    def broken(_: object) -> None:
        raise error

    config = EndpointConfig(TransportConfig(on_wire=broken if listener == "on_wire" else None))
    client = Endpoint(config)
    async with peer(b"EHLO sip\r\n\r\n") as hop:
        with pytest.raises(type(error)) as caught:
            await _ask_and_wait(client, hop, broken if listener == "watcher" else lambda _: None)
    assert (caught.value, client.faults) == (error, 0)


async def _ask_and_wait(client: Endpoint, hop: Hop, watcher: Callable[[Flow], None]) -> None:
    """Ask one who closes the connection, and wait for what comes of that."""
    async with client:
        client.watch_flows(watcher)
        with trio.fail_after(5):
            with suppress(TransportFailure):
                await client.options(URI, hop=hop)
            await trio.sleep_forever()


SECRET = "6629fae4"[::-1]
STARS = "*" * len(SECRET)
"""What a peer sent that is nobody else's to know."""


class InjectedKeyError(KeyError, Injected):
    """A foreign error, which quotes what it was met over."""


def _break(kind: str) -> None:
    """Raise an error with a secret in its text, or in that of what it was caused by."""
    try:
        int(SECRET)
    except ValueError as error:
        if kind == "header field":
            text = f'response="{SECRET}'
            raise InjectedParseError("an odd quote", section="RFC 3261 §25.1", text=text, header="X") from None
        if kind == "cause":
            raise Injected("no number") from error
        raise InjectedKeyError(SECRET)  # noqa: B904  # what was being handled is told, too


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("header field", "InjectedParseError: an odd quote"),
        ("cause", "Injected"),
        ("foreign", "InjectedKeyError"),
    ],
)
@pytest.mark.parametrize(
    ("what", "shown"),
    [
        ("OPTIONS sip:\udcff" + "x" * 9000, r"OPTIONS sip:\xffxxx"),
        (f"OPTIONS sip:bob:{SECRET}@192.0.2.1 SIP/2.0", f"OPTIONS sip:bob:{STARS}@192.0.2.1 SIP/2.0"),
        (
            f"OPTIONS SIPS:bob:{SECRET}:@{SECRET}@192.0.2.1 SIP/2.0",
            f"OPTIONS SIPS:bob:{STARS}**{STARS}@192.0.2.1 SIP/2.0",
        ),
        (
            f"OPTIONS sip:h?Authorization=Digest%20{SECRET} SIP/2.0",
            f"OPTIONS sip:h?Authorization=*********{STARS} SIP/2.0",
        ),
        (f"OPTIONS sip:bob:{SECRET}?{SECRET}@192.0.2.1 SIP/2.0", f"OPTIONS sip:bob:{STARS}*{STARS}@192.0.2.1 SIP/2.0"),
        (f"OPTIONS http://bob:{SECRET}@192.0.2.1/ SIP/2.0", f"OPTIONS http://bob:{STARS}@192.0.2.1/ SIP/2.0"),
        (f"OPTIONS <sip:bob:{SECRET}@192.0.2.1> SIP/2.0", f"OPTIONS <sip:bob:{STARS}@192.0.2.1> SIP/2.0"),
        ("OPTIONS sip:bob@[::1]:5060 SIP/2.0", "OPTIONS sip:bob@[::1]:5060 SIP/2.0"),
        ("OPTIONS sip:bob@192.0.2.1:5060 SIP/2.0", "OPTIONS sip:bob@192.0.2.1:5060 SIP/2.0"),
        ("SIP/2.0 200 What? Yes", "SIP/2.0 200 What? Yes"),
    ],
)
def test_neither_log_nor_trace_quotes_what_a_peer_said(
    caplog: pytest.LogCaptureFixture, kind: str, told: str, what: str, shown: str
) -> None:
    with pytest.raises(Injected) as caught:
        _break(kind)
    logging.getLogger("sipcore").addHandler(caplog.handler)
    try:
        fault = Faults().record(caught.value, what, 0.0)
    finally:
        logging.getLogger("sipcore").removeHandler(caplog.handler)
    assert "in _break" in caplog.text  # the traceback
    assert told in caplog.text
    assert fault.error == told
    assert SECRET not in caplog.text + repr(fault)
    assert not any(record.exc_info for record in caplog.records)  # which others would write, variables and all
    assert len(caplog.text) < 4000
    assert fault.what.startswith(shown)
    assert len(fault.what) <= MAX_TOLD
