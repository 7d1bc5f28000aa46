"""Kinds of values that the bodies of several contracts have, each with an error that says what to change.

Each reads what was sent into the form in which the model has it, so that what is shown is what is kept.
"""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, StringConstraints
from pydantic_core import PydanticCustomError

from probes.destination import DestinationError
from probes.trunks.admission import admission_problems
from probes.trunks.model import Gateway
from probes.trunks.number import NumberError, identity_of
from probes.trunks.problem import Gravity
from sipcore.errors import ParseError, quoted
from sipcore.grammar import is_token
from sipcore.message.uri import SipUri, TelUri, parse_uri

MAX_HEADER_NAME = 255
"""Characters of the name of a header field, as the model that is behind Diga has it."""
_is_line = re.compile(r"[^\x00-\x1f\x7f\x85\u2028\u2029]*+").fullmatch
_has_scheme = re.compile(r"(?:sips?|tel):|[a-z][a-z0-9+.\-]*+://", re.IGNORECASE).match


def refused(kind: str, message: str) -> PydanticCustomError:
    """The error of a value, its text as it is: pydantic would read braces in it."""
    return PydanticCustomError(kind, "{message}", {"message": message})


def _line(text: str) -> str:
    if not _is_line(text):
        raise refused("control_character", "leave out line breaks and other control characters")
    return text


def _identity(text: str) -> str:
    try:
        return identity_of(text)
    except NumberError as error:
        raise refused("phone_number", error.message) from None


def _header_name(text: str) -> str:
    if not is_token(text):
        raise refused("header_name", f"{quoted(text[:32])} is no name of a header field: give one as X-Case")
    return text


def _uri(text: str) -> str:
    if not text:
        return text
    try:
        uri = parse_uri(text)
    except ParseError as error:
        text = f"cannot read {quoted(error.covered_excerpt)}: {error.message}; give a URI as sip:ops@example.net"
        raise refused("uri", text) from None
    if not isinstance(uri, SipUri | TelUri):
        raise refused("uri", "give a URI that begins with sip:, sips: or tel:")
    if isinstance(uri, SipUri) and uri.password is not None:
        raise refused("uri", "leave out the password: whoever is sent there would read it")
    return text


def _termination(text: str) -> str:
    if _has_scheme(text):
        scheme = text.partition(":")[0]
        raise refused("termination_uri", f"leave out {scheme}: here; give a host or an IP address alone")
    found = next((each for each in "@;?/," if each in text), "")
    if found:
        raise refused("termination_uri", f"leave out {found!r} and what it is for; give a host or an IP address alone")
    try:
        gateway = Gateway.parse(text)
    except DestinationError as error:
        problem = error.message.partition("; ")[0]  # what else may stand there is of other places
        raise refused("termination_uri", f"{problem}; give a host or an IP address alone") from None
    return host_and_port(gateway)


def host_and_port(gateway: Gateway) -> str:
    """A gateway without its transport: `gw.example.net`, `192.0.2.1:5070`, `[2001:db8::1]:5060`, `2001:db8::1`."""
    if gateway.port is None:
        return gateway.host
    host = f"[{gateway.host}]" if ":" in gateway.host else gateway.host
    return f"{host}:{gateway.port}"


def _address_block(text: str) -> str:
    for problem in admission_problems((text,), ""):
        if problem.gravity is Gravity.ERROR:
            raise refused(problem.code, problem.text)
    return text


def _in_utc(when: datetime) -> datetime:
    try:
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except OverflowError:
        raise refused("out_of_range", "the time is before the year 1, or after 9999, in UTC") from None


def moment(at: float) -> datetime:
    """Seconds since 1970 as bodies have them."""
    return datetime.fromtimestamp(at, UTC)


ONE_LINE = AfterValidator(_line)
Text = Annotated[str, StringConstraints(strip_whitespace=True)]
"""A text without the white space around it, as the contracts' clients trim it. Secrets are none: they stay as given."""
Line = Annotated[Text, ONE_LINE]
"""A text of one line."""
Identity = Annotated[
    Text,
    AfterValidator(_identity),
    Field(description="A telephone number with + and country code, or an extension.", examples=["+15550100001"]),
]
"""The name of a number, in its one spelling."""
HeaderName = Annotated[Text, Field(max_length=MAX_HEADER_NAME, examples=["X-Case"]), AfterValidator(_header_name)]
OptionalUri = Annotated[Text, AfterValidator(_uri), Field(examples=["sip:ops@example.net"])]
"""A sip, sips or tel URI, or nothing in place of the one that was there."""
TerminationUri = Annotated[
    Text,
    AfterValidator(_termination),
    Field(description="A host or an IP address, with a port or without; no scheme.", examples=["gw.example.net"]),
]
"""A gateway as Diga has it."""
AddressBlock = Annotated[Text, AfterValidator(_address_block), Field(examples=["192.0.2.0/28"])]
"""An IP address, or a block of them."""
When = Annotated[datetime, AfterValidator(_in_utc)]
"""A moment in UTC, which is what one without a zone is taken for."""


def _blank_is_none(given: object) -> object:
    return None if given == "" else given


BLANK_IS_NONE = BeforeValidator(_blank_is_none)
"""For parameters of a query, which clients leave empty where they have nothing to say."""


def _spelled(when: datetime) -> str:
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


Timestamp = Annotated[datetime, PlainSerializer(_spelled, return_type=str)]
"""ISO 8601 in UTC, with `Z`."""
