"""What is answered, for the description of the interface; each is sent in the envelope."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Direction = Literal["inbound", "outbound"]
Health = Literal["healthy", "unreachable", "unchecked"]
AuthMode = Literal["ip", "register"]


class Answer(BaseModel):
    """What succeeds has this in `data`."""

    model_config = ConfigDict(extra="forbid")  # what is not described is not answered


class HiddenAccount(Answer):
    """An account without its password."""

    username: str
    password: str


class SipConfig(Answer):
    """One direction of a number. Passwords are never in it."""

    number: str
    id: str
    org_id: str
    direction: Direction
    sip_endpoint: str | None
    headers: dict[str, Any] | None
    options: dict[str, Any] | None
    created_at: str
    updated_at: str
    register_auth: HiddenAccount | None = None
    inbound_id: int | None = None


class Configs(Answer):
    """Both directions of a number."""

    inbound: SipConfig | None
    outbound: SipConfig | None


class ListedNumber(Answer):
    """A number that is configured."""

    phone_number: str
    directions: list[Direction]
    sip_endpoint: str | None
    health_status: Health


class Numbers(Answer):
    """All of them."""

    numbers: list[ListedNumber]


class FailedNumber(Answer):
    """One that was not attached, and why."""

    phone_number: str
    error: str


class Attached(Answer):
    """What became of the numbers."""

    configured: list[str]
    failed: list[FailedNumber]
    register_password_for_pbx: str | None = None


class Updated(SipConfig):
    """A direction after a change."""

    register_password_for_pbx: str | None = None


class Detached(Answer):
    """The directions that are gone."""

    phone_number: str
    detached: list[Direction]


class Parsed(Answer):
    """A destination. What was not said in it is not there."""

    host: str
    port: int | None = None
    user: str | None = None
    transport: Literal["udp", "tcp", "tls"] | None = None
    is_private_ip: bool
    normalized: str


class ParsedDestination(Answer):
    """Whether a text names one; if not, what to change in it."""

    valid: bool
    parsed: Parsed | None
    error: str | None = None


class Srv(Answer):
    """A record that names a server."""

    service: str
    target: str
    port: int
    priority: int
    weight: int


class Attempt(Answer):
    """One place that was tried; `error`, `detail` and `advice` where it did not answer."""

    address: str
    port: int
    transport: str
    response_time_ms: float | None
    response_code: int | None
    user_agent: str | None
    error: str | None = None
    mutual_tls: bool | None = None
    detail: str | None = None
    advice: str | None = None


class Recommended(Answer):
    """How to connect, and why. The port is null where DNS is to be asked for each call (`Auto (SRV)`)."""

    port: int | None
    transport: str
    user_agent: str | None
    detected_system: str | None
    codecs: list[str]
    methods: list[str]
    port_source: str | None
    mutual_tls: bool
    reason: str


class DiscoveryResult(Answer):
    """A discovery."""

    discovery_id: str
    status: Literal["running", "completed", "failed"]
    host: str
    resolved_addresses: list[str]
    srv_records: list[Srv]
    attempts: list[Attempt]
    recommended: Recommended | None
    started_at: str
    completed_at: str | None
    error: str | None
    advice: str | None


class Placed(Answer):
    """A test call that was begun."""

    call_id: str
    message: str


class Step(Answer):
    """A step of a call."""

    event: str
    at: str
    detail: str


class TestCallStatus(Answer):
    """A test call. `reason` is how it ended in a sentence, `hint` what to try."""

    __test__ = False  # to pytest, which looks at names

    call_id: str
    status: Literal["queued", "initiated", "ringing", "in-progress", "completed", "failed", "busy", "no-answer"]
    result: Literal["connected", "failed", "busy", "no_answer", "pending"]
    duration_seconds: float
    timeline: list[Step]
    sip_code: int | None
    reason: str | None
    hint: str | None


class Ports(Answer):
    """Each with its transport behind a space."""

    sip: str
    rtp: str


class FirewallIps(Answer):
    """What to let through a firewall."""

    ip_addresses: list[str]
    ports: Ports


class OutboundSetup(Answer):
    """What a PBX is to be told."""

    sip_server: str
    port: int
    instructions: str
    credentials: HiddenAccount | None = None


class Generated(Answer):
    """A password that nobody has yet."""

    password: str
    length: int


class NumberHealth(Answer):
    """How the trunk of a number is."""

    status: Health
    response_time_ms: float | None
    checked_at: str | None


class LoggedCall(Answer):
    """A call."""

    call_id: str
    direction: Direction
    phone_number: str | None = None
    from_: str | None = Field(alias="from")
    to: str | None
    status: str
    sip_code: int | None
    duration_seconds: float
    started_at: str
    ended_at: str | None
    source_ip: str | None = None
    test_call_id: str


class TrunkSummary(Answer):
    """A trunk in a list."""

    trunk_id: str
    name: str
    provider: str | None
    direction: Literal["inbound", "outbound", "both"] | None
    sip_endpoint: str | None
    auth_mode: AuthMode
    bound_number_count: int


class Trunks(Answer):
    """All of them."""

    trunks: list[TrunkSummary]


class BoundNumber(Answer):
    """A number of a trunk."""

    phone_number: str
    directions: list[Direction]


class LoggedCalls(Answer):
    """The newest first."""

    calls: list[LoggedCall]


class TrunkDetails(Answer):
    """A trunk."""

    trunk_id: str
    name: str
    provider: str | None
    direction: Literal["inbound", "outbound", "both"] | None
    sip_endpoint: str | None
    auth_mode: AuthMode
    register_auth: HiddenAccount | None
    headers: dict[str, Any] | list[dict[str, Any]] | None
    bound_numbers: list[BoundNumber]
    register_password_for_pbx: str | None = None


class RemovedTrunk(Answer):
    """A trunk that is gone."""

    trunk_id: str
    unbound_number_count: int


class Connection(Answer):
    """What the check of a trunk came to."""

    reachable: bool
    sip_code: int | None
    response_time_ms: float | None
    mutual_tls: bool
    error: str | None = None
    detail: str | None = None
    advice: str | None = None


class CodeCount(Answer):
    """How often calls failed with a code."""

    sip_code: int
    description: str
    count: int


class Metrics(Answer):
    """Figures of thirty days."""

    total_calls: int
    answered_calls: int
    failed_calls: int
    top_failure_codes: list[CodeCount]


class NumberConfig(Answer):
    """Failover, codecs and alerts of a direction."""

    phone_number: str
    direction: Direction
    failover_config: dict[str, Any]
    codec_config: dict[str, Any]
    alert_config: dict[str, Any]
