"""A service on trio: it answers whoever calls, sends back what it hears, and calls people itself, in the program's own
nursery.

Run it and call it, for example with `sipprobe call 127.0.0.1:5070`; it hangs up after a while.
"""

import trio

from sipcore import (
    PCMA,
    PCMU,
    Endpoint,
    EndpointConfig,
    IncomingCall,
    IncomingRequest,
    Leg,
    LocalError,
    Media,
    MediaResult,
    Order,
    SessionDescription,
    SipError,
    SocketAddress,
    Transport,
    TransportConfig,
    Wishes,
    open_media,
    parse_uri,
)

SDP = "application/sdp"
HOST = "127.0.0.1"
WISHES = Wishes((PCMU, PCMA))


class Service:
    """Answers calls on an endpoint, and places some. `answered` counts those that came in and were up."""

    def __init__(self, endpoint: Endpoint, media: Media, talk_seconds: float) -> None:
        self.answered = 0
        self._endpoint = endpoint
        self._media = media
        self._talk_seconds = talk_seconds

    async def run(self) -> None:
        """Take what comes in, until cancelled."""
        async with trio.open_nursery() as nursery:
            async for incoming in self._endpoint.incoming():
                if isinstance(incoming, IncomingRequest):
                    incoming.respond(200)
                else:
                    nursery.start_soon(self._answer, incoming)

    async def call(self, uri: str) -> MediaResult:
        """Call somebody, stay for a while, and hang up; tells how the media was. Raises CallFailure."""
        with Leg(self._media, HOST, WISHES, self._endpoint.tokens) as leg:
            target, offer = parse_uri(uri), leg.offer()
            invite = self._endpoint.new_request("INVITE", target, body=bytes(offer), content_type=SDP)
            async with self._endpoint.call(Order(invite, target, contact="service")) as call:
                leg.start(SessionDescription.parse((await call.answered()).body))
                await trio.sleep(self._talk_seconds)
            return leg.line.result()

    async def _answer(self, call: IncomingCall) -> None:
        """Answer a call, which is hung up, or refused, when its block ends: when this task is cancelled, too."""
        async with call:
            with Leg(self._media, HOST, WISHES, self._endpoint.tokens, echo=True) as leg:
                answer = _answer_to(call.invite.body, leg)
                try:
                    if answer is None:
                        call.reject(488)
                        return
                    call.ring()
                    call.accept(body=bytes(answer), content_type=SDP)
                except LocalError:  # the caller gave up in the meantime
                    return
                self.answered += 1
                with trio.move_on_after(self._talk_seconds):
                    await call.over()


def _answer_to(body: bytes, leg: Leg) -> SessionDescription | None:
    """The answer to an offer, whose media is taken from now on; None where there is none that can be taken."""
    try:
        offer = SessionDescription.parse(body)
        answer = leg.answer(offer)
        leg.start(offer)
    except SipError:
        return None
    return answer


async def main() -> None:
    """Answer on port 5070 until interrupted."""
    bind = tuple((transport, SocketAddress(HOST, 5070)) for transport in (Transport.UDP, Transport.TCP))
    config = EndpointConfig(transports=TransportConfig(bind=bind), takes_incoming=True)
    async with Endpoint(config) as endpoint, open_media() as media:
        await Service(endpoint, media, talk_seconds=10).run()


if __name__ == "__main__":
    trio.run(main)
