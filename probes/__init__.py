"""What the project can find out, for other programs: each name is loaded when it is first used.

`await probes.discover("sip.example.com")`, `await probes.place_call(probes.CallScript(...))`, and, for an endpoint that
answers, `async with probes.open_responder(...)`. Inside the project the modules themselves are imported, never this.
"""

from typing import TYPE_CHECKING

from sipcore.lazy import passing_on

if TYPE_CHECKING:
    from probes.calls.codecs.run import probe_codecs
    from probes.calls.limit import Limiter, Limits
    from probes.calls.run import place_call
    from probes.calls.script import CallScript
    from probes.checks.dns.run import report_dns
    from probes.checks.run import report_tls
    from probes.destination import Destination, DestinationError
    from probes.discovery.outcome import Discovery
    from probes.discovery.run import DiscoveryConfig, discover, open_discovery
    from probes.responder.personas import Persona
    from probes.responder.run import open_responder
    from probes.result import CallKind, CallResult, CallStatus
    from probes.sweep.ranges import Targets
    from probes.sweep.run import Sweep, SweepConfig

__all__ = [
    "CallKind",
    "CallResult",
    "CallScript",
    "CallStatus",
    "Destination",
    "DestinationError",
    "Discovery",
    "DiscoveryConfig",
    "Limiter",
    "Limits",
    "Persona",
    "Sweep",
    "SweepConfig",
    "Targets",
    "discover",
    "open_discovery",
    "open_responder",
    "place_call",
    "probe_codecs",
    "report_dns",
    "report_tls",
]

__getattr__ = passing_on(
    __name__,
    {
        "probes.calls.codecs.run": ("probe_codecs",),
        "probes.calls.limit": ("Limiter", "Limits"),
        "probes.calls.run": ("place_call",),
        "probes.calls.script": ("CallScript",),
        "probes.checks.dns.run": ("report_dns",),
        "probes.checks.run": ("report_tls",),
        "probes.destination": ("Destination", "DestinationError"),
        "probes.discovery.outcome": ("Discovery",),
        "probes.discovery.run": ("DiscoveryConfig", "discover", "open_discovery"),
        "probes.responder.personas": ("Persona",),
        "probes.responder.run": ("open_responder",),
        "probes.result": ("CallKind", "CallResult", "CallStatus"),
        "probes.sweep.ranges": ("Targets",),
        "probes.sweep.run": ("Sweep", "SweepConfig"),
    },
)
