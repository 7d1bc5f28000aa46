"""Placing a test call: the edge that carries out a `CallScript` and collects what happens."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TypeVar

import trio

from probes.calls import verdict
from probes.calls.judge.conclude import concluded
from probes.calls.machine import CallState
from probes.calls.script import CallScript
from probes.calls.story import OnEntry, Story
from probes.calls.talk.run import Talk
from probes.calls.verdict import Verdict
from probes.locate import locate
from probes.product import PRODUCT
from probes.reach import ReachPolicy, refusal_of
from probes.result import CallKind, CallResult
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.loop import as_failure
from sipcore.endpoint.media.leg import prepare_sound
from sipcore.endpoint.media.media import Media, open_media
from sipcore.errors import LocalError, NotAllowed, TransportFailure
from sipcore.resolve.target import Hop
from sipcore.stack_config import StackConfig
from sipcore.transports.base import TlsConfig, TransportConfig

T = TypeVar("T")

MAX_RETRIES = 1
"""Further places that are called when nothing came back from one: a phone that rings once too often is enough."""


def call_config(tls: TlsConfig | None = None, reach: ReachPolicy | None = None) -> EndpointConfig:
    """What test calls are placed with, unless told otherwise: as `sipprobe`, with the TLS settings given, and to the
    addresses that may be reached, signalling and media.
    """
    transports = TransportConfig(tls=tls or TlsConfig(), refusal=refusal_of(reach))
    return EndpointConfig(transports=transports, stack=StackConfig(product=PRODUCT))


async def place_call(
    script: CallScript,
    config: EndpointConfig | None = None,
    on_entry: OnEntry | None = None,
    hop: Hop | None = None,
    media: Media | None = None,
    stop: trio.Event | None = None,
) -> CallResult:
    """Place the call and give its result; `on_entry` is called with each line of the timeline as it happens.

    A `hop` skips locating the destination, `config` replaces `call_config`; who places many calls at once gives them
    one `media`, so that one timer paces all of it. Whatever the network does is in the result; raises LocalError for a
    script that cannot be carried out. Who cancels it has the call hung up properly first, and so has who sets `stop`,
    to whom the result says that the call was interrupted.
    """
    return await to_its_end(partial(_place_call, script, config or call_config(), on_entry, hop, media), stop)


async def to_its_end(work: Callable[[trio.CancelScope], Awaitable[T | None]], stop: trio.Event | None = None) -> T:
    """Carry out something with calls in it; whoever cancels it has them hung up properly first.

    `work` is shielded, and gives up what it does inside the scope that it gets, with None; with something where `stop`
    may be set to have that. Raises its LocalError.
    """
    given_up = trio.CancelScope()
    result: T | None = None
    failure: LocalError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pass_on_cancellation, given_up, stop if stop is not None else trio.Event())
        with trio.CancelScope(shield=True):
            try:
                result = await work(given_up)
            except LocalError as error:
                failure = error  # raised below, outside of the nursery, which would wrap it in a group
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    assert result is not None  # noqa: S101  # who was cancelled does not come here
    return result


async def pass_on_cancellation(scope: trio.CancelScope, stop: trio.Event) -> None:
    """Whatever cancels, or sets `stop`, is to end the calls and leave the transports, which hanging up needs."""
    try:
        await stop.wait()
    finally:
        scope.cancel()


async def _place_call(
    script: CallScript,
    config: EndpointConfig,
    on_entry: OnEntry | None,
    hop: Hop | None,
    media: Media | None,
    given_up: trio.CancelScope,
) -> CallResult | None:
    """The call's result, as far as it came when it was given up."""
    prepare_sound(script.wishes.codecs, script.ptime)  # now, so that nobody waits for it at an open connection
    config = replace(config, garbage_fails=True, stack=script.stack(config.stack))
    async with AsyncExitStack() as opened:
        endpoint = await opened.enter_async_context(Endpoint(config))
        pacer = media if media is not None else await opened.enter_async_context(open_media())
        run = _Run(script, endpoint, pacer, on_entry)
        opened.callback(endpoint.subscribe(run.story.take))
        return await run.call(hop, given_up)


class _Run:
    """A script while it is carried out: one call after the other, until one gives an answer."""

    def __init__(self, script: CallScript, endpoint: Endpoint, media: Media, on_entry: OnEntry | None) -> None:
        self._script = script
        self._endpoint = endpoint
        self._media = media
        self._epoch_ns = endpoint.epoch_ns
        self.story = Story(trio.current_time(), on_entry)
        self._talk: Talk | None = None
        self._hop: Hop | None = None

    async def call(self, hop: Hop | None, given_up: trio.CancelScope) -> CallResult:
        """Call, and give the result; inside `given_up`, so that who cancels that gets what there is by then."""
        story = self.story
        story.tell("initiated", story.start, str(self._script.destination))
        story.reach(CallState.INITIATED, story.start, str(self._script.destination))
        outcome = None
        with given_up:
            outcome = await self._try_hops(hop)
        return self._result(outcome or self._interrupted(), self._hop)

    def _interrupted(self) -> Verdict:
        """The verdict of a call that was given up."""
        talk, now = self._talk, trio.current_time()
        if talk is not None and talk.interrupted is not None:
            seconds = talk.interrupted - self.story.start
            return verdict.of_interruption(seconds, rang=talk.first_ring is not None, held=talk.held)
        self.story.tell("interrupted", now)
        return verdict.of_interruption(now - self.story.start, rang=False, held=None)

    async def _try_hops(self, hop: Hop | None) -> Verdict:
        """Try the hops in order until one gives an answer, whatever it says, or somebody's phone has rung.

        RFC 3263 §4.3 would have a 503 go on to the next hop, too; to a test of a destination it is the result.
        """
        story = self.story
        try:
            hops = [hop] if hop else await locate(self._script.destination, self._endpoint)
        except TransportFailure as failure:
            return verdict.of_failure(failure)
        outcome = Verdict(CallKind.UNRESOLVABLE, "nowhere to call")
        called = 0
        for candidate in hops:
            self._hop, invites = candidate, story.invites
            try:
                self._hop = await self._endpoint.transports.prepare(candidate)
                self._talk = Talk(self._script, self._endpoint, self._media, story)
                return await self._talk.run(self._hop)
            except (TransportFailure, NotAllowed) as failure:
                outcome = verdict.of_failure(as_failure(failure))
                called += story.invites > invites
                if called > MAX_RETRIES or (self._talk is not None and self._talk.first_ring is not None):
                    break  # a second call beside one that may still ring would be one too many
        return outcome

    def _result(self, outcome: Verdict, hop: Hop | None) -> CallResult:
        story, talk, script = self.story, self._talk, self._script
        now = trio.current_time()
        story.tell("completed", now, outcome.status.value)
        story.reach(CallState.COMPLETED, now, outcome.status.value)
        result = CallResult(
            destination=script.destination,
            hop=hop,
            status=outcome.status,
            kind=outcome.kind,
            why=outcome.why,
            advice=outcome.advice,
            timeline=story.timeline,
            epoch_ns=self._epoch_ns,
            events=story.events,
            transitions=story.transitions,
            authentication=outcome.authentication,
        )
        if talk is not None:
            result = self._with_talk(result, talk)
        return concluded(result, script.expect)

    def _with_talk(self, result: CallResult, talk: Talk) -> CallResult:
        rang, answered = talk.first_ring, talk.answered
        # What comes before the INVITE, DNS and TLS and whatever this machine does meanwhile, is no delay of the peer's.
        start = self.story.start if self.story.invited is None else self.story.invited
        progress, until = rang or answered, answered or talk.ended
        return replace(
            result,
            final_status=talk.final.status if talk.final else None,
            reason=talk.final.reason if talk.final else "",
            post_dial_delay=progress - start if progress else None,
            ring_time=until - rang if rang and until else None,
            answer_time=answered - start if answered else None,
            invited=start - self.story.start,
            duration=talk.held,
            codec=talk.media.codec if talk.media else "",
            media=talk.media,
            media_problem=talk.media_problem if answered else "",
            ended_by=talk.end_reason.value if talk.end_reason else "",
        )
