"""What is asked of DNS to locate SIP servers, and what it answers: RFC 2782, RFC 3403, as values."""

from enum import Enum

from sipcore.value import value


class RecordType(Enum):
    """A kind of DNS record that locating a SIP server needs."""

    NAPTR = "NAPTR"
    SRV = "SRV"
    A = "A"
    AAAA = "AAAA"


@value
class Question:
    """One thing to ask of DNS."""

    type: RecordType
    name: str

    def __str__(self) -> str:
        return f"{self.type.value} {self.name}"


@value
class Naptr:
    """A NAPTR record (RFC 3403 §4.1); `replacement` without its final dot."""

    order: int
    preference: int
    flags: str
    service: str
    regexp: str
    replacement: str

    def __str__(self) -> str:
        texts = f'"{self.flags}" "{self.service}" "{self.regexp}"'
        return f"{self.order} {self.preference} {texts} {self.replacement}."


@value
class Srv:
    """An SRV record (RFC 2782); `target` without its final dot, empty where the record says `.`."""

    priority: int
    weight: int
    port: int
    target: str

    def __str__(self) -> str:
        return f"{self.priority} {self.weight} {self.port} {self.target}."


@value
class Address:
    """An A or AAAA record: an IP address in text form."""

    host: str

    def __str__(self) -> str:
        return self.host


Record = Naptr | Srv | Address


@value
class Answer:
    """The records that answer a question. `ttl` is in seconds; `source` says who told (DNS, or a hosts file)."""

    question: Question
    records: tuple[Record, ...]
    ttl: float = 0.0
    source: str = "DNS"


class LookupFault(Enum):
    """Why a question got no records: each is a different story for the user."""

    NXDOMAIN = "the name does not exist"
    NODATA = "the name has no such record"
    SERVFAIL = "the name server failed"
    REFUSED = "the name server refused to answer"
    TRUNCATED = "the answer is cut off, and does not come over TCP"
    TIMED_OUT = "no name server answered"
    UNREACHABLE = "no name server can be reached"
    INVALID_NAME = "the name is not one that DNS can hold"
    NOT_ASKED = "this machine has nothing left to ask with"
    """No descriptor or memory: no answer about the domain at all, so that nothing follows from it."""


@value
class LookupFailure:
    """A question that got no records, and why; `detail` is what the resolver said about it."""

    question: Question
    fault: LookupFault
    detail: str = ""

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.question}: {self.fault.value}{detail}"


Result = Answer | LookupFailure
