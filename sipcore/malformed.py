"""What a request gets that cannot be worked with: RFC 3261 §8.2.7, §18.3, §21.4.1."""

from sipcore.dialogs.manner import Manner
from sipcore.errors import ParseError, SipError
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.method import ACK
from sipcore.message.registry import CALL_ID, CSEQ, FROM, TO
from sipcore.resolve.target import Flow
from sipcore.tokens import Tokens
from sipcore.transactions.effects import Transmit
from sipcore.transactions.reply import reply_to, stamped

_NEEDED_WITHOUT_BRANCH = tuple(row.name for row in (FROM, TO, CALL_ID, CSEQ))


def refusal_of_malformed(
    request: Request, flow: Flow, error: ParseError, manner: Manner, tokens: Tokens
) -> list[Transmit]:
    """The answer to a request that has this error, without keeping state; empty where there is none.

    Nothing is sent where that would take what is broken itself. An ACK is never answered, nor is a datagram whose
    sender could not tell what the answer is to: nobody waits for that, and whoever has forged its source would have
    somebody else get three times the bytes.
    """
    if request.method == ACK:
        return []
    try:
        if not flow.transport.reliable and not _is_matchable(request):
            return []
        arrived = stamped(request, flow)
        tag = tokens.tag_for(_repeated_in(request))
        refusal = build_response(arrived, error.status, reason_of(error), tag=tag, fields=manner.signed(()))
        return [Transmit(None, reply_to(arrived.via, flow, obeys_maddr=manner.obeys_maddr), bytes(refusal))]
    except SipError:
        return []


def reason_of(error: ParseError) -> str:
    """A reason phrase that says what is wrong with a request (RFC 3261 §21.4.1), in our words only."""
    return f"{error.header}: {error.message}" if error.header else ""


def _repeated_in(request: Request) -> bytes:
    """What each transmission of a request has, and no other request (RFC 3261 §17.2.3), readable or not."""
    first_via = request.headers.get("Via") or ""
    fields = (text for name in _NEEDED_WITHOUT_BRANCH for text in request.headers.get_all(name))
    return "\r\n".join((request.start_line, first_via, *fields)).encode(errors="surrogateescape")


def _is_matchable(request: Request) -> bool:
    """Whether a request has, well formed or not, what its sender finds its transaction by: branch and CSeq, which an
    answer copies (RFC 3261 §17.1.3, §8.2.6.2); of a sender of RFC 2543, all the fields that are copied.
    """
    if CSEQ.name not in request.headers:
        return False
    return bool(request.branch) or all(name in request.headers for name in _NEEDED_WITHOUT_BRANCH)
