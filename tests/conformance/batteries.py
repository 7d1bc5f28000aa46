"""The recorded servers' answers, by the requests that deep mode sends.

The battery that was sent to all of them has each of these requests, or one that differs in what does not matter here.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from probes.fingerprint.banners import banner_of, read_banner
from probes.fingerprint.evidence import Seen
from probes.fingerprint.signatures import Signature, Trait
from sipcore.errors import ParseError
from sipcore.message.message import Message, Request, Response
from sipcore.message.parser import parse_message
from tests.conformance.corpus import recorded

Show = Callable[[str], None]
SERVERS = {
    "asterisk": "Asterisk",
    "baresip": "baresip",
    "freeswitch": "FreeSWITCH",
    "kamailio": "Kamailio",
    "linphone": "Linphone",
    "opensips": "OpenSIPS",
    "repro": "repro",
    "sipp": "SIPp",
    "sippy": "Sippy B2BUA",
    "yate": "Yate",
}
"""What we call the products that were recorded, by how the archives' names begin."""
TESTS = {
    "options-mf0-udp": "no-hops",
    "options-require-udp": "extension",
    "options-totag-udp": "dialog",
    "options-compact-udp": "spelling",
    "options-timestamp-udp": "timestamp",
    "options-user-unknown-udp": "stranger",
    "options-scheme-udp": "scheme",
    "options-foreign-udp": "elsewhere",
    "m-foo-udp": "method",
    "register-ok-udp": "registrations",
}
"""The names of the recorded requests, and of the same ones in deep mode. A REGISTER is judged by its challenge alone,
which comes before anybody looks whether there is a Contact."""
PLAIN = ("options-udp", "options-tcp", "options-tls")
CHALLENGED = 401
_NAME = re.compile(
    r"(?P<archive>(?P<server>[a-z]+)[^/]*?(?P<version>[0-9.]+)(?P<stack>-chan_[a-z]+)?[^/]*)\.tar\.gz/"
    r".*/(?P<test>[a-z0-9-]*)\.(?P<number>[0-9]+)-(?P<label>[^/]*)\.sip"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One recorded response: to which request of which server's battery."""

    archive: str
    product: str
    """What wrote it: where a proxy relayed it, what is behind the proxy."""
    version: str
    stack: str
    """The program and, where it has several SIP stacks, which: versions of one can be compared."""
    test: str
    asked_tag: str | None
    """The To tag that the request had."""
    response: Response

    @property
    def name(self) -> str:
        """What it is told by."""
        return f"{self.archive} {self.test}"


@dataclass(frozen=True, slots=True)
class Battery:
    """What one server answered: to a plain OPTIONS by transport, and to the requests of deep mode by their names."""

    archive: str
    product: str
    version: str
    stack: str
    plain: dict[str, list[Response]]
    heard: dict[str, list[Response]]


@cache
def responses() -> tuple[Answer, ...]:
    """All recorded responses that can be read, in order, but for those that callers received."""
    return tuple(_responses())


def _responses() -> Iterator[Answer]:
    asked_tag = None
    for found, message in _messages():
        if isinstance(message, Request):
            asked_tag = message.to_tag
            continue
        stack = found["server"] + (found["stack"] or "")
        product = SERVERS[found["server"]]
        named = read_banner(banner_of(message)).product if isinstance(message, Response) else ""
        if named in SERVERS.values():
            product = named  # a proxy relays what somebody else wrote
        if isinstance(message, Response):
            yield Answer(found["archive"], product, found["version"], stack, found["test"], asked_tag, message)


@cache
def _messages() -> tuple[tuple[re.Match[str], Message], ...]:
    return tuple(_read_messages())


def _read_messages() -> Iterator[tuple[re.Match[str], Message]]:
    for name, data in recorded():
        found = _NAME.match(name)
        if found is None or found["server"] not in SERVERS or found["archive"].endswith("-uac"):
            continue
        try:
            message = parse_message(data)
            _ = message.to_tag
        except ParseError:
            continue
        if found["label"].startswith("sent-") == isinstance(message, Request):
            yield found, message


def answers() -> Iterator[Answer]:
    """The final answers to the recorded battery's OPTIONS, one for each request."""
    seen = set()
    for one in responses():
        if one.test.startswith("options") and one.name not in seen and not one.response.is_provisional:
            seen.add(one.name)
            yield one


def batteries() -> list[Battery]:
    """What each server answered; a request that it kept silent on is one that nothing was heard of."""
    made: dict[str, Battery] = {}
    for found, message in _messages():
        stack, product = found["server"] + (found["stack"] or ""), SERVERS[found["server"]]
        new = Battery(found["archive"], product, found["version"], stack, {}, {})
        battery = made.setdefault(found["archive"], new)
        ask = TESTS.get(found["test"])
        if isinstance(message, Response) and found["test"] in PLAIN:
            battery.plain.setdefault(found["test"], []).append(message)
        elif ask == "registrations":
            if isinstance(message, Response) and message.status == CHALLENGED and ask not in battery.heard:
                battery.heard[ask] = [message]
        elif ask:
            heard = battery.heard.setdefault(ask, [])
            if isinstance(message, Response):
                heard.append(message)
    return [battery for battery in made.values() if battery.plain]


def without_banner(response: Response) -> Response:
    """A response as its server sends it where it hides what it is."""
    return response.without("Server").without("User-Agent")


def share(part: int, whole: int) -> str:
    """A figure as it is printed."""
    return f"{part}/{whole} = {part / whole:.1%}"


def shown_by(signature: Signature, product: str, seen: Sequence[Seen]) -> Signature:
    """A product's signature less the traits that none of these messages shows; other products' as they are."""
    if signature.product != product:
        return signature
    shapes = tuple(
        replace(shape, traits=tuple(trait for trait in shape.traits if is_shown(trait, seen)))
        for shape in signature.shapes
    )
    return replace(signature, shapes=shapes)


def is_shown(trait: Trait, seen: Sequence[Seen]) -> bool:
    return any(trait.pattern.fullmatch(text) for one in seen for text in _texts(one, trait.feature))


def _texts(seen: Seen, feature: str) -> tuple[str, ...]:
    found = seen.get(feature, ())
    return (found,) if isinstance(found, str) else found
