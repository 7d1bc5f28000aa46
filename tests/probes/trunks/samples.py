"""Trunks and numbers, as values and by Hypothesis."""

from hypothesis import strategies as st

from probes.trunks.model import (
    CODECS,
    AlertTerms,
    Authentication,
    Credentials,
    Encryption,
    Failover,
    Gateway,
    HeaderKind,
    HeaderRule,
    Inbound,
    Json,
    Number,
    Outbound,
    Secret,
    Trigger,
    Trunk,
    UuiEncoding,
)
from sipcore.resolve.target import Transport

GATEWAY = Gateway("gw.example.net", 5061, Transport.TLS)
OUTBOUND = Outbound((GATEWAY,), Credentials("acme", Secret("correct horse battery")))
INBOUND = Inbound(allowed_addresses=("192.0.2.0/28",))
TRUNK = Trunk(name="carrier", inbound=INBOUND, outbound=OUTBOUND)
"""A trunk in which nothing is odd."""
NUMBER = Number(identity="+4930901820")

texts = st.text(st.characters(), max_size=12)
"""Any text, with surrogates and NUL."""
secrets = st.builds(Secret, texts)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | secrets
extras: st.SearchStrategy[dict[str, Json]] = st.dictionaries(
    texts,
    st.recursive(
        leaves, lambda each: st.lists(each, max_size=3) | st.dictionaries(texts, each, max_size=3), max_leaves=8
    ),
    max_size=3,
)
numbers = st.none() | st.floats(allow_nan=False)
credentials = st.builds(Credentials, texts, secrets, texts)
rules = st.builds(
    HeaderRule,
    kind=st.sampled_from(HeaderKind),
    key=texts,
    value=texts,
    passthrough=st.booleans(),
    target=texts,
    purpose=texts,
    content=texts,
    encoding=st.sampled_from(UuiEncoding),
)
alerts = st.builds(AlertTerms, st.booleans(), numbers, numbers, numbers, numbers, st.booleans(), st.booleans(), texts)
codecs = st.lists(st.sampled_from(CODECS) | texts, max_size=3).map(tuple)
gateways = st.builds(
    Gateway, texts, st.none() | st.integers(), st.none() | st.sampled_from(Transport), st.integers(-9, 9)
)
inbounds = st.builds(
    Inbound,
    authentication=st.sampled_from(Authentication),
    credentials=st.none() | credentials,
    allowed_addresses=st.lists(texts, max_size=2).map(tuple),
    encryption=st.sampled_from(Encryption),
    forward_to=texts,
    headers=st.lists(rules, max_size=2).map(tuple),
    codecs=codecs,
    transcodes=st.booleans(),
    alerts=st.none() | alerts,
)
outbounds = st.builds(
    Outbound,
    gateways=st.lists(gateways, max_size=3).map(tuple),
    credentials=st.none() | credentials,
    encryption=st.sampled_from(Encryption),
    headers=st.lists(rules, max_size=2).map(tuple),
    failover=st.builds(Failover, st.booleans(), st.frozensets(st.sampled_from(Trigger)), st.booleans()),
    codecs=codecs,
    transcodes=st.booleans(),
    alerts=st.none() | alerts,
)
trunks = st.builds(
    Trunk,
    name=texts,
    description=texts,
    provider=texts,
    inbound=st.none() | inbounds,
    outbound=st.none() | outbounds,
    extras=extras,
)
"""Trunks of any content, sound or not."""
some_numbers = st.builds(
    Number, label=texts, inbound=st.none() | inbounds, outbound=st.none() | outbounds, extras=extras
)
