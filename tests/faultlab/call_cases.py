"""The table of the call fault lab: seeded faults with the finding that must come first, and healthy calls."""

import re
from collections.abc import Callable

from probes.calls.script import Reliable
from probes.responder.personas import Manner as Conduct
from probes.responder.personas import Persona
from sipcore.auth.choice import Account
from sipcore.media.terms import Encryption, Keying
from sipcore.sdp.attributes import G722
from tests.faultlab import callee
from tests.faultlab.boxes import Editor, MediaFilter, SipFilter
from tests.faultlab.call_callers import caller_faults, healthy_callers
from tests.faultlab.call_lab import AtResponder, CallCase
from tests.faultlab.call_servers import server_cases
from tests.faultlab.callee import Manner
from tests.impairment.boxes import Box, Nat
from tests.impairment.path import Impairment

OUT, BACK = ("alice", "bob"), ("bob", "alice")
STALE = 'WWW-Authenticate: Digest realm="x", nonce="{}", stale=true, qop="auth"'
SUITE = "AES_CM_128_HMAC_SHA1_80"
FINGERPRINT = f"a=setup:passive\na=fingerprint:sha-256 {':'.join(['AB'] * 32)}\n"
DIGEST = 'WWW-Authenticate: Digest realm="x", nonce="y", qop="auth"'
PLAIN = AtResponder(Persona())


def _sub(pattern: str, replacement: str) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, replacement, text)


def _ringing(cancel: str = "200 OK") -> Manner:
    """A callee who rings on, whatever the caller wants."""
    return Manner(before=("100 Trying", "180 Ringing"), never=True, cancel=cancel, rings_on=True)


def callee_faults() -> list[CallCase]:
    ice = "a=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\na=candidate:1 1 UDP 1 198.51.100.1 4000 typ host\n"
    manners = {
        "contact-private": ("contact-narrow", Manner(contact="<sip:bob@10.1.2.3>", deaf=True)),
        "contact-elsewhere": ("contact-unreachable", Manner(contact="<sip:bob@203.0.113.99>", deaf=True)),
        "contact-closed": ("dialog-falls-back", Manner(contact="<sip:bob@198.51.100.1:5099;transport=tcp>")),
        "route-private": ("record-route-narrow", Manner(finals=(("200 OK", ("Record-Route: <sip:10.0.0.1;lr>",)),))),
        "contact-missing": ("contact-missing", Manner(contact="")),
        "deaf-to-ack": ("ack-lost", Manner(deaf=True)),
        "bye-refused": ("bye-refused", Manner(bye="481 Unknown Call")),
        "cancel-not-heard": ("cancel-lost", _ringing(cancel="")),
        "cancel-refused": ("cancel-ignored", _ringing(cancel="481 Call/Transaction Does Not Exist")),
        "rings-on-after-cancel": ("cancel-ignored", _ringing()),
        "bye-challenged": ("bye-challenged", Manner(bye="401 Unauthorized")),
        "challenge-missing": ("challenge-missing", Manner(finals=(("401 Unauthorized", ()),))),
        "scheme-unknown": (
            "auth-unsupported",
            Manner(finals=(("401 Unauthorized", ('WWW-Authenticate: Digest realm="x", nonce="y", algorithm=X',)),)),
        ),
        "forbidden-after-credentials": (
            "caller-not-allowed",
            Manner(finals=(("401 Unauthorized", (DIGEST,)), ("403 Forbidden", ()))),
        ),
        "stale-for-ever": (
            "auth-loop",
            Manner(finals=tuple(("401 Unauthorized", (STALE.format(number),)) for number in range(9))),
        ),
        "declined-after-ringing": (
            "call-declined",
            Manner(before=("100 Trying", "180 Ringing"), finals=(("403 Forbidden", ()),)),
        ),
        "answer-missing": ("answer-missing", Manner(bare=True)),
        "answer-refuses-audio": ("media-refused", Manner(edit=_sub(r"m=audio \d+", "m=audio 0"))),
        "answer-changes-profile": ("profile-changed", Manner(edit=_sub("RTP/AVP", "RTP/SAVP"))),
        "answer-other-codec": (
            "codec-not-offered",
            Manner(edit=_sub(r"RTP/AVP 0 101", "RTP/AVP 3")),
        ),
        "answer-of-two-streams": ("answer-unusable", Manner(edit=lambda text: text + "m=video 0 RTP/AVP 31\n")),
        "session-not-refreshed": (
            "session-not-refreshed",
            Manner(finals=(("200 OK", ("Require: timer", "Session-Expires: 6;refresher=uas")),)),
        ),
        "answer-inactive": ("media-held", Manner(edit=lambda text: text + "a=inactive\n", packets=callee.mute)),
        "answer-nowhere": ("media-held", Manner(edit=_sub(r"c=IN IP4 \S+", "c=IN IP4 0.0.0.0"), packets=callee.mute)),
        "answer-private": ("sdp-private-address", Manner(edit=_sub(r"c=IN IP4 \S+", "c=IN IP4 192.168.1.9"))),
        "answer-ice": (
            "ice-only",
            Manner(edit=lambda text: re.sub(r"m=audio \d+", "m=audio 9", text) + ice, packets=callee.mute),
        ),
        "srtp-without-keys": ("srtp-keys-missing", Manner(edit=_sub("RTP/AVP", "RTP/SAVP"))),
        "srtp-wrong-key": (
            "srtp-authentication",
            Manner(edit=lambda text: text.replace("RTP/AVP", "RTP/SAVP") + f"a=crypto:1 {SUITE} inline:{'A' * 40}\n"),
        ),
        "dtls-without-handshake": (
            "srtp-handshake",
            Manner(edit=lambda text: text.replace("RTP/AVP", "UDP/TLS/RTP/SAVP") + FINGERPRINT, packets=callee.mute),
        ),
        "port-closed": ("media-port-closed", Manner(closed=True)),
        "answer-other-family": (
            "sdp-address-family",
            Manner(edit=_sub(r"c=IN IP4 \S+", "c=IN IP6 2001:db8::1")),
        ),
        "answer-unreadable": ("answer-unusable", Manner(edit=_sub(r"AVP 0 101", "AVP"))),
        "media-mute": ("no-rtp-in", Manner(packets=callee.mute)),
        "media-silent": ("media-silent", Manner(packets=callee.silence)),
        "media-foreign": ("echo-missing", Manner(packets=callee.noise)),
        "media-elsewhere": ("rtp-from-elsewhere", Manner(elsewhere=True)),
        "media-garbage": ("rtp-malformed", Manner(packets=callee.garbage)),
        "media-other-type": ("codec-not-agreed", Manner(packets=callee.as_type(77 + 20))),
        "media-long-packets": ("ptime-wrong", Manner(packets=callee.longer)),
        "media-fast-clock": ("clock-drift", Manner(packets=callee.hasty)),
        "media-stops": ("rtp-stops", Manner(packets=callee.ending_after(40))),
        "media-late": ("media-late", Manner(packets=callee.beginning_after(110))),
        "media-pauses": ("rtp-gaps", Manner(packets=callee.pausing(40, 60))),
        "media-restarts": ("rtp-restarts", Manner(packets=callee.restarting)),
        "media-many-sources": ("rtp-sources", Manner(packets=callee.masked)),
        "media-still-clock": ("rtp-timestamps", Manner(packets=callee.standing)),
        "media-same-number": ("rtp-duplicated", Manner(packets=callee.stuttering)),
        "media-after-end": ("rtp-after-bye", Manner(after_bye=True)),
        "hangs-up-at-once": ("hung-up-at-once", Manner(hangs_up=0.1)),
        "rings-late": ("slow-progress", Manner(delay=6.5)),
        "dtmf-lost": ("dtmf-lost", Manner(packets=callee.without_digits)),
        "dtmf-not-agreed": (
            "dtmf-not-agreed",
            Manner(edit=lambda text: re.sub("a=(rtpmap|fmtp):101.*\n", "", text).replace("AVP 0 101", "AVP 0")),
        ),
    }
    account = {"bye-challenged", "scheme-unknown", "forbidden-after-credentials", "stale-for-ever"}
    scripts: dict[str, dict[str, object]] = {
        "cancel-not-heard": {"ring_timeout": 1.0},
        "cancel-refused": {"ring_timeout": 1.0},
        "rings-on-after-cancel": {"ring_timeout": 1.0},
        "dtmf-lost": {"digits": "159"},
        "dtmf-not-agreed": {"digits": "159"},
        "srtp-without-keys": {"encryption": Encryption.REQUIRE},
        "srtp-wrong-key": {"encryption": Encryption.REQUIRE},
        "dtls-without-handshake": {"encryption": Encryption.REQUIRE, "keying": Keying.DTLS},
        "media-stops": {"hold": 4.0},
        "media-restarts": {"hold": 4.0},
        "media-pauses": {"hold": 4.0},
        "session-not-refreshed": {"hold": 8.0},
        "media-fast-clock": {"hold": 8.0},
        "media-late": {"hold": 4.0},
        "hangs-up-at-once": {"hold": 6.0},
        **{name: {"hold": 5.0} for name in ("contact-private", "contact-elsewhere", "deaf-to-ack")},
    }
    scripts |= {name: {"account": Account("alice", "secret", hosts=["198.51.100.1"])} for name in account}
    return [CallCase(f"callee-{name}", code, manner, scripts.get(name, {})) for name, (code, manner) in manners.items()]


def responder_faults() -> list[CallCase]:
    secure: dict[str, object] = {"encryption": Encryption.REQUIRE, "keying": Keying.SDES}
    cases: list[tuple[str, str, AtResponder, dict[str, object]]] = [
        ("overloaded", "peer-overloaded", AtResponder(Persona(), "overloaded"), {}),
        ("prack-refused", "prack-refused", AtResponder(Persona(), "unready"), {"reliable": Reliable.REQUIRED}),
        ("prack-required", "prack-required", AtResponder(Persona(), "demanding"), {"reliable": Reliable.OFF}),
        ("session-too-short", "session-timer-too-small", AtResponder(Persona(), "picky"), {"session_interval": 90}),
        ("early-for-ever", "early-media-only", AtResponder(Persona(), "stalled"), {"ring_timeout": 2.0}),
        ("codec-refused", "codec-refused", AtResponder(Persona(codecs=(G722,))), {"codecs": ("PCMU",)}),
        ("srtp-demanded", "srtp-demanded", AtResponder(Persona(encryption=Encryption.REQUIRE)), {}),
        ("srtp-refused", "srtp-refused", AtResponder(Persona(encryption=Encryption.DISABLE)), secure),
        ("sdes-in-the-clear", "srtp-keys-exposed", PLAIN, secure),
        ("silent", "nothing-answers", AtResponder(Persona(silent=True)), {"ring_timeout": 3.0}),
        ("moved", "call-redirected", AtResponder(Persona(manner=Conduct(status=302))), {}),
    ]
    by_status = {
        405: "calls-not-taken",
        408: "callee-timeout",
        413: "request-too-large",
        433: "anonymity-refused",
        481: "call-state-lost",
        482: "call-loops",
        485: "number-ambiguous",
        504: "route-failed",
        505: "version-refused",
        606: "offer-refused",
        607: "call-blocked",
    }
    cases += [(f"status-{code}", name, AtResponder(Persona(), str(code)), {}) for code, name in by_status.items()]
    return [CallCase(f"responder-{name}", code, peer, script) for name, code, peer, script in cases]


def _boxed(name: str, expected: str, *make: Callable[[], Box], **script: object) -> CallCase:
    return CallCase(f"network-{name}", expected, PLAIN, script, lambda: tuple(one() for one in make))


def network_faults() -> list[CallCase]:
    def bad(
        name: str, expected: str, out: Impairment | None = None, back: Impairment | None = None, **script: object
    ) -> CallCase:
        ways = (*([(OUT, out)] if out else []), *([(BACK, back)] if back else []))
        return CallCase(f"network-{name}", expected, PLAIN, {"hold": 4.0, **script}, ways=ways)

    # In a queue no packet catches up with the one before it by more than there is between them.
    rough, long = Impairment(jitter=1.0), 60.0

    return [
        bad("loss-back", "rtp-loss", back=Impairment(loss=0.15)),
        bad("loss-out", "rtp-loss-out", Impairment(loss=0.15)),
        bad("jitter", "jitter-high", rough, rough, ptime=long, hold=6.0),
        bad("reordering", "rtp-reordered", back=Impairment(reordering=0.15, held_back=0.05)),
        bad("duplication", "rtp-duplicated", back=Impairment(duplication=0.4)),
        bad("delay", "delay-high", Impairment(delay=0.2), Impairment(delay=0.2)),
        _boxed("media-out-blocked", "no-rtp-out", lambda: MediaFilter(out=True)),
        _boxed("media-back-blocked", "no-rtp-in", lambda: MediaFilter(back=True)),
        _boxed("media-blocked", "no-rtp-in", lambda: MediaFilter(out=True, back=True)),
        _boxed("mapping-forgotten", "rtp-stops", lambda: MediaFilter(back=True, after=80), hold=4.0),
        _boxed("ack-dropped", "ack-lost", lambda: SipFilter(b"ACK sip"), hold=5.0),
        _boxed("bye-dropped", "bye-lost", lambda: SipFilter(b"BYE sip")),
        _boxed(
            "answers-dropped", "nothing-answers", lambda: SipFilter(b"SIP/2.0", out=False, back=True), ring_timeout=3.0
        ),
        _boxed("invites-lost", "packets-lost", lambda: SipFilter(b"INVITE sip", count=3)),
        _boxed("alg-everything", "sip-alg", lambda: Editor(rb"192\.0\.2\.1\b", b"203.0.113.7")),
        _boxed("alg-via", "sip-alg", lambda: Editor(rb"(?m)^(Via: \S+ )192\.0\.2\.1", rb"\g<1>203.0.113.7")),
        _boxed("alg-from", "sip-alg", lambda: Editor(rb"(?m)^(From: .*@)[^>]+", rb"\g<1>203.0.113.7")),
        _boxed("alg-call-id", "sip-alg", lambda: Editor(rb"(?m)^(Call-ID: )", rb"\g<1>x", back=True)),
        _boxed(
            "alg-answer", "sdp-private-address", lambda: Editor(rb"c=IN IP4 \S+", b"c=IN IP4 192.168.0.2", back=True)
        ),
        _boxed(
            "alg-contact",
            "contact-narrow",
            lambda: Editor(rb"(?m)^(Contact: .*@)[^>;]+", rb"\g<1>192.168.0.2", back=True),
        ),
        CallCase(
            "network-nobody",
            "nothing-answers",
            None,
            {"ring_timeout": 3.0},
            make_boxes=lambda: (SipFilter(b"SIP/2.0"),),
        ),
        CallCase("network-refused", "refused", None),
    ]


def healthy_networks() -> list[CallCase]:
    slow = Impairment(delay=0.06)
    return [
        CallCase("healthy-callee", "", Manner(before=("100 Trying", "180 Ringing"))),
        CallCase("healthy-responder", "", PLAIN),
        CallCase("healthy-sdes", "", PLAIN, {"encryption": Encryption.REQUIRE}),
        CallCase("healthy-digits", "", PLAIN, {"digits": "42#"}),
        CallCase("healthy-early", "", AtResponder(Persona(), "early")),
        CallCase("healthy-translator", "", PLAIN, make_boxes=lambda: (Nat(),)),
        CallCase("healthy-translator-of-ports", "", PLAIN, make_boxes=lambda: (Nat(preserves_ports=False),)),
        CallCase("healthy-far-away", "", PLAIN, ways=((OUT, slow), (BACK, slow))),
        CallCase("healthy-some-jitter", "", PLAIN, ways=((BACK, Impairment(jitter=0.01)),)),
    ]


def all_calls() -> list[CallCase]:
    """Everything."""
    called = [*caller_faults(), *healthy_callers()]
    return [*server_cases(), *callee_faults(), *responder_faults(), *network_faults(), *healthy_networks(), *called]
