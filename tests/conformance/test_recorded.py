"""Bytes that were on a wire: what real servers sent, and what a mutation fuzzer sends."""

import time
from operator import attrgetter

from sipcore.errors import ParseError
from sipcore.message.message import Message
from sipcore.message.parser import parse_message
from sipcore.message.registry import CALL_ID, CSEQ, FROM, TO, VIA
from sipcore.message.require import inspect
from tests.conformance.corpus import mutations, needs_corpus, recorded

pytestmark = needs_corpus

SECONDS = 5.0
"""CPU time within which any one mutation must be read: a thousand times what the slowest takes."""


ENVELOPE = attrgetter("branch", "from_tag", "to_tag", "call_id", "cseq", "sent_by", "has_several_vias")


def envelope_typed(message: Message) -> tuple[object, ...] | None:
    """The envelope out of the typed header fields, read whole; None where one of them cannot be read."""
    try:
        via, from_, to = message[VIA], message[FROM], message[TO]
        call_id, cseq = message[CALL_ID], message[CSEQ]
    except ParseError:
        return None
    if not (via and from_ and to and call_id and cseq):
        return None
    return via[0].branch, from_.tag, to.tag, call_id, cseq, via[0].sent_by, len(via) > 1


def test_every_recorded_server_message_parses_and_comes_back_byte_exact() -> None:
    count = 0
    for name, data in recorded():
        if "-sent-" in name or not data.strip(b"\r\n"):  # the tester's own, some broken on purpose; and keep-alives
            continue
        message = parse_message(data)
        inspect(message)
        assert bytes(message) == data, name
        typed = envelope_typed(message)
        assert typed is None or ENVELOPE(message) == typed, name
        count += 1
    assert count > 1500


def test_every_mutation_gives_a_message_or_our_error_in_bounded_time() -> None:
    count = 0
    for name, data in mutations():
        begin = time.thread_time()
        try:
            message = parse_message(data)
            inspect(message)
            assert bytes(message) == data, name
            typed = envelope_typed(message)
            assert typed is None or ENVELOPE(message) == typed, name
        except ParseError:
            pass
        assert time.thread_time() - begin < SECONDS, name
        count += 1
    assert count > 3000
