"""What RFC 3261 and RFC 3262 forbid a user agent to send, seen from outside: by what it got and sent before."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sipcore.dialogs import session
from sipcore.dialogs.callee import Callee
from sipcore.dialogs.caller import Caller
from sipcore.events import Output
from sipcore.message.message import Request, Response
from sipcore.message.method import ACK, BYE, CANCEL, INVITE, PRACK
from sipcore.message.parser import parse_message
from sipcore.message.registry import RACK, REQUIRE, RSEQ
from sipcore.trace import TransitionTrace

Key = tuple[str, str]
"""A transaction: branch and method."""
MINUTE = 60.0 + 1e-6
"""Seconds, with what is rounded, after which a 1xx has to come again."""
GIVEN_UP = 32.0
"""Seconds, 64 T1, after which nobody waits for the ACK of a 2xx any more, and what comes again is a new request."""


def key_of(message: Request | Response) -> Key:
    return message.branch, message.cseq.method


@dataclass(slots=True)
class Referee:
    """Watches one side. Whatever it sends that its state must not let it send is an AssertionError with the section."""

    _requests: dict[Key, bytes] = field(default_factory=dict)
    _finals: dict[Key, tuple[float, bytes]] = field(default_factory=dict)
    """The final response to each request, and when it was sent first."""
    _numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    _came: dict[Key, Request] = field(default_factory=dict)
    _heard: dict[Key, list[int]] = field(default_factory=dict)
    """The statuses that came for each request."""
    _successes: set[tuple[str, str, int]] = field(default_factory=set)
    """Those that came, by Call-ID, To tag and number."""
    _reliable: set[tuple[str, int, int]] = field(default_factory=set)
    """The reliable provisional responses that came, by Call-ID, RSeq and number."""
    _open: dict[str, set[Key]] = field(default_factory=dict)
    """INVITEs that wait for a final response, by Call-ID: of either side."""
    _called: dict[str, float | None] = field(default_factory=dict)
    """The calls that came in, by Call-ID: when each was answered."""
    _acked: set[str] = field(default_factory=set)
    _rang: dict[Key, float] = field(default_factory=dict)
    """When each INVITE that waits for its final response had its last 1xx, save for 100."""

    def received(self, data: bytes) -> None:
        """Take what came."""
        message, key = parsed(data)
        call = message.call_id
        if isinstance(message, Response):
            self._heard.setdefault(key, []).append(message.status)
            if message.status >= 200:
                self._open.get(call, set()).discard(key)
            if message.cseq.method == INVITE and message.is_success:
                self._successes.add((call, message.to_tag or "", message.cseq.number))
            elif message.is_provisional and "100rel" in message[REQUIRE]:
                self._reliable.add((call, message[RSEQ] or 0, message.cseq.number))
        elif message.method == ACK:
            self._acked.add(call)
        elif key not in self._came:
            self._came[key] = message
            if message.method == INVITE:
                self._open.setdefault(call, set()).add(key)
                if message.to_tag is None:
                    self._called.setdefault(call, None)

    def sent(self, data: bytes, now: float) -> None:
        """Judge what is sent."""
        assert all(now <= rang + MINUTE for rang in self._rang.values()), "§13.3.1.1: a 1xx at every minute"
        message, key = parsed(data)
        if isinstance(message, Response):
            self._judge_response(message, key, data, now)
        elif message.method == ACK:
            acknowledged = (message.call_id, message.to_tag or "", message.cseq.number)
            refused = any(status >= 300 for status in self._heard.get((message.branch, INVITE), ()))
            assert refused or acknowledged in self._successes, "§13.2.2.4, §17.1.1.3: an ACK of nothing"
        elif key in self._requests:
            assert data == self._requests[key], "§17.1: a retransmission is the same message"
            silent = [status for status in self._heard.get(key, ()) if message.method == INVITE or status >= 200]
            assert not silent, "§17.1.1.2, §17.1.2.2: nothing is repeated that was answered"
        else:
            self._requests[key] = data
            self._judge_request(message, key, now)

    def _judge_request(self, request: Request, key: Key, now: float) -> None:
        call, method = request.call_id, request.method
        if method == CANCEL:
            heard = self._heard.get((request.branch, INVITE), ())
            assert heard, "§9.1: no CANCEL before a response"
            assert max(heard) < 200, "§9.1: no CANCEL after a final one"
            return
        counted = call, request.from_tag or ""
        assert request.cseq.number > self._numbers.get(counted, 0), "§12.2.1.1: numbers rise"
        self._numbers[counted] = request.cseq.number
        if method == INVITE:
            waiting = self._open.setdefault(call, set())
            assert not waiting, "§14.1, §14.2: one INVITE at a time"
            waiting.add(key)
        elif method == BYE:
            assert request.to_tag, "§15: no BYE outside of a dialog"
            if call in self._called:
                answered = self._called[call]
                assert answered is not None, "§15: no BYE from a callee that has not answered"
                assert call in self._acked or now >= answered + GIVEN_UP, "§15: no BYE before the ACK"
        elif method == PRACK:
            rack = request[RACK]
            assert rack is not None
            acknowledged = (call, rack.rseq, rack.cseq)
            assert acknowledged in self._reliable, "RFC 3262 §4: a PRACK of nothing"

    def _judge_response(self, response: Response, key: Key, data: bytes, now: float) -> None:
        request = self._came.get(key)
        assert request is not None, "§8.2.6: a response to nothing"
        if key in self._finals and now >= self._finals[key][0] + GIVEN_UP:
            del self._finals[key]  # Timers J and L
        if response.is_provisional:
            assert key not in self._finals, "§17.2.1: no 1xx after a final response"
            if response.status > 100:
                self._rang[key] = now
            return
        self._rang.pop(key, None)
        if key in self._finals:
            assert data == self._finals[key][1], "§17.2.1, §13.3.1.4: one final response, and the same again"
            return
        self._finals[key] = now, data
        self._open.get(response.call_id, set()).discard(key)
        if response.cseq.method == INVITE and response.is_success and request.to_tag is None:
            self._called[response.call_id] = now


def parsed(data: bytes) -> tuple[Request | Response, Key]:
    message = parse_message(data)
    return message, key_of(message)


def assert_told_whole(outputs: Iterable[Output]) -> None:
    """Whatever the machines went through was told: what each input finds is what the one before has left."""
    left: dict[tuple[str, ...], str] = {}
    for told in outputs:
        if isinstance(told, TransitionTrace) and told.call_id:
            is_call = told.machine in (Caller.NAME, Callee.NAME)
            name = (told.machine, told.call_id, told.local_tag, "" if is_call else told.remote_tag)
            is_new = "" if is_call or told.machine == session.NAME else "IDLE"
            assert told.before == left.get(name, is_new), told
            left[name] = told.after
    assert {after for (machine, *_), after in left.items() if machine in (Caller.NAME, Callee.NAME)} <= {"TERMINATED"}
