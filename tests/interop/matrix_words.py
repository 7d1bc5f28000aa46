"""What came of a call, said in the words of the interop matrix, and its figures for people."""

from probes.result import CallKind, CallMedia, CallResult, CallRole, CallStatus
from sipcore.dialogs.effects import EndReason
from sipcore.message.message import Request
from sipcore.message.method import INVITE
from sipcore.message.parser import parse_message
from sipcore.message.registry import AUTHORIZATION, PROXY_AUTHORIZATION
from sipcore.trace import Direction, MessageTrace
from tests.interop.matrix_cells import Verdict

TONE_SECONDS = 0.5
"""What is heard for less is no tone that is played."""
FEW = 5
"""Packets, which is less than any of the calls have in one direction."""
LOSS = 50
"""One packet in how many may be lost without a word: the machine is busy, the loopback is not to blame."""


def verdict_of(result: CallResult, *, heard_there: bool) -> Verdict:
    """What came of a call; `heard_there` is whether the program tells that it has heard something."""
    media = result.media
    if result.status is not CallStatus.CONNECTED or media is None:
        return Verdict(f"{result.kind.value}, {result.final_status}")
    digest, ended = _digest(result), result.ended_by
    return Verdict(
        _joined(
            result.status.value,
            result.kind.value if result.kind is not CallKind.CONNECTED else "",
            f"digest {digest}" if digest else "",
            ended if ended != EndReason.LOCAL_HANG_UP.value else "",
        ),
        media.measured.codec or media.codec,
        _encryption(media),
        _joined(
            "early" if _is_early(result, media) else "",
            _heard(media) if result.role is CallRole.CALLER else _directions(media),
            "with loss" if _lossy(media) else "",
            "heard there" if heard_there else "",
        ),
    )


def figures_of(result: CallResult) -> str:
    """What was measured, for people."""
    media = result.media
    if result.status is not CallStatus.CONNECTED or media is None:
        return f"{result.final_status} {result.reason}" if result.final_status else result.why
    measured, received = media.measured, media.measured.received
    came = (f"{received.packets} came", f"{received.lost or 'none'} lost") if received else ("none came",)
    heard = measured.heard
    echo = f"back after {heard.echo.delay * 1000:.1f} ms" if heard is not None and heard.echo is not None else ""
    return _joined(f"{measured.sent.packets} packets sent", *came, echo)


def _joined(*words: str) -> str:
    return ", ".join(word for word in words if word)


def _digest(result: CallResult) -> str:
    """The algorithm with which the last INVITE was authenticated; empty where it was not."""
    sent = [record for record in result.records if isinstance(record, MessageTrace)]
    requests = [parse_message(record.data) for record in sent if record.direction is Direction.SENT]
    invites = [each for each in requests if isinstance(each, Request) and each.method == INVITE]
    credentials = [each for invite in invites[-1:] for each in (*invite[AUTHORIZATION], *invite[PROXY_AUTHORIZATION])]
    return credentials[0].algorithm if credentials else ""


def _is_early(result: CallResult, media: CallMedia) -> bool:
    """Whether media was agreed on, and came, before the answer."""
    came, answered = media.first_received, result.answer_time
    return media.early and came is not None and answered is not None and came < result.invited + answered


def _encryption(media: CallMedia) -> str:
    measured = media.measured
    failed = measured.security_failure or (
        measured.srtp is not None and measured.srtp.authentication + measured.srtp.replayed
    )
    return " ".join(filter(None, (media.keying, measured.suite, "failed" if failed else "")))


def _heard(media: CallMedia) -> str:
    """What came back: the digits, the known signal, a tone, something, or nothing."""
    measured = media.measured
    if media.digits:
        return "digits come back" if media.digits_echoed else f"{media.keys or 'no digits'} for {media.digits}"
    if measured.received is None:
        return "nothing comes"
    if measured.heard is not None and measured.heard.echo is not None:
        return "echo"
    tones = measured.heard.tones if measured.heard is not None else ()
    played = [" + ".join(map(str, tone)) for tone, seconds in tones if seconds >= TONE_SECONDS]
    return f"{played[0]} Hz" if played else "something comes"


def _directions(media: CallMedia) -> str:
    """Which way sound went that is not searched for anything."""
    received = media.measured.received
    comes, goes = received is not None and received.packets >= FEW, media.measured.sent.packets >= FEW
    if comes and goes:
        return "both ways"
    return "one way, from there" if comes else "one way, from here" if goes else "nothing"


def _lossy(media: CallMedia) -> bool:
    received = media.measured.received
    return received is not None and received.lost > received.packets / LOSS
