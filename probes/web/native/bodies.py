"""Trunks and numbers as the native interface has them. Fields are only ever added.

A secret is shown as `********`; where that comes back, the secret stays as it is.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from probes.trunks.model import CODECS, HIDDEN

Text = Annotated[str, Field(max_length=1024)]
Name = Annotated[str, Field(min_length=1, max_length=128)]
Codec = Literal["PCMU", "PCMA", "G.722", "G.729", "Opus"]


class Body(BaseModel):
    """What all of them have in common: nothing that is not known is taken, and nothing that was given is quoted."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class CredentialsBody(Body):
    """By what somebody proves who they are (digest authentication)."""

    username: Annotated[str, Field(min_length=1, max_length=128)]
    password: Annotated[str, Field(max_length=256, description=f"shown as {HIDDEN}, which leaves it as it is")] = ""
    realm: Annotated[str, Field(max_length=128, description="the one realm that they are for; any, if empty")] = ""


class GatewayBody(Body):
    """One way to a trunk. Without port and transport, DNS says (RFC 3263)."""

    host: Annotated[str, Field(min_length=1, max_length=255, examples=["sbc.example.net"])]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    transport: Literal["udp", "tcp", "tls", "ws", "wss"] | None = None
    priority: Annotated[int, Field(ge=0, le=65535, description="lowest first")] = 0


class FailoverBody(Body):
    """When calls take another gateway than the first."""

    enabled: bool = False
    triggers: list[Literal["unreachable", "auth_failure", "timeout"]] = Field(default=[], description="all, if empty")
    fails_back: Annotated[bool, Field(description="whether calls return by themselves to a better gateway")] = True


class HeaderBody(Body):
    """How a header field becomes a variable of a call that comes in, or is made from one in a call that goes out."""

    kind: Literal["custom", "uui"] = "custom"
    key: Text = ""
    value: Text = ""
    passthrough: bool = False
    target: Text = ""
    purpose: Text = ""
    content: Text = ""
    encoding: Literal["hex", "ascii"] = "hex"


class AlertsBody(Body):
    """When somebody is told of troubles, and how. A threshold that is not given does not tell."""

    enabled: bool = False
    unreachable_minutes: Annotated[float, Field(ge=0, le=10080)] | None = None
    failure_rate_percent: Annotated[float, Field(ge=0, le=100)] | None = None
    failure_rate_window_minutes: Annotated[float, Field(ge=1, le=1440)] | None = None
    response_time_ms: Annotated[float, Field(ge=0, le=60000)] | None = None
    email: bool = False
    sms: bool = False
    webhook: Annotated[str, Field(max_length=2048, description=f"a URL, shown as {HIDDEN}")] = ""


class DirectionBody(Body):
    """What both directions have."""

    credentials: CredentialsBody | None = None
    encryption: Annotated[Literal["disable", "allow", "require"], Field(description="of media: SRTP")] = "allow"
    headers: Annotated[list[HeaderBody], Field(max_length=100)] = []
    codecs: Annotated[list[Codec], Field(max_length=len(CODECS), description="by preference; any, if empty")] = []
    transcodes: bool = False
    alerts: AlertsBody | None = None


class InboundBody(DirectionBody):
    """Calls that come in."""

    authentication: Literal["ip", "register", "digest"] = "ip"
    allowed_addresses: Annotated[list[str], Field(max_length=200, examples=[["192.0.2.0/28"]])] = []
    forward_to: Text = ""


class OutboundBody(DirectionBody):
    """Calls that go out."""

    gateways: Annotated[list[GatewayBody], Field(max_length=20)] = []
    failover: FailoverBody = FailoverBody()


class TrunkBody(Body):
    """A trunk, as it is written."""

    name: Name
    description: Text = ""
    provider: Annotated[str, Field(max_length=128)] = ""
    inbound: InboundBody | None = None
    outbound: OutboundBody | None = None


class NumberBody(Body):
    """A number, as it is written."""

    identity: Annotated[str, Field(min_length=1, max_length=128, examples=["+15550100001", "2001"])]
    label: Annotated[str, Field(max_length=128)] = ""
    trunk_id: Annotated[str, Field(max_length=64)] | None = None
    inbound: Annotated[InboundBody | None, Field(description="the trunk's, if null")] = None
    outbound: Annotated[OutboundBody | None, Field(description="the trunk's, if null")] = None


class Kept(BaseModel):
    """What the service knows of what it keeps."""

    id: str
    created_at: str
    updated_at: str
    revision: int


class ShownTrunk(TrunkBody, Kept):
    """A trunk, as it is shown."""

    warnings: list["ProblemBody"] = []


class ShownNumber(NumberBody, Kept):
    """A number, as it is shown."""

    warnings: list["ProblemBody"] = []


class ProblemBody(BaseModel):
    """Something that is odd about a trunk or a number."""

    gravity: Literal["error", "warning"]
    code: str
    field: str
    cause: str
    cure: str


class PreflightBody(Body):
    """What is to be looked at, without anything being kept, sent or called: one of them, and a dry run if wanted."""

    trunk: TrunkBody | None = None
    number: NumberBody | None = None


class RouteBody(Body):
    """A call whose way is looked for, without placing it."""

    caller: Annotated[str, Field(min_length=1, max_length=128)]
    callee: Annotated[str, Field(min_length=1, max_length=128)]
    source: Annotated[str, Field(max_length=64, description="the address that it comes from, if known")] = ""


class ParseBody(Body):
    """A destination in any of its forms."""

    input: Annotated[str, Field(max_length=2048, examples=["tls://sbc.example.net"])]


class DiscoveryBody(Body):
    """What is to be discovered."""

    target: Annotated[str, Field(min_length=1, max_length=2048, examples=["sbc.example.net"])]
    ports: Annotated[list[Annotated[int, Field(ge=1, le=65535)]], Field(max_length=16)] = []
    transports: Annotated[list[Literal["udp", "tcp", "tls", "ws", "wss"]], Field(max_length=5)] = []


class CallBody(Body):
    """A test call: over a trunk, or as a number that has, or belongs to, an outbound."""

    trunk_id: Annotated[str, Field(max_length=64)] | None = None
    number_id: Annotated[str, Field(max_length=64)] | None = None
    to: Annotated[str, Field(max_length=128, description="whom; the number itself, if empty")] = ""
    caller: Annotated[str, Field(max_length=128, description="as whom; the number, or nobody, if empty")] = ""
    hold_seconds: Annotated[float, Field(ge=0, le=60)] = 2.0
    digits: Annotated[str, Field(max_length=64, description="keys to send once it is answered")] = ""


class KeyBody(Body):
    """A key to be made."""

    name: Name
    may_write: bool = True
