"""How long to wait: until a refresh, until the next try, until the next keep-alive. RFC 3261 §10.2.4, RFC 5626 §4.

All in seconds; `chance` is a number from 0.0 to 1.0.
"""

REFRESH_FRACTION = 0.9
"""Of the granted time, after which a binding is refreshed if that is long."""
REFRESH_MARGIN = 64.0
"""Seconds left for the refresh of a shorter one: two requests that time out (RFC 3261 §17.1.2.2, 2·64·T1)."""
LEAST_FRACTION = 0.5
"""A binding lives at least so much of its time in peace, however short that is."""
LEAST_REFRESH = 5.0
"""No peer has this side send more often than that by granting next to nothing."""
SPREAD = 0.1
"""The part of a wait that chance takes off, so that those who began together do not go on together."""

MAX_WAIT = 1800.0
"""RFC 5626 §4.5 max-time."""
BASE_WAIT = 30.0
"""RFC 5626 §4.5 base-time, where no flow is left."""
BASE_WAIT_OTHERS = 90.0
"""RFC 5626 §4.5 base-time, where another flow still works."""
MAX_RETRY_AFTER = 86_400.0
"""A day: a registrar that wants to be left alone for longer is asked once more all the same."""

PING_SECONDS = 120
"""RFC 5626 §4.4.1: the upper bound between keep-alives where the registrar gives none."""
PING_LEAST = 0.8
"""RFC 5626 §4.4.1: the lower bound, as a part of the upper one."""
DATAGRAM_PING_SECONDS, DATAGRAM_PING_LEAST = 29, 24 / 29
"""RFC 5626 §4.4.2: the same for datagrams, since many translators of addresses forget a way after 30 s."""


def refresh_after(granted: float, chance: float) -> float:
    """When a binding that was granted for so long is refreshed."""
    latest = max(LEAST_FRACTION * granted, min(REFRESH_FRACTION * granted, granted - REFRESH_MARGIN))
    return max(LEAST_REFRESH, latest * (1.0 - SPREAD * chance))


def retry_after(failures: int, asked: int | None, chance: float, *, others_work: bool = False) -> float:
    """How long to wait after so many failures in a row, the first of them counted (RFC 5626 §4.5).

    `asked` is what Retry-After said. After the first failure it counts alone (§4.2.1: 0 means at once); after more, it
    cannot shorten the wait.
    """
    base = BASE_WAIT_OTHERS if others_work else BASE_WAIT
    # Shifting by more than the few bits that reach the maximum would only make large numbers.
    bound = min(MAX_WAIT, base * (1 << min(failures, 16)))
    wait = bound * (0.5 + 0.5 * chance)
    if asked is None:
        return wait
    told = min(float(asked), MAX_RETRY_AFTER)
    return told if failures <= 1 else max(told, wait)


def ping_after(flow_timer: int | None, chance: float, *, datagrams: bool = False) -> float:
    """How long until the next keep-alive on a connection, or on a flow of datagrams (RFC 5626 §4.4)."""
    seconds, least = (DATAGRAM_PING_SECONDS, DATAGRAM_PING_LEAST) if datagrams else (PING_SECONDS, PING_LEAST)
    return max(flow_timer or seconds, 1) * (least + (1.0 - least) * chance)
