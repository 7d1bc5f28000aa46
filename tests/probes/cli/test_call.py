"""`sipprobe call` as a process: exit codes, one-line errors, where the password comes from, and how it is stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from probes.capture.files import read_packets
from probes.capture.network import read_payloads
from probes.cli.call_codes import EXIT_CODES
from probes.cli.exit_codes import ExitCode
from probes.cli.saving import WRITERS
from probes.responder.personas import Persona
from probes.responder.run import open_responder
from probes.result import CallKind
from sipcore.media.rtp import Kind, kind_of
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.transports.base import TlsConfig
from sipcore.transports.certificates import self_signed
from tests.probes.discovery.network import HOST, free_port, ok
from tests.probes.report.pages import page_of
from tests.probes.report.schemas import load, violations

COMMAND = (sys.executable, "-m", "probes.cli.main", "call")
Respond = Callable[[bytes], bytes | None]


class Peer:
    """Somebody at a UDP port, with the methods of what was received there."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, 0))
        self._came = threading.Condition()
        self.asked: list[str] = []
        self.target = f"sip:bob@{HOST}:{self._socket.getsockname()[1]}"

    def serve(self) -> None:
        """Answer until an empty datagram comes."""
        while True:
            data, sender = self._socket.recvfrom(65535)
            if not data:
                return
            answer = self._respond(data)
            if answer is not None:
                self._socket.sendto(answer, sender)
            with self._came:
                self.asked.append(data.split()[0].decode())
                self._came.notify()

    def wait_for(self, method: str) -> None:
        """Wait until a request with this method was answered."""
        with self._came:
            assert self._came.wait_for(lambda: method in self.asked, timeout=20), self.asked

    def stop(self) -> None:
        """End `serve`."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"", self._socket.getsockname())

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()


@contextmanager
def peer(respond: Respond) -> Iterator[Peer]:
    one = Peer(respond)
    thread = threading.Thread(target=one.serve, daemon=True)
    thread.start()
    try:
        yield one
    finally:
        one.stop()
        thread.join(5)
        one.close()


def accept(data: bytes) -> bytes | None:
    """Take calls, at the very URI that they are for."""
    return None if data.startswith(b"ACK") else ok(data, f"Contact: <{data.split()[1].decode()}>")


def describe(data: bytes) -> bytes | None:
    """Take calls with a session to whose port nobody listens."""
    if not data.startswith(b"INVITE"):
        return accept(data)
    body = f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n".encode()
    return ok(data, f"Contact: <{data.split()[1].decode()}>", "Content-Type: application/sdp", body=body)


def ring(data: bytes) -> bytes | None:
    """Ring until the CANCEL, which is answered for the INVITE alone."""
    if data.startswith(b"CANCEL"):
        return ok(data.replace(b" CANCEL\r\n", b" INVITE\r\n"), status="487 Request Terminated")
    return ok(data, status="180 Ringing") if data.startswith(b"INVITE") else None


def sipprobe(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in os.environ.items() if name != "SIPPROBE_PASSWORD"} | variables
    command = [*COMMAND[:-1], *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environment, stdin=subprocess.DEVNULL
    )


def test_a_closed_port() -> None:
    done = sipprobe("call", "tcp://127.0.0.1:9")
    assert done.returncode == ExitCode.REFUSED
    assert "nothing listens there" in done.stdout
    assert "initiated" in done.stdout
    assert "TLS failed" not in done.stdout
    assert done.stderr.startswith("sipprobe: sip:127.0.0.1:9;transport=tcp: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_closed_port_as_data() -> None:
    done = sipprobe("call", "udp://127.0.0.1:9", "--json")
    assert done.returncode == ExitCode.REFUSED
    data = json.loads(done.stdout)
    assert (data["status"], data["kind"]) == ("failed", "refused")
    assert done.stderr.endswith("; check port and transport, or run discover\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["not a host"], "cannot read 'not a host'"),
        (["http://example.com"], "http: is for web pages, not for SIP; give example.com"),
        (["sips:127.0.0.1", "--transport", "udp"], "a sips URI cannot go over UDP; use tls"),
        (["tcp://127.0.0.1", "--transport", "udp"], "is for tcp, and udp is asked for"),
        (["127.0.0.1", "--codec", "MP3"], "no codec MP3"),
        (["127.0.0.1", "--user", "alice"], "SIPPROBE_PASSWORD"),
        (["127.0.0.1", "--user", "alice", "--password-file", "/nonexistent"], "/nonexistent"),
        (["127.0.0.1", "--user", "alice", "--password-file", "/dev/null"], "the first line of /dev/null is empty"),
        (["127.0.0.1", "--password-file", "/dev/null"], "--password-file goes with --user, which is not given"),
        (["127.0.0.1", "--realm", "pbx"], "--realm goes with --user, which is not given"),
        (["127.0.0.1", "--ca-file", "/nonexistent"], "/nonexistent"),
        (["127.0.0.1", "--certificate", "/nonexistent"], "needs both --certificate and --key"),
        (["127.0.0.1", "--resolver", "example"], "takes an address, and example is none"),
        (["127.0.0.1", "--from", "al ice"], "cannot read 'al ice'"),
        (["127.0.0.1", "--from", "*"], "--from takes a URI such as sip:alice@example.com"),
        (["127.0.0.1", "--asserted", "*"], "--asserted takes a URI such as sip:alice@example.com"),
        (["127.0.0.1", "--header", "X-Trunk"], "write it as 'Name: value'"),
        (["127.0.0.1", "--header", "Via: x"], "Via is written by the call itself"),
        (["127.0.0.1", "--hep", f"{'a' * 64}:9060"], "no name that DNS can hold"),
        (["127.0.0.1", "--privacy", "much"], "Privacy knows no 'much'"),
        (["127.0.0.1", "--dtmf", "abc!"], "digits are up to 64"),
        (["127.0.0.1", "--expect", "fun"], "give a status from 200 to 699, or connected"),
        (["127.0.0.1", "--session-timer", "30"], "90 s at least"),
        (["127.0.0.1", "--hold", "10", "--max-hold", "5"], "longer than a call may last: 5 s"),
        (["sip:112@127.0.0.1"], "unless emergency numbers are allowed: --allow emergency"),
        (["sip:+19005550100@127.0.0.1", "--allow", "emergency"], "unless premium numbers are allowed: --allow premium"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], told: str) -> None:
    done = sipprobe("call", *arguments)
    assert done.returncode == ExitCode.USAGE
    assert done.stdout == ""
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_there_is_no_password_argument() -> None:
    done = sipprobe("call", "127.0.0.1", "--password", "secret")
    assert done.returncode == ExitCode.USAGE
    assert "--password-file" in sipprobe("call", "--help").stdout


def test_the_password_of_a_file_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("correct horse\n")
    done = sipprobe("call", "tcp://127.0.0.1:9", "--user", "alice", "--password-file", str(file))
    assert done.returncode == ExitCode.REFUSED
    assert "correct horse" not in done.stdout + done.stderr


def test_a_closed_port_where_tls_was_wanted() -> None:
    done = sipprobe("call", f"tls://{HOST}:{free_port()}")
    assert done.returncode == ExitCode.REFUSED
    assert "connection failed" in done.stdout
    assert "TLS failed" not in done.stdout


@pytest.mark.parametrize(
    ("shown", "by_file", "code"),
    [(True, False, ExitCode.OK), (True, True, ExitCode.OK), (False, False, ExitCode.TLS_FAILED)],
)
async def test_a_peer_that_wants_a_client_certificate(
    tmp_path: Path, shown: bool, by_file: bool, code: ExitCode
) -> None:
    """As carriers do with their trunks (RFC 5922 §7.4)."""
    server, client = self_signed([HOST]), self_signed(["trunk.example.com"])
    for name, content in zip(("ca", "certificate", "key"), (server[0], *client), strict=True):
        (tmp_path / name).write_bytes(content)
    tls = TlsConfig(certificate=server[0], key=server[1], ca_data=client[0], require_client_certificate=True)
    async with open_responder(Persona(), [(Transport.TLS, SocketAddress(HOST, 0))], tls=tls) as responder:
        target = f"sip:echo@{responder.address(Transport.TLS)};transport=tls"
        (tmp_path / "calls.toml").write_text(f'[[call]]\nname = "one"\ntarget = "{target}"\n')
        what = ["--scenario", str(tmp_path / "calls.toml")] if by_file else [target]
        files = [f"--certificate={tmp_path / 'certificate'}", f"--key={tmp_path / 'key'}"] if shown else []
        words = [*COMMAND, *what, "--hold=0.1", f"--ca-file={tmp_path / 'ca'}", *files]
        done = await trio.run_process(words, capture_stdout=True, capture_stderr=True, check=False)
    assert done.returncode == code, done.stderr


def test_a_transport_nobody_knows() -> None:
    done = sipprobe("call", HOST, "--transport", "sip")
    assert done.returncode == ExitCode.USAGE
    assert "'udp', 'tcp', 'tls', 'ws', 'wss'" in done.stderr


def test_a_call() -> None:
    with peer(accept) as bob:
        done = sipprobe("call", bob.target, "--hold", "0", "--codec", "pcma", "--transport", "UDP")
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert bob.asked == ["INVITE", "ACK", "BYE"]


def test_what_the_options_make_of_the_invite() -> None:
    seen: list[bytes] = []

    def respond(data: bytes) -> bytes | None:
        seen.append(data)
        return accept(data)

    options = ["--hold", "0", "--header", "X-Trunk: 7", "--privacy", "id", "--asserted", "sip:+15550100123@a.example"]
    options += ["--from", "sip:+15550100124@a.example", "--number-format", "e164", "--prack", "required"]
    options += ["--session-timer", "1800", "--encryption", "require", "--ptime", "30", "--codec", "PCMA"]
    with peer(respond) as bob:
        done = sipprobe("call", bob.target.replace("bob", "112"), "--allow", "emergency", *options)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    invite = seen[0].decode()
    for told in (
        *("INVITE sip:112@", "X-Trunk: 7\r\n", "Privacy: id\r\n", "P-Asserted-Identity: sip:+15550100123@a.example"),
        *("From: sip:15550100124@a.example;tag=", "Require: 100rel\r\n", "Session-Expires: 1800", "RTP/SAVP 8 101"),
        *("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:", "a=ptime:30\r\n"),
    ):
        assert told in invite


@pytest.mark.parametrize(
    ("expected", "code", "told"),
    [("connected", ExitCode.OK, ""), ("busy", ExitCode.UNEXPECTED, "expected was busy, and it ended with connected")],
)
def test_what_was_expected_decides_the_exit_code(expected: str, code: ExitCode, told: str) -> None:
    with peer(accept) as bob:
        done = sipprobe("call", bob.target, "--hold", "0", "--expect", expected)
    assert done.returncode == code
    assert told in done.stderr
    assert bool(done.stderr) is bool(told)


def test_the_help_fits_a_terminal() -> None:
    shown = sipprobe("call", "--help", COLUMNS="80").stdout
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert "--encryption" in shown


def test_a_call_is_saved(tmp_path: Path) -> None:
    files = [tmp_path / f"call{end}" for end in WRITERS]
    options = [part for file in files for part in ("--save", str(file))] + ["--html", str(tmp_path / "report")]
    with peer(accept) as bob:
        done = sipprobe("call", bob.target, "--hold", "0", *options)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert "Test call" in page_of((tmp_path / "report").read_text()).text
    begins = {
        ".html": b"<!DOCTYPE html>",
        ".pcapng": b"\n\r\r\n",
        ".svg": b"<svg ",
        ".mmd": b"sequenceDiagram\n",
        ".json": b"{\n",
    }
    assert {file.suffix: file.read_bytes().startswith(begins[file.suffix]) for file in files} == dict.fromkeys(
        WRITERS, True
    )


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("call.txt", "has to end in .html, .pcapng, .svg, .mmd, .json"),
        ("no/call.svg", "there is no directory"),
        ("there.svg", "this is a directory"),
    ],
)
def test_what_cannot_be_saved_is_told_before_anybody_is_called(tmp_path: Path, file: str, told: str) -> None:
    (tmp_path / "there.svg").mkdir()
    with peer(accept) as bob:
        done = sipprobe("call", bob.target, "--save", str(tmp_path / file))
    assert (done.returncode, bob.asked) == (ExitCode.USAGE, [])
    assert told in done.stderr


@pytest.mark.parametrize("option", ["--with-media", "--with-tls"])
def test_what_goes_into_a_capture_needs_one(tmp_path: Path, option: str) -> None:
    with peer(accept) as bob:
        done = sipprobe("call", bob.target, "--save", str(tmp_path / "call.svg"), option)
    assert (done.returncode, bob.asked) == (ExitCode.USAGE, [])
    assert f"{option} goes with --save FILE.pcapng" in done.stderr


def test_media_is_saved_where_it_is_asked_for(tmp_path: Path) -> None:
    plain, whole = tmp_path / "plain.pcapng", tmp_path / "whole.pcapng"
    with peer(describe) as bob:
        for file, options in ((plain, []), (whole, ["--with-media", "--with-tls"])):
            done = sipprobe("call", bob.target, "--hold", "0.1", "--save", str(file), *options)
            assert done.returncode in (ExitCode.OK, ExitCode.NO_MEDIA)
    payloads = [[each.data for each in read_payloads(read_packets(file.read_bytes()))] for file in (plain, whole)]
    assert [any(kind_of(data) is Kind.RTP for data in each) for each in payloads] == [False, True]


@pytest.mark.parametrize(
    ("collector", "told"), [("127.0.0.1", "no port"), ("a b:9060", "neither a host"), ("[::1]:x", "a port is a number")]
)
def test_a_collector_that_cannot_be_is_told_before_anybody_is_called(collector: str, told: str) -> None:
    with peer(accept) as bob:
        done = sipprobe("call", bob.target, "--hep", collector)
    assert (done.returncode, bob.asked) == (ExitCode.USAGE, [])
    assert told in done.stderr


def test_the_messages_go_to_a_collector() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector, peer(accept) as bob:
        collector.bind((HOST, 0))
        collector.settimeout(20)
        where = f"{HOST}:{collector.getsockname()[1]}"
        done = sipprobe("call", bob.target, "--hold", "0", "--hep", where, SIPPROBE_HEP_KEY="s3cret")
        packets = [collector.recv(65536) for _ in range(5)]
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert all(packet.startswith(b"HEP3") and b"s3cret" in packet for packet in packets)
    assert "s3cret" not in done.stdout


def test_a_file_that_fails_after_all_is_told(tmp_path: Path) -> None:
    (tmp_path / "call.svg").symlink_to(tmp_path / "gone" / "call.svg")
    with peer(accept) as bob:
        done = sipprobe("call", bob.target, "--hold", "0", "--save", str(tmp_path / "call.svg"))
    assert "connected" in done.stdout
    assert done.returncode == ExitCode.USAGE
    assert "No such file" in done.stderr


def test_every_kind_of_ending_has_an_exit_code() -> None:
    assert EXIT_CODES.keys() == set(CallKind)
    assert EXIT_CODES[CallKind.NO_ANSWER] is not EXIT_CODES[CallKind.NOT_ANSWERED]


@pytest.mark.parametrize(
    ("respond", "when", "last"), [(accept, "ACK", "BYE"), (ring, "INVITE", "CANCEL")], ids=["answered", "ringing"]
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_who_stops_it_hangs_up(respond: Respond, when: str, last: str, number: signal.Signals) -> None:
    with peer(respond) as bob, subprocess.Popen([*COMMAND, bob.target, "--hold", "30"], stdout=subprocess.PIPE) as call:
        bob.wait_for(when)
        call.send_signal(number)
        bob.wait_for(last)
        code = call.wait(timeout=20)
    assert code == (ExitCode.INTERRUPTED if number is signal.SIGINT else -number)


@pytest.mark.parametrize(
    ("respond", "when", "kind", "why"),
    [
        (accept, "ACK", CallKind.CONNECTED, "interrupted here"),
        (ring, "INVITE", CallKind.INTERRUPTED, "while it rang"),
    ],
    ids=["answered", "ringing"],
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_who_stops_it_gets_what_was_recorded(
    respond: Respond, when: str, kind: CallKind, why: str, number: signal.Signals, tmp_path: Path
) -> None:
    files = [tmp_path / f"call{end}" for end in WRITERS]
    options = ["--hold", "30", "--json", *(f"--save={file}" for file in files)]
    with peer(respond) as bob, subprocess.Popen([*COMMAND, bob.target, *options], stdout=subprocess.PIPE) as call:
        bob.wait_for(when)
        call.send_signal(number)
        shown, _ = call.communicate(timeout=20)
    assert call.returncode == (ExitCode.INTERRUPTED if number is signal.SIGINT else -number)
    data = json.loads(shown)
    assert violations(data, load("call")) == []
    assert data["kind"] == kind.value
    assert data["why"].endswith(why)
    said = [entry["label"] for entry in data["timeline"]]
    last = "BYE" if kind is CallKind.CONNECTED else "CANCEL"
    assert said.index("interrupted") < next(place for place, label in enumerate(said) if last in label)
    assert "nobody-answers" not in [finding["code"] for finding in data["findings"]]
    assert all(file.stat().st_size for file in files)
    assert json.loads((tmp_path / "call.json").read_text())["why"] == data["why"]


def test_who_stops_it_before_anything_was_sent_gets_that() -> None:
    """A connection that does not come about, over which nothing would have to be taken back."""
    with socket.socket() as full:
        full.bind((HOST, 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        target = f"tcp://{HOST}:{full.getsockname()[1]}"
        words = [*COMMAND, target, "--json"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as call:
            with pytest.raises(subprocess.TimeoutExpired):
                call.wait(timeout=2)
            call.send_signal(signal.SIGINT)
            shown, told = call.communicate(timeout=20)
        for filler in fillers:
            filler.close()
    assert call.returncode == ExitCode.INTERRUPTED
    assert json.loads(shown)["kind"] == CallKind.INTERRUPTED.value
    assert b"interrupted here after " in told


def test_who_stops_several_gets_a_sum_of_those_that_were(tmp_path: Path) -> None:
    with peer(ring) as bob:
        text = "\n".join(f'[[call]]\nname = "{name}"\ntarget = "{bob.target}"\n' for name in ("one", "two", "three"))
        (tmp_path / "calls.toml").write_text(text)
        words = [*COMMAND, "--scenario", str(tmp_path / "calls.toml")]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as call:
            bob.wait_for("INVITE")
            call.send_signal(signal.SIGINT)
            shown, _ = call.communicate(timeout=20)
    assert call.returncode == ExitCode.INTERRUPTED
    assert shown.splitlines()[-1] == "0 of 1 calls are as they should be, and 2 were not placed"
    assert bob.asked.count("INVITE") == 1


def test_who_stops_it_is_told_what_takes_so_long() -> None:
    with (
        peer(lambda _: None) as bob,
        subprocess.Popen([*COMMAND, bob.target], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as call,
    ):
        assert call.stderr
        bob.wait_for("INVITE")
        call.send_signal(signal.SIGTERM)
        assert call.stderr.readline() == b"sipprobe: ending what was begun; once more ends it at once\n"
        call.send_signal(signal.SIGTERM)
        assert call.wait(timeout=20) == -signal.SIGTERM


def test_who_interrupts_twice_waits_for_no_answer_to_the_bye() -> None:
    """Which is shielded from the first time."""
    with (
        peer(lambda data: None if data.startswith(b"BYE") else accept(data)) as bob,
        subprocess.Popen(
            [*COMMAND, bob.target, "--hold", "0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as call,
    ):
        assert call.stderr
        bob.wait_for("BYE")
        call.send_signal(signal.SIGINT)
        assert call.stderr.readline() == b"sipprobe: ending what was begun; once more ends it at once\n"
        call.send_signal(signal.SIGINT)
        assert call.wait(timeout=2) == -signal.SIGINT


def test_who_reads_no_further_does_not_leave_the_call_up() -> None:
    with (
        peer(accept) as bob,
        subprocess.Popen(
            [*COMMAND, bob.target, "--hold", "0.2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as call,
    ):
        assert call.stdout
        assert call.stderr
        call.stdout.close()
        assert call.wait(timeout=20) == ExitCode.OK
        assert call.stderr.read() == b""
    assert bob.asked == ["INVITE", "ACK", "BYE"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full here")
def test_a_full_disk_does_not_leave_the_call_up() -> None:
    with peer(accept) as bob, Path("/dev/full").open("w") as full:
        call = subprocess.run([*COMMAND, bob.target, "--hold", "0"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert call.returncode != ExitCode.OK
    assert b"sipprobe: cannot write the result: " in call.stderr
    assert bob.asked == ["INVITE", "ACK", "BYE"]
