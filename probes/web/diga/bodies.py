"""What Diga takes and gives as JSON: bodies and queries, with their limits and defaults.

Unknown keys are refused: a list of allowed addresses whose name is misspelt would protect nothing. Passwords are taken
and never given.
"""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from probes.web.ids import Id
from probes.web.words import (
    BLANK_IS_NONE,
    ONE_LINE,
    AddressBlock,
    Identity,
    Line,
    TerminationUri,
    Text,
    Timestamp,
    When,
    refused,
)

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


class Provider(StrEnum):
    """Where a number comes from: bought from Diga's carrier, or imported."""

    NETELIP = "netelip"
    CUSTOM = "custom"


class Status(StrEnum):
    """How far a number is: held, with a company, given back (30 days before it is sold again), gone."""

    RESERVED = "reserved"
    ASSIGNED = "assigned"
    RELEASED = "released"
    FINISHED = "finished"


class Order(StrEnum):
    """Of a list: oldest first, or newest first."""

    ASC = "asc"
    DESC = "desc"


class MediaEncryption(StrEnum):
    """SRTP."""

    DISABLE = "disable"
    ALLOW = "allow"
    REQUIRE = "require"


class _Body(BaseModel):
    """What is sent: unknown keys are refused, and errors do not quote what was given."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


Username = Annotated[Text, StringConstraints(min_length=1), ONE_LINE]
Password = Annotated[SecretStr, Field(min_length=1, description="Taken and never given back.")]


class Termination(_Body):
    """Where calls go out to, and who they are from there."""

    termination_uri: TerminationUri | None = None
    username: Username | None = None
    password: Password | None = None


class InboundConfig(_Body):
    """Calls that come in. What is absent or null stays."""

    media_encryption: MediaEncryption | None = None
    allowed_addresses: list[AddressBlock] | None = Field(
        default=None, description="IP addresses and CIDR blocks; an empty list lets nobody in by address."
    )


class OutboundConfig(Termination):
    """Calls that go out. What is absent or null stays."""

    media_encryption: MediaEncryption | None = None


class ImportPhone(_Body):
    """A number of one's own, with the trunk that it is reached by."""

    phone_number: Identity
    nickname: Line | None = None
    sip_config: Termination | None = Field(default=None, description="Absent for a number that only takes calls.")
    inbound_config: InboundConfig | None = None
    outbound_config: OutboundConfig | None = Field(default=None, description="As sip_config; give one of the two.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.sip_config is not None and self.outbound_config is not None:
            raise refused("two_configs", "give sip_config or outbound_config, not both: they say the same")
        return self


class UpdatePhone(_Body):
    """What changes of a phone: what is absent stays, and null takes away."""

    nickname: Line | None = None
    inbound_version_id: Id | None = None
    outbound_version_id: Id | None = None
    inbound_agent_id: Id | None = Field(default=None, description="Whose version it is; itself if absent.")
    outbound_agent_id: Id | None = Field(default=None, description="Whose version it is; itself if absent.")


class UpdateSipConfig(_Body):
    """What changes of a phone's trunk: what is absent or null stays."""

    inbound_config: InboundConfig | None = None
    outbound_config: OutboundConfig | None = None


class ListQuery(BaseModel):
    """Which phones are listed, and which page of them."""

    model_config = ConfigDict(hide_input_in_errors=True)

    after: Annotated[Id | None, BLANK_IS_NONE] = Field(default=None, description="The last id of the page before.")
    before: Annotated[Id | None, BLANK_IS_NONE] = Field(default=None, description="The first id of the page behind.")
    page: Annotated[int | None, BLANK_IS_NONE] = Field(default=None, ge=1)
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    order: Order = Field(default=Order.DESC, description="By the time of assignment.")
    inbound_agent_id: Annotated[Id | None, BLANK_IS_NONE] = None
    outbound_agent_id: Annotated[Id | None, BLANK_IS_NONE] = None
    status: Annotated[Status | None, BLANK_IS_NONE] = None
    start_assigned_at: Annotated[When | None, BLANK_IS_NONE] = Field(default=None, description="Or later.")
    end_assigned_at: Annotated[When | None, BLANK_IS_NONE] = Field(default=None, description="Or earlier.")


class ShownSipConfig(BaseModel):
    """The trunk of a phone, as it is told."""

    termination_uri: str | None
    username: str | None
    inbound_media_encryption: MediaEncryption
    outbound_media_encryption: MediaEncryption
    allowed_addresses: list[str] | None


class Phone(BaseModel):
    """A phone, as it is told (PhoneRegisterResponseSchema)."""

    id: Id
    number: str
    telephony_provider: Provider
    status: Status
    nickname: str | None
    released_at: Timestamp | None
    scheduled_release_at: Timestamp | None
    assigned_at: Timestamp | None
    inbound_agent_id: Id | None
    outbound_agent_id: Id | None
    inbound_version_id: Id | None
    outbound_version_id: Id | None
    sip_config: ShownSipConfig | None


class PhonePage(BaseModel):
    """A page of phones."""

    data: list[Phone]
    has_more: bool
    first_id: Id | None
    last_id: Id | None
    current_page: int | None
    total_pages: int | None
