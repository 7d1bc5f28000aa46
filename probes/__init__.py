"""What the project can find out, for other programs: each name is loaded when it is first used.

`await probes.discover("sip.example.com")`, `await probes.place_call(probes.CallScript(...))`, and, for an endpoint that
answers, `async with probes.open_responder(...)`. Inside the project the modules themselves are imported, never this.
"""

from typing import TYPE_CHECKING

from sipcore.lazy import passing_on

if TYPE_CHECKING:
    from probes.calls.codecs.run import CodecProbe, probe_codecs
    from probes.calls.expect import Expectation
    from probes.calls.limit import Limiter, Limits
    from probes.calls.number import RefusedNumber
    from probes.calls.run import call_config, place_call
    from probes.calls.script import CallScript
    from probes.checks.codecs_judge import CodecReport
    from probes.checks.dns.judge import DnsReport
    from probes.checks.dns.run import DnsReportConfig, report_dns
    from probes.checks.run import TlsReportConfig, report_tls
    from probes.checks.tls_judge import TlsReport
    from probes.destination import Destination, DestinationError
    from probes.discovery.events import Concluded
    from probes.discovery.outcome import Discovery
    from probes.discovery.run import DiscoveryConfig, discover, open_discovery
    from probes.health.alerter import Alerter
    from probes.health.alerts import (
        Alert,
        AlertKind,
        AlertRules,
        AppriseChannel,
        Phase,
        Severity,
        WebhookChannel,
        alert_data,
    )
    from probes.health.board import RouteState, TrunkState
    from probes.health.difference import Difference
    from probes.health.notify import Alarms, Notifier
    from probes.health.run import Watch, WatchConfig
    from probes.health.sending import NotifyConfig
    from probes.health.terms import Change, Check, Health, Kind, Switch, SwitchCause, Verdict
    from probes.health.trunk import Route, Rules, Trunk, WatchError
    from probes.ping.run import PingConfig, Pings
    from probes.reach import ReachPolicy
    from probes.registration.judge import RegistrationReport
    from probes.registration.plan import RegistrationProbe
    from probes.registration.run import probe_registration
    from probes.report.call_json import call_data
    from probes.report.codecs_json import codecs_data
    from probes.report.dns_json import dns_data
    from probes.report.json import discovery_data
    from probes.report.registration_json import registration_data
    from probes.report.tls_json import tls_data
    from probes.responder.personas import Persona
    from probes.responder.run import Responder, open_responder
    from probes.result import CallKind, CallResult, CallStatus
    from probes.store.config import StoreConfig
    from probes.store.store import History, Store
    from probes.sweep.ranges import Targets
    from probes.sweep.run import Sweep, SweepConfig

__all__ = [
    "Alarms",
    "Alert",
    "AlertKind",
    "AlertRules",
    "Alerter",
    "AppriseChannel",
    "CallKind",
    "CallResult",
    "CallScript",
    "CallStatus",
    "Change",
    "Check",
    "CodecProbe",
    "CodecReport",
    "Concluded",
    "Destination",
    "DestinationError",
    "Difference",
    "Discovery",
    "DiscoveryConfig",
    "DnsReport",
    "DnsReportConfig",
    "Expectation",
    "Health",
    "History",
    "Kind",
    "Limiter",
    "Limits",
    "Notifier",
    "NotifyConfig",
    "Persona",
    "Phase",
    "PingConfig",
    "Pings",
    "ReachPolicy",
    "RefusedNumber",
    "RegistrationProbe",
    "RegistrationReport",
    "Responder",
    "Route",
    "RouteState",
    "Rules",
    "Severity",
    "Store",
    "StoreConfig",
    "Sweep",
    "SweepConfig",
    "Switch",
    "SwitchCause",
    "Targets",
    "TlsReport",
    "TlsReportConfig",
    "Trunk",
    "TrunkState",
    "Verdict",
    "Watch",
    "WatchConfig",
    "WatchError",
    "WebhookChannel",
    "alert_data",
    "call_config",
    "call_data",
    "codecs_data",
    "discover",
    "discovery_data",
    "dns_data",
    "open_discovery",
    "open_responder",
    "place_call",
    "probe_codecs",
    "probe_registration",
    "registration_data",
    "report_dns",
    "report_tls",
    "tls_data",
]

__getattr__ = passing_on(
    __name__,
    {
        "probes.calls.codecs.run": ("CodecProbe", "probe_codecs"),
        "probes.calls.expect": ("Expectation",),
        "probes.calls.limit": ("Limiter", "Limits"),
        "probes.calls.number": ("RefusedNumber",),
        "probes.calls.run": ("call_config", "place_call"),
        "probes.calls.script": ("CallScript",),
        "probes.checks.codecs_judge": ("CodecReport",),
        "probes.checks.dns.judge": ("DnsReport",),
        "probes.checks.dns.run": ("DnsReportConfig", "report_dns"),
        "probes.checks.run": ("TlsReportConfig", "report_tls"),
        "probes.checks.tls_judge": ("TlsReport",),
        "probes.destination": ("Destination", "DestinationError"),
        "probes.discovery.events": ("Concluded",),
        "probes.discovery.outcome": ("Discovery",),
        "probes.discovery.run": ("DiscoveryConfig", "discover", "open_discovery"),
        "probes.health.alerter": ("Alerter",),
        "probes.health.alerts": (
            *("Alert", "AlertKind", "AlertRules", "AppriseChannel", "Phase", "Severity", "WebhookChannel"),
            "alert_data",
        ),
        "probes.health.board": ("RouteState", "TrunkState"),
        "probes.health.difference": ("Difference",),
        "probes.health.notify": ("Alarms", "Notifier"),
        "probes.health.run": ("Watch", "WatchConfig"),
        "probes.health.sending": ("NotifyConfig",),
        "probes.health.terms": ("Change", "Check", "Health", "Kind", "Switch", "SwitchCause", "Verdict"),
        "probes.health.trunk": ("Route", "Rules", "Trunk", "WatchError"),
        "probes.ping.run": ("PingConfig", "Pings"),
        "probes.reach": ("ReachPolicy",),
        "probes.registration.judge": ("RegistrationReport",),
        "probes.registration.plan": ("RegistrationProbe",),
        "probes.registration.run": ("probe_registration",),
        "probes.report.call_json": ("call_data",),
        "probes.report.codecs_json": ("codecs_data",),
        "probes.report.dns_json": ("dns_data",),
        "probes.report.json": ("discovery_data",),
        "probes.report.registration_json": ("registration_data",),
        "probes.report.tls_json": ("tls_data",),
        "probes.responder.personas": ("Persona",),
        "probes.responder.run": ("Responder", "open_responder"),
        "probes.result": ("CallKind", "CallResult", "CallStatus"),
        "probes.store.config": ("StoreConfig",),
        "probes.store.store": ("History", "Store"),
        "probes.sweep.ranges": ("Targets",),
        "probes.sweep.run": ("Sweep", "SweepConfig"),
    },
)
