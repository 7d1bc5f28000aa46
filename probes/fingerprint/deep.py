"""Deep mode: a few odd but legal requests, at most one of each, and what the answers to them say of the product.

None of them calls anybody, changes anything, or carries credentials; each is well-formed by RFC 3261, and may all the
same be written to a log that somebody reads, so that deep mode is for those who ask for it. What a program does with
them is decided by its code more than by its configuration: which rules it checks at all, in which words it refuses, how
much of the request's spelling it copies.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile

from probes.fingerprint.banners import banner_of
from probes.fingerprint.evidence import Evidence, Seen, observe
from probes.fingerprint.identify import identify
from probes.fingerprint.signatures import reaction
from probes.result import System, received_in
from sipcore.errors import ParseError
from sipcore.message.address import Address
from sipcore.message.build import DEFAULT_MAX_FORWARDS, Fields, Identity
from sipcore.message.build import request as build_request
from sipcore.message.headers import Headers
from sipcore.message.message import Request, Response
from sipcore.message.method import OPTIONS, REGISTER
from sipcore.message.parser import parse_message
from sipcore.message.uri import OtherUri, Place, SipUri, Uri
from sipcore.resolve.target import SocketAddress
from sipcore.tokens import MAGIC_COOKIE, Tokens
from sipcore.trace import TraceRecord
from sipcore.value import value

NOBODY = "nosuch"
"""A user that no sensible server knows."""
ELSEWHERE = "foreign.invalid"
"""A domain that is nobody's and never will be (RFC 6761 §6.4): what is relayed there ends at once."""
UNKNOWN_METHOD = "FOO"
UNKNOWN_EXTENSION = "foo"
UNKNOWN_TAG = "abc"
TIMESTAMP = "54"
"""In seconds, of no clock (RFC 3261 §20.38)."""
_SPELLINGS = {"From": "f ", "To": "t ", "Call-ID": "i ", "CSeq": "cSEQ ", "Content-Length": "l "}
_SHARED = 4
"""Characters that two tags have in common, from their beginning, when that is no coincidence."""
_NORMAL = ("order", "spacing", "names")
"""Features that tell nothing of a message whose request was spelled in an odd way."""

Heard = Mapping[str, Sequence[Response]]
"""All responses to each request by its name, in order, the provisional ones too; none where nothing came back."""


@value
class Sender:
    """Who asks, and what identifies each request: `from_` gets a tag; `product` is the User-Agent, if any."""

    from_: Address
    tokens: Tokens
    product: str = ""


@value
class Ask:
    """One request of deep mode: why it is sent, and the section of RFC 3261, or of another, that makes it legal."""

    name: str
    request: Request
    why: str
    section: str
    contact: bool = True
    """Whether it needs a Contact, or usually has one; what registers nothing must have none (RFC 3261 §10.2.3)."""


def plan(uri: SipUri, sender: Sender) -> tuple[Ask, ...]:
    """What to ask a server that has answered at `uri`: whom that names does not matter, but for its registrations.

    The requests have no Via and no Contact yet. Repeating one over UDP (RFC 3261 §17.1.2.2) makes no second request.
    """
    make = _Maker(sender)
    return (*_for_the_server(_at(uri), make), *_for_others(uri, make))


def _at(uri: SipUri, user: str | None = None) -> SipUri:
    """Somebody at the same server, or the server itself."""
    return uri.replace(user=user, password=None, headers=None, text="")


def _for_the_server(itself: SipUri, make: "_Maker") -> tuple[Ask, ...]:
    """OPTIONS for the server itself, each with one oddity."""
    return (
        Ask(
            "no-hops",
            make(OPTIONS, itself, max_forwards=0),
            "may go no further: proxies count hops before they look who is meant, others do not count",
            "RFC 3261 §16.3",
        ),
        Ask(
            "extension",
            make(OPTIONS, itself, fields=[("Require", UNKNOWN_EXTENSION)]),
            "needs an extension that nobody has: it must be refused with 420, and seldom is",
            "RFC 3261 §8.2.2.3",
        ),
        Ask(
            "dialog",
            make(OPTIONS, itself, to=Address(itself.fitted_to(Place.TO)).with_tag(UNKNOWN_TAG)),
            "belongs to a dialog that the server does not have",
            "RFC 3261 §12.2.2",
        ),
        Ask(
            "spelling",
            _respelled(make(OPTIONS, itself)),
            "has compact and oddly written names, and no field that is optional: some copy names as they came",
            "RFC 3261 §7.3.1",
            contact=False,
        ),
        Ask(
            "timestamp",
            make(OPTIONS, itself, fields=[("Timestamp", TIMESTAMP)]),
            "asks how long the answer took: some send a 100 because of it",
            "RFC 3261 §8.2.6.1",
        ),
    )


def _for_others(uri: SipUri, make: "_Maker") -> tuple[Ask, ...]:
    """Requests for somebody, something or somewhere that a server does not know, and for its registrations."""
    itself, nobody = _at(uri), _at(uri, NOBODY)
    whose = SipUri(uri.host, uri.user or NOBODY, scheme=uri.scheme)
    return (
        Ask("stranger", make(OPTIONS, nobody), "is for a user that is not known", "RFC 3261 §11.2"),
        Ask(
            "scheme",
            make(OPTIONS, OtherUri("foo", "bar"), to=Address(itself.fitted_to(Place.TO))),
            "has a Request-URI of a scheme that nobody knows",
            "RFC 3261 §8.2.2.1",
        ),
        Ask(
            "elsewhere",
            make(OPTIONS, SipUri(ELSEWHERE, NOBODY)),
            "is for a domain that does not exist: proxies say so in their own words",
            "RFC 3261 §16.4",
        ),
        Ask(
            "method",
            make(UNKNOWN_METHOD, nobody),
            "has a method that nobody knows: user agents refuse it, proxies look for the user",
            "RFC 3261 §8.2.1",
        ),
        Ask(
            "registrations",
            make(REGISTER, whose.replace(user=None, port=uri.port), to=Address(whose)),
            "asks what is registered, without credentials, and registers nothing: challenges have many shapes",
            "RFC 3261 §10.2.3",
            contact=False,
        ),
    )


class _Maker:
    """Makes requests of one sender."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._product: Fields = [("User-Agent", sender.product)] if sender.product else []

    def __call__(
        self,
        method: str,
        uri: Uri,
        *,
        to: Address | None = None,
        fields: Fields = (),
        max_forwards: int = DEFAULT_MAX_FORWARDS,
    ) -> Request:
        tokens = self._sender.tokens
        # RFC 3261 §10.2: who registers for himself has the same address in From and To.
        from_ = to if method == REGISTER and to is not None else self._sender.from_
        fitted = uri.fitted_to(Place.TO) if isinstance(uri, SipUri) else uri
        identity = Identity(from_.with_tag(tokens.tag()), to or Address(fitted), tokens.call_id())
        return build_request(method, uri, identity, fields=[*fields, *self._product], max_forwards=max_forwards)


def _respelled(request: Request) -> Request:
    """The same request with some names in the compact form, in odd capitals, and with a blank behind them."""
    items = request.headers.raw_items()
    lines = [f"{_SPELLINGS.get(name, name)}:{content}" for name, content in items]
    return request.with_headers(Headers(lines, [name.lower() for name, _ in items]))


def heard_in(records: Iterable[TraceRecord]) -> tuple[Response, ...]:
    """The responses in what was seen of one request, in order, without those that came twice."""
    found: dict[bytes, Response] = {}
    for record in received_in(records):
        if record.data not in found:
            try:
                message = parse_message(record.data)
            except ParseError:
                continue
            if isinstance(message, Response):
                found[record.data] = message
    return tuple(found.values())


def identify_deeply(plain: Sequence[Response], heard: Heard, remote: SocketAddress | None = None) -> System:
    """What the answers to a plain OPTIONS and to the requests of deep mode show the endpoint at `remote` to be.

    A request whose name is not in `heard` was not sent; one without a response was met with silence.
    """
    answers = [*plain, *(response for responses in heard.values() for response in responses)]
    banners = (banner_of(response) for response in answers)
    return identify(observe_deeply(plain, heard, remote), next(filter(None, banners), ""))


def observe_deeply(plain: Sequence[Response], heard: Heard, remote: SocketAddress | None = None) -> Seen:
    """The features of all answers together, and those of each reaction under its own name."""
    together: dict[str, list[str]] = {}
    told: dict[str, str] = {}
    for response in plain:
        _add(together, observe(response, remote))
    for ask, responses in heard.items():
        told[reaction(ask, "status-line")] = told[reaction(ask, "provisional")] = ""
        for response in responses:
            evidence = observe(response, remote, UNKNOWN_TAG if ask == "dialog" else None)
            if response.is_provisional:
                told[reaction(ask, "provisional")] = evidence["status-line"]
            told.update({reaction(ask, name): text for name, text in evidence.items()})
            _add(together, evidence, without=_NORMAL if ask == "spelling" else ())
    if heard:
        together["tag-prefix"] = _shared(together.get("to-tag", ()))
    return {name: tuple(texts) for name, texts in together.items()} | told


def _add(together: dict[str, list[str]], evidence: Evidence, without: Iterable[str] = ()) -> None:
    for name in evidence.keys() - set(without):
        together.setdefault(name, []).append(evidence[name])


def _shared(tags: Iterable[str]) -> list[str]:
    """What tags have in common: some programs make a part of them once, when they start."""
    groups: dict[str, list[str]] = {}
    for tag in filter(None, tags):
        if not tag.startswith(MAGIC_COOKIE):  # the request's own branch, which says nothing of the server
            groups.setdefault(tag[:_SHARED], []).append(tag)
    return [_beginning(min(found), max(found)) for found in groups.values() if len(found) > 1] or [""]


def _beginning(first: str, last: str) -> str:
    """What the first and the last of several texts in a row begin with, and so all of them do."""
    return "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
