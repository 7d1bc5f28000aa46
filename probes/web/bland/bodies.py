"""What clients send: one class for each body, with the limits that can be told without knowing what is stored."""

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from probes.web.bland.header_map import AnyHeaders, Body, Direction, HeaderMap

MAX_NUMBERS = 100
"""That one request attaches."""
Identity = Annotated[str, Field(min_length=1, max_length=160, description="+15550100001, or another name as 2001")]
Endpoint = Annotated[str, Field(min_length=1, max_length=512, description="sip:gw.example.net:5061, or a host")]
Host = Annotated[str, Field(min_length=1, max_length=512)]
Port = Annotated[int, Field(ge=1, le=65535)]
Transport = Literal["udp", "tcp", "tls"]
AuthMode = Literal["ip", "register"]
Username = Annotated[str, Field(min_length=1, max_length=256)]
Password = Annotated[SecretStr, Field(min_length=1, max_length=256)]
RegisterPassword = Annotated[SecretStr, Field(min_length=8, max_length=256)]
"""Eight characters at least, as many as stand for one that is not shown."""
Amount = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class RegisterAuth(Body):
    """What a PBX registers with."""

    username: Username
    password: RegisterPassword


class Account(Body):
    """By what challenges are answered."""

    sip_username: Username | None = None
    sip_password: Password | None = None
    sip_realm: Annotated[str, Field(max_length=256)] | None = None


class Options(Account):
    """Details of a direction."""

    port: Port | None = None
    transport: Transport | None = None
    secure_media: bool | None = None


class InboundOptions(Options):
    """Likewise, with what reads show among the options of calls that come in."""

    auth_mode: AuthMode | None = None


class InboundDirection(Body):
    """Calls that come in."""

    type: Literal["inbound"]
    auth_mode: AuthMode | None = Field(default=None, description="ip where nothing is said")
    register_auth: RegisterAuth | None = None
    sip_endpoint: Endpoint | None = Field(default=None, description="where calls are forwarded to")
    headers: HeaderMap | None = None
    options: InboundOptions | None = None

    @model_validator(mode="after")
    def _directed(self) -> Self:
        _require_direction(self.headers, self.type)
        return self


class OutboundDirection(Body):
    """Calls that go out."""

    type: Literal["outbound"]
    sip_endpoint: Endpoint | None = None
    headers: HeaderMap | None = None
    options: Options | None = None

    @model_validator(mode="after")
    def _directed(self) -> Self:
        _require_direction(self.headers, self.type)
        return self


def _require_direction(headers: HeaderMap | None, direction: Direction) -> None:
    if headers is not None and headers.direction != direction:
        raise ValueError(f"headers.direction is {headers.direction}, and stands in {direction}: make both the same")


AnyDirection = Annotated[InboundDirection | OutboundDirection, Field(discriminator="type")]


class Attach(Body):
    """POST /attach."""

    phone_number: Identity | None = None
    phone_numbers: Annotated[list[Identity], Field(min_length=1, max_length=MAX_NUMBERS)] | None = None
    directions: Annotated[list[AnyDirection], Field(min_length=1, max_length=2)]
    service: Literal["sip"]
    trunk_id: Annotated[str, Field(max_length=64)] | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.phone_number is None) == (self.phone_numbers is None):
            raise ValueError("give exactly one of phone_number and phone_numbers")
        types = [each.type for each in self.directions]
        if len(set(types)) < len(types):
            raise ValueError(f"directions has {types[0]} twice: give each once")
        return self

    @property
    def given_numbers(self) -> list[str]:
        """Those of either spelling."""
        return [self.phone_number] if self.phone_number is not None else list(self.phone_numbers or ())


class Update(Body):
    """POST /update."""

    phone_number: Identity
    updates: AnyDirection


class DetachedDirection(Body):
    """One that is to go."""

    type: Direction


class Detach(Body):
    """POST /detach."""

    phone_number: Identity
    directions: Annotated[list[DetachedDirection], Field(min_length=1, max_length=10)]
    service: Literal["sip"]


class ParseDestination(Body):
    """POST /parse-destination."""

    input: Annotated[str, Field(max_length=2048)]


class Discover(Body):
    """POST /discover."""

    host: Host
    port: Port | None = None
    transport: Transport | None = None


class TestCall(Body):
    """POST /test-call. `to` is ours: whom to call where that is not the number itself."""

    __test__ = False  # to pytest, which looks at names

    phone_number: Identity
    to: Annotated[str, Field(min_length=1, max_length=128)] | None = None


class FailoverEndpoint(Body):
    """Another gateway."""

    host: Host
    port: Port | None = None
    transport: Transport | None = None
    priority: Annotated[int, Field(ge=0, le=1000)] = 1


class FailoverConfig(Body):
    """When calls take another gateway, and which."""

    enabled: bool | None = None
    endpoints: Annotated[list[FailoverEndpoint], Field(max_length=16)] | None = None
    triggers: Annotated[list[Literal["unreachable", "auth_failure", "timeout"]], Field(min_length=1)] | None = None
    failback: Literal["auto", "manual"] | None = None


class CodecConfig(Body):
    """Which codecs, by preference."""

    codecs: list[Literal["PCMU", "PCMA", "G.729", "Opus", "G.722"]] | None = None
    transcode: bool | None = None


class Thresholds(Body):
    """What is worth an alert."""

    unreachable_minutes: Amount | None = None
    failure_rate_percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    failure_rate_window_minutes: Amount | None = None
    response_time_ms: Amount | None = None


class Channels(Body):
    """Who is told."""

    email: bool | None = None
    sms: bool | None = None
    webhook: Annotated[str, Field(max_length=2048)] | None = None


class AlertConfig(Body):
    """When somebody is told, and how."""

    enabled: bool | None = None
    thresholds: Thresholds | None = None
    channels: Channels | None = None


class Config(Body):
    """PATCH /config. `options` is ours: by it the password is sent again that further gateways are to be given, too."""

    phone_number: Identity
    direction: Direction
    failover_config: FailoverConfig | None = None
    codec_config: CodecConfig | None = None
    alert_config: AlertConfig | None = None
    options: Account | None = None


Name = Annotated[str, Field(min_length=1, max_length=128)]
Provider = Annotated[str, Field(max_length=64, description="a label, as twilio, telnyx, bandwidth or custom")]


class NewTrunk(Body):
    """POST /trunks."""

    name: Name
    provider: Provider | None = None
    direction: Literal["inbound", "outbound", "both"]
    sip_endpoint: Endpoint | None = None
    auth_mode: AuthMode | None = None
    register_auth: RegisterAuth | None = None
    headers: AnyHeaders | None = None


class TrunkChange(Body):
    """PATCH /trunks/{trunk_id}."""

    name: Name | None = None
    provider: Provider | None = None
    sip_endpoint: Endpoint | None = None
    auth_mode: AuthMode | None = None
    register_auth: RegisterAuth | None = None
    headers: AnyHeaders | None = None
