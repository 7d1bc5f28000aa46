"""What a call tells of itself while it goes on."""

from collections import Counter

from probes.calls.story import MAX_HEARD, Story
from sipcore.media.report import MediaEvent, MediaEventKind


def test_media_leaves_room_for_what_is_said() -> None:
    told: list[str] = []
    story = Story(100.0, lambda entry: told.append(entry.label))
    for number in range(50_000):
        story.hear(MediaEvent(100.0 + number / 100, MediaEventKind.SOURCE_CHANGED, f"SSRC {number:08x}"))
    story.hear(MediaEvent(700.0, MediaEventKind.STALLED, "for 1.0 s"))
    story.tell("completed", 701.0)
    assert [entry.label for entry in story.timeline][-2:] == told[-2:]
    assert told[-1] == "completed"
    assert Counter(told).most_common(1)[0][1] == MAX_HEARD
    assert story.first(MediaEventKind.SOURCE_CHANGED) == 0.0
