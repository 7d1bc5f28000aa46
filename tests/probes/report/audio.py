"""The audio of a call that was made up here, for the reports that tell of it."""

from dataclasses import replace
from functools import cache

from probes.result import CallMedia, CallMediaPart, TimelineEntry
from probes.timeline import media_entry
from sipcore.media.plan import MediaPlan
from sipcore.media.total import total_of
from sipcore.sdp.attributes import PCMU
from tests.sipcore.media.talk import ALICE, BOB, EVENTS, Talk, lossy


@cache
def _talk(*, deaf: bool) -> Talk:
    """Three seconds of a signal that comes back, with a key; or that nobody sends anything for."""
    alice = MediaPlan(BOB, PCMU, EVENTS, rtcp_interval=0.5)
    bob = MediaPlan(ALICE, PCMU, EVENTS, echo=True, rtcp_interval=0.5)
    talk = Talk(alice, bob, back=(lambda _, now: ()) if deaf else lossy(0.1))
    talk.alice.session.press("5")
    talk.run(3.0)
    talk.finish()
    return talk


def audio(*, deaf: bool = False) -> CallMedia:
    """What became of it, as Alice measures it."""
    talk = _talk(deaf=deaf)
    measured = talk.alice.session.result(talk.now, talk.alice.session.listen())
    last = (measured.sent.last_at or 0.0) - 100.0
    return CallMedia(measured, "PCMU", 0.02, "none", ALICE, 0.1, None if deaf else 0.12, digits="5", last=last)


def secured() -> CallMedia:
    """The same over SRTP that failed in the end, with packets that came too late."""
    plain = audio()
    measured = replace(plain.measured, suite="AES_CM_128_HMAC_SHA1_80", security_failure="a packet was refused")
    return replace(plain, measured=measured, keying="SDES", early=True, late=3)


def lines() -> tuple[TimelineEntry, ...]:
    """What was told of it while it went on."""
    talk = _talk(deaf=False)
    return tuple(media_entry(event, 100.0) for event in talk.alice.events)


def changed() -> CallMedia:
    """A call that was changed to another codec: first as above, then with nothing but what is sent."""
    first, second = audio(), audio(deaf=True)
    parts = (
        CallMediaPart(0.1, "PCMU", 0.02, "none", first.measured),
        CallMediaPart(3.2, "PCMA", 0.03, "SDES", second.measured),
    )
    return replace(first, measured=total_of([part.measured for part in parts]), codec="PCMA", parts=parts)
