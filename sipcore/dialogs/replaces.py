"""Which call an INVITE with Replaces takes the place of, if any: RFC 3891 §3."""

from sipcore.dialogs.callee import Callee
from sipcore.dialogs.dialog import Dialog, DialogId
from sipcore.dialogs.side import Side
from sipcore.message.fields.dialog_reference import Replaces
from sipcore.message.message import Request
from sipcore.message.method import INVITE

NO_SUCH_CALL = 481
BUSY = 486
DECLINED = 603
NO_TAG = "0"
"""What stands for a tag that is not there (RFC 3891 §3)."""


def misuse_of(request: Request) -> str:
    """Why a request with Replaces is answered 400, in the words of its reason phrase; "" where it may have it."""
    if request.method != INVITE:
        return "Replaces: stands in an INVITE only"
    return "Replaces: stands there twice" if len(request.headers.get_all("Replaces")) > 1 else ""


def refusal_of(replaces: Replaces, side: Side | None) -> int:
    """The status that refuses an INVITE with this Replaces, which names a dialog of `side`, or of nobody here; 0 where
    it may go on, if its sender is trusted to.
    """
    if side is not None and side.is_over:
        return DECLINED
    if side is None or side.usage is None:
        return NO_SUCH_CALL
    if side.usage.dialog.confirmed:
        return BUSY if replaces.early_only else 0
    return NO_SUCH_CALL if isinstance(side, Callee) else 0  # only the caller's own early dialog may be replaced


def dialog_ids_of(replaces: Replaces) -> tuple[DialogId, ...]:
    """The dialogs that a received Replaces may name: its to-tag is the local one, and a from-tag of zero may stand for
    none, as a peer of RFC 2543 has it.
    """
    remote_tag = replaces.from_tag or ""
    remote_tags = (NO_TAG, "") if remote_tag == NO_TAG else (remote_tag,)
    return tuple(DialogId(replaces.call_id, replaces.to_tag or "", each) for each in remote_tags)


def replaces_for(dialog: Dialog) -> str:
    """The Replaces by which the peer's peer takes the place of this side: seen from the peer (RFC 3891 §4)."""
    call_id, local_tag, remote_tag = dialog.id
    return f"{call_id};to-tag={remote_tag or NO_TAG};from-tag={local_tag or NO_TAG}"
