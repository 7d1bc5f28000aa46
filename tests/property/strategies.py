"""Strategies for SIP: values that are right, and text and bytes that nearly are."""

import string

from hypothesis import strategies as st

from sipcore.grammar import quote
from sipcore.message.address import Address
from sipcore.message.fields.simple import CSeq
from sipcore.message.fields.via import Via
from sipcore.message.params import Params
from sipcore.message.uri import OtherUri, SipUri, TelUri, escape_header, escape_parameter, escape_user

TOKEN_CHARACTERS = string.ascii_letters + string.digits + "-.!%*_+`'~"

tokens = st.text(TOKEN_CHARACTERS, min_size=1, max_size=12)
safe_texts = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)
labels = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)
ports = st.none() | st.integers(0, 65535)


@st.composite
def host_names(draw: st.DrawFn) -> str:
    """Names by RFC 3261 §25.1: the last label begins with a letter, and a dot may follow."""
    inner = draw(st.lists(st.lists(labels, min_size=1, max_size=2).map("-".join), max_size=2))
    top = draw(st.sampled_from(string.ascii_letters)) + draw(st.text(string.ascii_letters + string.digits, max_size=5))
    return ".".join([*inner, top]) + draw(st.sampled_from(["", "."]))


hosts = host_names() | st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(lambda address: f"[{address}]")
generic_values = st.none() | tokens | safe_texts.map(quote) | st.ip_addresses(v=6).map(str)
generic_params = st.lists(st.tuples(tokens, generic_values), max_size=4).map(lambda items: Params(tuple(items)))
uri_names = (
    st.text(min_size=1, max_size=8)
    .map(escape_parameter)
    .filter(lambda name: name.lower() not in ("transport", "user", "method", "ttl", "maddr"))
)
uri_values = st.none() | st.text(min_size=1, max_size=8).map(escape_parameter)
uri_params = st.lists(st.tuples(uri_names, uri_values), max_size=3).map(lambda items: Params(tuple(items)))
uri_headers = st.lists(
    st.tuples(st.text(min_size=1, max_size=8).map(escape_header), st.text(max_size=8).map(escape_header)),
    min_size=1,
    max_size=3,
).map(lambda pairs: "&".join(f"{name}={content}" for name, content in pairs))

sip_uris = st.builds(
    SipUri,
    host=hosts,
    user=st.none() | st.text(min_size=1, max_size=10).map(escape_user),
    port=ports,
    params=uri_params,
    scheme=st.sampled_from(["sip", "sips"]),
    headers=st.none() | uri_headers,
)
global_numbers = st.builds("+{}{}".format, st.integers(1, 9), st.text("0123456789-.()", max_size=12))
tel_uris = st.builds(TelUri, number=global_numbers)
other_uris = st.builds(OtherUri, scheme=st.sampled_from(["urn", "http", "im"]), rest=st.text("abc:/.@1", min_size=1))
uris = sip_uris | tel_uris | other_uris

displays = st.just("") | safe_texts.map(quote) | st.lists(tokens, min_size=1, max_size=3).map(" ".join)
addresses = st.builds(Address, uri=uris, display=displays, params=generic_params)

via_params = st.builds(lambda branch: Params((("branch", branch), ("rport", None))), tokens)
vias = st.builds(Via, transport=st.sampled_from(["UDP", "TCP", "TLS"]), host=hosts, port=ports, params=via_params)
cseqs = st.builds(CSeq, number=st.integers(0, 2**31 - 1), method=tokens)

FRAGMENTS = [
    *[
        "INVITE ",
        "SIP/2.0",
        "sip:",
        "sips:",
        "tel:",
        "a",
        "b.c",
        "@",
        ":",
        ";",
        "=",
        ",",
        "?",
        "&",
        '"',
        "\\",
        "<",
        ">",
    ],
    *[
        "[",
        "]",
        "::1",
        "%41",
        "%",
        " ",
        "\t",
        "\r\n",
        "\r\n ",
        "\n",
        "\r",
        "\0",
        "\x07",
        "é",
        "\udcff",
        "5060",
        "0",
        "9" * 12,
    ],
    *["branch", "tag", "z9hG4bK", "rport", "lr", "*", "/", "UDP", "1 INVITE", "Via:", "v:", "To:", "From:", "Contact:"],
    *["CSeq:", "Call-ID:", "Content-Length:", "l:", "Max-Forwards:", "Route:", "Allow:", "X:", "(", ")", "_", "200 OK"],
]
near_texts = st.lists(st.sampled_from(FRAGMENTS), max_size=20).map("".join)
"""Text made of what SIP is made of, in no order."""
