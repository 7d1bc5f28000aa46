"""Pings as data, one object for each line: what happens as it does, and last what it came to. Fields are only ever
added; `ping.schema.json` beside this file describes them."""

from collections.abc import Iterable

from probes.destination import Destination
from probes.fingerprint.banners import banner_of
from probes.ping.results import Connected, Disconnected, Happening, Late, Ping, Renamed, Returned, Tally, Unnamed
from probes.report.units import milliseconds, spread_data, timestamp
from sipcore.errors import encodable
from sipcore.resolve.target import Hop

Data = dict[str, object]


def happening_data(happening: Happening) -> Data:
    """Something that happened."""
    at = timestamp(happening.at)
    match happening:
        case Ping():
            return {"event": "ping", "at": at, **_ping(happening)}
        case Connected(hop=hop, seconds=seconds, agreed=agreed, again=again):
            told = {"duration_ms": milliseconds(seconds), "tls": encodable(agreed) or None, "again": again}
            return {"event": "connected", "at": at, **_place(hop), **told}
        case Disconnected(hop=hop, why=why):
            return {"event": "disconnected", "at": at, **_place(hop), "detail": encodable(why)}
        case Renamed(came=came, went=went):
            return {"event": "dns_changed", "at": at, "came": _places(came), "went": _places(went)}
        case Unnamed(why=why):
            return {"event": "dns_failed" if why else "dns_answers", "at": at, "detail": encodable(why)}
        case Returned(hop=hop, seconds=seconds, lost=lost):
            return {"event": "returned", "at": at, **_place(hop), "duration_ms": milliseconds(seconds), "lost": lost}
        case Late(number=number, seconds=seconds):
            return {"event": "late", "at": at, "number": number, "duration_ms": milliseconds(seconds)}


def tally_data(destination: Destination, tally: Tally, failure: str = "") -> Data:
    """What all of it came to. `failure` is why nothing could be sent; empty where it could."""
    return {
        "event": "summary",
        "target": encodable(str(destination)),
        "failure": encodable(failure) or None,
        "duration_ms": milliseconds(tally.duration),
        "sent": tally.over + tally.awaited,
        "answered": tally.answered,
        "lost": tally.lost,
        "awaited": tally.awaited,
        "loss": round(tally.loss, 4),
        "repeated": tally.repeated,
        "retransmissions": tally.retransmissions,
        "late": tally.late,
        "connections": tally.connections,
        "disconnections": tally.disconnections,
        "round_trip": spread_data(tally.round_trips),
        "statuses": [
            {"status": status, "reason": encodable(reason), "count": count} for status, reason, count in tally.statuses
        ],
        "advice": tally.advice,
        "losses": [{"result": reach.name.lower(), "count": count} for reach, count in tally.reaches],
        "places": [
            {
                **_place(place.hop),
                "answered": place.answered,
                "lost": place.lost,
                "round_trip": spread_data(place.round_trips),
            }
            for place in tally.places
        ],
    }


def _ping(ping: Ping) -> Data:
    attempt, response = ping.attempt, ping.attempt.response
    return {
        "number": ping.number,
        **_place(attempt.hop),
        "result": attempt.reach.name.lower(),
        "status": response.status if response is not None else None,
        "reason": encodable(response.reason) if response is not None else "",
        "banner": encodable(banner_of(response)) if response is not None else "",
        "answered_from": str(ping.source) if ping.source not in (None, attempt.hop.remote) else None,
        "round_trip_ms": milliseconds(ping.rtt),
        "response_time_ms": milliseconds(ping.took),
        "kernel_stamped": attempt.kernel_stamped,
        "retransmissions": attempt.retransmissions,
        "detail": encodable(attempt.detail),
        "advice": attempt.advice,
    }


def _place(hop: Hop) -> Data:
    return {"transport": hop.transport.value.lower(), "address": hop.remote.host, "port": hop.remote.port}


def _places(hops: Iterable[Hop]) -> list[Data]:
    return [_place(hop) for hop in hops]
