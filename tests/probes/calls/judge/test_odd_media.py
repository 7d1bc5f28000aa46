"""What healthy peers do with media that few do: nothing of it is found to be wrong in a capture."""

from dataclasses import replace

import pytest

from probes.calls.judge.diagnosis import diagnoses_of_capture
from probes.capture.files import CapturedPacket
from sipcore.media.rtp import RtpPacket, pack
from sipcore.resolve.target import SocketAddress
from tests.probes.calls.judge.captures import MEDIA, packet, pcap, rtp, signalling
from tests.probes.calls.judge.said import ACK, ANSWER, BYE, BYE_OK, CONTACT, INVITE, OFFER, OK, request, response

Said = tuple[tuple[bool, str], ...]

LONG = (INVITE, OK, ACK)
END = signalling(BYE, BYE_OK)


def diagnose(*parts: list[CapturedPacket]) -> list[str]:
    """The codes of what is found in a call."""
    (found,) = diagnoses_of_capture(pcap([each for part in parts for each in part]))
    return [finding.code for finding in found.findings]


def later(packets: list[CapturedPacket], seconds: float) -> list[CapturedPacket]:
    """The same that much later."""
    return [replace(one, at_ns=one.at_ns + round(seconds * 1e9)) for one in packets]


def coming(at: float, media: RtpPacket, source: SocketAddress = MEDIA[1]) -> CapturedPacket:
    """A packet of the callee, captured."""
    return packet(at, source, MEDIA[0], bytes(media))


def voice(
    begin: float,
    count: int,
    number: int = 0,
    *,
    ssrc: int = 1,
    kind: int = 0,
    size: int = 160,
    silence: int = 0,
    source: SocketAddress = MEDIA[1],
) -> list[CapturedPacket]:
    """What the callee says: the first packet has the marker, and its clock went on for some packets of silence."""
    return [
        coming(
            begin + 0.02 * n,
            RtpPacket(kind, number + n, 160 * (number + n + silence), ssrc, b"~" * size, not n),
            source,
        )
        for n in range(count)
    ]


def noise(at: float, number: int, kind: int = 13, size: int = 1) -> list[CapturedPacket]:
    """What describes the noise of the silence that follows."""
    return [coming(at, RtpPacket(kind, number, 160 * number, 1, b"@" * size))]


def heard(*packets: list[CapturedPacket], said: Said = LONG, seconds: float = 8) -> list[str]:
    """What is found in a call in which the caller speaks all the time, and these come."""
    sent = rtp(sent=True, count=round(50 * seconds))
    return diagnose(signalling(*said), sent, *packets, later(END, seconds + 0.5))


def test_who_says_nothing_need_not_send() -> None:
    assert heard(voice(0.3, 200)) == ["rtp-stops"]
    assert heard(voice(0.3, 200), noise(4.3, 200)) == []
    assert heard(voice(0.3, 100), noise(2.3, 100), voice(5.3, 160, 101, silence=149)) == []
    assert heard(voice(0.3, 100), voice(5.3, 160, 100, silence=150)) == [], "a marker tells as much"


def test_a_clock_that_stands_still_on_hold_is_no_jitter() -> None:
    assert heard(voice(0.3, 200), voice(7.3, 3, 200)) == []


def test_g729_announces_silence_in_frames_of_its_own() -> None:
    answer = ANSWER.replace("AVP 0", "AVP 18")
    said = request("INVITE", body=OFFER.replace("AVP 0 8", "AVP 18")), response("200 OK", CONTACT, body=answer), ACK
    speech, silence = voice(0.3, 200, kind=18, size=20), noise(4.3, 200, kind=18, size=2)
    assert "rtp-stops" in heard(speech, said=said)
    assert "rtp-stops" not in heard(speech, silence, said=said)


def test_prompts_that_have_a_source_each_are_no_trouble() -> None:
    prompts = [voice(0.3 + 3 * each, 150, ssrc=each + 5) for each in range(20)]
    assert heard(*prompts, seconds=60) == []


def test_video_over_the_ports_of_audio_is_not_measured_as_audio() -> None:
    video = "m=video {} RTP/AVP 97\na=rtpmap:97 VP8/90000\n"
    offer, answer = (f"{body}{video.format(port)}" for body, port in ((OFFER, 4000), (ANSWER, 5000)))
    frames = [coming(0.305 + 0.01 * n, RtpPacket(97, n, 900 * n, 77, bytes(900))) for n in range(800)]
    said = request("INVITE", body=offer), response("200 OK", CONTACT, body=answer), ACK
    assert heard(voice(0.3, 400), frames, said=said) == []


@pytest.mark.parametrize("data", [b"", b"\r\n", pack(20, 1, 1, 99, b"")], ids=["empty", "a line", "no payload"])
def test_keep_alives_are_no_media(data: bytes) -> None:
    kept = [packet(0.995 + 2.5 * number, *MEDIA[::-1], data) for number in range(7)]
    flow = rtp(sent=True, count=1000), rtp(sent=False, count=1000)
    assert diagnose(signalling(*LONG), *flow, kept, later(END, 20.3)) == []
    held = INVITE, response("200 OK", CONTACT, body=f"{ANSWER}a=recvonly\n"), ACK
    assert diagnose(signalling(*held), rtp(sent=True, count=1000), kept, later(END, 20.3)) == ["media-held"]


def test_a_fax_is_no_broken_audio() -> None:
    fax = [body.replace("audio", "image").replace("RTP/AVP 0", "udptl t38") for body in (ANSWER, OFFER)]
    change = request("INVITE", body=fax[0], cseq=7, sent=False), response("200 OK", body=fax[1], cseq=7)
    pages = [packet(4.4 + 0.03 * n, *MEDIA[::-1], (n + 1000).to_bytes(2, "big") + bytes(20)) for n in range(600)]
    flow = rtp(sent=True, count=300), rtp(sent=False, count=190)
    assert diagnose(signalling(*LONG), *flow, later(signalling(*change), 4), pages, later(END, 30)) == []
    assert diagnose(signalling(*LONG), *flow, pages, later(END, 30)) == ["rtp-stops", "rtp-malformed"]


def test_media_from_wherever_the_callee_has_said_is_expected() -> None:
    other = ANSWER.replace("5000", "7000").replace("198.51.100.1", "198.51.100.9")
    place = SocketAddress("198.51.100.9", 7000)
    early = signalling(INVITE, response("183 Progress", CONTACT, body=other), OK, ACK, pace=4)
    ringback = voice(4.3, 180, ssrc=9, source=place), voice(8.3, 100)
    assert diagnose(early, rtp(sent=True, count=90, begin=8.3), *ringback, later(END, 10.3)) == []
    moves = request("INVITE", body=other, cseq=7, sent=False), response("200 OK", body=OFFER, cseq=7)
    flow = rtp(sent=True, count=400), voice(0.3, 90), voice(2.3, 300, ssrc=9, source=place)
    end = later(END, 8.5)
    assert diagnose(signalling(*LONG), *flow, later(signalling(*moves), 2), end) == []
    assert diagnose(signalling(*LONG), *flow, end) == ["rtp-from-elsewhere"]


def test_a_hold_of_the_old_kind_stops_media() -> None:
    hold = OFFER.replace("c=IN IP4 192.0.2.1", "c=IN IP4 0.0.0.0")
    flow = signalling(*LONG), rtp(sent=True, count=400), rtp(sent=False, count=90)
    for body, found in ((hold, []), (f"{hold}a=ice-ufrag:f\na=ice-pwd:{'p' * 22}\n", ["rtp-stops"])):
        change = request("INVITE", body=body, cseq=7), response("200 OK", CONTACT, body=ANSWER, cseq=7)
        assert diagnose(*flow, later(signalling(*change), 2), later(END, 8.3)) == found
