"""What becomes of a request that came in: RFC 3261 §8.2 and, inside of dialogs, §12.2.2; §6 calls this the UAS core."""

from collections import deque

from sipcore.callbook import Call
from sipcore.calls import Calls
from sipcore.dialogs.refer import REFER_EVENT, refer_event
from sipcore.dialogs.replaces import misuse_of
from sipcore.dialogs.session import refusal_of_body
from sipcore.errors import ParseError
from sipcore.events import Output, RequestReceived
from sipcore.malformed import reason_of
from sipcore.message.build import Fields
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.method import BYE, INVITE, NOTIFY, OPTIONS, PRACK, SUBSCRIBE, UPDATE
from sipcore.message.registry import REQUIRE
from sipcore.message.uri import OtherUri
from sipcore.resolve.target import Flow
from sipcore.stack_config import StackConfig
from sipcore.tokens import Tokens
from sipcore.trace import Stamp
from sipcore.transactions.key import AnyServerKey
from sipcore.transactions.layer import TransactionLayer


class UasCore:
    """Inspects the requests that come to one stack: each is refused, given to its call, or to the owner."""

    def __init__(
        self, config: StackConfig, transactions: TransactionLayer, calls: Calls, tokens: Tokens, outputs: deque[Output]
    ) -> None:
        self._config = config
        self._manner = config.manner
        self._transactions = transactions
        self._calls = calls
        self._tokens = tokens
        self._outputs = outputs

    def receive(self, key: AnyServerKey, request: Request, flow: Flow, stamp: Stamp, now: float) -> None:
        """Take a request that began a transaction; one with a field that cannot be read is refused for that."""
        try:
            self._take_request(key, request, flow, stamp, now)
        except ParseError as error:
            self._reply(key, request, error.status, now, reason=reason_of(error))

    def receive_merged(self, key: AnyServerKey, request: Request, now: float) -> None:
        """Take a request that came before, by another way: 482 (RFC 3261 §8.2.2.2)."""
        self._reply(key, request, 482, now)

    def receive_cancel(self, key: AnyServerKey, request: Request, cancelled: AnyServerKey | None, now: float) -> None:
        """RFC 3261 §9.2: 200 when it matches something, 481 otherwise."""
        tag = self._calls.tag_of(cancelled) if cancelled is not None else ""
        self._reply(key, request, 200 if cancelled is not None else 481, now, tag=tag)
        if cancelled is not None:
            self._calls.receive_cancel(cancelled, request, now)

    def _take_request(self, key: AnyServerKey, request: Request, flow: Flow, stamp: Stamp, now: float) -> None:
        """RFC 3261 §8.2: inspect what is asked in the order given there, then hand it on."""
        unknown = [tag for tag in request[REQUIRE] if tag not in self._config.extensions]
        unreadable = refusal_of_body(request) if request.method in (INVITE, UPDATE, PRACK) else None
        is_within = request.to_tag is not None
        call = self._calls.of(request) if is_within else None
        if request.method not in self._manner.methods and not self._passes(call, request):
            self._reply(key, request, 405, now, fields=self._manner.abilities())  # §8.2.1
        elif isinstance(request.uri, OtherUri):
            self._reply(key, request, 416, now)  # §8.2.2.1
        elif unknown:
            self._reply(key, request, 420, now, fields=[("Unsupported", ", ".join(unknown))])  # §8.2.2.3
        elif "Replaces" in request.headers and self._manner.supports("replaces") and (misuse := misuse_of(request)):
            self._reply(key, request, 400, now, reason=misuse)  # RFC 3891 §3
        elif unreadable is not None:
            self._reply(key, request, unreadable[0], now, fields=unreadable[1])  # §8.2.3
        elif call is not None:
            self._take_within(call, key, request, stamp, now)
        elif (is_within and not self._is_owners(request)) or request.method in (BYE, PRACK, UPDATE):
            self._reply(key, request, 481, now)  # §12.2.2, §15.1.2, RFC 3262 §3
        elif request.method == INVITE:
            refusal = self._calls.refusal_of(request)
            if refusal is not None:
                self._reply(key, request, refusal[0], now, fields=refusal[1])
            else:
                self._calls.receive_invite(key, request, flow, stamp, now)
        else:
            self._outputs.append(RequestReceived(key, request, flow, stamp))

    def _passes(self, call: Call | None, request: Request) -> bool:
        """Whether a request is dealt with although its method is not among those that Allow names.

        A NOTIFY may be the last of a REFER whose call is over: a 481 ends that subscription (RFC 6665 §4.1.3).
        """
        if call is None:
            return self._config.passes_unknown or (request.method == NOTIFY and request.to_tag is not None)
        return self._config.passes_unknown or (request.method == NOTIFY and call.referring)

    def _is_owners(self, request: Request) -> bool:
        """Whether a request inside no call may be inside a subscription: if anybody, the owner keeps those (RFC 6665).

        It answers 481 to what belongs to none (RFC 6665 §4.1.3).
        """
        return request.method in (SUBSCRIBE, NOTIFY) and request.method in self._config.methods

    def _take_within(self, call: Call, key: AnyServerKey, request: Request, stamp: Stamp, now: float) -> None:
        """RFC 3261 §12.2.2: what is out of order is an error; the rest is the call's business, or its owner's."""
        if not self._calls.take_sequence(call, request):
            self._reply(key, request, 500, now, reason="CSeq out of order")
        elif request.method == BYE:
            self._calls.receive_bye(call, key, request, now)
        elif request.method in (INVITE, UPDATE):
            self._calls.receive_change(call, key, request, now, stamp)
        elif request.method == PRACK:
            if not self._calls.receive_prack(call, key, request, now, stamp):
                self._reply(key, request, 481, now)
        elif request.method == OPTIONS:
            self._reply(key, request, 200, now, fields=self._manner.capabilities())  # §11.2
        elif request.method == NOTIFY and call.referring and refer_event(request):
            self._calls.receive_notification(call, key, request, now, stamp)
        elif request.method == NOTIFY and not (self._config.passes_unknown or NOTIFY in self._manner.methods):
            self._reply(key, request, 489, now, fields=[("Allow-Events", REFER_EVENT)])  # RFC 6665 §4.1.3, §8.2.2
        else:
            self._calls.ask(call, key, request, now, stamp)

    def _reply(
        self,
        key: AnyServerKey,
        request: Request,
        status: int,
        now: float,
        *,
        reason: str = "",
        fields: Fields = (),
        tag: str = "",
    ) -> None:
        tag = tag or self._tokens.tag()
        told = self._manner.signed(fields)
        self._transactions.respond(key, build_response(request, status, reason, tag=tag, fields=told), now)
