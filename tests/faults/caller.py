"""The endpoint that asks and calls, at a steady rate as long as not too much is outstanding."""

import itertools
import sys

import trio

from sipcore.endpoint.call import CallFailure
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.errors import SipError
from sipcore.events import CallProgress
from sipcore.message.method import INVITE
from sipcore.message.uri import SipUri
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop
from sipcore.sdp.attributes import PCMU
from sipcore.sdp.build import audio_description
from sipcore.sdp.terms import SDP
from sipcore.stack_config import StackConfig
from sipcore.transports.base import TlsConfig, TransportConfig
from tests.faults.agent import Batch, serve
from tests.faults.callee import LEAVING, place, timers_of
from tests.faults.observer import Observer, Report

OFFER = bytes(audio_description(address="192.0.2.1", port=4000, session_id=1, session_version=1, codecs=[PCMU]))

OUTSTANDING = 60
"""Requests and calls at once: twice what is outstanding while the machine keeps up. Once it does not, their
retransmissions must not become more than it can ever catch up with.
"""


def main() -> None:
    """Run with the T1 that is given."""
    trio.run(_run, float(sys.argv[1]))


async def _run(t1: float) -> None:
    timers = timers_of(t1)
    config = EndpointConfig(
        # the callee's certificate is self-signed, and not what is tested
        transports=TransportConfig(tls=TlsConfig(verify=False), connect_timeout=64 * t1),
        stack=StackConfig(timers=timers, tracing=False),
    )
    async with Endpoint(config) as endpoint:
        observer = Observer(endpoint, timers)

        async def obey(batch: Batch) -> Report:
            begin = trio.current_time()
            slots = trio.Semaphore(OUTSTANDING)
            async with trio.open_nursery() as nursery:
                turns = itertools.cycle(itertools.product(batch.transports, batch.places, batch.kinds))
                for number, (transport, host, kind) in enumerate(itertools.islice(turns, batch.count)):
                    await trio.sleep_until(begin + number / batch.rate)
                    await slots.acquire()
                    nursery.start_soon(_do, endpoint, observer, kind, Hop(transport, place(transport, host)), slots)
            return await observer.report()

        await serve(obey)


async def _do(endpoint: Endpoint, observer: Observer, kind: str, hop: Hop, slots: trio.Semaphore) -> None:
    """One transaction or call. A kind is a method and what is wished, as in "OPTIONS 404" or "INVITE refuse"."""
    method, wish = kind.split()
    uri = SipUri(f"[{hop.remote.host}]" if hop.remote.is_ipv6 else hop.remote.host, wish)
    body, content_type = (OFFER, SDP) if method == INVITE else (b"", "")
    order = Order(endpoint.new_request(method, uri, body=body, content_type=content_type), hop, "caller")
    try:
        became = await (_call(endpoint, order, wish) if method == INVITE else _request(endpoint, order))
    except SipError as error:
        became = str(error)
    observer.outcomes[f"{kind}: {became}"] += 1
    slots.release()


async def _request(endpoint: Endpoint, order: Order) -> str:
    return str((await endpoint.request(order)).response.status)


async def _call(endpoint: Endpoint, order: Order, wish: str) -> str:
    async with endpoint.call(order) as call:
        if wish == "cancel":
            async for event in call:
                if isinstance(event, CallProgress):  # a 100 will do: a 180 that is lost is not repeated
                    break
        else:
            try:
                await call.answered()
                if wish == "hold":
                    await call.hold()
            except CallFailure as failure:
                return str(failure.response.status) if failure.response else str(failure)
        if wish not in LEAVING:
            await call.hang_up()
        await call.over()  # which may take longer than leaving the block waits
    return call.end_reason.value if call.end_reason else "no end"
