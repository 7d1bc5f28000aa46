"""Registrations whose other side is hostile: a keeper whose registrar writes what it likes, and the other way round.

Nothing but our errors comes of it, every request gets one answer, what is kept can be sent, and nothing stays behind.
"""

import random

from hypothesis import given
from hypothesis import strategies as st

from sipcore.auth.choice import Account
from sipcore.auth.server import Accepted, Authenticator, Refused, ServerPolicy, UserTable
from sipcore.auth.session import AuthSession
from sipcore.errors import FailureReason, TransportFailure
from sipcore.events import Prepare, RequestFailed, RequestReceived, Resolve, ResponseReceived
from sipcore.message.address import Address
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.message.uri import parse_uri
from sipcore.outgoing import Order
from sipcore.registration.binding import Registration
from sipcore.registration.keeper import Effect, Keeper, RegistrationEnded, Send, State
from sipcore.registration.registrar import Registrar, RegistrarPolicy
from sipcore.resolve.target import Flow, Hop, Transport
from sipcore.stack import Stack
from sipcore.stack_config import StackConfig
from sipcore.trace import Stamp
from sipcore.transactions.effects import Transmit
from tests.property import hostile
from tests.sipcore.wire import ALICE, BOB, seeded

AOR = Address.parse("<sip:alice@example.com>")
HERE = parse_uri(f"sip:alice@{ALICE}")
URN = "urn:uuid:00000000-0000-1000-8000-000A95A0E128"
FLOW = Flow(Transport.UDP, ALICE, BOB)
FAR = TransportFailure(FailureReason.UNRESOLVABLE, "no such name")

told = (
    hostile.field(hostile.address_lists, "Contact", "Contact", "Service-Route", "Path")
    | hostile.field(hostile.keyed | hostile.sequences, "Expires", "Min-Expires", "Retry-After", "Flow-Timer", "Date")
    | hostile.field(hostile.word_lists, "Require", "Supported", "Unsupported")
    | hostile.field(hostile.wrapped, "To", "Contact")
    | hostile.of_challenges
)
answers = st.tuples(
    st.sampled_from([200, 200, 200, 302, 400, 401, 401, 407, 420, 423, 439, 503, 100, 699]),
    st.lists(told, max_size=4).map(tuple),
)
registrations = st.sampled_from(
    [
        Registration(AOR),
        Registration(AOR, instance=URN, reg_id=1),
        Registration(AOR, contacts=(Address.parse("<tel:+15550100>;expires=60"),), expires=60, q=0.5),
    ]
)


class Client:
    """A keeper with the stack that sends for it; whatever it sends is answered by what comes next in `script`."""

    def __init__(self, registration: Registration, script: list[tuple[int, tuple[tuple[str, str], ...]]]) -> None:
        self.now = 0.0
        self.stack = Stack(StackConfig(tracing=False), seeded(1))
        self.keeper = Keeper(registration, seeded(2))
        self.auth = AuthSession(Account("alice", "secret", hosts=["example.com", BOB.host]))
        self.script = script
        self.ended = 0

    def take(self, effects: list[Effect]) -> None:
        """Carry out what the keeper wants, and give it what comes of that."""
        for effect in effects:
            self.ended += isinstance(effect, RegistrationEnded)
            if isinstance(effect, Send):
                request = self.keeper.request(HERE)
                # what is not the registrar that is known must be located, which comes to nothing
                known = str(effect.next_hop) == "sip:example.com" or not effect.anew
                target = Hop(Transport.UDP, BOB, ALICE) if known else effect.next_hop
                order = Order(request, target, "alice", self.auth, numbers=self.keeper.numbers)
                self.stack.request(order, self.now)
                self.pump()

    def pump(self) -> None:
        while outputs := self.stack.drain():
            for output in outputs:
                match output:
                    case Resolve(ticket, Prepare(hop)):
                        self.stack.resolved(ticket, Hop(hop.transport, hop.remote, ALICE), self.now)
                    case Resolve(ticket, _):
                        self.stack.resolved(ticket, FAR, self.now)
                    case Transmit():
                        self.answer(output.data)
                    case ResponseReceived(response=response) if not response.is_provisional:
                        self.take(self.keeper.receive(response, self.now, output.auth))
                    case RequestFailed(failure=failure):
                        self.take(self.keeper.fail(failure, self.now))

    def answer(self, data: bytes) -> None:
        request = parse_message(data)
        assert isinstance(request, Request)
        if self.script:
            status, fields = self.script.pop(0)
            forged = hostile.with_fields(bytes(build_response(request, status, tag="r")), fields)
            self.stack.receive(forged, FLOW, Stamp(self.now), self.now)

    def wait(self) -> None:
        """Until the next time of either."""
        due = [when for when in (self.keeper.next_timeout(), self.stack.next_timeout()) if when is not None]
        self.now = max(self.now, min(due, default=self.now))
        self.stack.handle_timeout(self.now)
        self.pump()
        self.take(self.keeper.handle_timeout(self.now))


@given(registrations, st.lists(answers, min_size=1, max_size=12), st.integers(0, 12))
def test_whatever_a_registrar_answers_the_registration_goes_on_or_ends(
    registration: Registration, script: list[tuple[int, tuple[tuple[str, str], ...]]], stop_after: int
) -> None:
    client = Client(registration, script)
    client.take(client.keeper.start(client.now))
    for _ in range(stop_after):
        client.wait()
    client.script.clear()  # silence from here on
    client.take(client.keeper.stop(client.now, everything=bool(stop_after % 2)))
    for _ in range(100):
        client.wait()
    assert client.keeper.state is State.ENDED
    assert client.ended == 1
    assert client.keeper.next_timeout() is None
    assert len(client.stack) == 0


asked = (
    hostile.field(hostile.address_lists, "Contact", "Contact", "Contact", "Path", "Record-Route", "Route")
    | hostile.field(hostile.keyed | hostile.sequences, "Expires", "CSeq", "Max-Forwards", "Timestamp")
    | hostile.field(hostile.word_lists, "Require", "Supported", "Proxy-Require")
    | hostile.field(hostile.wrapped, "To", "From", "Via", "Contact", "Call-ID")
    | hostile.field(hostile.addresses, "To", "From")
    | hostile.field(hostile.credentials, "Authorization", "Proxy-Authorization")
)


@given(st.lists(st.lists(asked, max_size=4).map(tuple), min_size=1, max_size=8), st.booleans())
def test_whatever_a_client_asks_of_a_registrar_is_answered_once(
    requests: list[tuple[tuple[str, str], ...]], guarded: bool
) -> None:
    random_bytes = random.Random(1).randbytes
    registrar = Registrar(RegistrarPolicy(domains=("example.com",)))
    guard = Authenticator(
        ServerPolicy("example.com"), UserTable({"alice": "secret"}), b"sixteen bytes, or more", random_bytes
    )
    stack, now = Stack(StackConfig(methods=("REGISTER",), tracing=False), seeded(3)), 0.0
    auth = AuthSession(Account("alice", "secret", hosts=["example.com"]))
    keeper = Keeper(Registration(AOR), seeded(4))
    keeper.start(now)
    for number, fields in enumerate(requests):
        request = auth.prepare(keeper.request(HERE), seeded(number))
        plain = request.with_first("Via", f"SIP/2.0/UDP {BOB};branch=z9hG4bK{number}")
        stack.receive(hostile.with_fields(bytes(plain), fields), FLOW, Stamp(now), now)
        sent = serve(stack, registrar, guard if guarded else None, now)
        assert len(sent) <= 1
        for response in sent:
            assert 200 <= response.status < 700
            if response.status == 401 and not fields:
                auth.answer(request, response, seeded(number))
        now += 100.0
        stack.handle_timeout(now)
        stack.drain()
    for record in registrar.bindings(AOR.uri, now):
        assert Address.parse(str(record.contact), []) == record.contact
    registrar.expire(now + 4000.0)
    assert len(registrar) == 0
    stack.handle_timeout(now)
    assert len(stack) == 0


def serve(stack: Stack, registrar: Registrar, guard: Authenticator | None, now: float) -> list[Response]:
    """Have a registrar answer what came; gives what was sent, which is read once more."""
    sent: list[Response] = []
    while outputs := stack.drain():
        for output in outputs:
            if isinstance(output, RequestReceived):
                response = answer(output.request, registrar, guard, now)
                stack.respond(output.key, response, now)
            elif isinstance(output, Transmit):
                message = parse_message(output.data)
                assert isinstance(message, Response)
                sent.append(message)
    return sent


def answer(request: Request, registrar: Registrar, guard: Authenticator | None, now: float) -> Response:
    outcome = guard.verify(request, now) if guard is not None else None
    if guard is not None and isinstance(outcome, Refused):
        return guard.refusal(request, outcome, now)
    username = outcome.username if isinstance(outcome, Accepted) else None
    told = registrar.process(request, now, username=username)
    return build_response(request, told.status, told.reason, tag="r", fields=told.fields)
