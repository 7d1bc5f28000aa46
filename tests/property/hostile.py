"""Header fields as a hostile peer may write them: quoted-pairs of anything, bytes that are no UTF-8, and far too much.

Most are well formed enough to get past the parser: what is above it has to deal with them. Text stands for bytes as
`surrogateescape` has it.
"""

from hypothesis import strategies as st

from tests.sipcore.wire import ALICE, BOB

OLD = "{}"
"""What stood in the header field before."""
HUGE = 3000
"""Characters: a field that is long, in a message that is not too large for a datagram."""

pieces = st.sampled_from(
    [
        *["\\\0", "\\\x01", "\\\r", "\\\x7f", '\\"', "\\\\", "\\\udcff", "\\é"],
        *["\x01", "\x7f", "\t", "\udcc3", "\udcff", "é", "a", " ", ",", ";", "=", "<", ">", "@", "%00", "x" * HUGE],
    ]
)
quoted = st.sampled_from(['"\\\0"', '"a\\\0b"', '"\\\x01\\\x7f"', '"\udcff"']) | st.lists(pieces, max_size=4).map(
    lambda found: f'"{"".join(found)}"'
)
numbers = st.sampled_from(
    [
        *["0", "1", "2", "7", "89", "90", "7200", "2147483647", "2147483648", "4294967295", "4294967296", "9" * HUGE],
        *["-1", "1.5", "1e9", "nan", "inf", "0x1", "1_0", "٣", "", "x", "\udcff", '"1"'],
    ]
)
odd = st.sampled_from(
    ["", "?", "@", "*", ",", ";", "<", "<>", '"', "()", "=", "\0", "\udcff", "a b", "," * 200, "=" * 9]
)
values = st.none() | quoted | numbers | st.sampled_from(["", "a", "%00", "[::1]", "192.0.2.9", "true", "uac", "uas"])
names = st.sampled_from(
    [
        *["tag", "branch", "rport", "received", "maddr", "lr", "q", "expires", "+sip.instance", "reg-id", "ob", "x"],
        *["to-tag", "from-tag", "early-only", "refresher", "reason", "retry-after", "id", "duration", "cause", "text"],
        *["handling", "boundary", "transport", "method", "\udcff"],
    ]
)
params = st.lists(st.builds(lambda name, text: f";{name}" if text is None else f";{name}={text}", names, values))
some_params = params.map("".join) | st.just(";x=y" * 100) | st.just("")
uris = st.sampled_from(
    [
        *[f"sip:{ALICE}", f"sip:b@{BOB}", f"sip:b@{BOB};lr", f"sips:b@{BOB}", "sip:192.0.2.9;lr", "sip:192.0.2.9"],
        *["sip:h;maddr=192.0.2.8", "sip:h;maddr=\udcff", "sip:h;transport=tcp", "sip:h;transport=zz", "sip:h;ttl=999"],
        *["sip:%00@h", "sip:%FF%C3@h", "sip:a:%0d%0a@h", "sip:\udcff@h", "sip:a@h;%00=%00", "sip:a@h;method=BYE"],
        *["sip:a@h?Route=%3Csip:x%3E", "sip:a@h?Replaces=%00%3Bto-tag%3D1", "sip:a@h?body=%00", "sip:h?\udcff=\udcff"],
        *["sip:[::1]", "sip:[::ffff:192.0.2.1]:1;lr", "sip:[", "sip:h:0", "sip:h:99999", "sip:", "sip:h.", "sip:.."],
        *["tel:+1", "tel:1;phone-context=%00", "urn:service:sos", "http://h/\udcff", "x:", "*", "", "\0"],
        *["sip:" + "a" * HUGE + "@h", "sip:h" + ";a=b" * 300, "sip:" + "h." * 200 + "h"],
    ]
)
displays = quoted | st.sampled_from(["", "", "a b", "é", "\udcff", "*", '"'])
good_uris = st.sampled_from([f"sip:b@{BOB}", f"sip:{ALICE};lr", "sip:192.0.2.9;lr", "sip:192.0.2.9"])
name_addrs = st.builds(
    lambda display, uri, more: f"{display} <{uri}>{more}", displays, good_uris | uris, st.just("") | some_params
)
addresses = name_addrs | name_addrs | uris
address_lists = addresses | st.lists(addresses, max_size=4).map(", ".join) | st.just(", ".join(["<sip:h;lr>"] * 140))
wrapped = (
    st.builds(lambda display: f"{display} {OLD}", quoted)
    | st.builds(lambda display, more: f"{display} {OLD}{more}", displays, some_params)
    | st.just(f"{OLD}, {OLD}")
)
"""The value that was there, which still leads to its transaction or dialog, with something around it."""

schemes = st.sampled_from(["Digest", "digest", "Basic", "Bearer", "Digest\t", "\udcff", ""])
auth_names = st.sampled_from(
    [
        *["realm", "realm", "nonce", "nonce", "opaque", "qop", "algorithm", "stale", "domain", "charset", "userhash"],
        *["nextnonce", "rspauth", "cnonce", "nc", "username", "uri", "response", "x"],
    ]
)
auth_values = (
    quoted
    | numbers
    | st.sampled_from(
        ["MD5", "SHA-256", "MD5-sess", "auth", '"auth"', '"auth,auth-int"', '"auth-int"', "true", "UTF-8"]
    )
)
auth_params = st.builds("{}={}".format, auth_names, auth_values)
auth_lists = st.lists(auth_params, max_size=6).map(", ".join)
credentials = st.builds(lambda scheme, items: f"{scheme} {items}", schemes, auth_lists)
challenges = credentials | st.builds(
    lambda realm, nonce, items: ", ".join([f"Digest realm={realm}", f"nonce={nonce}", *items]),
    quoted,
    quoted,
    st.lists(auth_params, max_size=3),
)
"""Half of them those that can be answered, if anything in them can."""

words = st.sampled_from(
    ["100rel", "timer", "replaces", "outbound", "path", "INVITE", "UPDATE", "refer", "SIP", "\udcff"]
)
word_lists = st.lists(words | odd | quoted, max_size=4).map(", ".join)
keyed = st.builds(lambda word, more: f"{word}{more}", words | odd | numbers | quoted, some_params)
sequences = st.lists(numbers | words, max_size=4).map(" ".join)
dialogs = st.builds(
    lambda name, more: f"{name}{more}", st.sampled_from(["call-1", "192.0.2.1-0", OLD, "\udcff"]), some_params
)


def field(found: st.SearchStrategy[str], *names: str) -> st.SearchStrategy[tuple[str, str]]:
    """Header fields of these names."""
    return st.tuples(st.sampled_from(names), found)


of_routes = field(address_lists, "Contact", "Contact", "Record-Route", "Record-Route", "Route", "Path", "Service-Route")
of_dialogs = (
    field(wrapped, "To", "From", "Via", "Contact")
    | field(addresses, "To", "From", "Refer-To", "Referred-By")
    | field(dialogs, "Replaces", "Call-ID", "Join", "Target-Dialog")
)
of_sessions = (
    field(keyed, "Session-Expires", "Min-SE", "Event", "Subscription-State", "Refer-Sub", "Reason", "Content-Type")
    | field(keyed, "Content-Disposition", "Expires", "Min-Expires", "Retry-After", "Flow-Timer", "Timestamp")
    | field(sequences, "RSeq", "RAck", "CSeq", "Max-Forwards", "Session-Expires", "Min-SE", "Expires")
    | field(word_lists, "Require", "Supported", "Allow", "Unsupported", "Content-Encoding", "Proxy-Require")
)
of_challenges = (
    field(challenges, "WWW-Authenticate", "WWW-Authenticate", "Proxy-Authenticate")
    | field(credentials, "Authorization", "Proxy-Authorization")
    | field(auth_lists, "Authentication-Info", "Proxy-Authentication-Info")
)
fields = of_routes | of_dialogs | of_sessions | of_challenges


def with_fields(data: bytes, changed: tuple[tuple[str, str], ...]) -> bytes:
    """A message with these header fields in the place of those of the same names; its body stays as it is."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    for name, content in changed:
        start = name.lower().encode() + b":"
        old = next((line[len(start) :].strip() for line in lines[1:] if line.lower().startswith(start)), b"")
        text = content.encode("utf-8", "surrogateescape").replace(OLD.encode(), old)
        lines = [lines[0], *(line for line in lines[1:] if not line.lower().startswith(start))]
        lines.append(name.encode() + b": " + text)
    return b"\r\n".join([*lines, b"", body])
