"""The cases of the call fault lab in which the prober is called, and tells what is wrong from that side."""

from collections.abc import Callable

from probes.calls.script import Reliable
from probes.responder.personas import Guard, Manner, Persona
from sipcore.auth.server import ServerPolicy, UserTable
from sipcore.media.terms import Encryption
from sipcore.sdp.attributes import PCMA, PCMU
from tests.faultlab.boxes import Editor, MediaFilter, SipFilter
from tests.faultlab.call_incoming import AsteriskCaller, BaresipCaller, Called, Caller, ProberCaller, SippCaller
from tests.faultlab.call_lab import CallCase
from tests.impairment.boxes import Box, Nat
from tests.impairment.path import Impairment

OUT = ("alice", "bob")
G729 = "m=audio [media_port] RTP/AVP 18\na=rtpmap:18 G729/8000\n"
CRYPTO = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{'A' * 40}\n"
FINGERPRINT = f"a=setup:actpass\na=fingerprint:sha-256 {':'.join(['AB'] * 32)}\n"
ICE = "a=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\na=candidate:1 1 UDP 1 198.51.100.1 4000 typ host\n"
PCMU_AUDIO = "m=audio [rtpstream_audio_port] RTP/AVP 0\na=rtpmap:0 PCMU/8000\n"
SDP = """\
v=0
o=sipp 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] {host}
t=0 0
"""
MESSAGE = """\
{method} {target} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:sipp@[local_ip]:[local_port]>;tag=[pid]SIPp[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>{tag}
Call-ID: [call_id]
CSeq: {number} {method}
Max-Forwards: 70
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
{fields}Content-Length: [len]

{body}"""
SOUND = '<nop><action><exec rtp_stream="@SOUND@,{loops},{kind}"/></action></nop>'
ANSWER = """\
<send><![CDATA[
SIP/2.0 {status}
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>"""
RINGS = (
    '<recv response="100" optional="true"/><recv response="180" optional="true"/><recv response="183" optional="true"/>'
)
ANSWERED = f'{RINGS}<recv response="200" rrs="true"/>'
OK = '<recv response="200"/>'


def description(audio: str = PCMU_AUDIO, host: str = "[media_ip]") -> str:
    """A session description of SIPp."""
    return SDP.format(host=host) + audio


def _send(method: str, number: int, body: str = "", *fields: str, again: bool = True) -> str:
    """A request of SIPp, repeated or not."""
    first = (method, number) == ("INVITE", 1)
    tag = "" if first or method == "CANCEL" else "[peer_tag_param]"
    target = "[next_url]" if tag else "sip:[service]@[remote_ip]:[remote_port]"
    kind = ("Content-Type: application/sdp",) if body and not any("Content-Type" in each for each in fields) else ()
    told = "".join(f"{each}\n" for each in (*fields, *kind))
    text = MESSAGE.format(method=method, target=target, tag=tag, number=number, fields=told, body=body)
    if method == "CANCEL":  # RFC 3261 §9.1: it has the branch of what it cancels, four messages before
        text = text.replace("branch=[branch]", "branch=[branch-4]")
    repeated = ' retrans="500"' if again else ""
    return f"<send{repeated}><![CDATA[\n{text}\n]]></send>"


def _pause(seconds: float) -> str:
    return f'<pause milliseconds="{seconds * 1000:.0f}"/>'


def _play(loops: int = -1, kind: int = 0) -> str:
    return SOUND.format(loops=loops, kind=kind)


def sipp(*steps: str) -> SippCaller:
    """SIPp going through these steps."""
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="caller">'
    return SippCaller("\n".join([head, *steps, "</scenario>"]))


ACK = _send("ACK", 1, again=False)
BYE = _send("BYE", 2)
TALK = (_play(), _pause(2.0))


def talking(
    body: str | None = None,
    *fields: str,
    ack: str = ACK,
    talk: tuple[str, ...] = TALK,
    end: tuple[str, ...] = (BYE, OK),
) -> SippCaller:
    """SIPp as a caller that is answered, talks, and hangs up."""
    invite = _send("INVITE", 1, description() if body is None else body, *fields)
    return sipp(invite, ANSWERED, ack, *talk, *end)


def refused(body: str, *fields: str, status: int) -> SippCaller:
    """SIPp as a caller whose offer is refused."""
    last = f'{RINGS}<recv response="{status}"/>'
    return sipp(_send("INVITE", 1, body, *fields), last, _send("ACK", 1, again=False))


def _hung_up(status: str) -> tuple[str, ...]:
    """What SIPp says to the BYE from here."""
    return ('<recv request="BYE"/>', ANSWER.format(status=status))


ENDS = Persona(Manner(hang_up_after=1.5))


def _faults_of_sip() -> list[tuple[str, str, Caller, Persona]]:
    anybody, ringing = Persona(), Persona(Manner(ring=10.0))
    rings = '<recv response="100" optional="true"/><recv response="180"/>'
    cancels = (rings, _pause(0.5), _send("CANCEL", 1), OK, '<recv response="487"/>')
    late_ack = f"{_pause(2.0)}{ACK}"
    plain = description()
    return [
        ("never-acknowledges", "ack-not-received", talking(ack="", talk=(_play(), _pause(2.5))), anybody),
        ("acknowledges-late", "ack-not-received", talking(ack=late_ack), anybody),
        ("gives-up", "caller-gave-up", sipp(_send("INVITE", 1, plain), *cancels), ringing),
        ("offers-other-codec", "offer-not-accepted", refused(description(G729), status=488), anybody),
        ("offers-no-sdp", "no-call-came", refused("hello", "Content-Type: text/plain", status=415), anybody),
        ("describes-nothing", "caller-describes-nothing", talking("", talk=(_pause(1.5),)), anybody),
        (
            "never-refreshes",
            "session-not-refreshed",
            talking(
                plain,
                "Supported: timer",
                "Session-Expires: 90;refresher=uac",
                talk=(_play(),),
                end=_hung_up("200 OK"),
            ),
            anybody,
        ),
        ("hangs-up-at-once", "hung-up-at-once", talking(talk=(_play(), _pause(0.3))), anybody),
        (
            "hangs-up-with-cause",
            "hung-up-with-cause",
            talking(end=(_send("BYE", 2, "", 'Reason: Q.850;cause=38;text="network"'), OK)),
            anybody,
        ),
        ("refuses-bye", "bye-refused", talking(talk=(_play(),), end=_hung_up("481 Unknown Call")), ENDS),
        ("challenges-bye", "bye-challenged", talking(talk=(_play(),), end=_hung_up("401 Unauthorized")), ENDS),
        ("never-answers-bye", "bye-lost", talking(talk=(_play(),), end=('<recv request="BYE"/>', _pause(40.0))), ENDS),
    ]


def _faults_of_media() -> list[tuple[str, str, Caller, Persona]]:
    anybody = Persona()
    secure = PCMU_AUDIO.replace("RTP/AVP", "RTP/SAVP") + CRYPTO
    handshake = PCMU_AUDIO.replace("RTP/AVP", "UDP/TLS/RTP/SAVP") + FINGERPRINT
    silent = (_pause(2.0),)
    lost_ice = talking(description(PCMU_AUDIO.replace("[rtpstream_audio_port]", "9") + ICE), talk=silent)
    other = description("m=audio [rtpstream_audio_port] RTP/AVP 0 8\na=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\n")
    return [
        ("sends-nothing", "no-rtp-in", talking(talk=silent), anybody),
        ("is-nowhere", "media-held", talking(description(host="0.0.0.0"), talk=silent), anybody),
        ("is-a-browser", "ice-only", lost_ice, anybody),
        ("has-another-key", "srtp-authentication", talking(description(secure)), anybody),
        ("makes-no-handshake", "srtp-handshake", talking(description(handshake), talk=silent), anybody),
        (
            "sends-another-codec",
            "codec-not-agreed",
            talking(other, talk=(_play(-1, 8), _pause(2.0))),
            Persona(codecs=(PCMU,)),
        ),
        ("stops", "rtp-stops", talking(talk=(_play(1), _pause(8.0))), anybody),
    ]


def _faults_of_others() -> list[tuple[str, str, Called]]:
    guard = Guard(ServerPolicy("lab"), UserTable({"alice": "secret"}))
    return [
        ("nobody", "no-call-came", Called(None, wait=1.0)),
        ("unproven", "no-call-came", Called(AsteriskCaller("plain"), Persona(guard=guard), wait=4.0)),
        (
            "asterisk-srtp-refused",
            "offer-not-accepted",
            Called(AsteriskCaller("bob"), Persona(encryption=Encryption.DISABLE)),
        ),
        (
            "asterisk-srtp-demanded",
            "offer-not-accepted",
            Called(AsteriskCaller("plain"), Persona(encryption=Encryption.REQUIRE)),
        ),
        ("asterisk-ends-with-cause", "hung-up-with-cause", Called(AsteriskCaller("plain", "ends-38"))),
        ("asterisk-keeps-its-packets", "ptime-wrong", Called(AsteriskCaller("plain"), Persona(ptime=40))),
        ("asterisk-mute", "no-rtp-in", Called(AsteriskCaller("plain", "silent"), ENDS)),
        (
            "baresip-srtp-refused",
            "offer-not-accepted",
            Called(BaresipCaller("dtls_srtp"), Persona(encryption=Encryption.DISABLE)),
        ),
    ]


def _faults_of_networks() -> list[CallCase]:
    def boxed(name: str, expected: str, make: Callable[[], Box], **script: object) -> CallCase:
        return CallCase(f"caller-network-{name}", expected, Called(ProberCaller(script)), make_boxes=lambda: (make(),))

    def bad(name: str, expected: str, impairment: Impairment, **script: object) -> CallCase:
        called = Called(ProberCaller({"hold": 4.0, **script}))
        return CallCase(f"caller-network-{name}", expected, called, ways=((OUT, impairment),))

    private = rb"\g<1>192.168.0.2"
    return [
        boxed("ack-dropped", "ack-not-received", lambda: SipFilter(b"ACK sip"), hold=4.0),
        boxed("media-blocked", "no-rtp-in", lambda: MediaFilter(out=True)),
        boxed("mapping-forgotten", "rtp-stops", lambda: MediaFilter(out=True, after=80), hold=4.0),
        boxed("alg-offer", "sdp-private-address", lambda: Editor(rb"(c=IN IP4 )\S+", private)),
        boxed("alg-contact", "contact-narrow", lambda: Editor(rb"(?m)^(Contact: .*@)[^>;]+", private)),
        boxed("invite-lost", "no-call-came", lambda: SipFilter(b"INVITE sip"), ring_timeout=1.0),
        boxed("translator", "rtp-from-elsewhere", Nat),
        bad("loss", "rtp-loss", Impairment(loss=0.15)),
        bad("jitter", "jitter-high", Impairment(jitter=1.0), ptime=60.0, hold=6.0),
        bad("reordering", "rtp-reordered", Impairment(reordering=0.15, held_back=0.05)),
        bad("duplication", "rtp-duplicated", Impairment(duplication=0.4)),
    ]


def healthy_callers() -> list[CallCase]:
    """Calls that come in, and that nothing is wrong with."""
    acknowledged = Persona(Manner(early_media=True, delay=0.5), reliable=Reliable.REQUIRED)
    late = talking("", ack=_send("ACK", 1, description(), again=False))
    loopback = {
        "asterisk": Called(AsteriskCaller("plain")),
        "asterisk-sdes": Called(AsteriskCaller("bob"), Persona(codecs=(PCMA,))),
        "asterisk-dtls": Called(AsteriskCaller("carol")),
        "asterisk-prack": Called(AsteriskCaller("acknowledged"), acknowledged),
        "asterisk-session-timer": Called(AsteriskCaller("timed"), Persona(Manner(ring=0.5))),
        "asterisk-digits": Called(AsteriskCaller("plain", "dtmf"), Persona(digits="1590")),
        "baresip": Called(BaresipCaller()),
        "baresip-dtls": Called(BaresipCaller("dtls_srtp")),
        "sipp": Called(talking()),
        "sipp-offers-late": Called(late),
        "sipp-hung-up-here": Called(talking(talk=(_play(),), end=_hung_up("200 OK")), ENDS),
    }
    return [
        *(CallCase(f"healthy-from-{name}", "", called) for name, called in loopback.items()),
        CallCase("healthy-from-afar", "", Called(ProberCaller()), ways=((OUT, Impairment(delay=0.06)),)),
    ]


def caller_faults() -> list[CallCase]:
    """Calls that come in, and that something is wrong with."""
    scripted = [*_faults_of_sip(), *_faults_of_media()]
    loopback = [(name, code, Called(caller, persona)) for name, code, caller, persona in scripted]
    others = [CallCase(f"caller-{name}", code, called) for name, code, called in (*loopback, *_faults_of_others())]
    return [*others, *_faults_of_networks()]
