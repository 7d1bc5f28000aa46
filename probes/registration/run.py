"""Testing a registration: the edge that sends what `plan` says, and collects what happens."""

from dataclasses import replace
from functools import partial

import trio

from probes.calls.run import call_config, to_its_end
from probes.calls.story import OnEntry, Story
from probes.locate import locate
from probes.registration.judge import RegistrationReport, judge
from probes.registration.plan import Question, RegistrationProbe, Reply, Step, next_question
from sipcore.auth.session import AuthSession
from sipcore.dialogs.dialog import Numbers
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.loop import as_failure
from sipcore.errors import NotAllowed, TransportFailure
from sipcore.message.address import Address
from sipcore.message.build import Identity
from sipcore.message.build import request as build_request
from sipcore.message.method import REGISTER
from sipcore.outgoing import Order, contact_for
from sipcore.registration.binding import PATH_OPTION, Registration
from sipcore.resolve.target import Hop

MAX_PLACES = 2
"""Registrars that are asked one after the other where nothing comes back."""
_PROOFS = ("Authorization", "Proxy-Authorization")


async def probe_registration(
    probe: RegistrationProbe,
    config: EndpointConfig | None = None,
    on_entry: OnEntry | None = None,
    hop: Hop | None = None,
    stop: trio.Event | None = None,
) -> RegistrationReport:
    """Ask who is registered, register for a moment where that harms nobody, and judge what came of it.

    `on_entry` is called with each line of the timeline as it happens. A `hop` skips locating the registrar, `config`
    replaces `call_config`. Whatever the network does is in the report; raises LocalError for what cannot be sent. Who
    cancels it, or sets `stop`, has the contact removed first; the latter gets a report of what there is by then.
    """
    return await to_its_end(partial(_probe, probe, config or call_config(), on_entry, hop), stop)


async def _probe(
    probe: RegistrationProbe,
    config: EndpointConfig,
    on_entry: OnEntry | None,
    hop: Hop | None,
    given_up: trio.CancelScope,
) -> RegistrationReport:
    async with Endpoint(replace(config, garbage_fails=True)) as endpoint:
        run = _Run(probe, endpoint, on_entry)
        unsubscribe = endpoint.subscribe(run.story.take)
        try:
            return await run.everything(hop, given_up)
        finally:
            unsubscribe()


class _Run:
    """One user at one registrar after the other, until one says something."""

    def __init__(self, probe: RegistrationProbe, endpoint: Endpoint, on_entry: OnEntry | None) -> None:
        self._probe = probe
        self._endpoint = endpoint
        self._auth = AuthSession(probe.account) if probe.account else None
        self._aor = Address(probe.destination.aor)
        self._registrar = Registration(self._aor).domain
        self._from = self._aor.with_tag(endpoint.tokens.tag())
        self._call_id = endpoint.tokens.call_id()
        self._alias = f"{endpoint.tokens.tag()}.invalid"
        self._numbers = Numbers()
        """What numbers each REGISTER, that which goes out again with credentials as well."""
        self._replies: list[Reply] = []
        self._hop: Hop | None = None
        self._contact: Address | None = None
        """The one that is registered, or may be."""
        self.story = Story(trio.current_time(), on_entry)
        self._epoch_ns = endpoint.epoch_ns

    async def everything(self, hop: Hop | None, given_up: trio.CancelScope) -> RegistrationReport:
        """Ask all, and give the report; inside `given_up`, so that who cancels that gets what there is by then."""
        story, failure = self.story, None
        story.tell("initiated", story.start, str(self._probe.destination))
        with given_up:
            failure = await self._try_places(hop)
        interrupted = given_up.cancelled_caught
        if interrupted:
            story.tell("interrupted", trio.current_time())
            if self._contact is not None:
                await self._ask(Question(Step.REMOVE))
        report = judge(self._probe, self._hop, self._replies, failure, interrupted=interrupted)
        story.tell("completed", trio.current_time(), report.kind.value)
        return replace(report, timeline=story.timeline, epoch_ns=self._epoch_ns)

    async def _try_places(self, hop: Hop | None) -> TransportFailure | None:
        """Ask at the first place that answers; gives why nothing could be asked anywhere."""
        try:
            hops = [hop] if hop is not None else await locate(self._probe.destination, self._endpoint)
        except TransportFailure as failure:
            return failure.kept()
        for candidate in hops[:MAX_PLACES]:
            self._hop, self._replies = candidate, []
            try:
                self._hop = await self._endpoint.transports.prepare(candidate)
            except (TransportFailure, NotAllowed) as failure:
                self._replies.append(Reply(Question(Step.ASK), 0.0, failure=as_failure(failure)))
                continue
            while (question := next_question(self._probe, self._replies)) is not None:
                await self._ask(question)
            if any(reply.response is not None for reply in self._replies):
                break
        return None

    async def _ask(self, question: Question) -> None:
        """Send one REGISTER, and keep what comes of it."""
        began = trio.current_time()
        if question.step is Step.BIND:
            self._contact = self._own_contact()
        self.story.tell(question.step.value, began, self._told(question))
        reply = Reply(question, 0.0, contact=None if question.step is Step.ASK else self._contact)
        with trio.move_on_after(self._probe.timeout):
            try:
                exchange = await self._endpoint.request(self._order(question))
            except TransportFailure as failure:
                reply = replace(reply, failure=failure.kept())
            else:
                sent, error = exchange.request, exchange.auth_error
                reply = replace(
                    reply,
                    response=exchange.response,
                    failure=error.kept() if error is not None else None,
                    authenticated=sent.headers.has_any(*_PROOFS),
                )
        self._replies.append(replace(reply, took=trio.current_time() - began))

    def _told(self, question: Question) -> str:
        """What a question is for, beside the word for its step: all of them are the same REGISTER to look at."""
        match question.step, self._contact:
            case Step.BIND, Address(uri=uri):
                return f"{uri} for {question.expires} s"
            case Step.REMOVE, Address(uri=uri):
                return str(uri)
        return "who is registered"

    def _order(self, question: Question) -> Order:
        """The REGISTER of a question. All have one Call-ID, and count on (§10.2)."""
        assert self._hop is not None  # noqa: S101  # it is prepared
        product = self._endpoint.config.stack.product
        fields = [
            *([] if question.step is Step.ASK else [("Contact", self._contact), ("Expires", question.expires)]),
            ("Supported", PATH_OPTION),
            *([("User-Agent", product)] if product else []),
        ]
        identity = Identity(self._from, self._aor, self._call_id, self._numbers.next())
        request = build_request(REGISTER, self._registrar, identity, fields=fields)
        return Order(request, self._hop, auth=self._auth, numbers=self._numbers)

    def _own_contact(self) -> Address:
        """Where this side is reached from the registrar; over a WebSocket, nowhere but along that (RFC 7118 §5.2)."""
        assert self._hop is not None  # noqa: S101  # it is prepared
        end = replace(self._hop, local=self._endpoint.told(self._hop))
        alias = self._alias if end.transport.websocket else ""
        return contact_for(self._probe.destination.user or "", end, alias, secure=self._registrar.is_secure)
