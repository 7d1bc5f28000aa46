"""Which call an INVITE with Replaces takes the place of, if any: RFC 3891 §3."""

from collections.abc import Callable

from sipcore.dialogs.callee import Callee
from sipcore.dialogs.dialog import Dialog, DialogId
from sipcore.dialogs.side import Side
from sipcore.message.fields.dialog_reference import Replaces
from sipcore.message.message import Request
from sipcore.message.method import INVITE

NO_SUCH_CALL = 481
BUSY = 486
DECLINED = 603


def misuse_of(request: Request) -> str:
    """Why a request with Replaces is answered 400, in the words of its reason phrase; "" where it may have it."""
    if request.method != INVITE:
        return "Replaces: stands in an INVITE only"
    return "Replaces: stands there twice" if len(request.headers.get_all("Replaces")) > 1 else ""


def refusal_of(replaces: Replaces, side_of: Callable[[DialogId], Side | None]) -> int:
    """The status that refuses an INVITE with this Replaces; 0 where it may go on, if its sender is trusted to."""
    side = side_of(dialog_id_of(replaces))
    if side is not None and side.is_over:
        return DECLINED
    if side is None or side.usage is None:
        return NO_SUCH_CALL
    if side.usage.dialog.confirmed:
        return BUSY if replaces.early_only else 0
    return NO_SUCH_CALL if isinstance(side, Callee) else 0  # only the caller's own early dialog may be replaced


def dialog_id_of(replaces: Replaces) -> DialogId:
    """The dialog that a received Replaces names: its to-tag is the local one."""
    return DialogId(replaces.call_id, replaces.to_tag or "", replaces.from_tag or "")


def replaces_for(dialog: Dialog) -> str:
    """The Replaces by which the peer's peer takes the place of this side: seen from the peer (RFC 3891 §4)."""
    call_id, local_tag, remote_tag = dialog.id
    return f"{call_id};to-tag={remote_tag or '0'};from-tag={local_tag or '0'}"
