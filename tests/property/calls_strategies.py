"""Strategies for whole calls: stacks, networks, what users do, and messages that nobody would send."""

from dataclasses import dataclass

from hypothesis import strategies as st

from sipcore.stack_config import StackConfig
from tests.property import hostile
from tests.property.calls_users import Action, Weather
from tests.property.strategies import FRAGMENTS
from tests.sipcore.wire import ALICE, BOB, description

SESSION = 90
"""Seconds: the shortest session interval that RFC 4028 allows."""

weathers = st.builds(
    Weather,
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.0, 0.1, 0.3, 0.7]),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.sampled_from([0.0, 0.1, 0.5]),
)
configs = st.builds(
    StackConfig,
    extensions=st.sampled_from([("100rel", "replaces", "timer"), ("replaces", "timer"), ()]),
    methods=st.just(("INFO", "REFER", "NOTIFY")),
    session_interval=st.sampled_from([0, SESSION, 300]),
    min_session_interval=st.sampled_from([SESSION, 200]),
    answers_offers=st.booleans(),
    acknowledges=st.booleans(),
    tracing=st.booleans(),
)
actions = st.builds(
    Action,
    at_bob=st.booleans(),
    fitting=st.sampled_from([True, True, True, True, False]),
    command=st.integers(0, 14),
    which=st.sampled_from([0, 0, 0, 1, 2, 6, 7]),
    how=st.integers(0, 7),
    pause=st.sampled_from([0.0, 0.005, 0.011, 0.0, 0.005, 0.011, 0.03, 0.05, 0.6, 5.0, 40.0, 70.0]),
)
openings = st.sampled_from(["up", "up", "ringing", "nothing"])

Told = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Forgery:
    """A message that was on the wire before, changed, and sent to one side once more."""

    from_alice: bool
    to_bob: bool
    which: int
    """How many messages ago its first sender sent it."""
    method: str
    """The method that it is given if it is a request, unless empty."""
    told: Told
    """The status that it is given if it is a response, unless empty, and what stands in the place of header fields."""
    cuts: tuple[tuple[int, int, str], ...]
    """Where, in the end, how many bytes are replaced by what."""
    body: bytes | None
    pause: float

    def of(self, data: bytes) -> bytes:
        """The forged message."""
        start, _, rest = data.partition(b"\r\n")
        status, fields = self.told[0], list(self.told[1])
        if start.startswith(b"SIP/"):
            start = f"SIP/2.0 {status} Forged".encode() if status else start
        elif self.method:
            start = self.method.encode() + b" " + start.partition(b" ")[2]
            if self.method != "CANCEL":  # which has the branch and the number of what it is for
                fields.append(("Via", f"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{self.method}{self.which}"))
            fields.append(("CSeq", f"{1 if self.method == 'CANCEL' else 100 + self.which} {self.method}"))
        data = start + b"\r\n" + rest
        if self.body is not None:
            data = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + self.body
        length = len(data.partition(b"\r\n\r\n")[2])
        data = hostile.with_fields(data, (*fields, ("Content-Length", str(length))))
        for place, length, text in self.cuts:
            at = place % (len(data) + 1)
            data = data[:at] + text.encode("utf-8", "surrogateescape") + data[at + length :]
        return data


forged_fields = st.sampled_from(
    [
        *[("CSeq", f"{number} {method}") for number in (1, 2, 3, 2**31 - 1) for method in ("INVITE", "ACK", "PRACK")],
        *[("RAck", "1 1 INVITE"), ("RAck", "nothing"), ("RSeq", "1"), ("RSeq", "2"), ("RSeq", "x"), ("RSeq", "0")],
        *[
            ("Require", "100rel"),
            ("Require", "timer"),
            ("Require", ","),
            ("Supported", "100rel, timer"),
            ("Supported", ""),
        ],
        *[("Session-Expires", text) for text in ("90;refresher=uas", "91;refresher=uac", "1", "x", "4294967295")],
        *[("Min-SE", "7200"), ("Min-SE", "x"), ("Allow", "INVITE"), ("Allow", "@"), ("Expires", "0")],
        *[("Contact", text) for text in ("<sip:a@192.0.2.9>", "tel:+1", "*", "<sip:x;transport=zz>", "<sips:h>", "@")],
        *[("Record-Route", text) for text in ("<sip:192.0.2.7>", "<sip:192.0.2.7;lr>", "<tel:1>", "<")],
        *[("Replaces", text) for text in ("192.0.2.1-0;to-tag=a;from-tag=b", "x")],
        *[("Content-Type", text) for text in ("text/plain", "x", "multipart/mixed")],
        *[("Content-Disposition", "early-session"), ("Content-Encoding", "gzip")],
        *[("To", text) for text in ("<sip:b>", "<sip:b>;tag=other", "x")],
        *[("From", text) for text in ("<sip:a>", "<sip:a>;tag=other", "<sip:a>;tag=192.0.2.1-0")],
        *[("Via", f"SIP/2.0/{name} 192.0.2.1;branch=z9hG4bK{name}") for name in ("UDP", "TCP", "WSS", "ZZ")],
        *[("Refer-To", "<sip:c>"), ("Refer-To", "?"), ("Event", "refer"), ("Subscription-State", "terminated")],
        *[("Reason", "SIP;cause=x"), ("Retry-After", "x"), ("Max-Forwards", "0"), ("WWW-Authenticate", "Digest x")],
    ]
)


def told(statuses: list[str], fields: st.SearchStrategy[tuple[str, str]], least: int) -> st.SearchStrategy[Told]:
    """A status, and header fields that go with it."""
    return st.tuples(st.sampled_from(statuses), st.lists(fields, min_size=least, max_size=3).map(tuple))


forgeries = st.builds(
    Forgery,
    from_alice=st.booleans(),
    to_bob=st.booleans(),
    which=st.integers(0, 12),
    method=st.sampled_from(
        ["", "", "", "INVITE", "ACK", "BYE", "CANCEL", "PRACK", "UPDATE", "INFO", "REFER", "NOTIFY"]
    ),
    told=told(["", "", "100", "183", "200", "408", "422", "481", "486", "491", "503"], forged_fields, 0)
    | told(["", "183", "200"], hostile.fields, 1)
    | told(["401", "407"], hostile.of_challenges, 1)
    | told(["300", "302", "305", "380"], hostile.of_routes, 1),
    cuts=st.just(())
    | st.lists(st.tuples(st.integers(0, 700), st.integers(0, 20), st.sampled_from(FRAGMENTS)), max_size=3).map(tuple),
    body=st.none() | st.sampled_from([b"", b"v=0\r\n", b"\0", description(ALICE), description(BOB)]),
    pause=st.sampled_from([0.0, 0.005, 0.05, 0.6, 40.0]),
)
