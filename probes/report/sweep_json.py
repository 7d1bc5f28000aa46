"""A sweep as data, one object for each line: places as they are found, then kinds of answers, and last what became of
all places. Fields are only ever added; `sweep.schema.json` beside this file describes them."""

from dataclasses import fields

from probes.sweep.found import Found, Kind, Tally
from sipcore.errors import encodable

Data = dict[str, object]


def found_data(found: Found) -> Data:
    """One place, as it is found."""
    return {
        "type": "place",
        "address": found.remote.host,
        "port": found.remote.port,
        "result": found.reach.name.lower(),
        "status": found.status,
        "reason": encodable(found.reason),
        "banner": encodable(found.banner),
        "kind": found.kind,
        "response_time_ms": None if found.rtt is None else round(found.rtt * 1000, 3),
        "kernel_stamped": found.kernel_stamped,
        "requests": found.requests,
        "late": found.is_late,
        "answered_from": None if found.elsewhere is None else str(found.elsewhere),
        "detail": encodable(found.detail),
    }


def kind_data(kind: Kind) -> Data:
    """A kind of answers, and the product that it shows."""
    system = kind.system
    return {
        "type": "kind",
        "kind": kind.number,
        "places": kind.places,
        "banner": encodable(kind.banner),
        "product": encodable(system.product) or None if system else None,
        "version": encodable(system.version) or None if system else None,
        "vendor": encodable(system.vendor) or None if system else None,
        "confidence": round(system.confidence, 4) if system else 0.0,
    }


def tally_data(tally: Tally, seed: int, elapsed: float, *, complete: bool) -> Data:
    """What became of all places, asked in the order of `seed`. `elapsed` is in seconds."""
    return {
        "type": "summary",
        "complete": complete,
        "duration_ms": round(elapsed * 1000, 3),
        "seed": seed,
        **{each.name: getattr(tally, each.name) for each in fields(tally)},
    }
