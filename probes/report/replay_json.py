"""The calls of a capture, or of stored results, as data. Fields are only ever added; `replay.schema.json` beside this
file describes them."""

from datetime import UTC, datetime

from probes.capture.calls import CapturedCall
from probes.report.call_json import Data, entry_data, media_data
from probes.report.replay_text import ending, title_of
from sipcore.errors import encodable


def replay_data(call: CapturedCall) -> Data:
    """A call as what `json.dumps` takes, which can be replayed again. Times are in milliseconds."""
    began = datetime.fromtimestamp(call.began_ns / 1e9, UTC) if call.began_ns else None
    return {
        "call_id": encodable(call.call_id),
        "title": encodable(title_of(call)),
        "ending": encodable(ending(call)),
        "began_at": began.isoformat(timespec="milliseconds") if began else None,
        "timeline": [entry_data(entry) for entry in call.timeline()],
        "media": media_data(call.media) if call.media is not None else None,
    }
