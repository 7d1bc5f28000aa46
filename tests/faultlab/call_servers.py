"""The cases of the call fault lab that real servers make: by their configurations in `fixtures/lab`."""

from probes.calls.script import Ends, Reliable
from sipcore.auth.choice import Account
from sipcore.media.terms import Encryption, Keying
from sipcore.message.address import Address
from sipcore.resolve.target import Transport
from tests.faultlab.call_lab import CallCase, OnServer, OnSipp
from tests.interop.lab import HOST

SDES = {"encryption": Encryption.REQUIRE, "keying": Keying.SDES}
DTLS = {"encryption": Encryption.REQUIRE, "keying": Keying.DTLS}
G722 = {"codecs": ("G722",)}


def caller(user: str) -> dict[str, object]:
    """Called as a user, without credentials."""
    return {"caller": Address.parse(f"<sip:{user}@{HOST}>")}


def user(name: str, password: str = "secret", realm: str | None = None) -> dict[str, object]:
    """Called as a user, with credentials."""
    return caller(name) | {"account": Account(name, password, hosts=[HOST], realm=realm)}


def asterisk(name: str, expected: str, extension: str, **script: object) -> CallCase:
    return CallCase(f"asterisk-{name}", expected, OnServer("asterisk", extension), script)


def kamailio(name: str, expected: str, called: str, **script: object) -> CallCase:
    return CallCase(f"kamailio-{name}", expected, OnServer("kamailio", called), script)


def asterisk_faults() -> list[CallCase]:
    return [
        asterisk("forbidden", "source-not-trusted", "reject"),
        asterisk("not-found", "number-unknown", "nobody-here"),
        asterisk("incomplete", "number-incomplete", "cause-28"),
        asterisk("gone", "number-gone", "cause-22"),
        asterisk("busy", "callee-busy", "busy"),
        asterisk("subscriber-absent", "callee-unavailable", "cause-20"),
        asterisk("congestion", "service-unavailable", "congestion"),
        asterisk("out-of-order", "route-failed", "cause-27"),
        asterisk("network-failed", "peer-failed", "cause-38"),
        asterisk("rings-for-ever", "nobody-answers", "ring", ring_timeout=2.0),
        asterisk("announces-for-ever", "early-media-only", "announced", ring_timeout=2.0),
        asterisk("stuck", "no-progress", "stuck", ring_timeout=2.0),
        asterisk("mute", "no-rtp-in", "silent"),
        asterisk("srtp-demanded", "offer-refused", "echo", **user("bob")),
        asterisk("srtp-refused", "secure-offer-refused", "echo", **caller("plain"), **SDES),
        asterisk("dtls-demanded", "dtls-demanded", "echo", **user("carol")),
        asterisk("no-common-codec", "codec-offer-refused", "echo", **caller("plain"), **G722),
        asterisk("no-credentials", "credentials-wanted", "echo", **caller("alice")),
        asterisk("wrong-password", "credentials-refused", "echo", **user("alice", "guess")),
        asterisk("wrong-realm", "realm-mismatch", "echo", **user("alice", realm="other.example")),
        asterisk("prack-required", "prack-required", "earlier", **caller("reliable"), reliable=Reliable.OFF),
        asterisk("short-session", "session-timer-too-small", "echo", **caller("timed"), session_interval=90),
        asterisk("ends-at-once", "hung-up-at-once", "bye", hold=5.0),
        asterisk("ends-with-cause", "hung-up-with-cause", "ends-38", hold=5.0),
        asterisk("misheard", "dtmf-lost", "misheard", digits="1590", hangs_up=Ends.THEM, longest=20.0),
        asterisk("moved", "call-redirected", "moved-5999"),
        asterisk("tone", "echo-missing", "tone"),
        CallCase(
            "asterisk-untrusted-certificate",
            "tls-incomplete-chain",
            OnServer("asterisk", "echo", Transport.TLS, trusted=False),
        ),
        CallCase(
            "asterisk-other-name",
            "tls-name-mismatch",
            OnServer("asterisk", "echo", Transport.TLS, name="other.example"),
        ),
    ]


def kamailio_faults() -> list[CallCase]:
    return [
        kamailio("untrusted", "source-not-trusted", "untrusted"),
        kamailio("loop", "call-loops", "loop"),
        kamailio("gone", "number-gone", "gone"),
        kamailio("busy-everywhere", "callee-busy", "everywhere"),
        kamailio("overloaded", "peer-overloaded", "later"),
        kamailio("stuck", "no-progress", "trying", ring_timeout=2.0),
        kamailio("never-content", "credentials-refused", "never", **user("alice")),
        kamailio("other-realm", "realm-mismatch", "realm", **user("alice", realm=HOST)),
        kamailio("blocked", "call-blocked", "blocked"),
        kamailio("unregistered", "number-unknown", "nobody"),
        kamailio("ack-dropped", "ack-lost", "echo", **caller("noack"), hold=5.0),
        kamailio("bye-dropped", "bye-lost", "echo", **caller("nobye")),
        kamailio("bye-refused", "bye-refused", "echo", **caller("badbye")),
        kamailio("route-astray", "record-route-unreachable", "astray", hold=5.0),
        CallCase("baresip-no-common-codec", "codec-offer-refused", OnServer("baresip", "echo"), {"codecs": ("G729",)}),
        CallCase("baresip-srtp-demanded", "offer-refused", OnServer("baresip", "sdes")),
    ]


_HEAD = """\
<?xml version="1.0" encoding="UTF-8" ?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="fault">
  <recv request="INVITE"/>
"""
_COPIED = """\
[last_Via:]
[last_From:]
[last_To:];tag=[pid]SIPp[call_number]
[last_Call-ID:]
[last_CSeq:]
"""
_SDP = """\
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
"""


def _send(status: str, rest: str, repeat: str = "") -> str:
    return f"  <send{repeat}><![CDATA[\nSIP/2.0 {status}\n{_COPIED}{rest}\n]]></send>\n"


def refusing(status: str, *fields: str) -> OnSipp:
    """A callee that refuses."""
    told = "".join(f"{each}\n" for each in fields)
    body = _send(status, f"{told}Content-Length: 0\n", ' retrans="500"')
    return OnSipp(f'{_HEAD}{body}  <recv request="ACK"/>\n</scenario>\n')


def answering(bye: str) -> OnSipp:
    """A callee that answers, and says that to the BYE; "" for nothing."""
    end = (
        _send(bye, "Content-Length: 0\n").replace("[last_To:];tag=[pid]SIPp[call_number]", "[last_To:]") if bye else ""
    )
    last = f'  <recv request="BYE"/>\n{end}' if bye else '  <pause milliseconds="60000"/>\n'
    ok = _send("200 OK", _SDP, ' retrans="500"')
    return OnSipp(f'{_HEAD}{ok}  <recv request="ACK"/>\n{last}</scenario>\n')


def sipp_faults() -> list[CallCase]:
    refusals = {
        "body-refused": ("415 Unsupported Media Type", "Accept: application/nothing"),
        "codec-refused": ("488 Not Acceptable Here", 'Warning: 305 callee "no codec in common"'),
        "call-declined": ("603 Decline",),
        "extension-refused": ("420 Bad Extension", "Unsupported: path"),
        "call-redirected": ("302 Moved Temporarily", "Contact: <sip:carol@203.0.113.9>"),
        "scheme-refused": ("416 Unsupported URI Scheme",),
        "identity-wanted": ("428 Use Identity Header",),
        "call-cancelled": ("487 Request Terminated",),
        "call-refused": ("402 Payment Required",),
        "extension-wanted": ("421 Extension Required", "Require: sec-agree"),
        "request-malformed": ("400 Bad Request", 'Warning: 399 callee "no To"'),
    }
    cases = [CallCase(f"sipp-{code}", code, refusing(*said)) for code, said in refusals.items()]
    return [
        *cases,
        CallCase("sipp-bye-refused", "bye-refused", answering("481 Call/Transaction Does Not Exist")),
        CallCase("sipp-bye-lost", "bye-lost", answering("")),
    ]


def healthy() -> list[CallCase]:
    tcp, tls = Transport.TCP, Transport.TLS
    return [
        asterisk("echo", "", "echo"),
        asterisk("alaw", "", "echo", codecs=("PCMA",)),
        asterisk("md5", "", "echo", **user("alice")),
        asterisk("sha-512-256", "", "echo", **user("dave")),
        asterisk("sdes", "", "echo", **user("bob"), **SDES),
        asterisk("dtls", "", "echo", **user("carol"), **DTLS),
        asterisk("early", "", "earlyecho"),
        asterisk("rings-first", "", "ringecho"),
        asterisk("digits", "", "dtmf", digits="1590", hangs_up=Ends.THEM, longest=20.0),
        asterisk("hangs-up", "", "brieftone", hold=6.0),
        asterisk("prack", "", "earlyecho", **caller("acknowledged"), reliable=Reliable.REQUIRED),
        asterisk("session-timer", "", "echo", **caller("timed"), session_interval=180),
        CallCase("asterisk-tcp", "", OnServer("asterisk", "echo", tcp)),
        CallCase("asterisk-tls", "", OnServer("asterisk", "echo", tls)),
        CallCase("baresip-udp", "", OnServer("baresip", "echo")),
        CallCase("baresip-tls-sdes", "", OnServer("baresip", "sdes", tls), SDES),
        CallCase("baresip-dtls", "", OnServer("baresip", "dtls"), DTLS),
        kamailio("to-baresip", "", "echo"),
        kamailio("with-digest", "", "auth", **user("alice")),
        CallCase("sipp-echo", "", OnServer("sipp", "echo")),
    ]


def server_cases() -> list[CallCase]:
    """Everything that servers make."""
    return [*asterisk_faults(), *kamailio_faults(), *sipp_faults(), *healthy()]
