"""A service on trio: it answers whoever calls, and calls people itself, in the program's own nursery.

Run it and call it, for example with `sipprobe call 127.0.0.1:5070`; it hangs up after a while.
"""

import secrets

import trio

from sipcore.endpoint.call import IncomingCall
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig, open_endpoint
from sipcore.endpoint.incoming import IncomingRequest
from sipcore.errors import LocalError
from sipcore.message.uri import parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.sdp.attributes import PCMA, PCMU
from sipcore.sdp.build import SDP, audio_description, origin_of
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.negotiation import Capability, Place, answer_to, choose
from sipcore.transports.base import TransportConfig

CODECS = (PCMU, PCMA)


class Service:
    """Answers calls on an endpoint, and places some. `answered` counts those that came in and were up."""

    def __init__(self, endpoint: Endpoint, talk_seconds: float) -> None:
        self.answered = 0
        self._endpoint = endpoint
        self._talk_seconds = talk_seconds

    async def run(self) -> None:
        """Take what comes in, until cancelled."""
        async with trio.open_nursery() as nursery:
            async for incoming in self._endpoint.incoming():
                if isinstance(incoming, IncomingRequest):
                    incoming.respond(200)
                else:
                    nursery.start_soon(self._answer, incoming)

    async def call(self, uri: str) -> str:
        """Call somebody, stay for a while, and hang up; gives the codec that was agreed on. Raises CallFailure."""
        offer = audio_description(
            address="127.0.0.1", port=40000, session_id=secrets.randbits(32), session_version=1, codecs=CODECS
        )
        target = parse_uri(uri)
        invite = self._endpoint.new_request("INVITE", target, body=bytes(offer), content_type=SDP)
        async with self._endpoint.call(Order(invite, target, contact="service")) as call:
            answer = SessionDescription.parse((await call.answered()).body)
            await trio.sleep(self._talk_seconds)
        return answer.media[0].codecs[0].encoding

    async def _answer(self, call: IncomingCall) -> None:
        try:
            call.ring()
            offer = SessionDescription.parse(call.invite.body)
            choices = choose(offer, [Capability(CODECS)])
            if not choices:
                call.reject(488)
                return
            here = origin_of("127.0.0.1", secrets.randbits(32))
            answer = answer_to(offer, [(choices[0], Place("127.0.0.1", 40002))], here)
            call.accept(body=bytes(answer), content_type=SDP)
        except LocalError:  # the caller gave up in the meantime
            return
        self.answered += 1
        with trio.move_on_after(self._talk_seconds):
            await call.over()
        await call.hang_up()


async def main() -> None:
    """Answer on port 5070 until interrupted."""
    bind = tuple((transport, SocketAddress("127.0.0.1", 5070)) for transport in (Transport.UDP, Transport.TCP))
    config = EndpointConfig(transports=TransportConfig(bind=bind), takes_incoming=True)
    async with open_endpoint(config) as endpoint:
        await Service(endpoint, talk_seconds=10).run()


if __name__ == "__main__":
    trio.run(main)
