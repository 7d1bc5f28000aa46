"""What the phone channel of watsonx Orchestrate takes and gives as JSON: bodies, with their limits and defaults.

Unknown keys are refused, as the vendor's client refuses them, so that a setting that is misspelt is told; an item of a
list is read without them, since clients read lists, edit them and send them back. Secrets are taken and never given.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from probes.web.ids import Id
from probes.web.words import ONE_LINE, HeaderName, Identity, Line, OptionalUri, Text, Timestamp

MAX_NAME = 64
MAX_DESCRIPTION = 1024


class ServiceProvider(StrEnum):
    """From whom calls come: a SIP trunk, or Genesys by a protocol of its own."""

    SIP_TRUNK = "sip_trunk"
    GENESYS = "genesys_audio_connector"


class _Body(BaseModel):
    """What is sent: unknown keys are refused, and errors do not quote what was given."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class _Item(BaseModel):
    """An item of a list that is sent: what is unknown in it is left out."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


Name = Annotated[Text, StringConstraints(min_length=1, max_length=MAX_NAME), ONE_LINE]
Description = Annotated[Text, StringConstraints(max_length=MAX_DESCRIPTION)]
Password = Annotated[SecretStr, Field(description="Taken and never given back; null or blank changes nothing.")]


class Security(_Body):
    """Who may call in, and how media is secured."""

    api_key: Password | None = None
    client_secret: Password | None = None
    secure_trunking: bool | None = Field(default=None, description="Media has to be SRTP.")
    authentication: bool | None = Field(default=None, description="Callers prove who they are by digest.")
    username: Line | None = Field(default=None, description="Blank removes it, and the password with it.")
    password: Password | None = None
    password_is_set: bool | None = Field(default=None, description="Told, and ignored where it is sent.")


class InviteHeader(_Item):
    """A header field to be taken out of the INVITE that comes in."""

    name: HeaderName


class TransferFailure(_Body):
    """What is said when a transfer fails, and whether the call ends then."""

    reply_message: Text | None = None
    disconnect_call: bool | None = None


class CallFailure(_Body):
    """What is said before the caller goes elsewhere."""

    reply_message: Text | None = None


class ErrorHandling(_Body):
    """What becomes of calls that fail: kept, and given back as it came."""

    fallback_sip_uri: OptionalUri | None = Field(default=None, description="sip:, sips: or tel:; blank removes it.")
    transfer_failure: TransferFailure | None = None
    call_failure: CallFailure | None = None


def _together(agent_id: Id | None, environment_id: Id | None) -> None:
    if (agent_id is None) != (environment_id is None):
        raise PydanticCustomError("agent_without_environment", "give agent_id and environment_id together, or neither")


class AttachedEnvironment(_Item):
    """An agent in one of its environments, as the vendor names them."""

    agent_id: Id
    environment_id: Id
    agent_name: Text | None = None
    environment_name: Text | None = None


class NumberItem(_Item):
    """A number in a list."""

    phone_number: Identity
    description: Description | None = None
    agent_id: Id | None = None
    environment_id: Id | None = None

    @model_validator(mode="after")
    def _check(self) -> "NumberItem":
        _together(self.agent_id, self.environment_id)
        return self


class CreateNumber(_Body):
    """A number of its own, to be added."""

    phone_number: Identity
    description: Description | None = None
    agent_id: Id | None = None
    environment_id: Id | None = None

    @model_validator(mode="after")
    def _check(self) -> "CreateNumber":
        _together(self.agent_id, self.environment_id)
        return self


class UpdateNumber(_Body):
    """What changes of a number; `phone_number` may be the one that it has."""

    phone_number: Identity | None = None
    description: Description | None = None
    agent_id: Id | None = None
    environment_id: Id | None = None

    @model_validator(mode="after")
    def _check(self) -> "UpdateNumber":
        _together(self.agent_id, self.environment_id)
        return self


class CreatePhone(_Body):
    """A new config. What is null has its default."""

    name: Name
    security: Security
    description: Description | None = None
    service_provider: ServiceProvider = ServiceProvider.SIP_TRUNK
    custom_invite_headers: list[InviteHeader] | None = None
    put_caller_on_hold_on_transfer: bool | None = True
    send_provisional_response: bool | None = True
    error_handling: ErrorHandling | None = None
    spec_version: Literal["v1"] | None = Field(default=None, description="As the vendor's client sends it; not kept.")
    kind: Literal["phone"] | None = Field(default=None, description="As the vendor's client sends it; not kept.")


class UpdatePhone(_Body):
    """What changes of a config: what is absent or null stays as it is."""

    name: Name | None = None
    description: Description | None = None
    service_provider: ServiceProvider | None = None
    security: Security | None = None
    attached_environments: list[AttachedEnvironment] | None = None
    custom_invite_headers: list[InviteHeader] | None = None
    put_caller_on_hold_on_transfer: bool | None = None
    send_provisional_response: bool | None = None
    error_handling: ErrorHandling | None = None
    phone_numbers: list[NumberItem] | None = None
    spec_version: Literal["v1"] | None = Field(default=None, description="As the vendor's client sends it; not kept.")
    kind: Literal["phone"] | None = Field(default=None, description="As the vendor's client sends it; not kept.")


class ShownSecurity(BaseModel):
    """Security as it is told: each secret is null."""

    api_key: None = None
    client_secret: None = None
    secure_trunking: bool = False
    authentication: bool = False
    username: str | None = None
    password: None = None
    password_is_set: bool = False


class ShownHeader(BaseModel):
    """A header field that is taken out of INVITEs."""

    name: str


class ShownNumber(BaseModel):
    """A number of a config."""

    phone_number: str
    description: str | None
    agent_id: Id | None
    environment_id: Id | None


class ShownNumbers(BaseModel):
    """The numbers of a config."""

    phone_numbers: list[ShownNumber]


class ShownPhone(BaseModel):
    """A config as it is told."""

    id: Id
    tenant_id: str
    name: str
    description: str | None
    service_provider: ServiceProvider
    security: ShownSecurity
    custom_invite_headers: list[ShownHeader]
    put_caller_on_hold_on_transfer: bool
    send_provisional_response: bool
    error_handling: dict[str, object]
    attached_environments: list[dict[str, object]]
    phone_numbers: list[ShownNumber]
    created_on: Timestamp
    created_by: str | None
    updated_at: Timestamp
    updated_by: str | None


class ShownPhones(BaseModel):
    """All configs of a tenant."""

    phones: list[ShownPhone]
