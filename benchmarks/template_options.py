"""How much does a prepared template save over building the same OPTIONS from typed values, for one new target?

Both begin with the same texts (host, branch, tag, Call-ID) and end with the same bytes, which is checked. The model is
an OPTIONS as a probe sends it, `fixtures/messages/options.sip`.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmarks.harness.measure import Benchmark, Contender
from benchmarks.peers.messages import VARIANTS, load
from sipcore.message.address import Address
from sipcore.message.build import Identity, Target, Template, request
from sipcore.message.fields.via import via_for
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.message.registry import CONTENT_LENGTH, VIA
from sipcore.message.uri import SipUri


class Texts(NamedTuple):
    """What is new about one target."""

    host: str
    branch: str
    tag: str
    call_id: str


TARGETS = [
    Texts(f"192.0.2.{n}", f"z9hG4bK-3f1c9a7e52d8{n:04x}", f"8a41c0f2{n:04x}", f"5d0e2f9b7c6a4e31{n:04x}")
    for n in range(VARIANTS)
]


def benchmarks() -> Iterator[Benchmark]:
    """One: the template as subject, typed values as its peer."""
    model = parse_message(load("options")[0].data)
    assert isinstance(model, Request)
    render, build = renderer(model), builder(model)
    assert all(render(texts) == build(texts) for texts in TARGETS)
    yield Benchmark("template.options", Contender("template", render), (Contender("typed values", build),), TARGETS)


def renderer(model: Request) -> Callable[[Texts], bytes]:
    """Renders by template."""
    template = Template(model)

    def render(texts: Texts) -> bytes:
        uri = f"sip:{texts.host}"
        return template.render(Target(uri, f"<{uri}>", texts.branch, texts.tag, texts.call_id))

    return render


def builder(model: Request) -> Callable[[Texts], bytes]:
    """Builds each request from typed values."""
    via, from_, cseq = model[VIA][0], model.from_, model.cseq.number
    put_by_builder = {"via", "max-forwards", "from", "to", "call-id", "cseq", CONTENT_LENGTH.key}
    fields = [(name, text) for name, text in model.headers if name.lower() not in put_by_builder]

    def build(texts: Texts) -> bytes:
        uri = SipUri(texts.host)
        identity = Identity(from_.with_tag(texts.tag), Address(uri), texts.call_id, cseq)
        return bytes(
            request(
                model.method,
                uri,
                identity,
                via=via_for(via.transport, via.host, via.port, texts.branch),
                fields=fields,
            )
        )

    return build
