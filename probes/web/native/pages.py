"""Lists of the native interface, a page of each at a time, and what jobs look like in them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from probes.web.native.bodies import ProblemBody, ShownNumber, ShownTrunk

Next = Annotated[str | None, Field(description="`cursor` of the page behind this one; null on the last")]


class Trunks(BaseModel):
    """Trunks."""

    items: list[ShownTrunk]
    next: Next


class Numbers(BaseModel):
    """Numbers."""

    items: list[ShownNumber]
    next: Next


class Problems(BaseModel):
    """What is odd, the errors first."""

    problems: list[ProblemBody]


class Parsed(BaseModel):
    """A destination as it is understood; `valid` false, and why, for what is none."""

    valid: bool
    problem: str | None
    host: str | None
    port: int | None
    user: str | None
    transport: Literal["udp", "tcp", "tls", "ws", "wss"] | None
    private: bool | None
    uri: str | None


class Way(BaseModel):
    """Which way a call would take, and why."""

    direction: Literal["inbound", "outbound", "none"]
    steps: list[str]
    number_id: str | None
    trunk_id: str | None
    gateways: list[str]
    forward_to: str | None
    refusal: str | None


class Job(BaseModel):
    """What is done in the background."""

    id: str
    target: str
    state: Literal["running", "completed", "failed"]
    started_at: str
    completed_at: str | None
    error: Annotated[str | None, Field(description="why it could not be done here")]


class Discovery(Job):
    """A discovery. `result` is as `sipprobe discover --json` has it."""

    result: Annotated[dict[str, Any] | None, Field(json_schema_extra={"x-result": "discovery"})]


class Call(Job):
    """A test call. `result` is as `sipprobe call --json` has it, and `timeline` what happened by now."""

    trunk_id: str | None
    number_id: str | None
    progress: Literal["queued", "initiated", "ringing", "in-progress", "completed", "failed", "busy", "no-answer"]
    timeline: list[dict[str, Any]]
    result: Annotated[dict[str, Any] | None, Field(json_schema_extra={"x-result": "call"})]


class Discoveries(BaseModel):
    """Discoveries, newest first, without their results."""

    items: list[Job]
    next: Next


class CallInList(Job):
    """A test call, without its result."""

    trunk_id: str | None
    number_id: str | None
    progress: str


class Calls(BaseModel):
    """Test calls, newest first."""

    items: list[CallInList]
    next: Next


class Key(BaseModel):
    """What is known of a key."""

    id: str
    name: str
    may_write: bool
    created_at: str
    last_used_at: str | None
    revoked_at: str | None


class NewKey(Key):
    """A key that was just made. Nobody is told `key` again."""

    key: str


class Keys(BaseModel):
    """All keys of the tenant."""

    items: list[Key]


class Whoami(BaseModel):
    """Whose key it is."""

    tenant: str
    key_id: str
    may_write: bool
