"""`sipprobe respond`: a process that is started, asked and stopped; and every command line that cannot work."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from probes.calls.expect import Expectation
from probes.calls.script import Ends, Reliable
from probes.capture.calls import read_calls
from probes.capture.files import read_packets
from probes.capture.network import Datagram, read_payloads
from probes.cli import respond as verb
from probes.cli import respond_options
from probes.cli.exit_codes import ExitCode
from probes.cli.main import main
from probes.cli.saving import WRITERS
from probes.responder.happening import Binding
from probes.responder.personas import Manner, Persona
from sipcore.auth.digest import Algorithm, Secret
from sipcore.auth.server import ServerPolicy
from sipcore.media import voice
from sipcore.message.uri import parse_uri
from sipcore.sdp.codecs import CODECS
from sipcore.transports.certificates import self_signed
from tests.probes.cli.test_call import sipprobe
from tests.probes.report import schemas

CALL = schemas.load("call")
MEDIA = CALL["$defs"]["media"]
ROOT = Path(__file__).parents[3]
HOST = "127.0.0.1"
TIMEOUT = 20.0
REQUEST = (
    "{method} sip:{user}@h SIP/2.0\r\nVia: SIP/2.0/UDP {host};branch=z9hG4bK{number};rport\r\nMax-Forwards: 70\r\n"
    "From: <sip:a@h>;tag={number}\r\nTo: <sip:{user}@h>\r\nCall-ID: {number}\r\nCSeq: 1 {method}\r\n"
    "Contact: <sip:a@{host}>\r\nContent-Length: 0\r\n\r\n"
)


@contextmanager
def responding(*options: str) -> Iterator["subprocess.Popen[str]"]:
    """A responder in a process of its own, on free ports."""
    command = [sys.executable, "-m", "probes.cli.main", "respond", "--port", "0", "--tls-port", "0", *options]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def data_of(process: "subprocess.Popen[str]") -> Any:  # noqa: ANN401  # what JSON may hold
    data = json.loads(line_of(process))
    assert schemas.violations(data, schemas.load("respond")) == []
    return data


def ask(port: int, method: str = "OPTIONS", user: str = "echo", number: int = 1) -> str:
    """The first response to a request over UDP, 100 left out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(TIMEOUT)
        sock.connect((HOST, port))
        local = f"{HOST}:{sock.getsockname()[1]}"
        sock.send(REQUEST.format(method=method, user=user, host=local, number=number).encode())
        while (answer := sock.recv(4096).decode()).startswith("SIP/2.0 100"):
            pass
        return answer


def test_from_start_to_end() -> None:
    with responding("--server", "Demo/1") as process:
        head, _, addresses = line_of(process).partition("listening on ")
        assert head == ""
        bound = dict(address.split(" ") for address in addresses.split(", "))
        assert list(bound) == ["udp", "tcp", "tls"]
        answer = ask(int(bound["udp"].rpartition(":")[2]))
        assert answer.startswith("SIP/2.0 200 OK\r\n")
        assert "Server: Demo/1\r\n" in answer
        line = line_of(process)
        assert " OPTIONS sip:echo@h from sip:a@h over udp 127.0.0.1:" in line
        assert line.endswith(": 200 OK")
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == ExitCode.OK
        assert process.communicate() == ("", "")


def test_who_interrupts_twice_waits_for_no_caller() -> None:
    """One who acknowledges nothing, and answers no BYE."""
    with responding("--json", "--no-tls") as process, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.settimeout(TIMEOUT)
        caller.connect((HOST, data_of(process)["addresses"][0]["port"]))
        local = f"{HOST}:{caller.getsockname()[1]}"
        caller.send(REQUEST.format(method="INVITE", user="echo", host=local, number=1).encode())
        while not caller.recv(4096).startswith(b"SIP/2.0 200"):
            pass
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.readline() == "sipprobe: ending what was begun; once more ends it at once\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(2) == -signal.SIGINT


def test_for_programs() -> None:
    """JSON, and that a reader which goes away stops nothing."""
    with responding("--json", "--no-tls", "--busy") as process:
        listening = data_of(process)
        assert [address["transport"] for address in listening["addresses"]] == ["udp", "tcp"]
        port = listening["addresses"][0]["port"]
        assert ask(port, "INVITE", number=1).startswith("SIP/2.0 486 ")
        happening = data_of(process)
        assert (happening["event"], happening["status"]) == ("call", 486)
        assert process.stdout is not None
        process.stdout.close()
        assert ask(port, "INVITE", number=2).startswith("SIP/2.0 486 ")
        assert ask(port, "INVITE", number=3).startswith("SIP/2.0 486 ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == ExitCode.OK


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with those of the responder, whose name is not its address, and of a client that it knows."""
    for name, names in (("server", ["pbx.example.com", HOST]), ("client", ["trunk.example.com"])):
        for kind, content in zip(("pem", "key"), self_signed(names), strict=True):
            (tmp_path / f"{name}.{kind}").write_bytes(content)
    return tmp_path


@pytest.mark.parametrize(
    ("demanded", "shown", "code"),
    [
        (False, False, ExitCode.OK),
        (True, True, ExitCode.OK),
        (True, False, ExitCode.TLS_FAILED),
    ],
)
def test_tls_with_a_certificate_that_is_given(demanded: bool, shown: bool, code: ExitCode, certificates: Path) -> None:
    served = [f"--certificate={certificates / 'server.pem'}", f"--key={certificates / 'server.key'}"]
    served += [f"--client-ca={certificates / 'client.pem'}"] if demanded else []
    own = [f"--certificate={certificates / 'client.pem'}", f"--key={certificates / 'client.key'}"] if shown else []
    with responding("--json", *served) as process:
        port = data_of(process)["addresses"][2]["port"]
        target = f"sip:echo@{HOST}:{port};transport=tls"
        done = sipprobe("call", target, "--hold=0.1", f"--ca-file={certificates / 'server.pem'}", *own)
    assert done.returncode == code, done.stderr


def test_a_client_certificate_may_be_demanded_with_a_certificate_that_is_made(certificates: Path) -> None:
    with responding("--json", f"--client-ca={certificates / 'client.pem'}") as process:
        port = data_of(process)["addresses"][2]["port"]
        done = sipprobe("call", f"sip:echo@{HOST}:{port};transport=tls", "--hold=0.1", "--insecure")
    assert done.returncode == ExitCode.TLS_FAILED
    assert "certificate" in done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--certificate=server.pem"], "a certificate needs both --certificate and --key"),
        (["--certificate=server.pem", "--key=client.key"], "key"),
        (["--certificate=nowhere.pem", "--key=client.key"], "cannot read nowhere.pem"),
        (["--client-ca=server.key"], "server.key"),
        (["--certificate=/dev/null", "--key=server.key"], "/dev/null is empty"),
        (
            ["--no-tls", "--certificate=server.pem", "--key=server.key"],
            "--no-tls leaves nothing to do for --certificate",
        ),
        (["--no-tls", "--client-ca=client.pem"], "--no-tls leaves nothing to do for --client-ca"),
    ],
)
def test_certificates_that_cannot_be_used(
    options: list[str], told: str, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(certificates)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = sipprobe("respond", "--port=0", "--tls-port=0", *options)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_so_many_calls() -> None:
    """And no more."""
    with responding("--json", "--no-tls", "--calls", "1", "--max-hold", "60") as process:
        port = data_of(process)["addresses"][0]["port"]
        assert sipprobe("call", f"sip:a@{HOST}:{port}", "--hold", "0.5").returncode == ExitCode.OK
        happening = data_of(process)
        assert process.wait(TIMEOUT) == ExitCode.OK
    assert happening["media"]["received"]["packets"] == happening["media"]["sent"]["packets"] > 0
    assert schemas.violations(happening["media"], MEDIA, CALL) == []
    assert schemas.violations(happening["result"], CALL) == []
    assert (happening["result"]["role"], happening["result"]["status"]) == ("callee", "connected")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], ExitCode.OK),
        (["--expect", "486"], ExitCode.OK),
        (["--expect", "connected"], ExitCode.UNEXPECTED),
    ],
)
def test_what_is_expected_of_a_call_decides(options: list[str], code: ExitCode) -> None:
    with responding("--json", "--no-tls", "--busy", "--calls", "1", *options) as process:
        ask(data_of(process)["addresses"][0]["port"], "INVITE")
        result = data_of(process)["result"]
        assert process.wait(TIMEOUT) == code
    expected = None if not options else code is ExitCode.OK
    assert (result["expectation"] and result["expectation"]["met"]) == expected


def test_a_caller_without_audio() -> None:
    with responding("--json", "--no-tls", "--hang-up-after", "1.2", "--calls", "1") as process:
        port = data_of(process)["addresses"][0]["port"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(TIMEOUT)
            sock.connect((HOST, port))
            local = f"{HOST}:{sock.getsockname()[1]}"
            sock.send(REQUEST.format(method="INVITE", user="a", host=local, number=1).encode())
            while not (answer := sock.recv(4096)).startswith(b"SIP/2.0 200"):
                pass
            tag = next(line for line in answer.decode().split("\r\n") if line.startswith("To: "))
            ack = REQUEST.format(method="ACK", user="a", host=local, number=1)
            sock.send("\r\n".join(tag if line.startswith("To:") else line for line in ack.split("\r\n")).encode())
            bye = sock.recv(4096)
            sock.send(b"SIP/2.0 200 OK\r\n" + bye.partition(b"\r\n")[2])
        result = data_of(process)["result"]
        assert process.wait(TIMEOUT) == ExitCode.NO_MEDIA
    assert result["kind"] == "no media"
    assert [finding["code"] for finding in result["findings"]] == ["caller-describes-nothing"]


def test_one_call_is_shown_as_it_happens_saved_and_sent(tmp_path: Path) -> None:
    files = [tmp_path / f"call{end}" for end in WRITERS]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind((HOST, 0))
        collector.settimeout(TIMEOUT)
        wanted = [part for file in files for part in ("--save", str(file))]
        where = f"{HOST}:{collector.getsockname()[1]}"
        with responding("--no-tls", "--calls", "1", "--with-media", "--hep", where, *wanted) as process:
            port = line_of(process).split(", ")[0].rpartition(":")[2]
            assert sipprobe("call", f"sip:a@{HOST}:{port}", "--hold", "1.1").returncode == ExitCode.OK
            shown = process.communicate(timeout=TIMEOUT)[0].splitlines()
        packets = [collector.recv(65536) for _ in range(5)]
    assert process.returncode == ExitCode.OK
    assert shown[0].split() == ["ms", "sipprobe"]
    assert shown[1].split()[1:3] == ["│", "initiated"]
    assert shown[3].split()[1:3] == ["│◀─", "INVITE"]
    assert any(line.startswith("connected: answered") for line in shown)
    assert all(packet.startswith(b"HEP3") for packet in packets)
    assert "Test call from sip:anonymous@127.0.0.1" in files[list(WRITERS).index(".svg")].read_text()
    stored = json.loads(files[list(WRITERS).index(".json")].read_text())
    assert schemas.violations(stored, CALL) == []
    assert [event["event"] for event in stored["events"]] == ["initiated", "answered", "media", "completed"]
    diagnosed = sipprobe("diagnose", str(files[list(WRITERS).index(".json")]), "--json")
    assert json.loads(diagnosed.stdout)[0]["findings"] == stored["findings"] == []
    capture = files[list(WRITERS).index(".pcapng")].read_bytes()
    assert len(read_calls(read_packets(capture))) == 1
    assert sum(isinstance(one, Datagram) for one in read_payloads(read_packets(capture))) > 20


ANSWERS = """
[[answer]]
name = "busy"
refuse = 486
expect = "busy"

[[answer]]
name = "picked up"
ring = 0.1
codecs = ["PCMA"]
expect = "connected"

[[answer]]
name = "nobody"
wait = 0.1
"""


def test_a_scenario_of_calls_that_come(tmp_path: Path) -> None:
    file = tmp_path / "answers.toml"
    file.write_text(ANSWERS)
    with responding("--json", "--no-tls", "--scenario", str(file)) as process:
        port = json.loads(line_of(process))["addresses"][0]["port"]
        for code in (ExitCode.BUSY, ExitCode.OK):
            assert sipprobe("call", f"sip:a@{HOST}:{port}", "--hold", "0.3").returncode == code
        *results, summary = map(json.loads, process.communicate(timeout=TIMEOUT)[0].splitlines())
    assert process.returncode == ExitCode.NO_ANSWER
    told = [(each["name"], each["exit_code"], each["kind"], each["codec"]) for each in results]
    assert told == [
        *(("busy", 0, "busy", None), ("picked up", 0, "connected", "PCMA"), ("nobody", 6, "no call", None)),
    ]
    for result in results:
        data = {key: result[key] for key in result if key not in ("event", "name", "exit_code")}
        assert schemas.violations(data, CALL) == []
    assert [finding["code"] for finding in results[2]["findings"]] == ["no-call-came"]
    assert summary == {"event": "summary", "calls": 3, "ok": 2, "failed": 1, "omitted": 0}


def test_options_stand_above_a_scenario(tmp_path: Path) -> None:
    file = tmp_path / "answers.toml"
    file.write_text(ANSWERS)
    with responding("--no-tls", "--scenario", str(file), "--refuse", "603", "--expect", "603") as process:
        port = line_of(process).split(", ")[0].rpartition(":")[2]
        for _ in range(2):
            assert sipprobe("call", f"sip:a@{HOST}:{port}").returncode == ExitCode.FAILED
        shown = process.communicate(timeout=TIMEOUT)[0].splitlines()
    assert process.returncode == ExitCode.UNEXPECTED
    assert shown[-1] == "2 of 3 calls are as they should be"
    assert [line.split()[0] for line in shown[-4:-1]] == ["ok", "ok", "failed"]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (ANSWERS, ["--calls", "2"], "--calls says nothing with --scenario"),
        (ANSWERS, ["--busy"], "--busy says nothing with --scenario"),
        (ANSWERS, ["--save", "x.json"], "--save is for one call: give --calls 1, without --scenario"),
        ('[[call]]\ntarget = "sip:a@b"\n', [], "[[call]] is for `sipprobe call`"),
    ],
)
def test_scenarios_that_cannot_be(text: str, options: list[str], said: str, tmp_path: Path) -> None:
    file = tmp_path / "answers.toml"
    file.write_text(text)
    done = sipprobe("respond", "--port", "0", "--no-tls", "--scenario", str(file), *options)
    assert (done.returncode, said in done.stderr) == (ExitCode.USAGE, True), done.stderr


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["respond", *arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


Served = list[tuple[Persona, list[Binding]]]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    """What the responder is told to be, in place of its being it."""
    personas: Served = []

    async def serve(
        persona: Persona, where: respond_options.Served, told: object, wire: object, on_entry: object
    ) -> None:
        personas.append((persona, where.binds))

    monkeypatch.setattr(verb, "_serve", serve)
    monkeypatch.setattr(voice, "is_installed", lambda: False)
    return personas


def test_opus_is_taken_where_it_can_be_heard(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice, "is_installed", lambda: True)
    assert run() == ExitCode.OK
    assert [codec.encoding for codec in served[0][0].codecs] == ["PCMU", "PCMA", "G722", "opus"]


@pytest.mark.parametrize(
    ("arguments", "persona"),
    [
        ([], Persona()),
        (["--silent"], Persona(silent=True)),
        (["--server", ""], Persona(server="")),
        (["--codec", "opus", "--codec", "pcma"], Persona(codecs=(CODECS["opus"], CODECS["PCMA"]))),
        (["--busy"], Persona(Manner(status=486))),
        (["--refuse", "603"], Persona(Manner(status=603))),
        (["--refuse", "603", "--ring", "1.5"], Persona(Manner(status=603, ring=1.5))),
        (["--redirect", "sip:bob@h"], Persona(Manner(status=302, contact=parse_uri("sip:bob@h")))),
        (["--ring", "0"], Persona(Manner(ring=0.0))),
        (["--answer-after", "2"], Persona(Manner(delay=2.0))),
        (["--early-media"], Persona(Manner(early_media=True))),
        (["--hang-up-after", "3"], Persona(Manner(hang_up_after=3.0))),
        (["--prack", "required", "--dtmf", "12#"], Persona(reliable=Reliable.REQUIRED, digits="12#")),
        (["--ptime", "30", "--header", "X-A: 1"], Persona(ptime=30, headers=(("X-A", "1"),))),
        (["--ice", "--session-timer", "1800"], Persona(ice=True, session_interval=1800)),
        (["--min-se", "120", "--refresher", "us"], Persona(min_interval=120, refresher=Ends.US)),
        (["--max-hold", "7", "--expect", "Busy"], Persona(longest=7.0, expect=Expectation("busy"))),
    ],
)
def test_options_make_a_persona(arguments: list[str], persona: Persona, served: Served) -> None:
    assert run(*arguments) == ExitCode.OK
    assert served == [(persona, verb._binds(HOST, 5060, 5061))]


def test_where_to_listen(served: Served) -> None:
    assert run("--host", "::1", "--port", "0", "--tls-port", "7") == ExitCode.OK
    assert run("--port", "7", "--no-tls") == ExitCode.OK
    assert [[f"{transport.value} {address}" for transport, address in binds] for _, binds in served] == [
        ["UDP [::1]:0", "TCP [::1]:0", "TLS [::1]:7"],
        ["UDP 127.0.0.1:7", "TCP 127.0.0.1:7"],
    ]


def test_digest(tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text("secret\n")
    options = [
        "--password-file",
        str(tmp_path / "password"),
        "--realm",
        "demo",
        "--proxy-auth",
        "--algorithm",
        "sha-256",
    ]
    assert run("--user", "alice", *options) == ExitCode.OK
    monkeypatch.setenv("SIPPROBE_PASSWORD", "other")
    assert run("--user", "alice") == ExitCode.OK
    guards = [persona.guard for persona, _ in served]
    assert guards[0] is not None
    assert guards[1] is not None
    assert guards[0].policy == ServerPolicy("demo", (Algorithm.SHA_256,), proxy=True)
    assert guards[1].policy == ServerPolicy("sipprobe")
    for guard, password in zip(guards, ("secret", "other"), strict=True):
        secret = guard.users.secret_of("alice") if guard else None
        assert secret is not None
        assert secret.ha1(Algorithm.MD5, "alice", "r") == Secret(password).ha1(Algorithm.MD5, "alice", "r")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--busy", "--refuse", "603"], "--refuse and --busy exclude each other"),
        (["--silent", "--redirect", "sip:a@b"], "--redirect and --silent exclude each other"),
        (["--refuse", "0"], "300 to 699"),
        (["--refuse", "200"], "200 is no refusal"),
        (["--refuse", "700"], "300 to 699"),
        (["--redirect", "nonsense"], "cannot read 'nonsense': no URI scheme; --redirect takes a URI"),
        (["--host", "localhost"], "--host takes an IP address of this machine, not localhost"),
        (["--host", "192.0.2.1"], "it is no address of this machine"),
        (["--codec", "GSM"], "there is no codec GSM; choose from PCMU"),
        (["--user", "alice", "--algorithm", "SHA-1"], "no digest algorithm SHA-1; there are MD5"),
        (["--user", "alice", "--password-file", "nowhere"], "cannot read the password from nowhere"),
        (["--server", "a\nb"], "the banner holds CR, LF or NUL"),
        (["--expect", "pending"], "no call ends with pending"),
        (["--header", "X"], "--header 'X': write it as 'Name: value'"),
        (["--header", "Server: x"], "Server is written by the responder itself"),
        (["--dtmf", "abcde"], "digits are up to 64 of"),
        (["--html", "x.html"], "--html is for one call: give --calls 1"),
    ],
)
def test_what_cannot_work(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--port", "0", "--no-tls", *arguments) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert said in told
    assert told.startswith("sipprobe: ")
    assert told.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--port", "65536"], ["--tls-port", "-1"], ["--ring", "-1"]])
def test_numbers_out_of_range(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == ExitCode.USAGE
    assert f"Invalid value for '{arguments[0]}'" in capsys.readouterr().err


def test_tcp_and_tls_cannot_share_a_port(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--port", "35060", "--tls-port", "35060") == ExitCode.USAGE
    assert "TCP and TLS need a port each, and both have 35060" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_in_use(kind: socket.SocketKind, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind((HOST, 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        transport = "udp" if kind is socket.SOCK_DGRAM else "tcp"
        assert run("--port", str(port), "--no-tls") == ExitCode.USAGE
        said = f"cannot receive at {transport} {HOST}:{port}: Address already in use; stop the program that listens"
        assert said in capsys.readouterr().err
